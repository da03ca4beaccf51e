"""Users in the shape of TensorFlow Federated's `ClientData`, and as `tf.data`.

TensorFlow Federated itself is not needed, and does not install beside current
TensorFlow: code that is written for `ClientData` finds the same names here.
TensorFlow is imported when a `tf.data.Dataset` is made.
"""

import collections
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from flair_tfds.federated import clients as clients_lib

Preprocess = Callable[[Any], Any]


def to_tf_dataset(
  client: clients_lib.Client, *, labels: str | None = None
) -> Any:
  """Returns a `tf.data.Dataset` of one client's examples, in order.

  Elements are ordered dictionaries, which TensorFlow Federated insists on:
  `image` (uint8 [height, width, 3]), `image_id`, and `labels` (float32 [class],
  multi-hot). Images are read as the dataset runs.

  Args:
    client: One user, or `ClientView.pooled` for all.
    labels: The label feature; by default the one that the dataset trains on.

  Raises:
    ValueError: If `labels` is not a label feature.
  """
  import tensorflow as tf

  num_classes = client.take([]).multi_hot(labels).shape[1]

  def generate() -> Iterator[Any]:
    hot = client.multi_hot(labels).astype(np.float32)
    for example, row in zip(client, hot, strict=True):
      yield collections.OrderedDict(
        image=example.image, image_id=example.image_id, labels=row
      )

  dataset = tf.data.Dataset.from_generator(
    generate,
    output_signature=collections.OrderedDict(
      image=tf.TensorSpec((None, None, 3), tf.uint8),
      image_id=tf.TensorSpec((), tf.string),
      labels=tf.TensorSpec((num_classes,), tf.float32),
    ),
  )
  return dataset.apply(tf.data.experimental.assert_cardinality(len(client)))


class ClientData:
  """The users, with the names of `tff.simulation.datasets.ClientData`."""

  def __init__(
    self,
    clients: clients_lib.ClientView,
    *,
    labels: str | None = None,
    preprocess_fn: Preprocess | None = None,
  ) -> None:
    """Reads nothing yet.

    Args:
      clients: The users.
      labels: See `to_tf_dataset`.
      preprocess_fn: Makes another `tf.data.Dataset` of each client's.

    Raises:
      ValueError: If `labels` is not a label feature.
    """
    self._clients = clients
    self._labels = clients.examples.feature(labels)
    self._preprocess_fn = preprocess_fn

  @property
  def client_ids(self) -> list[str]:
    """The ids in ascending order."""
    return list(self._clients.user_ids)

  @property
  def dataset_computation(self) -> Any:
    """Not there: it would be a computation of TensorFlow Federated."""
    raise NotImplementedError(
      'dataset_computation must be built by TensorFlow Federated, which is not '
      'needed here. Use create_tf_dataset_for_client.'
    )

  @property
  def element_type_structure(self) -> Any:
    """The `tf.TensorSpec`s of an element."""
    return self.create_tf_dataset_for_client(self.client_ids[0]).element_spec

  def create_tf_dataset_for_client(self, client_id: str) -> Any:
    """Returns the `tf.data.Dataset` of one client.

    Raises:
      KeyError: If there is no such client.
    """
    dataset = to_tf_dataset(self._clients[client_id], labels=self._labels)
    return (
      dataset if self._preprocess_fn is None else self._preprocess_fn(dataset)
    )

  def datasets(
    self, limit_count: int | None = None, seed: int | None = None
  ) -> Iterator[Any]:
    """Yields the datasets of the clients in a random order.

    Args:
      limit_count: How many at most.
      seed: Of the order; another each time where None.
    """
    order = np.random.default_rng(seed).permutation(len(self._clients))
    ids = self._clients.user_ids
    for place in itertools.islice(order.tolist(), limit_count):
      yield self.create_tf_dataset_for_client(ids[place])

  def create_tf_dataset_from_all_clients(self, seed: int | None = None) -> Any:
    """Returns one `tf.data.Dataset`, client after client in a random order.

    Args:
      seed: Of the order; another each time where None.
    """
    order = np.random.default_rng(seed).permutation(len(self._clients))
    starts = self._clients.starts
    rows = [
      np.arange(starts[place], starts[place + 1]) for place in order.tolist()
    ]
    pooled = self._clients.pooled.take(np.concatenate(rows))
    dataset = to_tf_dataset(pooled, labels=self._labels)
    return (
      dataset if self._preprocess_fn is None else self._preprocess_fn(dataset)
    )

  def preprocess(self, preprocess_fn: Preprocess) -> 'ClientData':
    """Returns clients whose datasets go through one more function.

    Args:
      preprocess_fn: Makes a `tf.data.Dataset` of a `tf.data.Dataset`.
    """
    before = self._preprocess_fn

    def both(dataset: Any) -> Any:
      return preprocess_fn(dataset if before is None else before(dataset))

    return ClientData(self._clients, labels=self._labels, preprocess_fn=both)

  @classmethod
  def train_test_client_split(
    cls,
    client_data: 'ClientData',
    num_test_clients: int,
    seed: int | None = None,
  ) -> tuple['ClientData', 'ClientData']:
    """Splits clients at random into two sets without a common one.

    Args:
      client_data: The clients.
      num_test_clients: How many the second set gets.
      seed: Of the choice; another each time where None.

    Raises:
      ValueError: If one of the two would have no client.
    """
    clients = client_data._clients
    if not 0 < num_test_clients < len(clients):
      raise ValueError(
        f'num_test_clients must be from 1 to {len(clients) - 1}, got '
        f'{num_test_clients}'
      )
    order = np.random.default_rng(seed).permutation(len(clients)).tolist()
    parts = order[num_test_clients:], order[:num_test_clients]
    train, test = (
      cls(
        clients.select([clients.user_ids[place] for place in part]),
        labels=client_data._labels,
        preprocess_fn=client_data._preprocess_fn,
      )
      for part in parts
    )
    return train, test
