import numpy as np
import pytest

from flair_tfds.core import errors
from flair_tfds.federated import array_file

ARRAYS = {
  'a': np.arange(5, dtype=np.int64),
  'empty': np.zeros(0, np.uint8),
  'b': np.array([3, 2, 1], np.uint16),
}


def test_arrays_come_back_as_they_were(tmp_path):
  path = tmp_path / 'x.bin'
  array_file.write(path, {'k': [1, 'ä']}, ARRAYS)
  found = array_file.read(path)
  assert found.meta == {'k': [1, 'ä']}
  assert list(found.arrays) == list(ARRAYS)
  for name, array in ARRAYS.items():
    assert found.arrays[name].dtype == array.dtype
    assert found.arrays[name].tolist() == array.tolist()


def test_arrays_begin_at_multiples_of_64_bytes(tmp_path):
  array_file.write(tmp_path / 'x.bin', {}, ARRAYS)
  found = array_file.read(tmp_path / 'x.bin').arrays
  assert {array.ctypes.data % 64 for array in found.values()} == {0}


def test_arrays_are_read_only(tmp_path):
  array_file.write(tmp_path / 'x.bin', {}, ARRAYS)
  with pytest.raises(ValueError, match='read-only'):
    array_file.read(tmp_path / 'x.bin').arrays['a'][0] = 1


def test_equal_content_gives_equal_bytes(tmp_path):
  for name in ('x', 'y'):
    array_file.write(tmp_path / name, {'k': 1}, ARRAYS)
  assert (tmp_path / 'x').read_bytes() == (tmp_path / 'y').read_bytes()


def test_a_file_of_another_kind_is_refused(tmp_path):
  (tmp_path / 'x').write_bytes(b'something else')
  with pytest.raises(
    errors.BadDataError, match=r'must begin with .* Delete it'
  ):
    array_file.read(tmp_path / 'x')


@pytest.mark.parametrize('size', [25, 60, -1])
def test_a_file_that_is_cut_off_is_refused(tmp_path, size):
  path = tmp_path / 'x'
  array_file.write(path, {}, ARRAYS)
  path.write_bytes(path.read_bytes()[:size])
  with pytest.raises(errors.BadDataError, match='must be complete'):
    array_file.read(path)


def test_unnamed_files_hold_the_same():
  found = array_file.unnamed({'k': 1}, ARRAYS)
  assert found.meta == {'k': 1}
  assert found.arrays['b'].tolist() == [3, 2, 1]
