import functools
import io
import json
import os
import pathlib
import pickle
import re
import signal
import subprocess
import sys
import time

import apache_beam
import psutil
import pytest
from apache_beam.runners.portability.fn_api_runner import fn_runner

from flair_tfds.building import executors, scanning, worker, writing
from flair_tfds.core import errors

ROOT = pathlib.Path(executors.__file__).parents[2]


class Unpickled:
  """Stands in for a task; calls a function in the process that unpickles it."""

  name = 'crafted'

  def __init__(self, function, *args):
    self._call = function, args

  def __reduce__(self):
    return self._call


@pytest.fixture(params=['in process', 'processes', 'beam'])
def executor(request, tmp_path):
  if request.param == 'in process':
    return executors.InProcessExecutor()
  if request.param == 'processes':
    return executors.ProcessExecutor(2)
  return executors.BeamExecutor(fn_runner.FnApiRunner(), None, tmp_path)


def ignore(amount: int) -> None:
  pass


def corrupt(build, number: int) -> scanning.ScanTask:
  """Returns the task of scanning an archive that is no archive."""
  path = build.folder / f'corrupt-{number}.tar'
  path.write_bytes(b'no archive')
  return build.scan_task(scanning.Source(path.name, str(path)))


def run_script(script: pathlib.Path, *args: object, **options):
  environment = {
    **os.environ,
    'PYTHONPATH': str(ROOT),
    'TQDM_DISABLE': '1',
  }
  return subprocess.run(
    [sys.executable, script, *map(str, args)],
    env=environment,
    capture_output=True,
    text=True,
    timeout=120,
    **options,
  )


# All executors


def test_tasks_are_carried_out(executor, make_build):
  build = make_build('folder', num_images=20)
  tasks = [build.scan_task(source) for source in build.sources]
  reported = []
  executor.run(tasks, reported.append)
  results = [
    scanning.load_result(str(build.scan_folder), source)
    for source in build.sources
  ]
  assert sum(len(result.rows) for result in results) == 20
  assert sum(reported) == sum(task.amount for task in tasks)


def test_bad_data_of_several_tasks_is_raised_at_once(executor, make_build):
  build = make_build('tar')
  tasks = [corrupt(build, 1), build.scan_task(), corrupt(build, 2)]
  with pytest.raises(errors.BadDataError) as caught:
    executor.run(tasks, ignore)
  text = str(caught.value)
  assert 'corrupt-1.tar: ' in text
  assert 'corrupt-2.tar: ' in text
  assert len(text.splitlines()) == 2
  # The others are finished all the same.
  assert scanning.load_result(str(build.scan_folder), build.sources[0])


def test_the_same_complaint_is_made_once(make_build):
  task = corrupt(make_build('tar'), 1)
  with pytest.raises(errors.BadDataError) as caught:
    executors.InProcessExecutor().run([task, task], ignore)
  assert len(str(caught.value).splitlines()) == 1


def test_lost_data_is_raised(executor, make_build):
  build = make_build('tar')
  build.plan()
  task = build.write_tasks([12])[0]
  writing.run(task, ignore)
  path = build.shard_folder / 'shard-0'
  path.write_bytes(bytes(path.stat().st_size))
  with pytest.raises(errors.LostDataError, match='but its bytes changed'):
    executor.run([task], ignore)


def test_no_tasks_are_no_work(executor):
  executor.run([], ignore)


# Worker processes


def test_processes_write_what_one_process_writes(make_build):
  build = make_build('tar.gz', num_images=12, num_buckets=2)
  build.plan()
  tasks = build.write_tasks([3, 6, 9, 12])
  executors.ProcessExecutor(3).run(tasks, ignore)
  data = [
    (build.shard_folder / task.shard.file_name).read_bytes() for task in tasks
  ]
  build.plan()
  for path in build.shard_folder.glob('shard-*'):
    path.unlink()
  executors.InProcessExecutor().run(tasks, ignore)
  assert data == [
    (build.shard_folder / task.shard.file_name).read_bytes() for task in tasks
  ]


def test_errors_of_the_operating_system_come_back_whole(make_build):
  task = make_build('tar').scan_task(output_folder='/nonexistent/scan')
  with pytest.raises(FileNotFoundError) as caught:
    executors.ProcessExecutor(1).run([task], ignore)
  assert caught.value.filename.startswith('/nonexistent/scan')
  # Where in the worker it happened.
  assert 'Traceback' in '\n'.join(caught.value.__notes__)


