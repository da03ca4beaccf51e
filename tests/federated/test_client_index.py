import os
import re
import shutil

import numpy as np
import pytest
import tfds_folders as data

from flair_tfds import federated
from flair_tfds.building import encoding
from flair_tfds.core import errors
from flair_tfds.federated import client_index


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
  folder = tmp_path / 'cache'
  monkeypatch.setenv('XDG_CACHE_HOME', str(folder))
  return folder


def test_the_index_is_made_once_and_kept_beside_the_dataset(folder):
  first = client_index.open_index(folder)
  assert first.path == folder / 'client_index-user_id.bin'
  before = first.path.stat().st_ino
  assert client_index.open_index(folder).path.stat().st_ino == before


def test_making_it_again_gives_the_same_bytes(folder):
  path = client_index.open_index(folder).path
  content = path.read_bytes()
  path.unlink()
  assert client_index.open_index(folder).path.read_bytes() == content


def test_nothing_but_the_index_is_left_behind(folder):
  before = set(os.listdir(folder))
  client_index.open_index(folder)
  assert set(os.listdir(folder)) - before == {'client_index-user_id.bin'}


def test_a_dataset_built_anew_gets_a_new_index(tmp_path, file_format):
  folder = tmp_path / 'd'
  data.write_rows(folder, {'train': data.make_rows({'a': 3})}, file_format)
  assert len(federated.load_folder(folder, 'train')['a']) == 3
  index = (folder / 'client_index-user_id.bin').read_bytes()
  shutil.rmtree(folder)
  rows = data.make_rows({'a': 3}, seed=4)
  data.write_rows(folder, {'train': rows}, file_format)
  (folder / 'client_index-user_id.bin').write_bytes(index)
  client = federated.load_folder(folder, 'train')['a']
  assert client.encoded_images() == [row.image for row in rows]


def test_a_damaged_index_is_made_anew(folder):
  path = client_index.open_index(folder).path
  content = path.read_bytes()
  path.write_bytes(content[:200])
  assert client_index.open_index(folder).path.read_bytes() == content


def deny_writes(monkeypatch, *places):
  write = client_index.array_file.write

  def denied(path, meta, arrays):
    if any(path.is_relative_to(place) for place in places):
      raise PermissionError(13, 'Permission denied', str(path))
    write(path, meta, arrays)

  monkeypatch.setattr(client_index.array_file, 'write', denied)


def test_an_index_that_may_not_lie_there_goes_to_the_cache(
  folder, cache, rows, monkeypatch
):
  deny_writes(monkeypatch, folder)
  first = federated.load_folder(folder, 'train')
  path = first.examples.index.path
  assert path.is_relative_to(cache / 'flair_tfds')
  before = path.stat().st_ino
  again = federated.load_folder(folder, 'train')
  assert again.examples.index.path.stat().st_ino == before
  expected = data.by_user(rows['train'])['u9']
  assert again['u9'].encoded_images() == [row.image for row in expected]


def test_an_index_that_may_lie_nowhere_is_held_for_the_while(
  folder, cache, rows, monkeypatch
):
  deny_writes(monkeypatch, folder, cache)
  clients = federated.load_folder(folder, 'train')
  assert clients.examples.index.path is None
  expected = data.by_user(rows['train'])['u9']
  assert clients['u9'].encoded_images() == [row.image for row in expected]


def test_a_full_disk_is_an_error(folder, monkeypatch):
  def full(path, meta, arrays):
    raise OSError(28, 'No space left on device', str(path))

  monkeypatch.setattr(client_index.array_file, 'write', full)
  with pytest.raises(OSError, match='No space left'):
    client_index.open_index(folder)


