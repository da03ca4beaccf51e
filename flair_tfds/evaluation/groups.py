"""Any metric by user, by any other id, and by level of a hierarchy.

What federated learning papers report of the users of FLAIR: the mean over
users, the mean of the worst tenth of them, and the spread.

Synopsis:

    values = by_group(average_precision, user_ids, scores, labels)
    values.mean, values.worst_decile, values.std
    group_means(is_right, user_ids).mean       # vectorised, for means
    by_level(average_precision, scores, labels, fine_names, taxonomy.tree)
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from flair_tfds.core import errors
from flair_tfds.evaluation import matrices
from flair_tfds.hierarchy import tree as tree_lib

Metric = Callable[..., float]


@dataclasses.dataclass(frozen=True, eq=False)
class GroupValues:
  """A metric's value for each group of images.

  Attributes:
    groups: The id of each group, sorted.
    values: The metric on the images of each group; nan where it is not
      defined and the caller chose to skip. float64, shape [group].
    num_images: The number of images of each group. int64, shape [group].
  """

  groups: tuple[Any, ...]
  values: npt.NDArray[np.float64]
  num_images: npt.NDArray[np.int64]

  @property
  def _kept(self) -> npt.NDArray[np.float64]:
    """The values that are defined, ascending."""
    return np.sort(self.values[~np.isnan(self.values)])

  @property
  def num_undefined(self) -> int:
    """The number of groups without a value; they count nowhere else."""
    return int(np.isnan(self.values).sum())

  @property
  def mean(self) -> float:
    """The mean over groups: each user counts the same."""
    return math.fsum(self._kept) / len(self._kept)

  @property
  def weighted_mean(self) -> float:
    """The mean over groups, each weighted by its images."""
    kept = ~np.isnan(self.values)
    weights = self.num_images[kept]
    return math.fsum(self.values[kept] * weights) / int(weights.sum())

  @property
  def std(self) -> float:
    """The standard deviation over groups (of the groups at hand: ddof 0)."""
    return float(np.std(self._kept))

  @property
  def worst_decile(self) -> float:
    """The mean of the worst tenth of the groups, at least of one."""
    return math.fsum(self._kept[: self._num_in_decile]) / self._num_in_decile

  @property
  def best_decile(self) -> float:
    """The mean of the best tenth of the groups, at least of one."""
    return math.fsum(self._kept[-self._num_in_decile :]) / self._num_in_decile

  def quantile(self, q: float) -> float:
    """Returns the value that a share `q` of the groups does not exceed."""
    return float(np.quantile(self._kept, q))

  def summary(self) -> dict[str, float]:
    """Returns the numbers that papers report."""
    return {
      'num_groups': len(self.groups),
      'num_undefined': self.num_undefined,
      'mean': self.mean,
      'weighted_mean': self.weighted_mean,
      'std': self.std,
      'worst_decile': self.worst_decile,
      'median': self.quantile(0.5),
      'best_decile': self.best_decile,
    }

  @property
  def _num_in_decile(self) -> int:
    return max(1, math.ceil(len(self._kept) / 10))


@dataclasses.dataclass(frozen=True)
class LevelValue:
  """A metric at one level of a hierarchy.

  Attributes:
    depth: The number of edges between the level's classes and their roots.
    classes: The ids of the level's classes.
    value: The metric over them.
  """

  depth: int
  classes: tuple[str, ...]
  value: float


def by_group(
  metric: Metric,
  groups: npt.ArrayLike,
  *arrays: npt.ArrayLike,
  min_images: int = 1,
  on_undefined: Literal['error', 'skip'] = 'error',
) -> GroupValues:
  """Computes a metric on the images of each group.

  Args:
    metric: Computes the value from arrays like these.
    groups: The group of each image: its user, say. Shape [image].
    *arrays: Arrays aligned by image: scores and labels, say.
    min_images: Groups with fewer images are left out.
    on_undefined: Where the metric gives nan or a ValueError for a group:
      'error'; 'skip', its value is nan and counts in no summary.

  Raises:
    ValueError: If arrays differ in length, no group is left, or the metric is
      undefined for a group and `on_undefined` is 'error'.

  >>> by_group(np.mean, ['ann', 'bob', 'ann'], [1.0, 0.0, 0.5]).mean
  0.375
  """
  if on_undefined not in ('error', 'skip'):
    raise ValueError(
      f"on_undefined must be 'error' or 'skip'; found {on_undefined!r}."
    )
  data = [np.asarray(array) for array in arrays]
  names, group_of, counts = _group(groups, [len(array) for array in data])
  order = np.argsort(group_of, kind='stable')
  ends = np.cumsum(counts)
  kept = np.flatnonzero(counts >= min_images)
  if not len(kept):
    raise ValueError(
      f'At least one group must have {min_images} images; the largest of '
      f'{len(names)} has {int(counts.max())}. Lower min_images.'
    )
  values = np.empty(len(kept))
  for place, group in enumerate(kept.tolist()):
    rows = order[ends[group] - counts[group] : ends[group]]
    values[place] = _evaluate(
      metric, [array[rows] for array in data], names[group], on_undefined
    )
  if np.isnan(values).all():
    raise ValueError(
      f'The metric must be defined for at least one group; it is for none of '
      f'{len(kept)}.'
    )
  return GroupValues(tuple(names[kept].tolist()), values, counts[kept])


def group_means(values: npt.ArrayLike, groups: npt.ArrayLike) -> GroupValues:
  """Returns the mean of a value per image, for each group; vectorised.

  Args:
    values: A value per image, such as whether it was right. Shape [image].
    groups: The group of each image. Shape [image].

  Raises:
    ValueError: If the two differ in length, or there are no images.
  """
  numbers = np.asarray(values, dtype=np.float64)
  names, group_of, counts = _group(groups, [len(numbers)])
  sums = np.bincount(group_of, weights=numbers)
  return GroupValues(tuple(names.tolist()), sums / counts, counts)


def by_level(
  metric: Metric,
  scores: npt.ArrayLike,
  labels: npt.ArrayLike,
  class_ids: Sequence[str],
  tree: tree_lib.Tree,
  *,
  how: Literal['max', 'sum'] = 'max',
) -> tuple[LevelValue, ...]:
  """Computes a metric at each level of a hierarchy, roots first.

  Scores and labels are rolled up to the classes of a level; a class has those
  of all classes below it. A class that ends above a level is not part of it.

  Args:
    metric: Computes the value from `(scores, labels)`.
    scores: Shape [image, class].
    labels: Whether each class is present. Shape [image, class].
    class_ids: The node of each column.
    tree: The hierarchy.
    how: How scores are rolled up; see `Tree.roll_up_matrix`. Labels: any.

  Raises:
    ValueError: If the shapes do not fit.
    KeyError: If a class is not a node.
  """
  matrix, present = matrices.check_pair(scores, labels)
  at_or_above = [tree.index(node) for node in tree.close(class_ids)]
  depths = tree.depths[at_or_above]
  levels = []
  for depth in range(int(depths.max()) + 1):
    targets = [at_or_above[i] for i in np.flatnonzero(depths == depth).tolist()]
    value = metric(
      tree.roll_up_matrix(matrix, class_ids, targets, how=how),
      tree.roll_up_matrix(present, class_ids, targets),
    )
    ids = tuple(tree.ids[target] for target in targets)
    levels.append(LevelValue(depth, ids, float(value)))
  return tuple(levels)


def _group(
  groups: npt.ArrayLike, lengths: Sequence[int]
) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
  """Returns the names of groups, each image's group, and the images of each."""
  ids = np.asarray(groups)
  if ids.ndim != 1 or not len(ids) or set(lengths) != {len(ids)}:
    raise ValueError(
      'groups must give one id for each image, and at least one; found shape '
      f'{list(ids.shape)} for arrays of {sorted(set(lengths))} images.'
    )
  names, group_of = np.unique(ids, return_inverse=True)
  return names, group_of, np.bincount(group_of)


def _evaluate(
  metric: Metric,
  arrays: Sequence[npt.NDArray[Any]],
  name: object,
  on_undefined: str,
) -> float:
  try:
    value = float(metric(*arrays))
  except ValueError as error:
    if on_undefined == 'skip':
      return math.nan
    error.add_note(f'This was group {name!s}.')
    raise
  if math.isnan(value) and on_undefined == 'error':
    raise ValueError(
      'The metric must be defined for each group; it is nan for '
      f"{errors.listing([str(name)])}. Pass on_undefined='skip' to leave such "
      'groups out.'
    )
  return value
