"""Makes the builders known to TFDS, without disturbing its own."""


def register() -> None:
  """Registers the builders; called as soon as TFDS has been imported.

  A builder whose name TFDS does not use registers by being imported.
  """
  import flair_tfds.datasets.flair.flair_dataset_builder  # noqa: F401
