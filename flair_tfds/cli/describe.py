"""Shows what is in a dataset: splits, users, labels, sizes.

NAME is a built dataset as TFDS names it: flair, flair/miniature, flair:1.0.0.
Images are not read; only when a dataset is looked at by user for the first
time, its records are read once to index them.

With --out_dir, what is shown is also written there, with all labels:
  report.json          everything, for programs
  images_per_user.png  labels.png  fine_grained_labels.png  cooccurrence.png
  divergence.png       how far users' labels are from those of all
"""

import argparse
import itertools
import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from flair_tfds import federated
from flair_tfds.core import files
from flair_tfds.datasets.flair import published_statistics
from flair_tfds.federated import statistics

NAME = 'describe'
HELP = 'show what is in a dataset: splits, users, labels, sizes'

REPORT_FILE = 'report.json'

_BAR_WIDTH = 24
# More classes than this make no readable table of pairs.
_MAX_PAIR_CLASSES = 64
# The random users that divergence is compared with.
_SEED = 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds the verb's flags."""
  parser.add_argument('dataset', metavar='NAME', help='a built dataset')
  parser.add_argument(
    '--data_dir',
    type=pathlib.Path,
    help='where TFDS keeps datasets (default: where it does by default)',
  )
  parser.add_argument(
    '--group_by',
    default='user_id',
    help='the feature that names the user (default: %(default)s)',
  )
  parser.add_argument(
    '--top',
    type=int,
    default=20,
    help='how many labels to show of long lists (default: %(default)s)',
  )
  parser.add_argument(
    '--json', action='store_true', help='print JSON instead of tables'
  )
  parser.add_argument(
    '--out_dir', type=pathlib.Path, help='write the report and plots there'
  )
  parser.add_argument(
    '--check_published',
    action='store_true',
    help=(
      'compare with the statistics that were published of FLAIR; exit with 1 '
      'if any differs'
    ),
  )


def run(args: argparse.Namespace) -> int:
  """Describes; returns the exit status."""
  if args.top < 1:
    raise ValueError(f'--top must be at least 1, got {args.top}')
  clients = federated.load(
    args.dataset,
    'all',
    data_dir=args.data_dir,
    group_by=args.group_by,
    disjoint=False,
  )
  report = make_report(clients, args.group_by)
  if args.json:
    print(json.dumps(report, indent=1))
  else:
    print(format_report(report, args.top))
  if args.out_dir is not None:
    _write(args.out_dir.expanduser(), clients, report, quiet=args.json)
  return _check_published(report) if args.check_published else 0


def make_report(
  clients: federated.ClientView, group_by: str = 'user_id'
) -> dict[str, Any]:
  """Returns all that is shown and more, as plain values for JSON.

  Args:
    clients: All users of a dataset.
    group_by: The feature that names the user.
  """
  folder = clients.examples.folder
  index = clients.examples.index
  pairs = {}
  for feature in index.labels:
    if clients.examples.num_classes(feature) <= _MAX_PAIR_CLASSES:
      pairs[feature] = {
        'classes': [*clients.class_names(feature)],
        'images': statistics.cooccurrence(clients, feature).tolist(),
      }
  shards = [shard for part in folder.splits.values() for shard in part]
  return {
    'dataset': folder.name,
    'folder': os.fspath(folder.path),
    'file_format': folder.file_format,
    'num_shards': len(shards),
    'shard_bytes': sum(shard.path.stat().st_size for shard in shards),
    'index_bytes': index.path.stat().st_size if index.path else None,
    'group_by': group_by,
    'num_users_in_several_splits': index.num_shared_users,
    'all': statistics.describe(clients),
    'splits': {
      split: statistics.describe(
        federated.load_folder(
          folder.path, split, group_by=group_by, disjoint=False
        )
      )
      for split in folder.splits
    },
    'cooccurrence': pairs,
  }


def format_report(report: Mapping[str, Any], top: int) -> str:
  """Returns a report of `make_report` as tables for the terminal.

  Args:
    report: The report.
    top: How many labels to show of long lists.
  """
  blocks = [
    f'{report["dataset"]}, {report["file_format"]}, {report["num_shards"]} '
    f'shards, {_megabytes(report["shard_bytes"])} MB in {report["folder"]}',
    _format_splits(report),
  ]
  for feature, labels in report['all']['labels'].items():
    blocks.append(
      _format_labels(feature, labels, report['all']['num_images'], top)
    )
  for feature, pairs in report['cooccurrence'].items():
    blocks.append(_format_pairs(feature, pairs, top))
  return '\n\n'.join(blocks)


