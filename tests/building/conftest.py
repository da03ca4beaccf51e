"""Archives, images and tables, made by code."""

import contextlib
import dataclasses
import functools
import gzip
import hashlib
import io
import pathlib
import tarfile
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest
from PIL import Image

from flair_tfds.building import jpeg, scanning, table, writing
from flair_tfds.core import files

RULE = jpeg.Rule(size=(32, 32), components=(3,))


@functools.cache
def _make_jpeg(
  seed: int = 0,
  size: tuple[int, int] = (32, 32),
  mode: str = 'RGB',
  progressive: bool = False,
) -> bytes:
  """Returns a JPEG that no other seed gives."""
  pixels = np.random.default_rng(seed).bytes(size[0] * size[1] * len(mode))
  file = io.BytesIO()
  Image.frombytes(mode, size, pixels).save(
    file, 'JPEG', quality=75, progressive=progressive
  )
  return file.getvalue()


@pytest.fixture(scope='session')
def make_jpeg() -> Callable[..., bytes]:
  return _make_jpeg


def _make_tar(
  members: Sequence[tuple[str | tarfile.TarInfo, bytes]],
  tar_format: int = tarfile.USTAR_FORMAT,
) -> bytes:
  """Returns a tar archive of the given members, as `tarfile` writes it."""
  file = io.BytesIO()
  with tarfile.open(fileobj=file, mode='w', format=tar_format) as archive:
    for member, data in members:
      if isinstance(member, str):
        member = tarfile.TarInfo(member)
      if member.isreg():
        member.size = len(data)
      archive.addfile(member, io.BytesIO(data))
  return file.getvalue()


@pytest.fixture(scope='session')
def make_tar() -> Callable[..., bytes]:
  return _make_tar


@pytest.fixture(scope='session')
def make_folder(
  tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[], pathlib.Path]:
  """A function that makes an empty folder: for every example of hypothesis."""
  return lambda: tmp_path_factory.mktemp('folder')


def _make_table(
  keys: Sequence[str],
  splits: Mapping[str, tuple[int, int]] | None = None,
) -> table.Table:
  """Returns a table with a text and two integer features.

  Row r has the user `u<r // 3>`, the labels 0 to r % 4 - 1, and the tags
  [r, 300 * r]. Three rows make a group.
  """
  rows = np.arange(len(keys))
  return table.make(
    splits=splits or {'train': (0, len(keys))},
    key='image_id',
    image='image',
    columns={
      'image_id': table.Column.from_texts(key.encode() for key in keys),
      'user_id': table.Column.from_texts(f'u{r // 3}'.encode() for r in rows),
      'labels': table.Column.from_ints(
        rows % 4,
        np.array([label for r in rows for label in range(r % 4)], np.int64),
      ),
      'tags': table.Column.from_ints(
        np.full(len(keys), 2), np.stack([rows, 300 * rows], axis=1).reshape(-1)
      ),
    },
    groups=np.arange(0, len(keys), 3),
  )


@pytest.fixture(scope='session')
def make_table() -> Callable[..., table.Table]:
  return _make_table


