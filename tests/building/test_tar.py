import gzip
import hashlib
import io
import pathlib
import re
import tarfile
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flair_tfds.building import tar
from flair_tfds.core import errors

MAX_FILE_BYTES = 1 << 20
FORMATS = {
  'ustar': tarfile.USTAR_FORMAT,
  'gnu': tarfile.GNU_FORMAT,
  'pax': tarfile.PAX_FORMAT,
}
THREE = [('a.jpg', b'x' * 700), ('folder/b.jpg', b''), ('c.jpg', b'z' * 512)]


def read(path: pathlib.Path, max_file_bytes: int = MAX_FILE_BYTES):
  """Returns name, offset and bytes of every file."""
  reader = tar.Reader(path, max_file_bytes=max_file_bytes)
  return [(file.name, file.offset, file.data) for file in reader.iter_files()]


def failure(path: pathlib.Path, max_file_bytes: int = MAX_FILE_BYTES) -> str:
  """Returns the text of the error that reading the archive must end in."""
  with pytest.raises(errors.BadDataError) as caught:
    read(path, max_file_bytes)
  text = str(caught.value)
  assert text.startswith(f'{path}: ')
  return text


def read_or_fail(path: pathlib.Path):
  """Returns what `read` does, or None where it fails as it may."""
  try:
    return read(path)
  except errors.BadDataError as error:
    if not str(error).startswith(f'{path}: '):
      raise
    return None


def read_with_tarfile(path: pathlib.Path):
  with tarfile.open(path) as archive:
    return [
      (member.name, member.offset_data, archive.extractfile(member).read())
      for member in archive
      if member.isreg()
    ]


@pytest.fixture
def write(tmp_path: pathlib.Path):
  """A function that writes an archive file and returns its path."""

  def write_archive(data: bytes, name: str = 'images-07.tar') -> pathlib.Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path

  return write_archive


def member(name: str, kind: bytes = tarfile.REGTYPE, **fields: object):
  info = tarfile.TarInfo(name)
  info.type = kind
  for field, value in fields.items():
    setattr(info, field, value)
  return info


def header(
  name: bytes = b'a.jpg',
  size: bytes = b'00000000000\0',
  kind: bytes = b'0',
  magic: bytes = b'ustar\x0000',
  prefix: bytes = b'',
) -> bytes:
  """Returns a header block, written by hand from POSIX.1-1988."""
  block = bytearray(512)
  block[0 : len(name)] = name
  block[124 : 124 + len(size)] = size
  block[156:157] = kind
  block[257 : 257 + len(magic)] = magic
  block[345 : 345 + len(prefix)] = prefix
  block[148:156] = b' ' * 8
  block[148:156] = f'{sum(block):06o}\0 '.encode()
  return bytes(block)


def padded(data: bytes) -> bytes:
  return data + bytes(-len(data) % 512)


def pax(*records: bytes, kind: bytes = b'x') -> bytes:
  """Returns an extended header of whole records, length and all."""
  data = b''.join(records)
  return header(b'pax', b'%011o\0' % len(data), kind) + padded(data)


END = bytes(1024)

