import itertools
import multiprocessing
import pathlib
import pickle
import re
import threading

import numpy as np
import pytest
import tfds_folders as data
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flair_tfds import federated
from flair_tfds.core import errors
from flair_tfds.federated import clients as clients_lib


def rng(seed=0):
  return np.random.default_rng(seed)


@pytest.fixture
def clients(folder):
  return federated.load_folder(folder, 'train')


def test_users_come_in_the_order_of_their_ids(clients):
  assert clients.user_ids == ('u1', 'u3', 'u7', 'u9')
  assert list(clients) == ['u1', 'u3', 'u7', 'u9']
  assert len(clients) == 4
  assert clients.num_images.tolist() == [1, 2, 3, 5]


def test_users_are_found_by_id(clients):
  assert 'u7' in clients
  assert 'v1' not in clients
  assert 0 not in clients
  assert clients['u7'].num_images == 3


def test_an_unknown_user_is_refused_with_near_ones(clients):
  text = re.escape("one of the 4 in user_ids, got 'u77'; near ones are 'u7'")
  with pytest.raises(KeyError, match=text):
    clients['u77']


def test_each_split_has_its_users(folder):
  assert federated.load_folder(folder, 'val').user_ids == ('v1',)
  assert federated.load_folder(folder, 'test').user_ids == ('t1', 't2')


def test_all_splits_together(folder, rows):
  clients = federated.load_folder(folder, 'all')
  assert clients.user_ids == ('t1', 't2', 'u1', 'u3', 'u7', 'u9', 'v1')
  for user, expected in data.by_user(
    [*itertools.chain(*rows.values())]
  ).items():
    assert clients[user].encoded_images() == [row.image for row in expected]


def test_images_come_back_byte_by_byte(clients, rows):
  for user, expected in data.by_user(rows['train']).items():
    assert clients[user].encoded_images() == [row.image for row in expected]
    assert clients[user].records() == [data.encode(row) for row in expected]


def test_what_is_known_of_a_user_without_images(clients, rows):
  expected = data.by_user(rows['train'])['u9']
  client = clients['u9']
  assert client.image_ids == [row.image_id for row in expected]
  for feature, column in (
    ('labels', 'labels'),
    ('fine_grained_labels', 'fine'),
  ):
    ids = [list(getattr(row, column)) for row in expected]
    assert [found.tolist() for found in client.label_ids(feature)] == ids
    size = len(clients.class_names(feature))
    hot = [[c in image for c in range(size)] for image in ids]
    assert client.multi_hot(feature).tolist() == hot
    assert client.label_counts(feature).tolist() == np.sum(hot, 0).tolist()


def test_metadata_is_told_without_opening_a_shard(folder, clients):
  for path in folder.glob('flair-*'):
    path.unlink()
  client = clients['u9']
  assert len(client.image_ids) == 5
  assert client.multi_hot().shape == (5, 3)


def test_the_supervised_label_is_the_usual_one(clients):
  assert clients.class_names() == data.COARSE
  assert clients['u9'].multi_hot().shape == (5, 3)


def test_an_unknown_label_feature_is_refused(clients):
  text = "labels must be a label feature, one of 'labels', 'fine_grained_l"
  with pytest.raises(ValueError, match=text):
    clients['u9'].multi_hot('lables')


def test_images_are_decoded(clients, rows):
  images = clients['u7'].images()
  assert images.shape == (3, 8, 8, 3)
  assert images.dtype == np.uint8
  first = data.by_user(rows['train'])['u7'][0]
  assert (images[0] == clients_lib.decode(first.image)).all()


def test_images_of_several_sizes_are_refused_as_an_array(tmp_path):
  rows = [
    data.Row('u', '1', data.jpeg(1), (0,), ()),
    data.Row('u', '2', data.jpeg(2, (8, 16)), (0,), ()),
  ]
  folder = data.write_rows(tmp_path / 'd', {'train': rows})
  client = federated.load_folder(folder, 'train')['u']
  with pytest.raises(ValueError, match="of user 'u' must be of one size"):
    client.images()
  assert [example.image.shape for example in client] == [(8, 8, 3), (8, 16, 3)]


