"""How the fine labels of the miniature look: a drawing function for each.

A drawing fills a square of 100 by 100 units with its subject, in colours of
its own and never twice the same. `SUBJECTS` lists them all.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw

Colour = tuple[int, ...]
_Point = tuple[float, float]


class Pen:
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

  def disc(self, x: float, y: float, radius: float, fill: Colour) -> None:
    """Fills a disc around a point."""
    self.oval(x - radius, y - radius, x + radius, y + radius, fill)

  def oval(
    self, x0: float, y0: float, x1: float, y1: float, fill: Colour
  ) -> None:
    """Fills an ellipse in a box."""
    self._draw.ellipse(self._px((x0, y0), (x1, y1)), fill)

  def box(
    self,
    x0: float,
    y0: float,
    x1: float,
    y1: float,
    fill: Colour,
    radius: float = 0,
  ) -> None:
    """Fills a box, with round corners if a radius is given."""
    corners = self._px((x0, y0), (x1, y1))
    if radius:
      self._draw.rounded_rectangle(corners, round(radius * self._scale), fill)
    else:
      self._draw.rectangle(corners, fill)

  def shape(self, points: Sequence[_Point], fill: Colour) -> None:
    """Fills a polygon."""
    self._draw.polygon(self._px(*points), fill)

  def line(self, points: Sequence[_Point], fill: Colour, width: float) -> None:
    """Draws a line through points, with round ends and joints."""
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
    fill: Colour,
    width: float,
  ) -> None:
    """Draws a part of an ellipse's outline; degrees clockwise from 3."""
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
    fill: Colour,
  ) -> None:
    """Fills a slice of an ellipse; degrees clockwise from 3 o'clock."""
    self._draw.pieslice(self._px((x0, y0), (x1, y1)), *degrees, fill)

  def gradient(self, y0: float, y1: float, top: Colour, bottom: Colour) -> None:
    """Fills the whole width from one height to another."""
    # In bands: the film grain hides their edges.
    bands = 48
    step = (y1 - y0) / bands
    for band in range(bands):
      y = y0 + band * step
      self.box(0, y, 101, y + step + 1, _mix(top, bottom, band / bands))


def _mix(one: Colour, other: Colour, share: float) -> Colour:
  """Returns the colour that lies `share` of the way from one to the other."""
  return tuple(
    round(a + (b - a) * share) for a, b in zip(one, other, strict=True)
  )


def darker(colour: Colour, share: float = 0.3) -> Colour:
  """Returns a colour mixed with near black."""
  return _mix(colour, (20, 16, 24), share)


def paler(colour: Colour, share: float = 0.35) -> Colour:
  """Returns a colour mixed with white."""
  return _mix(colour, (255, 255, 255), share)


def pick(rng: np.random.Generator, *colours: Colour) -> Colour:
  """Returns one of some colours."""
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
CLEAR = (0, 0, 0, 0)


# Animals: brown, grey, orange; round bodies.


def _animal(pen: Pen, rng: np.random.Generator) -> None:
  fur = pick(rng, (124, 84, 56), (92, 74, 62), (150, 108, 68))
  pen.oval(24, 50, 76, 94, fur)
  pen.oval(34, 44, 66, 76, fur)
  for x, y in ((6, 32), (28, 8), (54, 8), (76, 32)):
    pen.oval(x, y, x + 18, y + 28, fur)


def _dog(pen: Pen, rng: np.random.Generator) -> None:
  fur = pick(rng, (176, 122, 70), (112, 78, 54), (206, 176, 136))
  pen.line([(22, 52), (9, 34)], fur, 7)
  for x in (24, 36):
    pen.box(x, 62, x + 9, 97, darker(fur, 0.15 if x == 24 else 0.3), 3)
  for x in (58, 68):
    pen.box(x, 62, x + 9, 97, darker(fur, 0.3 if x == 58 else 0.15), 3)
  pen.box(16, 44, 78, 74, fur, 14)
  pen.shape([(60, 48), (70, 24), (88, 40), (78, 64)], fur)
  pen.disc(77, 30, 16, fur)
  pen.box(78, 30, 99, 44, paler(fur, 0.2), 6)
  pen.disc(96, 33, 4, _BLACK)
  pen.oval(61, 16, 75, 46, darker(fur, 0.45))
  pen.disc(82, 25, 2.6, _BLACK)
  pen.line([(64, 50), (80, 56)], (204, 44, 52), 5)


def _bird(pen: Pen, rng: np.random.Generator) -> None:
  coat = pick(rng, (70, 84, 104), (126, 92, 70), (188, 84, 60))
  pen.shape([(34, 52), (2, 44), (8, 64)], darker(coat, 0.35))
  for x in (46, 56):
    pen.line([(x, 74), (x + 2, 94), (x + 9, 96)], (214, 150, 60), 2.5)
  pen.oval(20, 36, 78, 80, coat)
  pen.oval(36, 52, 74, 80, paler(coat, 0.5))
  pen.disc(71, 34, 17, coat)
  pen.shape([(84, 28), (100, 36), (84, 41)], (236, 168, 50))
  pen.shape([(24, 48), (60, 44), (52, 66), (16, 72)], darker(coat, 0.3))
  pen.disc(75, 30, 3.4, _WHITE)
  pen.disc(76, 30, 2, _BLACK)


