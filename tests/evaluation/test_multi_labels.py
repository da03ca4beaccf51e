import json

import numpy as np
import pytest

from flair_tfds import evaluation
from flair_tfds.core import errors
from flair_tfds.evaluation import labels as labels_lib

WNIDS = [f'n{i:08d}' for i in range(1000)]


def make_labels(**changes):
  arguments = {
    'ids': ['a', 'b', 'c'],
    'original': [0, 1, 1],
    'correct': [[0, 0], [1, 2], []],
    'unclear': [[], [2], [3]],
    'wrong': [[0], [], [1]],
    'problematic': [False, False, True],
  }
  return evaluation.MultiLabels.from_arrays(**(arguments | changes))


def test_ids_are_kept_in_order():
  assert make_labels().ids == ('a', 'b', 'c')


def test_bytes_ids_are_decoded():
  assert make_labels(ids=[b'a', b'b', b'c']).ids == ('a', 'b', 'c')


def test_number_of_classes_is_what_the_labels_need():
  assert make_labels().num_classes == 4


def test_corner_cases_are_counted():
  assert make_labels().describe() == {
    'images': 3,
    'problematic': 1,
    'scored': 2,
    'correct_and_wrong': 1,
    'correct_and_unclear': 1,
    'repeated_labels': 1,
    'without_correct_label': 1,
    'fewest_scored_per_class': 1,
    'most_scored_per_class': 1,
  }


def test_only_correct_lists_are_required():
  found = evaluation.MultiLabels.from_arrays(
    ids=['a'], original=[0], correct=[[0]]
  )
  assert not found.problematic.any()
  assert found.marks.tolist() == [[labels_lib.CORRECT]]


def test_marks_hold_every_list():
  both = labels_lib.CORRECT | labels_lib.UNCLEAR
  assert make_labels().marks.tolist() == [
    [labels_lib.CORRECT | labels_lib.WRONG, 0, 0, 0],
    [0, labels_lib.CORRECT, both, 0],
    [0, labels_lib.WRONG, 0, labels_lib.UNCLEAR],
  ]


def test_take_keeps_classes():
  taken = make_labels(num_classes=9).take([2, 0])
  assert taken.ids == ('c', 'a')
  assert taken.num_classes == 9
  assert taken.correct[1].tolist() == [0, 0]


def test_saved_labels_come_back(tmp_path):
  labels = make_labels(class_names=['w', 'x', 'y', 'z'])
  labels.save(tmp_path / 'labels.npz')
  back = evaluation.MultiLabels.load(tmp_path / 'labels.npz')
  assert back.ids == labels.ids
  assert back.class_names == labels.class_names
  np.testing.assert_array_equal(back.marks, labels.marks)
  np.testing.assert_array_equal(back.problematic, labels.problematic)


def test_damaged_file_of_labels_is_named(tmp_path):
  (tmp_path / 'labels.npz').write_bytes(b'nonsense')
  with pytest.raises(errors.BadDataError, match=r'labels\.npz: the file must'):
    evaluation.MultiLabels.load(tmp_path / 'labels.npz')


def test_repeated_id_is_named():
  with pytest.raises(ValueError, match="occur once; 1 repeat: 'a'"):
    make_labels(ids=['a', 'b', 'a'])


@pytest.mark.parametrize(
  'name', ['original', 'correct', 'unclear', 'wrong', 'problematic']
)
def test_length_must_be_that_of_ids(name):
  value = [0] if name in ('original', 'problematic') else [[0]]
  with pytest.raises(ValueError, match=f'{name} must have .* 3 ids; found 1'):
    make_labels(**{name: value})


@pytest.mark.parametrize('value', [7, -1])
def test_class_out_of_range_names_image_and_class(value):
  with pytest.raises(
    ValueError, match=rf"in correct must be in 0\.\.3; 1 .* \('b', {value}\)"
  ):
    make_labels(correct=[[0], [value], []], num_classes=4)


def test_original_out_of_range_is_an_error():
  with pytest.raises(ValueError, match=r"in original .* \('c', 9\)"):
    make_labels(original=[0, 1, 9], num_classes=4)


