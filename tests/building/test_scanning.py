import contextlib
import gzip
import hashlib
import io
import os
import pathlib
import pickle
import tarfile

import numpy as np
import pytest

from flair_tfds.building import records, scanning
from flair_tfds.core import errors

KINDS = ['tar', 'tar.gz', 'folder']


@pytest.fixture(params=KINDS)
def kind(request):
  return request.param


def reader_of(build) -> scanning.ImageReader:
  return scanning.ImageReader(
    build.sources,
    [source.is_spooled for source in build.sources],
    str(build.scan_folder),
    build.bucket_ends,
    '.jpg',
  )


def locations(build, results):
  """Yields key, row, source, offset, size and checksum of every image."""
  for number, result in enumerate(results):
    for row, offset, size, checksum in zip(
      *(
        getattr(result, name).tolist()
        for name in ('rows', 'offsets', 'sizes', 'checksums')
      ),
      strict=True,
    ):
      yield build.keys[row], row, number, offset, size, checksum


def scan_one(build, source=None, **changes) -> scanning.ScanResult:
  task = build.scan_task(source, **changes)
  scanning.run(task, lambda amount: None)
  result = scanning.load_result(task.output_folder, task.source)
  assert result is not None
  return result


def names_in(folder: pathlib.Path) -> list[str]:
  return sorted(path.name for path in folder.iterdir())


def test_locations_give_the_very_bytes(kind, make_build):
  build = make_build(kind, num_images=20, num_buckets=3)
  read = {}
  with contextlib.closing(reader_of(build)) as reader:
    for location in locations(build, build.scan()):
      read[location[0]] = reader.read(*location)
  assert read == build.images


def test_row_size_and_checksum_are_those_of_the_image(kind, make_build):
  build = make_build(kind)
  results = build.scan()
  found = sorted(
    (row, size, checksum)
    for _, row, _, _, size, checksum in locations(build, results)
  )
  assert found == [
    (row, len(build.images[key]), records.crc(build.images[key]))
    for row, key in enumerate(build.keys)
  ]


def test_offsets_in_a_plain_tar_are_those_in_the_file(make_build):
  build = make_build('tar')
  archive = pathlib.Path(build.sources[0].path).read_bytes()
  for key, _, _, offset, size, _ in locations(build, build.scan()):
    assert archive[offset : offset + size] == build.images[key]


def test_hash_of_an_archive_is_that_of_the_file(make_build):
  for kind in ('tar', 'tar.gz'):
    build = make_build(kind)
    data = pathlib.Path(build.sources[0].path).read_bytes()
    result = scan_one(build)
    assert result.sha256 == hashlib.sha256(data).hexdigest()
    assert result.num_bytes == len(data)


def test_parts_of_a_folder_hold_every_file_once(make_build):
  build = make_build('folder', num_images=30)
  results = build.scan()
  assert len(results) == scanning.FOLDER_PARTS
  rows = np.concatenate([result.rows for result in results])
  assert sorted(rows.tolist()) == list(range(30))


def test_hash_of_a_part_of_a_folder_is_that_of_its_sorted_lines(make_build):
  build = make_build('folder', num_images=30)
  for source, result in zip(build.sources, build.scan(), strict=True):
    lines = ''.join(
      f'{hashlib.sha256(build.images[key]).hexdigest()} {key}.jpg\n'
      for key in sorted(build.keys[row] for row in result.rows.tolist())
    )
    assert result.sha256 == hashlib.sha256(lines.encode()).hexdigest()
    assert source.label == f'images.part{source.part}'


def test_progress_adds_up_to_the_bytes_read(kind, make_build):
  build = make_build(kind, num_images=20)
  for source in build.sources:
    task = build.scan_task(source)
    reported = []
    scanning.run(task, reported.append)
    assert sum(reported) == task.amount
    result = scanning.load_result(task.output_folder, source)
    assert result.num_bytes == task.amount


def test_task_survives_pickling(make_build):
  task = make_build().scan_task()
  assert pickle.loads(pickle.dumps(task)) == task


def test_task_is_named_after_its_source(make_build):
  assert make_build('tar').scan_task().name == 'scan images.tar'


# What is no image of the table