def test_worker_that_ends_is_an_error_with_its_status(make_build):
  task = Unpickled(os._exit, 7)
  with pytest.raises(RuntimeError) as caught:
    executors.ProcessExecutor(2).run([task], ignore)
  assert str(caught.value) == (
    'a worker process must live until its work is done, but one ended with '
    "status 7 during 'crafted'; a negative status is the signal that killed "
    'it, -9 often means that memory ran out. Run the build again: it goes on '
    'from the finished shards.'
  )


def test_worker_that_is_killed_is_an_error_with_the_signal():
  task = Unpickled(signal.raise_signal, signal.SIGKILL)
  with pytest.raises(RuntimeError, match=r'ended with status -9 during'):
    executors.ProcessExecutor(2).run([task], ignore)


def test_worker_that_dies_before_its_first_task_is_an_error(monkeypatch):
  monkeypatch.setattr(sys, 'executable', '/bin/false')
  with pytest.raises(RuntimeError, match='ended with status 1'):
    executors.ProcessExecutor(1).run([Unpickled(print)], ignore)


class PickledLate:
  """Stands in for a task; is pickled when no process is left to take it."""

  name = 'late'

  def __reduce__(self):
    while any(
      child.status() != psutil.STATUS_ZOMBIE
      for child in psutil.Process().children()
    ):
      time.sleep(0.01)
    return print, ()


def test_worker_that_is_gone_when_it_gets_a_task_is_an_error(monkeypatch):
  monkeypatch.setattr(sys, 'executable', '/bin/false')
  with pytest.raises(RuntimeError, match="ended with status 1 during 'late'"):
    executors.ProcessExecutor(1).run([PickledLate()], ignore)


def test_task_that_cannot_be_pickled_is_an_error_and_not_a_wait():
  task = Unpickled(lambda: None)
  with pytest.raises(Exception, match='pickle'):
    executors.ProcessExecutor(1).run([task], ignore)


def test_error_that_cannot_be_pickled_keeps_its_text():
  class LocalError(Exception):
    pass

  try:
    raise LocalError('what went wrong')
  except LocalError as error:
    found = worker._portable(error)
  assert type(found) is RuntimeError
  assert 'what went wrong' in str(found)
  assert 'Traceback' in str(found)


def test_error_that_can_be_pickled_stays_itself():
  error = OSError(28, 'No space left on device', '/shard')
  assert worker._portable(error) is error


def test_failure_in_progress_leaves_no_worker_behind(make_build):
  build = make_build('folder', num_images=20)
  before = set(psutil.Process().children(recursive=True))

  def fail(amount):
    raise KeyboardInterrupt

  with pytest.raises(KeyboardInterrupt):
    executors.ProcessExecutor(2).run(
      [build.scan_task(source) for source in build.sources], fail
    )
  assert set(psutil.Process().children(recursive=True)) <= before


def test_finished_run_leaves_no_worker_behind(make_build):
  build = make_build('tar')
  before = set(psutil.Process().children(recursive=True))
  executors.ProcessExecutor(2).run([build.scan_task()], ignore)
  assert set(psutil.Process().children(recursive=True)) <= before


def test_workers_import_no_framework_and_print_to_standard_error(
  make_build, tmp_path, capfd
):
  build = make_build('tar.gz')
  build.plan()
  spy = (
    'import json, os, sys\n'
    f'with open({str(tmp_path / "spied.json")!r}, "w") as file:\n'
    '  maps = open("/proc/self/maps").read()\n'
    '  json.dump([sorted(sys.modules), maps], file)\n'
    'print("printed by a task")\n'
  )
  tasks = [
    build.scan_task(),
    *(
      build.write_tasks([12], file_format)[0]
      for file_format in ('tfrecord', 'array_record', 'parquet')
    ),
  ]
  for number, task in enumerate(tasks):
    if number:
      # Every format is a shard of its own; the folder is the same.
      for path in build.shard_folder.glob('shard-*'):
        path.unlink()
      build.plan()
    with pytest.raises(AttributeError):  # the spy is no task in the end
      executors.ProcessExecutor(1).run([task, Unpickled(exec, spy)], ignore)
    modules, maps = json.loads((tmp_path / 'spied.json').read_text())
    assert 'flair_tfds.building.writing' in modules
    for name in ('tensorflow', 'tensorflow_datasets', 'apache_beam', 'pandas'):
      assert name not in modules
    assert 'tensorflow' not in maps
  assert 'printed by a task' in capfd.readouterr().err


