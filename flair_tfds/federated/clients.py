"""A split as a mapping from user to the user's examples.

    clients = federated.load('flair', split='train')
    client = clients['9334511@N06']
    client.num_images, client.label_counts()   # no image is touched
    client.images(), client.multi_hot()        # all at once
    for batch in client.batches(16, rng, epochs=2): ...

Views are cheap and never change: what selects, splits or mixes users returns
another view of the same examples.
"""

import dataclasses
import difflib
import io
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, overload

import numpy as np
import numpy.typing as npt
from PIL import Image

from flair_tfds.core import errors
from flair_tfds.federated import client_index, dataset_folder

_Rows = npt.NDArray[np.int64]


class Examples:
  """The examples of a dataset, by row; what all its views share.

  Attributes:
    index: Where they are, and all about them but their images.
    folder: The dataset.
    labels: The label feature that is meant where none is named; None where
      the dataset does not tell.
  """

  def __init__(self, index: client_index.ClientIndex) -> None:
    """Opens no shard yet."""
    self.index = index
    self.folder = index.folder
    self._reader = index.reader()
    known = list(index.labels)
    supervised = index.folder.supervised_label
    self.labels = (
      supervised
      if supervised in known
      else known[0]
      if len(known) == 1
      else None
    )

  def __reduce__(self) -> tuple[Any, ...]:
    return Examples, (self.index,)

  def iter_records(self, rows: _Rows) -> Iterator[bytes]:
    """Yields the serialized examples of some rows."""
    return self._reader.iter_rows(rows)

  def iter_encoded(self, rows: _Rows) -> Iterator[bytes]:
    """Yields the images of some rows, as they are stored."""
    offsets, sizes = self.index.image_offsets, self.index.image_sizes
    if offsets is None or sizes is None:
      raise ValueError(
        f'{self.folder.name} must have one image feature, or one called '
        "'image', to give images, but has none. Use records()."
      )
    for record, start, size in zip(
      self._reader.iter_rows(rows),
      offsets[rows].tolist(),
      sizes[rows].tolist(),
      strict=True,
    ):
      yield record[start : start + size]

  def feature(self, labels: str | None) -> str:
    """Returns the name of a label feature: the one given, or the usual one."""
    name = self.labels if labels is None else labels
    if name is None or name not in self.index.labels:
      raise ValueError(
        'labels must be a label feature, one of '
        f'{errors.choices(name or "", self.index.labels)} of '
        f'{self.folder.name}, got {name!r}'
      )
    return name

  def num_classes(self, feature: str) -> int:
    """Returns the number of classes of a label feature."""
    return self.folder.features[feature].num_classes


@dataclasses.dataclass(frozen=True)
class Example:
  """One image.

  Attributes:
    user_id: Its user; of a view of artificial users, the artificial one.
    image_id: Its id.
    encoded: The image as it is stored.
    labels: Ascending class ids, by label feature.
  """

  user_id: str
  image_id: str
  encoded: bytes
  labels: Mapping[str, tuple[int, ...]]

  @property
  def image(self) -> npt.NDArray[np.uint8]:
    """The decoded image. Shape [height, width, 3], RGB."""
    return decode(self.encoded)


class Batch(NamedTuple):
  """Some images of a user.

  Attributes:
    images: Shape [image, height, width, 3], uint8, RGB.
    labels: Whether each class is present. Shape [image, class].
    image_ids: Their ids.
  """

  images: npt.NDArray[np.uint8]
  labels: npt.NDArray[np.bool_]
  image_ids: tuple[str, ...]


