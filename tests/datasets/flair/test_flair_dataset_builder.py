"""The builder as its users call it, on good input."""

import errno
import hashlib
import json
import pathlib
import tarfile

import pytest
import tensorflow_datasets as tfds
from raw_flair import make_jpeg

import flair_tfds  # noqa: F401
from flair_tfds.building import records
from flair_tfds.datasets.flair import flair_dataset_builder, published

_IN_MEMORY = (
  'apache_beam.runners.portability.fn_api_runner.fn_runner.FnApiRunner'
)


def build(data_dir, manual_dir, config='small', file_format=None, **options):
  builder = tfds.builder(
    'flair', config=config, data_dir=data_dir, file_format=file_format
  )
  builder.download_and_prepare(
    download_config=tfds.download.DownloadConfig(
      manual_dir=manual_dir, **options
    )
  )
  return builder


def read(builder, split):
  """Reads examples with JPEG bytes and label names."""
  names = {
    name: builder.info.features[name].feature.names
    for name in ('labels', 'fine_grained_labels')
  }
  dataset = builder.as_dataset(
    split=split, decoders={'image': tfds.decode.SkipDecoding()}
  )
  return [
    {
      'image': example['image'],
      'image_id': example['image_id'].decode(),
      'user_id': example['user_id'].decode(),
      'partition': split,
      **{key: [names[key][i] for i in example[key]] for key in names},
    }
    for example in dataset.as_numpy_iterator()
  ]


def read_all(builder):
  return [e for split in builder.info.splits for e in read(builder, split)]


def hashes(folder):
  return {
    path.name: hashlib.sha256(path.read_bytes()).hexdigest()
    for path in sorted(pathlib.Path(folder).iterdir())
  }


def test_every_record_comes_back_once_with_its_own_image(raw, tmp_path):
  builder = build(tmp_path / 'data', raw.write())
  found = {e['image_id']: e for e in read_all(builder)}
  assert found == {
    record['image_id']: {**record, 'image': raw.images[record['image_id']]}
    for record in raw.records
  }
  assert builder.info.splits.total_num_examples == len(raw.records)


def test_splits_are_those_of_the_metadata(raw, tmp_path):
  builder = build(tmp_path / 'data', raw.write())
  sizes = {name: s.num_examples for name, s in builder.info.splits.items()}
  assert sizes == {'train': 12, 'val': 2, 'test': 4}


def test_images_of_a_user_are_contiguous_and_sorted_by_id(raw, tmp_path):
  builder = build(tmp_path / 'data', raw.write(), num_shards=1)
  examples = read(builder, 'train')
  users = [e['user_id'] for e in examples]
  runs = [user for i, user in enumerate(users) if users[i - 1 : i] != [user]]
  assert sorted(runs) == ['55@N03', '70@N05', '90@N01']
  for user in runs:
    ids = [e['image_id'] for e in examples if e['user_id'] == user]
    assert ids == sorted(ids)


def test_users_come_in_the_order_of_a_hash(raw, tmp_path):
  builder = build(tmp_path / 'data', raw.write())
  users = list(dict.fromkeys(e['user_id'] for e in read(builder, 'train')))

  def order(user):
    digest = hashlib.blake2b(user.encode(), digest_size=8).digest()
    return int.from_bytes(digest, 'little')

  assert users == sorted(users, key=order)


def test_archives_may_be_uncompressed_or_lie_in_the_published_folders(
  raw, tmp_path
):
  first = next(iter(raw.archives))
  raw.archives[first.removesuffix('.gz')] = raw.archives.pop(first)
  folder = raw.write()
  images = folder / 'flair' / 'images' / 'small'
  labels = folder / 'flair' / 'labels'
  images.mkdir(parents=True)
  labels.mkdir()
  for path in list(folder.iterdir()):
    if path.is_file():
      path.rename((images if '.tar' in path.name else labels) / path.name)
  builder = build(tmp_path / 'data', folder)
  assert len(read_all(builder)) == len(raw.records)


def test_an_unpacked_folder_gives_the_shards_of_its_archives(raw, tmp_path):
  folder = raw.write()
  packed = build(tmp_path / 'packed', folder)
  for name in raw.archives:
    with tarfile.open(folder / name) as archive:
      archive.extractall(folder, filter='data')
    (folder / name).unlink()
  unpacked = build(tmp_path / 'unpacked', folder)
  a, b = hashes(packed.data_dir), hashes(unpacked.data_dir)
  a.pop('manifest.json'), b.pop('manifest.json')
  assert a == b


