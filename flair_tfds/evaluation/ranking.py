"""Metrics of how each image's classes are ranked.

Each metric is a mean over images. `RankingValues` keeps a value per image, so
that parts merge in any order to the same answer, and so that values can be
grouped by user or resampled.
"""

import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from flair_tfds.evaluation import matrices


@dataclasses.dataclass(frozen=True, eq=False)
class RankingValues:
  """Three ranking metrics of each image, aligned with the images.

  Source: Tsoumakas, Katakis, Vlahavas, "Mining Multi-label Data", 2010, sec.
  7; as scikit-learn computes them. Differs from it in: the value of an image
  without labels, or with all of them, is scikit-learn's (coverage 0 or all
  classes, loss 0, precision 1), but stated.

  Attributes:
    coverage: How far down the ranking one must go to have met all of an
      image's labels, ties counted in full; 0 without labels. int64, [image].
    ranking_loss: The share of pairs (present, absent) in which the absent
      class is ranked as high or higher. float64, shape [image].
    ranking_average_precision: The mean, over an image's labels, of the share
      of labels among the classes ranked as high. float64, shape [image].
  """

  coverage: npt.NDArray[np.int64]
  ranking_loss: npt.NDArray[np.float64]
  ranking_average_precision: npt.NDArray[np.float64]

  @classmethod
  def from_batch(
    cls, scores: npt.ArrayLike, labels: npt.ArrayLike
  ) -> 'RankingValues':
    """Computes the values of a batch of images.

    Args:
      scores: Any real numbers but nan. Shape [image, class].
      labels: Whether each class is present. Shape [image, class].

    Raises:
      ValueError: If the shapes differ or are empty, a score is nan, or a label
        is neither 0 nor 1.
    """
    matrix, present = matrices.check_pair(scores, labels)
    matrices.check_no_nan(matrix)
    parts = [
      _rank_rows(matrix[rows], present[rows])
      for rows in matrices.row_blocks(matrix)
    ]
    coverage, loss, precision = (
      np.concatenate(columns) for columns in zip(*parts, strict=True)
    )
    return cls(coverage, loss, precision)

  def merge(self, other: 'RankingValues') -> 'RankingValues':
    """Returns the values of both parts' images."""
    return RankingValues(
      np.concatenate([self.coverage, other.coverage]),
      np.concatenate([self.ranking_loss, other.ranking_loss]),
      np.concatenate(
        [self.ranking_average_precision, other.ranking_average_precision]
      ),
    )

  def result(self) -> dict[str, float]:
    """Returns the mean of each metric over the images, correctly rounded."""
    num = len(self.coverage)
    return {
      'coverage_error': int(self.coverage.sum()) / num,
      'ranking_loss': math.fsum(self.ranking_loss) / num,
      'label_ranking_average_precision': (
        math.fsum(self.ranking_average_precision) / num
      ),
    }


def coverage_error(scores: npt.ArrayLike, labels: npt.ArrayLike) -> float:
  """Returns the mean depth of the ranking that meets all of an image's labels.

  See `RankingValues`; scikit-learn's `coverage_error`.

  >>> coverage_error([[0.9, 0.2, 0.5]], [[True, False, True]])
  2.0
  """
  return RankingValues.from_batch(scores, labels).result()['coverage_error']


def label_ranking_loss(scores: npt.ArrayLike, labels: npt.ArrayLike) -> float:
  """Returns the mean share of wrongly ordered pairs of classes, in [0, 1].

  See `RankingValues`; scikit-learn's `label_ranking_loss`.

  >>> label_ranking_loss([[0.9, 0.7, 0.5]], [[True, False, True]])
  0.5
  """
  return RankingValues.from_batch(scores, labels).result()['ranking_loss']


def label_ranking_average_precision(
  scores: npt.ArrayLike, labels: npt.ArrayLike
) -> float:
  """Returns the mean precision at the ranks of an image's labels, in [0, 1].

  See `RankingValues`; scikit-learn's `label_ranking_average_precision_score`.

  >>> label_ranking_average_precision([[0.9, 0.7]], [[False, True]])
  0.5
  """
  values = RankingValues.from_batch(scores, labels).result()
  return values['label_ranking_average_precision']


def _rank_rows(
  scores: npt.NDArray[Any], present: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
  """Returns the three values of each row; ranks count ties in full."""
  num_images, num_classes = scores.shape
  images, classes = np.nonzero(present)
  num_labels = np.count_nonzero(present, axis=1)
  at_least = _count_at_least(np.sort(scores, axis=1), scores, images, classes)
  present_scores = np.sort(
    np.where(present, scores.astype(np.float64), np.inf), axis=1
  )
  # Absent classes stand at infinity, and are taken off again.
  true_at_least = _count_at_least(present_scores, scores, images, classes) - (
    num_classes - num_labels[images]
  )
  coverage = np.zeros(num_images, dtype=np.int64)
  np.maximum.at(coverage, images, at_least)
  num_wrong = np.bincount(
    images, weights=at_least - true_at_least, minlength=num_images
  )
  num_pairs = num_labels * (num_classes - num_labels)
  loss = np.zeros(num_images)
  np.divide(num_wrong, num_pairs, out=loss, where=num_pairs > 0)
  # Without any label `bincount` would count integers.
  precision = np.bincount(
    images, weights=true_at_least / at_least, minlength=num_images
  ).astype(np.float64)
  np.divide(precision, num_labels, out=precision, where=num_labels > 0)
  precision[num_pairs == 0] = 1.0
  return coverage, loss, precision


def _count_at_least(
  ordered: npt.NDArray[Any],
  scores: npt.NDArray[Any],
  images: npt.NDArray[np.int64],
  classes: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
  """Returns how many of each row's ordered values reach each given score."""
  below = np.empty(len(images), dtype=np.int64)
  ends = np.searchsorted(images, np.arange(len(ordered) + 1)).tolist()
  values = scores[images, classes]
  for row, row_scores in enumerate(ordered):
    part = slice(ends[row], ends[row + 1])
    below[part] = np.searchsorted(row_scores, values[part])
  return np.asarray(ordered.shape[1] - below)
