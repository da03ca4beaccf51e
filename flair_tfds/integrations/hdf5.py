"""HDF5 files in the published layouts of FLAIR; needs the extra `hdf5`.

By split and user, for federated learning:

    /<split>/<user id>/images                uint8 [image, height, width, 3]
    /<split>/<user id>/image_ids             bytes [image]
    /<split>/<user id>/labels                bytes [image], joined by '|'
    /<split>/<user id>/fine_grained_labels   bytes [image], joined by '|'

By split and image:

    /<split>/<image id>/image                uint8 [height, width, 3]
    /<split>/<image id>/user_id, labels, fine_grained_labels    text

Both: /metadata/label_counter and /metadata/fine_grained_label_counter, JSON.

`encoded=True`, which is ours, keeps the JPEG files: `encoded_images` (a list
of uint8 arrays) and `encoded_image` (one) stand in the place of the pixels, a
thirteenth of the size.

Source: `prepare_dataset.py` of https://github.com/apple/ml-flair; differs from
it in the order of users and images, and in `encoded=True`.
"""

import collections
import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from flair_tfds.core import errors, files, progress
from flair_tfds.federated import clients as clients_lib
from flair_tfds.federated import user_tfrecords

try:
  import h5py
except ImportError as error:
  raise ImportError(
    "HDF5 files need h5py: pip install 'flair_tfds[hdf5]'."
  ) from error

LABEL_DELIMITER = '|'
_LABELS = ('labels', 'fine_grained_labels')
_COUNTERS = {
  'labels': 'label_counter',
  'fine_grained_labels': 'fine_grained_label_counter',
}
_METADATA = 'metadata'
# What is redone after an interruption at most: a minute or two of decoding.
_IMAGES_PER_PART = 20_000


@dataclasses.dataclass(frozen=True)
class StoredImage:
  """An image of a file.

  Attributes:
    user_id: Its user.
    image_id: Its id.
    image: Shape [height, width, 3], uint8, RGB.
    labels: Names of its labels, by feature.
  """

  user_id: str
  image_id: str
  image: npt.NDArray[np.uint8]
  labels: Mapping[str, tuple[str, ...]]


def write(
  splits: Mapping[str, clients_lib.ClientView],
  path: str | os.PathLike[str],
  *,
  group_by_user: bool = True,
  encoded: bool = False,
) -> None:
  """Writes a file, going on where an interrupted call ended.

  HDF5 files do not survive a kill while they are written. So parts are
  written first, in a folder beside the file, and put together in the end: at
  the worst moment that takes twice the room of the file. The file appears when
  it is complete.

  Args:
    splits: The users by split.
    path: Where the file will stand. An existing file is replaced.
    group_by_user: Which of the layouts to write.
    encoded: Whether to keep the JPEG files instead of pixels.

  Raises:
    ValueError: If a dataset lacks a feature of FLAIR.
    OSError: If the disk is full, or a file cannot be written.
  """
  target = pathlib.Path(path)
  for clients in splits.values():
    user_tfrecords.check_features(clients)
  target.parent.mkdir(parents=True, exist_ok=True)
  parts = list(_plan(splits))
  key = [
    group_by_user,
    encoded,
    [(part.split, part.users) for part in parts],
    [clients.examples.folder.fingerprint for clients in splits.values()],
  ]
  digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]
  folder = target.with_name(f'.{target.name}.parts-{digest}')
  for other in target.parent.glob(f'.{target.name}.parts-*'):
    if other != folder:
      shutil.rmtree(other)
  folder.mkdir(exist_ok=True)
  for left in (
    *folder.glob('.*.tmp'),
    *target.parent.glob(f'.{target.name}.*.tmp'),
  ):
    left.unlink()  # of a killed call
  total = sum(len(clients.rows) for clients in splits.values())
  names = [folder / f'{i:05d}.hdf5' for i in range(len(parts))]
  with progress.bar(total=total, desc='Exporting', unit=' images') as bar:
    for part, name in zip(parts, names, strict=True):
      clients = splits[part.split]
      if not name.exists():
        with (
          files.atomic_path(name) as temporary,
          h5py.File(temporary, 'w') as file,
        ):
          for user in part.users:
            _write_user(file, clients, user, group_by_user, encoded)
      bar.update(sum(len(clients[user]) for user in part.users))
  with (
    files.atomic_path(target) as temporary,
    h5py.File(temporary, 'w') as file,
  ):
    _join(file, parts, names)
    for feature, counter in _COUNTERS.items():
      counts = _count(splits, feature)
      file[f'/{_METADATA}/{counter}'] = json.dumps(counts)
  shutil.rmtree(folder)


@dataclasses.dataclass(frozen=True)
class _Part:
  """Some users of a split that are written together."""

  split: str
  users: Sequence[str]


