"""Measures how FLAIR is built, beside the other ways to do it, in one run.

    python benchmarks/build.py [--images 40000] [--large 200000] [--repeats 3]

The data is FLAIR-shaped: gzipped tarballs of unique 256x256 JPEGs and the
metadata, drawn by this script or given by `--raw_dir` (and `--large_raw_dir`).
Every way runs in a fresh process, with the archives in the page cache; the
ways take turns, so that a slow minute of the machine hits all of them. Times
are of the whole process, imports included.

Memory and disk are sampled in one more run of each way, which is not timed:
the memory of a process and all that it started together, as proportional set
size (pages that several processes share are counted once); the bytes of all
files that it made, a file with two names once.
"""

import argparse
import collections
import contextlib
import dataclasses
import importlib
import io
import itertools
import json
import os
import pathlib
import platform
import shutil
import statistics
import struct
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[1]
METADATA_FILE = 'labels_and_metadata.json'
COARSE_LABELS = (
  'animal',
  'art',
  'celebration',
  'equipment',
  'fire',
  'food',
  'games',
  'interior_room',
  'light',
  'liquid',
  'material',
  'music',
  'outdoor',
  'plant',
  'recreation',
  'religion',
  'structure',
)
NUM_FINE_LABELS = 1628
SPLITS = ('train', 'val', 'test')
SAMPLE_SECONDS = 0.05
DISK_SAMPLE_SECONDS = 0.2
GROWTH_RUNS = 2
# Reading: examples that warm up, then examples that count.
READ_EXAMPLES = (4_000, 48_000)
# Both datasets are decoded by the same code: a difference below this is noise.
READ_NOISE = 1.03
BATCH = 64


# The data


def generate(
  folder: pathlib.Path, num_images: int, num_tarballs: int, seed: int = 0
) -> None:
  """Draws FLAIR-shaped data: long-tailed users, scattered over tarballs."""
  import numpy as np

  rng = np.random.default_rng(seed)
  folder.mkdir(parents=True)
  fine = [f'label_{i:04d}' for i in range(NUM_FINE_LABELS - len(COARSE_LABELS))]
  parents = dict(zip(fine, rng.choice(COARSE_LABELS, len(fine)), strict=True))
  names = np.array([*COARSE_LABELS, *fine])
  weights = 1 / np.arange(1, len(names) + 1)
  weights /= weights.sum()

  users: list[tuple[str, str, int]] = []
  left = num_images
  while left:
    size = min(left, 4151, int(rng.pareto(1) + 1))
    split = (
      rng.choice(SPLITS, p=(0.8, 0.1, 0.1))
      if len(users) > 2
      else SPLITS[len(users)]
    )
    users.append((f'{10_000_000 + 7 * len(users)}@N00', str(split), size))
    left -= size
  records = []
  ids = rng.permutation(num_images) + 1_000_000
  for user, split, size in users:
    for _ in range(size):
      drawn = set(rng.choice(names, 1 + rng.poisson(3), p=weights).tolist())
      records.append(
        {
          'user_id': user,
          'image_id': str(ids[len(records)]),
          'labels': sorted({parents.get(name, name) for name in drawn}),
          'partition': split,
          'fine_grained_labels': sorted(drawn),
        }
      )
  (folder / METADATA_FILE).write_text(json.dumps(records))
  (folder / 'label_relationship.txt').write_text(
    ''.join(f'{name} -> {parent}\n' for name, parent in parents.items())
  )
  pictures = _draw_pictures(rng, 200)
  with contextlib.ExitStack() as stack:
    archives = [
      stack.enter_context(
        tarfile.open(
          folder / f'small_images-{i:02d}.tar.gz', 'w:gz', compresslevel=1
        )
      )
      for i in range(num_tarballs)
    ]
    for number in rng.permutation(num_images).tolist():
      key = records[number]['image_id']
      head, tail = pictures[number % len(pictures)]
      comment = b'image ' + key.encode()
      # A comment segment makes every file another one, of the same picture.
      segment = struct.pack('>BBH', 0xFF, 0xFE, len(comment) + 2) + comment
      data = head + segment + tail
      info = tarfile.TarInfo(f'small_images/{key}.jpg')
      info.size = len(data)
      archives[number % num_tarballs].addfile(info, io.BytesIO(data))


