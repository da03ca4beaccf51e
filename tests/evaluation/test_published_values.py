"""Real labels and real models' predictions, against published values."""

import json
import pathlib
import runpy

import numpy as np
import pytest

from flair_tfds import evaluation

MODELS = ['alexnet', 'vgg16', 'resnet18', 'resnet50', 'densenet161']
TOP5_MODELS = ['resnet18', 'resnet50']


class ImageNet:
  """The evaluation files for ImageNet, read once."""

  def __init__(self, folder: pathlib.Path) -> None:
    self.labels = dict(np.load(folder / 'imagenet_labels.npz'))
    self.predictions = dict(np.load(folder / 'imagenet_predictions.npz'))
    self.expected = json.loads((folder / 'imagenet_expected.json').read_text())
    index = self.labels['ml_index']
    self.index = index
    self.multi = evaluation.MultiLabels.from_arrays(
      ids=[f'ILSVRC2012_val_{i + 1:08d}.JPEG' for i in index],
      original=self.labels['val_labels'][index],
      correct=self.lists('ml_correct'),
      unclear=self.lists('ml_unclear'),
      wrong=self.lists('ml_wrong'),
      problematic=self.labels['ml_problematic'],
      class_names=self.labels['wnids'].tolist(),
    )
    self.real = evaluation.MultiLabels.from_real(
      self.lists('real'), original=self.labels['val_labels']
    )

  def lists(self, name):
    offsets = self.labels[f'{name}_offsets']
    return np.split(self.labels[f'{name}_labels'], offsets[1:-1])

  def top1(self, model):
    return self.predictions['top1'][MODELS.index(model)]

  def top5(self, model):
    return self.predictions['top5'][TOP5_MODELS.index(model)]


@pytest.fixture(scope='module')
def imagenet(real_data):
  return ImageNet(real_data / 'evaluation')


def test_corner_cases_of_the_published_labels(imagenet):
  found = imagenet.multi.describe()
  assert found == {
    'images': 20000,
    'problematic': 1308,
    'scored': 18692,
    'correct_and_wrong': 358,
    'correct_and_unclear': 15,
    'repeated_labels': 1,
    'without_correct_label': 451,
    'fewest_scored_per_class': 2,
    'most_scored_per_class': 20,
  }


def only(labels, rows):
  """The labels of some images, all of which count."""
  taken = labels.take(rows)
  return evaluation.MultiLabels.from_arrays(
    ids=taken.ids,
    original=taken.original,
    correct=[taken.correct[i] for i in range(len(taken))],
    unclear=[taken.unclear[i] for i in range(len(taken))],
    wrong=[taken.wrong[i] for i in range(len(taken))],
    num_classes=taken.num_classes,
  )


def rows_with_overlap(labels, first, second):
  return [
    (row, sorted(both)[0])
    for row in range(len(labels))
    if (both := set(first[row].tolist()) & set(second[row].tolist()))
  ]


def test_358_images_with_a_class_correct_and_wrong_are_right(imagenet):
  labels = imagenet.multi
  cases = rows_with_overlap(labels, labels.correct, labels.wrong)
  assert len(cases) == 358
  rows, classes = zip(*cases, strict=True)
  found = evaluation.lenient_accuracy(
    list(classes), only(labels, rows), on_empty_class='skip'
  )
  assert (found.num_correct, found.num_strict) == (358, 358)


def test_15_images_with_a_class_correct_and_unclear_are_strictly_right(
  imagenet,
):
  labels = imagenet.multi
  cases = rows_with_overlap(labels, labels.correct, labels.unclear)
  assert len(cases) == 15
  rows, classes = zip(*cases, strict=True)
  found = evaluation.lenient_accuracy(
    list(classes), only(labels, rows), on_empty_class='skip'
  )
  assert (found.num_correct, found.num_strict) == (15, 15)


