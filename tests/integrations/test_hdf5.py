import json
import pathlib
import tarfile

import numpy as np
import pytest

from flair_tfds import federated
from flair_tfds.federated import clients as clients_lib

hdf5 = pytest.importorskip('flair_tfds.integrations.hdf5', exc_type=ImportError)
h5py = pytest.importorskip('h5py')

SPLITS = ('train', 'val', 'test')


@pytest.fixture(scope='module')
def views(miniature):
  return {
    split: federated.load('flair/miniature', split, data_dir=miniature)
    for split in SPLITS
  }


@pytest.fixture(scope='module')
def raw(tmp_path_factory) -> pathlib.Path:
  """The download that the miniature is built from."""
  from flair_tfds.datasets.flair import miniature as drawing

  folder = tmp_path_factory.mktemp('raw') / 'drawn'
  drawing.draw(folder)
  return folder


@pytest.fixture(scope='module')
def metadata(raw):
  return json.loads((raw / 'labels_and_metadata.json').read_text())


def test_by_user_is_read_by_the_rules_of_published_readers(
  views, metadata, tmp_path
):
  hdf5.write(views, tmp_path / 'x.hdf5')
  expected = {}
  for record in metadata:
    expected.setdefault(record['user_id'], {})[record['image_id']] = record
  with h5py.File(tmp_path / 'x.hdf5', 'r') as file:
    assert set(file) == {*SPLITS, 'metadata'}
    found = {user: split for split in SPLITS for user in file[split]}
    assert set(found) == set(expected)
    for user, records in expected.items():
      group = file[f'/{found[user]}/{user}']
      ids = [i.decode('utf8') for i in group['image_ids']]
      assert sorted(ids) == sorted(records)
      assert np.array(group['images']).shape == (len(ids), 256, 256, 3)
      for feature in ('labels', 'fine_grained_labels'):
        labels = [text.decode('utf8').split('|') for text in group[feature]]
        assert labels == [records[i][feature] for i in ids]
        assert {records[i]['partition'] for i in ids} == {found[user]}


def test_pixels_are_those_that_pillow_decodes(views, tmp_path):
  hdf5.write(views, tmp_path / 'x.hdf5')
  clients = views['val']
  with h5py.File(tmp_path / 'x.hdf5', 'r') as file:
    for user, client in clients.items():
      assert (file[f'/val/{user}/images'][()] == client.images()).all()


def test_counters_are_those_of_the_metadata(views, metadata, tmp_path):
  hdf5.write(views, tmp_path / 'x.hdf5', encoded=True)
  for feature, counter in (
    ('labels', 'label_counter'),
    ('fine_grained_labels', 'fine_grained_label_counter'),
  ):
    expected = {}
    for record in metadata:
      for name in record[feature]:
        expected[name] = expected.get(name, 0) + 1
    with h5py.File(tmp_path / 'x.hdf5', 'r') as file:
      assert json.loads(file[f'/metadata/{counter}'][()]) == expected
    assert hdf5.read_counters(tmp_path / 'x.hdf5')[feature] == expected


def test_by_image_is_read_by_the_rules_of_published_readers(
  views, metadata, tmp_path
):
  hdf5.write(views, tmp_path / 'x.hdf5', group_by_user=False)
  with h5py.File(tmp_path / 'x.hdf5', 'r') as file:
    assert sum(len(file[split]) for split in SPLITS) == len(metadata)
    for record in metadata:
      group = file[f'/{record["partition"]}/{record["image_id"]}']
      assert np.array(group['image']).shape == (256, 256, 3)
      assert group['user_id'][()].decode() == record['user_id']
      for feature in ('labels', 'fine_grained_labels'):
        assert group[feature][()].decode().split('|') == record[feature]


@pytest.mark.parametrize('encoded', [False, True])
@pytest.mark.parametrize('group_by_user', [False, True])
def test_a_file_is_read_back(views, tmp_path, group_by_user, encoded):
  path = tmp_path / 'x.hdf5'
  hdf5.write(views, path, group_by_user=group_by_user, encoded=encoded)
  for split, clients in views.items():
    found = {image.image_id: image for image in hdf5.iter_images(path, split)}
    assert sorted(found) == sorted(clients.pooled.image_ids)
    for client in clients.values():
      for example in client:
        image = found[example.image_id]
        assert image.user_id == client.user_id
        assert (image.image == example.image).all()
        for feature, ids in example.labels.items():
          names = clients.class_names(feature)
          assert image.labels[feature] == tuple(names[c] for c in ids)


