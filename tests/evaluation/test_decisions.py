import math
import warnings

import numpy as np
import pytest
from sklearn import metrics

from flair_tfds import evaluation

SKLEARN = {
  'precision': metrics.precision_score,
  'recall': metrics.recall_score,
  'f1': metrics.f1_score,
}


def random_problem(seed, images=50, classes=6):
  rng = np.random.default_rng(seed)
  scores = rng.integers(0, 11, (images, classes)) / 10
  return scores, rng.random((images, classes)) < rng.choice([0.05, 0.4])


@pytest.mark.parametrize('metric', SKLEARN)
@pytest.mark.parametrize('average', ['macro', 'micro', 'weighted', None])
def test_equals_sklearn(metric, average):
  for seed in range(20):
    scores, labels = random_problem(seed)
    counts = evaluation.DecisionCounts.from_batch(scores, labels, threshold=0.7)
    with warnings.catch_warnings():
      warnings.simplefilter('ignore')  # about classes never predicted
      expected = SKLEARN[metric](labels, scores >= 0.7, average=average)
    found = getattr(counts, metric)(average)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_hamming_loss_equals_sklearn():
  scores, labels = random_problem(0)
  found = evaluation.DecisionCounts.from_batch(scores, labels).hamming_loss()
  expected = metrics.hamming_loss(labels, scores >= 0.5)
  assert found == pytest.approx(expected, abs=1e-12)


def test_score_equal_to_the_threshold_is_predicted():
  counts = evaluation.DecisionCounts.from_batch(
    np.array([[0.25]], dtype=np.float16), [[1]], threshold=0.25
  )
  assert counts.recall() == 1.0


def test_thresholds_may_differ_by_class():
  counts = evaluation.DecisionCounts.from_batch(
    [[0.5, 0.5]], [[1, 1]], threshold=[0.4, 0.6]
  )
  np.testing.assert_array_equal(counts.recall(None), [1.0, 0.0])


def test_merged_counts_equal_those_of_one_call():
  scores, labels = random_problem(1)
  make = evaluation.DecisionCounts.from_batch
  merged = make(scores[:9], labels[:9]).merge(make(scores[9:], labels[9:]))
  assert merged.f1('macro') == make(scores, labels).f1('macro')
  assert merged.hamming_loss() == make(scores, labels).hamming_loss()


def test_parts_with_other_classes_cannot_be_merged():
  make = evaluation.DecisionCounts.from_batch
  with pytest.raises(ValueError, match='found 1 and 2'):
    make([[1]], [[1]]).merge(make([[1, 1]], [[1, 1]]))


def test_undefined_classes_can_be_skipped_or_refused():
  counts = evaluation.DecisionCounts.from_batch([[0.9, 0.1]], [[1, 1]])
  assert counts.precision() == 0.5
  assert counts.precision(on_undefined='skip') == 1.0
  np.testing.assert_array_equal(
    counts.precision(None, on_undefined='skip'), [1.0, np.nan]
  )
  with pytest.raises(ValueError, match='predictions; 1 of 2 have none: 1'):
    counts.precision(on_undefined='error')


def test_skipping_every_class_is_an_error():
  counts = evaluation.DecisionCounts.from_batch([[0.1]], [[1]])
  with pytest.raises(ValueError, match='1 of 1 have none'):
    counts.precision(on_undefined='skip')


def test_unknown_options_are_refused():
  counts = evaluation.DecisionCounts.from_batch([[0.1]], [[1]])
  with pytest.raises(ValueError, match=r"average must be one of .* 'samples'"):
    counts.f1('samples')
  with pytest.raises(ValueError, match="'zero', 'skip' or 'error'; found 'x'"):
    counts.f1(on_undefined='x')


def test_number_of_thresholds_must_fit():
  with pytest.raises(ValueError, match=r'each of the 1 classes.*shape \[2\]'):
    evaluation.DecisionCounts.from_batch([[1]], [[1]], threshold=[1, 2])


def test_threshold_must_not_be_nan():
  with pytest.raises(ValueError, match='1 nan'):
    evaluation.DecisionCounts.from_batch([[1]], [[1]], threshold=np.nan)


def test_nan_scores_are_refused():
  with pytest.raises(ValueError, match='must not be nan; found 1 of 2'):
    evaluation.DecisionCounts.from_batch([[np.nan, 1]], [[1, 1]])


@pytest.mark.parametrize('seed', range(10))
def test_best_thresholds_reach_the_best_f1_of_a_slow_search(seed):
  scores, labels = random_problem(seed)
  thresholds = evaluation.best_thresholds(scores, labels)
  counts = evaluation.DecisionCounts.from_batch(
    scores, labels, threshold=thresholds
  )
  for column, found in enumerate(counts.f1(None)):
    if labels[:, column].any():
      best = max(
        metrics.f1_score(labels[:, column], scores[:, column] >= threshold)
        for threshold in np.unique(scores[:, column])
      )
      assert found == pytest.approx(best, abs=1e-12)


def test_best_threshold_lies_between_two_scores():
  found = evaluation.best_thresholds([[0.2], [0.4], [0.8]], [[0], [1], [1]])
  assert found[0] == pytest.approx(0.3)


def test_best_threshold_of_the_lowest_score_is_that_score():
  assert evaluation.best_thresholds([[0.2], [0.4]], [[1], [1]])[0] == 0.2


def test_class_without_positives_is_never_predicted():
  assert evaluation.best_thresholds([[0.2], [0.4]], [[0], [0]])[0] == math.inf


def test_of_equally_good_thresholds_the_highest_is_taken():
  # F1 is 2/3 at 0.9 (1 of 1, 1 of 2) and at 0.3 (2 of 4, 2 of 2).
  scores, labels = [[0.9], [0.6], [0.5], [0.3]], [[1], [0], [0], [1]]
  assert evaluation.best_thresholds(scores, labels)[0] == pytest.approx(0.75)
