import re
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flair_tfds.building import table
from flair_tfds.core import errors

texts = st.text(st.characters(exclude_categories=['Cs']), max_size=12)
int64 = st.integers(-(2**63), 2**63 - 1)


@st.composite
def plain_tables(draw):
  """Keys, users and labels of the rows of a table, as plain lists."""
  keys = draw(st.lists(texts, unique=True, max_size=12))
  size = len(keys)
  users = draw(st.lists(texts, min_size=size, max_size=size))
  labels = draw(
    st.lists(st.lists(int64, max_size=4), min_size=size, max_size=size)
  )
  return keys, users, labels


def encoded(items: list[str]) -> list[bytes]:
  return [item.encode() for item in items]


def make(keys, users, labels) -> table.Table:
  middle = len(keys) // 2
  return table.make(
    splits={'train': (0, middle), 'test': (middle, len(keys))},
    key='id',
    image='image',
    columns={
      'id': table.Column.from_texts(encoded(keys)),
      'user': table.Column.from_texts(encoded(users)),
      'labels': table.Column.from_ints(
        [len(row) for row in labels],
        np.array([label for row in labels for label in row], np.int64),
      ),
    },
    groups=np.arange(len(keys)),
  )


def assert_holds(found: table.Table, keys, users, labels) -> None:
  size = len(keys)
  assert found.num_rows == size
  assert found.columns['id'].texts(0, size) == encoded(keys)
  assert found.columns['user'].texts(0, size) == encoded(users)
  assert found.columns['labels'].lists(0, size) == labels


@given(plain=plain_tables())
@settings(deadline=None)
def test_columns_give_back_what_they_were_made_of(plain):
  assert_holds(make(*plain), *plain)


@given(plain=plain_tables(), data=st.data())
@settings(deadline=None)
def test_ranges_of_rows_are_slices_of_the_lists(plain, data):
  keys, _, labels = plain
  start = data.draw(st.integers(0, len(keys)))
  end = data.draw(st.integers(start, len(keys)))
  columns = make(*plain).columns
  assert columns['id'].texts(start, end) == encoded(keys)[start:end]
  assert columns['labels'].lists(start, end) == labels[start:end]


@given(plain=plain_tables(), data=st.data())
@settings(deadline=None)
def test_take_picks_rows_in_any_order_and_often(plain, data):
  keys, _, labels = plain
  picks = st.lists(st.integers(0, len(keys) - 1)) if keys else st.just([])
  rows = data.draw(picks)
  columns = make(*plain).columns
  taken = {
    name: column.take(np.array(rows, np.int64))
    for name, column in columns.items()
  }
  size = len(rows)
  assert taken['id'].texts(0, size) == [keys[row].encode() for row in rows]
  assert taken['labels'].lists(0, size) == [labels[row] for row in rows]
  assert taken['labels'].kind == 'ints'


@given(
  plain=plain_tables(), data=st.data(), block_rows=st.sampled_from([1, 2, 5])
)
@settings(deadline=None)
def test_how_many_rows_are_worked_on_at_once_does_not_matter(
  plain, data, block_rows
):
  keys, _, labels = plain
  picks = st.lists(st.integers(0, len(keys) - 1)) if keys else st.just([])
  rows = data.draw(picks)
  with mock.patch.object(table, '_BLOCK_ROWS', block_rows):
    found = make(*plain)
    taken = found.columns['labels'].take(np.array(rows, np.int64))
    ids = found.columns['id'].take(np.array(rows, np.int64))
  assert found.digests.tolist() == [table.digest(k.encode()) for k in keys]
  assert taken.lists(0, len(rows)) == [labels[row] for row in rows]
  assert ids.texts(0, len(rows)) == [keys[row].encode() for row in rows]


@given(
  items=st.lists(
    st.text(st.characters(exclude_characters='\0', exclude_categories=['Cs']))
  )
)
@settings(deadline=None)
def test_column_of_an_array_is_that_of_its_strings(items):
  array = np.array(encoded(items), 'S')
  column = table.Column.from_array(array)
  assert column.texts(0, len(items)) == encoded(items)


def test_offsets_are_wide_where_the_values_need_it():
  # Four gigabytes of values that are one and the same byte.
  values = np.broadcast_to(np.zeros(1, np.uint8), (1 << 32,))
  column = table.Column.from_ints([1 << 31, (1 << 31) - 2, 2], values)
  assert column.offsets.tolist() == [0, 1 << 31, (1 << 32) - 2, 1 << 32]
  assert column.lists(2, 3) == [[0, 0]]


