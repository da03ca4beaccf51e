import contextlib
import io
import re
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from flair_tfds.building import jpeg

RULE = jpeg.Rule(size=(32, 32), components=(3,))


def reason(data: bytes, rule: jpeg.Rule = RULE) -> str:
  with pytest.raises(jpeg.BadImageError) as caught:
    rule.check(data)
  return str(caught.value)


def segment(marker: int, content: bytes) -> bytes:
  return struct.pack('>BBH', 0xFF, marker, len(content) + 2) + content


def with_exif(image: bytes, thumbnail: bytes) -> bytes:
  """Inserts an APP1 segment that holds a whole JPEG, as cameras do."""
  exif = segment(0xE1, b'Exif\0\0MM\0*' + thumbnail)
  return image[:2] + exif + image[2:]


def frame_at(image: bytes) -> int:
  """Returns where the frame header of a JPEG of Pillow's begins."""
  return next(re.finditer(rb'\xff[\xc0\xc2]\0', image)).start()


@pytest.fixture
def progressive(make_jpeg):
  return make_jpeg(1, progressive=True)


def test_good_image_passes(make_jpeg):
  RULE.check(make_jpeg(1))


def test_progressive_image_passes(progressive):
  assert progressive[frame_at(progressive) + 1] == 0xC2
  RULE.check(progressive)


@pytest.mark.parametrize(
  ('mode', 'components'), [('L', 1), ('RGB', 3), ('CMYK', 4)]
)
def test_frame_is_width_height_and_components(mode, components, make_jpeg):
  image = make_jpeg(1, size=(48, 16), mode=mode)
  assert jpeg.read_frame(image) == (48, 16, components)


def test_greyscale_is_refused(make_jpeg):
  assert reason(make_jpeg(1, mode='L')) == 'has 1 colour component, not 3'


def test_cmyk_is_refused(make_jpeg):
  assert reason(make_jpeg(1, mode='CMYK')) == 'has 4 colour components, not 3'


def test_all_accepted_numbers_of_components_are_named(make_jpeg):
  rule = jpeg.Rule(components=(1, 3))
  text = reason(make_jpeg(1, mode='CMYK'), rule)
  assert text == 'has 4 colour components, not 1 or 3'


def test_rule_without_size_takes_any(make_jpeg):
  for size in [(1, 1), (7, 300)]:
    for mode in ('L', 'RGB', 'CMYK'):
      jpeg.Rule().check(make_jpeg(1, size=size, mode=mode))


def test_wrong_size_is_refused(make_jpeg):
  text = reason(make_jpeg(1, size=(32, 31)))
  assert text == 'is 32x31 pixels, not 32x32'


def test_huge_claim_is_refused_without_decoding(make_jpeg):
  image = bytearray(make_jpeg(1))
  place = frame_at(image) + 5
  image[place : place + 4] = struct.pack('>HH', 65500, 65500)
  text = reason(bytes(image), jpeg.Rule())
  assert text == 'claims 65500x65500 pixels, over the limit of 200000000'


def test_image_of_as_many_pixels_as_the_limit_passes(make_jpeg):
  jpeg.Rule(max_pixels=32 * 32).check(make_jpeg(1))
  assert 'over the limit of 1023' in reason(
    make_jpeg(1), jpeg.Rule(max_pixels=1023)
  )


@pytest.mark.parametrize('kind', ['baseline', 'progressive', 'exif'])
def test_image_cut_anywhere_is_refused(kind, make_jpeg, progressive):
  image = {
    'baseline': make_jpeg(1),
    'progressive': progressive,
    'exif': with_exif(make_jpeg(1), make_jpeg(2)),
  }[kind]
  RULE.check(image)
  for size in range(len(image)):
    reason(image[:size])


def test_cut_image_says_that_it_is_truncated(make_jpeg):
  image = make_jpeg(1)[:-1]
  assert reason(image) == (
    f'is a truncated JPEG: its {len(image)} bytes end without an end-of-image '
    'marker'
  )


def test_frame_of_a_thumbnail_is_not_that_of_the_image(make_jpeg):
  image = with_exif(make_jpeg(1), make_jpeg(2, size=(8, 8), mode='L'))
  assert jpeg.read_frame(image) == (32, 32, 3)


def test_image_cut_behind_its_thumbnail_is_refused(make_jpeg):
  thumbnail = make_jpeg(2)
  image = with_exif(make_jpeg(1), thumbnail)
  end = image.index(thumbnail) + len(thumbnail)
  assert image[:end].endswith(b'\xff\xd9')
  assert 'is a truncated JPEG' in reason(image[:end])


def test_bytes_behind_the_image_are_accepted(make_jpeg):
  RULE.check(make_jpeg(1) + b'preview' * 10)


def test_fill_bytes_before_a_marker_are_accepted(make_jpeg):
  image = make_jpeg(1)
  place = frame_at(image)
  RULE.check(image[:place] + b'\xff\xff' + image[place:])


def test_png_is_refused():
  file = io.BytesIO()
  Image.new('RGB', (32, 32)).save(file, 'PNG')
  text = reason(file.getvalue())
  assert text == 'is not a JPEG: it starts with 89504e470d0a1a0a'


def test_nothing_is_refused():
  assert reason(b'') == 'is not a JPEG: it starts with nothing'


def test_scan_without_a_frame_is_refused(make_jpeg):
  image = make_jpeg(1)
  start = frame_at(image)
  length = struct.unpack('>H', image[start + 2 : start + 4])[0]
  image = image[:start] + image[start + 2 + length :]
  assert reason(image) == 'is a corrupt JPEG: a scan without a frame header'


def test_frame_without_pixels_is_refused(make_jpeg):
  image = bytearray(make_jpeg(1))
  place = frame_at(image) + 5
  image[place : place + 2] = b'\0\0'
  assert (
    reason(bytes(image)) == 'is a corrupt JPEG: its frame header holds zeros'
  )


def test_what_should_be_a_marker_and_is_none_is_refused(make_jpeg):
  image = make_jpeg(1)
  place = frame_at(image)
  assert (
    reason(image[:place] + b'xxxx' + image[place:])
    == f'is a corrupt JPEG: no marker at byte {place}'
  )


def test_segment_of_impossible_length_is_refused():
  assert reason(b'\xff\xd8\xff\xe0\0\1' + b'\xff\xd9') == (
    'is a corrupt JPEG: empty segment at 2'
  )


@given(data=st.binary(max_size=60), start=st.sampled_from([b'', b'\xff\xd8']))
@settings(deadline=None, max_examples=300)
def test_random_bytes_never_give_another_error(data, start):
  with contextlib.suppress(jpeg.BadImageError):
    jpeg.read_frame(start + data)


@given(
  place=st.integers(0, 1200), value=st.integers(0, 255), mode=st.booleans()
)
@settings(deadline=None, max_examples=300)
def test_wrong_bytes_never_give_another_error(place, value, mode, make_jpeg):
  image = bytearray(make_jpeg(1, progressive=mode))
  image[place % len(image)] = value
  with contextlib.suppress(jpeg.BadImageError):
    RULE.check(bytes(image))
