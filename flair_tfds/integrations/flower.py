"""Users as partitions in the way of `flwr-datasets`; needs the extra `flower`.

    partitioner = UserPartitioner(clients)
    partition = partitioner.load_partition(partitioner.partition_id(user_id))

The partitioners of `flwr-datasets` take a whole Hugging Face dataset and go
through it to find out who owns what. This one knows, and makes the dataset of a
user when it is asked for.
"""

from typing import Any

from flair_tfds.federated import clients as clients_lib

try:
  import datasets
  from flwr_datasets import partitioner as flwr_partitioner
except ImportError as error:
  raise ImportError(
    "Flower partitions need flwr-datasets: pip install 'flair_tfds[flower]'."
  ) from error


class UserPartitioner(flwr_partitioner.Partitioner):
  """One partition for each real user.

  A partition is a Hugging Face dataset with the columns `image`, `image_id`,
  `user_id` and one for each label feature (class ids).
  """

  def __init__(self, clients: clients_lib.ClientView) -> None:
    """Reads nothing yet.

    Args:
      clients: The users.
    """
    super().__init__()
    self._clients = clients
    folder = clients.examples.folder
    labels = {}
    for name in clients.examples.index.labels:
      feature = folder.features[name]
      kind = (
        datasets.ClassLabel(names=list(feature.class_names))
        if feature.class_names
        else datasets.Value('int64')
      )
      labels[name] = datasets.Sequence(kind)
    self._features = datasets.Features(
      {
        'image': datasets.Image(),
        'image_id': datasets.Value('string'),
        'user_id': datasets.Value('string'),
        **labels,
      }
    )

  @property
  def num_partitions(self) -> int:
    """The number of users."""
    return len(self._clients)

  @property
  def partition_id_to_natural_id(self) -> dict[int, str]:
    """User ids by partition id, in ascending order."""
    return dict(enumerate(self._clients.user_ids))

  def partition_id(self, user_id: str) -> int:
    """Returns the partition of a user.

    Raises:
      KeyError: If there is no such user.
    """
    self._clients[user_id]  # raises
    return self._clients.user_ids.index(user_id)

  def load_partition(self, partition_id: int) -> Any:
    """Returns the `datasets.Dataset` of a user.

    Args:
      partition_id: From 0 to `num_partitions - 1`.

    Raises:
      ValueError: If there is no such partition.
    """
    if not 0 <= partition_id < len(self._clients):
      raise ValueError(
        f'partition_id must be from 0 to {len(self._clients) - 1}, got '
        f'{partition_id}'
      )
    client = self._clients[self._clients.user_ids[partition_id]]
    rows = [
      {
        'image': {'bytes': example.encoded, 'path': None},
        'image_id': example.image_id,
        'user_id': example.user_id,
        **{name: list(ids) for name, ids in example.labels.items()},
      }
      for example in client
    ]
    return datasets.Dataset.from_list(rows, features=self._features)

  @property
  def dataset(self) -> Any:
    """All users' images as one dataset would defeat the purpose."""
    raise AttributeError(
      'dataset must not be asked of UserPartitioner, which reads users one by '
      'one. Use load_partition.'
    )

  def is_dataset_assigned(self) -> bool:
    """Returns True: nothing need be assigned before use."""
    return True
