"""Encodes `tf.train.Example` records without protobuf, and parses them back.

Written by hand because it is faster than the protobuf library, needs no
TensorFlow in the workers, and always gives the same bytes: the features of an
example are a map, whose order protobuf leaves open. Ours are sorted by name.
(So are those of `SerializeToString(deterministic=True)`, but whether `image`
comes before or after `image_id` differs between protobuf's implementations.)

Wire format: protobuf encoding specification; messages: `feature.proto` and
`example.proto` of TensorFlow. Of their three kinds of list two are used here:

    Example   { features = 1 }
    Features  { map<string, Feature> feature = 1 }
    Feature   { bytes_list = 1, int64_list = 3 }
    BytesList { repeated bytes value = 1 }
    Int64List { repeated int64 value = 1 [packed] }
"""

from collections.abc import Mapping, Sequence

_FIELD_1 = b'\x0a'  # field 1, length-delimited
_FIELD_2 = b'\x12'
_FIELD_3 = b'\x1a'


def _varint(value: int) -> bytes:
  value &= (1 << 64) - 1  # negative numbers are sent as 64-bit two's complement
  out = bytearray()
  while value > 0x7F:
    out.append(value & 0x7F | 0x80)
    value >>= 7
  out.append(value)
  return bytes(out)


# Class ids and most lengths: looking them up is four times as fast.
_VARINTS = tuple(_varint(value) for value in range(1 << 14))


def varint(value: int) -> bytes:
  """Returns the variable-length encoding of a 64-bit integer."""
  return _VARINTS[value] if 0 <= value < len(_VARINTS) else _varint(value)


class Feature:
  """One feature of an example, encoded as a map entry.

  Attributes:
    name: The feature's name.
  """

  def __init__(self, name: str) -> None:
    self.name = name
    key = name.encode()
    self._key = _FIELD_1 + varint(len(key)) + key + _FIELD_2

  def bytes_entry(self, value: bytes) -> tuple[bytes, bytes]:
    """Returns a one-element bytes list in two parts, to spare a copy of it."""
    head = _FIELD_1 + varint(len(value))
    head = _FIELD_1 + varint(len(head) + len(value)) + head
    head = self._key + varint(len(head) + len(value)) + head
    return _FIELD_1 + varint(len(head) + len(value)) + head, value

  def ints_entry(self, values: Sequence[int]) -> bytes:
    """Returns a list of 64-bit integers, which may be empty."""
    if values:
      packed = b''.join([varint(value) for value in values])
      packed = _FIELD_1 + varint(len(packed)) + packed
    else:
      packed = b''
    body = self._key + varint(1 + len(varint(len(packed))) + len(packed))
    body += _FIELD_3 + varint(len(packed)) + packed
    return _FIELD_1 + varint(len(body)) + body


def example(entries: Sequence[bytes]) -> bytes:
  """Returns a serialized `tf.train.Example`.

  Args:
    entries: The parts of the encoded features, in the order of their names.
  """
  size = sum(map(len, entries))
  return b''.join((_FIELD_1, varint(size), *entries))


def parse(record: bytes) -> Mapping[str, list[bytes] | list[int]]:
  """Parses a serialized `tf.train.Example` with byte and integer features.

  The counterpart of the above, for reading back what was written; it accepts
  what any protobuf library writes.

  Raises:
    ValueError: If the record is malformed or has a feature of another kind.
  """
  features: dict[str, list[bytes] | list[int]] = {}
  for message in _values(record):
    for entry in _values(message):
      fields = _fields(entry)
      if [number for number, _ in fields] != [1, 2]:
        raise ValueError('a feature must have one name and one value')
      features[fields[0][1].decode()] = _parse_feature(fields[1][1])
  return features


def _parse_feature(message: bytes) -> list[bytes] | list[int]:
  fields = _fields(message)
  if not fields:
    return []
  if len(fields) > 1 or fields[0][0] not in (1, 3):
    raise ValueError('a feature must be one list of bytes or integers')
  kind, body = fields[0]
  if kind == 1:
    return _values(body)
  return [value for packed in _values(body) for value in _ints(packed)]


def _values(message: bytes) -> list[bytes]:
  """Returns the contents of a message that has no field but number 1."""
  fields = _fields(message)
  if any(number != 1 for number, _ in fields):
    raise ValueError('a message that must only have field 1 has others')
  return [value for _, value in fields]


def _fields(message: bytes) -> list[tuple[int, bytes]]:
  """Returns number and content of each length-delimited field."""
  fields = []
  position = 0
  end = len(message)
  while position < end:
    tag = message[position]
    if tag & 7 != 2 or tag > 0x7F:
      raise ValueError(f'malformed field at byte {position}')
    size, position = _read_varint(message, position + 1)
    if position + size > end:
      raise ValueError(f'field at byte {position} is cut off')
    fields.append((tag >> 3, message[position : position + size]))
    position += size
  return fields


def _ints(packed: bytes) -> list[int]:
  if not packed or max(packed) < 0x80:  # one byte each
    return list(packed)
  values = []
  position = 0
  while position < len(packed):
    value, position = _read_varint(packed, position)
    values.append(value - (1 << 64) if value >> 63 else value)
  return values


def _read_varint(message: bytes, position: int) -> tuple[int, int]:
  value = shift = 0
  for byte in message[position : position + 10]:
    position += 1
    value |= (byte & 0x7F) << shift
    if byte < 0x80:
      if value >> 64:
        raise ValueError(f'number before byte {position} exceeds 64 bits')
      return value, position
    shift += 7
  raise ValueError(f'number before byte {position} does not end')
