"""One immutable label tree for every dataset of the collection.

A tree is a list of nodes, each with an id, a name and at most one parent.
There may be several roots, and a parent may stand after its child in the
list. Ids are unique and address nodes; names are what people read and may
repeat (ML-Images has 10,873 names for 11,166 nodes). FLAIR's ids and names are
the same; ImageNet's and ML-Images's ids are WordNet's (`n01440764`).

Synopsis:

    tree = Tree.from_ids(
        ids=['animal', 'cat', 'dog'], parents=[None, 'animal', 'animal'])
    tree.parent('cat')                      # 'animal'
    tree.lowest_common_ancestor('cat', 'dog')   # 'animal'
    tree.roll_up(['cat'], targets=['animal'])   # ('animal',)
    tree.roll_up_matrix(scores, columns=['cat', 'dog'], targets=['animal'])
"""

import collections
import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from flair_tfds.core import errors

# A node is given by its id, or by its place in the list.
Node = str | int | np.integer[Any]
ROOT = -1


class Tree:
  """An immutable forest of labels: ids, names and parents.

  Answers are ids, in the order of the list unless said otherwise. Every
  question costs at most the number of nodes it has to name; the list is gone
  through once, when the tree is made.

  Attributes:
    ids: The unique id of each node.
    names: The name of each node; may repeat.
    parents: The index of each node's parent, `ROOT` (-1) where there is none.
      int64, shape [node], read-only.
    depths: The number of edges between each node and its root, 0 for a root.
      int64, shape [node], read-only.
  """

  ids: tuple[str, ...]
  names: tuple[str, ...]
  parents: npt.NDArray[np.int64]
  depths: npt.NDArray[np.int64]

  def __init__(
    self,
    ids: Iterable[str],
    parents: npt.ArrayLike,
    names: Iterable[str] | None = None,
    *,
    where: Callable[[int], str] = 'row {}'.format,
  ) -> None:
    """Makes a tree from parent indices; see `from_ids` for parent ids.

    Args:
      ids: A unique id for each node.
      parents: The index of each node's parent in `ids`, -1 for a root; it may
        point forward. Integers, shape [node].
      names: A name for each node; the ids where left out.
      where: Says where a row was read, for errors: `'a.txt, line 7'`.

    Raises:
      BadDataError: If an id repeats, a parent is not in the list, or a node is
        its own ancestor.
      ValueError: If ids, parents and names differ in number.
    """
    self.ids = tuple(ids)
    self.names = self.ids if names is None else tuple(names)
    # An empty list would otherwise become an array of floats.
    rows = np.array(parents, dtype=None if np.size(parents) else np.int64)
    if rows.dtype.kind not in 'iu' or rows.shape != (len(self.ids),):
      raise ValueError(
        'parents must be integers, one for each of the '
        f'{len(self.ids)} ids; found dtype {rows.dtype}, shape {rows.shape}.'
      )
    if len(self.names) != len(self.ids):
      raise ValueError(
        f'There must be one name for each of the {len(self.ids)} ids; found '
        f'{len(self.names)}.'
      )
    self.parents = rows.astype(np.int64)
    self._index = _index_unique(self.ids, where)
    _check_parents(self.ids, self.parents, where)
    # Children grouped by parent, roots first: those of node i stand at
    # _offsets[i + 1]:_offsets[i + 2].
    self._by_parent = np.argsort(self.parents, kind='stable')
    self._offsets = np.searchsorted(
      self.parents[self._by_parent], np.arange(ROOT, len(self.ids) + 1)
    )
    self._levels = self._find_levels()
    self.depths = np.full(len(self.ids), -1, dtype=np.int64)
    for depth, level in enumerate(self._levels):
      self.depths[level] = depth
    _check_reached(self.ids, self.parents, self.depths, where)
    self.parents.flags.writeable = False
    self.depths.flags.writeable = False

  @classmethod
  def from_ids(
    cls,
    ids: Iterable[str],
    parents: Iterable[str | None],
    names: Iterable[str] | None = None,
    *,
    where: Callable[[int], str] = 'row {}'.format,
  ) -> 'Tree':
    """Makes a tree from parent ids.

    Args:
      ids: A unique id for each node.
      parents: The id of each node's parent, None for a root.
      names: A name for each node; the ids where left out.
      where: Says where a row was read, for errors: `'a.txt, line 7'`.

    Raises:
      BadDataError: If an id repeats, a parent is not in the list, or a node is
        its own ancestor.
      ValueError: If ids, parents and names differ in number.

    >>> Tree.from_ids(['cat', 'animal'], ['animal', None]).depth('cat')
    1
    """
    ids = tuple(ids)
    index = _index_unique(ids, where)
    rows = []
    for row, parent in enumerate(parents):
      if parent is not None and parent not in index:
        raise errors.BadDataError(
          f'{where(row)}: the parent of a node must be a node itself; found '
          f'{parent!r}. Add it to the list, or correct the parent.'
        )
      rows.append(ROOT if parent is None else index[parent])
    return cls(ids, rows, names, where=where)

  def __len__(self) -> int:
    return len(self.ids)

  def __contains__(self, node_id: object) -> bool:
    return node_id in self._index

  def __eq__(self, other: object) -> bool:
    return isinstance(other, Tree) and (
      (self.ids, self.names) == (other.ids, other.names)
      and np.array_equal(self.parents, other.parents)
    )

  def __hash__(self) -> int:
    return hash((self.ids, self.names, self.parents.tobytes()))

  def __repr__(self) -> str:
    return f'Tree({len(self)} nodes, {len(self.roots)} roots)'

  def __reduce__(self) -> tuple[Any, ...]:
    # Made anew when unpickled: arrays would come back writable.
    return Tree, (self.ids, self.parents, self.names)

  @property
  def roots(self) -> tuple[str, ...]:
    """The nodes without a parent."""
    return self._ids_of(self._children(ROOT))

  @property
  def leaves(self) -> tuple[str, ...]:
    """The nodes without children."""
    is_leaf = np.ones(len(self), dtype=bool)
    is_leaf[self.parents[self.parents != ROOT]] = False
    return self._ids_of(np.flatnonzero(is_leaf))

  def index(self, node: Node) -> int:
    """Returns a node's place in the list.

    Raises:
      KeyError: If the tree has no such id.
      IndexError: If the tree has no such index.
    """
    if isinstance(node, str):
      try:
        return self._index[node]
      except KeyError:
        nearest = difflib.get_close_matches(node, self.ids, n=3)
        hint = f' Did you mean {errors.listing(nearest)}?' if nearest else ''
        raise KeyError(
          f'A node must be one of the {len(self)} ids of the tree; found '
          f'{node!r}.{hint}'
        ) from None
    if not 0 <= node < len(self):
      raise IndexError(
        f'A node index must be in 0..{len(self) - 1}; found {node}.'
      )
    return int(node)

  def named(self, name: str) -> tuple[str, ...]:
    """Returns the ids of all nodes of that name; none where nobody has it."""
    rows = [row for row, found in enumerate(self.names) if found == name]
    return self._ids_of(rows)

  def name(self, node: Node) -> str:
    """Returns a node's name."""
    return self.names[self.index(node)]

  def parent(self, node: Node) -> str | None:
    """Returns a node's parent, None for a root."""
    row = self.parents[self.index(node)]
    return None if row == ROOT else self.ids[row]

  def children(self, node: Node) -> tuple[str, ...]:
    """Returns the nodes whose parent this is."""
    return self._ids_of(self._children(self.index(node)))

  def ancestors(self, node: Node) -> tuple[str, ...]:
    """Returns a node's ancestors, its parent first, its root last.

    >>> tree = Tree.from_ids(['a', 'b', 'c'], [None, 'a', 'b'])
    >>> tree.ancestors('c')
    ('b', 'a')
    """
    return self._ids_of(self._path_up(self.index(node))[1:])

  def path(self, node: Node) -> tuple[str, ...]:
    """Returns the nodes from the root down to this one, both included."""
    return self._ids_of(self._path_up(self.index(node))[::-1])

  def descendants(self, node: Node) -> tuple[str, ...]:
    """Returns all nodes below this one."""
    found: list[int] = []
    waiting = [self.index(node)]
    while waiting:
      below = self._children(waiting.pop()).tolist()
      found += below
      waiting += below
    return self._ids_of(sorted(found))

  def depth(self, node: Node) -> int:
    """Returns the number of edges between a node and its root."""
    return int(self.depths[self.index(node)])

  def lowest_common_ancestor(self, first: Node, *others: Node) -> str | None:
    """Returns the deepest node that is above, or is, each of these.

    A node counts as above itself: with its own child it is the answer.

    Args:
      first: A node.
      *others: More nodes.

    Returns:
      The id of that node; None where the nodes have no root in common.
    """
    paths = [self._path_up(self.index(node))[::-1] for node in (first, *others)]
    shared = None
    for step in zip(*paths, strict=False):
      if len(set(step)) > 1:
        break
      shared = step[0]
    return None if shared is None else self.ids[shared]

  def close(self, labels: Iterable[Node]) -> tuple[str, ...]:
    """Returns a label set with all its ancestors, each once.

    >>> Tree.from_ids(['a', 'b', 'c'], [None, 'a', 'a']).close(['c'])
    ('a', 'c')
    """
    rows: set[int] = set()
    for label in labels:
      for row in self._path_up(self.index(label)):
        if row in rows:  # so are its ancestors
          break
        rows.add(row)
    return self._ids_of(sorted(rows))

  def roll_up(
    self, labels: Iterable[Node], targets: Iterable[Node]
  ) -> tuple[str, ...]:
    """Returns the targets that are, or are above, one of the labels.

    Args:
      labels: A label set.
      targets: The nodes to report on, such as the roots or the nodes of one
        depth.

    Returns:
      Some of the targets, in the order given.
    """
    closed = set(self.close(labels))
    ids = self._ids_of([self.index(target) for target in targets])
    return tuple(target for target in ids if target in closed)

  def roll_up_matrix(
    self,
    values: npt.ArrayLike,
    columns: Sequence[Node],
    targets: Sequence[Node],
    *,
    how: Literal['max', 'sum'] = 'max',
    empty: float | None = None,
  ) -> npt.NDArray[Any]:
    """Gathers columns into their ancestors: of scores, or of label indicators.

    A target's value is taken over the columns of the target itself and of all
    nodes below it. For labels (bool) the maximum says "any of them". For the
    scores of independent classes (a sigmoid each) the maximum is the usual
    choice: it is the lowest chance that "any of them" can have, and it keeps
    the ranking of images whatever the number of columns. The sum is right for
    exclusive classes (a softmax over the columns), where it is a probability.
    nan goes up as nan.

    Each column is read once, level by level, deepest first. Memory: one
    matrix of [image, nodes at or above a column], besides the answer.

    Args:
      values: Scores or indicators. Shape [image, column].
      columns: The node of each column, each at most once.
      targets: The node of each column of the answer.
      how: 'max' or 'sum'.
      empty: The value of a target without any column; None makes it an error.

    Returns:
      Shape [image, target]. 'max' keeps the dtype, also bool; 'sum' gives
      float64 for floats and int64 otherwise.

    Raises:
      ValueError: If `how` is unknown, the shape does not fit the columns, a
        column repeats, or a target has no column and `empty` is None.
      KeyError, IndexError: If a column or a target is not a node.
    """
    if how not in ('max', 'sum'):
      raise ValueError(f"how must be 'max' or 'sum'; found {how!r}.")
    matrix = np.asarray(values)
    rows = np.array([self.index(node) for node in columns], dtype=np.int64)
    goals = np.array([self.index(node) for node in targets], dtype=np.int64)
    if matrix.ndim != 2 or matrix.shape[1] != len(rows):
      raise ValueError(
        f'values must have the shape [image, {len(rows)}], one column for '
        f'each of the given nodes; found {list(matrix.shape)}.'
      )
    if len(np.unique(rows)) != len(rows):
      repeated = [
        self.ids[row] for row, n in collections.Counter(rows).items() if n > 1
      ]
      raise ValueError(
        'Each node must have at most one column; repeated: '
        f'{errors.listing(repeated)}. Merge their columns first.'
      )
    if how == 'sum':
      floating = matrix.dtype.kind == 'f'
      matrix = matrix.astype(np.float64 if floating else np.int64)
    return self._gather(matrix, rows, goals, how, empty)

  def _gather(
    self,
    matrix: npt.NDArray[Any],
    rows: npt.NDArray[np.int64],
    goals: npt.NDArray[np.int64],
    how: Literal['max', 'sum'],
    empty: float | None,
  ) -> npt.NDArray[Any]:
    """Does the work of `roll_up_matrix` on checked arguments."""
    combine = np.maximum if how == 'max' else np.add
    # Whether there is a column at or below each node.
    filled = np.zeros(len(self), dtype=bool)
    filled[rows] = True
    for level in reversed(self._levels[1:]):
      filled[self.parents[level[filled[level]]]] = True
    if empty is None and not filled[goals].all():
      missing = self._ids_of(goals[~filled[goals]])
      raise ValueError(
        'Each target must have a column of its own or below it; '
        f'{len(missing)} have none: {errors.listing(missing)}. Leave them '
        'out, or pass `empty`, the value they shall have.'
      )
    # Only nodes at or above a column get a place: FLAIR's 17 of 1,700, say.
    place = np.cumsum(filled) - 1
    total = np.zeros((len(matrix), int(filled.sum())), dtype=matrix.dtype)
    total[:, place[rows]] = matrix
    # Where the running maximum of a node may begin with another's value.
    has_value = np.zeros(len(self), dtype=bool)
    has_value[rows] = True
    for level in reversed(self._levels[1:]):
      nodes = level[filled[level]]
      if not len(nodes):
        continue
      nodes = nodes[np.argsort(self.parents[nodes], kind='stable')]
      above, starts = np.unique(self.parents[nodes], return_index=True)
      below = combine.reduceat(total[:, place[nodes]], starts, axis=1)
      known = has_value[above]
      total[:, place[above[~known]]] = below[:, ~known]
      old = total[:, place[above[known]]]
      total[:, place[above[known]]] = combine(old, below[:, known])
      has_value[above] = True
    if filled[goals].all():
      return np.ascontiguousarray(total[:, place[goals]])
    answer = np.full((len(matrix), len(goals)), empty, dtype=matrix.dtype)
    answer[:, filled[goals]] = total[:, place[goals[filled[goals]]]]
    return answer

  def _children(self, row: int) -> npt.NDArray[np.int64]:
    return self._by_parent[self._offsets[row + 1] : self._offsets[row + 2]]

  def _find_levels(self) -> list[npt.NDArray[np.int64]]:
    """Returns the nodes of each depth; those in or below a cycle in none."""
    levels = []
    level = self._children(ROOT)
    while len(level):
      levels.append(np.sort(level))
      starts, ends = self._offsets[level + 1], self._offsets[level + 2]
      widths = ends - starts
      # The ranges starts[i]:ends[i], one after the other.
      before = np.repeat(np.cumsum(widths) - widths, widths)
      within = np.arange(widths.sum()) - before
      level = self._by_parent[np.repeat(starts, widths) + within]
    return levels

  def _path_up(self, row: int) -> list[int]:
    path = []
    while row != ROOT:
      path.append(row)
      row = int(self.parents[row])
    return path

  def _ids_of(
    self, rows: Iterable[int] | npt.NDArray[np.int64]
  ) -> tuple[str, ...]:
    return tuple(self.ids[row] for row in rows)


