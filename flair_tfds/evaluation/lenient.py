"""Accuracy against several right answers: lenient per-class, and ReaL.

Synopsis:

    labels = MultiLabels.from_tfds('imagenet2012_multilabel')
    found = lenient_accuracy({'ILSVRC2012_val_00000001.JPEG': 65, ...}, labels)
    found.macro           # as the dataset's page recommends
    found.strict_macro    # correct labels only

    counts = LenientCounts.from_batch(part_1, labels.take(rows_1))
    counts = counts.merge(LenientCounts.from_batch(part_2, labels.take(rows_2)))
    counts.result().macro

All values come from the same integer counts, so that parts of the data merge
to the same answer, bit for bit.
"""

import dataclasses
import math
from typing import Literal

import numpy as np
import numpy.typing as npt

from flair_tfds.core import errors
from flair_tfds.evaluation import intervals
from flair_tfds.evaluation import predictions as predictions_lib
from flair_tfds.evaluation.labels import CORRECT, UNCLEAR, WRONG, MultiLabels
from flair_tfds.evaluation.predictions import (
  OnBadClass,
  OnMissing,
  OnUnknown,
  Policy,
  PredictionsLike,
)

OnEmptyClass = Literal['error', 'skip']

# What became of an image.
_MISTAKEN, _UNCLEAR_ONLY, _STRICT, _SKIPPED = range(4)
_NUM_OUTCOMES = 4
# The outcome of the marks of all predictions of an image, taken together.
_MARKS = np.arange((CORRECT | UNCLEAR | WRONG) + 1)
_OUTCOMES = np.select(
  [_MARKS & CORRECT > 0, _MARKS & UNCLEAR > 0],
  [_STRICT, _UNCLEAR_ONLY],
  _MISTAKEN,
)


@dataclasses.dataclass(frozen=True, eq=False)
class LenientAccuracy:
  """Accuracy against several right answers; all accuracies in [0, 1].

  Attributes:
    macro: The mean of the accuracies of the original classes: what the dataset
      recommends (its classes do not all have as many scored images).
    micro: The share of scored images that are right: what ReaL publishes.
    per_class: The accuracy on the images of each original class, nan for a
      class without scored images. Shape [class].
    num_scored: The number of images that count.
    num_correct: The number of them that are right.
    num_unreviewed: The number of predictions for them that are in none of the
      three lists: nobody judged them, they count as wrong.
    strict_macro: As `macro`, where only correct labels are right.
    strict_micro: As `micro`, where only correct labels are right.
    strict_per_class: As `per_class`, where only correct labels are right.
    num_strict: The number of scored images with a prediction among the correct
      labels.
    num_scored_per_class: Shape [class].
    num_correct_per_class: Shape [class].
  """

  macro: float
  micro: float
  per_class: npt.NDArray[np.float64]
  num_scored: int
  num_correct: int
  num_unreviewed: int
  strict_macro: float
  strict_micro: float
  strict_per_class: npt.NDArray[np.float64]
  num_strict: int
  num_scored_per_class: npt.NDArray[np.int64]
  num_correct_per_class: npt.NDArray[np.int64]

  @property
  def interval(self) -> tuple[float, float]:
    """The 95% Clopper-Pearson interval of `micro`."""
    return intervals.clopper_pearson(self.num_correct, self.num_scored)

  def __repr__(self) -> str:
    return (
      f'LenientAccuracy(macro={self.macro:.6f}, micro={self.micro:.6f}, '
      f'num_correct={self.num_correct}, num_scored={self.num_scored}, '
      f'num_unreviewed={self.num_unreviewed})'
    )