def test_a_client_is_a_sequence_of_examples(clients, rows):
  expected = data.by_user(rows['train'])['u9']
  client = clients['u9']
  assert [e.encoded for e in client] == [row.image for row in expected]
  last = client[-1]
  assert (last.user_id, last.image_id) == ('u9', expected[-1].image_id)
  assert last.labels['labels'] == expected[-1].labels
  assert last.labels['fine_grained_labels'] == expected[-1].fine
  assert client[1:3].image_ids == client.image_ids[1:3]
  with pytest.raises(IndexError):
    client[5]


def test_batches_hold_every_image_once_an_epoch(clients):
  client = clients['u9']
  batches = list(client.batches(2, rng(), epochs=2))
  assert [len(batch.images) for batch in batches] == [2, 2, 1, 2, 2, 1]
  for epoch in (batches[:3], batches[3:]):
    ids = [image_id for batch in epoch for image_id in batch.image_ids]
    assert sorted(ids) == client.image_ids


def test_batches_keep_images_and_labels_together(clients):
  client = clients['u9']
  images, hot = client.images(), client.multi_hot()
  for batch in client.batches(3, rng()):
    for image, label, image_id in zip(*batch, strict=True):
      place = client.image_ids.index(image_id)
      assert (image == images[place]).all()
      assert (label == hot[place]).all()


def test_epochs_are_shuffled_by_the_generator(clients):
  def order(seed):
    batches = clients['u9'].batches(5, rng(seed), epochs=3)
    return [batch.image_ids for batch in batches]

  assert order(1) == order(1)
  assert order(1) != order(2)
  assert len(set(order(1))) > 1


def test_max_examples_caps_the_same_images_every_epoch(clients):
  batches = list(clients['u9'].batches(2, rng(), epochs=2, max_examples=2))
  first, second = (set(batch.image_ids) for batch in batches)
  assert first == second
  assert len(first) == 2


@pytest.mark.parametrize(
  ('options', 'text'),
  [
    ({'batch_size': 0}, 'batch_size must be at least 1, got 0'),
    ({'batch_size': 1, 'epochs': 0}, 'epochs must be at least 1, got 0'),
    ({'batch_size': 1, 'max_examples': 0}, 'max_examples must be at least 1'),
  ],
)
def test_impossible_batches_are_refused_at_once(clients, options, text):
  with pytest.raises(ValueError, match=text):
    clients['u9'].batches(rng=rng(), **options)


def test_select_keeps_the_order_of_ids(clients):
  chosen = clients.select(['u9', 'u1'])
  assert chosen.user_ids == ('u1', 'u9')
  assert chosen['u9'].image_ids == clients['u9'].image_ids
  with pytest.raises(KeyError, match="got 'v1'"):
    clients.select(['v1'])


def test_users_with_few_images_are_left_out(clients):
  assert clients.with_min_images(3).user_ids == ('u7', 'u9')


def test_users_with_many_images_keep_some(clients):
  capped = clients.with_max_images(2, rng())
  assert capped.num_images.tolist() == [1, 2, 2, 2]
  assert set(capped['u9'].image_ids) <= set(clients['u9'].image_ids)
  assert capped['u9'].image_ids == sorted(capped['u9'].image_ids)


def test_large_users_are_split_without_loss(clients):
  parts = clients.split_large(2)
  assert parts.user_ids == (
    'u1', 'u3', 'u7#0', 'u7#1', 'u9#0', 'u9#1', 'u9#2'
  )  # fmt: skip
  assert parts.num_images.tolist() == [1, 2, 2, 1, 2, 2, 1]
  joined = [i for k in range(3) for i in parts[f'u9#{k}'].image_ids]
  assert joined == clients['u9'].image_ids


def test_artificial_users_have_the_size_asked_for(clients):
  iid = clients.iid(3, rng())
  assert iid.user_ids == ('iid-0', 'iid-1', 'iid-2')
  ids = [image_id for client in iid.values() for image_id in client.image_ids]
  assert len(set(ids)) == 9
  assert set(ids) <= set(clients.pooled.image_ids)


def test_artificial_users_read_the_right_images(clients, rows):
  images = {row.image_id: row.image for row in rows['train']}
  for client in clients.iid(5, rng()).values():
    expected = [images[image_id] for image_id in client.image_ids]
    assert client.encoded_images() == expected


def test_artificial_users_larger_than_everything_are_refused(clients):
  with pytest.raises(ValueError, match='at most the 11 images of all users'):
    clients.iid(12, rng())


def test_shuffled_users_keep_their_sizes(clients):
  shuffled = clients.shuffled(rng())
  assert shuffled.num_images.tolist() == clients.num_images.tolist()
  assert sorted(shuffled.pooled.image_ids) == sorted(clients.pooled.image_ids)
  assert shuffled.pooled.image_ids != clients.pooled.image_ids


