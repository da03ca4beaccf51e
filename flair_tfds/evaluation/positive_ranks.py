"""Exact average precision, in one call or merged from parts.

For one class, the average precision is the mean, over the images that have the
class, of the precision among all images scored at least as high. So all that
is needed of the many scores is how many of them reach each *positive* score:
no ordering of the images, and no list of thresholds. Sorting bare numbers is
several times faster than sorting their places, and it is done in blocks that
fit a core's cache, one block per core at a time.

That count also adds up over parts of the data, which gives an exact value in
bounded memory for predictions too large to hold, by reading them twice:

    positives = PositiveScores.from_batch(scores_1, labels_1)
    positives = positives.merge(PositiveScores.from_batch(scores_2, labels_2))
    ranks = positives.count(scores_1).merge(positives.count(scores_2))
    ranks.result(average='macro')

What is kept is a number and a count for each positive label (2.4 MB for the
202,858 fine labels of FLAIR's test split), whatever the number of images and
classes. Counts are integers: every way of splitting and ordering the data
gives the same answer to the last bit. Nothing here is approximate; for one
pass in memory that does not depend on the labels see `threshold_counts`.
"""

import concurrent.futures
import dataclasses
import itertools
import math
import os
from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt

from flair_tfds.core import errors
from flair_tfds.evaluation import matrices

NoPositives = Literal['zero', 'skip', 'error']


