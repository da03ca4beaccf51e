"""A small FLAIR that the package draws by itself: no photograph, no network.

`draw` writes a few hundred pictures in the layout of the real download, so
that whatever works on FLAIR can be shown, taught and tested offline:

    labels_and_metadata.json   a list of records, as in FLAIR
    label_relationship.txt     `fine -> coarse` lines
    small_images-NN.tar.gz     members `small_images/<image_id>.jpg`

What is real: the layout, the field names, the 17 coarse labels, the names of
the fine labels. What is made up: users, ids, pictures, and which coarse label
a fine one belongs to wherever FLAIR's own file was not at hand. Every picture
carries a badge that reads DRAWN in its lower right corner and a JPEG comment,
every user id begins with zeros and ends in `@N99`: none of this can be
mistaken for FLAIR.

The recipe:

1. Users. How many pictures a user has is a table (`_IMAGES_PER_USER`) with
   FLAIR's shape: 45% of the users have one picture, the median is two, few
   users have many. Partitions share no user.
2. Taste. Each user draws a preference over the coarse labels (Dirichlet) and
   a favourite fine label of each, which makes the users heterogeneous as
   real ones are.
3. Labels. Each picture has a main coarse label and up to four more, by its
   user's taste. In every partition each coarse label is the main label of at
   least two pictures, so that every label can be evaluated everywhere. The
   common taste is the cube root of FLAIR's shares: the frequent labels are
   FLAIR's, but the rarest still occur.
4. Picture. Each fine label is one thing to be seen: a backdrop, a ground, or
   an object with its own shape and colours. Objects stand on the ground side
   by side, mirrored, tilted and scaled at random.
5. Style. Each user has an own studio, tint, exposure and film grain.

Everything follows from the seed: the same seed gives the same bytes with the
same Python (zlib) and Pillow (JPEG encoder).
"""

import dataclasses
import gzip
import io
import json
import math
import os
import pathlib
import shutil
import tarfile
import uuid
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from flair_tfds.core import progress
from flair_tfds.hierarchy import flair

# The users of each partition, by their number of images.
_IMAGES_PER_USER = {
  'train': [1] * 19 + [2] * 7 + [3] * 4 + [4] * 3 + [5] * 2
  + [8, 12, 16, 23, 34, 48, 72],
  'val': [1] * 4 + [2, 4, 6, 12, 22],
  'test': [1] * 4 + [2] * 2 + [8, 19, 35],
}  # fmt: skip

#: Number of images of each partition.
NUM_IMAGES = {split: sum(sizes) for split, sizes in _IMAGES_PER_USER.items()}
#: Number of users of each partition.
NUM_USERS = {split: len(sizes) for split, sizes in _IMAGES_PER_USER.items()}

#: The comment segment of every JPEG.
COMMENT = (
  'Drawn by flair_tfds for its dataset flair/miniature.'
  ' Not a photograph, not part of FLAIR.'
)

_NUM_TARBALLS = 4
_NUM_COARSE = len(flair.COARSE_LABELS)
_IMAGE_SIZE = 256
# Scenes are drawn at twice the size and averaged, for smooth edges.
_CANVAS = 2 * _IMAGE_SIZE
_JPEG_QUALITY = 82

# Images of each coarse label in FLAIR, as printed by `explore_labels.ipynb` of
# https://github.com/apple/ml-flair.
_FLAIR_IMAGE_COUNTS = {
  'animal': 68858,
  'art': 37230,
  'celebration': 3769,
  'equipment': 225862,
  'fire': 3011,
  'food': 110792,
  'games': 1093,
  'interior_room': 32042,
  'light': 11326,
  'liquid': 68677,
  'material': 139733,
  'music': 2571,
  'outdoor': 131322,
  'plant': 123363,
  'recreation': 5651,
  'religion': 866,
  'structure': 228923,
}

# Probability that an image has 1, 2, ... coarse labels. Their mean is 2.65;
# FLAIR's is 2.79.
_NUM_COARSE_PROBABILITIES = (0.14, 0.34, 0.30, 0.17, 0.05)
# A user's taste is partly common, partly their own. The smaller the sum of the
# Dirichlet parameters of the own part, the more the users differ.
_COMMON_TASTE = 0.4
_TASTE_CONCENTRATION = 8.0
_FAVOURITE_PROBABILITY = 0.55
# How often every partition has each coarse label as main label, at least.
_MIN_MAIN = 2
_SECOND_FINE_PROBABILITY = 0.25

# Names that the relationship file lists but no record has: the real file too
# has more lines than the metadata has labels.
_UNUSED_FINE = {
  'animal_unknown': 'animal',
  'equipment_other': 'equipment',
  'food_unknown': 'food',
}

_Colour = tuple[int, ...]
_Point = tuple[float, float]


class _Pen:
  """Draws in a square of 100 by 100 units, x to the right and y downwards.

  Coordinates are rounded to whole pixels, so that a last-bit difference
  between mathematical libraries cannot change a picture.
  """

  def __init__(self, image: Image.Image) -> None:
    self._draw = ImageDraw.Draw(image)
    self._scale = image.width / 100

  def _px(self, *points: _Point) -> list[tuple[int, int]]:
    scale = self._scale
    return [(round(x * scale), round(y * scale)) for x, y in points]

  def disc(self, x: float, y: float, radius: float, fill: _Colour) -> None:
    self.oval(x - radius, y - radius, x + radius, y + radius, fill)

  def oval(
    self, x0: float, y0: float, x1: float, y1: float, fill: _Colour
  ) -> None:
    self._draw.ellipse(self._px((x0, y0), (x1, y1)), fill)

  def box(
    self,
    x0: float,
    y0: float,
    x1: float,
    y1: float,
    fill: _Colour,
    radius: float = 0,
  ) -> None:
    corners = self._px((x0, y0), (x1, y1))
    if radius:
      self._draw.rounded_rectangle(corners, round(radius * self._scale), fill)
    else:
      self._draw.rectangle(corners, fill)

  def shape(self, points: Sequence[_Point], fill: _Colour) -> None:
    self._draw.polygon(self._px(*points), fill)

  def line(self, points: Sequence[_Point], fill: _Colour, width: float) -> None:
    pixels = self._px(*points)
    self._draw.line(
      pixels, fill, max(1, round(width * self._scale)), joint='curve'
    )
    # Pillow cuts lines off square; a disc at both ends makes them round.
    if width >= 2:
      for x, y in (points[0], points[-1]):
        self.disc(x, y, width / 2, fill)

  def arc(
    self,
    x0: float,
    y0: float,
    x1: float,
    y1: float,
    degrees: tuple[float, float],
    fill: _Colour,
    width: float,
  ) -> None:
    self._draw.arc(
      self._px((x0, y0), (x1, y1)),
      *degrees,
      fill,
      max(1, round(width * self._scale)),
    )

  def slice(
    self,
    x0: float,
    y0: float,
    x1: float,
    y1: float,
    degrees: tuple[float, float],
    fill: _Colour,
  ) -> None:
    self._draw.pieslice(self._px((x0, y0), (x1, y1)), *degrees, fill)

  def gradient(
    self, y0: float, y1: float, top: _Colour, bottom: _Colour
  ) -> None:
    # In bands: the film grain hides their edges.
    bands = 48
    step = (y1 - y0) / bands
    for band in range(bands):
      y = y0 + band * step
      self.box(0, y, 101, y + step + 1, _mix(top, bottom, band / bands))


def _mix(one: _Colour, other: _Colour, share: float) -> _Colour:
  """Returns the colour that lies `share` of the way from one to the other."""
  return tuple(
    round(a + (b - a) * share) for a, b in zip(one, other, strict=True)
  )


def _dark(colour: _Colour, share: float = 0.3) -> _Colour:
  return _mix(colour, (20, 16, 24), share)


def _pale(colour: _Colour, share: float = 0.35) -> _Colour:
  return _mix(colour, (255, 255, 255), share)


def _pick(rng: np.random.Generator, *colours: _Colour) -> _Colour:
  return colours[int(rng.integers(len(colours)))]


