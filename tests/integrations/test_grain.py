import pickle

import pytest

grain_adapter = pytest.importorskip(
  'flair_tfds.integrations.grain', exc_type=ImportError
)
grain = pytest.importorskip('grain')


pytestmark = pytest.mark.filterwarnings('ignore::DeprecationWarning')


@pytest.fixture
def client(clients):
  return clients[max(clients, key=lambda user: len(clients[user]))]


def test_elements_are_examples(client):
  source = grain_adapter.ClientSource(client)
  assert len(source) == len(client)
  element = source[2]
  assert (element['image'] == client[2].image).all()
  assert element['image_id'] == client[2].image_id
  assert element['user_id'] == client.user_id
  assert (element['labels'] == client.multi_hot()[2]).all()


def test_images_may_stay_encoded(client):
  source = grain_adapter.ClientSource(client, decode=False)
  assert source[0]['image'] == client[0].encoded


def test_an_unknown_label_feature_is_refused_at_once(client):
  with pytest.raises(ValueError, match='labels must be a label feature'):
    grain_adapter.ClientSource(client, labels='lables')


def test_a_source_survives_pickling(client):
  source = grain_adapter.ClientSource(client, decode=False)
  again = pickle.loads(pickle.dumps(source))
  assert again[1]['image'] == source[1]['image']
  assert repr(again) == repr(source)


def test_grain_goes_through_all_users_in_a_random_order(clients):
  source = grain_adapter.ClientSource(clients.pooled, decode=False)
  dataset = (
    grain.MapDataset.source(source)
    .shuffle(seed=0)
    .map(lambda element: element['image_id'])
  )
  found = list(dataset)
  assert found != clients.pooled.image_ids
  assert sorted(found) == sorted(clients.pooled.image_ids)
