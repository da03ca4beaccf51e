"""Numbers that a paper can quote: metrics on plain NumPy arrays.

Synopsis:

    from flair_tfds import evaluation

    # Score matrices [image, class] against labels of the same shape.
    evaluation.average_precision(scores, labels, average='macro')
    evaluation.DecisionCounts.from_batch(scores, labels, threshold=0.5).f1()

    # One prediction per image, several right answers.
    labels = evaluation.MultiLabels.from_tfds('imagenet2012_multilabel')
    evaluation.lenient_accuracy({'ILSVRC2012_val_00000001.JPEG': 65}, labels)

    # One right answer, with its exact interval.
    evaluation.accuracy(predictions, labels).interval

Everything is made of small records with `from_batch`, `merge` and a result, so
that batches, shards and processes give the same answer as one call. Nothing
here imports TensorFlow.
"""

from flair_tfds.evaluation.comparison import (
  ModelComparison,
  ShiftComparison,
  compare,
  compare_models,
)
from flair_tfds.evaluation.decisions import DecisionCounts, best_thresholds
from flair_tfds.evaluation.groups import (
  GroupValues,
  by_group,
  by_level,
  group_means,
)
from flair_tfds.evaluation.intervals import (
  Interval,
  PairedComparison,
  bootstrap,
  bootstrap_mean,
  clopper_pearson,
  compare_paired,
  mcnemar,
)
from flair_tfds.evaluation.labels import MultiLabels
from flair_tfds.evaluation.lenient import (
  LenientAccuracy,
  LenientCounts,
  lenient_accuracy,
  real_accuracy,
)
from flair_tfds.evaluation.positive_ranks import (
  PositiveRanks,
  PositiveScores,
  average_precision,
)
from flair_tfds.evaluation.predictions import Predictions
from flair_tfds.evaluation.ranking import (
  RankingValues,
  coverage_error,
  label_ranking_average_precision,
  label_ranking_loss,
)
from flair_tfds.evaluation.scorers import Scorer
from flair_tfds.evaluation.single_label import (
  Accuracy,
  AccuracyCounts,
  accuracy,
)
from flair_tfds.evaluation.threshold_counts import (
  ThresholdCounts,
  averaged_precision_at_thresholds,
)

__all__ = [
  'Accuracy',
  'AccuracyCounts',
  'DecisionCounts',
  'GroupValues',
  'Interval',
  'LenientAccuracy',
  'LenientCounts',
  'ModelComparison',
  'MultiLabels',
  'PairedComparison',
  'PositiveRanks',
  'PositiveScores',
  'Predictions',
  'RankingValues',
  'Scorer',
  'ShiftComparison',
  'ThresholdCounts',
  'accuracy',
  'average_precision',
  'averaged_precision_at_thresholds',
  'best_thresholds',
  'bootstrap',
  'bootstrap_mean',
  'by_group',
  'by_level',
  'clopper_pearson',
  'compare',
  'compare_models',
  'compare_paired',
  'coverage_error',
  'group_means',
  'label_ranking_average_precision',
  'label_ranking_loss',
  'lenient_accuracy',
  'mcnemar',
  'real_accuracy',
]
