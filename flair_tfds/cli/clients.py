"""Indexes a dataset by user, once, and lists its users.

NAME is a built dataset as TFDS names it: flair, flair/miniature, flair:1.0.0.
The index is what `flair_tfds.federated` reads users by. It is made the first
time it is needed; this makes it beforehand, so that no training job waits.
"""

import argparse
import pathlib

import numpy as np

from flair_tfds import federated

NAME = 'clients'
HELP = 'index a dataset by user, and list the users'


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
    '--split', default='all', help='whose users to list (default: all)'
  )
  parser.add_argument(
    '--top',
    type=int,
    default=10,
    help='how many users to list, those with most images (default: 10)',
  )


def run(args: argparse.Namespace) -> int:
  """Indexes and lists; returns the exit status."""
  clients = federated.load(
    args.dataset,
    args.split,
    data_dir=args.data_dir,
    group_by=args.group_by,
    disjoint=False,
  )
  numbers = clients.num_images
  print(
    f'{clients.examples.folder.name}, {args.split}: {len(clients)} users, '
    f'{len(clients.rows)} images'
  )
  path = clients.examples.index.path
  if path is None:
    print('Index: not kept, since no folder may be written')
  else:
    print(f'Index: {path} ({path.stat().st_size / 1e6:.1f} MB)')
  print(f'\n{"user":24s} {"images":>8s}')
  for place in np.argsort(-numbers, kind='stable')[: args.top].tolist():
    print(f'{clients.user_ids[place]:24s} {numbers[place]:8d}')
  return 0
