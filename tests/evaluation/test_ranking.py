import numpy as np
import pytest
from sklearn import metrics

from flair_tfds import evaluation

SKLEARN = [
  (evaluation.coverage_error, metrics.coverage_error),
  (evaluation.label_ranking_loss, metrics.label_ranking_loss),
  (
    evaluation.label_ranking_average_precision,
    metrics.label_ranking_average_precision_score,
  ),
]


@pytest.mark.parametrize(('ours', 'theirs'), SKLEARN)
@pytest.mark.parametrize('dtype', [np.float16, np.float32, np.float64, np.int8])
@pytest.mark.parametrize('share', [0.0, 0.3, 1.0])
def test_equals_sklearn_on_tied_scores(ours, theirs, dtype, share):
  rng = np.random.default_rng(0)
  for _ in range(10):
    scores = rng.integers(0, 7, (20, 6)).astype(dtype)
    labels = rng.random((20, 6)) < share
    # scikit-learn's coverage overflows in float16.
    expected = theirs(labels, scores.astype(np.float64))
    assert ours(scores, labels) == pytest.approx(expected, abs=1e-12)


def test_merged_values_equal_those_of_one_call():
  rng = np.random.default_rng(1)
  scores, labels = rng.random((20, 6)), rng.random((20, 6)) < 0.3
  make = evaluation.RankingValues.from_batch
  merged = make(scores[12:], labels[12:]).merge(make(scores[:12], labels[:12]))
  assert merged.result() == make(scores, labels).result()


def test_nan_scores_are_refused():
  with pytest.raises(ValueError, match='must not be nan'):
    evaluation.coverage_error([[np.nan, 1]], [[1, 0]])