class Client(Sequence[Example]):
  """The examples of one user; a sequence that reads an image when asked.

  Attributes:
    user_id: The user.
    rows: Which examples of the dataset these are. Shape [image].
  """

  def __init__(self, examples: Examples, user_id: str, rows: _Rows) -> None:
    """Reads nothing."""
    self.user_id = user_id
    self.rows = rows
    self._examples = examples

  def __repr__(self) -> str:
    return f'Client({self.user_id!r}, {self.num_images} images)'

  @property
  def num_images(self) -> int:
    """The number of images."""
    return len(self.rows)

  def __len__(self) -> int:
    return len(self.rows)

  @overload
  def __getitem__(self, place: int) -> Example: ...

  @overload
  def __getitem__(self, place: slice) -> 'Client': ...

  def __getitem__(self, place: int | slice) -> 'Example | Client':
    if isinstance(place, slice):
      return self.take(np.arange(len(self))[place])
    row = int(self.rows[place])
    (encoded,) = self._examples.iter_encoded(np.array([row]))
    return self._example(row, encoded)

  def __iter__(self) -> Iterator[Example]:
    encoded = self._examples.iter_encoded(self.rows)
    for row, data in zip(self.rows.tolist(), encoded, strict=True):
      yield self._example(row, data)

  def _example(self, row: int, encoded: bytes) -> Example:
    index = self._examples.index
    return Example(
      self.user_id,
      index.example_id(row),
      encoded,
      {
        name: tuple(labels.row(row).tolist())
        for name, labels in index.labels.items()
      },
    )

  def take(self, places: npt.ArrayLike) -> 'Client':
    """Returns a client with some of the images, in the order given.

    Args:
      places: Places in this client, from 0. Shape [image].
    """
    rows = self.rows[np.asarray(places, np.int64)]
    return Client(self._examples, self.user_id, rows)

  @property
  def image_ids(self) -> list[str]:
    """The ids of the images."""
    index = self._examples.index
    return [index.example_id(row) for row in self.rows.tolist()]

  def label_ids(self, labels: str | None = None) -> list[npt.NDArray[np.int64]]:
    """Returns the ascending class ids of every image.

    Args:
      labels: The label feature; by default the one that the dataset trains on.

    Raises:
      ValueError: If `labels` is not a label feature.
    """
    ragged = self._examples.index.labels[self._examples.feature(labels)]
    return [ragged.row(row).astype(np.int64) for row in self.rows.tolist()]

  def multi_hot(self, labels: str | None = None) -> npt.NDArray[np.bool_]:
    """Returns whether each class is present. Shape [image, class].

    Args:
      labels: See `label_ids`.

    Raises:
      ValueError: If `labels` is not a label feature.
    """
    feature = self._examples.feature(labels)
    ragged = self._examples.index.labels[feature]
    hot = np.zeros((len(self), self._examples.num_classes(feature)), np.bool_)
    images = np.repeat(np.arange(len(self)), ragged.lengths(self.rows))
    hot[images, ragged.take(self.rows)] = True
    return hot

  def label_counts(self, labels: str | None = None) -> npt.NDArray[np.int64]:
    """Returns how many of the images have each label. Shape [class].

    Args:
      labels: See `label_ids`.

    Raises:
      ValueError: If `labels` is not a label feature.
    """
    feature = self._examples.feature(labels)
    values = self._examples.index.labels[feature].take(self.rows)
    size = self._examples.num_classes(feature)
    return np.bincount(values, minlength=size)

  def records(self) -> list[bytes]:
    """Returns the serialized `tf.train.Example`s."""
    return list(self._examples.iter_records(self.rows))

  def encoded_images(self) -> list[bytes]:
    """Returns the images as they are stored: for FLAIR, JPEG files."""
    return list(self._examples.iter_encoded(self.rows))

  def images(self) -> npt.NDArray[np.uint8]:
    """Returns the decoded images. Shape [image, height, width, 3], RGB.

    All at once: a user of FLAIR with 4,151 images takes 816 MB. `batches`
    holds one batch at a time.

    Raises:
      ValueError: If the images differ in size.
    """
    return self._stack([decode(data) for data in self.encoded_images()])

  def batches(
    self,
    batch_size: int,
    rng: np.random.Generator,
    *,
    epochs: int = 1,
    max_examples: int | None = None,
    labels: str | None = None,
  ) -> Iterator[Batch]:
    """Yields shuffled batches for local training, one in memory at a time.

    Args:
      batch_size: Images a batch; the last one of an epoch may have fewer.
      rng: Shuffles every epoch anew.
      epochs: How often to go through the images.
      max_examples: Use so many of the images at most, drawn once by `rng`.
      labels: See `label_ids`.

    Raises:
      ValueError: If `batch_size`, `epochs` or `max_examples` is less than 1,
        `labels` is not a label feature, or the images differ in size.
    """
    _check_positive('batch_size', batch_size)
    _check_positive('epochs', epochs)
    hot = self.multi_hot(labels)
    places = np.arange(len(self))
    if max_examples is not None:
      _check_positive('max_examples', max_examples)
      if max_examples < len(places):
        places = rng.choice(places, max_examples, replace=False)
    return self._iter_batches(batch_size, rng, epochs, places, hot)

  def _iter_batches(
    self,
    batch_size: int,
    rng: np.random.Generator,
    epochs: int,
    places: _Rows,
    hot: npt.NDArray[np.bool_],
  ) -> Iterator[Batch]:
    for _ in range(epochs):
      order = rng.permutation(places)
      for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        batch = self.take(chosen)
        yield Batch(batch.images(), hot[chosen], tuple(batch.image_ids))

  def _stack(
    self, images: Sequence[npt.NDArray[np.uint8]]
  ) -> npt.NDArray[np.uint8]:
    sizes = sorted({image.shape for image in images})
    if len(sizes) > 1:
      raise ValueError(
        f'the images of user {self.user_id!r} must be of one size to be one '
        f'array, but are of {errors.listing(sizes)}. Iterate over the client, '
        'and resize each image.'
      )
    return np.stack(images) if images else np.zeros((0, 0, 0, 3), np.uint8)