def _draw_pictures(rng: Any, number: int) -> list[tuple[bytes, bytes]]:
  """Returns JPEGs of about 12 kB, cut behind their first marker."""
  from PIL import Image

  pictures = []
  for _ in range(number):
    coarse = Image.frombytes('RGB', (20, 20), rng.bytes(20 * 20 * 3))
    file = io.BytesIO()
    coarse.resize((256, 256), Image.Resampling.BICUBIC).save(
      file, 'JPEG', quality=85
    )
    pictures.append((file.getvalue()[:2], file.getvalue()[2:]))
  return pictures


def read_metadata(raw_dir: pathlib.Path) -> list[dict[str, Any]]:
  """Returns the records of the metadata."""
  records: list[dict[str, Any]] = json.loads(
    (raw_dir / METADATA_FILE).read_bytes()
  )
  return records


def tarballs(raw_dir: pathlib.Path) -> list[pathlib.Path]:
  """Returns the archives of images."""
  return sorted(raw_dir.glob('small_images-*.tar.gz'))


# The ways to build. Each runs in a process of its own: `tar` as a command, the
# others as a function of raw and output folder.


def unpack_command(raw_dir: pathlib.Path, out: pathlib.Path) -> list[str]:
  """Returns the command that unpacks all archives, two at a time."""
  # Two processes of tar that both make the folder may fail over it.
  script = (
    'mkdir "$2"/small_images && '
    'printf "%s\\n" "$1"/small_images-*.tar.gz | '
    'xargs -P 2 -n 1 tar -C "$2" -xzf'
  )
  return ['sh', '-c', script, 'sh', str(raw_dir), str(out)]


def build_ours(
  raw_dir: pathlib.Path, out: pathlib.Path, file_format: str
) -> None:
  """Builds with this package."""
  import tensorflow_datasets as tfds

  import flair_tfds  # noqa: F401

  builder = tfds.builder('flair', data_dir=out, file_format=file_format)
  builder.download_and_prepare(
    download_config=tfds.download.DownloadConfig(manual_dir=raw_dir)
  )


def build_stock(
  raw_dir: pathlib.Path, out: pathlib.Path, one_split: bool = False
) -> None:
  """Builds with TFDS alone, in the way of its documentation.

  A split of a stock builder is a pass over the archives. `one_split` puts all
  images into one, which is not FLAIR any more but reads every archive once:
  the least that a stock builder can do.
  """
  import tensorflow_datasets as tfds

  names = sorted(
    {
      name
      for record in read_metadata(raw_dir)
      for name in record['fine_grained_labels']
    }
  )

  class StockFlair(tfds.core.GeneratorBasedBuilder):
    """The same features, from the same files."""

    VERSION = tfds.core.Version('1.0.0')
    MANUAL_DOWNLOAD_INSTRUCTIONS = 'See the benchmark.'

    def _info(self) -> tfds.core.DatasetInfo:
      label = tfds.features.ClassLabel
      return tfds.core.DatasetInfo(
        builder=self,
        features=tfds.features.FeaturesDict(
          {
            'image': tfds.features.Image(
              shape=(256, 256, 3), encoding_format='jpeg'
            ),
            'image_id': tfds.features.Text(),
            'user_id': tfds.features.Text(),
            'labels': tfds.features.Sequence(label(names=COARSE_LABELS)),
            'fine_grained_labels': tfds.features.Sequence(label(names=names)),
          }
        ),
      )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
      records = read_metadata(dl_manager.manual_dir)
      if one_split:
        return {'train': self._generate_examples(dl_manager, records)}
      return {
        split: self._generate_examples(
          dl_manager, [r for r in records if r['partition'] == split]
        )
        for split in SPLITS
      }

    def _generate_examples(
      self, dl_manager: Any, records: list[dict[str, Any]]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
      by_id = {record['image_id']: record for record in records}
      for path in tarballs(dl_manager.manual_dir):
        for name, file in dl_manager.iter_archive(path):
          record = by_id.get(pathlib.PurePosixPath(name).stem)
          if record is not None:
            yield (
              record['image_id'],
              {
                'image': file,
                'image_id': record['image_id'],
                'user_id': record['user_id'],
                'labels': record['labels'],
                'fine_grained_labels': record['fine_grained_labels'],
              },
            )

  StockFlair(data_dir=out).download_and_prepare(
    download_config=tfds.download.DownloadConfig(
      manual_dir=raw_dir, try_download_gcs=False
    )
  )


def write_users(raw_dir: pathlib.Path, out: pathlib.Path) -> None:
  """Unpacks, then writes one TFRecord file a user, as published for FLAIR."""
  import tensorflow as tf

  images = out / 'images'
  images.mkdir()
  subprocess.run(unpack_command(raw_dir, images), check=True)
  users = collections.defaultdict(list)
  for record in read_metadata(raw_dir):
    users[record['partition'], record['user_id']].append(record)
  fine = sorted(
    {
      name
      for records in users.values()
      for record in records
      for name in record['fine_grained_labels']
    }
  )
  coarse_ids = {name: i for i, name in enumerate(COARSE_LABELS)}
  fine_ids = {name: i for i, name in enumerate(fine)}

  def texts(*values: bytes) -> Any:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))

  def ints(values: list[int]) -> Any:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

  for split in SPLITS:
    (out / split).mkdir()
  for (split, user), records in users.items():
    path = str(out / split / f'{user}.tfrecords')
    with tf.io.TFRecordWriter(path) as writer:
      for record in records:
        key = record['image_id']
        feature = {
          'image': texts((images / 'small_images' / f'{key}.jpg').read_bytes()),
          'image_id': texts(key.encode()),
          'user_id': texts(user.encode()),
          'labels': ints([coarse_ids[name] for name in record['labels']]),
          'fine_grained_labels': ints(
            [fine_ids[name] for name in record['fine_grained_labels']]
          ),
        }
        example = tf.train.Example(features=tf.train.Features(feature=feature))
        writer.write(example.SerializeToString())


