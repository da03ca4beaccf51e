"""Reports of each kind of evaluation, with plots where they are wanted.

found = evaluation.lenient_accuracy(predictions, labels)
report.write(evaluation_reports.lenient('vgg16', found, labels), 'out')
"""

import types
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from flair_tfds import evaluation, hierarchy
from flair_tfds.evaluation import curves, reading
from flair_tfds.evaluation.positive_ranks import NoPositives
from flair_tfds.evaluation.report import Figure, Number, Report, Table

# Curves that can be told apart in one picture, besides the pooled one.
_NUM_CURVES = 5


def lenient(
  model: str,
  found: evaluation.LenientAccuracy,
  labels: evaluation.MultiLabels,
  *,
  plots: bool = True,
) -> Report:
  """Reports the lenient accuracy of a model.

  Args:
    model: The model's name.
    found: What `evaluation.lenient_accuracy` found.
    labels: The labels that it was scored with.
    plots: Whether to draw; needs Matplotlib.
  """
  names = labels.class_names or _default_names(labels.num_classes)
  low, high = found.interval
  figures = []
  if draw := _import_plots(plots):
    figure = draw.per_class(
      names,
      found.per_class,
      num_positives=found.num_scored_per_class,
      xlabel='lenient accuracy',
    )
    figures.append(
      Figure(
        'per_class',
        draw.to_png(figure),
        'Lenient accuracy on the images of each original class; the number of '
        'scored images in brackets.',
      )
    )
  return Report(
    title=f'Lenient accuracy of {model}',
    subtitle=(
      'A prediction is right if experts found it correct or unclear for the '
      'image.'
    ),
    numbers=(
      Number('lenient, macro', found.macro, note='mean over original classes'),
      Number(
        'lenient, micro', found.micro, low, high, 'over images; 95% interval'
      ),
      Number('strict, macro', found.strict_macro, note='correct labels only'),
      Number('strict, micro', found.strict_micro, note='correct labels only'),
      Number('scored images', found.num_scored),
      Number('right', found.num_correct),
      Number('unreviewed', found.num_unreviewed, note='predictions in no list'),
    ),
    tables=(
      Table(
        'Classes',
        ('class', 'name', 'scored', 'right', 'lenient', 'strict'),
        tuple(
          zip(
            range(labels.num_classes),
            names,
            found.num_scored_per_class.tolist(),
            found.num_correct_per_class.tolist(),
            found.per_class.tolist(),
            found.strict_per_class.tolist(),
            strict=True,
          )
        ),
      ),
      Table(
        'Labels',
        ('what', 'images'),
        tuple(
          (name.replace('_', ' '), count)
          for name, count in labels.describe().items()
        ),
      ),
    ),
    figures=tuple(figures),
  )


def accuracy(
  model: str, found: evaluation.Accuracy, *, plots: bool = True
) -> Report:
  """Reports the accuracy of a model.

  Args:
    model: The model's name.
    found: What `evaluation.accuracy` found.
    plots: Whether to draw; needs Matplotlib.
  """
  names = _default_names(len(found.per_class))
  low, high = found.interval
  figures = []
  if draw := _import_plots(plots):
    figure = draw.per_class(
      names,
      found.per_class,
      num_positives=found.num_scored_per_class,
      xlabel='accuracy',
    )
    figures.append(
      Figure(
        'per_class',
        draw.to_png(figure),
        'Accuracy of each class; the number of images in brackets.',
      )
    )
  return Report(
    title=f'Accuracy of {model}',
    numbers=(
      Number('accuracy', found.value, low, high, '95% Clopper-Pearson'),
      Number('mean over classes', found.macro),
      Number('right', found.num_correct),
      Number('images', found.num_scored),
    ),
    tables=(
      Table(
        'Classes',
        ('class', 'images', 'right', 'accuracy'),
        tuple(
          zip(
            range(len(names)),
            found.num_scored_per_class.tolist(),
            found.num_correct_per_class.tolist(),
            found.per_class.tolist(),
            strict=True,
          )
        ),
      ),
    ),
    figures=tuple(figures),
  )


