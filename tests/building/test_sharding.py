import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tensorflow_datasets.core.utils import shard_utils

from flair_tfds.building import sharding


@st.composite
def splits(draw):
  """Sizes of examples, and where groups begin."""
  sizes = draw(
    st.lists(
      st.one_of(st.integers(1, 50), st.sampled_from([400, 5000])),
      min_size=1,
      max_size=40,
    )
  )
  later = draw(st.sets(st.integers(1, max(1, len(sizes) - 1))))
  groups = sorted({0} | {row for row in later if row < len(sizes)})
  return np.array(sizes, np.int64), np.array(groups, np.int64)


def shard_sizes(sizes, ends) -> list[int]:
  return [
    int(sizes[start:end].sum()) for start, end in itertools.pairwise([0, *ends])
  ]


configs = st.one_of(
  st.integers(1, 50).map(lambda n: sharding.ShardConfig(num_shards=n)),
  st.builds(
    sharding.ShardConfig,
    min_shard_bytes=st.integers(0, 300),
    max_shard_bytes=st.integers(1, 6000),
  ),
)


@given(split=splits(), config=configs)
@settings(deadline=None, max_examples=400)
def test_shards_cover_all_examples_and_none_is_empty(split, config):
  ends = sharding.cut(*split, config)
  assert all(a < b for a, b in itertools.pairwise([0, *ends]))
  assert ends[-1] == len(split[0])
  assert all(type(end) is int for end in ends)


@given(split=splits(), number=st.integers(1, 60))
@settings(deadline=None, max_examples=300)
def test_asked_number_of_shards_is_given_while_examples_last(split, number):
  ends = sharding.cut(*split, sharding.ShardConfig(num_shards=number))
  assert len(ends) == min(number, len(split[0]))


@given(split=splits(), number=st.integers(1, 60))
@settings(deadline=None, max_examples=300)
def test_asked_number_of_shards_cuts_between_groups_while_they_last(
  split, number
):
  sizes, groups = split
  assume(len(groups) >= number)
  ends = sharding.cut(sizes, groups, sharding.ShardConfig(num_shards=number))
  assert set(ends) <= {*groups.tolist(), len(sizes)}


@given(split=splits(), least=st.integers(0, 300), most=st.integers(1, 6000))
@settings(deadline=None, max_examples=400)
def test_no_shard_is_larger_than_the_maximum_unless_one_example_is(
  split, least, most
):
  sizes, groups = split
  config = sharding.ShardConfig(min_shard_bytes=least, max_shard_bytes=most)
  ends = sharding.cut(sizes, groups, config)
  for size, (start, end) in zip(
    shard_sizes(sizes, ends), itertools.pairwise([0, *ends]), strict=True
  ):
    assert size <= most or end == start + 1


@given(split=splits())
@settings(deadline=None)
def test_same_split_is_cut_at_the_same_places(split):
  config = sharding.ShardConfig(max_shard_bytes=100)
  assert sharding.cut(*split, config) == sharding.cut(*split, config)


def test_equal_examples_give_equal_shards():
  sizes, groups = np.full(12, 10), np.arange(12)
  config = sharding.ShardConfig(num_shards=4)
  assert sharding.cut(sizes, groups, config) == [3, 6, 9, 12]


def test_shards_balance_bytes_not_examples():
  sizes = np.array([90, 10, 10, 10, 10, 10, 10, 10, 10, 10])
  config = sharding.ShardConfig(num_shards=2)
  assert sharding.cut(sizes, np.arange(10), config) == [1, 10]


def test_boundary_moves_to_the_nearest_end_of_a_group():
  # Half is after row 5; groups end after rows 4 and 7.
  sizes, groups = np.full(10, 10), np.array([0, 4, 7])
  config = sharding.ShardConfig(num_shards=2)
  assert sharding.cut(sizes, groups, config) == [4, 10]


def test_one_large_group_leaves_a_group_for_every_other_shard():
  sizes, groups = np.full(20, 10), np.array([0, 18, 19])
  config = sharding.ShardConfig(num_shards=3)
  assert sharding.cut(sizes, groups, config) == [18, 19, 20]


