"""Reads single records of shards by their place, from any thread or process."""

import abc
import bisect
import contextlib
import itertools
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from flair_tfds.building import records
from flair_tfds.core import errors
from flair_tfds.federated import dataset_folder

FORMATS = ('tfrecord', 'array_record')

# Neighbours are fetched together, but not more at a time than this.
_MAX_READ_BYTES = 4 << 20
# Shards kept open; systems allow a process some hundred open files.
_MAX_OPEN = 128
_FRAME_HEAD_BYTES = 12  # length and its checksum
_FRAME_BYTES = 16  # the same and the checksum of the data


def iter_records(
  path: str | os.PathLike[str], file_format: str
) -> Iterator[tuple[int, bytes]]:
  """Yields where each record of a shard begins, and the record.

  The place means something to `TFRecordReader` alone; for other formats it
  is 0.
  """
  position = _FRAME_HEAD_BYTES
  for record in records.read(path, file_format):
    if file_format == 'tfrecord':
      yield position, record
      position += len(record) + _FRAME_BYTES
    else:
      yield 0, record


class ShardReader(abc.ABC):
  """Reads records of the shards of a dataset, numbered through all shards.

  Any number of threads may use one reader. It may be taken along into forked
  processes, and it may be pickled.

  What is read is checked against the checksums that were noted when the
  dataset was indexed.
  """

  def __init__(
    self,
    shards: Sequence[dataset_folder.Shard],
    checksums: npt.NDArray[np.uint32],
  ) -> None:
    """Opens nothing yet.

    Args:
      shards: The files.
      checksums: CRC-32C of every record. Shape [row].
    """
    self._shards = shards
    self._checksums = checksums
    lengths = [shard.num_examples for shard in shards]
    # The first row of each shard, and the end. Shape [shard + 1].
    self._starts = [0, *itertools.accumulate(lengths)]
    self._process = 0
    self._open: OrderedDict[int, _OpenShard] = OrderedDict()
    self._lock = threading.Lock()
    self._enter_process()

  def iter_rows(self, rows: npt.NDArray[np.int64]) -> Iterator[bytes]:
    """Yields the records of some rows, in their order.

    Neighbouring rows are read at once, a few megabytes at a time.

    Raises:
      BadDataError: If a record is not the one that was indexed.
      OSError: If a shard cannot be read.
    """
    if not len(rows):
      return
    row, last_row = int(rows[0]), int(rows[-1])
    place = bisect.bisect_right(self._starts, row) - 1
    # By far the most frequent case: all images of a user, stored together.
    if (
      last_row - row == len(rows) - 1
      and last_row < self._starts[place + 1]
      and (len(rows) == 1 or _is_run(rows))
    ):
      yield from self._iter_run(place, row, len(rows))
      return
    places = np.searchsorted(self._starts, rows, side='right') - 1
    new_shard = places[1:] != places[:-1]
    gaps = np.flatnonzero(new_shard | (rows[1:] != rows[:-1] + 1)) + 1
    for first, last in zip(
      [0, *gaps.tolist()], [*gaps.tolist(), len(rows)], strict=True
    ):
      yield from self._iter_run(
        int(places[first]), int(rows[first]), last - first
      )

  def _iter_run(self, place: int, row: int, number: int) -> Iterator[bytes]:
    shard = self._opened(place)
    start = self._starts[place]
    wanted = self._checksums[row : row + number].tolist()
    found = shard.iter_run(row, row - start, number)
    for i, (record, checksum) in enumerate(zip(found, wanted, strict=True)):
      if records.crc(record) != checksum:
        raise errors.BadDataError(
          f'{self._shards[place].path}: record {row - start + i} must be the '
          'one that was indexed, but its checksum is another: the file was '
          'changed or damaged. Build the dataset again.'
        )
      yield record

  def _opened(self, place: int) -> '_OpenShard':
    if self._process != os.getpid():
      self._enter_process()
    with self._lock:
      shard = self._open.get(place)
      if shard is None:
        shard = self._open_shard(self._shards[place])
        self._open[place] = shard
        # Whoever still reads from a dropped shard holds it; it is closed when
        # nobody does.
        if len(self._open) > _MAX_OPEN:
          self._open.popitem(last=False)
      else:
        self._open.move_to_end(place)
    return shard

  def _enter_process(self) -> None:
    # A forked process inherits locks as they were, and libraries' handles
    # whose position it would share: it opens shards anew.
    self._lock = threading.Lock()
    self._open = OrderedDict()
    self._process = os.getpid()

  @abc.abstractmethod
  def _open_shard(self, shard: dataset_folder.Shard) -> '_OpenShard':
    pass


