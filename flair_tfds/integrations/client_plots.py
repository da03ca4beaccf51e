"""Plots of how users and labels are distributed; needs the extra `plots`.

Each function returns a Matplotlib figure of its own, without pyplot: nothing
global is changed, and no window is needed. Colours are Okabe and Ito's, told
apart by colour-blind readers and in grey.
"""

import numpy as np

from flair_tfds.federated import clients as clients_lib
from flair_tfds.federated import statistics
from flair_tfds.integrations import plot_style

try:
  import matplotlib
  from matplotlib import figure as figure_lib
  from matplotlib import ticker
except ImportError as error:
  raise ImportError(
    "Plots need Matplotlib: pip install 'flair_tfds[plots]'."
  ) from error

# Of the users' numbers of images: 257 and more, who differ little.
_LAST_BIN = 9


to_png = plot_style.to_png


def images_per_user(clients: clients_lib.ClientView) -> figure_lib.Figure:
  """Draws how many users have at least so many images; both axes logarithmic.

  Args:
    clients: The users; at least one.
  """
  numbers = np.sort(clients.num_images)
  values, first = np.unique(numbers, return_index=True)
  with matplotlib.rc_context(plot_style.STYLE):
    figure = _figure(3)
    axes = figure.add_subplot()
    # To the right end of each step.
    axes.step(
      np.append(values, values[-1]),
      np.append(len(numbers) - first, 1),
      where='pre',
      color=plot_style.BLUE,
    )
    axes.set(
      xscale='log',
      yscale='log',
      xlabel='images',
      ylabel='users with at least so many images',
      title=f'{len(numbers):,} users with {numbers.sum():,} images',
    )
    median, mean = float(np.median(numbers)), float(numbers.mean())
    for place, (name, value) in enumerate((('median', median), ('mean', mean))):
      axes.axvline(
        value, color=plot_style.ORANGE, linewidth=0.8, linestyle='--'
      )
      axes.annotate(
        f' {name} {value:.3g}',
        (value, 0.96 - 0.08 * place),
        xycoords=('data', 'axes fraction'),
        color=plot_style.ORANGE,
      )
    axes.grid(visible=True, which='major')
    axes.xaxis.set_major_formatter('{x:,.0f}')
    axes.yaxis.set_major_formatter('{x:,.0f}')
    axes.yaxis.set_minor_formatter(ticker.NullFormatter())
  return figure


def images_per_label(
  clients: clients_lib.ClientView, labels: str | None = None
) -> figure_lib.Figure:
  """Draws the number of images of each label, most frequent first.

  Up to 40 labels are bars with names. Of more, all are a curve by rank, beside
  the 30 most frequent by name.

  Args:
    clients: The users.
    labels: The label feature; by default the one that the dataset trains on.
  """
  feature = clients.examples.feature(labels)
  counts = statistics.images_per_label(clients, feature)
  users = statistics.users_per_label(clients, feature)
  names = clients.class_names(feature) or [*map(str, range(len(counts)))]
  order = np.argsort(-counts, kind='stable')
  many = len(order) > plot_style.MAX_BARS
  shown = order[:30] if many else order
  with matplotlib.rc_context(plot_style.STYLE):
    figure = _figure(0.9 + 0.16 * len(shown), 2 if many else 1)
    grid = figure.add_gridspec(1, 2 if many else 1)
    axes = figure.add_subplot(grid[0])
    places = np.arange(len(shown))
    axes.barh(
      places, counts[shown], color=plot_style.BLUE, height=0.72, label='images'
    )
    axes.barh(
      places, users[shown], color=plot_style.ORANGE, height=0.3, label='users'
    )
    axes.set_yticks(places, [names[c] for c in shown])
    axes.tick_params(axis='y', length=0)
    axes.invert_yaxis()
    axes.margins(y=0.01)
    axes.xaxis.set_major_formatter('{x:,.0f}')
    axes.grid(visible=True, axis='x')
    axes.set_axisbelow(True)
    axes.set_title(
      f'{feature}: the 30 most frequent' if many else f'{feature}: all'
    )
    axes.legend(loc='lower right')
    if many:
      axes = figure.add_subplot(grid[1])
      ranks = np.arange(1, len(order) + 1)
      present = counts[order] > 0
      axes.plot(ranks[present], counts[order][present], color=plot_style.BLUE)
      by_users = np.sort(users)[::-1]
      axes.plot(
        ranks[: (by_users > 0).sum()], by_users[by_users > 0], plot_style.ORANGE
      )
      axes.set(
        xscale='log',
        yscale='log',
        xlabel='rank of the label',
        title=f'All {len(order):,} by rank',
      )
      axes.xaxis.set_major_formatter('{x:,.0f}')
      axes.yaxis.set_major_formatter('{x:,.0f}')
      axes.yaxis.set_minor_formatter(ticker.NullFormatter())
      axes.grid(visible=True)
  return figure


