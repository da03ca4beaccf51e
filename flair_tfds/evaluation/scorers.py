"""Scorers in scikit-learn's style: `scorer(estimator, X, y) -> float`.

For `cross_val_score(..., scoring=...)` and `GridSearchCV`. Needs no
scikit-learn by itself: an estimator is whatever has `predict_proba` or
`decision_function`.

Synopsis:

    scoring = Scorer(average_precision, average='macro')
    cross_val_score(estimator, features, labels, scoring=scoring)
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt


class Scorer:
  """Scores an estimator with any metric of scores and labels.

  Attributes:
    metric: Computes the value from `(scores, labels, **options)`.
    options: Passed on to the metric.
    sign: -1 for losses, so that higher is better, as scikit-learn wants.
  """

  metric: Callable[..., float]
  options: dict[str, Any]
  sign: int

  def __init__(
    self,
    metric: Callable[..., float],
    *,
    greater_is_better: bool = True,
    **options: Any,
  ) -> None:
    """Makes a scorer; `greater_is_better=False` turns a loss around."""
    self.metric = metric
    self.options = options
    self.sign = 1 if greater_is_better else -1

  def __repr__(self) -> str:
    return f'Scorer({self.metric.__name__}, {self.options})'

  def __call__(
    self, estimator: Any, features: npt.ArrayLike, labels: npt.ArrayLike
  ) -> float:
    """Returns the estimator's value on these images.

    Args:
      estimator: Has `decision_function` or `predict_proba`.
      features: Whatever the estimator takes.
      labels: Whether each class is present. Shape [image, class].

    Raises:
      TypeError: If the estimator has neither method.
    """
    scores = scores_of(estimator, features)
    return self.sign * self.metric(scores, labels, **self.options)


def scores_of(estimator: Any, features: npt.ArrayLike) -> npt.NDArray[Any]:
  """Returns an estimator's scores of the classes. Shape [image, class].

  Multi-output classifiers, which give one array [image, 2] per class, are read
  as such.

  Args:
    estimator: Has `decision_function` or `predict_proba`.
    features: Whatever the estimator takes.

  Raises:
    TypeError: If the estimator has neither method.
  """
  for name in ('decision_function', 'predict_proba'):
    if hasattr(estimator, name):
      found = getattr(estimator, name)(features)
      break
  else:
    raise TypeError(
      'An estimator must have decision_function or predict_proba, to give '
      f'scores; {type(estimator).__name__} has neither. Choose another, or '
      'wrap it in CalibratedClassifierCV.'
    )
  if isinstance(found, list):
    return np.stack([part[:, 1] for part in found], axis=1)
  return np.asarray(found)
