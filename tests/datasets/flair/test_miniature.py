import collections
import gzip
import hashlib
import io
import json
import os
import pathlib
import subprocess
import sys
import tarfile

import numpy as np
import pytest
from PIL import Image
from sklearn import metrics

from flair_tfds.datasets.flair import miniature
from flair_tfds.hierarchy import flair

PARTITIONS = ('train', 'val', 'test')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  path = tmp_path_factory.mktemp('miniature') / 'drawn'
  miniature.draw(path)
  return path


@pytest.fixture(scope='module')
def records(folder):
  return json.loads((folder / 'labels_and_metadata.json').read_bytes())


@pytest.fixture(scope='module')
def members(folder):
  """The tarballs' members: tarball name to member to content."""
  found = {}
  for path in sorted(folder.glob('*.tar.gz')):
    with tarfile.open(path) as tar:
      found[path.name] = {
        member: tar.extractfile(member).read() for member in tar
      }
  return found


@pytest.fixture(scope='module')
def jpegs(members):
  return {
    member.name.removeprefix('small_images/').removesuffix('.jpg'): content
    for each in members.values()
    for member, content in each.items()
  }


def digests(folder: pathlib.Path) -> dict[str, str]:
  return {
    path.name: hashlib.sha256(path.read_bytes()).hexdigest()
    for path in folder.iterdir()
  }


def test_layout_is_that_of_the_download(folder):
  assert sorted(path.name for path in folder.iterdir()) == [
    'label_relationship.txt',
    'labels_and_metadata.json',
    'small_images-00.tar.gz',
    'small_images-01.tar.gz',
    'small_images-02.tar.gz',
    'small_images-03.tar.gz',
  ]


@pytest.mark.parametrize('hash_seed', ['1', '2'])
def test_another_process_draws_the_same_bytes(folder, tmp_path, hash_seed):
  code = (
    'import sys; from flair_tfds.datasets.flair import miniature;'
    'miniature.draw(sys.argv[1])'
  )
  subprocess.run(
    [sys.executable, '-c', code, str(tmp_path / 'again')],
    env=os.environ | {'PYTHONHASHSEED': hash_seed},
    check=True,
    capture_output=True,
  )
  assert digests(tmp_path / 'again') == digests(folder)


def test_drawing_imports_neither_tensorflow_nor_tfds():
  code = (
    'import sys; import flair_tfds.datasets.flair.miniature;'
    'print([m for m in ("tensorflow", "tensorflow_datasets")'
    ' if m in sys.modules])'
  )
  done = subprocess.run(
    [sys.executable, '-c', code], check=True, capture_output=True, text=True
  )
  assert done.stdout == '[]\n'


def test_another_seed_draws_other_images_of_as_many_users(folder, tmp_path):
  miniature.draw(tmp_path / 'other', seed=1)
  other = json.loads((tmp_path / 'other/labels_and_metadata.json').read_bytes())
  assert len(other) == sum(miniature.NUM_IMAGES.values())
  ours, theirs = digests(folder), digests(tmp_path / 'other')
  # The label tree is the only thing that does not depend on the seed.
  assert [name for name in ours if ours[name] == theirs[name]] == [
    'label_relationship.txt'
  ]


def test_records_have_the_fields_of_flair_in_order(records):
  fields = ['user_id', 'image_id', 'labels', 'partition']
  fields.append('fine_grained_labels')
  assert all(list(record) == fields for record in records)


def test_label_lists_are_sorted_and_name_each_label_once(records):
  for record in records:
    for field in ('labels', 'fine_grained_labels'):
      assert record[field] == sorted(set(record[field]))
      assert record[field]


def test_numbers_of_images_and_users_are_as_stated(records):
  images = collections.Counter(r['partition'] for r in records)
  users = {
    split: len({r['user_id'] for r in records if r['partition'] == split})
    for split in PARTITIONS
  }
  assert images == miniature.NUM_IMAGES == {'train': 280, 'val': 50, 'test': 70}
  assert users == miniature.NUM_USERS == {'train': 42, 'val': 9, 'test': 9}


def test_no_user_is_in_two_partitions(records):
  pairs = {(r['user_id'], r['partition']) for r in records}
  assert len(pairs) == len({user for user, _ in pairs})


