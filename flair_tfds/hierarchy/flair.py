"""FLAIR's taxonomy: 17 coarse labels, and the fine labels below them.

FLAIR publishes it as `label_relationship.txt`, a line `fine -> coarse` for
each fine label. A coarse name is also a fine label of its own (an image may be
labelled just `animal`), whether the file lists it or not. The file and the
labels that occur in the data are not the same set: a fine label may be unknown
to the file, and is then answered as unknown (None), never guessed.
"""

import pathlib
import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from flair_tfds.core import errors
from flair_tfds.hierarchy import tree as tree_lib

# https://github.com/apple/ml-flair; sorted, the place is the class index.
COARSE_LABELS = (
  'animal',
  'art',
  'celebration',
  'equipment',
  'fire',
  'food',
  'games',
  'interior_room',
  'light',
  'liquid',
  'material',
  'music',
  'outdoor',
  'plant',
  'recreation',
  'religion',
  'structure',
)
RELATIONSHIP_FILE = 'label_relationship.txt'

_LINE = re.compile(r'\s*(\S+)\s*->\s*(\S+)\s*')


class Taxonomy:
  """FLAIR's fine and coarse labels, as a tree of depth one.

  Attributes:
    tree: The coarse labels as roots, then the fine ones below them, in the
      order of the file.
  """

  tree: tree_lib.Tree

  def __init__(self, tree: tree_lib.Tree) -> None:
    """Wraps a tree whose roots are the coarse labels."""
    self.tree = tree

  def __eq__(self, other: object) -> bool:
    return isinstance(other, Taxonomy) and self.tree == other.tree

  def __hash__(self) -> int:
    return hash(self.tree)

  def __repr__(self) -> str:
    num_fine = len(self.tree) - len(self.tree.roots)
    return f'Taxonomy({num_fine} fine below {len(self.tree.roots)} coarse)'

  def coarse_of(self, fine: str) -> str | None:
    """Returns a fine label's coarse label; None where the file has no answer.

    A coarse name is its own coarse label.
    """
    if fine not in self.tree:
      return None
    return self.tree.parent(fine) or fine

  def fine_of(self, coarse: str) -> tuple[str, ...]:
    """Returns the fine labels below a coarse one, without its own name.

    Raises:
      KeyError: If that is not a coarse label.
    """
    self._check_coarse(coarse)
    return self.tree.children(coarse)

  def roll_up(self, fine_labels: Iterable[str]) -> tuple[str, ...]:
    """Returns the coarse labels of a set of fine ones, sorted, each once.

    Fine labels unknown to the file add nothing; `unknown` names them.
    """
    found = {self.coarse_of(fine) for fine in fine_labels}
    return tuple(sorted(coarse for coarse in found if coarse is not None))

  def unknown(self, fine_labels: Iterable[str]) -> tuple[str, ...]:
    """Returns the labels that the file does not know, in the order given."""
    return tuple(fine for fine in fine_labels if fine not in self.tree)

  def roll_up_scores(
    self,
    scores: npt.ArrayLike,
    fine_names: Sequence[str],
    coarse_names: Sequence[str] = COARSE_LABELS,
    *,
    how: Literal['max', 'sum'] = 'max',
    on_unknown: Literal['error', 'skip'] = 'error',
    empty: float | None = None,
  ) -> npt.NDArray[Any]:
    """Gathers the scores, or the labels, of fine classes into coarse ones.

    See `Tree.roll_up_matrix` for the choice between 'max' and 'sum'.

    Args:
      scores: Scores, or label indicators. Shape [image, fine].
      fine_names: The label of each column.
      coarse_names: The coarse label of each column of the answer.
      how: 'max' or 'sum'.
      on_unknown: What becomes of fine labels that the file does not know: an
        error, or their columns are left out.
      empty: The value of a coarse label without any column; None makes it an
        error.

    Returns:
      Shape [image, coarse].

    Raises:
      ValueError: If a fine label is unknown and `on_unknown` is 'error', the
        shape does not fit, a fine label repeats, or a coarse label has no
        column and `empty` is None.
      KeyError: If a name in `coarse_names` is not a coarse label.
    """
    if on_unknown not in ('error', 'skip'):
      raise ValueError(
        f"on_unknown must be 'error' or 'skip'; found {on_unknown!r}."
      )
    for coarse in coarse_names:
      self._check_coarse(coarse)
    unknown = self.unknown(fine_names)
    if not unknown:
      return self.tree.roll_up_matrix(
        scores, fine_names, coarse_names, how=how, empty=empty
      )
    if on_unknown == 'error':
      raise ValueError(
        f'Each fine label must be in {RELATIONSHIP_FILE}; {len(unknown)} of '
        f'{len(fine_names)} are not: {errors.listing(unknown)}. Use the '
        "complete file, or pass on_unknown='skip' to leave them out."
      )
    matrix = np.asarray(scores)
    if matrix.ndim != 2 or matrix.shape[1] != len(fine_names):
      raise ValueError(
        f'scores must have the shape [image, {len(fine_names)}], one column '
        f'for each fine name; found {list(matrix.shape)}.'
      )
    kept = [i for i, fine in enumerate(fine_names) if fine in self.tree]
    return self.tree.roll_up_matrix(
      matrix[:, kept],
      [fine_names[i] for i in kept],
      coarse_names,
      how=how,
      empty=empty,
    )

  def _check_coarse(self, coarse: str) -> None:
    if coarse not in self.tree.roots:
      raise KeyError(
        'A coarse label must be one of '
        f'{errors.choices(coarse, self.tree.roots)}; found {coarse!r}.'
      )


