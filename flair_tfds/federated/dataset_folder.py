"""Finds datasets that TFDS has built, and reads what they say of themselves.

TFDS itself would take seconds and hundreds of megabytes to tell the same. What
is read here is what it documents for every dataset: `dataset_info.json`,
`features.json` and the names of classes.
"""

import dataclasses
import functools
import hashlib
import os
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from flair_tfds.core import errors, files

Kind = Literal['image', 'text', 'class', 'classes', 'int', 'other']

_INFO_FILE = 'dataset_info.json'
_FEATURES_FILE = 'features.json'
_MANIFEST_FILE = 'manifest.json'
_DEFAULT_TEMPLATE = '{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}'
_VERSION = re.compile(r'\d+\.\d+\.\d+')


@dataclasses.dataclass(frozen=True)
class Feature:
  """A feature of a dataset.

  Attributes:
    kind: `class` is one class label, `classes` a list of them, `other` all
      that is not named.
    num_classes: For class labels; 0 for others.
    class_names: Likewise; empty where the dataset does not name its classes.
  """

  kind: Kind
  num_classes: int = 0
  class_names: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Shard:
  """A file of records.

  Attributes:
    path: Where it is.
    num_examples: How many records it holds.
  """

  path: pathlib.Path
  num_examples: int


@dataclasses.dataclass(frozen=True)
class DatasetFolder:
  """A built dataset.

  Attributes:
    path: The folder that holds `dataset_info.json`.
    name: Name, configuration if there is one, and version.
    file_format: `tfrecord`, `array_record`, ...
    features: The features at the top level, by name.
    splits: The shards of every split, in order.
    supervised_label: The feature that the dataset calls its label, if it does.
  """

  path: pathlib.Path
  name: str
  file_format: str
  features: Mapping[str, Feature]
  splits: Mapping[str, Sequence[Shard]]
  supervised_label: str | None

  @functools.cached_property
  def fingerprint(self) -> str:
    """A hash that changes when the dataset is built anew, by 64 hex digits.

    Raises:
      BadDataError: If a shard is missing.
    """
    digest = hashlib.sha256()
    for name in (_INFO_FILE, _FEATURES_FILE, _MANIFEST_FILE):
      path = self.path / name
      content = path.read_bytes() if path.exists() else b''
      digest.update(b'%d:%s' % (len(content), content))
    # A manifest holds the hash of every shard. Without one the time must do.
    has_manifest = (self.path / _MANIFEST_FILE).exists()
    for shards in self.splits.values():
      for shard in shards:
        try:
          status = shard.path.stat()
        except FileNotFoundError as error:
          raise errors.BadDataError(
            f'{shard.path} must be there, since {self.path / _INFO_FILE} '
            'counts it, but it is not. Build the dataset again.'
          ) from error
        time = 0 if has_manifest else status.st_mtime_ns
        digest.update(f'{shard.path.name}:{status.st_size}:{time}\n'.encode())
    return digest.hexdigest()


def find(name: str, data_dir: str | os.PathLike[str] | None) -> pathlib.Path:
  """Returns the folder of a built dataset.

  Args:
    name: As TFDS takes it: `flair`, `flair/miniature`, `flair:1.0.0`,
      `flair/miniature:1.0.0`. Without a version, the highest that is built.
    data_dir: Where TFDS keeps datasets; by default where it does by default.

  Raises:
    ValueError: If it is not built, or has no default configuration.
  """
  if data_dir is None:
    data_dir = os.environ.get('TFDS_DATA_DIR', '~/tensorflow_datasets')
  root = pathlib.Path(data_dir).expanduser()
  path, _, version = name.partition(':')
  dataset, _, config = path.partition('/')
  if not config and not _versions(root / dataset):
    config = _default_config(root / dataset)
  folder = root / dataset / config
  versions = _versions(folder)
  if not versions or (version and version not in versions):
    built = sorted(
      '/'.join(info.parent.parent.relative_to(root).parts)
      + f':{info.parent.name}'
      for info in root.glob(f'{dataset}/**/{_INFO_FILE}')
      if _VERSION.fullmatch(info.parent.name)
    )
    wanted = '/'.join(filter(None, (dataset, config)))
    raise ValueError(
      f'{wanted + (f":{version}" if version else "")} must have been built in '
      f'{root}, but is not there; built: {errors.listing(built) or "nothing"}. '
      f"Build it with `tfds.load('{wanted}', data_dir='{root}')`, or pass "
      'another name or data_dir.'
    )
  return folder / (version or versions[-1])


