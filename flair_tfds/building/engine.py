"""Runs a build from plan to verified shards, going on from an earlier run.

Everything lies in one work folder:

    table-<id>/   the examples without images (`table`)
    scan-<id>/    what the sources hold, and spool files (`scanning`)
    shards-<id>/  finished shards and their results (`writing`)

An id is a fingerprint of all that the folder's content follows from. A rerun
finds what it needs under the same id and does it not again; what has another
id is of no use any more and is deleted.
"""

import bisect
import collections
import dataclasses
import errno
import functools
import hashlib
import json
import pathlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from flair_tfds.building import (
  executors,
  jpeg,
  records,
  scanning,
  sharding,
  table,
  writing,
)
from flair_tfds.core import errors, progress

Policy = Literal['error', 'skip']

# Gzipped archives are spooled in buckets of about this size, which is what
# they need on disk beside the finished dataset; at most so many, since every
# scan writes to one file a bucket.
_BUCKET_BYTES = 1 << 30
_MAX_BUCKETS = 64
# Changes whenever the same request would give other bytes.
_LAYOUT_VERSION = 1


@dataclasses.dataclass(frozen=True)
class Request:
  """What to build.

  Attributes:
    dataset: Name, configuration and version, for messages and the manifest.
    table_folder: The examples without their images, saved by `save_table`.
    sources: Where the images are.
    suffix: What follows the key in the name of an image file.
    rule: What images must be.
    max_file_bytes: The largest file in a source to accept.
    on_bad_image: Whether an image that breaks the rule is an error, or is left
      out and named in the manifest.
    on_missing_image: Likewise for an image that no source holds.
    file_format: See `records.write`.
    sharding: How many shards to write.
    shard_name: Gives the file name of a shard from split, index and number of
      shards.
    work_folder: Where to work; kept until the caller deletes it.
    spool_folder: Where spool files go.
    make_executor: Returns what runs the tasks, given the bytes to read.
  """

  dataset: str
  table_folder: pathlib.Path
  sources: Sequence[scanning.Source]
  suffix: str
  rule: jpeg.Rule
  max_file_bytes: int
  on_bad_image: Policy
  on_missing_image: Policy
  file_format: str
  sharding: sharding.ShardConfig
  shard_name: Callable[[str, int, int], str]
  work_folder: pathlib.Path
  spool_folder: pathlib.Path
  make_executor: Callable[[int], executors.Executor]

  def __post_init__(self) -> None:
    """Refuses unknown policies and formats."""
    records.check_format(self.file_format)
    labels: dict[str, str] = {}
    for source in self.sources:
      other = labels.setdefault(source.label, source.path)
      if other != source.path:
        raise errors.BadDataError(
          f'every source must have a name of its own, but {source.path} and '
          f'{other} are both called {source.name!r}. Remove one of them.'
        )
    for name in ('on_bad_image', 'on_missing_image'):
      if getattr(self, name) not in ('error', 'skip'):
        raise ValueError(
          f"{name} must be 'error' or 'skip', got {getattr(self, name)!r}"
        )

  @functools.cached_property
  def examples(self) -> table.Table:
    """The table; its arrays stay on disk."""
    return table.load(self.table_folder)


@dataclasses.dataclass(frozen=True)
class Result:
  """What was built.

  Attributes:
    folder: Where the shards lie.
    shards: The shards of every split, with what each holds, in order.
    manifest: What was read, written and left out; plain values for JSON.
  """

  folder: pathlib.Path
  shards: Mapping[str, Sequence[tuple[str, writing.WriteResult]]]
  manifest: dict[str, Any]


def build(request: Request) -> Result:
  """Builds and verifies the shards of a dataset.

  Raises:
    BadDataError: If a source is corrupt, or images are bad, repeated or
      missing (unless policies allow it). Finished work is kept.
    LostDataError: If what was written is not what was planned.
    OSError: If the disk is full, or files may not be read or written.
  """
  _delete_others(request.work_folder, request.table_folder)
  scan = _Scan(request)
  _delete_others(request.spool_folder, scan.folder)
  scan.run()
  plan = _Plan(request, scan)
  _delete_others(request.work_folder, plan.folder)
  plan.run()
  return plan.verify()


