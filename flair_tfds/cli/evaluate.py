"""Scores predictions, and writes a report.

  flair-tfds evaluate lenient --labels LABELS --predictions preds.npz
  flair-tfds evaluate accuracy --labels labels.json --predictions preds.json
  flair-tfds evaluate multilabel --labels LABELS --predictions scores.npz
  flair-tfds evaluate compare a.json b.json --labels LABELS
  flair-tfds evaluate shift --labels old.json --predictions m1=a.json m2=b.json
      --new_labels new.json --new_predictions m1=c.json m2=d.json

LABELS is the folder of a built dataset (<data_dir>/<name>/<version>), or a
file: `.npz` as MultiLabels.save writes it, the published
human_accuracy_v3.0.0.json (with --original), a `.npz` with `ids` and `labels`
[image, class] for multilabel, or one class per image in any layout of
predictions.

Predictions are `.npz` with ids and scores, `.csv`, `.json` dictionaries or
plain lists, `.txt`; see `flair_tfds.evaluation.reading`. A model is called as
its file, or NAME=FILE.

--report DIR writes report.json, report.html and PNG plots; plots need the
extra `plots`.
"""

import argparse
import dataclasses
import pathlib
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np

from flair_tfds import evaluation, hierarchy
from flair_tfds.core import errors, files
from flair_tfds.evaluation import reading
from flair_tfds.evaluation import report as report_lib
from flair_tfds.evaluation.report import Report, Source, Table
from flair_tfds.integrations import evaluation_reports

NAME = 'evaluate'
HELP = 'score predictions and write a report'

_DATASET_FILE = 'dataset_info.json'
_FEATURES_FILE = 'features.json'


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds the verb's metrics and their flags."""
  metrics = parser.add_subparsers(
    title='metrics', dest='metric', metavar='METRIC', required=True
  )
  lenient = metrics.add_parser(
    'lenient', help='several right answers: lenient per-class accuracy, ReaL'
  )
  _add_common(lenient)
  _add_policies(lenient)
  _add_original(lenient)
  lenient.add_argument(
    '--include_problematic',
    action='store_true',
    help='problematic images count too',
  )
  lenient.add_argument(
    '--on_empty_class',
    choices=('error', 'skip'),
    default='error',
    help='a class without scored images (default: %(default)s)',
  )
  lenient.set_defaults(evaluate=_evaluate_lenient)

  accuracy = metrics.add_parser(
    'accuracy', help='one right answer: accuracy with its exact interval'
  )
  _add_common(accuracy)
  _add_policies(accuracy)
  accuracy.set_defaults(evaluate=_evaluate_accuracy)

  multilabel = metrics.add_parser(
    'multilabel', help='score matrices: average precision, F1, rankings'
  )
  _add_common(multilabel)
  _add_split(multilabel)
  multilabel.add_argument(
    '--threshold',
    type=float,
    default=0.5,
    help='scores at least this high are decisions (default: %(default)s)',
  )
  multilabel.add_argument(
    '--on_no_positives',
    choices=('zero', 'skip', 'error'),
    default='zero',
    help='classes without positives (default: zero, as scikit-learn)',
  )
  multilabel.add_argument(
    '--num_resamples',
    type=int,
    default=0,
    help='bootstrap draws, of users where they are known, for the intervals '
    'of the average precision (default: none)',
  )
  _add_seed(multilabel)
  multilabel.set_defaults(evaluate=_evaluate_multilabel)

  compare = metrics.add_parser(
    'compare', help='models on the same images: ranking and paired tests'
  )
  compare.add_argument(
    'models', nargs='+', metavar='[NAME=]PREDICTIONS', help='one per model'
  )
  compare.add_argument('--labels', required=True, help='dataset folder or file')
  compare.add_argument('--report', type=pathlib.Path, help='folder to write')
  _add_original(compare)
  _add_top_k(compare)
  _add_split(compare)
  _add_resamples(compare)
  _add_seed(compare)
  compare.set_defaults(evaluate=_evaluate_compare)

  shift = metrics.add_parser(
    'shift', help='models on an original and on a new test set'
  )
  for prefix in ('', 'new_'):
    shift.add_argument(
      f'--{prefix}labels', required=True, help='one class per image'
    )
    shift.add_argument(
      f'--{prefix}predictions',
      required=True,
      nargs='+',
      metavar='[NAME=]PREDICTIONS',
      help='one per model, the same models for both',
    )
  shift.add_argument('--report', type=pathlib.Path, help='folder to write')
  _add_resamples(shift)
  _add_seed(shift)
  shift.set_defaults(evaluate=_evaluate_shift)