# Like those that real archives have; `.` and `..` are tested by themselves.
part = st.text(
  st.characters(exclude_characters='/\0', exclude_categories=['Cs']),
  min_size=1,
  max_size=40,
).filter(lambda text: text not in ('.', '..'))
names = st.one_of(
  st.lists(part, min_size=1, max_size=3).map('/'.join),
  st.integers(95, 105).map(lambda length: 'n' * length),
  st.integers(150, 260).map(lambda length: 'long/' * (length // 5) + 'n'),
  part.map(lambda name: './' + name),
)
sizes = st.one_of(
  st.sampled_from([0, 1, 511, 512, 513, 1024, 5120, 300_000]),
  st.integers(0, 3000),
)
archives = st.lists(st.tuples(names, sizes), max_size=6)


@st.composite
def archive_bytes(draw):
  """A tar archive in any of three formats, with folders among its files."""
  tar_format = draw(st.sampled_from(sorted(FORMATS)))
  file = io.BytesIO()
  with tarfile.open(
    fileobj=file, mode='w', format=FORMATS[tar_format]
  ) as archive:
    for number, (name, size) in enumerate(draw(archives)):
      if draw(st.booleans()):
        archive.addfile(member(f'folder-{number}', tarfile.DIRTYPE))
      info = member(name, size=size)
      data = bytes([number + 1]) * size
      try:
        archive.addfile(info, io.BytesIO(data))
      except ValueError:  # ustar has no room for such a name
        assert tar_format == 'ustar'
  return file.getvalue()


@given(data=archive_bytes())
@settings(deadline=None, max_examples=150)
def test_files_names_and_offsets_are_those_that_tarfile_reads(
  data, make_folder
):
  path = make_folder() / 'images.tar'
  path.write_bytes(data)
  assert read(path) == read_with_tarfile(path)


@given(
  data=archive_bytes(),
  cuts=st.lists(st.integers(0, 400_000), max_size=3),
  padding=st.sampled_from([0, 1, 5000]),
)
@settings(deadline=None, max_examples=60)
def test_gzip_members_are_read_like_the_plain_archive(
  data, cuts, padding, make_folder
):
  folder = make_folder()
  (folder / 'images.tar').write_bytes(data)
  ends = sorted({min(cut, len(data)) for cut in cuts} | {len(data)})
  members = [
    gzip.compress(data[a:b], 1)
    for a, b in zip([0, *ends[:-1]], ends, strict=True)
  ]
  path = folder / 'images.tar.gz'
  path.write_bytes(b''.join(members) + bytes(padding))
  assert read(path) == read_with_tarfile(folder / 'images.tar')


@pytest.mark.parametrize('read_bytes', [1, 2, 17, 512, 4096])
@pytest.mark.parametrize('inflated_bytes', [1, 300, 4096])
def test_how_much_is_read_at_once_does_not_matter(
  read_bytes, inflated_bytes, write, make_tar, make_jpeg, monkeypatch
):
  # Some members compress well, so that much comes out of few bytes.
  members = [(f'{i}.jpg', make_jpeg(i) + bytes(2000 * i)) for i in range(3)]
  plain = make_tar(members)
  data = b''.join(
    gzip.compress(plain[start : start + 2500])
    for start in range(0, len(plain), 2500)
  )
  monkeypatch.setattr(tar, '_RAW_CHUNK_BYTES', read_bytes)
  monkeypatch.setattr(tar, '_MAX_CHUNK_BYTES', inflated_bytes)
  path = write(data + bytes(100), 'images-07.tar.gz')
  assert [(name, data) for name, _, data in read(path)] == members
  path.write_bytes(data[:-1])
  assert 'truncated' in failure(path)


@pytest.mark.parametrize('tar_format', FORMATS)
def test_names_that_are_not_unicode_keep_their_bytes(
  tar_format, write, make_tar
):
  name = b'caf\xe9.jpg'.decode('utf-8', 'surrogateescape')
  path = write(make_tar([(name, b'x')], FORMATS[tar_format]))
  assert [found for found, _, _ in read(path)] == [name]


def test_offset_is_where_the_bytes_lie(write, make_tar):
  path = write(make_tar(THREE))
  archive = path.read_bytes()
  for _, offset, data in read(path):
    assert archive[offset : offset + len(data)] == data


def test_archive_without_members_has_no_files(write):
  assert read(write(END)) == []


def test_one_block_of_zeros_ends_an_archive(write):
  data = header(size=b'00000000003\0') + padded(b'abc') + bytes(512)
  assert read(write(data)) == [('a.jpg', 512, b'abc')]


def test_old_archives_have_no_magic_and_no_prefix(write):
  data = header(size=b'1 ', kind=b'\0', magic=b'', prefix=b'no prefix')
  assert read(write(data + padded(b'x') + END)) == [('a.jpg', 512, b'x')]


def test_gnu_headers_have_times_where_ustar_has_a_prefix(write):
  data = header(magic=b'ustar  \0', prefix=b'00000000000\0')
  assert read(write(data + END)) == [('a.jpg', 512, b'')]


def test_prefix_and_name_make_a_path(write):
  data = header(prefix=b'some/folder')
  assert read(write(data + END)) == [('some/folder/a.jpg', 512, b'')]


def test_contiguous_files_are_files(write):
  assert read(write(header(kind=b'7') + END)) == [('a.jpg', 512, b'')]


def test_size_may_be_in_base_256(write):
  data = header(size=b'\x80' + (700).to_bytes(11, 'big')) + padded(b'y' * 700)
  assert read(write(data + END)) == [('a.jpg', 512, b'y' * 700)]


def test_pax_size_and_path_replace_those_of_the_header(write):
  data = pax(b'9 size=3\n', b'16 path=b/c.jpg\n') + header() + padded(b'abc')
  assert read(write(data + END)) == [('b/c.jpg', 1536, b'abc')]


def test_pax_records_hold_for_one_member(write):
  data = pax(b'16 path=b/c.jpg\n') + header() + header(b'd.jpg') + END
  assert [name for name, _, _ in read(write(data))] == ['b/c.jpg', 'd.jpg']


def test_global_pax_records_hold_until_withdrawn(write):
  data = (
    pax(b'9 size=3\n', kind=b'g')
    + header(b'a.jpg')
    + padded(b'abc')
    + pax(b'8 size=\n')
    + header(b'b.jpg', b'00000000001\0')
    + padded(b'd')
    + END
  )
  assert [data for _, _, data in read(write(data))] == [b'abc', b'd']


@pytest.mark.parametrize('zipped', [False, True])
def test_hash_and_size_are_those_of_the_file_on_disk(zipped, write, make_tar):
  data = make_tar(THREE)
  data = gzip.compress(data) if zipped else data
  reader = tar.Reader(write(data), max_file_bytes=MAX_FILE_BYTES)
  assert len(list(reader.iter_files())) == 3
  assert reader.sha256 == hashlib.sha256(data).hexdigest()
  assert reader.num_bytes == len(data)


# Damage


@pytest.mark.parametrize('tar_format', FORMATS)
def test_archive_cut_anywhere_before_its_end_mark_is_an_error(
  tar_format, write, make_tar
):
  long_name = 'é' * 60 + '/' + 'é' * 40 + '.jpg'
  members = [('a.jpg', b'x' * 700), (long_name, b'z' * 512)]
  data = make_tar(members, FORMATS[tar_format])
  end = len(data.rstrip(b'\0'))
  end += -end % 512 + 512  # the first block of zeros is what ends the archive
  path = write(data)
  whole = read(path)
  for size in range(end):
    path.write_bytes(data[:size])
    assert 'truncated' in failure(path)
  for size in range(end, len(data), 512):
    path.write_bytes(data[:size])
    assert read(path) == whole


def test_gzip_cut_anywhere_is_an_error(write, make_tar):
  plain = make_tar(THREE)
  data = gzip.compress(plain[:1500]) + gzip.compress(plain[1500:])
  path = write(data, 'images-07.tar.gz')
  for size in range(len(data)):
    path.write_bytes(data[:size])
    assert 'truncated' in failure(path)


def test_any_wrong_byte_of_a_gzip_is_an_error_or_harmless(
  write, make_tar, bytes_flipped
):
  plain = make_tar(THREE)
  path = write(gzip.compress(plain), 'images-07.tar.gz')
  whole = read(path)
  for place in range(path.stat().st_size):
    for mask in (0x01, 0x80, 0xFF):
      with bytes_flipped(path, place, mask):
        found = read_or_fail(path)
        if found is not None:
          # As in the time of the header, or bits that deflate leaves unused.
          assert gzip.decompress(path.read_bytes()) == plain
          assert found == whole


def test_any_wrong_byte_of_a_header_is_an_error_or_harmless(
  write, make_tar, bytes_flipped
):
  path = write(make_tar(THREE))
  whole = read(path)
  for place in range(512):
    for mask in (0x01, 0x20, 0x80):
      with bytes_flipped(path, place, mask):
        assert read_or_fail(path) in (whole, None)


def test_wrong_checksum_of_a_header_is_named(write, make_tar):
  data = bytearray(make_tar(THREE))
  data[0] ^= 1
  assert re.search(
    r'the header at byte 0 \(uncompressed\) must have checksum \d+, but has '
    r'\d+: the archive is corrupt\. Get it again\.$',
    failure(write(bytes(data))),
  )


def test_data_that_does_not_decompress_says_where(write, make_tar):
  data = bytearray(gzip.compress(make_tar(THREE)))
  data[10:20] = bytes(10)
  assert (
    f'must decompress, but is corrupt before byte {len(data)} '
  ) in failure(write(bytes(data)))


@pytest.mark.parametrize(
  'data',
  [b'', b'\x1f', b'<html>Not found</html>', b'\x89PNG\r\n\x1a\n' + b'p' * 2000],
  ids=['empty', 'one byte', 'web page', 'PNG'],
)
def test_what_is_no_archive_is_an_error(data, write):
  assert 'Get' in failure(write(data))


def test_second_archive_behind_the_first_is_an_error(write, make_tar):
  data = make_tar(THREE)
  assert ('only a little zero padding may follow') in failure(
    write(data + data)
  )


def test_garbage_behind_a_gzip_is_an_error(write, make_tar):
  data = gzip.compress(make_tar(THREE)) + b'\0\0garbage'
  assert 'must decompress' in failure(write(data))


# Malice


@pytest.mark.parametrize(
  'name', ['../a.jpg', '/etc/passwd', 'a/../../b.jpg', 'a/..', '..']
)
@pytest.mark.parametrize('tar_format', FORMATS)
def test_path_that_leads_out_of_the_archive_is_an_error(
  name, tar_format, write, make_tar
):
  data = make_tar([('ok.jpg', b''), (name, b'x')], FORMATS[tar_format])
  assert (
    f'paths must stay inside the archive, but a member is called {name!r}.'
  ) in failure(write(data))


def test_long_path_that_leads_out_of_the_archive_is_an_error(write, make_tar):
  for tar_format in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
    path = write(make_tar([('../' + 'a' * 300, b'x')], tar_format))
    assert 'paths must stay inside' in failure(path)


def test_two_dots_inside_a_name_are_fine(write, make_tar):
  assert len(read(write(make_tar([('a..b/c...jpg', b'x')])))) == 1


@pytest.mark.parametrize(
  ('kind', 'what'),
  [
    (tarfile.LNKTYPE, 'a hard link'),
    (tarfile.SYMTYPE, 'a symbolic link'),
    (tarfile.CHRTYPE, 'a character device'),
    (tarfile.BLKTYPE, 'a block device'),
    (tarfile.FIFOTYPE, 'a named pipe'),
    (tarfile.GNUTYPE_SPARSE, 'a sparse file'),
    (b'Z', "of unknown type b'Z'"),
  ],
)
def test_members_that_are_no_files_are_errors(kind, what, write):
  assert (
    f"members must be files or folders, but 'a.jpg' is {what}. Do not use this "
    'archive.'
  ) in failure(write(header(kind=kind) + END))


def test_sparse_file_in_pax_form_is_an_error(write):
  data = pax(b'22 GNU.sparse.major=1\n') + header() + END
  assert 'announces a sparse file' in failure(write(data))


@pytest.mark.parametrize('size', [MAX_FILE_BYTES + 1, 5 << 30, 9 << 30])
@pytest.mark.parametrize('zipped', [False, True])
def test_member_over_the_limit_is_refused_by_its_header(size, zipped, write):
  info = member('huge.jpg', size=size)
  data = info.tobuf(tarfile.GNU_FORMAT) + b'x' * 100
  assert (
    f"members must be at most 1048576 bytes, but 'huge.jpg' claims "
    f'{size}. Do not use this archive.'
  ) in failure(write(gzip.compress(data) if zipped else data))


def test_member_of_the_limit_is_accepted(write, make_tar):
  path = write(make_tar([('a.jpg', bytes(100))]))
  assert len(read(path, max_file_bytes=100)) == 1


def test_pax_size_over_the_limit_is_refused(write):
  data = pax(b'19 size=5368709120\n') + header()
  assert 'claims 5368709120' in failure(write(data))


def test_negative_base_256_size_is_refused(write):
  path = write(header(size=b'\xff' * 12) + END)
  assert 'members must be at most' in failure(path)


@pytest.mark.parametrize('size', [b'-0000000001\0', b'0o000000007\0', b'1_0 '])
def test_size_must_be_octal_digits(size, write):
  path = write(header(size=size) + bytes(512) + END)
  assert 'must hold numbers' in failure(path)


@pytest.mark.parametrize('kind', [b'L', b'x', b'g'])
def test_extended_header_over_a_megabyte_is_refused(kind, write):
  assert (
    'the extended header at byte 0 must be at most 1048576 bytes, but '
    'claims 1048577.'
  ) in failure(write(header(size=b'%011o\0' % ((1 << 20) + 1), kind=kind)))


@pytest.mark.parametrize(
  'record',
  [
    b'99 path=b.jpg\n',
    b'0 path=b.jpg\n',
    b'14 path=b.jpgg',
    b'14 path b.jpg\n',
    b'path=b.jpg\n',
    b'-1 path=b.jpg\n',
    b'\n',
  ],
)
def test_malformed_pax_header_is_an_error(record, write):
  assert 'corrupt. Get it again' in failure(write(pax(record) + header() + END))


def test_pax_number_of_a_million_digits_is_an_error(write):
  data = pax(b'1000014 size=' + b'9' * 1_000_000 + b'\n') + header() + END
  text = failure(write(data))
  assert 'must hold numbers' in text
  assert len(text) < 1000


def test_folder_with_content_is_an_error(write):
  # Readers differ in whether content follows: what one skips is a header to
  # another.
  data = header(b'folder/', b'00000001000\0') + header(b'hidden.jpg')
  assert ("folders must have no content, but 'folder/'") in failure(
    write(data + END)
  )


def test_padding_bomb_is_an_error_and_takes_no_memory(write, make_tar):
  data = gzip.compress(make_tar(THREE) + bytes(80 << 20), 1)
  assert len(data) < 1 << 20
  path = write(data, 'images-07.tar.gz')
  tracemalloc.start()
  try:
    assert 'zero padding may follow' in failure(path)
    _, peak = tracemalloc.get_traced_memory()
  finally:
    tracemalloc.stop()
  assert peak < 8 << 20


def test_long_headers_of_many_keywords_take_no_memory(write):
  data = b''.join(
    pax(b'1000013 k%02d=' % number + b'x' * 1_000_000 + b'\n', kind=b'g')
    for number in range(32)
  )
  path = write(gzip.compress(data + header() + END, 1))
  del data
  tracemalloc.start()
  try:
    assert len(read(path)) == 1
    _, peak = tracemalloc.get_traced_memory()
  finally:
    tracemalloc.stop()
  assert peak < 16 << 20


@given(data=st.binary(max_size=2000), start=st.booleans())
@settings(deadline=None, max_examples=200)
def test_random_bytes_never_give_another_error(data, start, make_folder):
  path = make_folder() / 'images.tar'
  path.write_bytes(header(size=b'%011o\0' % 100) + data if start else data)
  read_or_fail(path)
