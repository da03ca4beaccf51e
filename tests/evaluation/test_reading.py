import json

import numpy as np
import pytest

from flair_tfds.core import errors
from flair_tfds.evaluation import reading


def write(tmp_path, name, text):
  path = tmp_path / name
  path.write_text(text, encoding='utf-8')
  return path


def test_npz_with_ids_and_scores(tmp_path):
  np.savez(
    tmp_path / 'p.npz',
    ids=['a', 'b'],
    scores=[[0.1, 0.9], [0.8, 0.2]],
    class_names=['x', 'y'],
  )
  found = reading.read_predictions(tmp_path / 'p.npz')
  assert (found.ids, found.class_names) == (('a', 'b'), ('x', 'y'))
  assert found.values.shape == (2, 2)


@pytest.mark.parametrize('key', ['file_names', 'image_ids'])
def test_npz_may_name_its_ids_otherwise(tmp_path, key):
  np.savez(tmp_path / 'p.npz', **{key: [b'a'], 'predictions': [3]})
  found = reading.read_predictions(tmp_path / 'p.npz')
  assert (found.ids, found.values.tolist()) == (('a',), [3])


def test_npz_of_one_array_is_aligned(tmp_path):
  np.savez(tmp_path / 'p.npz', whatever=[3, 4])
  assert reading.read_predictions(tmp_path / 'p.npz').tolist() == [3, 4]


def test_npy_is_aligned(tmp_path):
  np.save(tmp_path / 'p.npy', [3, 4])
  assert reading.read_predictions(tmp_path / 'p.npy').tolist() == [3, 4]


@pytest.mark.parametrize('text', ['[6, 7]', '[\n  6, \n  7\n]'])
def test_json_list_on_one_line_or_many(tmp_path, text):
  path = write(tmp_path, 'p.json', text)
  assert reading.read_predictions(path).tolist() == [6, 7]


def test_json_dictionary(tmp_path):
  path = write(tmp_path, 'p.json', '{"b": 6, "a": 7}')
  found = reading.read_predictions(path)
  assert (found.ids, found.values.tolist()) == (('b', 'a'), [6, 7])


def test_json_dictionary_of_ranked_names(tmp_path):
  path = write(tmp_path, 'p.json', '{"b": ["n1", "n2"]}')
  assert reading.read_predictions(path).values.tolist() == [['n1', 'n2']]


def test_csv_without_header(tmp_path):
  path = write(tmp_path, 'p.csv', 'a,6,7\nb,7,8\n')
  found = reading.read_predictions(path)
  assert found.ids == ('a', 'b')
  assert found.values.tolist() == [[6, 7], [7, 8]]


def test_csv_of_scores_names_its_classes(tmp_path):
  path = write(tmp_path, 'p.csv', '\ufeffimage_id,cat,dog\n1,0.5,1\n')
  found = reading.read_predictions(path)
  assert (found.ids, found.class_names) == (('1',), ('cat', 'dog'))
  assert found.values.dtype == np.float64


def test_csv_of_names(tmp_path):
  path = write(tmp_path, 'p.csv', 'id,class\na,n1\n\n')
  found = reading.read_predictions(path)
  assert found.values.tolist() == [['n1']]
  assert found.class_names is None


def test_csv_line_with_other_width_is_named(tmp_path):
  path = write(tmp_path, 'p.csv', 'id,class\na,1\nb\n')
  with pytest.raises(errors.BadDataError, match=r'p\.csv, line 3: .* 1 for 2'):
    reading.read_predictions(path)


def test_txt_of_classes(tmp_path):
  path = write(tmp_path, 'p.txt', '6\n7\n')
  assert reading.read_predictions(path).tolist() == [6, 7]


def test_txt_of_ids_and_classes(tmp_path):
  path = write(tmp_path, 'p.txt', 'a 6\nb 7\n')
  found = reading.read_predictions(path)
  assert (found.ids, found.values.tolist()) == (('a', 'b'), [[6], [7]])


def test_txt_line_with_other_width_is_named(tmp_path):
  path = write(tmp_path, 'p.txt', 'a 6\nb\n')
  with pytest.raises(errors.BadDataError, match=r'p\.txt, line 2'):
    reading.read_predictions(path)


def test_unknown_ending_lists_the_known(tmp_path):
  with pytest.raises(errors.BadDataError, match=r"\.npz, .*; found '\.pkl'"):
    reading.read_predictions(tmp_path / 'p.pkl')


@pytest.mark.parametrize('name', ['p.npz', 'p.npy', 'p.json'])
def test_damaged_file_is_named(tmp_path, name):
  path = write(tmp_path, name, '{nonsense')
  with pytest.raises(errors.BadDataError, match=rf'{name}: the file must'):
    reading.read_predictions(path)


def test_pickled_objects_are_refused(tmp_path):
  np.save(tmp_path / 'p.npy', np.array([{}], dtype=object), allow_pickle=True)
  with pytest.raises(errors.BadDataError, match='allow_pickle=False'):
    reading.read_predictions(tmp_path / 'p.npy')


