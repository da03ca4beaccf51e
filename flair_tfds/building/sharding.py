"""Cuts a split into shards, inside a group only where that is unavoidable."""

import dataclasses

import numpy as np
import numpy.typing as npt

_NUMBERS = (512, 256, 128, 64, 32, 16, 8, 4, 2)


@dataclasses.dataclass(frozen=True)
class ShardConfig:
  """How many shards a split gets.

  Attributes:
    num_shards: The number of shards of every split; a split of fewer examples
      gets one shard an example. None: decided by size.
    min_shard_bytes: Below this mean size a split gets fewer shards.
    max_shard_bytes: No shard is larger, unless one example is.
  """

  num_shards: int | None = None
  min_shard_bytes: int = 64 << 20
  max_shard_bytes: int = 1 << 30

  def __post_init__(self) -> None:
    """Refuses impossible values."""
    if self.num_shards is not None and self.num_shards < 1:
      raise ValueError(f'num_shards must be at least 1, got {self.num_shards}')
    if self.max_shard_bytes < 1:
      raise ValueError(
        f'max_shard_bytes must be at least 1, got {self.max_shard_bytes}'
      )


def number_of_shards(
  num_examples: int, num_bytes: int, config: ShardConfig
) -> int:
  """Returns how many shards a split gets, by the rule that TFDS documents.

  A power of two up to 512, or a multiple of 1,024, such that the mean size
  lies between the two bounds where that is possible.
  """
  most = num_bytes // max(1, config.min_shard_bytes)
  least = -(-num_bytes // config.max_shard_bytes)
  if least <= 1024 <= most and num_examples >= 1024:
    return 1024
  if least > 1024:
    return min(num_examples, -(-least // 1024) * 1024)
  for number in _NUMBERS:
    if least <= number <= most and num_examples >= number:
      return number
  return max(1, min(num_examples, least))


def cut(
  sizes: npt.NDArray[np.int64],
  groups: npt.NDArray[np.int64],
  config: ShardConfig,
) -> list[int]:
  """Returns where the shards of one split end.

  Boundaries lie as near as possible to equal numbers of bytes, and between two
  groups. Only where there are fewer groups than shards, or a group does not
  fit into a shard, they fall inside a group.

  Args:
    sizes: Bytes of every example as a record; int64 [row], at least one row.
    groups: First rows of the groups; int64 [group], ascending from 0.
    config: The number or the size of shards.

  Returns:
    Ascending row numbers, the last one being the number of rows.

  >>> even = np.full(6, 10)
  >>> cut(even, np.array([0, 2, 5]), ShardConfig(num_shards=2))
  [2, 6]
  >>> cut(even, np.array([0]), ShardConfig(num_shards=3))
  [2, 4, 6]
  """
  total = int(sizes.sum())
  ends = np.cumsum(sizes)
  if config.num_shards is not None:
    number = min(config.num_shards, len(sizes))
    return _boundaries(ends, _candidates(groups, len(sizes), number), number)
  number = number_of_shards(len(sizes), total, config)
  while True:
    boundaries = _boundaries(
      ends, _candidates(groups, len(sizes), number), number
    )
    shards = np.diff(np.concatenate([[0], ends[np.array(boundaries) - 1]]))
    if shards.max() <= config.max_shard_bytes or number >= len(sizes):
      return boundaries
    # Whole groups did not balance: cut within them, then into more shards.
    boundaries = _boundaries(ends, np.arange(1, len(sizes) + 1), number)
    shards = np.diff(np.concatenate([[0], ends[np.array(boundaries) - 1]]))
    if shards.max() <= config.max_shard_bytes:
      return boundaries
    number = min(len(sizes), number + max(1, number // 8))


def _candidates(
  groups: npt.NDArray[np.int64], num_rows: int, number: int
) -> npt.NDArray[np.int64]:
  """Returns the rows after which a shard may end, ascending."""
  if len(groups) < number:
    return np.arange(1, num_rows + 1)
  return np.append(groups[1:], num_rows)


def _boundaries(
  ends: npt.NDArray[np.int64], candidates: npt.NDArray[np.int64], number: int
) -> list[int]:
  """Picks the `number` candidates nearest to equal shares, all different."""
  total = int(ends[-1])
  at = ends[candidates - 1]
  chosen: list[int] = []
  lowest = 0
  for shard in range(1, number):
    # At least one candidate must remain for every later shard.
    highest = len(candidates) - (number - shard) - 1
    target = total * shard / number
    place = int(np.searchsorted(at, target))
    if (
      place > 0
      and target - at[place - 1] <= at[min(place, len(at) - 1)] - target
    ):
      place -= 1
    place = min(max(place, lowest), highest)
    chosen.append(int(candidates[place]))
    lowest = place + 1
  return [*chosen, int(candidates[-1])]
