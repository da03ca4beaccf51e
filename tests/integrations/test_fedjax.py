import itertools

import numpy as np
import pytest

fedjax_adapter = pytest.importorskip(
  'flair_tfds.integrations.fedjax', exc_type=ImportError
)
fedjax = pytest.importorskip('fedjax')


# Of fedjax 0.0.17 and what it imports; none of it is ours.
pytestmark = pytest.mark.filterwarnings('ignore')


def features(client):
  means = [example.image.mean((0, 1)) / 255 for example in client]
  return {
    'x': np.array(means, np.float32),
    'y': client.multi_hot().astype(np.float32),
  }


@pytest.fixture
def data(clients):
  return fedjax_adapter.ClientFederatedData(clients, features)


def test_ids_and_sizes_are_those_of_the_users(data, clients):
  ids = [user.encode() for user in clients]
  assert data.num_clients() == len(clients)
  assert list(data.client_ids()) == ids
  sizes = clients.num_images.tolist()
  assert list(data.client_sizes()) == list(zip(ids, sizes, strict=True))
  assert data.client_size(ids[3]) == sizes[3]


def test_a_client_has_images_and_labels(clients):
  data = fedjax_adapter.ClientFederatedData(clients)
  user = clients.user_ids[0]
  examples = data.get_client(user.encode()).all_examples()
  assert (examples['x'] == clients[user].images()).all()
  assert (examples['y'] == clients[user].multi_hot()).all()


def test_an_unknown_client_is_refused(data):
  with pytest.raises(KeyError, match="got 'nobody'"):
    data.get_client(b'nobody')


def test_clients_come_in_the_order_asked_for(data, clients):
  ids = [clients.user_ids[i].encode() for i in (5, 0, 3)]
  assert [client_id for client_id, _ in data.get_clients(ids)] == ids
  assert [i for i, _ in data.clients()] == list(data.client_ids())


def test_shuffled_clients_repeat_in_other_orders(data, clients):
  n = len(clients)
  found = [
    client_id
    for client_id, _ in itertools.islice(data.shuffled_clients(2, 0), 2 * n)
  ]
  first, second = found[:n], found[n:]
  assert sorted(first) == sorted(second) == list(data.client_ids())
  assert first != second


def test_a_slice_is_a_range_of_ids(data, clients):
  ids = list(data.client_ids())
  assert list(data.slice(ids[2], ids[5]).client_ids()) == ids[2:5]
  assert list(data.slice(stop=ids[2]).client_ids()) == ids[:2]
  assert list(data.slice(start=ids[-1]).client_ids()) == ids[-1:]


def test_preprocessing_is_applied_in_order(data, clients):
  changed = data.preprocess_client(
    lambda client_id, examples: {**examples, 'x': examples['x'] + 1}
  ).preprocess_batch(lambda batch: {**batch, 'x': batch['x'] * 2})
  user = clients.user_ids[0].encode()
  before = data.get_client(user).all_examples()['x']
  after = changed.get_client(user).all_examples()['x']
  assert after == pytest.approx((before + 1) * 2)


def test_a_round_of_federated_averaging_learns(data, clients):
  """fedjax's own algorithm, with a linear model, through the adapter."""
  import jax
  import jax.numpy as jnp

  if not hasattr(jax, 'tree_map'):
    pytest.skip('fedjax 0.0.17 trains with jax < 0.6 only')
  from fedjax.algorithms import fed_avg

  def loss(params, batch, rng=None):
    logits = batch['x'] @ params['w'] + params['b']
    y = batch['y']
    return jnp.mean(jax.nn.softplus(logits) - y * logits)

  algorithm = fed_avg.federated_averaging(
    grad_fn=jax.grad(loss),
    client_optimizer=fedjax.optimizers.sgd(0.5),
    server_optimizer=fedjax.optimizers.sgd(1.0),
    client_batch_hparams=fedjax.ShuffleRepeatBatchHParams(
      batch_size=4, num_epochs=3, seed=0
    ),
  )
  params = {'w': jnp.zeros((3, 17)), 'b': jnp.zeros(17)}
  state = algorithm.init(params)
  keys = jax.random.split(jax.random.PRNGKey(0), 10)
  chosen = [
    (client_id, client, key)
    for (client_id, client), key in zip(
      data.shuffled_clients(10, 0), keys, strict=False
    )
  ]
  state, _ = algorithm.apply(state, chosen)
  everything = features(clients.pooled)
  assert loss(state.params, everything) < loss(params, everything)
