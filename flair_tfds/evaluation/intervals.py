"""Uncertainty: exact binomial intervals, the bootstrap, paired comparisons.

The bootstrap draws images, or whole users (clusters), with replacement: the
images of one user resemble each other, so that drawing them one by one claims
more certainty than there is. All randomness comes from the generator that the
caller passes.
"""

import dataclasses
import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

# A statistic of arrays that are aligned by image.
Statistic = Callable[..., float]


@dataclasses.dataclass(frozen=True, eq=False)
class Interval:
  """An estimate with a confidence interval.

  Attributes:
    value: The estimate on the data as they are.
    low: The lower end.
    high: The upper end.
    confidence: How often such an interval holds the truth, 0.95 say.
    resampled: The estimates on the resampled data. Shape [resample].
  """

  value: float
  low: float
  high: float
  confidence: float
  resampled: npt.NDArray[np.float64] = dataclasses.field(repr=False)

  @property
  def standard_error(self) -> float:
    """The standard deviation of the resampled estimates."""
    return float(np.std(self.resampled, ddof=1))


@dataclasses.dataclass(frozen=True, eq=False)
class PairedComparison:
  """Two models on the same images.

  Attributes:
    first: The first model's value.
    second: The second model's value.
    difference: Second minus first, with its bootstrap interval.
    p_value: How likely a difference at least as large is where the two models
      are interchangeable; two-sided, by swapping them at random.
  """

  first: float
  second: float
  difference: Interval
  p_value: float


def clopper_pearson(
  num_correct: int, num_trials: int, confidence: float = 0.95
) -> tuple[float, float]:
  """Returns the exact binomial confidence interval of a proportion.

  Source: Clopper and Pearson, Biometrika 1934, as quantiles of beta
  distributions; the interval of the CIFAR-10.1 paper (Recht et al., 2018).
  Differs from it in: nothing.

  Args:
    num_correct: The number of successes, in `0..num_trials`.
    num_trials: The number of trials, at least one.
    confidence: How often such an interval must hold the truth, in (0, 1).

  Raises:
    ValueError: If an argument is out of its range.

  >>> low, high = clopper_pearson(0, 10)  # high: 1 - 0.025 ** (1 / 10)
  >>> low, round(high, 6)
  (0.0, 0.308497)
  """
  if not 0 <= num_correct <= num_trials or num_trials < 1:
    raise ValueError(
      'num_correct must be in 0..num_trials, and num_trials at least 1; found '
      f'{num_correct} of {num_trials}.'
    )
  _check_confidence(confidence)
  # Only this function needs SciPy, whose import is slow.
  special: Any = importlib.import_module('scipy.special')
  tail = (1 - confidence) / 2
  num_wrong = num_trials - num_correct
  low = high = 0.0
  if num_correct:
    low = float(special.betaincinv(num_correct, num_wrong + 1, tail))
  if num_wrong:
    high = float(special.betaincinv(num_correct + 1, num_wrong, 1 - tail))
  else:
    high = 1.0
  return low, high


def bootstrap(
  statistic: Statistic,
  *arrays: npt.ArrayLike,
  rng: np.random.Generator,
  num_resamples: int = 1000,
  clusters: npt.ArrayLike | None = None,
  confidence: float = 0.95,
) -> Interval:
  """Estimates how sure a value is, by drawing images or users anew.

  The interval is the percentile one. Costs `num_resamples` evaluations of the
  statistic; for the mean of values per image see `bootstrap_mean`.

  Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, ch.
  13; clusters: Cameron, Gelbach, Miller, Review of Economics and Statistics
  2008, "pairs cluster bootstrap". Differs from it in: nothing.

  Args:
    statistic: Computes the value from arrays like these.
    *arrays: Arrays aligned by image: scores and labels, say.
    rng: Where randomness comes from.
    num_resamples: How many times to draw.
    clusters: The user of each image: whole users are drawn. Images where left
      out. Shape [image].
    confidence: How often such an interval shall hold the truth, in (0, 1).

  Raises:
    ValueError: If there are no images, arrays differ in length, or an option
      is out of its range.

  >>> rng = np.random.default_rng(0)
  >>> bootstrap(np.mean, [1.0, 1.0], rng=rng, num_resamples=9).low
  1.0
  """
  data, groups = _check_data(arrays, clusters)
  _check_options(num_resamples, confidence)
  value = float(statistic(*data))
  resampled = np.empty(num_resamples)
  for i in range(num_resamples):
    rows = groups.draw(rng)
    resampled[i] = statistic(*(array[rows] for array in data))
  return percentile(value, resampled, confidence)


