import dataclasses
import hashlib
import os
import pathlib
import pickle

import numpy as np
import pytest
from tensorflow_datasets.proto import tf_example_pb2

from flair_tfds.building import records, scanning, writing
from flair_tfds.core import errors, files

FORMATS = ['tfrecord', 'array_record', 'parquet']


@pytest.fixture
def build(make_build):
  """Twelve images in a tar.gz, spooled in two buckets of six, and planned."""
  found = make_build('tar.gz', num_images=12, num_buckets=2)
  found.plan()
  return found


def write(task, progress=lambda amount: None) -> writing.WriteResult:
  writing.run(task, progress)
  result = writing.load_result(task.folder, task.shard.file_name)
  assert result is not None
  return result


def shard_path(task) -> pathlib.Path:
  return pathlib.Path(task.folder) / task.shard.file_name


def read_shard(task) -> list[dict[str, list]]:
  """Returns a shard's examples, parsed by protobuf."""
  examples = []
  for record in records.read(shard_path(task), task.file_format):
    message = tf_example_pb2.Example.FromString(record)
    examples.append(
      {
        name: list(getattr(feature, feature.WhichOneof('kind')).value)
        for name, feature in message.features.feature.items()
      }
    )
  return examples


def planned(build, start: int, end: int) -> list[dict[str, list]]:
  """Returns what the table and the images say; see `make_table`."""
  return [
    {
      'image': [build.images[build.keys[row]]],
      'image_id': [build.keys[row].encode()],
      'user_id': [f'u{row // 3}'.encode()],
      'labels': list(range(row % 4)),
      'tags': [row, 300 * row],
    }
    for row in range(start, end)
  ]


def spools(build) -> list[str]:
  return sorted(path.name for path in build.scan_folder.glob('*.spool'))


# What is written


@pytest.mark.parametrize('file_format', FORMATS)
@pytest.mark.parametrize('kind', ['tar', 'tar.gz', 'folder'])
def test_shards_hold_the_planned_examples_in_order(
  kind, file_format, make_build
):
  build = make_build(kind)
  build.plan()
  for task in build.write_tasks([5, 12], file_format):
    write(task)
    assert read_shard(task) == planned(build, task.shard.start, task.shard.end)


def test_result_tells_examples_bytes_hash_and_counts(build):
  task = build.write_tasks([5, 12])[0]
  result = write(task)
  data = shard_path(task).read_bytes()
  assert result == writing.WriteResult(
    num_examples=5,
    num_bytes=len(data),
    sha256=hashlib.sha256(data).hexdigest(),
    # Labels of rows 0 to 4: none; 0; 0, 1; 0, 1, 2; none. Tags: r and 300 r,
    # which is one value, once, in row 0.
    value_counts={
      'labels': {'0': 3, '1': 2, '2': 1},
      'tags': {
        **dict.fromkeys(['0', '1', '2', '3', '4'], 1),
        **dict.fromkeys(['300', '600', '900', '1200'], 1),
      },
    },
  )


def test_progress_adds_up_to_the_examples(build):
  for task in build.write_tasks([5, 12]):
    reported = []
    writing.run(task, reported.append)
    assert sum(reported) == task.amount


def test_task_survives_pickling(build):
  task = build.write_tasks([12])[0]
  assert pickle.loads(pickle.dumps(task)) == task


def test_task_is_named_after_its_shard(build):
  assert build.write_tasks([12])[0].name == 'write shard-0'


def test_same_plan_gives_the_same_bytes_from_any_kind_of_source(make_build):
  written = {}
  for kind in ('tar', 'tar.gz', 'folder'):
    build = make_build(kind)
    build.plan()
    task = build.write_tasks([12])[0]
    write(task)
    written[kind] = shard_path(task).read_bytes()
  assert written['tar'] == written['tar.gz'] == written['folder']


@pytest.mark.parametrize('block_rows', [1, 3, 4096])
def test_rows_that_are_left_out_are_passed_over(
  block_rows, make_build, monkeypatch
):
  monkeypatch.setattr(writing, '_BLOCK_ROWS', block_rows)
  build = make_build('tar')
  build.plan()
  kept = [1, 4, 5, 11]
  result = scanning.load_result(str(build.scan_folder), build.sources[0])
  order = np.argsort(result.rows)
  location = scanning.Location(
    np.zeros(12, np.int64), result.offsets, result.sizes, result.checksums
  ).take(order)
  writing.save_plan(build.shard_folder, np.array(kept), location.take(kept), {})
  task = build.write_tasks([4])[0]
  write(task)
  everything = planned(build, 0, 12)
  assert read_shard(task) == [everything[row] for row in kept]


