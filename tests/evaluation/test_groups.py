import numpy as np
import pytest

from flair_tfds import evaluation, hierarchy


def test_by_group_computes_the_metric_on_each_groups_images():
  found = evaluation.by_group(
    evaluation.average_precision,
    ['b', 'a', 'b', 'a'],
    [0.9, 0.1, 0.8, 0.2],
    [0, 1, 1, 0],
  )
  assert found.groups == ('a', 'b')
  np.testing.assert_array_equal(found.values, [0.5, 0.5])
  assert found.num_images.tolist() == [2, 2]


def test_summary_is_derived_by_hand():
  # Users 0..19 have the value of their number / 20, user 0 twice the images.
  users = np.concatenate([np.arange(20), [0]])
  found = evaluation.group_means(users / 20, users)
  assert found.mean == pytest.approx(0.475)
  assert found.weighted_mean == pytest.approx(190 / 20 / 21)
  assert found.worst_decile == pytest.approx((0 + 0.05) / 2)
  assert found.best_decile == pytest.approx((0.9 + 0.95) / 2)
  assert found.quantile(0.5) == pytest.approx(0.475)
  assert found.std == pytest.approx(np.sqrt((20**2 - 1) / 12) / 20)
  assert set(found.summary()) == {
    'num_groups',
    'num_undefined',
    'mean',
    'weighted_mean',
    'std',
    'worst_decile',
    'median',
    'best_decile',
  }


def test_group_means_equal_by_group_of_a_mean():
  rng = np.random.default_rng(0)
  values, users = rng.random(50), rng.integers(0, 9, 50)
  fast = evaluation.group_means(values, users)
  slow = evaluation.by_group(np.mean, users, values)
  np.testing.assert_allclose(fast.values, slow.values, atol=1e-15)
  assert fast.groups == slow.groups


def test_worst_decile_of_few_groups_is_the_worst_one():
  assert evaluation.group_means([0.5, 0.1], ['a', 'b']).worst_decile == 0.1


def test_small_groups_can_be_left_out():
  found = evaluation.by_group(np.mean, ['a', 'b', 'b'], [1, 0, 1], min_images=2)
  assert found.groups == ('b',)


def test_leaving_out_every_group_is_an_error():
  with pytest.raises(ValueError, match=r'the largest of 2 has 1. Lower'):
    evaluation.by_group(np.mean, ['a', 'b'], [1, 0], min_images=2)


def no_value(values):
  return float('nan')


def test_undefined_group_is_named():
  with pytest.raises(ValueError, match="it is nan for 'a'"):
    evaluation.by_group(no_value, ['a'], [1])


def strict_ap(scores, labels):
  return evaluation.average_precision(scores, labels, on_no_positives='error')


def test_group_with_an_error_is_named_in_its_note():
  with pytest.raises(ValueError, match='must have positives') as caught:
    evaluation.by_group(strict_ap, ['a', 'b'], [0.5, 0.5], [1, 0])
  assert caught.value.__notes__ == ['This was group b.']


def test_undefined_groups_can_be_skipped():
  found = evaluation.by_group(
    strict_ap, ['a', 'b'], [0.5, 0.5], [1, 0], on_undefined='skip'
  )
  assert (found.num_undefined, found.mean) == (1, 1.0)


def test_a_metric_undefined_everywhere_is_an_error():
  with pytest.raises(ValueError, match='it is for none of 1'):
    evaluation.by_group(no_value, ['a'], [1], on_undefined='skip')


def test_unknown_policy_lists_the_choices():
  with pytest.raises(ValueError, match="'error' or 'skip'; found 'x'"):
    evaluation.by_group(np.mean, ['a'], [1], on_undefined='x')


def test_groups_must_be_aligned():
  with pytest.raises(ValueError, match=r'one id for each image.*\[2\].*\[1\]'):
    evaluation.group_means([1.0], ['a', 'b'])


def test_by_level_rolls_scores_and_labels_up():
  tree = hierarchy.Tree.from_ids(
    ['animal', 'cat', 'dog', 'food'], [None, 'animal', 'animal', None]
  )
  scores = [[0.9, 0.1, 0.2], [0.3, 0.8, 0.4]]
  labels = [[0, 1, 0], [0, 0, 1]]
  levels = evaluation.by_level(
    evaluation.average_precision, scores, labels, ['cat', 'dog', 'food'], tree
  )
  # Coarse: animal 0.9 before 0.8, image 0 has it: 1; food 0.4 before 0.2: 1.
  assert [level.classes for level in levels] == [
    ('animal', 'food'),
    ('cat', 'dog'),
  ]
  assert levels[0].value == 1.0
  # Fine: cat has no positives (0); dog is second (1/2).
  assert levels[1].value == 0.25
