"""Counts at fixed thresholds: one pass, fixed memory, approximate.

A histogram per class of all scores and of the positive ones, from which
precision and recall at every threshold follow. Parts merge exactly, memory is
16 bytes for each class and threshold whatever the number of images (5 MB for
1,628 classes at 200 thresholds), and the data are read once. The price: what
happens between two thresholds is not seen. For the exact average precision see
`positive_ranks`.
"""

import dataclasses
from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt

from flair_tfds.evaluation import matrices


@dataclasses.dataclass(frozen=True, eq=False)
class ThresholdCounts:
  """How many scores, and how many positive ones, lie between thresholds.

  With T thresholds, threshold i is i / (T - 1), except that the first lies
  just below 0 and the last just above 1. A score counts as positive at all
  thresholds that it exceeds: those of its own bin and of the bins below.

  Attributes:
    num_scores: The number of scores in each bin. int64, [class, threshold].
    num_positives: The number of them with a positive label. int64, [class,
      threshold].
  """

  num_scores: npt.NDArray[np.int64]
  num_positives: npt.NDArray[np.int64]

  @classmethod
  def from_batch(
    cls,
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    num_thresholds: int = 200,
  ) -> 'ThresholdCounts':
    """Counts a batch of images.

    Args:
      scores: Probabilities, in [0, 1]. Shape [image, class].
      labels: Whether each class is present. Shape [image, class].
      num_thresholds: The number of thresholds, at least 2.

    Raises:
      ValueError: If the shapes differ or are empty, a score is nan or outside
        [0, 1], a label is neither 0 nor 1, or there are too few thresholds.
    """
    if num_thresholds < 2:
      raise ValueError(
        f'num_thresholds must be at least 2; found {num_thresholds}.'
      )
    matrix, present = matrices.check_pair(scores, labels)
    num_classes = matrix.shape[1]
    num_bins = num_classes * num_thresholds
    all_counts = np.zeros(num_bins, dtype=np.int64)
    positive_counts = np.zeros(num_bins, dtype=np.int64)
    first_bin = np.arange(num_classes) * num_thresholds
    for rows in matrices.row_blocks(matrix):
      bins = _find_bins(matrix[rows], num_thresholds, matrix) + first_bin
      all_counts += np.bincount(bins.ravel(), minlength=num_bins)
      positive_counts += np.bincount(bins[present[rows]], minlength=num_bins)
    shape = (num_classes, num_thresholds)
    return cls(all_counts.reshape(shape), positive_counts.reshape(shape))

  def merge(self, other: 'ThresholdCounts') -> 'ThresholdCounts':
    """Returns the counts over the images of both parts.

    Raises:
      ValueError: If the parts differ in classes or thresholds.
    """
    if self.num_scores.shape != other.num_scores.shape:
      raise ValueError(
        'Parts must have the same classes and thresholds to be merged; found '
        f'{list(self.num_scores.shape)} and {list(other.num_scores.shape)}.'
      )
    return ThresholdCounts(
      self.num_scores + other.num_scores,
      self.num_positives + other.num_positives,
    )

  def pool(self) -> 'ThresholdCounts':
    """Returns all classes' counts as those of one class."""
    return ThresholdCounts(
      self.num_scores.sum(axis=0, keepdims=True),
      self.num_positives.sum(axis=0, keepdims=True),
    )

  @property
  def thresholds(self) -> npt.NDArray[np.float64]:
    """The thresholds, ascending; the ends are those of the counts."""
    return np.linspace(0, 1, self.num_scores.shape[1])

  def precision_recall(
    self,
  ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Returns precision and recall at each threshold.

    Where nothing exceeds a threshold precision is 0, and so is recall for a
    class without positives. Each has the shape [class, threshold].
    """
    true = np.cumsum(self.num_positives[:, ::-1], axis=1)[:, ::-1]
    # The last threshold is above every score.
    true = np.concatenate([true[:, :-1], np.zeros_like(true[:, :1])], axis=1)
    found = np.cumsum(self.num_scores[:, ::-1], axis=1)[:, ::-1]
    found = np.concatenate([found[:, :-1], np.zeros_like(found[:, :1])], axis=1)
    positives = self.num_positives.sum(axis=1, keepdims=True)
    return (
      np.divide(true, found, out=np.zeros(true.shape), where=found > 0),
      np.divide(true, positives, out=np.zeros(true.shape), where=positives > 0),
    )

  def averaged_precision(self) -> npt.NDArray[np.float64]:
    """Returns the averaged precision of each class; 0 without positives.

    See `averaged_precision_at_thresholds`.
    """
    precision, recall = self.precision_recall()
    steps = recall[:, :-1] - recall[:, 1:]
    return np.asarray(np.sum(steps * precision[:, :-1], axis=1))


@overload
def averaged_precision_at_thresholds(
  scores: npt.ArrayLike,
  labels: npt.ArrayLike,
  *,
  average: Literal['macro', 'micro'] = ...,
  num_thresholds: int = ...,
) -> float: ...
@overload
def averaged_precision_at_thresholds(
  scores: npt.ArrayLike,
  labels: npt.ArrayLike,
  *,
  average: None,
  num_thresholds: int = ...,
) -> npt.NDArray[np.float64]: ...
def averaged_precision_at_thresholds(
  scores: npt.ArrayLike,
  labels: npt.ArrayLike,
  *,
  average: Literal['macro', 'micro'] | None = 'macro',
  num_thresholds: int = 200,
) -> float | npt.NDArray[np.float64]:
  """Computes the averaged precision of FLAIR's published benchmark code.

  The sum over 200 even thresholds of (R_n - R_{n+1}) P_n. It is not the
  average precision: images between two thresholds count as tied. On scores
  that crowd near 0, as those of rare classes do, it is far off; compare it
  with published FLAIR numbers, and report `average_precision`.

  Source: `AveragedPrecision` in the benchmark of apple/ml-flair (2022), on
  Keras's `AUC`. Differs from it in: float64 instead of float32 sums (a
  difference of about 1e-7), and scores must be probabilities (that code takes
  logits).

  Args:
    scores: Probabilities, in [0, 1]. Shape [image, class].
    labels: Whether each class is present. Shape [image, class].
    average: None gives each class's value, 'macro' their mean, with 0 for a
      class without positives; 'micro' pools all labels into one class.
    num_thresholds: The number of thresholds; 200 in the published code.

  Returns:
    A value in [0, 1]; with `average=None` shape [class], float64.

  Raises:
    ValueError: As `ThresholdCounts.from_batch`, or if `average` is unknown.
  """
  matrices.check_average(average, ('macro', 'micro', None))
  counts = ThresholdCounts.from_batch(
    scores, labels, num_thresholds=num_thresholds
  )
  if average == 'micro':
    return float(counts.pool().averaged_precision()[0])
  per_class = counts.averaged_precision()
  return per_class if average is None else float(per_class.mean())


def _find_bins(
  block: npt.NDArray[Any], num_thresholds: int, scores: npt.NDArray[Any]
) -> npt.NDArray[np.int64]:
  """Returns the highest threshold that each score exceeds.

  As Keras does: ceil(score * (T - 1)) - 1 in float32, and 0 for a score of 0.
  """
  values = block.astype(np.float32)
  if np.isnan(values).any():
    matrices.raise_nan(scores)
  if values.min() < 0 or values.max() > 1:
    raise ValueError(
      'Scores must be probabilities, in [0, 1]; found '
      f'{min(values.min(), 0)} to {max(values.max(), 1)}. Turn logits into '
      'probabilities first: 1 / (1 + exp(-score)).'
    )
  bins = np.ceil(values * np.float32(num_thresholds - 1)) - 1
  return np.asarray(np.maximum(bins, 0), dtype=np.int64)