def _add_common(parser: argparse.ArgumentParser) -> None:
  parser.add_argument(
    '--labels', required=True, help='folder of a built dataset, or a file'
  )
  parser.add_argument(
    '--predictions', required=True, help='.npz, .npy, .json, .csv or .txt'
  )
  parser.add_argument(
    '--report', type=pathlib.Path, help='folder to write the report to'
  )


def _add_policies(parser: argparse.ArgumentParser) -> None:
  _add_top_k(parser)
  for flag, choices, what in (
    ('--on_missing', ('error', 'wrong', 'skip'), 'images without a prediction'),
    ('--on_unknown', ('error', 'ignore'), 'predictions of unknown images'),
    ('--on_bad_class', ('error', 'wrong'), 'class ids out of range'),
  ):
    parser.add_argument(
      flag, choices=choices, default='error', help=f'{what} (default: error)'
    )


def _add_top_k(parser: argparse.ArgumentParser) -> None:
  parser.add_argument(
    '--top_k',
    type=int,
    default=1,
    help='an image is right if any of its first k predictions is (default: 1)',
  )


def _add_split(parser: argparse.ArgumentParser) -> None:
  parser.add_argument(
    '--split', default='test', help='split of the dataset (default: test)'
  )
  parser.add_argument(
    '--label_feature',
    help='feature of the dataset with the labels (default: the one whose '
    'classes the scores have)',
  )


def _add_original(parser: argparse.ArgumentParser) -> None:
  parser.add_argument(
    '--original',
    help='with human_accuracy_v3.0.0.json: the original class of each image, '
    'by file name or in the order of the 50,000 validation images',
  )


def _add_resamples(parser: argparse.ArgumentParser) -> None:
  parser.add_argument(
    '--num_resamples',
    type=int,
    default=1000,
    help='draws for intervals and p-values (default: %(default)s)',
  )


def _add_seed(parser: argparse.ArgumentParser) -> None:
  parser.add_argument(
    '--seed', type=int, default=0, help='of the draws (default: %(default)s)'
  )


def run(args: argparse.Namespace) -> int:
  """Scores, prints and writes the report; returns the exit status."""
  args.labels = str(pathlib.Path(args.labels).expanduser())
  # A folder that cannot be made is told before the work, not after it.
  if args.report is not None:
    args.report = args.report.expanduser()
    args.report.mkdir(parents=True, exist_ok=True)
  report = dataclasses.replace(args.evaluate(args), settings=_settings(args))
  print(_format(report))
  if args.report is not None:
    report_lib.write(report, args.report)
    print(f'\nWrote {args.report / report_lib.HTML_FILE}')
  return 0


def _evaluate_lenient(args: argparse.Namespace) -> Report:
  labels = _read_multi_labels(args)
  found = evaluation.lenient_accuracy(
    reading.read_predictions(args.predictions),
    labels,
    top_k=args.top_k,
    include_problematic=args.include_problematic,
    on_missing=args.on_missing,
    on_unknown=args.on_unknown,
    on_bad_class=args.on_bad_class,
    on_empty_class=args.on_empty_class,
  )
  report = evaluation_reports.lenient(
    _model_name(args.predictions), found, labels, plots=_wants_plots(args)
  )
  sources = _sources(labels=args.labels, predictions=args.predictions)
  return dataclasses.replace(report, sources=sources)


def _evaluate_accuracy(args: argparse.Namespace) -> Report:
  found = evaluation.accuracy(
    reading.read_predictions(args.predictions),
    reading.read_single_labels(args.labels),
    top_k=args.top_k,
    on_missing=args.on_missing,
    on_unknown=args.on_unknown,
    on_bad_class=args.on_bad_class,
  )
  report = evaluation_reports.accuracy(
    _model_name(args.predictions), found, plots=_wants_plots(args)
  )
  sources = _sources(labels=args.labels, predictions=args.predictions)
  return dataclasses.replace(report, sources=sources)


