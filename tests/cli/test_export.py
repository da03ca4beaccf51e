import argparse

import pytest

from flair_tfds import federated
from flair_tfds.building import records
from flair_tfds.cli import export


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory):
  import tensorflow_datasets as tfds

  import flair_tfds  # noqa: F401

  folder = tmp_path_factory.mktemp('data')
  tfds.builder('flair/miniature', data_dir=folder).download_and_prepare()
  return folder


def run(*argv) -> int:
  parser = argparse.ArgumentParser()
  export.add_arguments(parser)
  return export.run(parser.parse_args([str(arg) for arg in argv]))


def test_a_file_for_each_user(data_dir, tmp_path, capsys):
  argv = ('flair/miniature', '--data_dir', data_dir)
  out = tmp_path / 'out'
  assert run('tfrecord-per-user', *argv, '--tfrecords_dir', out) == 0
  for split, number in (('train', 42), ('val', 9), ('test', 9)):
    clients = federated.load('flair/miniature', split, data_dir=data_dir)
    paths = sorted((out / split).iterdir())
    assert [path.name for path in paths] == [f'{u}.tfrecords' for u in clients]
    assert len(paths) == number
    for path, client in zip(paths, clients.values(), strict=True):
      assert len(list(records.read(path, 'tfrecord'))) == len(client)
  assert 'train     280 images of 42 users' in capsys.readouterr().out


@pytest.mark.parametrize(
  ('flags', 'place'),
  [
    ((), 'train/{user}/images'),
    (('--encoded',), 'train/{user}/encoded_images'),
    (('--not_group_data_by_user',), 'train/{image}/image'),
    (('--not_group_data_by_user', '--encoded'), 'train/{image}/encoded_image'),
  ],
)
def test_flags_choose_the_layout_of_hdf5(data_dir, tmp_path, flags, place):
  h5py = pytest.importorskip('h5py')
  argv = ('flair/miniature', '--data_dir', data_dir)
  path = tmp_path / 'x.hdf5'
  assert run('hdf5', *argv, '--output_file', path, *flags) == 0
  clients = federated.load('flair/miniature', 'train', data_dir=data_dir)
  user = clients.user_ids[0]
  image = clients[user].image_ids[0]
  with h5py.File(path, 'r') as file:
    assert place.format(user=user, image=image) in file


def test_a_dataset_that_is_not_built_is_refused(tmp_path):
  argv = ('flair', '--data_dir', tmp_path, '--output_file', tmp_path / 'x')
  with pytest.raises(ValueError, match='must have been built in'):
    run('hdf5', *argv)


def test_a_format_must_be_named(capsys):
  with pytest.raises(SystemExit):
    run('flair')
  assert 'hdf5' in capsys.readouterr().err
