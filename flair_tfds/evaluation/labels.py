"""Labels of images that may have several right answers.

`MultiLabels` holds what experts said of each image: which classes are correct,
unclear or wrong, whether the image is problematic, and the class for which it
was collected. It serves `imagenet2012_multilabel` (Shankar et al., ICML 2020)
and ReaL (Beyer et al., 2020), whose images have correct labels only.
"""

import collections
import dataclasses
import functools
import importlib
import itertools
import json
import os
import pathlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from flair_tfds.core import errors, files

# Bits of `MultiLabels.marks`.
CORRECT, UNCLEAR, WRONG = 1, 2, 4

_VALIDATION_NAME = re.compile(r'ILSVRC2012_val_(\d{8})\.JPEG')
_NUM_IMAGENET_CLASSES = 1000

RaggedLike = Iterable[Iterable[int]]


@dataclasses.dataclass(frozen=True, eq=False)
class Ragged:
  """Lists of class ids, one list per image, as two flat arrays.

  Attributes:
    offsets: Where each image's list begins, and the end. int64, [image + 1].
    values: All lists one after the other. int64, shape [entry].
  """

  offsets: npt.NDArray[np.int64]
  values: npt.NDArray[np.int64]

  @classmethod
  def from_lists(cls, lists: RaggedLike) -> 'Ragged':
    """Flattens lists of class ids.

    Raises:
      ValueError: If an entry is not an integer.
    """
    rows = [
      row.tolist() if isinstance(row, np.ndarray) else list(row)
      for row in lists
    ]
    offsets = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum([len(row) for row in rows], out=offsets[1:])
    flat = list(itertools.chain.from_iterable(rows))
    values = np.array(flat, dtype=None if flat else np.int64)
    if values.ndim != 1 or values.dtype.kind not in 'iu':
      raise ValueError(
        'Label lists must hold integer class ids; found '
        f'{errors.listing([v for v in flat if not _is_integer(v)])}.'
      )
    return cls(offsets, values.astype(np.int64))

  def __len__(self) -> int:
    return len(self.offsets) - 1

  def __getitem__(self, row: int) -> npt.NDArray[np.int64]:
    return self.values[self.offsets[row] : self.offsets[row + 1]]

  @property
  def lengths(self) -> npt.NDArray[np.int64]:
    """The number of entries of each image. Shape [image]."""
    return np.diff(self.offsets)

  @property
  def rows(self) -> npt.NDArray[np.int64]:
    """The image of each entry. Shape [entry]."""
    return np.repeat(np.arange(len(self)), self.lengths)

  def take(self, rows: npt.NDArray[np.int64]) -> 'Ragged':
    """Returns the lists of some images, in the order given."""
    return Ragged.from_lists([self[int(row)] for row in rows])