def _fish(pen: Pen, rng: np.random.Generator) -> None:
  scale = pick(rng, (232, 128, 52), (206, 96, 60), (150, 132, 120))
  pen.shape([(66, 54), (98, 28), (90, 54), (98, 82)], darker(scale, 0.2))
  pen.shape([(30, 34), (52, 14), (64, 36)], darker(scale, 0.2))
  pen.oval(4, 28, 80, 80, scale)
  for x in (34, 52):
    pen.arc(x - 24, 30, x + 6, 78, (-75, 75), _WHITE, 6)
  pen.disc(19, 48, 6, _WHITE)
  pen.disc(18, 48, 3.2, _BLACK)


# Art: cream canvases with pure colours, marble.


def _art(pen: Pen, rng: np.random.Generator) -> None:
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


def _painting(pen: Pen, rng: np.random.Generator) -> None:
  sky = pick(rng, (236, 190, 150), (178, 160, 206), (240, 214, 160))
  pen.box(2, 12, 98, 90, _GOLD)
  pen.box(6, 16, 94, 86, darker(_GOLD, 0.35))
  pen.box(11, 21, 89, 81, sky)
  pen.disc(70, 36, 8, (226, 70, 50))
  pen.shape([(11, 68), (36, 32), (58, 66)], (106, 72, 134))
  pen.shape([(38, 68), (62, 44), (89, 68)], (146, 84, 128))
  pen.box(11, 64, 89, 81, (58, 104, 128))
  pen.line([(56, 70), (82, 70)], (232, 120, 90), 2)
  pen.line([(62, 75), (78, 75)], (232, 120, 90), 2)


def _statue(pen: Pen, rng: np.random.Generator) -> None:
  stone = pick(rng, (226, 222, 212), (208, 210, 208), (232, 220, 200))
  shade = darker(stone, 0.22)
  pen.box(22, 82, 78, 97, shade)
  pen.box(28, 74, 72, 83, stone)
  pen.slice(18, 46, 82, 110, (180, 360), stone)
  pen.slice(50, 46, 82, 110, (270, 360), shade)
  pen.box(42, 38, 58, 56, shade)
  pen.oval(32, 4, 68, 48, stone)
  pen.shape([(64, 20), (74, 32), (64, 35)], stone)
  for x, y in ((34, 14), (40, 7), (48, 4), (56, 6), (31, 22), (31, 30)):
    pen.disc(x, y, 6, shade)
  pen.line([(56, 22), (62, 22)], darker(shade), 2)


# Celebration: many small pure colours at once, pumpkin orange.


def _celebration(pen: Pen, rng: np.random.Generator) -> None:
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


def _jack_o_lantern(pen: Pen, rng: np.random.Generator) -> None:
  skin = pick(rng, (236, 122, 28), (222, 104, 24), (244, 140, 40))
  pen.line([(52, 26), (56, 10)], (86, 122, 50), 8)
  pen.oval(2, 24, 50, 94, darker(skin, 0.18))
  pen.oval(50, 24, 98, 94, darker(skin, 0.18))
  pen.oval(22, 20, 78, 96, skin)
  glow = (255, 232, 110)
  pen.shape([(22, 52), (32, 36), (42, 52)], glow)
  pen.shape([(58, 52), (68, 36), (78, 52)], glow)
  pen.shape([(45, 62), (50, 53), (55, 62)], glow)
  upper = [(18, 66), (30, 72), (38, 68), (46, 74), (54, 74), (62, 68)]
  lower = [(70, 72), (82, 66), (72, 84), (58, 86), (52, 80), (40, 87), (28, 82)]
  pen.shape(upper + lower, glow)


def _christmas_tree(pen: Pen, rng: np.random.Generator) -> None:
  green = pick(rng, (24, 104, 66), (32, 120, 72), (20, 92, 74))
  pen.box(43, 82, 57, 98, darker(_WOOD))
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


def _equipment(pen: Pen, rng: np.random.Generator) -> None:
  steel = pick(rng, _STEEL, (116, 126, 140), (132, 128, 124))
  for x, y in _around(50, 50, 41, 8, float(rng.integers(45))):
    pen.disc(x, y, 9, steel)
  pen.disc(50, 50, 39, steel)
  pen.disc(50, 50, 30, darker(steel, 0.25))
  for x, y in _around(50, 50, 20, 6):
    pen.line([(50, 50), (x * 1.3 - 15, y * 1.3 - 15)], steel, 5)
  pen.disc(50, 50, 15, paler(steel))
  pen.disc(50, 50, 8, _BLACK)


def _automobile(pen: Pen, rng: np.random.Generator) -> None:
  paint = pick(rng, (196, 36, 44), (36, 84, 160), (92, 98, 108))
  pen.shape([(18, 54), (32, 30), (68, 30), (84, 54)], paint)
  pen.shape([(25, 52), (35, 35), (48, 35), (48, 52)], (186, 214, 226))
  pen.shape([(52, 52), (52, 35), (66, 35), (76, 52)], (186, 214, 226))
  pen.box(2, 50, 98, 80, paint, 9)
  pen.line([(8, 66), (92, 66)], darker(paint, 0.4), 2)
  pen.disc(93, 58, 4, (255, 232, 140))
  for x in (25, 75):
    pen.disc(x, 80, 14, _BLACK)
    pen.disc(x, 80, 6.5, _STEEL)


