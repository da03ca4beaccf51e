"""First pass over the sources: checks every image and notes where it lies.

A source is read exactly once here. A plain tar and a folder stay where they
are and are read again by offset when shards are written. A gzipped tar cannot
be read by offset, so the bytes of its images are copied into spool files, one
per bucket: a bucket is a range of rows, so that its spool can be deleted as
soon as the shards of that range are done, and the spool never needs much more
disk than the finished dataset will.
"""

import array
import bisect
import contextlib
import dataclasses
import hashlib
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from flair_tfds.building import jpeg, records, table, tar
from flair_tfds.core import errors, files

# A folder of images is scanned in this many parts, which run in parallel.
FOLDER_PARTS = 8


@dataclasses.dataclass(frozen=True)
class Source:
  """Something that holds images.

  Attributes:
    name: What the manifest calls it; unique within a build.
    path: The tar file, or the folder.
    part: For folders, which of the `FOLDER_PARTS` parts of it; else None.
  """

  name: str
  path: str
  part: int | None = None

  @property
  def is_spooled(self) -> bool:
    """Whether its images are copied to spool files."""
    if self.part is not None:
      return False
    with open(self.path, 'rb') as file:
      return file.read(2) == b'\x1f\x8b'

  @property
  def label(self) -> str:
    """A file name that is unique to the source within a build."""
    return self.name if self.part is None else f'{self.name}.part{self.part}'


def from_folder(name: str, path: str) -> list[Source]:
  """Returns the parts of a folder of images as sources."""
  return [Source(name, path, part) for part in range(FOLDER_PARTS)]


@dataclasses.dataclass(frozen=True)
class ScanTask:
  """Reads one source. Plain data: it crosses process boundaries.

  Attributes:
    source: What to read.
    table_folder: The saved table; files that it does not name are passed over.
    output_folder: Where index and spool files go.
    suffix: What follows the key in the name of an image file.
    rule: What images must be.
    max_file_bytes: The largest member of an archive to accept.
    bucket_ends: Rows at which buckets end, ascending.
    wanted_buckets: The buckets to spool.
  """

  source: Source
  table_folder: str
  output_folder: str
  suffix: str
  rule: jpeg.Rule
  max_file_bytes: int
  bucket_ends: tuple[int, ...]
  wanted_buckets: tuple[int, ...]

  @property
  def name(self) -> str:
    """Names the task in messages and result files."""
    return f'scan {self.source.label}'

  @property
  def amount(self) -> int:
    """What `run` will report as progress in all, about: bytes to read."""
    return source_bytes(self.source)


@dataclasses.dataclass(frozen=True)
class ScanResult:
  """What was found in one source.

  Attributes:
    num_bytes: Size of the source on disk, in bytes.
    sha256: Hash of the archive; of a folder's part, of its sorted lines
      `<sha256 of file> <name>`.
    stamp: Sizes and modification times; tells a source that was replaced.
    num_other: Files that are no image of the table.
    others: Names of the first few of them.
    bad: Key and reason of every image that breaks the rule.
    rows: Row of every good image; int32 [image].
    offsets: Where its bytes begin, in the spool file of its bucket or in the
      archive; int64 [image]. Zero in a folder.
    sizes: How many bytes it has; int32 [image].
    checksums: CRC-32C of its bytes; uint32 [image].
    bucket_bytes: Size of each bucket's spool file; empty if not spooled.
  """

  num_bytes: int
  sha256: str
  stamp: str
  num_other: int
  others: list[str]
  bad: list[tuple[str, str]]
  rows: npt.NDArray[np.int32]
  offsets: npt.NDArray[np.int64]
  sizes: npt.NDArray[np.int32]
  checksums: npt.NDArray[np.uint32]
  bucket_bytes: list[int]


_ARRAYS = ('rows', 'offsets', 'sizes', 'checksums')


def source_bytes(source: Source) -> int:
  """Returns the size of a source on disk, in bytes."""
  if source.part is None:
    return os.stat(source.path).st_size
  return sum(entry.stat().st_size for entry in _part_entries(source))


def stamp(source: Source) -> str:
  """Returns a text that changes when the source is replaced or modified."""
  if source.part is None:
    status = os.stat(source.path)
    return f'{source.path} {status.st_size} {status.st_mtime_ns}'
  state = hashlib.sha256()
  for entry in _part_entries(source):
    status = entry.stat()
    line = f'{entry.name} {status.st_size} {status.st_mtime_ns}\n'
    state.update(line.encode('utf-8', 'surrogateescape'))
  return f'{source.path} {state.hexdigest()}'