@dataclasses.dataclass
class Build:
  """A small dataset on disk, ready to be scanned and written.

  Attributes:
    folder: Where everything lies.
    keys: The name of every row's image.
    images: Their bytes.
    source: The archive or folder that holds the images, in shuffled order.
    bucket_ends: Rows at which buckets end.
  """

  folder: pathlib.Path
  keys: list[str]
  images: dict[str, bytes]
  sources: tuple[scanning.Source, ...]
  bucket_ends: tuple[int, ...]

  @property
  def table_folder(self) -> pathlib.Path:
    return self.folder / 'table'

  @property
  def scan_folder(self) -> pathlib.Path:
    return self.folder / 'scan'

  @property
  def shard_folder(self) -> pathlib.Path:
    return self.folder / 'shards'

  def scan_task(
    self, source: scanning.Source | None = None, **changes: object
  ) -> scanning.ScanTask:
    task = scanning.ScanTask(
      source=source or self.sources[0],
      table_folder=str(self.table_folder),
      output_folder=str(self.scan_folder),
      suffix='.jpg',
      rule=RULE,
      max_file_bytes=1 << 20,
      bucket_ends=self.bucket_ends,
      wanted_buckets=tuple(range(len(self.bucket_ends))),
    )
    return dataclasses.replace(task, **changes)

  def scan(self) -> list[scanning.ScanResult]:
    results = []
    for source in self.sources:
      scanning.run(self.scan_task(source), lambda amount: None)
      result = scanning.load_result(str(self.scan_folder), source)
      assert result is not None
      results.append(result)
    return results

  def plan(self) -> None:
    """Scans everything and saves the plan's arrays."""
    results = self.scan()
    number = np.repeat(
      np.arange(len(results)), [len(result.rows) for result in results]
    )
    rows = np.concatenate([result.rows for result in results])
    order = np.argsort(rows)
    location = scanning.Location(
      number,
      *(
        np.concatenate([getattr(result, name) for result in results])
        for name in ('offsets', 'sizes', 'checksums')
      ),
    ).take(order)
    self.shard_folder.mkdir(exist_ok=True)
    sharers = self.shard_folder / 'plan.sharers.json'
    known = files.read_json(sharers) if sharers.exists() else {}
    writing.save_plan(self.shard_folder, rows[order], location, known)

  def sharers(self, shards: Sequence[writing.Shard]) -> dict[int, list[str]]:
    """Returns for every bucket the shards that take images from it."""
    begins = [0, *self.bucket_ends[:-1]]
    return {
      bucket: [s.file_name for s in shards if s.start < b and s.end > a]
      for bucket, (a, b) in enumerate(
        zip(begins, self.bucket_ends, strict=True)
      )
    }

  def write_tasks(
    self, ends: Sequence[int], file_format: str = 'tfrecord'
  ) -> list[writing.WriteTask]:
    """Returns the tasks of shards that end at the given rows."""
    shards = [
      writing.Shard('train', f'shard-{i}', start, end)
      for i, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True))
    ]
    self.shard_folder.mkdir(exist_ok=True)
    files.write_json(
      self.shard_folder / 'plan.sharers.json', self.sharers(shards)
    )
    return [
      writing.WriteTask(
        shard=shard,
        folder=str(self.shard_folder),
        table_folder=str(self.table_folder),
        spool_folder=str(self.scan_folder),
        sources=self.sources,
        spooled=tuple(source.is_spooled for source in self.sources),
        suffix='.jpg',
        bucket_ends=self.bucket_ends,
        buckets=tuple(
          bucket
          for bucket, names in self.sharers(shards).items()
          if shard.file_name in names
        ),
        file_format=file_format,
      )
      for shard in shards
    ]


@pytest.fixture
def make_build(tmp_path: pathlib.Path) -> Callable[..., Build]:
  """Makes a dataset whose images lie in a `tar`, a `tar.gz` or a `folder`."""

  def make(
    kind: str = 'tar.gz',
    num_images: int = 12,
    num_buckets: int = 2,
    extra: Sequence[tuple[str, bytes]] = (),
  ) -> Build:
    folder = tmp_path / f'build-{kind}-{num_images}-{num_buckets}'
    keys = [f'{1000 + row}' for row in range(num_images)]
    images = {key: _make_jpeg(seed) for seed, key in enumerate(keys)}
    # Not in the table's order; the hash is only to shuffle them.
    shuffled = sorted(keys, key=lambda key: hashlib.md5(key.encode()).digest())
    members = [(f'images/{key}.jpg', images[key]) for key in shuffled]
    members = [*members, *extra]
    folder.mkdir()
    if kind == 'folder':
      source = folder / 'images'
      source.mkdir()
      for name, data in members:
        (source / pathlib.Path(name).name).write_bytes(data)
      sources = tuple(scanning.from_folder('images', str(source)))
    else:
      source = folder / f'images.{kind}'
      data = _make_tar(members)
      source.write_bytes(gzip.compress(data) if kind == 'tar.gz' else data)
      sources = (scanning.Source(source.name, str(source)),)
    table.save(_make_table(keys), folder / 'table')
    (folder / 'scan').mkdir()
    ends = tuple(
      num_images * (bucket + 1) // num_buckets for bucket in range(num_buckets)
    )
    return Build(folder, keys, images, sources, ends)

  return make


@contextlib.contextmanager
def _bytes_flipped(path: pathlib.Path, place: int, mask: int):
  data = bytearray(path.read_bytes())
  data[place] ^= mask
  path.write_bytes(data)
  yield
  data[place] ^= mask
  path.write_bytes(data)


@pytest.fixture(scope='session')
def bytes_flipped():
  """A context manager that damages one byte of a file, and mends it."""
  return _bytes_flipped
