"""Users as fedjax federated data; needs the extra `fedjax`.

Client ids are bytes in fedjax: the UTF-8 of the user ids.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from flair_tfds.federated import clients as clients_lib

try:
  import fedjax
except ImportError as error:
  raise ImportError(
    "fedjax data need fedjax: pip install 'flair_tfds[fedjax]'."
  ) from error

Examples = Mapping[str, npt.NDArray[Any]]
_NO_CLIENT_PREPROCESSOR = fedjax.ClientPreprocessor()
_NO_BATCH_PREPROCESSOR = fedjax.BatchPreprocessor()

MakeExamples = Callable[[clients_lib.Client], Examples]


class ClientFederatedData(fedjax.FederatedData):
  """A `fedjax.FederatedData` that reads a user when it is asked for.

  Examples are `x`, the images, uint8, and `y`, the labels, float32 multi-hot;
  `make_examples` may make others.
  """

  def __init__(
    self,
    clients: clients_lib.ClientView,
    make_examples: MakeExamples | None = None,
    *,
    labels: str | None = None,
    preprocess_client: Any = _NO_CLIENT_PREPROCESSOR,
    preprocess_batch: Any = _NO_BATCH_PREPROCESSOR,
  ) -> None:
    """Reads nothing yet.

    Args:
      clients: The users.
      make_examples: Makes arrays of equal length, by name, of a client.
      labels: The label feature of the default; the one that the dataset trains
        on where None.
      preprocess_client: Applied to all examples of a client.
      preprocess_batch: Applied to batches.

    Raises:
      ValueError: If `labels` is not a label feature.
    """
    self._clients = clients
    self._make = make_examples or _default(clients, labels)
    self._preprocess_client = preprocess_client
    self._preprocess_batch = preprocess_batch

  def _of(self, **changes: Any) -> 'ClientFederatedData':
    options = {
      'clients': self._clients,
      'make_examples': self._make,
      'preprocess_client': self._preprocess_client,
      'preprocess_batch': self._preprocess_batch,
      **changes,
    }
    return ClientFederatedData(**options)

  def slice(
    self, start: bytes | None = None, stop: bytes | None = None
  ) -> 'ClientFederatedData':
    """Returns the clients from `start` to before `stop`."""
    chosen = [
      user
      for user in self._clients.user_ids
      if (start is None or start <= user.encode())
      and (stop is None or user.encode() < stop)
    ]
    return self._of(clients=self._clients.select(chosen))

  def num_clients(self) -> int:
    """Returns the number of clients."""
    return len(self._clients)

  def client_ids(self) -> Iterator[bytes]:
    """Yields the ids in ascending order."""
    return (user.encode() for user in self._clients.user_ids)

  def client_sizes(self) -> Iterator[tuple[bytes, int]]:
    """Yields ids and numbers of images; preprocessing is not counted in."""
    sizes = self._clients.num_images.tolist()
    return zip(self.client_ids(), sizes, strict=True)

  def client_size(self, client_id: bytes) -> int:
    """Returns the number of images of a client."""
    return len(self._clients[client_id.decode()])

  def clients(self) -> Iterator[tuple[bytes, Any]]:
    """Yields all clients in ascending order of their ids."""
    return self.get_clients(self.client_ids())

  def shuffled_clients(
    self, buffer_size: int, seed: int | None = None
  ) -> Iterator[tuple[bytes, Any]]:
    """Yields all clients for ever, in an order of its own each time.

    The order is fully random, however small the buffer: clients are found by
    id, so that none need be held.

    Args:
      buffer_size: Not used.
      seed: Of the orders.
    """
    del buffer_size
    rng = np.random.default_rng(seed)
    ids = self._clients.user_ids
    while True:
      for place in rng.permutation(len(ids)).tolist():
        yield ids[place].encode(), self.get_client(ids[place].encode())

  def get_clients(
    self, client_ids: Iterable[bytes]
  ) -> Iterator[tuple[bytes, Any]]:
    """Yields the given clients in the order given."""
    for client_id in client_ids:
      yield client_id, self.get_client(client_id)

  def get_client(self, client_id: bytes) -> Any:
    """Returns the `fedjax.ClientDataset` of a client.

    Raises:
      KeyError: If there is no such client.
    """
    examples = self._make(self._clients[client_id.decode()])
    return fedjax.ClientDataset(
      self._preprocess_client(client_id, examples), self._preprocess_batch
    )

  def preprocess_client(self, fn: Any) -> 'ClientFederatedData':
    """Adds a function of client id and examples, applied to whole clients."""
    return self._of(preprocess_client=self._preprocess_client.append(fn))

  def preprocess_batch(self, fn: Any) -> 'ClientFederatedData':
    """Adds a function of examples, applied to batches."""
    return self._of(preprocess_batch=self._preprocess_batch.append(fn))


def _default(
  clients: clients_lib.ClientView, labels: str | None
) -> MakeExamples:
  feature = clients.examples.feature(labels)

  def make(client: clients_lib.Client) -> Examples:
    hot = client.multi_hot(feature).astype(np.float32)
    return {'x': client.images(), 'y': hot}

  return make