def test_missing_folder_is_an_error_of_the_operating_system(build):
  task = build.write_tasks([12])[0]
  task = dataclasses.replace(task, folder=task.folder + '-missing')
  with pytest.raises(FileNotFoundError):
    writing.run(task, lambda amount: None)


# Finished shards


def test_finished_shard_is_not_written_again(build, monkeypatch):
  task = build.write_tasks([12])[0]
  write(task)
  before = shard_path(task).stat()

  def refuse(*unused):
    raise AssertionError('a finished shard was written')

  monkeypatch.setattr(records, 'write', refuse)
  reported = []
  writing.run(task, reported.append)
  after = shard_path(task).stat()
  assert (after.st_ino, after.st_mtime_ns) == (
    before.st_ino,
    before.st_mtime_ns,
  )
  assert sum(reported) == task.amount


def test_shard_without_its_result_is_written_again(build):
  # As if the run had been killed between shard and result.
  task = build.write_tasks([5, 12])[0]
  result = write(task)
  writing.result_path(task.folder, task.shard.file_name).unlink()
  assert writing.load_result(task.folder, task.shard.file_name) is None
  assert write(task) == result


def test_shard_of_another_length_is_not_finished(build):
  task = build.write_tasks([5, 12])[0]
  result = write(task)
  os.truncate(shard_path(task), result.num_bytes - 1)
  assert writing.load_result(task.folder, task.shard.file_name) is None
  assert not writing.verify_shard(task.folder, task.shard.file_name)


def test_truncated_finished_shard_is_written_again(build):
  # The next shard needs the same bucket, so that the spool is still there.
  task = build.write_tasks([5, 12])[0]
  result = write(task)
  data = shard_path(task).read_bytes()
  os.truncate(shard_path(task), 100)
  assert write(task) == result
  assert shard_path(task).read_bytes() == data


def test_damaged_finished_shard_is_an_error_and_written_by_the_next_run(build):
  task = build.write_tasks([5, 12])[0]
  write(task)
  data = shard_path(task).read_bytes()
  shard_path(task).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
  assert writing.load_result(task.folder, 'shard-0') is not None
  assert not writing.verify_shard(task.folder, 'shard-0')
  with pytest.raises(errors.LostDataError) as caught:
    writing.run(task, lambda amount: None)
  assert str(caught.value) == (
    'shard-0 must still be what it was when it was finished, but its bytes '
    'changed. Run the build again: it is written anew.'
  )
  write(task)
  assert shard_path(task).read_bytes() == data
  assert writing.verify_shard(task.folder, 'shard-0')


# Reading back


def altered(change, monkeypatch):
  """Makes `records.write` write what `change` makes of the right records."""
  original = records.write

  def write_altered(path, file_format, right):
    original(path, file_format, change(list(right)))

  monkeypatch.setattr(records, 'write', write_altered)


def with_values(record: bytes, **changes) -> bytes:
  message = tf_example_pb2.Example.FromString(record)
  for name, values in changes.items():
    feature = message.features.feature[name]
    if values is None:
      del message.features.feature[name]
    elif isinstance(values[0], bytes):
      feature.bytes_list.value[:] = values
    else:
      feature.int64_list.value[:] = values
  return message.SerializeToString(deterministic=True)


@pytest.mark.parametrize(
  ('change', 'what'),
  [
    (lambda right: right[1:], "'1000'"),
    (lambda right: right[:2] + right[3:], "'1002'"),
    (lambda right: right[:-1], "'1004' and what follows it"),
    (lambda right: [], "'1000' and what follows it"),
    (lambda right: [right[0], *right], "'1001'"),
    (lambda right: [*right, right[-1]], 'no further example'),
    (lambda right: [right[1], right[0], *right[2:]], "'1000'"),
    (lambda right: [b'', *right[1:]], "'1000'"),
    (lambda right: [right[0][:-1], *right[1:]], "'1000'"),
    (lambda right: [b'garbage', *right[1:]], "'1000'"),
    (lambda right: [with_values(right[0], tags=[1, 0]), *right[1:]], "'1000'"),
    (lambda right: [with_values(right[0], tags=[0]), *right[1:]], "'1000'"),
    (lambda right: [with_values(right[0], tags=None), *right[1:]], "'1000'"),
    (lambda right: [with_values(right[0], labels=[0]), *right[1:]], "'1000'"),
    (lambda right: [with_values(right[0], more=[b'x']), *right[1:]], "'1000'"),
    (lambda right: [with_values(right[0], image_id=[b'1']), *right[1:]], "'1"),
    (lambda right: [with_values(right[0], image=[b'x']), *right[1:]], "'1000'"),
    (lambda right: [with_values(right[0], image=None), *right[1:]], "'1000'"),
  ],
  ids=[
    'first lost',
    'third lost',
    'last lost',
    'all lost',
    'first doubled',
    'last doubled',
    'two exchanged',
    'empty record',
    'record cut off',
    'no example',
    'other integers',
    'fewer integers',
    'feature lost',
    'integers for none',
    'feature added',
    'other text',
    'other image',
    'image lost',
  ],
)
def test_anything_but_the_plan_is_caught_by_reading_back(
  change, what, build, monkeypatch
):
  altered(change, monkeypatch)
  task = build.write_tasks([5, 12])[0]
  with pytest.raises(errors.LostDataError) as caught:
    writing.run(task, lambda amount: None)
  text = str(caught.value)
  assert text.startswith(f'shard-0 must hold what was planned, {what}')
  assert text.endswith(
    'The disk or its driver loses data; run the build again on another one.'
  )
  left = [path.name for path in build.shard_folder.iterdir()]
  assert all(name.startswith('plan.') for name in left)


