"""Comparisons: of many models, of two of them, and of two test sets.

`compare` is the table of CIFAR-10.1 against CIFAR-10: how far each model falls
from an original test set to a new one, and the line through all models.
`compare_models` judges many models on the same images, once, for a ranking and
for paired tests.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from flair_tfds.core import errors
from flair_tfds.evaluation import intervals, lenient, single_label
from flair_tfds.evaluation import predictions as predictions_lib
from flair_tfds.evaluation.intervals import Interval, PairedComparison
from flair_tfds.evaluation.labels import MultiLabels
from flair_tfds.evaluation.predictions import Policy, PredictionsLike
from flair_tfds.evaluation.single_label import Accuracy, LabelsLike

Models = Mapping[str, PredictionsLike]


@dataclasses.dataclass(frozen=True)
class Shift:
  """One model on an original and on a new test set.

  Attributes:
    model: The model's name.
    original: Its accuracy on the original test set.
    new: Its accuracy on the new one.
    original_rank: Its place among the models by original accuracy, from 1;
      models of equal accuracy share the better place.
    new_rank: Its place by new accuracy.
  """

  model: str
  original: Accuracy
  new: Accuracy
  original_rank: int
  new_rank: int

  @property
  def gap(self) -> float:
    """The original accuracy minus the new one."""
    return self.original.value - self.new.value

  @property
  def error_ratio(self) -> float:
    """The new error rate over the original one; inf where that is zero."""
    original_errors = self.original.num_scored - self.original.num_correct
    if not original_errors:
      return math.inf
    return (1 - self.new.value) / (1 - self.original.value)


@dataclasses.dataclass(frozen=True)
class LinearFit:
  """The line new = slope * original + intercept through all models.

  Attributes:
    slope: With its interval, over models drawn anew.
    intercept: With its interval.
    r_squared: The share of the variance of new accuracies that it explains.
  """

  slope: Interval
  intercept: Interval
  r_squared: float

  def predict(self, original: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Returns the new accuracy that the line gives for an original one."""
    known = np.asarray(original, dtype=np.float64)
    return self.slope.value * known + self.intercept.value

  def band(
    self, original: npt.ArrayLike
  ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Returns the interval of the line at some original accuracies.

    Args:
      original: Shape [point].

    Returns:
      The lower and the upper end, each of shape [point].
    """
    known = np.asarray(original, dtype=np.float64)
    lines = (
      self.slope.resampled[:, None] * known + self.intercept.resampled[:, None]
    )
    tail = (1 - self.slope.confidence) / 2
    low, high = np.quantile(lines, [tail, 1 - tail], axis=0)
    return low, high


@dataclasses.dataclass(frozen=True)
class ShiftComparison:
  """Many models on an original and on a new test set.

  Attributes:
    shifts: The models, by original accuracy, the best first.
    fit: The line through them; None where fewer than three models, or models
      of one accuracy only, leave it undefined.
  """

  shifts: tuple[Shift, ...]
  fit: LinearFit | None

  def table(self) -> str:
    """Returns a Markdown table, accuracies in percent."""
    lines = [
      '| model | original | new | gap | error ratio | rank |',
      '|---|---|---|---|---|---|',
    ]
    lines += [
      f'| {shift.model} | {_percent(shift.original)} '
      f'| {_percent(shift.new)} | {100 * shift.gap:.1f} '
      f'| {shift.error_ratio:.2f} '
      f'| {shift.original_rank} -> {shift.new_rank} |'
      for shift in self.shifts
    ]
    if self.fit is not None:
      slope, intercept = self.fit.slope, self.fit.intercept
      lines.append(
        f'\nnew = {slope.value:.3f} [{slope.low:.3f}, {slope.high:.3f}] '
        f'x original + {100 * intercept.value:.1f} '
        f'[{100 * intercept.low:.1f}, {100 * intercept.high:.1f}], '
        f'R^2 = {self.fit.r_squared:.3f}'
      )
    return '\n'.join(lines)


@dataclasses.dataclass(frozen=True)
class ModelRow:
  """One model among several on the same images.

  Attributes:
    model: The model's name.
    value: The value by which models are ranked.
    num_correct: The number of images that are right.
    num_scored: The number of images that count.
    interval: The 95% Clopper-Pearson interval of num_correct / num_scored.
  """

  model: str
  value: float
  num_correct: int
  num_scored: int
  interval: tuple[float, float]


@dataclasses.dataclass(frozen=True, eq=False)
class ModelComparison:
  """Many models on the same images.

  Attributes:
    models: The models' names.
    right: Whether each model is right on each image. bool, [model, image].
    classes: The original class of each image. int64, shape [image].
    ids: The name of each image.
    average: 'macro', the mean over original classes, or 'micro', over images.
  """

  models: tuple[str, ...]
  right: npt.NDArray[np.bool_]
  classes: npt.NDArray[np.int64]
  ids: tuple[str, ...]
  average: Literal['macro', 'micro']

  def rows(self) -> tuple[ModelRow, ...]:
    """Returns the models, the best first."""
    num_scored = self.right.shape[1]
    rows = []
    for model, right in zip(self.models, self.right, strict=True):
      num_correct = int(np.count_nonzero(right))
      rows.append(
        ModelRow(
          model,
          self._value(right, self.classes),
          num_correct,
          num_scored,
          intervals.clopper_pearson(num_correct, num_scored),
        )
      )
    return tuple(sorted(rows, key=lambda row: (-row.value, row.model)))

  def table(self) -> str:
    """Returns a Markdown table, the best model first, in percent."""
    lines = [
      f'| model | {self.average} | micro, 95% interval | correct |',
      '|---|---|---|---|',
    ]
    for row in self.rows():
      low, high = row.interval
      micro = row.num_correct / row.num_scored
      lines.append(
        f'| {row.model} | {100 * row.value:.2f} '
        f'| {100 * micro:.2f} [{100 * low:.2f}, {100 * high:.2f}] '
        f'| {row.num_correct} of {row.num_scored} |'
      )
    return '\n'.join(lines)

  def pair(
    self,
    first: str,
    second: str,
    *,
    rng: np.random.Generator,
    num_resamples: int = 1000,
    clusters: npt.ArrayLike | None = None,
    confidence: float = 0.95,
  ) -> PairedComparison:
    """Compares two of the models; see `intervals.compare_paired`.

    Args:
      first: A model's name.
      second: Another's; the difference is second minus first.
      rng: Where randomness comes from.
      num_resamples: How many times to draw.
      clusters: The user of each image of `ids`. Shape [image].
      confidence: How often the interval shall hold the truth.

    Raises:
      KeyError: If there is no such model.
      ValueError: As `intervals.compare_paired`.
    """
    return intervals.compare_paired(
      self._value,
      self.right_of(first),
      self.right_of(second),
      self.classes,
      rng=rng,
      num_resamples=num_resamples,
      clusters=clusters,
      confidence=confidence,
    )

  def mcnemar(self, first: str, second: str) -> float:
    """Returns the exact p-value that both are right equally often."""
    return intervals.mcnemar(self.right_of(first), self.right_of(second))

  def right_of(self, model: str) -> npt.NDArray[np.bool_]:
    """Returns on which images a model is right. Shape [image]."""
    if model not in self.models:
      raise KeyError(
        'A model must be one of '
        f'{errors.choices(model, self.models)}; found {model!r}.'
      )
    return np.asarray(self.right[self.models.index(model)])

  def _value(
    self, right: npt.NDArray[np.bool_], classes: npt.NDArray[np.int64]
  ) -> float:
    if self.average == 'micro':
      return int(np.count_nonzero(right)) / len(right)
    scored = np.bincount(classes)
    shares = np.bincount(classes[right], minlength=len(scored))[scored > 0]
    return math.fsum(shares / scored[scored > 0]) / len(shares)


def compare(
  original: Models,
  original_labels: LabelsLike,
  new: Models,
  new_labels: LabelsLike,
  *,
  rng: np.random.Generator,
  num_resamples: int = 1000,
  confidence: float = 0.95,
) -> ShiftComparison:
  """Compares an original with a new test set over many models.

  Source: Recht et al., "Do CIFAR-10 Classifiers Generalize to CIFAR-10?",
  2018, table 1 and figure 1. Differs from it in: the interval of the line is
  that of a bootstrap over models, as in the authors' paper on ImageNet (2019).

  Args:
    original: Each model's predictions on the original test set, in the forms
      that `accuracy` takes.
    original_labels: The labels of the original test set.
    new: Each model's predictions on the new test set.
    new_labels: The labels of the new test set.
    rng: Where randomness comes from: models are drawn anew for the line.
    num_resamples: How many times to draw.
    confidence: How often the intervals of the line shall hold the truth.

  Raises:
    ValueError: If the two do not have the same models, or there are none; or
      as for `accuracy`.
  """
  only_one = sorted(set(original) ^ set(new))
  if only_one or not original:
    raise ValueError(
      'Both test sets must have predictions of the same models, at least one; '
      f'{len(only_one)} models have them for one only: '
      f'{errors.listing(only_one)}.'
    )
  pairs = {}
  for model in original:
    try:
      pairs[model] = (
        single_label.accuracy(original[model], original_labels),
        single_label.accuracy(new[model], new_labels),
      )
    except ValueError as error:
      error.add_note(f'This was model {model!r}.')
      raise
  names = sorted(pairs, key=lambda name: (-pairs[name][0].value, name))
  ranks = [
    _rank([pairs[name][side].value for name in names]) for side in (0, 1)
  ]
  shifts = tuple(
    Shift(name, *pairs[name], original_rank=first, new_rank=second)
    for name, first, second in zip(names, *ranks, strict=True)
  )
  fit = _fit_line(
    np.array([shift.original.value for shift in shifts]),
    np.array([shift.new.value for shift in shifts]),
    rng,
    num_resamples,
    confidence,
  )
  return ShiftComparison(shifts, fit)


def compare_models(
  models: Models,
  labels: MultiLabels | LabelsLike,
  *,
  average: Literal['macro', 'micro'] | None = None,
  top_k: int = 1,
  on_missing: Literal['error', 'wrong'] = 'error',
  on_unknown: predictions_lib.OnUnknown = 'error',
  on_bad_class: predictions_lib.OnBadClass = 'error',
) -> ModelComparison:
  """Judges many models on the same images.

  The labels are looked up once, whatever the number of models.

  Args:
    models: Each model's predictions, in the forms that `lenient_accuracy`
      takes.
    labels: `MultiLabels`, judged leniently and without problematic images; or
      single labels, as for `accuracy`.
    average: The value to rank by: 'macro', the mean over original classes, or
      'micro', over images. Where left out what is published: macro for
      `MultiLabels`, micro for single labels.
    top_k: An image is right if any of its first `top_k` predictions is.
    on_missing: As for `lenient_accuracy`; not 'skip': all models are judged on
      the same images.
    on_unknown: As for `lenient_accuracy`.
    on_bad_class: As for `lenient_accuracy`.

  Raises:
    ValueError: If there is no model or no scored image, predictions do not fit
      the labels and the policy does not allow it, or an option is unknown.
  """
  if on_missing not in ('error', 'wrong'):
    raise ValueError(
      f"on_missing must be 'error' or 'wrong'; found {on_missing!r}. Images "
      'that one model lacks cannot be skipped when models are compared.'
    )
  if average not in ('macro', 'micro', None):
    raise ValueError(f"average must be 'macro' or 'micro'; found {average!r}.")
  if not models:
    raise ValueError('There must be at least one model; found none.')
  policy = Policy(on_missing, on_unknown, on_bad_class)
  rights = []
  for model, predictions in models.items():
    try:
      rights.append(_judge(predictions, labels, top_k, policy))
    except ValueError as error:
      error.add_note(f'This was model {model!r}.')
      raise
  right = np.stack(rights)
  if isinstance(labels, MultiLabels):
    scored = ~labels.problematic
    right, classes = right[:, scored], labels.original[scored]
    names = np.array(labels.ids, dtype=np.str_)[scored].tolist()
  else:
    classes = _class_ids(labels)
    names = list(labels) if isinstance(labels, Mapping) else []
    names = [str(i) for i in names or range(len(classes))]
  if not right.shape[1]:
    raise ValueError('At least one image must be scored; found none.')
  published: Literal['macro', 'micro'] = (
    'macro' if isinstance(labels, MultiLabels) else 'micro'
  )
  return ModelComparison(
    tuple(models), right, classes, tuple(names), average or published
  )


def _judge(
  predictions: PredictionsLike,
  labels: MultiLabels | LabelsLike,
  top_k: int,
  policy: Policy,
) -> npt.NDArray[np.bool_]:
  """Returns whether each image is right."""
  if isinstance(labels, MultiLabels):
    ranked = predictions_lib.align(
      predictions,
      labels.ids,
      labels.num_classes,
      class_names=labels.class_names,
      top_k=top_k,
      policy=policy,
    )
    return lenient.is_right(ranked, labels)
  answers, truth, _ = single_label.align_with_labels(
    predictions, labels, top_k=top_k, policy=policy
  )
  return np.asarray((answers == truth[:, None]).any(axis=1))


def _class_ids(labels: LabelsLike) -> npt.NDArray[np.int64]:
  values = list(labels.values()) if isinstance(labels, Mapping) else labels
  return np.asarray(values, dtype=np.int64)


def _rank(values: Sequence[float]) -> list[int]:
  """Returns each value's place, the highest first, from 1; ties share it."""
  return [1 + sum(other > value for other in values) for value in values]


def _fit_line(
  original: npt.NDArray[np.float64],
  new: npt.NDArray[np.float64],
  rng: np.random.Generator,
  num_resamples: int,
  confidence: float,
) -> LinearFit | None:
  """Fits by least squares; None where no line is determined."""
  num = len(original)
  if num < 3 or np.ptp(original) == 0:
    return None
  drawn = rng.integers(0, num, (num_resamples, num))
  # A draw of one and the same model has no line; it says nothing.
  drawn = drawn[np.ptp(original[drawn], axis=1) > 0]
  slopes, intercepts = _least_squares(original[drawn], new[drawn])
  slope, intercept = (
    float(value[0]) for value in _least_squares(original[None], new[None])
  )
  residual = new - (slope * original + intercept)
  spread = float(np.sum((new - new.mean()) ** 2))
  explained = 1 - float(np.sum(residual**2)) / spread if spread else 1.0
  return LinearFit(
    intervals.percentile(slope, slopes, confidence),
    intervals.percentile(intercept, intercepts, confidence),
    explained,
  )


def _least_squares(
  x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
  """Returns slope and intercept of each row's line."""
  x_mean, y_mean = x.mean(axis=1), y.mean(axis=1)
  dx = x - x_mean[:, None]
  slope = np.sum(dx * (y - y_mean[:, None]), axis=1) / np.sum(dx**2, axis=1)
  return slope, y_mean - slope * x_mean


def _percent(found: Accuracy) -> str:
  low, high = found.interval
  return f'{100 * found.value:.1f} [{100 * low:.1f}, {100 * high:.1f}]'
