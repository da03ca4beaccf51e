"""Reads FLAIR's `labels_and_metadata.json` into a table, record by record.

The file is a list of 429,078 records. Parsed at once it takes half a gigabyte;
read in pieces, what is kept of it is some dozens of bytes a record.
"""

import array
import dataclasses
import itertools
import json
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from flair_tfds.building import table
from flair_tfds.core import errors
from flair_tfds.datasets.flair import published
from flair_tfds.hierarchy import flair as taxonomy_lib

METADATA_FILE = 'labels_and_metadata.json'
SPLITS = ('train', 'val', 'test')
_FIELDS = (
  'user_id',
  'image_id',
  'labels',
  'partition',
  'fine_grained_labels',
)
_CHUNK_CHARACTERS = 1 << 20
# A record has some hundred characters. Text that is no record after so many
# more is malformed rather than incomplete.
_MAX_RECORD_CHARACTERS = 1 << 22
_MAX_ID_BYTES = 200
_BLOCK_RECORDS = 1 << 16


@dataclasses.dataclass(frozen=True)
class Metadata:
  """FLAIR's records, in the order in which the builder writes them.

  Users come in the order of a hash of their id within their split, so that
  shards are random samples of users; a user's images follow each other, sorted
  by id as text.

  Attributes:
    examples: All features but the image.
    fine_names: The fine-grained labels that occur, sorted; place = class id.
    num_records: Number of records of the file, whatever was limited since.
    users: Number of users of each split.
  """

  examples: table.Table
  fine_names: list[str]
  num_records: int
  users: Mapping[str, int]


def read(
  path: pathlib.Path, max_examples_per_split: int | None = None
) -> Metadata:
  """Reads and checks the metadata.

  Args:
    path: `labels_and_metadata.json`.
    max_examples_per_split: Plan only the first so many examples of each split.
      All records are read and checked all the same.

  Raises:
    BadDataError: If the file is malformed or truncated; a record lacks a field
      or has one of the wrong type; a partition or coarse label is unknown; a
      user is in two partitions; an image id occurs twice.
  """
  records = _Records(path)
  for number, record in enumerate(_iter_json_list(path), start=1):
    records.add(number, record)
  return records.finish(max_examples_per_split)


