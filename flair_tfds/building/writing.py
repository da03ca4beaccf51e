"""Second pass: writes one shard, reads it back, and only then names it."""

import collections
import contextlib
import dataclasses
import os
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from flair_tfds.building import encoding, records, scanning, table
from flair_tfds.core import errors, files

# Rows are turned into Python values this many at a time.
_BLOCK_ROWS = 4096
_SHARERS_FILE = 'plan.sharers.json'


@dataclasses.dataclass(frozen=True)
class Shard:
  """One shard of the plan.

  Attributes:
    split: Its split.
    file_name: Its final name.
    start: Place of its first example among the kept rows.
    end: Place after its last example.
  """

  split: str
  file_name: str
  start: int
  end: int


@dataclasses.dataclass(frozen=True)
class WriteTask:
  """Writes one shard. Plain data: it crosses process boundaries.

  Attributes:
    shard: What to write.
    folder: Where shards, their results and the plan's arrays lie.
    table_folder: The saved table.
    spool_folder: Where the scan left spool files.
    sources: All sources, in the order that the plan's arrays refer to.
    spooled: For each source, whether its images were spooled.
    suffix: What follows the key in the name of an image file in a folder.
    bucket_ends: Rows at which buckets end.
    buckets: The buckets that the shard takes spooled images from. The last
      shard that needs a bucket deletes its spool files.
    file_format: See `records.write`.
  """

  shard: Shard
  folder: str
  table_folder: str
  spool_folder: str
  sources: tuple[scanning.Source, ...]
  spooled: tuple[bool, ...]
  suffix: str
  bucket_ends: tuple[int, ...]
  buckets: tuple[int, ...]
  file_format: str

  @property
  def name(self) -> str:
    """Names the task in messages and result files."""
    return f'write {self.shard.file_name}'

  @property
  def amount(self) -> int:
    """What `run` will report as progress in all: examples."""
    return self.shard.end - self.shard.start


@dataclasses.dataclass(frozen=True)
class WriteResult:
  """What a finished shard holds, as read back from disk.

  Attributes:
    num_examples: Its number of examples.
    num_bytes: Its size in bytes.
    sha256: Its hash.
    value_counts: For each integer feature, how many of its examples hold each
      value, as text keys.
  """

  num_examples: int
  num_bytes: int
  sha256: str
  value_counts: dict[str, dict[str, int]]


def save_plan(
  folder: pathlib.Path,
  rows: npt.NDArray[np.int32],
  location: scanning.Location,
  sharers: Mapping[int, Sequence[str]],
) -> None:
  """Saves what tasks look up, so that they themselves stay small.

  Args:
    folder: Where the shards will lie.
    rows: The rows to write, ascending.
    location: Where their images lie.
    sharers: For each bucket, the names of the shards that need it, in order.
  """
  for name, array in [('rows', rows), *vars(location).items()]:
    with files.atomic_write(folder / f'plan.{name}.npy') as file:
      np.save(file, array, allow_pickle=False)
  files.write_json(folder / _SHARERS_FILE, sharers)


def result_path(folder: str | os.PathLike[str], file_name: str) -> pathlib.Path:
  """Returns where the result of a shard stands once the shard is finished."""
  return pathlib.Path(folder) / f'{file_name}.json'


def load_result(
  folder: str | os.PathLike[str], file_name: str
) -> WriteResult | None:
  """Returns a shard's result, or None if it is not finished.

  Checks that the shard is there in full length; `verify_shard` also hashes it.
  """
  path = pathlib.Path(folder) / file_name
  result_file = result_path(folder, file_name)
  if not (path.exists() and result_file.exists()):
    return None
  result = WriteResult(**files.read_json(result_file))
  return result if path.stat().st_size == result.num_bytes else None


def verify_shard(folder: str | os.PathLike[str], file_name: str) -> bool:
  """Returns whether a shard is finished and its bytes are unchanged."""
  result = load_result(folder, file_name)
  path = pathlib.Path(folder) / file_name
  return result is not None and files.sha256(path) == result.sha256


def run(task: WriteTask, progress: Callable[[int], None]) -> None:
  """Writes one shard and its result; does nothing if it is finished already.

  Args:
    task: What to write.
    progress: Called with numbers of examples written since the last call.

  Raises:
    BadDataError: If a source changed since it was scanned.
    LostDataError: If the shard, read back, is not what was planned, or if it
      was finished earlier and its bytes changed since.
  """
  shard = task.shard
  num_examples = shard.end - shard.start
  if load_result(task.folder, shard.file_name):
    if not verify_shard(task.folder, shard.file_name):
      # Its spool files may be gone: a new run fetches them first.
      result_path(task.folder, shard.file_name).unlink()
      raise errors.LostDataError(
        f'{shard.file_name} must still be what it was when it was finished, '
        f'but its bytes changed. Run the build again: it is written anew.'
      )
    progress(num_examples)
  else:
    plan = _ShardPlan(task)
    path = pathlib.Path(task.folder) / shard.file_name
    with files.atomic_path(path) as temporary:
      records.write(temporary, task.file_format, plan.iter_records(progress))
      counts = plan.check(temporary)
      result = WriteResult(
        num_examples=num_examples,
        num_bytes=temporary.stat().st_size,
        sha256=files.sha256(temporary),
        value_counts=counts,
      )
    files.write_json(
      result_path(task.folder, shard.file_name), dataclasses.asdict(result)
    )
  _delete_spools(task)


