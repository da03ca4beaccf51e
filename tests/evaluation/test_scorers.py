import numpy as np
import pytest
from sklearn import (
  linear_model,
  model_selection,
  multiclass,
  multioutput,
  neighbors,
)

from flair_tfds import evaluation
from flair_tfds.evaluation import scorers


def problem():
  rng = np.random.default_rng(0)
  features = rng.normal(size=(90, 4))
  return features, features[:, :3] + rng.normal(size=(90, 3)) > 0


def test_scorer_works_in_cross_validation_as_sklearns_own():
  features, labels = problem()
  model = multiclass.OneVsRestClassifier(linear_model.LogisticRegression())
  ours = model_selection.cross_val_score(
    model,
    features,
    labels,
    scoring=evaluation.Scorer(evaluation.average_precision, average='macro'),
  )
  theirs = model_selection.cross_val_score(
    model, features, labels, scoring='average_precision'
  )
  np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


def test_loss_is_turned_around():
  features, labels = problem()
  model = multiclass.OneVsRestClassifier(linear_model.LogisticRegression())
  model.fit(features, labels)
  scorer = evaluation.Scorer(
    evaluation.label_ranking_loss, greater_is_better=False
  )
  assert -1 < scorer(model, features, labels) < 0


def test_multi_output_probabilities_are_read():
  features, labels = problem()
  model = multioutput.MultiOutputClassifier(neighbors.KNeighborsClassifier())
  model.fit(features, labels)
  found = scorers.scores_of(model, features)
  assert found.shape == (90, 3)
  np.testing.assert_array_equal(
    found[:, 1], model.predict_proba(features)[1][:, 1]
  )


def test_estimator_without_scores_is_refused():
  scorer = evaluation.Scorer(evaluation.average_precision)
  with pytest.raises(TypeError, match='LinearRegression has neither'):
    scorer(linear_model.LinearRegression(), [[0]], [[1]])


def test_representation_names_metric_and_options():
  scorer = evaluation.Scorer(evaluation.average_precision, average='micro')
  assert repr(scorer) == "Scorer(average_precision, {'average': 'micro'})"