def test_encoded_files_hold_the_jpeg_bytes(views, tmp_path):
  hdf5.write(views, tmp_path / 'x.hdf5', encoded=True)
  user = views['val'].user_ids[0]
  with h5py.File(tmp_path / 'x.hdf5', 'r') as file:
    found = [data.tobytes() for data in file[f'/val/{user}/encoded_images']]
  assert found == views['val'][user].encoded_images()
  size = (tmp_path / 'x.hdf5').stat().st_size
  images = sum(
    int(view.examples.index.image_sizes[view.rows].sum())
    for view in views.values()
  )
  assert size < 1.2 * images


def write_published(path, raw, metadata):
  """Writes what the published script writes, in the order of the metadata."""
  users = {}
  for record in metadata:
    users.setdefault(record['user_id'], []).append(record)
  images = read_archives(raw)
  with h5py.File(path, 'w') as file:
    for user, records in users.items():
      place = f'/{records[0]["partition"]}/{user}'
      for feature in ('labels', 'fine_grained_labels'):
        joined = ['|'.join(record[feature]) for record in records]
        file[f'{place}/{feature}'] = np.asarray(joined, dtype='S')
      ids = [record['image_id'] for record in records]
      file[f'{place}/image_ids'] = np.asarray(ids, dtype='S')
      decoded = [clients_lib.decode(images[i]) for i in ids]
      file.create_dataset(f'{place}/images', data=np.stack(decoded))


def read_archives(raw):
  images = {}
  for path in raw.glob('small_images-*'):
    with tarfile.open(path) as archive:
      for member in archive:
        if member.isfile():
          name = pathlib.PurePath(member.name).stem
          images[name] = archive.extractfile(member).read()
  return images


def test_a_published_file_is_read(views, raw, metadata, tmp_path):
  write_published(tmp_path / 'published.hdf5', raw, metadata)
  hdf5.write(views, tmp_path / 'ours.hdf5', encoded=True)
  for split in SPLITS:
    ours, published = (
      {image.image_id: image for image in hdf5.iter_images(path, split)}
      for path in (tmp_path / 'ours.hdf5', tmp_path / 'published.hdf5')
    )
    assert set(ours) == set(published)
    for image_id, image in published.items():
      assert image.user_id == ours[image_id].user_id
      assert image.labels == ours[image_id].labels
      assert (image.image == ours[image_id].image).all()


def test_an_interrupted_export_goes_on(views, tmp_path, monkeypatch):
  monkeypatch.setattr(hdf5, '_IMAGES_PER_PART', 40)
  path = tmp_path / 'x.hdf5'
  write_user = hdf5._write_user
  written = []

  def interrupted(file, clients, user, *options):
    if len(written) == 30:
      raise KeyboardInterrupt
    written.append(user)
    write_user(file, clients, user, *options)

  monkeypatch.setattr(hdf5, '_write_user', interrupted)
  with pytest.raises(KeyboardInterrupt):
    hdf5.write(views, path, encoded=True)
  assert not path.exists()
  (parts,) = tmp_path.glob('.x.hdf5.parts-*')
  done = set(parts.glob('*.hdf5'))
  assert done
  again = []

  def counted(file, clients, user, *options):
    again.append(user)
    write_user(file, clients, user, *options)

  monkeypatch.setattr(hdf5, '_write_user', counted)
  hdf5.write(views, path, encoded=True)
  users = sum(len(view) for view in views.values())
  assert len(again) < users
  found = [i.image_id for s in SPLITS for i in hdf5.iter_images(path, s)]
  expected = [i for view in views.values() for i in view.pooled.image_ids]
  assert sorted(found) == sorted(expected)
  assert [p.name for p in tmp_path.iterdir()] == ['x.hdf5']


def test_parts_of_another_export_are_not_used(views, tmp_path):
  other = tmp_path / '.x.hdf5.parts-0123456789abcdef'
  other.mkdir()
  (other / '00000.hdf5').write_bytes(b'of another')
  hdf5.write(views, tmp_path / 'x.hdf5', encoded=True)
  assert [p.name for p in tmp_path.iterdir()] == ['x.hdf5']


def test_an_unknown_split_is_refused(views, tmp_path):
  hdf5.write(views, tmp_path / 'x.hdf5', encoded=True)
  with pytest.raises(
    ValueError, match=r"one of 'test', 'train', 'val' of .* got"
  ):
    list(hdf5.iter_images(tmp_path / 'x.hdf5', 'dev'))
