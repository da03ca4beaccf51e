"""The TFDS builder of FLAIR."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any, Literal

import tensorflow_datasets as tfds
from absl import logging

from flair_tfds.building import jpeg, scanning
from flair_tfds.core import errors, files
from flair_tfds.datasets import planned_builder
from flair_tfds.datasets.flair import metadata as metadata_lib
from flair_tfds.datasets.flair import miniature, published
from flair_tfds.hierarchy import flair as taxonomy_lib

_HOMEPAGE = 'https://github.com/apple/ml-flair'
_LICENSE = """\
Annotations and other rights of Apple in the dataset: CC BY-NC 4.0
(https://creativecommons.org/licenses/by-nc/4.0/).

Images: copyright of their respective owners. ATTRIBUTION.txt, which is
published with the dataset, links the licence of each image by its id. Verify
the licence of an image yourself before you use it.
"""
_MINIATURE_LICENSE = """\
Drawn by flair_tfds, under the licence of flair_tfds: Apache License 2.0
(https://www.apache.org/licenses/LICENSE-2.0).
"""
_MINIATURE_NOTICE = (
  'Synthetic: every image was drawn by flair_tfds. No image, user or label '
  'assignment is of the real FLAIR; results on it say nothing about FLAIR.'
)
_RELATIONSHIP_FILE = taxonomy_lib.RELATIONSHIP_FILE

Images = Literal['small', 'raw', 'miniature']


@dataclasses.dataclass(frozen=True)
class _Layout:
  """How one kind of images lies in the download and in `manual_dir`.

  Attributes:
    tarball: File name of the archives, but for number and ending.
    folder: Name of the folder that they unpack to.
    url_folder: Their folder below the base address.
    rule: What the images must be.
    max_file_bytes: The largest file in an archive to accept.
  """

  tarball: str
  folder: str
  url_folder: str
  rule: jpeg.Rule
  max_file_bytes: int


_LAYOUTS: dict[Images, _Layout] = {
  'small': _Layout(
    tarball='small_images-',
    folder='small_images',
    url_folder='images/small/',
    rule=jpeg.Rule(size=(256, 256), components=(3,)),
    max_file_bytes=4 << 20,
  ),
  'raw': _Layout(
    tarball='images-',
    folder='raw_images',
    url_folder='images/raw/',
    rule=jpeg.Rule(),
    max_file_bytes=512 << 20,
  ),
}
_LAYOUTS['miniature'] = _LAYOUTS['small']


@dataclasses.dataclass(eq=False)
class FlairConfig(tfds.core.BuilderConfig):
  """A configuration of FLAIR.

  Attributes:
    images: Which images: `small` (256x256 pixels), `raw` (full size), or
      `miniature` (drawn by this package, for tests and tours).
    on_bad_image: What to do with an image that is no complete JPEG, or not of
      the size and colours that it must have: `error` ends the build, `skip`
      leaves it out and names it in the manifest.
    on_missing_image: Likewise for an image that the metadata names but no
      archive holds. `skip` builds subsets.
  """

  images: Images = 'small'
  on_bad_image: Literal['error', 'skip'] = 'error'
  on_missing_image: Literal['error', 'skip'] = 'error'

  def __post_init__(self) -> None:
    """Refuses unknown kinds of images."""
    if self.images not in _LAYOUTS:
      raise ValueError(
        f'images must be one of {errors.choices(self.images, _LAYOUTS)}, got '
        f'{self.images!r}'
      )


class _UrlInfos:
  """`url_infos` of TFDS: known checksums by address.

  On the class these are the checksums of `checksums/flair.tsv`. On a builder
  they are those of its own configuration, and the keys are all addresses that
  it downloads, whether their checksum is known or not: `tfds build
  --download_only` takes what it downloads from the keys.
  """

  def __get__(self, builder: 'Builder | None', owner: 'type[Builder]') -> Any:
    path = owner._checksums_path
    known = (
      tfds.download.checksums.load_url_infos(path) if path.exists() else {}
    )
    if builder is None:
      return known
    urls = builder.urls()
    return _KnownOf({url: known[url] for url in urls if url in known}, urls)


class _KnownOf(dict[str, Any]):
  """A dictionary whose keys include addresses without a value."""

  def __init__(self, known: dict[str, Any], urls: Sequence[str]) -> None:
    super().__init__(known)
    self._urls = urls

  def keys(self) -> Any:
    return dict.fromkeys(self._urls).keys()


class Builder(planned_builder.PlannedBuilder):
  """Builds FLAIR from the published archives, or a miniature from nothing."""

  VERSION = tfds.core.Version('1.0.0')
  RELEASE_NOTES = {
    '1.0.0': 'Initial release.',
  }
  BUILDER_CONFIGS = [
    FlairConfig(
      name='small',
      description='All images at 256x256 pixels, about 6 GB.',
      images='small',
    ),
    FlairConfig(
      name='raw',
      description='All images at full size, about 1.2 TB.',
      images='raw',
    ),
    FlairConfig(
      name='miniature',
      description=(
        'A few hundred synthetic images in the layout of FLAIR, drawn by '
        'flair_tfds itself: for tests and tours. Not the real data.'
      ),
      images='miniature',
    ),
  ]
  DEFAULT_BUILDER_CONFIG_NAME = 'small'
  MANUAL_DOWNLOAD_INSTRUCTIONS = f"""\
  Optional. FLAIR is downloaded by itself where the network allows it. What
  lies in manual_dir, or in a folder flair/ in it, is used instead:

    {metadata_lib.METADATA_FILE}
    {_RELATIONSHIP_FILE}
    small_images-*.tar.gz (or .tar), or a folder small_images/   config small
    images-*.tar.gz (or .tar), or a folder raw_images/           config raw

  The folders labels/, images/small/ and images/raw/ of the published download
  may be kept. The files are published below
  {published.BASE_URL}
  """
  # The address below which the files are published; tests have their own.
  BASE_URL = published.BASE_URL

  url_infos = _UrlInfos()

  @property
  def _layout(self) -> _Layout:
    return _LAYOUTS[self.builder_config.images]

  @property
  def _is_synthetic(self) -> bool:
    return bool(self.builder_config.images == 'miniature')

  def _info(self) -> tfds.core.DatasetInfo:
    published_metadata = self.get_metadata()
    description, citation = (
      published_metadata.description,
      published_metadata.citation,
    )
    if self._is_synthetic:
      description = (
        f'{_MINIATURE_NOTICE}\n\nThe layout and the features are those of '
        f'FLAIR, whose description follows.\n\n{description}'
      )
    size = self._layout.rule.size or (None, None)
    return tfds.core.DatasetInfo(
      builder=self,
      description=description,
      citation=citation,
      homepage=_HOMEPAGE,
      license=_MINIATURE_LICENSE if self._is_synthetic else _LICENSE,
      features=tfds.features.FeaturesDict(
        {
          'image': tfds.features.Image(
            shape=(*size, 3),
            encoding_format='jpeg',
            doc='The photograph, as it is in the archive.',
          ),
          'image_id': tfds.features.Text(doc='Flickr photo id.'),
          'user_id': tfds.features.Text(
            doc='Flickr NSID of the user who owns the photograph.'
          ),
          'labels': tfds.features.Sequence(
            tfds.features.ClassLabel(names=taxonomy_lib.COARSE_LABELS),
            doc='Coarse-grained labels, ascending.',
          ),
          'fine_grained_labels': tfds.features.Sequence(
            self._fine_label(), doc='Fine-grained labels, ascending.'
          ),
        }
      ),
      supervised_keys=('image', 'labels'),
      # The order means something: a user's images follow each other.
      disable_shuffling=True,
    )

  def _fine_label(self) -> tfds.features.ClassLabel:
    """Fine labels are named by the metadata; a subset has fewer than all."""
    names = self.data_path / 'fine_grained_labels.labels.txt'
    if names.exists():
      return tfds.features.ClassLabel(names_file=names)
    if self._is_synthetic:
      return tfds.features.ClassLabel()
    return tfds.features.ClassLabel(num_classes=published.NUM_FINE_LABELS)

  def urls(self) -> list[str]:
    """Returns the addresses that this configuration downloads."""
    if self._is_synthetic:
      return []
    layout = self._layout
    images = f'{self.BASE_URL}{layout.url_folder}{layout.tarball}'
    labels = f'{self.BASE_URL}labels/'
    return [
      f'{labels}{metadata_lib.METADATA_FILE}',
      f'{labels}{_RELATIONSHIP_FILE}',
      *(f'{images}{i:02d}.tar.gz' for i in range(published.NUM_TARBALLS)),
    ]

  def _inputs(
    self,
    dl_manager: tfds.download.DownloadManager,
    work_folder: pathlib.Path,
    max_examples_per_split: int | None,
  ) -> planned_builder.Inputs:
    raw = self._raw_files(dl_manager, work_folder)
    metadata = metadata_lib.read(raw.metadata, max_examples_per_split)
    taxonomy = taxonomy_lib.read_label_relationship(raw.relationship)
    read = {
      metadata_lib.METADATA_FILE: raw.metadata,
      _RELATIONSHIP_FILE: raw.relationship,
    }
    config = self.builder_config
    return planned_builder.Inputs(
      examples=metadata.examples,
      sources=raw.sources,
      suffix='.jpg',
      rule=self._layout.rule,
      max_file_bytes=self._layout.max_file_bytes,
      on_bad_image=config.on_bad_image,
      on_missing_image=config.on_missing_image,
      label_names={'fine_grained_labels': metadata.fine_names},
      kept_files={_RELATIONSHIP_FILE: raw.relationship.read_bytes()},
      manifest={
        'synthetic': _MINIATURE_NOTICE if self._is_synthetic else False,
        'metadata_files': [
          {
            'name': name,
            'num_bytes': path.stat().st_size,
            'sha256': files.sha256(path),
          }
          for name, path in read.items()
        ],
        'metadata': metadata_lib.describe(metadata, taxonomy),
      },
    )

  def _raw_files(
    self,
    dl_manager: tfds.download.DownloadManager,
    work_folder: pathlib.Path,
  ) -> '_RawFiles':
    if self._is_synthetic:
      folder = work_folder / 'drawn'
      if not folder.exists():
        miniature.draw(folder)
      return _find(folder, self._layout)
    try:
      manual_dir = pathlib.Path(dl_manager.manual_dir)
    except AssertionError:  # TFDS: there is none, or it is empty
      return self._downloaded(dl_manager)
    found = [
      raw
      for folder in (manual_dir, manual_dir / 'flair')
      if (raw := _find(folder, self._layout)).sources or raw.metadata.exists()
    ]
    if not found:
      logging.warning(
        '%s holds no files of %s: they are downloaded.',
        manual_dir,
        self.info.full_name,
      )
      return self._downloaded(dl_manager)
    raw = found[0]
    _check_complete(raw, self._layout)
    return raw

  def _downloaded(
    self, dl_manager: tfds.download.DownloadManager
  ) -> '_RawFiles':
    try:
      paths = dl_manager.download({url: url for url in self.urls()})
    except Exception as error:
      error.add_note(
        f'{self.info.full_name} was not downloaded. What is complete is kept: '
        'run the build again to go on. Or get the files in another way and '
        'pass --manual_dir (in Python: tfds.download.DownloadConfig('
        f'manual_dir=...)):\n{self.MANUAL_DOWNLOAD_INSTRUCTIONS}'
      )
      raise
    metadata, relationship, *archives = map(pathlib.Path, paths.values())
    names = [url.rpartition('/')[2] for url in list(paths)[2:]]
    return _RawFiles(
      metadata,
      relationship,
      [
        scanning.Source(name, str(path))
        for name, path in zip(names, archives, strict=True)
      ],
      looked_in=[],
    )


@dataclasses.dataclass(frozen=True)
class _RawFiles:
  """The files of the published download.

  Attributes:
    metadata: `labels_and_metadata.json`; may not exist.
    relationship: `label_relationship.txt`; may not exist.
    sources: Archives or a folder of images; may be empty.
    looked_in: Where images were looked for.
  """

  metadata: pathlib.Path
  relationship: pathlib.Path
  sources: list[scanning.Source]
  looked_in: list[pathlib.Path]


def _find(folder: pathlib.Path, layout: _Layout) -> _RawFiles:
  """Looks for the published layout in a folder.

  Archives come before a folder that they may have been unpacked to: they are
  what is published, and their hash can be compared.
  """
  labels, images = folder / 'labels', folder / layout.url_folder
  places = [folder, images]
  archives = sorted(
    path
    for place in places
    for path in place.glob(f'{layout.tarball}*')
    if path.name.endswith(('.tar.gz', '.tgz', '.tar'))
  )
  sources = [scanning.Source(path.name, str(path)) for path in archives]
  unpacked = [place / layout.folder for place in places]
  if not sources:
    for path in unpacked:
      if path.is_dir():
        sources.extend(scanning.from_folder(path.name, str(path)))
  metadata, relationship = (
    next(
      (place / name for place in (folder, labels) if (place / name).exists()),
      folder / name,
    )
    for name in (metadata_lib.METADATA_FILE, _RELATIONSHIP_FILE)
  )
  return _RawFiles(metadata, relationship, sources, places)


def _check_complete(raw: _RawFiles, layout: _Layout) -> None:
  for path in (raw.metadata, raw.relationship):
    if not path.exists():
      raise errors.BadDataError(
        f'{path} must be there, since other files of FLAIR are, but it is not. '
        f'Get it from {published.BASE_URL}labels/{path.name} and run the build '
        'again.'
      )
  if not raw.sources:
    places = ' or '.join(str(place) for place in raw.looked_in)
    raise errors.BadDataError(
      f'images must lie beside {raw.metadata}, but there is neither a file '
      f'{layout.tarball}*.tar.gz nor a folder {layout.folder}/ in {places}. '
      f'Get the archives from {published.BASE_URL}{layout.url_folder} and run '
      'the build again.'
    )
