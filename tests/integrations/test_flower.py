import pytest

flower = pytest.importorskip(
  'flair_tfds.integrations.flower', exc_type=ImportError
)
flwr_partitioner = pytest.importorskip('flwr_datasets.partitioner')


pytestmark = pytest.mark.filterwarnings('ignore::DeprecationWarning')


@pytest.fixture
def partitioner(clients):
  return flower.UserPartitioner(clients)


def test_it_is_a_partitioner_of_flower(partitioner, clients):
  assert isinstance(partitioner, flwr_partitioner.Partitioner)
  assert partitioner.num_partitions == len(clients)
  assert partitioner.is_dataset_assigned()


def test_partitions_are_real_users(partitioner, clients):
  ids = partitioner.partition_id_to_natural_id
  assert list(ids.values()) == list(clients)
  assert partitioner.partition_id(clients.user_ids[4]) == 4
  with pytest.raises(KeyError, match="got 'nobody'"):
    partitioner.partition_id('nobody')


def test_a_partition_holds_the_images_of_its_user(partitioner, clients):
  client = clients[clients.user_ids[0]]
  found = partitioner.load_partition(0)
  assert len(found) == len(client)
  assert found['image_id'][:] == client.image_ids
  assert set(found['user_id']) == {client.user_id}
  assert found[0]['image'].size == (256, 256)
  ids = [labels.tolist() for labels in client.label_ids()]
  assert found['labels'][:] == ids
  assert found.features['labels'].feature.names == list(clients.class_names())


def test_images_are_stored_as_they_were(partitioner, clients):
  import datasets

  found = partitioner.load_partition(0)
  raw = found.cast_column('image', datasets.Image(decode=False))
  client = clients[clients.user_ids[0]]
  assert [row['bytes'] for row in raw['image']] == client.encoded_images()


def test_a_partition_that_is_not_there_is_refused(partitioner):
  with pytest.raises(ValueError, match='must be from 0 to 41, got 42'):
    partitioner.load_partition(42)


def test_the_whole_dataset_is_not_made(partitioner):
  with pytest.raises(AttributeError, match='Use load_partition'):
    _ = partitioner.dataset
