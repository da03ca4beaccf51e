"""Reads predictions and labels from the files that people have.

Predictions:

- `.npz`: an array `ids` (or `file_names`, `image_ids`) and one named `scores`,
  `predictions`, `classes` or `labels`, aligned with it; `class_names` names the
  columns of scores. Without ids, rows are in the order of the labels.
- `.npy`: that array alone.
- `.json`: a dictionary from file name to a class or to classes, best first;
  or a plain list of classes, in the order of the labels, on one line or many.
- `.csv`: a line `id,class[,class...]` per image; or, under a header `id,...`,
  scores of the classes that the header names.
- `.txt`: a class per line, in the order of the labels; or `id class`.

Classes are class ids or names. Labels of one class per image come in the same
forms, those of several as `MultiLabels.save` writes them, and matrices as
`.npz` with `ids`, `labels` [image, class], and perhaps `class_names` and
`groups` (the user of each image).
"""

import csv
import dataclasses
import importlib
import json
import os
import pathlib
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from flair_tfds.core import errors
from flair_tfds.evaluation import predictions as predictions_lib
from flair_tfds.evaluation.predictions import Predictions

_ID_KEYS = ('ids', 'file_names', 'image_ids')
_CSV_ID_COLUMNS = ('id', 'file_name', 'image_id', *_ID_KEYS)
_VALUE_KEYS = ('scores', 'predictions', 'classes', 'labels')
# Features of the datasets of this package.
_ID_FEATURES = ('image_id', 'file_name')
_USER_FEATURE = 'user_id'
_SUFFIXES = ('.npz', '.npy', '.json', '.csv', '.txt')