def multilabel(
  model: str,
  scores: npt.NDArray[Any],
  matrix: reading.LabelMatrix,
  *,
  threshold: float = 0.5,
  on_no_positives: NoPositives = 'zero',
  num_resamples: int = 0,
  seed: int = 0,
  taxonomy: hierarchy.Taxonomy | None = None,
  plots: bool = True,
) -> Report:
  """Computes and reports all multi-label metrics of a model.

  Args:
    model: The model's name.
    scores: Aligned with the labels. Shape [image, class].
    matrix: The labels, and perhaps names of the classes and users.
    threshold: Scores at least this high are decisions.
    on_no_positives: See `evaluation.average_precision`.
    num_resamples: Bootstrap draws for the intervals of the average precisions,
      of users where they are known; 0 for none.
    seed: Of the draws.
    taxonomy: For values by level.
    plots: Whether to draw; needs Matplotlib.
  """
  labels = matrix.labels
  names = matrix.class_names or _default_names(labels.shape[1])
  policy: Any = {'on_no_positives': on_no_positives}
  per_class = evaluation.average_precision(
    scores, labels, average=None, **policy
  )
  decisions = evaluation.DecisionCounts.from_batch(
    scores, labels, threshold=threshold
  )
  ranking = evaluation.RankingValues.from_batch(scores, labels).result()
  numbers = [
    *_average_precisions(scores, matrix, policy, num_resamples, seed),
    *(
      Number(
        f'{name}, {average}',
        getattr(decisions, name)(average),
        note=f'at threshold {threshold:g}',
      )
      for name in ('precision', 'recall', 'f1')
      for average in ('macro', 'micro')
    ),
    Number(
      'hamming loss',
      decisions.hamming_loss(),
      note=f'at threshold {threshold:g}',
    ),
    *(Number(name.replace('_', ' '), value) for name, value in ranking.items()),
    Number('images', len(labels)),
    Number('classes', labels.shape[1]),
    Number(
      'classes without positives',
      int(np.count_nonzero(~labels.any(axis=0))),
      note=f'count as: {on_no_positives}',
    ),
  ]
  is_probability = bool(scores.min() >= 0 and scores.max() <= 1)
  if is_probability:
    numbers.append(
      Number(
        'averaged precision at 200 thresholds, macro',
        evaluation.averaged_precision_at_thresholds(scores, labels),
        note="as FLAIR's published benchmark code; not the average precision",
      )
    )
  by_user = None
  if matrix.groups is not None:
    by_user = evaluation.by_group(
      _samples_average_precision, matrix.groups, scores, labels
    )
  tables = [
    _class_table(names, labels, per_class, decisions),
    *([] if by_user is None else [_user_table(by_user)]),
    *_level_tables(scores, labels, names, taxonomy),
  ]
  figures = _multilabel_figures(
    names, scores, labels, per_class, is_probability, by_user, plots
  )
  return Report(
    title=f'Multi-label metrics of {model}',
    numbers=tuple(numbers),
    tables=tuple(tables),
    figures=tuple(figures),
  )


def models(
  found: evaluation.ModelComparison,
  *,
  rng: np.random.Generator,
  num_resamples: int = 1000,
  plots: bool = True,
) -> Report:
  """Reports many models on the same images, each against the best.

  Args:
    found: What `evaluation.compare_models` found.
    rng: Where the randomness of the paired comparisons comes from.
    num_resamples: How many times to draw.
    plots: Whether to draw; needs Matplotlib.
  """
  rows = found.rows()
  best = rows[0].model
  pairs = []
  for row in rows[1:]:
    pair = found.pair(best, row.model, rng=rng, num_resamples=num_resamples)
    pairs.append(
      (
        row.model,
        pair.difference.value,
        pair.difference.low,
        pair.difference.high,
        pair.p_value,
        found.mcnemar(best, row.model),
      )
    )
  figures = []
  if draw := _import_plots(plots):
    figures.append(
      Figure(
        'models',
        draw.to_png(draw.models(found)),
        f'Accuracy of {len(rows)} models on the same {rows[0].num_scored:,} '
        'images.',
      )
    )
  return Report(
    title=f'Comparison of {len(rows)} models',
    numbers=tuple(
      Number(
        row.model,
        row.value,
        note='mean over classes' if found.average == 'macro' else 'over images',
      )
      for row in rows
    ),
    tables=(
      Table(
        'Models',
        ('model', found.average, 'micro', 'low', 'high', 'right', 'images'),
        tuple(
          (
            row.model,
            row.value,
            row.num_correct / row.num_scored,
            *row.interval,
            row.num_correct,
            row.num_scored,
          )
          for row in rows
        ),
        note='low, high: 95% Clopper-Pearson interval of micro.',
      ),
      Table(
        f'Against {best}',
        ('model', 'difference', 'low', 'high', 'p, swaps', 'p, McNemar'),
        tuple(pairs),
        note=(
          f'Paired on the same images. low, high: 95% bootstrap interval of '
          f'the difference in {found.average}. p, swaps: permutation test of '
          f'that difference, {num_resamples:,} draws. p, McNemar: exact '
          'test that both are right on as many images. Not corrected for the '
          'number of models.'
        ),
      ),
    ),
    figures=tuple(figures),
  )


