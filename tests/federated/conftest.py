import pathlib

import pytest
import tfds_folders as data


@pytest.fixture(params=['tfrecord', 'array_record'])
def file_format(request) -> str:
  return request.param


@pytest.fixture
def rows() -> dict[str, list[data.Row]]:
  """Users stored in another order than that of their ids."""
  return {
    'train': data.make_rows({'u7': 3, 'u1': 1, 'u9': 5, 'u3': 2}),
    'val': data.make_rows({'v1': 2}, seed=1),
    'test': data.make_rows({'t2': 1, 't1': 2}, seed=2),
  }


@pytest.fixture
def folder(tmp_path, rows, file_format) -> pathlib.Path:
  return data.write_rows(
    tmp_path / 'flair' / 'small' / '1.0.0', rows, file_format
  )