def test_other_files_are_counted_and_named(kind, make_build, make_jpeg):
  build = make_build(
    kind,
    extra=[
      ('images/readme.txt', b'hello'),
      ('images/9999.jpg', make_jpeg(9)),
      ('images/1000.JPG', b'another suffix'),
      ('images/1000.jpg.txt', b'a suffix behind'),
    ],
  )
  results = build.scan()
  assert sum(result.num_other for result in results) == 4
  others = [name for result in results for name in result.others]
  assert {pathlib.Path(name).name for name in others} == {
    'readme.txt',
    '9999.jpg',
    '1000.JPG',
    '1000.jpg.txt',
  }
  assert sum(len(result.rows) for result in results) == 12


def test_first_ten_other_files_are_named(make_build):
  extra = [(f'{number}.txt', b'') for number in range(25)]
  result = scan_one(make_build('tar', extra=extra))
  assert result.num_other == 25
  assert result.others == [f'{number}.txt' for number in range(10)]


def test_names_that_are_not_unicode_are_counted_too(kind, make_build):
  build = make_build(kind, extra=[('caf\udce9.txt', b''), ('\udcff.jpg', b'')])
  results = build.scan()
  assert sum(result.num_other for result in results) == 2
  others = [name for result in results for name in result.others]
  assert sorted(others) == ['caf\udce9.txt', '\udcff.jpg']


def test_image_is_found_by_its_name_in_any_folder(
  make_build, make_tar, make_jpeg
):
  build = make_build('tar')
  pathlib.Path(build.sources[0].path).write_bytes(
    make_tar([('./a/b/1003.jpg', make_jpeg(3)), ('1004.jpg', make_jpeg(4))])
  )
  assert scan_one(build).rows.tolist() == [3, 4]


def test_folders_and_pipes_in_a_folder_are_passed_over(make_build):
  build = make_build('folder')
  folder = pathlib.Path(build.sources[0].path)
  (folder / '5000.jpg').mkdir()
  os.mkfifo(folder / '5001.jpg')
  results = build.scan()
  assert sum(len(result.rows) for result in results) == 12
  assert sum(result.num_other for result in results) == 0


def test_image_that_is_there_twice_is_reported_twice(make_build, make_jpeg):
  build = make_build('tar', extra=[('again/1002.jpg', make_jpeg(2))])
  assert sorted(scan_one(build).rows.tolist()) == [0, 1, 2, 2, *range(3, 12)]


# Bad images


def test_bad_images_are_left_out_with_their_reason(kind, make_build, make_jpeg):
  build = make_build(
    kind,
    num_images=14,
    extra=[
      ('images/1000.jpg', b'no JPEG'),
      ('images/1001.jpg', make_jpeg(1, size=(8, 8))),
      ('images/1002.jpg', make_jpeg(2, mode='L')),
      ('images/1003.jpg', make_jpeg(3)[:-5]),
    ],
  )
  if kind != 'folder':  # there the bad ones have replaced the good ones
    remove_members(build.sources[0].path, number=4)
  results = build.scan()
  reasons = dict(bad for result in results for bad in result.bad)
  assert sorted(reasons) == ['1000', '1001', '1002', '1003']
  assert reasons['1000'].startswith('is not a JPEG')
  assert reasons['1001'] == 'is 8x8 pixels, not 32x32'
  assert reasons['1002'] == 'has 1 colour component, not 3'
  assert reasons['1003'].startswith('is a truncated JPEG')
  found = sorted(row for result in results for row in result.rows.tolist())
  assert found == list(range(4, 14))


def remove_members(path: str, number: int) -> None:
  """Removes the first of several members of the same name from an archive."""
  with tarfile.open(path) as archive:
    members = {
      member.name: (member, archive.extractfile(member).read())
      for member in archive
    }
  mode = 'w:gz' if path.endswith('gz') else 'w'
  with tarfile.open(path, mode) as archive:
    for member, data in members.values():
      member.size = len(data)
      archive.addfile(member, io.BytesIO(data))


# Spool files


def test_only_gzipped_archives_are_spooled(kind, make_build):
  build = make_build(kind)
  build.scan()
  spools = list(build.scan_folder.glob('*.spool'))
  assert bool(spools) == (kind == 'tar.gz')
  assert all(
    source.is_spooled == (kind == 'tar.gz') for source in build.sources
  )


def test_gzip_is_told_by_its_content_not_its_name(make_build, make_tar):
  build = make_build('tar')
  path = pathlib.Path(build.sources[0].path)
  assert not build.sources[0].is_spooled
  path.write_bytes(gzip.compress(path.read_bytes()))
  assert build.sources[0].is_spooled