WAYS: dict[str, Callable[[pathlib.Path, pathlib.Path], None]] = {
  'ours_tfrecord': lambda raw, out: build_ours(raw, out, 'tfrecord'),
  'ours_array_record': lambda raw, out: build_ours(raw, out, 'array_record'),
  'ours_parquet': lambda raw, out: build_ours(raw, out, 'parquet'),
  'stock': build_stock,
  'stock_one_split': lambda raw, out: build_stock(raw, out, one_split=True),
  'file_per_user': write_users,
}
DESCRIPTIONS = {
  'tar': 'tar -xzf, two processes',
  'ours_tfrecord': 'flair_tfds, tfrecord',
  'ours_array_record': 'flair_tfds, array_record',
  'ours_parquet': 'flair_tfds, parquet',
  'stock': 'stock generator builder',
  'stock_one_split': 'stock, all in one split',
  'file_per_user': 'tar, then a file per user',
}


# What a way left behind


def count_examples(out: pathlib.Path) -> int:
  """Counts the examples in all files of a folder, by their own format."""
  counted = 0
  for path in out.rglob('*'):
    if '.tfrecord' in path.name:
      counted += _count_tfrecord(path)
    elif '.array_record' in path.name:
      from array_record.python import array_record_module

      reader = array_record_module.ArrayRecordReader(str(path))
      counted += reader.num_records()
      reader.close()
    elif '.parquet' in path.name:
      from pyarrow import parquet

      counted += parquet.ParquetFile(path).metadata.num_rows
  return counted


def _count_tfrecord(path: pathlib.Path) -> int:
  counted = 0
  with path.open('rb') as file:
    while header := file.read(12):
      counted += 1
      file.seek(struct.unpack('<Q', header[:8])[0] + 4, os.SEEK_CUR)
  return counted


def verify(way: str, out: pathlib.Path, num_images: int) -> None:
  """Ends the benchmark if a way lost something."""
  if way == 'tar':
    counted = sum(1 for _ in out.rglob('*.jpg'))
  else:
    counted = count_examples(out)
  if counted != num_images:
    raise SystemExit(f'{way} must give {num_images} examples, gave {counted}')


# Running and sampling


@dataclasses.dataclass
class Peaks:
  """The most that a way used at any sampled moment.

  Attributes:
    memory: Bytes of memory of all its processes.
    memory_kind: `pss`, or `rss` where the system does not tell the former.
    disk: Bytes of all files that it made.
  """

  memory: int = 0
  memory_kind: str = 'pss'
  disk: int = 0


