import os
import pathlib

import pytest


@pytest.fixture(scope='session')
def real_data() -> pathlib.Path:
  """The folder of real labels and predictions, where this machine has it."""
  folder = os.environ.get('FLAIR_TFDS_REAL_DATA')
  if not folder:
    pytest.skip('FLAIR_TFDS_REAL_DATA is not set: no real data to read')
  return pathlib.Path(folder)