@dataclasses.dataclass(frozen=True, eq=False)
class LabelMatrix:
  """Several labels per image, as a matrix.

  Attributes:
    ids: The name of each image.
    labels: Whether each class is present. bool, shape [image, class].
    class_names: The name of each class, or None.
    groups: The user of each image, or None.
  """

  ids: tuple[str, ...]
  labels: npt.NDArray[np.bool_]
  class_names: tuple[str, ...] | None
  groups: tuple[str, ...] | None

  @classmethod
  def from_directory(
    cls,
    path: str | os.PathLike[str],
    *,
    split: str,
    label_feature: str | None = None,
    class_names: Sequence[str] | None = None,
    num_classes: int | None = None,
  ) -> 'LabelMatrix':
    """Reads the labels of a built TFDS dataset, without decoding an image.

    Args:
      path: The folder of the version, `<data_dir>/<name>/<version>`.
      split: The split to read.
      label_feature: The feature with the labels, a sequence of `ClassLabel`.
        Where left out: the one with these classes.
      class_names: The classes wanted, to choose the feature by.
      num_classes: Their number, where names are not known.

    Raises:
      ValueError: If there is no such split or feature, or none or several fit.
    """
    # Looked up when needed: this room loads without TensorFlow.
    tfds: Any = importlib.import_module('tensorflow_datasets')
    builder = tfds.builder_from_directory(os.fspath(path))
    if split not in builder.info.splits:
      raise ValueError(
        f'{os.fspath(path)}: the split must be one of '
        f'{errors.choices(split, builder.info.splits)}; found {split!r}.'
      )
    features = builder.info.features
    classes = {
      name: tuple(feature.feature.names)
      for name, feature in features.items()
      if isinstance(getattr(feature, 'feature', None), tfds.features.ClassLabel)
    }
    chosen = label_feature or _choose_feature(
      path, classes, class_names, num_classes
    )
    if chosen not in classes:
      raise ValueError(
        f'{os.fspath(path)}: the label feature must be one of '
        f'{errors.choices(chosen, classes)}; found {chosen!r}.'
      )
    id_feature = next((name for name in _ID_FEATURES if name in features), None)
    if id_feature is None:
      raise ValueError(
        f'{os.fspath(path)}: the dataset must have one of the features '
        f'{errors.listing(_ID_FEATURES)}, to join predictions to images; '
        f'found {errors.listing(sorted(features))}.'
      )
    has_users = _USER_FEATURE in features
    kept = [chosen, id_feature, *([_USER_FEATURE] if has_users else [])]
    examples = list(
      tfds.as_numpy(
        builder.as_dataset(
          split=split,
          decoders=tfds.decode.PartialDecoding(dict.fromkeys(kept, True)),
          shuffle_files=False,
        )
      )
    )
    labels = np.zeros((len(examples), len(classes[chosen])), dtype=bool)
    for row, example in enumerate(examples):
      labels[row, example[chosen]] = True
    users = None
    if has_users:
      users = tuple(example[_USER_FEATURE].decode() for example in examples)
    ids = tuple(example[id_feature].decode() for example in examples)
    return cls(ids, labels, classes[chosen], users)

  def align(self, found: Predictions | npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Returns scores in the order of these images and classes.

    Raises:
      ValueError: If images or classes are not the same.
    """
    scores = found.values if isinstance(found, Predictions) else found
    if scores.ndim != 2 or scores.dtype.kind not in 'fiu':
      raise ValueError(
        'Multi-label metrics need scores of the shape [image, class]; found '
        f'shape {list(scores.shape)}, dtype {scores.dtype}. Save the scores '
        'of all classes, not the predicted ones.'
      )
    if isinstance(found, Predictions):
      scores = scores[_match_rows(found.ids, self.ids)]
      names = found.class_names
      if names is not None and self.class_names is not None:
        columns = predictions_lib.match_columns(names, self.class_names)
        scores = scores[:, columns]
    if scores.shape != self.labels.shape:
      raise ValueError(
        'Scores and labels must have the same shape [image, class]; found '
        f'{list(scores.shape)} and {list(self.labels.shape)}.'
      )
    return scores


def read_predictions(
  path: str | os.PathLike[str],
) -> Predictions | npt.NDArray[Any]:
  """Reads predictions; see the module for the layouts.

  Returns:
    `Predictions` where the file has ids; else an array, to be aligned with the
    labels by order.

  Raises:
    FileNotFoundError: If there is no such file.
    BadDataError: If the file has another layout; file and line are named.
  """
  file = pathlib.Path(path).expanduser()
  readers = {
    '.npz': _read_npz,
    '.npy': _read_npy,
    '.json': _read_json,
    '.csv': _read_csv,
    '.txt': _read_txt,
  }
  if file.suffix not in readers:
    raise errors.BadDataError(
      f'{file}: the name must end in {", ".join(_SUFFIXES)}; found '
      f'{file.suffix!r}. Convert the file, or rename it.'
    )
  try:
    return readers[file.suffix](file)
  except errors.BadDataError:
    raise
  except (ValueError, EOFError, zipfile.BadZipFile) as error:
    raise errors.BadDataError(
      f'{file}: the file must hold predictions in one of the layouts of '
      f'flair_tfds.evaluation.reading; found: {error}'
    ) from error


def read_single_labels(
  path: str | os.PathLike[str],
) -> dict[str, Any] | npt.NDArray[Any]:
  """Reads one class per image, in any layout of predictions.

  Returns:
    A mapping from file name to class where the file has ids; else an array.

  Raises:
    FileNotFoundError: If there is no such file.
    BadDataError: If the file has another layout.
  """
  found = read_predictions(path)
  values = found.values if isinstance(found, Predictions) else found
  if values.ndim == 2 and values.shape[1] == 1:
    values = values[:, 0]
  if values.ndim != 1:
    raise errors.BadDataError(
      f'{os.fspath(path)}: there must be one class for each image; found the '
      f'shape {list(values.shape)}.'
    )
  if isinstance(found, Predictions):
    return dict(zip(found.ids, values.tolist(), strict=True))
  return values


def read_label_matrix(path: str | os.PathLike[str]) -> LabelMatrix:
  """Reads a `.npz` with `ids`, `labels` [image, class] and names.

  Raises:
    FileNotFoundError: If there is no such file.
    BadDataError: If the file has another layout.
  """
  try:
    with np.load(pathlib.Path(path).expanduser(), allow_pickle=False) as file:
      arrays = {key: file[key] for key in file.files}
  except (ValueError, EOFError, zipfile.BadZipFile) as error:
    raise errors.BadDataError(
      f'{os.fspath(path)}: the file must be a .npz without pickled objects; '
      f'found: {error}'
    ) from error
  lacking = sorted({'ids', 'labels'} - set(arrays))
  if lacking:
    raise errors.BadDataError(
      f'{os.fspath(path)}: the file must have the arrays ids and labels; it '
      f'lacks {errors.listing(lacking)} and has '
      f'{errors.listing(sorted(arrays))}.'
    )
  ids, labels = _as_names(arrays['ids']), arrays['labels']
  names = arrays.get('class_names')
  groups = arrays.get('groups')
  shape = (len(ids), labels.shape[-1] if names is None else len(names))
  if labels.shape != shape or (groups is not None and len(groups) != len(ids)):
    raise errors.BadDataError(
      f'{os.fspath(path)}: labels must have the shape [ids, class_names], and '
      f'groups that of ids; found labels of shape {list(labels.shape)} for '
      f'{shape[0]} ids and {shape[1]} classes.'
    )
  return LabelMatrix(
    ids,
    labels.astype(bool),
    None if names is None else _as_names(names),
    None if groups is None else _as_names(groups),
  )


def _read_npz(path: pathlib.Path) -> Predictions | npt.NDArray[Any]:
  with np.load(path, allow_pickle=False) as file:
    keys = file.files
    value_key = next((key for key in _VALUE_KEYS if key in keys), None)
    id_key = next((key for key in _ID_KEYS if key in keys), None)
    if value_key is None and len(keys) == 1:
      value_key = keys[0]
    if value_key is None:
      raise errors.BadDataError(
        f'{path}: the file must have an array named '
        f'{", ".join(_VALUE_KEYS[:-1])} or {_VALUE_KEYS[-1]}; found '
        f'{errors.listing(sorted(keys))}.'
      )
    values: npt.NDArray[Any] = file[value_key]
    if id_key is None:
      return values
    names = file['class_names'] if 'class_names' in keys else None
    return Predictions(
      _as_names(file[id_key]),
      values,
      None if names is None else _as_names(names),
    )


def _read_npy(path: pathlib.Path) -> npt.NDArray[Any]:
  return np.asarray(np.load(path, allow_pickle=False))


def _read_json(path: pathlib.Path) -> Predictions | npt.NDArray[Any]:
  content = json.loads(path.read_bytes())
  if isinstance(content, dict):
    return Predictions(tuple(content), np.asarray(list(content.values())))
  if not isinstance(content, list):
    raise errors.BadDataError(
      f'{path}: the file must be a dictionary from file name to class, or a '
      f'list of classes; found {type(content).__name__}.'
    )
  return np.asarray(content)


def _read_csv(path: pathlib.Path) -> Predictions:
  with path.open(newline='', encoding='utf-8-sig') as file:
    rows = [row for row in csv.reader(file) if row]
  has_header = bool(rows) and rows[0][0].lower() in _CSV_ID_COLUMNS
  header = rows[0] if has_header else None
  first = 0 if header is None else 1
  width = len(rows[0]) if rows else 0
  for number, row in enumerate(rows[first:], start=first + 1):
    if len(row) != width or width < 2:
      raise errors.BadDataError(
        f'{path}, line {number}: each line must have an id and as many '
        f'entries as the first; found {len(row)} for {width}.'
      )
  ids = tuple(row[0] for row in rows[first:])
  values = _parse_cells(
    [[cell.strip() for cell in row[1:]] for row in rows[first:]]
  )
  names = None
  if values.dtype.kind == 'f' and header is not None:
    names = tuple(header[1:])
  return Predictions(ids, values, names)


def _read_txt(path: pathlib.Path) -> Predictions | npt.NDArray[Any]:
  rows = [
    line.split()
    for line in path.read_text(encoding='utf-8-sig').splitlines()
    if line.strip()
  ]
  width = len(rows[0]) if rows else 1
  for number, row in enumerate(rows, start=1):
    if len(row) != width:
      raise errors.BadDataError(
        f'{path}, line {number}: each line must have as many entries as the '
        f'first; found {len(row)} for {width}.'
      )
  if width == 1:
    return _parse_cells(rows).reshape(-1)
  return Predictions(
    tuple(row[0] for row in rows), _parse_cells([row[1:] for row in rows])
  )


def _parse_cells(rows: Sequence[Sequence[str]]) -> npt.NDArray[Any]:
  """Returns cells as integers, else as floats, else as names."""
  cells = np.array(rows, dtype=np.str_)
  for dtype in (np.int64, np.float64):
    try:
      return cells.astype(dtype)
    except ValueError:
      continue
  return cells


def _choose_feature(
  path: str | os.PathLike[str],
  classes: Mapping[str, tuple[str, ...]],
  class_names: Sequence[str] | None,
  num_classes: int | None,
) -> str:
  """Returns the one label feature that has these classes."""
  if class_names is not None:
    num_classes = len(class_names)
    fitting = [f for f, c in classes.items() if set(c) == set(class_names)]
  else:
    fitting = [f for f, c in classes.items() if len(c) == num_classes]
  if len(fitting) != 1:
    sizes = {feature: len(names) for feature, names in classes.items()}
    raise ValueError(
      f'{os.fspath(path)}: the {num_classes} classes of the scores must be '
      f'those of one label feature; found {sizes}. Name the label feature, or '
      'use scores of its classes.'
    )
  return fitting[0]


def _as_names(array: npt.NDArray[Any]) -> tuple[str, ...]:
  if array.dtype.kind == 'S':
    array = np.char.decode(array, 'utf-8')
  return tuple(str(name) for name in array.tolist())


def _match_rows(
  found: Sequence[str], wanted: Sequence[str]
) -> npt.NDArray[np.int64]:
  """Returns the row of each wanted image."""
  place = {name: row for row, name in enumerate(found)}
  missing = [name for name in wanted if name not in place]
  if missing:
    raise ValueError(
      f'Each image must have scores; {len(missing)} of {len(wanted)} do not: '
      f'{errors.listing(missing)}. Score them too.'
    )
  known = set(wanted)
  unknown = [name for name in found if name not in known]
  if unknown:
    raise ValueError(
      'Scores must be for images that have labels; '
      f'{len(unknown)} are not: {errors.listing(unknown)}. Use the scores of '
      'the same split as the labels.'
    )
  return np.array([place[name] for name in wanted], dtype=np.int64)