def test_scripts_need_no_main_guard(make_build, tmp_path):
  build = make_build('folder', num_images=20)
  script = tmp_path / 'script.py'
  script.write_text(
    'import pickle, sys\n'
    'from flair_tfds.building import executors\n'
    'print("main module")\n'
    'tasks = pickle.load(open(sys.argv[1], "rb"))\n'
    'executors.ProcessExecutor(2).run(tasks, lambda amount: None)\n'
    'print("done")\n'
  )
  (tmp_path / 'tasks').write_bytes(
    pickle.dumps([build.scan_task(source) for source in build.sources])
  )
  done = run_script(script, tmp_path / 'tasks')
  assert (done.returncode, done.stderr) == (0, '')
  assert done.stdout == 'main module\ndone\n'


def test_workers_do_not_import_from_the_current_folder(make_build, tmp_path):
  build = make_build('tar')
  (tmp_path / 'cwd').mkdir()
  for name in ('json', 'flair_tfds'):
    (tmp_path / 'cwd' / f'{name}.py').write_text('raise SystemExit(99)')
  script = tmp_path / 'script.py'
  script.write_text(
    'import pickle, sys\n'
    'from flair_tfds.building import executors\n'
    'tasks = pickle.load(open(sys.argv[1], "rb"))\n'
    'executors.ProcessExecutor(2).run(tasks, lambda amount: None)\n'
  )
  (tmp_path / 'tasks').write_bytes(pickle.dumps([build.scan_task()]))
  done = run_script(script, tmp_path / 'tasks', cwd=tmp_path / 'cwd')
  assert (done.returncode, done.stderr) == (0, '')


def test_workers_end_when_their_launcher_is_killed(tmp_path):
  script = tmp_path / 'script.py'
  script.write_text(
    'import os, queue, signal\n'
    'from flair_tfds.building import executors\n'
    'worker = executors._Worker(queue.SimpleQueue(), queue.SimpleQueue())\n'
    'print(worker._process.pid, flush=True)\n'
    'os.kill(os.getpid(), signal.SIGKILL)\n'
  )
  done = run_script(script)
  assert done.returncode == -signal.SIGKILL
  process = int(done.stdout)
  while psutil.pid_exists(process):  # the limit is pytest's
    if psutil.Process(process).status() == psutil.STATUS_ZOMBIE:
      break  # nobody is there to collect it
    time.sleep(0.05)


def test_number_of_workers_must_be_positive():
  with pytest.raises(ValueError, match='num_workers must be at least 1, got 0'):
    executors.ProcessExecutor(0)


def test_messages_arrive_as_they_were_sent():
  pipe = io.BytesIO()
  for message in (7, None, 'x' * 100_000):
    executors.send(pipe, message)
  pipe.seek(0)
  received = [executors.receive(pipe) for _ in range(3)]
  assert received == [7, None, 'x' * 100_000]
  with pytest.raises(EOFError):
    executors.receive(pipe)


def test_message_that_is_cut_off_is_the_end():
  pipe = io.BytesIO()
  executors.send(pipe, 'message')
  for size in range(len(pipe.getvalue())):
    with pytest.raises(EOFError):
      executors.receive(io.BytesIO(pipe.getvalue()[:size]))


# The choice


@pytest.fixture
def no_number(monkeypatch):
  monkeypatch.delenv('FLAIR_TFDS_NUM_WORKERS', raising=False)


def test_little_is_read_in_this_process(no_number, monkeypatch):
  monkeypatch.setattr(executors, '_num_cores', lambda: 4)
  assert type(executors.local(1 << 20)) is executors.InProcessExecutor


def test_much_is_read_by_a_process_a_core(no_number, monkeypatch):
  monkeypatch.setattr(executors, '_num_cores', lambda: 4)
  found = executors.local(1 << 30)
  assert type(found) is executors.ProcessExecutor
  assert found._num_workers == 4


def test_one_core_needs_no_other_process(no_number, monkeypatch):
  monkeypatch.setattr(executors, '_num_cores', lambda: 1)
  assert type(executors.local(1 << 40)) is executors.InProcessExecutor


def test_cores_are_those_that_this_process_may_use():
  assert executors._num_cores() == len(os.sched_getaffinity(0))


def test_cores_are_known_where_affinity_is_not(monkeypatch):
  monkeypatch.delattr(os, 'sched_getaffinity')
  monkeypatch.setattr(os, 'cpu_count', lambda: 6)
  assert executors._num_cores() == 6