def score_models(
  models: Mapping[str, npt.NDArray[Any]],
  matrix: reading.LabelMatrix,
  *,
  rng: np.random.Generator,
  num_resamples: int = 1000,
) -> Report:
  """Compares score matrices of several models, each against the best.

  Costs four average precisions of each model but the best for every draw.

  Args:
    models: The scores of each model, aligned with the labels.
    matrix: The labels, and perhaps the users: whole users are then drawn.
    rng: Where the randomness of the paired comparisons comes from.
    num_resamples: How many times to draw.
  """
  values = {
    name: [
      evaluation.average_precision(scores, matrix.labels, average='macro'),
      evaluation.average_precision(scores, matrix.labels, average='micro'),
      evaluation.average_precision(scores, matrix.labels, average='samples'),
    ]
    for name, scores in models.items()
  }
  order = sorted(values, key=lambda name: (-values[name][0], name))
  best = order[0]
  rows = []
  for name in order[1:]:
    pair = evaluation.compare_paired(
      evaluation.average_precision,
      models[best],
      models[name],
      matrix.labels,
      rng=rng,
      num_resamples=num_resamples,
      clusters=matrix.groups,
    )
    difference = pair.difference
    rows.append(
      (name, difference.value, difference.low, difference.high, pair.p_value)
    )
  what = 'images' if matrix.groups is None else 'users'
  return Report(
    title=f'Comparison of {len(order)} models',
    numbers=tuple(
      Number(name, values[name][0], note='average precision, macro')
      for name in order
    ),
    tables=(
      Table(
        'Average precision',
        ('model', 'macro', 'micro', 'samples'),
        tuple((name, *values[name]) for name in order),
      ),
      Table(
        f'Against {best}',
        ('model', 'difference', 'low', 'high', 'p'),
        tuple(rows),
        note=(
          'Difference in macro average precision, paired. low, high: 95% '
          f'bootstrap interval over {what}. p: permutation test, models '
          f'swapped by {what}. {num_resamples:,} draws. Not corrected for the '
          'number of models.'
        ),
      ),
    ),
  )


def shift(found: evaluation.ShiftComparison, *, plots: bool = True) -> Report:
  """Reports many models on an original and on a new test set.

  Args:
    found: What `evaluation.compare` found.
    plots: Whether to draw; needs Matplotlib.
  """
  numbers = [Number('models', len(found.shifts))]
  if found.fit is not None:
    slope, intercept = found.fit.slope, found.fit.intercept
    note = '95% interval over models drawn anew'
    numbers += [
      Number('slope', slope.value, slope.low, slope.high, note),
      Number('intercept', intercept.value, intercept.low, intercept.high, note),
      Number('R squared', found.fit.r_squared),
    ]
  figures = []
  if draw := _import_plots(plots):
    figures.append(
      Figure(
        'shift',
        draw.to_png(draw.shift(found)),
        'Accuracy on the new test set against the original one, with 95% '
        'Clopper-Pearson intervals and the line through all models.',
      )
    )
  return Report(
    title=f'{len(found.shifts)} models on an original and a new test set',
    numbers=tuple(numbers),
    tables=(
      Table(
        'Models',
        (
          'model',
          'original',
          'low',
          'high',
          'new',
          'low',
          'high',
          'gap',
          'error ratio',
          'rank',
          'new rank',
        ),
        tuple(
          (
            shift.model,
            shift.original.value,
            *shift.original.interval,
            shift.new.value,
            *shift.new.interval,
            shift.gap,
            shift.error_ratio,
            shift.original_rank,
            shift.new_rank,
          )
          for shift in found.shifts
        ),
        note=(
          'low, high: 95% Clopper-Pearson intervals. gap: original minus new. '
          'error ratio: new error rate over the original one.'
        ),
      ),
    ),
    figures=tuple(figures),
  )


def _average_precisions(
  scores: npt.NDArray[Any],
  matrix: reading.LabelMatrix,
  policy: Mapping[str, Any],
  num_resamples: int,
  seed: int,
) -> list[Number]:
  """Returns the average precisions, with intervals where they are wanted."""
  numbers = []
  for average in ('macro', 'micro', 'weighted', 'samples'):

    def compute(
      some: npt.NDArray[Any],
      labels: npt.NDArray[np.bool_],
      average: Any = average,
    ) -> float:
      return float(
        evaluation.average_precision(some, labels, average=average, **policy)
      )

    name = f'average precision, {average}'
    if not num_resamples:
      numbers.append(Number(name, compute(scores, matrix.labels)))
      continue
    found = evaluation.bootstrap(
      compute,
      scores,
      matrix.labels,
      rng=np.random.default_rng(seed),
      num_resamples=num_resamples,
      clusters=matrix.groups,
    )
    what = 'images' if matrix.groups is None else 'users'
    note = f'95% bootstrap over {what}, {num_resamples:,} draws'
    numbers.append(Number(name, found.value, found.low, found.high, note))
  return numbers


