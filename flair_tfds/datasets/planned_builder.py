"""The base class of the builders: the engine behind TFDS's interface."""

import abc
import contextlib
import ctypes
import dataclasses
import os
import pathlib
import shutil
from collections.abc import Iterator, Sequence
from importlib import resources
from typing import Any

import tensorflow_datasets as tfds
from tensorflow_datasets.core import dataset_builder

import flair_tfds
from flair_tfds.building import (
  engine,
  executors,
  jpeg,
  manifest,
  scanning,
  sharding,
  table,
)
from flair_tfds.core import files
from flair_tfds.datasets import lock


@dataclasses.dataclass(frozen=True)
class Inputs:
  """What a dataset gives the engine.

  Attributes:
    examples: The examples without their images, in order.
    sources: Where the images are.
    suffix: What follows the key in the name of an image file.
    rule: What images must be.
    max_file_bytes: The largest file in a source to accept.
    on_bad_image: See `engine.Request`.
    on_missing_image: See `engine.Request`.
    label_names: Names of the classes of features that only the data tells.
    kept_files: Text files to keep inside the dataset, by name.
    manifest: What the dataset adds to the manifest.
  """

  examples: table.Table
  sources: Sequence[scanning.Source]
  suffix: str
  rule: jpeg.Rule
  max_file_bytes: int
  on_bad_image: engine.Policy
  on_missing_image: engine.Policy
  label_names: dict[str, list[str]]
  kept_files: dict[str, bytes]
  manifest: dict[str, Any]