class ClientView(Mapping[str, Client]):
  """The users of a split, in ascending order of their ids.

  Attributes:
    user_ids: All users.
    starts: Where each user's rows begin in `rows`. Shape [user + 1].
    rows: The examples of one user after the other. Shape [image].
    examples: The examples that they are rows of.
  """

  def __init__(
    self,
    examples: Examples,
    user_ids: Sequence[str],
    starts: npt.NDArray[np.int64],
    rows: _Rows,
  ) -> None:
    """Wraps arrays; `federated.load` is what users call."""
    self.user_ids = tuple(user_ids)
    self.starts = starts
    self.rows = rows
    self.examples = examples
    self._places = {user: i for i, user in enumerate(self.user_ids)}

  def __repr__(self) -> str:
    return (
      f'ClientView({self.examples.folder.name}: {len(self)} users, '
      f'{len(self.rows)} images)'
    )

  def __len__(self) -> int:
    return len(self.user_ids)

  def __iter__(self) -> Iterator[str]:
    return iter(self.user_ids)

  def __contains__(self, user: object) -> bool:
    return user in self._places

  def __getitem__(self, user: str) -> Client:
    place = self._places.get(user)
    if place is None:
      near = difflib.get_close_matches(str(user), self.user_ids[:10000], n=3)
      hint = f'; near ones are {errors.listing(near)}' if near else ''
      raise KeyError(
        f'a user must be one of the {len(self)} in user_ids, got {user!r}{hint}'
      )
    return self._client(place)

  def _client(self, place: int) -> Client:
    start, end = self.starts[place : place + 2].tolist()
    return Client(self.examples, self.user_ids[place], self.rows[start:end])

  @property
  def num_images(self) -> npt.NDArray[np.int64]:
    """The number of images of each user. Shape [user]."""
    return np.diff(self.starts)

  @property
  def pooled(self) -> Client:
    """The images of all users, as if they were one user's."""
    return Client(self.examples, 'all', self.rows)

  def class_names(self, labels: str | None = None) -> tuple[str, ...]:
    """Returns the names of the classes; empty if the dataset has none.

    Args:
      labels: See `Client.label_ids`.
    """
    feature = self.examples.feature(labels)
    return self.examples.folder.features[feature].class_names

  def select(self, user_ids: Sequence[str]) -> 'ClientView':
    """Returns a view of some users, in ascending order of their ids.

    Raises:
      KeyError: If one is not in this view.
    """
    for user in user_ids:
      if user not in self._places:
        self[user]  # raises
    return self._at(sorted(self._places[user] for user in set(user_ids)))

  def with_min_images(self, min_images: int) -> 'ClientView':
    """Returns a view of the users that have so many images or more."""
    return self._at(np.flatnonzero(self.num_images >= min_images).tolist())

  def _at(self, places: Sequence[int]) -> 'ClientView':
    rows = [
      self.rows[self.starts[place] : self.starts[place + 1]] for place in places
    ]
    return self._of([self.user_ids[place] for place in places], rows)

  def _of(self, ids: Sequence[str], rows: Sequence[_Rows]) -> 'ClientView':
    starts = np.cumsum([0, *map(len, rows)])
    joined = np.concatenate([np.zeros(0, np.int64), *rows])
    return ClientView(self.examples, ids, starts, joined)

  def with_max_images(
    self, max_images: int, rng: np.random.Generator
  ) -> 'ClientView':
    """Returns a view in which users with more images keep a random so many.

    Args:
      max_images: The most images that a user has.
      rng: Chooses them; they keep their order.

    Raises:
      ValueError: If `max_images` is less than 1.
    """
    _check_positive('max_images', max_images)
    rows = []
    for start, end in zip(self.starts, self.starts[1:], strict=False):
      kept = self.rows[start:end]
      if len(kept) > max_images:
        places = rng.choice(len(kept), max_images, replace=False)
        kept = kept[np.sort(places)]
      rows.append(kept)
    return self._of(self.user_ids, rows)

  def split_large(self, max_images: int) -> 'ClientView':
    """Returns a view in which large users are several, no image left out.

    A user with more images becomes the users `<id>#0`, `<id>#1`, ... with
    parts as equal as can be, in order.

    Raises:
      ValueError: If `max_images` is less than 1.
    """
    _check_positive('max_images', max_images)
    parts: dict[str, _Rows] = {}
    for place, user in enumerate(self.user_ids):
      rows = self.rows[self.starts[place] : self.starts[place + 1]]
      number = math.ceil(len(rows) / max_images)
      if number <= 1:
        parts[user] = rows
        continue
      for i, part in enumerate(np.array_split(rows, number)):
        parts[f'{user}#{i}'] = part
    ids = sorted(parts)
    return self._of(ids, [parts[user] for user in ids])

  def shuffled(self, rng: np.random.Generator) -> 'ClientView':
    """Returns a view in which users keep their sizes but not their images.

    The images of all users are shuffled and dealt out anew: what heterogeneity
    is left comes from the sizes alone.

    Args:
      rng: Shuffles.
    """
    rows = rng.permutation(self.rows)
    return ClientView(self.examples, self.user_ids, self.starts, rows)

  def iid(self, num_images: int, rng: np.random.Generator) -> 'ClientView':
    """Returns a view of artificial users whose images are drawn from all.

    What is left of federated data when its heterogeneity is taken away: the
    images of all users are shuffled and dealt out, each to one artificial user
    at most. The rest that does not make a whole user is left out.

    Source: the published benchmark compares users of 50 images drawn so.

    Args:
      num_images: The images of each artificial user.
      rng: Shuffles.

    Raises:
      ValueError: If `num_images` is less than 1 or more than there are.
    """
    _check_positive('num_images', num_images)
    number = len(self.rows) // num_images
    if not number:
      raise ValueError(
        f'num_images must be at most the {len(self.rows)} images of all users, '
        f'got {num_images}'
      )
    rows = rng.permutation(self.rows)[: number * num_images]
    width = len(str(number - 1))
    ids = [f'iid-{i:0{width}d}' for i in range(number)]
    starts = np.arange(number + 1) * num_images
    return ClientView(self.examples, ids, starts, rows)


