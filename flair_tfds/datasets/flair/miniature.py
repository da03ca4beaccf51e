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
import os
import pathlib
import shutil
import tarfile
import uuid
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageFilter

from flair_tfds.core import progress
from flair_tfds.datasets.flair import drawings, published
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

_SUBJECTS_OF = {
  coarse: tuple(s for s in drawings.SUBJECTS if s.coarse == coarse)
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
  wall: drawings.Colour
  floor: drawings.Colour
  gains: tuple[float, float, float]
  grain: int


@dataclasses.dataclass(frozen=True)
class _Picture:
  """What one picture shows, and whose it is."""

  image_id: str
  user: _User
  subjects: tuple[drawings.Subject, ...]

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
    [published.COARSE_IMAGE_COUNTS[coarse] for coarse in flair.COARSE_LABELS],
    np.float64,
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
    wall = drawings.pick(rng, *_WALLS)
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
        floor=drawings.darker(wall, float(rng.uniform(0.12, 0.4))),
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


def _has_room(
  chosen: Sequence[drawings.Subject], subject: drawings.Subject
) -> bool:
  """Returns whether a picture of the chosen ones can also show `subject`."""
  if drawings.is_object(subject):
    return sum(map(drawings.is_object, chosen)) < max(_STANDS)
  return all(other.place != subject.place for other in chosen)


def _choose_subjects(
  rng: np.random.Generator, user: _User, coarse: Sequence[str]
) -> tuple[drawings.Subject, ...]:
  """Returns one or two fine labels for each of the coarse ones."""
  chosen: list[drawings.Subject] = []
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
  subject: drawings.Subject, size: int, rng: np.random.Generator
) -> Image.Image:
  """Returns an object on a transparent square of `size` pixels."""
  layer = Image.new('RGBA', (size, size), drawings.CLEAR)
  subject.paint(drawings.Pen(layer), rng)
  if rng.random() < 0.5:
    layer = layer.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
  # Things on the ground hardly tilt.
  limit = 4 if subject.place == drawings.STANDING else 10
  angle = int(rng.integers(-limit, limit + 1))
  # Halving the scene smooths what the nearest pixel leaves rough.
  return layer.rotate(angle, Image.Resampling.NEAREST, expand=True)


def _paint_scene(picture: _Picture, rng: np.random.Generator) -> Image.Image:
  """Returns what the picture shows, before style, at twice its size."""
  canvas = Image.new('RGB', (_CANVAS, _CANVAS), picture.user.wall)
  pen = drawings.Pen(canvas)
  places = {subject.place: subject for subject in picture.subjects}
  if drawings.BACKDROP in places:
    places[drawings.BACKDROP].paint(pen, rng)
  else:
    wall = picture.user.wall
    pen.gradient(
      0, 100, drawings.paler(wall, 0.25), drawings.darker(wall, 0.12)
    )
  if drawings.GROUND in places:
    places[drawings.GROUND].paint(pen, rng)
  elif drawings.BACKDROP not in places:
    floor = picture.user.floor
    pen.gradient(drawings.HORIZON, 100, drawings.paler(floor, 0.12), floor)

  objects = [s for s in picture.subjects if drawings.is_object(s)]
  if not objects:
    return canvas
  rng.shuffle(objects)
  # Things in the air go to the back, where they can hang highest.
  objects.sort(key=lambda subject: subject.place != drawings.FLYING)
  shadow = Image.new('L', (_CANVAS // 4, _CANVAS // 4), 0)
  shadow_pen = drawings.Pen(shadow)
  layers = []
  for subject, (x, y, size) in zip(objects, _STANDS[len(objects)], strict=True):
    size *= float(rng.uniform(0.9, 1.08))
    x += float(rng.uniform(-3, 3))
    y += float(rng.uniform(-2, 2))
    if subject.place == drawings.FLYING:
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
    for subject in drawings.SUBJECTS
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
