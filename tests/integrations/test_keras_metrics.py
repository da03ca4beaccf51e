import keras
import numpy as np
import pytest

from flair_tfds import evaluation
from flair_tfds.integrations import keras_metrics

NUM_IMAGES, NUM_CLASSES = 150, 5


def problem():
  rng = np.random.default_rng(0)
  features = rng.normal(size=(NUM_IMAGES, 8)).astype(np.float32)
  noise = rng.normal(size=(NUM_IMAGES, NUM_CLASSES))
  return features, features[:, :NUM_CLASSES] + noise > 0.5


def make_metric(**options):
  return keras_metrics.AveragePrecision(
    num_images=NUM_IMAGES, num_classes=NUM_CLASSES, **options
  )


def make_model(metrics, **options):
  keras.utils.set_random_seed(0)
  model = keras.Sequential(
    [
      keras.Input((8,)),
      keras.layers.Dense(NUM_CLASSES, activation='sigmoid'),
    ]
  )
  model.compile(loss='binary_crossentropy', metrics=metrics, **options)
  return model


@pytest.mark.parametrize('average', ['macro', 'micro', 'weighted', 'samples'])
def test_batches_give_the_bits_of_numpy(average):
  scores = np.random.default_rng(1).random((NUM_IMAGES, NUM_CLASSES))
  scores = scores.astype(np.float32)
  _, labels = problem()
  metric = make_metric(average=average)
  for rows in np.array_split(np.arange(NUM_IMAGES), 7):
    metric.update_state(labels[rows], scores[rows])
  assert metric.result() == evaluation.average_precision(
    scores, labels, average=average
  )


@pytest.mark.parametrize(
  'options',
  [{}, {'jit_compile': True}, {'jit_compile': False}, {'run_eagerly': True}],
  ids=str,
)
def test_compiled_model_evaluates_to_the_numpy_answer(options):
  features, labels = problem()
  model = make_model([make_metric()], **options)
  found = model.evaluate(
    features, labels, batch_size=64, verbose=0, return_dict=True
  )
  scores = model.predict(features, verbose=0)
  expected = evaluation.average_precision(scores, labels)
  # The same scores up to the compiler's rounding: no ties are near.
  assert found['average_precision'] == pytest.approx(expected, abs=1e-12)


def test_fit_gives_training_and_validation_values():
  features, labels = problem()
  model = make_model([make_metric()])
  history = model.fit(
    features[:100],
    labels[:100],
    validation_data=(features[100:], labels[100:]),
    epochs=2,
    batch_size=32,
    verbose=0,
  ).history
  assert np.isfinite(history['average_precision']).all()
  scores = model.predict(features[100:], verbose=0)
  assert history['val_average_precision'][-1] == pytest.approx(
    evaluation.average_precision(scores, labels[100:]), abs=1e-12
  )


def test_any_metric_of_scores_and_labels_will_do():
  _, labels = problem()
  scores = np.random.default_rng(2).random(labels.shape).astype(np.float32)
  metric = keras_metrics.ScoreMetric(
    evaluation.coverage_error, num_images=NUM_IMAGES, num_classes=NUM_CLASSES
  )
  metric.update_state(labels, scores)
  assert metric.name == 'coverage_error'
  assert metric.result() == evaluation.coverage_error(scores, labels)


def test_reset_forgets_the_images():
  _, labels = problem()
  scores = np.random.default_rng(3).random(labels.shape).astype(np.float32)
  metric = make_metric()
  metric.update_state(labels, scores[::-1])
  metric.reset_state()
  assert np.isnan(metric.result())
  metric.update_state(labels[:50], scores[:50])
  assert metric.result() == evaluation.average_precision(
    scores[:50], labels[:50]
  )


# Keras 3.15 converts variables in a way that NumPy 2 deprecates.
@pytest.mark.filterwarnings('ignore:__array__ implementation')
def test_saved_model_comes_back_with_its_metrics(tmp_path):
  features, labels = problem()
  metric = keras_metrics.ScoreMetric(
    evaluation.label_ranking_loss,
    num_images=NUM_IMAGES,
    num_classes=NUM_CLASSES,
  )
  model = make_model([make_metric(average='micro'), metric])
  model.fit(features, labels, verbose=0)  # so that there is all to save
  expected = model.evaluate(features, labels, verbose=0, return_dict=True)
  model.save(tmp_path / 'model.keras')
  found = keras.models.load_model(tmp_path / 'model.keras').evaluate(
    features, labels, verbose=0, return_dict=True
  )
  assert found == pytest.approx(expected)


def test_metric_is_made_anew_from_its_config():
  metric = make_metric(average='weighted', on_no_positives='skip', name='ap')
  again = keras_metrics.AveragePrecision.from_config(metric.get_config())
  assert again.get_config() == metric.get_config()


def test_more_images_than_reserved_are_an_error():
  metric = keras_metrics.AveragePrecision(num_images=2, num_classes=1)
  metric.update_state([[1], [0], [1]], [[0.1], [0.2], [0.3]])
  with pytest.raises(ValueError, match=r'at most num_images=2 .* found 3'):
    metric.result()


def test_labels_other_than_zero_and_one_are_an_error():
  metric = keras_metrics.AveragePrecision(num_images=2, num_classes=1)
  metric.update_state([[1.0], [0.5]], [[0.1], [0.2]])
  with pytest.raises(ValueError, match='zeros and ones; found 2 at'):
    metric.result()


def test_nan_scores_are_an_error():
  metric = keras_metrics.AveragePrecision(num_images=2, num_classes=1)
  metric.update_state([[1], [0]], [[0.1], [np.nan]])
  with pytest.raises(ValueError, match='must not be nan; found 1 of 2'):
    metric.result()


def test_weights_are_refused():
  with pytest.raises(ValueError, match='not in `weighted_metrics`'):
    make_metric().update_state([[1] * 5], [[0.5] * 5], sample_weight=[2.0])


def test_another_number_of_classes_is_refused():
  with pytest.raises(ValueError, match=r'y_pred .* \[image, 5\]; found \[1, 2'):
    make_metric().update_state([[1, 0]], [[0.5, 0.5]])


def test_one_number_is_needed():
  with pytest.raises(ValueError, match='one number for Keras; found None'):
    make_metric(average=None)


def test_memory_must_be_reserved():
  with pytest.raises(ValueError, match='at least 1; found 0 and 5'):
    keras_metrics.AveragePrecision(num_images=0, num_classes=5)