def test_the_environment_sets_the_number_of_workers(monkeypatch):
  monkeypatch.setenv('FLAIR_TFDS_NUM_WORKERS', '3')
  assert executors.local(1)._num_workers == 3
  monkeypatch.setenv('FLAIR_TFDS_NUM_WORKERS', '1')
  assert type(executors.local(1 << 40)) is executors.InProcessExecutor


@pytest.mark.parametrize('text', ['0', '-2', 'two', '1.5', ' '])
def test_wrong_number_of_workers_is_refused(text, monkeypatch):
  monkeypatch.setenv('FLAIR_TFDS_NUM_WORKERS', text)
  with pytest.raises(
    ValueError,
    match='FLAIR_TFDS_NUM_WORKERS must be a number of processes, at least 1, '
    f'got {re.escape(repr(text))}',
  ):
    executors.local(1)


# Beam runners that lose tasks


def lose_first_attempt(memory: str, folder: str, numbered) -> None:
  """Runs a task, but only the second time: the first is lost."""
  marker = pathlib.Path(memory) / f'tried-{numbered[0]}'
  if not marker.exists():
    marker.touch()
    return
  run_marked(folder, numbered)


run_marked = executors._run_marked


def lose_always(memory: str, folder: str, numbered) -> None:
  marker = pathlib.Path(memory) / f'tried-{numbered[0]}'
  marker.write_text(marker.read_text() + '.' if marker.exists() else '.')
  if numbered[0] == 0:
    run_marked(folder, numbered)


def test_lost_tasks_are_run_again(make_build, tmp_path, monkeypatch):
  build = make_build('folder', num_images=20)
  monkeypatch.setattr(
    executors,
    '_run_marked',
    functools.partial(lose_first_attempt, str(tmp_path)),
  )
  reported = []
  tasks = [build.scan_task(source) for source in build.sources]
  executors.BeamExecutor(fn_runner.FnApiRunner(), None, tmp_path).run(
    tasks, reported.append
  )
  assert all(
    scanning.load_result(str(build.scan_folder), source)
    for source in build.sources
  )
  assert sum(reported) == sum(task.amount for task in tasks)


def test_tasks_that_are_always_lost_are_an_error(
  make_build, tmp_path, monkeypatch
):
  build = make_build('folder', num_images=20)
  monkeypatch.setattr(
    executors, '_run_marked', functools.partial(lose_always, str(tmp_path))
  )
  tasks = [build.scan_task(source) for source in build.sources[:3]]
  with pytest.raises(errors.LostDataError) as caught:
    executors.BeamExecutor(fn_runner.FnApiRunner(), None, tmp_path).run(
      tasks, ignore
    )
  assert str(caught.value) == (
    'the Beam runner must carry out every task, but lost 2 of 3 in 3 attempts, '
    "first 'scan images.part1', without saying why. Run the build again, or on "
    'another runner.'
  )
  tried = [(tmp_path / f'tried-{number}').read_text() for number in range(3)]
  assert tried == ['.', '...', '...']


def test_other_errors_end_a_beam_run(make_build, tmp_path):
  task = make_build('tar').scan_task(output_folder='/nonexistent/scan')
  executor = executors.BeamExecutor(fn_runner.FnApiRunner(), None, tmp_path)
  with pytest.raises(Exception, match='/nonexistent/scan'):
    executor.run([task], ignore)


def test_beam_that_is_not_installed_says_how_to_get_it(tmp_path, monkeypatch):
  monkeypatch.setitem(sys.modules, 'apache_beam', None)
  with pytest.raises(ImportError) as caught:
    executors.BeamExecutor('DirectRunner', None, tmp_path).run([], ignore)
  assert str(caught.value) == (
    'Beam options need Apache Beam, which is not installed. Run '
    "`pip install 'flair_tfds[beam]'`, or build without them."
  )


def test_elements_of_a_pipeline_are_tasks_and_nothing_else(
  make_build, tmp_path, monkeypatch
):
  created = []
  original = apache_beam.Create

  def create(values):
    created.extend(values)
    return original(values)

  monkeypatch.setattr(apache_beam, 'Create', create)
  build = make_build('tar')
  task = build.scan_task()
  executors.BeamExecutor(fn_runner.FnApiRunner(), None, tmp_path).run(
    [task], ignore
  )
  assert created == [(0, task)]
