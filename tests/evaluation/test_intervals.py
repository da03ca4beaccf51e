import numpy as np
import pytest
from scipy import stats

from flair_tfds import evaluation


def mean(values):
  return float(np.mean(values))


@pytest.mark.parametrize(
  ('correct', 'trials'), [(0, 5), (3, 5), (5, 5), (1, 1)]
)
@pytest.mark.parametrize('confidence', [0.5, 0.95, 0.99])
def test_clopper_pearson_equals_scipy(correct, trials, confidence):
  expected = stats.binomtest(correct, trials).proportion_ci(confidence, 'exact')
  found = evaluation.clopper_pearson(correct, trials, confidence)
  assert found == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_clopper_pearson_published_in_the_cifar_paper():
  # arXiv:1806.00451, section 3.1: 90% of 2,000 images, [88.6%, 91.3%].
  low, high = evaluation.clopper_pearson(1800, 2000)
  assert (round(100 * low, 1), round(100 * high, 1)) == (88.6, 91.3)


def test_clopper_pearson_refuses_impossible_counts():
  with pytest.raises(ValueError, match=r'0\.\.num_trials.*found 6 of 5'):
    evaluation.clopper_pearson(6, 5)
  with pytest.raises(ValueError, match='found 0 of 0'):
    evaluation.clopper_pearson(0, 0)


def test_confidence_is_a_share():
  with pytest.raises(ValueError, match=r'between 0 and 1, such as 0.95; found'):
    evaluation.clopper_pearson(1, 2, 95)


def test_bootstrap_error_of_a_mean_is_that_of_theory():
  values = np.random.default_rng(0).normal(size=400)
  found = evaluation.bootstrap(
    mean, values, rng=np.random.default_rng(1), num_resamples=2000
  )
  # A standard error estimated from 2,000 draws is within 5% of the truth.
  theory = np.std(values) / np.sqrt(400)
  assert found.value == mean(values)
  assert found.standard_error == pytest.approx(theory, rel=0.05)
  assert found.high - found.low == pytest.approx(2 * 1.96 * theory, rel=0.08)


def test_bootstrap_over_users_is_wider_where_their_images_agree():
  users = np.repeat(np.arange(40), 25)
  values = np.random.default_rng(0).normal(size=40)[users]
  images = evaluation.bootstrap_mean(values, rng=np.random.default_rng(1))
  clusters = evaluation.bootstrap_mean(
    values, rng=np.random.default_rng(1), clusters=users
  )
  # 25 equal images of a user are one: sqrt(25) times the error.
  ratio = clusters.standard_error / images.standard_error
  assert ratio == pytest.approx(5, rel=0.1)


def test_bootstrap_draws_whole_users():
  users = np.array(['b', 'a', 'b', 'a', 'b'])
  seen = []

  def remember(rows):
    seen.append(np.bincount(rows, minlength=5))
    return 0.0

  evaluation.bootstrap(
    remember,
    np.arange(5),
    rng=np.random.default_rng(0),
    num_resamples=20,
    clusters=users,
  )
  for counts in seen:
    assert counts[0] == counts[2] == counts[4]
    assert counts[1] == counts[3]
    assert counts[0] + counts[1] in (2, 1, 3)


def test_bootstrap_mean_equals_the_bootstrap_of_a_mean():
  rng = np.random.default_rng(0)
  values, users = rng.random(30), rng.integers(0, 6, 30)
  slow = evaluation.bootstrap(
    mean, values, rng=np.random.default_rng(5), clusters=users
  )
  fast = evaluation.bootstrap_mean(
    values, rng=np.random.default_rng(5), clusters=users
  )
  np.testing.assert_allclose(fast.resampled, slow.resampled, atol=1e-12)


def test_bootstrap_mean_weighs_images():
  found = evaluation.bootstrap_mean(
    [1.0, 0.0], weights=[3, 1], rng=np.random.default_rng(0)
  )
  assert found.value == 0.75


