"""Which examples each user has and where they lie: made once, kept on disk.

The index is one file beside the dataset (`client_index-<feature>.bin`), mapped
into memory when a split is opened. It holds, for the examples of all splits in
the order of the shards (a *row* is an example's number in it):

    checksums, offsets, sizes      of the records; the last two for TFRecord
    image_offsets, image_sizes     where in its record an encoded image is
    ids.offsets, ids.values        UTF-8 of the examples' ids
    <label>.offsets, <label>.values    class ids of every label feature
    users.offsets, users.values    UTF-8 of the user ids of all splits, sorted
                                   within their split
    user_starts                    how many rows all users before have
    user_first_rows                the first row of each user, if the rows of
                                   every user follow each other; else
    user_rows                      the rows of one user after the other

It belongs to the very files that it was made from: it holds their fingerprint.
An index that lacks it is made anew.
"""

import array
import dataclasses
import errno
import hashlib
import itertools
import os
import pathlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from flair_tfds.building import records
from flair_tfds.core import errors, progress
from flair_tfds.federated import (
  array_file,
  dataset_folder,
  example,
  shard_readers,
)

# Of users that more splits than one have; all of them could be many.
_NUM_SHOWN = 5
# Changes whenever the same dataset would give another index.
_LAYOUT_VERSION = 1
# What names an example, in the datasets of TFDS that name them at all.
_ID_FEATURES = ('image_id', 'file_name', 'id', 'index')