def test_each_bucket_spools_the_images_of_its_rows(make_build):
  build = make_build('tar.gz', num_images=12, num_buckets=3)
  result = scan_one(build)
  for bucket, rows in enumerate([range(4), range(4, 8), range(8, 12)]):
    path = scanning.spool_path(str(build.scan_folder), build.sources[0], bucket)
    # In the order of the archive, which is that of the result.
    expected = b''.join(
      build.images[build.keys[row]]
      for row in result.rows.tolist()
      if row in rows
    )
    assert path.read_bytes() == expected
    assert result.bucket_bytes[bucket] == len(expected)


def test_only_wanted_buckets_are_spooled_and_the_rest_is_the_same(make_build):
  build = make_build('tar.gz', num_images=12, num_buckets=3)
  whole = scan_one(build)
  for path in build.scan_folder.iterdir():
    path.unlink()
  again = scan_one(build, wanted_buckets=(1,))
  assert [path.name for path in build.scan_folder.glob('*.spool')] == [
    'images.tar.gz.001.spool'
  ]
  assert again.offsets.tolist() == whole.offsets.tolist()
  assert again.bucket_bytes == whole.bucket_bytes


def test_missing_buckets_are_those_without_a_whole_spool(make_build):
  build = make_build('tar.gz', num_images=12, num_buckets=4)
  result = scan_one(build)
  folder, source = str(build.scan_folder), build.sources[0]

  def missing(wanted):
    return scanning.missing_buckets(folder, source, result, wanted)

  assert missing(range(4)) == []
  scanning.spool_path(folder, source, 1).unlink()
  os.truncate(scanning.spool_path(folder, source, 3), 10)
  assert missing(range(4)) == [1, 3]
  assert missing([0, 1]) == [1]


def test_bucket_without_images_is_never_missing(make_build, make_tar):
  build = make_build('tar.gz', num_images=12, num_buckets=4)
  pathlib.Path(build.sources[0].path).write_bytes(
    gzip.compress(make_tar([('1000.jpg', build.images['1000'])]))
  )
  result = scan_one(build)
  folder = str(build.scan_folder)
  scanning.spool_path(folder, build.sources[0], 2).unlink()
  assert (
    scanning.missing_buckets(folder, build.sources[0], result, range(4)) == []
  )


def test_plain_archives_never_miss_a_bucket(make_build):
  build = make_build('tar')
  result = scan_one(build)
  folder = str(build.scan_folder)
  assert (
    scanning.missing_buckets(folder, build.sources[0], result, range(2)) == []
  )


# Sources that change


def test_source_that_changes_while_it_is_read_is_an_error(kind, make_build):
  build = make_build(kind)
  source = build.sources[0]
  path = pathlib.Path(source.path)

  def change(amount: int) -> None:
    if kind == 'folder':
      for image in path.iterdir():
        image.write_bytes(image.read_bytes() + b'longer')
    else:
      path.write_bytes(path.read_bytes() + bytes(512))

  with pytest.raises(errors.BadDataError) as caught:
    scanning.run(build.scan_task(source), change)
  assert str(caught.value) == (
    f'{path} must not change while it is read, but it did. Wait until it is '
    'complete and run the build again.'
  )
  assert names_in(build.scan_folder) == []


def test_result_of_a_source_that_was_replaced_is_not_used(kind, make_build):
  build = make_build(kind)
  build.scan()
  path = pathlib.Path(build.sources[0].path)
  images = sorted(path.iterdir()) if kind == 'folder' else [path]
  for image in images:
    image.write_bytes(image.read_bytes() + bytes(512))
  for source in build.sources:
    result = scanning.load_result(str(build.scan_folder), source)
    assert result is None or not len(result.rows)


def test_result_of_a_source_with_another_time_is_not_used(make_build):
  build = make_build('tar')
  scan_one(build)
  os.utime(build.sources[0].path, ns=(0, 0))
  assert scanning.load_result(str(build.scan_folder), build.sources[0]) is None


def test_result_that_was_never_made_is_none(make_build):
  build = make_build('tar')
  assert scanning.load_result(str(build.scan_folder), build.sources[0]) is None