def decode(encoded: bytes) -> npt.NDArray[np.uint8]:
  """Decodes an image. Shape [height, width, 3], RGB."""
  with Image.open(io.BytesIO(encoded)) as image:
    return np.asarray(image.convert('RGB'))


def load(
  name: str,
  split: str,
  *,
  data_dir: str | os.PathLike[str] | None = None,
  group_by: str = 'user_id',
  disjoint: bool = True,
) -> ClientView:
  """Opens a split of a built dataset by user.

  The first time, all records are read once to index them, a few seconds for
  100,000 examples. The index is kept beside the dataset, or in the user's
  cache folder if that may not be written. From then on a split opens in
  milliseconds, and no TensorFlow is involved.

  Args:
    name: As TFDS takes it: `flair`, `flair/miniature`, `flair:1.0.0`.
    split: The name of a split, or `all` for all together.
    data_dir: Where TFDS keeps datasets; by default where it does by default.
    group_by: The feature that names the user: a text, an integer or a class.
    disjoint: Whether to insist that no user is in two splits. Data whose
      splits share users on purpose need False.

  Raises:
    ValueError: If the dataset is not built, or has no such split or feature.
    BadDataError: If a shard is damaged or missing, or splits share users.
  """
  folder = dataset_folder.find(name, data_dir)
  return load_folder(folder, split, group_by=group_by, disjoint=disjoint)


def load_folder(
  folder: str | os.PathLike[str],
  split: str,
  *,
  group_by: str = 'user_id',
  disjoint: bool = True,
) -> ClientView:
  """Does the same with the folder of a dataset, which holds the shards.

  Args:
    folder: The folder with `dataset_info.json`.
    split: See `load`.
    group_by: See `load`.
    disjoint: See `load`.

  Raises:
    ValueError: See `load`.
    BadDataError: See `load`.
    FileNotFoundError: If it is not the folder of a dataset.
  """
  index = client_index.open_index(folder, group_by)
  if disjoint and index.num_shared_users:
    shown = [
      f'{user} in {" and ".join(splits)}'
      for user, splits in index.some_shared_users.items()
    ]
    raise errors.BadDataError(
      f'no user must be in two splits of {index.folder.name}, but '
      f'{index.num_shared_users} are, as {"; ".join(shown)}. Build it again, '
      'or pass disjoint=False if that is meant.'
    )
  splits = list(index.folder.splits) if split == 'all' else [split]
  users = index.users(splits)
  return ClientView(Examples(index), users.user_ids, users.starts, users.rows)


def _check_positive(name: str, value: int) -> None:
  if value < 1:
    raise ValueError(f'{name} must be at least 1, got {value}')