def test_renaming_users_changes_nothing():
  values = np.arange(6.0)
  results = [
    evaluation.bootstrap_mean(
      values, rng=np.random.default_rng(0), clusters=list(users)
    )
    for users in ('aabbbc', 'zzyyyx')
  ]
  np.testing.assert_array_equal(results[0].resampled, results[1].resampled)


def test_same_seed_gives_the_same_interval():
  values = np.random.default_rng(0).random(20)
  results = [
    evaluation.bootstrap(mean, values, rng=np.random.default_rng(3))
    for _ in range(2)
  ]
  np.testing.assert_array_equal(results[0].resampled, results[1].resampled)


def test_bootstrap_refuses_other_lengths():
  with pytest.raises(ValueError, match=r'one entry for each image.*\[2, 3\]'):
    evaluation.bootstrap(
      mean, [1, 2], rng=np.random.default_rng(0), clusters=[1, 2, 3]
    )


def test_bootstrap_refuses_no_images():
  with pytest.raises(ValueError, match=r'at least one image.*\[0\]'):
    evaluation.bootstrap(mean, [], rng=np.random.default_rng(0))


def test_bootstrap_refuses_no_resamples():
  with pytest.raises(ValueError, match='num_resamples must be at least 1'):
    evaluation.bootstrap(
      mean, [1], rng=np.random.default_rng(0), num_resamples=0
    )


def test_equal_models_have_p_value_one():
  right = np.array([True, False, True])
  found = evaluation.compare_paired(
    mean, right, right, rng=np.random.default_rng(0)
  )
  assert (found.difference.value, found.p_value) == (0.0, 1.0)


def test_permutation_p_value_comes_close_to_mcnemars():
  first = np.zeros(200, dtype=bool)
  second = np.zeros(200, dtype=bool)
  first[:10] = second[10:30] = True
  found = evaluation.compare_paired(
    mean, first, second, rng=np.random.default_rng(0), num_resamples=4000
  )
  exact = evaluation.mcnemar(first, second)
  assert found.difference.value == pytest.approx(10 / 200)
  # The error of a share of 4,000 draws, three standard deviations.
  assert found.p_value == pytest.approx(exact, abs=0.012)
  assert exact == pytest.approx(stats.binomtest(10, 30).pvalue, abs=1e-12)


def test_comparison_works_on_score_matrices_by_user():
  rng = np.random.default_rng(0)
  labels = rng.random((60, 4)) < 0.4
  good = labels + rng.normal(size=labels.shape)
  found = evaluation.compare_paired(
    evaluation.average_precision,
    rng.normal(size=labels.shape),
    good,
    labels,
    rng=rng,
    num_resamples=200,
    clusters=np.arange(60) // 3,
  )
  assert found.difference.low > 0
  assert found.p_value < 0.02


def test_p_values_are_right_where_models_are_equal():
  # Where both are coins, p < 0.2 must come up in a fifth of the cases.
  rng = np.random.default_rng(0)
  hits = 0
  for _ in range(200):
    first, second = rng.random((2, 40)) < 0.5
    found = evaluation.compare_paired(
      mean, first, second, rng=rng, num_resamples=99
    )
    hits += found.p_value <= 0.2
  # Ties make the test conservative; it must not be liberal.
  assert 15 <= hits <= 57


def test_models_outputs_must_have_one_shape():
  with pytest.raises(ValueError, match=r'same shape; found \[2\] and \[2, 1\]'):
    evaluation.compare_paired(
      mean, [1, 2], [[1], [2]], rng=np.random.default_rng(0)
    )


def test_mcnemar_of_models_that_never_differ_is_one():
  assert evaluation.mcnemar([1, 0], [1, 0]) == 1.0


def test_mcnemar_needs_the_same_images():
  with pytest.raises(ValueError, match='judged on the same images'):
    evaluation.mcnemar([1, 0], [1])