def damage(folder, image):
  """Flips a bit in the middle of an image; returns the shard it lies in."""
  for path in folder.glob('flair-train*'):
    content = bytearray(path.read_bytes())
    if (start := content.find(image)) >= 0:
      content[start + len(image) // 2] ^= 1
      path.write_bytes(content)
      return path
  raise LookupError('no shard holds the image')


def test_a_shard_damaged_before_indexing_is_named(folder, rows):
  path = damage(folder, rows['train'][0].image)
  with pytest.raises(errors.FlairTfdsError, match=re.escape(str(path))):
    client_index.open_index(folder)


def test_a_shard_damaged_after_indexing_is_found_when_read(folder, rows):
  row = rows['train'][0]
  federated.load_folder(folder, 'train')
  path = damage(folder, row.image)
  client = federated.load_folder(folder, 'train')[row.user]
  with pytest.raises(errors.BadDataError, match=re.escape(str(path))):
    client.encoded_images()


def test_a_shard_cut_off_after_indexing_is_found_when_read(tmp_path):
  rows = {'train': data.make_rows({'a': 4})}
  folder = data.write_rows(tmp_path / 'd', rows, shards=1)
  clients = federated.load_folder(folder, 'train')
  (path,) = folder.glob('flair-train*')
  os.truncate(path, path.stat().st_size - 100)
  with pytest.raises(errors.BadDataError, match='but ends after'):
    clients['a'].encoded_images()


def test_a_shard_with_fewer_examples_than_promised_is_refused(tmp_path):
  rows = {'train': data.make_rows({'a': 4})}
  folder = data.write_rows(tmp_path / 'd', rows, shards=1)
  info = folder / 'dataset_info.json'
  info.write_text(info.read_text().replace('"4"', '"5"'))
  with pytest.raises(errors.BadDataError, match='must hold 5 examples, but'):
    client_index.open_index(folder)


def test_an_example_without_its_user_is_refused(tmp_path):
  record = encoding.example(
    [*encoding.Feature('image').bytes_entry(data.jpeg(0))]
  )
  folder = data.write_dataset(tmp_path / 'd', {'train': [[record]]}, 'tfrecord')
  text = 'record 0 must be an example with the features of flair/small/1.0.0, '
  text = re.escape(text + 'but is not: user_id has 0 values')
  with pytest.raises(errors.BadDataError, match=text):
    client_index.open_index(folder)


def test_an_unknown_group_is_refused_with_those_there_are(folder):
  text = "one of 'user_id', 'image_id' of flair/small/1.0.0, got 'user'"
  with pytest.raises(ValueError, match=re.escape(text)):
    client_index.open_index(folder, 'user')


def test_a_format_without_random_access_is_refused(tmp_path):
  rows = {'train': data.make_rows({'a': 1})}
  folder = data.write_rows(tmp_path / 'd', rows, 'parquet', 1)
  with pytest.raises(ValueError, match=r"of flair/small/1\.0\.0 is 'parquet'"):
    client_index.open_index(folder)


def test_an_unknown_split_is_refused(folder):
  with pytest.raises(ValueError, match="'train', 'test', 'val' of flair/small"):
    federated.load_folder(folder, 'trian')


def test_each_grouping_has_an_index_of_its_own(folder, rows):
  clients = federated.load_folder(folder, 'train', group_by='image_id')
  assert clients.examples.index.path.name == 'client_index-image_id.bin'
  assert len(clients) == 11
  row = rows['train'][4]
  assert clients[row.image_id].encoded_images() == [row.image]


CLASS_DATASET = {
  'featuresDict': {
    'features': {
      'image': {'image': {'encodingFormat': 'png'}},
      'label': {'classLabel': {'numClasses': '3'}},
      'number': {'tensor': {'shape': {}, 'dtype': 'int64'}},
      'weight': {'tensor': {'shape': {}, 'dtype': 'float32'}},
    }
  }
}


@pytest.fixture
def class_folder(tmp_path):
  """A dataset that is neither FLAIR nor stored by group."""
  records = []
  for i, (label, number) in enumerate([(2, 10), (0, 11), (2, 10), (1, -5)]):
    entries = [
      *encoding.Feature('image').bytes_entry(b'image %d' % i),
      encoding.Feature('label').ints_entry([label]),
      encoding.Feature('number').ints_entry([number]),
      # Feature { float_list = 2 { value = 1 packed: 1.0 } }
      b'\x0a\x12\x0a\x06weight\x12\x08\x12\x06\x0a\x04\x00\x00\x80\x3f',
    ]
    records.append(encoding.example(entries))
  folder = data.write_dataset(
    tmp_path / 'd',
    {'train': [records[:3], records[3:]]},
    'tfrecord',
    described=CLASS_DATASET,
    name='digits',
    config=None,
  )
  (folder / 'label.labels.txt').write_text('zero\none\ntwo\n')
  return folder


def test_users_may_be_classes(class_folder):
  clients = federated.load_folder(class_folder, 'train', group_by='label')
  assert clients.user_ids == ('one', 'two', 'zero')
  assert clients['two'].encoded_images() == [b'image 0', b'image 2']
  assert clients['two'].label_counts().tolist() == [0, 0, 2]


def test_users_may_be_integers(class_folder):
  clients = federated.load_folder(class_folder, 'train', group_by='number')
  assert clients.user_ids == ('-5', '10', '11')
  assert clients['10'].encoded_images() == [b'image 0', b'image 2']


def test_examples_without_ids_are_numbered(class_folder):
  clients = federated.load_folder(class_folder, 'train', group_by='label')
  assert clients['two'].image_ids == ['0', '2']


def test_floats_cannot_name_users(class_folder):
  with pytest.raises(ValueError, match="got 'weight'"):
    client_index.open_index(class_folder, 'weight')


def test_ragged_rows_are_joined_in_the_order_asked_for():
  ragged = client_index.Ragged(
    np.array([0, 2, 2, 3], np.uint8), np.array([5, 6, 7], np.uint16)
  )
  rows = np.array([2, 1, 0, 2])
  assert ragged.take(rows).tolist() == [7, 5, 6, 7]
  assert ragged.lengths(rows).tolist() == [1, 0, 2, 1]
  assert ragged.take(np.zeros(0, np.int64)).tolist() == []
