"""Named arrays in one file that is mapped into memory when it is opened.

A file of its own kind, since what NumPy offers is either one array a file,
which cannot be replaced at once, or an archive that cannot be mapped:

    a line of magic; a line of JSON: {"meta": ..., "arrays": {name: [dtype,
    length, first byte]}}; the arrays, one-dimensional, each beginning at a
    multiple of 64 bytes.
"""

import dataclasses
import json
import mmap
import os
import tempfile
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from flair_tfds.core import errors, files

_MAGIC = b'flair_tfds arrays 1\n'
_ALIGNMENT = 64

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclasses.dataclass(frozen=True)
class ArrayFile:
  """What a file holds.

  Attributes:
    meta: Plain values.
    arrays: One-dimensional arrays, read-only, on disk until they are used.
  """

  meta: Mapping[str, Any]
  arrays: Arrays


def write(
  path: str | os.PathLike[str], meta: Mapping[str, Any], arrays: Arrays
) -> None:
  """Writes a file, atomically; the same content gives the same bytes."""
  with files.atomic_write(path) as file:
    _write(file, meta, arrays)


def read(path: str | os.PathLike[str]) -> ArrayFile:
  """Opens a file.

  Raises:
    BadDataError: If it is no such file, or is cut off.
    FileNotFoundError: If there is none.
  """
  with open(path, 'rb') as file:
    return _read(file, os.fspath(path))


def unnamed(meta: Mapping[str, Any], arrays: Arrays) -> ArrayFile:
  """Does the same with a temporary file that is gone when it is not in use."""
  with tempfile.TemporaryFile() as file:
    _write(file, meta, arrays)
    file.flush()
    return _read(file, 'a temporary file')


def _write(file: IO[bytes], meta: Mapping[str, Any], arrays: Arrays) -> None:
  places: dict[str, tuple[str, int, int]] = {}
  position = 0
  for name, array in arrays.items():
    position = _aligned(position)
    places[name] = (array.dtype.str, len(array), position)
    position += array.nbytes
  # Places count from the first multiple of 64 after the header, whose own
  # length they would change otherwise.
  header = json.dumps({'meta': meta, 'arrays': places}).encode() + b'\n'
  start = _aligned(len(_MAGIC) + len(header))
  file.write((_MAGIC + header).ljust(start, b'\0'))
  position = 0
  for name, array in arrays.items():
    file.write(bytes(places[name][2] - position))
    file.write(np.ascontiguousarray(array).data)
    position = places[name][2] + array.nbytes


def _read(file: IO[bytes], name: str) -> ArrayFile:
  file.seek(0)
  if file.readline() != _MAGIC:
    raise errors.BadDataError(
      f'{name} must begin with {_MAGIC!r}, but does not. Delete it: it is made '
      'again when it is needed.'
    )
  header = file.readline()
  start = _aligned(len(_MAGIC) + len(header))
  try:
    content = json.loads(header)
    memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    arrays = {
      key: np.frombuffer(memory, np.dtype(dtype), length, start + place)
      for key, (dtype, length, place) in content['arrays'].items()
    }
  except ValueError as error:
    raise errors.BadDataError(
      f'{name} must be complete, but is cut off. Delete it: it is made again '
      'when it is needed.'
    ) from error
  return ArrayFile(content['meta'], arrays)


def _aligned(position: int) -> int:
  return -(-position // _ALIGNMENT) * _ALIGNMENT