def _versions(folder: pathlib.Path) -> list[str]:
  """Returns the versions in a folder, lowest first."""
  return sorted(
    (
      info.parent.name
      for info in folder.glob(f'*/{_INFO_FILE}')
      if _VERSION.fullmatch(info.parent.name)
    ),
    key=lambda version: [int(part) for part in version.split('.')],
  )


def _default_config(folder: pathlib.Path) -> str:
  path = folder / '.config' / 'metadata.json'
  if not path.exists():
    return ''
  return str(files.read_json(path).get('default_config_name') or '')


def read(path: str | os.PathLike[str]) -> DatasetFolder:
  """Reads what a dataset says of itself.

  Args:
    path: The folder that holds `dataset_info.json`.

  Raises:
    FileNotFoundError: If it is not the folder of a dataset.
  """
  folder = pathlib.Path(path)
  info = files.read_json(folder / _INFO_FILE)
  name, config = info['name'], info.get('configName')
  file_format = info.get('fileFormat', 'tfrecord')
  return DatasetFolder(
    path=folder,
    name='/'.join(filter(None, (name, config, info['version']))),
    file_format=file_format,
    features=_read_features(folder),
    splits={
      split['name']: _shards(folder, name, split, file_format)
      for split in info.get('splits', [])
    },
    supervised_label=_supervised_label(info),
  )


def _shards(
  folder: pathlib.Path, name: str, split: Mapping[str, Any], file_format: str
) -> list[Shard]:
  lengths = [int(length) for length in split.get('shardLengths', [])]
  template = split.get('filepathTemplate') or _DEFAULT_TEMPLATE
  shards = []
  for index, length in enumerate(lengths):
    values = {
      'DATASET': name,
      'SPLIT': split['name'],
      'FILEFORMAT': file_format,
      'SHARD_INDEX': f'{index:05d}',
      'NUM_SHARDS': f'{len(lengths):05d}',
      'SHARD_X_OF_Y': f'{index:05d}-of-{len(lengths):05d}',
    }
    file_name = re.sub(r'\{(\w+)\}', lambda m: values[m[1]], template)  # noqa: B023
    shards.append(Shard(folder / file_name, length))
  return shards


def _read_features(folder: pathlib.Path) -> dict[str, Feature]:
  described = files.read_json(folder / _FEATURES_FILE)
  features = described.get('featuresDict', {}).get('features', {})
  return {
    name: _feature(folder, name, feature)
    for name, feature in sorted(features.items())
  }


def _feature(
  folder: pathlib.Path, name: str, feature: Mapping[str, Any]
) -> Feature:
  inner = feature.get('sequence', {}).get('feature', {})
  for kind, label in (
    ('class', feature.get('classLabel')),
    ('classes', inner.get('classLabel')),
  ):
    if label is not None:
      path = folder / f'{name}.labels.txt'
      names = path.read_text('utf-8').split('\n') if path.exists() else []
      names = [text for text in names if text]
      number = int(label.get('numClasses', len(names)))
      return Feature(
        'class' if kind == 'class' else 'classes', number, (*names,)
      )
  if 'image' in feature:
    return Feature('image')
  if 'text' in feature:
    return Feature('text')
  tensor = feature.get('tensor', {})
  dtype, shape = tensor.get('dtype', ''), tensor.get('shape', {})
  if not shape.get('dimensions'):
    if 'int' in dtype:
      return Feature('int')
    if dtype == 'string':
      return Feature('text')
  return Feature('other')


def _supervised_label(info: Mapping[str, Any]) -> str | None:
  items = info.get('supervisedKeys', {}).get('tuple', {}).get('items', [])
  if len(items) < 2:
    return None
  return str(items[1]['featureKey'])