def _umbrella(pen: Pen, rng: np.random.Generator) -> None:
  cloth = pick(rng, (190, 40, 60), (40, 70, 140), (48, 50, 60))
  pen.line([(50, 4), (50, 84)], _STEEL, 4)
  pen.arc(34, 76, 52, 97, (0, 180), _STEEL, 4)
  pen.slice(2, 10, 98, 106, (180, 360), cloth)
  pen.slice(20, 10, 80, 106, (180, 360), paler(cloth, 0.25))
  pen.slice(38, 10, 62, 106, (180, 360), cloth)
  for x in (11, 29, 50, 71, 89):
    pen.disc(x, 61, 10, CLEAR)
  pen.line([(50, 54), (50, 84)], _STEEL, 4)


def _book(pen: Pen, rng: np.random.Generator) -> None:
  cover = pick(rng, (40, 72, 132), (136, 38, 46), (60, 64, 72))
  pen.shape([(2, 24), (50, 32), (98, 24), (98, 86), (50, 94), (2, 86)], cover)
  pen.shape([(6, 18), (50, 28), (50, 88), (6, 80)], _WHITE)
  pen.shape([(94, 18), (50, 28), (50, 88), (94, 80)], (232, 228, 220))
  for i in range(6):
    y = 29 + 9 * i
    end = 44 - 8 * (i % 3 == 2)
    pen.line([(12, y), (end, y + 6)], (120, 120, 128), 1.8)
    pen.line([(100 - end, y + 6), (88, y)], (120, 120, 128), 1.8)


# Fire: red, orange and yellow tongues.


def _tongue(pen: Pen, x: float, y: float, size: float, fill: Colour) -> None:
  """Draws a flame of height `size` that stands on the point (x, y)."""
  points = [(0, -1), (0.22, -0.66), (0.37, -0.4), (0.36, -0.18), (0.2, -0.02)]
  left = [(-0.2, -0.02), (-0.36, -0.18), (-0.35, -0.42), (-0.12, -0.62)]
  pen.shape([(x + size * a, y + size * b) for a, b in points + left], fill)


def _flames(pen: Pen, x: float, y: float, size: float) -> None:
  _tongue(pen, x, y, size, (222, 48, 24))
  _tongue(pen, x, y, size * 0.76, (248, 132, 24))
  _tongue(pen, x, y, size * 0.48, (255, 222, 84))


def _fire(pen: Pen, rng: np.random.Generator) -> None:
  for y0, y1 in ((82, 96), (96, 82)):
    pen.line([(14, y0), (86, y1)], (92, 58, 38), 9)
  shift = float(rng.uniform(-4, 4))
  _flames(pen, 28, 86, 46 + shift)
  _flames(pen, 72, 86, 50 - shift)
  _flames(pen, 50 + shift, 90, 84)


def _flame(pen: Pen, rng: np.random.Generator) -> None:
  pen.shape([(40, 60), (60, 60), (55, 98), (45, 98)], (98, 64, 44))
  pen.box(34, 54, 66, 66, (70, 48, 40), 3)
  _flames(pen, 50 + float(rng.uniform(-3, 3)), 58, 56)


def _fireplace(pen: Pen, rng: np.random.Generator) -> None:
  brick = pick(rng, (158, 70, 52), (140, 78, 62), (170, 92, 66))
  pen.box(6, 14, 94, 97, brick)
  for row in range(8):
    y = 16 + row * 10.2
    pen.line([(6, y), (94, y)], paler(brick, 0.3), 1.4)
    for x in range(14 + 8 * (row % 2), 94, 16):
      pen.line([(x, y), (x, y + 10)], paler(brick, 0.3), 1.4)
  pen.box(0, 6, 100, 17, darker(_WOOD, 0.2), 2)
  pen.box(22, 36, 78, 97, (38, 22, 20), 8)
  _flames(pen, 36, 94, 34)
  _flames(pen, 64, 94, 36)
  _flames(pen, 50, 95, 52)


# Food: white plates, crust and fruit.


def _food(pen: Pen, rng: np.random.Generator) -> None:
  pen.disc(50, 54, 46, (226, 226, 222))
  pen.disc(50, 54, 42, _WHITE)
  pen.disc(50, 54, 32, (236, 236, 230))
  meat = pick(rng, (138, 72, 40), (168, 92, 48), (120, 56, 40))
  pen.oval(26, 34, 62, 58, meat)
  pen.line([(34, 44), (54, 50)], darker(meat), 2.5)
  pen.oval(50, 44, 76, 66, (250, 214, 110))
  for x, y in ((36, 66), (44, 62), (43, 72), (52, 70), (35, 74), (60, 72)):
    pen.disc(x, y, 5, (108, 168, 52))


def _apple(pen: Pen, rng: np.random.Generator) -> None:
  skin = pick(rng, (206, 30, 40), (170, 196, 52), (222, 70, 52))
  pen.line([(50, 30), (56, 8)], (94, 64, 40), 4)
  pen.oval(56, 6, 82, 20, (84, 150, 60))
  pen.oval(6, 24, 62, 92, skin)
  pen.oval(38, 24, 94, 92, skin)
  pen.oval(28, 50, 72, 97, skin)
  pen.oval(18, 36, 34, 58, paler(skin, 0.5))


