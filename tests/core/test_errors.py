import pickle

import pytest

from flair_tfds.core import errors

FAMILY = [
  errors.BadDataError,
  errors.BuildInProgressError,
  errors.LostDataError,
]


@pytest.mark.parametrize('kind', FAMILY)
def test_errors_about_data_are_one_family(kind):
  assert issubclass(kind, errors.FlairTfdsError)
  assert not issubclass(kind, (ValueError, OSError))


@pytest.mark.parametrize('kind', FAMILY)
def test_errors_come_back_from_another_process(kind):
  error = kind('what must hold, but does not')
  error.add_note('where')
  found = pickle.loads(pickle.dumps(error))
  assert type(found) is kind
  assert str(found) == 'what must hold, but does not'
  assert found.__notes__ == ['where']


@pytest.mark.parametrize(
  ('items', 'text'),
  [
    ([], ''),
    (['a'], "'a'"),
    ([1, 2], '1, 2'),
    (list('abcde'), "'a', 'b', 'c', 'd', 'e'"),
    (list('abcdef'), "'a', 'b', 'c', 'd', 'e' and 1 more"),
    (range(1000), '0, 1, 2, 3, 4 and 995 more'),
  ],
)
def test_listing_shows_five_and_counts_the_rest(items, text):
  assert errors.listing(items) == text


def test_listing_of_another_length():
  assert errors.listing(['a', 'b', 'c'], limit=1) == "'a' and 2 more"


def test_listing_escapes_what_a_terminal_should_not_get():
  assert errors.listing(['a\x1b[31m\udcff']) == r"'a\x1b[31m\udcff'"


def test_choices_begin_with_the_nearest():
  assert errors.choices('tset', ['train', 'val', 'test']) == (
    "'test', 'train', 'val'"
  )


def test_choices_without_a_near_one_are_sorted():
  assert errors.choices('xyz', ['val', 'test', 'train']) == (
    "'test', 'train', 'val'"
  )


def test_choices_name_each_once():
  known = [f'label_{i}' for i in range(20)]
  text = errors.choices('label_1', known)
  assert text.startswith("'label_1', ")
  assert sorted(text.split(', ')) == sorted(map(repr, known))


def test_choices_take_any_iterable_of_names():
  assert errors.choices('b', {'b': 1, 'a': 2}) == "'b', 'a'"
