import json

import numpy as np
import pytest
import tfds_folders as data
from scipy.spatial import distance

from flair_tfds import federated
from flair_tfds.federated import statistics


def row(user, number, labels, fine=()):
  return data.Row(user, f'{number}', b'x' * (number + 1), labels, fine)


@pytest.fixture(scope='module')
def clients(tmp_path_factory):
  """Small enough to count by hand; `c` has no label."""
  rows = [
    row('a', 0, (0,), (0, 1)),
    row('a', 1, (0, 1), (1,)),
    row('a', 2, (0, 1), ()),
    row('b', 3, (2,), (4,)),
    row('c', 4, (), ()),
  ]
  folder = data.write_rows(
    tmp_path_factory.mktemp('d') / 'd', {'train': rows}, shards=1
  )
  return federated.load_folder(folder, 'train')


def test_a_summary_is_that_of_pandas():
  pandas = pytest.importorskip('pandas')
  values = [3, 1, 4, 1, 5, 9, 2, 6]
  expected = pandas.Series(values).describe()
  found = statistics.summarize(values)
  names = ['count', 'mean', 'std', 'min', '25%', '50%', '75%', 'max']
  assert [*vars(found).values()] == pytest.approx(expected[names].tolist())


def test_a_summary_of_one_number_has_no_deviation():
  assert np.isnan(statistics.summarize([2]).std)


def test_a_summary_of_nothing_is_nan():
  found = statistics.summarize([])
  assert found.count == 0
  assert np.isnan(found.mean)


def test_labels_are_counted_by_image_and_user(clients):
  assert statistics.labels_per_image(clients).tolist() == [1, 2, 2, 1, 0]
  assert statistics.images_per_label(clients).tolist() == [3, 2, 1]
  assert statistics.labels_per_user(clients).tolist() == [2, 1, 0]
  assert statistics.users_per_label(clients).tolist() == [1, 1, 1]
  fine = 'fine_grained_labels'
  assert statistics.labels_per_image(clients, fine).tolist() == [2, 1, 0, 1, 0]
  assert statistics.images_per_label(clients, fine).tolist() == [1, 2, 0, 0, 1]
  assert statistics.labels_per_user(clients, fine).tolist() == [2, 1, 0]


def test_pairs_of_labels_are_counted(clients):
  expected = [[3, 2, 0], [2, 2, 0], [0, 0, 1]]
  assert statistics.cooccurrence(clients).tolist() == expected


def test_divergence_by_hand(clients):
  # Of all 6 labels: 3/6, 2/6, 1/6. User b has only the third: the mean of
  # (0, 0, 1) and (1/2, 1/3, 1/6) is (1/4, 1/6, 7/12).
  of_b = np.log2(1 / (7 / 12)) / 2
  of_all = (1 / 2 + 1 / 3 + np.log2((1 / 6) / (7 / 12)) / 6) / 2
  found = statistics.divergence(clients)
  assert found[1] == pytest.approx(of_b + of_all)
  assert np.isnan(found[2])


def test_divergence_is_that_of_scipy(clients):
  rng = np.random.default_rng(0)
  for view in (clients.select(['a', 'b']), clients.split_large(1)):
    view = view.select([u for u in view if view[u].label_counts().sum()])
    counts = np.stack([client.label_counts() for client in view.values()])
    whole = counts.sum(0) / counts.sum()
    expected = [
      distance.jensenshannon(user, whole, base=2) ** 2 for user in counts
    ]
    assert statistics.divergence(view) == pytest.approx(expected)
  one = clients.select(['a']).shuffled(rng)
  assert statistics.divergence(one) == pytest.approx([0])


def test_a_description_is_json_without_nan(clients):
  found = statistics.describe(clients)
  text = json.dumps(found, allow_nan=False)
  assert json.loads(text) == found
  assert found['num_users'] == 3
  assert found['num_images'] == 5
  assert found['image_bytes'] == 1 + 2 + 3 + 4 + 5
  assert found['images_per_user']['max'] == 3
  labels = found['labels']['labels']
  assert labels['images'] == {'animal': 3, 'art': 2, 'food': 1}
  assert labels['users'] == {'animal': 1, 'art': 1, 'food': 1}
  assert found['labels']['fine_grained_labels']['num_classes_present'] == 3


def test_a_description_lists_the_usual_labels_first(clients):
  assert list(statistics.describe(clients)['labels']) == [
    'labels',
    'fine_grained_labels',
  ]