class _Records:
  """The records in file order, as arrays."""

  def __init__(self, path: pathlib.Path) -> None:
    self._path = path
    self._image_ids = bytearray()
    self._id_ends = array.array('q')
    self._users: dict[str, int] = {}
    self._user_splits = array.array('b')
    self._user_of_image = array.array('i')
    self._coarse = _LabelSets(
      {name: i for i, name in enumerate(taxonomy_lib.COARSE_LABELS)}
    )
    self._fine = _LabelSets({})

  def add(self, number: int, record: Any) -> None:
    """Checks and appends one record."""
    where = f'{self._path}: record {number}'
    if not isinstance(record, dict):
      raise errors.BadDataError(
        f'{where} must be an object, found {type(record).__name__}. Get the '
        'file again.'
      )
    missing = [field for field in _FIELDS if field not in record]
    if missing:
      raise errors.BadDataError(
        f'{where} (image_id {record.get("image_id")!r}) must have the fields '
        f'{errors.listing(_FIELDS)}, but lacks {errors.listing(missing)}. Get '
        'the file again.'
      )
    image_id = self._checked_id(where, 'image_id', record['image_id'])
    if '/' in image_id or '\0' in image_id:
      raise errors.BadDataError(
        f"{where}: image_id must be a file's name without '/', got "
        f'{image_id!r}. Correct the record.'
      )
    where = f'{where} (image_id {image_id!r})'
    user_id = self._checked_id(where, 'user_id', record['user_id'])
    self._image_ids += image_id.encode()
    self._id_ends.append(len(self._image_ids))
    self._user_of_image.append(
      self._add_user(where, user_id, record['partition'])
    )
    for field, sets in (
      ('labels', self._coarse),
      ('fine_grained_labels', self._fine),
    ):
      labels = record[field]
      if not isinstance(labels, list) or not all(
        isinstance(label, str) and label for label in labels
      ):
        raise errors.BadDataError(
          f'{where}: {field} must be a list of names, got {labels!r}. Correct '
          'the record.'
        )
      if len(set(labels)) != len(labels):
        raise errors.BadDataError(
          f'{where}: {field} must name a label once, got {labels!r}. Correct '
          'the record.'
        )
      if sets is self._coarse:
        unknown = [label for label in labels if label not in sets.ids]
        if unknown:
          raise errors.BadDataError(
            f'{where}: labels must be among '
            f'{errors.choices(unknown[0], sets.ids)}, got {unknown[0]!r}. '
            'Correct the record.'
          )
      sets.append(labels)

  def _checked_id(self, where: str, field: str, value: Any) -> str:
    if (
      not isinstance(value, str)
      or not value
      or len(value.encode('utf-8', 'replace')) > _MAX_ID_BYTES
    ):
      raise errors.BadDataError(
        f'{where}: {field} must be a string of 1 to {_MAX_ID_BYTES} bytes, got '
        f'{str(value)[:80]!r} ({type(value).__name__}). Correct the record.'
      )
    try:
      value.encode()
    except UnicodeEncodeError as error:
      raise errors.BadDataError(
        f'{where}: {field} must be valid Unicode, got {value!r}. Correct the '
        'record.'
      ) from error
    return value

  def _add_user(self, where: str, user_id: str, partition: Any) -> int:
    if partition not in SPLITS:
      raise errors.BadDataError(
        f'{where}: partition must be one of '
        f'{errors.choices(str(partition), SPLITS)}, got {partition!r}. Correct '
        'the record.'
      )
    split = SPLITS.index(partition)
    user = self._users.setdefault(user_id, len(self._users))
    if user == len(self._user_splits):
      self._user_splits.append(split)
    elif self._user_splits[user] != split:
      raise errors.BadDataError(
        f'{where}: a user must be in one partition, but {user_id!r} is in '
        f'{SPLITS[self._user_splits[user]]!r} and in {partition!r}. Get the '
        'file again.'
      )
    return user

  def _ids_array(self) -> npt.NDArray[np.bytes_]:
    """Returns the image ids, which hold no NUL, as one array to be sorted."""
    ends = np.array(self._id_ends)
    longest = int(np.diff(ends, prepend=0).max())
    ids = np.empty(len(ends), f'S{longest}')
    for start in range(0, len(ends), _BLOCK_RECORDS):
      first = int(ends[start - 1]) if start else 0
      block = [first, *ends[start : start + _BLOCK_RECORDS].tolist()]
      ids[start : start + _BLOCK_RECORDS] = [
        bytes(self._image_ids[a:b]) for a, b in itertools.pairwise(block)
      ]
    return ids

  def finish(self, max_examples_per_split: int | None) -> Metadata:
    """Sorts the records and makes the table."""
    if not self._id_ends:
      raise errors.BadDataError(
        f'{self._path} must hold records, but its list is empty. Get the file '
        'again.'
      )
    users = list(self._users)
    rank = np.empty(len(users), np.int32)
    rank[
      sorted(
        range(len(users)),
        key=lambda user: (table.digest(users[user].encode()), users[user]),
      )
    ] = np.arange(len(users))
    user_of_image = np.frombuffer(self._user_of_image, np.intc)
    split_of_user = np.frombuffer(self._user_splits, np.int8)
    split_of_image = split_of_user[user_of_image]
    image_ids = self._ids_array()
    num_records = len(image_ids)
    # By split, then user in hash order, then image id.
    order = np.lexsort((image_ids, rank[user_of_image], split_of_image))
    order = _limited(order, split_of_image, max_examples_per_split)
    user_of_row = user_of_image[order]
    fine_names, fine = self._fine.sorted()
    encoded = [user.encode() for user in users]
    examples = table.make(
      splits=_split_ranges(split_of_image[order]),
      key='image_id',
      image='image',
      columns={
        'image_id': table.Column.from_array(image_ids[order]),
        'user_id': table.Column.from_texts(
          encoded[user] for user in user_of_row.tolist()
        ),
        'labels': self._coarse.sorted()[1].take(order),
        'fine_grained_labels': fine.take(order),
      },
      groups=np.flatnonzero(np.diff(user_of_row, prepend=-1)),
    )
    return Metadata(
      examples=examples,
      fine_names=fine_names,
      num_records=num_records,
      users={
        name: int(np.count_nonzero(split_of_user == i))
        for i, name in enumerate(SPLITS)
      },
    )


