import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flair_tfds.building import encoding
from flair_tfds.federated import example

INTS = st.lists(st.integers(-(1 << 63), (1 << 63) - 1), max_size=5)


@given(st.binary(max_size=300), INTS)
def test_what_was_encoded_is_taken_out(data, ints):
  record = encoding.example(
    [
      *encoding.Feature('data').bytes_entry(data),
      encoding.Feature('ints').ints_entry(ints),
    ]
  )
  assert example.take(record, [b'data', b'ints']) == {
    b'data': [data],
    b'ints': ints,
  }
  assert example.take(record, [b'ints', b'other']) == {b'ints': ints}


def entry(name: bytes, feature: bytes) -> bytes:
  body = b'\x0a' + bytes([len(name)]) + name
  body += b'\x12' + bytes([len(feature)]) + feature
  return b'\x0a' + bytes([len(body)]) + body


def whole(*entries: bytes) -> bytes:
  body = b''.join(entries)
  return b'\x0a' + bytes([len(body)]) + body


# Feature { float_list = 2 { value = 1 packed: 1.0 } }
FLOATS = b'\x12\x06\x0a\x04\x00\x00\x80\x3f'
# Feature { int64_list = 3 { value = 1: 5, value = 1: 300 } }, not packed
UNPACKED = b'\x1a\x05\x08\x05\x08\xac\x02'


def test_features_of_other_kinds_are_skipped():
  record = whole(entry(b'f', FLOATS), entry(b'i', UNPACKED))
  assert example.take(record, [b'i']) == {b'i': [5, 300]}


def test_floats_are_refused_when_asked_for():
  with pytest.raises(ValueError, match='must be a list of bytes or integers'):
    example.take(whole(entry(b'f', FLOATS)), [b'f'])


def test_a_feature_without_a_value_is_empty():
  assert example.take(whole(entry(b'e', b'')), [b'e']) == {b'e': []}


@given(st.data())
def test_cut_off_records_are_refused(draw):
  record = encoding.example(
    [
      *encoding.Feature('data').bytes_entry(b'x' * 20),
      encoding.Feature('ints').ints_entry([1, 1 << 40]),
    ]
  )
  size = draw.draw(st.integers(1, len(record) - 1))
  with pytest.raises(ValueError, match=r'cut off|malformed|does not end'):
    example.take(record[:size], [b'data', b'ints'])


@given(st.binary(max_size=60))
def test_no_bytes_do_worse_than_a_value_error(data):
  with contextlib.suppress(ValueError):
    example.take(data, [b'a'])
