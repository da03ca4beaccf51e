import numpy as np
import pytest

torch_adapter = pytest.importorskip(
  'flair_tfds.integrations.torch', exc_type=ImportError
)
torch = pytest.importorskip('torch')


pytestmark = pytest.mark.filterwarnings('ignore::DeprecationWarning')


@pytest.fixture
def client(clients):
  return clients[max(clients, key=lambda user: len(clients[user]))]


def test_items_are_images_and_labels(client):
  dataset = torch_adapter.ClientDataset(client)
  assert len(dataset) == len(client)
  image, labels = dataset[3]
  assert image.dtype == torch.uint8
  assert (image.numpy() == client[3].image.transpose(2, 0, 1)).all()
  assert labels.dtype == torch.float32
  assert (labels.numpy() == client.multi_hot()[3]).all()


def test_the_transform_sees_every_image(client):
  dataset = torch_adapter.ClientDataset(
    client, lambda image: image.float().mean((1, 2))
  )
  assert dataset[0][0].numpy() == pytest.approx(client[0].image.mean((0, 1)))


def test_other_labels_may_be_asked_for(client):
  dataset = torch_adapter.ClientDataset(client, labels='fine_grained_labels')
  assert (
    dataset[0][1].numpy() == client.multi_hot('fine_grained_labels')[0]
  ).all()


def test_an_unknown_label_feature_is_refused_at_once(client):
  with pytest.raises(ValueError, match='labels must be a label feature'):
    torch_adapter.ClientDataset(client, labels='lables')


@pytest.mark.filterwarnings('ignore')
def test_worker_processes_read_the_same(client):
  loader = torch.utils.data.DataLoader(
    torch_adapter.ClientDataset(client), batch_size=16, num_workers=2
  )
  images = torch.cat([images for images, _ in loader]).numpy()
  assert (images == client.images().transpose(0, 3, 1, 2)).all()


def test_all_users_together_are_a_dataset(clients):
  dataset = torch_adapter.ClientDataset(clients.pooled)
  assert len(dataset) == len(clients.rows)
  assert np.asarray(dataset[len(dataset) - 1][0]).shape == (3, 256, 256)