@dataclasses.dataclass(frozen=True, eq=False)
class PositiveScores:
  """The scores of the positive labels, class by class: the first pass.

  Attributes:
    values: Scores of positive labels, ascending within a class. Shape
      [positive].
    offsets: Where each class begins in `values`, and the end. int64, shape
      [class + 1].
  """

  values: npt.NDArray[Any]
  offsets: npt.NDArray[np.int64]

  @classmethod
  def from_batch(
    cls, scores: npt.ArrayLike, labels: npt.ArrayLike
  ) -> 'PositiveScores':
    """Takes the positive scores from a batch of images.

    Args:
      scores: Any real numbers but nan. Shape [image, class].
      labels: Whether each class is present. Shape [image, class].

    Raises:
      ValueError: If the shapes differ or are empty, a label is neither 0 nor
        1, or the score of a positive label is nan.
    """
    return cls._from_pair(*matrices.check_pair(scores, labels))

  @classmethod
  def _from_pair(
    cls, scores: npt.NDArray[Any], labels: npt.NDArray[np.bool_]
  ) -> 'PositiveScores':
    classes, images = np.nonzero(labels.T)
    values = _sortable(scores[images, classes])
    if values.dtype.kind == 'f' and np.isnan(values).any():
      matrices.raise_nan(scores)
    offsets = np.searchsorted(classes, np.arange(scores.shape[1] + 1))
    return cls(_sort_segments(values, classes), offsets)

  @property
  def num_classes(self) -> int:
    """The number of classes, also those without positives."""
    return len(self.offsets) - 1

  @property
  def num_positives(self) -> npt.NDArray[np.int64]:
    """The number of positive labels of each class. Shape [class]."""
    return np.diff(self.offsets)

  def merge(self, *others: 'PositiveScores') -> 'PositiveScores':
    """Returns the positives of all parts together.

    Args:
      *others: Other parts. Merging many at once is faster than one by one.

    Raises:
      ValueError: If the parts have other numbers of classes.
    """
    parts = (self, *others)
    for part in others:
      if part.num_classes != self.num_classes:
        raise ValueError(
          'Parts must have the same classes to be merged; found '
          f'{self.num_classes} and {part.num_classes}.'
        )
    values = np.concatenate([part.values for part in parts])
    classes = np.concatenate([part._classes() for part in parts])
    offsets = np.sum([part.offsets for part in parts], axis=0)
    return PositiveScores(_sort_segments(values, classes), offsets)

  def pool(self) -> 'PositiveScores':
    """Returns all positives as those of one class: for the micro average.

    Count it on scores of one column: `scores.reshape(-1, 1)`.
    """
    ends = np.array([0, len(self.values)], dtype=np.int64)
    return PositiveScores(np.sort(self.values), ends)

  def count(self, scores: npt.ArrayLike) -> 'PositiveRanks':
    """Counts how many scores of a batch reach each positive: the second pass.

    Args:
      scores: The scores of any part of the images. Shape [image, class].

    Raises:
      ValueError: If the classes differ in number, or a score is nan.
    """
    matrix = matrices.check_scores(scores)
    if matrix.shape[1] != self.num_classes:
      raise ValueError(
        'Scores must have the classes of the first pass; found '
        f'{matrix.shape[1]} columns for {self.num_classes} classes.'
      )
    at_least = np.zeros(len(self.values), dtype=np.int64)
    # Each block costs a search for every positive: with many of them (the
    # micro average of dense labels) blocks grow along.
    num_bytes = max(matrices.BLOCK_BYTES, 4 * len(self.values))
    for columns in _column_blocks(matrix):
      block = matrix[:, columns]
      for rows in matrices.row_blocks(block, num_bytes):
        self._count_block(block[rows], columns.start, at_least)
    return PositiveRanks(self, at_least, len(matrix))

  def _count_block(
    self,
    block: npt.NDArray[Any],
    first_class: int,
    at_least: npt.NDArray[np.int64],
  ) -> None:
    """Adds a block's counts to those of its classes in `at_least`."""
    # Also where a class has no positives: a nan must not hide there.
    ordered = np.sort(_sortable(np.ascontiguousarray(block.T)), axis=1)
    if ordered.dtype.kind == 'f' and np.isnan(ordered[:, -1:]).any():
      matrices.raise_nan(block)  # nan sorts last
    last_class = first_class + len(ordered)
    starts = self.offsets[first_class : last_class + 1].tolist()
    for row, (start, end) in enumerate(itertools.pairwise(starts)):
      if start < end:
        below = np.searchsorted(ordered[row], self.values[start:end])
        at_least[start:end] += ordered.shape[1] - below

  def _classes(self) -> npt.NDArray[np.int64]:
    return np.repeat(np.arange(self.num_classes), self.num_positives)

  def _num_positives_at_least(self) -> npt.NDArray[np.int64]:
    """Returns the number of positives that reach each one, itself included."""
    classes = self._classes()
    place = np.arange(len(self.values))
    is_new = np.ones(len(self.values), dtype=bool)
    is_new[1:] = (classes[1:] != classes[:-1]) | (
      self.values[1:] != self.values[:-1]
    )
    first_tied = np.maximum.accumulate(np.where(is_new, place, 0))
    return self.offsets[classes + 1] - first_tied


