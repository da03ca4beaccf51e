import json
import re

import pytest
import tfds_folders as data

from flair_tfds import federated
from flair_tfds.building import encoding, records
from flair_tfds.federated import user_tfrecords


def views(folder):
  return {
    split: federated.load_folder(folder, split)
    for split in ('train', 'val', 'test')
  }


def test_every_user_has_a_file_in_the_published_layout(folder, rows, tmp_path):
  out = tmp_path / 'out'
  user_tfrecords.write(views(folder), out)
  for split, found in rows.items():
    users = data.by_user(found)
    names = {path.name for path in (out / split).iterdir()}
    assert names == {f'{user}.tfrecords' for user in users}
    for user, expected in users.items():
      path = out / split / f'{user}.tfrecords'
      examples = [encoding.parse(r) for r in records.read(path, 'tfrecord')]
      assert examples == [
        {
          'image/encoded_jpeg': [row.image],
          'labels': list(row.labels),
          'fine_grained_labels': list(row.fine),
        }
        for row in expected
      ]


def test_labels_are_numbered_by_name(folder, tmp_path):
  user_tfrecords.write(views(folder), tmp_path / 'out')
  index = json.loads((tmp_path / 'out' / 'label_to_index.json').read_text())
  assert index == {
    'labels': {'animal': 0, 'art': 1, 'food': 2},
    'fine_grained_labels': {name: i for i, name in enumerate(data.FINE)},
  }


def test_the_published_reader_reads_it(folder, rows, tmp_path):
  tf = pytest.importorskip('tensorflow')
  user_tfrecords.write(views(folder), tmp_path / 'out')
  row = rows['train'][0]
  path = tmp_path / 'out' / 'train' / f'{row.user}.tfrecords'
  record = next(iter(tf.data.TFRecordDataset([str(path)])))
  example = tf.io.parse_single_example(
    record,
    {
      'image/encoded_jpeg': tf.io.FixedLenFeature([], tf.string),
      'labels': tf.io.VarLenFeature(tf.int64),
    },
  )
  assert example['image/encoded_jpeg'].numpy() == row.image
  assert example['labels'].values.numpy().tolist() == list(row.labels)


def test_an_interrupted_export_goes_on(folder, tmp_path, monkeypatch):
  out = tmp_path / 'out'
  write = records.write
  written = []

  def write_three(path, file_format, found):
    if len(written) == 3:
      raise KeyboardInterrupt
    written.append(path)
    write(path, file_format, found)

  monkeypatch.setattr(records, 'write', write_three)
  with pytest.raises(KeyboardInterrupt):
    user_tfrecords.write(views(folder), out)
  monkeypatch.setattr(records, 'write', write)
  done = {path: path.stat().st_ino for path in out.glob('*/*.tfrecords')}
  assert len(done) == 3
  (out / 'train' / '.u9.tfrecords.0.tmp').write_bytes(b'of a killed process')
  user_tfrecords.write(views(folder), out)
  assert len(list(out.glob('*/*'))) == 7
  assert all(path.stat().st_ino == inode for path, inode in done.items())


def test_a_folder_with_other_things_is_refused(folder, tmp_path):
  (tmp_path / 'out').mkdir()
  (tmp_path / 'out' / 'thesis.tex').touch()
  with pytest.raises(ValueError, match='must be empty, but is not'):
    user_tfrecords.write(views(folder), tmp_path / 'out')


def test_an_export_of_another_dataset_is_refused(folder, tmp_path):
  user_tfrecords.write(views(folder), tmp_path / 'out')
  other = data.write_rows(tmp_path / 'd', {'train': data.make_rows({'a': 1})})
  clients = {'train': federated.load_folder(other, 'train')}
  with pytest.raises(ValueError, match='holds that of another'):
    user_tfrecords.write(clients, tmp_path / 'out')


def test_ids_that_are_no_file_names_are_refused(tmp_path):
  rows = {'train': data.make_rows({'../../x': 1})}
  folder = data.write_rows(tmp_path / 'd', rows, shards=1)
  clients = {'train': federated.load_folder(folder, 'train')}
  text = re.escape("1 are not: '../../x'. Export to HDF5 instead.")
  with pytest.raises(ValueError, match=text):
    user_tfrecords.write(clients, tmp_path / 'out')