def cooccurrence(
  clients: clients_lib.ClientView, labels: str | None = None
) -> figure_lib.Figure:
  """Draws what share of each label's images have each other label too.

  Args:
    clients: The users.
    labels: See `images_per_label`.
  """
  feature = clients.examples.feature(labels)
  counts = statistics.cooccurrence(clients, feature)
  names = clients.class_names(feature) or [*map(str, range(len(counts)))]
  own = np.diag(counts)
  order = np.argsort(-own, kind='stable')
  shares = counts[np.ix_(order, order)] / np.maximum(own[order], 1)[:, None]
  np.fill_diagonal(shares, np.nan)
  ticks, ordered = np.arange(len(order)), [names[c] for c in order]
  with matplotlib.rc_context(plot_style.STYLE):
    figure = _figure(1 + 0.24 * len(order))
    axes = figure.add_subplot()
    largest = max(0.01, float(np.nanmax(shares, initial=0)))
    image = axes.imshow(shares, cmap='Blues', vmin=0, vmax=largest)
    axes.set_xticks(ticks, ordered, rotation=90)
    axes.set_yticks(ticks, ordered)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for (row, column), share in np.ndenumerate(shares):
      if share >= 0.005 and len(order) <= plot_style.MAX_BARS:
        axes.text(
          column,
          row,
          f'{share:.0%}'.removesuffix('%'),
          ha='center',
          va='center',
          fontsize=6,
          color='white' if share > 0.6 * largest else plot_style.INK,
        )
    axes.set_title(
      f'{feature}: % of the images of the row that also have the column'
    )
    figure.colorbar(image, ax=axes, shrink=0.6, format='{x:.0%}')
  return figure


def divergence(
  clients: clients_lib.ClientView,
  rng: np.random.Generator,
  labels: str | None = None,
) -> figure_lib.Figure:
  """Draws how far users' labels are from those of all, by number of images.

  Beside the users stand random ones of the same sizes: what lies above them is
  heterogeneity that size alone does not explain.

  Args:
    clients: The users.
    rng: Deals the images to the random users.
    labels: See `images_per_label`.
  """
  feature = clients.examples.feature(labels)
  numbers = clients.num_images
  real = statistics.divergence(clients, feature)
  random = statistics.divergence(clients.shuffled(rng), feature)
  # 1, 2, 3-4, 5-8, ... images.
  bins = np.minimum(np.ceil(np.log2(numbers)).astype(int), _LAST_BIN)
  ticks = np.arange(bins.max() + 1)
  with matplotlib.rc_context(plot_style.STYLE):
    figure = _figure(3)
    axes = figure.add_subplot()
    for values, colour, shift, name in (
      (real, plot_style.BLUE, -0.18, 'users'),
      (random, plot_style.ORANGE, 0.18, 'random users of the same sizes'),
    ):
      groups = [values[(bins == tick) & ~np.isnan(values)] for tick in ticks]
      kept = [i for i, group in enumerate(groups) if len(group)]
      axes.boxplot(
        [groups[i] for i in kept],
        positions=[ticks[i] + shift for i in kept],
        widths=0.3,
        whis=(5, 95),
        showfliers=False,
        patch_artist=True,
        boxprops={'facecolor': colour, 'linewidth': 0},
        medianprops={'color': 'white'},
        whiskerprops={'color': colour},
        capprops={'color': colour},
        manage_ticks=False,
      )
      axes.plot([], [], color=colour, linewidth=5, label=name)
    axes.set_xticks(ticks, [_bin_name(tick) for tick in ticks.tolist()])
    axes.set(
      ylim=(0, 1),
      xlabel='images of the user',
      ylabel='divergence from all, bits',
      title=f'{feature}: how users differ (boxes: quartiles; lines: 5-95%)',
    )
    axes.grid(visible=True, axis='y')
    axes.legend(loc='upper right')
  return figure


def _bin_name(tick: int) -> str:
  first, last = (1 << tick) // 2 + 1, 1 << tick
  if tick == _LAST_BIN:
    return f'{first}+'
  return str(last) if first >= last else f'{first}-{last}'


def _figure(height: float, columns: int = 1) -> figure_lib.Figure:
  width = plot_style.WIDTH if columns == 1 else 1.5 * plot_style.WIDTH
  return figure_lib.Figure(figsize=(width, height), layout='constrained')