@dataclasses.dataclass(frozen=True, eq=False)
class MultiLabels:
  """Expert labels of images; make one with a `from_` constructor.

  Attributes:
    ids: The unique name of each image, such as its file name.
    original: The class for which each image was collected. int64, [image].
    correct: The classes that experts found correct, for each image.
    unclear: The classes on which they did not agree.
    wrong: The classes that they found wrong.
    problematic: Whether the image should be left out. bool, [image].
    num_classes: Class ids are in `0..num_classes - 1`.
    class_names: The name of each class id (ImageNet: the wnid), or None.
    classes: The classes that must have scored images, ascending: all, or those
      of `original` where `num_classes` was not given. int64.
  """

  ids: tuple[str, ...]
  original: npt.NDArray[np.int64]
  correct: Ragged
  unclear: Ragged
  wrong: Ragged
  problematic: npt.NDArray[np.bool_]
  num_classes: int
  class_names: tuple[str, ...] | None
  classes: npt.NDArray[np.int64]

  @classmethod
  def from_arrays(
    cls,
    *,
    ids: Iterable[str | bytes],
    original: npt.ArrayLike,
    correct: RaggedLike,
    unclear: RaggedLike | None = None,
    wrong: RaggedLike | None = None,
    problematic: npt.ArrayLike | None = None,
    num_classes: int | None = None,
    class_names: Sequence[str] | None = None,
  ) -> 'MultiLabels':
    """Makes labels from arrays and lists that are aligned with `ids`.

    Args:
      ids: The unique name of each image.
      original: The class for which each image was collected. Shape [image].
      correct: Lists of correct class ids, one for each image; may be empty,
        repeat a class, and overlap the other lists.
      unclear: Lists of unclear class ids; none where left out.
      wrong: Lists of wrong class ids; none where left out.
      problematic: Whether to leave each image out; none where left out. Shape
        [image].
      num_classes: The number of classes. Where left out: that of
        `class_names`, or what the labels need; then only classes that occur in
        `original` must have scored images.
      class_names: The name of each class id, such as wnids; predictions may
        then use them.

    Raises:
      ValueError: If an id repeats, the arguments differ in length, or a class
        id is not an integer in range.
    """
    names = tuple(i.decode() if isinstance(i, bytes) else str(i) for i in ids)
    count = len(names)
    empty: list[list[int]] = [[]] * count
    lists = {
      'correct': Ragged.from_lists(correct),
      'unclear': Ragged.from_lists(empty if unclear is None else unclear),
      'wrong': Ragged.from_lists(empty if wrong is None else wrong),
    }
    classes = np.array(original, dtype=None if np.size(original) else np.int64)
    flags = np.zeros(count, bool) if problematic is None else problematic
    flags = np.array(flags)
    lengths = {'original': np.size(classes), 'problematic': np.size(flags)}
    lengths |= {kind: len(ragged) for kind, ragged in lists.items()}
    for name, length in lengths.items():
      if length != count:
        raise ValueError(
          f'{name} must have one entry for each of the {count} ids; found '
          f'{length}.'
        )
    if classes.ndim != 1 or classes.dtype.kind not in 'iu':
      raise ValueError(
        'original must be one integer class id per image; found dtype '
        f'{classes.dtype}, shape {list(classes.shape)}.'
      )
    repeated = [i for i, n in collections.Counter(names).items() if n > 1]
    if repeated:
      raise ValueError(
        f'Each id must occur once; {len(repeated)} repeat: '
        f'{errors.listing(repeated)}.'
      )
    if class_names is not None and num_classes not in (None, len(class_names)):
      raise ValueError(
        f'num_classes must be the number of class_names, {len(class_names)}; '
        f'found {num_classes}.'
      )
    num_known = len(class_names) if class_names is not None else num_classes
    values = [classes, *(ragged.values for ragged in lists.values())]
    limit = num_known
    if limit is None:
      limit = max((int(v.max()) + 1 for v in values if len(v)), default=0)
    rows = [np.arange(count), *(ragged.rows for ragged in lists.values())]
    for name, ids_of, row in zip(
      ['original', *lists], values, rows, strict=True
    ):
      wrong_range = np.flatnonzero((ids_of < 0) | (ids_of >= limit))
      if len(wrong_range):
        shown = [(names[row[i]], int(ids_of[i])) for i in wrong_range[:6]]
        raise ValueError(
          f'Class ids in {name} must be in 0..{limit - 1}; '
          f'{len(wrong_range)} are not: {errors.listing(shown)}.'
        )
    labels = cls(
      ids=names,
      original=classes.astype(np.int64),
      problematic=flags.astype(bool),
      num_classes=limit,
      class_names=None if class_names is None else tuple(class_names),
      classes=np.unique(classes) if num_known is None else np.arange(limit),
      **lists,
    )
    labels._prepare()
    return labels

  @classmethod
  def from_real(
    cls,
    real: RaggedLike,
    *,
    original: npt.ArrayLike,
    ids: Iterable[str | bytes] | None = None,
    num_classes: int | None = _NUM_IMAGENET_CLASSES,
    class_names: Sequence[str] | None = None,
  ) -> 'MultiLabels':
    """Makes labels from ReaL's: all correct; images without any are left out.

    Source: Beyer et al., "Are we done with ImageNet?", 2020; the published
    `real.json` is such a list.

    Args:
      real: Lists of class ids, one for each image.
      original: The class for which each image was collected. Shape [image].
      ids: The names of the images; ImageNet's validation file names, in order,
        where left out.
      num_classes: The number of classes.
      class_names: The name of each class id.

    Raises:
      ValueError: As `from_arrays`.
    """
    lists = [list(row) for row in real]
    if ids is None:
      ids = [validation_name(i) for i in range(len(lists))]
    return cls.from_arrays(
      ids=ids,
      original=original,
      correct=lists,
      problematic=[not row for row in lists],
      num_classes=None if class_names is not None else num_classes,
      class_names=class_names,
    )

  @classmethod
  def from_human_accuracy_json(
    cls,
    path: str | os.PathLike[str],
    *,
    original: Mapping[str, int | str] | Sequence[int] | npt.NDArray[Any],
    class_names: Sequence[str] | None = None,
  ) -> 'MultiLabels':
    """Reads the published `human_accuracy_v3.0.0.json`.

    The file does not say for which class an image was collected: `original`
    must. Entries that are not ImageNet validation images (the file holds those
    of ImageNetV2 too) are passed over.

    Args:
      path: The JSON file.
      original: The class id (or wnid) of each file name; or the 50,000 class
        ids of the validation images in the order of their numbers.
      class_names: The wnid of each class id. Where left out: the sorted wnids
        of the file, which must then be 1,000.

    Raises:
      BadDataError: If the file does not have the published form.
      ValueError: If `original` lacks an image, or class names are needed.
    """
    path = pathlib.Path(path)
    try:
      content = json.loads(path.read_bytes())
      annotations = {
        name: {
          kind: list(lists.get(kind, ()))
          for kind in ('correct', 'unclear', 'wrong')
        }
        for name, lists in content['initial_annots'].items()
        if _VALIDATION_NAME.fullmatch(name)
      }
      problematic = set(content['problematic_images'])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
      raise errors.BadDataError(
        f"{path}: the file must be a JSON object with 'initial_annots' "
        "(lists 'correct', 'unclear', 'wrong' by file name) and "
        f"'problematic_images'; found {error!r}. Download it again."
      ) from error
    if class_names is None:
      class_names = _find_wnids(annotations)
    if len(class_names) != _NUM_IMAGENET_CLASSES:
      raise ValueError(
        f'{path}: ImageNet must have 1000 classes; found {len(class_names)}. '
        'Pass class_names, the 1000 wnids in the order of the class ids.'
      )
    index = {name: i for i, name in enumerate(class_names)}
    names = sorted(annotations)
    try:
      lists = {
        kind: [[index[w] for w in annotations[name][kind]] for name in names]
        for kind in ('correct', 'unclear', 'wrong')
      }
    except KeyError as error:
      raise errors.BadDataError(
        f'{path}: labels must be wnids of the 1000 classes; found {error}. '
        'Check class_names, or download the file again.'
      ) from error
    return cls.from_arrays(
      ids=names,
      original=_find_original(names, original, index),
      problematic=[name in problematic for name in names],
      class_names=class_names,
      correct=lists['correct'],
      unclear=lists['unclear'],
      wrong=lists['wrong'],
    )

  @classmethod
  def from_tfds(
    cls,
    name: str = 'imagenet2012_multilabel',
    *,
    data_dir: str | os.PathLike[str] | None = None,
    split: str = 'validation',
  ) -> 'MultiLabels':
    """Reads the labels of a built TFDS dataset, without decoding an image.

    Works for `imagenet2012_multilabel` and for `imagenet2012_real`.

    Args:
      name: The dataset, as `tfds.builder` takes it.
      data_dir: Where built datasets lie; TFDS's default where left out.
      split: The split to read.

    Raises:
      FileNotFoundError: If the dataset has not been built there.
      ValueError: If it lacks the features of such labels.
    """
    # Looked up when needed: this room loads without TensorFlow.
    tfds: Any = importlib.import_module('tensorflow_datasets')
    options = {} if data_dir is None else {'data_dir': os.fspath(data_dir)}
    builder = tfds.builder(name, **options)
    return cls._from_builder(builder, split)

  @classmethod
  def from_directory(
    cls, path: str | os.PathLike[str], *, split: str = 'validation'
  ) -> 'MultiLabels':
    """Reads the labels of the built TFDS dataset in a folder; see `from_tfds`.

    Args:
      path: The folder of the version, `<data_dir>/<name>/<version>`.
      split: The split to read.
    """
    tfds: Any = importlib.import_module('tensorflow_datasets')
    return cls._from_builder(
      tfds.builder_from_directory(os.fspath(path)), split
    )

  @classmethod
  def _from_builder(cls, builder: Any, split: str) -> 'MultiLabels':
    tfds: Any = importlib.import_module('tensorflow_datasets')
    if split not in builder.info.splits:
      raise FileNotFoundError(
        f'The dataset must be built before its labels can be read; there is '
        f'no split {split!r} in {builder.data_dir}. Build it there '
        f'(`tfds build {builder.name}`), or pass its data_dir.'
      )
    features = builder.info.features
    if 'real_label' in features:
      names = {'correct': 'real_label'}
    else:
      names = {
        'correct': 'correct_multi_labels',
        'unclear': 'unclear_multi_labels',
        'wrong': 'wrong_multi_labels',
        'problematic': 'is_problematic',
      }
    names |= {'ids': 'file_name', 'original': 'original_label'}
    lacking = sorted(set(names.values()) - set(features))
    if lacking:
      raise ValueError(
        f'Dataset {builder.info.full_name} must have the features of multiple '
        f'labels; it lacks {errors.listing(lacking)}.'
      )
    wanted = tfds.decode.PartialDecoding(dict.fromkeys(names.values(), True))
    examples = list(
      tfds.as_numpy(
        builder.as_dataset(split=split, decoders=wanted, shuffle_files=False)
      )
    )
    columns: dict[str, Any] = {
      key: [example[feature] for example in examples]
      for key, feature in names.items()
    }
    columns['class_names'] = features['original_label'].names
    if 'real_label' in features:
      columns['real'] = columns.pop('correct')
      return cls.from_real(**columns)
    return cls.from_arrays(**columns)

  @classmethod
  def load(cls, path: str | os.PathLike[str]) -> 'MultiLabels':
    """Reads what `save` wrote.

    Raises:
      BadDataError: If the file has another form.
    """
    try:
      with np.load(path, allow_pickle=False) as file:
        lists = {
          kind: Ragged(file[f'{kind}_offsets'], file[f'{kind}_labels'])
          for kind in ('correct', 'unclear', 'wrong')
        }
        names = file['class_names'].tolist()
        labels = cls(
          ids=tuple(file['ids'].tolist()),
          original=file['original'],
          problematic=file['problematic'],
          num_classes=int(file['num_classes']),
          class_names=tuple(names) if names else None,
          classes=file['classes'],
          **lists,
        )
        labels._prepare()
        return labels
    except (ValueError, KeyError, EOFError) as error:
      raise errors.BadDataError(
        f'{path}: the file must be labels as MultiLabels.save writes them; '
        f'found {error}. Write it again.'
      ) from error

  def save(self, path: str | os.PathLike[str]) -> None:
    """Writes the labels as one `.npz`, which `load` reads in milliseconds."""
    arrays: dict[str, Any] = {
      'ids': np.array(self.ids, dtype=np.str_),
      'original': self.original,
      'problematic': self.problematic,
      'num_classes': np.int64(self.num_classes),
      'class_names': np.array(self.class_names or (), dtype=np.str_),
      'classes': self.classes,
    }
    for kind in ('correct', 'unclear', 'wrong'):
      ragged = getattr(self, kind)
      arrays[f'{kind}_offsets'] = ragged.offsets
      arrays[f'{kind}_labels'] = ragged.values
    with files.atomic_write(path) as file:
      np.savez_compressed(file, **arrays)

  def _prepare(self) -> None:
    """Makes the table now: scoring a first model costs as a second one."""
    _ = self.marks

  def __len__(self) -> int:
    return len(self.ids)

  def __repr__(self) -> str:
    return (
      f'MultiLabels({len(self)} images, {self.num_classes} classes, '
      f'{int(self.problematic.sum())} problematic)'
    )

  @functools.cached_property
  def marks(self) -> npt.NDArray[np.uint8]:
    """What experts said of each class: bits CORRECT, UNCLEAR, WRONG.

    A dense table, 20 MB for the 20,000 images of ImageNet, so that a model is
    scored with one look-up per image. Shape [image, class].
    """
    table = np.zeros((len(self), self.num_classes), dtype=np.uint8)
    for bit, ragged in [
      (CORRECT, self.correct),
      (UNCLEAR, self.unclear),
      (WRONG, self.wrong),
    ]:
      # A class listed twice sets the same bit twice.
      table[ragged.rows, ragged.values] |= bit
    table.flags.writeable = False
    return table

  def take(self, rows: npt.ArrayLike) -> 'MultiLabels':
    """Returns the labels of some images, in the order given.

    The classes stay those of all the labels, so that counts can be merged.

    Args:
      rows: Places in `ids`, each at most once. Shape [image].
    """
    chosen = np.asarray(rows, dtype=np.int64).reshape(-1)
    return dataclasses.replace(
      self,
      ids=tuple(self.ids[row] for row in chosen),
      original=self.original[chosen],
      correct=self.correct.take(chosen),
      unclear=self.unclear.take(chosen),
      wrong=self.wrong.take(chosen),
      problematic=self.problematic[chosen],
    )

  def describe(self) -> dict[str, int]:
    """Counts the images, and the corner cases among their labels."""
    marks = self.marks
    scored = np.bincount(
      self.original[~self.problematic], minlength=self.num_classes
    )[self.classes]

    def num_with(bits: int) -> int:
      return int(((marks & bits) == bits).any(axis=1).sum())

    listed = sum(
      len(r.values) for r in (self.correct, self.unclear, self.wrong)
    )
    distinct = sum(
      int(np.count_nonzero(marks & bit)) for bit in (CORRECT, UNCLEAR, WRONG)
    )
    return {
      'images': len(self),
      'problematic': int(self.problematic.sum()),
      'scored': int((~self.problematic).sum()),
      'correct_and_wrong': num_with(CORRECT | WRONG),
      'correct_and_unclear': num_with(CORRECT | UNCLEAR),
      'repeated_labels': listed - distinct,
      'without_correct_label': int((~(marks & CORRECT).any(axis=1)).sum()),
      'fewest_scored_per_class': int(scored.min(initial=len(self))),
      'most_scored_per_class': int(scored.max(initial=0)),
    }