class _LabelSets:
  """Label sets of many images, by ids given in the order of appearance."""

  def __init__(self, ids: dict[str, int]) -> None:
    self.ids = ids
    self._lengths = array.array('i')
    self._values = array.array('i')

  def append(self, labels: list[str]) -> None:
    ids = self.ids
    self._lengths.append(len(labels))
    self._values.extend(
      [ids.setdefault(name, len(ids)) for name in sorted(labels)]
    )

  def sorted(self) -> tuple[list[str], table.Column]:
    """Returns the sorted names, and the sets as sorted places in them."""
    names = sorted(self.ids)
    dtype = np.int16 if len(names) <= np.iinfo(np.int16).max else np.int32
    place = np.empty(len(names), dtype)
    place[[self.ids[name] for name in names]] = np.arange(len(names))
    # Each set was appended in the order of its names, which is that of places.
    values = place[np.frombuffer(self._values, np.intc)]
    lengths = np.frombuffer(self._lengths, np.intc)
    return names, table.Column.from_ints(lengths, values)


def _limited(
  order: npt.NDArray[np.int64],
  split_of_image: npt.NDArray[np.int8],
  limit: int | None,
) -> npt.NDArray[np.int64]:
  if limit is None:
    return order
  splits = split_of_image[order]
  return np.concatenate(
    [order[splits == split][:limit] for split in range(len(SPLITS))]
  )


def _split_ranges(
  splits: npt.NDArray[np.int8],
) -> dict[str, tuple[int, int]]:
  ends = np.searchsorted(splits, np.arange(len(SPLITS) + 1)).tolist()
  return {
    name: (ends[i], ends[i + 1])
    for i, name in enumerate(SPLITS)
    if ends[i] < ends[i + 1]
  }


def describe(
  metadata: Metadata, taxonomy: taxonomy_lib.Taxonomy
) -> dict[str, Any]:
  """Describes the metadata for the manifest, and what in it does not agree.

  Coarse labels ought to be the parents of the fine ones. Where they are not,
  the records are counted and left as they are published.

  Args:
    metadata: What was read; unlimited counts only where it is complete.
    taxonomy: From `label_relationship.txt`.

  Raises:
    BadDataError: If there are as many records as FLAIR has, but they are not
      FLAIR's: the published counts differ.
  """
  examples = metadata.examples
  coarse, fine = (
    examples.columns['labels'],
    examples.columns['fine_grained_labels'],
  )
  places = {name: i for i, name in enumerate(taxonomy_lib.COARSE_LABELS)}
  parents = np.array(
    [
      places.get(taxonomy.coarse_of(name) or '', len(places))
      for name in metadata.fine_names
    ],
    np.int64,
  )
  labelled = _indicators(coarse, coarse.values, len(places) + 1)
  derived = _indicators(fine, parents[fine.values], len(places) + 1)
  unknown = derived[:, -1]
  differs = (labelled != derived)[:, :-1].any(axis=1) & ~unknown
  return {
    'num_records': metadata.num_records,
    'users_per_split': dict(metadata.users),
    'num_fine_labels': len(metadata.fine_names),
    'published_figures': _compare_published(metadata),
    'coarse_labels_differ_from_parents': {
      'num_images': int(differs.sum()),
      'first': examples.keys(np.flatnonzero(differs)[:10].tolist()),
    },
    'fine_labels_without_parent': {
      'num_images': int(unknown.sum()),
      'names': [
        name
        for name, parent in zip(metadata.fine_names, parents, strict=True)
        if parent == len(places)
      ],
    },
  }


def _indicators(
  column: table.Column, values: npt.NDArray[Any], num_classes: int
) -> npt.NDArray[np.bool_]:
  matrix = np.zeros((len(column.offsets) - 1, num_classes), bool)
  rows = np.repeat(np.arange(len(matrix)), np.diff(column.offsets))
  matrix[rows, values] = True
  return matrix


