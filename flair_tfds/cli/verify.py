"""Checks that a built dataset is still what it was when it was built.

Compares every shard with the hashes in the dataset's manifest.json:

    flair-tfds verify ~/tensorflow_datasets/flair/small/1.0.0
"""

import argparse

from flair_tfds.building import manifest

NAME = 'verify'
HELP = 'compare a built dataset with its manifest'


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds the verb's arguments."""
  parser.add_argument(
    'folder', help='<data_dir>/<name>/<config>/<version> of a built dataset'
  )


def run(args: argparse.Namespace) -> int:
  """Verifies and says how many examples are there."""
  number = manifest.verify(args.folder)
  print(f'{args.folder} is as it was built: {number} examples.')
  return 0