def _evaluate_multilabel(args: argparse.Namespace) -> Report:
  predictions = reading.read_predictions(args.predictions)
  matrix = _read_label_matrix(args, predictions)
  taxonomy = None
  if (pathlib.Path(args.labels) / hierarchy.flair.RELATIONSHIP_FILE).is_file():
    taxonomy = hierarchy.load(args.labels)
  report = evaluation_reports.multilabel(
    _model_name(args.predictions),
    matrix.align(predictions),
    matrix,
    threshold=args.threshold,
    on_no_positives=args.on_no_positives,
    num_resamples=args.num_resamples,
    seed=args.seed,
    taxonomy=taxonomy,
    plots=_wants_plots(args),
  )
  sources = _sources(labels=args.labels, predictions=args.predictions)
  return dataclasses.replace(report, sources=sources)


def _evaluate_compare(args: argparse.Namespace) -> Report:
  paths = _named_paths(args.models)
  if len(paths) < 2:
    raise ValueError(
      'There must be at least two models to compare; found '
      f'{errors.listing(list(paths))}.'
    )
  models = _read_models(paths)
  options: dict[str, Any] = {
    'rng': np.random.default_rng(args.seed),
    'num_resamples': args.num_resamples,
  }
  kind = _kind_of_labels(pathlib.Path(args.labels))
  if kind == 'matrix':
    matrix = _read_label_matrix(args, next(iter(models.values())))
    scores = {name: matrix.align(found) for name, found in models.items()}
    report = evaluation_reports.score_models(scores, matrix, **options)
  else:
    labels: Any = (
      reading.read_single_labels(args.labels)
      if kind == 'single'
      else _read_multi_labels(args)
    )
    found = evaluation.compare_models(models, labels, top_k=args.top_k)
    report = evaluation_reports.models(
      found, **options, plots=_wants_plots(args)
    )
  sources = (
    *_sources(labels=args.labels),
    *(Source.of(f'model {name}', path) for name, path in paths.items()),
  )
  return dataclasses.replace(report, sources=sources)


def _evaluate_shift(args: argparse.Namespace) -> Report:
  old, new = (
    _named_paths(paths) for paths in (args.predictions, args.new_predictions)
  )
  found = evaluation.compare(
    _read_models(old),
    reading.read_single_labels(args.labels),
    _read_models(new),
    reading.read_single_labels(args.new_labels),
    rng=np.random.default_rng(args.seed),
    num_resamples=args.num_resamples,
  )
  report = evaluation_reports.shift(found, plots=_wants_plots(args))
  sources = (
    *_sources(labels=args.labels, new_labels=args.new_labels),
    *(Source.of(f'model {name}', path) for name, path in old.items()),
    *(Source.of(f'model {name}, new', path) for name, path in new.items()),
  )
  return dataclasses.replace(report, sources=sources)


def _kind_of_labels(path: pathlib.Path) -> Literal['multi', 'matrix', 'single']:
  """Returns what is known of each image.

  'multi': expert labels; 'matrix': whether each class is present; 'single':
  one class.
  """
  if path.is_dir():
    _check_dataset(path)
    features = files.read_json(path / _FEATURES_FILE)
    names = set(features.get('featuresDict', {}).get('features', ()))
    is_multi = bool(names & {'correct_multi_labels', 'real_label'})
    return 'multi' if is_multi else 'matrix'
  if path.suffix == '.npz':
    with np.load(path, allow_pickle=False) as file:
      if 'correct_offsets' in file.files:
        return 'multi'
      if 'labels' in file.files and file['labels'].ndim == 2:
        return 'matrix'
  if path.suffix == '.json' and _is_human_accuracy(path):
    return 'multi'
  return 'single'


def _is_human_accuracy(path: pathlib.Path) -> bool:
  # The published file is 200 MB: its beginning tells.
  with path.open('rb') as file:
    return b'"initial_annots"' in file.read(1000)


