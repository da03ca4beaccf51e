"""Predictions: put into the order of the labels, and read from files.

A model's predictions come as a mapping from file name to a class (or to
classes, best first), as an array aligned with the ids of the labels, or as
`Predictions` with ids of its own. Classes are ids or names (ImageNet: wnids);
an array of floats [image, class] is taken as scores, the highest first, and
the lower class id first among equals.

A mistake never becomes a number by itself: each kind is an error that counts
and names, unless the caller chose a policy.
"""

import dataclasses
import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from flair_tfds.core import errors

OnMissing = Literal['error', 'wrong', 'skip']
OnUnknown = Literal['error', 'ignore']
OnBadClass = Literal['error', 'wrong']

# In place of a class id: counted as wrong, or as if the image did not exist.
WRONG = -1
SKIP = -2


@dataclasses.dataclass(frozen=True)
class Policy:
  """What to do about predictions that do not fit the labels.

  Attributes:
    on_missing: An image without a prediction, or with nan scores. 'error';
      'wrong': it counts, as a mistake; 'skip': it does not count.
    on_unknown: A prediction for an image that has no labels. 'error';
      'ignore': it is passed over.
    on_bad_class: A class that the labels do not have. 'error'; 'wrong': it
      counts, as a mistake.
  """

  on_missing: OnMissing = 'error'
  on_unknown: OnUnknown = 'error'
  on_bad_class: OnBadClass = 'error'

  def __post_init__(self) -> None:
    for name, allowed in [
      ('on_missing', ('error', 'wrong', 'skip')),
      ('on_unknown', ('error', 'ignore')),
      ('on_bad_class', ('error', 'wrong')),
    ]:
      found = getattr(self, name)
      if found not in allowed:
        raise ValueError(
          f'{name} must be one of {", ".join(map(repr, allowed))}; found '
          f'{found!r}.'
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Predictions:
  """Predictions with the ids of their images.

  Attributes:
    ids: The unique name of each image.
    values: Class ids or names, shape [image] or, best first, [image, rank];
      or float scores, shape [image, class].
    class_names: The name of each column of scores, or None.
  """

  ids: tuple[str, ...]
  values: npt.NDArray[Any]
  class_names: tuple[str, ...] | None = None

  def __post_init__(self) -> None:
    if len(self.ids) != len(self.values):
      raise ValueError(
        'Predictions must have one id for each row; found '
        f'{len(self.ids)} ids and {len(self.values)} rows.'
      )
    if len(set(self.ids)) != len(self.ids):
      again = _repeated(self.ids)
      raise ValueError(
        f'Each image must be predicted once; {len(again)} ids repeat: '
        f'{errors.listing(again)}.'
      )


PredictionsLike = (
  Mapping[str, Any] | Mapping[bytes, Any] | npt.ArrayLike | Predictions
)


def align(
  predictions: PredictionsLike,
  ids: Sequence[str],
  num_classes: int,
  *,
  class_names: Sequence[str] | None = None,
  top_k: int = 1,
  policy: Policy | None = None,
) -> npt.NDArray[np.int64]:
  """Returns predicted class ids in the order of `ids`, best first.

  Args:
    predictions: See the module.
    ids: The image of each row of the answer.
    num_classes: Class ids must be in `0..num_classes - 1`.
    class_names: The name of each class id, for predictions by name.
    top_k: How many predictions to keep for each image.
    policy: What to do about predictions that do not fit; all errors where
      left out.

  Returns:
    Class ids; rows without a prediction and classes out of range hold WRONG
    or SKIP, as the policy says. Shape [image, top_k].

  Raises:
    ValueError: If a prediction is missing, unknown, out of range or nan and
      the policy does not allow it; if there are fewer than `top_k` of them for
      an image; or if they are not class ids, class names or scores.
  """
  policy = Policy() if policy is None else policy
  if top_k < 1:
    raise ValueError(f'top_k must be at least 1; found {top_k}.')
  if isinstance(predictions, Mapping):
    values, missing = _from_mapping(predictions, ids, policy)
  elif isinstance(predictions, Predictions):
    values, missing = _from_predictions(predictions, ids, policy)
  else:
    values, missing = _as_array(predictions), None
    if len(values) != len(ids):
      raise ValueError(
        'An array of predictions must be aligned with the ids of the labels; '
        f'found {len(values)} rows for {len(ids)} ids. Pass a mapping from id '
        'to class, or Predictions with ids, where they differ.'
      )
  names = None
  if isinstance(predictions, Predictions):
    names = predictions.class_names
  classes, is_nan = _to_classes(values, num_classes, class_names, names, top_k)
  if classes.shape[1] < top_k:
    raise ValueError(
      f'There must be {top_k} predictions for each image, best first; found '
      f'{classes.shape[1]}. Lower top_k, or predict more.'
    )
  classes = classes[:, :top_k]
  if is_nan is not None and is_nan.any():
    is_nan = is_nan if missing is None else is_nan & ~missing
    _check_absent(is_nan, ids, policy, 'scores that are not nan')
    missing = is_nan if missing is None else missing | is_nan
  bad = (classes < 0) | (classes >= num_classes)
  if missing is not None:
    bad[missing] = False
  if bad.any():
    classes = _replace_bad(classes, bad, ids, num_classes, policy)
  if missing is not None and missing.any():
    classes = np.array(classes)
    classes[missing] = SKIP if policy.on_missing == 'skip' else WRONG
  return classes


def _from_mapping(
  predictions: Mapping[Any, Any], ids: Sequence[str], policy: Policy
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]:
  """Returns the values in the order of ids, and which are missing."""
  if isinstance(next(iter(predictions), None), bytes):
    # TFDS gives file names as bytes.
    predictions = {
      key.decode() if isinstance(key, bytes) else key: value
      for key, value in predictions.items()
    }
  # A mapping of another type may make up what it lacks, as `defaultdict`.
  if type(predictions) is dict and len(predictions) == len(ids) > 1:
    try:
      return _as_array(operator.itemgetter(*ids)(predictions)), None
    except KeyError:
      pass  # told below, all of them
  known = set(ids)
  _check_unknown([key for key in predictions if key not in known], policy)
  missing = np.array([name not in predictions for name in ids], dtype=bool)
  _check_absent(missing, ids, policy, 'a prediction')
  present = [predictions[name] for name in ids if name in predictions]
  values = _as_array(present)
  if not missing.any():
    return values, None
  return _spread(values, missing), missing


def _from_predictions(
  predictions: Predictions, ids: Sequence[str], policy: Policy
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]:
  if predictions.ids == tuple(ids):
    return predictions.values, None
  place = {name: row for row, name in enumerate(predictions.ids)}
  rows = np.array([place.get(name, -1) for name in ids], dtype=np.int64)
  missing = rows < 0
  if len(ids) - missing.sum() != len(place):
    known = set(ids)
    _check_unknown([i for i in predictions.ids if i not in known], policy)
  _check_absent(missing, ids, policy, 'a prediction')
  if not missing.any():
    return predictions.values[rows], None
  return _spread(predictions.values[rows[~missing]], missing), missing


def _spread(
  values: npt.NDArray[Any], missing: npt.NDArray[np.bool_]
) -> npt.NDArray[Any]:
  """Returns the values with some valid row where one is missing."""
  if not len(values):
    return np.zeros((len(missing), *values.shape[1:]), dtype=np.int64)
  rows = np.maximum(np.cumsum(~missing) - 1, 0)
  return np.asarray(values[rows])


def _as_array(values: Any) -> npt.NDArray[Any]:
  """Returns an array of one or two dimensions."""
  try:
    array = np.asarray(values)
  except ValueError as error:
    raise ValueError(
      'Each image must have the same number of predictions; found lists of '
      'different lengths.'
    ) from error
  if array.dtype == object or array.ndim not in (1, 2):
    raise ValueError(
      'Predictions must be class ids, class names or scores, with the shape '
      f'[image] or [image, rank]; found dtype {array.dtype}, shape '
      f'{list(array.shape)}.'
    )
  # An empty list becomes floats, which would be taken as scores.
  return array if array.size else array.astype(np.int64)


def _to_classes(
  values: npt.NDArray[Any],
  num_classes: int,
  class_names: Sequence[str] | None,
  column_names: Sequence[str] | None,
  top_k: int,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_] | None]:
  """Returns class ids [image, rank], and for scores which rows have nan."""
  kind = values.dtype.kind
  if kind in 'iu':
    ranked = values.astype(np.int64, copy=False)
    return (ranked[:, None] if ranked.ndim == 1 else ranked), None
  if kind in 'US':
    return _names_to_classes(values, class_names), None
  if kind != 'f':
    raise ValueError(
      'Predictions must be integer class ids, class names, or float scores; '
      f'found dtype {values.dtype}.'
    )
  if values.ndim == 1:
    raise ValueError(
      'Predicted class ids must be integers; found one float for each image '
      f'(dtype {values.dtype}). Convert ids with `.astype(int)`; scores need '
      'the shape [image, class].'
    )
  if values.shape[1] != num_classes:
    raise ValueError(
      f'Scores must have one column for each of the {num_classes} classes; '
      f'found {values.shape[1]}. Class ids must be integers: convert them '
      'with `.astype(int)`.'
    )
  if column_names is not None and class_names is not None:
    values = values[:, match_columns(column_names, class_names)]
  is_nan = np.isnan(values).any(axis=1)
  ranked = np.argsort(-values, axis=1, kind='stable')[:, :top_k]
  return ranked, is_nan


