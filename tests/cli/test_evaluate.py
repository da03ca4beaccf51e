import argparse
import json

import numpy as np
import pytest
import tensorflow_datasets as tfds

from flair_tfds import evaluation
from flair_tfds.cli import evaluate
from flair_tfds.core import errors

LABELS = [0, 1] * 20


def run(*argv):
  parser = argparse.ArgumentParser()
  evaluate.add_arguments(parser)
  return evaluate.run(parser.parse_args([str(arg) for arg in argv]))


def write_json(path, value):
  path.write_text(json.dumps(value))
  return path


def read_report(folder):
  return json.loads((folder / 'report.json').read_text())


def value(report, name):
  return report['numbers'][name]['value']


@pytest.fixture
def multi(tmp_path):
  labels = evaluation.MultiLabels.from_arrays(
    ids=['a', 'b', 'c'],
    original=[0, 1, 1],
    correct=[[0], [1], [1]],
    unclear=[[], [0], []],
    problematic=[False, False, True],
    class_names=['cat', 'dog'],
  )
  labels.save(tmp_path / 'labels.npz')
  return tmp_path / 'labels.npz'


def test_lenient(tmp_path, multi, capsys):
  predictions = write_json(tmp_path / 'm.json', {'a': 1, 'b': 0, 'c': 0})
  status = run(
    'lenient',
    '--labels',
    multi,
    '--predictions',
    predictions,
    '--report',
    tmp_path / 'out',
  )
  assert status == 0
  report = read_report(tmp_path / 'out')
  assert value(report, 'lenient, macro') == 0.5
  assert value(report, 'strict, macro') == 0.0
  assert value(report, 'scored images') == 2
  assert report['sources'][1]['name'] == 'm.json'
  assert report['settings']['top_k'] == 1
  assert (tmp_path / 'out' / 'per_class.png').is_file()
  assert 'lenient, macro     0.5000' in capsys.readouterr().out


def test_lenient_of_names_in_a_csv(tmp_path, multi, capsys):
  (tmp_path / 'm.csv').write_text('a,cat\nb,cat\nc,cat\n')
  run('lenient', '--labels', multi, '--predictions', tmp_path / 'm.csv')
  assert 'lenient, macro     1.0000' in capsys.readouterr().out


def test_lenient_tells_missing_predictions(tmp_path, multi):
  predictions = write_json(tmp_path / 'm.json', {'a': 0})
  with pytest.raises(ValueError, match="2 of 3 do not: 'b', 'c'"):
    run('lenient', '--labels', multi, '--predictions', predictions)


def test_lenient_follows_the_policy(tmp_path, multi, capsys):
  predictions = write_json(tmp_path / 'm.json', {'a': 0})
  run(
    'lenient',
    '--labels',
    multi,
    '--predictions',
    predictions,
    '--on_missing=skip',
    '--on_empty_class=skip',
  )
  assert 'lenient, macro     1.0000' in capsys.readouterr().out


def test_lenient_says_which_labels_it_wants(tmp_path):
  labels = write_json(tmp_path / 'labels.json', LABELS)
  with pytest.raises(ValueError, match=r'labels\.json: labels of several'):
    run('lenient', '--labels', labels, '--predictions', labels)


def test_folder_that_is_no_dataset_is_named(tmp_path):
  with pytest.raises(FileNotFoundError, match=r'must hold dataset_info\.json'):
    run('lenient', '--labels', tmp_path, '--predictions', 'x.json')


def test_accuracy_of_plain_lists(tmp_path, capsys):
  labels = write_json(tmp_path / 'labels.json', LABELS)
  predictions = write_json(tmp_path / 'm.json', [0] * 40)
  run(
    'accuracy',
    '--labels',
    labels,
    '--predictions',
    predictions,
    '--report',
    tmp_path / 'out',
  )
  number = read_report(tmp_path / 'out')['numbers']['accuracy']
  assert number['value'] == 0.5
  assert number['interval'] == list(evaluation.clopper_pearson(20, 40))
  assert 'accuracy              0.5000' in capsys.readouterr().out


def make_matrix(tmp_path, **changes):
  rng = np.random.default_rng(0)
  labels = rng.random((30, 3)) < 0.5
  arrays = {
    'ids': [str(i) for i in range(30)],
    'labels': labels,
    'class_names': ['animal', 'food', 'plant'],
    'groups': [f'u{i // 3}' for i in range(30)],
  }
  np.savez(tmp_path / 'labels.npz', **(arrays | changes))
  scores = np.clip(rng.random((30, 3)) / 2 + labels / 4, 0, 1)
  np.savez(
    tmp_path / 'scores.npz',
    ids=arrays['ids'][::-1],
    scores=scores[::-1, ::-1],
    class_names=arrays['class_names'][::-1],
  )
  return scores, labels


