import pathlib
import tracemalloc

import pyarrow
import pytest
import tensorflow as tf
from array_record.python import array_record_data_source
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from tensorflow_datasets.core import file_adapters

from flair_tfds.building import records
from flair_tfds.core import errors

ADAPTERS = {
  'tfrecord': file_adapters.TfRecordFileAdapter,
  'array_record': file_adapters.ArrayRecordFileAdapter,
  'parquet': file_adapters.ParquetFileAdapter,
}
FORMATS = list(ADAPTERS)
SOME = [b'first', b'', b'x' * 70_000, bytes(range(256)), b'last']


@pytest.fixture(params=FORMATS)
def file_format(request):
  return request.param


@given(
  written=st.lists(st.binary(max_size=3000), max_size=20),
  file_format=st.sampled_from(FORMATS),
)
@settings(deadline=None, max_examples=60)
def test_what_is_written_is_read(written, file_format, make_folder):
  path = make_folder() / 'shard'
  records.write(path, file_format, iter(written))
  assert list(records.read(path, file_format)) == written


@pytest.mark.parametrize('written', [[], [b''], [b'', b'']])
def test_nothing_and_empty_records_are_read_as_written(
  written, file_format, tmp_path
):
  records.write(tmp_path / 'shard', file_format, written)
  assert list(records.read(tmp_path / 'shard', file_format)) == written


def test_same_records_give_the_same_bytes(file_format, tmp_path):
  written = [bytes([i % 256]) * (i * 37 % 9000) for i in range(400)]
  for name in ('a', 'b'):
    records.write(tmp_path / name, file_format, written)
  assert (tmp_path / 'a').read_bytes() == (tmp_path / 'b').read_bytes()


@given(written=st.lists(st.binary(max_size=2000), max_size=10))
@settings(deadline=None, max_examples=30)
def test_tfrecord_has_the_bytes_of_tensorflow(written, make_folder):
  folder = make_folder()
  records.write(folder / 'ours', 'tfrecord', written)
  with tf.io.TFRecordWriter(str(folder / 'theirs')) as writer:
    for record in written:
      writer.write(record)
  assert (folder / 'ours').read_bytes() == (folder / 'theirs').read_bytes()


@pytest.mark.parametrize('tfds_format', ['tfrecord', 'parquet'])
def test_adapters_of_tfds_read_ours(tfds_format, tmp_path):
  records.write(tmp_path / 'shard', tfds_format, SOME)
  dataset = ADAPTERS[tfds_format].make_tf_data(str(tmp_path / 'shard'))
  assert list(dataset.as_numpy_iterator()) == SOME


def test_array_record_data_source_reads_ours_in_any_order(tmp_path):
  path = tmp_path / 'shard.array_record'
  records.write(path, 'array_record', SOME)
  source = array_record_data_source.ArrayRecordDataSource(str(path))
  assert len(source) == len(SOME)
  assert source[3] == SOME[3]
  assert source.__getitems__([4, 0, 2]) == [SOME[4], SOME[0], SOME[2]]


def test_adapters_of_tfds_count_ours(file_format, tmp_path):
  path = tmp_path / 'shard.array_record'
  records.write(path, file_format, SOME)
  assert ADAPTERS[file_format].num_examples(str(path)) == len(SOME)


def test_files_of_the_adapters_of_tfds_are_read(file_format, tmp_path):
  path = tmp_path / 'shard'
  ADAPTERS[file_format].write_examples(str(path), enumerate(SOME))
  assert list(records.read(path, file_format)) == SOME


def test_parquet_of_more_than_a_row_group_keeps_the_order(tmp_path):
  # A group is full with 14 of them, at 4.2 million bytes: ceil(100 / 14).
  written = [bytes([i]) * 300_000 for i in range(100)]
  records.write(tmp_path / 'shard', 'parquet', iter(written))
  assert list(records.read(tmp_path / 'shard', 'parquet')) == written
  with parquet.ParquetFile(tmp_path / 'shard') as file:
    assert file.num_row_groups == 8
  dataset = ADAPTERS['parquet'].make_tf_data(str(tmp_path / 'shard'))
  assert list(dataset.as_numpy_iterator()) == written


def test_record_larger_than_a_row_group_is_written(tmp_path):
  written = [b'a', b'b' * (9 << 20), b'c']
  records.write(tmp_path / 'shard', 'parquet', written)
  assert list(records.read(tmp_path / 'shard', 'parquet')) == written


def test_writing_holds_few_records_at_a_time(file_format, tmp_path):
  records.write(tmp_path / 'first', file_format, SOME)  # imports what it needs
  tracemalloc.start()
  try:
    records.write(
      tmp_path / 'shard',
      file_format,
      (bytes([i]) * (1 << 20) for i in range(64)),
    )
    _, peak = tracemalloc.get_traced_memory()
  finally:
    tracemalloc.stop()
  assert peak < 32 << 20


