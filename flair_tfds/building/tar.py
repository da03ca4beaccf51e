"""Reads tar archives in one pass, plain or gzipped, and trusts nothing in them.

Nothing is ever unpacked by name: callers get each member's bytes. The formats
are POSIX.1-1988 ustar, POSIX.1-2001 pax (`path` and `size` records) and GNU
(long names, base-256 sizes). A few microseconds a member, where `tarfile` needs
about forty, and unlike `tarfile` an archive that just stops is an error.
"""

import dataclasses
import hashlib
import os
import zlib
from collections.abc import Iterator
from typing import IO

from flair_tfds.core import errors

BLOCK = 512
_RAW_CHUNK_BYTES = 1 << 18
_MAX_CHUNK_BYTES = 1 << 20
_MAX_HEADER_BYTES = 1 << 20
_MAX_DIGITS = 20
# After the end-of-archive mark only padding may follow. GNU tar pads to 10 KiB
# by default; anything near this bound is a decompression bomb, not padding.
_MAX_PADDING_BYTES = 64 << 20
_ZEROS = bytes(BLOCK)
_KINDS = {
  b'1': 'a hard link',
  b'2': 'a symbolic link',
  b'3': 'a character device',
  b'4': 'a block device',
  b'6': 'a named pipe',
  b'S': 'a sparse file',
}


@dataclasses.dataclass(frozen=True, slots=True)
class File:
  """A regular file in an archive.

  Attributes:
    name: Its path inside the archive; relative, without `..`.
    offset: Where its bytes begin in the uncompressed archive.
    data: Its content.
  """

  name: str
  offset: int
  data: bytes


