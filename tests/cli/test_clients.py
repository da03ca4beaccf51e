import argparse

import pytest

from flair_tfds.cli import clients


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory):
  import tensorflow_datasets as tfds

  import flair_tfds  # noqa: F401

  folder = tmp_path_factory.mktemp('data')
  tfds.builder('flair/miniature', data_dir=folder).download_and_prepare()
  return folder


def run(*argv) -> int:
  parser = argparse.ArgumentParser()
  clients.add_arguments(parser)
  return clients.run(parser.parse_args([str(arg) for arg in argv]))


def test_the_index_is_made_and_users_are_listed(data_dir, capsys):
  assert run('flair/miniature', '--data_dir', data_dir, '--top', 2) == 0
  lines = capsys.readouterr().out.splitlines()
  path = data_dir / 'flair' / 'miniature' / '1.0.0' / 'client_index-user_id.bin'
  assert path.exists()
  assert lines[0] == 'flair/miniature/1.0.0, all: 60 users, 400 images'
  assert lines[1].startswith(f'Index: {path} (')
  assert [line.split()[1] for line in lines[-2:]] == ['72', '48']


def test_the_users_of_a_split_may_be_listed(data_dir, capsys):
  run('flair/miniature', '--data_dir', data_dir, '--split', 'val')
  out = capsys.readouterr().out
  assert out.startswith('flair/miniature/1.0.0, val: 9 users, 50 images\n')
