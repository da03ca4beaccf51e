r"""A sheet of pictures with captions: what is in a dataset, at a glance.

    captions = [f'{labels}\n{user}' for labels, user in ...]
    sheet = picture_sheet.picture_sheet(jpegs, captions, title='flair, train')
    sheet.save('sheet.png')

Needs Pillow alone, and its built-in font.
"""

import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont, ImageOps

_PAPER = (255, 255, 255)
# Seen where a picture is not square.
_TILE = (236, 236, 240)
_INK = (28, 28, 34)
_PALE_INK = (116, 116, 128)
_ELLIPSIS = '…'
# All lengths follow from the width of a thumbnail, so that a sheet of any
# size looks the same. Below this width nobody could read the captions.
_MIN_THUMBNAIL = 96
# How many lines the first paragraph of a caption may take.
_MAX_WRAPPED_LINES = 2

_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def picture_sheet(
  images: Sequence[bytes | npt.NDArray[np.uint8]],
  captions: Sequence[str],
  *,
  columns: int = 6,
  thumbnail: int = 176,
  title: str | None = None,
) -> Image.Image:
  """Returns one picture that shows many, in rows, each with its caption.

  The first line of a caption is wrapped to two lines at most; each further
  line, set smaller and paler, takes one. What does not fit ends in an
  ellipsis. A picture keeps its proportions; small ones are enlarged.

  Args:
    images: Encoded images (JPEG, PNG, ...) or arrays of shape [h, w, 3],
      uint8, RGB.
    captions: The text below each image; may be empty.
    columns: How many images stand in a row.
    thumbnail: Width and height in pixels of the square that holds an image.
    title: A headline above the sheet.

  Returns:
    An RGB image.

  Raises:
    ValueError: If there are no images, not as many captions as images, an
      array is not of shape [h, w, 3] and uint8, `columns` is less than 1 or
      `thumbnail` less than 96.
    PIL.UnidentifiedImageError: If bytes are not an image; a note says which.
  """
  _check(images, captions, columns, thumbnail)
  margin = round(thumbnail * 0.14)
  gap = round(thumbnail * 0.09)
  font_size = thumbnail * 0.075
  font = ImageFont.load_default(font_size)
  small_font = ImageFont.load_default(font_size * 0.87)
  title_font = ImageFont.load_default(font_size * 1.6)
  line = round(font_size * 1.3)
  head = round(font_size * 2.9) if title else 0

  texts = [_layout(text, font, small_font, thumbnail) for text in captions]
  caption = max(len(text) for text in texts) * line + round(font_size * 0.6)
  columns = min(columns, len(images))
  rows = -(-len(images) // columns)
  step_x, step_y = thumbnail + gap, thumbnail + caption + gap
  sheet = Image.new(
    'RGB',
    (
      2 * margin + columns * step_x - gap,
      2 * margin + head + rows * step_y - gap,
    ),
    _PAPER,
  )
  pen = ImageDraw.Draw(sheet)
  if title:
    width = sheet.width - 2 * margin
    pen.text((margin, margin), _cut(title, title_font, width), _INK, title_font)
  mask = _rounded(thumbnail)
  for i, (image, text) in enumerate(zip(images, texts, strict=True)):
    x = margin + i % columns * step_x
    y = margin + head + i // columns * step_y
    sheet.paste(_tile(image, i, thumbnail), (x, y), mask)
    y += thumbnail + round(font_size * 0.5)
    for words, is_small in text:
      pen.text(
        (x + 1, y),
        words,
        _PALE_INK if is_small else _INK,
        small_font if is_small else font,
      )
      y += line
  return sheet


def _check(
  images: Sequence[bytes | npt.NDArray[np.uint8]],
  captions: Sequence[str],
  columns: int,
  thumbnail: int,
) -> None:
  if not images:
    raise ValueError('A sheet needs at least one image; found none.')
  if len(images) != len(captions):
    raise ValueError(
      f'Each image needs a caption; found {len(images)} images and'
      f" {len(captions)} captions. Pass '' for an image without one."
    )
  if columns < 1:
    raise ValueError(f'`columns` must be at least 1; found {columns}.')
  if thumbnail < _MIN_THUMBNAIL:
    raise ValueError(
      f'`thumbnail` must be at least {_MIN_THUMBNAIL} pixels, or its caption'
      f' could not be read; found {thumbnail}.'
    )
  for i, image in enumerate(images):
    if isinstance(image, bytes):
      continue
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
      raise ValueError(
        'An image must be encoded bytes or a uint8 array of shape [h, w, 3];'
        f' found {image.dtype} of shape {list(image.shape)} at place {i}.'
      )


def _tile(
  image: bytes | npt.NDArray[np.uint8], place: int, size: int
) -> Image.Image:
  """Returns a square with the image in its middle."""
  if isinstance(image, bytes):
    try:
      with Image.open(io.BytesIO(image)) as file:
        # Decodes a large JPEG at a fraction of its size.
        file.thumbnail((2 * size, 2 * size))
        picture = file.convert('RGB')
    except OSError as error:
      error.add_note(f'This is the image at place {place} of the sheet.')
      raise
  else:
    picture = Image.fromarray(image)
  picture = ImageOps.contain(picture, (size, size), Image.Resampling.LANCZOS)
  tile = Image.new('RGB', (size, size), _TILE)
  corner = ((size - picture.width) // 2, (size - picture.height) // 2)
  tile.paste(picture, corner)
  return tile


def _rounded(size: int) -> Image.Image:
  """Returns a mask that rounds the corners of a square, with smooth edges."""
  mask = Image.new('L', (4 * size, 4 * size), 0)
  ImageDraw.Draw(mask).rounded_rectangle(
    (0, 0, 4 * size - 1, 4 * size - 1), round(0.16 * size), 255
  )
  return mask.reduce(4)


def _layout(
  caption: str, font: _Font, small_font: _Font, width: int
) -> list[tuple[str, bool]]:
  """Returns the caption's lines, and of each whether it is a small one."""
  first, *others = caption.split('\n')
  lines = [(text, False) for text in _wrap(first, font, width)]
  lines += [(_cut(text, small_font, width), True) for text in others]
  return lines


def _wrap(text: str, font: _Font, width: int) -> list[str]:
  """Breaks a text between words into lines; the last one may be cut."""
  words = text.split()
  lines: list[str] = []
  while words:
    if len(lines) == _MAX_WRAPPED_LINES - 1:
      return [*lines, _cut(' '.join(words), font, width)]
    count = 1
    while (
      count < len(words)
      and font.getlength(' '.join(words[: count + 1])) <= width
    ):
      count += 1
    lines.append(_cut(' '.join(words[:count]), font, width))
    words = words[count:]
  return lines


def _cut(text: str, font: _Font, width: int) -> str:
  """Returns the text if it fits, else its beginning with an ellipsis."""
  if font.getlength(text) <= width:
    return text
  while text and font.getlength(text + _ELLIPSIS) > width:
    text = text[:-1]
  return text.rstrip(' ,') + _ELLIPSIS
