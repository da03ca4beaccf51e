import pathlib
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flair_tfds.core import errors
from flair_tfds.hierarchy import tree

# thing          matter
#   |-- animal     `-- water
#   |     |-- cat
#   |     `-- dog
#   `-- tool
# The list is shuffled: 'cat' stands before its parent.
IDS = ['cat', 'thing', 'water', 'animal', 'tool', 'matter', 'dog']
PARENTS = ['animal', None, 'matter', 'thing', 'thing', None, 'animal']


def make_tree() -> tree.Tree:
  return tree.Tree.from_ids(IDS, PARENTS)


@st.composite
def parent_lists(draw):
  """Parents of a forest in random order: every forest can come out."""
  size = draw(st.integers(0, 12))
  above = [draw(st.integers(-1, row - 1)) for row in range(size)]
  order = draw(st.permutations(range(size)))
  parents = [-1] * size
  for row, parent in enumerate(above):
    parents[order[row]] = -1 if parent < 0 else order[parent]
  return parents


def path_of(parents: list[int], row: int) -> list[int]:
  path = [row]
  while parents[path[-1]] >= 0:
    path.append(parents[path[-1]])
  return path


def test_parent_of_a_node_that_stands_before_it():
  assert make_tree().parent('cat') == 'animal'


def test_root_has_no_parent():
  assert make_tree().parent('thing') is None


def test_children_are_in_list_order():
  assert make_tree().children('thing') == ('animal', 'tool')


def test_leaf_has_no_children():
  assert make_tree().children('cat') == ()


def test_ancestors_go_from_parent_to_root():
  assert make_tree().ancestors('cat') == ('animal', 'thing')


def test_path_goes_from_root_to_node():
  assert make_tree().path('cat') == ('thing', 'animal', 'cat')


def test_descendants_are_all_below():
  assert make_tree().descendants('thing') == ('cat', 'animal', 'tool', 'dog')


def test_depth_counts_edges_from_the_root():
  found = make_tree()
  assert [found.depth(node) for node in IDS] == [2, 0, 1, 1, 1, 0, 2]
  assert found.depths.tolist() == [2, 0, 1, 1, 1, 0, 2]


def test_roots_and_leaves():
  assert make_tree().roots == ('thing', 'matter')
  assert make_tree().leaves == ('cat', 'water', 'tool', 'dog')


def test_lowest_common_ancestor_of_siblings_is_their_parent():
  assert make_tree().lowest_common_ancestor('cat', 'dog') == 'animal'


def test_lowest_common_ancestor_of_a_node_and_its_ancestor_is_that():
  assert make_tree().lowest_common_ancestor('cat', 'thing') == 'thing'


def test_lowest_common_ancestor_of_several():
  assert make_tree().lowest_common_ancestor('cat', 'dog', 'tool') == 'thing'


def test_nodes_of_two_roots_have_no_common_ancestor():
  assert make_tree().lowest_common_ancestor('cat', 'water') is None


def test_nodes_are_addressed_by_index_too():
  assert make_tree().parent(0) == make_tree().parent('cat')
  assert make_tree().parent(np.int16(0)) == 'animal'


def test_names_may_repeat_and_ids_stay_apart():
  found = tree.Tree(['n1', 'n2'], [-1, 0], names=['crane', 'crane'])
  assert found.named('crane') == ('n1', 'n2')
  assert found.named('heron') == ()
  assert found.name('n2') == 'crane'


def test_empty_tree_has_no_roots():
  found = tree.Tree([], [])
  assert (len(found), found.roots, found.leaves) == (0, (), ())


def test_close_adds_all_ancestors_once():
  assert make_tree().close(['cat', 'dog']) == ('cat', 'thing', 'animal', 'dog')


def test_roll_up_keeps_targets_at_or_above_a_label():
  assert make_tree().roll_up(['cat'], ['matter', 'animal', 'thing', 'cat']) == (
    'animal',
    'thing',
    'cat',
  )


def test_roll_up_matrix_takes_the_maximum_below():
  scores = np.array([[0.1, 0.7, 0.2], [0.9, 0.3, 0.5]])
  rolled = make_tree().roll_up_matrix(
    scores, ['cat', 'dog', 'tool'], ['animal', 'thing']
  )
  np.testing.assert_array_equal(rolled, [[0.7, 0.7], [0.9, 0.9]])


