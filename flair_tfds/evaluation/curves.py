"""Curves that people look at: precision-recall, and calibration."""

import dataclasses
import math

import numpy as np
import numpy.typing as npt

from flair_tfds.evaluation import matrices


@dataclasses.dataclass(frozen=True, eq=False)
class PrecisionRecallCurve:
  """Precision and recall at every score of a positive label.

  Attributes:
    precision: float64, shape [point].
    recall: Ascending. float64, shape [point].
    threshold: The score that is reached at each point. Shape [point].
    average_precision: The area under the steps.
    share_positive: The precision of random scores.
  """

  precision: npt.NDArray[np.float64]
  recall: npt.NDArray[np.float64]
  threshold: npt.NDArray[np.float64]
  average_precision: float
  share_positive: float


@dataclasses.dataclass(frozen=True, eq=False)
class Calibration:
  """How often a label is present, by the probability that was given for it.

  Attributes:
    edges: The ends of the bins, in [0, 1]. Shape [bin + 1].
    num_scores: The number of scores in each bin. int64, shape [bin].
    num_positives: The number of them with a positive label. int64, [bin].
    score_sums: The sum of the scores of each bin. float64, shape [bin].
  """

  edges: npt.NDArray[np.float64]
  num_scores: npt.NDArray[np.int64]
  num_positives: npt.NDArray[np.int64]
  score_sums: npt.NDArray[np.float64]

  @classmethod
  def from_batch(
    cls,
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    num_bins: int = 15,
  ) -> 'Calibration':
    """Counts a batch of images, all classes together.

    Source: Guo et al., "On Calibration of Modern Neural Networks", 2017, sec.
    2, with bins of even width. Differs from it in: each label of an image is a
    prediction of its own, as multi-label models make them.

    Args:
      scores: Probabilities, in [0, 1]. Shape [image, class].
      labels: Whether each class is present. Shape [image, class].
      num_bins: The number of bins.

    Raises:
      ValueError: If the shapes differ or are empty, a score is nan or outside
        [0, 1], a label is neither 0 nor 1, or there is no bin.
    """
    if num_bins < 1:
      raise ValueError(f'num_bins must be at least 1; found {num_bins}.')
    matrix, present = matrices.check_pair(scores, labels)
    matrices.check_no_nan(matrix)
    if matrix.min() < 0 or matrix.max() > 1:
      raise ValueError(
        'Scores must be probabilities, in [0, 1]; found '
        f'{matrix.min()} to {matrix.max()}. Calibration has no meaning for '
        'others.'
      )
    counts = np.zeros((2, num_bins), dtype=np.int64)
    sums = np.zeros(num_bins)
    for rows in matrices.row_blocks(matrix):
      values = matrix[rows].astype(np.float64).ravel()
      bins = np.minimum((values * num_bins).astype(np.int64), num_bins - 1)
      counts[0] += np.bincount(bins, minlength=num_bins)
      counts[1] += np.bincount(bins[present[rows].ravel()], minlength=num_bins)
      sums += np.bincount(bins, weights=values, minlength=num_bins)
    return cls(np.linspace(0, 1, num_bins + 1), counts[0], counts[1], sums)

  def merge(self, other: 'Calibration') -> 'Calibration':
    """Returns the counts over the images of both parts.

    Raises:
      ValueError: If the parts have other bins.
    """
    if len(self.num_scores) != len(other.num_scores):
      raise ValueError(
        'Parts must have the same bins to be merged; found '
        f'{len(self.num_scores)} and {len(other.num_scores)}.'
      )
    return Calibration(
      self.edges,
      self.num_scores + other.num_scores,
      self.num_positives + other.num_positives,
      self.score_sums + other.score_sums,
    )

  @property
  def mean_scores(self) -> npt.NDArray[np.float64]:
    """The mean score of each bin, nan for an empty one. Shape [bin]."""
    return _share(self.score_sums, self.num_scores)

  @property
  def shares(self) -> npt.NDArray[np.float64]:
    """The share of positives of each bin, nan for an empty one. [bin]."""
    return _share(self.num_positives, self.num_scores)

  @property
  def expected_error(self) -> float:
    """The mean distance between score and share, over all labels (ECE)."""
    gaps = np.abs(self.score_sums - self.num_positives)
    return math.fsum(gaps) / int(self.num_scores.sum())


def precision_recall_curve(
  scores: npt.ArrayLike, labels: npt.ArrayLike
) -> PrecisionRecallCurve:
  """Computes the exact curve of one class, or of all labels pooled.

  Points lie at the scores of positive labels: between two of them precision
  only falls. Memory: a sorted copy of the scores.

  Args:
    scores: Any real numbers but nan. Shape [image], or [image, class], which
      is pooled.
    labels: Whether each class is present. Same shape.

  Raises:
    ValueError: If the shapes differ or are empty, a score is nan, a label is
      neither 0 nor 1, or no label is positive.
  """
  matrix, present = matrices.check_pair(scores, labels)
  matrices.check_no_nan(matrix)
  positives = np.sort(matrix[present].astype(np.float64))[::-1]
  if not len(positives):
    raise ValueError(
      'A precision-recall curve needs at least one positive label; found '
      f'none among {present.size}.'
    )
  ordered = np.sort(matrix.ravel())
  # Of equal scores the last stands for all.
  last = np.flatnonzero(np.append(positives[1:] != positives[:-1], True))
  threshold = positives[last]
  reached = last + 1
  num_at_least = len(ordered) - np.searchsorted(ordered, threshold)
  precision = reached / num_at_least
  recall = reached / len(positives)
  steps = np.diff(recall, prepend=0.0)
  return PrecisionRecallCurve(
    precision,
    recall,
    threshold,
    math.fsum(steps * precision),
    len(positives) / present.size,
  )


def _share(
  part: npt.NDArray[np.float64] | npt.NDArray[np.int64],
  whole: npt.NDArray[np.int64],
) -> npt.NDArray[np.float64]:
  shares = np.full(len(whole), np.nan)
  np.divide(part, whole, out=shares, where=whole > 0)
  return shares