def test_multilabel(tmp_path, capsys):
  scores, labels = make_matrix(tmp_path)
  run(
    'multilabel',
    '--labels',
    tmp_path / 'labels.npz',
    '--predictions',
    tmp_path / 'scores.npz',
    '--report',
    tmp_path / 'out',
    '--num_resamples=20',
  )
  report = read_report(tmp_path / 'out')
  for average in ('macro', 'micro', 'weighted', 'samples'):
    found = report['numbers'][f'average precision, {average}']
    assert found['value'] == evaluation.average_precision(
      scores, labels, average=average
    )
    assert found['interval'][0] <= found['value'] <= found['interval'][1]
    assert 'over users, 20 draws' in found['note']
  files = {path.name for path in (tmp_path / 'out').iterdir()}
  assert files == {
    'calibration.png',
    'per_class.png',
    'precision_recall.png',
    'report.html',
    'report.json',
    'users.png',
  }
  titles = [table['title'] for table in report['tables']]
  assert titles == ['Classes', 'Users']
  assert 'average precision, macro' in capsys.readouterr().out


def test_multilabel_of_logits_has_no_calibration(tmp_path):
  scores, labels = make_matrix(tmp_path)
  np.savez(tmp_path / 'scores.npz', scores=scores * 10 - 5)
  run(
    'multilabel',
    '--labels',
    tmp_path / 'labels.npz',
    '--predictions',
    tmp_path / 'scores.npz',
    '--report',
    tmp_path / 'out',
    '--threshold=0',
  )
  report = read_report(tmp_path / 'out')
  assert not (tmp_path / 'out' / 'calibration.png').exists()
  counts = evaluation.DecisionCounts.from_batch(scores, labels)
  assert value(report, 'f1, macro') == pytest.approx(counts.f1())


def compare_models(tmp_path, *argv):
  right, wrong = [0, 1] * 20, [0] * 40
  paths = [
    write_json(tmp_path / 'good.json', right),
    write_json(tmp_path / 'bad.json', wrong),
  ]
  labels = write_json(tmp_path / 'labels.json', LABELS)
  run(
    'compare',
    *paths,
    '--labels',
    labels,
    '--report',
    tmp_path / 'out',
    '--num_resamples=50',
    *argv,
  )
  return read_report(tmp_path / 'out')


def test_compare(tmp_path):
  report = compare_models(tmp_path)
  assert list(report['numbers']) == ['bad', 'good']
  models, pairs = report['tables']
  assert [row[0] for row in models['rows']] == ['good', 'bad']
  assert pairs['title'] == 'Against good'
  name, difference, low, high, swaps, mcnemar = pairs['rows'][0]
  assert (name, difference) == ('bad', -0.5)
  assert low < -0.5 < high < 0
  assert swaps == pytest.approx(1 / 51)
  assert mcnemar == pytest.approx(2 * 0.5**20)
  assert (tmp_path / 'out' / 'models.png').is_file()


def test_compare_with_the_same_seed_gives_the_same_report(tmp_path):
  first = compare_models(tmp_path, '--seed=3')
  assert compare_models(tmp_path, '--seed=3') == first
  assert compare_models(tmp_path, '--seed=4') != first


def test_compare_of_several_right_answers_is_lenient(tmp_path, multi, capsys):
  one = write_json(tmp_path / 'one.json', {'a': 0, 'b': 0, 'c': 0})
  two = write_json(tmp_path / 'two.json', {'a': 1, 'b': 0, 'c': 0})
  run('compare', f'x={one}', two, '--labels', multi, '--num_resamples=9')
  out = capsys.readouterr().out
  assert 'x       1.0000  mean over classes' in out
  assert 'two     0.5000' in out


def test_compare_of_score_matrices_is_by_user(tmp_path):
  scores, labels = make_matrix(tmp_path)
  np.savez(tmp_path / 'noise.npz', scores=scores[::-1])
  run(
    'compare',
    tmp_path / 'scores.npz',
    tmp_path / 'noise.npz',
    '--labels',
    tmp_path / 'labels.npz',
    '--num_resamples=20',
    '--report',
    tmp_path / 'out',
  )
  values, pairs = read_report(tmp_path / 'out')['tables']
  assert values['rows'][0] == [
    'scores',
    *(
      evaluation.average_precision(scores, labels, average=average)
      for average in ('macro', 'micro', 'samples')
    ),
  ]
  name, difference, low, high, p_value = pairs['rows'][0]
  assert name == 'noise'
  assert low <= difference <= high < 0
  assert p_value == pytest.approx(1 / 21)
  assert 'over users' in pairs['note']


def test_lenient_reads_human_accuracy_json(tmp_path, capsys):
  wnids = [f'n{i:08d}' for i in range(1000)]
  names = [f'ILSVRC2012_val_{i + 1:08d}.JPEG' for i in range(1000)]
  annotations = {
    name: {'correct': [wnid]} for name, wnid in zip(names, wnids, strict=True)
  }
  labels = write_json(
    tmp_path / 'human_accuracy.json',
    {'initial_annots': annotations, 'problematic_images': {}},
  )
  predictions = write_json(
    tmp_path / 'm.json', dict(zip(names, wnids, strict=True))
  )
  original = write_json(tmp_path / 'original.json', list(range(1000)))
  flags = ['--labels', labels, '--original', original]
  run('lenient', *flags, '--predictions', predictions)
  assert 'lenient, macro     1.0000' in capsys.readouterr().out
  other = write_json(tmp_path / 'n.json', [0] * 1000)
  run('compare', predictions, other, *flags, '--num_resamples=3')
  assert 'm     1.0000  mean over classes' in capsys.readouterr().out