def test_images_per_user_have_a_long_tail(records):
  sizes = sorted(collections.Counter(r['user_id'] for r in records).values())
  # FLAIR: 45% of the users have one image, the median is 2, the mean is 8.35.
  assert sizes.count(1) / len(sizes) == 0.45
  assert np.median(sizes) == 2
  assert 6 < np.mean(sizes) < 8
  assert sizes[-2:] == [48, 72]


def test_user_ids_have_the_shape_of_flickr_but_are_counted(records):
  assert sorted({r['user_id'] for r in records}) == [
    f'{number:08d}@N99' for number in range(1, 61)
  ]


def test_image_ids_are_unique_digits_some_beyond_32_bits(records):
  ids = [r['image_id'] for r in records]
  assert len(set(ids)) == len(ids)
  assert all(str(int(image_id)) == image_id for image_id in ids)
  assert max(map(int, ids)) > 42_400_000_000
  assert min(map(int, ids)) < 2**31


def test_coarse_labels_are_the_parents_of_the_fine_ones(folder, records):
  lines = (folder / 'label_relationship.txt').read_text().splitlines()
  parents = dict(line.split(' -> ') for line in lines)
  # A coarse name has no line, as in FLAIR: it is its own parent.
  parents |= {coarse: coarse for coarse in flair.COARSE_LABELS}
  for record in records:
    fine = record['fine_grained_labels']
    assert record['labels'] == sorted({parents[name] for name in fine})


def test_relationship_file_lists_more_than_the_records_have(folder, records):
  lines = (folder / 'label_relationship.txt').read_text().splitlines()
  used = {name for r in records for name in r['fine_grained_labels']}
  listed = {line.split(' -> ')[0] for line in lines}
  assert lines == sorted(lines)
  assert listed - used == {'animal_unknown', 'equipment_other', 'food_unknown'}
  assert used - listed == set(flair.COARSE_LABELS)


def test_every_fine_label_occurs(records):
  used = {name for r in records for name in r['fine_grained_labels']}
  assert len(used) == 56


@pytest.mark.parametrize('partition', PARTITIONS)
def test_every_coarse_label_occurs_twice_in_every_partition(records, partition):
  counts = collections.Counter(
    name
    for record in records
    if record['partition'] == partition
    for name in record['labels']
  )
  assert set(counts) == set(flair.COARSE_LABELS)
  assert min(counts.values()) >= 2


def test_images_have_two_to_three_coarse_labels_on_average(records):
  sizes = [len(r['labels']) for r in records]
  assert 2 <= np.mean(sizes) <= 3
  assert (min(sizes), max(sizes)) == (1, 5)


def test_users_differ_in_what_they_show(records):
  # Each user's share of each label, against what the mixture of all users
  # would give by chance: without tastes of their own, the chi-square statistic
  # of the table would be about its degrees of freedom.
  users = sorted(
    user
    for user, size in collections.Counter(r['user_id'] for r in records).items()
    if size >= 10
  )
  table = np.array(
    [
      [
        sum(name in r['labels'] for r in records if r['user_id'] == user)
        for name in flair.COARSE_LABELS
      ]
      for user in users
    ]
  )
  expected = table.sum(1, keepdims=True) * table.sum(0) / table.sum()
  chi2 = ((table - expected) ** 2 / expected).sum()
  assert chi2 > 2 * (table.shape[0] - 1) * (table.shape[1] - 1)


def test_every_record_has_one_image_and_every_image_one_record(records, jpegs):
  assert set(jpegs) == {r['image_id'] for r in records}
  assert len(jpegs) == len(records)


def test_images_of_a_user_are_scattered_over_the_tarballs(records, members):
  tarball = {
    member.name: name for name, each in members.items() for member in each
  }
  owner, _ = collections.Counter(r['user_id'] for r in records).most_common()[0]
  found = {
    tarball[f'small_images/{r["image_id"]}.jpg']
    for r in records
    if r['user_id'] == owner
  }
  assert found == set(members)


def test_archives_hold_no_clock_and_no_owner(folder, members):
  for name, each in members.items():
    with gzip.open(folder / name) as stream:
      stream.read(1)
      assert stream.mtime == 0
    for member in each:
      assert member.isreg()
      assert (member.mtime, member.uid, member.gid) == (0, 0, 0)
      assert (member.uname, member.gname, member.mode) == ('', '', 0o644)