class Sampler:
  """Watches a process, its descendants and its folder from a thread."""

  def __init__(self, process_id: int, folder: pathlib.Path) -> None:
    """Begins to watch."""
    import psutil

    self._psutil = psutil
    self._process = psutil.Process(process_id)
    self._folder = folder
    self._done = threading.Event()
    self.peaks = Peaks()
    self._threads = [
      threading.Thread(target=self._repeat, args=arguments)
      for arguments in (
        (self._sample_memory, SAMPLE_SECONDS),
        (self._sample_disk, DISK_SAMPLE_SECONDS),
      )
    ]
    for thread in self._threads:
      thread.start()

  def stop(self) -> Peaks:
    """Ends watching and returns the peaks."""
    self._done.set()
    for thread in self._threads:
      thread.join()
    self._sample_disk()
    return self.peaks

  def _repeat(self, sample: Callable[[], None], seconds: float) -> None:
    while not self._done.wait(seconds):
      sample()

  def _sample_memory(self) -> None:
    total = 0
    try:
      processes = [self._process, *self._process.children(recursive=True)]
    except self._psutil.NoSuchProcess:
      return
    for process in processes:
      try:
        if self._is_being_started(process):
          continue
        total += process.memory_full_info().pss
      except (AttributeError, self._psutil.AccessDenied):
        self.peaks.memory_kind = 'rss'
        total += process.memory_info().rss
      except self._psutil.NoSuchProcess:
        pass
    self.peaks.memory = max(self.peaks.memory, total)

  def _is_being_started(self, process: Any) -> bool:
    """Tells a process that is not yet the program that it will become.

    Until then it uses its parent's memory, the very same, which must not be
    counted twice.
    """
    parent = process.parent()
    return (
      parent is not None
      and process.pid != self._process.pid
      and time.time() - process.create_time() < SAMPLE_SECONDS
      and process.cmdline() == parent.cmdline()
    )

  def _sample_disk(self) -> None:
    self.peaks.disk = max(self.peaks.disk, folder_bytes(self._folder))


def folder_bytes(folder: pathlib.Path) -> int:
  """Returns the bytes of all files below a folder, counting links once."""
  sizes: dict[int, int] = {}
  folders = [os.fspath(folder)]
  while folders:
    try:
      with os.scandir(folders.pop()) as entries:
        for entry in entries:
          if entry.is_dir(follow_symlinks=False):
            folders.append(entry.path)
          else:
            sizes[entry.inode()] = entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:
      pass  # deleted meanwhile
  return sum(sizes.values())


@dataclasses.dataclass
class Run:
  """One run of one way.

  Attributes:
    seconds: Wall time of the whole process.
    result_bytes: Bytes of the files that it left.
    peaks: What was sampled, if it was.
  """

  seconds: float
  result_bytes: int
  peaks: Peaks | None


def run_way(
  way: str,
  raw_dir: pathlib.Path,
  out: pathlib.Path,
  num_images: int,
  sampled: bool = False,
) -> Run:
  """Runs a way in a fresh process and verifies what it made."""
  shutil.rmtree(out, ignore_errors=True)
  out.mkdir(parents=True)
  os.sync()  # what others wrote is not written back at this one's expense
  sampler = None
  with tempfile.TemporaryFile() as log:
    start = time.perf_counter()
    process = subprocess.Popen(
      unpack_command(raw_dir, out)
      if way == 'tar'
      else _command('--way', way, '--raw_dir', raw_dir, '--out', out),
      stdout=log,
      stderr=log,
      env=_environment(),
    )
    if sampled:
      sampler = Sampler(process.pid, out)
    status = process.wait()
    seconds = time.perf_counter() - start
    peaks = sampler.stop() if sampler else None
    if status:
      log.seek(0)
      raise SystemExit(f'{way} failed:\n{log.read().decode()[-5000:]}')
  verify(way, out, num_images)
  return Run(seconds, folder_bytes(out), peaks)


def _command(*args: object) -> list[str]:
  return [sys.executable, __file__, *map(str, args)]


def _environment() -> dict[str, str]:
  path = os.pathsep.join(filter(None, [str(ROOT), os.getenv('PYTHONPATH')]))
  return {**os.environ, 'PYTHONPATH': path, 'TF_CPP_MIN_LOG_LEVEL': '3'}


# Reading