@dataclasses.dataclass(frozen=True, eq=False)
class LenientCounts:
  """Integer counts of which all accuracies are made; parts merge exactly.

  The first axis, where there are two, tells images that are not problematic
  (0) from those that are (1).

  Attributes:
    scored: Images of each original class. int64, shape [2, class].
    right: Those with a correct or unclear prediction. int64, [2, class].
    strict: Those with a correct prediction. int64, shape [2, class].
    unreviewed: Predictions in none of the lists. int64, shape [2].
    classes: The classes that must have scored images.
  """

  scored: npt.NDArray[np.int64]
  right: npt.NDArray[np.int64]
  strict: npt.NDArray[np.int64]
  unreviewed: npt.NDArray[np.int64]
  classes: npt.NDArray[np.int64]

  @classmethod
  def from_batch(
    cls,
    predictions: PredictionsLike,
    labels: MultiLabels,
    *,
    top_k: int = 1,
    on_missing: OnMissing = 'error',
    on_unknown: OnUnknown = 'error',
    on_bad_class: OnBadClass = 'error',
  ) -> 'LenientCounts':
    """Counts a part of the images; see `lenient_accuracy` for the arguments.

    Args:
      predictions: The predictions for these images.
      labels: The labels of these images: `labels.take(rows)`.
      top_k: How many predictions of each image to look at.
      on_missing: See `predictions.Policy`.
      on_unknown: See `predictions.Policy`.
      on_bad_class: See `predictions.Policy`.
    """
    ranked = predictions_lib.align(
      predictions,
      labels.ids,
      labels.num_classes,
      class_names=labels.class_names,
      top_k=top_k,
      policy=Policy(on_missing, on_unknown, on_bad_class),
    )
    return cls.from_ranked(ranked, labels)

  @classmethod
  def from_ranked(
    cls, ranked: npt.NDArray[np.int64], labels: MultiLabels
  ) -> 'LenientCounts':
    """Counts predictions that `predictions.align` has put in order.

    Args:
      ranked: Class ids, WRONG or SKIP. Shape [image, rank].
      labels: The labels of these images.
    """
    marks = _look_up(ranked, labels)
    # A class that was replaced as wrong was not predicted: nobody could have
    # reviewed it.
    unjudged = (marks == 0) & (ranked >= 0)
    together = np.bitwise_or.reduce(marks, axis=1)
    # One histogram over (problematic, original class, outcome) holds all.
    outcome = _OUTCOMES[together]
    if (ranked[:, 0] == predictions_lib.SKIP).any():
      outcome = np.where(
        ranked[:, 0] == predictions_lib.SKIP, _SKIPPED, outcome
      )
    kind = labels.problematic
    cell = (kind * labels.num_classes + labels.original) * _NUM_OUTCOMES
    num_cells = 2 * labels.num_classes * _NUM_OUTCOMES
    table = np.bincount(cell + outcome, minlength=num_cells)
    table = table.reshape(2, labels.num_classes, _NUM_OUTCOMES)
    num_unjudged = int(np.count_nonzero(unjudged))
    of_problematic = int(np.count_nonzero(unjudged[kind]))
    return cls(
      scored=table[..., :_SKIPPED].sum(axis=-1),
      right=table[..., _UNCLEAR_ONLY] + table[..., _STRICT],
      strict=table[..., _STRICT],
      unreviewed=np.array([num_unjudged - of_problematic, of_problematic]),
      classes=labels.classes,
    )

  def merge(self, other: 'LenientCounts') -> 'LenientCounts':
    """Returns the counts over the images of both parts.

    Raises:
      ValueError: If the parts have other classes.
    """
    if self.scored.shape != other.scored.shape:
      raise ValueError(
        'Parts must have the same classes to be merged; found '
        f'{self.scored.shape[1]} and {other.scored.shape[1]}. Take the parts '
        'from the same labels with `take`.'
      )
    return LenientCounts(
      self.scored + other.scored,
      self.right + other.right,
      self.strict + other.strict,
      self.unreviewed + other.unreviewed,
      np.union1d(self.classes, other.classes),
    )

  def result(
    self,
    *,
    include_problematic: bool = False,
    on_empty_class: OnEmptyClass = 'error',
  ) -> LenientAccuracy:
    """Turns counts into accuracies; see `lenient_accuracy`."""
    if on_empty_class not in ('error', 'skip'):
      raise ValueError(
        f"on_empty_class must be 'error' or 'skip'; found {on_empty_class!r}."
      )
    kinds = slice(0, 2 if include_problematic else 1)
    scored = self.scored[kinds].sum(axis=0)
    right = self.right[kinds].sum(axis=0)
    strict = self.strict[kinds].sum(axis=0)
    num_scored = int(scored.sum())
    empty = self.classes[scored[self.classes] == 0]
    if not num_scored:
      raise ValueError(
        'At least one image must be scored; found none of '
        f'{int(self.scored.sum())}. Check that predictions were given and '
        'that not all images are problematic.'
      )
    if len(empty) and on_empty_class == 'error':
      raise ValueError(
        'Each class must have a scored image; '
        f'{len(empty)} of {len(self.classes)} have none: '
        f"{errors.listing(empty.tolist())}. Pass on_empty_class='skip' to "
        'average over the others.'
      )
    per_class = _divide(right, scored)
    strict_per_class = _divide(strict, scored)
    return LenientAccuracy(
      macro=_mean(per_class),
      micro=int(right.sum()) / num_scored,
      per_class=per_class,
      num_scored=num_scored,
      num_correct=int(right.sum()),
      num_unreviewed=int(self.unreviewed[kinds].sum()),
      strict_macro=_mean(strict_per_class),
      strict_micro=int(strict.sum()) / num_scored,
      strict_per_class=strict_per_class,
      num_strict=int(strict.sum()),
      num_scored_per_class=scored,
      num_correct_per_class=right,
    )


