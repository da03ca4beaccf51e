import subprocess
import sys

import pytest
import tensorflow_datasets as tfds
from tensorflow_datasets.core.utils import tqdm_utils

from flair_tfds.core import progress


@pytest.fixture
def bars_on(monkeypatch):
  """TFDS's switch as it is by default, whatever other tests did with it."""
  monkeypatch.setattr(tqdm_utils, '_active', True)


def run_a_bar() -> None:
  with progress.bar(total=3, desc='Counting', unit=' things') as bar:
    bar.update(1)
    bar.update(2)


def test_bar_shows_what_is_done(bars_on, capfd):
  run_a_bar()
  shown = capfd.readouterr()
  assert shown.out == ''
  assert 'Counting: 100%' in shown.err
  assert '3/3' in shown.err
  assert ' things/s' in shown.err


def test_tfds_silences_bars(bars_on, capfd):
  tfds.disable_progress_bar()
  run_a_bar()
  shown = capfd.readouterr()
  assert (shown.out, shown.err) == ('', '')


def test_tfds_brings_bars_back(bars_on, capfd):
  tfds.disable_progress_bar()
  tfds.enable_progress_bar()
  run_a_bar()
  assert 'Counting' in capfd.readouterr().err


def test_bars_need_neither_tfds_nor_tensorflow():
  code = (
    'import sys\n'
    'from flair_tfds.core import progress\n'
    'with progress.bar(total=2, desc="Counting") as bar:\n'
    '  bar.update(2)\n'
    'print([name for name in sys.modules if name.startswith("tensorflow")])\n'
  )
  done = subprocess.run(
    [sys.executable, '-c', code],
    capture_output=True,
    text=True,
    check=True,
    timeout=120,
  )
  assert 'Counting: 100%' in done.stderr
  assert done.stdout == '[]\n'
