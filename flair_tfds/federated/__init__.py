"""Federated data: a split by user, cohorts of users, and how users differ.

    from flair_tfds import federated

    clients = federated.load('flair', split='train')
    cohorts = federated.UniformCohorts(clients, 200, np.random.default_rng(0))
    for cohort in cohorts.iterate(num_rounds=100):
      for client in cohort:
        for batch in client.batches(16, rng): ...

No TensorFlow is needed to read. Adapters for frameworks are in
`flair_tfds.integrations`.
"""

from flair_tfds.federated import statistics
from flair_tfds.federated.clients import (
  Batch,
  Client,
  ClientView,
  Example,
  load,
  load_folder,
)
from flair_tfds.federated.cohorts import (
  EpochCohorts,
  PoissonCohorts,
  UniformCohorts,
)

__all__ = [
  'Batch',
  'Client',
  'ClientView',
  'EpochCohorts',
  'Example',
  'PoissonCohorts',
  'UniformCohorts',
  'load',
  'load_folder',
  'statistics',
]
