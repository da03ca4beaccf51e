import errno
import hashlib
import json
import os
import pathlib
import resource

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flair_tfds.core import files

plain = st.recursive(
  st.none()
  | st.booleans()
  | st.integers(-(2**53), 2**53)
  | st.text(st.characters()),  # lone surrogates too
  lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
  max_leaves=10,
)


def names_in(folder: pathlib.Path) -> list[str]:
  return sorted(path.name for path in folder.iterdir())


def test_file_appears_when_it_is_complete(tmp_path):
  path = tmp_path / 'file'
  with files.atomic_write(path) as file:
    file.write(b'first ')
    file.flush()
    assert not path.exists()
    file.write(b'second')
  assert path.read_bytes() == b'first second'
  assert names_in(tmp_path) == ['file']


def test_existing_file_stays_whole_until_it_is_replaced(tmp_path):
  path = tmp_path / 'file'
  path.write_bytes(b'old')
  with files.atomic_write(path) as file:
    file.write(b'new')
    file.flush()
    assert path.read_bytes() == b'old'
  assert path.read_bytes() == b'new'


def fail_while_writing(path: pathlib.Path, failure: BaseException) -> None:
  with files.atomic_write(path) as file:
    file.write(b'new')
    raise failure


@pytest.mark.parametrize('failure', [ValueError, KeyboardInterrupt, SystemExit])
def test_failure_leaves_the_old_file_and_no_other(failure, tmp_path):
  path = tmp_path / 'file'
  path.write_bytes(b'old')
  with pytest.raises(failure):
    fail_while_writing(path, failure())
  assert path.read_bytes() == b'old'
  assert names_in(tmp_path) == ['file']


def test_writers_of_one_path_do_not_share_a_temporary_file(tmp_path):
  path = tmp_path / 'file'
  with files.atomic_write(path) as first:
    first.write(b'first')
    with files.atomic_write(path) as second:
      second.write(b'second')
    assert path.read_bytes() == b'second'
  assert path.read_bytes() == b'first'
  assert names_in(tmp_path) == ['file']


def test_temporary_path_lies_beside_its_target_and_is_hidden(tmp_path):
  with files.atomic_path(tmp_path / 'file') as temporary:
    assert temporary.parent == tmp_path
    assert temporary.name.startswith('.file.')
    assert temporary.name.endswith('.tmp')
    assert not temporary.exists()
    temporary.write_bytes(b'x')
  assert (tmp_path / 'file').read_bytes() == b'x'


def test_file_that_the_caller_never_made_is_an_error(tmp_path):
  with (
    pytest.raises(FileNotFoundError),
    files.atomic_path(tmp_path / 'file'),
  ):
    pass
  assert names_in(tmp_path) == []


def test_error_without_a_file_gets_the_name_of_the_target(tmp_path):
  path = tmp_path / 'file'
  with pytest.raises(OSError, match='No space left') as caught:
    fail_while_writing(path, OSError(28, 'No space left on device'))
  assert caught.value.filename == str(path)
  assert str(path) in str(caught.value)


def test_error_with_a_file_keeps_it(tmp_path):
  with pytest.raises(FileNotFoundError) as caught:
    fail_while_writing(
      tmp_path / 'file', FileNotFoundError(2, 'No such file', 'missing')
    )
  assert caught.value.filename == 'missing'


@pytest.fixture
def small_files():
  """Lets no file grow over a megabyte, which is like a disk that is full."""
  limits = resource.getrlimit(resource.RLIMIT_FSIZE)
  resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))
  yield
  resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_write_that_the_disk_refuses_names_the_target(small_files, tmp_path):
  path = tmp_path / 'file'
  with pytest.raises(OSError, match='File too large') as caught:
    files.write_json(path, 'x' * (3 << 20))
  assert caught.value.errno == errno.EFBIG
  assert caught.value.filename == str(path)
  assert names_in(tmp_path) == []


@given(value=plain)
@settings(deadline=None, max_examples=60)
def test_json_is_read_as_it_was_written(value, tmp_path_factory):
  path = tmp_path_factory.mktemp('json') / 'value.json'
  files.write_json(path, value)
  assert files.read_json(path) == value
  # Any other reader must be able to read it.
  assert json.loads(path.read_text(encoding='utf-8')) == value


def test_json_is_readable_sorted_and_ends_in_a_newline(tmp_path):
  files.write_json(tmp_path / 'value.json', {'b': 'é', 'a': [1]})
  assert (tmp_path / 'value.json').read_text(encoding='utf-8') == (
    '{\n "a": [\n  1\n ],\n "b": "é"\n}\n'
  )


def test_names_that_are_not_unicode_come_out_as_escapes(tmp_path):
  name = os.fsdecode(b'caf\xe9')
  files.write_json(tmp_path / 'value.json', [name])
  assert (tmp_path / 'value.json').read_bytes() == b'[\n "caf\\udce9"\n]\n'
  assert files.read_json(tmp_path / 'value.json') == [name]


def test_value_that_is_no_json_leaves_no_file(tmp_path):
  with pytest.raises(TypeError):
    files.write_json(tmp_path / 'value.json', {'a': object()})
  assert names_in(tmp_path) == []


def test_sha256_of_the_published_example(tmp_path):
  # FIPS 180-2, appendix B.1.
  (tmp_path / 'file').write_bytes(b'abc')
  assert files.sha256(tmp_path / 'file') == (
    'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
  )


def test_sha256_of_a_file_larger_than_a_chunk(tmp_path):
  data = bytes(range(256)) * 20_000
  (tmp_path / 'file').write_bytes(data)
  expected = hashlib.sha256(data).hexdigest()
  assert files.sha256(tmp_path / 'file') == expected