def _read_multi_labels(args: argparse.Namespace) -> evaluation.MultiLabels:
  """Reads labels of several right answers."""
  path = pathlib.Path(args.labels)
  if path.is_dir():
    _check_dataset(path)
    return evaluation.MultiLabels.from_directory(path)
  if path.suffix == '.npz':
    return evaluation.MultiLabels.load(path)
  if path.suffix == '.json' and args.original is not None:
    original: Any = reading.read_single_labels(args.original)
    return evaluation.MultiLabels.from_human_accuracy_json(
      path, original=original
    )
  raise ValueError(
    f'{path}: labels of several right answers must be the folder of a built '
    'dataset, a .npz of MultiLabels.save, or human_accuracy_v3.0.0.json with '
    '--original, the class for which each image was collected.'
  )


def _read_label_matrix(
  args: argparse.Namespace, predictions: Any
) -> reading.LabelMatrix:
  """Reads a label matrix from a file, or from a built dataset."""
  path = pathlib.Path(args.labels)
  if not path.is_dir():
    return reading.read_label_matrix(path)
  _check_dataset(path)
  values = getattr(predictions, 'values', predictions)
  return reading.LabelMatrix.from_directory(
    path,
    split=args.split,
    label_feature=args.label_feature,
    class_names=getattr(predictions, 'class_names', None),
    num_classes=values.shape[-1],
  )


def _check_dataset(path: pathlib.Path) -> None:
  if not (path / _DATASET_FILE).is_file():
    raise FileNotFoundError(
      f'The folder of a built dataset must hold {_DATASET_FILE}; there is none '
      f'in {path}. Pass the folder of the version, '
      '<data_dir>/<name>[/<config>]/<version>.'
    )


def _wants_plots(args: argparse.Namespace) -> bool:
  return args.report is not None


def _read_models(paths: Mapping[str, str]) -> dict[str, Any]:
  return {name: reading.read_predictions(path) for name, path in paths.items()}


def _named_paths(models: list[str]) -> dict[str, str]:
  """Returns the file of each model, of `NAME=FILE` or of `FILE`."""
  paths: dict[str, str] = {}
  for model in models:
    name, equals, path = model.partition('=')
    if not equals:
      name, path = _model_name(model), model
    if name in paths:
      raise ValueError(
        f'Each model must have a name of its own; {name!r} is that of '
        f'{paths[name]} and of {path}. Name them: NAME=FILE.'
      )
    paths[name] = path
  return paths


def _model_name(path: str) -> str:
  return pathlib.Path(path).stem


def _sources(**paths: str) -> tuple[Source, ...]:
  return tuple(
    Source.of(role, pathlib.Path(path).expanduser())
    for role, path in paths.items()
  )


def _settings(args: argparse.Namespace) -> dict[str, Any]:
  """Returns the options that decide the numbers."""
  ignored = {
    'verb',
    'run',
    'evaluate',
    'debug',
    'report',
    'labels',
    'predictions',
    'new_labels',
    'new_predictions',
    'models',
    'original',
  }
  return {
    name: value
    for name, value in vars(args).items()
    if name not in ignored and value is not None
  }


def _format(report: Report) -> str:
  """Returns the report's numbers and short tables for the terminal."""
  width = max((len(number.name) for number in report.numbers), default=0)
  lines = [report.title, '']
  for number in report.numbers:
    text = f'{number.name:<{width}}  {_show(number.value):>9}'
    if number.low is not None and number.high is not None:
      text += f'  [{_show(number.low)}, {_show(number.high)}]'
    lines.append(f'{text}  {number.note}'.rstrip())
  for table in report.tables:
    if len(table.rows) <= 40:
      lines += ['', table.title, *_format_table(table)]
  return '\n'.join(lines)


def _format_table(table: Table) -> list[str]:
  cells = [table.columns, *([_show(v) for v in row] for row in table.rows)]
  widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
  return [
    '  '.join(
      f'{cell:<{width}}' if i == 0 else f'{cell:>{width}}'
      for i, (cell, width) in enumerate(zip(row, widths, strict=True))
    ).rstrip()
    for row in cells
  ]


_show: Callable[[Any], str] = report_lib.format_number