def test_image_with_a_duplicate_counts_once(imagenet):
  labels = imagenet.multi
  cases = [
    (row, kind)
    for kind in ('correct', 'unclear', 'wrong')
    for row in range(len(labels))
    if len(listed := getattr(labels, kind)[row]) != len(set(listed.tolist()))
  ]
  assert len(cases) == 1
  row, kind = cases[0]
  value = getattr(labels, kind)[row][0]
  found = evaluation.lenient_accuracy(
    [value], only(labels, [row]), on_empty_class='skip'
  )
  assert found.num_scored == 1
  assert found.num_correct == (kind != 'wrong')


def test_451_images_without_a_correct_label_are_never_strictly_right(imagenet):
  labels = imagenet.multi
  rows = np.flatnonzero(labels.correct.lengths == 0)
  assert len(rows) == 451
  every_class = np.tile(np.arange(1000), (len(rows), 1))
  found = evaluation.lenient_accuracy(
    every_class, only(labels, rows), top_k=1000, on_empty_class='skip'
  )
  assert found.num_strict == 0
  assert found.num_correct == np.count_nonzero(labels.unclear.lengths[rows])


@pytest.mark.parametrize('model', MODELS)
def test_lenient_accuracy(imagenet, model):
  expected = imagenet.expected['models'][model]['multilabel']
  predictions = imagenet.top1(model)[imagenet.index]
  found = evaluation.lenient_accuracy(predictions, imagenet.multi)
  assert found.macro == pytest.approx(expected['mla_macro'], abs=1e-12)
  assert found.micro == pytest.approx(expected['mla_micro'], abs=1e-12)
  assert found.strict_macro == pytest.approx(
    expected['strict_correct_only_macro'], abs=1e-12
  )
  assert found.num_scored == expected['n']
  assert found.num_correct == expected['correct']
  assert found.num_unreviewed == expected['predictions_unreviewed']
  everyone = evaluation.lenient_accuracy(
    predictions, imagenet.multi, include_problematic=True
  )
  assert everyone.macro == pytest.approx(
    expected['with_problematic_macro'], abs=1e-12
  )


@pytest.mark.parametrize('model', TOP5_MODELS)
def test_lenient_accuracy_of_any_of_five(imagenet, model):
  expected = imagenet.expected['models'][model]['multilabel']
  found = evaluation.lenient_accuracy(
    imagenet.top5(model)[imagenet.index], imagenet.multi, top_k=5
  )
  assert found.macro == pytest.approx(expected['top5_any_macro'], abs=1e-12)


@pytest.mark.parametrize('model', MODELS)
def test_top1_and_real_accuracy(imagenet, model):
  expected = imagenet.expected['models'][model]
  predictions = imagenet.top1(model)
  single = evaluation.accuracy(predictions, imagenet.labels['val_labels'])
  assert single.value == pytest.approx(expected['top1'], abs=1e-12)
  real = evaluation.real_accuracy(predictions, imagenet.real)
  assert real.micro == pytest.approx(expected['real_top1'], abs=1e-12)
  assert real.num_scored == expected['real_n']
  assert real.macro == pytest.approx(
    expected['real_top1_macro_by_original_class'], abs=1e-12
  )


@pytest.mark.parametrize('model', TOP5_MODELS)
def test_top5_and_real_accuracy_of_five(imagenet, model):
  expected = imagenet.expected['models'][model]
  predictions = imagenet.top5(model)
  truth = imagenet.labels['val_labels']
  single = evaluation.accuracy(predictions, truth, top_k=5)
  assert single.value == pytest.approx(expected['top5'], abs=1e-12)
  real = evaluation.real_accuracy(predictions, imagenet.real, top_k=5)
  assert real.micro == pytest.approx(expected['real_top5'], abs=1e-12)


@pytest.mark.parametrize(
  ('model', 'percent'),
  [('vgg16', 80.41729903825), ('resnet18', 78.35676186559)],
)
def test_published_percentages_by_file_name_and_wnid(imagenet, model, percent):
  wnids = imagenet.labels['wnids']
  predictions = {
    name: str(wnids[value])
    for name, value in zip(
      imagenet.multi.ids, imagenet.top1(model)[imagenet.index], strict=True
    )
  }
  found = evaluation.lenient_accuracy(predictions, imagenet.multi)
  assert 100 * found.macro == pytest.approx(percent, abs=1e-11)


