import subprocess
import sys

import numpy as np
import pytest

pfl_adapter = pytest.importorskip(
  'flair_tfds.integrations.pfl', exc_type=ImportError
)


# Of pfl 0.6 and what it imports; none of it is ours.
pytestmark = pytest.mark.filterwarnings('ignore')


def features(client):
  """Mean colours: something that a linear model takes, and quickly."""
  means = [example.image.mean((0, 1)) / 255 for example in client]
  return [
    np.array(means, np.float32),
    client.multi_hot().astype(np.float32),
  ]


def test_a_user_comes_with_images_and_labels(clients):
  dataset = pfl_adapter.federated_dataset(clients)
  data = dataset.make_dataset_fn(clients.user_ids[0])
  images, labels = data.raw_data
  client = clients[clients.user_ids[0]]
  assert (images == client.images()).all()
  assert labels.dtype == np.float32
  assert (labels == client.multi_hot()).all()
  assert data.user_id == client.user_id


def test_a_cohort_has_users_of_the_view(clients):
  np.random.seed(0)
  dataset = pfl_adapter.federated_dataset(clients, features)
  cohort = [data for data, _ in dataset.get_cohort(10)]
  assert len(cohort) == 10
  for data in cohort:
    assert len(data) == len(clients[data.user_id])


def test_users_may_be_sampled_otherwise(clients):
  users = iter(clients.user_ids[:3])
  dataset = pfl_adapter.federated_dataset(
    clients, features, user_sampler=lambda: next(users)
  )
  found = [data.user_id for data, _ in dataset.get_cohort(3)]
  assert found == list(clients.user_ids[:3])


def test_an_unknown_label_feature_is_refused(clients):
  with pytest.raises(ValueError, match='labels must be a label feature'):
    pfl_adapter.federated_dataset(clients, labels='lables')


def test_all_users_together_are_for_evaluation(clients):
  data = pfl_adapter.central_dataset(clients, features)
  assert len(data) == len(clients.rows)
  assert data.user_id is None


TRAINING = """
import sys

import numpy as np
import torch
from pfl.aggregate.simulate import SimulatedBackend
from pfl.algorithm.base import NNAlgorithmParams
from pfl.algorithm.federated_averaging import FederatedAveraging
from pfl.hyperparam.base import NNEvalHyperParams, NNTrainHyperParams
from pfl.model.pytorch import PyTorchModel

from flair_tfds import federated
from flair_tfds.integrations import pfl as pfl_adapter


class Linear(torch.nn.Module):
  def __init__(self):
    super().__init__()
    self.layer = torch.nn.Linear(3, 17)

  def forward(self, x):
    return self.layer(x)

  def loss(self, x, y, eval=False):
    logits = self(x)
    return torch.nn.functional.binary_cross_entropy_with_logits(logits, y)

  def metrics(self, x, y, eval=True):
    return {}


def tensors(client):
  means = [example.image.mean((0, 1)) / 255 for example in client]
  hot = client.multi_hot().astype(np.float32)
  return torch.tensor(np.array(means, np.float32)), torch.tensor(hot)


clients = federated.load('flair/miniature', 'train', data_dir=sys.argv[1])
np.random.seed(0)
torch.manual_seed(0)
module = Linear()
model = PyTorchModel(
  module,
  local_optimizer_create=torch.optim.SGD,
  central_optimizer=torch.optim.SGD(module.parameters(), lr=1.0),
)
everything = tensors(clients.pooled)
before = module.loss(*everything).item()
FederatedAveraging().run(
  algorithm_params=NNAlgorithmParams(
    central_num_iterations=1,
    evaluation_frequency=100,
    train_cohort_size=10,
    val_cohort_size=0,
  ),
  backend=SimulatedBackend(
    training_data=pfl_adapter.federated_dataset(clients, tensors),
    val_data=None,
  ),
  model=model,
  model_train_params=NNTrainHyperParams(
    local_num_epochs=3, local_learning_rate=0.5, local_batch_size=4
  ),
  model_eval_params=NNEvalHyperParams(local_batch_size=16),
)
print('loss', before, module.loss(*everything).item())
"""


def test_a_round_of_federated_averaging_learns(clients, miniature):
  """Runs pfl's own loop, with a PyTorch model, through the adapter.

  In a process of its own: pfl allows one framework for each.
  """
  pytest.importorskip('torch')
  done = subprocess.run(
    [sys.executable, '-W', 'ignore', '-c', TRAINING, str(miniature)],
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 0, done.stderr
  before, after = map(float, done.stdout.split('loss ')[-1].split())
  assert after < before
