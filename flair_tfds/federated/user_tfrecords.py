"""One TFRecord file for each user, in the layout of the published benchmark.

    <folder>/label_to_index.json
    <folder>/<split>/<user id>.tfrecords

Each record is a `tf.train.Example` with `image/encoded_jpeg`, `labels` and
`fine_grained_labels` (class ids).

Source: `prepare_tfrecords.py` and `benchmark/flair_data.py` of
https://github.com/apple/ml-flair; differs in that labels which no image has
keep their number, which matters for subsets only.
"""

import json
import os
import pathlib
from collections.abc import Iterator, Mapping

from flair_tfds.building import encoding, records
from flair_tfds.core import errors, files, progress
from flair_tfds.federated import clients as clients_lib

_LABELS = ('labels', 'fine_grained_labels')
_INDEX_FILE = 'label_to_index.json'
# What an interrupted export belongs to.
_MARK_FILE = '.export.json'
_SUFFIX = '.tfrecords'


def write(
  splits: Mapping[str, clients_lib.ClientView],
  folder: str | os.PathLike[str],
) -> None:
  """Writes the files, going on where an interrupted call ended.

  A user's file is complete once it is there, so that those which are there
  need not be written again.

  Args:
    splits: The users by split.
    folder: Where to write; new, empty, or left by an interrupted call.

  Raises:
    ValueError: If `folder` holds something else, a dataset lacks a feature, or
      a user id cannot be a file name.
    OSError: If a file cannot be written.
  """
  out = pathlib.Path(folder)
  for clients in splits.values():
    check_features(clients)
    _check_file_names(clients)
  mark = {
    split: [
      clients.examples.folder.fingerprint,
      len(clients),
      len(clients.rows),
    ]
    for split, clients in splits.items()
  }
  _check_folder(out, mark)
  files.write_json(out / _MARK_FILE, mark)
  for clients in splits.values():
    index = {
      feature: {name: i for i, name in enumerate(clients.class_names(feature))}
      for feature in _LABELS
    }
    with files.atomic_write(out / _INDEX_FILE) as file:
      file.write(json.dumps(index, indent=4).encode())
  total = sum(len(clients.rows) for clients in splits.values())
  with progress.bar(total=total, desc='Exporting', unit=' images') as bar:
    for split, clients in splits.items():
      (out / split).mkdir(exist_ok=True)
      for left in (out / split).glob('.*.tmp'):
        left.unlink()  # of a killed call; readers would take it for a user
      for client in clients.values():
        path = out / split / f'{client.user_id}{_SUFFIX}'
        if not path.exists():
          with files.atomic_path(path) as temporary:
            records.write(temporary, 'tfrecord', _examples(client))
        bar.update(len(client))


def check_features(clients: clients_lib.ClientView) -> None:
  """Checks that a dataset has what the published layouts hold.

  Raises:
    ValueError: If it has not.
  """
  missing = [
    name for name in _LABELS if name not in clients.examples.index.labels
  ]
  if missing:
    raise ValueError(
      f'{clients.examples.folder.name} must have the label features of FLAIR, '
      f'but lacks {errors.listing(missing)}. This export is for FLAIR.'
    )


def _check_file_names(clients: clients_lib.ClientView) -> None:
  bad = [
    user
    for user in clients.user_ids
    if '/' in user or '\0' in user or user in ('', '.', '..')
  ]
  if bad:
    raise ValueError(
      f'every user id must be a file name, but {len(bad)} are not: '
      f'{errors.listing(bad)}. Export to HDF5 instead.'
    )


def _check_folder(out: pathlib.Path, mark: object) -> None:
  out.mkdir(parents=True, exist_ok=True)
  path = out / _MARK_FILE
  if path.exists():
    if files.read_json(path) != mark:
      raise ValueError(
        f'{out} must be empty or hold an export of the same dataset, but holds '
        'that of another. Choose another folder, or delete it.'
      )
  elif any(out.iterdir()):
    raise ValueError(f'{out} must be empty, but is not. Choose another folder.')


def _examples(client: clients_lib.Client) -> Iterator[bytes]:
  image = encoding.Feature('image/encoded_jpeg')
  # Encoded features stand in the order of their names.
  features = [
    (feature, encoding.Feature(feature)) for feature in sorted(_LABELS)
  ]
  for example in client:
    entries = [
      encoder.ints_entry(example.labels[feature])
      for feature, encoder in features
    ]
    head, data = image.bytes_entry(example.encoded)
    # 'fine_grained_labels' < 'image/encoded_jpeg' < 'labels'
    yield encoding.example([entries[0], head, data, entries[1]])
