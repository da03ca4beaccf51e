"""Keeps two builds of the same dataset apart."""

import contextlib
import fcntl
import os
import pathlib
import socket
from collections.abc import Iterator

from flair_tfds.core import errors


@contextlib.contextmanager
def hold(path: pathlib.Path, what: str) -> Iterator[None]:
  """Holds an exclusive lock on a file while the block runs.

  The operating system releases it when the process ends, however it ends. On
  network storage it holds between machines where the storage supports `flock`.

  Args:
    path: The lock file; made where it is missing.
    what: What is being built, for the message.

  Raises:
    BuildInProgressError: If another process, or another builder in this one,
      holds the lock.
  """
  path.parent.mkdir(parents=True, exist_ok=True)
  descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
  try:
    try:
      fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
      holder = os.pread(descriptor, 1000, 0).decode(errors='replace')
      raise errors.BuildInProgressError(
        f'{what} must be built by one process at a time, but '
        f'{holder or "another process"} is building it in {path.parent}. Wait '
        'until it is done, or build into another data_dir.'
      ) from error
    os.ftruncate(descriptor, 0)
    holder = f'process {os.getpid()} on {socket.gethostname()}'
    os.pwrite(descriptor, holder.encode(), 0)
    yield
  finally:
    os.close(descriptor)
