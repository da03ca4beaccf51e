"""Fixtures of the tests of FLAIR."""

import os
import pathlib
import subprocess
import sys

import pytest
from raw_flair import RawFlair


@pytest.fixture
def raw(tmp_path) -> RawFlair:
  return RawFlair(tmp_path / 'raw')


@pytest.fixture
def run_python(tmp_path):
  """Runs a program in a fresh interpreter and returns what it printed."""

  def run(program: str, *, check: bool = True, **environment: str):
    root = pathlib.Path(__file__).parents[3]
    env = {**os.environ, 'PYTHONPATH': str(root), **environment}
    done = subprocess.run(
      [sys.executable, '-c', program],
      cwd=tmp_path,
      env=env,
      capture_output=True,
      text=True,
      check=False,
    )
    if check and done.returncode:
      raise AssertionError(f'exit status {done.returncode}:\n{done.stderr}')
    return done if not check else done.stdout

  return run