def _index_unique(
  ids: Sequence[str], where: Callable[[int], str]
) -> dict[str, int]:
  """Returns the place of each id, or says which one repeats."""
  index: dict[str, int] = {}
  for row, node_id in enumerate(ids):
    if node_id in index:
      raise errors.BadDataError(
        f'{where(row)}: a node must be listed once; {node_id!r} was already '
        f'given in {where(index[node_id])}. Remove one of the two.'
      )
    index[node_id] = row
  return index


def _check_parents(
  ids: Sequence[str],
  parents: npt.NDArray[np.int64],
  where: Callable[[int], str],
) -> None:
  """Raises where a parent index is outside the list."""
  wrong = np.flatnonzero((parents < ROOT) | (parents >= len(ids)))
  if len(wrong):
    row = int(wrong[0])
    raise errors.BadDataError(
      f'{where(row)}: the parent of {ids[row]!r} must be -1 or in '
      f'0..{len(ids) - 1}; found {parents[row]}. Add the missing node, or '
      'correct the parent.'
    )


def _check_reached(
  ids: Sequence[str],
  parents: npt.NDArray[np.int64],
  depths: npt.NDArray[np.int64],
  where: Callable[[int], str],
) -> None:
  """Raises where a node hangs on no root, which only a cycle can cause."""
  lost = np.flatnonzero(depths < 0)
  if not len(lost):
    return
  seen: list[int] = []
  row = int(lost[0])
  while row not in seen:
    seen.append(row)
    row = int(parents[row])
  cycle = seen[seen.index(row) :]
  # The same cycle is told the same way, wherever it was entered.
  first = cycle.index(min(cycle))
  cycle = cycle[first:] + cycle[:first]
  names = ' -> '.join(repr(ids[row]) for row in [*cycle, cycle[0]][:12])
  raise errors.BadDataError(
    f'{where(cycle[0])}: no node may be its own ancestor; found the cycle '
    f'{names}{" ..." if len(cycle) > 11 else ""}. Correct one of these '
    'parents.'
  )
