"""A user's examples, or all users', as a PyTorch dataset; needs PyTorch.

    loader = DataLoader(ClientDataset(clients['9334511@N06']), batch_size=16)

Datasets may be used by the worker processes of a `DataLoader`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from flair_tfds.federated import clients as clients_lib

try:
  import torch
  from torch.utils import data as torch_data
except ImportError as error:
  raise ImportError(
    "PyTorch datasets need PyTorch: pip install 'flair_tfds[torch]'."
  ) from error

Transform = Callable[[torch.Tensor], torch.Tensor]


class ClientDataset(torch_data.Dataset[Any]):
  """Images and multi-hot labels by place; an image is read when asked for.

  Items are pairs: the image, uint8 [3, height, width], or what `transform`
  makes of it; the labels, float32 [class].
  """

  def __init__(
    self,
    client: clients_lib.Client,
    transform: Transform | None = None,
    *,
    labels: str | None = None,
  ) -> None:
    """Reads nothing yet.

    Args:
      client: One user, or `ClientView.pooled` for all.
      transform: Applied to every image.
      labels: The label feature; by default the one that the dataset trains on.

    Raises:
      ValueError: If `labels` is not a label feature.
    """
    self._client = client
    self._transform = transform
    self._labels = labels
    client.take([]).multi_hot(labels)  # raises now rather than in a worker

  def __len__(self) -> int:
    return len(self._client)

  def __getitem__(self, place: int) -> tuple[torch.Tensor, torch.Tensor]:
    # Samplers of PyTorch count with its own integers.
    place = int(place)
    pixels = self._client[place].image.transpose(2, 0, 1)
    image = torch.from_numpy(np.ascontiguousarray(pixels))
    if self._transform is not None:
      image = self._transform(image)
    hot = self._client.take([place]).multi_hot(self._labels)[0]
    return image, torch.from_numpy(hot.astype(np.float32))
