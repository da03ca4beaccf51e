import subprocess
import sys

import pytest

FRAMEWORKS = ('tensorflow', 'tensorflow_datasets', 'keras', 'torch', 'jax')


@pytest.mark.parametrize('room', ['evaluation', 'hierarchy'])
def test_room_imports_no_framework(room):
  code = (
    f'import flair_tfds.{room}, sys; '
    f'print([name for name in {FRAMEWORKS} if name in sys.modules])'
  )
  found = subprocess.run(
    [sys.executable, '-c', code], check=True, capture_output=True, text=True
  )
  assert found.stdout.strip() == '[]'


def test_importing_the_room_is_enough_for_its_names():
  code = (
    'from flair_tfds import evaluation; '
    'print([name for name in evaluation.__all__ '
    'if not hasattr(evaluation, name)])'
  )
  found = subprocess.run(
    [sys.executable, '-c', code], check=True, capture_output=True, text=True
  )
  assert found.stdout.strip() == '[]'