def test_class_ids_must_be_integers():
  with pytest.raises(ValueError, match=r"integer class ids; found 'x', 0\.5"):
    make_labels(correct=[['x'], [0.5], []])


def test_original_must_be_integers():
  with pytest.raises(ValueError, match=r'one integer class id .* float64'):
    make_labels(original=[0.0, 1.0, 1.0])


def test_num_classes_must_agree_with_names():
  with pytest.raises(ValueError, match='the number of class_names, 2; found 4'):
    make_labels(class_names=['x', 'y'], num_classes=4)


def test_real_labels_without_any_are_left_out():
  found = evaluation.MultiLabels.from_real([[5], []], original=[5, 6])
  assert found.problematic.tolist() == [False, True]
  assert found.ids[1] == 'ILSVRC2012_val_00000002.JPEG'


def write_human_accuracy(path, **changes):
  name = labels_lib.validation_name
  content = {
    'initial_annots': {
      name(1): {'correct': [WNIDS[3]], 'wrong': [WNIDS[4]]},
      name(0): {'correct': [WNIDS[0]], 'unclear': [WNIDS[999]]},
      'imagenetv2/0/a.jpeg': {'correct': [WNIDS[0]]},
    },
    'problematic_images': {name(1): {}},
    'imagenet_m': [],
  }
  path.write_text(json.dumps(content | changes))
  return path


def test_human_accuracy_json_is_read(tmp_path):
  path = write_human_accuracy(tmp_path / 'h.json')
  found = evaluation.MultiLabels.from_human_accuracy_json(
    path, original=[0, 4], class_names=WNIDS
  )
  assert found.ids == (
    'ILSVRC2012_val_00000001.JPEG',
    'ILSVRC2012_val_00000002.JPEG',
  )
  assert found.original.tolist() == [0, 4]
  assert found.unclear[0].tolist() == [999]
  assert found.wrong[1].tolist() == [4]
  assert found.problematic.tolist() == [False, True]


def test_original_may_be_a_mapping_to_wnids(tmp_path):
  path = write_human_accuracy(tmp_path / 'h.json')
  original = {labels_lib.validation_name(i): WNIDS[i] for i in range(2)}
  found = evaluation.MultiLabels.from_human_accuracy_json(
    path, original=original, class_names=WNIDS
  )
  assert found.original.tolist() == [0, 1]


def test_original_must_know_every_image(tmp_path):
  path = write_human_accuracy(tmp_path / 'h.json')
  with pytest.raises(ValueError, match=r'1 are missing: .*00000002\.JPEG'):
    evaluation.MultiLabels.from_human_accuracy_json(
      path, original=[0], class_names=WNIDS
    )


def test_original_must_be_known_wnids(tmp_path):
  path = write_human_accuracy(tmp_path / 'h.json')
  original = {labels_lib.validation_name(i): 'n1' for i in range(2)}
  with pytest.raises(ValueError, match="wnids of the 1000 classes; found 'n1'"):
    evaluation.MultiLabels.from_human_accuracy_json(
      path, original=original, class_names=WNIDS
    )


def test_wnids_are_needed_where_the_file_has_not_all(tmp_path):
  path = write_human_accuracy(tmp_path / 'h.json')
  with pytest.raises(ValueError, match=r'found 4. Pass class_names'):
    evaluation.MultiLabels.from_human_accuracy_json(path, original=[0, 4])


def test_unknown_wnid_in_the_file_is_named(tmp_path):
  annotations = {labels_lib.validation_name(0): {'correct': ['n1']}}
  path = write_human_accuracy(tmp_path / 'h.json', initial_annots=annotations)
  with pytest.raises(errors.BadDataError, match=r"h\.json: .*found 'n1'"):
    evaluation.MultiLabels.from_human_accuracy_json(
      path, original=[0], class_names=WNIDS
    )


@pytest.mark.parametrize('content', ['{', '[]', '{"initial_annots": {}}'])
def test_another_file_is_refused(tmp_path, content):
  (tmp_path / 'h.json').write_text(content)
  with pytest.raises(errors.BadDataError, match=r"h\.json: .*'initial_annots'"):
    evaluation.MultiLabels.from_human_accuracy_json(
      tmp_path / 'h.json', original=[0]
    )
