import io

import numpy as np
import pytest
from PIL import Image

pytest.importorskip('matplotlib', reason='flair_tfds[plots]')

from flair_tfds.federated import statistics
from flair_tfds.integrations import client_plots


def test_a_figure_becomes_the_same_png_each_time(clients):
  data = [
    client_plots.to_png(client_plots.images_per_user(clients)) for _ in range(2)
  ]
  assert data[0] == data[1]
  assert Image.open(io.BytesIO(data[0])).width == 1100


def test_the_curve_is_the_number_of_users_with_so_many_images(clients):
  (axes,) = client_plots.images_per_user(clients).axes
  x, y = axes.lines[0].get_data()
  for images, users in zip(x[:-1], y[:-1], strict=True):
    assert users == (clients.num_images >= images).sum()
  assert x[-1] == clients.num_images.max()


def test_few_labels_are_all_bars(clients):
  (axes,) = client_plots.images_per_label(clients).axes
  widths = [bar.get_width() for bar in axes.containers[0]]
  expected = sorted(statistics.images_per_label(clients), reverse=True)
  assert widths == expected
  names = [label.get_text() for label in axes.get_yticklabels()]
  assert sorted(names) == sorted(clients.class_names())


def test_many_labels_are_bars_and_a_curve(clients):
  figure = client_plots.images_per_label(clients, 'fine_grained_labels')
  bars, curve = figure.axes
  assert len(bars.containers[0]) == 30
  counts = statistics.images_per_label(clients, 'fine_grained_labels')
  drawn = curve.lines[0].get_ydata().tolist()
  assert drawn == sorted(counts[counts > 0].tolist(), reverse=True)


def test_pairs_are_shares_of_the_row(clients):
  axes = client_plots.cooccurrence(clients).axes[0]
  shares = np.asarray(axes.images[0].get_array().filled(np.nan))
  counts = statistics.cooccurrence(clients)
  order = np.argsort(-np.diag(counts), kind='stable')
  a, b = order[0], order[1]
  assert shares[0, 1] == pytest.approx(counts[a, b] / counts[a, a])
  assert np.isnan(np.diag(shares)).all()


def test_divergence_has_a_pair_of_boxes_for_each_size(clients):
  rng = np.random.default_rng(0)
  (axes,) = client_plots.divergence(clients, rng).axes
  sizes = {int(np.ceil(np.log2(n))) for n in clients.num_images}
  assert len(axes.patches) == 2 * len(sizes)
  names = [label.get_text() for label in axes.get_xticklabels()]
  assert names[:4] == ['1', '2', '3-4', '5-8']


def test_very_large_users_share_a_bin():
  assert client_plots._bin_name(9) == '257+'
