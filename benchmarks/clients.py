"""How long one random user's encoded images take, against other layouts.

    python benchmarks/clients.py --raw DIR --work DIR [--draws 3000]

RAW is a download of FLAIR or one in its layout. It is built with
`flair_tfds` in TFRecord and ArrayRecord; then the same users are written as
others keep them, all into WORK:

  tfrecord per user   one TFRecord file for each, read through `tf.data`
  hdf5                the published layout, pixels by split and user
  hdf5 --encoded      the same with JPEG files in the place of pixels
  sqlite rows         a table of JPEG files, a row an image, indexed by user
  sqlite pixels       what fedjax keeps: a row a user, keyed by user, with all
                      pixels and labels of the user, compressed by zlib

Every reader returns a user's images as they are stored, and the ids of the
coarse labels; `hdf5` and `sqlite pixels` can only give pixels. All draw the
same random users of the train split, of up to 8 images, warm, in one process,
taking turns of a hundred users.
The last lines say by how much the others are slower, and the disk that each
takes in relation to the JPEG files.
"""

import argparse
import gc
import json
import pathlib
import sqlite3
import sys
import time
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from flair_tfds import federated
from flair_tfds.federated import user_tfrecords

_MAX_IMAGES = 8
# The first so many draws of a reader open files and fill caches.
_WARM_UP = 300
_BLOCK = 100

Images = Any
Reader = Callable[[str], tuple[Images, Any]]