@dataclasses.dataclass(frozen=True, eq=False)
class PositiveRanks:
  """How many scores reach each positive one: all that precision needs.

  Attributes:
    positives: The positive scores of all the data.
    num_at_least: The number of scores of the same class, so far, that are at
      least each positive one. int64, shape [positive].
    num_images: The number of images counted.
  """

  positives: PositiveScores
  num_at_least: npt.NDArray[np.int64]
  num_images: int

  def merge(self, other: 'PositiveRanks') -> 'PositiveRanks':
    """Returns the counts over the images of both parts.

    Raises:
      ValueError: If the two were not counted for the same positives.
    """
    mine, theirs = self.positives, other.positives
    if mine is not theirs and not (
      np.array_equal(mine.offsets, theirs.offsets)
      and np.array_equal(mine.values, theirs.values)
    ):
      raise ValueError(
        'Counts can only be merged when both were made by the same '
        'PositiveScores; these two differ. Merge the positives of all parts '
        'first, then count each part with the merged ones.'
      )
    return PositiveRanks(
      mine,
      self.num_at_least + other.num_at_least,
      self.num_images + other.num_images,
    )

  def per_class(self) -> npt.NDArray[np.float64]:
    """Returns the average precision of each class, nan without positives.

    Raises:
      ValueError: If not all images with positives have been counted.
    """
    reached = self.positives._num_positives_at_least()
    missed = np.flatnonzero(self.num_at_least < reached)
    if len(missed):
      raise ValueError(
        'Each part that gave positives must be counted; '
        f'{len(missed)} of {len(reached)} positives have not met even '
        'themselves. Count the remaining parts and merge.'
      )
    precision = reached / self.num_at_least
    num_positives = self.positives.num_positives
    has_any = num_positives > 0
    answer = np.full(len(num_positives), np.nan)
    starts = self.positives.offsets[:-1][has_any]
    if len(starts):
      answer[has_any] = (
        np.add.reduceat(precision, starts) / num_positives[has_any]
      )
    return answer

  @overload
  def result(
    self,
    average: Literal['macro', 'weighted'] = ...,
    *,
    on_no_positives: NoPositives = ...,
  ) -> float: ...
  @overload
  def result(
    self, average: None, *, on_no_positives: NoPositives = ...
  ) -> npt.NDArray[np.float64]: ...
  def result(
    self,
    average: Literal['macro', 'weighted'] | None = 'macro',
    *,
    on_no_positives: NoPositives = 'zero',
  ) -> float | npt.NDArray[np.float64]:
    """Returns the average precision; see `average_precision`.

    The micro average is the only value of pooled positives, see
    `PositiveScores.pool`.
    """
    matrices.check_average(average, ('macro', 'weighted', None))
    return _summarize(
      self.per_class(), self.positives.num_positives, average, on_no_positives
    )


@overload
def average_precision(
  scores: npt.ArrayLike,
  labels: npt.ArrayLike,
  *,
  average: Literal['macro', 'micro', 'weighted', 'samples'] = ...,
  on_no_positives: NoPositives = ...,
) -> float: ...
@overload
def average_precision(
  scores: npt.ArrayLike,
  labels: npt.ArrayLike,
  *,
  average: None,
  on_no_positives: NoPositives = ...,
) -> npt.NDArray[np.float64]: ...
def average_precision(
  scores: npt.ArrayLike,
  labels: npt.ArrayLike,
  *,
  average: Literal['macro', 'micro', 'weighted', 'samples'] | None = 'macro',
  on_no_positives: NoPositives = 'zero',
) -> float | npt.NDArray[np.float64]:
  """Computes the average precision, exactly as scikit-learn defines it.

  AP = sum over thresholds n of (R_n - R_{n-1}) P_n, with images of equal score
  under one threshold and without interpolation. Memory beside the arguments: a
  few blocks of 8 MB per core; for 'micro' also 12 bytes for each positive
  label.

  Source: scikit-learn, `sklearn.metrics.average_precision_score`; differs from
  it in: infinite scores are allowed, `on_no_positives` says what scikit-learn
  warns about, and the computation (see the module).

  Args:
    scores: Any real numbers but nan, higher means more likely; only their
      order counts. Shape [image, class], or [image] for one class.
    labels: Whether each class is present: bools, or zeros and ones. Same
      shape.
    average: None gives each class's value. 'macro': their mean. 'weighted':
      their mean weighted by the number of positives. 'micro': the value of all
      labels pooled into one class. 'samples': the mean over images of the
      value of an image's row.
    on_no_positives: What a class without positives ('samples': an image
      without labels) gives. 'zero': 0, which the mean includes, as in
      scikit-learn. 'skip': nan, which the mean leaves out. 'error': an error.

  Returns:
    A value in [0, 1]; with `average=None` shape [class], float64.

  Raises:
    ValueError: If shapes differ or are empty, a score is nan, a label is
      neither 0 nor 1, an option is unknown, or there are no positives and
      `on_no_positives` is 'error' (or 'skip' and no class is left).

  >>> average_precision([0.9, 0.8, 0.7], [True, False, True])  # (1 + 2/3) / 2
  0.8333333333333333
  """
  matrices.check_average(average, matrices.AVERAGES)
  score_matrix, label_matrix = matrices.check_pair(scores, labels)
  if average == 'micro':
    score_matrix = score_matrix.reshape(-1, 1)
    label_matrix = label_matrix.reshape(-1, 1)
  elif average == 'samples':
    score_matrix, label_matrix = score_matrix.T, label_matrix.T
  per_class = _per_class(score_matrix, label_matrix)
  return _summarize(
    per_class,
    np.count_nonzero(label_matrix, axis=0),
    None if average is None else average,
    on_no_positives,
    what='images' if average == 'samples' else 'classes',
  )


