"""Builds the same dataset many times on Beam and looks for lost examples.

Beam's local runner is known to drop elements in its multi-threaded and
multi-process modes. Every build is compared, byte by byte, with one that did
without Beam:

    python benchmarks/beam_losses.py --raw_dir DIR --builds 20

`DIR` holds a download in FLAIR's layout.
"""

import argparse
import hashlib
import pathlib
import tempfile
import time

import tensorflow_datasets as tfds
from apache_beam.options import pipeline_options

import flair_tfds  # noqa: F401

_RUNNER = 'apache_beam.runners.portability.fn_api_runner.fn_runner.FnApiRunner'


def build(raw_dir, data_dir, num_shards, mode=None):
  """Builds, and returns the number of examples and the hash of every file."""
  options = None
  if mode:
    options = pipeline_options.PipelineOptions(
      [
        f'--runner={_RUNNER}',
        '--direct_num_workers=2',
        f'--direct_running_mode={mode}',
      ]
    )
  builder = tfds.builder('flair', data_dir=data_dir)
  builder.download_and_prepare(
    download_config=tfds.download.DownloadConfig(
      manual_dir=raw_dir, num_shards=num_shards, beam_options=options
    )
  )
  hashes = {
    path.name: hashlib.sha256(path.read_bytes()).hexdigest()
    for path in pathlib.Path(builder.data_dir).iterdir()
  }
  return builder.info.splits.total_num_examples, hashes


def main():
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--raw_dir', required=True)
  parser.add_argument('--builds', type=int, default=20)
  parser.add_argument('--num_shards', type=int, default=16)
  args = parser.parse_args()
  tfds.disable_progress_bar()
  with tempfile.TemporaryDirectory() as folder:
    number, expected = build(args.raw_dir, f'{folder}/alone', args.num_shards)
    print(f'without Beam: {number} examples in {len(expected)} files')
    for mode in ('multi_threading', 'multi_processing'):
      different = 0
      began = time.monotonic()
      for trial in range(args.builds):
        with tempfile.TemporaryDirectory(dir=folder) as data_dir:
          found, hashes = build(args.raw_dir, data_dir, args.num_shards, mode)
        if (found, hashes) != (number, expected):
          different += 1
          print(f'{mode} build {trial}: {found} examples, other bytes')
      seconds = (time.monotonic() - began) / args.builds
      print(
        f'{mode}: {args.builds} builds, {different} different, '
        f'{seconds:.1f} s each',
        flush=True,
      )


if __name__ == '__main__':
  main()