@dataclasses.dataclass(frozen=True)
class Ragged:
  """A list of values for every row.

  Attributes:
    offsets: Where each row's values begin. Shape [row + 1].
    values: The values of all rows, one after the other.
  """

  offsets: npt.NDArray[Any]
  values: npt.NDArray[Any]

  def row(self, row: int) -> npt.NDArray[Any]:
    """Returns the values of one row."""
    return self.values[int(self.offsets[row]) : int(self.offsets[row + 1])]

  def lengths(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Returns the number of values of some rows."""
    lengths: npt.NDArray[np.int64] = self.offsets[rows + 1].astype(np.int64)
    lengths -= self.offsets[rows]
    return lengths

  def take(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    """Returns the values of some rows, one after the other."""
    lengths = self.lengths(rows)
    ends = np.cumsum(lengths)
    shift = self.offsets[rows].astype(np.int64) - (ends - lengths)
    total = int(ends[-1]) if len(ends) else 0
    return self.values[np.repeat(shift, lengths) + np.arange(total)]

  def text(self, row: int) -> str:
    """Returns the values of a row as the UTF-8 text that they are."""
    return self.row(row).tobytes().decode()


@dataclasses.dataclass(frozen=True)
class SplitUsers:
  """The users of one split.

  Attributes:
    user_ids: In ascending order.
    starts: Where each user's rows begin in `rows`. Shape [user + 1].
    rows: Rows of the users, one user after the other. Shape [image].
  """

  user_ids: tuple[str, ...]
  starts: npt.NDArray[np.int64]
  rows: npt.NDArray[np.int64]


class ClientIndex:
  """The index of one dataset by one feature; see the module.

  Attributes:
    folder: The dataset.
    group_by: The feature that names the user.
    labels: Class ids by label feature.
    num_rows: The number of examples of all splits.
    path: Where it is kept; None where it could be kept nowhere.
  """

  def __init__(
    self,
    folder: dataset_folder.DatasetFolder,
    group_by: str,
    content: array_file.ArrayFile,
    path: pathlib.Path | None,
  ) -> None:
    """Wraps what `make` wrote."""
    self.folder = folder
    self.group_by = group_by
    self.path = path
    self._arrays = arrays = content.arrays
    self._meta = content.meta
    self.num_rows = len(arrays['checksums'])
    self.labels: Mapping[str, Ragged] = {
      name: self._ragged(name) for name in label_features(folder)
    }
    self._ids = self._ragged('ids') if 'ids.values' in arrays else None

  def __reduce__(self) -> Any:
    # The file is mapped again where it is unpickled, not sent.
    return open_index, (self.folder.path, self.group_by)

  def _ragged(self, name: str) -> Ragged:
    return Ragged(
      self._arrays[f'{name}.offsets'], self._arrays[f'{name}.values']
    )

  @property
  def image_sizes(self) -> npt.NDArray[np.uint32] | None:
    """Bytes of each encoded image, shape [row]; None without images."""
    return self._arrays.get('image_sizes')

  @property
  def image_offsets(self) -> npt.NDArray[Any] | None:
    """Where in its record each encoded image begins; None without images."""
    return self._arrays.get('image_offsets')

  @property
  def record_sizes(self) -> npt.NDArray[np.uint32]:
    """Bytes of each serialized example. Shape [row]."""
    return self._arrays['sizes']

  @property
  def num_shared_users(self) -> int:
    """The number of user ids that more than one split has."""
    return int(self._meta['num_shared_users'])

  @property
  def some_shared_users(self) -> Mapping[str, Sequence[str]]:
    """A few of them, with their splits."""
    return dict(self._meta['some_shared_users'])

  def example_id(self, row: int) -> str:
    """Returns the id of an example; its row where examples have no ids."""
    return str(row) if self._ids is None else self._ids.text(row)

  def users(self, splits: Sequence[str]) -> SplitUsers:
    """Returns the users of some splits together.

    Raises:
      ValueError: If there is no such split.
    """
    parts = [self._split_users(split) for split in splits]
    if len(parts) == 1:
      return parts[0]
    merged: dict[str, list[npt.NDArray[np.int64]]] = {}
    for part in parts:
      for i, user in enumerate(part.user_ids):
        rows = part.rows[part.starts[i] : part.starts[i + 1]]
        merged.setdefault(user, []).append(rows)
    users = sorted(merged)
    rows_by_user = [np.concatenate(merged[user]) for user in users]
    return SplitUsers(
      tuple(users),
      np.cumsum([0, *map(len, rows_by_user)]),
      np.concatenate([np.zeros(0, np.int64), *rows_by_user]),
    )

  def _split_users(self, split: str) -> SplitUsers:
    places = {name: i for i, name in enumerate(self.folder.splits)}
    if split not in places:
      raise ValueError(
        f'split must be one of {errors.choices(split, places)} of '
        f"{self.folder.name}, or 'all', got {split!r}"
      )
    first, last = self._meta['split_users'][places[split] :][:2]
    texts = self._ragged('users')
    starts = self._arrays['user_starts'][first : last + 1].astype(np.int64)
    begin, end = int(starts[0]), int(starts[-1])
    if 'user_rows' in self._arrays:
      rows = self._arrays['user_rows'][begin:end].astype(np.int64)
    else:
      shift = self._arrays['user_first_rows'][first:last] - starts[:-1]
      rows = np.repeat(shift, np.diff(starts)) + np.arange(begin, end)
    offsets = texts.offsets[first : last + 1].tolist()
    blob = texts.values[offsets[0] : offsets[-1]].tobytes()
    ids = [
      blob[a - offsets[0] : b - offsets[0]].decode()
      for a, b in itertools.pairwise(offsets)
    ]
    return SplitUsers(tuple(ids), starts - begin, rows)

  def reader(self) -> shard_readers.ShardReader:
    """Returns what reads the records of rows."""
    shards = [s for part in self.folder.splits.values() for s in part]
    arrays = self._arrays
    if self.folder.file_format == 'tfrecord':
      return shard_readers.TFRecordReader(
        shards, arrays['checksums'], arrays['offsets'], arrays['sizes']
      )
    return shard_readers.ArrayRecordReader(shards, arrays['checksums'])


def label_features(folder: dataset_folder.DatasetFolder) -> list[str]:
  """Returns the features that are class labels; what is trained on first."""
  names = [
    name
    for name, feature in folder.features.items()
    if feature.kind in ('class', 'classes')
  ]
  return sorted(names, key=lambda name: name != folder.supervised_label)


def image_feature(folder: dataset_folder.DatasetFolder) -> str | None:
  """Returns the name of the image feature: the only one, or `image`."""
  images = [
    name for name, feature in folder.features.items() if feature.kind == 'image'
  ]
  return (
    images[0] if len(images) == 1 else 'image' if 'image' in images else None
  )


def open_index(
  path: str | os.PathLike[str], group_by: str = 'user_id'
) -> ClientIndex:
  """Opens the index of a dataset, and makes it first where there is none.

  Args:
    path: The dataset's folder.
    group_by: The feature that names the user: a text, an integer or a class.

  Raises:
    ValueError: If the dataset has no such feature, or its file format has no
      random access.
    BadDataError: If a shard is damaged or missing.
  """
  folder = dataset_folder.read(path)
  _check(folder, group_by)
  meta = {
    'layout': _LAYOUT_VERSION,
    'group_by': group_by,
    'dataset': folder.fingerprint,
  }
  places = _places(folder, group_by)
  for place in places:
    content = _read_if_valid(place, meta)
    if content is not None:
      return ClientIndex(folder, group_by, content, place)
  made = _Maker(folder, group_by).make()
  made_meta = {**meta, **made[0]}
  for place in places:
    try:
      place.parent.mkdir(parents=True, exist_ok=True)
      array_file.write(place, made_meta, made[1])
    except OSError as error:
      if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
        raise
      continue
    return ClientIndex(folder, group_by, array_file.read(place), place)
  content = array_file.unnamed(made_meta, made[1])
  return ClientIndex(folder, group_by, content, None)


def _check(folder: dataset_folder.DatasetFolder, group_by: str) -> None:
  if folder.file_format not in shard_readers.FORMATS:
    raise ValueError(
      'the file format must be one with random access, '
      f'{" or ".join(shard_readers.FORMATS)}, but that of {folder.name} is '
      f'{folder.file_format!r}. Build it with '
      '`tfds build --file_format=array_record`.'
    )
  feature = folder.features.get(group_by)
  kinds = ('text', 'int', 'class')
  if feature is None or feature.kind not in kinds:
    names = [n for n, f in folder.features.items() if f.kind in kinds]
    raise ValueError(
      'group_by must be a feature that is one text, integer or class, one of '
      f'{errors.choices(group_by, names)} of {folder.name}, got {group_by!r}'
    )


def _places(
  folder: dataset_folder.DatasetFolder, group_by: str
) -> list[pathlib.Path]:
  """Returns where an index may lie: beside the dataset, or in the cache."""
  cache = os.environ.get('XDG_CACHE_HOME') or '~/.cache'
  key = hashlib.sha256(os.fsencode(folder.path.resolve())).hexdigest()[:16]
  name = f'client_index-{group_by}.bin'
  return [
    folder.path / name,
    pathlib.Path(cache).expanduser() / 'flair_tfds' / key / name,
  ]


def _read_if_valid(
  path: pathlib.Path, meta: Mapping[str, Any]
) -> array_file.ArrayFile | None:
  try:
    content = array_file.read(path)
  except (errors.BadDataError, FileNotFoundError, PermissionError):
    return None
  found = {name: content.meta.get(name) for name in meta}
  return content if found == meta else None


class _Maker:
  """Reads all records once."""

  def __init__(
    self, folder: dataset_folder.DatasetFolder, group_by: str
  ) -> None:
    self._folder = folder
    self._group_by = group_by.encode()
    self._user_text = _user_text(folder.features[group_by])
    image = image_feature(folder)
    self._image = image.encode() if image else None
    self._id = next(
      (
        name.encode()
        for name in _ID_FEATURES
        if name in folder.features
        and folder.features[name].kind in ('text', 'int')
      ),
      None,
    )
    self._labels = {
      name.encode(): _RaggedBuffer('q') for name in label_features(folder)
    }
    self._ids = _RaggedBuffer('B')
    self._checksums = array.array('I')
    self._offsets = array.array('Q')
    self._sizes = array.array('I')
    self._image_offsets = array.array('I')
    self._image_sizes = array.array('I')
    self._user_of_row = array.array('q')
    # The users of the split that is being read, by order of appearance.
    self._users: dict[str, int] = {}

  def make(self) -> tuple[dict[str, Any], array_file.Arrays]:
    """Returns plain values and arrays; see the module."""
    total = sum(
      shard.num_examples
      for shards in self._folder.splits.values()
      for shard in shards
    )
    splits: dict[str, list[str]] = {}
    starts, rows = [0], [np.zeros(0, np.int64)]
    with progress.bar(
      total=total, desc='Indexing by user', unit=' examples'
    ) as bar:
      for split, shards in self._folder.splits.items():
        first = len(self._checksums)
        for shard in shards:
          self._add_shard(shard, bar.update)
        ids, numbers, split_rows = self._finish_split(first)
        splits[split] = ids
        rows.append(split_rows)
        starts.extend((first + np.cumsum(numbers)).tolist())
    return self._meta(splits), self._arrays(
      splits, starts, np.concatenate(rows)
    )

  def _add_shard(
    self, shard: dataset_folder.Shard, report: Callable[[int], object]
  ) -> None:
    wanted = {self._group_by, self._image, self._id, *self._labels} - {None}
    names = [name for name in wanted if name is not None]
    number = 0
    for offset, record in shard_readers.iter_records(
      shard.path, self._folder.file_format
    ):
      try:
        self._add(offset, record, example.take(record, names))
      except (ValueError, IndexError) as error:
        raise errors.BadDataError(
          f'{shard.path}: record {number} must be an example with the features '
          f'of {self._folder.name}, but is not: {error}. Build the dataset '
          'again.'
        ) from error
      number += 1
      if number % 1000 == 0:
        report(1000)
    if number != shard.num_examples:
      raise errors.BadDataError(
        f'{shard.path} must hold {shard.num_examples} examples, but holds '
        f'{number}. Build the dataset again.'
      )
    report(number % 1000)

  def _add(
    self, offset: int, record: bytes, values: Mapping[bytes, example.Value]
  ) -> None:
    user = self._user_text(_one(values, self._group_by))
    self._user_of_row.append(self._users.setdefault(user, len(self._users)))
    self._checksums.append(records.crc(record))
    self._offsets.append(offset)
    self._sizes.append(len(record))
    if self._image is not None:
      image = _bytes(_one(values, self._image))
      self._image_offsets.append(record.find(image))
      self._image_sizes.append(len(image))
    if self._id is not None:
      name = _one(values, self._id)
      self._ids.add(name if isinstance(name, bytes) else b'%d' % name)
    for feature, labels in self._labels.items():
      # -1 stands for a label that is not known.
      labels.add([v for v in values.get(feature, ()) if _int(v) >= 0])

  def _finish_split(
    self, first: int
  ) -> tuple[list[str], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Returns sorted user ids, their numbers of rows, and rows by user."""
    ids = list(self._users)
    order = sorted(range(len(ids)), key=ids.__getitem__)
    rank = np.zeros(len(ids), np.int64)
    rank[order] = np.arange(len(ids))
    users = rank[np.array(self._user_of_row[first:], np.int64)]
    rows = np.argsort(users, kind='stable') + first
    self._users = {}
    return (
      [ids[i] for i in order],
      np.bincount(users, minlength=len(ids)),
      rows,
    )

  def _meta(self, splits: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    places: dict[str, list[str]] = {}
    for split, ids in splits.items():
      for user in ids:
        places.setdefault(user, []).append(split)
    shared = [(user, found) for user, found in places.items() if len(found) > 1]
    return {
      'split_users': np.cumsum([0, *map(len, splits.values())]).tolist(),
      'num_shared_users': len(shared),
      'some_shared_users': shared[:_NUM_SHOWN],
    }

  def _arrays(
    self,
    splits: Mapping[str, Sequence[str]],
    starts: Sequence[int],
    rows: npt.NDArray[np.int64],
  ) -> array_file.Arrays:
    users = _RaggedBuffer('B')
    for ids in splits.values():
      for user in ids:
        users.add(user.encode())
    arrays: dict[str, npt.NDArray[Any]] = {
      'checksums': np.array(self._checksums, np.uint32),
      'sizes': np.array(self._sizes, np.uint32),
      'user_starts': np.array(starts, np.int64),
      **users.arrays('users'),
    }
    if self._folder.file_format == 'tfrecord':
      arrays['offsets'] = np.array(self._offsets, np.uint64)
    if self._image is not None:
      arrays['image_offsets'] = _narrow(np.array(self._image_offsets))
      arrays['image_sizes'] = np.array(self._image_sizes, np.uint32)
    if self._id is not None:
      arrays |= self._ids.arrays('ids')
    for name, labels in self._labels.items():
      arrays |= labels.arrays(name.decode())
    places = np.array(starts[:-1], np.int64)
    starts_user = np.zeros(len(rows), np.bool_)
    starts_user[places] = True
    if (starts_user[1:] | (rows[1:] == rows[:-1] + 1)).all():
      arrays['user_first_rows'] = rows[places]
    else:
      arrays['user_rows'] = _narrow(rows)
    return arrays


class _RaggedBuffer:
  """Collects lists of values."""

  def __init__(self, typecode: str) -> None:
    self._ends = array.array('Q', [0])
    self._values = array.array(typecode)

  def add(self, values: Iterable[Any]) -> None:
    self._values.extend(values)
    self._ends.append(len(self._values))

  def arrays(self, name: str) -> dict[str, npt.NDArray[Any]]:
    return {
      f'{name}.offsets': _narrow(np.array(self._ends)),
      f'{name}.values': _narrow(np.array(self._values)),
    }


def _narrow(array_: npt.NDArray[Any]) -> npt.NDArray[Any]:
  """Returns the same numbers, none negative, in as few bytes as they need."""
  largest = int(array_.max()) if len(array_) else 0
  return array_.astype(np.min_scalar_type(largest))


def _one(values: Mapping[bytes, example.Value], name: bytes) -> bytes | int:
  found = values.get(name, ())
  if len(found) != 1:
    raise ValueError(f'{name.decode()} has {len(found)} values instead of one')
  return found[0]


def _bytes(value: bytes | int) -> bytes:
  if not isinstance(value, bytes):
    raise ValueError(f'{value!r} is not a byte string')
  return value


def _int(value: bytes | int) -> int:
  if not isinstance(value, int):
    raise ValueError(f'{value!r} is not an integer')
  return value


def _user_text(
  feature: dataset_folder.Feature,
) -> Callable[[bytes | int], str]:
  """Returns what makes a user id of the value of a feature."""

  def text(value: bytes | int) -> str:
    if isinstance(value, bytes):
      return value.decode()
    return feature.class_names[value] if feature.class_names else str(value)

  return text