def _pizza(pen: Pen, rng: np.random.Generator) -> None:
  cheese = pick(rng, (248, 202, 92), (252, 214, 120), (240, 186, 80))
  pen.disc(50, 52, 46, (190, 124, 62))
  pen.disc(50, 52, 40, cheese)
  turn = float(rng.integers(60))
  for x, y in [*_around(50, 52, 27, 6, turn), (50, 52)]:
    pen.disc(x, y, 7.5, (192, 52, 40))
    pen.disc(x - 1, y - 1, 5, (214, 78, 58))
  for x, y in _around(50, 52, 18, 5, turn + 20):
    pen.oval(x - 4, y - 2, x + 4, y + 2, (70, 130, 54))
  for x, y in _around(50, 52, 46, 3, turn):
    pen.line([(50, 52), (x, y)], darker(cheese, 0.35), 1.2)


def _cupcake(pen: Pen, rng: np.random.Generator) -> None:
  icing = pick(rng, (248, 168, 190), (252, 226, 190), (166, 110, 76))
  pen.shape([(18, 58), (82, 58), (72, 97), (28, 97)], (206, 154, 96))
  for x in range(26, 80, 12):
    pen.line([(x, 60), (50 + (x - 50) * 0.72, 96)], (166, 112, 64), 2.5)
  for y, half in ((54, 40), (40, 30), (26, 20)):
    pen.oval(50 - half, y - 13, 50 + half, y + 11, darker(icing, 0.08))
    pen.oval(50 - half, y - 15, 50 + half, y + 7, icing)
  pen.disc(50, 10, 8, (208, 30, 52))
  pen.disc(47, 7, 2.4, _WHITE)


# Games: black and white in a grid.


def _games(pen: Pen, rng: np.random.Generator) -> None:
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


def _chess(pen: Pen, rng: np.random.Generator) -> None:
  dark = pick(rng, (52, 44, 44), (44, 50, 62), (70, 48, 38))
  pen.box(2, 2, 98, 98, darker(dark, 0.4), 3)
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


def _dice(pen: Pen, rng: np.random.Generator) -> None:
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
    pen.box(x - 26, y + 20, x + 26, y + 26, darker(fill, 0.2), 4)
    for a, b in pips[int(rng.integers(1, 7))]:
      pen.disc(x + 15 * a, y + 14 * b, 5, ink)


# Light: glowing yellow-white with rays.


def _glow(pen: Pen, x: float, y: float, radius: float) -> None:
  """Draws a halo that fades outwards; only for layers with transparency."""
  steps = 12
  for i in range(steps):
    share = 1 - i / steps
    alpha = round(150 * (1 - share) ** 1.5)
    pen.disc(x, y, radius * share, (255, 240, 170, alpha))


def _light(pen: Pen, rng: np.random.Generator) -> None:
  _glow(pen, 50, 50, 50)
  turn = float(rng.integers(30))
  far, near = _around(50, 50, 48, 12, turn), _around(50, 50, 30, 12, turn)
  for one, other in zip(near, far, strict=True):
    pen.line([one, other], (255, 248, 190), 3)
  pen.disc(50, 50, 22, (255, 246, 170))
  pen.disc(50, 50, 15, (255, 255, 240))


def _lamp(pen: Pen, rng: np.random.Generator) -> None:
  shade = pick(rng, (255, 226, 140), (255, 214, 150), (252, 236, 170))
  _glow(pen, 50, 34, 50)
  pen.box(46, 40, 54, 92, (96, 78, 60))
  pen.box(28, 90, 72, 97, (96, 78, 60), 3)
  pen.shape([(34, 10), (66, 10), (84, 52), (16, 52)], shade)
  pen.shape([(44, 10), (56, 10), (62, 52), (38, 52)], (255, 250, 216))


def _light_bulb(pen: Pen, rng: np.random.Generator) -> None:
  glass = pick(rng, (255, 240, 130), (255, 232, 110), (255, 246, 170))
  _glow(pen, 50, 42, 50)
  pen.disc(50, 40, 29, glass)
  pen.shape([(28, 56), (72, 56), (62, 76), (38, 76)], glass)
  wire = [(42, 70), (40, 44), (50, 52), (60, 44), (58, 70)]
  pen.line(wire, (222, 140, 30), 2)
  for y in (76, 83, 90):
    pen.box(38, y, 62, y + 5, (150, 150, 156), 2)


# Liquid: saturated blue and turquoise, drops and waves.


def _drop(pen: Pen, x: float, y: float, size: float, fill: Colour) -> None:
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
    x - 0.6 * size, y - 0.3 * size, x - 0.2 * size, y + 0.4 * size, paler(fill)
  )


def _liquid(pen: Pen, rng: np.random.Generator) -> None:
  blue = pick(rng, (30, 122, 206), (24, 146, 200), (44, 104, 190))
  pen.oval(4, 76, 96, 98, blue)
  pen.oval(20, 80, 80, 93, paler(blue, 0.3))
  _drop(pen, 50, 54, 20, blue)
  _drop(pen, 20, 48, 11, paler(blue, 0.15))
  _drop(pen, 80, 42, 12, paler(blue, 0.15))