@pytest.mark.parametrize('change', ['added', 'renamed', 'removed'])
def test_stamp_of_a_folder_changes_with_its_files(change, make_build):
  build = make_build('folder')
  folder = pathlib.Path(build.sources[0].path)
  before = [scanning.stamp(source) for source in build.sources]
  if change == 'added':
    (folder / 'new.jpg').write_bytes(b'')
  elif change == 'renamed':
    (folder / '1000.jpg').rename(folder / 'other.jpg')
  else:
    (folder / '1000.jpg').unlink()
  assert [scanning.stamp(source) for source in build.sources] != before


def test_image_that_changed_after_the_scan_is_an_error(kind, make_build):
  build = make_build(kind)
  location = next(locations(build, build.scan()))
  key, row, number, offset, *_ = location
  source = build.sources[number]
  path = pathlib.Path(source.path)
  if kind == 'folder':
    path, offset = path / f'{key}.jpg', 0
  elif kind == 'tar.gz':
    bucket = 0 if row < build.bucket_ends[0] else 1
    path = scanning.spool_path(str(build.scan_folder), source, bucket)
  data = bytearray(path.read_bytes())
  data[offset + 200] ^= 1
  path.write_bytes(data)
  with (
    contextlib.closing(reader_of(build)) as reader,
    pytest.raises(errors.BadDataError) as caught,
  ):
    reader.read(*location)
  assert str(caught.value) == (
    f'{path}: image {key!r} must still be what it was when it was first read, '
    'but its bytes changed. Leave the sources alone during a build; run it '
    'again.'
  )


def test_damaged_spool_is_deleted_so_that_it_is_made_again(make_build):
  build = make_build('tar.gz', num_buckets=1)
  result = scan_one(build)
  folder, source = str(build.scan_folder), build.sources[0]
  path = scanning.spool_path(folder, source, 0)
  path.write_bytes(bytes(path.stat().st_size))
  with (
    contextlib.closing(reader_of(build)) as reader,
    pytest.raises(errors.BadDataError),
  ):
    reader.read(*next(locations(build, [result])))
  assert scanning.missing_buckets(folder, source, result, [0]) == [0]


def test_damaged_source_is_never_deleted(make_build):
  for kind in ('tar', 'folder'):
    build = make_build(kind)
    location = next(locations(build, build.scan()))
    source = pathlib.Path(build.sources[location[2]].path)
    path = source / f'{location[0]}.jpg' if kind == 'folder' else source
    path.write_bytes(bytes(path.stat().st_size))
    with (
      contextlib.closing(reader_of(build)) as reader,
      pytest.raises(errors.BadDataError),
    ):
      reader.read(*location)
    assert path.exists()


# Corrupt sources


@pytest.mark.parametrize('archive_kind', ['tar', 'tar.gz'])
def test_truncated_archive_leaves_nothing_behind(archive_kind, make_build):
  build = make_build(archive_kind)
  path = pathlib.Path(build.sources[0].path)
  path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
  with pytest.raises(errors.BadDataError, match='truncated'):
    scanning.run(build.scan_task(), lambda amount: None)
  assert names_in(build.scan_folder) == []


def test_huge_file_in_a_folder_is_named(make_build):
  build = make_build('folder')
  path = pathlib.Path(build.sources[0].path) / 'video.mp4'
  path.write_bytes(b'')
  os.truncate(path, (1 << 20) + 1)
  with pytest.raises(errors.BadDataError) as caught:
    build.scan()
  assert str(caught.value) == (
    f'{path}: images must be at most 1048576 bytes, but this one has 1048577. '
    'Remove it.'
  )


def test_reader_closes_its_files(make_build):
  build = make_build('tar')
  location = next(locations(build, build.scan()))
  before = len(os.listdir('/proc/self/fd'))
  reader = reader_of(build)
  reader.read(*location)
  assert len(os.listdir('/proc/self/fd')) == before + 1
  reader.close()
  assert len(os.listdir('/proc/self/fd')) == before


def test_locations_of_some_rows_keep_their_order():
  location = scanning.Location(
    *(np.array([1, 2, 3]) * factor for factor in (1, 10, 100, 1000))
  ).take(np.array([2, 0]))
  assert location.sources.tolist() == [3, 1]
  assert location.offsets.tolist() == [30, 10]
  assert location.sizes.tolist() == [300, 100]
  assert location.checksums.tolist() == [3000, 1000]