def _samples_average_precision(
  scores: npt.NDArray[Any], labels: npt.NDArray[np.bool_]
) -> float:
  return evaluation.average_precision(scores, labels, average='samples')


def _class_table(
  names: tuple[str, ...],
  labels: npt.NDArray[np.bool_],
  per_class: npt.NDArray[np.float64],
  decisions: evaluation.DecisionCounts,
) -> Table:
  columns = [
    np.count_nonzero(labels, axis=0),
    per_class,
    *(
      np.asarray(getattr(decisions, name)(None))
      for name in ('precision', 'recall', 'f1')
    ),
  ]
  return Table(
    'Classes',
    ('class', 'positives', 'average precision', 'precision', 'recall', 'F1'),
    tuple(zip(names, *(column.tolist() for column in columns), strict=True)),
  )


def _user_table(values: evaluation.GroupValues) -> Table:
  return Table(
    'Users',
    ('what', 'value'),
    tuple(
      (name.replace('_', ' '), value)
      for name, value in values.summary().items()
    ),
    note=(
      "Average precision over a user's images (samples). worst decile: the "
      'mean of the worst tenth of the users.'
    ),
  )


def _level_tables(
  scores: npt.NDArray[Any],
  labels: npt.NDArray[np.bool_],
  names: tuple[str, ...],
  taxonomy: hierarchy.Taxonomy | None,
) -> list[Table]:
  """Returns the macro average precision by level, where a tree is known."""
  if taxonomy is None:
    return []
  known = [i for i, name in enumerate(names) if taxonomy.coarse_of(name)]
  kept = [names[i] for i in known]
  if not any(taxonomy.tree.parent(name) for name in kept):
    return []
  levels = evaluation.by_level(
    evaluation.average_precision,
    scores[:, known],
    labels[:, known],
    kept,
    taxonomy.tree,
  )
  return [
    Table(
      'Levels of the hierarchy',
      ('level', 'classes', 'average precision, macro'),
      tuple(
        (
          'coarse' if not level.depth else 'fine',
          len(level.classes),
          level.value,
        )
        for level in levels
      ),
      note=(
        'Coarse: the highest score of the labels below, and whether any of '
        f'them is present. {len(names) - len(kept)} labels are not in the '
        'hierarchy and left out.'
      ),
    )
  ]


def _multilabel_figures(
  names: tuple[str, ...],
  scores: npt.NDArray[Any],
  labels: npt.NDArray[np.bool_],
  per_class: npt.NDArray[np.float64],
  is_probability: bool,
  by_user: evaluation.GroupValues | None,
  plots: bool,
) -> list[Figure]:
  draw = _import_plots(plots)
  if draw is None:
    return []
  num_positives = np.count_nonzero(labels, axis=0)
  lines = {'all labels': curves.precision_recall_curve(scores, labels)}
  # The most frequent classes, whose curves are not noise.
  for i in np.argsort(-num_positives, kind='stable')[:_NUM_CURVES].tolist():
    if num_positives[i]:
      lines[names[i]] = curves.precision_recall_curve(
        scores[:, i], labels[:, i]
      )
  drawn = [
    (
      'per_class',
      draw.per_class(names, per_class, num_positives=num_positives),
      'Average precision of each class; the number of positives in brackets.',
    ),
    (
      'precision_recall',
      draw.precision_recall(lines),
      'Precision and recall of all labels pooled, and of the most frequent '
      'classes.',
    ),
  ]
  if is_probability:
    counts = curves.Calibration.from_batch(scores, labels)
    drawn.append(
      (
        'calibration',
        draw.calibration(counts),
        'How often labels are present, by the score given for them.',
      )
    )
  if by_user is not None:
    drawn.append(
      (
        'users',
        draw.per_group(by_user),
        "Average precision over each user's images.",
      )
    )
  return [
    Figure(name, draw.to_png(figure), caption)
    for name, figure, caption in drawn
  ]


def _import_plots(wanted: bool) -> types.ModuleType | None:
  """Returns the plots where they are wanted: they need an extra."""
  if not wanted:
    return None
  from flair_tfds.integrations import plots

  return plots


def _default_names(num: int) -> tuple[str, ...]:
  return tuple(f'class {i}' for i in range(num))
