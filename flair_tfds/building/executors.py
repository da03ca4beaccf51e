"""Runs tasks: in this process, in worker processes, or on a Beam runner.

A task is plain data that a worker can carry out alone and twice without harm:
it leaves a result file when it is finished. Nothing but the task itself goes
to a worker and nothing that matters comes back, since what crosses a Beam
runner's data plane can be lost without an error. Whoever runs tasks looks at
the result files afterwards and runs again what has none.
"""

import abc
import contextlib
import functools
import os
import pathlib
import pickle
import queue
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Any

from flair_tfds.building import scanning, writing
from flair_tfds.core import errors, files

Task = scanning.ScanTask | writing.WriteTask
Progress = Callable[[int], None]

_POLL_SECONDS = 0.5
_NUM_WORKERS = 'FLAIR_TFDS_NUM_WORKERS'
# What one process reads in about the time that starting two more takes.
_MIN_BYTES_FOR_PROCESSES = 64 << 20

_FAILURES: dict[str, type[errors.FlairTfdsError]] = {
  kind.__name__: kind for kind in (errors.BadDataError, errors.LostDataError)
}


def run_task(task: Task, progress: Progress = lambda amount: None) -> None:
  """Carries out one task in this process."""
  if isinstance(task, scanning.ScanTask):
    scanning.run(task, progress)
  else:
    writing.run(task, progress)


class Executor(abc.ABC):
  """A way to run tasks."""

  @abc.abstractmethod
  def run(self, tasks: Sequence[Task], progress: Progress) -> None:
    """Runs independent tasks.

    Args:
      tasks: What to run, in the order in which to begin.
      progress: Called with amounts of work done; see the tasks.

    Raises:
      BadDataError: If tasks found bad data: all of it in one message.
      OSError: If the disk is full, or files may not be read or written.
    """


def _raise_all(failures: Sequence[errors.FlairTfdsError]) -> None:
  """Raises the failures of several tasks as one."""
  if failures:
    first = failures[0]
    texts = dict.fromkeys(str(failure) for failure in failures)
    raise type(first)('\n'.join(texts))


class InProcessExecutor(Executor):
  """Runs tasks one after the other; best for small builds."""

  def run(self, tasks: Sequence[Task], progress: Progress) -> None:
    """See the base class."""
    failures: list[errors.FlairTfdsError] = []
    for task in tasks:
      try:
        run_task(task, progress)
      except errors.BadDataError as failure:
        failures.append(failure)
    _raise_all(failures)


class ProcessExecutor(Executor):
  """Runs tasks in worker processes of this machine.

  The workers are fresh interpreters rather than forks or `multiprocessing`
  children: they do not import the caller's main module, so that scripts need
  no `if __name__ == '__main__'`, and never inherit TensorFlow's threads. They
  end as soon as the launcher does, even if it is killed.
  """

  def __init__(self, num_workers: int) -> None:
    """Sets the number of processes."""
    if num_workers < 1:
      raise ValueError(f'num_workers must be at least 1, got {num_workers}')
    self._num_workers = num_workers

  def run(self, tasks: Sequence[Task], progress: Progress) -> None:
    """See the base class."""
    pending: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
    for task in tasks:
      pending.put(task)
    # Workers' messages are handled in this thread: progress bars and other
    # callbacks need not be safe for threads.
    messages: queue.SimpleQueue[int | Exception | None] = queue.SimpleQueue()
    workers = [
      _Worker(pending, messages)
      for _ in range(min(self._num_workers, len(tasks)))
    ]
    failures: list[errors.FlairTfdsError] = []
    try:
      running = len(workers)
      while running:
        message = messages.get()
        if message is None:
          running -= 1
        elif isinstance(message, errors.BadDataError):
          failures.append(message)
        elif isinstance(message, Exception):
          raise message
        else:
          progress(message)
    finally:
      for worker in workers:
        worker.stop()
    _raise_all(failures)


class _Worker:
  """A worker process, and the thread that feeds it."""

  def __init__(
    self,
    pending: 'queue.SimpleQueue[Task | None]',
    messages: 'queue.SimpleQueue[int | Exception | None]',
  ) -> None:
    self._pending = pending
    self._messages = messages
    # The workers import this very package, wherever it was found.
    root = str(pathlib.Path(__file__).parents[2])
    path = os.pathsep.join([root, *filter(None, sys.path)])
    self._process = subprocess.Popen(
      # -P: not whatever lies in the current folder under the same name.
      [sys.executable, '-P', '-m', 'flair_tfds.building.worker'],
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
      env={**os.environ, 'PYTHONPATH': path},
    )
    self._thread = threading.Thread(target=self._feed, daemon=True)
    self._thread.start()

  def _feed(self) -> None:
    task = None
    try:
      while True:
        try:
          task = self._pending.get_nowait()
        except queue.Empty:
          break
        send(self._process.stdin, task)
        while (reply := receive(self._process.stdout)) is not None:
          self._messages.put(reply)
    except (EOFError, OSError):
      code = self._process.wait()
      name = '' if task is None else f' during {task.name!r}'
      self._messages.put(
        RuntimeError(
          f'a worker process must live until its work is done, but one ended '
          f'with status {code}{name}; a negative status is the signal that '
          'killed it, -9 often means that memory ran out. Run the build again: '
          'it goes on from the finished shards.'
        )
      )
    except Exception as error:  # no message may be missed: `run` waits for it
      self._messages.put(error)
    self._messages.put(None)

  def stop(self) -> None:
    """Ends the process, at once if it is still at work."""
    if self._thread.is_alive():
      self._process.kill()
    else:
      self._close_input()
    self._process.wait()
    self._thread.join()
    self._close_input()
    self._process.stdout.close()  # type: ignore[union-attr]

  def _close_input(self) -> None:
    # A process that died may have left something that it did not take.
    with contextlib.suppress(BrokenPipeError):
      self._process.stdin.close()  # type: ignore[union-attr]