def test_reading_holds_few_records_at_a_time(file_format, tmp_path):
  records.write(
    tmp_path / 'shard', file_format, (bytes(1 << 20) for _ in range(64))
  )
  tracemalloc.start()
  try:
    assert sum(map(len, records.read(tmp_path / 'shard', file_format))) == (
      64 << 20
    )
    _, peak = tracemalloc.get_traced_memory()
  finally:
    tracemalloc.stop()
  assert peak < 32 << 20


def test_reading_parquet_keeps_one_row_group(tmp_path):
  # Arrow's memory is not Python's: the test above does not see it.
  records.write(
    tmp_path / 'shard', 'parquet', (bytes(1 << 20) for _ in range(64))
  )
  before = pyarrow.total_allocated_bytes()
  most = max(
    pyarrow.total_allocated_bytes()
    for _ in records.read(tmp_path / 'shard', 'parquet')
  )
  assert most - before < 24 << 20


def test_failing_records_end_the_writing(file_format, tmp_path):
  def broken():
    yield b'first'
    raise errors.BadDataError('the source changed')

  with pytest.raises(errors.BadDataError, match='the source changed'):
    records.write(tmp_path / 'shard', file_format, broken())


def damaged_or_same(path: pathlib.Path, file_format: str, data: bytes, whole):
  """Returns whether the damage was noticed; it must never change a record."""
  path.write_bytes(data)
  try:
    assert list(records.read(path, file_format)) == whole
  except errors.LostDataError as error:
    return str(path) in str(error)
  return False


def test_any_wrong_byte_of_a_tfrecord_is_an_error(tmp_path):
  path = tmp_path / 'shard'
  written = [b'first', b'', b'second record']
  records.write(path, 'tfrecord', written)
  data = path.read_bytes()
  for place in range(len(data)):
    for mask in (0x01, 0x80, 0xFF):
      wrong = bytearray(data)
      wrong[place] ^= mask
      assert damaged_or_same(path, 'tfrecord', bytes(wrong), written)


def test_tfrecord_cut_inside_a_record_is_an_error(tmp_path):
  path = tmp_path / 'shard'
  written = [b'first', b'second record']
  records.write(path, 'tfrecord', written)
  data = path.read_bytes()
  first_end = 12 + 5 + 4
  for size in range(1, len(data)):
    if size != first_end:
      assert damaged_or_same(path, 'tfrecord', data[:size], written)


@pytest.mark.parametrize('other_format', ['array_record', 'parquet'])
def test_wrong_bytes_of_other_formats_never_change_a_record(
  other_format, tmp_path
):
  path = tmp_path / 'shard'
  written = [bytes([i]) * 300 for i in range(8)]
  records.write(path, other_format, written)
  data = path.read_bytes()
  noticed = []
  # Padding to 64 KiB, of array_record, holds nothing.
  used = [place for place, byte in enumerate(data) if byte]
  for place in used[:: max(1, len(used) // 500)]:
    wrong = bytearray(data)
    wrong[place] ^= 0x41
    noticed.append(damaged_or_same(path, other_format, bytes(wrong), written))
  assert sum(noticed) > len(noticed) / 2


@pytest.mark.parametrize('other_format', ['array_record', 'parquet'])
def test_other_formats_cut_off_are_an_error(other_format, tmp_path):
  path = tmp_path / 'shard'
  written = [bytes([i]) * 300 for i in range(8)]
  records.write(path, other_format, written)
  data = path.read_bytes()
  for size in (0, 10, len(data) // 2, len(data) - 1):
    assert damaged_or_same(path, other_format, data[:size], written)


def test_missing_file_is_an_error(file_format, tmp_path):
  with pytest.raises((FileNotFoundError, errors.LostDataError)):
    list(records.read(tmp_path / 'missing', file_format))


def test_crc_is_that_of_the_published_check_value():
  # The check value of CRC-32C for '123456789', in every list of CRCs.
  assert records.crc(b'123456789') == 0xE3069283


def test_masked_crc_of_zeros_is_that_of_tensorflow(tmp_path):
  # TensorFlow writes it behind the length of a record.
  with tf.io.TFRecordWriter(str(tmp_path / 'shard')) as writer:
    writer.write(b'')
  data = (tmp_path / 'shard').read_bytes()
  assert data[8:12] == records.masked_crc(bytes(8)).to_bytes(4, 'little')


def test_unknown_format_names_the_known_ones_nearest_first():
  with pytest.raises(ValueError, match='file_format must be one of') as caught:
    records.check_format('tfrecords')
  assert str(caught.value) == (
    "file_format must be one of 'tfrecord', 'array_record', 'parquet', got "
    "'tfrecords'"
  )


def test_known_formats_pass():
  for name in FORMATS:
    records.check_format(name)