def read_label_relationship(path: str | pathlib.Path) -> Taxonomy:
  """Reads FLAIR's `label_relationship.txt`.

  All 17 coarse labels are part of the answer, also those that the file does
  not name. Blank lines are passed over; a line may repeat as long as it says
  the same.

  Args:
    path: A text file of `fine -> coarse` lines.

  Returns:
    The taxonomy, fine labels in the order of the file.

  Raises:
    FileNotFoundError: If there is no such file.
    BadDataError: If a line has another form, names a coarse label that FLAIR
      does not have, or contradicts an earlier line; file and line are named.
  """
  path = pathlib.Path(path)
  ids = list(COARSE_LABELS)
  parents: list[str | None] = [None] * len(ids)
  lines: dict[str, tuple[int, str]] = {}
  for number, line in enumerate(_read_lines(path), start=1):
    if not line.strip():
      continue
    match = _LINE.fullmatch(line)
    if match is None:
      raise errors.BadDataError(
        f'{path}, line {number}: a line must have the form '
        f"'fine -> coarse', names without spaces; found {line!r}. Correct "
        'the line, or download the file again.'
      )
    fine, coarse = match.groups()
    if coarse not in COARSE_LABELS:
      raise errors.BadDataError(
        f'{path}, line {number}: a coarse label must be one of '
        f'{errors.choices(coarse, COARSE_LABELS)}; found {coarse!r}. Correct '
        'the line, or download the file again.'
      )
    if fine in COARSE_LABELS and fine != coarse:
      raise errors.BadDataError(
        f'{path}, line {number}: the coarse label {fine!r} must be its own '
        f'parent; found {coarse!r}. Correct the line, or download the file '
        'again.'
      )
    earlier, other = lines.setdefault(fine, (number, coarse))
    if other != coarse:
      raise errors.BadDataError(
        f'{path}, line {number}: a fine label must have one coarse label; '
        f'{fine!r} has {coarse!r} here and {other!r} in line {earlier}. '
        'Remove one of the two lines.'
      )
    if earlier == number and fine != coarse:
      ids.append(fine)
      parents.append(coarse)
  return Taxonomy(tree_lib.Tree.from_ids(ids, parents))


def load(dataset_dir: str | pathlib.Path) -> Taxonomy:
  """Reads the taxonomy that is kept inside a built FLAIR dataset.

  Args:
    dataset_dir: The folder of the prepared dataset,
      `<data_dir>/flair/<config>/<version>`: `builder.data_dir` in TFDS.

  Raises:
    FileNotFoundError: If there is no `label_relationship.txt` in the folder.
    BadDataError: If that file is damaged.
  """
  path = pathlib.Path(dataset_dir).expanduser() / RELATIONSHIP_FILE
  if not path.is_file():
    raise FileNotFoundError(
      f'The folder of a FLAIR dataset must hold {RELATIONSHIP_FILE}; there is '
      f'no {path}. Pass the folder of the prepared version '
      '(<data_dir>/flair/<config>/<version>, `builder.data_dir`), or build '
      'the dataset again.'
    )
  return read_label_relationship(path)


def _read_lines(path: pathlib.Path) -> list[str]:
  try:
    return path.read_text(encoding='utf-8-sig').splitlines()
  except UnicodeDecodeError as error:
    raise errors.BadDataError(
      f'{path}: the file must be UTF-8 text; byte {error.start} is not. '
      'Download the file again.'
    ) from error