def test_raw_images_may_have_any_size_and_be_greyscale(raw, tmp_path):
  raw.images['41'] = make_jpeg(1, size=(320, 200))
  raw.images['5'] = make_jpeg(2, size=(64, 64), mode='L')
  raw.archives = {
    'images-00.tar.gz': [
      (f'raw_images/{name}.jpg', data) for name, data in raw.images.items()
    ]
  }
  builder = build(tmp_path / 'data', raw.write(), config='raw')
  shapes = {
    e['image_id'].decode(): e['image'].shape
    for e in builder.as_dataset(split='train').as_numpy_iterator()
  }
  assert shapes['41'] == (200, 320, 3)
  assert shapes['5'] == (64, 64, 3)


def test_fine_labels_are_named_by_the_metadata_and_kept(raw, tmp_path):
  names = ['brick', 'cat', 'dog', 'oak', 'tulip']
  build(tmp_path / 'data', raw.write())
  reloaded = tfds.builder('flair', data_dir=tmp_path / 'data')
  assert reloaded.info.features['fine_grained_labels'].feature.names == names


def test_unbuilt_full_configurations_declare_all_fine_labels(tmp_path):
  for config in ('small', 'raw'):
    builder = tfds.builder('flair', config=config, data_dir=tmp_path)
    label = builder.info.features['fine_grained_labels'].feature
    assert label.num_classes == 1628


def test_stock_tfds_reads_a_built_dataset(raw, tmp_path, run_python):
  builder = build(tmp_path / 'data', raw.write())
  output = run_python(
    f"""
import sys
import tensorflow_datasets as tfds
builder = tfds.builder_from_directory({builder.data_dir!r})
names = builder.info.features['fine_grained_labels'].feature.names
ids = [e['image_id'].decode() for e in tfds.as_numpy(builder.as_dataset('val'))]
assert 'flair_tfds' not in sys.modules
print(names, sorted(ids))
"""
  )
  assert output == "['brick', 'cat', 'dog', 'oak', 'tulip'] ['7', '8']\n"


def test_data_source_needs_no_tensorflow(raw, tmp_path, run_python):
  raw.write()
  output = run_python(
    f"""
import sys
import flair_tfds
import tensorflow_datasets as tfds
source = tfds.data_source(
  'flair', split='val', data_dir={str(tmp_path / 'data')!r},
  builder_kwargs=dict(file_format='array_record'),
  download_and_prepare_kwargs=dict(
    download_config=tfds.download.DownloadConfig(
      manual_dir={str(raw.folder)!r})),
)
print(len(source), source[1]['image'].shape, 'tensorflow' in sys.modules)
"""
  )
  assert output.splitlines()[-1] == '2 (256, 256, 3) False'


@pytest.mark.parametrize('file_format', ['tfrecord', 'array_record', 'parquet'])
def test_every_format_holds_the_same_examples(raw, tmp_path, file_format):
  builder = build(tmp_path / 'data', raw.write(), file_format=file_format)
  if file_format == 'array_record':
    ids = [e['image_id'] for e in builder.as_data_source(split='train')]
  else:
    dataset = builder.as_dataset(split='train')
    ids = [e['image_id'] for e in dataset.as_numpy_iterator()]
  expected = [r['image_id'] for r in raw.records if r['partition'] == 'train']
  assert sorted(i.decode() for i in ids) == sorted(expected)


@pytest.mark.parametrize('file_format', ['tfrecord', 'array_record', 'parquet'])
def test_any_number_of_workers_gives_the_same_bytes(
  raw, tmp_path, file_format, monkeypatch
):
  folder = raw.write()
  found = []
  for workers in (1, 2, 4):
    monkeypatch.setenv('FLAIR_TFDS_NUM_WORKERS', str(workers))
    builder = build(
      tmp_path / str(workers), folder, file_format=file_format, num_shards=3
    )
    found.append(hashes(builder.data_dir))
  assert found[0] == found[1] == found[2]


