"""Errors that say what must hold, what was found and what to do next.

Wrong arguments of a caller raise `ValueError`, `TypeError` or `KeyError`. The
family below is for what a caller cannot see in advance: the data itself, and
other processes at work on it.
"""

import difflib
from collections.abc import Iterable, Sequence


class FlairTfdsError(Exception):
  """Base class of the errors that this package raises about data."""


class BadDataError(FlairTfdsError):
  """Input data breaks its own format: corrupt, incomplete or contradictory."""


class BuildInProgressError(FlairTfdsError):
  """Another process is building the same dataset."""


class LostDataError(FlairTfdsError):
  """What was written is not what was planned; the dataset is not published."""


def listing(items: Sequence[object], limit: int = 5) -> str:
  """Returns the first `limit` items as text, and how many more there are.

  >>> listing(['a', 'b', 'c'], limit=2)
  "'a', 'b' and 1 more"
  """
  text = ', '.join(repr(item) for item in items[:limit])
  rest = len(items) - limit
  return f'{text} and {rest} more' if rest > 0 else text


def choices(found: str, known: Iterable[str]) -> str:
  """Returns the known names, those nearest to `found` first.

  >>> choices('trian', ['test', 'train', 'val'])
  "'train', 'test', 'val'"
  """
  ordered = sorted(known)
  nearest = difflib.get_close_matches(found, ordered, n=3)
  rest = [name for name in ordered if name not in nearest]
  return ', '.join(repr(name) for name in nearest + rest)