def test_compare_needs_two_models(tmp_path):
  labels = write_json(tmp_path / 'labels.json', LABELS)
  with pytest.raises(ValueError, match="two models to compare; found 'labels'"):
    run('compare', labels, '--labels', labels)


def test_models_of_the_same_name_are_refused(tmp_path):
  labels = write_json(tmp_path / 'labels.json', LABELS)
  with pytest.raises(
    ValueError, match=r"own; 'labels' is that of .* NAME=FILE"
  ):
    run('compare', labels, labels, '--labels', labels)


def test_shift(tmp_path):
  labels = write_json(tmp_path / 'labels.json', LABELS)
  for prefix, step in (('old', 2), ('new', 4)):
    for number in (1, 2, 3):
      wrong = np.array(LABELS)
      wrong[: step * number] = 1 - wrong[: step * number]
      write_json(tmp_path / f'{prefix}{number}.json', wrong.tolist())
  run(
    'shift',
    '--labels',
    labels,
    '--predictions',
    *(f'm{i}={tmp_path}/old{i}.json' for i in (1, 2, 3)),
    '--new_labels',
    labels,
    '--new_predictions',
    *(f'm{i}={tmp_path}/new{i}.json' for i in (1, 2, 3)),
    '--report',
    tmp_path / 'out',
  )
  report = read_report(tmp_path / 'out')
  assert value(report, 'slope') == pytest.approx(2)
  assert value(report, 'intercept') == pytest.approx(-1)
  row = report['tables'][0]['rows'][0]
  assert (row[0], row[1], row[4], row[8]) == ('m1', 0.95, 0.9, pytest.approx(2))
  assert (tmp_path / 'out' / 'shift.png').is_file()


def test_unreadable_predictions_name_the_file(tmp_path, multi):
  (tmp_path / 'm.json').write_text('{')
  with pytest.raises(errors.BadDataError, match=r'm\.json: the file must hold'):
    run('lenient', '--labels', multi, '--predictions', tmp_path / 'm.json')


def test_report_that_cannot_be_written_is_told_first(tmp_path, multi):
  (tmp_path / 'out').write_text('a file')
  with pytest.raises(FileExistsError):
    run(
      'lenient',
      '--labels',
      multi,
      '--predictions',
      'missing.json',
      '--report',
      tmp_path / 'out',
    )


class FewCoarse(tfds.core.GeneratorBasedBuilder):
  """FLAIR's features, with fine labels of which one is unknown."""

  VERSION = tfds.core.Version('1.0.0')

  def _info(self):
    def sequence(names):
      return tfds.features.Sequence(tfds.features.ClassLabel(names=names))

    return tfds.core.DatasetInfo(
      builder=self,
      features=tfds.features.FeaturesDict(
        {
          'image_id': tfds.features.Text(),
          'user_id': tfds.features.Text(),
          'labels': sequence(['animal', 'food']),
          'fine_grained_labels': sequence(['abalone', 'acorn', 'zebra']),
        }
      ),
    )

  def _split_generators(self, dl_manager):
    return {'test': self._generate_examples()}

  def _generate_examples(self):
    for row in range(12):
      yield (
        row,
        {
          'image_id': f'{row}',
          'user_id': f'u{row // 4}',
          'labels': [row % 2],
          'fine_grained_labels': [row % 3],
        },
      )


@pytest.fixture
def dataset(tmp_path):
  FewCoarse(data_dir=tmp_path).download_and_prepare()
  folder = tmp_path / 'few_coarse' / '1.0.0'
  (folder / 'label_relationship.txt').write_text(
    'abalone -> animal\nacorn -> food\n'
  )
  return folder


def test_multilabel_of_a_built_dataset(tmp_path, dataset, capsys):
  ids = [str(i) for i in range(12)]
  scores = np.eye(3)[np.arange(12) % 3]
  np.savez(tmp_path / 'scores.npz', ids=ids, scores=scores)
  run(
    'multilabel', '--labels', dataset, '--predictions', tmp_path / 'scores.npz'
  )
  out = capsys.readouterr().out
  assert 'average precision, macro' in out
  assert 'num groups' in out
  assert 'Levels of the hierarchy' in out


def test_multilabel_of_an_unknown_split(tmp_path, dataset):
  np.savez(tmp_path / 'scores.npz', ids=['0'], scores=[[0.1, 0.2]])
  with pytest.raises(ValueError, match="split must be one of 'test'"):
    run(
      'multilabel',
      '--labels',
      dataset,
      '--predictions',
      tmp_path / 'scores.npz',
      '--split=val',
    )
