import contextlib
import io
import json

import numpy as np
import pytest
from PIL import Image

from flair_tfds.cli import demo, main
from flair_tfds.datasets.flair import miniature
from flair_tfds.hierarchy import flair

# TFDS 4.9.10 asks protobuf for what newer versions of it deprecate.
pytestmark = pytest.mark.filterwarnings(
  'ignore:label.. is deprecated:DeprecationWarning'
)


@pytest.fixture(scope='module')
def out_dir(tmp_path_factory):
  return tmp_path_factory.mktemp('demo') / 'out'


@pytest.fixture(scope='module')
def printed(out_dir):
  """Runs the demo once; pytest's own capture serves one test only."""
  stream = io.StringIO()
  with contextlib.redirect_stdout(stream):
    assert main.main(['demo', '--out_dir', str(out_dir)]) == 0
  return stream.getvalue()


@pytest.fixture(scope='module')
def report(out_dir, printed):
  return json.loads((out_dir / demo.REPORT_FILE).read_bytes())


@pytest.fixture(scope='module')
def predictions(out_dir, printed):
  return dict(np.load(out_dir / demo.PREDICTIONS_FILE))


def test_demo_builds_the_dataset_in_its_own_folder(out_dir, printed):
  folder = out_dir / 'tensorflow_datasets/flair/miniature'
  assert list(folder.glob('*/dataset_info.json'))


def test_demo_leaves_nothing_but_its_results(out_dir, printed):
  assert sorted(path.name for path in out_dir.iterdir()) == [
    'predictions.npz',
    'report.json',
    'sheet.png',
    'tensorflow_datasets',
  ]


def test_demo_prints_the_sizes_of_the_splits(printed):
  assert 'train  280 images of 42 users\n' in printed
  assert 'val     50 images of  9 users\n' in printed
  assert 'test    70 images of  9 users\n' in printed


def test_demo_prints_the_table_of_its_report(printed, report):
  assert demo.format_table(report) in printed


def test_demo_says_what_it_wrote(out_dir, printed):
  for name in ('sheet.png', 'predictions.npz', 'report.json'):
    assert f'Wrote {out_dir / name}\n' in printed


def test_demo_model_beats_chance_by_far(report):
  assert report['macro']['chance'] < 0.2
  assert report['macro']['average_precision'] > 0.6
  assert report['micro']['average_precision'] > 0.6


def test_demo_report_names_what_was_evaluated(report):
  assert report['dataset'] == 'flair/miniature/1.0.0'
  assert report['split'] == 'test'
  assert report['num_images'] == miniature.NUM_IMAGES['test']
  assert sorted(report['classes']) == list(flair.COARSE_LABELS)


def test_demo_predictions_can_be_joined_to_the_images(predictions):
  num_images = miniature.NUM_IMAGES['test']
  assert predictions['scores'].shape == (num_images, 17)
  assert predictions['scores'].dtype == np.float32
  assert predictions['class_names'].tolist() == list(flair.COARSE_LABELS)
  assert len(set(predictions['ids'].tolist())) == num_images


def test_demo_sheet_shows_four_users_of_six_images(out_dir, printed):
  with Image.open(out_dir / demo.SHEET_FILE) as sheet:
    # The thumbnails are 176 wide, in six columns and four rows.
    assert 6 * 176 < sheet.width < 7 * 176
    assert 4 * 176 < sheet.height < 7 * 176


def test_demo_again_gives_the_same_bytes_from_the_same_data(out_dir, printed):
  results = [path for path in out_dir.iterdir() if path.is_file()]
  before = {path: path.read_bytes() for path in results}
  prepared = out_dir.glob('tensorflow_datasets/flair/miniature/*/*')
  times = {path: path.stat().st_mtime_ns for path in prepared}
  assert main.main(['demo', '--out_dir', str(out_dir)]) == 0
  assert {path: path.read_bytes() for path in results} == before
  assert {path: path.stat().st_mtime_ns for path in times} == times


def test_a_file_in_the_place_of_the_folder_is_an_error(tmp_path, capsys):
  (tmp_path / 'out').write_text('')
  assert main.main(['demo', '--out_dir', str(tmp_path / 'out')]) == 1
  assert 'File exists' in capsys.readouterr().err


