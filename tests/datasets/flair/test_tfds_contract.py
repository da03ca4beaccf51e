"""What TFDS itself demands of every builder, for every configuration."""

import pathlib
import tempfile

import tensorflow_datasets as tfds
from raw_flair import RawFlair

import flair_tfds  # noqa: F401
from flair_tfds.datasets.flair import flair_dataset_builder, miniature


class _FlairTestCase(tfds.testing.DatasetBuilderTestCase):
  """Runs TFDS's own checks on a small download in the published layout."""

  DATASET_CLASS = flair_dataset_builder.Builder
  SPLITS = {'train': 12, 'val': 2, 'test': 4}  # noqa: RUF012

  @classmethod
  def setUpClass(cls):
    cls._folder = tempfile.TemporaryDirectory()
    raw = RawFlair(pathlib.Path(cls._folder.name))
    for name, data in raw.images.items():
      raw.archives['images-00.tar.gz'].append((f'raw_images/{name}.jpg', data))
    raw.write()
    cls.EXAMPLE_DIR = cls._folder.name
    super().setUpClass()

  @classmethod
  def tearDownClass(cls):
    super().tearDownClass()
    cls._folder.cleanup()


class SmallTest(_FlairTestCase):
  BUILDER_CONFIG_NAMES_TO_TEST = ['small']  # noqa: RUF012


class RawTest(_FlairTestCase):
  BUILDER_CONFIG_NAMES_TO_TEST = ['raw']  # noqa: RUF012


class MiniatureTest(_FlairTestCase):
  BUILDER_CONFIG_NAMES_TO_TEST = ['miniature']  # noqa: RUF012
  SPLITS = miniature.NUM_IMAGES


del _FlairTestCase  # a base class, not a test
