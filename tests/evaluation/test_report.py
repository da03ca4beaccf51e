import base64
import hashlib
import html.parser
import io
import json

import numpy as np
import pytest
from PIL import Image

from flair_tfds.evaluation import report as report_lib


def make_png() -> bytes:
  buffer = io.BytesIO()
  Image.new('RGB', (32, 16)).save(buffer, 'PNG')
  return buffer.getvalue()


def make_report(**changes):
  arguments = {
    'title': 'A <model>',
    'subtitle': 'On & on',
    'numbers': (
      report_lib.Number('accuracy', 0.123456, 0.1, 0.2, 'over images'),
      report_lib.Number('images', 20_000),
    ),
    'tables': (
      report_lib.Table(
        'Classes', ('class', 'value'), (('cat', 0.5), ('dog', float('nan')))
      ),
    ),
    'figures': (report_lib.Figure('bars', make_png(), 'Some bars.'),),
    'sources': (report_lib.Source('labels', 'a.npz', 7, 'ab'),),
    'settings': {'top_k': 1},
  }
  return report_lib.Report(**(arguments | changes))


class Page(html.parser.HTMLParser):
  """Collects what a page refers to, and checks that its tags are closed."""

  def __init__(self, text):
    super().__init__()
    self.links, self.open, self.text = [], [], []
    self.feed(text)

  def handle_starttag(self, tag, attrs):
    self.links += [v for k, v in attrs if k in ('src', 'href')]
    if tag not in ('meta', 'img'):
      self.open.append(tag)

  def handle_endtag(self, tag):
    assert self.open.pop() == tag

  def handle_data(self, data):
    self.text.append(data)


def test_all_files_are_written(tmp_path):
  report_lib.write(make_report(), tmp_path / 'out')
  names = sorted(path.name for path in (tmp_path / 'out').iterdir())
  assert names == ['bars.png', 'report.html', 'report.json']
  assert (tmp_path / 'out' / 'bars.png').read_bytes() == make_png()


def test_same_report_gives_the_same_bytes(tmp_path):
  for name in 'ab':
    report_lib.write(make_report(), tmp_path / name)
  for file in ('report.html', 'report.json'):
    first, second = ((tmp_path / name / file).read_bytes() for name in 'ab')
    assert first == second


def test_json_has_full_precision_and_no_nan(tmp_path):
  report_lib.write(make_report(), tmp_path)
  text = (tmp_path / 'report.json').read_text()
  found = json.loads(text, parse_constant=pytest.fail)
  assert found['numbers']['accuracy'] == {
    'value': 0.123456,
    'interval': [0.1, 0.2],
    'note': 'over images',
  }
  assert found['numbers']['images']['interval'] is None
  assert found['tables'][0]['rows'] == [['cat', 0.5], ['dog', None]]
  assert found['figures'] == [{'file': 'bars.png', 'caption': 'Some bars.'}]


def test_numpy_values_become_json():
  report = make_report(
    settings={'a': np.float32(0.5), 'b': np.arange(2), 'c': np.inf}
  )
  assert report_lib.to_json(report)['settings'] == {
    'a': 0.5,
    'b': [0, 1],
    'c': None,
  }


def test_page_is_well_formed_and_needs_nothing_else():
  page = Page(report_lib.to_html(make_report()))
  assert page.open == []
  prefix = 'data:image/png;base64,'
  assert len(page.links) == 1
  assert base64.b64decode(page.links[0].removeprefix(prefix)) == make_png()


def test_page_shows_text_as_text():
  page = report_lib.to_html(make_report())
  assert '<model>' not in page
  assert 'A &lt;model&gt;' in page
  assert 'On &amp; on' in page


def test_page_shows_numbers_with_interval():
  text = ' '.join(Page(report_lib.to_html(make_report())).text)
  assert '0.1235' in text
  assert '[0.1000, 0.2000]' in text
  assert '20,000' in text


def test_long_tables_are_folded_below_the_figures():
  table = report_lib.Table('Many', ('n',), tuple((i,) for i in range(41)))
  page = report_lib.to_html(make_report(tables=(table,)))
  assert '<summary>41 rows</summary>' in page
  assert page.index('<figure>') < page.index('Many')


@pytest.mark.parametrize(
  ('value', 'text'),
  [
    (0.5, '0.5000'),
    (1234.5, '1,234.5'),
    (0.0000123, '1.2e-05'),
    (0.0, '0.0000'),
    (7, '7'),
    (True, 'True'),
    ('cat', 'cat'),
    (None, '-'),
    (float('nan'), '-'),
  ],
)
def test_numbers_are_shown(value, text):
  assert report_lib.format_number(value) == text


def test_source_describes_a_file(tmp_path):
  (tmp_path / 'a.txt').write_bytes(b'abc')
  assert report_lib.Source.of('labels', tmp_path / 'a.txt') == (
    report_lib.Source('labels', 'a.txt', 3, hashlib.sha256(b'abc').hexdigest())
  )


def test_source_of_a_folder_is_its_name(tmp_path):
  found = report_lib.Source.of('labels', tmp_path)
  assert found == report_lib.Source('labels', tmp_path.name, 0, '')


def test_name_of_a_figure_must_be_a_file_name():
  with pytest.raises(ValueError, match=r"small letters.*found '\.\./x'"):
    report_lib.Figure('../x', b'', '')
