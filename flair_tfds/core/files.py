"""Files written aside and renamed, so that a reader never sees half of one."""

import contextlib
import hashlib
import json
import os
import pathlib
import uuid
from collections.abc import Iterator
from typing import IO, Any

CHUNK_BYTES = 1 << 20


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
  """Opens a binary file that appears under `path` only once it is complete.

  The bytes go to a temporary file in the same folder, which is renamed when
  the block ends and deleted when it raises. The name is unique to the call:
  two writers of the same path never share a temporary file.

  Args:
    path: Where the file will stand. An existing file is replaced.

  Yields:
    The temporary file, open for writing.
  """
  with (
    atomic_path(path) as temporary,
    temporary.open('wb', buffering=CHUNK_BYTES) as file,
  ):
    yield file


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
  """Yields a temporary path that is renamed to `path` when the block ends.

  For libraries that open files themselves; see `atomic_write`.

  Args:
    path: Where the file will stand. An existing file is replaced.

  Yields:
    A path in the same folder that does not exist yet.
  """
  target = pathlib.Path(path)
  temporary = target.with_name(f'.{target.name}.{uuid.uuid4().hex}.tmp')
  try:
    yield temporary
    os.replace(temporary, target)
  except BaseException as error:
    temporary.unlink(missing_ok=True)
    if isinstance(error, OSError) and error.filename is None:
      error.filename = str(target)  # a failed write, as of a full disk
    raise


def write_json(path: str | os.PathLike[str], value: Any) -> None:
  """Writes `value` as readable JSON, atomically; same value, same bytes."""
  text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False)
  # Names of files need not be Unicode: what of them is not comes out as the
  # `\udc..` escapes that JSON knows.
  data = text.encode('utf-8', 'backslashreplace')
  with atomic_write(path) as file:
    file.write(data + b'\n')


def read_json(path: str | os.PathLike[str]) -> Any:
  """Returns the value that `write_json` wrote."""
  return json.loads(pathlib.Path(path).read_bytes())


def sha256(path: str | os.PathLike[str]) -> str:
  """Returns the SHA-256 of a file's content, as 64 hexadecimal digits."""
  with open(path, 'rb') as file:
    return hashlib.file_digest(file, 'sha256').hexdigest()
