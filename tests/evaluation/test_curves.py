import numpy as np
import pytest
from sklearn import metrics

from flair_tfds.evaluation import curves


def problem(dtype=np.float32):
  rng = np.random.default_rng(0)
  labels = rng.random((200, 3)) < 0.3
  scores = np.clip(rng.random((200, 3)) / 2 + labels / 4, 0, 1)
  return np.round(scores, 2).astype(dtype), labels


@pytest.mark.parametrize('dtype', [np.float16, np.float32, np.float64])
def test_every_point_lies_on_sklearns_curve(dtype):
  scores, labels = problem(dtype)
  found = curves.precision_recall_curve(scores, labels)
  precision, recall, threshold = metrics.precision_recall_curve(
    labels.ravel(), scores.ravel()
  )
  place = np.searchsorted(threshold, found.threshold)
  np.testing.assert_allclose(found.precision, precision[place], atol=1e-12)
  np.testing.assert_allclose(found.recall, recall[place], atol=1e-12)


def test_area_is_the_average_precision():
  scores, labels = problem()
  found = curves.precision_recall_curve(scores[:, 0], labels[:, 0])
  expected = metrics.average_precision_score(labels[:, 0], scores[:, 0])
  assert found.average_precision == pytest.approx(expected, abs=1e-12)
  assert found.share_positive == labels[:, 0].mean()


def test_curve_needs_a_positive_label():
  with pytest.raises(ValueError, match='found none among 2'):
    curves.precision_recall_curve([0.1, 0.2], [0, 0])


def test_calibration_is_counted_by_hand():
  found = curves.Calibration.from_batch(
    [[0.1], [0.2], [0.9], [1.0]], [[0], [1], [1], [1]], num_bins=2
  )
  assert found.num_scores.tolist() == [2, 2]
  assert found.num_positives.tolist() == [1, 2]
  np.testing.assert_allclose(found.mean_scores, [0.15, 0.95])
  np.testing.assert_allclose(found.shares, [0.5, 1.0])
  # (|0.3 - 1| + |1.9 - 2|) / 4
  assert found.expected_error == pytest.approx(0.2)


def test_empty_bin_has_no_share():
  found = curves.Calibration.from_batch([[0.1]], [[0]], num_bins=2)
  np.testing.assert_array_equal(found.shares, [0.0, np.nan])


def test_merged_counts_equal_those_of_one_call():
  scores, labels = problem()
  make = curves.Calibration.from_batch
  merged = make(scores[:9], labels[:9]).merge(make(scores[9:], labels[9:]))
  np.testing.assert_array_equal(
    merged.num_scores, make(scores, labels).num_scores
  )


def test_parts_with_other_bins_cannot_be_merged():
  make = curves.Calibration.from_batch
  with pytest.raises(ValueError, match='found 15 and 2'):
    make([[0.1]], [[0]]).merge(make([[0.1]], [[0]], num_bins=2))


def test_calibration_refuses_logits():
  with pytest.raises(ValueError, match=r'found -1\.0 to 2\.0'):
    curves.Calibration.from_batch([[-1.0], [2.0]], [[0], [1]])


def test_calibration_needs_a_bin():
  with pytest.raises(ValueError, match='num_bins must be at least 1'):
    curves.Calibration.from_batch([[0.1]], [[0]], num_bins=0)
