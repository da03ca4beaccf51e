"""Keras 3 metrics that give exactly the NumPy answer.

    model.compile(
        loss='binary_crossentropy',
        metrics=[AveragePrecision(num_images=43_960, num_classes=17)],
    )
    model.evaluate(images, labels)

Keras's own `AUC(curve='PR', multi_label=True)` is an approximation by 200
thresholds, and of another area: off by as much as a tenth. These metrics keep
the scores of an epoch and hand them to the functions of
`flair_tfds.evaluation`. They work compiled, also with XLA, and eagerly; tried
on Keras's TensorFlow and JAX backends.

While a compiled epoch runs the value is nan: it exists once all images are
seen, and `fit`, `evaluate` and callbacks get it at the end of the epoch. With
`run_eagerly=True` Keras asks after each batch, and each answer takes as long as
that of all images so far.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from flair_tfds import evaluation

try:
  import keras
except ImportError as error:
  raise ImportError(
    "Keras metrics need Keras 3: pip install 'keras>=3'."
  ) from error

_Metric = Callable[..., float]

# Lets Keras find them when it loads a model that was compiled with them.
for _function in (
  evaluation.coverage_error,
  evaluation.label_ranking_average_precision,
  evaluation.label_ranking_loss,
):
  keras.saving.register_keras_serializable(package='flair_tfds')(_function)


@keras.saving.register_keras_serializable(package='flair_tfds')
class ScoreMetric(keras.metrics.Metric):  # type: ignore[misc]
  """Any metric of scores and labels, computed at the end of an epoch.

  Memory: 5 bytes for each image and class, on the device of the model (36 MB
  for 17, 358 MB for 1,628 classes on FLAIR's test split).

  Attributes:
    metric: Computes the value from `(scores, labels)`, shape [image, class].
    num_images: The most images of an epoch.
    num_classes: The number of classes.
  """

  def __init__(
    self,
    metric: _Metric,
    *,
    num_images: int,
    num_classes: int,
    name: str | None = None,
  ) -> None:
    """Reserves the memory for an epoch.

    Args:
      metric: Computes the value from `(scores, labels)`. To load a model
        compiled with a function of your own, register it with Keras.
      num_images: The most images of an epoch: of the larger of the training
        and the validation data, where both are evaluated.
      num_classes: The number of classes.
      name: What the value is called in logs; the metric's name where left out.

    Raises:
      ValueError: If a number is not positive.
    """
    if num_images < 1 or num_classes < 1:
      raise ValueError(
        'num_images and num_classes must be at least 1; found '
        f'{num_images} and {num_classes}.'
      )
    super().__init__(name=name or getattr(metric, '__name__', 'score_metric'))
    self.metric = metric
    self.num_images = num_images
    self.num_classes = num_classes
    shape = (num_images, num_classes)
    self._scores = self.add_variable(shape, 'zeros', 'float32', name='scores')
    self._labels = self.add_variable(shape, 'zeros', 'uint8', name='labels')
    # Also counts what did not fit, so that it can be told.
    self._count = self.add_variable((), 'zeros', 'int32', name='count')

  def update_state(
    self, y_true: Any, y_pred: Any, sample_weight: Any = None
  ) -> None:
    """Keeps the scores and labels of a batch.

    Args:
      y_true: Whether each class is present. Shape [image, class].
      y_pred: Scores. Shape [image, class].
      sample_weight: Must be None: pass the metric in `metrics`, not in
        `weighted_metrics`.

    Raises:
      ValueError: If there are weights, or another number of classes.
    """
    if sample_weight is not None:
      raise ValueError(
        f'{self.name} must have no sample_weight: all images count the same. '
        'Pass it in `metrics` of compile, not in `weighted_metrics`.'
      )
    scores = keras.ops.convert_to_tensor(y_pred, dtype='float32')
    labels = keras.ops.convert_to_tensor(y_true)
    for what, tensor in (('y_pred', scores), ('y_true', labels)):
      if len(tensor.shape) != 2 or tensor.shape[1] != self.num_classes:
        raise ValueError(
          f'{what} must have the shape [image, {self.num_classes}]; found '
          f'{list(tensor.shape)}.'
        )
    # Anything but 0 and 1 is kept recognisable, for the error at the end.
    is_one = keras.ops.equal(labels, keras.ops.ones_like(labels))
    is_zero = keras.ops.equal(labels, keras.ops.zeros_like(labels))
    labels = keras.ops.where(is_one, 1, keras.ops.where(is_zero, 0, 2))
    num = keras.ops.shape(scores)[0]
    # Rows beyond the end overwrite the last one: `result` refuses them all.
    rows = keras.ops.minimum(
      keras.ops.arange(num, dtype='int32') + self._count, self.num_images - 1
    )
    _write_rows(self._scores, rows, scores)
    _write_rows(self._labels, rows, keras.ops.cast(labels, 'uint8'))
    self._count.assign_add(keras.ops.cast(num, 'int32'))

  def result(self) -> Any:
    """Returns the metric of all images since the last reset.

    Raises:
      ValueError: If there were more images than `num_images`, a label was
        neither 0 nor 1, or the metric refuses them.
    """
    if _is_tracing(self._count):
      return keras.ops.convert_to_tensor(np.nan, dtype='float32')
    # Sums and slices are tensors: NumPy 2 warns of converting variables.
    count = int(keras.ops.convert_to_numpy(self._count + 0))
    if count > self.num_images:
      raise ValueError(
        f'{self.name} must see at most num_images={self.num_images} images '
        f'in an epoch; found {count}. Make it with a larger num_images.'
      )
    if not count:
      return np.nan
    return self.compute(
      keras.ops.convert_to_numpy(self._scores[:count]),
      keras.ops.convert_to_numpy(self._labels[:count]),
    )

  def compute(
    self, scores: npt.NDArray[np.float32], labels: npt.NDArray[np.uint8]
  ) -> float:
    """Returns the metric of these scores and labels."""
    return self.metric(scores, labels)

  def reset_state(self) -> None:
    """Forgets the images seen so far."""
    # The rows need no clearing: only as many as are counted are read.
    self._count.assign(0)

  def get_config(self) -> dict[str, Any]:
    """Returns what makes the same metric anew."""
    return {
      'metric': keras.saving.serialize_keras_object(self.metric),
      'num_images': self.num_images,
      'num_classes': self.num_classes,
      'name': self.name,
    }

  @classmethod
  def from_config(cls, config: dict[str, Any]) -> 'ScoreMetric':
    """Makes the metric that `get_config` described."""
    config = dict(config)
    if isinstance(config.get('metric'), dict):
      config['metric'] = keras.saving.deserialize_keras_object(config['metric'])
    return cls(**config)


@keras.saving.register_keras_serializable(package='flair_tfds')
class AveragePrecision(ScoreMetric):
  """`flair_tfds.evaluation.average_precision`, to the last bit.

  Attributes:
    average: See `flair_tfds.evaluation.average_precision`.
    on_no_positives: See there.
  """

  def __init__(
    self,
    *,
    num_images: int,
    num_classes: int,
    average: str = 'macro',
    on_no_positives: str = 'zero',
    name: str = 'average_precision',
  ) -> None:
    """Reserves the memory for an epoch; see `ScoreMetric`."""
    super().__init__(
      evaluation.average_precision,
      num_images=num_images,
      num_classes=num_classes,
      name=name,
    )
    if average not in ('macro', 'micro', 'weighted', 'samples'):
      raise ValueError(
        "average must be 'macro', 'micro', 'weighted' or 'samples', one number "
        f'for Keras; found {average!r}.'
      )
    self.average = average
    self.on_no_positives = on_no_positives

  def compute(
    self, scores: npt.NDArray[np.float32], labels: npt.NDArray[np.uint8]
  ) -> float:
    """Returns the average precision of these scores and labels."""
    options: Any = {
      'average': self.average,
      'on_no_positives': self.on_no_positives,
    }
    return float(evaluation.average_precision(scores, labels, **options))

  def get_config(self) -> dict[str, Any]:
    """Returns what makes the same metric anew."""
    config = super().get_config()
    del config['metric']
    return config | {
      'average': self.average,
      'on_no_positives': self.on_no_positives,
    }


def _write_rows(variable: Any, rows: Any, values: Any) -> None:
  """Writes rows of a variable; in place on TensorFlow, not copying the rest."""
  if keras.backend.backend() == 'tensorflow':
    import tensorflow as tf

    variable.value.scatter_update(tf.IndexedSlices(values, rows))
    return
  indices = keras.ops.expand_dims(rows, 1)
  variable.assign(keras.ops.scatter_update(variable.value, indices, values))


def _is_tracing(variable: Any) -> bool:
  """Returns whether a step is being compiled: values do not exist yet."""
  if keras.backend.backend() == 'tensorflow':
    import tensorflow as tf

    return not tf.executing_eagerly()
  if keras.backend.backend() == 'jax':
    import jax  # type: ignore[import-not-found, unused-ignore]

    return isinstance(variable.value, jax.core.Tracer)
  return False