def send(pipe: IO[bytes] | None, message: object) -> None:
  """Writes one message to a pipe."""
  data = pickle.dumps(message)
  pipe.write(struct.pack('<Q', len(data)) + data)  # type: ignore[union-attr]
  pipe.flush()  # type: ignore[union-attr]


def receive(pipe: IO[bytes] | None) -> Any:
  """Reads one message that `send` wrote; raises EOFError at the end."""
  header = pipe.read(8)  # type: ignore[union-attr]
  if len(header) < 8:
    raise EOFError
  size = struct.unpack('<Q', header)[0]
  data = pipe.read(size)  # type: ignore[union-attr]
  if len(data) < size:
    raise EOFError
  return pickle.loads(data)


def local(num_bytes: int) -> Executor:
  """Returns how to run tasks on this machine.

  Uses as many processes as there are cores, or as the environment variable
  `FLAIR_TFDS_NUM_WORKERS` says. The number never changes the result.

  Args:
    num_bytes: How much there is to read. Little is read in this process, since
      starting others takes longer.
  """
  text = os.environ.get(_NUM_WORKERS, '')
  try:
    workers = int(text) if text else _num_cores()
  except ValueError:
    workers = 0
  if workers < 1:
    raise ValueError(
      f'{_NUM_WORKERS} must be a number of processes, at least 1, got {text!r}'
    )
  if workers == 1 or (not text and num_bytes < _MIN_BYTES_FOR_PROCESSES):
    return InProcessExecutor()
  return ProcessExecutor(workers)


def _num_cores() -> int:
  if hasattr(os, 'sched_getaffinity'):  # not on macOS
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1


class BeamExecutor(Executor):
  """Runs tasks on a Beam runner, with tasks alone as elements."""

  # Beam can lose a task as it can lose anything else. What has no result after
  # one pipeline goes into the next.
  _ATTEMPTS = 3

  def __init__(self, runner: Any, options: Any, folder: pathlib.Path) -> None:
    """Names the runner.

    Args:
      runner: A Beam runner or its name, or None to take it from `options`.
      options: `PipelineOptions`, or None.
      folder: Shared storage for the marks that tell which task is done.
    """
    self._runner = runner
    self._options = options
    self._folder = folder

  def run(self, tasks: Sequence[Task], progress: Progress) -> None:
    """See the base class."""
    try:
      import apache_beam as beam
    except ImportError as error:
      raise ImportError(
        'Beam options need Apache Beam, which is not installed. Run '
        "`pip install 'flair_tfds[beam]'`, or build without them."
      ) from error
    folder = self._folder / f'marks-{time.time_ns()}'
    folder.mkdir(parents=True)
    pending = dict(enumerate(tasks))
    for _ in range(self._ATTEMPTS):
      pipeline = beam.Pipeline(runner=self._runner, options=self._options)
      _ = (
        pipeline
        | 'Tasks' >> beam.Create(list(pending.items()))
        | 'Spread' >> beam.Reshuffle()
        | 'Run' >> beam.Map(functools.partial(_run_marked, str(folder)))
      )
      with _watch(folder, pending, progress):
        pipeline.run().wait_until_finish()
      failures: list[errors.FlairTfdsError] = []
      for number in list(pending):
        mark = _mark(folder, number)
        if mark.exists():
          del pending[number]
          record = files.read_json(mark)
          if record:
            failures.append(_FAILURES[record['kind']](record['text']))
      _raise_all(failures)
      if not pending:
        return
    raise errors.LostDataError(
      f'the Beam runner must carry out every task, but lost {len(pending)} of '
      f'{len(tasks)} in {self._ATTEMPTS} attempts, first '
      f'{next(iter(pending.values())).name!r}, without saying why. Run the '
      'build again, or on another runner.'
    )


def _mark(folder: str | pathlib.Path, number: int) -> pathlib.Path:
  return pathlib.Path(folder) / f'{number}.json'


@contextlib.contextmanager
def _watch(
  folder: pathlib.Path, tasks: Mapping[int, Task], progress: Progress
) -> Iterator[None]:
  """Reports the tasks that are marked done while a pipeline runs."""
  waiting = dict(tasks)

  def report() -> None:
    for number, task in list(waiting.items()):
      if _mark(folder, number).exists():
        del waiting[number]
        progress(task.amount)

  done = threading.Event()

  def poll() -> None:
    while not done.wait(_POLL_SECONDS):
      report()

  thread = threading.Thread(target=poll, daemon=True)
  thread.start()
  try:
    yield
  finally:
    done.set()
    thread.join()
    report()


def _run_marked(folder: str, numbered: tuple[int, Task]) -> None:
  """Carries out one task and marks it done, or failed because of its data."""
  number, task = numbered
  record = {}
  try:
    run_task(task)
  except errors.FlairTfdsError as failure:
    record = {'kind': type(failure).__name__, 'text': str(failure)}
  files.write_json(_mark(folder, number), record)
