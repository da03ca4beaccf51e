import subprocess
import sys

import numpy as np

from flair_tfds import evaluation, hierarchy
from flair_tfds.evaluation import reading
from flair_tfds.integrations import evaluation_reports


def make_matrix(names):
  rng = np.random.default_rng(0)
  labels = rng.random((20, len(names))) < 0.5
  matrix = reading.LabelMatrix(
    tuple(map(str, range(20))), labels, tuple(names), None
  )
  return rng.random(labels.shape), matrix


def make_taxonomy():
  tree = hierarchy.Tree.from_ids(
    ['animal', 'food', 'cat', 'dog'], [None, None, 'animal', 'animal']
  )
  return hierarchy.Taxonomy(tree)


def test_values_by_level_are_reported_where_the_hierarchy_is_known():
  scores, matrix = make_matrix(['cat', 'dog', 'food', 'zebra'])
  report = evaluation_reports.multilabel(
    'm', scores, matrix, taxonomy=make_taxonomy(), plots=False
  )
  levels = {table.title: table for table in report.tables}[
    'Levels of the hierarchy'
  ]
  assert [row[:2] for row in levels.rows] == [('coarse', 2), ('fine', 2)]
  rolled = np.stack([scores[:, :2].max(axis=1), scores[:, 2]], axis=1)
  labels = np.stack(
    [matrix.labels[:, :2].any(axis=1), matrix.labels[:, 2]], axis=1
  )
  assert levels.rows[0][2] == evaluation.average_precision(rolled, labels)
  assert levels.note.endswith('1 labels are not in the hierarchy and left out.')


def test_coarse_labels_alone_have_no_levels():
  scores, matrix = make_matrix(['animal', 'food'])
  report = evaluation_reports.multilabel(
    'm', scores, matrix, taxonomy=make_taxonomy(), plots=False
  )
  assert [table.title for table in report.tables] == ['Classes']


def test_many_models_are_ranked_and_compared_with_the_best():
  labels = [0, 1] * 20
  found = evaluation.compare_models({'a': [0] * 40, 'b': labels}, labels)
  report = evaluation_reports.models(
    found, rng=np.random.default_rng(0), num_resamples=9, plots=False
  )
  assert [row[0] for row in report.tables[0].rows] == ['b', 'a']
  assert report.tables[1].title == 'Against b'


def test_matplotlib_is_imported_only_for_plots():
  code = (
    'import sys\n'
    'from flair_tfds import evaluation\n'
    'from flair_tfds.integrations import evaluation_reports\n'
    'found = evaluation.accuracy([0, 1], [0, 1])\n'
    'evaluation_reports.accuracy("m", found, plots=False)\n'
    'print("matplotlib" in sys.modules)'
  )
  found = subprocess.run(
    [sys.executable, '-c', code], check=True, capture_output=True, text=True
  )
  assert found.stdout.strip() == 'False'
