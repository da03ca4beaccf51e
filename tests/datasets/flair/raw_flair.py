"""A FLAIR-shaped download that tests may spoil before they build it."""

import collections
import io
import json
import pathlib
import tarfile

import numpy as np
from PIL import Image

# user, partition, image ids; two users of train come before and after the
# others in any order of names, so that hash order shows
USERS = [
  ('90@N01', 'train', ['41', '1042', '300000000000']),
  ('10@N02', 'val', ['7', '8']),
  ('55@N03', 'train', ['5']),
  ('20@N04', 'test', ['60', '61', '62']),
  ('70@N05', 'train', ['1', '2', '3', '4', '11', '12', '13', '14']),
  ('15@N06', 'test', ['99']),
]
# fine label -> coarse label
PARENTS = {
  'dog': 'animal',
  'cat': 'animal',
  'oak': 'plant',
  'tulip': 'plant',
  'brick': 'structure',
}


def make_jpeg(seed: int, size=(256, 256), mode='RGB', **options) -> bytes:
  """Draws a JPEG of smooth noise."""
  rng = np.random.default_rng(seed)
  channels = {'RGB': (3,), 'L': (), 'CMYK': (4,)}[mode]
  noise = rng.integers(0, 255, (8, 8, *channels), dtype=np.uint8)
  buffer = io.BytesIO()
  image = Image.fromarray(noise, mode=None if mode != 'CMYK' else 'CMYK')
  image.resize(size).save(buffer, 'JPEG', quality=60, **options)
  return buffer.getvalue()


class RawFlair:
  """The files of a small FLAIR, kept in memory until `write`.

  Attributes:
    records: What `labels_and_metadata.json` will hold.
    images: JPEG bytes by image id.
    archives: Lists of (member name, bytes) by archive name.
  """

  def __init__(self, folder: pathlib.Path) -> None:
    self.folder = folder
    self.records = []
    self.images = {}
    fine = sorted(PARENTS)
    for user, partition, ids in USERS:
      for image_id in ids:
        number = len(self.records)
        labels = sorted({fine[number % 5], fine[number * 2 % 5]})
        self.records.append(
          {
            'user_id': user,
            'image_id': image_id,
            'labels': sorted({PARENTS[label] for label in labels}),
            'partition': partition,
            'fine_grained_labels': labels,
          }
        )
        self.images[image_id] = make_jpeg(number)
    self.archives = collections.defaultdict(list)
    for number, (image_id, data) in enumerate(self.images.items()):
      self.archives[f'small_images-{number % 2:02d}.tar.gz'].append(
        (f'small_images/{image_id}.jpg', data)
      )

  def write(self) -> pathlib.Path:
    """Writes all files and returns their folder."""
    self.folder.mkdir(parents=True, exist_ok=True)
    for name, members in self.archives.items():
      self.write_archive(name, members)
    self.write_metadata(json.dumps(self.records, indent=1))
    (self.folder / 'label_relationship.txt').write_text(
      ''.join(f'{fine} -> {coarse}\n' for fine, coarse in PARENTS.items())
    )
    return self.folder

  def write_metadata(self, text: str) -> None:
    (self.folder / 'labels_and_metadata.json').write_text(text)

  def write_archive(self, name: str, members) -> None:
    mode = 'w:gz' if name.endswith('gz') else 'w'
    with tarfile.open(self.folder / name, mode) as archive:
      for member, data in members:
        if isinstance(member, str):
          member = tarfile.TarInfo(member)
          member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
