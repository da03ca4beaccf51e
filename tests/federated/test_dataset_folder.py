import json
import re

import pytest
import tfds_folders as data

from flair_tfds.core import errors
from flair_tfds.federated import dataset_folder


@pytest.fixture
def root(tmp_path):
  """A data_dir with two configurations, one in two versions."""
  rows = {'train': data.make_rows({'a': 1})}
  for place in ('flair/small/1.0.0', 'flair/small/1.10.0', 'flair/raw/1.2.0'):
    data.write_rows(tmp_path / place, rows, shards=1)
  config = tmp_path / 'flair' / '.config'
  config.mkdir()
  (config / 'metadata.json').write_text('{"default_config_name": "small"}')
  data.write_rows(tmp_path / 'plain' / '2.0.0', rows, shards=1, config=None)
  return tmp_path


@pytest.mark.parametrize(
  ('name', 'place'),
  [
    ('flair', 'flair/small/1.10.0'),
    ('flair/raw', 'flair/raw/1.2.0'),
    ('flair:1.0.0', 'flair/small/1.0.0'),
    ('flair/small:1.0.0', 'flair/small/1.0.0'),
    ('plain', 'plain/2.0.0'),
  ],
)
def test_names_lead_to_folders(root, name, place):
  assert dataset_folder.find(name, root) == root / place


def test_without_data_dir_it_is_that_of_tfds(root, monkeypatch):
  monkeypatch.setenv('TFDS_DATA_DIR', str(root))
  assert dataset_folder.find('plain', None) == root / 'plain' / '2.0.0'


@pytest.mark.parametrize(
  ('name', 'text'),
  [
    ('flair/miniature', "built: 'flair/raw:1.2.0', 'flair/small:1.0.0', "),
    ('flair:3.0.0', 'flair/small:3.0.0 must have been built in'),
    ('mnist', 'built: nothing. Build it with `tfds.load'),
  ],
)
def test_what_is_not_built_is_refused(root, name, text):
  with pytest.raises(ValueError, match=re.escape(text)):
    dataset_folder.find(name, root)


def test_a_dataset_says_what_it_is(root):
  folder = dataset_folder.read(root / 'flair/small/1.0.0')
  assert folder.name == 'flair/small/1.0.0'
  assert folder.file_format == 'tfrecord'
  assert folder.supervised_label == 'labels'
  kinds = {name: feature.kind for name, feature in folder.features.items()}
  assert kinds == {
    'fine_grained_labels': 'classes',
    'image': 'image',
    'image_id': 'text',
    'labels': 'classes',
    'user_id': 'text',
  }
  assert folder.features['labels'].class_names == data.COARSE
  (shard,) = folder.splits['train']
  assert shard.path.name == 'flair-train.tfrecord-00000-of-00001'
  assert shard.num_examples == 1


def test_kinds_of_features_that_flair_does_not_have(tmp_path):
  described = {
    'featuresDict': {
      'features': {
        'class': {'classLabel': {'numClasses': '3'}},
        'int': {'tensor': {'shape': {}, 'dtype': 'int64'}},
        'string': {'tensor': {'shape': {}, 'dtype': 'string'}},
        'float': {'tensor': {'shape': {}, 'dtype': 'float32'}},
        'vector': {
          'tensor': {'shape': {'dimensions': ['3']}, 'dtype': 'int64'}
        },
        'ints': {'sequence': {'feature': {'tensor': {'dtype': 'int64'}}}},
      }
    }
  }
  data.write_dataset(tmp_path, {}, 'tfrecord', described=described)
  folder = dataset_folder.read(tmp_path)
  assert {name: f.kind for name, f in folder.features.items()} == {
    'class': 'class',
    'float': 'other',
    'int': 'int',
    'ints': 'other',
    'string': 'text',
    'vector': 'other',
  }
  assert folder.features['class'].num_classes == 3


def change_info(folder, **changes):
  path = folder / 'dataset_info.json'
  path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_the_fingerprint_is_that_of_the_content(root, tmp_path):
  first = dataset_folder.read(root / 'flair/small/1.0.0').fingerprint
  # Equal but for the version in nothing: `write_rows` always says 1.0.0.
  again = dataset_folder.read(root / 'flair/small/1.10.0').fingerprint
  assert first == again
  change_info(root / 'flair/small/1.10.0', version='1.10.0')
  other = dataset_folder.read(root / 'flair/small/1.10.0').fingerprint
  assert first != other


def test_without_a_manifest_the_time_counts(tmp_path):
  import os

  rows = {'train': data.make_rows({'a': 1})}
  folder = data.write_rows(tmp_path / 'd', rows, shards=1, manifest=False)
  first = dataset_folder.read(folder).fingerprint
  (path,) = folder.glob('flair-*')
  os.utime(path, ns=(1, 1))
  assert dataset_folder.read(folder).fingerprint != first


def test_a_missing_shard_is_named(root):
  folder = root / 'flair/raw/1.2.0'
  (path,) = folder.glob('flair-*')
  path.unlink()
  with pytest.raises(errors.BadDataError, match=re.escape(f'{path} must be')):
    _ = dataset_folder.read(folder).fingerprint