class _OpenShard(abc.ABC):
  """An open file of records."""

  @abc.abstractmethod
  def iter_run(self, row: int, place: int, number: int) -> Iterator[bytes]:
    """Yields neighbouring records.

    Args:
      row: The first one, counted through all shards.
      place: The first one, counted from the beginning of the shard.
      number: How many.
    """


class TFRecordReader(ShardReader):
  """Reads TFRecord files at known offsets."""

  def __init__(
    self,
    shards: Sequence[dataset_folder.Shard],
    checksums: npt.NDArray[np.uint32],
    offsets: npt.NDArray[np.int64],
    sizes: npt.NDArray[np.uint32],
  ) -> None:
    """Opens nothing yet.

    Args:
      shards: The files.
      checksums: See `ShardReader`.
      offsets: Where each record begins in its shard, in bytes. Shape [row].
      sizes: Bytes of each record. Shape [row].
    """
    super().__init__(shards, checksums)
    self._offsets = offsets
    self._sizes = sizes

  def _open_shard(self, shard: dataset_folder.Shard) -> _OpenShard:
    return _OpenTFRecord(shard, self._offsets, self._sizes)


class _OpenTFRecord(_OpenShard):
  def __init__(
    self,
    shard: dataset_folder.Shard,
    offsets: npt.NDArray[np.int64],
    sizes: npt.NDArray[np.uint32],
  ) -> None:
    self._path = shard.path
    self._offsets = offsets
    self._sizes = sizes
    self._file = os.open(shard.path, os.O_RDONLY)

  def __del__(self) -> None:
    # There is no file where opening failed.
    file = getattr(self, '_file', None)
    if file is not None:
      os.close(file)

  def iter_run(self, row: int, place: int, number: int) -> Iterator[bytes]:
    offsets = self._offsets[row : row + number].tolist()
    sizes = self._sizes[row : row + number].tolist()
    first = 0
    while first < number:
      start = offsets[first]
      last = first + 1
      while (
        last < number and offsets[last] + sizes[last] - start <= _MAX_READ_BYTES
      ):
        last += 1
      data = self._read(start, offsets[last - 1] + sizes[last - 1])
      for i in range(first, last):
        begin = offsets[i] - start
        yield data[begin : begin + sizes[i]]
      first = last

  def _read(self, start: int, end: int) -> bytes:
    data = os.pread(self._file, end - start, start)
    while len(data) < end - start:
      more = os.pread(self._file, end - start - len(data), start + len(data))
      if not more:
        raise errors.BadDataError(
          f'{self._path} must have at least {end} bytes, but ends after '
          f'{start + len(data)}. Build the dataset again.'
        )
      data += more
    return data


class ArrayRecordReader(ShardReader):
  """Reads ArrayRecord files, with the library that writes them."""

  def _open_shard(self, shard: dataset_folder.Shard) -> _OpenShard:
    return _OpenArrayRecord(shard)


class _OpenArrayRecord(_OpenShard):
  def __init__(self, shard: dataset_folder.Shard) -> None:
    from array_record.python import array_record_module

    self._path = shard.path
    # Without these options it reads ahead what is seldom wanted next: a
    # hundred times as slow.
    self._reader = array_record_module.ArrayRecordReader(
      os.fspath(shard.path), 'readahead_buffer_size:0,max_parallelism:1'
    )
    # The reader has a position, which threads would move for each other.
    self._lock = threading.Lock()

  def __del__(self) -> None:
    reader = getattr(self, '_reader', None)
    if reader is not None:
      # A reader that met damage says so once more, with nobody to hear it.
      with contextlib.suppress(RuntimeError, ValueError):
        reader.close()

  def iter_run(self, row: int, place: int, number: int) -> Iterator[bytes]:
    for i in range(place, place + number):
      try:
        # One by one: asked for a range, the library reads it with 64 threads,
        # each of which keeps memory of its own.
        with self._lock:
          self._reader.seek(i)
          record = self._reader.read()
      except (RuntimeError, ValueError, IndexError) as error:
        raise errors.BadDataError(
          f'{self._path}: record {i} must be readable, but is not: {error}. '
          'Build the dataset again.'
        ) from error
      yield record


def _is_run(rows: npt.NDArray[np.int64]) -> bool:
  return bool((rows[1:] == rows[:-1] + 1).all())
