"""The main module of a worker process: carries out tasks sent to its input."""

import os
import pickle
import signal
import sys
import time
import traceback

from flair_tfds.building import executors
from flair_tfds.core import errors

_REPORT_SECONDS = 0.2


def main() -> None:
  """Reads tasks from standard input until it ends.

  Answers each with any number of progress amounts or one exception, then None.
  """
  # Ctrl-C reaches this process too, but the launcher is the one to end it.
  signal.signal(signal.SIGINT, signal.SIG_IGN)
  replies = os.fdopen(os.dup(1), 'wb')
  os.dup2(2, 1)  # whatever prints must not break into the replies
  waiting = 0
  reported = time.monotonic()

  def progress(amount: int) -> None:
    nonlocal waiting, reported
    waiting += amount
    if time.monotonic() - reported > _REPORT_SECONDS:
      executors.send(replies, waiting)
      waiting, reported = 0, time.monotonic()

  while True:
    try:
      task = executors.receive(sys.stdin.buffer)
    except EOFError:
      return
    try:
      executors.run_task(task, progress)
    except Exception as error:
      if not isinstance(error, errors.FlairTfdsError):
        error.add_note(traceback.format_exc())
      executors.send(replies, _portable(error))
    executors.send(replies, waiting)
    waiting = 0
    executors.send(replies, None)


def _portable(error: Exception) -> Exception:
  """Returns the error, or one with its text where it cannot be pickled."""
  try:
    pickle.loads(pickle.dumps(error))
  except Exception:
    return RuntimeError(''.join(traceback.format_exception(error)))
  return error


if __name__ == '__main__':
  main()
