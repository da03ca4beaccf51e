"""A build that is killed at any moment ends, rerun, in the very same bytes."""

import contextlib
import hashlib
import io
import json
import os
import pathlib
import signal
import subprocess
import sys
import tarfile
import time

import numpy as np
import pytest
import tensorflow_datasets as tfds
from raw_flair import make_jpeg

import flair_tfds  # noqa: F401

_ROOT = pathlib.Path(__file__).parents[3]

# Kills itself just before the n-th change of a name in the file system: each
# state that another process could find is one of these.
_PROGRAM = """
import os, pathlib, shutil, signal, sys
left = int(sys.argv[3])

def deadly(function):
  def call(*args, **kwargs):
    global left
    left -= 1
    if left == 0:
      os.kill(os.getpid(), signal.SIGKILL)
    return function(*args, **kwargs)
  return call

for name in ('replace', 'link', 'rename', 'unlink', 'rmdir'):
  setattr(os, name, deadly(getattr(os, name)))

import flair_tfds
import tensorflow_datasets as tfds
tfds.builder('flair', data_dir=sys.argv[2]).download_and_prepare(
  download_config=tfds.download.DownloadConfig(
    manual_dir=sys.argv[1], num_shards=2))
print('calls left:', left)
"""


def start(manual_dir, data_dir, calls=1 << 30, workers=1):
  return subprocess.Popen(
    [sys.executable, '-c', _PROGRAM, manual_dir, data_dir, str(calls)],
    env={
      **os.environ,
      'PYTHONPATH': str(_ROOT),
      'FLAIR_TFDS_NUM_WORKERS': str(workers),
    },
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
  )


def build(manual_dir, data_dir, num_shards=2):
  builder = tfds.builder('flair', data_dir=data_dir)
  builder.download_and_prepare(
    download_config=tfds.download.DownloadConfig(
      manual_dir=manual_dir, num_shards=num_shards
    )
  )
  return pathlib.Path(builder.data_dir)


def hashes(folder):
  return {
    path.name: hashlib.sha256(path.read_bytes()).hexdigest()
    for path in sorted(folder.iterdir())
  }


def finished_shards(data_dir):
  """Inodes and times of the shards that an unfinished build has completed."""
  found = {}
  for result in data_dir.glob('flair/small/incomplete.build_*/shards-*/*.json'):
    shard = result.parent / result.name.removesuffix('.json')
    if shard.exists():  # not while the work folder is being deleted
      status = shard.stat()
      found[shard.name] = (status.st_ino, status.st_mtime_ns)
  return found


def check_untouched(finished, folder):
  for name, (inode, time_ns) in finished.items():
    status = (folder / name).stat()
    assert (status.st_ino, status.st_mtime_ns) == (inode, time_ns), name


@pytest.mark.slow
def test_killed_before_any_change_of_the_disk_it_goes_on(raw, tmp_path):
  raw.write()
  expected = hashes(build(raw.folder, tmp_path / 'alone'))
  seen_finished = 0
  for calls in range(1, 1000):
    data_dir = tmp_path / f'killed{calls}'
    process = start(raw.folder, data_dir, calls)
    _, stderr = process.communicate()
    if process.returncode == 0:
      break
    assert process.returncode == -signal.SIGKILL, stderr.decode()
    complete = data_dir / 'flair' / 'small' / '1.0.0'
    if complete.exists():
      assert hashes(complete) == expected
    finished = finished_shards(data_dir)
    seen_finished += len(finished)
    folder = build(raw.folder, data_dir)
    assert hashes(folder) == expected
    check_untouched(finished, folder)
    assert [path.name for path in folder.parent.iterdir()] == ['1.0.0']
  assert calls > 30
  assert seen_finished > 30


