"""Finds the verb and runs it.

A verb is a module of this room with four names: `NAME` and `HELP`,
`add_arguments(parser)`, and `run(args)`, which returns the exit status. A new
one is added to `VERBS`. It imports TensorFlow, if at all, in `run`: asking for
help must not take seconds.

Exit statuses: 0 for success, 1 for trouble with data or files, 2 for wrong
arguments, 130 for Ctrl-C.
"""

import argparse
import sys
from collections.abc import Sequence

import flair_tfds
from flair_tfds.cli import (
  build,
  clients,
  demo,
  describe,
  evaluate,
  export,
  verify,
)
from flair_tfds.core import errors

VERBS = (demo, build, verify, describe, clients, export, evaluate)


def main(argv: Sequence[str] | None = None) -> int:
  """Runs one command line.

  Args:
    argv: The arguments without the program's name; those of the process by
      default.

  Returns:
    The exit status.

  Raises:
    SystemExit: After `--help` and `--version`, and for arguments that cannot
      be parsed, as argparse does.
  """
  args = _make_parser().parse_args(argv)
  try:
    return int(args.run(args))
  except (errors.FlairTfdsError, ImportError, OSError, ValueError) as error:
    if args.debug:
      raise
    _print_error(args.verb, error)
    return 2 if isinstance(error, ValueError) else 1
  except KeyboardInterrupt:
    print('Interrupted.', file=sys.stderr)
    return 130


def _make_parser() -> argparse.ArgumentParser:
  parser = argparse.ArgumentParser(
    prog='flair-tfds', description='Large multi-label image datasets in TFDS.'
  )
  parser.add_argument(
    '--version',
    action='version',
    version=f'flair_tfds {flair_tfds.__version__}',
  )
  parser.add_argument(
    '--debug',
    action='store_true',
    help='end an error with its traceback instead of one message',
  )
  subparsers = parser.add_subparsers(
    title='verbs', dest='verb', metavar='VERB', required=True
  )
  for verb in VERBS:
    subparser = subparsers.add_parser(
      verb.NAME,
      help=verb.HELP,
      description=verb.__doc__,
      formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verb.add_arguments(subparser)
    subparser.set_defaults(run=verb.run)
  return parser


def _print_error(verb: str, error: Exception) -> None:
  # Notes hold what the code that passed an error on knew more than its maker.
  lines = [str(error) or type(error).__name__, *getattr(error, '__notes__', ())]
  print(f'flair-tfds {verb}: error: ' + '\n'.join(lines), file=sys.stderr)