def _part_entries(source: Source) -> list[os.DirEntry[str]]:
  """Returns the files of one part of a folder, sorted by name."""
  with os.scandir(source.path) as entries:
    mine = [
      entry
      for entry in entries
      if table.digest(os.fsencode(entry.name)) % FOLDER_PARTS == source.part
      and entry.is_file()
    ]
  return sorted(mine, key=lambda entry: entry.name)


def spool_path(output_folder: str, source: Source, bucket: int) -> pathlib.Path:
  """Returns where the spooled images of a source and bucket lie."""
  return pathlib.Path(output_folder) / f'{source.label}.{bucket:03d}.spool'


def load_result(output_folder: str, source: Source) -> ScanResult | None:
  """Returns the result of an earlier scan; None if there is none to trust."""
  folder = pathlib.Path(output_folder)
  if not (folder / f'{source.label}.json').exists():
    return None
  record = files.read_json(folder / f'{source.label}.json')
  if record['stamp'] != stamp(source):
    return None
  record['bad'] = [(key, reason) for key, reason in record['bad']]
  with (
    open(folder / f'{source.label}.npz', 'rb') as file,
    np.load(file, allow_pickle=False) as arrays,
  ):
    return ScanResult(**record, **{name: arrays[name] for name in _ARRAYS})


def missing_buckets(
  output_folder: str, source: Source, result: ScanResult, wanted: Sequence[int]
) -> list[int]:
  """Returns the wanted buckets whose spool file is not there or incomplete."""
  missing = []
  for bucket in wanted if result.bucket_bytes else ():
    path = spool_path(output_folder, source, bucket)
    size = path.stat().st_size if path.exists() else 0
    if size != result.bucket_bytes[bucket]:
      missing.append(bucket)
  return missing


def run(task: ScanTask, progress: Callable[[int], None]) -> None:
  """Scans one source and leaves its result and spool in the output folder.

  Args:
    task: What to read.
    progress: Called with numbers of bytes read since the last call.

  Raises:
    BadDataError: If the source is corrupt; nothing is left behind then.
  """
  before = stamp(task.source)
  with contextlib.ExitStack() as stack:
    spools: dict[int, IO[bytes]] = {}
    if task.source.is_spooled:
      for bucket in task.wanted_buckets:
        path = spool_path(task.output_folder, task.source, bucket)
        spools[bucket] = stack.enter_context(files.atomic_write(path))
    result = _scan(task, before, spools, progress)
  folder = pathlib.Path(task.output_folder)
  with files.atomic_write(folder / f'{task.source.label}.npz') as file:
    np.savez(file, **{name: getattr(result, name) for name in _ARRAYS})
  record = {
    field.name: getattr(result, field.name)
    for field in dataclasses.fields(result)
    if field.name not in _ARRAYS
  }
  files.write_json(folder / f'{task.source.label}.json', record)


def _scan(
  task: ScanTask,
  before: str,
  spools: dict[int, IO[bytes]],
  progress: Callable[[int], None],
) -> ScanResult:
  spooled = task.source.is_spooled
  lookup = table.Lookup(pathlib.Path(task.table_folder))
  bucket_bytes = [0] * len(task.bucket_ends)
  rows, sizes = array.array('i'), array.array('i')
  offsets = array.array('q')
  checksums = array.array('I')
  bad: list[tuple[str, str]] = []
  others: list[str] = []
  num_other = 0
  reader = _open(task)
  reported = 0
  for file in reader.iter_files():
    if reader.num_bytes - reported > 1 << 22:
      progress(reader.num_bytes - reported)
      reported = reader.num_bytes
    key = file.name.rpartition('/')[2].removesuffix(task.suffix)
    row = None
    if file.name.endswith(task.suffix):
      row = lookup.find(key.encode('utf-8', 'surrogateescape'))
    if row is None:
      num_other += 1
      if len(others) < 10:
        others.append(file.name)
      continue
    try:
      task.rule.check(file.data)
    except jpeg.BadImageError as error:
      bad.append((key, str(error)))
      continue
    offset = file.offset
    if spooled:
      bucket = bisect.bisect_right(task.bucket_ends, row)
      offset = bucket_bytes[bucket]
      bucket_bytes[bucket] += len(file.data)
      if bucket in spools:
        spools[bucket].write(file.data)
    rows.append(row)
    offsets.append(offset)
    sizes.append(len(file.data))
    checksums.append(records.crc(file.data))
  progress(reader.num_bytes - reported)
  if stamp(task.source) != before:
    raise errors.BadDataError(
      f'{task.source.path} must not change while it is read, but it did. Wait '
      'until it is complete and run the build again.'
    )
  return ScanResult(
    num_bytes=reader.num_bytes,
    sha256=reader.sha256,
    stamp=before,
    num_other=num_other,
    others=others,
    bad=bad,
    rows=np.array(rows, np.int32),
    offsets=np.array(offsets, np.int64),
    sizes=np.array(sizes, np.int32),
    checksums=np.array(checksums, np.uint32),
    bucket_bytes=bucket_bytes if spooled else [],
  )