def test_npz_without_predictions_names_what_it_has(tmp_path):
  np.savez(tmp_path / 'p.npz', a=[1], b=[2])
  with pytest.raises(errors.BadDataError, match="found 'a', 'b'"):
    reading.read_predictions(tmp_path / 'p.npz')


def test_json_number_is_refused(tmp_path):
  path = write(tmp_path, 'p.json', '3')
  with pytest.raises(errors.BadDataError, match='list of classes; found int'):
    reading.read_predictions(path)


def test_single_labels_with_ids_are_a_mapping(tmp_path):
  path = write(tmp_path, 'l.csv', 'a,6\n')
  assert reading.read_single_labels(path) == {'a': 6}


def test_single_labels_without_ids_are_an_array(tmp_path):
  path = write(tmp_path, 'l.json', '[6]')
  assert reading.read_single_labels(path).tolist() == [6]


def test_single_labels_must_be_single(tmp_path):
  path = write(tmp_path, 'l.json', json.dumps([[1, 2]]))
  with pytest.raises(errors.BadDataError, match=r'one class .* \[1, 2\]'):
    reading.read_single_labels(path)


def save_matrix(tmp_path, **changes):
  arrays = {
    'ids': ['a', 'b'],
    'labels': [[1, 0], [0, 1]],
    'class_names': ['x', 'y'],
    'groups': ['u', 'u'],
  }
  np.savez(tmp_path / 'l.npz', **(arrays | changes))
  return tmp_path / 'l.npz'


def test_label_matrix(tmp_path):
  found = reading.read_label_matrix(save_matrix(tmp_path))
  assert found.ids == ('a', 'b')
  assert found.labels.tolist() == [[True, False], [False, True]]
  assert found.groups == ('u', 'u')


def test_label_matrix_lacking_an_array_is_named(tmp_path):
  np.savez(tmp_path / 'l.npz', ids=['a'])
  with pytest.raises(errors.BadDataError, match="lacks 'labels' and has 'ids'"):
    reading.read_label_matrix(tmp_path / 'l.npz')


def test_label_matrix_of_another_shape_is_refused(tmp_path):
  path = save_matrix(tmp_path, labels=[[1, 0]])
  with pytest.raises(errors.BadDataError, match=r'shape \[1, 2\] for 2 ids'):
    reading.read_label_matrix(path)


def test_damaged_label_matrix_is_named(tmp_path):
  path = write(tmp_path, 'l.npz', 'nonsense')
  with pytest.raises(errors.BadDataError, match=r'l\.npz: the file must be'):
    reading.read_label_matrix(path)


def predictions(**changes):
  arguments = {
    'ids': ('b', 'a'),
    'values': np.array([[0.1, 0.2], [0.3, 0.4]]),
    'class_names': ('y', 'x'),
  }
  return reading.Predictions(**(arguments | changes))


def test_scores_are_aligned_by_id_and_class(tmp_path):
  matrix = reading.read_label_matrix(save_matrix(tmp_path))
  np.testing.assert_array_equal(
    matrix.align(predictions()), [[0.4, 0.3], [0.2, 0.1]]
  )


def test_arrays_of_scores_are_aligned_already(tmp_path):
  matrix = reading.read_label_matrix(save_matrix(tmp_path))
  scores = np.array([[0.1, 0.2], [0.3, 0.4]])
  np.testing.assert_array_equal(matrix.align(scores), scores)


def test_missing_scores_are_named(tmp_path):
  matrix = reading.read_label_matrix(save_matrix(tmp_path))
  with pytest.raises(ValueError, match="must have scores; 1 of 2 do not: 'a'"):
    matrix.align(predictions(ids=('b', 'c')))


def test_scores_of_unknown_images_are_named(tmp_path):
  matrix = reading.read_label_matrix(save_matrix(tmp_path))
  with pytest.raises(ValueError, match="1 are not: 'c'"):
    matrix.align(predictions(ids=('b', 'a', 'c'), values=np.zeros((3, 2))))


def test_classes_instead_of_scores_are_refused(tmp_path):
  matrix = reading.read_label_matrix(save_matrix(tmp_path))
  with pytest.raises(ValueError, match=r'Save the scores of all classes'):
    matrix.align(predictions(values=np.array([0, 1]), class_names=None))


def test_another_number_of_classes_is_refused(tmp_path):
  matrix = reading.read_label_matrix(save_matrix(tmp_path))
  with pytest.raises(ValueError, match=r'found \[2, 3\] and \[2, 2\]'):
    matrix.align(predictions(values=np.zeros((2, 3)), class_names=None))


@pytest.mark.parametrize(
  ('name', 'expected'),
  [
    ('v4_cudaconvnet_predictions.json', 2021),
    ('v4_nas_predictions.json', 2021),
    ('v6_alexnet_tf_ben_predictions.json', 2000),
    ('v6_shake_drop_predictions.json', 2000),
  ],
)
def test_published_prediction_files(real_data, name, expected):
  found = reading.read_predictions(
    real_data / 'evaluation' / 'raw_formats' / name
  )
  assert found.shape == (expected,)
  assert set(np.unique(found).tolist()) <= set(range(10))
