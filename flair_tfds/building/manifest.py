"""What a dataset was made of, kept in its folder, and checked against it."""

import concurrent.futures
import os
import pathlib
from typing import Any

from flair_tfds.core import errors, files, progress

FILE = 'manifest.json'


def verify(folder: str | os.PathLike[str]) -> int:
  """Checks that a built dataset is still what it was when it was built.

  Reads every shard and compares its SHA-256 with the manifest: after a copy
  to another machine, or when the disk is in doubt.

  Args:
    folder: The dataset's folder, `<data_dir>/<name>/<config>/<version>`.

  Returns:
    The number of examples.

  Raises:
    FileNotFoundError: If the folder holds no manifest.
    BadDataError: If shards are missing, changed or too many: all of them in
      one message.
  """
  folder = pathlib.Path(folder).expanduser()
  if not (folder / FILE).exists():
    raise FileNotFoundError(
      f'{folder / FILE} must exist, since the dataset is compared with it. '
      'Name the folder of a version, <data_dir>/<name>/<config>/<version>, of '
      'a dataset that flair_tfds built.'
    )
  manifest = files.read_json(folder / FILE)
  shards = manifest['shards']
  known = {shard['file_name'] for shard in shards}
  problems = [
    f'{path.name} is not in the manifest'
    for path in sorted(folder.glob(f'*.{manifest["file_format"]}-*'))
    if path.name not in known
  ]
  with (
    concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool,
    progress.bar(
      total=sum(shard['num_bytes'] for shard in shards),
      desc='Verifying',
      unit='B',
      unit_scale=True,
    ) as bar,
  ):
    for shard, problem in zip(
      shards,
      pool.map(lambda shard: _problem(folder, shard), shards),
      strict=True,
    ):
      bar.update(shard['num_bytes'])
      if problem:
        problems.append(f'{shard["file_name"]} {problem}')
  if problems:
    raise errors.BadDataError(
      f'{folder} must be as it was built, but {len(problems)} of its shards '
      f'are not: {"; ".join(problems)}. Copy or build the dataset again.'
    )
  return sum(shard['num_examples'] for shard in shards)


def _problem(folder: pathlib.Path, shard: dict[str, Any]) -> str:
  path = folder / shard['file_name']
  if not path.exists():
    return 'is missing'
  size = path.stat().st_size
  if size != shard['num_bytes']:
    return f'has {size} bytes instead of {shard["num_bytes"]}'
  if files.sha256(path) != shard['sha256']:
    return 'has other bytes'
  return ''