class PlannedBuilder(dataset_builder.FileReaderBuilder, skip_registration=True):
  """A TFDS builder that plans, writes and verifies.

  A dataset says in `_info` what it is and in `_inputs` what it is made of.
  Everything else that TFDS promises follows: formats, shards, Beam, limits.
  What an interrupted build has finished stays beside the dataset's folder, in
  `incomplete.build_<version>`, and the next build goes on from it.
  """

  @abc.abstractmethod
  def _inputs(
    self,
    dl_manager: tfds.download.DownloadManager,
    work_folder: pathlib.Path,
    max_examples_per_split: int | None,
  ) -> Inputs:
    """Gets the raw data and reads its metadata.

    Args:
      dl_manager: Downloads files, or names the folder of manual downloads.
      work_folder: Where to put files that are deleted after the build.
      max_examples_per_split: How many examples of each split to plan at most;
        None plans all.
    """

  @tfds.core.utils.classproperty
  @classmethod
  def _checksums_path(cls) -> tfds.core.Path:
    """The table of checksums: packaged, or at the top of the repository."""
    try:
      folder = str(resources.files('flair_tfds.checksums'))
    except ModuleNotFoundError:
      folder = str(pathlib.Path(flair_tfds.__file__).parents[1] / 'checksums')
    return tfds.core.Path(folder) / f'{cls.name}.tsv'

  def download_and_prepare(
    self,
    *,
    download_dir: Any = None,
    download_config: tfds.download.DownloadConfig | None = None,
    **kwargs: Any,
  ) -> None:
    """Builds the dataset, or goes on from what an earlier build finished.

    Takes what `tfds.core.DatasetBuilder.download_and_prepare` takes.

    Raises:
      BadDataError: If the raw data is corrupt, incomplete or contradictory.
      BuildInProgressError: If another process is building it.
      LostDataError: If what was written is not what was planned.
      OSError: If the disk is full, or files may not be read or written.
    """
    self._check_local()
    config = download_config or tfds.download.DownloadConfig()
    # Where unfinished work lies; TFDS passes over folders named so.
    path = pathlib.Path(self.data_dir)
    self._work_folder: pathlib.Path = path.with_name(
      f'incomplete.build_{path.name}'
    )
    with self._locked(), self._explained():
      super().download_and_prepare(
        download_dir=download_dir,
        # Nobody else prepares these datasets: there is no prepared copy to ask
        # the network for.
        download_config=config.replace(try_download_gcs=False),
        **kwargs,
      )
      if self.data_path.exists():
        for folder in {self._work_folder, self._spool_folder(config)}:
          shutil.rmtree(folder, ignore_errors=True)

  def _check_local(self) -> None:
    if '://' in self.data_dir:
      raise ValueError(
        'data_dir must be a folder of a mounted file system, since shards are '
        f'written aside and renamed, got {self.data_dir!r}. Build into a '
        'folder that all workers share, then copy the dataset.'
      )

  @contextlib.contextmanager
  def _locked(self) -> Iterator[None]:
    if self.data_path.exists() and not self._work_folder.exists():
      # Nothing is being built; a data_dir that may only be read is fine.
      writable = os.access(self.data_path.parent, os.W_OK)
      if not writable:
        yield
        return
    name = self.info.full_name
    with lock.hold(self._work_folder / 'lock', name):
      # TFDS's own temporary folders, left behind by killed processes.
      version = pathlib.Path(self.data_dir).name
      for path in self._work_folder.parent.glob(f'incomplete.??????_{version}'):
        shutil.rmtree(path, ignore_errors=True)
      yield

  @contextlib.contextmanager
  def _explained(self) -> Iterator[None]:
    """Adds to errors of the operating system what they mean for the build."""
    try:
      yield
    except OSError as error:
      error.add_note(
        f'{self.info.full_name} was not built. What is finished is kept in '
        f'{self._work_folder}: once the cause is gone, run the build again and '
        'it goes on from there.'
      )
      raise

  def _download_and_prepare(
    self,
    dl_manager: tfds.download.DownloadManager,
    download_config: tfds.download.DownloadConfig,
  ) -> None:
    manual_dir = download_config.manual_dir
    if manual_dir and not pathlib.Path(manual_dir).expanduser().is_dir():
      raise FileNotFoundError(
        f'manual_dir must be a folder, but {manual_dir} is none. Correct it, '
        'or leave it out to download the files.'
      )
    limit = download_config.max_examples_per_split
    inputs = self._inputs(dl_manager, self._work_folder, limit)
    if limit == 0:  # TFDS: download only
      return
    for name, names in inputs.label_names.items():
      self._set_names(name, names)
    table_folder = engine.save_table(self._work_folder, inputs.examples)
    # From here on they are read from disk: let the copy in memory go.
    inputs = dataclasses.replace(inputs, examples=table.load(table_folder))
    _release_memory()
    result = engine.build(self._request(inputs, table_folder, download_config))
    folder = pathlib.Path(self.data_dir)
    split_infos = []
    for split, shards in result.shards.items():
      for file_name, _ in shards:
        _link(result.folder / file_name, folder / file_name)
      split_infos.append(
        tfds.core.SplitInfo(
          name=split,
          shard_lengths=[shard.num_examples for _, shard in shards],
          num_bytes=sum(shard.num_bytes for _, shard in shards),
          filename_template=self._get_filename_template(split),
        )
      )
    self.info.set_splits(tfds.core.splits.SplitDict(split_infos))
    for file_name, content in inputs.kept_files.items():
      (folder / file_name).write_bytes(content)
    record = {
      **result.manifest,
      **inputs.manifest,
      'made_by': f'flair_tfds {flair_tfds.__version__}',
    }
    files.write_json(folder / manifest.FILE, record)

  def _spool_folder(self, config: tfds.download.DownloadConfig) -> pathlib.Path:
    """Where archives are decompressed: in `extract_dir` if that is given."""
    if not config.extract_dir:
      return self._work_folder
    name = str(self.info.full_name).replace('/', '-')
    return pathlib.Path(config.extract_dir).expanduser() / name

  def _request(
    self,
    inputs: Inputs,
    table_folder: pathlib.Path,
    config: tfds.download.DownloadConfig,
  ) -> engine.Request:
    def make_executor(num_bytes: int) -> executors.Executor:
      if config.beam_runner is None and config.beam_options is None:
        return executors.local(num_bytes)
      return executors.BeamExecutor(
        config.beam_runner, config.beam_options, self._work_folder
      )

    def shard_name(split: str, index: int, num_shards: int) -> str:
      template = self._get_filename_template(split)
      path = template.sharded_filepath(shard_index=index, num_shards=num_shards)
      return str(path.name)

    return engine.Request(
      dataset=self.info.full_name,
      table_folder=table_folder,
      sources=inputs.sources,
      suffix=inputs.suffix,
      rule=inputs.rule,
      max_file_bytes=inputs.max_file_bytes,
      on_bad_image=inputs.on_bad_image,
      on_missing_image=inputs.on_missing_image,
      file_format=self.info.file_format.value,
      sharding=sharding.ShardConfig(
        num_shards=config.num_shards,
        min_shard_bytes=config.min_shard_size,
        max_shard_bytes=config.max_shard_size,
      ),
      shard_name=shard_name,
      work_folder=self._work_folder,
      spool_folder=self._spool_folder(config),
      make_executor=make_executor,
    )

  def _set_names(self, feature: str, names: list[str]) -> None:
    label = self.info.features[feature].feature
    # TFDS lets names be set once, and never a number that the code did not
    # foresee; but a subset of the data has fewer classes, and a builder that
    # builds a second time may find others.
    label._num_classes = label._int2str = label._str2int = None
    label.names = names


def _release_memory() -> None:
  """Gives the memory of freed objects back to the system, where libc can.

  Reading metadata leaves holes that the C library would keep for as long as
  the build lasts, in proportion to the number of examples.
  """
  trim = getattr(ctypes.CDLL(None), 'malloc_trim', None)
  if trim is not None:
    trim(0)


def _link(source: pathlib.Path, target: pathlib.Path) -> None:
  """Gives a finished shard its place in the dataset, without copying it.

  A second name rather than a new one: if the process is killed before TFDS
  publishes the dataset, the shard is still where the next build looks for it.
  """
  try:
    os.link(source, target)
  except OSError:  # the file system has no hard links
    source.rename(target)