@pytest.mark.parametrize(
  'options',
  [
    [],
    ['--direct_num_workers=2', '--direct_running_mode=multi_threading'],
    ['--direct_num_workers=2', '--direct_running_mode=multi_processing'],
  ],
  ids=['in_memory', 'multi_threading', 'multi_processing'],
)
@pytest.mark.filterwarnings('ignore')  # Beam's own
def test_beam_gives_the_same_bytes(raw, tmp_path, options):
  from apache_beam.options import pipeline_options

  raw.write()
  alone = build(tmp_path / 'alone', raw.folder, num_shards=3)
  beam = build(
    tmp_path / 'beam',
    raw.folder,
    num_shards=3,
    beam_options=pipeline_options.PipelineOptions(
      [f'--runner={_IN_MEMORY}', *options]
    ),
  )
  assert hashes(beam.data_dir) == hashes(alone.data_dir)


def test_max_examples_per_split_limits_every_split(raw, tmp_path):
  builder = build(tmp_path / 'data', raw.write(), max_examples_per_split=2)
  sizes = {name: s.num_examples for name, s in builder.info.splits.items()}
  assert sizes == {'train': 2, 'val': 2, 'test': 2}
  assert len(read_all(builder)) == 6


def test_num_shards_is_the_number_of_every_split_that_is_large_enough(
  raw, tmp_path
):
  builder = build(tmp_path / 'data', raw.write(), num_shards=3)
  lengths = {
    name: len(s.shard_lengths) for name, s in builder.info.splits.items()
  }
  assert lengths == {'train': 3, 'val': 2, 'test': 3}


def test_no_shard_exceeds_the_maximum_size(raw, tmp_path):
  largest = max(map(len, raw.images.values()))
  builder = build(
    tmp_path / 'data', raw.write(), max_shard_size=3 * largest, min_shard_size=1
  )
  shards = list(pathlib.Path(builder.data_dir).glob('*tfrecord*'))
  assert len(shards) > 3
  assert max(path.stat().st_size for path in shards) <= 3 * largest


def test_overwriting_builds_anew(raw, tmp_path):
  build(tmp_path / 'data', raw.write())
  raw.records = [r for r in raw.records if r['user_id'] != '90@N01']
  raw.write()
  builder = build(
    tmp_path / 'data',
    raw.folder,
    download_mode=tfds.download.GenerateMode.REUSE_CACHE_IF_EXISTS,
  )
  assert builder.info.splits['train'].num_examples == 9


def test_a_built_dataset_is_used_as_it_is(raw, tmp_path):
  builder = build(tmp_path / 'data', raw.write())
  before = hashes(builder.data_dir)
  raw.write_metadata('not even JSON')
  again = build(tmp_path / 'data', raw.folder)
  assert hashes(again.data_dir) == before


def test_nothing_but_the_dataset_stays_behind(raw, tmp_path):
  builder = build(tmp_path / 'data', raw.write())
  folder = pathlib.Path(builder.data_dir)
  assert [path.name for path in folder.parent.iterdir()] == ['1.0.0']


def test_extract_dir_is_used_and_left_empty(raw, tmp_path, monkeypatch):
  extract_dir = tmp_path / 'scratch'

  def fail(*args):
    raise OSError(errno.ENOSPC, 'full')

  monkeypatch.setattr(records, 'write', fail)
  raw.write()
  with pytest.raises(OSError, match='full'):
    build(tmp_path / 'data', raw.folder, extract_dir=extract_dir)
  monkeypatch.undo()
  spools = list(extract_dir.glob('flair-small-1.0.0/scan-*/*.spool'))
  assert len(spools) == 2
  builder = build(tmp_path / 'data', raw.folder, extract_dir=extract_dir)
  assert builder.info.splits.total_num_examples == 18
  assert list(extract_dir.iterdir()) == []


def test_the_manifest_tells_what_was_read_and_written(raw, tmp_path):
  raw.archives['small_images-00.tar.gz'].append(('small_images/x.txt', b'hi'))
  builder = build(tmp_path / 'data', raw.write())
  folder = pathlib.Path(builder.data_dir)
  manifest = json.loads((folder / 'manifest.json').read_text())
  archive = raw.folder / 'small_images-00.tar.gz'
  assert manifest['sources'][0] == {
    'name': archive.name,
    'num_bytes': archive.stat().st_size,
    'sha256': hashlib.sha256(archive.read_bytes()).hexdigest(),
    'num_images': 9,
    'num_other_files': 1,
    'other_files': ['small_images/x.txt'],
  }
  metadata = raw.folder / 'labels_and_metadata.json'
  assert manifest['metadata_files'][0] == {
    'name': metadata.name,
    'num_bytes': metadata.stat().st_size,
    'sha256': hashlib.sha256(metadata.read_bytes()).hexdigest(),
  }
  for shard in manifest['shards']:
    data = (folder / shard['file_name']).read_bytes()
    assert shard['num_bytes'] == len(data)
    assert shard['sha256'] == hashlib.sha256(data).hexdigest()
  assert sum(shard['num_examples'] for shard in manifest['shards']) == 18
  assert manifest['synthetic'] is False