def _compare_published(metadata: Metadata) -> str:
  if metadata.num_records != published.NUM_IMAGES:
    return (
      f'not compared: {metadata.num_records} records, the published metadata '
      f'has {published.NUM_IMAGES}'
    )
  splits = metadata.examples.splits
  images = {name: end - start for name, (start, end) in splits.items()}
  if sum(images.values()) != metadata.num_records:
    return 'not compared: the number of examples was limited'
  counts = np.bincount(
    metadata.examples.columns['labels'].values,
    minlength=len(taxonomy_lib.COARSE_LABELS),
  )
  found = {
    'images per split': images,
    'users per split': dict(metadata.users),
    'number of fine-grained labels': len(metadata.fine_names),
    'images per coarse label': dict(
      zip(taxonomy_lib.COARSE_LABELS, counts.tolist(), strict=True)
    ),
  }
  expected = {
    'images per split': published.IMAGES_PER_SPLIT,
    'users per split': published.USERS_PER_SPLIT,
    'number of fine-grained labels': published.NUM_FINE_LABELS,
    'images per coarse label': published.COARSE_IMAGE_COUNTS,
  }
  for what, value in expected.items():
    if found[what] != value:
      raise errors.BadDataError(
        f"{METADATA_FILE} has as many records as FLAIR's, so the {what} must "
        f'be the published {value}, but found {found[what]}. Get the file '
        'again.'
      )
  return 'equal'


def _iter_json_list(path: pathlib.Path) -> Iterator[Any]:
  """Yields the items of a JSON list, holding a piece of the file at a time.

  Raises:
    BadDataError: If the file is no list, malformed, truncated or not UTF-8.
  """
  reader = _JsonReader(path)
  try:
    with path.open(encoding='utf-8') as file:
      yield from reader.items(file)
  except UnicodeDecodeError as error:
    raise errors.BadDataError(
      f'{path} must be UTF-8 text, but is not after {reader.number} records '
      f'({error.reason}). Get the file again.'
    ) from error


class _JsonReader:
  """The state of `_iter_json_list`."""

  def __init__(self, path: pathlib.Path) -> None:
    self._path = path
    self._text = ''
    self._place = 0  # in the text at hand
    self._passed = 0  # characters before it
    self.number = 0

  def items(self, file: Any) -> Iterator[Any]:
    decoder = json.JSONDecoder()
    if self._next_character(file) != '[':
      raise self._error("must begin with '['")
    self._place += 1
    if self._next_character(file) == ']':
      self._place += 1
      self._check_end(file)
      return
    while True:
      self._next_character(file)
      while True:
        try:
          item, end = decoder.raw_decode(self._text, self._place)
          break
        except json.JSONDecodeError as error:
          size = len(self._text) - self._place
          if size > _MAX_RECORD_CHARACTERS or not self._read_on(file):
            cut_off = error.msg.startswith('Unterminated') or (
              error.pos >= len(self._text.rstrip())
            )
            raise self._error(
              f'cannot be parsed: {error.msg}', cut_off
            ) from error
        except RecursionError as error:
          raise self._error('is nested too deeply') from error
      self._place = end
      self.number += 1
      yield item
      character = self._next_character(file)
      self._place += 1
      if character == ']':
        self._check_end(file)
        return
      if character != ',':
        raise self._error("must be followed by ',' or ']'")

  def _next_character(self, file: Any) -> str:
    """Returns the next character that is no white space; '' at the end."""
    while True:
      while self._place < len(self._text):
        character = self._text[self._place]
        if character not in ' \t\r\n\ufeff':
          return character
        self._place += 1
      if not self._read_on(file):
        return ''

  def _read_on(self, file: Any) -> bool:
    more = file.read(_CHUNK_CHARACTERS)
    self._passed += self._place
    self._text = self._text[self._place :] + more
    self._place = 0
    return bool(more)

  def _check_end(self, file: Any) -> None:
    if self._next_character(file):
      raise self._error('must be the end, but more text follows the list')

  def _error(self, what: str, cut_off: bool = False) -> errors.BadDataError:
    where = self._passed + self._place
    end = ''
    if cut_off or self._place >= len(self._text):
      end = ' The file ends there: it is truncated.'
    return errors.BadDataError(
      f'{self._path} must be a JSON list of records, but what follows record '
      f'{self.number}, at character {where}, {what}.{end} Get the file again.'
    )
