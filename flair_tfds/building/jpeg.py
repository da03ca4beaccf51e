"""Checks a JPEG by its markers, without decoding it: some microseconds each.

Markers and frame header: ITU-T T.81, annex B.
"""

import dataclasses

# Frame headers SOF0 to SOF15, without DHT, JPG and DAC that lie between them.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_START_OF_SCAN = 0xDA
_END_OF_IMAGE = b'\xff\xd9'


class BadImageError(Exception):
  """An image breaks its rule. The text goes behind the image's id: `is ...`."""


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
  """What images must be.

  Attributes:
    size: (width, height) in pixels, or None for any size.
    components: The accepted numbers of colour components: 1 is greyscale, 3
      colour, 4 CMYK.
    max_pixels: The largest accepted width times height: what decoding an image
      may cost a reader in memory.
  """

  size: tuple[int, int] | None = None
  components: tuple[int, ...] = (1, 3, 4)
  max_pixels: int = 200_000_000

  def check(self, data: bytes) -> None:
    """Checks one image.

    Args:
      data: The encoded image.

    Raises:
      BadImageError: If it is no complete JPEG or breaks the rule.
    """
    width, height, components = read_frame(data)
    if self.size is not None and (width, height) != self.size:
      raise BadImageError(
        f'is {width}x{height} pixels, not {self.size[0]}x{self.size[1]}'
      )
    if width * height > self.max_pixels:
      raise BadImageError(
        f'claims {width}x{height} pixels, over the limit of {self.max_pixels}'
      )
    if components not in self.components:
      wanted = ' or '.join(map(str, self.components))
      raise BadImageError(
        f'has {components} colour component{"s" * (components != 1)}, '
        f'not {wanted}'
      )


def read_frame(data: bytes) -> tuple[int, int, int]:
  """Returns width, height (pixels) and number of components of a JPEG.

  Args:
    data: The encoded image. Bytes after its end are accepted: cameras append
      previews there.

  Raises:
    BadImageError: If it is no JPEG, or stops before its end-of-image marker.
  """
  if data[:2] != b'\xff\xd8':
    raise BadImageError(
      f'is not a JPEG: it starts with {data[:8].hex() or "nothing"}'
    )
  frame: tuple[int, int, int] | None = None
  position = 2
  size = len(data)
  while position + 4 <= size:
    if data[position] != 0xFF:
      raise BadImageError(f'is a corrupt JPEG: no marker at byte {position}')
    marker = data[position + 1]
    if marker == 0xFF:  # fill byte
      position += 1
      continue
    length = data[position + 2] << 8 | data[position + 3]
    if length < 2:
      raise BadImageError(f'is a corrupt JPEG: empty segment at {position}')
    if marker in _FRAMES and position + 10 <= size:
      height = data[position + 5] << 8 | data[position + 6]
      width = data[position + 7] << 8 | data[position + 8]
      frame = width, height, data[position + 9]
    position += 2 + length
    if marker == _START_OF_SCAN:
      if frame is None:
        raise BadImageError('is a corrupt JPEG: a scan without a frame header')
      if 0 in frame:
        raise BadImageError('is a corrupt JPEG: its frame header holds zeros')
      # Inside a scan 0xFF is followed by 0 or a restart marker, so this is the
      # real end and not one of an embedded preview, which lies before the scan.
      if data.endswith(_END_OF_IMAGE) or data.find(_END_OF_IMAGE, position) > 0:
        return frame
      break
  raise BadImageError(
    f'is a truncated JPEG: its {size} bytes end without an end-of-image marker'
  )