def lenient_accuracy(
  predictions: PredictionsLike,
  labels: MultiLabels,
  *,
  top_k: int = 1,
  include_problematic: bool = False,
  on_missing: OnMissing = 'error',
  on_unknown: OnUnknown = 'error',
  on_bad_class: OnBadClass = 'error',
  on_empty_class: OnEmptyClass = 'error',
) -> LenientAccuracy:
  """Computes the lenient per-class accuracy of multi-label ImageNet.

  A prediction is right if experts found it correct or unclear for the image,
  whatever else they noted: a class listed as both correct and wrong is right.
  Problematic images are left out. An image without any correct label counts.

  Source: Shankar et al., "Evaluating Machine Accuracy on ImageNet", ICML 2020,
  and the page of `imagenet2012_multilabel` in TFDS's catalogue. Differs from
  them in: nothing; the strict, micro and top-k values are further readings of
  the same counts.

  Args:
    predictions: The class of each image, or its classes, best first: a mapping
      from file name to class id (or wnid, where the labels have names) or to a
      list of them; an array aligned with `labels.ids`, shape [image] or
      [image, rank]; float scores, shape [image, class]; or `Predictions`.
    labels: What the experts said.
    top_k: An image is right if any of its first `top_k` predictions is.
    include_problematic: Whether problematic images count too.
    on_missing: An image without a prediction, or with nan scores: 'error';
      'wrong', it counts as a mistake; 'skip', it does not count.
    on_unknown: A prediction for an image without labels: 'error', 'ignore'.
    on_bad_class: A class id out of range: 'error'; 'wrong', it counts as a
      mistake.
    on_empty_class: A class without scored images: 'error'; 'skip', `macro` is
      the mean over the others.

  Returns:
    The accuracies and counts.

  Raises:
    ValueError: If predictions do not fit the labels and the policy does not
      allow it, or no image is scored.
  """
  counts = LenientCounts.from_batch(
    predictions,
    labels,
    top_k=top_k,
    on_missing=on_missing,
    on_unknown=on_unknown,
    on_bad_class=on_bad_class,
  )
  return counts.result(
    include_problematic=include_problematic, on_empty_class=on_empty_class
  )


def real_accuracy(
  predictions: PredictionsLike,
  labels: MultiLabels,
  *,
  top_k: int = 1,
  on_missing: OnMissing = 'error',
  on_unknown: OnUnknown = 'error',
  on_bad_class: OnBadClass = 'error',
) -> LenientAccuracy:
  """Computes the ReaL accuracy; `micro` is the published value.

  Source: Beyer et al., "Are we done with ImageNet?", 2020: the share of
  images, among those with any label, whose prediction is among their labels.
  Differs from it in: top-k, and the mean over the original classes, as well.

  Args:
    predictions: As for `lenient_accuracy`.
    labels: ReaL's labels: `MultiLabels.from_real`.
    top_k: An image is right if any of its first `top_k` predictions is.
    on_missing: As for `lenient_accuracy`.
    on_unknown: As for `lenient_accuracy`.
    on_bad_class: As for `lenient_accuracy`.

  Raises:
    ValueError: If the labels are not of ReaL's kind, or as for
      `lenient_accuracy`; a class without scored images is none.
  """
  if len(labels.unclear.values) or len(labels.wrong.values):
    raise ValueError(
      'ReaL labels must be correct ones only; found '
      f'{len(labels.unclear.values)} unclear and {len(labels.wrong.values)} '
      'wrong labels. Use lenient_accuracy, or MultiLabels.from_real.'
    )
  counts = LenientCounts.from_batch(
    predictions,
    labels,
    top_k=top_k,
    on_missing=on_missing,
    on_unknown=on_unknown,
    on_bad_class=on_bad_class,
  )
  return counts.result(on_empty_class='skip')


def is_right(
  ranked: npt.NDArray[np.int64], labels: MultiLabels
) -> npt.NDArray[np.bool_]:
  """Returns whether any prediction of each image is correct or unclear.

  Args:
    ranked: Class ids, WRONG or SKIP. Shape [image, rank].
    labels: The labels of these images.

  Returns:
    bool, shape [image].
  """
  marks = _look_up(ranked, labels)
  return np.asarray((marks & (CORRECT | UNCLEAR) != 0).any(axis=1))


def _look_up(
  ranked: npt.NDArray[np.int64], labels: MultiLabels
) -> npt.NDArray[np.uint8]:
  """Returns the bits of each prediction, 0 for WRONG and SKIP."""
  rows = np.arange(len(ranked))[:, None]
  marks = labels.marks[rows, np.maximum(ranked, 0)]
  if ranked.size and ranked.min() < 0:
    marks[ranked < 0] = 0
  return marks


def _divide(
  part: npt.NDArray[np.int64], whole: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
  """Returns part / whole, nan where there is no whole."""
  shares = np.full(len(part), np.nan)
  np.divide(part, whole, out=shares, where=whole > 0)
  return shares


def _mean(values: npt.NDArray[np.float64]) -> float:
  """Returns the mean of what is not nan, correctly rounded."""
  kept = values[~np.isnan(values)]
  return math.fsum(kept) / len(kept)
