import io

import numpy as np
import PIL
import pytest
from PIL import Image

from flair_tfds.integrations import picture_sheet as sheets

RED, GREEN, BLUE = (220, 30, 30), (30, 160, 60), (40, 60, 200)


def plain(colour, height=60, width=60):
  return np.full((height, width, 3), colour, np.uint8)


def jpeg(colour):
  buffer = io.BytesIO()
  Image.fromarray(plain(colour)).save(buffer, 'JPEG', quality=95)
  return buffer.getvalue()


def near(found, colour):
  return np.abs(np.asarray(found, int) - colour).max() < 12


def dark_pixels(sheet, box):
  """The number of pixels with ink in (left, top, right, bottom)."""
  return int((np.asarray(sheet.crop(box).convert('L')) < 140).sum())


def test_images_stand_in_rows_in_the_order_given():
  images = [plain(RED), plain(GREEN), plain(BLUE)]
  sheet = sheets.picture_sheet(images, [''] * 3, columns=2, thumbnail=100)
  # Margin 14, gap 9, no lines of caption but 0.6 of a letter of 7.5 pixels:
  # the first row is centred at 64, the second 100 + 4 + 9 further down.
  assert near(sheet.getpixel((64, 64)), RED)
  assert near(sheet.getpixel((64 + 109, 64)), GREEN)
  assert near(sheet.getpixel((64, 64 + 113)), BLUE)
  assert sheet.size == (2 * 14 + 2 * 109 - 9, 2 * 14 + 2 * 113 - 9)
  assert sheet.mode == 'RGB'


def test_fewer_images_than_columns_leave_no_empty_columns():
  sheet = sheets.picture_sheet([plain(RED)], [''], columns=6, thumbnail=100)
  assert sheet.width == 2 * 14 + 100


def test_encoded_images_look_like_arrays():
  sheet = sheets.picture_sheet([jpeg(GREEN)], [''], thumbnail=100)
  assert near(sheet.getpixel((64, 64)), GREEN)


def test_encoded_greyscale_images_are_shown():
  buffer = io.BytesIO()
  Image.new('L', (50, 50), 90).save(buffer, 'PNG')
  sheet = sheets.picture_sheet([buffer.getvalue()], [''], thumbnail=100)
  assert near(sheet.getpixel((64, 64)), (90, 90, 90))


def test_a_picture_keeps_its_proportions():
  # Twice as wide as high: 100 by 50 of the square of 100.
  wide = sheets.picture_sheet([plain(RED, 40, 80)], [''], thumbnail=100)
  column = np.asarray(wide)[14:114, 64].astype(int)
  assert np.sum(np.abs(column - RED).max(axis=1) < 12) == 50


def test_a_small_picture_is_enlarged():
  sheet = sheets.picture_sheet([plain(RED, 8, 8)], [''], thumbnail=100)
  assert near(sheet.getpixel((20, 64)), RED)
  assert near(sheet.getpixel((108, 64)), RED)


def test_a_caption_stands_below_its_image():
  images = [plain(RED), plain(RED)]
  sheet = sheets.picture_sheet(images, ['dog', ''], columns=2, thumbnail=100)
  assert dark_pixels(sheet, (14, 115, 114, 130)) > 20
  assert dark_pixels(sheet, (123, 115, 223, 130)) == 0


def test_captions_of_one_sheet_take_equal_room():
  one = sheets.picture_sheet([plain(RED)] * 2, ['', ''], columns=1)
  two = sheets.picture_sheet([plain(RED)] * 2, ['a\nb', ''], columns=1)
  # Letters of 13.2 pixels: two lines of 17 in each of two rows.
  assert two.height - one.height == 2 * 2 * 17


def test_a_long_first_line_is_wrapped_once_then_cut():
  words = ' '.join(['wood_processed,'] * 12)
  lines = sheets._layout(words, *fonts(), 176)
  assert [is_small for _, is_small in lines] == [False, False]
  assert lines[0][0] == 'wood_processed,'
  assert lines[1][0].startswith('wood_processed, ')
  assert lines[1][0].endswith('…')
  assert all(fonts()[0].getlength(text) <= 176 for text, _ in lines)


def test_a_word_too_long_for_a_line_is_cut():
  ((text, _),) = sheets._layout('x' * 200, *fonts(), 176)
  assert text.endswith('x…')
  assert fonts()[0].getlength(text) <= 176


def test_further_lines_are_small_and_one_each():
  lines = sheets._layout('dog\n' + '0' * 200, *fonts(), 176)
  assert lines[0] == ('dog', False)
  text, is_small = lines[1]
  assert is_small
  assert text.endswith('0…')
  assert len(lines) == 2


def test_no_caption_runs_into_the_next_column():
  captions = ['W' * 300 + '\n' + 'W' * 300, '']
  sheet = sheets.picture_sheet(
    [plain(RED)] * 2, captions, columns=2, thumbnail=100
  )
  assert dark_pixels(sheet, (14, 115, 114, sheet.height)) > 50
  assert dark_pixels(sheet, (117, 115, sheet.width, sheet.height)) == 0


def test_a_title_is_written_above_the_first_row():
  bare = sheets.picture_sheet([plain(RED)], [''], thumbnail=176)
  titled = sheets.picture_sheet([plain(RED)], [''], title='A')
  # 2.9 letters of 13.2 pixels.
  assert titled.height - bare.height == 38
  assert dark_pixels(titled, (0, 25, titled.width, 60)) > 20


def fonts():
  size = 176 * 0.075
  return (
    sheets.ImageFont.load_default(size),
    sheets.ImageFont.load_default(size * 0.87),
  )


def test_no_images_are_refused():
  with pytest.raises(ValueError, match=r'at least one image; found none\.'):
    sheets.picture_sheet([], [])


def test_missing_captions_are_refused():
  with pytest.raises(ValueError, match=r'found 2 images and 1 captions\.'):
    sheets.picture_sheet([plain(RED)] * 2, ['one'])


def test_no_columns_are_refused():
  with pytest.raises(ValueError, match=r'`columns` must be at least 1; fou'):
    sheets.picture_sheet([plain(RED)], [''], columns=0)


def test_a_tiny_thumbnail_is_refused():
  with pytest.raises(ValueError, match=r'at least 96 pixels.*found 95\.'):
    sheets.picture_sheet([plain(RED)], [''], thumbnail=95)


@pytest.mark.parametrize(
  ('image', 'found'),
  [
    (np.zeros((4, 5), np.uint8), r'uint8 of shape \[4, 5\] at place 1'),
    (np.zeros((4, 5, 3), np.float32), r'float32 of shape \[4, 5, 3\]'),
    (np.zeros((4, 5, 4), np.uint8), r'uint8 of shape \[4, 5, 4\]'),
  ],
)
def test_other_arrays_are_refused(image, found):
  with pytest.raises(ValueError, match=found):
    sheets.picture_sheet([plain(RED), image], ['', ''])


def test_bytes_that_are_no_image_are_named_by_place():
  with pytest.raises(PIL.UnidentifiedImageError) as caught:
    sheets.picture_sheet([plain(RED), b'not an image'], ['', ''])
  assert caught.value.__notes__ == [
    'This is the image at place 1 of the sheet.'
  ]
