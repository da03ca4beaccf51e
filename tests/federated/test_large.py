"""What must hold on 400,000 images: measured, in processes of their own."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tfds_folders as data

NUM_IMAGES = 400_000
NUM_USERS = 51_000

OPENING = """
import json, sys, time
import psutil
from flair_tfds import federated

process = psutil.Process()
before = process.memory_info().rss
started = time.perf_counter()
clients = federated.load_folder(sys.argv[1], 'train')
seconds = time.perf_counter() - started
grown = process.memory_info().rss - before
print(json.dumps([len(clients), len(clients.rows), seconds, grown]))
"""

COHORTS = """
import json, sys
import numpy as np
import psutil
from flair_tfds import federated

clients = federated.load_folder(sys.argv[1], 'train')
sampler = federated.UniformCohorts(clients, 200, np.random.default_rng(0))
process = psutil.Process()
number = 0
memory = []
for cohort in sampler.iterate(2000):
  for client in cohort:
    number += len(client.encoded_images())
    client.multi_hot()
  memory.append(process.memory_info().rss)
print(json.dumps([number, memory[0], max(memory), memory[-1]]))
"""


@pytest.fixture(scope='module', params=['tfrecord', 'array_record'])
def folder(request, tmp_path_factory):
  """A split of 400,000 small examples of 51,000 users in hash order."""
  rng = np.random.default_rng(0)
  # Long-tailed as FLAIR: half of the users have one, one has thousands.
  sizes = np.clip(rng.pareto(1, NUM_USERS) + 1, 1, 4151).astype(int)
  while (missing := NUM_IMAGES - int(sizes.sum())) != 0:
    users = rng.integers(0, NUM_USERS, abs(missing))
    np.add.at(sizes, users, np.sign(missing))
    sizes = np.clip(sizes, 1, 4151)
  image = data.jpeg(0)
  shards: list[list[bytes]] = [[] for _ in range(16)]
  number = 0
  for user, size in enumerate(sizes.tolist()):
    for _ in range(size):
      row = data.Row(
        f'{user * 7919 % NUM_USERS:08d}@N00',
        f'{number:011d}',
        image,
        (number % 3,),
        (number % 5,),
      )
      shards[user * 16 // NUM_USERS].append(data.encode(row))
      number += 1
  path = tmp_path_factory.mktemp('large') / 'd'
  return data.write_dataset(path, {'train': shards}, request.param)


def run(program, folder):
  done = subprocess.run(
    [sys.executable, '-c', program, str(folder)],
    capture_output=True,
    text=True,
    check=True,
  )
  return json.loads(done.stdout)


@pytest.mark.slow
def test_a_split_opens_in_little_memory(folder):
  run(OPENING, folder)  # makes the index
  users, images, _, grown = run(OPENING, folder)
  assert (users, images) == (NUM_USERS, NUM_IMAGES)
  assert grown < 60e6


@pytest.mark.slow
def test_thousands_of_cohorts_leave_memory_flat(folder):
  number, first, most, last = run(COHORTS, folder)
  assert number > 2_000_000
  assert most - first < 20e6
  assert last - first < 20e6