def validation_name(index: int) -> str:
  """Returns the file name of ImageNet's validation image, counted from 0.

  >>> validation_name(0)
  'ILSVRC2012_val_00000001.JPEG'
  """
  return f'ILSVRC2012_val_{index + 1:08d}.JPEG'


def _find_wnids(
  annotations: Mapping[str, Mapping[str, list[str]]],
) -> list[str]:
  found: set[str] = set()
  for lists in annotations.values():
    for labels in lists.values():
      found.update(labels)
  return sorted(found)


def _find_original(
  names: Sequence[str],
  original: Mapping[str, int | str] | Sequence[int] | npt.NDArray[Any],
  index: Mapping[str, int],
) -> list[int]:
  """Returns the original class id of each validation file name."""
  if isinstance(original, Mapping):
    known: Mapping[str, int | str] = original
  else:
    known = {validation_name(row): int(cls) for row, cls in enumerate(original)}
  lacking = [name for name in names if name not in known]
  if lacking:
    raise ValueError(
      f'original must give the class of each labelled image; {len(lacking)} '
      f'are missing: {errors.listing(lacking)}. Pass the 50,000 validation '
      'labels in the order of their numbers, or a mapping by file name.'
    )
  values = [known[name] for name in names]
  unknown = [v for v in values if isinstance(v, str) and v not in index]
  if unknown:
    raise ValueError(
      'original must hold class ids, or wnids of the 1000 classes; found '
      f'{errors.listing(unknown)}.'
    )
  return [index[v] if isinstance(v, str) else int(v) for v in values]


def _is_integer(value: object) -> bool:
  return isinstance(value, (int, np.integer)) and not isinstance(value, bool)
