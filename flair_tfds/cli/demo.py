"""Builds a small drawn dataset, shows it, and evaluates a small model on it.

Needs no download and no network: `flair/miniature` is drawn by this package.
It goes the way that the real FLAIR goes: it is built and loaded with TFDS, a
linear model learns the coarse labels of the train split, and its predictions
for the test split are scored.

OUT_DIR then holds:
  sheet.png         six pictures of each of four users
  predictions.npz   ids [image], scores [image, class], class_names [class]
  report.json       the numbers of the table that is printed
  tensorflow_datasets/   the dataset, unless DATA_DIR says otherwise
"""

import argparse
import collections
import dataclasses
import itertools
import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from flair_tfds import evaluation
from flair_tfds.core import files, progress
from flair_tfds.integrations import picture_sheet

NAME = 'demo'
HELP = 'build, show and evaluate a small drawn dataset; no download'

DATASET = 'flair/miniature'
SHEET_FILE = 'sheet.png'
PREDICTIONS_FILE = 'predictions.npz'
REPORT_FILE = 'report.json'

_USERS_ON_SHEET = 4
_IMAGES_PER_USER = 6

# Size of the model's features; see `extract_features`.
_COLOUR_LEVELS = 8
_GRID = 8
_EDGE_GRID = 4
_EDGE_DIRECTIONS = 8

_NUM_STEPS = 300
# The strengths of weight decay to choose from, on the val split.
_DECAYS = (0.01, 0.03, 0.1)

_Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, eq=False)
class Split:
  """What the demo keeps of a split.

  Attributes:
    ids: The `image_id` of each image.
    users: The `user_id` of each image.
    images: Shape [image, height, width, 3], uint8.
    labels: Whether each coarse label is present. Shape [image, class].
    features: Shape [image, feature].
  """

  ids: list[str]
  users: list[str]
  images: list[npt.NDArray[np.uint8]]
  labels: npt.NDArray[np.bool_]
  features: _Floats


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds the verb's flags."""
  parser.add_argument(
    '--out_dir',
    type=pathlib.Path,
    default=pathlib.Path('flair_tfds_demo'),
    help='where the results go (default: %(default)s)',
  )
  parser.add_argument(
    '--data_dir',
    type=pathlib.Path,
    help='where TFDS keeps the dataset (default: OUT_DIR/tensorflow_datasets)',
  )


def run(args: argparse.Namespace) -> int:
  """Runs the demo; returns the exit status."""
  out_dir = args.out_dir.expanduser()
  data_dir = args.data_dir or out_dir / 'tensorflow_datasets'
  out_dir.mkdir(parents=True, exist_ok=True)

  # No GPU is needed, but TensorFlow logs its absence as an error.
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
  import tensorflow_datasets as tfds

  datasets, info = tfds.load(
    DATASET, data_dir=data_dir.expanduser(), with_info=True
  )
  names = info.features['labels'].feature.names
  splits = {
    split: read_split(
      tfds.as_numpy(datasets[split]),
      num_classes=len(names),
      num_images=info.splits[split].num_examples,
      name=split,
    )
    for split in ('train', 'val', 'test')
  }
  for split, content in splits.items():
    print(
      f'{split:5s} {len(content.ids):4d} images of'
      f' {len(set(content.users)):2d} users'
    )
  write_sheet(out_dir / SHEET_FILE, splits['train'], names)

  test = splits['test']
  scores = fit_and_score(splits['train'], splits['val'], test.features)
  with files.atomic_write(out_dir / PREDICTIONS_FILE) as file:
    np.savez(
      file,
      ids=np.array(test.ids),
      scores=scores.astype(np.float32),
      class_names=np.array(names),
    )
  report = make_report(scores, test.labels, names)
  report['dataset'] = info.full_name
  report['split'] = 'test'
  files.write_json(out_dir / REPORT_FILE, report)
  print()
  print(
    f'Average precision (AP) on test; chance: the share of positives, which\n'
    f'random scores would get.\n\n{format_table(report)}'
  )
  print()
  for name in (SHEET_FILE, PREDICTIONS_FILE, REPORT_FILE):
    print(f'Wrote {out_dir / name}')
  return 0