def test_a_view_survives_pickling(clients):
  again = pickle.loads(pickle.dumps(clients))
  assert again['u9'].encoded_images() == clients['u9'].encoded_images()
  client = pickle.loads(pickle.dumps(clients['u7']))
  assert client.image_ids == clients['u7'].image_ids


def test_a_user_in_two_splits_is_refused_unless_meant(tmp_path):
  rows = {
    'train': data.make_rows({'a': 2, 'b': 1}),
    'test': data.make_rows({'b': 3}, seed=1),
  }
  folder = data.write_rows(tmp_path / 'd', rows)
  text = re.escape('1 are, as b in train and test. Build it again, or pass')
  with pytest.raises(errors.BadDataError, match=text):
    federated.load_folder(folder, 'train')
  clients = federated.load_folder(folder, 'all', disjoint=False)
  assert len(clients['b']) == 4


def read_all(clients, expected, seed, wrong):
  generator = rng(seed)
  for place in generator.integers(0, len(expected), 200).tolist():
    user, images = expected[place]
    if clients[user].encoded_images() != images:
      wrong.append(user)


def test_threads_may_share_a_view(folder, rows):
  clients = federated.load_folder(folder, 'train')
  expected = [
    (user, [row.image for row in found])
    for user, found in data.by_user(rows['train']).items()
  ]
  wrong: list[str] = []
  threads = [
    threading.Thread(target=read_all, args=(clients, expected, i, wrong))
    for i in range(8)
  ]
  for thread in threads:
    thread.start()
  for thread in threads:
    thread.join()
  assert wrong == []


def exit_status(clients, expected, seed):
  wrong: list[str] = []
  read_all(clients, expected, seed, wrong)
  raise SystemExit(len(wrong))


@pytest.mark.filterwarnings('ignore:.*fork.*:DeprecationWarning')
@pytest.mark.parametrize('method', ['fork', 'spawn'])
def test_processes_may_share_a_view(folder, rows, method, monkeypatch):
  monkeypatch.syspath_prepend(str(pathlib.Path(__file__).parent))
  clients = federated.load_folder(folder, 'train')
  expected = [
    (user, [row.image for row in found])
    for user, found in data.by_user(rows['train']).items()
  ]
  clients['u9'].encoded_images()  # the parent has shards open
  context = multiprocessing.get_context(method)
  processes = [
    context.Process(target=exit_status, args=(clients, expected, i))
    for i in range(3)
  ]
  for process in processes:
    process.start()
  read_all(clients, expected, 9, wrong := [])
  for process in processes:
    process.join(60)
  assert [process.exitcode for process in processes] == [0, 0, 0]
  assert wrong == []


@settings(
  max_examples=40,
  deadline=None,
  suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
  owners=st.lists(st.sampled_from('abcdefg'), min_size=1, max_size=40),
  num_shards=st.integers(1, 5),
  grouped=st.booleans(),
  file_format=st.sampled_from(['tfrecord', 'array_record']),
  draws=st.randoms(use_true_random=False),
)
def test_every_image_comes_back_once_from_any_dataset_in_any_order(
  tmp_path_factory, owners, num_shards, grouped, file_format, draws
):
  if grouped:
    owners = sorted(owners, key='gcaebdf'.index)
  num_shards = min(num_shards, len(owners))
  rows = [
    data.Row(
      user,
      f'{i}',
      draws.randbytes(draws.randrange(1, 400)),
      (i % 3,),
      tuple(range(i % 5)),
    )
    for i, user in enumerate(owners)
  ]
  folder = data.write_rows(
    tmp_path_factory.mktemp('d') / 'd', {'train': rows}, file_format, num_shards
  )
  clients = federated.load_folder(folder, 'train')
  expected = data.by_user(rows)
  assert set(clients) == set(expected)
  for user in draws.choices(clients.user_ids, k=10):
    found = clients[user].encoded_images()
    assert found == [row.image for row in expected[user]]
  places = [draws.randrange(len(rows)) for _ in range(20)]
  scattered = clients.pooled.take(places)
  images = {row.image_id: row.image for row in rows}
  assert scattered.encoded_images() == [
    images[image_id] for image_id in scattered.image_ids
  ]
  assert sorted(clients.pooled.image_ids) == sorted(images)