def test_image_doubled_within_an_example_is_caught(build, monkeypatch):
  def double(right):
    image = build.images['1000']
    return [with_values(right[0], image=[image, image]), *right[1:]]

  altered(double, monkeypatch)
  with pytest.raises(errors.LostDataError, match='another example or image'):
    writing.run(build.write_tasks([5, 12])[0], lambda amount: None)


@pytest.mark.parametrize('file_format', FORMATS)
def test_a_bit_that_the_disk_loses_is_caught(file_format, build, monkeypatch):
  original = records.write

  def write_damaged(path, name, right):
    original(path, name, right)
    data = bytearray(pathlib.Path(path).read_bytes())
    data[data.index(b'1002') + 2] ^= 1
    pathlib.Path(path).write_bytes(data)

  monkeypatch.setattr(records, 'write', write_damaged)
  with pytest.raises(errors.LostDataError):
    writing.run(build.write_tasks([5, 12], file_format)[0], lambda amount: None)
  assert not (build.shard_folder / 'shard-0').exists()


def test_right_records_in_another_encoding_pass(build, monkeypatch):
  # Reading back compares values: the order of features is left open.
  altered(
    lambda right: [
      tf_example_pb2.Example.FromString(record).SerializeToString()
      for record in right
    ],
    monkeypatch,
  )
  task = build.write_tasks([12])[0]
  assert write(task).num_examples == 12


# Spool files


def test_spool_is_deleted_by_the_last_shard_that_needs_it(build):
  # Buckets are rows 0-5 and 6-11; the middle shard takes from both.
  first, middle, last = build.write_tasks([4, 8, 12])
  both = ['images.tar.gz.000.spool', 'images.tar.gz.001.spool']
  assert spools(build) == both
  write(first)
  assert spools(build) == both
  write(last)
  assert spools(build) == both
  write(middle)
  assert spools(build) == []


def test_spool_of_one_bucket_goes_before_the_other(build):
  first, last = build.write_tasks([6, 12])
  write(first)
  assert spools(build) == ['images.tar.gz.001.spool']
  write(last)
  assert spools(build) == []


def test_shard_that_was_finished_before_still_deletes_its_spool(build):
  # As if the run had been killed between writing and deleting.
  task = build.write_tasks([12])[0]
  without = dataclasses.replace(task, buckets=())
  write(without)
  assert len(spools(build)) == 2
  writing.run(task, lambda amount: None)
  assert spools(build) == []


def test_spool_of_a_damaged_neighbour_is_kept(build):
  first, last = build.write_tasks([4, 12])
  write(first)
  os.truncate(shard_path(first), 10)
  write(last)
  assert spools(build) == ['images.tar.gz.000.spool']


def test_failed_shard_deletes_no_spool(build, monkeypatch):
  altered(lambda right: right[1:], monkeypatch)
  with pytest.raises(errors.LostDataError):
    writing.run(build.write_tasks([12])[0], lambda amount: None)
  assert len(spools(build)) == 2


# Sources that changed


@pytest.mark.parametrize('kind', ['tar', 'folder'])
def test_image_that_changed_since_the_scan_leaves_no_shard(kind, make_build):
  build = make_build(kind)
  build.plan()
  source = pathlib.Path(build.sources[0].path)
  path = source / '1003.jpg' if kind == 'folder' else source
  data = bytearray(path.read_bytes())
  place = data.index(build.images['1003'])
  data[place + 300] ^= 1
  path.write_bytes(data)
  task = build.write_tasks([12])[0]
  with pytest.raises(errors.BadDataError, match="image '1003' must still be"):
    writing.run(task, lambda amount: None)
  assert not any(build.shard_folder.glob('*shard-0*'))


def test_result_file_is_plain_json(build):
  task = build.write_tasks([12])[0]
  result = write(task)
  path = build.shard_folder / 'shard-0.json'
  assert writing.result_path(task.folder, 'shard-0') == path
  assert files.read_json(path) == dataclasses.asdict(result)
