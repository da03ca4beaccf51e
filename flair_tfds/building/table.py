"""The examples of a dataset without their images, as arrays on disk.

A table holds the rows of all splits in the order in which they will be
written. It is made once from metadata, saved as `.npy` files, and mapped into
memory by every worker: the pages are shared, so that workers cost no memory of
their own and tasks carry only a folder and a range of rows.
"""

import dataclasses
import hashlib
import itertools
import json
import os
import pathlib
import shutil
import uuid
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from flair_tfds.core import errors, files

Kind = Literal['text', 'ints']

# Rows are worked on this many at a time, so that intermediate results, which
# are several times as large, stay small beside the table itself.
_BLOCK_ROWS = 1 << 16


def digest(key: bytes) -> int:
  """Returns a 64-bit digest of an example's key, the same on every machine."""
  return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), 'little')


@dataclasses.dataclass(frozen=True)
class Column:
  """One feature of every row.

  Attributes:
    kind: `text`: a UTF-8 string a row. `ints`: a list of integers a row.
    offsets: Where each row's values begin; integers [row + 1].
    values: uint8 of all strings, or integers of all lists, one after another.
  """

  kind: Kind
  offsets: npt.NDArray[Any]
  values: npt.NDArray[Any]

  @classmethod
  def from_texts(cls, texts: Iterable[bytes]) -> 'Column':
    """Makes a column of strings, given as UTF-8."""
    texts = list(texts)
    return cls(
      'text',
      _offsets([len(text) for text in texts]),
      np.frombuffer(b''.join(texts), np.uint8),
    )

  @classmethod
  def from_array(cls, texts: npt.NDArray[np.bytes_]) -> 'Column':
    """Makes a column of an array of strings, none of which holds a NUL."""
    return cls(
      'text',
      _offsets(np.char.str_len(texts)),
      np.frombuffer(texts.tobytes().replace(b'\0', b''), np.uint8),
    )

  @classmethod
  def from_ints(
    cls, lengths: Sequence[int] | npt.NDArray[Any], values: npt.NDArray[Any]
  ) -> 'Column':
    """Makes a column of integer lists from their lengths and all values."""
    return cls('ints', _offsets(lengths), values)

  def take(self, rows: npt.NDArray[Any]) -> 'Column':
    """Returns the column of the given rows, in their order."""
    lengths = np.diff(self.offsets)[rows]
    offsets = _offsets(lengths)
    values = np.empty(int(offsets[-1]), self.values.dtype)
    for start in range(0, len(rows), _BLOCK_ROWS):
      block = slice(start, start + _BLOCK_ROWS)
      first, last = offsets[start], offsets[block.stop : block.stop + 1]
      end = int(last[0]) if len(last) else len(values)
      # From the place of a value in the result to its place in this column.
      shifts = self.offsets[rows[block]] - offsets[:-1][block]
      values[first:end] = self.values[
        np.repeat(shifts, lengths[block]) + np.arange(first, end)
      ]
    return Column(self.kind, offsets, values)

  def texts(self, start: int, end: int) -> list[bytes]:
    """Returns the strings of rows `start` to `end`."""
    first, *ends = self.offsets[start : end + 1].tolist()
    blob = self.values[first : ends[-1] if ends else first].tobytes()
    starts = [first, *ends]
    return [blob[a - first : b - first] for a, b in itertools.pairwise(starts)]

  def lists(self, start: int, end: int) -> list[list[int]]:
    """Returns the integers of rows `start` to `end`."""
    first, *ends = self.offsets[start : end + 1].tolist()
    flat = self.values[first : ends[-1] if ends else first].tolist()
    starts = [first, *ends]
    return [flat[a - first : b - first] for a, b in itertools.pairwise(starts)]


def _offsets(lengths: Sequence[int] | npt.NDArray[Any]) -> npt.NDArray[Any]:
  total = int(np.sum(lengths, dtype=np.int64))
  narrow = total <= np.iinfo(np.int32).max
  offsets = np.zeros(len(lengths) + 1, np.int32 if narrow else np.int64)
  np.cumsum(lengths, out=offsets[1:])
  return offsets


@dataclasses.dataclass(frozen=True)
class Table:
  """All examples, in the order in which they will be written.

  Attributes:
    splits: First and last row (exclusive) of each split, in row order.
    key: The text column that names an example, unique over all splits. Images
      are found in archives by it.
    image: The name of the image feature, which is not a column.
    columns: The other features, by name.
    groups: First rows of runs that belong together (a user's images) and that
      shards should not cut; int64 [group], ascending, beginning with 0.
    digests: Digest of every row's key; uint64 [row].
  """

  splits: Mapping[str, tuple[int, int]]
  key: str
  image: str
  columns: Mapping[str, Column]
  groups: npt.NDArray[np.int64]
  digests: npt.NDArray[np.uint64]

  @property
  def num_rows(self) -> int:
    """The number of examples of all splits together."""
    return len(self.digests)

  def keys(self, rows: Iterable[int]) -> list[str]:
    """Returns the keys of some rows."""
    column = self.columns[self.key]
    return [column.texts(row, row + 1)[0].decode() for row in rows]