def make_large(folder, num_images=4000):
  """Writes a FLAIR of some thousand images in four archives."""
  folder.mkdir()
  base = [make_jpeg(seed) for seed in range(16)]
  records = []
  names = [folder / f'small_images-{i:02d}.tar.gz' for i in range(4)]
  with contextlib.ExitStack() as stack:
    archives = [
      stack.enter_context(tarfile.open(name, 'w:gz', compresslevel=1))
      for name in names
    ]
    for number in range(num_images):
      data = base[number % 16]
      data = data[:20] + b'\xff\xfe\x00\x0a%08d' % number + data[20:]
      member = tarfile.TarInfo(f'small_images/{number}.jpg')
      member.size = len(data)
      archives[number % 4].addfile(member, io.BytesIO(data))
      user = number % 400
      records.append(
        {
          'user_id': f'{user:08d}@N00',
          'image_id': str(number),
          'labels': ['animal'],
          'partition': ['train', 'train', 'val', 'test'][user % 4],
          'fine_grained_labels': ['dog'],
        }
      )
  (folder / 'labels_and_metadata.json').write_text(json.dumps(records))
  (folder / 'label_relationship.txt').write_text('dog -> animal\n')


@pytest.mark.slow
def test_killed_at_random_moments_it_goes_on(tmp_path):
  make_large(tmp_path / 'raw')
  began = time.monotonic()
  process = start(tmp_path / 'raw', tmp_path / 'alone', workers=2)
  process.communicate()
  assert process.returncode == 0
  duration = time.monotonic() - began
  expected = hashes(tmp_path / 'alone' / 'flair' / 'small' / '1.0.0')
  rng = np.random.default_rng(0)
  for trial in range(10):
    data_dir = tmp_path / f'killed{trial}'
    kills = 0
    finished = {}
    folder = data_dir / 'flair' / 'small' / '1.0.0'
    while True:
      process = start(tmp_path / 'raw', data_dir, workers=2)
      try:
        process.communicate(timeout=duration * rng.uniform(0.3, 1.0))
      except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        kills += 1
        if folder.exists():
          break
        assert finished.items() <= finished_shards(data_dir).items()
        finished = finished_shards(data_dir)
        continue
      assert process.returncode == 0
      break
    # the last run may have been killed after it published
    assert hashes(folder) == expected
    check_untouched(finished, folder)


def test_a_damaged_finished_shard_is_noticed_and_written_anew(raw, tmp_path):
  raw.write()
  expected = hashes(build(raw.folder, tmp_path / 'alone'))
  # killed late: some shards are finished, their spool files are deleted
  data_dir = tmp_path / 'data'
  start(raw.folder, data_dir, calls=25).communicate()
  name = next(iter(finished_shards(data_dir)))
  (shard,) = data_dir.glob(f'flair/small/incomplete.*/shards-*/{name}')
  data = bytearray(shard.read_bytes())
  data[len(data) // 2] ^= 1
  shard.write_bytes(data)
  with pytest.raises(Exception, match=f'{name} must still be what it was'):
    build(raw.folder, data_dir)
  assert hashes(build(raw.folder, data_dir)) == expected


def test_a_replaced_archive_is_read_anew(raw, tmp_path):
  raw.write()
  archive = raw.folder / 'small_images-00.tar.gz'
  good = archive.read_bytes()
  archive.write_bytes(good[:-200])
  with pytest.raises(Exception, match='truncated'):
    build(raw.folder, tmp_path / 'data')
  archive.write_bytes(good)
  folder = build(raw.folder, tmp_path / 'data')
  assert hashes(folder) == hashes(build(raw.folder, tmp_path / 'alone'))


def test_another_format_starts_afresh(raw, tmp_path):
  raw.write()
  data_dir = tmp_path / 'data'
  process = start(raw.folder, data_dir, calls=25)
  process.communicate()
  assert finished_shards(data_dir)
  builder = tfds.builder('flair', data_dir=data_dir, file_format='parquet')
  builder.download_and_prepare(
    download_config=tfds.download.DownloadConfig(manual_dir=raw.folder)
  )
  names = [path.name for path in pathlib.Path(builder.data_dir).glob('flair-*')]
  assert len(names) == 3
  assert all('.parquet-' in name for name in names)