def test_coarse_labels_that_are_not_the_parents_are_counted(raw, tmp_path):
  raw.records[3]['labels'] = ['fire']
  raw.records[4]['fine_grained_labels'] = ['unheard_of']
  builder = build(tmp_path / 'data', raw.write())
  manifest = json.loads(
    (pathlib.Path(builder.data_dir) / 'manifest.json').read_text()
  )
  assert manifest['metadata']['coarse_labels_differ_from_parents'] == {
    'num_images': 1,
    'first': [raw.records[3]['image_id']],
  }
  assert manifest['metadata']['fine_labels_without_parent'] == {
    'num_images': 1,
    'names': ['unheard_of'],
  }


def test_the_taxonomy_is_kept_with_the_dataset(raw, tmp_path):
  from flair_tfds import hierarchy

  builder = build(tmp_path / 'data', raw.write())
  taxonomy = hierarchy.load(builder.data_dir)
  assert taxonomy.coarse_of('oak') == 'plant'
  assert taxonomy.fine_of('animal') == ('dog', 'cat')


def test_the_miniature_says_that_it_is_not_flair(tmp_path):
  builder = build(tmp_path, None, config='miniature')
  manifest = json.loads(
    (pathlib.Path(builder.data_dir) / 'manifest.json').read_text()
  )
  assert manifest['synthetic'].startswith('Synthetic: every image was drawn')
  assert builder.info.description.startswith('Synthetic: every image')
  assert 'Not the real data' in builder.builder_config.description
  assert 'miniature' in builder.info.full_name


def test_the_miniature_is_built_from_what_it_draws(tmp_path):
  from flair_tfds.datasets.flair import miniature

  builder = build(tmp_path / 'data', None, config='miniature')
  miniature.draw(tmp_path / 'drawn')
  records = json.loads(
    (tmp_path / 'drawn' / 'labels_and_metadata.json').read_text()
  )
  found = {e['image_id']: e for e in read_all(builder)}
  assert len(found) == len(records)
  for record in records:
    example = found[record['image_id']]
    del example['image']
    assert example == record


def test_the_real_sample_comes_back_byte_by_byte(real_data, tmp_path):
  folder = real_data / 'flair_sample'
  builder = build(tmp_path, folder)
  images = {}
  for path in sorted(folder.glob('*.tar.gz')):
    with tarfile.open(path) as archive:
      for member in archive:
        if member.isfile():
          name = pathlib.PurePath(member.name).stem
          images[name] = archive.extractfile(member).read()
  records = json.loads((folder / 'labels_and_metadata.json').read_text())
  found = {e['image_id']: e for e in read_all(builder)}
  assert found == {
    r['image_id']: {**r, 'image': images[r['image_id']]} for r in records
  }
  sizes = {name: s.num_examples for name, s in builder.info.splits.items()}
  assert sizes == {'train': 29, 'val': 3, 'test': 3}
  assert len({e['user_id'] for e in found.values()}) == 15


def test_published_names_match_the_published_lists(real_data):
  facts = json.loads((real_data / 'flair_facts/label_stats.json').read_text())
  assert facts['n_images'] == published.NUM_IMAGES
  assert facts['n_fine'] == published.NUM_FINE_LABELS
  assert facts['images_per_split'] == published.IMAGES_PER_SPLIT
  assert facts['users_per_split'] == published.USERS_PER_SPLIT
  assert facts['coarse_image_counts'] == published.COARSE_IMAGE_COUNTS


def test_the_newest_release_note_is_of_the_version():
  builder = flair_dataset_builder.Builder
  assert max(builder.RELEASE_NOTES) == str(builder.VERSION)


def test_a_builder_survives_pickling(raw, tmp_path):
  import pickle

  builder = build(tmp_path / 'data', raw.write())
  copy = pickle.loads(pickle.dumps(builder))
  assert copy.data_dir == builder.data_dir
  assert copy.info.splits.total_num_examples == 18