def make(
  *,
  splits: Mapping[str, tuple[int, int]],
  key: str,
  image: str,
  columns: Mapping[str, Column],
  groups: npt.NDArray[np.int64],
) -> Table:
  """Makes a table and checks that keys are unique.

  Raises:
    BadDataError: If two rows have the same key.
  """
  keys = columns[key]
  num_rows = len(keys.offsets) - 1
  digests = np.empty(num_rows, np.uint64)
  for start in range(0, num_rows, _BLOCK_ROWS):
    texts = keys.texts(start, min(start + _BLOCK_ROWS, num_rows))
    digests[start : start + len(texts)] = [digest(text) for text in texts]
  ordered = np.sort(digests)
  repeated = ordered[1:][ordered[1:] == ordered[:-1]]
  if len(repeated):
    rows = np.flatnonzero(np.isin(digests, repeated)).tolist()
    names = sorted({keys.texts(row, row + 1)[0].decode() for row in rows})
    raise errors.BadDataError(
      f'every {key} must occur once, but {len(names)} occur more often: '
      f'{errors.listing(names)}. Remove the repeated records.'
    )
  return Table(dict(splits), key, image, dict(columns), groups, digests)


def save(table: Table, folder: pathlib.Path) -> str:
  """Saves a table into a new folder, which appears when it is complete.

  Returns:
    A fingerprint of the content: equal tables have equal fingerprints.
  """
  temporary = folder.with_name(f'.{folder.name}.{uuid.uuid4().hex}.tmp')
  temporary.mkdir(parents=True)
  order = np.argsort(table.digests)
  arrays = {
    'groups': table.groups,
    'digests': table.digests,
    'lookup_digests': table.digests[order],
    'lookup_rows': order.astype(np.int32 if len(order) < 1 << 31 else np.int64),
  }
  for name, column in table.columns.items():
    arrays[f'{name}.offsets'] = column.offsets
    arrays[f'{name}.values'] = column.values
  hashes = {}
  for name, array in arrays.items():
    np.save(temporary / f'{name}.npy', array, allow_pickle=False)
    hashes[name] = hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()
  description = {
    'splits': table.splits,
    'key': table.key,
    'image': table.image,
    'columns': {name: column.kind for name, column in table.columns.items()},
  }
  files.write_json(temporary / 'table.json', description)
  if folder.exists():
    shutil.rmtree(folder)
  os.replace(temporary, folder)
  text = json.dumps([description, hashes], sort_keys=True)
  return hashlib.sha256(text.encode()).hexdigest()


def load(folder: pathlib.Path) -> Table:
  """Opens a saved table; its arrays stay on disk until they are used."""
  description = files.read_json(folder / 'table.json')
  # JSON has no order; the splits come in that of their rows.
  splits = sorted((*rows, name) for name, rows in description['splits'].items())
  return Table(
    splits={name: (start, end) for start, end, name in splits},
    key=description['key'],
    image=description['image'],
    columns={
      name: Column(
        kind,
        _map(folder, f'{name}.offsets'),
        _map(folder, f'{name}.values'),
      )
      for name, kind in description['columns'].items()
    },
    groups=_map(folder, 'groups'),
    digests=_map(folder, 'digests'),
  )


def map_array(path: pathlib.Path) -> npt.NDArray[Any]:
  """Maps a `.npy` file into memory, to be read only."""
  array = np.lib.format.open_memmap(path, mode='r')
  plain: npt.NDArray[Any] = array.view(np.ndarray)  # a memmap slices slowly
  return plain


def _map(folder: pathlib.Path, name: str) -> npt.NDArray[Any]:
  return map_array(folder / f'{name}.npy')


class Lookup:
  """Finds the row of a key in a saved table: a microsecond, no memory."""

  def __init__(self, folder: pathlib.Path) -> None:
    """Maps the digests of a saved table."""
    self._digests = _map(folder, 'lookup_digests').data
    self._rows = _map(folder, 'lookup_rows').data

  def find(self, key: bytes) -> int | None:
    """Returns the row of `key`, or None where the table lacks it."""
    wanted = digest(key)
    place = bisect_left(self._digests, wanted)
    if place < len(self._digests) and self._digests[place] == wanted:
      return int(self._rows[place])
    return None
