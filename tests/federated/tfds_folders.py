"""Datasets on disk in TFDS's layout, written without TFDS."""

import collections
import dataclasses
import hashlib
import io
import json
import pathlib

import numpy as np
from PIL import Image

from flair_tfds.building import encoding, records

COARSE = ('animal', 'art', 'food')
FINE = ('bread', 'cat', 'dog', 'oil_painting', 'soup')


@dataclasses.dataclass(frozen=True)
class Row:
  user: str
  image_id: str
  image: bytes
  labels: tuple[int, ...]
  fine: tuple[int, ...]


def jpeg(seed: int, size=(8, 8)) -> bytes:
  pixels = np.random.default_rng(seed).integers(0, 255, (*size, 3), np.uint8)
  buffer = io.BytesIO()
  Image.fromarray(pixels).save(buffer, 'JPEG', quality=90)
  return buffer.getvalue()


def make_rows(users: dict[str, int], seed: int = 0) -> list[Row]:
  """Makes rows with real images for users with so many images each."""
  rng = np.random.default_rng(seed)
  rows = []
  for user, number in users.items():
    for _ in range(number):
      place = len(rows) + 1000 * seed
      labels = np.flatnonzero(rng.random(len(COARSE)) < 0.5).tolist() or [0]
      fine = np.flatnonzero(rng.random(len(FINE)) < 0.4).tolist()
      rows.append(
        Row(user, f'{place:05d}', jpeg(place), tuple(labels), tuple(fine))
      )
  return rows


def encode(row: Row) -> bytes:
  feature = encoding.Feature
  return encoding.example(
    [
      feature('fine_grained_labels').ints_entry(row.fine),
      *feature('image').bytes_entry(row.image),
      *feature('image_id').bytes_entry(row.image_id.encode()),
      feature('labels').ints_entry(row.labels),
      *feature('user_id').bytes_entry(row.user.encode()),
    ]
  )


def features(names) -> dict:
  kinds = {
    'image': {'image': {'encodingFormat': 'jpeg'}},
    'image_id': {'text': {}},
    'user_id': {'text': {}},
    'labels': {'sequence': {'feature': {'classLabel': {'numClasses': '3'}}}},
    'fine_grained_labels': {
      'sequence': {'feature': {'classLabel': {'numClasses': '5'}}}
    },
  }
  return {'featuresDict': {'features': {name: kinds[name] for name in names}}}


def write_dataset(
  folder: pathlib.Path,
  splits: dict[str, list[list[bytes]]],
  file_format: str,
  *,
  described: dict | None = None,
  name: str = 'flair',
  config: str | None = 'small',
  manifest: bool = True,
) -> pathlib.Path:
  """Writes a dataset of records by split and shard."""
  folder.mkdir(parents=True, exist_ok=True)
  infos, hashes = [], []
  for split, shards in splits.items():
    infos.append(
      {
        'name': split,
        'filepathTemplate': '{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}',
        'shardLengths': [str(len(shard)) for shard in shards],
      }
    )
    for i, shard in enumerate(shards):
      place = f'{i:05d}-of-{len(shards):05d}'
      path = folder / f'{name}-{split}.{file_format}-{place}'
      records.write(path, file_format, shard)
      hashes.append(hashlib.sha256(path.read_bytes()).hexdigest())
  info = {
    'name': name,
    'version': '1.0.0',
    'fileFormat': file_format,
    'splits': infos,
    'supervisedKeys': {
      'tuple': {'items': [{'featureKey': 'image'}, {'featureKey': 'labels'}]}
    },
  }
  if config:
    info['configName'] = config
  (folder / 'dataset_info.json').write_text(json.dumps(info))
  everything = ('image', 'image_id', 'user_id', 'labels', 'fine_grained_labels')
  described = described or features(everything)
  (folder / 'features.json').write_text(json.dumps(described))
  for feature, names in (('labels', COARSE), ('fine_grained_labels', FINE)):
    (folder / f'{feature}.labels.txt').write_text('\n'.join(names) + '\n')
  if manifest:
    (folder / 'manifest.json').write_text(json.dumps(hashes))
  return folder


def shard(rows: list[Row], number: int) -> list[list[bytes]]:
  """Cuts rows into so many shards, which may be empty."""
  cuts = np.array_split(np.arange(len(rows)), number)
  return [[encode(rows[i]) for i in cut] for cut in cuts]


def write_rows(folder, splits, file_format='tfrecord', shards=2, **options):
  return write_dataset(
    folder,
    {split: shard(rows, shards) for split, rows in splits.items()},
    file_format,
    **options,
  )


def by_user(rows: list[Row]) -> dict[str, list[Row]]:
  found = collections.defaultdict(list)
  for row in rows:
    found[row.user].append(row)
  return dict(found)
