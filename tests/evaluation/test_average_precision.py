import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from flair_tfds import evaluation
from flair_tfds.evaluation import matrices, positive_ranks

AVERAGES = ['macro', 'micro', 'weighted', 'samples', None]


def sklearn_value(scores, labels, average):
  with warnings.catch_warnings():
    warnings.simplefilter('ignore')  # about classes without positives
    return metrics.average_precision_score(labels, scores, average=average)


def random_problem(rng, images=40, classes=7, dtype=np.float32, ties=9):
  scores = (rng.integers(0, ties, (images, classes)) / ties).astype(dtype)
  return scores, rng.random((images, classes)) < 0.3


def test_value_derived_by_hand():
  # Positives at ranks 1 and 3: (1/1 + 2/3) / 2.
  found = evaluation.average_precision([0.9, 0.8, 0.7], [1, 0, 1])
  assert found == pytest.approx(5 / 6, abs=1e-15)


def test_tied_scores_share_one_threshold():
  # All three at one threshold: precision 2/3 there, for both positives.
  assert evaluation.average_precision([1, 1, 1], [1, 0, 1]) == 2 / 3


def test_per_class_value_has_one_entry_per_class():
  scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]])
  labels = np.array([[1, 1], [0, 0], [1, 0]])
  found = evaluation.average_precision(scores, labels, average=None)
  np.testing.assert_allclose(found, [5 / 6, 1 / 3], rtol=0, atol=1e-15)


@pytest.mark.parametrize('average', AVERAGES)
@pytest.mark.parametrize(
  'dtype', [np.float16, np.float32, np.float64, np.int8, np.uint8]
)
def test_equals_sklearn_on_tied_scores(average, dtype):
  rng = np.random.default_rng(0)
  for _ in range(20):
    scores, labels = random_problem(rng, dtype=np.float64)
    scores = (scores * 9).astype(dtype)
    np.testing.assert_allclose(
      evaluation.average_precision(scores, labels, average=average),
      sklearn_value(scores, labels, average),
      rtol=0,
      atol=1e-12,
    )


@pytest.mark.parametrize('average', AVERAGES)
@pytest.mark.parametrize('share', [0.0, 1.0])
@pytest.mark.parametrize('dtype', [np.float16, np.float32, np.float64])
def test_equals_sklearn_with_no_and_with_all_positives(average, share, dtype):
  scores, _ = random_problem(np.random.default_rng(1), dtype=dtype)
  labels = np.full(scores.shape, bool(share))
  labels[:, 0] = np.arange(len(labels)) % 2
  np.testing.assert_allclose(
    evaluation.average_precision(scores, labels, average=average),
    sklearn_value(scores, labels, average),
    rtol=0,
    atol=1e-12,
  )


@pytest.mark.parametrize('average', AVERAGES)
def test_equals_sklearn_on_constant_columns(average):
  scores, labels = random_problem(np.random.default_rng(2))
  scores[:, ::2] = 0.5
  np.testing.assert_allclose(
    evaluation.average_precision(scores, labels, average=average),
    sklearn_value(scores, labels, average),
    rtol=0,
    atol=1e-12,
  )


@pytest.mark.parametrize('average', AVERAGES)
def test_equals_sklearn_when_blocks_are_small(average, monkeypatch):
  monkeypatch.setattr(matrices, 'BLOCK_BYTES', 256)
  scores, labels = random_problem(np.random.default_rng(3), 50, 20, ties=200)
  np.testing.assert_allclose(
    evaluation.average_precision(scores, labels, average=average),
    sklearn_value(scores, labels, average),
    rtol=0,
    atol=1e-12,
  )


def test_memory_order_does_not_matter():
  scores, labels = random_problem(np.random.default_rng(4))
  expected = evaluation.average_precision(scores, labels)
  assert expected == evaluation.average_precision(
    np.asfortranarray(scores), np.asfortranarray(labels)
  )


