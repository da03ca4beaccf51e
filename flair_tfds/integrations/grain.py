"""A user's examples, or all users', as a Grain source; needs Grain.

dataset = grain.MapDataset.source(ClientSource(clients.pooled)).shuffle(0)
"""

from typing import Any, SupportsIndex

from flair_tfds.federated import clients as clients_lib

try:
  from grain import python as grain
except ImportError as error:
  raise ImportError(
    "Grain sources need Grain: pip install 'flair_tfds[grain]'."
  ) from error


class ClientSource(grain.RandomAccessDataSource):
  """Examples by place; an image is read when it is asked for.

  Elements are dictionaries: `image` (uint8 [height, width, 3], or the JPEG
  file), `image_id`, `user_id`, and `labels` (bool [class]).
  """

  def __init__(
    self,
    client: clients_lib.Client,
    *,
    labels: str | None = None,
    decode: bool = True,
  ) -> None:
    """Reads nothing yet.

    Args:
      client: One user, or `ClientView.pooled` for all.
      labels: The label feature; by default the one that the dataset trains on.
      decode: Whether to decode images, or leave that to a later step.

    Raises:
      ValueError: If `labels` is not a label feature.
    """
    self._client = client
    self._labels = labels
    self._decode = decode
    client.take([]).multi_hot(labels)  # raises now rather than in a worker

  def __len__(self) -> int:
    return len(self._client)

  def __repr__(self) -> str:
    # Grain compares it when it restores a checkpoint.
    return f'ClientSource({self._client!r}, {self._labels!r}, {self._decode})'

  def __getitem__(self, place: SupportsIndex) -> dict[str, Any]:
    index = int(place)
    example = self._client[index]
    return {
      'image': example.image if self._decode else example.encoded,
      'image_id': example.image_id,
      'user_id': example.user_id,
      'labels': self._client.take([index]).multi_hot(self._labels)[0],
    }
