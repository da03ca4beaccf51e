"""Runs every notebook on the miniature, from a clean kernel."""

import os
import pathlib

import pytest

nbformat = pytest.importorskip('nbformat', reason='flair_tfds[notebooks]')
nbclient = pytest.importorskip('nbclient', reason='flair_tfds[notebooks]')
pytest.importorskip('ipykernel', reason='flair_tfds[notebooks]')

ROOT = pathlib.Path(__file__).parents[2]
NOTEBOOKS = (
  '00_tour',
  '01_explore_images',
  '02_explore_labels',
  '03_federated_clients',
)


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory):
  return tmp_path_factory.mktemp('data')


@pytest.mark.filterwarnings('ignore')  # of Jupyter's own libraries
@pytest.mark.parametrize('name', NOTEBOOKS)
def test_a_notebook_runs(name, data_dir, tmp_path, monkeypatch):
  pytest.importorskip('matplotlib', reason='flair_tfds[plots]')
  monkeypatch.setenv('TFDS_DATA_DIR', str(data_dir))
  monkeypatch.setenv('PYTHONPATH', str(ROOT), prepend=os.pathsep)
  monkeypatch.setenv('TF_CPP_MIN_LOG_LEVEL', '3')
  monkeypatch.setenv('IPYTHONDIR', str(tmp_path))
  book = nbformat.read(ROOT / 'notebooks' / f'{name}.ipynb', as_version=4)
  client = nbclient.NotebookClient(
    book,
    timeout=300,
    kernel_name='python3',
    resources={'metadata': {'path': str(tmp_path)}},
  )
  client.execute()
  outputs = [o for cell in book.cells for o in cell.get('outputs', ())]
  kinds = {kind for o in outputs for kind in o.get('data', ())}
  assert 'image/png' in kinds
  # To look at the plots.
  if folder := os.environ.get('FLAIR_TFDS_EXECUTED_NOTEBOOKS'):
    nbformat.write(book, pathlib.Path(folder) / f'{name}.ipynb')


@pytest.mark.parametrize('name', NOTEBOOKS)
def test_a_notebook_is_kept_without_outputs(name):
  book = nbformat.read(ROOT / 'notebooks' / f'{name}.ipynb', as_version=4)
  code = [cell for cell in book.cells if cell.cell_type == 'code']
  assert not any(cell.outputs or cell.execution_count for cell in code)