def test_infinite_scores_are_ranked():
  found = evaluation.average_precision([np.inf, 0, -np.inf], [1, 0, 1])
  assert found == pytest.approx(5 / 6, abs=1e-15)


def test_class_without_positives_counts_zero_as_in_sklearn():
  scores, labels = [[0.9, 0.1], [0.8, 0.2]], [[1, 0], [0, 0]]
  assert evaluation.average_precision(scores, labels) == 0.5


def test_class_without_positives_can_be_skipped():
  scores, labels = [[0.9, 0.1], [0.8, 0.2]], [[1, 0], [0, 0]]
  skip = {'on_no_positives': 'skip'}
  assert evaluation.average_precision(scores, labels, **skip) == 1.0
  found = evaluation.average_precision(scores, labels, average=None, **skip)
  np.testing.assert_array_equal(found, [1.0, np.nan])


def test_class_without_positives_can_be_an_error():
  with pytest.raises(
    ValueError, match=r"1 of 2 have none: 1\. Pass on_no_positives='zero'"
  ):
    evaluation.average_precision(
      [[0.9, 0.1], [0.8, 0.2]], [[1, 0], [0, 0]], on_no_positives='error'
    )


def test_skipping_every_class_is_an_error():
  with pytest.raises(ValueError, match='2 of 2 have none: 0, 1'):
    evaluation.average_precision([[1, 2]], [[0, 0]], on_no_positives='skip')


def test_nan_scores_are_counted_and_named():
  scores, labels = random_problem(np.random.default_rng(5))
  scores[[3, 7], [1, 2]] = np.nan
  with pytest.raises(
    ValueError,
    match=r'found 2 of 280, the first at \[image, class\] \(3, 1\), \(7, 2\)',
  ):
    evaluation.average_precision(scores, labels)


def test_nan_of_a_negative_label_is_found_in_a_class_without_positives():
  with pytest.raises(ValueError, match='must not be nan; found 1 of 4'):
    evaluation.average_precision([[0.9, np.nan], [0.8, 0]], [[1, 0], [0, 0]])


def test_nan_is_named_by_its_place_in_the_whole_when_blocks_are_small(
  monkeypatch,
):
  monkeypatch.setattr(matrices, 'BLOCK_BYTES', 64)
  scores, labels = random_problem(np.random.default_rng(6))
  scores[30, 5] = np.nan
  with pytest.raises(ValueError, match=r'\(30, 5\)'):
    evaluation.average_precision(scores, labels)


def test_shapes_must_agree():
  with pytest.raises(
    ValueError, match=r'same shape .* found \[2, 2\] and \[2, 1\]'
  ):
    evaluation.average_precision(np.zeros((2, 2)), np.zeros((2, 1)))


def test_empty_input_is_an_error():
  with pytest.raises(ValueError, match=r'at least one image .* \[0, 3\]'):
    evaluation.average_precision(np.zeros((0, 3)), np.zeros((0, 3)))


def test_labels_must_be_zeros_and_ones():
  with pytest.raises(
    ValueError, match=r'found 0\.5 at \[image, class\] \(1, 0\)'
  ):
    evaluation.average_precision([0.1, 0.2], [1, 0.5])


def test_labels_must_be_numbers():
  with pytest.raises(ValueError, match=r'Labels must be bools.*dtype <U1'):
    evaluation.average_precision([0.1, 0.2], ['a', 'b'])


def test_scores_must_be_numbers():
  with pytest.raises(ValueError, match='real numbers; found dtype complex128'):
    evaluation.average_precision([0.1j, 0.2], [0, 1])


def test_scores_must_have_two_axes():
  with pytest.raises(ValueError, match=r'shape \[image, class\]; found \[1, 1'):
    evaluation.average_precision(np.zeros((1, 1, 1)), np.zeros((1, 1, 1)))