def _waterfall(pen: Pen, rng: np.random.Generator) -> None:
  water = pick(rng, (88, 176, 220), (70, 160, 214), (110, 190, 222))
  rock = (92, 88, 96)
  pen.box(28, 4, 72, 92, water)
  for x in range(32, 72, 6):
    top = float(rng.uniform(4, 30))
    pen.line([(x, top), (x, 88)], paler(water, 0.7), 2)
  pen.shape([(2, 6), (34, 2), (28, 40), (32, 70), (24, 97), (2, 97)], rock)
  pen.shape([(98, 8), (66, 2), (73, 36), (68, 72), (76, 97), (98, 97)], rock)
  pen.shape([(2, 40), (20, 34), (16, 97), (2, 97)], darker(rock))
  pen.oval(10, 80, 90, 99, darker(water, 0.12))
  for x in range(26, 80, 9):
    pen.disc(x, 84 + 3 * (x % 2), 7, (232, 246, 252))


def _water_body(pen: Pen, rng: np.random.Generator) -> None:
  blue = pick(rng, (32, 108, 182), (26, 130, 176), (40, 92, 160))
  pen.gradient(HORIZON, 100, paler(blue, 0.35), blue)
  for row in range(7):
    y = HORIZON + 3 + row * 5.6
    size = 5 + row
    start = float(rng.uniform(-size, 0))
    while start < 100:
      pen.arc(
        start, y, start + size, y + size * 0.6, (20, 160), paler(blue, 0.6), 0.8
      )
      start += size * 1.5


# Material: woven, hatched and riveted surfaces.


def _material(pen: Pen, rng: np.random.Generator) -> None:
  one = pick(rng, (176, 146, 112), (150, 140, 160), (164, 160, 132))
  two = pick(rng, (122, 60, 92), (88, 104, 76), (92, 76, 120))
  pen.box(4, 4, 66, 66, one)
  for at in range(8, 66, 6):
    pen.line([(at, 4), (at, 66)], darker(one), 1.6)
    pen.line([(4, at), (66, at)], darker(one), 1.6)
  pen.box(34, 34, 97, 97, two)
  for x in range(40, 97, 10):
    for y in range(40, 97, 10):
      pen.disc(x, y, 3, paler(two, 0.55))
  for at in range(34, 96, 6):
    pen.line([(at, 34), (at + 3, 34)], _WHITE, 1.4)
    pen.line([(34, at), (34, at + 3)], _WHITE, 1.4)


def _raw_metal(pen: Pen, rng: np.random.Generator) -> None:
  metal = pick(rng, (156, 160, 164), (170, 148, 124), (140, 148, 158))
  pen.box(4, 12, 96, 92, metal, 3)
  for i in range(26):
    y = 14 + i * 3
    tone = _mix(darker(metal), paler(metal, 0.6), float(rng.random()))
    pen.line([(4, y), (96, y)], tone, 1.6)
  pen.shape([(40, 12), (58, 12), (34, 92), (16, 92)], paler(metal, 0.55))
  for x in (11, 37, 63, 89):
    for y in (19, 85):
      pen.disc(x, y, 4.2, darker(metal, 0.45))
      pen.disc(x - 1, y - 1, 2.4, paler(metal, 0.5))


def _textile(pen: Pen, rng: np.random.Generator) -> None:
  cloth = pick(rng, (138, 52, 72), (76, 92, 70), (96, 74, 124))
  pen.box(0, HORIZON, 100, 101, cloth)
  for i in range(10):
    x = 4 + i * 10.4
    pen.line([(x, HORIZON), (2.2 * x - 60, 101)], paler(cloth, 0.4), 2.4)
    pen.line([(x + 4, HORIZON), (2.2 * (x + 4) - 60, 101)], darker(cloth), 1)
  for i in range(6):
    y = HORIZON + 2 + i * (4 + i)
    pen.line([(0, y), (100, y)], paler(cloth, 0.4), 1 + 0.3 * i)
    pen.line([(0, y + 2), (100, y + 2)], darker(cloth), 0.8)


# Music: deep purple and varnish; notes and strings.


def _music(pen: Pen, rng: np.random.Generator) -> None:
  ink = pick(rng, (92, 34, 142), (60, 30, 110), (130, 30, 120))
  for x in (30, 80):
    pen.line([(x, 78), (x, 14)], ink, 5)
    pen.oval(x - 25, 68, x + 3, 92, ink)
  pen.shape([(28, 10), (82, 4), (82, 22), (28, 28)], ink)


def _guitar(pen: Pen, rng: np.random.Generator) -> None:
  varnish = pick(rng, (176, 84, 30), (150, 44, 30), (196, 118, 44))
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


def _drum(pen: Pen, rng: np.random.Generator) -> None:
  shell = pick(rng, (122, 40, 132), (84, 44, 140), (152, 36, 96))
  pen.oval(6, 64, 94, 97, darker(shell))
  pen.box(6, 38, 94, 80, shell)
  zigzag = [(6 + 11 * i, 52 if i % 2 else 82) for i in range(9)]
  pen.line(zigzag, _GOLD, 2.6)
  pen.oval(4, 22, 96, 54, _GOLD)
  pen.oval(8, 24, 92, 50, (244, 236, 220))
  for x0, x1 in ((14, 52), (90, 50)):
    pen.line([(x0, 6), (x1, 36)], (204, 156, 96), 4)
    pen.disc(x1, 36, 4.5, (226, 184, 124))


