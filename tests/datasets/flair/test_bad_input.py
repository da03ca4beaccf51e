"""Every wrong input ends in an error that says what to do, and in no dataset.

After each the cause is removed and the build run again, which must succeed:
nothing that the failed build left behind may be in the way.
"""

import errno
import io
import json
import os
import pathlib
import struct
import tarfile

import pytest
import tensorflow_datasets as tfds
from raw_flair import make_jpeg

import flair_tfds  # noqa: F401
from flair_tfds.building import records
from flair_tfds.core import errors
from flair_tfds.datasets.flair.flair_dataset_builder import FlairConfig


def build(data_dir, manual_dir, config='small', **options):
  builder = tfds.builder('flair', config=config, data_dir=data_dir)
  builder.download_and_prepare(
    download_config=tfds.download.DownloadConfig(
      manual_dir=manual_dir, **options
    )
  )
  return builder


@pytest.fixture
def fails(raw, tmp_path):
  """Builds what was spoilt; returns the error's text and repairs."""

  def run(kind=errors.BadDataError, repair=None, **options):
    data_dir = tmp_path / 'data'
    with pytest.raises(kind) as caught:
      build(data_dir, raw.folder, **options)
    assert not list(data_dir.glob('flair/*/1.0.0'))
    if repair is not None:
      repair()
      builder = build(data_dir, raw.folder)
      assert builder.info.splits.total_num_examples == 18
    return str(caught.value)

  return run


ARCHIVE = 'small_images-00.tar.gz'


def test_a_manual_dir_that_does_not_exist_is_not_passed_over(tmp_path):
  with pytest.raises(FileNotFoundError, match='manual_dir must be a folder'):
    build(tmp_path / 'data', tmp_path / 'typo')


def test_missing_metadata_names_the_file_and_where_to_get_it(raw, fails):
  raw.write()
  path = raw.folder / 'labels_and_metadata.json'
  text = path.read_text()
  path.unlink()
  message = fails(repair=lambda: path.write_text(text))
  assert f'{path} must be there' in message
  assert 'https://docs-assets.developer.apple.com/' in message
  assert 'labels/labels_and_metadata.json' in message


def test_missing_archives_name_what_was_looked_for(raw, fails):
  raw.write()
  archives = {name: (raw.folder / name).read_bytes() for name in raw.archives}
  for name in archives:
    (raw.folder / name).unlink()

  def repair():
    for name, data in archives.items():
      (raw.folder / name).write_bytes(data)

  message = fails(repair=repair)
  assert 'there is neither a file small_images-*.tar.gz nor a folder' in message