def match_columns(
  column_names: Sequence[str], class_names: Sequence[str]
) -> npt.NDArray[np.int64]:
  """Returns the column of each class, by name.

  Raises:
    ValueError: If the two do not hold the same names.
  """
  place = {name: column for column, name in enumerate(column_names)}
  lacking = [name for name in class_names if name not in place]
  if lacking or len(place) != len(class_names):
    extra = sorted(set(column_names) - set(class_names))
    raise ValueError(
      'The columns of scores must be the classes of the labels; '
      f'{len(lacking)} classes have no column ({errors.listing(lacking)}), '
      f'{len(extra)} columns no class ({errors.listing(extra)}).'
    )
  return np.array([place[name] for name in class_names], dtype=np.int64)


def _names_to_classes(
  values: npt.NDArray[Any], class_names: Sequence[str] | None
) -> npt.NDArray[np.int64]:
  if class_names is None:
    raise ValueError(
      'Predictions by class name need labels with class names; these have '
      f'none, and the first prediction is {values.ravel()[0]!s}. Make the '
      'labels with class_names=, or predict class ids.'
    )
  index = {name: row for row, name in enumerate(class_names)}
  if values.dtype.kind == 'S':
    values = np.char.decode(values, 'utf-8')
  flat = values.ravel().tolist()
  unknown = [name for name in flat if name not in index]
  if unknown:
    first = sorted(set(unknown))
    raise ValueError(
      f'Predictions must be among the {len(index)} class names; '
      f'{len(unknown)} are not: {errors.listing(first)}.'
    )
  classes = np.array([index[name] for name in flat], dtype=np.int64)
  return classes.reshape(len(values), -1)