class Reader:
  """Iterates over the regular files of one archive, in archive order.

  Attributes:
    sha256: Hash of the archive file as it lies on disk; complete once the
      iteration has ended.
    num_bytes: Bytes of the archive file read so far.
  """

  def __init__(
    self, path: str | os.PathLike[str], *, max_file_bytes: int
  ) -> None:
    """Names the archive; `iter_files` opens it.

    Args:
      path: The archive; gzipped if it begins with gzip's magic number.
      max_file_bytes: The largest member to accept, in bytes.
    """
    self._path = os.fspath(path)
    self._max_file_bytes = max_file_bytes
    self._hash = hashlib.sha256()
    self.num_bytes = 0

  @property
  def sha256(self) -> str:
    """SHA-256 of what was read so far, as hexadecimal digits."""
    return self._hash.hexdigest()

  def iter_files(self) -> Iterator[File]:
    """Yields every regular file.

    Folders and pax or GNU metadata are passed over.

    Raises:
      BadDataError: If the archive is truncated or corrupt, a member is too
        large, is a link or a device, or has a path that leads out of the
        archive. The message names archive and member.
    """
    with open(self._path, 'rb') as file:
      yield from self._iter_files(_Stream(self._chunks(file)))

  def _error(self, text: str) -> errors.BadDataError:
    return errors.BadDataError(f'{self._path}: {text}')

  def _raw_chunks(self, file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(_RAW_CHUNK_BYTES):
      self._hash.update(chunk)
      self.num_bytes += len(chunk)
      yield chunk

  def _chunks(self, file: IO[bytes]) -> Iterator[bytes]:
    raw = self._raw_chunks(file)
    gzipped = file.read(2) == b'\x1f\x8b'
    file.seek(0)
    return self._gunzip(raw) if gzipped else raw

  def _gunzip(self, raw: Iterator[bytes]) -> Iterator[bytes]:
    """Decompresses one or several gzip members, checking their CRC-32."""
    inflater = zlib.decompressobj(wbits=31)
    for chunk in raw:
      while chunk:
        if inflater.eof:  # the next gzip member, or zero padding
          if not chunk.strip(b'\0'):
            break
          inflater = zlib.decompressobj(wbits=31)
        try:
          # Bounded, so that a bomb cannot fill the memory.
          data = inflater.decompress(chunk, _MAX_CHUNK_BYTES)
        except zlib.error as error:
          raise self._error(
            f'gzip data must decompress, but is corrupt before byte '
            f'{self.num_bytes} ({error}). Get the archive again.'
          ) from error
        if data:
          yield data
        chunk = inflater.unused_data or inflater.unconsumed_tail
    if not inflater.eof:
      raise self._error(
        f'gzip data must end with its checksum, but the file stops after '
        f'{self.num_bytes} bytes: it is truncated. Get the archive again.'
      )

  def _iter_files(self, stream: '_Stream') -> Iterator[File]:
    long_name: bytes | None = None
    pax: dict[bytes, bytes] = {}
    pax_global: dict[bytes, bytes] = {}
    while True:
      position = stream.position
      header = stream.read(BLOCK)
      if len(header) < BLOCK:
        raise self._error(
          f'a tar archive must end with a block of zeros, but this one stops '
          f'at byte {position + len(header)} (uncompressed): it is truncated. '
          'Get the archive again.'
        )
      if header == _ZEROS:
        self._check_padding(stream)
        return
      self._check_sum(header, position)
      kind = header[156:157]
      size = self._size(header, position)
      if kind in (b'L', b'K', b'x', b'g'):
        if size > _MAX_HEADER_BYTES:
          raise self._error(
            f'the extended header at byte {position} must be at most '
            f'{_MAX_HEADER_BYTES} bytes, but claims {size}.'
          )
        value = self._read(stream, size, f'the header at byte {position}')
        if kind == b'L':
          long_name = value.rstrip(b'\0')
        elif kind == b'x':
          pax = self._pax(value, position)
        elif kind == b'g':
          pax_global.update(self._pax(value, position))
        continue
      records = {**pax_global, **pax}
      raw_name = records.get(b'path') or long_name or _short_name(header)
      name = raw_name.decode('utf-8', 'surrogateescape')
      if records.get(b'size'):  # an empty value withdraws a global one
        size = self._number(records[b'size'], 10, position)
      long_name, pax = None, {}
      self._check_name(name)
      if kind == b'5':  # some give it a size, but it never has content
        continue
      if kind in (b'0', b'\0') and name.endswith('/'):
        if size:
          raise self._error(
            f'folders must have no content, but {name!r} claims {size} bytes. '
            'Do not use this archive.'
          )
        continue
      if kind not in (b'0', b'\0', b'7'):
        what = _KINDS.get(kind, f'of unknown type {kind!r}')
        raise self._error(
          f'members must be files or folders, but {name!r} is {what}. '
          'Do not use this archive.'
        )
      if size > self._max_file_bytes:
        raise self._error(
          f'members must be at most {self._max_file_bytes} bytes, but '
          f'{name!r} claims {size}. Do not use this archive.'
        )
      offset = stream.position
      yield File(name, offset, self._read(stream, size, f'member {name!r}'))

  def _read(self, stream: '_Stream', size: int, what: str) -> bytes:
    """Returns `size` bytes and skips the padding to the next block."""
    padded = -(-size // BLOCK) * BLOCK
    data = stream.read(padded)
    if len(data) < padded:
      raise self._error(
        f'{what} must be {size} bytes long, but the archive stops after '
        f'{min(len(data), size)} of them: it is truncated. Get it again.'
      )
    return data[:size]

  def _check_padding(self, stream: '_Stream') -> None:
    size = 0
    while chunk := stream.read_any():
      size += len(chunk)
      if chunk.strip(b'\0') or size > _MAX_PADDING_BYTES:
        raise self._error(
          'after the end of the archive only a little zero padding may '
          f'follow, but more data does, {size} bytes on. Do not use this '
          'archive.'
        )

  def _check_sum(self, header: bytes, position: int) -> None:
    stored = self._number(header[148:156], 8, position)
    actual = sum(header) - sum(header[148:156]) + 8 * ord(' ')
    if stored != actual:
      raise self._error(
        f'the header at byte {position} (uncompressed) must have checksum '
        f'{stored}, but has {actual}: the archive is corrupt. Get it again.'
      )

  def _size(self, header: bytes, position: int) -> int:
    field = header[124:136]
    if field[0] & 0x80:  # GNU base-256, for sizes of 8 GiB and more
      return int.from_bytes(field, 'big') & ((1 << 95) - 1)
    return self._number(field, 8, position)

  def _number(self, field: bytes, base: int, position: int) -> int:
    digits = field.strip(b'\0 ') or b'0'
    # `int` alone would also take signs, underscores and `0o`.
    if digits.strip(b'0123456789'[:base]) or len(digits) > _MAX_DIGITS:
      raise self._error(
        f'the header at byte {position} (uncompressed) must hold numbers, but '
        f'holds {field[:_MAX_DIGITS]!r}: the archive is corrupt. Get it again.'
      )
    return int(digits, base)

  def _pax(self, value: bytes, position: int) -> dict[bytes, bytes]:
    """Parses pax records, `<length> <keyword>=<value>` and a newline each."""
    records = {}
    start = 0
    while start < len(value):
      digits, space, _ = value[start : start + _MAX_DIGITS].partition(b' ')
      end = start + self._number(digits, 10, position)
      record = value[start + len(digits) + 1 : end]
      keyword, equals, text = record.partition(b'=')
      if not (space and equals and text.endswith(b'\n')) or end > len(value):
        raise self._error(
          f'the pax header at byte {position} is malformed: the archive is '
          'corrupt. Get it again.'
        )
      if keyword.startswith(b'GNU.sparse.'):
        raise self._error(
          'members must be files or folders, but the pax header at byte '
          f'{position} announces a sparse file. Do not use this archive.'
        )
      # The others are not needed; kept, they could fill the memory.
      if keyword in (b'path', b'size'):
        records[keyword] = text[:-1]
      start = end
    return records

  def _check_name(self, name: str) -> None:
    if name.startswith('/') or '..' in name.split('/'):
      raise self._error(
        f'paths must stay inside the archive, but a member is called {name!r}. '
        'Do not use this archive.'
      )


def _short_name(header: bytes) -> bytes:
  name = header[:100].split(b'\0', 1)[0]
  if header[257:263] == b'ustar\0':  # GNU's magic has a space there
    prefix = header[345:500].split(b'\0', 1)[0]
    if prefix:
      return prefix + b'/' + name
  return name


class _Stream:
  """Exact reads from a series of chunks of any length."""

  def __init__(self, chunks: Iterator[bytes]) -> None:
    self._chunks = chunks
    self._buffer = b''
    self._start = 0
    self.position = 0

  def read(self, size: int) -> bytes:
    """Returns `size` bytes, fewer only at the end."""
    end = self._start + size
    if end > len(self._buffer):
      parts = [self._buffer[self._start :]]
      missing = end - len(self._buffer)
      while missing > 0 and (chunk := next(self._chunks, b'')):
        parts.append(chunk)
        missing -= len(chunk)
      self._buffer = b''.join(parts)
      self._start, end = 0, size
    data = self._buffer[self._start : end]
    self._start += len(data)
    self.position += len(data)
    return data

  def read_any(self) -> bytes:
    """Returns what is at hand, or the next chunk; nothing only at the end."""
    data = self._buffer[self._start :] or next(self._chunks, b'')
    self._buffer, self._start = b'', 0
    self.position += len(data)
    return data
