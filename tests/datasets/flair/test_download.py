"""Downloads, from a server on this machine in the layout of the real one."""

import functools
import hashlib
import http.server
import pathlib
import shutil
import threading

import pytest
import tensorflow_datasets as tfds
from tensorflow_datasets.scripts.cli import main as tfds_cli

import flair_tfds  # noqa: F401
from flair_tfds.datasets.flair import flair_dataset_builder, published


class _Handler(http.server.SimpleHTTPRequestHandler):
  def do_GET(self):
    self.server.asked.append(self.path)
    super().do_GET()

  def log_message(self, *args):
    pass


@pytest.fixture
def server(raw, tmp_path, monkeypatch):
  """Serves `raw` with two archives; lists what was asked for in `asked`."""
  raw.write()
  root = tmp_path / 'served'
  for folder in ('labels', 'images/small'):
    (root / folder).mkdir(parents=True)
  for path in raw.folder.iterdir():
    folder = 'images/small' if '.tar' in path.name else 'labels'
    shutil.copy(path, root / folder / path.name)
  handler = functools.partial(_Handler, directory=str(root))
  with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as running:
    running.asked = []
    running.root = root
    threading.Thread(target=running.serve_forever, daemon=True).start()
    address = f'http://127.0.0.1:{running.server_port}/'
    monkeypatch.setattr(flair_dataset_builder.Builder, 'BASE_URL', address)
    monkeypatch.setattr(published, 'NUM_TARBALLS', 2)
    checksums = tmp_path / 'checksums' / 'flair.tsv'
    checksums.parent.mkdir()
    checksums.write_text('# none known\n')
    monkeypatch.setattr(
      flair_dataset_builder.Builder,
      '_checksums_path',
      tfds.core.Path(checksums),
    )
    running.checksums = checksums
    yield running
    running.shutdown()


def test_what_is_not_in_manual_dir_is_downloaded_once(server, tmp_path):
  builder = tfds.builder('flair', data_dir=tmp_path / 'data')
  builder.download_and_prepare()
  assert builder.info.splits.total_num_examples == 18
  assert sorted(server.asked) == [
    '/images/small/small_images-00.tar.gz',
    '/images/small/small_images-01.tar.gz',
    '/labels/label_relationship.txt',
    '/labels/labels_and_metadata.json',
  ]
  manifest = pathlib.Path(builder.data_dir, 'manifest.json').read_text()
  assert '"name": "small_images-01.tar.gz"' in manifest


def test_the_published_addresses_are_complete():
  builder = flair_dataset_builder.Builder(data_dir='/nowhere', config='raw')
  urls = builder.urls()
  base = 'https://docs-assets.developer.apple.com/ml-research/datasets/flair/'
  assert len(urls) == 45
  assert urls[0] == f'{base}labels/labels_and_metadata.json'
  assert urls[1] == f'{base}labels/label_relationship.txt'
  assert urls[2] == f'{base}images/raw/images-00.tar.gz'
  assert urls[-1] == f'{base}images/raw/images-42.tar.gz'


def test_register_checksums_writes_the_table_sorted(server, tmp_path):
  builder = tfds.builder('flair', data_dir=tmp_path / 'data')
  builder.download_and_prepare(
    download_config=tfds.download.DownloadConfig(register_checksums=True)
  )
  lines = server.checksums.read_text().splitlines()
  assert len(lines) == 4
  assert lines == sorted(lines)
  archive = server.root / 'images/small/small_images-00.tar.gz'
  digest = hashlib.sha256(archive.read_bytes()).hexdigest()
  address = f'{builder.BASE_URL}images/small/{archive.name}'
  size = archive.stat().st_size
  assert lines[0] == f'{address}\t{size}\t{digest}\t{archive.name}'


def test_a_download_with_another_checksum_is_an_error(server, tmp_path):
  address = flair_dataset_builder.Builder.BASE_URL
  server.checksums.write_text(
    f'{address}labels/labels_and_metadata.json\t3\t{"0" * 64}\tx.json\n'
  )
  builder = tfds.builder('flair', data_dir=tmp_path / 'data')
  with pytest.raises(Exception, match='checksum') as caught:
    builder.download_and_prepare()
  assert '--manual_dir' in caught.value.__notes__[0]