def bootstrap_mean(
  values: npt.ArrayLike,
  *,
  weights: npt.ArrayLike | None = None,
  rng: np.random.Generator,
  num_resamples: int = 1000,
  clusters: npt.ArrayLike | None = None,
  confidence: float = 0.95,
) -> Interval:
  """Estimates how sure a mean over images is; see `bootstrap`.

  The same estimate as `bootstrap` with a mean, from sums per cluster: its cost
  does not depend on the number of images, only on that of the clusters.

  Args:
    values: A value per image, such as whether it was right. Shape [image].
    weights: The weight of each image in the mean; one where left out.
    rng: Where randomness comes from.
    num_resamples: How many times to draw.
    clusters: The user of each image. Images are drawn where left out.
    confidence: How often such an interval shall hold the truth, in (0, 1).

  Raises:
    ValueError: If there are no images, arrays differ in length, or an option
      is out of its range.
  """
  numbers = np.asarray(values, dtype=np.float64)
  heavy = np.ones(len(numbers)) if weights is None else np.asarray(weights)
  (numbers, heavy), groups = _check_data((numbers, heavy), clusters)
  _check_options(num_resamples, confidence)
  sums = groups.sum(numbers * heavy)
  totals = groups.sum(heavy.astype(np.float64))
  resampled = np.empty(num_resamples)
  for i in range(num_resamples):
    drawn = rng.integers(0, len(sums), len(sums))
    resampled[i] = sums[drawn].sum() / totals[drawn].sum()
  value = float(sums.sum() / totals.sum())
  return percentile(value, resampled, confidence)


def compare_paired(
  statistic: Statistic,
  first: npt.ArrayLike,
  second: npt.ArrayLike,
  *shared: npt.ArrayLike,
  rng: np.random.Generator,
  num_resamples: int = 1000,
  clusters: npt.ArrayLike | None = None,
  confidence: float = 0.95,
) -> PairedComparison:
  """Compares two models on the same images.

  The interval of the difference is a bootstrap with the same draw for both
  models. The p-value is that of a permutation test: the two models' outputs
  are swapped, image by image (or user by user) with chance one half, and the
  differences at least as large are counted, the observed one among them.

  Source: Efron and Tibshirani, 1993, ch. 13 and 15; the count that includes
  the observed one: Phipson and Smyth, 2010, eq. 2. Differs from it in:
  nothing.

  Args:
    statistic: Computes the value from `(output, *shared)`.
    first: The first model's outputs, aligned by image.
    second: The second model's.
    *shared: What both are compared with: labels, say.
    rng: Where randomness comes from.
    num_resamples: How many times to draw, and to swap.
    clusters: The user of each image: whole users are drawn and swapped.
    confidence: How often the interval shall hold the truth, in (0, 1).

  Raises:
    ValueError: If there are no images, arrays differ in length, the models'
      outputs in shape, or an option is out of its range.
  """
  data, groups = _check_data((first, second, *shared), clusters)
  _check_options(num_resamples, confidence)
  one, two, *rest = data
  if one.shape != two.shape:
    raise ValueError(
      'The outputs of both models must have the same shape; found '
      f'{list(one.shape)} and {list(two.shape)}.'
    )
  values = (float(statistic(one, *rest)), float(statistic(two, *rest)))
  observed = values[1] - values[0]
  drawn = np.empty(num_resamples)
  swapped = np.empty(num_resamples)
  for i in range(num_resamples):
    rows = groups.draw(rng)
    again = [array[rows] for array in rest]
    drawn[i] = statistic(two[rows], *again) - statistic(one[rows], *again)
    swap = groups.spread(rng.random(groups.num) < 0.5)
    swap = swap.reshape(-1, *[1] * (one.ndim - 1))
    swapped[i] = statistic(np.where(swap, one, two), *rest) - statistic(
      np.where(swap, two, one), *rest
    )
  # Differences that are equal on paper may differ by rounding.
  reached = np.abs(swapped) >= abs(observed) - 1e-12
  return PairedComparison(
    first=values[0],
    second=values[1],
    difference=percentile(observed, drawn, confidence),
    p_value=float((1 + reached.sum()) / (1 + num_resamples)),
  )


