import pathlib
import shutil

import pytest

from flair_tfds.cli import main


@pytest.fixture(scope='module')
def built(tmp_path_factory):
  data_dir = tmp_path_factory.mktemp('data')
  main.main(['build', 'flair/miniature', f'--data_dir={data_dir}'])
  return data_dir / 'flair' / 'miniature' / '1.0.0'


@pytest.fixture
def copy(built, tmp_path):
  return pathlib.Path(shutil.copytree(built, tmp_path / 'copy'))


def test_an_untouched_copy_is_verified(copy, capsys):
  assert main.main(['verify', str(copy)]) == 0
  assert f'{copy} is as it was built: 400 examples' in capsys.readouterr().out


def test_every_change_is_named(copy, capsys):
  names = [
    f'flair-{s}.tfrecord-00000-of-00001' for s in ('train', 'val', 'test')
  ]
  data = bytearray((copy / names[0]).read_bytes())
  data[1000] ^= 1
  (copy / names[0]).write_bytes(data)
  (copy / names[1]).write_bytes((copy / names[1]).read_bytes()[:-3])
  (copy / names[2]).rename(copy / 'flair-test.tfrecord-00001-of-00002')
  assert main.main(['verify', str(copy)]) == 1
  text = capsys.readouterr().err
  assert 'but 4 of its shards are not' in text
  assert f'{names[0]} has other bytes' in text
  assert f'{names[1]} has ' in text
  assert ' bytes instead of ' in text
  assert f'{names[2]} is missing' in text
  assert 'flair-test.tfrecord-00001-of-00002 is not in the manifest' in text


def test_a_folder_without_a_manifest_is_an_error(tmp_path, capsys):
  assert main.main(['verify', str(tmp_path)]) == 1
  assert f'{tmp_path / "manifest.json"} must exist' in capsys.readouterr().err
