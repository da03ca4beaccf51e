"""README is executed: what it shows works as it stands there.

The two installing blocks are run word for word by `.ci/run`; all others here,
in the order of the page and in one folder, as a reader would.
"""

import os
import pathlib
import re
import subprocess
import sys

import pytest

_ROOT = pathlib.Path(__file__).parents[1]
_TEXT = (_ROOT / 'README.md').read_text(encoding='utf-8')
_BLOCK = re.compile(
  r'(?:<!-- (?P<mark>[\w-]+) -->\n)?```(?P<language>\w*)\n(?P<code>.*?)```',
  re.DOTALL,
)
_BLOCKS = [match.groupdict() for match in _BLOCK.finditer(_TEXT)]


def blocks(language):
  return [
    block['code']
    for block in _BLOCKS
    if block['language'] == language
    and block['mark'] not in ('run-main-job', 'run-tests')
  ]


def test_the_blocks_that_ci_runs_are_there():
  marks = [block['mark'] for block in _BLOCKS]
  assert marks.count('run-main-job') == 1
  assert marks.count('run-tests') == 1


def test_every_block_says_what_it_is():
  languages = {block['language'] for block in _BLOCKS}
  assert languages <= {'python', 'sh', 'text', 'bibtex'}


@pytest.fixture(scope='module')
def environment(tmp_path_factory):
  """Folders with the names that README gives them, and a small download."""
  from flair_tfds.datasets.flair import miniature

  folder = tmp_path_factory.mktemp('readme')
  miniature.draw(folder / 'downloaded')
  return {
    **os.environ,
    'PATH': f'{pathlib.Path(sys.executable).parent}:{os.environ["PATH"]}',
    'PYTHONPATH': str(_ROOT),
    'TFDS_DATA_DIR': str(folder / 'tensorflow_datasets'),
    'TF_CPP_MIN_LOG_LEVEL': '3',
    'FOLDER': str(folder),
  }


def run(command, environment):
  done = subprocess.run(
    command,
    cwd=environment['FOLDER'],
    env=environment,
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 0, done.stdout + done.stderr
  return done.stdout


def test_the_python_blocks_run_one_after_the_other(environment):
  code = '\n'.join(blocks('python'))
  assert len(blocks('python')) >= 4
  run([sys.executable, '-W', 'error::SyntaxWarning', '-c', code], environment)


@pytest.mark.slow
@pytest.mark.parametrize('number', range(len(blocks('sh'))))
def test_a_shell_block_runs(number, environment):
  run(['bash', '-euo', 'pipefail', '-c', blocks('sh')[number]], environment)


def test_links_to_files_of_the_repository_lead_somewhere():
  targets = re.findall(r'\]\((?!https?:|#)([^)#]+)', _TEXT)
  assert targets
  for target in targets:
    assert (_ROOT / target).exists(), target