def test_group_over_the_maximum_is_cut():
  sizes, groups = np.full(8, 10), np.array([0])
  config = sharding.ShardConfig(min_shard_bytes=1, max_shard_bytes=40)
  ends = sharding.cut(sizes, groups, config)
  assert max(shard_sizes(sizes, ends)) <= 40


def test_group_is_not_cut_where_whole_groups_fit():
  sizes, groups = np.full(8, 10), np.array([0, 3, 6])
  config = sharding.ShardConfig(min_shard_bytes=25, max_shard_bytes=50)
  assert sharding.cut(sizes, groups, config) == [3, 8]


# The number of shards that TFDS would choose


def tfds_number(num_examples: int, num_bytes: int, least: int, most: int):
  """Returns TFDS's number; it adds its overhead of 16 bytes a record itself."""
  config = shard_utils.ShardConfig(
    min_shard_size=least, max_shard_size=most, overhead=0
  )
  return config.calculate_number_shards.__func__(
    config, num_bytes, num_examples
  )


@given(
  num_examples=st.integers(1, 5000),
  num_bytes=st.integers(0, 10_000_000),
  least=st.integers(1, 100_000),
  most=st.integers(1, 1_000_000),
)
@settings(deadline=None, max_examples=600)
def test_number_is_that_of_tfds_where_its_mean_is_under_the_maximum(
  num_examples, num_bytes, least, most
):
  # Where more are needed than there are examples, TFDS searches for ever.
  assume(num_bytes // most <= 1024)
  theirs = tfds_number(num_examples, num_bytes, least, most)
  ours = sharding.number_of_shards(
    num_examples, num_bytes, sharding.ShardConfig(None, least, most)
  )
  if num_bytes <= theirs * most:
    assert ours == theirs
  else:
    # It rounds the least number down, or falls back to one shard.
    assert ours > theirs or ours == num_examples


@pytest.mark.parametrize('multiple', [2, 3, 7])
def test_many_shards_are_a_multiple_of_1024_as_in_tfds(multiple):
  num_bytes = 1024 * multiple * 10 - 5
  number = sharding.number_of_shards(
    100_000, num_bytes, sharding.ShardConfig(None, 1, 10)
  )
  assert number == 1024 * multiple
  assert number == tfds_number(100_000, num_bytes, 1, 10)


@pytest.mark.parametrize(
  ('num_bytes', 'number', 'why'),
  [
    (63, 1, 'a single shard would be below the minimum'),
    (128, 2, 'two shards of the minimum'),
    (1000, 8, '15 of the minimum would fit, of which 8 is a power of two'),
    (64 * 2000, 1024, 'from 1,024 on'),
  ],
)
def test_number_follows_the_documented_rule(num_bytes, number, why):
  config = sharding.ShardConfig(None, 64, 1024)
  assert sharding.number_of_shards(100_000, num_bytes, config) == number, why


def test_there_are_never_more_shards_than_examples():
  config = sharding.ShardConfig(None, 1, 1)
  assert sharding.number_of_shards(5, 10**9, config) == 5


def test_where_tfds_goes_over_the_maximum_ours_does_not():
  # 1.5 times the maximum, and no power of two between the bounds: TFDS 4.9.10
  # writes one shard.
  assert tfds_number(100, 1500, 900, 1000) == 1
  config = sharding.ShardConfig(None, 900, 1000)
  assert sharding.number_of_shards(100, 1500, config) == 2


@pytest.mark.parametrize('number', [0, -1])
def test_number_of_shards_must_be_positive(number):
  with pytest.raises(
    ValueError, match=f'num_shards must be at least 1, got {number}'
  ):
    sharding.ShardConfig(num_shards=number)


def test_maximum_must_be_positive():
  with pytest.raises(
    ValueError, match='max_shard_bytes must be at least 1, got 0'
  ):
    sharding.ShardConfig(max_shard_bytes=0)
