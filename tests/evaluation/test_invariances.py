"""Rules that every metric of the room keeps, over one list of all of them."""

import dataclasses
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flair_tfds import evaluation


@dataclasses.dataclass(frozen=True)
class Metric:
  """A metric of scores and labels, in one call and from parts."""

  name: str
  one_call: Callable[[Any, Any], Any]
  from_parts: Callable[[list[tuple[Any, Any]]], Any]
  # Whether the answer has one entry per class, to be permuted along.
  per_class: bool = False

  def __str__(self) -> str:
    return self.name


def merge_all(parts, make):
  counts = [make(scores, labels) for scores, labels in parts]
  merged = counts[0]
  for other in counts[1:]:
    merged = merged.merge(other)
  return merged


def exact(average):
  def one_call(scores, labels):
    return evaluation.average_precision(scores, labels, average=average)

  def from_parts(parts):
    positives = merge_all(parts, evaluation.PositiveScores.from_batch)
    ranks = [positives.count(scores) for scores, _ in parts]
    merged = ranks[0]
    for other in ranks[1:]:
      merged = merged.merge(other)
    return merged.result(average)

  name = f'average_precision {average}'
  return Metric(name, one_call, from_parts, per_class=average is None)


def micro_exact():
  def flat(part):
    return part[0].reshape(-1, 1), part[1].reshape(-1, 1)

  metric = exact('macro')
  return Metric(
    'average_precision micro',
    lambda s, y: evaluation.average_precision(s, y, average='micro'),
    lambda parts: metric.from_parts([flat(part) for part in parts]),
  )


def samples_exact():
  def values(part):
    scores, labels = part
    return evaluation.average_precision(scores.T, labels.T, average=None)

  def from_parts(parts):
    per_image = np.concatenate([values(part) for part in parts])
    return math.fsum(per_image) / len(per_image)

  return Metric(
    'average_precision samples',
    lambda s, y: evaluation.average_precision(s, y, average='samples'),
    from_parts,
  )


def from_counts(name, make, value, per_class=False):
  return Metric(
    name,
    lambda scores, labels: value(make(scores, labels)),
    lambda parts: value(merge_all(parts, make)),
    per_class,
  )


def decide(name, average):
  return from_counts(
    f'{name} {average}',
    evaluation.DecisionCounts.from_batch,
    lambda counts: getattr(counts, name)(average),
    per_class=average is None,
  )


def rank(name):
  return from_counts(
    name,
    evaluation.RankingValues.from_batch,
    lambda values: values.result()[name],
  )


def count_lenient(scores, labels):
  """Scores as predictions; the first label is the original class."""
  scores, labels = np.asarray(scores), np.asarray(labels)
  truth = evaluation.MultiLabels.from_arrays(
    ids=map(str, range(len(labels))),
    original=labels.argmax(axis=1) if labels.size else [],
    correct=[np.flatnonzero(row) for row in labels],
    num_classes=labels.shape[1],
  )
  # Classes by score, all of them: integers rank classes, floats score them.
  return evaluation.LenientCounts.from_batch(scores.astype(float), truth)


def count_single(scores, labels):
  labels = np.asarray(labels)
  return evaluation.AccuracyCounts.from_batch(
    np.asarray(scores).astype(float),
    labels.argmax(axis=1) if labels.size else [],
    num_classes=labels.shape[1],
  )


def lenient(name):
  return from_counts(
    f'lenient_accuracy {name}',
    count_lenient,
    lambda counts: getattr(counts.result(on_empty_class='skip'), name),
  )


METRICS = [
  exact('macro'),
  exact('weighted'),
  exact(None),
  micro_exact(),
  samples_exact(),
  *(
    decide(name, average)
    for name in ('precision', 'recall', 'f1')
    for average in ('macro', 'micro', 'weighted', None)
  ),
  from_counts(
    'hamming_loss',
    evaluation.DecisionCounts.from_batch,
    evaluation.DecisionCounts.hamming_loss,
  ),
  rank('coverage_error'),
  rank('ranking_loss'),
  rank('label_ranking_average_precision'),
  from_counts(
    'averaged_precision_at_thresholds',
    evaluation.ThresholdCounts.from_batch,
    evaluation.ThresholdCounts.averaged_precision,
    per_class=True,
  ),
  lenient('macro'),
  lenient('micro'),
  lenient('strict_macro'),
  lenient('num_unreviewed'),
  from_counts('accuracy', count_single, lambda counts: counts.result().value),
  from_counts(
    'accuracy macro', count_single, lambda counts: counts.result().macro
  ),
]


