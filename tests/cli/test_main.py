import subprocess
import sys
import types

import pytest

import flair_tfds
from flair_tfds.cli import main
from flair_tfds.core import errors


@pytest.fixture
def use_verb(monkeypatch):
  """Makes `fake` the only verb; it does what the function given does."""

  def use(action):
    verb = types.ModuleType('fake', 'Does what a test wants.')
    verb.NAME, verb.HELP = 'fake', 'what a test wants'
    verb.add_arguments = lambda parser: parser.add_argument('--size', type=int)
    verb.run = action
    monkeypatch.setattr(main, 'VERBS', (verb,))

  return use


def fail_with(error):
  def action(unused_args):
    raise error

  return action


def run_python(*args):
  return subprocess.run(
    [sys.executable, *args], capture_output=True, text=True, check=False
  )


def test_help_lists_every_verb(capsys):
  with pytest.raises(SystemExit) as caught:
    main.main(['--help'])
  assert caught.value.code == 0
  text = capsys.readouterr().out
  for verb in main.VERBS:
    assert verb.NAME in text
    assert verb.HELP.split(';')[0] in ' '.join(text.split())


def test_help_does_not_import_tensorflow():
  code = (
    'import sys\n'
    'from flair_tfds.cli import main\n'
    'try: main.main(["--help"])\n'
    'except SystemExit: pass\n'
    'print("imported:", [name for name in ("tensorflow",'
    ' "tensorflow_datasets") if name in sys.modules])'
  )
  assert run_python('-c', code).stdout.endswith('imported: []\n')


def test_help_of_a_verb_is_its_module_docstring(capsys):
  verb = main.VERBS[0]
  with pytest.raises(SystemExit):
    main.main([verb.NAME, '--help'])
  assert verb.__doc__.splitlines()[0] in capsys.readouterr().out


def test_flags_have_underscores():
  for verb in main.VERBS:
    parser = main._make_parser()
    subparser = parser._subparsers._group_actions[0].choices[verb.NAME]
    for action in subparser._actions:
      for flag in action.option_strings:
        assert '-' not in flag.lstrip('-')


def test_version_is_that_of_the_package(capsys):
  with pytest.raises(SystemExit) as caught:
    main.main(['--version'])
  assert caught.value.code == 0
  assert capsys.readouterr().out == f'flair_tfds {flair_tfds.__version__}\n'


def test_module_runs_the_command_line():
  done = run_python('-m', 'flair_tfds', '--version')
  assert done.returncode == 0
  assert done.stdout == f'flair_tfds {flair_tfds.__version__}\n'


def test_a_verb_gets_its_arguments_and_gives_the_status(use_verb):
  use_verb(lambda args: args.size)
  assert main.main(['fake', '--size', '0']) == 0
  assert main.main(['fake', '--size', '7']) == 7


@pytest.mark.parametrize('argv', [[], ['fly'], ['demo', '--bogus']])
def test_arguments_that_cannot_be_parsed_end_with_status_2(argv, capsys):
  with pytest.raises(SystemExit) as caught:
    main.main(argv)
  assert caught.value.code == 2
  assert 'error:' in capsys.readouterr().err


@pytest.mark.parametrize(
  ('error', 'status', 'message'),
  [
    (errors.BadDataError('a.json is no JSON.'), 1, 'a.json is no JSON.'),
    (FileExistsError('The folder is full.'), 1, 'The folder is full.'),
    (
      PermissionError(13, 'Permission denied', '/data'),
      1,
      "[Errno 13] Permission denied: '/data'",
    ),
    (ValueError('size must be positive.'), 2, 'size must be positive.'),
    (errors.LostDataError(), 1, 'LostDataError'),
  ],
)
def test_known_errors_become_one_message(
  use_verb, capsys, error, status, message
):
  use_verb(fail_with(error))
  assert main.main(['fake']) == status
  printed = capsys.readouterr()
  assert printed.err == f'flair-tfds fake: error: {message}\n'
  assert printed.out == ''


def test_notes_of_an_error_follow_its_message(use_verb, capsys):
  error = OSError('Disk full.')
  error.add_note('What is finished is kept.')
  use_verb(fail_with(error))
  main.main(['fake'])
  assert capsys.readouterr().err == (
    'flair-tfds fake: error: Disk full.\nWhat is finished is kept.\n'
  )


def test_debug_lets_an_error_through(use_verb):
  use_verb(fail_with(errors.BadDataError('broken')))
  with pytest.raises(errors.BadDataError, match='broken'):
    main.main(['--debug', 'fake'])


def test_unknown_errors_keep_their_traceback(use_verb):
  use_verb(fail_with(ZeroDivisionError('a bug')))
  with pytest.raises(ZeroDivisionError):
    main.main(['fake'])


def test_an_interrupt_ends_with_status_130(use_verb, capsys):
  use_verb(fail_with(KeyboardInterrupt()))
  assert main.main(['fake']) == 130
  assert capsys.readouterr().err == 'Interrupted.\n'
