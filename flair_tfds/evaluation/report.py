"""Reports: `report.json`, and one HTML page that needs nothing else.

A report is made of numbers, tables and figures. The same report gives the same
bytes: it holds no date and no path, but names, sizes and hashes of the files
that it was made from.

Synopsis:

    report = Report(
        title='ResNet-50 on multi-label ImageNet',
        numbers=(Number('lenient accuracy', 0.8508, 0.845, 0.856),),
        figures=(Figure('per_class', png, 'Accuracy of each class.'),),
    )
    write(report, 'out')   # out/report.json, report.html, per_class.png
"""

import base64
import dataclasses
import html
import math
import os
import pathlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from flair_tfds import _version
from flair_tfds.core import files

JSON_FILE = 'report.json'
HTML_FILE = 'report.html'

_FIGURE_NAME = re.compile(r'[a-z0-9_]+')

_STYLE = """
:root { --ink: #1c1c22; --pale: #6b6b78; --line: #dcdce2; --paper: #fff; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2.5rem 1.5rem 4rem; max-width: 56rem;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue",
  Arial, sans-serif; color: var(--ink); background: var(--paper); }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .4rem; }
h2 { font-size: 1.15rem; margin: 2.4rem 0 .6rem; }
p { margin: .4rem 0; }
.pale, figcaption, .note { color: var(--pale); font-size: .88rem; }
.numbers { display: grid; gap: .8rem; margin: 1.6rem 0;
  grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); }
.number { border: 1px solid var(--line); border-radius: 8px;
  padding: .8rem 1rem; }
.number .name { font-size: .88rem; color: var(--pale); }
.number .value { font-size: 1.55rem; line-height: 1.3;
  font-variant-numeric: tabular-nums; }
table { border-collapse: collapse; width: 100%; font-size: .9rem;
  font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; text-align: right;
  border-bottom: 1px solid var(--line); }
th { font-weight: 600; border-bottom: 2px solid var(--ink); }
th:first-child, td:first-child, .text { text-align: left; }
.wide { overflow-x: auto; }
details { margin-top: .6rem; }
summary { cursor: pointer; }
figure { margin: 1.2rem 0; }
img { max-width: 100%; height: auto; }
.hash { font-family: ui-monospace, Menlo, Consolas, monospace;
  font-size: .78rem; overflow-wrap: anywhere; }
@media print { body { padding: 0; max-width: none; }
  figure, .number, tr { break-inside: avoid; } }
"""

# Longer tables are folded away, lest they push the figures out of sight.
_MAX_OPEN_ROWS = 40


@dataclasses.dataclass(frozen=True)
class Number:
  """One result, with its interval where it has one.

  Attributes:
    name: What it is.
    value: The number; an int is shown as a count.
    low: The lower end of the interval, or None.
    high: The upper end, or None.
    note: How to read it: what is averaged, which interval.
  """

  name: str
  value: float
  low: float | None = None
  high: float | None = None
  note: str = ''


@dataclasses.dataclass(frozen=True)
class Table:
  """Rows of text and numbers.

  Attributes:
    title: The headline.
    columns: The name of each column.
    rows: Entries are text, whole numbers, other numbers or None.
    note: How to read it.
  """

  title: str
  columns: tuple[str, ...]
  rows: tuple[tuple[Any, ...], ...]
  note: str = ''


@dataclasses.dataclass(frozen=True, eq=False)
class Figure:
  """A picture.

  Attributes:
    name: The file name without `.png`: small letters, digits, underscores.
    png: The picture, encoded.
    caption: What it shows.
  """

  name: str
  png: bytes = dataclasses.field(repr=False)
  caption: str

  def __post_init__(self) -> None:
    if not _FIGURE_NAME.fullmatch(self.name):
      raise ValueError(
        "A figure's name must be of small letters, digits and underscores; "
        f'found {self.name!r}.'
      )


