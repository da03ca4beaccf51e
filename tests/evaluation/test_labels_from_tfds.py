import io

import numpy as np
import pytest
import tensorflow_datasets as tfds

from flair_tfds import evaluation

NAMES = ['n1', 'n2', 'n3']


class FewMultiLabels(tfds.core.GeneratorBasedBuilder):
  """Multi-label ImageNet's features; its images cannot be decoded."""

  VERSION = tfds.core.Version('1.0.0')

  def _info(self):
    label = tfds.features.ClassLabel(names=NAMES)
    return tfds.core.DatasetInfo(
      builder=self,
      features=tfds.features.FeaturesDict(
        {
          'image': tfds.features.Image(encoding_format='jpeg'),
          'original_label': label,
          'correct_multi_labels': tfds.features.Sequence(label),
          'wrong_multi_labels': tfds.features.Sequence(label),
          'unclear_multi_labels': tfds.features.Sequence(label),
          'is_problematic': np.bool_,
          'file_name': tfds.features.Text(),
        }
      ),
    )

  def _split_generators(self, dl_manager):
    return {'validation': self._generate_examples()}

  def _generate_examples(self):
    for row in range(3):
      yield (
        row,
        {
          'image': io.BytesIO(b'no image'),
          'original_label': row,
          'correct_multi_labels': [row],
          'wrong_multi_labels': [2 - row] if row != 1 else [],
          'unclear_multi_labels': [],
          'is_problematic': row == 2,
          'file_name': f'{row}.JPEG',
        },
      )


class FewReal(tfds.core.GeneratorBasedBuilder):
  """The features of `imagenet2012_real`."""

  VERSION = tfds.core.Version('1.0.0')

  def _info(self):
    label = tfds.features.ClassLabel(names=NAMES)
    return tfds.core.DatasetInfo(
      builder=self,
      features=tfds.features.FeaturesDict(
        {
          'image': tfds.features.Image(encoding_format='jpeg'),
          'original_label': label,
          'real_label': tfds.features.Sequence(label),
          'file_name': tfds.features.Text(),
        }
      ),
    )

  def _split_generators(self, dl_manager):
    return {'validation': self._generate_examples()}

  def _generate_examples(self):
    for row in range(3):
      yield (
        row,
        {
          'image': io.BytesIO(b'no image'),
          'original_label': row,
          'real_label': [row, 0] if row else [],
          'file_name': f'{row}.JPEG',
        },
      )


class FewPlain(tfds.core.GeneratorBasedBuilder):
  """No labels at all."""

  VERSION = tfds.core.Version('1.0.0')

  def _info(self):
    return tfds.core.DatasetInfo(
      builder=self,
      features=tfds.features.FeaturesDict({'file_name': tfds.features.Text()}),
    )

  def _split_generators(self, dl_manager):
    return {'validation': self._generate_examples()}

  def _generate_examples(self):
    yield 0, {'file_name': '0.JPEG'}


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory):
  folder = tmp_path_factory.mktemp('tfds')
  for builder in (FewMultiLabels, FewReal, FewPlain):
    builder(data_dir=folder).download_and_prepare()
  return folder


def row_of(labels, name):
  return labels.ids.index(name)


def test_labels_are_read_without_decoding_images(data_dir):
  found = evaluation.MultiLabels.from_tfds(
    'few_multi_labels', data_dir=data_dir
  )
  assert sorted(found.ids) == ['0.JPEG', '1.JPEG', '2.JPEG']
  last = row_of(found, '2.JPEG')
  assert found.original[last] == 2
  assert found.correct[last].tolist() == [2]
  assert found.wrong[last].tolist() == [0]
  assert found.problematic[last]
  assert found.class_names == tuple(NAMES)


def test_labels_are_read_from_a_folder(data_dir):
  by_name = evaluation.MultiLabels.from_tfds(
    'few_multi_labels', data_dir=data_dir
  )
  by_folder = evaluation.MultiLabels.from_directory(
    data_dir / 'few_multi_labels' / '1.0.0'
  )
  assert by_folder.ids == by_name.ids
  np.testing.assert_array_equal(by_folder.marks, by_name.marks)


def test_real_labels_are_read(data_dir):
  found = evaluation.MultiLabels.from_tfds('few_real', data_dir=data_dir)
  assert found.problematic[row_of(found, '0.JPEG')]
  assert found.correct[row_of(found, '2.JPEG')].tolist() == [2, 0]
  scores = dict.fromkeys(found.ids, 0)
  assert evaluation.real_accuracy(scores, found).num_correct == 2


def test_dataset_that_was_not_built_is_named(tmp_path):
  with pytest.raises(FileNotFoundError, match=r"no split 'validation' in .*"):
    evaluation.MultiLabels.from_tfds('few_multi_labels', data_dir=tmp_path)


def test_unknown_split_is_named(data_dir):
  with pytest.raises(FileNotFoundError, match="no split 'train'"):
    evaluation.MultiLabels.from_tfds(
      'few_multi_labels', data_dir=data_dir, split='train'
    )


def test_dataset_without_such_labels_is_named(data_dir):
  with pytest.raises(
    ValueError, match=r"few_plain/1.0.0 .* it lacks 'correct_multi_labels'"
  ):
    evaluation.MultiLabels.from_tfds('few_plain', data_dir=data_dir)
