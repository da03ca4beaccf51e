"""Our builders beside TFDS's own: each fresh interpreter sees all of them."""

import os
import pathlib
import subprocess
import sys

import pytest

_ROOT = pathlib.Path(__file__).parents[2]
_NEW = ['flair']


def run(program, cwd):
  done = subprocess.run(
    [sys.executable, '-c', program],
    cwd=cwd,
    env={**os.environ, 'PYTHONPATH': str(_ROOT), 'TF_CPP_MIN_LOG_LEVEL': '3'},
    capture_output=True,
    text=True,
    check=False,
  )
  if done.returncode:
    raise AssertionError(done.stderr)
  return done.stdout.splitlines()[-1]


@pytest.mark.parametrize(
  'imports',
  [
    'import flair_tfds; import tensorflow_datasets as tfds',
    'import tensorflow_datasets as tfds; import flair_tfds',
    'import tensorflow_datasets.public_api as tfds; import flair_tfds',
  ],
)
def test_in_either_import_order_nothing_is_lost(imports, tmp_path):
  stock = run(
    'import tensorflow_datasets as tfds; print(tfds.list_builders())', tmp_path
  )
  ours = run(f'{imports}; print(tfds.list_builders())', tmp_path)
  assert sorted(eval(stock) + _NEW) == eval(ours)


def test_builders_that_tfds_imports_late_still_resolve(tmp_path):
  output = run(
    """
import flair_tfds
import tensorflow_datasets as tfds
names = ['flair', 'mnist', 'wider_face', 'cifar10_corrupted', 'cifar10_1',
         'imagenet2012_real', 'imagenet2012_multilabel']
print([tfds.builder_cls(name).name for name in names] == names)
""",
    tmp_path,
  )
  assert output == 'True'


@pytest.mark.slow
def test_every_stock_name_resolves_as_before(tmp_path):
  program = """
import tensorflow_datasets as tfds
{}
found = {{}}
for name in tfds.list_builders():
  try:
    found[name] = tfds.builder_cls(name).__module__
  except Exception as error:
    found[name] = type(error).__name__
found.pop('flair', None)
print(found)
"""
  stock = run(program.format(''), tmp_path)
  ours = run(program.format('import flair_tfds'), tmp_path)
  assert eval(ours) == eval(stock)
  assert len(eval(stock)) > 400


def test_importing_the_package_imports_neither_tensorflow_nor_tfds(tmp_path):
  output = run(
    """
import sys
import flair_tfds
print([name for name in ('tensorflow', 'tensorflow_datasets', 'numpy')
       if name in sys.modules])
""",
    tmp_path,
  )
  assert output == '[]'


@pytest.mark.parametrize(
  'room', ['core', 'hierarchy', 'evaluation', 'building']
)
def test_pure_rooms_import_no_framework(room, tmp_path):
  folder = _ROOT / 'flair_tfds' / room
  modules = [
    f'flair_tfds.{room}.{path.stem}'
    for path in sorted(folder.glob('*.py'))
    if path.stem not in ('__init__', '__main__')
  ]
  assert modules
  output = run(
    f"""
import importlib, sys
for module in {modules!r}:
  importlib.import_module(module)
print([name for name in ('tensorflow', 'tensorflow_datasets', 'keras', 'torch',
                         'jax', 'apache_beam') if name in sys.modules])
""",
    tmp_path,
  )
  assert output == '[]'


def test_a_builder_class_survives_being_found_twice(tmp_path):
  output = run(
    """
import flair_tfds
import tensorflow_datasets as tfds
import importlib
importlib.reload(flair_tfds)
print(tfds.builder_cls('flair').__module__)
""",
    tmp_path,
  )
  assert output == 'flair_tfds.datasets.flair.flair_dataset_builder'
