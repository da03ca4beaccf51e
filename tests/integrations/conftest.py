import pathlib

import pytest


@pytest.fixture(scope='session')
def miniature(tmp_path_factory) -> pathlib.Path:
  """A data_dir with `flair/miniature` in it."""
  import tensorflow_datasets as tfds

  import flair_tfds  # noqa: F401

  data_dir = tmp_path_factory.mktemp('miniature')
  tfds.builder('flair/miniature', data_dir=data_dir).download_and_prepare()
  return data_dir


@pytest.fixture(scope='session')
def clients(miniature):
  from flair_tfds import federated

  return federated.load('flair/miniature', 'train', data_dir=miniature)
