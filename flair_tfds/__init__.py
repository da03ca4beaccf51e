"""TensorFlow Datasets builders for large multi-label image datasets.

Importing this package makes its builders known to TensorFlow Datasets (TFDS):

    import flair_tfds
    import tensorflow_datasets as tfds

    train = tfds.load('flair', split='train')

The import itself loads neither TensorFlow nor TFDS: the builders register the
moment that `tensorflow_datasets` is imported, before or after this package.
Worker processes, which never need TFDS, therefore stay small.
"""

import wrapt

from flair_tfds._version import __version__

__all__ = ['__version__']


def _register_builders(unused_tfds_module: object) -> None:
  from flair_tfds.datasets import registration

  registration.register()


wrapt.register_post_import_hook(_register_builders, 'tensorflow_datasets')