def _around(
  x: float, y: float, radius: float, count: int, start: float = 0
) -> list[_Point]:
  """Returns `count` points evenly on a circle; `start` in degrees."""
  angles = (math.radians(start + 360 * i / count) for i in range(count))
  return [(x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles]


_BLACK = (30, 28, 34)
_WHITE = (250, 248, 242)
_CREAM = (246, 236, 208)
_GOLD = (222, 176, 64)
_STEEL = (148, 156, 166)
_WOOD = (146, 98, 58)
_CLEAR = (0, 0, 0, 0)


# Animals: brown, grey, orange; round bodies.


def _animal(pen: _Pen, rng: np.random.Generator) -> None:
  fur = _pick(rng, (124, 84, 56), (92, 74, 62), (150, 108, 68))
  pen.oval(24, 50, 76, 94, fur)
  pen.oval(34, 44, 66, 76, fur)
  for x, y in ((6, 32), (28, 8), (54, 8), (76, 32)):
    pen.oval(x, y, x + 18, y + 28, fur)


def _dog(pen: _Pen, rng: np.random.Generator) -> None:
  fur = _pick(rng, (176, 122, 70), (112, 78, 54), (206, 176, 136))
  pen.line([(22, 52), (9, 34)], fur, 7)
  for x in (24, 36):
    pen.box(x, 62, x + 9, 97, _dark(fur, 0.15 if x == 24 else 0.3), 3)
  for x in (58, 68):
    pen.box(x, 62, x + 9, 97, _dark(fur, 0.3 if x == 58 else 0.15), 3)
  pen.box(16, 44, 78, 74, fur, 14)
  pen.shape([(60, 48), (70, 24), (88, 40), (78, 64)], fur)
  pen.disc(77, 30, 16, fur)
  pen.box(78, 30, 99, 44, _pale(fur, 0.2), 6)
  pen.disc(96, 33, 4, _BLACK)
  pen.oval(61, 16, 75, 46, _dark(fur, 0.45))
  pen.disc(82, 25, 2.6, _BLACK)
  pen.line([(64, 50), (80, 56)], (204, 44, 52), 5)


def _bird(pen: _Pen, rng: np.random.Generator) -> None:
  coat = _pick(rng, (70, 84, 104), (126, 92, 70), (188, 84, 60))
  pen.shape([(34, 52), (2, 44), (8, 64)], _dark(coat, 0.35))
  for x in (46, 56):
    pen.line([(x, 74), (x + 2, 94), (x + 9, 96)], (214, 150, 60), 2.5)
  pen.oval(20, 36, 78, 80, coat)
  pen.oval(36, 52, 74, 80, _pale(coat, 0.5))
  pen.disc(71, 34, 17, coat)
  pen.shape([(84, 28), (100, 36), (84, 41)], (236, 168, 50))
  pen.shape([(24, 48), (60, 44), (52, 66), (16, 72)], _dark(coat, 0.3))
  pen.disc(75, 30, 3.4, _WHITE)
  pen.disc(76, 30, 2, _BLACK)


def _fish(pen: _Pen, rng: np.random.Generator) -> None:
  scale = _pick(rng, (232, 128, 52), (206, 96, 60), (150, 132, 120))
  pen.shape([(66, 54), (98, 28), (90, 54), (98, 82)], _dark(scale, 0.2))
  pen.shape([(30, 34), (52, 14), (64, 36)], _dark(scale, 0.2))
  pen.oval(4, 28, 80, 80, scale)
  for x in (34, 52):
    pen.arc(x - 24, 30, x + 6, 78, (-75, 75), _WHITE, 6)
  pen.disc(19, 48, 6, _WHITE)
  pen.disc(18, 48, 3.2, _BLACK)


# Art: cream canvases with pure colours, marble.


def _art(pen: _Pen, rng: np.random.Generator) -> None:
  for x in (20, 80):
    pen.line([(x, 98), (50, 4)], _WOOD, 4)
  pen.box(10, 12, 90, 80, _WHITE)
  turn = int(rng.integers(3))
  reds = [(214, 40, 48), (32, 86, 178), (244, 200, 36)]
  first, second, third = reds[turn:] + reds[:turn]
  pen.disc(34, 38, 17, first)
  pen.box(48, 30, 80, 58, second)
  pen.shape([(20, 74), (46, 44), (70, 74)], third)
  pen.line([(60, 18), (84, 72)], _BLACK, 2.5)


def _painting(pen: _Pen, rng: np.random.Generator) -> None:
  sky = _pick(rng, (236, 190, 150), (178, 160, 206), (240, 214, 160))
  pen.box(2, 12, 98, 90, _GOLD)
  pen.box(6, 16, 94, 86, _dark(_GOLD, 0.35))
  pen.box(11, 21, 89, 81, sky)
  pen.disc(70, 36, 8, (226, 70, 50))
  pen.shape([(11, 68), (36, 32), (58, 66)], (106, 72, 134))
  pen.shape([(38, 68), (62, 44), (89, 68)], (146, 84, 128))
  pen.box(11, 64, 89, 81, (58, 104, 128))
  pen.line([(56, 70), (82, 70)], (232, 120, 90), 2)
  pen.line([(62, 75), (78, 75)], (232, 120, 90), 2)


def _statue(pen: _Pen, rng: np.random.Generator) -> None:
  stone = _pick(rng, (226, 222, 212), (208, 210, 208), (232, 220, 200))
  shade = _dark(stone, 0.22)
  pen.box(22, 82, 78, 97, shade)
  pen.box(28, 74, 72, 83, stone)
  pen.slice(18, 46, 82, 110, (180, 360), stone)
  pen.slice(50, 46, 82, 110, (270, 360), shade)
  pen.box(42, 38, 58, 56, shade)
  pen.oval(32, 4, 68, 48, stone)
  pen.shape([(64, 20), (74, 32), (64, 35)], stone)
  for x, y in ((34, 14), (40, 7), (48, 4), (56, 6), (31, 22), (31, 30)):
    pen.disc(x, y, 6, shade)
  pen.line([(56, 22), (62, 22)], _dark(shade), 2)


# Celebration: many small pure colours at once, pumpkin orange.


def _celebration(pen: _Pen, rng: np.random.Generator) -> None:
  party = [(232, 52, 92), (255, 200, 40), (64, 176, 226), (122, 200, 70)]
  string = [(i * 12.5, 14 + 14 * math.sin(math.pi * i / 8)) for i in range(9)]
  for i in range(8):
    (x0, y0), (x1, y1) = string[i], string[i + 1]
    tip = ((x0 + x1) / 2, (y0 + y1) / 2 + 26)
    pen.shape([(x0 + 1, y0), (x1 - 1, y1), tip], party[i % 4])
  pen.line(string, _BLACK, 2)
  for _ in range(26):
    x, y = rng.uniform(4, 96), rng.uniform(56, 98)
    colour = party[int(rng.integers(4))]
    pen.box(x - 2.5, y - 2.5, x + 2.5, y + 2.5, colour, 1)


def _jack_o_lantern(pen: _Pen, rng: np.random.Generator) -> None:
  skin = _pick(rng, (236, 122, 28), (222, 104, 24), (244, 140, 40))
  pen.line([(52, 26), (56, 10)], (86, 122, 50), 8)
  pen.oval(2, 24, 50, 94, _dark(skin, 0.18))
  pen.oval(50, 24, 98, 94, _dark(skin, 0.18))
  pen.oval(22, 20, 78, 96, skin)
  glow = (255, 232, 110)
  pen.shape([(22, 52), (32, 36), (42, 52)], glow)
  pen.shape([(58, 52), (68, 36), (78, 52)], glow)
  pen.shape([(45, 62), (50, 53), (55, 62)], glow)
  upper = [(18, 66), (30, 72), (38, 68), (46, 74), (54, 74), (62, 68)]
  lower = [(70, 72), (82, 66), (72, 84), (58, 86), (52, 80), (40, 87), (28, 82)]
  pen.shape(upper + lower, glow)


def _christmas_tree(pen: _Pen, rng: np.random.Generator) -> None:
  green = _pick(rng, (24, 104, 66), (32, 120, 72), (20, 92, 74))
  pen.box(43, 82, 57, 98, _dark(_WOOD))
  for y, half in ((58, 40), (38, 32), (18, 23)):
    pen.shape([(50, y - 14), (50 - half, y + 30), (50 + half, y + 30)], green)
  for i, (x, y) in enumerate(
    ((50, 34), (38, 50), (60, 52), (34, 72), (50, 66), (68, 74), (22, 84))
  ):
    colour = ((226, 44, 56), (255, 206, 60), (90, 180, 236))[i % 3]
    pen.disc(x, y, 4.2, colour)
  outer, inner = _around(50, 9, 10, 5, -90), _around(50, 9, 4, 5, -54)
  star = [p for pair in zip(outer, inner, strict=True) for p in pair]
  pen.shape(star, (255, 214, 70))


# Equipment: steel, dark and pure red or blue; straight edges and wheels.


def _equipment(pen: _Pen, rng: np.random.Generator) -> None:
  steel = _pick(rng, _STEEL, (116, 126, 140), (132, 128, 124))
  for x, y in _around(50, 50, 41, 8, float(rng.integers(45))):
    pen.disc(x, y, 9, steel)
  pen.disc(50, 50, 39, steel)
  pen.disc(50, 50, 30, _dark(steel, 0.25))
  for x, y in _around(50, 50, 20, 6):
    pen.line([(50, 50), (x * 1.3 - 15, y * 1.3 - 15)], steel, 5)
  pen.disc(50, 50, 15, _pale(steel))
  pen.disc(50, 50, 8, _BLACK)


def _automobile(pen: _Pen, rng: np.random.Generator) -> None:
  paint = _pick(rng, (196, 36, 44), (36, 84, 160), (92, 98, 108))
  pen.shape([(18, 54), (32, 30), (68, 30), (84, 54)], paint)
  pen.shape([(25, 52), (35, 35), (48, 35), (48, 52)], (186, 214, 226))
  pen.shape([(52, 52), (52, 35), (66, 35), (76, 52)], (186, 214, 226))
  pen.box(2, 50, 98, 80, paint, 9)
  pen.line([(8, 66), (92, 66)], _dark(paint, 0.4), 2)
  pen.disc(93, 58, 4, (255, 232, 140))
  for x in (25, 75):
    pen.disc(x, 80, 14, _BLACK)
    pen.disc(x, 80, 6.5, _STEEL)


def _umbrella(pen: _Pen, rng: np.random.Generator) -> None:
  cloth = _pick(rng, (190, 40, 60), (40, 70, 140), (48, 50, 60))
  pen.line([(50, 4), (50, 84)], _STEEL, 4)
  pen.arc(34, 76, 52, 97, (0, 180), _STEEL, 4)
  pen.slice(2, 10, 98, 106, (180, 360), cloth)
  pen.slice(20, 10, 80, 106, (180, 360), _pale(cloth, 0.25))
  pen.slice(38, 10, 62, 106, (180, 360), cloth)
  for x in (11, 29, 50, 71, 89):
    pen.disc(x, 61, 10, _CLEAR)
  pen.line([(50, 54), (50, 84)], _STEEL, 4)


def _book(pen: _Pen, rng: np.random.Generator) -> None:
  cover = _pick(rng, (40, 72, 132), (136, 38, 46), (60, 64, 72))
  pen.shape([(2, 24), (50, 32), (98, 24), (98, 86), (50, 94), (2, 86)], cover)
  pen.shape([(6, 18), (50, 28), (50, 88), (6, 80)], _WHITE)
  pen.shape([(94, 18), (50, 28), (50, 88), (94, 80)], (232, 228, 220))
  for i in range(6):
    y = 29 + 9 * i
    end = 44 - 8 * (i % 3 == 2)
    pen.line([(12, y), (end, y + 6)], (120, 120, 128), 1.8)
    pen.line([(100 - end, y + 6), (88, y)], (120, 120, 128), 1.8)


# Fire: red, orange and yellow tongues.


def _tongue(pen: _Pen, x: float, y: float, size: float, fill: _Colour) -> None:
  """Draws a flame of height `size` that stands on the point (x, y)."""
  points = [(0, -1), (0.22, -0.66), (0.37, -0.4), (0.36, -0.18), (0.2, -0.02)]
  left = [(-0.2, -0.02), (-0.36, -0.18), (-0.35, -0.42), (-0.12, -0.62)]
  pen.shape([(x + size * a, y + size * b) for a, b in points + left], fill)


def _flames(pen: _Pen, x: float, y: float, size: float) -> None:
  _tongue(pen, x, y, size, (222, 48, 24))
  _tongue(pen, x, y, size * 0.76, (248, 132, 24))
  _tongue(pen, x, y, size * 0.48, (255, 222, 84))


def _fire(pen: _Pen, rng: np.random.Generator) -> None:
  for y0, y1 in ((82, 96), (96, 82)):
    pen.line([(14, y0), (86, y1)], (92, 58, 38), 9)
  shift = float(rng.uniform(-4, 4))
  _flames(pen, 28, 86, 46 + shift)
  _flames(pen, 72, 86, 50 - shift)
  _flames(pen, 50 + shift, 90, 84)


def _flame(pen: _Pen, rng: np.random.Generator) -> None:
  pen.shape([(40, 60), (60, 60), (55, 98), (45, 98)], (98, 64, 44))
  pen.box(34, 54, 66, 66, (70, 48, 40), 3)
  _flames(pen, 50 + float(rng.uniform(-3, 3)), 58, 56)


def _fireplace(pen: _Pen, rng: np.random.Generator) -> None:
  brick = _pick(rng, (158, 70, 52), (140, 78, 62), (170, 92, 66))
  pen.box(6, 14, 94, 97, brick)
  for row in range(8):
    y = 16 + row * 10.2
    pen.line([(6, y), (94, y)], _pale(brick, 0.3), 1.4)
    for x in range(14 + 8 * (row % 2), 94, 16):
      pen.line([(x, y), (x, y + 10)], _pale(brick, 0.3), 1.4)
  pen.box(0, 6, 100, 17, _dark(_WOOD, 0.2), 2)
  pen.box(22, 36, 78, 97, (38, 22, 20), 8)
  _flames(pen, 36, 94, 34)
  _flames(pen, 64, 94, 36)
  _flames(pen, 50, 95, 52)


# Food: white plates, crust and fruit.


def _food(pen: _Pen, rng: np.random.Generator) -> None:
  pen.disc(50, 54, 46, (226, 226, 222))
  pen.disc(50, 54, 42, _WHITE)
  pen.disc(50, 54, 32, (236, 236, 230))
  meat = _pick(rng, (138, 72, 40), (168, 92, 48), (120, 56, 40))
  pen.oval(26, 34, 62, 58, meat)
  pen.line([(34, 44), (54, 50)], _dark(meat), 2.5)
  pen.oval(50, 44, 76, 66, (250, 214, 110))
  for x, y in ((36, 66), (44, 62), (43, 72), (52, 70), (35, 74), (60, 72)):
    pen.disc(x, y, 5, (108, 168, 52))


def _apple(pen: _Pen, rng: np.random.Generator) -> None:
  skin = _pick(rng, (206, 30, 40), (170, 196, 52), (222, 70, 52))
  pen.line([(50, 30), (56, 8)], (94, 64, 40), 4)
  pen.oval(56, 6, 82, 20, (84, 150, 60))
  pen.oval(6, 24, 62, 92, skin)
  pen.oval(38, 24, 94, 92, skin)
  pen.oval(28, 50, 72, 97, skin)
  pen.oval(18, 36, 34, 58, _pale(skin, 0.5))


def _pizza(pen: _Pen, rng: np.random.Generator) -> None:
  cheese = _pick(rng, (248, 202, 92), (252, 214, 120), (240, 186, 80))
  pen.disc(50, 52, 46, (190, 124, 62))
  pen.disc(50, 52, 40, cheese)
  turn = float(rng.integers(60))
  for x, y in [*_around(50, 52, 27, 6, turn), (50, 52)]:
    pen.disc(x, y, 7.5, (192, 52, 40))
    pen.disc(x - 1, y - 1, 5, (214, 78, 58))
  for x, y in _around(50, 52, 18, 5, turn + 20):
    pen.oval(x - 4, y - 2, x + 4, y + 2, (70, 130, 54))
  for x, y in _around(50, 52, 46, 3, turn):
    pen.line([(50, 52), (x, y)], _dark(cheese, 0.35), 1.2)


def _cupcake(pen: _Pen, rng: np.random.Generator) -> None:
  icing = _pick(rng, (248, 168, 190), (252, 226, 190), (166, 110, 76))
  pen.shape([(18, 58), (82, 58), (72, 97), (28, 97)], (206, 154, 96))
  for x in range(26, 80, 12):
    pen.line([(x, 60), (50 + (x - 50) * 0.72, 96)], (166, 112, 64), 2.5)
  for y, half in ((54, 40), (40, 30), (26, 20)):
    pen.oval(50 - half, y - 13, 50 + half, y + 11, _dark(icing, 0.08))
    pen.oval(50 - half, y - 15, 50 + half, y + 7, icing)
  pen.disc(50, 10, 8, (208, 30, 52))
  pen.disc(47, 7, 2.4, _WHITE)


# Games: black and white in a grid.


def _games(pen: _Pen, rng: np.random.Generator) -> None:
  pen.box(4, 6, 96, 96, (38, 92, 84), 6)
  for at in (35, 65):
    pen.line([(at, 14), (at, 88)], _WHITE, 3.5)
    pen.line([(12, at), (88, at)], _WHITE, 3.5)
  for i in range(9):
    x, y = 22 + 28 * (i % 3), 22 + 28 * (i // 3)
    stone = int(rng.integers(3))
    if stone == 0:
      pen.line([(x - 7, y - 7), (x + 7, y + 7)], (250, 210, 70), 5)
      pen.line([(x - 7, y + 7), (x + 7, y - 7)], (250, 210, 70), 5)
    elif stone == 1:
      pen.arc(x - 9, y - 9, x + 9, y + 9, (0, 360), (240, 120, 130), 5)


def _chess(pen: _Pen, rng: np.random.Generator) -> None:
  dark = _pick(rng, (52, 44, 44), (44, 50, 62), (70, 48, 38))
  pen.box(2, 2, 98, 98, _dark(dark, 0.4), 3)
  for row in range(6):
    for column in range(6):
      x, y = 6 + column * 14.67, 6 + row * 14.67
      fill = dark if (row + column) % 2 else (244, 234, 214)
      pen.box(x, y, x + 14.67, y + 14.67, fill)
  for x, y, fill in ((34, 26, _WHITE), (66, 44, _BLACK)):
    rim = _BLACK if fill == _WHITE else _WHITE
    for grow, colour in ((2, rim), (0, fill)):
      pen.disc(x, y, 9 + grow, colour)
      pen.shape(
        [(x, y - grow), (x + 13 + grow, y + 33), (x - 13 - grow, y + 33)],
        colour,
      )
      pen.box(x - 16 - grow, y + 30, x + 16 + grow, y + 38 + grow, colour, 3)


def _dice(pen: _Pen, rng: np.random.Generator) -> None:
  pips = {
    1: [(0, 0)],
    2: [(-1, -1), (1, 1)],
    3: [(-1, -1), (0, 0), (1, 1)],
    4: [(-1, -1), (-1, 1), (1, -1), (1, 1)],
    5: [(-1, -1), (-1, 1), (0, 0), (1, -1), (1, 1)],
    6: [(-1, -1), (-1, 0), (-1, 1), (1, -1), (1, 0), (1, 1)],
  }
  for x, y, fill, ink in (
    (28, 34, _WHITE, _BLACK),
    (68, 70, (36, 34, 40), _WHITE),
  ):
    pen.box(x - 26, y - 26, x + 26, y + 26, fill, 8)
    pen.box(x - 26, y + 20, x + 26, y + 26, _dark(fill, 0.2), 4)
    for a, b in pips[int(rng.integers(1, 7))]:
      pen.disc(x + 15 * a, y + 14 * b, 5, ink)


# Light: glowing yellow-white with rays.


def _glow(pen: _Pen, x: float, y: float, radius: float) -> None:
  """Draws a halo that fades outwards; only for layers with transparency."""
  steps = 12
  for i in range(steps):
    share = 1 - i / steps
    alpha = round(150 * (1 - share) ** 1.5)
    pen.disc(x, y, radius * share, (255, 240, 170, alpha))


def _light(pen: _Pen, rng: np.random.Generator) -> None:
  _glow(pen, 50, 50, 50)
  turn = float(rng.integers(30))
  far, near = _around(50, 50, 48, 12, turn), _around(50, 50, 30, 12, turn)
  for one, other in zip(near, far, strict=True):
    pen.line([one, other], (255, 248, 190), 3)
  pen.disc(50, 50, 22, (255, 246, 170))
  pen.disc(50, 50, 15, (255, 255, 240))


def _lamp(pen: _Pen, rng: np.random.Generator) -> None:
  shade = _pick(rng, (255, 226, 140), (255, 214, 150), (252, 236, 170))
  _glow(pen, 50, 34, 50)
  pen.box(46, 40, 54, 92, (96, 78, 60))
  pen.box(28, 90, 72, 97, (96, 78, 60), 3)
  pen.shape([(34, 10), (66, 10), (84, 52), (16, 52)], shade)
  pen.shape([(44, 10), (56, 10), (62, 52), (38, 52)], (255, 250, 216))


def _light_bulb(pen: _Pen, rng: np.random.Generator) -> None:
  glass = _pick(rng, (255, 240, 130), (255, 232, 110), (255, 246, 170))
  _glow(pen, 50, 42, 50)
  pen.disc(50, 40, 29, glass)
  pen.shape([(28, 56), (72, 56), (62, 76), (38, 76)], glass)
  wire = [(42, 70), (40, 44), (50, 52), (60, 44), (58, 70)]
  pen.line(wire, (222, 140, 30), 2)
  for y in (76, 83, 90):
    pen.box(38, y, 62, y + 5, (150, 150, 156), 2)


# Liquid: saturated blue and turquoise, drops and waves.


def _drop(pen: _Pen, x: float, y: float, size: float, fill: _Colour) -> None:
  pen.shape(
    [
      (x, y - 1.7 * size),
      (x + 0.92 * size, y - 0.35 * size),
      (x - 0.92 * size, y - 0.35 * size),
    ],
    fill,
  )
  pen.disc(x, y, size, fill)
  pen.oval(
    x - 0.6 * size, y - 0.3 * size, x - 0.2 * size, y + 0.4 * size, _pale(fill)
  )


def _liquid(pen: _Pen, rng: np.random.Generator) -> None:
  blue = _pick(rng, (30, 122, 206), (24, 146, 200), (44, 104, 190))
  pen.oval(4, 76, 96, 98, blue)
  pen.oval(20, 80, 80, 93, _pale(blue, 0.3))
  _drop(pen, 50, 54, 20, blue)
  _drop(pen, 20, 48, 11, _pale(blue, 0.15))
  _drop(pen, 80, 42, 12, _pale(blue, 0.15))


def _waterfall(pen: _Pen, rng: np.random.Generator) -> None:
  water = _pick(rng, (88, 176, 220), (70, 160, 214), (110, 190, 222))
  rock = (92, 88, 96)
  pen.box(28, 4, 72, 92, water)
  for x in range(32, 72, 6):
    top = float(rng.uniform(4, 30))
    pen.line([(x, top), (x, 88)], _pale(water, 0.7), 2)
  pen.shape([(2, 6), (34, 2), (28, 40), (32, 70), (24, 97), (2, 97)], rock)
  pen.shape([(98, 8), (66, 2), (73, 36), (68, 72), (76, 97), (98, 97)], rock)
  pen.shape([(2, 40), (20, 34), (16, 97), (2, 97)], _dark(rock))
  pen.oval(10, 80, 90, 99, _dark(water, 0.12))
  for x in range(26, 80, 9):
    pen.disc(x, 84 + 3 * (x % 2), 7, (232, 246, 252))


def _water_body(pen: _Pen, rng: np.random.Generator) -> None:
  blue = _pick(rng, (32, 108, 182), (26, 130, 176), (40, 92, 160))
  pen.gradient(_HORIZON, 100, _pale(blue, 0.35), blue)
  for row in range(7):
    y = _HORIZON + 3 + row * 5.6
    size = 5 + row
    start = float(rng.uniform(-size, 0))
    while start < 100:
      pen.arc(
        start, y, start + size, y + size * 0.6, (20, 160), _pale(blue, 0.6), 0.8
      )
      start += size * 1.5


# Material: woven, hatched and riveted surfaces.


def _material(pen: _Pen, rng: np.random.Generator) -> None:
  one = _pick(rng, (176, 146, 112), (150, 140, 160), (164, 160, 132))
  two = _pick(rng, (122, 60, 92), (88, 104, 76), (92, 76, 120))
  pen.box(4, 4, 66, 66, one)
  for at in range(8, 66, 6):
    pen.line([(at, 4), (at, 66)], _dark(one), 1.6)
    pen.line([(4, at), (66, at)], _dark(one), 1.6)
  pen.box(34, 34, 97, 97, two)
  for x in range(40, 97, 10):
    for y in range(40, 97, 10):
      pen.disc(x, y, 3, _pale(two, 0.55))
  for at in range(34, 96, 6):
    pen.line([(at, 34), (at + 3, 34)], _WHITE, 1.4)
    pen.line([(34, at), (34, at + 3)], _WHITE, 1.4)


def _raw_metal(pen: _Pen, rng: np.random.Generator) -> None:
  metal = _pick(rng, (156, 160, 164), (170, 148, 124), (140, 148, 158))
  pen.box(4, 12, 96, 92, metal, 3)
  for i in range(26):
    y = 14 + i * 3
    tone = _mix(_dark(metal), _pale(metal, 0.6), float(rng.random()))
    pen.line([(4, y), (96, y)], tone, 1.6)
  pen.shape([(40, 12), (58, 12), (34, 92), (16, 92)], _pale(metal, 0.55))
  for x in (11, 37, 63, 89):
    for y in (19, 85):
      pen.disc(x, y, 4.2, _dark(metal, 0.45))
      pen.disc(x - 1, y - 1, 2.4, _pale(metal, 0.5))


def _textile(pen: _Pen, rng: np.random.Generator) -> None:
  cloth = _pick(rng, (138, 52, 72), (76, 92, 70), (96, 74, 124))
  pen.box(0, _HORIZON, 100, 101, cloth)
  for i in range(10):
    x = 4 + i * 10.4
    pen.line([(x, _HORIZON), (2.2 * x - 60, 101)], _pale(cloth, 0.4), 2.4)
    pen.line([(x + 4, _HORIZON), (2.2 * (x + 4) - 60, 101)], _dark(cloth), 1)
  for i in range(6):
    y = _HORIZON + 2 + i * (4 + i)
    pen.line([(0, y), (100, y)], _pale(cloth, 0.4), 1 + 0.3 * i)
    pen.line([(0, y + 2), (100, y + 2)], _dark(cloth), 0.8)


# Music: deep purple and varnish; notes and strings.


def _music(pen: _Pen, rng: np.random.Generator) -> None:
  ink = _pick(rng, (92, 34, 142), (60, 30, 110), (130, 30, 120))
  for x in (30, 80):
    pen.line([(x, 78), (x, 14)], ink, 5)
    pen.oval(x - 25, 68, x + 3, 92, ink)
  pen.shape([(28, 10), (82, 4), (82, 22), (28, 28)], ink)


def _guitar(pen: _Pen, rng: np.random.Generator) -> None:
  varnish = _pick(rng, (176, 84, 30), (150, 44, 30), (196, 118, 44))
  pen.box(45, 6, 55, 60, (58, 36, 30))
  pen.box(42, 0, 58, 13, (40, 26, 24), 2)
  pen.disc(50, 54, 19, varnish)
  pen.disc(50, 77, 22, varnish)
  pen.disc(50, 62, 8, (46, 24, 20))
  pen.box(40, 80, 60, 84, (46, 24, 20))
  for x in (47, 49, 51, 53):
    pen.line([(x, 4), (x, 82)], (236, 224, 190), 0.7)
  for y in range(18, 46, 7):
    pen.line([(45, y), (55, y)], _GOLD, 1)


def _drum(pen: _Pen, rng: np.random.Generator) -> None:
  shell = _pick(rng, (122, 40, 132), (84, 44, 140), (152, 36, 96))
  pen.oval(6, 64, 94, 97, _dark(shell))
  pen.box(6, 38, 94, 80, shell)
  zigzag = [(6 + 11 * i, 52 if i % 2 else 82) for i in range(9)]
  pen.line(zigzag, _GOLD, 2.6)
  pen.oval(4, 22, 96, 54, _GOLD)
  pen.oval(8, 24, 92, 50, (244, 236, 220))
  for x0, x1 in ((14, 52), (90, 50)):
    pen.line([(x0, 6), (x1, 36)], (204, 156, 96), 4)
    pen.disc(x1, 36, 4.5, (226, 184, 124))


# Outdoors: skies and hills, whole backdrops.


def _outdoor(pen: _Pen, rng: np.random.Generator) -> None:
  pen.gradient(0, 70, (146, 194, 228), (226, 236, 226))
  far, near = float(rng.uniform(30, 42)), float(rng.uniform(46, 54))
  ridge = [(0, 56), (18, far), (38, 52), (62, far - 4), (84, 50), (100, far)]
  pen.shape([*ridge, (100, 101), (0, 101)], (122, 146, 160))
  pen.oval(-50, near, 70, 140, (112, 152, 92))
  pen.oval(26, near + 4, 160, 150, (92, 134, 74))
  pen.shape([(52, 64), (56, 64), (74, 101), (34, 101)], (206, 190, 150))


def _cloud(pen: _Pen, x: float, y: float, size: float) -> None:
  for dx, dy, r in ((-1.2, 0.2, 0.6), (-0.4, -0.2, 0.8), (0.5, 0, 0.7)):
    pen.disc(x + dx * size, y + dy * size, r * size, (248, 250, 252))
  pen.box(
    x - 1.8 * size,
    y + 0.1 * size,
    x + 1.5 * size,
    y + 0.8 * size,
    (248, 250, 252),
    0.35 * size,
  )


def _blue_sky(pen: _Pen, rng: np.random.Generator) -> None:
  pen.gradient(0, 66, (66, 138, 216), (196, 224, 244))
  pen.gradient(66, 100, (214, 222, 220), (222, 214, 190))
  for _ in range(int(rng.integers(2, 5))):
    x, y = rng.uniform(5, 95), rng.uniform(8, 44)
    _cloud(pen, float(x), float(y), float(rng.uniform(5, 10)))


def _sunset_sunrise(pen: _Pen, rng: np.random.Generator) -> None:
  pen.gradient(0, 38, (84, 66, 132), (226, 116, 106))
  pen.gradient(38, 66, (226, 116, 106), (255, 206, 120))
  x = float(rng.uniform(20, 80))
  pen.disc(x, 58, 13, (255, 226, 140))
  pen.disc(x, 58, 10, (255, 246, 196))
  for y in (18, 27, 40):
    start = float(rng.uniform(-10, 60))
    pen.box(start, y, start + 42, y + 2.5, (244, 150, 130), 1.2)
  hills = [(0, 62), (22, 56), (44, 63), (70, 55), (100, 64)]
  pen.shape([*hills, (100, 101), (0, 101)], (72, 46, 76))


def _grass(pen: _Pen, rng: np.random.Generator) -> None:
  green = _pick(rng, (112, 164, 62), (134, 172, 74), (94, 148, 60))
  pen.gradient(_HORIZON, 100, _pale(green, 0.25), _dark(green, 0.15))
  for _ in range(150):
    x, depth = float(rng.uniform(0, 100)), float(rng.random())
    y = _HORIZON + depth * (100 - _HORIZON)
    tone = _mix(_dark(green), _pale(green, 0.4), float(rng.random()))
    lean = float(rng.uniform(-1.5, 1.5))
    pen.line([(x, y), (x + lean, y - 2 - 4 * depth)], tone, 0.7)


# Rooms: whole backdrops with a floor.


def _interior_room(pen: _Pen, rng: np.random.Generator) -> None:
  wall = _pick(rng, (222, 204, 172), (200, 206, 190), (216, 190, 180))
  pen.box(0, 0, 100, 101, wall)
  for stripe in range(0, 100, 8):
    pen.box(stripe, 0, stripe + 4, 64, _dark(wall, 0.05))
  x = float(rng.uniform(12, 56))
  pen.box(x - 2, 10, x + 32, 46, _WHITE)
  pen.box(x, 12, x + 30, 44, (176, 210, 230))
  pen.box(x + 14, 12, x + 16, 44, _WHITE)
  pen.box(x, 27, x + 30, 29, _WHITE)
  for side in (x - 8, x + 28):
    pen.box(side, 7, side + 10, 52, (168, 82, 76), 1)
    pen.line([(side + 3, 9), (side + 3, 50)], (138, 62, 60), 1)
    pen.line([(side + 7, 9), (side + 7, 50)], (138, 62, 60), 1)
  pen.box(0, 61, 100, 101, (168, 130, 96))
  pen.box(0, 60, 100, 64, _WHITE)


def _bedroom(pen: _Pen, rng: np.random.Generator) -> None:
  wall = _pick(rng, (196, 190, 206), (206, 190, 178), (188, 200, 204))
  blanket = _pick(rng, (92, 110, 160), (160, 100, 120), (110, 140, 120))
  pen.box(0, 0, 100, 101, wall)
  pen.box(0, 60, 100, 101, (158, 120, 90))
  pen.box(24, 8, 50, 26, (120, 84, 60))
  pen.box(26, 10, 48, 24, (226, 220, 206))
  pen.box(6, 24, 14, 74, (110, 72, 50), 2)
  pen.box(88, 40, 95, 74, (110, 72, 50), 2)
  pen.box(10, 46, 92, 64, _WHITE, 3)
  pen.box(15, 36, 40, 50, (250, 250, 250), 6)
  pen.box(36, 44, 92, 68, blanket, 4)
  for x in range(44, 92, 12):
    pen.line([(x, 45), (x, 67)], _pale(blanket), 1.4)


# Plants: leaf green on a stem.


def _leaf(pen: _Pen, root: _Point, tip: _Point, fill: _Colour) -> None:
  (x0, y0), (x1, y1) = root, tip
  dx, dy = x1 - x0, y1 - y0
  # Where along the leaf, and how far to both sides, as shares of its length.
  outline = [(0, 0), (0.18, 0.17), (0.4, 0.24), (0.64, 0.19), (0.85, 0.09)]
  points = [*outline, (1, 0), *((a, -b) for a, b in reversed(outline))]
  pen.shape(
    [(x0 + a * dx - b * dy, y0 + a * dy + b * dx) for a, b in points], fill
  )
  pen.line([root, tip], _dark(fill, 0.25), 1.4)


def _plant(pen: _Pen, rng: np.random.Generator) -> None:
  green = _pick(rng, (52, 132, 56), (70, 146, 52), (40, 116, 64))
  pen.line([(50, 97), (50, 30)], _dark(green, 0.2), 4)
  for y, tip, reach in ((92, 74, 44), (72, 46, 42), (52, 22, 34)):
    _leaf(pen, (50, y), (50 - reach, tip), green)
    _leaf(pen, (50, y - 4), (50 + reach, tip - 4), _pale(green, 0.15))
  _leaf(pen, (50, 44), (50, 2), _pale(green, 0.08))


def _tree(pen: _Pen, rng: np.random.Generator) -> None:
  green = _pick(rng, (58, 122, 50), (84, 140, 52), (44, 104, 58))
  pen.shape([(44, 52), (56, 52), (61, 98), (39, 98)], (104, 72, 48))
  for x, y, r in ((28, 46, 22), (72, 46, 22), (50, 26, 25), (50, 50, 24)):
    pen.disc(x, y, r, green)
  for x, y, r in ((36, 24, 9), (24, 42, 8), (60, 40, 9), (50, 58, 8)):
    pen.disc(x, y, r, _pale(green, 0.22))


def _flower(pen: _Pen, rng: np.random.Generator) -> None:
  petal = _pick(rng, (238, 96, 160), (250, 250, 250), (168, 110, 220))
  pen.line([(50, 40), (50, 98)], (64, 140, 60), 4.5)
  _leaf(pen, (50, 90), (16, 68), (72, 150, 62))
  _leaf(pen, (50, 84), (84, 62), (72, 150, 62))
  for x, y in _around(50, 32, 19, 8):
    pen.disc(x, y, 11.5, _dark(petal, 0.06))
    pen.disc(x, y, 9.5, petal)
  pen.disc(50, 32, 12, (248, 196, 48))


def _cactus(pen: _Pen, rng: np.random.Generator) -> None:
  green = _pick(rng, (58, 138, 84), (84, 150, 78), (50, 122, 92))
  pen.box(18, 34, 30, 58, green, 6)
  pen.box(18, 50, 46, 61, green, 5)
  pen.box(70, 22, 82, 50, green, 6)
  pen.box(54, 42, 82, 53, green, 5)
  pen.box(38, 4, 62, 80, green, 12)
  for x in (44, 50, 56):
    for y in range(12, 74, 9):
      pen.line([(x, y), (x, y + 3)], _pale(green, 0.65), 1.4)
  pen.shape([(28, 74), (72, 74), (66, 98), (34, 98)], (190, 102, 66))
  pen.box(25, 70, 75, 79, (206, 118, 80), 2)


# Recreation: rings and fields of red, white, blue and yellow.


def _recreation(pen: _Pen, rng: np.random.Generator) -> None:
  pen.disc(50, 50, 47, _WHITE)
  turn = float(rng.integers(60))
  for i, fill in enumerate(((226, 44, 60), (36, 120, 212), (250, 202, 44))):
    start = turn + 120 * i
    pen.slice(3, 3, 97, 97, (start, start + 60), fill)
  pen.disc(50, 50, 9, _WHITE)
  pen.arc(3, 3, 97, 97, (20, 110), (150, 150, 170), 3)


def _archery(pen: _Pen, rng: np.random.Generator) -> None:
  for foot in (24, 76):
    pen.line([(50, 20), (foot, 98)], (150, 104, 62), 4.5)
  rings = [_WHITE, (40, 42, 50), (48, 140, 214), (222, 48, 52), (250, 208, 50)]
  for i, fill in enumerate(rings):
    pen.disc(50, 44, 42 - 8.4 * i, fill)
  x, y = float(rng.uniform(44, 60)), float(rng.uniform(38, 50))
  pen.line([(x, y), (x + 34, y - 26)], (96, 66, 44), 3)
  feather = [(x + 28, y - 26), (x + 40, y - 38), (x + 40, y - 24)]
  pen.shape(feather, (60, 170, 90))


def _kite(pen: _Pen, rng: np.random.Generator) -> None:
  one, two = (232, 52, 56), (250, 206, 50)
  if rng.random() < 0.5:
    one, two = (34, 128, 216), (246, 246, 246)
  top, left, right, low = (52, 2), (22, 30), (82, 30), (52, 66)
  middle = (52, 30)
  pen.shape([top, left, middle], one)
  pen.shape([top, right, middle], two)
  pen.shape([low, left, middle], two)
  pen.shape([low, right, middle], one)
  pen.line([top, low], _BLACK, 1.4)
  pen.line([left, right], _BLACK, 1.4)
  pen.line([low, (42, 74), (54, 84), (40, 97)], _BLACK, 1.6)
  for x, y in ((43, 75), (53, 84)):
    pen.shape([(x, y), (x - 8, y - 5), (x - 8, y + 5)], one)
    pen.shape([(x, y), (x + 8, y - 5), (x + 8, y + 5)], one)


# Religion: violet and gold, pointed arches, candlesticks.


def _religion(pen: _Pen, rng: np.random.Generator) -> None:
  glass = [(116, 40, 140), (214, 164, 40), (150, 30, 70), (44, 80, 160)]
  turn = int(rng.integers(4))
  half = [(-34, 48), (-34, -2), (-31, -18), (-24, -32), (-14, -43), (0, -50)]
  arch = half + [(-x, y) for x, y in reversed(half)]
  for scale, fill in ((1, (112, 104, 112)), (0.88, (40, 34, 48))):
    pen.shape([(50 + scale * x, 50 + scale * y) for x, y in arch], fill)
  for row, top in enumerate((45, 61, 76)):
    for column, left in enumerate((23, 42, 60)):
      colour = glass[(row + column + turn) % 4]
      pen.box(left, top, left + 16.5, top + 13.5, colour)
  pen.disc(50, 28, 13, glass[(turn + 1) % 4])
  for x, y in _around(50, 28, 8, 6, 30):
    pen.disc(x, y, 3.8, glass[turn])
  pen.disc(50, 28, 3.8, _WHITE)


def _altar(pen: _Pen, rng: np.random.Generator) -> None:
  cloth = _pick(rng, (104, 40, 124), (140, 30, 60), (70, 50, 130))
  for x in (16, 84):
    pen.box(x - 3, 22, x + 3, 48, (240, 234, 220))
    pen.box(x - 7, 44, x + 7, 50, _GOLD, 2)
  pen.disc(50, 26, 20, _GOLD)
  pen.disc(50, 26, 13, (250, 226, 150))
  pen.box(2, 48, 98, 58, (196, 188, 178), 1)
  pen.box(8, 58, 92, 97, (166, 158, 152))
  pen.box(24, 48, 76, 90, cloth)
  pen.line([(26, 88), (74, 88)], _GOLD, 4)
  pen.shape([(50, 60), (60, 71), (50, 82), (40, 71)], _GOLD)


def _menorah(pen: _Pen, rng: np.random.Generator) -> None:
  gold = _pick(rng, _GOLD, (200, 150, 50), (190, 164, 90))
  for radius in (14, 27, 40):
    pen.arc(
      50 - radius, 40 - radius, 50 + radius, 40 + radius, (0, 180), gold, 5
    )
  pen.box(47, 38, 53, 90, gold)
  pen.box(26, 88, 74, 97, gold, 3)
  for x in (12.5, 25.5, 38.5, 50, 61.5, 74.5, 87.5):
    pen.box(x - 4.5, 34, x + 4.5, 40, gold, 1)
    pen.box(x - 2.5, 12, x + 2.5, 35, (116, 60, 150))


# Structure: sandstone, brick and planks; columns, windows and arches.


def _structure(pen: _Pen, rng: np.random.Generator) -> None:
  stone = _pick(rng, (206, 186, 150), (190, 178, 164), (214, 196, 170))
  pen.shape([(2, 32), (50, 4), (98, 32)], stone)
  pen.shape([(18, 29), (50, 10), (82, 29)], _dark(stone, 0.25))
  pen.box(4, 32, 96, 40, _pale(stone, 0.2))
  pen.box(12, 40, 88, 86, _dark(stone, 0.55))
  for x in (10, 32, 54, 76):
    pen.box(x, 40, x + 14, 86, stone)
    pen.box(x + 9, 40, x + 14, 86, _dark(stone, 0.18))
  pen.box(6, 86, 94, 92, stone)
  pen.box(0, 92, 100, 98, _dark(stone, 0.15))


def _building(pen: _Pen, rng: np.random.Generator) -> None:
  wall = _pick(rng, (150, 132, 118), (176, 120, 96), (128, 136, 146))
  for x0, y0, x1, tone in (
    (8, 34, 48, _dark(wall, 0.15)),
    (40, 4, 92, wall),
  ):
    pen.box(x0, y0, x1, 98, tone)
    pen.box(x0 - 2, y0, x1 + 2, y0 + 4, _dark(tone))
    for y in range(y0 + 9, 90, 12):
      for x in range(x0 + 5, x1 - 8, 11):
        lit = rng.random() < 0.25
        pen.box(x, y, x + 6, y + 7, (250, 224, 150) if lit else (66, 78, 96))
  pen.box(60, 84, 72, 98, (70, 50, 44))


def _bridge(pen: _Pen, rng: np.random.Generator) -> None:
  stone = _pick(rng, (168, 140, 110), (150, 140, 132), (176, 120, 90))
  pen.box(0, 40, 100, 92, stone)
  for row in range(6):
    y = 42 + row * 8
    pen.line([(0, y), (100, y)], _dark(stone, 0.2), 1)
    for x in range(4 + 6 * (row % 2), 100, 12):
      pen.line([(x, y), (x, y + 8)], _dark(stone, 0.2), 1)
  for x in (26, 74):
    pen.disc(x, 76, 20.5, _dark(stone, 0.4))
    pen.disc(x, 76, 17.5, _CLEAR)
    pen.box(x - 20.5, 76, x + 20.5, 94, _dark(stone, 0.4))
    pen.box(x - 17.5, 74, x + 17.5, 96, _CLEAR)
  pen.box(0, 34, 100, 42, _pale(stone, 0.25))
  for x in range(4, 100, 13):
    pen.box(x, 24, x + 4, 36, _pale(stone, 0.25))
  pen.box(0, 22, 100, 26, _pale(stone, 0.25))


def _wood_processed(pen: _Pen, rng: np.random.Generator) -> None:
  wood = _pick(rng, (168, 112, 66), (140, 92, 58), (190, 140, 90))
  pen.box(0, _HORIZON, 100, 101, wood)
  for i in range(5):
    y = _HORIZON + i * (4 + i)
    low = y + 4 + 2 * i + 1
    tone = _mix(_dark(wood, 0.2), _pale(wood, 0.2), float(rng.random()))
    pen.box(0, y, 100, low, tone)
    for _ in range(3):
      grain = y + float(rng.uniform(0.15, 0.85)) * (low - y)
      start = float(rng.uniform(-20, 80))
      pen.line([(start, grain), (start + 45, grain)], _dark(tone, 0.18), 0.7)
    seam = float(rng.uniform(5, 95))
    pen.line([(seam, y), (seam, low)], _dark(wood, 0.55), 0.8)
    pen.line([(0, y), (100, y)], _dark(wood, 0.55), 0.9)


# Where the ground begins, in units from the top.
_HORIZON = 60

# Where a fine label stands in a picture: it fills the picture, it fills the
# lower part, it stands on the ground, or it hangs in the air.
_BACKDROP, _GROUND, _STANDING, _FLYING = 'backdrop', 'ground', 'stand', 'fly'


@dataclasses.dataclass(frozen=True)
class _Subject:
  """One fine label and how it looks."""

  fine: str
  coarse: str
  place: str
  paint: Callable[[_Pen, np.random.Generator], None]


_SUBJECTS = (
  _Subject('animal', 'animal', _STANDING, _animal),
  _Subject('dog', 'animal', _STANDING, _dog),
  _Subject('bird', 'animal', _STANDING, _bird),
  _Subject('fish', 'animal', _STANDING, _fish),
  _Subject('art', 'art', _STANDING, _art),
  _Subject('painting', 'art', _FLYING, _painting),
  _Subject('statue', 'art', _STANDING, _statue),
  _Subject('celebration', 'celebration', _FLYING, _celebration),
  _Subject('jack_o_lantern', 'celebration', _STANDING, _jack_o_lantern),
  _Subject('christmas_tree', 'celebration', _STANDING, _christmas_tree),
  _Subject('equipment', 'equipment', _STANDING, _equipment),
  _Subject('automobile', 'equipment', _STANDING, _automobile),
  _Subject('umbrella', 'equipment', _STANDING, _umbrella),
  _Subject('book', 'equipment', _STANDING, _book),
  _Subject('fire', 'fire', _STANDING, _fire),
  _Subject('flame', 'fire', _STANDING, _flame),
  _Subject('fireplace', 'fire', _STANDING, _fireplace),
  _Subject('food', 'food', _STANDING, _food),
  _Subject('apple', 'food', _STANDING, _apple),
  _Subject('pizza', 'food', _STANDING, _pizza),
  _Subject('cupcake', 'food', _STANDING, _cupcake),
  _Subject('games', 'games', _STANDING, _games),
  _Subject('chess', 'games', _STANDING, _chess),
  _Subject('dice', 'games', _STANDING, _dice),
  _Subject('interior_room', 'interior_room', _BACKDROP, _interior_room),
  _Subject('bedroom', 'interior_room', _BACKDROP, _bedroom),
  _Subject('light', 'light', _FLYING, _light),
  _Subject('lamp', 'light', _STANDING, _lamp),
  _Subject('light_bulb', 'light', _FLYING, _light_bulb),
  _Subject('liquid', 'liquid', _STANDING, _liquid),
  _Subject('waterfall', 'liquid', _STANDING, _waterfall),
  _Subject('water_body', 'liquid', _GROUND, _water_body),
  _Subject('material', 'material', _STANDING, _material),
  _Subject('raw_metal', 'material', _STANDING, _raw_metal),
  _Subject('textile', 'material', _GROUND, _textile),
  _Subject('music', 'music', _FLYING, _music),
  _Subject('guitar', 'music', _STANDING, _guitar),
  _Subject('drum', 'music', _STANDING, _drum),
  _Subject('outdoor', 'outdoor', _BACKDROP, _outdoor),
  _Subject('blue_sky', 'outdoor', _BACKDROP, _blue_sky),
  _Subject('sunset_sunrise', 'outdoor', _BACKDROP, _sunset_sunrise),
  _Subject('grass', 'outdoor', _GROUND, _grass),
  _Subject('plant', 'plant', _STANDING, _plant),
  _Subject('tree', 'plant', _STANDING, _tree),
  _Subject('flower', 'plant', _STANDING, _flower),
  _Subject('cactus', 'plant', _STANDING, _cactus),
  _Subject('recreation', 'recreation', _STANDING, _recreation),
  _Subject('archery', 'recreation', _STANDING, _archery),
  _Subject('kite', 'recreation', _FLYING, _kite),
  _Subject('religion', 'religion', _STANDING, _religion),
  _Subject('altar', 'religion', _STANDING, _altar),
  _Subject('menorah', 'religion', _STANDING, _menorah),
  _Subject('structure', 'structure', _STANDING, _structure),
  _Subject('building', 'structure', _STANDING, _building),
  _Subject('bridge', 'structure', _STANDING, _bridge),
  _Subject('wood_processed', 'structure', _GROUND, _wood_processed),
)


def _is_object(subject: _Subject) -> bool:
  return subject.place in (_STANDING, _FLYING)


_SUBJECTS_OF = {
  coarse: tuple(s for s in _SUBJECTS if s.coarse == coarse)
  for coarse in flair.COARSE_LABELS
}


# Places of the objects, by their number: middle of the foot and size, in
# units. Those further back come first and are smaller.
_STANDS: dict[int, tuple[tuple[float, float, float], ...]] = {
  1: ((50, 90, 66),),
  2: ((28, 90, 50), (73, 88, 50)),
  3: ((51, 58, 40), (25, 93, 45), (76, 91, 45)),
  4: ((28, 55, 38), (73, 54, 38), (25, 94, 41), (75, 93, 41)),
  5: ((18, 54, 33), (50, 52, 33), (82, 54, 33), (28, 94, 40), (73, 93, 40)),
}
# The colours of studios.
_WALLS = (
  (226, 206, 178),
  (192, 206, 186),
  (184, 204, 222),
  (212, 196, 216),
  (232, 190, 172),
  (190, 216, 208),
  (222, 212, 200),
  (170, 180, 192),
  (220, 184, 188),
  (206, 208, 170),
)


@dataclasses.dataclass(frozen=True)
class _User:
  """Who a user is: what they like to show, and how their pictures look.

  Attributes:
    user_id: Shaped like a Flickr NSID, but counted from 00000001@N99.
    partition: `train`, `val` or `test`.
    num_images: How many pictures the user has.
    taste: Probability of each coarse label. Shape [class], float64.
    favourites: The fine label preferred within each coarse label.
    wall: Colour of the user's studio.
    floor: Colour of the studio's floor.
    gains: Factors of red, green and blue: tint and exposure.
    grain: Index into the film grains, 0 is the finest.
  """

  user_id: str
  partition: str
  num_images: int
  taste: npt.NDArray[np.float64]
  favourites: dict[str, str]
  wall: _Colour
  floor: _Colour
  gains: tuple[float, float, float]
  grain: int


@dataclasses.dataclass(frozen=True)
class _Picture:
  """What one picture shows, and whose it is."""

  image_id: str
  user: _User
  subjects: tuple[_Subject, ...]

  def record(self) -> dict[str, str | list[str]]:
    """Returns the picture's entry in the metadata, in FLAIR's field order."""
    return {
      'user_id': self.user.user_id,
      'image_id': self.image_id,
      'labels': sorted({subject.coarse for subject in self.subjects}),
      'partition': self.user.partition,
      'fine_grained_labels': sorted({s.fine for s in self.subjects}),
    }


def _make_users(rng: np.random.Generator) -> list[_User]:
  counts = np.array(
    [_FLAIR_IMAGE_COUNTS[coarse] for coarse in flair.COARSE_LABELS], np.float64
  )
  shares = np.cbrt(counts)
  shares /= shares.sum()
  sizes = [
    (split, size) for split, each in _IMAGES_PER_USER.items() for size in each
  ]
  # Shuffled numbers: the order of the ids says nothing about the users.
  numbers = rng.permutation(len(sizes)) + 1
  users = []
  for number, (partition, num_images) in zip(numbers, sizes, strict=True):
    own = rng.dirichlet(shares * _TASTE_CONCENTRATION)
    wall = _pick(rng, *_WALLS)
    exposure = float(rng.uniform(0.92, 1.12))
    tint = rng.uniform(0.93, 1.07, 3)
    users.append(
      _User(
        user_id=f'{number:08d}@N99',
        partition=partition,
        num_images=num_images,
        taste=_COMMON_TASTE * shares + (1 - _COMMON_TASTE) * own,
        favourites={
          coarse: subjects[int(rng.integers(len(subjects)))].fine
          for coarse, subjects in _SUBJECTS_OF.items()
        },
        wall=wall,
        floor=_dark(wall, float(rng.uniform(0.12, 0.4))),
        gains=(
          exposure * float(tint[0]),
          exposure * float(tint[1]),
          exposure * float(tint[2]),
        ),
        grain=int(rng.integers(len(_GRAINS))),
      )
    )
  return users


def _make_image_ids(rng: np.random.Generator, count: int) -> list[str]:
  # Of two lengths, so that their order as text is not their order as
  # numbers; most do not fit 32 bits. FLAIR's own reach 42.4 billion.
  ids: set[int] = set()
  while len(ids) < count:
    short = rng.random() < 0.25
    low, high = (10**6, 10**7) if short else (9 * 10**10, 10**11)
    ids.add(int(rng.integers(low, high)))
  shuffled = sorted(ids)
  rng.shuffle(shuffled)
  return [str(image_id) for image_id in shuffled]


def _choose_coarse(
  rng: np.random.Generator, user: _User, main: str | None
) -> list[str]:
  """Returns the coarse labels of a picture, the main one first."""
  wanted = 1 + int(
    rng.choice(len(_NUM_COARSE_PROBABILITIES), p=_NUM_COARSE_PROBABILITIES)
  )
  order = [
    flair.COARSE_LABELS[i]
    for i in rng.choice(_NUM_COARSE, _NUM_COARSE, False, user.taste)
  ]
  if main is not None:
    order = [main, *(name for name in order if name != main)]
  chosen: list[str] = []
  for name in order:
    # A picture is taken indoors or outdoors.
    if name == 'interior_room' and 'outdoor' in chosen:
      continue
    if name == 'outdoor' and 'interior_room' in chosen:
      continue
    chosen.append(name)
    if len(chosen) == wanted:
      break
  return chosen


def _has_room(chosen: Sequence[_Subject], subject: _Subject) -> bool:
  """Returns whether a picture of the chosen ones can also show `subject`."""
  if _is_object(subject):
    return sum(map(_is_object, chosen)) < max(_STANDS)
  return all(other.place != subject.place for other in chosen)


def _choose_subjects(
  rng: np.random.Generator, user: _User, coarse: Sequence[str]
) -> tuple[_Subject, ...]:
  """Returns one or two fine labels for each of the coarse ones."""
  chosen: list[_Subject] = []
  for i, name in enumerate(coarse):
    # A second one only where the rest would still have room.
    second = rng.random() < _SECOND_FINE_PROBABILITY
    wanted = 1 + int(second and len(chosen) + len(coarse) - i < max(_STANDS))
    options = list(_SUBJECTS_OF[name])
    rng.shuffle(options)
    if rng.random() < _FAVOURITE_PROBABILITY:
      options.sort(key=lambda s: s.fine != user.favourites[name])
    for subject in options:
      if not wanted:
        break
      if _has_room(chosen, subject):
        chosen.append(subject)
        wanted -= 1
  return tuple(chosen)


def _plan(rng: np.random.Generator) -> list[_Picture]:
  """Returns all pictures, each user's side by side."""
  users = _make_users(rng)
  mains: dict[str, list[str | None]] = {}
  for split, num_images in NUM_IMAGES.items():
    deck: list[str | None] = [*flair.COARSE_LABELS] * _MIN_MAIN
    deck += [None] * (num_images - len(deck))
    mains[split] = [deck[i] for i in rng.permutation(num_images)]
  ids = iter(_make_image_ids(rng, sum(NUM_IMAGES.values())))
  pictures = []
  for user in users:
    for _ in range(user.num_images):
      coarse = _choose_coarse(rng, user, mains[user.partition].pop())
      subjects = _choose_subjects(rng, user, coarse)
      pictures.append(_Picture(next(ids), user, subjects))
  return pictures


# Film grains: the largest deviation of a pixel, in 8-bit steps.
_GRAINS = (1, 3, 5)


@dataclasses.dataclass(frozen=True)
class _Film:
  """What all pictures share: made once, used for each.

  Attributes:
    grains: Film grain around 128, one image per strength.
    vignette: Darkens the corners; a factor of 255 leaves as it is.
    badge: The mark DRAWN.
  """

  grains: tuple[Image.Image, ...]
  vignette: Image.Image
  badge: Image.Image


# The letters of the badge, one character a pixel.
_BADGE = (
  '##..##...##..#...#.#..#',
  '#.#.#.#.#..#.#...#.##.#',
  '#.#.##..####.#.#.#.#.##',
  '#.#.#.#.#..#.##.##.#..#',
  '##..#.#.#..#.#...#.#..#',
)


def _load_film(rng: np.random.Generator) -> _Film:
  shape = (_IMAGE_SIZE, _IMAGE_SIZE)
  grains = []
  for strength in _GRAINS:
    noise = rng.integers(-strength, strength + 1, shape) + 128
    luma = Image.fromarray(noise.astype(np.uint8))
    grains.append(Image.merge('RGB', (luma, luma, luma)))
  axis = (np.arange(_IMAGE_SIZE) - (_IMAGE_SIZE - 1) / 2) / (_IMAGE_SIZE / 2)
  radius2 = axis[:, None] ** 2 + axis[None, :] ** 2
  dark = np.round(255 - 24 * radius2).astype(np.uint8)
  corner = Image.fromarray(dark)
  letters = np.array([[pixel == '#' for pixel in row] for row in _BADGE])
  plate = np.pad(letters, ((2, 2), (3, 3)))
  ink = np.where(plate[:, :, None], np.uint8(255), np.uint8(40))
  badge = Image.fromarray(np.repeat(ink, 3, axis=2))
  return _Film(
    tuple(grains), Image.merge('RGB', (corner, corner, corner)), badge
  )


def _paint_object(
  subject: _Subject, size: int, rng: np.random.Generator
) -> Image.Image:
  """Returns an object on a transparent square of `size` pixels."""
  layer = Image.new('RGBA', (size, size), _CLEAR)
  subject.paint(_Pen(layer), rng)
  if rng.random() < 0.5:
    layer = layer.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
  # Things on the ground hardly tilt.
  limit = 4 if subject.place == _STANDING else 10
  angle = int(rng.integers(-limit, limit + 1))
  # Halving the scene smooths what the nearest pixel leaves rough.
  return layer.rotate(angle, Image.Resampling.NEAREST, expand=True)


def _paint_scene(picture: _Picture, rng: np.random.Generator) -> Image.Image:
  """Returns what the picture shows, before style, at twice its size."""
  canvas = Image.new('RGB', (_CANVAS, _CANVAS), picture.user.wall)
  pen = _Pen(canvas)
  places = {subject.place: subject for subject in picture.subjects}
  if _BACKDROP in places:
    places[_BACKDROP].paint(pen, rng)
  else:
    wall = picture.user.wall
    pen.gradient(0, 100, _pale(wall, 0.25), _dark(wall, 0.12))
  if _GROUND in places:
    places[_GROUND].paint(pen, rng)
  elif _BACKDROP not in places:
    floor = picture.user.floor
    pen.gradient(_HORIZON, 100, _pale(floor, 0.12), floor)

  objects = [s for s in picture.subjects if _is_object(s)]
  if not objects:
    return canvas
  rng.shuffle(objects)
  # Things in the air go to the back, where they can hang highest.
  objects.sort(key=lambda subject: subject.place != _FLYING)
  shadow = Image.new('L', (_CANVAS // 4, _CANVAS // 4), 0)
  shadow_pen = _Pen(shadow)
  layers = []
  for subject, (x, y, size) in zip(objects, _STANDS[len(objects)], strict=True):
    size *= float(rng.uniform(0.9, 1.08))
    x += float(rng.uniform(-3, 3))
    y += float(rng.uniform(-2, 2))
    if subject.place == _FLYING:
      y -= float(rng.uniform(6, 16))
    else:
      width = size * 0.46
      shadow_pen.oval(x - width, y - 5, x + width, y + 4, (150,))
    y = max(y, size + 2)
    layer = _paint_object(subject, round(size * _CANVAS / 100), rng)
    left = round(x * _CANVAS / 100) - layer.width // 2
    top = round((y - size / 2) * _CANVAS / 100) - layer.height // 2
    layers.append((layer, left, top))
  shadow = shadow.filter(ImageFilter.BoxBlur(3)).resize(canvas.size)
  canvas.paste((24, 20, 30), (0, 0), shadow)
  for layer, left, top in layers:
    canvas.paste(layer, (left, top), layer)
  return canvas


def _develop(
  scene: Image.Image, user: _User, film: _Film, rng: np.random.Generator
) -> Image.Image:
  """Returns the scene in its final size, in its user's style, marked."""
  image = scene.reduce(_CANVAS // _IMAGE_SIZE)
  exposure = float(rng.uniform(0.93, 1.07))
  table: list[int] = []
  for gain in user.gains:
    table += [min(255, round(i * gain * exposure)) for i in range(256)]
  image = ImageChops.multiply(image.point(table), film.vignette)
  x, y = (int(v) for v in rng.integers(0, _IMAGE_SIZE, 2))
  grain = ImageChops.offset(film.grains[user.grain], x, y)
  image = ImageChops.add(image, grain, 1.0, -128)
  corner = (
    _IMAGE_SIZE - film.badge.width - 3,
    _IMAGE_SIZE - film.badge.height - 3,
  )
  image.paste(film.badge, corner)
  return image


def _encode(image: Image.Image) -> bytes:
  """Returns the image as FLAIR has it: baseline JPEG, 4:2:0."""
  buffer = io.BytesIO()
  image.save(
    buffer,
    'JPEG',
    quality=_JPEG_QUALITY,
    subsampling='4:2:0',
    progressive=False,
    comment=COMMENT.encode('ascii'),
  )
  return buffer.getvalue()


def _write_tarball(
  path: pathlib.Path, members: Sequence[tuple[str, bytes]]
) -> None:
  """Writes a tar.gz that holds no time, no owner and no machine."""
  with (
    path.open('wb') as file,
    gzip.GzipFile('', 'wb', 6, file, mtime=0) as stream,
    tarfile.open(fileobj=stream, mode='w', format=tarfile.USTAR_FORMAT) as tar,
  ):
    for name, content in members:
      member = tarfile.TarInfo(name)
      member.size = len(content)
      tar.addfile(member, io.BytesIO(content))


def _draw_into(folder: pathlib.Path, seed: int) -> None:
  plan_seed, film_seed, *image_seeds = np.random.SeedSequence(seed).spawn(
    2 + sum(NUM_IMAGES.values())
  )
  pictures = _plan(np.random.default_rng(plan_seed))
  film = _load_film(np.random.default_rng(film_seed))
  tarballs: list[list[tuple[str, bytes]]] = [[] for _ in range(_NUM_TARBALLS)]
  with progress.bar(
    total=len(pictures), desc='Drawing flair/miniature', unit=' images'
  ) as bar:
    for picture, image_seed in zip(pictures, image_seeds, strict=True):
      rng = np.random.default_rng(image_seed)
      scene = _paint_scene(picture, rng)
      jpeg = _encode(_develop(scene, picture.user, film, rng))
      # Scattered: a user's images are in all tarballs, as in FLAIR.
      tarball = tarballs[int(rng.integers(_NUM_TARBALLS))]
      tarball.append((f'small_images/{picture.image_id}.jpg', jpeg))
      bar.update()
  for number, members in enumerate(tarballs):
    path = folder / f'small_images-{number:02d}.tar.gz'
    _write_tarball(path, sorted(members))
  records = [picture.record() for picture in pictures]
  (folder / 'labels_and_metadata.json').write_text(
    json.dumps(records, indent=1) + '\n', encoding='ascii'
  )
  # As in the real file, a coarse name has no line of its own.
  parents = _UNUSED_FINE | {
    subject.fine: subject.coarse
    for subject in _SUBJECTS
    if subject.fine != subject.coarse
  }
  (folder / flair.RELATIONSHIP_FILE).write_text(
    ''.join(f'{fine} -> {parents[fine]}\n' for fine in sorted(parents)),
    encoding='ascii',
  )


def draw(folder: str | os.PathLike[str], *, seed: int = 0) -> None:
  """Draws a small FLAIR into `folder`, in the layout of the real download.

  The folder appears only once it is complete: everything is drawn into a
  hidden folder beside it, which is then renamed. Takes a few seconds and
  about 4 MB.

  Args:
    folder: Where the files will stand. It must not exist yet, or be empty;
      its parents are made.
    seed: The same seed gives the same bytes; another one, other users, labels
      and pictures. The numbers of images and users do not depend on it.

  Raises:
    FileExistsError: If the folder exists and is not empty.
    OSError: If it cannot be written, or another process fills it meanwhile.
    ValueError: If the seed is negative.
  """
  target = pathlib.Path(folder)
  if seed < 0:
    raise ValueError(
      f'`seed` must not be negative, but is {seed}. Pass 0 or more.'
    )
  if target.exists() and (not target.is_dir() or any(target.iterdir())):
    raise FileExistsError(
      f'The folder to draw into must be missing or empty, but {str(target)!r}'
      ' is not. Delete it, or name another one.'
    )
  target.parent.mkdir(parents=True, exist_ok=True)
  temporary = target.with_name(f'.{target.name}.{uuid.uuid4().hex}.tmp')
  temporary.mkdir()
  try:
    _draw_into(temporary, seed)
    os.replace(temporary, target)
  finally:
    shutil.rmtree(temporary, ignore_errors=True)