def read(reader: str, out: pathlib.Path) -> dict[str, Any]:
  """Reads examples of a built dataset; runs in a process of its own."""
  import tensorflow_datasets as tfds

  name, _, how = reader.partition(':')
  warm, counted = READ_EXAMPLES
  if how == 'data_source':
    builder = tfds.builder_from_directory(_dataset_folder(out))
    source = builder.as_data_source('train')
    indices = itertools.cycle(range(len(source)))
    counted //= 6  # decoding without TensorFlow takes one core
    for _ in range(warm // 6):
      source[next(indices)]
    start = time.perf_counter()
    for _ in range(counted):
      source[next(indices)]
    seconds = time.perf_counter() - start
    if 'tensorflow' in sys.modules:
      raise SystemExit('a data source must not import TensorFlow')
  else:
    import tensorflow as tf

    decoders = None
    if how == 'encoded':
      decoders = {'image': tfds.decode.SkipDecoding()}
    dataset = (
      tfds.builder_from_directory(_dataset_folder(out))
      .as_dataset(split='train', decoders=decoders)
      .repeat()
      .ragged_batch(BATCH)
      .prefetch(tf.data.AUTOTUNE)
    )
    batches = iter(dataset)
    for _ in range(warm // BATCH):
      next(batches)
    start = time.perf_counter()
    for _ in range(counted // BATCH):
      next(batches)
    seconds = time.perf_counter() - start
    counted = counted // BATCH * BATCH
  return {'reader': name, 'how': how, 'examples_per_second': counted / seconds}


def _dataset_folder(out: pathlib.Path) -> pathlib.Path:
  return next(out.rglob('dataset_info.json')).parent


def measure_reading(
  built: dict[str, pathlib.Path], repeats: int
) -> dict[str, list[float]]:
  """Returns examples a second of every reader, in turns."""
  readers = [
    'ours_tfrecord:decoded',
    'stock:decoded',
    'ours_tfrecord:encoded',
    'stock:encoded',
    'ours_array_record:data_source',
  ]
  rates: dict[str, list[float]] = {reader: [] for reader in readers}
  for _ in range(repeats):
    for reader in readers:
      out = built[reader.partition(':')[0]]
      done = subprocess.run(
        _command('--read', reader, '--out', out),
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
      )
      if done.returncode:
        raise SystemExit(f'{reader} failed:\n{done.stderr[-5000:]}')
      rate = json.loads(done.stdout.splitlines()[-1])['examples_per_second']
      rates[reader].append(rate)
      log(f'{reader}: {rate:.0f} examples/s')
  return rates


# The report


def log(text: str) -> None:
  """Says on standard error what is going on."""
  print(text, file=sys.stderr, flush=True)


def megabytes(num_bytes: float) -> str:
  """Returns a size in units of 10^6 bytes."""
  return f'{num_bytes / 1e6:.0f}'


def table(header: list[str], rows: list[list[str]]) -> str:
  """Lays out a table; all columns but the first are aligned to the right."""
  widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
  lines = []
  for row in (header, *rows):
    cells = [
      cell.ljust(width) if i == 0 else cell.rjust(width)
      for i, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    lines.append('  '.join(cells).rstrip())
  lines.insert(1, '  '.join('-' * width for width in widths))
  return '\n'.join(lines)


def describe_ways(
  seconds: dict[str, list[float]], sampled: dict[str, Run]
) -> list[dict[str, Any]]:
  """Returns the figures of every way."""
  tar = seconds['tar']
  return [
    {
      'way': way,
      'seconds': times,
      'median_seconds': statistics.median(times),
      'min_seconds': min(times),
      'ratio_to_tar': statistics.median(times) / statistics.median(tar),
      'min_ratio_to_tar': min(times) / min(tar),
      'peak_memory_bytes': sampled[way].peaks.memory,
      'memory_kind': sampled[way].peaks.memory_kind,
      'peak_disk_bytes': sampled[way].peaks.disk,
      'result_bytes': sampled[way].result_bytes,
    }
    for way, times in seconds.items()
  ]


def ways_table(ways: list[dict[str, Any]]) -> str:
  """Returns the table of all ways."""
  kinds = sorted({way['memory_kind'] for way in ways})
  return table(
    [
      'way',
      'median s',
      'min s',
      'x tar',
      'min x tar',
      f'memory MB ({"/".join(kinds)})',
      'disk MB',
      'result MB',
    ],
    [
      [
        DESCRIPTIONS[way['way']],
        f'{way["median_seconds"]:.2f}',
        f'{way["min_seconds"]:.2f}',
        f'{way["ratio_to_tar"]:.2f}',
        f'{way["min_ratio_to_tar"]:.2f}',
        megabytes(way['peak_memory_bytes']),
        megabytes(way['peak_disk_bytes']),
        megabytes(way['result_bytes']),
      ]
      for way in ways
    ],
  )


def requirements(report: dict[str, Any]) -> list[dict[str, Any]]:
  """Returns what must hold: what, found, the limit and whether it does."""
  ways = {way['way']: way for way in report['ways']}

  def ratio(way: str, other: str) -> float:
    # The worse of two: of usual times, and of those that nothing disturbed.
    return max(
      ways[way][key] / ways[other][key]
      for key in ('median_seconds', 'min_seconds')
    )

  limits = [
    ('time of tar', ratio('ours_tfrecord', 'tar'), 2.0),
    ('time of the stock builder', ratio('ours_tfrecord', 'stock'), 0.5),
    ('time of a file per user', ratio('ours_tfrecord', 'file_per_user'), 1.0),
    (
      'time of array_record, in that of tfrecord',
      ratio('ours_array_record', 'ours_tfrecord'),
      1.3,
    ),
    (
      'peak memory of all formats, MB',
      max(
        way['peak_memory_bytes'] / 1e6
        for name, way in ways.items()
        if name.startswith('ours')
      ),
      600.0,
    ),
  ]
  if 'growth' in report:
    growth = report['growth']
    metadata = (
      growth['metadata_bytes']['large'] - (growth['metadata_bytes']['small'])
    )
    for way, sizes in growth['ways'].items():
      small, large = (
        sizes[name]['peak_memory_bytes'] for name in ('small', 'large')
      )
      limits += [
        (f'peak memory of the large build, {way}, MB', large / 1e6, 600.0),
        (
          f'growth of memory in that of the metadata, {way}',
          (large - small) / metadata,
          1.0,
        ),
      ]
  if 'reading' in report:
    rates = report['reading']
    limits.append(
      (
        'time of reading, in that of the stock dataset',
        statistics.median(rates['stock:decoded'])
        / statistics.median(rates['ours_tfrecord:decoded']),
        READ_NOISE,
      )
    )
  return [
    {'what': what, 'found': found, 'limit': limit, 'holds': found <= limit}
    for what, found, limit in limits
  ]


def machine() -> dict[str, Any]:
  """Returns what the figures depend on."""
  from importlib import metadata

  return {
    'cores': len(os.sched_getaffinity(0)),
    'python': platform.python_version(),
    **{
      name: metadata.version(name)
      for name in ('tensorflow', 'tensorflow-datasets', 'numpy')
    },
  }


def measure_growth(
  work: pathlib.Path,
  small: tuple[pathlib.Path, int],
  large: tuple[pathlib.Path, int],
) -> dict[str, Any]:
  """Returns how the memory of our ways grows with the number of images."""

  def metadata_bytes(raw_dir: pathlib.Path) -> int:
    return (raw_dir / METADATA_FILE).stat().st_size

  ways = {}
  for way in WAYS:
    if not way.startswith('ours'):
      continue
    for name, (raw_dir, images) in (('small', small), ('large', large)):
      # The largest of several: a sample may miss a short peak.
      runs = [
        run_way(way, raw_dir, work / 'out', images, sampled=True)
        for _ in range(GROWTH_RUNS)
      ]
      ways.setdefault(way, {})[name] = {
        'peak_memory_bytes': max(run.peaks.memory for run in runs if run.peaks),
        'peak_disk_bytes': max(run.peaks.disk for run in runs if run.peaks),
        'result_bytes': runs[0].result_bytes,
        'seconds': [run.seconds for run in runs],
      }
      log(f'{way}, {images} images: {ways[way][name]}')
  shutil.rmtree(work / 'out')
  return {
    'images': {'small': small[1], 'large': large[1]},
    'metadata_bytes': {
      'small': metadata_bytes(small[0]),
      'large': metadata_bytes(large[0]),
    },
    'ways': ways,
  }


def measure(args: argparse.Namespace, work: pathlib.Path) -> dict[str, Any]:
  """Runs everything and returns the report."""
  raw_dir = args.raw_dir or work / 'raw'
  if args.raw_dir is None:
    log(f'drawing {args.images} images')
    generate(raw_dir, args.images, args.tarballs)
  images = len(read_metadata(raw_dir))
  for path in tarballs(raw_dir):
    path.read_bytes()  # into the page cache
  report: dict[str, Any] = {
    'machine': machine(),
    'images': images,
    'archive_bytes': sum(path.stat().st_size for path in tarballs(raw_dir)),
    'metadata_bytes': (raw_dir / METADATA_FILE).stat().st_size,
  }

  seconds: dict[str, list[float]] = {way: [] for way in DESCRIPTIONS}
  for repeat in range(args.repeats):
    for way in DESCRIPTIONS:
      run = run_way(way, raw_dir, work / 'out', images)
      seconds[way].append(run.seconds)
      log(f'{way} ({repeat + 1} of {args.repeats}): {run.seconds:.2f} s')
  sampled = {}
  built = {}
  for way in DESCRIPTIONS:
    out = work / f'built-{way}'
    sampled[way] = run_way(way, raw_dir, out, images, sampled=True)
    log(f'{way}: {sampled[way]}')
    if way in ('ours_tfrecord', 'ours_array_record', 'stock'):
      built[way] = out
    else:
      shutil.rmtree(out)
  report['ways'] = describe_ways(seconds, sampled)

  report['reading'] = measure_reading(built, args.repeats)
  for out in built.values():
    shutil.rmtree(out)

  if args.large:
    large_dir = args.large_raw_dir or work / 'raw_large'
    if args.large_raw_dir is None:
      log(f'drawing {args.large} images')
      generate(large_dir, args.large, args.tarballs)
    large = large_dir, len(read_metadata(large_dir))
    report['growth'] = measure_growth(work, (raw_dir, images), large)
  report['requirements'] = requirements(report)
  return report


def show(report: dict[str, Any]) -> str:
  """Returns the report as text."""
  parts = [
    f'{report["images"]} images, {megabytes(report["archive_bytes"])} MB of '
    f'archives, {report["machine"]}',
    ways_table(report['ways']),
    table(
      ['reading', 'median examples/s', 'max examples/s'],
      [
        [reader, f'{statistics.median(rates):.0f}', f'{max(rates):.0f}']
        for reader, rates in report['reading'].items()
      ],
    ),
  ]
  if 'growth' in report:
    growth = report['growth']
    parts.append(
      table(
        ['growth', 'images', 'metadata MB', 'memory MB', 'disk MB', 's'],
        [
          [
            DESCRIPTIONS[way],
            str(growth['images'][name]),
            f'{growth["metadata_bytes"][name] / 1e6:.1f}',
            f'{size["peak_memory_bytes"] / 1e6:.1f}',
            megabytes(size['peak_disk_bytes']),
            f'{statistics.median(size["seconds"]):.1f}',
          ]
          for way, sizes in growth['ways'].items()
          for name, size in sizes.items()
        ],
      )
    )
  parts.append(
    table(
      ['what must hold', 'found', 'limit', ''],
      [
        [
          each['what'],
          f'{each["found"]:.2f}',
          f'{each["limit"]:.2f}',
          'holds' if each['holds'] else 'FAILS',
        ]
        for each in report['requirements']
      ],
    )
  )
  return '\n\n'.join(parts)


def main() -> None:
  """Parses the command line and runs the benchmark, or one way of it."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--images', type=int, default=40_000)
  parser.add_argument(
    '--large', type=int, default=200_000, help='0: do not measure growth'
  )
  parser.add_argument('--tarballs', type=int, default=8)
  parser.add_argument('--repeats', type=int, default=3)
  parser.add_argument('--raw_dir', type=pathlib.Path)
  parser.add_argument('--large_raw_dir', type=pathlib.Path)
  parser.add_argument(
    '--work_dir', type=pathlib.Path, help='default: a temporary folder'
  )
  parser.add_argument('--json', type=pathlib.Path)
  parser.add_argument('--way', choices=WAYS, help=argparse.SUPPRESS)
  parser.add_argument('--read', help=argparse.SUPPRESS)
  parser.add_argument('--out', type=pathlib.Path, help=argparse.SUPPRESS)
  args = parser.parse_args()
  if args.way:
    # By its name, since TFDS does not take builders from the main module.
    this = importlib.import_module(pathlib.Path(__file__).stem)
    this.WAYS[args.way](args.raw_dir, args.out)
    return
  if args.read:
    print(json.dumps(read(args.read, args.out)))
    return
  with tempfile.TemporaryDirectory(
    dir=args.work_dir, prefix='flair-benchmark-'
  ) as work:
    report = measure(args, pathlib.Path(work))
  print(show(report))
  if args.json:
    args.json.write_text(json.dumps(report, indent=1) + '\n')


if __name__ == '__main__':
  main()