def test_roll_up_matrix_counts_a_column_of_the_target_itself():
  rolled = make_tree().roll_up_matrix(
    [[0.1, 0.7]], ['cat', 'animal'], ['animal', 'thing']
  )
  np.testing.assert_array_equal(rolled, [[0.7, 0.7]])


def test_roll_up_matrix_of_negative_scores_does_not_invent_zeros():
  rolled = make_tree().roll_up_matrix([[-3.0, -2.0]], ['cat', 'dog'], ['thing'])
  np.testing.assert_array_equal(rolled, [[-2.0]])


def test_roll_up_matrix_sums_exclusive_scores():
  rolled = make_tree().roll_up_matrix(
    np.array([[0.25, 0.5, 0.125]], dtype=np.float16),
    ['cat', 'dog', 'tool'],
    ['animal', 'thing'],
    how='sum',
  )
  assert rolled.dtype == np.float64
  np.testing.assert_array_equal(rolled, [[0.75, 0.875]])


def test_roll_up_matrix_of_labels_stays_boolean():
  labels = np.array([[True, False], [False, False]])
  rolled = make_tree().roll_up_matrix(labels, ['cat', 'dog'], ['thing'])
  assert rolled.dtype == bool
  np.testing.assert_array_equal(rolled, [[True], [False]])


def test_roll_up_matrix_passes_nan_up():
  rolled = make_tree().roll_up_matrix(
    [[np.nan, 0.5]], ['cat', 'dog'], ['animal']
  )
  assert np.isnan(rolled).all()


def test_roll_up_matrix_names_targets_without_columns():
  with pytest.raises(ValueError, match=r"1 have none: 'matter'\. Leave"):
    make_tree().roll_up_matrix([[0.5]], ['cat'], ['thing', 'matter'])


def test_roll_up_matrix_fills_targets_without_columns_when_asked():
  rolled = make_tree().roll_up_matrix(
    [[0.5]], ['cat'], ['thing', 'matter'], empty=0
  )
  np.testing.assert_array_equal(rolled, [[0.5, 0.0]])


def test_roll_up_matrix_refuses_two_columns_of_one_node():
  with pytest.raises(ValueError, match="repeated: 'cat'"):
    make_tree().roll_up_matrix([[0.5, 0.5]], ['cat', 'cat'], ['thing'])


def test_roll_up_matrix_refuses_another_number_of_columns():
  with pytest.raises(ValueError, match=r'shape \[image, 1\].*found \[1, 2\]'):
    make_tree().roll_up_matrix([[0.5, 0.5]], ['cat'], ['thing'])


def test_roll_up_matrix_refuses_an_unknown_way():
  with pytest.raises(ValueError, match="'max' or 'sum'; found 'mean'"):
    make_tree().roll_up_matrix([[0.5]], ['cat'], ['thing'], how='mean')


@given(parents=parent_lists(), data=st.data())
def test_roll_up_matrix_equals_a_loop_over_ancestors(parents, data):
  ids = [f'n{row}' for row in range(len(parents))]
  found = tree.Tree(ids, parents)
  columns = [row for row in range(len(ids)) if data.draw(st.booleans())]
  rng = np.random.default_rng(data.draw(st.integers(0, 99)))
  scores = rng.integers(-9, 9, size=(3, len(columns)))
  for how, combine in [('max', np.max), ('sum', np.sum)]:
    rolled = found.roll_up_matrix(
      scores, columns, range(len(ids)), how=how, empty=-99
    )
    for row in range(len(ids)):
      below = [i for i, c in enumerate(columns) if row in path_of(parents, c)]
      expected = combine(scores[:, below], axis=1) if below else -99
      np.testing.assert_array_equal(rolled[:, row], expected)


@given(parents=parent_lists())
def test_structure_equals_following_parents(parents):
  ids = [f'n{row}' for row in range(len(parents))]
  found = tree.Tree(ids, parents)
  for row, node in enumerate(ids):
    above = tuple(ids[i] for i in path_of(parents, row)[1:])
    assert found.ancestors(node) == above
    assert found.depth(node) == len(above)
    assert found.children(node) == tuple(
      ids[i] for i, parent in enumerate(parents) if parent == row
    )
    assert set(found.descendants(node)) == {
      other for other in ids if node in found.ancestors(other)
    }


