"""Metrics of yes-no decisions: precision, recall, F1 and Hamming loss.

A class is predicted where its score reaches a threshold, one for all classes
or one for each. All metrics come from the same four integer counts per class,
so that parts of the data merge to the same answer, bit for bit.

Synopsis:

    thresholds = best_thresholds(val_scores, val_labels)
    counts = DecisionCounts.from_batch(scores, labels, threshold=thresholds)
    counts.f1(average='macro')
"""

import dataclasses
import math
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from flair_tfds.core import errors
from flair_tfds.evaluation import matrices

Average = Literal['macro', 'micro', 'weighted'] | None
Undefined = Literal['zero', 'skip', 'error']


@dataclasses.dataclass(frozen=True, eq=False)
class DecisionCounts:
  """How often each class was predicted, present, and both.

  Attributes:
    true_positives: Predicted and present. int64, shape [class].
    false_positives: Predicted, not present. int64, shape [class].
    false_negatives: Present, not predicted. int64, shape [class].
    num_images: The number of images.
  """

  true_positives: npt.NDArray[np.int64]
  false_positives: npt.NDArray[np.int64]
  false_negatives: npt.NDArray[np.int64]
  num_images: int

  @classmethod
  def from_batch(
    cls,
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    threshold: npt.ArrayLike = 0.5,
  ) -> 'DecisionCounts':
    """Counts a batch of images.

    Args:
      scores: Any real numbers but nan. Shape [image, class].
      labels: Whether each class is present. Shape [image, class].
      threshold: A class is predicted where its score is at least this: one
        number, or one for each class (inf: never, unless a score is
        infinite), shape [class].

    Raises:
      ValueError: If the shapes differ or are empty, a score or a threshold is
        nan, or a label is neither 0 nor 1.
    """
    matrix, present = matrices.check_pair(scores, labels)
    limits = np.asarray(threshold, dtype=np.float64)
    if limits.shape not in ((), (matrix.shape[1],)) or np.isnan(limits).any():
      raise ValueError(
        'threshold must be one number, or one for each of the '
        f'{matrix.shape[1]} classes, and not nan; found shape '
        f'{list(limits.shape)}, {int(np.isnan(limits).sum())} nan.'
      )
    matrices.check_no_nan(matrix)
    num_classes = matrix.shape[1]
    true = np.zeros(num_classes, dtype=np.int64)
    predicted = np.zeros(num_classes, dtype=np.int64)
    for rows in matrices.row_blocks(matrix):
      # float64 thresholds: in float32, 0.1 is not reached by 0.1.
      decided = matrix[rows].astype(np.float64) >= limits
      predicted += np.count_nonzero(decided, axis=0)
      true += np.count_nonzero(decided & present[rows], axis=0)
    positives = np.count_nonzero(present, axis=0)
    return cls(true, predicted - true, positives - true, len(matrix))

  def merge(self, other: 'DecisionCounts') -> 'DecisionCounts':
    """Returns the counts over the images of both parts.

    Raises:
      ValueError: If the parts have other numbers of classes.
    """
    if len(self.true_positives) != len(other.true_positives):
      raise ValueError(
        'Parts must have the same classes to be merged; found '
        f'{len(self.true_positives)} and {len(other.true_positives)}.'
      )
    return DecisionCounts(
      self.true_positives + other.true_positives,
      self.false_positives + other.false_positives,
      self.false_negatives + other.false_negatives,
      self.num_images + other.num_images,
    )

  def precision(
    self, average: Average = 'macro', *, on_undefined: Undefined = 'zero'
  ) -> float | npt.NDArray[np.float64]:
    """Returns the share of predicted labels that are present.

    Args:
      average: None gives each class's value. 'macro': their mean. 'weighted':
        their mean weighted by the number of positives. 'micro': of all classes
        pooled.
      on_undefined: What a class that was never predicted gives. 'zero': 0,
        which the mean includes, as in scikit-learn. 'skip': nan, which the
        mean leaves out. 'error': an error.

    Raises:
      ValueError: If an option is unknown, or a value is undefined and
        `on_undefined` is 'error'.
    """
    true, false = self.true_positives, self.false_positives
    return self._share(true, true + false, average, on_undefined, 'predictions')

  def recall(
    self, average: Average = 'macro', *, on_undefined: Undefined = 'zero'
  ) -> float | npt.NDArray[np.float64]:
    """Returns the share of present labels that are predicted.

    See `precision`; undefined is a class without positives.
    """
    true, missed = self.true_positives, self.false_negatives
    return self._share(true, true + missed, average, on_undefined, 'positives')

  def f1(
    self, average: Average = 'macro', *, on_undefined: Undefined = 'zero'
  ) -> float | npt.NDArray[np.float64]:
    """Returns the harmonic mean of precision and recall, 2 TP / (P + N).

    See `precision`; undefined is a class with neither positives nor
    predictions. 'macro' is the mean of the classes' F1, not the F1 of the mean
    precision and recall, which FLAIR's published code calls `macro_f1`.
    """
    twice = 2 * self.true_positives
    whole = twice + self.false_positives + self.false_negatives
    what = 'positives or predictions'
    return self._share(twice, whole, average, on_undefined, what)

  def hamming_loss(self) -> float:
    """Returns the share of all labels, present or not, that are wrong."""
    wrong = int(self.false_positives.sum() + self.false_negatives.sum())
    return wrong / (self.num_images * len(self.true_positives))

  def _share(
    self,
    part: npt.NDArray[np.int64],
    whole: npt.NDArray[np.int64],
    average: str | None,
    on_undefined: str,
    what: str,
  ) -> float | npt.NDArray[np.float64]:
    matrices.check_average(average, ('macro', 'micro', 'weighted', None))
    if on_undefined not in ('zero', 'skip', 'error'):
      raise ValueError(
        "on_undefined must be 'zero', 'skip' or 'error'; found "
        f'{on_undefined!r}.'
      )
    if average == 'micro':
      part, whole = (np.array([n.sum()]) for n in (part, whole))
    undefined = np.flatnonzero(whole == 0)
    if len(undefined) and (
      on_undefined == 'error'
      or (
        on_undefined == 'skip'
        and average is not None
        and len(undefined) == len(whole)
      )
    ):
      raise ValueError(
        f'Each class must have {what}; {len(undefined)} of {len(whole)} have '
        f'none: {errors.listing(undefined.tolist())}. Pass '
        "on_undefined='zero' to count them as 0, as scikit-learn does, or "
        "'skip' to leave them out where others are left."
      )
    values = np.full(len(part), 0.0 if on_undefined == 'zero' else np.nan)
    np.divide(part, whole, out=values, where=whole > 0)
    if average is None:
      return values
    kept = ~np.isnan(values)
    if average == 'weighted':
      weights = (self.true_positives + self.false_negatives)[kept]
      return math.fsum(values[kept] * weights) / max(int(weights.sum()), 1)
    return math.fsum(values[kept]) / int(kept.sum())


