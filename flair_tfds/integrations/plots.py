"""Plots for a report or a paper's appendix; needs the extra `plots`.

Each function returns a Matplotlib figure of its own, without pyplot: nothing
global is changed, and no window is needed. `to_png` and `Figure.savefig` write
it. Colours are Okabe and Ito's, told apart by colour-blind readers and in grey.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from flair_tfds.evaluation import comparison as comparison_lib
from flair_tfds.evaluation import curves, groups, intervals
from flair_tfds.integrations import plot_style

try:
  import matplotlib
  from matplotlib import figure as figure_lib
  from matplotlib import ticker
except ImportError as error:
  raise ImportError(
    "Plots need Matplotlib: pip install 'flair_tfds[plots]'."
  ) from error

_LINES = (
  plot_style.BLUE,
  plot_style.ORANGE,
  plot_style.GREEN,
  plot_style.PURPLE,
  plot_style.SKY,
  plot_style.YELLOW,
)

# Where only some classes fit: so many of the best and of the worst.
_NUM_ENDS = 15
# A picture of a line need not hold more points than it has pixels.
_MAX_POINTS = 2000


to_png = plot_style.to_png


def per_class(
  names: Sequence[str],
  values: npt.ArrayLike,
  *,
  num_positives: npt.ArrayLike | None = None,
  xlabel: str = 'average precision',
  title: str = '',
) -> figure_lib.Figure:
  """Draws a value for each class, sorted.

  Up to 40 classes are bars. Of more, all are a curve, beside the best and the
  worst by name.

  Args:
    names: The name of each class.
    values: A value in [0, 1] for each class; nan is left out. Shape [class].
    num_positives: Written beside each bar. Shape [class].
    xlabel: What the values are.
    title: A headline.

  Raises:
    ValueError: If names and values differ in number, or no value is left.
  """
  numbers = np.asarray(values, dtype=np.float64)
  counts = None if num_positives is None else np.asarray(num_positives)
  if numbers.shape != (len(names),) or np.isnan(numbers).all():
    raise ValueError(
      'There must be one value for each class name, and one that is not nan; '
      f'found {len(names)} names and values of shape {list(numbers.shape)}.'
    )
  order = np.argsort(-numbers, kind='stable')
  order = order[: np.count_nonzero(~np.isnan(numbers))]
  mean = float(numbers[order].mean())

  def label(i: int) -> str:
    return names[i] if counts is None else f'{names[i]}  ({counts[i]:,})'

  with matplotlib.rc_context(plot_style.STYLE):
    if len(order) <= plot_style.MAX_BARS:
      figure = _new_figure(0.9 + 0.19 * len(order))
      axes = figure.add_subplot()
      _draw_bars(axes, [label(i) for i in order], numbers[order], mean)
      axes.set_xlabel(xlabel)
      _set_title(figure, axes, title)
      return figure
    shown = np.concatenate([order[:_NUM_ENDS], order[-_NUM_ENDS:]])
    figure = _new_figure(0.9 + 0.175 * (len(shown) + 1))
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.1])
    left.fill_between(
      np.arange(1, len(order) + 1),
      numbers[order],
      color=plot_style.BLUE,
      alpha=0.18,
      lw=0,
    )
    left.plot(
      np.arange(1, len(order) + 1), numbers[order], color=plot_style.BLUE
    )
    left.axhline(mean, color=plot_style.ORANGE, lw=1, ls=(0, (4, 2)))
    left.annotate(
      f'mean {mean:.3f}',
      (len(order), mean),
      xytext=(-2, 3),
      textcoords='offset points',
      ha='right',
      color=plot_style.ORANGE,
    )
    left.set(
      xlim=(1, len(order)),
      ylim=(0, max(1.0, float(numbers[order].max()))),
      xlabel=f'{len(order):,} classes, best first',
      ylabel=xlabel,
    )
    left.grid(axis='y')
    left.set_axisbelow(True)
    # A gap in the bars says that classes between are left out.
    gap = [label(i) for i in shown]
    gap.insert(_NUM_ENDS, '...')
    heights = np.insert(numbers[shown], _NUM_ENDS, np.nan)
    _draw_bars(right, gap, heights, mean)
    right.set_xlabel(xlabel)
    _set_title(figure, left, title)
    return figure


def precision_recall(
  lines: Mapping[str, curves.PrecisionRecallCurve],
  *,
  title: str = '',
) -> figure_lib.Figure:
  """Draws precision-recall curves, one for each name.

  The first is drawn strongest: all labels pooled, say. A dashed line shows its
  share of positives, which random scores would give.

  Args:
    lines: At most six curves by name.
    title: A headline.

  Raises:
    ValueError: If there are no curves, or more than six.
  """
  if not 1 <= len(lines) <= len(_LINES):
    raise ValueError(
      f'One figure must have 1 to {len(_LINES)} curves; found {len(lines)}. '
      'Draw several figures.'
    )
  with matplotlib.rc_context(plot_style.STYLE):
    figure = _new_figure(3.6)
    axes = figure.add_subplot()
    for (name, curve), color in zip(lines.items(), _LINES, strict=False):
      is_first = color == _LINES[0]
      keep = np.unique(
        np.linspace(0, len(curve.recall) - 1, _MAX_POINTS).astype(int)
      )
      axes.step(
        np.concatenate([[0], curve.recall[keep]]),
        np.concatenate([curve.precision[keep[:1]], curve.precision[keep]]),
        where='pre',
        color=color,
        lw=2 if is_first else 1.1,
        label=f'{name}  AP {curve.average_precision:.3f}',
        zorder=3 if is_first else 2,
      )
    chance = next(iter(lines.values())).share_positive
    axes.axhline(chance, color=plot_style.GREY, lw=0.9, ls=(0, (4, 2)))
    axes.annotate(
      f'chance {chance:.3f}',
      (0, chance),
      xytext=(4, 3),
      textcoords='offset points',
      color=plot_style.GREY,
    )
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel='recall', ylabel='precision')
    axes.grid()
    axes.set_axisbelow(True)
    axes.legend(loc='center left', bbox_to_anchor=(1.01, 0.5))
    _set_title(figure, axes, title)
    return figure


def calibration(
  counts: curves.Calibration, *, title: str = ''
) -> figure_lib.Figure:
  """Draws how often labels are present, by the probability given for them.

  Above: the share of positives of each bin, against its mean score, with 95%
  Clopper-Pearson intervals. Below: how many scores there are in each bin, on a
  logarithmic axis.

  Args:
    counts: What `Calibration.from_batch` counted.
    title: A headline.
  """
  filled = np.flatnonzero(counts.num_scores)
  shares, scores = counts.shares[filled], counts.mean_scores[filled]
  ends = np.array(
    [
      intervals.clopper_pearson(
        int(counts.num_positives[i]), int(counts.num_scores[i])
      )
      for i in filled
    ]
  )
  with matplotlib.rc_context(plot_style.STYLE):
    figure = _new_figure(4.2, width=4.0)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    above.plot(
      [0, 1],
      [0, 1],
      color=plot_style.GREY,
      lw=0.9,
      ls=(0, (4, 2)),
      label='calibrated',
    )
    above.errorbar(
      scores,
      shares,
      yerr=np.maximum(np.stack([shares - ends[:, 0], ends[:, 1] - shares]), 0),
      color=plot_style.BLUE,
      marker='o',
      ms=4,
      lw=1.3,
      elinewidth=0.9,
      capsize=2,
      label='observed, 95% interval',
    )
    above.legend(loc='lower right')
    above.text(
      0.03,
      0.95,
      f'expected calibration error {counts.expected_error:.4f}',
      transform=above.transAxes,
      va='top',
    )
    above.set(ylim=(0, 1.02), ylabel='share of positives')
    below.bar(
      counts.edges[:-1],
      counts.num_scores,
      width=np.diff(counts.edges),
      align='edge',
      color=plot_style.BLUE,
      alpha=0.35,
      edgecolor='white',
      linewidth=0.5,
    )
    below.set(xlim=(0, 1), xlabel='score', ylabel='scores', yscale='log')
    # Whole decades, so that few labels suffice.
    low = 10 ** np.floor(np.log10(counts.num_scores[filled].min()))
    high = 10 ** np.ceil(np.log10(counts.num_scores.max() + 1))
    below.set_ylim(low / 1.5, high)
    below.yaxis.set_minor_formatter(ticker.NullFormatter())
    below.yaxis.set_major_locator(ticker.LogLocator(numticks=4))
    for axes in (above, below):
      axes.grid(axis='y')
      axes.set_axisbelow(True)
    _set_title(figure, above, title)
    return figure


def per_group(
  values: groups.GroupValues,
  *,
  xlabel: str = 'average precision',
  what: str = 'user',
  title: str = '',
) -> figure_lib.Figure:
  """Draws how a metric is spread over users, or other groups.

  Left: how many groups have each value, with the mean over groups and the mean
  of the worst tenth. Right: the value against the number of images.

  Args:
    values: What `by_group` or `group_means` computed.
    xlabel: What the values are.
    what: What a group is, in the singular.
    title: A headline.
  """
  kept = ~np.isnan(values.values)
  numbers, images = values.values[kept], values.num_images[kept]
  with matplotlib.rc_context(plot_style.STYLE):
    figure = _new_figure(3.0)
    left, right = figure.subplots(1, 2, width_ratios=[1.25, 1])
    top = max(1.0, float(numbers.max()))
    left.hist(
      numbers,
      bins=np.linspace(min(0.0, float(numbers.min())), top, 26),
      color=plot_style.BLUE,
      alpha=0.35,
      edgecolor='white',
      linewidth=0.5,
    )
    marks = [
      (
        values.worst_decile,
        plot_style.ORANGE,
        '-',
        f'mean of the worst tenth of {what}s',
      ),
      (values.mean, plot_style.BLUE, '-', f'mean over {what}s'),
      (
        values.weighted_mean,
        plot_style.GREEN,
        (0, (4, 2)),
        'weighted by images',
      ),
    ]
    for value, color, style, name in marks:
      left.axvline(
        value, color=color, lw=1.3, ls=style, label=f'{name} {value:.3f}'
      )
    left.set(xlabel=xlabel, ylabel=f'{what}s ({len(numbers):,})', xlim=(0, top))
    left.legend(
      loc='lower left',
      bbox_to_anchor=(0, 1),
      handlelength=1.6,
      borderaxespad=0.3,
    )
    right.scatter(
      images, numbers, s=7, color=plot_style.BLUE, alpha=0.3, linewidths=0
    )
    right.set(xscale='log', xlabel=f'images per {what}', ylabel=xlabel)
    right.set_ylim(-0.02, top * 1.02)
    for axes in (left, right):
      axes.grid(axis='y')
      axes.set_axisbelow(True)
    _set_title(figure, left, title)
    return figure


def shift(
  found: comparison_lib.ShiftComparison,
  *,
  original: str = 'original test set',
  new: str = 'new test set',
  title: str = '',
) -> figure_lib.Figure:
  """Draws each model's accuracy on a new test set against the original one.

  With 95% Clopper-Pearson intervals, the line through all models with its
  interval, and the diagonal on which nothing would be lost.

  Source: Recht et al., 2018, figure 1.

  Args:
    found: What `compare` found.
    original: What the original test set is called.
    new: What the new one is called.
    title: A headline.
  """
  points = np.array([[s.original.value, s.new.value] for s in found.shifts])
  ends = np.array([[s.original.interval, s.new.interval] for s in found.shifts])
  spread = np.maximum(np.abs(ends - points[:, :, None]), 0)
  with matplotlib.rc_context(plot_style.STYLE):
    figure = _new_figure(4.2, width=4.4)
    axes = figure.add_subplot()
    low = max(0.0, float(ends.min()) - 0.02)
    high = min(1.0, float(ends.max()) + 0.02)
    line = np.linspace(low, high, 200)
    axes.plot(
      100 * line,
      100 * line,
      color=plot_style.GREY,
      lw=0.9,
      ls=(0, (4, 2)),
      label='equal accuracy',
    )
    if found.fit is not None:
      lower, upper = found.fit.band(line)
      axes.fill_between(
        100 * line,
        100 * lower,
        100 * upper,
        color=plot_style.ORANGE,
        alpha=0.18,
        lw=0,
      )
      axes.plot(
        100 * line,
        100 * found.fit.predict(line),
        color=plot_style.ORANGE,
        lw=1.2,
        label=(
          f'fit: slope {found.fit.slope.value:.2f} '
          f'[{found.fit.slope.low:.2f}, {found.fit.slope.high:.2f}]'
        ),
      )
    axes.errorbar(
      100 * points[:, 0],
      100 * points[:, 1],
      xerr=100 * spread[:, 0].T,
      yerr=100 * spread[:, 1].T,
      fmt='o',
      ms=4,
      color=plot_style.BLUE,
      elinewidth=0.8,
      label=f'{len(points)} models, 95% intervals',
      zorder=3,
    )
    axes.set(
      xlim=(100 * low, 100 * high),
      ylim=(100 * low, 100 * high),
      aspect='equal',
      xlabel=f'accuracy on the {original} (%)',
      ylabel=f'accuracy on the {new} (%)',
    )
    axes.grid()
    axes.set_axisbelow(True)
    axes.legend(loc='upper left')
    _set_title(figure, axes, title)
    return figure


def models(
  found: comparison_lib.ModelComparison, *, title: str = ''
) -> figure_lib.Figure:
  """Draws the accuracy of many models on the same images, best first.

  A dot is the value by which models are ranked; where that is the mean over
  classes, a bar shows the 95% interval of the mean over images beside it.

  Args:
    found: What `compare_models` found.
    title: A headline.
  """
  rows = found.rows()[::-1]
  places = np.arange(len(rows))
  micro = np.array([100 * row.num_correct / row.num_scored for row in rows])
  ends = 100 * np.array([row.interval for row in rows])
  with matplotlib.rc_context(plot_style.STYLE):
    figure = _new_figure(1.0 + 0.24 * len(rows))
    axes = figure.add_subplot()
    axes.hlines(
      places, ends[:, 0], ends[:, 1], color=plot_style.SKY, lw=4, alpha=0.6
    )
    axes.plot(
      micro,
      places,
      '|',
      color=plot_style.BLUE,
      ms=9,
      mew=1.6,
      label='over images, 95% interval',
    )
    if found.average == 'macro':
      axes.plot(
        [100 * row.value for row in rows],
        places,
        'o',
        color=plot_style.ORANGE,
        ms=4.5,
        label='mean over classes',
      )
    axes.set_yticks(places, [row.model for row in rows])
    axes.set_ylim(-0.7, len(rows) - 0.3)
    axes.set_xlabel('accuracy (%)')
    axes.tick_params(axis='y', length=0)
    axes.grid(axis='x')
    axes.set_axisbelow(True)
    axes.legend(
      loc='lower left', bbox_to_anchor=(0, 1.0), ncols=2, borderaxespad=0.2
    )
    if title:
      figure.suptitle(title, x=0.01, ha='left', weight='bold', fontsize=9)
    return figure


def _new_figure(
  height: float, width: float = plot_style.WIDTH
) -> figure_lib.Figure:
  return figure_lib.Figure(figsize=(width, height), layout='constrained')


def _set_title(figure: figure_lib.Figure, axes: Any, title: str) -> None:
  """Sets the headline: over the whole figure where it has several axes."""
  if not title:
    return
  if len(figure.axes) > 1:
    figure.suptitle(title, x=0.01, ha='left', weight='bold', fontsize=9)
  else:
    axes.set_title(title, pad=14)


def _draw_bars(
  axes: Any,
  labels: Sequence[str],
  values: npt.NDArray[np.float64],
  mean: float,
) -> None:
  """Draws one bar per label, the first on top; nan leaves a gap."""
  places = np.arange(len(labels))[::-1]
  axes.barh(places, np.nan_to_num(values), color=plot_style.BLUE, height=0.72)
  for place, value in zip(places, values, strict=True):
    if not np.isnan(value):
      axes.annotate(
        f'{value:.2f}',
        (value, place),
        xytext=(3, 0),
        textcoords='offset points',
        va='center',
        fontsize=6.5,
        color=plot_style.GREY,
      )
  axes.axvline(mean, color=plot_style.ORANGE, lw=1, ls=(0, (4, 2)), zorder=3)
  axes.annotate(
    f'mean {mean:.3f}',
    (mean, 1),
    xycoords=('data', 'axes fraction'),
    xytext=(0, 2),
    textcoords='offset points',
    ha='center',
    va='bottom',
    color=plot_style.ORANGE,
    fontsize=7,
  )
  axes.set_yticks(places, labels)
  axes.tick_params(axis='y', length=0, labelsize=7)
  axes.set_ylim(-0.6, len(labels) - 0.4)
  axes.set_xlim(0, max(1.0, float(np.nanmax(values))) * 1.06)
  axes.grid(axis='x')
  axes.set_axisbelow(True)