@given(parents=parent_lists(), data=st.data())
def test_lowest_common_ancestor_is_the_deepest_shared_node(parents, data):
  if not parents:
    return
  found = tree.Tree([f'n{row}' for row in range(len(parents))], parents)
  rows = st.integers(0, len(parents) - 1)
  one, two = data.draw(rows), data.draw(rows)
  second = path_of(parents, two)
  shared = [row for row in path_of(parents, one) if row in second]
  expected = f'n{shared[0]}' if shared else None
  assert found.lowest_common_ancestor(one, two) == expected


def test_repeated_id_names_both_rows():
  with pytest.raises(
    errors.BadDataError, match=r"row 2: .* 'a' was already given in row 0"
  ):
    tree.Tree(['a', 'b', 'a'], [-1, -1, -1])


def test_missing_parent_names_the_row_as_the_reader_says():
  with pytest.raises(
    errors.BadDataError, match=r"^t\.txt, line 1: .*; found 'x'\. Add it"
  ):
    tree.Tree.from_ids(['a'], ['x'], where=lambda row: f't.txt, line {row + 1}')


def test_parent_index_outside_the_list_is_an_error():
  with pytest.raises(
    errors.BadDataError, match=r"row 1: the parent of 'b' must be .*0\.\.1.* 2"
  ):
    tree.Tree(['a', 'b'], [-1, 2])


def test_cycle_is_spelt_out():
  with pytest.raises(
    errors.BadDataError,
    match=r"row 1: .* the cycle 'b' -> 'c' -> 'b'\. Correct",
  ):
    tree.Tree(['a', 'b', 'c', 'd'], [-1, 2, 1, 2])


def test_node_that_is_its_own_parent_is_a_cycle():
  with pytest.raises(errors.BadDataError, match="the cycle 'a' -> 'a'"):
    tree.Tree(['a'], [0])


def test_parents_must_be_as_many_as_ids():
  with pytest.raises(ValueError, match=r'each of the 2 ids; .* shape \(1,\)'):
    tree.Tree(['a', 'b'], [-1])


def test_names_must_be_as_many_as_ids():
  with pytest.raises(ValueError, match='each of the 1 ids; found 2'):
    tree.Tree(['a'], [-1], names=['x', 'y'])


def test_unknown_id_suggests_the_nearest():
  with pytest.raises(KeyError, match=r"found 'dgo'\. Did you mean 'dog'\?"):
    make_tree().depth('dgo')


def test_index_outside_the_list_is_an_error():
  with pytest.raises(IndexError, match=r'must be in 0\.\.6; found -1'):
    make_tree().depth(-1)


def test_tree_cannot_be_changed():
  with pytest.raises(ValueError, match='read-only'):
    make_tree().parents[0] = 1


def test_changing_the_callers_array_leaves_the_tree_alone():
  parents = np.array([-1, 0])
  found = tree.Tree(['a', 'b'], parents)
  parents[1] = -1
  assert found.parent('b') == 'a'


def test_pickled_tree_comes_back_equal_and_read_only():
  back = pickle.loads(pickle.dumps(make_tree()))
  assert back == make_tree()
  assert hash(back) == hash(make_tree())
  assert not back.parents.flags.writeable


def test_trees_with_other_names_differ():
  assert tree.Tree(['a'], [-1]) != tree.Tree(['a'], [-1], names=['b'])


def test_ml_images_published_facts(real_data: pathlib.Path):
  path = real_data / 'ml_images' / 'dictionary_and_semantic_hierarchy.txt'
  rows = [line.split('\t') for line in path.read_text('utf-8').splitlines()[1:]]
  found = tree.Tree(
    ids=[row[1] for row in rows],
    parents=[int(row[2]) for row in rows],
    names=[row[3] for row in rows],
  )
  assert len(found) == 11166
  assert len(found.roots) == 4
  assert len(set(found.names)) == 10873
  assert found.depths.max() == 16
  assert round(float(found.depths.mean()), 2) == 7.47