def _check_unknown(unknown: Sequence[object], policy: Policy) -> None:
  if unknown and policy.on_unknown == 'error':
    raise ValueError(
      'Predictions must be for images that have labels; '
      f'{len(unknown)} are not: {errors.listing(unknown)}. Correct the names, '
      "or pass on_unknown='ignore' to pass over them."
    )


def _check_absent(
  absent: npt.NDArray[np.bool_],
  ids: Sequence[str],
  policy: Policy,
  what: str,
) -> None:
  if policy.on_missing == 'error' and absent.any():
    names = [ids[row] for row in np.flatnonzero(absent).tolist()]
    raise ValueError(
      f'Each image must have {what}; {len(names)} of {len(ids)} do not: '
      f"{errors.listing(names)}. Predict them, or pass on_missing='wrong' to "
      "count them as mistakes or 'skip' to leave them out."
    )


def _replace_bad(
  classes: npt.NDArray[np.int64],
  bad: npt.NDArray[np.bool_],
  ids: Sequence[str],
  num_classes: int,
  policy: Policy,
) -> npt.NDArray[np.int64]:
  if policy.on_bad_class == 'error':
    places = np.argwhere(bad)
    shown = [(ids[r], int(classes[r, k])) for r, k in places[:6].tolist()]
    raise ValueError(
      f'Predicted class ids must be in 0..{num_classes - 1}; {len(places)} '
      f'are not: {errors.listing(shown)}. Count classes from 0, or pass '
      "on_bad_class='wrong' to count them as mistakes."
    )
  return np.where(bad, WRONG, classes)


def _repeated(items: Iterable[str]) -> list[str]:
  seen: set[str] = set()
  repeated = []
  for item in items:
    if item in seen:
      repeated.append(item)
    seen.add(item)
  return repeated