def test_a_failed_download_says_how_else_to_get_the_files(server, tmp_path):
  (server.root / 'images/small/small_images-01.tar.gz').unlink()
  builder = tfds.builder('flair', data_dir=tmp_path / 'data')
  with pytest.raises(Exception, match='small_images-01') as caught:
    builder.download_and_prepare()
  assert 'manual_dir' in caught.value.__notes__[0]
  assert 'small_images-*.tar.gz' in caught.value.__notes__[0]


def run_tfds(*args):
  tfds_cli.main(tfds_cli._parse_flags(['tfds', *map(str, args)]))


@pytest.mark.filterwarnings('ignore')  # of the libraries behind TFDS's command
def test_download_only_gets_all_files_of_the_configuration(server, tmp_path):
  run_tfds(
    'build',
    'flair',
    '--config=small',
    '--imports=flair_tfds',
    f'--data_dir={tmp_path / "data"}',
    '--download_only',
  )
  assert len(server.asked) == 4
  assert not list(tmp_path.glob('data/flair/small/1.0.0'))
  server.asked.clear()
  tfds.builder('flair', data_dir=tmp_path / 'data').download_and_prepare()
  assert server.asked == []


@pytest.mark.filterwarnings('ignore')
def test_download_only_of_the_miniature_asks_for_nothing(server, tmp_path):
  run_tfds(
    'build',
    'flair',
    '--config=miniature',
    '--imports=flair_tfds',
    f'--data_dir={tmp_path / "data"}',
    '--download_only',
  )
  assert server.asked == []


@pytest.mark.filterwarnings('ignore')
def test_tfds_build_takes_its_options(raw, tmp_path):
  run_tfds(
    'build',
    'flair',
    '--config=small',
    '--imports=flair_tfds',
    f'--data_dir={tmp_path / "data"}',
    f'--manual_dir={raw.write()}',
    '--num_shards=2',
    '--file_format=array_record',
    '--max_examples_per_split=3',
  )
  folder = tmp_path / 'data' / 'flair' / 'small' / '1.0.0'
  names = sorted(path.name for path in folder.glob('flair-*'))
  assert names == [
    'flair-test.array_record-00000-of-00002',
    'flair-test.array_record-00001-of-00002',
    'flair-train.array_record-00000-of-00002',
    'flair-train.array_record-00001-of-00002',
    'flair-val.array_record-00000-of-00002',
    'flair-val.array_record-00001-of-00002',
  ]
  builder = tfds.builder_from_directory(folder)
  sizes = {name: s.num_examples for name, s in builder.info.splits.items()}
  assert sizes == {'train': 3, 'val': 2, 'test': 3}


@pytest.mark.filterwarnings('ignore')
def test_tfds_build_overwrite_builds_anew(raw, tmp_path):
  arguments = [
    'build',
    'flair',
    '--config=small',
    '--imports=flair_tfds',
    f'--data_dir={tmp_path / "data"}',
    f'--manual_dir={raw.write()}',
  ]
  run_tfds(*arguments)
  folder = tmp_path / 'data' / 'flair' / 'small' / '1.0.0'
  before = (folder / 'manifest.json').stat().st_ino
  run_tfds(*arguments)
  assert (folder / 'manifest.json').stat().st_ino == before
  run_tfds(*arguments, '--overwrite')
  assert (folder / 'manifest.json').stat().st_ino != before


def test_a_manual_dir_without_flair_is_said_to_be_passed_over(
  server, tmp_path, caplog
):
  manual_dir = tmp_path / 'manual'
  manual_dir.mkdir()
  (manual_dir / 'other_dataset.zip').write_text('')
  builder = tfds.builder('flair', data_dir=tmp_path / 'data')
  with caplog.at_level('WARNING', logger='absl'):
    builder.download_and_prepare(
      download_config=tfds.download.DownloadConfig(manual_dir=manual_dir)
    )
  assert len(server.asked) == 4
  assert f'{manual_dir} holds no files of flair/small/1.0.0' in caplog.text