def test_unknown_average_lists_the_choices():
  with pytest.raises(
    ValueError, match="'macro', 'micro', 'weighted', 'samples', None; found 'm'"
  ):
    evaluation.average_precision([0.1], [1], average='m')


def test_unknown_policy_lists_the_choices():
  with pytest.raises(ValueError, match="'zero', 'skip' or 'error'; found 'x'"):
    evaluation.average_precision([0.1], [1], on_no_positives='x')


def in_parts(scores, labels, cuts, order):
  """The exact value from parts, read twice, merged in some order."""
  parts = [slice(a, b) for a, b in itertools.pairwise([0, *cuts, len(scores)])]
  parts = [parts[i] for i in order]
  positives = positive_ranks.PositiveScores.from_batch(
    scores[parts[0]], labels[parts[0]]
  ).merge(
    *(
      positive_ranks.PositiveScores.from_batch(scores[p], labels[p])
      for p in parts[1:]
    )
  )
  ranks = positives.count(scores[parts[0]])
  for part in parts[1:]:
    ranks = ranks.merge(positives.count(scores[part]))
  return ranks


@settings(deadline=None)
@given(data=st.data())
def test_parts_read_twice_give_the_same_bits_as_one_call(data):
  rng = np.random.default_rng(data.draw(st.integers(0, 999)))
  num = data.draw(st.integers(3, 30))
  scores, labels = random_problem(rng, num, 4)
  cuts = sorted(data.draw(st.sets(st.integers(1, num - 1), max_size=4)))
  order = data.draw(st.permutations(range(len(cuts) + 1)))
  ranks = in_parts(scores, labels, cuts, order)
  expected = evaluation.average_precision(scores, labels, average=None)
  np.testing.assert_array_equal(ranks.result(None), expected)
  assert ranks.num_images == num
  for average in ('macro', 'weighted'):
    assert ranks.result(average) == evaluation.average_precision(
      scores, labels, average=average
    )


def test_pooled_positives_give_the_micro_average():
  scores, labels = random_problem(np.random.default_rng(7))
  positives = positive_ranks.PositiveScores.from_batch(scores, labels).pool()
  ranks = positives.count(scores[:9].reshape(-1, 1)).merge(
    positives.count(scores[9:].reshape(-1, 1))
  )
  assert ranks.result() == evaluation.average_precision(
    scores, labels, average='micro'
  )


def test_counting_only_some_parts_is_an_error():
  scores, labels = random_problem(np.random.default_rng(8))
  positives = positive_ranks.PositiveScores.from_batch(scores, labels)
  with pytest.raises(ValueError, match='Each part that gave positives must be'):
    positives.count(scores[:3]).result()


def test_counts_of_other_positives_cannot_be_merged():
  scores, labels = random_problem(np.random.default_rng(9))
  make = positive_ranks.PositiveScores.from_batch
  first = make(scores[:9], labels[:9]).count(scores[:9])
  second = make(scores[9:], labels[9:]).count(scores[9:])
  with pytest.raises(ValueError, match='Merge the positives of all parts'):
    first.merge(second)


def test_equal_positives_from_two_processes_can_be_merged():
  scores, labels = random_problem(np.random.default_rng(10))
  make = positive_ranks.PositiveScores.from_batch
  first = make(scores, labels).count(scores[:9])
  second = make(scores, labels).count(scores[9:])
  assert first.merge(second).result() == evaluation.average_precision(
    scores, labels
  )


def test_parts_with_other_classes_cannot_be_merged():
  make = positive_ranks.PositiveScores.from_batch
  with pytest.raises(
    ValueError, match='same classes to be merged; found 1 and'
  ):
    make([[1]], [[1]]).merge(make([[1, 2]], [[1, 0]]))


def test_scores_of_other_classes_cannot_be_counted():
  positives = positive_ranks.PositiveScores.from_batch([[1]], [[1]])
  with pytest.raises(ValueError, match='found 2 columns for 1 classes'):
    positives.count([[1, 2]])
