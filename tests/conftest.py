"""Fixtures of the whole suite."""

import os
import pathlib

import pytest

_REAL_DATA = 'FLAIR_TFDS_REAL_DATA'


@pytest.fixture(scope='session')
def real_data() -> pathlib.Path:
  """The folder of real data that is not part of the repository."""
  folder = os.environ.get(_REAL_DATA)
  if not folder:
    pytest.skip(f'{_REAL_DATA} does not name the folder of real data')
  return pathlib.Path(folder)
