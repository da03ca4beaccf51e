import json
import pathlib

import numpy as np
import pytest

from flair_tfds import hierarchy
from flair_tfds.core import errors
from flair_tfds.hierarchy import flair

LINES = 'abalone -> animal\nabacus -> equipment\naccordion -> music\n'


def read(tmp_path: pathlib.Path, text: str) -> flair.Taxonomy:
  path = tmp_path / 'label_relationship.txt'
  path.write_text(text, encoding='utf-8')
  return flair.read_label_relationship(path)


def test_coarse_labels_are_the_17_sorted_names():
  assert len(flair.COARSE_LABELS) == 17
  assert list(flair.COARSE_LABELS) == sorted(set(flair.COARSE_LABELS))


def test_coarse_of_a_listed_label(tmp_path):
  assert read(tmp_path, LINES).coarse_of('abalone') == 'animal'


def test_coarse_of_an_unlisted_label_is_unknown(tmp_path):
  assert read(tmp_path, LINES).coarse_of('zebra') is None


def test_coarse_name_is_its_own_parent_though_unlisted(tmp_path):
  assert read(tmp_path, LINES).coarse_of('food') == 'food'


def test_coarse_name_may_be_listed_as_its_own_parent(tmp_path):
  taxonomy = read(tmp_path, 'animal -> animal\nabalone -> animal\n')
  assert taxonomy.coarse_of('animal') == 'animal'
  assert taxonomy.fine_of('animal') == ('abalone',)


def test_fine_of_lists_the_labels_below(tmp_path):
  taxonomy = read(tmp_path, LINES + 'ant -> animal\n')
  assert taxonomy.fine_of('animal') == ('abalone', 'ant')
  assert taxonomy.fine_of('religion') == ()


def test_fine_of_something_else_suggests_coarse_labels(tmp_path):
  with pytest.raises(KeyError, match=r"one of 'animal', .*; found 'animals'"):
    read(tmp_path, LINES).fine_of('animals')


def test_roll_up_gives_sorted_coarse_labels_once(tmp_path):
  labels = ['accordion', 'abalone', 'animal', 'zebra']
  assert read(tmp_path, LINES).roll_up(labels) == ('animal', 'music')


def test_unknown_names_labels_that_roll_up_left_out(tmp_path):
  assert read(tmp_path, LINES).unknown(['abalone', 'zebra']) == ('zebra',)


def test_roll_up_scores_takes_the_maximum_per_coarse_label(tmp_path):
  taxonomy = read(tmp_path, LINES + 'ant -> animal\n')
  rolled = taxonomy.roll_up_scores(
    [[0.1, 0.2, 0.3], [0.6, 0.5, 0.4]],
    ['abalone', 'abacus', 'ant'],
    ['equipment', 'animal'],
  )
  np.testing.assert_array_equal(rolled, [[0.2, 0.3], [0.5, 0.6]])


def test_roll_up_scores_names_unknown_fine_labels(tmp_path):
  with pytest.raises(ValueError, match=r"1 of 2 are not: 'zebra'\. Use the"):
    read(tmp_path, LINES).roll_up_scores(
      [[0.1, 0.9]], ['abalone', 'zebra'], ['animal']
    )


def test_roll_up_scores_leaves_unknown_fine_labels_out_when_told(tmp_path):
  rolled = read(tmp_path, LINES).roll_up_scores(
    [[0.1, 0.9]], ['abalone', 'zebra'], ['animal'], on_unknown='skip'
  )
  np.testing.assert_array_equal(rolled, [[0.1]])


def test_roll_up_scores_checks_the_shape_before_leaving_out(tmp_path):
  with pytest.raises(ValueError, match=r'\[image, 2\].*found \[1, 3\]'):
    read(tmp_path, LINES).roll_up_scores(
      [[0.1, 0.9, 0.9]], ['abalone', 'zebra'], ['animal'], on_unknown='skip'
    )


