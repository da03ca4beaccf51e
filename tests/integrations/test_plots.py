import io

import numpy as np
import pytest
from PIL import Image

from flair_tfds import evaluation
from flair_tfds.evaluation import curves
from flair_tfds.integrations import plots


def problem(images=120, classes=4):
  rng = np.random.default_rng(0)
  labels = rng.random((images, classes)) < 0.4
  return np.clip(rng.random((images, classes)) / 2 + labels / 4, 0, 1), labels


def draw_shift(num_models=4):
  labels = [0, 1] * 50
  models = {}
  for number in range(num_models):
    values = np.array(labels)
    values[: 5 * number + 5] = 1 - values[: 5 * number + 5]
    models[f'model {number}'] = values
  return plots.shift(
    evaluation.compare(
      models, labels, models, labels, rng=np.random.default_rng(0)
    ),
    title='Shift',
  )


def draw_models(average):
  labels = [0, 1] * 50
  return plots.models(
    evaluation.compare_models(
      {'one': labels, 'two': [0] * 100}, labels, average=average
    )
  )


def draw_per_group():
  scores, labels = problem()
  users = np.arange(len(scores)) // 3
  return plots.per_group(
    evaluation.by_group(
      lambda s, y: evaluation.average_precision(s, y, average='samples'),
      users,
      scores,
      labels,
    )
  )


DRAWN = {
  'few classes': lambda: plots.per_class(
    list('abc'), [0.5, np.nan, 0.7], num_positives=[1, 2, 3000]
  ),
  'many classes': lambda: plots.per_class(
    [f'class {i}' for i in range(200)], np.linspace(0, 1, 200), title='Many'
  ),
  'precision-recall': lambda: plots.precision_recall(
    {'all': curves.precision_recall_curve(*problem())}
  ),
  'calibration': lambda: plots.calibration(
    curves.Calibration.from_batch(*problem())
  ),
  'groups': draw_per_group,
  'shift': draw_shift,
  'shift without a line': lambda: draw_shift(2),
  'models, micro': lambda: draw_models('micro'),
  'models, macro': lambda: draw_models('macro'),
}


@pytest.mark.parametrize('name', DRAWN)
def test_drawn_figure_is_a_png_that_is_not_blank(name):
  png = plots.to_png(DRAWN[name](), dpi=60)
  with Image.open(io.BytesIO(png)) as image:
    assert image.format == 'PNG'
    assert len(image.convert('RGB').getcolors(1 << 20)) > 10


def test_same_figure_gives_the_same_bytes():
  first, second = (plots.to_png(DRAWN['groups'](), dpi=60) for _ in range(2))
  assert first == second


def texts(figure):
  return [
    text.get_text()
    for axes in figure.axes
    for text in [*axes.texts, *axes.get_yticklabels()]
  ]


def test_classes_are_sorted_and_nan_is_left_out():
  figure = DRAWN['few classes']()
  labels = [t.get_text() for t in figure.axes[0].get_yticklabels()]
  assert labels == ['c  (3,000)', 'a  (1)']
  assert 'mean 0.600' in texts(figure)


def test_of_many_classes_the_best_and_the_worst_are_named():
  found = texts(DRAWN['many classes']())
  assert 'class 199' in found
  assert 'class 0' in found
  assert 'class 100' not in found


def test_curve_is_named_with_its_average_precision():
  scores, labels = problem()
  value = evaluation.average_precision(scores, labels, average='micro')
  legend = DRAWN['precision-recall']().axes[0].get_legend()
  assert legend.get_texts()[0].get_text() == f'all  AP {value:.3f}'


def test_drawing_leaves_matplotlibs_settings_alone():
  import matplotlib

  before = dict(matplotlib.rcParams)
  DRAWN['shift']()
  assert dict(matplotlib.rcParams) == before


def test_names_and_values_must_be_as_many():
  with pytest.raises(ValueError, match=r'found 1 names and .* \[2\]'):
    plots.per_class(['a'], [0.5, 0.6])


def test_all_nan_is_refused():
  with pytest.raises(ValueError, match='one that is not nan'):
    plots.per_class(['a'], [np.nan])


def test_too_many_curves_are_refused():
  curve = curves.precision_recall_curve(*problem())
  with pytest.raises(ValueError, match='1 to 6 curves; found 7'):
    plots.precision_recall({str(i): curve for i in range(7)})
