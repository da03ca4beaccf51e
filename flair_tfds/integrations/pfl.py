"""Users as a `pfl` federated dataset; needs the extra `pfl`.

    train = pfl_adapter.federated_dataset(clients.with_max_images(512, rng))
    for user_data, seed in train.get_cohort(200): ...

A user is read when pfl asks for it.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from flair_tfds.federated import clients as clients_lib

try:
  from pfl import data as pfl_data
  from pfl.data import sampling as pfl_sampling
except ImportError as error:
  raise ImportError(
    "pfl datasets need pfl: pip install 'flair_tfds[pfl]'."
  ) from error

MakeData = Callable[[clients_lib.Client], Sequence[Any]]


def federated_dataset(
  clients: clients_lib.ClientView,
  make_data: MakeData | None = None,
  *,
  labels: str | None = None,
  user_sampler: Callable[[], str] | None = None,
) -> Any:
  """Returns a `pfl.data.FederatedDataset`.

  Args:
    clients: The users. Select, cap or mix them first: `with_max_images(512,
      rng)` and `iid(50, rng)` are what the published benchmark of pfl does.
    make_data: Makes the arrays or tensors that the model takes of a client; by
      default images, uint8, and labels, float32 multi-hot, as in that
      benchmark.
    labels: The label feature of the default; the one that the dataset trains
      on where None.
    user_sampler: Returns the id of the next user. By default pfl draws users
      uniformly from its own seeded generator, alike on all workers.

  Raises:
    ValueError: If `labels` is not a label feature.
  """
  make = make_data or _default(clients, labels)

  def make_dataset(user_id: str) -> Any:
    return user_dataset(clients[user_id], make)

  sampler = user_sampler or pfl_sampling.get_user_sampler(
    'random', list(clients.user_ids)
  )
  sizes = clients.num_images.tolist()
  weights = dict(zip(clients.user_ids, sizes, strict=True))
  return pfl_data.FederatedDataset(
    make_dataset, sampler, user_id_to_weight=weights
  )


def central_dataset(
  clients: clients_lib.ClientView,
  make_data: MakeData | None = None,
  *,
  labels: str | None = None,
) -> Any:
  """Returns a `pfl.data.dataset.Dataset` of all users' images together.

  For central evaluation; everything is held in memory.

  Args:
    clients: The users.
    make_data: See `federated_dataset`.
    labels: See `federated_dataset`.

  Raises:
    ValueError: If `labels` is not a label feature.
  """
  make = make_data or _default(clients, labels)
  return user_dataset(clients.pooled, make, is_train=False)


def user_dataset(
  client: clients_lib.Client, make_data: MakeData, *, is_train: bool = True
) -> Any:
  """Returns a `pfl.data.dataset.Dataset` of one client.

  Args:
    client: The client.
    make_data: See `federated_dataset`.
    is_train: Only a user's own data has an id and is trained on.
  """
  return pfl_data.dataset.Dataset(
    raw_data=list(make_data(client)),
    user_id=client.user_id if is_train else None,
    train_kwargs={'eval': False},
    eval_kwargs={'eval': True},
  )


def _default(clients: clients_lib.ClientView, labels: str | None) -> MakeData:
  feature = clients.examples.feature(labels)

  def make(client: clients_lib.Client) -> Sequence[Any]:
    return client.images(), client.multi_hot(feature).astype(np.float32)

  return make