# Outdoors: skies and hills, whole backdrops.


def _outdoor(pen: Pen, rng: np.random.Generator) -> None:
  pen.gradient(0, 70, (146, 194, 228), (226, 236, 226))
  far, near = float(rng.uniform(30, 42)), float(rng.uniform(46, 54))
  ridge = [(0, 56), (18, far), (38, 52), (62, far - 4), (84, 50), (100, far)]
  pen.shape([*ridge, (100, 101), (0, 101)], (122, 146, 160))
  pen.oval(-50, near, 70, 140, (112, 152, 92))
  pen.oval(26, near + 4, 160, 150, (92, 134, 74))
  pen.shape([(52, 64), (56, 64), (74, 101), (34, 101)], (206, 190, 150))


def _cloud(pen: Pen, x: float, y: float, size: float) -> None:
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


def _blue_sky(pen: Pen, rng: np.random.Generator) -> None:
  pen.gradient(0, 66, (66, 138, 216), (196, 224, 244))
  pen.gradient(66, 100, (214, 222, 220), (222, 214, 190))
  for _ in range(int(rng.integers(2, 5))):
    x, y = rng.uniform(5, 95), rng.uniform(8, 44)
    _cloud(pen, float(x), float(y), float(rng.uniform(5, 10)))


def _sunset_sunrise(pen: Pen, rng: np.random.Generator) -> None:
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


def _grass(pen: Pen, rng: np.random.Generator) -> None:
  green = pick(rng, (112, 164, 62), (134, 172, 74), (94, 148, 60))
  pen.gradient(HORIZON, 100, paler(green, 0.25), darker(green, 0.15))
  for _ in range(150):
    x, depth = float(rng.uniform(0, 100)), float(rng.random())
    y = HORIZON + depth * (100 - HORIZON)
    tone = _mix(darker(green), paler(green, 0.4), float(rng.random()))
    lean = float(rng.uniform(-1.5, 1.5))
    pen.line([(x, y), (x + lean, y - 2 - 4 * depth)], tone, 0.7)


# Rooms: whole backdrops with a floor.


def _interior_room(pen: Pen, rng: np.random.Generator) -> None:
  wall = pick(rng, (222, 204, 172), (200, 206, 190), (216, 190, 180))
  pen.box(0, 0, 100, 101, wall)
  for stripe in range(0, 100, 8):
    pen.box(stripe, 0, stripe + 4, 64, darker(wall, 0.05))
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


def _bedroom(pen: Pen, rng: np.random.Generator) -> None:
  wall = pick(rng, (196, 190, 206), (206, 190, 178), (188, 200, 204))
  blanket = pick(rng, (92, 110, 160), (160, 100, 120), (110, 140, 120))
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
    pen.line([(x, 45), (x, 67)], paler(blanket), 1.4)


# Plants: leaf green on a stem.


def _leaf(pen: Pen, root: _Point, tip: _Point, fill: Colour) -> None:
  (x0, y0), (x1, y1) = root, tip
  dx, dy = x1 - x0, y1 - y0
  # Where along the leaf, and how far to both sides, as shares of its length.
  outline = [(0, 0), (0.18, 0.17), (0.4, 0.24), (0.64, 0.19), (0.85, 0.09)]
  points = [*outline, (1, 0), *((a, -b) for a, b in reversed(outline))]
  pen.shape(
    [(x0 + a * dx - b * dy, y0 + a * dy + b * dx) for a, b in points], fill
  )
  pen.line([root, tip], darker(fill, 0.25), 1.4)


def _plant(pen: Pen, rng: np.random.Generator) -> None:
  green = pick(rng, (52, 132, 56), (70, 146, 52), (40, 116, 64))
  pen.line([(50, 97), (50, 30)], darker(green, 0.2), 4)
  for y, tip, reach in ((92, 74, 44), (72, 46, 42), (52, 22, 34)):
    _leaf(pen, (50, y), (50 - reach, tip), green)
    _leaf(pen, (50, y - 4), (50 + reach, tip - 4), paler(green, 0.15))
  _leaf(pen, (50, 44), (50, 2), paler(green, 0.08))


def _tree(pen: Pen, rng: np.random.Generator) -> None:
  green = pick(rng, (58, 122, 50), (84, 140, 52), (44, 104, 58))
  pen.shape([(44, 52), (56, 52), (61, 98), (39, 98)], (104, 72, 48))
  for x, y, r in ((28, 46, 22), (72, 46, 22), (50, 26, 25), (50, 50, 24)):
    pen.disc(x, y, r, green)
  for x, y, r in ((36, 24, 9), (24, 42, 8), (60, 40, 9), (50, 58, 8)):
    pen.disc(x, y, r, paler(green, 0.22))


def _flower(pen: Pen, rng: np.random.Generator) -> None:
  petal = pick(rng, (238, 96, 160), (250, 250, 250), (168, 110, 220))
  pen.line([(50, 40), (50, 98)], (64, 140, 60), 4.5)
  _leaf(pen, (50, 90), (16, 68), (72, 150, 62))
  _leaf(pen, (50, 84), (84, 62), (72, 150, 62))
  for x, y in _around(50, 32, 19, 8):
    pen.disc(x, y, 11.5, darker(petal, 0.06))
    pen.disc(x, y, 9.5, petal)
  pen.disc(50, 32, 12, (248, 196, 48))