def _plan(splits: Mapping[str, clients_lib.ClientView]) -> Iterator[_Part]:
  for split, clients in splits.items():
    users: list[str] = []
    size = 0
    for user, number in zip(
      clients.user_ids, clients.num_images.tolist(), strict=True
    ):
      users.append(user)
      size += number
      if size >= _IMAGES_PER_PART:
        yield _Part(split, users)
        users, size = [], 0
    if users:
      yield _Part(split, users)


def _write_user(
  file: Any,
  clients: clients_lib.ClientView,
  user: str,
  group_by_user: bool,
  encoded: bool,
) -> None:
  client = clients[user]
  names = {
    feature: [
      LABEL_DELIMITER.join(clients.class_names(feature)[c] for c in ids)
      for ids in client.label_ids(feature)
    ]
    for feature in _LABELS
  }
  if not group_by_user:
    for i, example in enumerate(client):
      group = file.create_group(example.image_id)
      if encoded:
        group['encoded_image'] = np.frombuffer(example.encoded, np.uint8)
      else:
        group['image'] = example.image
      for feature in _LABELS:
        group[feature] = names[feature][i]
      group['user_id'] = user
    return
  group = file.create_group(user)
  for feature in _LABELS:
    group[feature] = np.array([text.encode() for text in names[feature]], 'S')
  group['image_ids'] = np.array([i.encode() for i in client.image_ids], 'S')
  if encoded:
    images = group.create_dataset(
      'encoded_images', (len(client),), h5py.vlen_dtype(np.uint8)
    )
    for i, data in enumerate(client.encoded_images()):
      images[i] = np.frombuffer(data, np.uint8)
    return
  images = None
  # One by one: a user can have thousands.
  for i, example in enumerate(client):
    image = example.image
    if images is None:
      shape = (len(client), *image.shape)
      images = group.create_dataset('images', shape, np.uint8)
    if image.shape != images.shape[1:]:
      raise ValueError(
        f'the images of user {user!r} must be of one size to be one array, but '
        f'are of {images.shape[1:]} and {image.shape}. Pass encoded=True '
        '(--encoded).'
      )
    images[i] = image


def _join(
  file: Any, parts: Sequence[_Part], names: Sequence[pathlib.Path]
) -> None:
  with progress.bar(
    total=len(parts), desc='Putting together', unit=' parts'
  ) as bar:
    for part, name in zip(parts, names, strict=True):
      group = file.require_group(part.split)
      with h5py.File(name, 'r') as source:
        for key in source:
          source.copy(key, group)
      bar.update(1)


def _count(
  splits: Mapping[str, clients_lib.ClientView], feature: str
) -> dict[str, int]:
  counts: collections.Counter[str] = collections.Counter()
  for clients in splits.values():
    numbers = clients.pooled.label_counts(feature).tolist()
    for name, number in zip(clients.class_names(feature), numbers, strict=True):
      if number:
        counts[name] += number
  return dict(counts)


def read_counters(path: str | os.PathLike[str]) -> dict[str, dict[str, int]]:
  """Returns how many images have each label, by label feature.

  Args:
    path: A file of either layout, ours or published.
  """
  with h5py.File(path, 'r') as file:
    return {
      feature: json.loads(file[f'/{_METADATA}/{counter}'][()])
      for feature, counter in _COUNTERS.items()
    }


def iter_images(
  path: str | os.PathLike[str], split: str
) -> Iterator[StoredImage]:
  """Yields the images of a split, of a file of either layout.

  Args:
    path: The file: ours, or made by the published script.
    split: `train`, `val` or `test`.

  Raises:
    ValueError: If there is no such split.
  """
  with h5py.File(path, 'r') as file:
    splits = [name for name in file if name != _METADATA]
    if split not in splits:
      raise ValueError(
        f'split must be one of {errors.choices(split, splits)} of {path}, got '
        f'{split!r}'
      )
    for name, group in file[split].items():
      if 'user_id' in group:
        yield _stored(
          group['user_id'][()].decode(),
          name,
          group['image'][()]
          if 'image' in group
          else group['encoded_image'][()],
          {feature: group[feature][()] for feature in _LABELS},
        )
        continue
      images = group['images' if 'images' in group else 'encoded_images']
      labels = {feature: group[feature][()] for feature in _LABELS}
      for i, image_id in enumerate(group['image_ids'][()]):
        yield _stored(
          name,
          image_id.decode(),
          images[i],
          {feature: joined[i] for feature, joined in labels.items()},
        )


def _stored(
  user_id: str,
  image_id: str,
  image: npt.NDArray[np.uint8],
  labels: Mapping[str, bytes],
) -> StoredImage:
  if image.ndim == 1:
    image = clients_lib.decode(image.tobytes())
  return StoredImage(
    user_id,
    image_id,
    image,
    {
      feature: tuple(joined.decode().split(LABEL_DELIMITER)) if joined else ()
      for feature, joined in labels.items()
    },
  )
