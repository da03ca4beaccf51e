import json
import pathlib
import subprocess
import sys

import pytest

from flair_tfds.cli import main


def build(*args):
  return main.main(['build', *map(str, args)])


def test_it_builds_and_says_where(tmp_path, capsys):
  assert build('flair/miniature', f'--data_dir={tmp_path}') == 0
  folder = tmp_path / 'flair' / 'miniature' / '1.0.0'
  assert (folder / 'manifest.json').exists()
  text = capsys.readouterr().out
  assert f'flair/miniature/1.0.0 lies in {folder}' in text


def test_options_reach_the_build(tmp_path):
  build(
    'flair/miniature',
    f'--data_dir={tmp_path}',
    '--num_shards=2',
    '--file_format=parquet',
    '--max_examples_per_split=6',
  )
  folder = tmp_path / 'flair' / 'miniature' / '1.0.0'
  manifest = json.loads((folder / 'manifest.json').read_text())
  assert len(manifest['shards']) == 6
  assert manifest['file_format'] == 'parquet'
  assert all(s['num_examples'] == 6 for s in manifest['splits'].values())


def test_a_configuration_may_be_given_as_json(tmp_path):
  text = json.dumps({'name': 'mine', 'images': 'miniature'})
  build('flair', f'--config={text}', f'--data_dir={tmp_path}')
  assert (tmp_path / 'flair' / 'mine' / '1.0.0').exists()


def test_overwriting_is_on_request(tmp_path):
  arguments = 'flair/miniature', f'--data_dir={tmp_path}'
  build(*arguments)
  manifest = tmp_path / 'flair' / 'miniature' / '1.0.0' / 'manifest.json'
  first = manifest.stat().st_ino
  build(*arguments)
  assert manifest.stat().st_ino == first
  build(*arguments, '--overwrite')
  assert manifest.stat().st_ino != first


@pytest.mark.filterwarnings('ignore')  # Beam's own
def test_beam_options_run_it_on_beam(tmp_path, monkeypatch):
  from flair_tfds.building import executors

  seen = []
  run = executors.BeamExecutor.run
  monkeypatch.setattr(
    executors.BeamExecutor,
    'run',
    lambda self, tasks, progress: (
      seen.append(tasks) or run(self, tasks, progress)
    ),
  )
  runner = 'apache_beam.runners.portability.fn_api_runner.fn_runner.FnApiRunner'
  build(
    'flair/miniature',
    f'--data_dir={tmp_path}',
    f'--beam_pipeline_options=runner={runner}',
  )
  assert len(seen) == 2  # scanning and writing


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    (['flairr'], "got 'flairr'. Did you mean 'flair'"),
    (['flair', '--config={"name"'], '--config must be a JSON object'),
    (['flair', '--config={"nme": "x"}'], '--config must be a JSON object'),
    (['flair/raw', '--config=small'], 'configuration must be given once'),
    (['flair/tiny'], "must be one of 'miniature', 'raw', 'small'"),
  ],
)
def test_wrong_arguments_are_told(arguments, message, tmp_path, capsys):
  assert build(*arguments, f'--data_dir={tmp_path}') == 2
  assert message in capsys.readouterr().err


def test_bad_data_is_told_without_a_traceback(tmp_path, capsys):
  raw = tmp_path / 'raw'
  raw.mkdir()
  (raw / 'labels_and_metadata.json').write_text('[')
  (raw / 'label_relationship.txt').write_text('')
  (raw / 'small_images').mkdir()
  status = build(
    'flair', f'--data_dir={tmp_path / "data"}', f'--manual_dir={raw}'
  )
  assert status == 1
  text = capsys.readouterr().err
  assert 'it is truncated. Get the file again' in text
  assert 'Traceback' not in text


def test_it_does_not_load_tensorflow(tmp_path):
  root = pathlib.Path(__file__).parents[2]
  program = f"""
import sys
sys.path.insert(0, {str(root)!r})
from flair_tfds.cli import main
main.main(['build', 'flair/miniature', '--data_dir={tmp_path}'])
assert 'tensorflow' not in sys.modules
"""
  done = subprocess.run(
    [sys.executable, '-c', program], capture_output=True, text=True, check=False
  )
  assert done.returncode == 0, done.stderr