@given(plain=plain_tables())
@settings(deadline=None, max_examples=40)
def test_saved_table_is_loaded_as_it_was(plain, make_folder):
  folder = make_folder() / 'table'
  saved = make(*plain)
  table.save(saved, folder)
  loaded = table.load(folder)
  assert_holds(loaded, *plain)
  assert loaded.splits == saved.splits
  assert (loaded.key, loaded.image) == ('id', 'image')
  assert loaded.groups.tolist() == saved.groups.tolist()
  assert loaded.digests.tolist() == saved.digests.tolist()


@given(plain=plain_tables(), others=st.lists(texts))
@settings(deadline=None, max_examples=40)
def test_lookup_finds_the_row_of_every_key_and_of_no_other(
  plain, others, make_folder
):
  keys = plain[0]
  folder = make_folder() / 'table'
  table.save(make(*plain), folder)
  lookup = table.Lookup(folder)
  assert [lookup.find(key.encode()) for key in keys] == list(range(len(keys)))
  for key in set(others) - set(keys):
    assert lookup.find(key.encode()) is None


def test_lookup_takes_keys_that_are_not_unicode(make_table, tmp_path):
  table.save(make_table(['a', 'b']), tmp_path / 'table')
  assert table.Lookup(tmp_path / 'table').find(b'\xff') is None


def test_loaded_arrays_stay_on_disk(make_table, tmp_path):
  table.save(make_table(['a', 'b']), tmp_path / 'table')
  loaded = table.load(tmp_path / 'table')
  values = loaded.columns['image_id'].values
  assert isinstance(values.base, np.memmap)
  assert not values.flags.writeable


def test_keys_of_rows(make_table):
  assert make_table(['a', 'bc', 'ü']).keys([2, 0]) == ['ü', 'a']


def test_digest_is_that_of_blake2b():
  # b2sum --length=64 of nothing: e4a6a0577479b2b4, read from its last byte on.
  assert table.digest(b'') == 0xB4B2797457A0A6E4


def test_digests_of_the_rows_are_those_of_their_keys(make_table):
  assert make_table(['', 'x']).digests.tolist() == [
    0xB4B2797457A0A6E4,
    table.digest(b'x'),
  ]


def test_repeated_keys_are_named(make_table):
  with pytest.raises(
    errors.BadDataError,
    match=re.escape(
      "every image_id must occur once, but 2 occur more often: 'a', 'b'. "
      'Remove the repeated records.'
    ),
  ):
    make_table(['a', 'b', 'c', 'a', 'b', 'a'])


def test_first_five_of_many_repeated_keys_are_named(make_table):
  with pytest.raises(errors.BadDataError) as caught:
    make_table([str(key) for key in range(9)] * 2)
  assert ("9 occur more often: '0', '1', '2', '3', '4' and 4 more.") in str(
    caught.value
  )


def test_repeated_keys_in_two_splits_are_an_error(make_table):
  with pytest.raises(errors.BadDataError, match="occur more often: 'a'"):
    make_table(['a', 'a'], {'train': (0, 1), 'test': (1, 2)})


def test_equal_tables_have_equal_fingerprints(make_table, tmp_path):
  first = table.save(make_table(['a', 'b']), tmp_path / 'first')
  second = table.save(make_table(['a', 'b']), tmp_path / 'second')
  again = table.save(table.load(tmp_path / 'first'), tmp_path / 'again')
  assert first == second == again


def test_tables_that_differ_have_different_fingerprints(make_table, tmp_path):
  keys = ['a', 'b', 'c']
  plain = (keys, ['u', 'u', 'v'], [[1], [], [2, 3]])
  one = make(*plain)
  tables = [
    one,
    make(['a', 'b', 'd'], *plain[1:]),
    make(keys, ['u', 'v', 'v'], plain[2]),
    # The same values, and the same text, cut at other places.
    make(keys, plain[1], [[1], [2], [3]]),
    make(['ab', '', 'c'], *plain[1:]),
    table.make(
      splits={'train': (0, 3)},
      key='id',
      image='image',
      columns=one.columns,
      groups=one.groups,
    ),
    table.make(
      splits=one.splits,
      key='id',
      image='image',
      columns=one.columns,
      groups=np.array([0, 2]),
    ),
  ]
  prints = {
    table.save(each, tmp_path / str(number))
    for number, each in enumerate(tables)
  }
  assert len(prints) == len(tables)


def test_saving_replaces_an_older_table_whole(make_table, tmp_path):
  table.save(make_table(['old', 'older']), tmp_path / 'table')
  table.save(make_table(['new']), tmp_path / 'table')
  assert table.load(tmp_path / 'table').keys([0]) == ['new']
  assert [path.name for path in tmp_path.iterdir()] == ['table']
