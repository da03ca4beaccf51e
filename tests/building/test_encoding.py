import itertools

import pytest
from google.protobuf.internal import encoder as protobuf_encoder
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tensorflow_datasets.proto import tf_example_pb2, tf_feature_pb2

from flair_tfds.building import encoding

int64 = st.one_of(
  st.integers(0, 300),
  st.sampled_from(
    [127, 128, 16383, 16384, 2**31, 2**32, 2**63 - 1, -1, -(2**63)]
  ),
  st.integers(-(2**63), 2**63 - 1),
)
names = st.text(st.characters(exclude_categories=['Cs']), max_size=20)
values = st.one_of(st.binary(max_size=300), st.lists(int64, max_size=20))
features = st.dictionaries(names, values, max_size=6)


def encode(example: dict[str, bytes | list[int]]) -> bytes:
  entries = []
  for name in sorted(example):
    feature, value = encoding.Feature(name), example[name]
    if isinstance(value, bytes):
      entries.extend(feature.bytes_entry(value))
    else:
      entries.append(feature.ints_entry(value))
  return encoding.example(entries)


def encode_with_protobuf(example: dict[str, bytes | list[int]]) -> bytes:
  """Lets protobuf encode every feature, and joins them in order of name.

  Deterministic serialization is sorted too, but of two names one of which
  begins with the other, protobuf's upb puts the longer first and its other
  implementations the shorter.
  """
  entries = []
  for name, value in sorted(example.items()):
    message = tf_feature_pb2.Features()
    feature = message.feature[name]
    if isinstance(value, bytes):
      feature.bytes_list.value.append(value)
    else:
      feature.int64_list.SetInParent()
      feature.int64_list.value.extend(value)
    entries.append(message.SerializeToString())
  features = b''.join(entries)
  return b'\x0a' + protobuf_encoder._VarintBytes(len(features)) + features


def parse_with_protobuf(record: bytes) -> dict[str, list]:
  message = tf_example_pb2.Example.FromString(record)
  return {
    name: list(
      getattr(feature, feature.WhichOneof('kind') or 'bytes_list').value
    )
    for name, feature in message.features.feature.items()
  }


@given(example=features)
@settings(deadline=None, max_examples=300)
def test_bytes_are_those_of_protobuf(example):
  assert encode(example) == encode_with_protobuf(example)


@given(example=features)
@settings(deadline=None, max_examples=200)
def test_bytes_are_those_of_deterministic_serialization(example):
  ordered = sorted(example)
  assume(not any(b.startswith(a) for a, b in itertools.pairwise(ordered)))
  message = tf_example_pb2.Example()
  message.features.SetInParent()
  for name, value in example.items():
    feature = message.features.feature[name]
    if isinstance(value, bytes):
      feature.bytes_list.value.append(value)
    else:
      feature.int64_list.SetInParent()
      feature.int64_list.value.extend(value)
  assert encode(example) == message.SerializeToString(deterministic=True)


@pytest.mark.parametrize(
  'size', [0, 1, 127, 128, (1 << 14) - 1, 1 << 14, (1 << 14) + 1, 1 << 21]
)
def test_lengths_at_the_edges_of_a_varint_are_those_of_protobuf(size):
  for example in [{'image': b'x' * size}, {'labels': [1] * size}]:
    assert encode(example) == encode_with_protobuf(example)


@given(value=int64)
def test_varint_is_that_of_protobuf(value):
  # The value stands at the end, behind a list with nothing else in it.
  expected = encode_with_protobuf({'': [value]})
  assert expected.endswith(encoding.varint(value))
  assert len(encoding.varint(value)) == max(
    1, -(-(value % 2**64).bit_length() // 7)
  )


def test_bytes_entry_does_not_copy_the_value():
  value = b'x' * 100
  assert encoding.Feature('image').bytes_entry(value)[1] is value


@given(example=features)
@settings(deadline=None, max_examples=200)
def test_parsing_gives_back_what_protobuf_wrote(example):
  assert encoding.parse(encode_with_protobuf(example)) == {
    name: [value] if isinstance(value, bytes) else value
    for name, value in example.items()
  }


def test_parsing_accepts_several_values_of_a_bytes_feature():
  message = tf_example_pb2.Example()
  message.features.feature['texts'].bytes_list.value.extend([b'a', b'', b'c'])
  assert encoding.parse(message.SerializeToString()) == {
    'texts': [b'a', b'', b'c']
  }


def test_feature_of_no_kind_is_empty():
  message = tf_example_pb2.Example()
  message.features.feature['nothing'].SetInParent()
  assert encoding.parse(message.SerializeToString()) == {'nothing': []}


def test_example_without_features_is_empty():
  assert encoding.parse(b'') == {}


def test_float_features_are_refused():
  message = tf_example_pb2.Example()
  message.features.feature['score'].float_list.value.append(0.5)
  with pytest.raises(ValueError, match='one list of bytes or integers'):
    encoding.parse(message.SerializeToString())


SMALL = {'image': b'\xff\xd8pixels', 'labels': [3, 700, -5], 'tags': []}


def parse_or_refuse(record: bytes):
  try:
    return encoding.parse(record)
  except ValueError:
    return None


def test_record_cut_anywhere_is_refused():
  record = encode(SMALL)
  for size in range(1, len(record)):
    assert parse_or_refuse(record[:size]) is None


def test_any_wrong_byte_is_refused_or_read_as_protobuf_does():
  record = encode(SMALL)
  accepted = 0
  for place in range(len(record)):
    for mask in range(1, 256):
      damaged = bytearray(record)
      damaged[place] ^= mask
      found = parse_or_refuse(bytes(damaged))
      if found is not None:
        assert found == parse_with_protobuf(bytes(damaged))
        accepted += 1
  # In pixels and labels any byte is as good as another.
  assert accepted > 0


@given(st.binary(max_size=40))
@settings(deadline=None, max_examples=500)
def test_random_bytes_are_refused_or_read_as_protobuf_does(data):
  found = parse_or_refuse(data)
  if found is not None:
    assert found == parse_with_protobuf(data)


@given(data=st.data(), example=features)
@settings(deadline=None, max_examples=300)
def test_records_with_a_piece_replaced_are_refused_or_read_as_protobuf_does(
  data, example
):
  record = encode(example)
  start = data.draw(st.integers(0, len(record)))
  end = data.draw(st.integers(start, min(len(record), start + 8)))
  piece = data.draw(st.binary(max_size=8))
  damaged = record[:start] + piece + record[end:]
  found = parse_or_refuse(damaged)
  if found is not None:
    assert found == parse_with_protobuf(damaged)


@pytest.mark.parametrize(
  ('record', 'text'),
  [
    (b'\x12\x00', 'must only have field 1'),
    (b'\x08\x01', 'malformed field at byte 0'),
    (b'\x0a\x05', 'field at byte 2 is cut off'),
    (b'\x0a\xff', 'number before byte 2 does not end'),
    (b'\x0a' + b'\xff' * 9 + b'\x7f', 'exceeds 64 bits'),
    (b'\x0a\x02\x0a\x00', 'one name and one value'),
  ],
)
def test_malformed_records_say_why(record, text):
  with pytest.raises(ValueError, match=text):
    encoding.parse(record)