def test_images_are_baseline_rgb_with_halved_colour(jpegs):
  for content in jpegs.values():
    with Image.open(io.BytesIO(content)) as image:
      assert (image.format, image.mode, image.size) == (
        'JPEG',
        'RGB',
        (256, 256),
      )
      assert 'progressive' not in image.info
      # Component id, horizontal and vertical sampling, quantization table.
      assert image.layer == [(1, 2, 2, 0), (2, 1, 1, 1), (3, 1, 1, 1)]


def test_images_are_about_as_large_as_real_ones(jpegs):
  # 35 originals: 3 to 22 kB, 12.1 kB on average.
  sizes = [len(content) for content in jpegs.values()]
  assert 8_000 < np.mean(sizes) < 13_000
  assert min(sizes) > 3_000
  assert max(sizes) < 22_000


def test_every_image_says_that_it_is_drawn(jpegs):
  for content in jpegs.values():
    with Image.open(io.BytesIO(content)) as image:
      assert image.info['comment'].decode() == miniature.COMMENT
  assert 'flair_tfds' in miniature.COMMENT
  assert 'not part of FLAIR' in miniature.COMMENT


def test_every_image_carries_the_badge(jpegs):
  # The badge is 29 by 9 pixels, 3 from the corner: dark, with white letters.
  badges = []
  for content in jpegs.values():
    with Image.open(io.BytesIO(content)) as image:
      badges.append(np.asarray(image.convert('L'))[244:253, 224:253])
  middle = np.median(badges, axis=0)
  assert np.mean(middle > 180) > 0.15
  assert np.mean(middle < 90) > 0.5
  # The same in every picture, but for what the JPEG encoder makes of it.
  assert max(np.abs(badge - middle).mean() for badge in badges) < 25


def colour_histogram(jpeg: bytes) -> np.ndarray:
  with Image.open(io.BytesIO(jpeg)) as image:
    level = np.asarray(image).astype(int) // 43
  code = level[..., 0] * 36 + level[..., 1] * 6 + level[..., 2]
  return np.sqrt(np.bincount(code.ravel(), minlength=216) / code.size)


def test_a_linear_model_of_the_colours_learns_the_labels(records, jpegs):
  features = np.stack([colour_histogram(jpegs[r['image_id']]) for r in records])
  labels = np.array(
    [[name in r['labels'] for name in flair.COARSE_LABELS] for r in records]
  )
  partition = np.array([r['partition'] for r in records])
  train, test = partition == 'train', partition == 'test'
  features = (features - features[train].mean(0)) / (
    features[train].std(0) + 1e-3
  )
  # Ridge regression.
  x, y = features[train], labels[train] - labels[train].mean(0)
  weights = np.linalg.solve(x.T @ x + 100 * np.eye(x.shape[1]), x.T @ y)
  mean_ap = metrics.average_precision_score(
    labels[test], features[test] @ weights, average='macro'
  )
  assert labels[test].mean() < 0.2
  assert mean_ap > 0.6


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
  (tmp_path / 'mine.txt').write_text('precious')
  with pytest.raises(FileExistsError) as caught:
    miniature.draw(tmp_path)
  assert str(caught.value) == (
    f"The folder to draw into must be missing or empty, but '{tmp_path}' is"
    ' not. Delete it, or name another one.'
  )
  assert [path.name for path in tmp_path.iterdir()] == ['mine.txt']


def test_a_file_in_the_place_of_the_folder_is_left_alone(tmp_path):
  (tmp_path / 'file').write_text('precious')
  with pytest.raises(FileExistsError, match='must be missing or empty'):
    miniature.draw(tmp_path / 'file')
  assert (tmp_path / 'file').read_text() == 'precious'


def test_an_empty_folder_is_filled(tmp_path, folder):
  (tmp_path / 'empty').mkdir()
  miniature.draw(tmp_path / 'empty')
  assert digests(tmp_path / 'empty') == digests(folder)


def test_a_failure_leaves_nothing_behind(tmp_path, monkeypatch):
  def fail(*unused_args):
    raise OSError(28, 'No space left on device')

  monkeypatch.setattr(miniature, '_write_tarball', fail)
  with pytest.raises(OSError, match='No space left'):
    miniature.draw(tmp_path / 'drawn')
  assert list(tmp_path.iterdir()) == []


def test_a_negative_seed_is_refused(tmp_path):
  with pytest.raises(ValueError, match='must not be negative, but is -1'):
    miniature.draw(tmp_path / 'drawn', seed=-1)