def test_vit3b_mistakes(imagenet, real_data):
  path = real_data / 'evaluation' / 'vit3b_mistakes.json'
  mistakes = json.loads(path.read_text())
  labels = imagenet.multi
  predictions = {}
  for row, name in enumerate(labels.ids):
    if name in mistakes:
      predictions[name] = mistakes[name]['top_prediction']
    else:
      listed = [*labels.correct[row], *labels.unclear[row]]
      # Of the problematic images some have no right answer.
      predictions[name] = int(listed[0]) if listed else 0
  found = evaluation.lenient_accuracy(predictions, labels)
  assert round(100 * found.macro, 3) == 97.915


def test_human_accuracy_json_gives_the_same_labels(
  imagenet, real_data, tmp_path, monkeypatch
):
  folder = real_data / 'evaluation'
  path = tmp_path / 'human_accuracy_v3.0.0.json'
  # The script reads an array anew for every image: give it all at once.
  load = np.load
  monkeypatch.setattr(np, 'load', lambda file: dict(load(file)))
  script = runpy.run_path(str(folder / 'make_human_accuracy_json.py'))
  content = script['build'](folder / 'imagenet_labels.npz')
  path.write_text(json.dumps(content))
  found = evaluation.MultiLabels.from_human_accuracy_json(
    path, original=imagenet.labels['val_labels']
  )
  assert found.ids == imagenet.multi.ids
  assert found.class_names == imagenet.multi.class_names
  np.testing.assert_array_equal(found.marks, imagenet.multi.marks)
  np.testing.assert_array_equal(found.original, imagenet.multi.original)
  np.testing.assert_array_equal(found.problematic, imagenet.multi.problematic)


def read_cifar(real_data):
  folder = real_data / 'evaluation'
  arrays = dict(np.load(folder / 'cifar101_predictions.npz'))
  expected = json.loads((folder / 'cifar101_expected.json').read_text())
  return arrays, expected['models']


@pytest.mark.parametrize('test_set', ['original', 'v4', 'v6'])
def test_cifar_counts_and_intervals(real_data, test_set):
  arrays, expected = read_cifar(real_data)
  assert len(arrays['models']) == 15
  for row, model in enumerate(arrays['models'].tolist()):
    wanted = expected[model][test_set]
    found = evaluation.accuracy(
      arrays[f'pred_{test_set}'][row], arrays[f'labels_{test_set}']
    )
    assert found.num_correct == wanted['correct']
    assert found.interval == pytest.approx(wanted['ci95'], abs=1e-12)
    assert found.num_correct_per_class.tolist() == wanted['per_class_correct']
    assert found.macro == pytest.approx(
      wanted['mean_per_class_accuracy'], abs=1e-12
    )


def test_cifar_comparison_of_test_sets(real_data):
  arrays, expected = read_cifar(real_data)
  models = arrays['models'].tolist()
  found = evaluation.compare(
    dict(zip(models, arrays['pred_original'], strict=True)),
    arrays['labels_original'],
    dict(zip(models, arrays['pred_v4'], strict=True)),
    arrays['labels_v4'],
    rng=np.random.default_rng(0),
  )
  for shift in found.shifts:
    original, new = (expected[shift.model][k] for k in ('original', 'v4'))
    gap = original['accuracy'] - new['accuracy']
    assert shift.gap == pytest.approx(gap, abs=1e-12)
    assert shift.error_ratio == pytest.approx(
      (1 - new['accuracy']) / (1 - original['accuracy']), abs=1e-12
    )
  slope, _ = np.polyfit(
    [s.original.value for s in found.shifts],
    [s.new.value for s in found.shifts],
    1,
  )
  assert found.fit.slope.value == pytest.approx(slope, abs=1e-9)
  # The paper's finding: better models lose less.
  assert found.fit.slope.low > 1
