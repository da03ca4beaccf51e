import argparse
import json

import numpy as np
import pytest
from PIL import Image

from flair_tfds import federated
from flair_tfds.cli import describe
from flair_tfds.datasets.flair import published, published_statistics


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory):
  import tensorflow_datasets as tfds

  import flair_tfds  # noqa: F401

  folder = tmp_path_factory.mktemp('data')
  tfds.builder('flair/miniature', data_dir=folder).download_and_prepare()
  return folder


def run(*argv) -> int:
  parser = argparse.ArgumentParser()
  describe.add_arguments(parser)
  return describe.run(parser.parse_args([str(arg) for arg in argv]))


@pytest.fixture(scope='module')
def report(data_dir):
  clients = federated.load('flair/miniature', 'all', data_dir=data_dir)
  return describe.make_report(clients)


def test_tables_show_splits_labels_and_pairs(data_dir, capsys):
  assert run('flair/miniature', '--data_dir', data_dir) == 0
  lines = capsys.readouterr().out.splitlines()
  assert lines[0].startswith('flair/miniature/1.0.0, tfrecord, 3 shards, ')
  (train,) = [line.split() for line in lines if line.startswith('train ')]
  assert train[:3] == ['train', '42', '280']
  (whole,) = [line.split() for line in lines if line.startswith('all ')]
  assert whole[:3] == ['all', '60', '400']
  assert any(line.startswith('labels: 17 of 17 occur; ') for line in lines)
  assert any('most frequent pairs' in line for line in lines)


def test_long_lists_show_head_and_tail(data_dir, capsys):
  run('flair/miniature', '--data_dir', data_dir, '--top', 5)
  out = capsys.readouterr().out
  assert '    ... 12 more ...\n' in out  # 17 coarse
  assert '    ... 51 more ...\n' in out  # 56 fine


def test_json_is_the_report(data_dir, report, capsys):
  run('flair/miniature', '--data_dir', data_dir, '--json')
  assert json.loads(capsys.readouterr().out) == report


def test_numbers_are_those_of_the_dataset(data_dir, report):
  import tensorflow_datasets as tfds

  builder = tfds.builder('flair/miniature', data_dir=data_dir)
  counts = np.zeros((17, 17), int)
  users = set()
  for split in ('train', 'val', 'test'):
    for example in tfds.as_numpy(builder.as_dataset(split)):
      hot = np.isin(np.arange(17), example['labels'])
      counts += np.outer(hot, hot)
      users.add(example['user_id'])
  assert report['all']['num_users'] == len(users)
  assert report['cooccurrence']['labels']['images'] == counts.tolist()
  names = builder.info.features['labels'].feature.names
  assert report['all']['labels']['labels']['images'] == {
    name: counts[c, c] for c, name in enumerate(names)
  }


def test_files_are_written(data_dir, report, tmp_path, capsys):
  pytest.importorskip('matplotlib')
  run('flair/miniature', '--data_dir', data_dir, '--out_dir', tmp_path / 'out')
  names = {path.name for path in (tmp_path / 'out').iterdir()}
  assert names == {
    'report.json',
    'images_per_user.png',
    'labels.png',
    'fine_grained_labels.png',
    'cooccurrence_labels.png',
    'cooccurrence_fine_grained_labels.png',
    'divergence.png',
  }
  saved = json.loads((tmp_path / 'out' / 'report.json').read_text())
  assert saved == report
  out = capsys.readouterr().out
  for name in names:
    assert f'Wrote {tmp_path / "out" / name}\n' in out
  for name in names - {'report.json'}:
    with Image.open(tmp_path / 'out' / name) as image:
      assert image.width >= 1000


def test_other_data_is_not_as_published(data_dir, capsys):
  argv = ('flair/miniature', '--data_dir', data_dir, '--check_published')
  assert run(*argv) == 1
  out = capsys.readouterr().out
  assert '  images: published 429078, found 400\n' in out


def as_published():
  """A report in which everything is as published."""
  labels = {
    feature: {
      **{
        name: summary
        for (f, name), summary in published_statistics.LABEL_SUMMARIES.items()
        if f == feature
      },
      'images': counts,
      'num_classes_present': published.NUM_FINE_LABELS,
    }
    for feature, counts in (
      ('labels', published.COARSE_IMAGE_COUNTS),
      ('fine_grained_labels', published_statistics.FINE_IMAGE_COUNTS),
    )
  }
  return {
    'all': {
      'num_images': published.NUM_IMAGES,
      'labels': labels,
      **published_statistics.SUMMARIES,
    },
    'splits': {
      split: {
        'num_images': published.IMAGES_PER_SPLIT[split],
        'num_users': published.USERS_PER_SPLIT[split],
      }
      for split in published.IMAGES_PER_SPLIT
    },
  }


def test_the_published_statistics_agree_with_themselves():
  number, lines = published_statistics.differences(as_published())
  assert lines == []
  assert number == 1 + 3 + 3 + 8 + 4 * 8 + 17 + 20 + 1


def test_one_figure_that_differs_is_named():
  report = as_published()
  report['splits']['val']['num_users'] += 1
  _, lines = published_statistics.differences(report)
  assert lines == ['users of val: published 5141, found 5142']


def test_the_published_statistics_are_those_of_the_notebook(real_data):
  path = real_data / 'flair_facts' / 'label_stats.json'
  expected = json.loads(path.read_text())
  found = published_statistics
  assert expected['n_images'] == published.NUM_IMAGES
  assert expected['images_per_split'] == published.IMAGES_PER_SPLIT
  assert expected['users_per_split'] == published.USERS_PER_SPLIT
  assert expected['coarse_image_counts'] == published.COARSE_IMAGE_COUNTS
  assert expected['fine_image_counts_top20'] == found.FINE_IMAGE_COUNTS
  summaries = expected['describe']
  assert summaries['images_per_user'] == found.SUMMARIES['images_per_user']
  for feature, name in (('labels', 'coarse'), ('fine_grained_labels', 'fine')):
    for what in ('labels_per_image', 'labels_per_user'):
      summary = found.LABEL_SUMMARIES[feature, what]
      assert summaries[f'{name}_{what}'] == summary


def test_only_flair_is_compared_with_published_figures(tmp_path, data_dir):
  path = tmp_path / 'other' / '1.0.0'
  source = data_dir / 'flair' / 'miniature' / '1.0.0'
  path.mkdir(parents=True)
  for file in source.iterdir():
    if file.suffix != '.bin':
      name = file.name.replace('flair-', 'other-')
      (path / name).write_bytes(file.read_bytes())
  info = json.loads((path / 'dataset_info.json').read_text())
  del info['configName']
  info['name'] = 'other'
  (path / 'dataset_info.json').write_text(json.dumps(info))
  with pytest.raises(ValueError, match='must be used with flair, whose stat'):
    run('other', '--data_dir', tmp_path, '--check_published')


def test_nothing_to_show_is_refused(data_dir):
  with pytest.raises(ValueError, match='--top must be at least 1, got 0'):
    run('flair/miniature', '--data_dir', data_dir, '--top', 0)