@dataclasses.dataclass(frozen=True)
class Source:
  """A file that the report was made from.

  Attributes:
    role: What it was used as: 'labels', 'predictions'.
    name: Its name, without folder.
    num_bytes: Its size.
    sha256: Its hash.
  """

  role: str
  name: str
  num_bytes: int
  sha256: str

  @classmethod
  def of(cls, role: str, path: str | os.PathLike[str]) -> 'Source':
    """Describes a file; of a folder only the name."""
    file = pathlib.Path(path).expanduser()
    if file.is_dir():
      return cls(role, file.resolve().name, 0, '')
    return cls(role, file.name, file.stat().st_size, files.sha256(file))


@dataclasses.dataclass(frozen=True, eq=False)
class Report:
  """What an evaluation found.

  Attributes:
    title: The headline.
    subtitle: What was evaluated, in a sentence.
    numbers: The results.
    tables: Results by class, by user, by model.
    figures: Pictures.
    sources: The files that it was made from.
    settings: The options of the evaluation, for a reader who repeats it.
  """

  title: str
  subtitle: str = ''
  numbers: tuple[Number, ...] = ()
  tables: tuple[Table, ...] = ()
  figures: tuple[Figure, ...] = ()
  sources: tuple[Source, ...] = ()
  settings: dict[str, Any] = dataclasses.field(default_factory=dict)


def write(report: Report, folder: str | os.PathLike[str]) -> None:
  """Writes `report.json`, `report.html` and a PNG file for each figure.

  Args:
    report: What to write.
    folder: Made where it is missing; files of the same name are replaced.
  """
  out = pathlib.Path(folder)
  out.mkdir(parents=True, exist_ok=True)
  for figure in report.figures:
    with files.atomic_write(out / f'{figure.name}.png') as file:
      file.write(figure.png)
  with files.atomic_write(out / HTML_FILE) as file:
    file.write(to_html(report).encode('utf-8'))
  # Last: where it stands, all of the report does.
  files.write_json(out / JSON_FILE, to_json(report))


def to_json(report: Report) -> dict[str, Any]:
  """Returns the report as values for JSON; nan and infinities as None."""
  value: dict[str, Any] = _clean(
    {
      'title': report.title,
      'subtitle': report.subtitle,
      'numbers': {
        number.name: {
          'value': number.value,
          'interval': (
            None if number.low is None else [number.low, number.high]
          ),
          'note': number.note,
        }
        for number in report.numbers
      },
      'tables': [dataclasses.asdict(table) for table in report.tables],
      'figures': [
        {'file': f'{figure.name}.png', 'caption': figure.caption}
        for figure in report.figures
      ],
      'sources': [dataclasses.asdict(source) for source in report.sources],
      'settings': report.settings,
      'flair_tfds_version': _version.__version__,
    }
  )
  return value


def to_html(report: Report) -> str:
  """Returns the report as one page: style and pictures are part of it."""
  parts = [
    '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    f'<title>{html.escape(report.title)}</title>',
    f'<style>{_STYLE}</style>\n</head>\n<body>',
    f'<h1>{html.escape(report.title)}</h1>',
  ]
  if report.subtitle:
    parts.append(f'<p>{html.escape(report.subtitle)}</p>')
  if report.numbers:
    parts.append('<div class="numbers">')
    parts += [_number_html(number) for number in report.numbers]
    parts.append('</div>')
  open_tables = [t for t in report.tables if len(t.rows) <= _MAX_OPEN_ROWS]
  long_tables = [t for t in report.tables if len(t.rows) > _MAX_OPEN_ROWS]
  parts += [_table_html(table) for table in open_tables]
  parts += [_figure_html(figure) for figure in report.figures]
  parts += [_table_html(table) for table in long_tables]
  parts.append(_colophon_html(report))
  parts.append('</body>\n</html>\n')
  return '\n'.join(parts)


