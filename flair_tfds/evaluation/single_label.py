"""Accuracy against one right answer per image, with exact intervals."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from flair_tfds.evaluation import intervals
from flair_tfds.evaluation import predictions as predictions_lib
from flair_tfds.evaluation.predictions import (
  OnBadClass,
  OnMissing,
  OnUnknown,
  Policy,
  PredictionsLike,
)

LabelsLike = Mapping[str, int | str] | npt.ArrayLike


@dataclasses.dataclass(frozen=True, eq=False)
class AccuracyCounts:
  """Integer counts of which the accuracy is made; parts merge exactly.

  Attributes:
    num_scored_per_class: Images of each class. int64, shape [class].
    num_correct_per_class: Those that are right. int64, shape [class].
  """

  num_scored_per_class: npt.NDArray[np.int64]
  num_correct_per_class: npt.NDArray[np.int64]

  @classmethod
  def from_batch(
    cls,
    predictions: PredictionsLike,
    labels: LabelsLike,
    *,
    top_k: int = 1,
    num_classes: int | None = None,
    class_names: Sequence[str] | None = None,
    on_missing: OnMissing = 'error',
    on_unknown: OnUnknown = 'error',
    on_bad_class: OnBadClass = 'error',
  ) -> 'AccuracyCounts':
    """Counts a part of the images; see `accuracy` for the arguments."""
    answers, truth, limit = align_with_labels(
      predictions,
      labels,
      top_k=top_k,
      num_classes=num_classes,
      class_names=class_names,
      policy=Policy(on_missing, on_unknown, on_bad_class),
    )
    right = (answers == truth[:, None]).any(axis=1)
    counted = answers[:, 0] != predictions_lib.SKIP
    return cls(
      np.bincount(truth[counted], minlength=limit),
      np.bincount(truth[right], minlength=limit),
    )

  def merge(self, other: 'AccuracyCounts') -> 'AccuracyCounts':
    """Returns the counts over the images of both parts.

    The part with fewer classes is taken to have no image of the others.
    """
    num = max(len(self.num_scored_per_class), len(other.num_scored_per_class))
    scored, correct = np.zeros((2, num), dtype=np.int64)
    for part in (self, other):
      scored[: len(part.num_scored_per_class)] += part.num_scored_per_class
      correct[: len(part.num_correct_per_class)] += part.num_correct_per_class
    return AccuracyCounts(scored, correct)

  def result(self) -> 'Accuracy':
    """Turns counts into the accuracy.

    Raises:
      ValueError: If no image was counted.
    """
    num_scored = int(self.num_scored_per_class.sum())
    if not num_scored:
      raise ValueError(
        'At least one image must be scored; found none. Check that '
        'predictions were given.'
      )
    return Accuracy(
      num_correct=int(self.num_correct_per_class.sum()),
      num_scored=num_scored,
      num_scored_per_class=self.num_scored_per_class,
      num_correct_per_class=self.num_correct_per_class,
    )


@dataclasses.dataclass(frozen=True, eq=False)
class Accuracy:
  """The share of images that are right.

  Attributes:
    num_correct: The number of images that are right.
    num_scored: The number of images that count.
    num_scored_per_class: The number of images of each class. Shape [class].
    num_correct_per_class: The number of them that are right. Shape [class].
  """

  num_correct: int
  num_scored: int
  num_scored_per_class: npt.NDArray[np.int64]
  num_correct_per_class: npt.NDArray[np.int64]

  @property
  def value(self) -> float:
    """The accuracy, in [0, 1]."""
    return self.num_correct / self.num_scored

  @property
  def interval(self) -> tuple[float, float]:
    """The 95% Clopper-Pearson interval."""
    return self.interval_at(0.95)

  def interval_at(self, confidence: float) -> tuple[float, float]:
    """Returns the Clopper-Pearson interval at some confidence in (0, 1)."""
    return intervals.clopper_pearson(
      self.num_correct, self.num_scored, confidence
    )

  @property
  def per_class(self) -> npt.NDArray[np.float64]:
    """The accuracy of each class, nan for one without images. [class]."""
    scored = self.num_scored_per_class
    shares = np.full(len(scored), np.nan)
    np.divide(self.num_correct_per_class, scored, out=shares, where=scored > 0)
    return shares

  @property
  def macro(self) -> float:
    """The mean of the classes' accuracies, over classes with images."""
    return float(np.nanmean(self.per_class))

  def __repr__(self) -> str:
    low, high = self.interval
    return (
      f'Accuracy({self.num_correct}/{self.num_scored} = {self.value:.4f}, '
      f'95% [{low:.4f}, {high:.4f}])'
    )