def _fingerprint(*parts: Any) -> str:
  text = json.dumps([_LAYOUT_VERSION, *parts], sort_keys=True)
  return hashlib.sha256(text.encode()).hexdigest()[:16]


def save_table(
  work_folder: pathlib.Path, examples: table.Table
) -> pathlib.Path:
  """Saves the examples for a build, which maps them into memory from there.

  Args:
    work_folder: The work folder of the build; made where it is missing.
    examples: The examples without their images, in order.

  Returns:
    Their folder, named after their content.
  """
  work_folder.mkdir(parents=True, exist_ok=True)
  temporary = work_folder / 'table-new'
  folder = work_folder / f'table-{table.save(examples, temporary)[:16]}'
  if folder.exists():
    shutil.rmtree(temporary)
  else:
    temporary.rename(folder)
  return folder


def _delete_others(parent: pathlib.Path, keep: pathlib.Path) -> None:
  """Deletes folders of the same kind, and what killed processes left in it."""
  kind = keep.name.partition('-')[0]
  for path in parent.glob(f'{kind}-*'):
    if path != keep:
      shutil.rmtree(path)
  for path in keep.glob('.*.tmp'):
    path.unlink(missing_ok=True)


class _Scan:
  """The first pass: which image lies where."""

  def __init__(self, request: Request) -> None:
    self._request = request
    self._sizes = [scanning.source_bytes(source) for source in request.sources]
    self.spooled = tuple(source.is_spooled for source in request.sources)
    spool_bytes = sum(
      size
      for size, spooled in zip(self._sizes, self.spooled, strict=True)
      if spooled
    )
    # A power of two, so that a replaced archive seldom changes the number.
    buckets = min(
      _MAX_BUCKETS, 1 << (spool_bytes // _BUCKET_BYTES).bit_length()
    )
    rows = request.examples.num_rows
    self.bucket_ends = tuple(
      rows * (bucket + 1) // buckets for bucket in range(buckets)
    )
    self.id = _fingerprint(
      request.table_folder.name,
      self.bucket_ends,
      dataclasses.asdict(request.rule),
      request.max_file_bytes,
      request.suffix,
    )
    self.folder = request.spool_folder / f'scan-{self.id}'
    self.num_bytes = sum(self._sizes)
    self.results: list[scanning.ScanResult] = []

  def run(self) -> None:
    """Scans the sources that were not scanned before."""
    self.folder.mkdir(parents=True, exist_ok=True)
    todo = [
      self._task(source, range(len(self.bucket_ends)))
      for source in self._request.sources
      if scanning.load_result(str(self.folder), source) is None
    ]
    self._run_tasks(todo)
    for source in self._request.sources:
      result = scanning.load_result(str(self.folder), source)
      if result is None:
        raise errors.LostDataError(
          f'{source.path} must have been scanned, but left no result. Run the '
          'build again.'
        )
      self.results.append(result)

  def restore(self, buckets: Sequence[int]) -> None:
    """Spools the given buckets again where a spool file is gone.

    Shards delete the spool that they were the last to need. If one of them is
    damaged later on, its images must be fetched from the archives again.
    """
    folder = str(self.folder)
    todo = []
    for source, result in zip(self._request.sources, self.results, strict=True):
      missing = scanning.missing_buckets(folder, source, result, buckets)
      if missing:
        todo.append(self._task(source, missing))
    self._run_tasks(todo)

  def _task(
    self, source: scanning.Source, buckets: Sequence[int]
  ) -> scanning.ScanTask:
    request = self._request
    return scanning.ScanTask(
      source=source,
      table_folder=str(self._request.table_folder),
      output_folder=str(self.folder),
      suffix=request.suffix,
      rule=request.rule,
      max_file_bytes=request.max_file_bytes,
      bucket_ends=self.bucket_ends,
      wanted_buckets=tuple(buckets),
    )

  def _run_tasks(self, tasks: Sequence[scanning.ScanTask]) -> None:
    if not tasks:
      return
    total = sum(task.amount for task in tasks)
    executor = self._request.make_executor(total)
    with progress.bar(
      total=total, desc='Scanning sources', unit='B', unit_scale=True
    ) as bar:
      executor.run(tasks, bar.update)

  def merge(self) -> tuple[npt.NDArray[np.int32], scanning.Location]:
    """Returns the rows whose images are there, ascending, and where they lie.

    Raises:
      BadDataError: If images are repeated, or bad or missing against the
        policy.
    """
    results = self.results
    location = scanning.Location(
      sources=np.repeat(
        np.arange(len(results), dtype=np.int32),
        [len(result.rows) for result in results],
      ),
      offsets=_join([result.offsets for result in results], np.int64),
      sizes=_join([result.sizes for result in results], np.int32),
      checksums=_join([result.checksums for result in results], np.uint32),
    )
    rows = _join([result.rows for result in results], np.int32)
    order = np.argsort(rows, kind='stable')
    rows, location = rows[order], location.take(order)
    self._check_repeated(rows, location)
    self._check_bad()
    self._check_missing(rows)
    return rows, location

  def bad(self) -> list[tuple[str, str, str]]:
    """Returns source, key and reason of every bad image."""
    return [
      (source.name, key, reason)
      for source, result in zip(
        self._request.sources, self.results, strict=True
      )
      for key, reason in result.bad
    ]

  def missing(self, rows: npt.NDArray[np.int32]) -> list[str]:
    """Returns the keys of rows whose image is in no source, not even bad."""
    absent = np.ones(self._request.examples.num_rows, bool)
    absent[rows] = False
    keys = self._request.examples.keys(np.flatnonzero(absent).tolist())
    bad = {key for _, key, _ in self.bad()}
    return [key for key in keys if key not in bad]

  def _check_repeated(
    self, rows: npt.NDArray[np.int32], location: scanning.Location
  ) -> None:
    places = np.flatnonzero(rows[1:] == rows[:-1])
    if not len(places):
      return
    first = int(places[0])
    names = [
      self._request.sources[int(location.sources[place])].path
      for place in (first, first + 1)
    ]
    keys = self._request.examples.keys(rows[places[:5]].tolist())
    raise errors.BadDataError(
      f'every image must be in one source once, but {len(places)} are there '
      f'more often: {errors.listing(keys)}; {keys[0]!r} is in {names[0]} and '
      f'in {names[1]}. Remove one of them.'
    )

  def _check_bad(self) -> None:
    bad = self.bad()
    if bad and self._request.on_bad_image == 'error':
      shown = [f'{key} in {name} {reason}' for name, key, reason in bad[:5]]
      rest = f'; and {len(bad) - 5} more' if len(bad) > 5 else ''
      raise errors.BadDataError(
        f'every image of {self._request.dataset} must be good, but {len(bad)} '
        f'are not: {"; ".join(shown)}{rest}. Get the archives again, or leave '
        "such images out with on_bad_image='skip' in the configuration."
      )

  def _check_missing(self, rows: npt.NDArray[np.int32]) -> None:
    if self._request.on_missing_image == 'error':
      missing = self.missing(rows)
      if missing:
        raise errors.BadDataError(
          f'every image that the metadata of {self._request.dataset} names '
          f'must be in a source, but {len(missing)} of '
          f'{self._request.examples.num_rows} are in none: '
          f'{errors.listing(missing)}. Add the archives that hold them, or '
          "build a subset with on_missing_image='skip' in the configuration."
        )


def _join(arrays: Sequence[npt.NDArray[Any]], dtype: Any) -> npt.NDArray[Any]:
  return np.concatenate([np.zeros(0, dtype), *arrays])


class _Plan:
  """The second pass: which example goes into which shard."""

  def __init__(self, request: Request, scan: _Scan) -> None:
    self._request = request
    self._scan = scan
    self._rows, location = scan.merge()
    if not len(self._rows):
      raise errors.BadDataError(
        f'{request.dataset} must have examples, but not one image that the '
        'metadata names is in the sources. Check that they belong together.'
      )
    self._sizes = self._record_sizes(location)
    self._shards = {
      split: list(self._cut(split, start, end))
      for split, (start, end) in request.examples.splits.items()
    }
    self.id = _fingerprint(
      scan.id,
      sorted(
        (source.label, result.sha256)
        for source, result in zip(request.sources, scan.results, strict=True)
      ),
      hashlib.sha256(self._rows.data).hexdigest(),
      request.file_format,
      [dataclasses.astuple(shard) for shard in self._all_shards()],
    )
    self.folder = request.work_folder / f'shards-{self.id}'
    self.folder.mkdir(exist_ok=True)
    writing.save_plan(self.folder, self._rows, location, self._sharers())

  def _all_shards(self) -> list[writing.Shard]:
    return [shard for shards in self._shards.values() for shard in shards]

  def _record_sizes(self, location: scanning.Location) -> npt.NDArray[np.int64]:
    """Returns an upper bound of every record's size on disk, in bytes."""
    sizes = location.sizes.astype(np.int64)
    for name, column in self._request.examples.columns.items():
      # Class ids take at most three bytes each.
      width = 3 if column.kind == 'ints' else 1
      sizes += np.diff(column.offsets)[self._rows] * width
      sizes += len(name) + 32
    return sizes + len(self._request.examples.image) + 64

  def _cut(self, split: str, start: int, end: int) -> Iterator[writing.Shard]:
    """Yields the shards of a split; none if all of its images are left out."""
    first, last = np.searchsorted(self._rows, [start, end]).tolist()
    if first == last:
      return
    groups = np.searchsorted(self._rows, self._request.examples.groups)
    groups = np.unique(groups[(groups > first) & (groups < last)]) - first
    ends = sharding.cut(
      self._sizes[first:last],
      np.concatenate([[0], groups]),
      self._request.sharding,
    )
    begins = [0, *ends[:-1]]
    for index, (a, b) in enumerate(zip(begins, ends, strict=True)):
      name = self._request.shard_name(split, index, len(ends))
      yield writing.Shard(split, name, first + a, first + b)

  def _sharers(self) -> dict[int, list[str]]:
    """Returns for every bucket the shards that need its spool, in order."""
    sharers: dict[int, list[str]] = {}
    for shard in self._all_shards():
      for bucket in self._buckets(shard):
        sharers.setdefault(bucket, []).append(shard.file_name)
    return sharers

  def _buckets(self, shard: writing.Shard) -> range:
    """Returns the buckets that a shard takes spooled images from."""
    if not any(self._scan.spooled):
      return range(0)
    first, last = (
      bisect.bisect_right(self._scan.bucket_ends, int(self._rows[place]))
      for place in (shard.start, shard.end - 1)
    )
    return range(first, last + 1)

  def run(self) -> None:
    """Writes the shards that are not finished."""
    request = self._request
    tasks = [
      writing.WriteTask(
        shard=shard,
        folder=str(self.folder),
        table_folder=str(request.table_folder),
        spool_folder=str(self._scan.folder),
        sources=tuple(request.sources),
        spooled=self._scan.spooled,
        suffix=request.suffix,
        bucket_ends=self._scan.bucket_ends,
        buckets=tuple(self._buckets(shard)),
        file_format=request.file_format,
      )
      for shard in self._all_shards()
    ]
    unfinished = [
      task.shard
      for task in tasks
      if writing.load_result(self.folder, task.shard.file_name) is None
    ]
    buckets = {b for shard in unfinished for b in self._buckets(shard)}
    self._scan.restore(sorted(buckets))
    self._check_space(unfinished)
    executor = request.make_executor(self._scan.num_bytes)
    with progress.bar(
      total=len(self._rows), desc='Writing shards', unit=' examples'
    ) as bar:
      executor.run(tasks, bar.update)

  def _check_space(self, unfinished: Sequence[writing.Shard]) -> None:
    needed = sum(
      int(self._sizes[shard.start : shard.end].sum()) for shard in unfinished
    )
    # Spool files on the same disk are deleted bucket by bucket meanwhile.
    spools = [path.stat() for path in self._scan.folder.glob('*.spool')]
    if spools and spools[0].st_dev == self.folder.stat().st_dev:
      spool_bytes = sum(status.st_size for status in spools)
      buckets = len(self._scan.bucket_ends)
      needed -= spool_bytes - 2 * spool_bytes // max(2, buckets)
    free = shutil.disk_usage(self.folder).free
    if needed > free:
      raise OSError(
        errno.ENOSPC,
        f'building {self._request.dataset} needs {needed / 1e9:.1f} GB more '
        f'of disk space, but only {free / 1e9:.1f} GB are free; make room and '
        'run the build again, it goes on from here',
        str(self.folder),
      )

  def verify(self) -> Result:
    """Checks that everything planned is there, and describes the build.

    Every shard was read back and compared example by example when it was
    written. Here the shards are counted, and the labels that were read back
    are compared with those of the metadata.

    Raises:
      LostDataError: If something is missing.
    """
    shards: dict[str, list[tuple[str, writing.WriteResult]]] = {}
    with progress.bar(
      total=len(self._all_shards()), desc='Verifying', unit=' shards'
    ) as bar:
      for split, planned in self._shards.items():
        found = []
        for shard in planned:
          result = writing.load_result(self.folder, shard.file_name)
          number = shard.end - shard.start
          if result is None or result.num_examples != number:
            raise errors.LostDataError(
              f'{shard.file_name} must be finished and hold {number} examples, '
              f'found {result}. Run the build again.'
            )
          found.append((shard.file_name, result))
          bar.update(1)
        if found:
          self._check_counts(split, planned, [result for _, result in found])
          shards[split] = found
    return Result(self.folder, shards, self._manifest(shards))

  def _check_counts(
    self,
    split: str,
    planned: Sequence[writing.Shard],
    results: Sequence[writing.WriteResult],
  ) -> None:
    rows = self._rows[planned[0].start : planned[-1].end]
    for name, column in self._request.examples.columns.items():
      if column.kind != 'ints':
        continue
      values, counts = np.unique(column.take(rows).values, return_counts=True)
      expected = {
        str(value): count
        for value, count in zip(values.tolist(), counts.tolist(), strict=True)
      }
      found: collections.Counter[str] = collections.Counter()
      for result in results:
        found.update(result.value_counts[name])
      if expected != dict(found):
        raise errors.LostDataError(
          f'{name} of split {split!r} must be those of the metadata, but '
          'the shards, read back, hold others. Run the build again.'
        )

  def _manifest(
    self, shards: Mapping[str, Sequence[tuple[str, writing.WriteResult]]]
  ) -> dict[str, Any]:
    return {
      'dataset': self._request.dataset,
      'file_format': self._request.file_format,
      'splits': {
        split: {
          'num_examples': sum(result.num_examples for _, result in results),
          'num_bytes': sum(result.num_bytes for _, result in results),
        }
        for split, results in shards.items()
      },
      'sources': self._describe_sources(),
      'shards': [
        {
          'file_name': name,
          'num_examples': result.num_examples,
          'num_bytes': result.num_bytes,
          'sha256': result.sha256,
        }
        for results in shards.values()
        for name, result in results
      ],
      'left_out': {
        'bad_images': [
          {'key': key, 'source': name, 'reason': reason}
          for name, key, reason in self._scan.bad()
        ],
        'missing_images': self._scan.missing(self._rows),
      },
    }

  def _describe_sources(self) -> list[dict[str, Any]]:
    """Describes what was read; the parts of a folder together."""
    parts: dict[str, list[scanning.ScanResult]] = {}
    for source, result in zip(
      self._request.sources, self._scan.results, strict=True
    ):
      parts.setdefault(source.name, []).append(result)
    described = []
    for name, results in parts.items():
      sha256 = results[0].sha256
      if len(results) > 1:
        text = ''.join(f'{result.sha256}\n' for result in results)
        sha256 = hashlib.sha256(text.encode()).hexdigest()
      described.append(
        {
          'name': name,
          'num_bytes': sum(result.num_bytes for result in results),
          'sha256': sha256,
          'num_images': sum(len(result.rows) for result in results),
          'num_other_files': sum(result.num_other for result in results),
          'other_files': [
            other for result in results for other in result.others
          ][:10],
        }
      )
    return described
