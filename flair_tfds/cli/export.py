"""Writes FLAIR in the layouts that published code reads.

NAME is a built dataset as TFDS names it: flair, flair/miniature, flair:1.0.0.
An interrupted export goes on where it ended when it is run again.

  hdf5                one file, by split and user, or by split and image
  tfrecord-per-user   <split>/<user>.tfrecords and label_to_index.json
"""

import argparse
import pathlib

from flair_tfds import federated
from flair_tfds.federated import dataset_folder, user_tfrecords

NAME = 'export'
HELP = 'write FLAIR in a published layout: HDF5, or a TFRecord file a user'


def add_arguments(parser: argparse.ArgumentParser) -> None:
  """Adds the verb's flags."""
  formats = parser.add_subparsers(
    title='formats', dest='format', metavar='FORMAT', required=True
  )
  hdf5 = formats.add_parser('hdf5', help='one HDF5 file (needs h5py)')
  hdf5.add_argument(
    '--output_file',
    type=pathlib.Path,
    required=True,
    help='the file; of full FLAIR about 80 GB, with --encoded 6 GB',
  )
  hdf5.add_argument(
    '--not_group_data_by_user',
    action='store_true',
    help='by split and image instead of split and user',
  )
  hdf5.add_argument(
    '--encoded',
    action='store_true',
    help='keep JPEG files instead of pixels (not readable by published code)',
  )
  per_user = formats.add_parser(
    'tfrecord-per-user', help='a folder with a TFRecord file for each user'
  )
  per_user.add_argument(
    '--tfrecords_dir',
    type=pathlib.Path,
    required=True,
    help='the folder; of full FLAIR 51,414 files of 6 GB',
  )
  for subparser in (hdf5, per_user):
    subparser.add_argument('dataset', metavar='NAME', help='a built dataset')
    subparser.add_argument(
      '--data_dir',
      type=pathlib.Path,
      help='where TFDS keeps datasets (default: where it does by default)',
    )


def run(args: argparse.Namespace) -> int:
  """Exports; returns the exit status."""
  folder = dataset_folder.find(args.dataset, args.data_dir)
  splits = {
    split: federated.load_folder(folder, split)
    for split in dataset_folder.read(folder).splits
  }
  if args.format == 'hdf5':
    from flair_tfds.integrations import hdf5

    target = args.output_file.expanduser()
    hdf5.write(
      splits,
      target,
      group_by_user=not args.not_group_data_by_user,
      encoded=args.encoded,
    )
  else:
    target = args.tfrecords_dir.expanduser()
    user_tfrecords.write(splits, target)
  for split, clients in splits.items():
    print(f'{split:5s} {len(clients.rows):7d} images of {len(clients)} users')
  print(f'Wrote {target}')
  return 0
