"""Checks of score and label matrices, shared by the multi-label metrics.

A matrix of scores and one of labels go together: [image, class], one column
per class. Nothing is repaired silently: what is not a score or not a label is
counted and named.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from flair_tfds.core import errors

# The working memory of one block. Small enough to stay in a core's cache and
# to vanish beside the inputs, large enough that Python's overhead does too.
BLOCK_BYTES = 1 << 23

AVERAGES = ('macro', 'micro', 'weighted', 'samples', None)


def check_pair(
  scores: npt.ArrayLike, labels: npt.ArrayLike
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]:
  """Returns scores and labels as matrices of numbers and of bools.

  One-dimensional arguments are taken as the single column of one class.
  Nothing is copied where scores are numbers and labels are bools already.

  Args:
    scores: Any real numbers, higher means more likely. nan is found later,
      where the scores are read anyway. Shape [image, class] or [image].
    labels: Whether each class is present; bools, or zeros and ones. Shape
      [image, class] or [image].

  Raises:
    ValueError: If the shapes differ, there is no image or no class, scores are
      not real numbers, or a label is neither 0 nor 1.
  """
  score_matrix = check_scores(scores)
  label_matrix = np.asarray(labels)
  if label_matrix.ndim == 1:
    label_matrix = label_matrix[:, None]
  if score_matrix.shape != label_matrix.shape:
    raise ValueError(
      'Scores and labels must have the same shape [image, class]; found '
      f'{list(score_matrix.shape)} and {list(label_matrix.shape)}. Give each '
      'image a row, and each class a column, in both.'
    )
  if not score_matrix.size:
    raise ValueError(
      'Scores and labels must have at least one image and one class; found '
      f'the shape {list(score_matrix.shape)}.'
    )
  return score_matrix, _check_labels(label_matrix)


def check_scores(scores: npt.ArrayLike) -> npt.NDArray[Any]:
  """Returns scores as a matrix of real numbers; see `check_pair`."""
  matrix = np.asarray(scores)
  if matrix.dtype == bool:
    matrix = matrix.view(np.uint8)
  if matrix.dtype.kind not in 'iuf':
    raise ValueError(
      f'Scores must be real numbers; found dtype {matrix.dtype}. Convert '
      'them, for example with `.astype(np.float32)`.'
    )
  if matrix.ndim == 1:
    matrix = matrix[:, None]
  if matrix.ndim != 2:
    raise ValueError(
      f'Scores must have the shape [image, class]; found {list(matrix.shape)}.'
    )
  return matrix


def check_average(average: str | None, allowed: Sequence[str | None]) -> None:
  """Raises where `average` is not one of the ways allowed."""
  if average not in allowed:
    raise ValueError(
      f'average must be one of {", ".join(map(repr, allowed))}; found '
      f'{average!r}.'
    )


def check_no_nan(scores: npt.NDArray[Any]) -> None:
  """Raises where a score is nan; reads the scores once, block by block."""
  if scores.dtype.kind == 'f' and any(
    np.isnan(scores[rows]).any() for rows in row_blocks(scores)
  ):
    raise_nan(scores)


def raise_nan(scores: npt.NDArray[Any]) -> NoReturn:
  """Raises the error about the nan in these scores: how many, and where."""
  count = 0
  first: list[tuple[int, int]] = []
  for rows in row_blocks(scores):
    found = np.argwhere(np.isnan(scores[rows]))
    count += len(found)
    if len(first) < 6:
      found[:, 0] += rows.start
      first += [(int(image), int(cls)) for image, cls in found[:6]]
  shown = errors.listing(first[: min(5, count)])
  raise ValueError(
    f'Scores must not be nan; found {count} of {scores.size}, the first at '
    f'[image, class] {shown}. Find out why the model gave no number there: '
    'nan has no place in a ranking.'
  )


def row_blocks(
  matrix: npt.NDArray[Any], num_bytes: int = BLOCK_BYTES
) -> Iterator[slice]:
  """Yields slices of rows that hold about `num_bytes` each."""
  row_bytes = max(1, matrix.shape[1] * matrix.dtype.itemsize)
  step = max(1, num_bytes // row_bytes)
  for start in range(0, len(matrix), step):
    yield slice(start, min(start + step, len(matrix)))


def _check_labels(labels: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
  if labels.dtype == bool:
    return labels
  if labels.dtype.kind not in 'iuf':
    raise ValueError(
      'Labels must be bools, or zeros and ones; found dtype '
      f'{labels.dtype}. For lists of class ids make a matrix first.'
    )
  answer = np.empty(labels.shape, dtype=bool)
  for rows in row_blocks(labels):
    block = labels[rows]
    answer[rows] = block == 1
    wrong = np.argwhere(~answer[rows] & (block != 0))
    if len(wrong):
      row, column = (int(i) for i in wrong[0])
      raise ValueError(
        'Labels must be bools, or zeros and ones; found '
        f'{block[row, column]!s} at [image, class] '
        f'{(rows.start + row, column)}. Decide first which values mean that '
        'a class is present, for example with `labels >= 0.5`.'
      )
  return answer
