import keras
import numpy as np
import pytest

from flair_tfds import evaluation
from flair_tfds.evaluation import threshold_counts


def crowded_problem(seed=0, images=300, classes=5):
  """Scores that crowd near 0, as those of rare classes do."""
  rng = np.random.default_rng(seed)
  labels = rng.random((images, classes)) < 0.1
  scores = rng.random((images, classes)) ** 6 + 0.2 * labels
  return np.minimum(scores, 1).astype(np.float32), labels


def keras_counts(scores, labels):
  """Precision and recall as the published code computes them, on Keras."""
  auc = keras.metrics.AUC(
    num_thresholds=200, multi_label=True, num_labels=scores.shape[1]
  )
  auc.update_state(labels.astype(np.float32), scores)
  true = np.asarray(auc.true_positives, dtype=np.float64)
  false = np.asarray(auc.false_positives, dtype=np.float64)
  missed = np.asarray(auc.false_negatives, dtype=np.float64)
  precision = np.divide(
    true, true + false, out=np.zeros_like(true), where=true + false > 0
  )
  recall = np.divide(
    true, true + missed, out=np.zeros_like(true), where=true + missed > 0
  )
  return precision, recall


def test_averaged_precision_equals_the_published_way_on_keras():
  scores, labels = crowded_problem()
  precision, recall = keras_counts(scores, labels)
  expected = -np.sum((recall[1:] - recall[:-1]) * precision[:-1], axis=0)
  found = evaluation.averaged_precision_at_thresholds(
    scores, labels, average=None
  )
  np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
  assert evaluation.averaged_precision_at_thresholds(
    scores, labels
  ) == pytest.approx(expected.mean(), abs=1e-12)


def test_scores_on_thresholds_fall_as_in_keras():
  scores = np.linspace(0, 1, 200, dtype=np.float32)[:, None]
  labels = (np.arange(200) % 3 == 0)[:, None]
  precision, recall = keras_counts(scores, labels)
  counts = threshold_counts.ThresholdCounts.from_batch(scores, labels)
  found_precision, found_recall = counts.precision_recall()
  np.testing.assert_allclose(found_precision[0], precision[:, 0], atol=1e-12)
  np.testing.assert_allclose(found_recall[0], recall[:, 0], atol=1e-12)


def test_it_is_not_the_average_precision():
  # Both scores lie below the second threshold, 1/199: they count as tied.
  scores, labels = [[0.001], [0.002]], [[False], [True]]
  assert evaluation.averaged_precision_at_thresholds(scores, labels) == 0.5
  assert evaluation.average_precision(scores, labels) == 1.0


def test_micro_pools_all_labels():
  scores, labels = crowded_problem()
  found = evaluation.averaged_precision_at_thresholds(
    scores, labels, average='micro'
  )
  expected = evaluation.averaged_precision_at_thresholds(
    scores.reshape(-1, 1), labels.reshape(-1, 1)
  )
  assert found == expected


def test_many_thresholds_come_close_to_the_exact_value():
  rng = np.random.default_rng(0)
  scores, labels = rng.random((300, 5)), rng.random((300, 5)) < 0.3
  near = evaluation.averaged_precision_at_thresholds(
    scores, labels, num_thresholds=100_000
  )
  exact = evaluation.average_precision(scores, labels)
  assert near == pytest.approx(exact, abs=1e-3)


def test_merged_counts_equal_those_of_one_call():
  scores, labels = crowded_problem()
  make = threshold_counts.ThresholdCounts.from_batch
  merged = make(scores[:99], labels[:99]).merge(make(scores[99:], labels[99:]))
  whole = make(scores, labels)
  np.testing.assert_array_equal(merged.num_scores, whole.num_scores)
  np.testing.assert_array_equal(merged.num_positives, whole.num_positives)


def test_counts_with_other_thresholds_cannot_be_merged():
  make = threshold_counts.ThresholdCounts.from_batch
  with pytest.raises(ValueError, match=r'found \[1, 200\] and \[1, 9\]'):
    make([[0.1]], [[1]]).merge(make([[0.1]], [[1]], num_thresholds=9))


def test_class_without_positives_is_zero():
  found = evaluation.averaged_precision_at_thresholds(
    [[0.5], [0.1]], [[0], [0]]
  )
  assert found == 0.0


def test_logits_are_refused():
  with pytest.raises(ValueError, match=r'in \[0, 1\]; found -2\.0 to 1.*exp'):
    evaluation.averaged_precision_at_thresholds([[-2.0]], [[1]])


def test_nan_is_refused():
  with pytest.raises(ValueError, match='must not be nan; found 1 of 1'):
    evaluation.averaged_precision_at_thresholds([[np.nan]], [[1]])


def test_one_threshold_is_refused():
  with pytest.raises(ValueError, match='at least 2; found 1'):
    evaluation.averaged_precision_at_thresholds(
      [[0.5]], [[1]], num_thresholds=1
    )