def problem(seed=0, images=40, classes=6, distinct=False):
  """Scores in eighths, which every float type holds exactly."""
  rng = np.random.default_rng(seed)
  if distinct:
    # A permutation in each row: no ties within an image.
    scores = rng.permuted(np.tile(np.arange(classes), (images, 1)), axis=1) / 8
  else:
    scores = rng.integers(0, 9, (images, classes)) / 8
  labels = rng.random((images, classes)) < 0.4
  labels[np.arange(images), rng.integers(0, classes, images)] = True
  return scores, labels


every_metric = pytest.mark.parametrize('metric', METRICS, ids=str)


@every_metric
def test_order_of_images_does_not_matter(metric):
  scores, labels = problem()
  order = np.random.default_rng(1).permutation(len(scores))
  np.testing.assert_array_equal(
    metric.one_call(scores[order], labels[order]),
    metric.one_call(scores, labels),
  )


@every_metric
@pytest.mark.parametrize('cuts', [[1], [7, 8, 30], list(range(1, 40))])
def test_merged_parts_give_the_bits_of_one_call(metric, cuts):
  scores, labels = problem()
  parts = [
    (scores[a:b], labels[a:b]) for a, b in itertools.pairwise([0, *cuts, 40])
  ]
  np.testing.assert_array_equal(
    metric.from_parts(parts[::-1]), metric.one_call(scores, labels)
  )


@every_metric
@settings(deadline=None, max_examples=10)
@given(data=st.data())
def test_any_parts_in_any_order_give_the_bits_of_one_call(metric, data):
  num = data.draw(st.integers(2, 20))
  scores, labels = problem(data.draw(st.integers(0, 99)), num)
  cuts = sorted(data.draw(st.sets(st.integers(1, num - 1), max_size=5)))
  parts = [
    (scores[a:b], labels[a:b]) for a, b in itertools.pairwise([0, *cuts, num])
  ]
  np.testing.assert_array_equal(
    metric.from_parts(data.draw(st.permutations(parts))),
    metric.one_call(scores, labels),
  )


@every_metric
def test_order_of_classes_does_not_matter(metric):
  # Distinct scores, and one label each: the first class among equals is
  # predicted, and the first label is the original class.
  scores, labels = problem(distinct=True)
  labels = np.arange(6) == labels.argmax(axis=1)[:, None]
  order = np.random.default_rng(1).permutation(6)
  expected = metric.one_call(scores, labels)
  if metric.per_class:
    expected = expected[order]
  np.testing.assert_allclose(
    metric.one_call(scores[:, order], labels[:, order]),
    expected,
    rtol=0,
    atol=1e-15,
  )


@every_metric
@pytest.mark.parametrize('dtype', [np.float16, np.float32, np.longdouble])
def test_type_of_scores_does_not_matter(metric, dtype):
  scores, labels = problem()
  np.testing.assert_array_equal(
    metric.one_call(scores.astype(dtype), labels),
    metric.one_call(scores, labels),
  )


@every_metric
@pytest.mark.parametrize('dtype', [np.uint8, np.int64, np.float32])
def test_type_of_labels_does_not_matter(metric, dtype):
  scores, labels = problem()
  np.testing.assert_array_equal(
    metric.one_call(scores, labels.astype(dtype)),
    metric.one_call(scores, labels),
  )


@every_metric
def test_lists_are_as_good_as_arrays(metric):
  scores, labels = problem()
  np.testing.assert_array_equal(
    metric.one_call(scores.tolist(), labels.tolist()),
    metric.one_call(scores, labels),
  )


@every_metric
def test_arguments_are_left_alone(metric):
  scores, labels = problem()
  copies = scores.copy(), labels.copy()
  metric.one_call(scores, labels)
  np.testing.assert_array_equal(scores, copies[0])
  np.testing.assert_array_equal(labels, copies[1])


@every_metric
def test_empty_input_is_an_error(metric):
  with pytest.raises(ValueError, match=r'[aA]t least one image'):
    metric.one_call(np.zeros((0, 6)), np.zeros((0, 6), dtype=bool))


@every_metric
def test_nan_is_an_error(metric):
  scores, labels = problem()
  scores[3, 2] = np.nan
  with pytest.raises(ValueError, match=r'not be nan|not nan'):
    metric.one_call(scores, labels)