def read_split(
  examples: Iterable[Mapping[str, Any]],
  *,
  num_classes: int,
  num_images: int,
  name: str,
) -> Split:
  """Reads a split, and computes the features of its images.

  Args:
    examples: As `tfds.as_numpy` gives them.
    num_classes: The number of coarse labels.
    num_images: The number of examples, for the progress bar.
    name: The split's name, for the progress bar.
  """
  ids, users, images, features = [], [], [], []
  labels = np.zeros((num_images, num_classes), np.bool_)
  with progress.bar(
    total=num_images, desc=f'Reading {name}', unit=' images'
  ) as bar:
    for i, example in enumerate(examples):
      ids.append(example['image_id'].decode())
      users.append(example['user_id'].decode())
      images.append(example['image'])
      features.append(extract_features(example['image']))
      labels[i, example['labels']] = True
      bar.update()
  return Split(ids, users, images, labels, np.stack(features))


def write_sheet(path: pathlib.Path, split: Split, names: Sequence[str]) -> None:
  """Writes a picture sheet: a row for each of the first users with many."""
  places = collections.defaultdict(list)
  for i, user in enumerate(split.users):
    places[user].append(i)
  rows = [
    chosen[:_IMAGES_PER_USER]
    for chosen in places.values()
    if len(chosen) >= _IMAGES_PER_USER
  ]
  chosen = [i for row in rows[:_USERS_ON_SHEET] for i in row]
  captions = [
    ', '.join(itertools.compress(names, split.labels[i]))
    + f'\n{split.users[i]}'
    for i in chosen
  ]
  sheet = picture_sheet.picture_sheet(
    [split.images[i] for i in chosen],
    captions,
    columns=_IMAGES_PER_USER,
    title=f'{DATASET}: drawn pictures, a row for each user',
  )
  with files.atomic_write(path) as file:
    sheet.save(file, 'PNG')


def extract_features(image: npt.NDArray[np.uint8]) -> _Floats:
  """Computes what a linear model can see of an image.

  The square roots of a colour histogram, a grid of mean colours, and the edges
  of each cell of a coarser grid by their direction.

  Args:
    image: Shape [256, 256, 3], uint8.

  Returns:
    Shape [feature], of 512 + 192 + 128 features.
  """
  size = image.shape[0] // 2
  half = image.reshape(size, 2, size, 2, 3).mean((1, 3))
  level = (half * (_COLOUR_LEVELS / 256)).astype(np.int64)
  colour = level @ np.array([_COLOUR_LEVELS**2, _COLOUR_LEVELS, 1])
  histogram = np.bincount(colour.ravel(), minlength=_COLOUR_LEVELS**3)

  cell = size // _GRID
  grid = half.reshape(_GRID, cell, _GRID, cell, 3).mean((1, 3))

  down, right = np.gradient(half.mean(2))
  turn = np.arctan2(down, right) % np.pi / np.pi
  direction = (turn * _EDGE_DIRECTIONS).astype(np.int64) % _EDGE_DIRECTIONS
  row = np.arange(size) * _EDGE_GRID // size
  place = (row[:, None] * _EDGE_GRID + row) * _EDGE_DIRECTIONS + direction
  edges = np.bincount(
    place.ravel(),
    weights=np.hypot(down, right).ravel(),
    minlength=_EDGE_GRID**2 * _EDGE_DIRECTIONS,
  )
  features: _Floats = np.concatenate(
    [np.sqrt(histogram / size**2), grid.ravel() / 255, np.sqrt(edges) / size]
  )
  return features