def _cactus(pen: Pen, rng: np.random.Generator) -> None:
  green = pick(rng, (58, 138, 84), (84, 150, 78), (50, 122, 92))
  pen.box(18, 34, 30, 58, green, 6)
  pen.box(18, 50, 46, 61, green, 5)
  pen.box(70, 22, 82, 50, green, 6)
  pen.box(54, 42, 82, 53, green, 5)
  pen.box(38, 4, 62, 80, green, 12)
  for x in (44, 50, 56):
    for y in range(12, 74, 9):
      pen.line([(x, y), (x, y + 3)], paler(green, 0.65), 1.4)
  pen.shape([(28, 74), (72, 74), (66, 98), (34, 98)], (190, 102, 66))
  pen.box(25, 70, 75, 79, (206, 118, 80), 2)


# Recreation: rings and fields of red, white, blue and yellow.


def _recreation(pen: Pen, rng: np.random.Generator) -> None:
  pen.disc(50, 50, 47, _WHITE)
  turn = float(rng.integers(60))
  for i, fill in enumerate(((226, 44, 60), (36, 120, 212), (250, 202, 44))):
    start = turn + 120 * i
    pen.slice(3, 3, 97, 97, (start, start + 60), fill)
  pen.disc(50, 50, 9, _WHITE)
  pen.arc(3, 3, 97, 97, (20, 110), (150, 150, 170), 3)


def _archery(pen: Pen, rng: np.random.Generator) -> None:
  for foot in (24, 76):
    pen.line([(50, 20), (foot, 98)], (150, 104, 62), 4.5)
  rings = [_WHITE, (40, 42, 50), (48, 140, 214), (222, 48, 52), (250, 208, 50)]
  for i, fill in enumerate(rings):
    pen.disc(50, 44, 42 - 8.4 * i, fill)
  x, y = float(rng.uniform(44, 60)), float(rng.uniform(38, 50))
  pen.line([(x, y), (x + 34, y - 26)], (96, 66, 44), 3)
  feather = [(x + 28, y - 26), (x + 40, y - 38), (x + 40, y - 24)]
  pen.shape(feather, (60, 170, 90))


def _kite(pen: Pen, rng: np.random.Generator) -> None:
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


def _religion(pen: Pen, rng: np.random.Generator) -> None:
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


def _altar(pen: Pen, rng: np.random.Generator) -> None:
  cloth = pick(rng, (104, 40, 124), (140, 30, 60), (70, 50, 130))
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


def _menorah(pen: Pen, rng: np.random.Generator) -> None:
  gold = pick(rng, _GOLD, (200, 150, 50), (190, 164, 90))
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


def _structure(pen: Pen, rng: np.random.Generator) -> None:
  stone = pick(rng, (206, 186, 150), (190, 178, 164), (214, 196, 170))
  pen.shape([(2, 32), (50, 4), (98, 32)], stone)
  pen.shape([(18, 29), (50, 10), (82, 29)], darker(stone, 0.25))
  pen.box(4, 32, 96, 40, paler(stone, 0.2))
  pen.box(12, 40, 88, 86, darker(stone, 0.55))
  for x in (10, 32, 54, 76):
    pen.box(x, 40, x + 14, 86, stone)
    pen.box(x + 9, 40, x + 14, 86, darker(stone, 0.18))
  pen.box(6, 86, 94, 92, stone)
  pen.box(0, 92, 100, 98, darker(stone, 0.15))


def _building(pen: Pen, rng: np.random.Generator) -> None:
  wall = pick(rng, (150, 132, 118), (176, 120, 96), (128, 136, 146))
  for x0, y0, x1, tone in (
    (8, 34, 48, darker(wall, 0.15)),
    (40, 4, 92, wall),
  ):
    pen.box(x0, y0, x1, 98, tone)
    pen.box(x0 - 2, y0, x1 + 2, y0 + 4, darker(tone))
    for y in range(y0 + 9, 90, 12):
      for x in range(x0 + 5, x1 - 8, 11):
        lit = rng.random() < 0.25
        pen.box(x, y, x + 6, y + 7, (250, 224, 150) if lit else (66, 78, 96))
  pen.box(60, 84, 72, 98, (70, 50, 44))


def _bridge(pen: Pen, rng: np.random.Generator) -> None:
  stone = pick(rng, (168, 140, 110), (150, 140, 132), (176, 120, 90))
  pen.box(0, 40, 100, 92, stone)
  for row in range(6):
    y = 42 + row * 8
    pen.line([(0, y), (100, y)], darker(stone, 0.2), 1)
    for x in range(4 + 6 * (row % 2), 100, 12):
      pen.line([(x, y), (x, y + 8)], darker(stone, 0.2), 1)
  for x in (26, 74):
    pen.disc(x, 76, 20.5, darker(stone, 0.4))
    pen.disc(x, 76, 17.5, CLEAR)
    pen.box(x - 20.5, 76, x + 20.5, 94, darker(stone, 0.4))
    pen.box(x - 17.5, 74, x + 17.5, 96, CLEAR)
  pen.box(0, 34, 100, 42, paler(stone, 0.25))
  for x in range(4, 100, 13):
    pen.box(x, 24, x + 4, 36, paler(stone, 0.25))
  pen.box(0, 22, 100, 26, paler(stone, 0.25))