def accuracy(
  predictions: PredictionsLike,
  labels: LabelsLike,
  *,
  top_k: int = 1,
  num_classes: int | None = None,
  class_names: Sequence[str] | None = None,
  on_missing: OnMissing = 'error',
  on_unknown: OnUnknown = 'error',
  on_bad_class: OnBadClass = 'error',
) -> Accuracy:
  """Computes the accuracy, with its exact interval.

  Args:
    predictions: The class of each image, or its classes, best first; in the
      forms that `lenient_accuracy` takes. Arrays are aligned with the labels.
    labels: The class id of each image: an array, shape [image], or a mapping
      from file name to class id (or name).
    top_k: An image is right if any of its first `top_k` predictions is.
    num_classes: The number of classes; where left out, that of `class_names`,
      or what labels and predicted ids need.
    class_names: The name of each class id.
    on_missing: As for `lenient_accuracy`.
    on_unknown: As for `lenient_accuracy`.
    on_bad_class: As for `lenient_accuracy`.

  Raises:
    ValueError: If predictions do not fit the labels and the policy does not
      allow it, a label is not a class, or there are no images.

  >>> accuracy([3, 8, 8], [3, 8, 0]).num_correct
  2
  """
  counts = AccuracyCounts.from_batch(
    predictions,
    labels,
    top_k=top_k,
    num_classes=num_classes,
    class_names=class_names,
    on_missing=on_missing,
    on_unknown=on_unknown,
    on_bad_class=on_bad_class,
  )
  return counts.result()


def align_with_labels(
  predictions: PredictionsLike,
  labels: LabelsLike,
  *,
  top_k: int = 1,
  num_classes: int | None = None,
  class_names: Sequence[str] | None = None,
  policy: Policy | None = None,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], int]:
  """Puts predictions into the order of single labels; see `accuracy`.

  Returns:
    Class ids, WRONG or SKIP of shape [image, top_k]; the labels' class ids,
    shape [image]; and the number of classes.
  """
  if isinstance(labels, Mapping):
    ids = tuple(labels)
    truth = np.asarray(list(labels.values()))
  else:
    truth = np.asarray(labels)
    ids = tuple(f'row {row}' for row in range(len(truth)))
    if isinstance(predictions, (Mapping, predictions_lib.Predictions)):
      raise ValueError(
        'Predictions by file name need labels by file name; found an array of '
        f'{len(truth)} labels. Pass a mapping from file name to class id.'
      )
  if not truth.size:
    truth = truth.astype(np.int64)
  if truth.dtype.kind == 'U' and class_names is not None:
    index = {name: row for row, name in enumerate(class_names)}
    truth = np.array([index.get(name, -1) for name in truth.tolist()])
  if truth.ndim != 1 or truth.dtype.kind not in 'iu':
    raise ValueError(
      'Labels must be one integer class id for each image; found dtype '
      f'{truth.dtype}, shape {list(truth.shape)}. For several labels per '
      'image see MultiLabels.'
    )
  if class_names is not None:
    num_classes = len(class_names)
  limit = num_classes
  if limit is None:
    limit = _infer_num_classes(predictions, truth)
  bad = np.flatnonzero((truth < 0) | (truth >= limit))
  if len(bad):
    raise ValueError(
      f'Labels must be class ids in 0..{limit - 1}; {len(bad)} of '
      f'{len(truth)} are not, the first is that of {ids[bad[0]]}.'
    )
  answers = predictions_lib.align(
    predictions,
    ids,
    limit,
    class_names=class_names,
    top_k=top_k,
    policy=policy,
  )
  return answers, truth.astype(np.int64), limit


def _infer_num_classes(
  predictions: PredictionsLike, truth: npt.NDArray[np.int64]
) -> int:
  """Returns the number of classes that labels and predictions need."""
  values: npt.NDArray[Any]
  if isinstance(predictions, Mapping):
    values = np.asarray(list(predictions.values()))
  elif isinstance(predictions, predictions_lib.Predictions):
    values = predictions.values
  else:
    values = np.asarray(predictions)
  needed = int(truth.max()) + 1 if truth.size else 0
  if values.dtype.kind == 'f' and values.ndim == 2:
    return max(needed, int(values.shape[1]))
  if values.dtype.kind in 'iu' and values.size:
    return max(needed, int(values.max()) + 1)
  return needed