def best_thresholds(
  scores: npt.ArrayLike, labels: npt.ArrayLike
) -> npt.NDArray[np.float64]:
  """Finds the threshold with the best F1 for each class.

  Choose on one split, evaluate on another: the best threshold of the data
  under test promises too much. A threshold lies half-way between two scores
  (of float64), so that rounding on other data cannot flip it; of equally good
  ones the highest is taken.

  Args:
    scores: Any real numbers but nan. Shape [image, class].
    labels: Whether each class is present. Shape [image, class].

  Returns:
    Thresholds for `DecisionCounts.from_batch`; inf (never predict) for a class
    without positives. float64, shape [class].

  Raises:
    ValueError: If the shapes differ or are empty, a score is nan, or a label is
      neither 0 nor 1.
  """
  matrix, present = matrices.check_pair(scores, labels)
  matrices.check_no_nan(matrix)
  return np.array(
    [
      _best_threshold(matrix[:, column], present[:, column])
      for column in range(matrix.shape[1])
    ]
  )


def _best_threshold(
  scores: npt.NDArray[Any], present: npt.NDArray[np.bool_]
) -> float:
  """Returns one class's threshold; F1 can only peak at a positive score."""
  positives = np.unique(scores[present]).astype(np.float64)
  if not len(positives):
    return math.inf
  everyone = np.sort(scores.astype(np.float64))
  true = len(scores[present]) - np.searchsorted(
    np.sort(scores[present].astype(np.float64)), positives
  )
  first = np.searchsorted(everyone, positives)
  f1 = 2 * true / (len(scores[present]) + len(everyone) - first)
  # The last of the best: the highest threshold.
  best = len(f1) - 1 - int(np.argmax(f1[::-1]))
  place = int(first[best])
  if place == 0:
    return float(positives[best])
  low, high = float(everyone[place - 1]), float(positives[best])
  middle = low + (high - low) / 2
  # Neighbouring or infinite numbers have no middle.
  return middle if low < middle <= high else high
