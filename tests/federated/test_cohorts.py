import collections
import itertools
import re

import numpy as np
import pytest
import tfds_folders as data

from flair_tfds import federated


@pytest.fixture(scope='module')
def clients(tmp_path_factory):
  sizes = {f'u{i:02d}': i % 4 + 1 for i in range(10)}
  folder = data.write_rows(
    tmp_path_factory.mktemp('d') / 'd', {'train': data.make_rows(sizes)}
  )
  return federated.load_folder(folder, 'train')


def rng(seed=0):
  return np.random.default_rng(seed)


SAMPLERS = [
  federated.UniformCohorts,
  federated.EpochCohorts,
  federated.PoissonCohorts,
]


@pytest.mark.parametrize('make', SAMPLERS)
def test_equal_seeds_give_equal_cohorts(clients, make):
  first, second, other = (make(clients, 4, rng(s)) for s in (1, 1, 2))
  ids = [first.user_ids(r) for r in range(20)]
  assert ids == [second.user_ids(r) for r in range(20)]
  assert ids != [other.user_ids(r) for r in range(20)]


@pytest.mark.parametrize('make', SAMPLERS)
def test_training_resumes_at_any_round(clients, make):
  def images(sampler, rounds, start):
    return [
      [(client.user_id, client.image_ids) for client in cohort]
      for cohort in sampler.iterate(rounds, start)
    ]

  whole = images(make(clients, 4, rng(), max_images=2), 12, 0)
  again = images(make(clients, 4, rng(), max_images=2), 5, 7)
  assert again == whole[7:]


@pytest.mark.parametrize('make', SAMPLERS)
def test_a_cohort_has_no_user_twice(clients, make):
  sampler = make(clients, 4, rng())
  for r in range(50):
    ids = sampler.user_ids(r)
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize('make', SAMPLERS)
def test_a_cap_draws_images_anew_each_round(clients, make):
  sampler = make(clients, 10, rng(), max_images=2)
  seen = collections.defaultdict(set)
  for cohort in sampler.iterate(30):
    for client in cohort:
      assert len(client) == min(2, len(clients[client.user_id]))
      assert client.image_ids == sorted(client.image_ids)
      seen[client.user_id].update(client.image_ids)
  # 1 - 0.5^30: every image of a user of four takes part at some time.
  assert all(seen[user] == set(clients[user].image_ids) for user in clients)


def test_uniform_cohorts_have_one_size(clients):
  sampler = federated.UniformCohorts(clients, 4, rng())
  assert {len(cohort) for cohort in sampler.iterate(20)} == {4}


def test_uniform_cohorts_choose_all_users_alike(clients):
  sampler = federated.UniformCohorts(clients, 4, rng())
  counts = collections.Counter(
    itertools.chain(*(sampler.user_ids(r) for r in range(4000)))
  )
  # 4000 rounds, each user with chance 0.4: deviation sqrt(4000 * .24) = 31.
  assert all(abs(counts[user] - 1600) < 5 * 31 for user in clients)


def test_an_epoch_has_every_user_once(clients):
  sampler = federated.EpochCohorts(clients, 4, rng())
  assert sampler.rounds_per_epoch == 3
  cohorts = [sampler.user_ids(r) for r in range(6)]
  assert [len(ids) for ids in cohorts] == [4, 4, 2, 4, 4, 2]
  for epoch in (cohorts[:3], cohorts[3:]):
    assert sorted(itertools.chain(*epoch)) == list(clients)
  assert cohorts[:3] != cohorts[3:]


def test_poisson_cohorts_have_the_expected_size_in_the_mean(clients):
  sampler = federated.PoissonCohorts(clients, 4, rng())
  assert sampler.rate == 0.4
  sizes = np.array([len(sampler.user_ids(r)) for r in range(4000)])
  # Binomial(10, 0.4): mean 4, variance 2.4; deviation of the mean 0.0245.
  assert abs(sizes.mean() - 4) < 5 * 0.0245
  assert abs(sizes.var() - 2.4) < 0.4


def test_poisson_cohorts_choose_users_independently(clients):
  sampler = federated.PoissonCohorts(clients, 5, rng())
  chosen = np.zeros((3000, len(clients)))
  for r in range(3000):
    chosen[r, sampler.places(r)] = 1
  correlation = np.corrcoef(chosen.T)
  np.fill_diagonal(correlation, 0)
  # The deviation of a correlation of independent draws is 1 / sqrt(3000).
  assert np.abs(correlation).max() < 5 / np.sqrt(3000)


def test_poisson_cohorts_may_be_empty(clients):
  sampler = federated.PoissonCohorts(clients, 0.5, rng())
  assert any(not sampler.cohort(r) for r in range(50))


@pytest.mark.parametrize(
  ('make', 'options', 'text'),
  [
    (federated.UniformCohorts, {'size': 11}, 'at most the 10 users, got 11'),
    (federated.EpochCohorts, {'size': 0}, 'at least 1 and at most the 10'),
    (
      federated.PoissonCohorts,
      {'expected_size': 0},
      'expected_size must be more than 0 and at most the 10 users, got 0',
    ),
    (
      federated.UniformCohorts,
      {'size': 2, 'max_images': 0},
      'max_images must be at least 1, got 0',
    ),
  ],
)
def test_impossible_cohorts_are_refused(clients, make, options, text):
  with pytest.raises(ValueError, match=re.escape(text)):
    make(clients, rng=rng(), **options)


def test_no_users_are_refused(clients):
  with pytest.raises(ValueError, match='at least one user, got none'):
    federated.PoissonCohorts(clients.with_min_images(100), 1, rng())


def test_a_negative_round_is_refused(clients):
  with pytest.raises(ValueError, match='at least 0, got -1'):
    federated.UniformCohorts(clients, 2, rng()).cohort(-1)