def _delete_spools(task: WriteTask) -> None:
  if not task.buckets:
    return
  sharers = files.read_json(pathlib.Path(task.folder) / _SHARERS_FILE)
  for bucket in task.buckets:
    # Shards are begun in order: the last ones are the first to be missing.
    names = reversed(sharers[str(bucket)])
    if all(load_result(task.folder, name) for name in names):
      for source in task.sources:
        path = scanning.spool_path(task.spool_folder, source, bucket)
        path.unlink(missing_ok=True)


@dataclasses.dataclass(frozen=True, slots=True)
class _Example:
  """One planned example.

  Attributes:
    row: Its row in the table.
    key: Its name.
    values: All features but the image; `bytes` of texts, lists of integers.
    source: See `scanning.Location`; likewise the following.
  """

  row: int
  key: str
  values: dict[str, bytes | list[int]]
  source: int
  offset: int
  size: int
  checksum: int


class _ShardPlan:
  """The examples of one shard, and what its records must be."""

  def __init__(self, task: WriteTask) -> None:
    self._task = task
    self._table = table.load(pathlib.Path(task.table_folder))

  def _iter_examples(self) -> Iterator[_Example]:
    shard = self._task.shard
    folder = pathlib.Path(self._task.folder)
    names = ['rows'] + [
      field.name for field in dataclasses.fields(scanning.Location)
    ]
    arrays = [table.map_array(folder / f'plan.{name}.npy') for name in names]
    key_name = self._table.key
    for start in range(shard.start, shard.end, _BLOCK_ROWS):
      end = min(start + _BLOCK_ROWS, shard.end)
      blocks = [array[start:end] for array in arrays]
      # Only these rows: of a subset's table most may be left out.
      taken = {
        name: column.take(blocks[0])
        for name, column in self._table.columns.items()
      }
      size = end - start
      columns = [
        column.texts(0, size)
        if column.kind == 'text'
        else column.lists(0, size)
        for column in taken.values()
      ]
      places = zip(*(block.tolist() for block in blocks), strict=True)
      for (row, *place), *items in zip(places, *columns, strict=True):
        values = dict(zip(taken, items, strict=True))
        yield _Example(row, values[key_name].decode(), values, *place)

  def iter_records(self, progress: Callable[[int], None]) -> Iterator[bytes]:
    """Yields the serialized examples in order."""
    task = self._task
    reader = scanning.ImageReader(
      task.sources,
      task.spooled,
      task.spool_folder,
      task.bucket_ends,
      task.suffix,
    )
    image_name = self._table.image
    features = [
      encoding.Feature(name)
      for name in sorted([image_name, *self._table.columns])
    ]
    done = 0
    with contextlib.closing(reader):
      for example in self._iter_examples():
        image = reader.read(
          example.key,
          example.row,
          example.source,
          example.offset,
          example.size,
          example.checksum,
        )
        entries: list[bytes] = []
        for feature in features:
          value = (
            image
            if feature.name == image_name
            else example.values[feature.name]
          )
          if isinstance(value, bytes):
            entries.extend(feature.bytes_entry(value))
          else:
            entries.append(feature.ints_entry(value))
        yield encoding.example(entries)
        done += 1
        if done % 256 == 0:
          progress(256)
    progress(done % 256)

  def check(self, path: pathlib.Path) -> dict[str, dict[str, int]]:
    """Reads a written shard back and compares it with the plan.

    Every example must be there, once, in order, with all its values, and its
    image must have the checksum that was taken when the source was scanned.

    Returns:
      For each integer feature, the number of examples that hold each value.
    """
    counts: dict[str, collections.Counter[int]] = {
      name: collections.Counter()
      for name, column in self._table.columns.items()
      if column.kind == 'ints'
    }
    written = records.read(path, self._task.file_format)
    for example in self._iter_examples():
      record = next(written, None)
      if record is None:
        raise self._lost(f'{example.key!r} and what follows it', 'nothing')
      try:
        found = dict(encoding.parse(record))
      except ValueError as error:
        raise self._lost(repr(example.key), 'no example') from error
      image = found.pop(self._table.image, [])
      planned = {
        name: [value] if isinstance(value, bytes) else value
        for name, value in example.values.items()
      }
      checksums = [records.crc(d) for d in image if isinstance(d, bytes)]
      if found != planned or checksums != [example.checksum]:
        raise self._lost(repr(example.key), 'another example or image')
      for name, counter in counts.items():
        counter.update(set(example.values[name]))
    if next(written, None) is not None:
      raise self._lost('no further example', 'one')
    return {
      name: {str(value): counter[value] for value in sorted(counter)}
      for name, counter in counts.items()
    }

  def _lost(self, planned: str, found: str) -> errors.LostDataError:
    return errors.LostDataError(
      f'{self._task.shard.file_name} must hold what was planned, {planned}, '
      f'but reading it back gave {found}. The disk or its driver loses data; '
      'run the build again on another one.'
    )
