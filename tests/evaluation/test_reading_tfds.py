import io

import numpy as np
import pytest
import tensorflow_datasets as tfds

from flair_tfds.evaluation import reading

COARSE, FINE = ['animal', 'food'], ['apple', 'cat', 'dog']


class FewUsers(tfds.core.GeneratorBasedBuilder):
  """FLAIR's features; its images cannot be decoded."""

  VERSION = tfds.core.Version('1.0.0')

  def _info(self):
    return tfds.core.DatasetInfo(
      builder=self,
      features=tfds.features.FeaturesDict(
        {
          'image': tfds.features.Image(encoding_format='jpeg'),
          'image_id': tfds.features.Text(),
          'user_id': tfds.features.Text(),
          'labels': tfds.features.Sequence(
            tfds.features.ClassLabel(names=COARSE)
          ),
          'fine_grained_labels': tfds.features.Sequence(
            tfds.features.ClassLabel(names=FINE)
          ),
        }
      ),
    )

  def _split_generators(self, dl_manager):
    return {'test': self._generate_examples()}

  def _generate_examples(self):
    for row, (user, fine) in enumerate(
      [('u', ['apple', 'cat']), ('u', ['dog']), ('v', [])]
    ):
      yield (
        row,
        {
          'image': io.BytesIO(b'no image'),
          'image_id': f'{row}',
          'user_id': user,
          'labels': [],
          'fine_grained_labels': fine,
        },
      )


class FewUnnamed(tfds.core.GeneratorBasedBuilder):
  """Labels, but nothing to join predictions to."""

  VERSION = tfds.core.Version('1.0.0')

  def _info(self):
    label = tfds.features.ClassLabel(names=COARSE)
    return tfds.core.DatasetInfo(
      builder=self,
      features=tfds.features.FeaturesDict(
        {'labels': tfds.features.Sequence(label)}
      ),
    )

  def _split_generators(self, dl_manager):
    return {'test': self._generate_examples()}

  def _generate_examples(self):
    yield 0, {'labels': [1]}


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory):
  folder = tmp_path_factory.mktemp('tfds')
  for builder in (FewUsers, FewUnnamed):
    builder(data_dir=folder).download_and_prepare()
  return folder


def read(data_dir, **options):
  path = data_dir / 'few_users' / '1.0.0'
  return reading.LabelMatrix.from_directory(
    path, **({'split': 'test'} | options)
  )


def test_labels_users_and_ids_are_read_without_decoding_images(data_dir):
  found = read(data_dir, label_feature='fine_grained_labels')
  order = np.argsort(found.ids)
  assert [found.ids[i] for i in order] == ['0', '1', '2']
  assert [found.groups[i] for i in order] == ['u', 'u', 'v']
  assert found.class_names == tuple(FINE)
  assert found.labels[order].astype(int).tolist() == [
    [1, 1, 0],
    [0, 0, 1],
    [0, 0, 0],
  ]


def test_feature_is_chosen_by_the_names_of_classes(data_dir):
  assert read(data_dir, class_names=['food', 'animal']).labels.shape == (3, 2)


def test_feature_is_chosen_by_the_number_of_classes(data_dir):
  assert read(data_dir, num_classes=3).labels.shape == (3, 3)


def test_scores_of_other_classes_tell_what_there_is(data_dir):
  with pytest.raises(ValueError, match=r"the 9 classes .*'labels': 2"):
    read(data_dir, num_classes=9)


def test_unknown_feature_lists_the_known(data_dir):
  with pytest.raises(ValueError, match=r"one of 'labels', .*; found 'label'"):
    read(data_dir, label_feature='label')


def test_unknown_split_lists_the_known(data_dir):
  with pytest.raises(ValueError, match="must be one of 'test'; found 'val'"):
    read(data_dir, split='val')


def test_dataset_without_ids_is_refused(data_dir):
  with pytest.raises(ValueError, match=r"'image_id', 'file_name', to join"):
    reading.LabelMatrix.from_directory(
      data_dir / 'few_unnamed' / '1.0.0', split='test', num_classes=2
    )