def fit_and_score(train: Split, val: Split, features: _Floats) -> _Floats:
  """Fits one logistic regression for each label, and scores other images.

  The weight decay is the one with the best mean average precision on `val`.

  Args:
    train: What to learn from.
    val: What to choose the weight decay by.
    features: Of the images to score. Shape [image, feature].

  Returns:
    The probability of each label. Shape [image, class].
  """
  mean = train.features.mean(0)
  # The floor keeps a colour that hardly occurs from being blown up.
  deviation = train.features.std(0) + 1e-3

  def standardise(raw: _Floats) -> _Floats:
    standard: _Floats = (raw - mean) / deviation
    return standard

  x = standardise(train.features)
  models = [_fit(x, train.labels, decay) for decay in _DECAYS]
  quality = [
    evaluation.average_precision(
      standardise(val.features) @ weights + bias, val.labels
    )
    for weights, bias in models
  ]
  weights, bias = models[int(np.argmax(quality))]
  return _sigmoid(standardise(features) @ weights + bias)


def _fit(
  x: _Floats, y: npt.NDArray[np.bool_], decay: float
) -> tuple[_Floats, _Floats]:
  """Fits by Nesterov's accelerated gradient; no step size to tune."""
  # With the bias fixed so, an average image gets each label's share (with one
  # more image with and without it: no label is certain).
  share = (y.sum(0) + 1) / (len(y) + 2)
  bias = np.log(share / (1 - share))
  # The largest curvature of the loss: no larger step is safe.
  curvature = np.linalg.norm(x, 2) ** 2 / (4 * len(x)) + decay
  weights = ahead = np.zeros((x.shape[1], y.shape[1]))
  for step in range(_NUM_STEPS):
    error = _sigmoid(x @ ahead + bias) - y
    new = ahead - (x.T @ error / len(x) + decay * ahead) / curvature
    ahead = new + step / (step + 3) * (new - weights)
    weights = new
  return weights, bias


def _sigmoid(x: _Floats) -> _Floats:
  # By tanh, which cannot overflow.
  share: _Floats = 0.5 + 0.5 * np.tanh(0.5 * x)
  return share


def make_report(
  scores: _Floats, labels: npt.NDArray[np.bool_], names: Sequence[str]
) -> dict[str, Any]:
  """Scores predictions.

  Args:
    scores: Shape [image, class].
    labels: Shape [image, class].
    names: Shape [class].

  Returns:
    Numbers to be saved as JSON. `chance` is what scores without knowledge
    give on many images: the share of positives.
  """
  shares = labels.mean(0)
  per_class = evaluation.average_precision(scores, labels, average=None)
  return {
    'num_images': len(labels),
    'metric': 'average precision',
    'classes': {
      name: {
        'num_positives': int(labels[:, c].sum()),
        'chance': float(shares[c]),
        'average_precision': float(per_class[c]),
      }
      for c, name in enumerate(names)
    },
    'macro': {
      'chance': float(shares.mean()),
      'average_precision': evaluation.average_precision(
        scores, labels, average='macro'
      ),
    },
    'micro': {
      'chance': float(labels.mean()),
      'average_precision': evaluation.average_precision(
        scores, labels, average='micro'
      ),
    },
  }


def format_table(report: Mapping[str, Any]) -> str:
  """Returns a report of `make_report` as a table for the terminal."""
  lines = [f'{"label":15s} {"positives":>9s} {"chance":>7s} {"AP":>7s}']
  rule = '-' * len(lines[0])
  lines.append(rule)
  for name, row in report['classes'].items():
    lines.append(
      f'{name:15s} {row["num_positives"]:9d} {row["chance"]:7.3f}'
      f' {row["average_precision"]:7.3f}'
    )
  lines.append(rule)
  for average in ('macro', 'micro'):
    row = report[average]
    lines.append(
      f'{average + " average":25s} {row["chance"]:7.3f}'
      f' {row["average_precision"]:7.3f}'
    )
  return '\n'.join(lines)