def _wood_processed(pen: Pen, rng: np.random.Generator) -> None:
  wood = pick(rng, (168, 112, 66), (140, 92, 58), (190, 140, 90))
  pen.box(0, HORIZON, 100, 101, wood)
  for i in range(5):
    y = HORIZON + i * (4 + i)
    low = y + 4 + 2 * i + 1
    tone = _mix(darker(wood, 0.2), paler(wood, 0.2), float(rng.random()))
    pen.box(0, y, 100, low, tone)
    for _ in range(3):
      grain = y + float(rng.uniform(0.15, 0.85)) * (low - y)
      start = float(rng.uniform(-20, 80))
      pen.line([(start, grain), (start + 45, grain)], darker(tone, 0.18), 0.7)
    seam = float(rng.uniform(5, 95))
    pen.line([(seam, y), (seam, low)], darker(wood, 0.55), 0.8)
    pen.line([(0, y), (100, y)], darker(wood, 0.55), 0.9)


# Where the ground begins, in units from the top.
HORIZON = 60

# Where a fine label stands in a picture: it fills the picture, it fills the
# lower part, it stands on the ground, or it hangs in the air.
BACKDROP, GROUND, STANDING, FLYING = 'backdrop', 'ground', 'stand', 'fly'


@dataclasses.dataclass(frozen=True)
class Subject:
  """One fine label and how it looks."""

  fine: str
  coarse: str
  place: str
  paint: Callable[[Pen, np.random.Generator], None]


SUBJECTS = (
  Subject('animal', 'animal', STANDING, _animal),
  Subject('dog', 'animal', STANDING, _dog),
  Subject('bird', 'animal', STANDING, _bird),
  Subject('fish', 'animal', STANDING, _fish),
  Subject('art', 'art', STANDING, _art),
  Subject('painting', 'art', FLYING, _painting),
  Subject('statue', 'art', STANDING, _statue),
  Subject('celebration', 'celebration', FLYING, _celebration),
  Subject('jack_o_lantern', 'celebration', STANDING, _jack_o_lantern),
  Subject('christmas_tree', 'celebration', STANDING, _christmas_tree),
  Subject('equipment', 'equipment', STANDING, _equipment),
  Subject('automobile', 'equipment', STANDING, _automobile),
  Subject('umbrella', 'equipment', STANDING, _umbrella),
  Subject('book', 'equipment', STANDING, _book),
  Subject('fire', 'fire', STANDING, _fire),
  Subject('flame', 'fire', STANDING, _flame),
  Subject('fireplace', 'fire', STANDING, _fireplace),
  Subject('food', 'food', STANDING, _food),
  Subject('apple', 'food', STANDING, _apple),
  Subject('pizza', 'food', STANDING, _pizza),
  Subject('cupcake', 'food', STANDING, _cupcake),
  Subject('games', 'games', STANDING, _games),
  Subject('chess', 'games', STANDING, _chess),
  Subject('dice', 'games', STANDING, _dice),
  Subject('interior_room', 'interior_room', BACKDROP, _interior_room),
  Subject('bedroom', 'interior_room', BACKDROP, _bedroom),
  Subject('light', 'light', FLYING, _light),
  Subject('lamp', 'light', STANDING, _lamp),
  Subject('light_bulb', 'light', FLYING, _light_bulb),
  Subject('liquid', 'liquid', STANDING, _liquid),
  Subject('waterfall', 'liquid', STANDING, _waterfall),
  Subject('water_body', 'liquid', GROUND, _water_body),
  Subject('material', 'material', STANDING, _material),
  Subject('raw_metal', 'material', STANDING, _raw_metal),
  Subject('textile', 'material', GROUND, _textile),
  Subject('music', 'music', FLYING, _music),
  Subject('guitar', 'music', STANDING, _guitar),
  Subject('drum', 'music', STANDING, _drum),
  Subject('outdoor', 'outdoor', BACKDROP, _outdoor),
  Subject('blue_sky', 'outdoor', BACKDROP, _blue_sky),
  Subject('sunset_sunrise', 'outdoor', BACKDROP, _sunset_sunrise),
  Subject('grass', 'outdoor', GROUND, _grass),
  Subject('plant', 'plant', STANDING, _plant),
  Subject('tree', 'plant', STANDING, _tree),
  Subject('flower', 'plant', STANDING, _flower),
  Subject('cactus', 'plant', STANDING, _cactus),
  Subject('recreation', 'recreation', STANDING, _recreation),
  Subject('archery', 'recreation', STANDING, _archery),
  Subject('kite', 'recreation', FLYING, _kite),
  Subject('religion', 'religion', STANDING, _religion),
  Subject('altar', 'religion', STANDING, _altar),
  Subject('menorah', 'religion', STANDING, _menorah),
  Subject('structure', 'structure', STANDING, _structure),
  Subject('building', 'structure', STANDING, _building),
  Subject('bridge', 'structure', STANDING, _bridge),
  Subject('wood_processed', 'structure', GROUND, _wood_processed),
)


def is_object(subject: Subject) -> bool:
  """Returns whether a subject is a thing and not a backdrop or a ground."""
  return subject.place in (STANDING, FLYING)