def _per_class(
  scores: npt.NDArray[Any], labels: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
  """Returns each column's value, nan without positives, on all cores."""

  def compute(columns: slice) -> npt.NDArray[np.float64]:
    part = scores[:, columns]
    positives = PositiveScores._from_pair(part, labels[:, columns])
    return positives.count(part).per_class()

  blocks = list(_column_blocks(scores))
  # NumPy sorts and copies without the interpreter lock. Small inputs are done
  # before a thread has started.
  num_threads = min(len(blocks), _num_cores())
  try:
    if num_threads < 2:
      return np.concatenate([compute(columns) for columns in blocks])
    with concurrent.futures.ThreadPoolExecutor(num_threads) as pool:
      return np.concatenate(list(pool.map(compute, blocks)))
  except ValueError:
    # A block knows only its own columns: tell about the whole.
    matrices.check_no_nan(scores)
    raise


def _summarize(
  per_class: npt.NDArray[np.float64],
  num_positives: npt.NDArray[np.int64],
  average: str | None,
  on_no_positives: str,
  what: str = 'classes',
) -> float | npt.NDArray[np.float64]:
  """Averages the values of classes, nan where there are no positives."""
  if on_no_positives not in ('zero', 'skip', 'error'):
    raise ValueError(
      "on_no_positives must be 'zero', 'skip' or 'error'; found "
      f'{on_no_positives!r}.'
    )
  empty = num_positives == 0
  if on_no_positives == 'zero':
    per_class = np.where(empty, 0.0, per_class)
  elif empty.any() and (
    on_no_positives == 'error' or (average is not None and empty.all())
  ):
    raise ValueError(
      f'All {what} must have positives; {int(empty.sum())} of {len(empty)} '
      f'have none: {errors.listing(np.flatnonzero(empty).tolist())}. Pass '
      f"on_no_positives='zero' to count them as 0, as scikit-learn does, or "
      "'skip' to leave them out where others are left."
    )
  if average is None:
    return per_class
  kept = ~np.isnan(per_class)
  if average == 'weighted':
    total = int(num_positives.sum())
    return math.fsum(per_class[kept] * num_positives[kept]) / max(total, 1)
  return math.fsum(per_class[kept]) / int(kept.sum())


def _num_cores() -> int:
  """Returns the number of cores that this process may use."""
  if hasattr(os, 'sched_getaffinity'):
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1


def _column_blocks(matrix: npt.NDArray[Any]) -> list[slice]:
  """Returns slices of columns that hold about `BLOCK_BYTES` each."""
  column_bytes = max(1, len(matrix) * max(4, matrix.dtype.itemsize))
  step = max(1, matrices.BLOCK_BYTES // column_bytes)
  return [
    slice(start, min(start + step, matrix.shape[1]))
    for start in range(0, matrix.shape[1], step)
  ]


def _sortable(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
  """Returns float16 as float32, exactly: few processors sort float16 fast."""
  return values.astype(np.float32) if values.dtype == np.float16 else values


def _sort_segments(
  values: npt.NDArray[Any], classes: npt.NDArray[np.int64]
) -> npt.NDArray[Any]:
  """Returns the values ordered by class, and ascending within each."""
  return values[np.lexsort((values, classes))]