def _format_splits(report: Mapping[str, Any]) -> str:
  head = (
    f'{"split":8s} {"users":>8s} {"images":>9s} {"MB":>9s}   images per user: '
    f'{"mean":>6s} {"median":>6s} {"max":>6s}'
  )
  lines = [head, '-' * len(head)]
  for split, part in [*report['splits'].items(), ('all', report['all'])]:
    images = part['images_per_user']
    size = part.get('image_bytes', part['record_bytes'])
    lines.append(
      f'{split:8s} {part["num_users"]:8d} {part["num_images"]:9d} '
      f'{_megabytes(size):>9s} {"":18s} {images["mean"] or 0:6.2f} '
      f'{images["p50"] or 0:6g} {images["max"] or 0:6g}'
    )
  return '\n'.join(lines)


def _format_labels(
  feature: str, labels: Mapping[str, Any], num_images: int, top: int
) -> str:
  images = list(labels['images'].items())
  per_image, per_user = labels['labels_per_image'], labels['labels_per_user']
  lines = [
    f'{feature}: {labels["num_classes_present"]} of {labels["num_classes"]} '
    f'occur; {per_image["mean"] or 0:.2f} per image, '
    f'{per_user["mean"] or 0:.2f} per user; divergence of a user from all: '
    f'median {labels["divergence_per_user"]["p50"] or 0:.2f} bits',
    f'{"label":24s} {"images":>8s} {"users":>8s} {"share":>7s}',
  ]
  longest = max((count for _, count in images), default=0) or 1
  half = (top + 1) // 2
  shown = images if len(images) <= top else [*images[:half], None]
  if len(images) > top:
    shown += images[len(images) - (top - half) :]
  for item in shown:
    if item is None:
      lines.append(f'{"":4s}... {len(images) - top} more ...')
      continue
    name, count = item
    bar = '#' * round(_BAR_WIDTH * count / longest)
    lines.append(
      f'{name:24s} {count:8d} {labels["users"][name]:8d} '
      f'{count / max(1, num_images):7.1%} {bar}'.rstrip()
    )
  return '\n'.join(lines)


def _format_pairs(feature: str, pairs: Mapping[str, Any], top: int) -> str:
  """Shows which labels occur together, and how much more than by chance."""
  counts = np.array(pairs['images'])
  names = pairs['classes'] or [*map(str, range(len(counts)))]
  ranked = sorted(
    (
      (int(counts[a, b]), a, b)
      for a, b in itertools.combinations(range(len(counts)), 2)
      if counts[a, b]
    ),
    key=lambda pair: (-pair[0], pair[1:]),
  )
  head = f'{"images":>8s} {"of the first":>12s} {"of the second":>13s}'
  lines = [
    f'{feature}: {"most frequent pairs":{49 - len(feature) - 2}s} {head}'
  ]
  for count, a, b in ranked[: max(1, top // 2)]:
    lines.append(
      f'{names[a] + " + " + names[b]:49s} {count:8d} '
      f'{count / counts[a, a]:12.0%} {count / counts[b, b]:13.0%}'
    )
  return '\n'.join(lines)


def _megabytes(num_bytes: int) -> str:
  return f'{num_bytes / 1e6:.1f}'


def _write(
  out_dir: pathlib.Path,
  clients: federated.ClientView,
  report: Mapping[str, Any],
  *,
  quiet: bool,
) -> None:
  from flair_tfds.integrations import client_plots

  out_dir.mkdir(parents=True, exist_ok=True)
  files.write_json(out_dir / REPORT_FILE, report)
  figures = {'images_per_user': client_plots.images_per_user(clients)}
  for feature in clients.examples.index.labels:
    figures[feature] = client_plots.images_per_label(clients, feature)
  for feature in report['cooccurrence']:
    name = (
      'cooccurrence'
      if len(report['cooccurrence']) == 1
      else f'cooccurrence_{feature}'
    )
    figures[name] = client_plots.cooccurrence(clients, feature)
  if clients.examples.labels is not None:
    rng = np.random.default_rng(_SEED)
    figures['divergence'] = client_plots.divergence(clients, rng)
  for name, figure in figures.items():
    with files.atomic_write(out_dir / f'{name}.png') as file:
      file.write(client_plots.to_png(figure))
  if not quiet:
    print()
    for name in (REPORT_FILE, *(f'{name}.png' for name in figures)):
      print(f'Wrote {out_dir / name}')


def _check_published(report: Mapping[str, Any]) -> int:
  if not report['dataset'].startswith('flair/'):
    raise ValueError(
      '--check_published must be used with flair, whose statistics are '
      f'published, got {report["dataset"]!r}'
    )
  number, lines = published_statistics.differences(report)
  print(f'\nPublished figures: {number - len(lines)} of {number} come out.')
  for line in lines:
    print(f'  {line}')
  return 1 if lines else 0