@pytest.mark.parametrize(
  ('spoil', 'expected'),
  [
    (lambda text: '', "must begin with '['"),
    (lambda text: '{' + text, "must begin with '['"),
    (lambda text: '[]', 'must hold records, but its list is empty'),
    (lambda text: text[: len(text) // 2], 'it is truncated'),
    (lambda text: text.rstrip()[:-1], 'it is truncated'),
    (lambda text: text + 'x', 'more text follows the list'),
    (lambda text: text + ']', 'more text follows the list'),
    (lambda text: text.replace('},', '}', 1), "must be followed by ',' or ']'"),
    (lambda text: text.replace('"labels":', '"labels"', 1), 'cannot be parsed'),
    (lambda text: '[' * 100000, 'is nested too deeply'),
    (lambda text: '[1]', 'record 1 must be an object, found int'),
  ],
)
def test_malformed_metadata_says_where(raw, fails, spoil, expected):
  raw.write()
  text = json.dumps(raw.records, indent=1)
  raw.write_metadata(spoil(text))
  message = fails(repair=lambda: raw.write_metadata(text))
  assert expected in message
  assert 'labels_and_metadata.json' in message
  assert 'Get the file again' in message


def test_metadata_that_is_no_text_is_an_error(raw, fails):
  raw.write()
  text = json.dumps(raw.records).encode()
  path = raw.folder / 'labels_and_metadata.json'
  path.write_bytes(text[:200] + b'\xff\xfe' + text[200:])
  message = fails(repair=lambda: path.write_bytes(text))
  assert 'must be UTF-8 text' in message


def _set(field, value):
  def spoil(record):
    record[field] = value

  return spoil


def _remove(field):
  def spoil(record):
    del record[field]

  return spoil


@pytest.mark.parametrize(
  ('spoil', 'expected'),
  [
    (_remove('partition'), "lacks 'partition'"),
    (_remove('user_id'), "lacks 'user_id'"),
    (_set('partition', 'dev'), "partition must be one of 'test', 'train'"),
    (_set('labels', ['animals']), "must be among 'animal'"),
    (_set('labels', 'animal'), 'labels must be a list of names'),
    (_set('labels', ['art', 'art']), 'labels must name a label once'),
    (_set('fine_grained_labels', [3]), 'must be a list of names'),
    (_set('user_id', 7), 'user_id must be a string of 1 to 200 bytes'),
    (_set('user_id', ''), 'user_id must be a string of 1 to 200 bytes'),
    (_set('image_id', None), 'image_id must be a string of 1 to 200 bytes'),
    (_set('image_id', '../../etc/passwd'), "a file's name without '/'"),
    (_set('image_id', 'x' * 300), 'image_id must be a string of 1 to 200'),
    (_set('user_id', '\ud800'), 'user_id must be valid Unicode'),
  ],
)
def test_a_wrong_record_is_named(raw, fails, spoil, expected):
  raw.write()
  good = json.dumps(raw.records)
  spoil(raw.records[7])
  raw.write_metadata(json.dumps(raw.records))
  message = fails(repair=lambda: raw.write_metadata(good))
  assert expected in message
  assert 'labels_and_metadata.json: record 8' in message


def test_a_user_in_two_partitions_is_an_error(raw, fails):
  raw.records[1]['partition'] = 'test'
  raw.write()
  message = fails()
  assert "a user must be in one partition, but '90@N01'" in message
  assert "'train' and in 'test'" in message


def test_a_repeated_image_id_is_an_error(raw, fails):
  raw.records.append(dict(raw.records[2]))
  raw.write()
  message = fails()
  assert 'every image_id must occur once, but 1 occur more often' in message
  assert "'300000000000'" in message


def _archive(raw):
  return raw.folder / ARCHIVE


def test_a_truncated_archive_is_an_error(raw, fails):
  data = (raw.write() / ARCHIVE).read_bytes()
  _archive(raw).write_bytes(data[: len(data) // 2])
  message = fails(repair=lambda: _archive(raw).write_bytes(data))
  assert f'{_archive(raw)}: ' in message
  assert 'it is truncated. Get the archive again' in message


def test_a_corrupt_archive_is_an_error(raw, fails):
  data = (raw.write() / ARCHIVE).read_bytes()
  middle = len(data) // 2
  spoilt = data[:middle] + bytes(64) + data[middle + 64 :]
  _archive(raw).write_bytes(spoilt)
  message = fails(repair=lambda: _archive(raw).write_bytes(data))
  assert f'{_archive(raw)}: ' in message
  assert 'corrupt' in message


def test_all_corrupt_archives_are_named_at_once(raw, fails):
  raw.write()
  for name in raw.archives:
    (raw.folder / name).write_bytes(b'\x1f\x8b no gzip')
  message = fails()
  assert all(str(raw.folder / name) in message for name in raw.archives)


def test_a_text_file_for_an_archive_is_an_error(raw, fails):
  data = (raw.write() / ARCHIVE).read_bytes()
  _archive(raw).write_bytes(b'<html>404</html>' * 100)
  message = fails(repair=lambda: _archive(raw).write_bytes(data))
  assert 'the archive is corrupt' in message


def test_missing_images_are_counted_and_named(raw, fails):
  kept = list(raw.archives[ARCHIVE])
  del raw.archives[ARCHIVE][:3]
  raw.write()
  message = fails(repair=lambda: raw.write_archive(ARCHIVE, kept))
  assert '3 of 18 are in none' in message
  assert "'41'" in message
  assert "on_missing_image='skip'" in message


def test_an_image_in_two_archives_names_both(raw, fails):
  second = 'small_images-01.tar.gz'
  kept = list(raw.archives[second])
  raw.archives[second].append(raw.archives[ARCHIVE][0])
  raw.write()
  message = fails(repair=lambda: raw.write_archive(second, kept))
  assert "1 are there more often: '41'" in message
  assert ARCHIVE in message
  assert second in message


def test_an_image_twice_in_one_archive_is_an_error(raw, fails):
  raw.archives[ARCHIVE].append(raw.archives[ARCHIVE][0])
  raw.write()
  assert "1 are there more often: '41'" in fails()


def test_two_archives_of_one_name_are_an_error(raw, fails):
  raw.write()
  other = raw.folder / 'images' / 'small'
  other.mkdir(parents=True)
  (other / ARCHIVE).write_bytes(_archive(raw).read_bytes())
  message = fails(repair=(other / ARCHIVE).unlink)
  assert 'every source must have a name of its own' in message


BAD_IMAGES = [
  (lambda: b'', 'is not a JPEG: it starts with nothing'),
  (lambda: b'\x89PNG\r\n\x1a\n' + bytes(50), 'it starts with 89504e47'),
  (lambda: make_jpeg(1)[:-100], 'is a truncated JPEG'),
  (lambda: make_jpeg(1, mode='L'), 'has 1 colour component, not 3'),
  (lambda: make_jpeg(1, size=(128, 256)), 'is 128x256 pixels, not 256x256'),
]


@pytest.mark.parametrize(('make', 'expected'), BAD_IMAGES)
def test_a_bad_image_is_named_with_the_reason(raw, fails, make, expected):
  kept = list(raw.archives[ARCHIVE])
  raw.archives[ARCHIVE][1] = (raw.archives[ARCHIVE][1][0], make())
  raw.write()
  message = fails(repair=lambda: raw.write_archive(ARCHIVE, kept))
  assert '1 are not: 300000000000 in small_images-00.tar.gz ' in message
  assert expected in message
  assert "on_bad_image='skip'" in message


def test_a_decompression_bomb_among_raw_images_is_an_error(raw, fails):
  bomb = bytearray(make_jpeg(1))
  frame = bomb.index(b'\xff\xc0')
  bomb[frame + 5 : frame + 9] = struct.pack('>HH', 65500, 65500)
  raw.archives = {
    'images-00.tar.gz': [
      (f'raw_images/{name}.jpg', bytes(bomb) if name == '5' else data)
      for name, data in raw.images.items()
    ]
  }
  raw.write()
  message = fails(config='raw')
  assert '5 in images-00.tar.gz claims 65500x65500 pixels' in message


def test_bad_and_missing_images_are_skipped_on_request_and_recorded(
  raw, tmp_path
):
  raw.archives[ARCHIVE][1] = (raw.archives[ARCHIVE][1][0], b'no JPEG')
  del raw.archives[ARCHIVE][0]
  config = FlairConfig(
    name='lenient', on_bad_image='skip', on_missing_image='skip'
  )
  builder = build(tmp_path / 'data', raw.write(), config=config)
  assert builder.info.splits['train'].num_examples == 10
  manifest = json.loads(
    (pathlib.Path(builder.data_dir) / 'manifest.json').read_text()
  )
  assert manifest['left_out'] == {
    'bad_images': [
      {
        'key': '300000000000',
        'source': ARCHIVE,
        'reason': 'is not a JPEG: it starts with 6e6f204a504547',
      }
    ],
    'missing_images': ['41'],
  }


def test_a_split_without_any_image_is_left_out_on_request(raw, tmp_path):
  keep = [r['image_id'] for r in raw.records if r['partition'] != 'val']
  raw.archives = {ARCHIVE: [(f'{name}.jpg', raw.images[name]) for name in keep]}
  config = FlairConfig(name='lenient', on_missing_image='skip')
  builder = build(tmp_path / 'data', raw.write(), config=config)
  assert sorted(builder.info.splits) == ['test', 'train']


def test_archives_of_another_dataset_are_an_error(raw, fails):
  raw.archives = {ARCHIVE: [('other.jpg', make_jpeg(1))]}
  raw.write()
  config = FlairConfig(name='lenient', on_missing_image='skip')
  message = fails(config=config)
  assert 'not one image that the metadata names is in the sources' in message


def _special(kind, name='small_images/41.jpg', link=''):
  member = tarfile.TarInfo(name)
  member.type = kind
  member.linkname = link
  return member


@pytest.mark.parametrize(
  ('member', 'expected'),
  [
    ('../41.jpg', "a member is called '../41.jpg'"),
    ('small_images/../../41.jpg', 'must stay inside the archive'),
    ('/etc/41.jpg', "a member is called '/etc/41.jpg'"),
    (_special(tarfile.SYMTYPE, link='/etc/passwd'), 'is a symbolic link'),
    (_special(tarfile.LNKTYPE, link='x'), 'is a hard link'),
    (_special(tarfile.CHRTYPE), 'is a character device'),
    (_special(tarfile.BLKTYPE), 'is a block device'),
    (_special(tarfile.FIFOTYPE), 'is a named pipe'),
  ],
)
def test_an_unsafe_member_is_an_error(raw, fails, member, expected, tmp_path):
  kept = list(raw.archives[ARCHIVE])
  raw.archives[ARCHIVE].append((member, b''))
  raw.write()
  message = fails(repair=lambda: raw.write_archive(ARCHIVE, kept))
  assert expected in message
  assert str(_archive(raw)) in message
  assert not (tmp_path / '41.jpg').exists()


def test_a_member_of_5_gb_is_an_error_before_it_is_read(raw, fails):
  raw.write()
  header = tarfile.TarInfo('small_images/41.jpg')
  header.size = 5 << 30
  (raw.folder / 'small_images-02.tar').write_bytes(
    header.tobuf(tarfile.GNU_FORMAT) + bytes(2048)
  )
  message = fails(repair=(raw.folder / 'small_images-02.tar').unlink)
  assert "'small_images/41.jpg' claims 5368709120" in message


def test_a_huge_file_in_an_image_folder_is_an_error(raw, fails):
  folder = raw.write() / 'small_images'
  folder.mkdir()
  for name in raw.archives:
    with tarfile.open(raw.folder / name) as archive:
      archive.extractall(raw.folder, filter='data')
    (raw.folder / name).unlink()
  huge = folder / 'huge.jpg'
  with huge.open('wb') as file:
    file.truncate(5 << 30)  # sparse
  message = fails(repair=huge.unlink)
  assert f'{huge}: images must be at most 4194304 bytes' in message


@pytest.mark.parametrize(
  ('line', 'expected'),
  [
    ('oak = plant\n', "'fine -> coarse'"),
    ('oak -> trees\n', 'a coarse label must be one of'),
  ],
)
def test_a_wrong_relationship_line_is_named(raw, fails, line, expected):
  path = raw.write() / 'label_relationship.txt'
  good = path.read_text()
  path.write_text(good + line)
  message = fails(repair=lambda: path.write_text(good))
  assert expected in message
  assert 'label_relationship.txt, line 6' in message


def test_a_full_disk_names_the_shard_and_the_way_on(raw, tmp_path, monkeypatch):
  raw.write()
  written = []
  write = records.write

  def fill_up(path, file_format, examples):
    if len(written) == 2:
      raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    written.append(path)
    write(path, file_format, examples)

  monkeypatch.setattr(records, 'write', fill_up)
  with pytest.raises(OSError, match='No space left on device') as caught:
    build(tmp_path / 'data', raw.folder, num_shards=2)
  assert 'flair-val.tfrecord-00000-of-00002' in str(caught.value)
  assert 'run the build again' in caught.value.__notes__[0]
  monkeypatch.undo()
  builder = build(tmp_path / 'data', raw.folder, num_shards=2)
  assert builder.info.splits.total_num_examples == 18


def test_too_little_space_is_said_before_writing(raw, tmp_path, monkeypatch):
  import shutil

  usage = shutil.disk_usage(tmp_path)
  monkeypatch.setattr(shutil, 'disk_usage', lambda path: usage._replace(free=9))
  with pytest.raises(OSError, match=r'but only 0\.0 GB are free') as caught:
    build(tmp_path / 'data', raw.write())
  assert caught.value.errno == errno.ENOSPC


def test_a_folder_that_may_not_be_written_is_an_error(raw, tmp_path):
  if os.geteuid() == 0:
    pytest.skip('the superuser may write everywhere')
  data_dir = tmp_path / 'data'
  data_dir.mkdir(mode=0o500)
  with pytest.raises(PermissionError):
    build(data_dir, raw.write())


def test_two_builds_at_once_are_kept_apart(raw, tmp_path, run_python):
  from flair_tfds.datasets import lock

  raw.write()
  work = tmp_path / 'data' / 'flair' / 'small' / 'incomplete.build_1.0.0'
  program = f"""
import flair_tfds
import tensorflow_datasets as tfds
tfds.builder('flair', data_dir={str(tmp_path / 'data')!r}).download_and_prepare(
  download_config=tfds.download.DownloadConfig(
    manual_dir={str(raw.folder)!r}))
"""
  with lock.hold(work / 'lock', 'it'):
    done = run_python(program, check=False)
  assert done.returncode != 0
  assert 'BuildInProgressError' in done.stderr
  assert f'process {os.getpid()} on ' in done.stderr
  run_python(program)
  assert (work.parent / '1.0.0' / 'manifest.json').exists()


def test_an_object_store_is_refused_with_the_reason(raw):
  builder = tfds.builder('flair', data_dir='/tmp')
  builder._data_dir = 'gs://bucket/flair/small/1.0.0'
  with pytest.raises(ValueError, match='must be a folder of a mounted file'):
    builder.download_and_prepare()


@pytest.mark.parametrize('value', ['0', '-1', 'two'])
def test_a_wrong_number_of_workers_is_an_error(
  raw, tmp_path, monkeypatch, value
):
  monkeypatch.setenv('FLAIR_TFDS_NUM_WORKERS', value)
  with pytest.raises(ValueError, match='FLAIR_TFDS_NUM_WORKERS must be'):
    build(tmp_path / 'data', raw.write())


def test_an_unknown_format_is_an_error(raw, tmp_path):
  builder = tfds.builder('flair', data_dir=tmp_path, file_format='riegeli')
  with pytest.raises(ValueError, match='file_format must be one of'):
    builder.download_and_prepare(
      download_config=tfds.download.DownloadConfig(manual_dir=raw.write())
    )


@pytest.mark.parametrize(
  ('options', 'expected'),
  [
    ({'images': 'tiny'}, "images must be one of 'miniature'"),
    ({'on_bad_image': 'skp'}, "on_bad_image must be 'error' or 'skip'"),
    ({'on_missing_image': ''}, "on_missing_image must be 'error' or 'skip'"),
  ],
)
def test_wrong_configurations_are_refused(raw, tmp_path, options, expected):
  with pytest.raises(ValueError, match=expected):
    build(tmp_path, raw.write(), config=FlairConfig(name='x', **options))


def test_a_gzip_bomb_is_read_in_bounded_memory_and_refused(raw, fails):
  import gzip

  raw.write()
  # an archive with nothing in it but 300 MB of padding
  end = io.BytesIO()
  with gzip.GzipFile(fileobj=end, mode='wb', compresslevel=1, mtime=0) as file:
    for _ in range(300):
      file.write(bytes(1 << 20))
  bomb = raw.folder / 'small_images-09.tar.gz'
  bomb.write_bytes(end.getvalue())
  message = fails(repair=bomb.unlink)
  assert 'only a little zero padding may follow' in message
