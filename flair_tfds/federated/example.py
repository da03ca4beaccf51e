"""Takes single features out of a serialized `tf.train.Example`.

Unlike `building.encoding.parse`, which reads back everything that this package
wrote, it skips what it is not asked for, of whatever kind, so that it reads
the examples of any dataset; and it copies no image but the one that it returns.

Wire format: see `building.encoding`.
"""

from collections.abc import Collection

_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = 1, 2, 3
_VARINT, _LENGTH_DELIMITED = 0, 2

Value = list[bytes] | list[int]


def take(record: bytes, names: Collection[bytes]) -> dict[bytes, Value]:
  """Returns those of the named features that an example has.

  Args:
    record: A serialized `tf.train.Example`.
    names: Features that are lists of bytes or of integers.

  Raises:
    ValueError: If the record is malformed, or a feature is a list of floats.
  """
  found: dict[bytes, Value] = {}
  try:
    for _, start, end in _fields(record, 0, len(record)):
      for _, first, last in _fields(record, start, end):
        name, value = b'', (0, 0)
        for number, a, b in _fields(record, first, last):
          if number == 1:
            name = record[a:b]
            if name not in names:
              break
          else:
            value = (a, b)
        else:
          found[name] = _value(record, *value)
  except IndexError as error:
    raise ValueError('an example must not be cut off') from error
  return found


def _value(record: bytes, start: int, end: int) -> Value:
  for kind, first, last in _fields(record, start, end):
    if kind == _BYTES_LIST:
      return [record[a:b] for _, a, b in _fields(record, first, last)]
    if kind == _INT64_LIST:
      return _ints(record, first, last)
    raise ValueError('a feature must be a list of bytes or integers')
  return []


def _ints(record: bytes, start: int, end: int) -> list[int]:
  values: list[int] = []
  while start < end:
    tag = record[start]
    if tag & 7 == _LENGTH_DELIMITED:  # packed, as nearly all libraries write
      size, start = _varint(record, start + 1)
      stop = start + size
    else:
      start, stop = start + 1, start + 2
    while start < stop:
      value, start = _varint(record, start)
      values.append(value - (1 << 64) if value >> 63 else value)
  return values


def _fields(record: bytes, start: int, end: int) -> list[tuple[int, int, int]]:
  """Returns number, begin and end of each field between two places."""
  fields = []
  while start < end:
    tag = record[start]
    if tag & 7 != _LENGTH_DELIMITED or tag > 0x7F:
      raise ValueError(f'malformed field at byte {start}')
    size = record[start + 1]
    start += 2
    if size > 0x7F:
      size, start = _varint(record, start - 1)
    if start + size > end:
      raise ValueError(f'field at byte {start} is cut off')
    fields.append((tag >> 3, start, start + size))
    start += size
  return fields


def _varint(record: bytes, position: int) -> tuple[int, int]:
  value = shift = 0
  while shift < 70:
    byte = record[position]
    position += 1
    value |= (byte & 0x7F) << shift
    if byte < 0x80:
      return value, position
    shift += 7
  raise ValueError(f'number before byte {position} does not end')