def format_number(value: Any) -> str:
  """Returns a number as the report shows it; text as it is.

  >>> format_number(0.123456), format_number(20000), format_number(None)
  ('0.1235', '20,000', '-')
  """
  if value is None or (isinstance(value, float) and math.isnan(value)):
    return '-'
  if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
    return f'{value:,}'
  if isinstance(value, (float, np.floating)):
    number = float(value)
    if 0 < abs(number) < 0.0005:
      return f'{number:.1e}'
    return f'{number:.4f}' if abs(number) < 1000 else f'{number:,.1f}'
  return str(value)


def _number_html(number: Number) -> str:
  lines = [
    '<div class="number">',
    f'<div class="name">{html.escape(number.name)}</div>',
    f'<div class="value">{format_number(number.value)}</div>',
  ]
  if number.low is not None and number.high is not None:
    low, high = format_number(number.low), format_number(number.high)
    lines.append(f'<div class="note">[{low}, {high}]</div>')
  if number.note:
    lines.append(f'<div class="note">{html.escape(number.note)}</div>')
  return '\n'.join([*lines, '</div>'])


def _table_html(table: Table) -> str:
  is_text = [
    any(isinstance(row[column], str) for row in table.rows)
    for column in range(len(table.columns))
  ]

  def cells(tag: str, values: Sequence[Any]) -> str:
    return ''.join(
      f'<{tag}{" class=text" if text else ""}>'
      f'{html.escape(format_number(value))}</{tag}>'
      for value, text in zip(values, is_text, strict=True)
    )

  body = '\n'.join(f'<tr>{cells("td", row)}</tr>' for row in table.rows)
  content = (
    f'<div class="wide"><table>\n<thead><tr>{cells("th", table.columns)}</tr>'
    f'</thead>\n<tbody>\n{body}\n</tbody>\n</table></div>'
  )
  if len(table.rows) > _MAX_OPEN_ROWS:
    content = (
      f'<details><summary>{len(table.rows):,} rows</summary>\n{content}\n'
      '</details>'
    )
  note = f'<p class="note">{html.escape(table.note)}</p>' if table.note else ''
  return f'<h2>{html.escape(table.title)}</h2>\n{note}\n{content}'


def _figure_html(figure: Figure) -> str:
  data = base64.b64encode(figure.png).decode('ascii')
  caption = html.escape(figure.caption)
  # A PNG's width stands at byte 16. Shown smaller, for sharp screens.
  width = round(int.from_bytes(figure.png[16:20], 'big') / 1.6)
  return (
    f'<figure><img alt="{caption}" width="{width}" '
    f'src="data:image/png;base64,{data}">\n'
    f'<figcaption>{caption}</figcaption></figure>'
  )


def _colophon_html(report: Report) -> str:
  lines = ['<h2>How this was made</h2>']
  if report.settings:
    settings = ', '.join(
      f'{name} = {format_number(value)}'
      for name, value in sorted(report.settings.items())
    )
    lines.append(f'<p class="pale">Settings: {html.escape(settings)}.</p>')
  lines += [
    f'<p class="pale">{html.escape(source.role)}: {html.escape(source.name)}'
    + (
      f', {source.num_bytes:,} bytes, <span class="hash">sha256 '
      f'{source.sha256}</span></p>'
      if source.sha256
      else '</p>'
    )
    for source in report.sources
  ]
  lines.append(
    f'<p class="pale">flair_tfds {html.escape(_version.__version__)}. The same '
    f'numbers, in full precision: {JSON_FILE}.</p>'
  )
  return '\n'.join(lines)


def _clean(value: Any) -> Any:
  """Returns a value that JSON can hold."""
  if isinstance(value, dict):
    return {str(key): _clean(item) for key, item in value.items()}
  if isinstance(value, (list, tuple)):
    return [_clean(item) for item in value]
  if isinstance(value, np.ndarray):
    return _clean(value.tolist())
  if isinstance(value, np.generic):
    return _clean(value.item())
  if isinstance(value, float) and not math.isfinite(value):
    return None
  return value
