import numpy as np
import pytest

from flair_tfds import evaluation


def test_value_and_counts():
  found = evaluation.accuracy([0, 1, 1, 0], [0, 1, 0, 0])
  assert (found.num_correct, found.num_scored, found.value) == (3, 4, 0.75)
  assert found.num_correct_per_class.tolist() == [2, 1]
  np.testing.assert_allclose(found.per_class, [2 / 3, 1])
  assert found.macro == pytest.approx(5 / 6)


def test_interval_is_clopper_pearson():
  found = evaluation.accuracy([0, 1, 1, 0], [0, 1, 0, 0])
  assert found.interval == evaluation.clopper_pearson(3, 4, 0.95)
  assert found.interval_at(0.5) == evaluation.clopper_pearson(3, 4, 0.5)


def test_one_of_k_predictions_may_be_right():
  ranked = [[1, 0], [1, 0]]
  assert evaluation.accuracy(ranked, [0, 1]).num_correct == 1
  assert evaluation.accuracy(ranked, [0, 1], top_k=2).num_correct == 2


def test_scores_are_ranked():
  scores = [[0.1, 0.9], [0.8, 0.2]]
  assert evaluation.accuracy(scores, [1, 1]).num_correct == 1


def test_mappings_are_joined_by_file_name():
  found = evaluation.accuracy({'b': 1, 'a': 0}, {'a': 0, 'b': 0})
  assert found.num_correct == 1


def test_labels_and_predictions_may_be_names():
  found = evaluation.accuracy(
    ['cat', 'dog'], ['dog', 'dog'], class_names=['cat', 'dog']
  )
  assert found.num_correct == 1


def test_merged_parts_equal_one_call():
  make = evaluation.AccuracyCounts.from_batch
  merged = make([0, 1], [0, 0]).merge(make([2], [2])).result()
  whole = evaluation.accuracy([0, 1, 2], [0, 0, 2])
  assert merged.value == whole.value
  np.testing.assert_array_equal(merged.per_class, whole.per_class)


def test_representation_tells_the_interval():
  text = repr(evaluation.accuracy([0] * 10, [0] * 10))
  assert text == 'Accuracy(10/10 = 1.0000, 95% [0.6915, 1.0000])'


def test_missing_prediction_is_named():
  with pytest.raises(ValueError, match="1 of 2 do not: 'b'"):
    evaluation.accuracy({'a': 0}, {'a': 0, 'b': 0})


def test_missing_prediction_follows_the_policy():
  labels = {'a': 0, 'b': 0}
  wrong = evaluation.accuracy({'a': 0}, labels, on_missing='wrong')
  skip = evaluation.accuracy({'a': 0}, labels, on_missing='skip')
  assert (wrong.num_scored, skip.num_scored) == (2, 1)


def test_unknown_file_name_is_named():
  with pytest.raises(ValueError, match="1 are not: 'x'"):
    evaluation.accuracy({'a': 0, 'x': 0}, {'a': 0})


def test_predictions_by_name_need_labels_by_name():
  with pytest.raises(ValueError, match='found an array of 1 labels'):
    evaluation.accuracy({'a': 0}, [0])


def test_class_out_of_range_is_named():
  with pytest.raises(ValueError, match=r"0\.\.1; 1 are not: \('row 1', 2\)"):
    evaluation.accuracy([0, 2], [0, 1], num_classes=2)


def test_label_out_of_range_is_named():
  with pytest.raises(ValueError, match=r'in 0\.\.1; 1 of 2 .* row 1'):
    evaluation.accuracy([0, 1], [0, 5], num_classes=2)


def test_labels_must_be_class_ids():
  with pytest.raises(ValueError, match=r'one integer class id .* float64'):
    evaluation.accuracy([0, 1], [0.0, 1.0])


def test_no_images_is_an_error():
  with pytest.raises(ValueError, match='At least one image must be scored'):
    evaluation.accuracy([], [])


def test_unsigned_bytes_do_not_overflow():
  predictions = np.array([255, 0], dtype=np.uint8)
  labels = np.array([255, 255], dtype=np.uint8)
  assert evaluation.accuracy(predictions, labels).num_correct == 1
