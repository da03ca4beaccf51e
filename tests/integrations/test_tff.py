import itertools

import pytest

from flair_tfds.integrations import tff


@pytest.fixture
def data(clients):
  return tff.ClientData(clients)


def ids(dataset):
  return [
    element['image_id'].decode() for element in dataset.as_numpy_iterator()
  ]


def test_client_ids_are_the_users(data, clients):
  assert data.client_ids == list(clients)


def test_a_client_has_its_examples_in_order(data, clients):
  client = clients[clients.user_ids[0]]
  dataset = data.create_tf_dataset_for_client(client.user_id)
  assert dataset.cardinality().numpy() == len(client)
  elements = list(dataset.as_numpy_iterator())
  assert list(elements[0]) == ['image', 'image_id', 'labels']
  for element, example, hot in zip(
    elements, client, client.multi_hot(), strict=True
  ):
    assert (element['image'] == example.image).all()
    assert element['image_id'].decode() == example.image_id
    assert (element['labels'] == hot).all()


def test_an_unknown_client_is_refused(data):
  with pytest.raises(KeyError, match="got 'nobody'"):
    data.create_tf_dataset_for_client('nobody')


def test_elements_are_described(data):
  spec = data.element_type_structure
  assert spec['image'].shape == (None, None, 3)
  assert spec['labels'].shape == (17,)


def test_datasets_come_in_a_seeded_order(data):
  def first(seed):
    return [ids(found) for found in data.datasets(limit_count=3, seed=seed)]

  assert first(1) == first(1)
  assert first(1) != first(2)
  assert len(first(1)) == 3


def test_preprocessing_is_chained(data, clients):
  client = clients[max(clients, key=lambda user: len(clients[user]))]
  changed = data.preprocess(lambda d: d.take(4)).preprocess(lambda d: d.skip(1))
  dataset = changed.create_tf_dataset_for_client(client.user_id)
  assert ids(dataset) == client.image_ids[1:4]


def test_all_clients_follow_each_other(data, clients):
  found = ids(data.create_tf_dataset_from_all_clients(seed=0).take(60))
  users = {i: user for user in clients for i in clients[user].image_ids}
  runs = [user for user, _ in itertools.groupby(users[i] for i in found)]
  assert len(runs) == len(set(runs))
  assert runs != sorted(runs)


def test_clients_are_split_without_a_common_one(data):
  train, test = tff.ClientData.train_test_client_split(data, 10, seed=0)
  assert len(test.client_ids) == 10
  assert sorted(train.client_ids + test.client_ids) == data.client_ids


@pytest.mark.parametrize('number', [0, 42])
def test_a_split_without_clients_is_refused(data, number):
  with pytest.raises(ValueError, match=f'from 1 to 41, got {number}'):
    tff.ClientData.train_test_client_split(data, number)


def test_there_is_no_computation(data):
  with pytest.raises(NotImplementedError, match='create_tf_dataset_for_client'):
    _ = data.dataset_computation