def mcnemar(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
  """Returns the exact p-value that two models are right equally often.

  Of the images on which exactly one model is right, either is right on half
  where the models are equally good: a two-sided binomial test.

  Source: McNemar, Psychometrika 1947, exact form. Differs from it in: nothing.

  Args:
    first: Whether the first model was right on each image. Shape [image].
    second: Whether the second was. Shape [image].

  Raises:
    ValueError: If the two differ in length.

  >>> mcnemar([1, 1, 1, 0], [0, 0, 0, 0])  # 2 * 0.5 ** 3
  0.25
  """
  one, two = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
  if one.shape != two.shape:
    raise ValueError(
      'Both models must be judged on the same images; found the shapes '
      f'{list(one.shape)} and {list(two.shape)}.'
    )
  only_one = int(np.count_nonzero(one & ~two))
  only_two = int(np.count_nonzero(two & ~one))
  num = only_one + only_two
  if not num:
    return 1.0
  special: Any = importlib.import_module('scipy.special')
  tail = float(special.bdtr(min(only_one, only_two), num, 0.5))
  return min(1.0, 2 * tail)


def percentile(
  value: float, resampled: npt.NDArray[np.float64], confidence: float
) -> Interval:
  """Returns the percentile interval of an estimate.

  Args:
    value: The estimate on the data as they are.
    resampled: The estimates on resampled data. Shape [resample].
    confidence: How often such an interval shall hold the truth, in (0, 1).
  """
  tail = (1 - confidence) / 2
  low, high = np.quantile(resampled, [tail, 1 - tail])
  return Interval(value, float(low), float(high), confidence, resampled)


@dataclasses.dataclass(frozen=True, eq=False)
class _Groups:
  """The images of each cluster; of one image each where there are none."""

  num: int
  cluster_of: npt.NDArray[np.int64] | None
  order: npt.NDArray[np.int64]
  offsets: npt.NDArray[np.int64]

  def draw(self, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Returns the rows of as many clusters, drawn with replacement."""
    drawn = rng.integers(0, self.num, self.num)
    if self.cluster_of is None:
      return drawn
    starts, ends = self.offsets[drawn], self.offsets[drawn + 1]
    widths = ends - starts
    within = np.arange(widths.sum()) - np.repeat(
      np.cumsum(widths) - widths, widths
    )
    rows: npt.NDArray[np.int64] = self.order[np.repeat(starts, widths) + within]
    return rows

  def sum(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Returns the sum of each cluster."""
    if self.cluster_of is None:
      return values
    sums = np.bincount(self.cluster_of, weights=values, minlength=self.num)
    return sums.astype(np.float64, copy=False)

  def spread(self, flags: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Returns each image's flag, given each cluster's."""
    return flags if self.cluster_of is None else flags[self.cluster_of]


def _check_data(
  arrays: Sequence[npt.ArrayLike], clusters: npt.ArrayLike | None
) -> tuple[list[npt.NDArray[Any]], _Groups]:
  data = [np.asarray(array) for array in arrays]
  lengths = {len(array) if array.ndim else 0 for array in data}
  names = None if clusters is None else np.asarray(clusters)
  if names is not None:
    lengths.add(len(names))
  if len(lengths) != 1 or 0 in lengths:
    raise ValueError(
      'Arrays and clusters must have one entry for each image, and at least '
      f'one image; found lengths {sorted(lengths)}.'
    )
  num = lengths.pop()
  if names is None:
    everyone = np.arange(num + 1)
    return data, _Groups(num, None, everyone[:-1], everyone)
  # A cluster's number is by first appearance: the names do not matter, so
  # that renaming users leaves every draw as it was.
  _, first, cluster_of = np.unique(
    names, return_index=True, return_inverse=True
  )
  rank = np.empty(len(first), dtype=np.int64)
  rank[np.argsort(first)] = np.arange(len(first))
  cluster_of = rank[cluster_of.reshape(-1)]
  offsets = np.zeros(len(first) + 1, dtype=np.int64)
  np.cumsum(np.bincount(cluster_of), out=offsets[1:])
  order = np.argsort(cluster_of, kind='stable')
  return data, _Groups(len(first), cluster_of, order, offsets)


def _check_confidence(confidence: float) -> None:
  if not 0 < confidence < 1:
    raise ValueError(
      f'confidence must be between 0 and 1, such as 0.95; found {confidence}.'
    )


def _check_options(num_resamples: int, confidence: float) -> None:
  _check_confidence(confidence)
  if num_resamples < 1:
    raise ValueError(
      f'num_resamples must be at least 1; found {num_resamples}.'
    )