def test_features_of_a_plain_image_are_its_colour():
  image = np.full((256, 256, 3), (255, 0, 64), np.uint8)
  features = demo.extract_features(image)
  histogram, grid, edges = np.split(features, [512, 512 + 192])
  # Eight levels a channel: 255 is level 7, 0 level 0 and 64 level 2.
  assert np.flatnonzero(histogram).tolist() == [7 * 64 + 0 * 8 + 2]
  assert histogram.max() == 1
  np.testing.assert_allclose(grid.reshape(64, 3), [[1, 0, 64 / 255]] * 64)
  assert edges.tolist() == [0] * 128


@pytest.mark.parametrize(
  ('horizontal', 'direction'),
  # The gradient points right, at 0 degrees, or down, at 90 of 180 degrees.
  [(False, 0), (True, 4)],
)
def test_features_of_an_edge_tell_its_place_and_direction(
  horizontal, direction
):
  # Dark, then light, in the lower right of the 4 by 4 cells.
  image = np.zeros((256, 256, 3), np.uint8)
  if horizontal:
    image[224:, 192:] = 200
  else:
    image[192:, 224:] = 200
  edges = demo.extract_features(image)[512 + 192 :].reshape(4, 4, 8)
  strongest = np.unravel_index(edges.argmax(), edges.shape)
  assert strongest == (3, 3, direction)
  assert not edges[:2].any()
  assert not edges[:, :2].any()


def make_split(features, labels):
  count = len(features)
  return demo.Split(
    ids=[str(i) for i in range(count)],
    users=['u'] * count,
    images=[],
    labels=np.asarray(labels, bool),
    features=np.asarray(features, float),
  )


def test_model_learns_what_features_tell():
  rng = np.random.default_rng(0)
  features = rng.normal(size=(60, 5))
  # Each label is the sign of one feature.
  split = make_split(features, features[:, :2] > 0)
  new = rng.normal(size=(40, 5))
  scores = demo.fit_and_score(split, split, new)
  assert scores.shape == (40, 2)
  assert np.mean((scores > 0.5) == (new[:, :2] > 0)) > 0.9


def test_model_without_information_gives_the_share_of_positives():
  split = make_split(np.ones((8, 3)), [[True], [True], *[[False]] * 6])
  scores = demo.fit_and_score(split, split, np.ones((4, 3)))
  # Two of eight, and one image more with and without the label: 3 of 10.
  np.testing.assert_allclose(scores, np.full((4, 1), 0.3))


def test_model_never_leaves_the_unit_interval():
  split = make_split([[0.0], [1.0]], [[False], [True]])
  scores = demo.fit_and_score(split, split, np.array([[-1e9], [1e9]]))
  assert scores.tolist() == [[0.0], [1.0]]


SCORES = np.array([[0.9, 0.1], [0.8, 0.6], [0.7, 0.2]])
LABELS = np.array([[True, False], [False, True], [True, False]])


def test_report_is_what_can_be_derived_by_hand():
  report = demo.make_report(SCORES, LABELS, ['dog', 'cat'])
  # dog: positives at ranks 1 and 3: (1/1 + 2/3) / 2 = 5/6. cat: rank 1: 1.
  # Pooled, sorted: 0.9 yes, 0.8 no, 0.7 yes, 0.6 yes, then no:
  # (1/1 + 2/3 + 3/4) / 3 = 29/36.
  assert report == {
    'num_images': 3,
    'metric': 'average precision',
    'classes': {
      'dog': {
        'num_positives': 2,
        'chance': pytest.approx(2 / 3),
        'average_precision': pytest.approx(5 / 6),
      },
      'cat': {
        'num_positives': 1,
        'chance': pytest.approx(1 / 3),
        'average_precision': pytest.approx(1),
      },
    },
    'macro': {
      'chance': pytest.approx(1 / 2),
      'average_precision': pytest.approx(11 / 12),
    },
    'micro': {
      'chance': pytest.approx(1 / 2),
      'average_precision': pytest.approx(29 / 36),
    },
  }


def test_table_shows_the_numbers_of_the_report():
  table = demo.format_table(demo.make_report(SCORES, LABELS, ['dog', 'cat']))
  assert table.splitlines() == [
    'label           positives  chance      AP',
    '-----------------------------------------',
    'dog                     2   0.667   0.833',
    'cat                     1   0.333   1.000',
    '-----------------------------------------',
    'macro average               0.500   0.917',
    'micro average               0.500   0.806',
  ]