def main() -> None:
  """Builds, writes, measures, and prints a table and JSON."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--raw', type=pathlib.Path, required=True)
  parser.add_argument('--work', type=pathlib.Path, required=True)
  parser.add_argument('--draws', type=int, default=3000)
  parser.add_argument('--seed', type=int, default=0)
  args = parser.parse_args()
  args.work.mkdir(parents=True, exist_ok=True)

  folders = {
    file_format: build(args.raw, args.work / file_format, file_format)
    for file_format in ('tfrecord', 'array_record')
  }
  started = time.perf_counter()
  federated.load_folder(folders['tfrecord'], 'train')
  opening = {'first, with indexing': time.perf_counter() - started}
  started = time.perf_counter()
  clients = federated.load_folder(folders['tfrecord'], 'train')
  opening['again'] = time.perf_counter() - started
  views = {
    'flair_tfds tfrecord': clients,
    'flair_tfds array_record': federated.load_folder(
      folders['array_record'], 'train'
    ),
  }
  paths, others = write_others(clients, args.work)
  readers: dict[str, Reader] = {
    **{name: ours(view) for name, view in views.items()},
    **others,
  }
  rng = np.random.default_rng(args.seed)
  small = [
    user
    for user, number in zip(clients, clients.num_images, strict=True)
    if number <= _MAX_IMAGES
  ]
  check(readers, clients, rng.choice(small, 50).tolist())
  milliseconds = measure(
    readers, rng.choice(small, _WARM_UP + args.draws).tolist()
  )

  jpeg_bytes = int(
    clients.examples.index.image_sizes[clients.rows].sum(dtype=np.int64)
  )
  all_bytes = int(clients.examples.index.image_sizes.sum(dtype=np.int64))
  disk = {
    f'flair_tfds {name}': size(folder) / all_bytes
    for name, folder in folders.items()
  }
  disk |= {name: size(path) / jpeg_bytes for name, path in paths.items()}
  small_bytes = sum(
    len(image) for user in small for image in clients[user].encoded_images()
  )
  disk['sqlite pixels'] *= jpeg_bytes / small_bytes  # it holds small users only
  report(milliseconds, disk, opening, len(clients), len(clients.rows))


def build(
  raw: pathlib.Path, data_dir: pathlib.Path, file_format: str
) -> pathlib.Path:
  """Builds the dataset where it is not built yet; returns its folder."""
  import tensorflow_datasets as tfds

  import flair_tfds  # noqa: F401

  builder = tfds.builder('flair', data_dir=data_dir, file_format=file_format)
  builder.download_and_prepare(
    download_config=tfds.download.DownloadConfig(manual_dir=str(raw))
  )
  return pathlib.Path(builder.data_dir)


def ours(view: federated.ClientView) -> Reader:
  """Reads with `flair_tfds.federated`."""

  def read(user: str) -> tuple[Images, Any]:
    client = view[user]
    return client.encoded_images(), client.label_ids()

  return read


def write_others(
  clients: federated.ClientView, work: pathlib.Path
) -> tuple[dict[str, pathlib.Path], dict[str, Reader]]:
  """Writes the other layouts; returns where they are and their readers."""
  from flair_tfds.integrations import hdf5

  per_user = work / 'per_user'
  user_tfrecords.write({'train': clients}, per_user)
  pixels, encoded = work / 'pixels.hdf5', work / 'encoded.hdf5'
  for path, is_encoded in ((pixels, False), (encoded, True)):
    if not path.exists():
      hdf5.write({'train': clients}, path, encoded=is_encoded)
  rows, users = work / 'rows.sqlite', work / 'pixels.sqlite'
  if not rows.exists():
    write_sqlite_rows(clients, rows)
  if not users.exists():
    write_sqlite_pixels(clients, users)
  paths = {
    'tfrecord per user': per_user,
    'hdf5': pixels,
    'hdf5 --encoded': encoded,
    'sqlite rows': rows,
    'sqlite pixels': users,
  }
  readers = {
    'tfrecord per user': tfrecord_reader(per_user / 'train'),
    'hdf5': hdf5_reader(pixels, 'images'),
    'hdf5 --encoded': hdf5_reader(encoded, 'encoded_images'),
    'sqlite rows': sqlite_rows_reader(rows),
    'sqlite pixels': sqlite_pixels_reader(users),
  }
  return paths, readers


def tfrecord_reader(folder: pathlib.Path) -> Reader:
  """Reads as the published federated benchmark does, but leaves JPEG files."""
  import tensorflow as tf

  description = {
    'image/encoded_jpeg': tf.io.FixedLenFeature([], tf.string),
    'labels': tf.io.VarLenFeature(tf.int64),
  }

  def parse(record: Any) -> Any:
    example = tf.io.parse_single_example(record, description)
    return example['image/encoded_jpeg'], example['labels'].values

  def read(user: str) -> tuple[Images, Any]:
    path = str(folder / f'{user}.tfrecords')
    dataset = tf.data.TFRecordDataset([path]).map(parse, tf.data.AUTOTUNE)
    pairs = list(dataset.as_numpy_iterator())
    return [image for image, _ in pairs], [labels for _, labels in pairs]

  return read


def hdf5_reader(path: pathlib.Path, images: str) -> Reader:
  """Reads as the published loader of pfl does, but keeps the file open."""
  import h5py

  file = h5py.File(path, 'r')

  def read(user: str) -> tuple[Images, Any]:
    group = file[f'/train/{user}']
    labels = [text.decode().split('|') for text in group['labels'][()]]
    found = group[images][()]
    if images == 'encoded_images':
      return [image.tobytes() for image in found], labels
    return found, labels

  return read


def write_sqlite_rows(
  clients: federated.ClientView, path: pathlib.Path
) -> None:
  """Writes a table with a row for each image."""
  temporary = path.with_suffix('.tmp')
  temporary.unlink(missing_ok=True)
  with sqlite3.connect(temporary) as database:
    database.execute('CREATE TABLE images (user TEXT, labels TEXT, image BLOB)')
    database.executemany(
      'INSERT INTO images VALUES (?, ?, ?)',
      (
        (client.user_id, json.dumps(example.labels['labels']), example.encoded)
        for client in clients.values()
        for example in client
      ),
    )
    database.execute('CREATE INDEX by_user ON images (user)')
  database.close()
  temporary.rename(path)


def sqlite_rows_reader(path: pathlib.Path) -> Reader:
  """Reads the rows of a user."""
  database = sqlite3.connect(f'file:{path}?mode=ro', uri=True)
  query = 'SELECT image, labels FROM images WHERE user = ?'

  def read(user: str) -> tuple[Images, Any]:
    rows = database.execute(query, (user,)).fetchall()
    return [row[0] for row in rows], [json.loads(row[1]) for row in rows]

  return read


def write_sqlite_pixels(
  clients: federated.ClientView, path: pathlib.Path
) -> None:
  """Writes a table with a row for each user of up to 8 images."""
  temporary = path.with_suffix('.tmp')
  temporary.unlink(missing_ok=True)
  with sqlite3.connect(temporary) as database:
    database.execute(
      'CREATE TABLE users (user TEXT PRIMARY KEY, labels TEXT, images BLOB)'
    )
    database.executemany(
      'INSERT INTO users VALUES (?, ?, ?)',
      (
        (
          client.user_id,
          json.dumps([ids.tolist() for ids in client.label_ids()]),
          zlib.compress(client.images().tobytes()),
        )
        for client in clients.values()
        if len(client) <= _MAX_IMAGES
      ),
    )
  database.close()
  temporary.rename(path)


def sqlite_pixels_reader(path: pathlib.Path) -> Reader:
  """Reads the row of a user."""
  database = sqlite3.connect(f'file:{path}?mode=ro', uri=True)
  query = 'SELECT images, labels FROM users WHERE user = ?'

  def read(user: str) -> tuple[Images, Any]:
    ((images, labels),) = database.execute(query, (user,)).fetchall()
    pixels = np.frombuffer(zlib.decompress(images), np.uint8)
    return pixels.reshape(-1, 256, 256, 3), json.loads(labels)

  return read


def check(
  readers: dict[str, Reader], clients: federated.ClientView, users: list[str]
) -> None:
  """Checks that all readers give the same images."""
  for user in users:
    expected = clients[user].encoded_images()
    for name, read in readers.items():
      images, labels = read(user)
      if name in ('hdf5', 'sqlite pixels'):
        same = (images == clients[user].images()).all()
      else:
        same = images == expected
      if not same or len(labels) != len(expected):
        sys.exit(f'{name}: the images of {user} are not those of flair_tfds')


def measure(
  readers: dict[str, Reader], users: list[str]
) -> dict[str, np.ndarray]:
  """Returns milliseconds of each read after the warm-up, by reader."""
  times: dict[str, list[float]] = {name: [] for name in readers}
  gc.disable()  # its pauses would hit whoever's turn it is
  # In blocks: right after the slowest, everybody finds the caches cold.
  for first in range(0, len(users), _BLOCK):
    for name, read in readers.items():
      for user in users[first : first + _BLOCK]:
        started = time.perf_counter()
        read(user)
        times[name].append((time.perf_counter() - started) * 1e3)
  gc.enable()
  return {name: np.array(found[_WARM_UP:]) for name, found in times.items()}


def size(path: pathlib.Path) -> int:
  """Returns the bytes of a file, or of all files in a folder."""
  if path.is_file():
    return path.stat().st_size
  return sum(file.stat().st_size for file in path.rglob('*') if file.is_file())


def report(
  milliseconds: dict[str, np.ndarray],
  disk: dict[str, float],
  opening: dict[str, float],
  num_users: int,
  num_images: int,
) -> None:
  """Prints a table, then the same as JSON."""
  base = float(np.median(milliseconds['flair_tfds tfrecord']))
  result = {
    name: {
      'median_ms': round(float(np.median(found)), 4),
      'p95_ms': round(float(np.percentile(found, 95)), 4),
      'times_flair_tfds': round(float(np.median(found)) / base, 1),
      'disk_per_jpeg_byte': round(disk[name], 3),
    }
    for name, found in milliseconds.items()
  }
  print(
    f'\ntrain: {num_users} users, {num_images} images; users of up to '
    f'{_MAX_IMAGES} images, {len(next(iter(milliseconds.values())))} draws'
  )
  for name, seconds in opening.items():
    print(f'opening the split, {name}: {seconds:.3f} s')
  print(
    f'\n{"layout":26s} {"median ms":>10s} {"95% ms":>9s} {"times":>7s} '
    f'{"disk/JPEG":>10s}'
  )
  for name, row in result.items():
    print(
      f'{name:26s} {row["median_ms"]:10.4f} {row["p95_ms"]:9.4f} '
      f'{row["times_flair_tfds"]:7.1f} {row["disk_per_jpeg_byte"]:10.3f}'
    )
  print(json.dumps({'opening_s': opening, 'layouts': result}))


if __name__ == '__main__':
  main()
