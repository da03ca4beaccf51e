"""Files of records in the formats that TFDS reads, written and read back."""

import os
import struct
from collections.abc import Callable, Iterable, Iterator

import google_crc32c
import numpy as np

from flair_tfds.core import errors

_WRITE_BUFFER_BYTES = 1 << 20
# Bounded, since a row group is held in memory by writer and reader.
_ROW_GROUP_BYTES = 4 << 20
_PARQUET_COLUMN = 'data'


def crc(data: bytes) -> int:
  """Returns the CRC-32C of some bytes."""
  return int(google_crc32c.value(data))


def masked_crc(data: bytes) -> int:
  """Returns the rotated CRC-32C that TFRecord files store.

  Source: `crc32c::Mask` of TensorFlow.
  """
  value = crc(data)
  return ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _write_tfrecord(path: str, records: Iterable[bytes]) -> None:
  # A record: length (uint64), its CRC (uint32), data, CRC of data (uint32).
  with open(path, 'wb', buffering=_WRITE_BUFFER_BYTES) as file:
    for record in records:
      length = struct.pack('<Q', len(record))
      file.write(length + struct.pack('<I', masked_crc(length)))
      file.write(record)
      file.write(struct.pack('<I', masked_crc(record)))


def _read_tfrecord(path: str) -> Iterator[bytes]:
  with open(path, 'rb', buffering=_WRITE_BUFFER_BYTES) as file:
    while header := file.read(12):
      length, crc = header[:8], header[8:]
      if len(header) < 12 or struct.unpack('<I', crc)[0] != masked_crc(length):
        raise errors.LostDataError(f'{path}: a record has a corrupt length')
      record = file.read(struct.unpack('<Q', length)[0])
      crc = file.read(4)
      if len(crc) < 4 or struct.unpack('<I', crc)[0] != masked_crc(record):
        raise errors.LostDataError(f'{path}: a record has corrupt data')
      yield record


def _write_array_record(path: str, records: Iterable[bytes]) -> None:
  from array_record.python import array_record_module

  # Groups of one record give fast random access. Images are compressed
  # already: trying again would make the file no smaller and the build slower.
  writer = array_record_module.ArrayRecordWriter(
    path, 'group_size:1,uncompressed'
  )
  try:
    for record in records:
      writer.write(record)
  finally:
    writer.close()


def _read_array_record(path: str) -> Iterator[bytes]:
  from array_record.python import array_record_module

  reader = array_record_module.ArrayRecordReader(
    path, 'readahead_buffer_size:1048576,max_parallelism:1'
  )
  try:
    for _ in range(reader.num_records()):
      yield reader.read()
  finally:
    reader.close()


def _write_parquet(path: str, records: Iterable[bytes]) -> None:
  import pyarrow as pa
  from pyarrow import parquet

  schema = pa.schema([pa.field(_PARQUET_COLUMN, pa.binary())])
  with parquet.ParquetWriter(
    path,
    schema,
    compression='none',
    use_dictionary=False,
    write_page_checksum=True,
  ) as writer:
    for group in _grouped(records):
      # From buffers: from a list of bytes pyarrow would first import pandas,
      # if it is there, which takes a second and 60 MB.
      offsets = np.zeros(len(group) + 1, np.int32)
      np.cumsum([len(record) for record in group], out=offsets[1:])
      column = pa.Array.from_buffers(
        pa.binary(),
        len(group),
        [None, pa.py_buffer(offsets), pa.py_buffer(b''.join(group))],
      )
      writer.write_table(pa.Table.from_arrays([column], schema=schema))
      pa.default_memory_pool().release_unused()


def _grouped(records: Iterable[bytes]) -> Iterator[list[bytes]]:
  group: list[bytes] = []
  size = 0
  for record in records:
    group.append(record)
    size += len(record)
    if size >= _ROW_GROUP_BYTES:
      yield group
      group, size = [], 0
  if group:
    yield group


def _read_parquet(path: str) -> Iterator[bytes]:
  import pyarrow as pa
  from pyarrow import parquet

  with parquet.ParquetFile(
    path, page_checksum_verification=True, pre_buffer=False
  ) as file:
    # One by one: over several groups pyarrow keeps all that it has read.
    for group in range(file.num_row_groups):
      for batch in file.iter_batches(
        batch_size=64, row_groups=[group], use_threads=False
      ):
        for value in batch.column(0):
          yield value.as_py()
      # Or Arrow's pool keeps what it may use again, more with every shard.
      pa.default_memory_pool().release_unused()


_Writer = Callable[[str, Iterable[bytes]], None]
_Reader = Callable[[str], Iterator[bytes]]
_FORMATS: dict[str, tuple[_Writer, _Reader]] = {
  'tfrecord': (_write_tfrecord, _read_tfrecord),
  'array_record': (_write_array_record, _read_array_record),
  'parquet': (_write_parquet, _read_parquet),
}


def check_format(file_format: str) -> None:
  """Raises a ValueError if `file_format` cannot be written."""
  if file_format not in _FORMATS:
    raise ValueError(
      f'file_format must be one of {errors.choices(file_format, _FORMATS)}, '
      f'got {file_format!r}'
    )


def write(
  path: str | os.PathLike[str], file_format: str, records: Iterable[bytes]
) -> None:
  """Writes records to a new file; the same records give the same bytes.

  Args:
    path: The file.
    file_format: `tfrecord`, `array_record` or `parquet`, laid out as TFDS's
      own adapters lay them out.
    records: Serialized examples. Held one, or eight megabytes, at a time.
  """
  _FORMATS[file_format][0](os.fspath(path), records)


def read(path: str | os.PathLike[str], file_format: str) -> Iterator[bytes]:
  """Yields the records of a file, one at a time, checking all checksums.

  Raises:
    LostDataError: If a record cannot be read as it was written.
  """
  path = os.fspath(path)
  try:
    yield from _FORMATS[file_format][1](path)
  except (RuntimeError, ValueError, OSError) as error:
    # What array_record and pyarrow raise. A missing file or a failing disk
    # is what it says.
    if isinstance(error, OSError) and error.errno is not None:
      raise
    raise errors.LostDataError(
      f'{path}: a record cannot be read: {error}'
    ) from error