def _open(task: ScanTask) -> 'tar.Reader | _FolderReader':
  if task.source.part is None:
    return tar.Reader(task.source.path, max_file_bytes=task.max_file_bytes)
  return _FolderReader(task.source, task.max_file_bytes)


class _FolderReader:
  """Reads one part of a folder, in the way of `tar.Reader`."""

  def __init__(self, source: Source, max_file_bytes: int) -> None:
    self._source = source
    self._max_file_bytes = max_file_bytes
    self._hash = hashlib.sha256()
    self.num_bytes = 0

  @property
  def sha256(self) -> str:
    return self._hash.hexdigest()

  def iter_files(self) -> Iterator[tar.File]:
    for entry in _part_entries(self._source):
      size = entry.stat().st_size
      if size > self._max_file_bytes:
        raise errors.BadDataError(
          f'{entry.path}: images must be at most {self._max_file_bytes} bytes, '
          f'but this one has {size}. Remove it.'
        )
      with open(entry.path, 'rb') as file:
        data = file.read()
      self.num_bytes += len(data)
      line = f'{hashlib.sha256(data).hexdigest()} {entry.name}\n'
      self._hash.update(line.encode('utf-8', 'surrogateescape'))
      yield tar.File(entry.name, 0, data)


@dataclasses.dataclass(frozen=True)
class Location:
  """Where the images of a range of rows lie; picklable arrays, one per image.

  Attributes:
    sources: Index of the source; int32 [image].
    offsets: See `ScanResult`; likewise `sizes` and `checksums`.
    sizes: Bytes.
    checksums: CRC-32C.
  """

  sources: npt.NDArray[np.int32]
  offsets: npt.NDArray[np.int64]
  sizes: npt.NDArray[np.int32]
  checksums: npt.NDArray[np.uint32]

  def take(self, rows: Any) -> 'Location':
    """Returns the locations of some rows."""
    return Location(
      self.sources[rows],
      self.offsets[rows],
      self.sizes[rows],
      self.checksums[rows],
    )


class ImageReader:
  """Reads images by location; keeps its files open until closed."""

  def __init__(
    self,
    sources: Sequence[Source],
    spooled: Sequence[bool],
    output_folder: str,
    bucket_ends: Sequence[int],
    suffix: str,
  ) -> None:
    """Names what the scan read and where it spooled to."""
    self._sources = sources
    self._spooled = spooled
    self._output_folder = output_folder
    self._bucket_ends = bucket_ends
    self._suffix = suffix
    self._files: dict[tuple[int, int], tuple[str, int]] = {}

  def close(self) -> None:
    """Closes the files."""
    for _, descriptor in self._files.values():
      os.close(descriptor)
    self._files.clear()

  def _opened(self, source: int, bucket: int) -> tuple[str, int]:
    if (source, bucket) not in self._files:
      where = self._sources[source]
      path = where.path
      if self._spooled[source]:
        path = os.fspath(spool_path(self._output_folder, where, bucket))
      self._files[source, bucket] = path, os.open(path, os.O_RDONLY)
    return self._files[source, bucket]

  def read(
    self, key: str, row: int, source: int, offset: int, size: int, checksum: int
  ) -> bytes:
    """Returns an image's bytes, the very ones that were scanned.

    Raises:
      BadDataError: If they are not, because the source or the spool changed.
    """
    where = self._sources[source]
    if where.part is not None:
      path = os.path.join(where.path, key + self._suffix)
      with open(path, 'rb') as file:
        data = file.read()
    else:
      bucket = bisect.bisect_right(self._bucket_ends, row)
      path, descriptor = self._opened(source, bucket)
      data = os.pread(descriptor, size, offset)
    if len(data) != size or records.crc(data) != checksum:
      if self._spooled[source]:
        os.unlink(path)  # so that the next run scans the source again
      raise errors.BadDataError(
        f'{path}: image {key!r} must still be what it was when it was first '
        'read, but its bytes changed. Leave the sources alone during a build; '
        'run it again.'
      )
    return data