def test_roll_up_scores_needs_a_column_for_each_coarse_label(tmp_path):
  with pytest.raises(ValueError, match='16 have none'):
    read(tmp_path, LINES).roll_up_scores([[0.1]], ['abalone'])


def test_roll_up_scores_refuses_an_unknown_coarse_label(tmp_path):
  with pytest.raises(KeyError, match="found 'abalone'"):
    read(tmp_path, LINES).roll_up_scores([[0.1]], ['abalone'], ['abalone'])


def test_roll_up_scores_refuses_an_unknown_policy(tmp_path):
  with pytest.raises(ValueError, match="'error' or 'skip'; found 'guess'"):
    read(tmp_path, LINES).roll_up_scores(
      [[0.1]], ['abalone'], ['animal'], on_unknown='guess'
    )


def test_tree_has_the_coarse_labels_as_roots(tmp_path):
  tree = read(tmp_path, LINES).tree
  assert tree.roots == flair.COARSE_LABELS
  assert tree.path('abalone') == ('animal', 'abalone')


def test_blank_lines_spaces_and_byte_order_mark_are_passed_over(tmp_path):
  path = tmp_path / 'label_relationship.txt'
  path.write_bytes(b'\xef\xbb\xbfabalone->animal  \r\n\r\n  ant -> animal\r\n')
  taxonomy = flair.read_label_relationship(path)
  assert taxonomy.fine_of('animal') == ('abalone', 'ant')


def test_line_may_repeat_when_it_says_the_same(tmp_path):
  assert read(tmp_path, LINES + LINES) == read(tmp_path, LINES)


@pytest.mark.parametrize(
  'line', ['abalone animal', 'abalone ->', '-> animal', 'a -> b -> animal', '?']
)
def test_malformed_line_is_named(tmp_path, line):
  with pytest.raises(
    errors.BadDataError,
    match=r"label_relationship\.txt, line 4: a line must .*'fine -> coarse'",
  ):
    read(tmp_path, LINES + line + '\n')


def test_contradictory_line_names_both_lines(tmp_path):
  with pytest.raises(
    errors.BadDataError,
    match=r"line 4: .* 'abalone' has 'food' here and 'animal' in line 1",
  ):
    read(tmp_path, LINES + 'abalone -> food\n')


def test_unknown_coarse_label_is_named_with_the_nearest_first(tmp_path):
  with pytest.raises(
    errors.BadDataError,
    match=r"line 1: a coarse label must be one of 'animal', .*'animall'",
  ):
    read(tmp_path, 'abalone -> animall\n')


def test_coarse_label_below_another_is_an_error(tmp_path):
  with pytest.raises(
    errors.BadDataError, match=r"line 1: the coarse label 'food' .*'animal'"
  ):
    read(tmp_path, 'food -> animal\n')


def test_binary_file_is_an_error_that_names_it(tmp_path):
  path = tmp_path / 'label_relationship.txt'
  path.write_bytes(b'abalone -> \xff\xfe')
  with pytest.raises(
    errors.BadDataError, match=r'\.txt: .* UTF-8 text; byte 11'
  ):
    flair.read_label_relationship(path)


def test_load_reads_the_file_inside_a_dataset(tmp_path):
  assert read(tmp_path, LINES) == hierarchy.load(tmp_path)


def test_load_says_which_folder_it_wants(tmp_path):
  with pytest.raises(
    FileNotFoundError, match=r'there is no .*label_relationship\.txt'
  ):
    hierarchy.load(tmp_path)


def test_real_sample(real_data: pathlib.Path):
  folder = real_data / 'flair_sample'
  taxonomy = hierarchy.load(folder)
  assert taxonomy.coarse_of('abalone') == 'animal'
  assert taxonomy.coarse_of('avocado') == 'food'
  records = json.loads((folder / 'labels_and_metadata.json').read_bytes())
  for record in records:
    assert set(taxonomy.roll_up(record['fine_grained_labels'])) <= set(
      record['labels']
    )
