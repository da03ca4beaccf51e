import collections

import numpy as np
import pytest

from flair_tfds import evaluation

# Image   a        b        c          d           e          f (problematic)
# class   0        0        1          1           2          2
# correct 0        0, 1     1          -           2          2
# unclear -        -        -          3           2          -
# wrong   0, 2     -        0          1           -          1
LABELS = evaluation.MultiLabels.from_arrays(
  ids=list('abcdef'),
  original=[0, 0, 1, 1, 2, 2],
  correct=[[0], [0, 1], [1, 1], [], [2], [2]],
  unclear=[[], [], [], [3], [2], []],
  wrong=[[0, 2], [], [0], [1], [], [1]],
  problematic=[False] * 5 + [True],
  num_classes=4,
  class_names=['zero', 'one', 'two', 'three'],
)
SKIP_EMPTY = {'on_empty_class': 'skip'}  # nobody collected class 3
RIGHT = {'a': 0, 'b': 1, 'c': 1, 'd': 3, 'e': 2, 'f': 2}


def score(predictions, **options):
  return evaluation.lenient_accuracy(
    predictions, LABELS, **(SKIP_EMPTY | options)
  )


def test_values_derived_by_hand():
  # a is right (correct wins over wrong), b wrong and unreviewed, c wrong and
  # reviewed, d right (unclear), e right: classes 1/2, 1/2, 1/1.
  found = score({'a': 0, 'b': 3, 'c': 0, 'd': 3, 'e': 2, 'f': 2})
  np.testing.assert_array_equal(found.per_class, [0.5, 0.5, 1.0, np.nan])
  assert found.macro == pytest.approx(2 / 3, abs=1e-15)
  assert found.micro == 0.6
  assert (found.num_scored, found.num_correct) == (5, 3)
  assert found.num_unreviewed == 1
  assert found.num_scored_per_class.tolist() == [2, 2, 1, 0]
  assert found.num_correct_per_class.tolist() == [1, 1, 1, 0]


def test_strict_counts_only_correct_labels():
  found = score(RIGHT)
  assert found.micro == 1.0
  assert found.num_strict == 4  # not d, which is only unclear
  assert found.strict_micro == 0.8
  assert found.strict_macro == pytest.approx((1 + 0.5 + 1) / 3, abs=1e-15)
  np.testing.assert_array_equal(found.strict_per_class, [1, 0.5, 1, np.nan])


def test_class_listed_as_correct_and_wrong_is_right():
  assert score(RIGHT | {'a': 0}).num_correct == 5


def test_class_listed_as_correct_and_unclear_is_strictly_right():
  assert score(RIGHT).strict_per_class[2] == 1.0


def test_class_listed_twice_counts_once():
  assert score(RIGHT).num_correct_per_class.tolist() == [2, 2, 1, 0]


def test_image_without_correct_label_counts():
  assert score(RIGHT | {'d': 1}).num_correct_per_class[1] == 1


def test_problematic_images_can_be_included():
  found = score(RIGHT | {'f': 0}, include_problematic=True)
  assert (found.num_scored, found.num_correct) == (6, 5)
  assert found.num_unreviewed == 1
  assert found.per_class[2] == 0.5


def test_any_of_the_first_k_predictions_may_be_right():
  ranked = {name: [3, value] for name, value in RIGHT.items()}
  assert score(ranked, top_k=1).num_correct == 1  # d
  assert score(ranked, top_k=2).num_correct == 5


def test_unreviewed_counts_each_of_k_predictions():
  # 3 is in no list but d's; the second ones are all right.
  ranked = {name: [3, value] for name, value in RIGHT.items()}
  assert score(ranked, top_k=2).num_unreviewed == 4


def test_interval_is_that_of_the_micro_average():
  found = score(RIGHT)
  assert found.interval == evaluation.clopper_pearson(5, 5)


@pytest.mark.parametrize(
  'predictions',
  [
    np.array([0, 1, 1, 3, 2, 2], dtype=np.uint8),
    np.array([[0], [1], [1], [3], [2], [2]]),
    ['zero', 'one', 'one', 'three', 'two', 'two'],
    {b'a': 0, b'b': 1, b'c': 1, b'd': 3, b'e': 2, b'f': 2},
    {
      name: ['zero', 'one', 'two', 'three'][value]
      for name, value in RIGHT.items()
    },
    np.eye(4)[[0, 1, 1, 3, 2, 2]],
    evaluation.Predictions(tuple('fedcba'), np.array([2, 2, 3, 1, 1, 0])),
    evaluation.Predictions(
      tuple('abcdef'),
      np.eye(4)[[0, 1, 1, 3, 2, 2]][:, ::-1],
      class_names=('three', 'two', 'one', 'zero'),
    ),
  ],
  ids=[
    'array',
    'ranked array',
    'names',
    'bytes keys',
    'mapping to names',
    'scores',
    'ids in another order',
    'scores with other columns',
  ],
)
def test_forms_of_predictions_agree(predictions):
  assert score(predictions).num_correct == 5


def test_equal_scores_rank_the_lower_class_first():
  assert score(np.zeros((6, 4))).num_correct == 2  # class 0 for all: a, b


@pytest.mark.parametrize('cut', range(1, 6))
def test_merged_parts_equal_one_call(cut):
  predictions = np.array([0, 3, 0, 3, 2, 1])
  counts = [
    evaluation.LenientCounts.from_batch(predictions[rows], LABELS.take(rows))
    for rows in (np.arange(cut), np.arange(cut, 6))
  ]
  merged = counts[1].merge(counts[0]).result(on_empty_class='skip')
  whole = score(predictions)
  np.testing.assert_array_equal(merged.per_class, whole.per_class)
  assert (merged.macro, merged.num_unreviewed) == (
    whole.macro,
    whole.num_unreviewed,
  )


def test_parts_of_other_labels_cannot_be_merged():
  other = evaluation.MultiLabels.from_arrays(
    ids=['x'], original=[0], correct=[[0]]
  )
  make = evaluation.LenientCounts.from_batch
  with pytest.raises(ValueError, match=r'found 4 and 1. Take the parts'):
    make(RIGHT, LABELS).merge(make([0], other))


def test_missing_predictions_are_counted_and_named():
  with pytest.raises(
    ValueError, match=r"a prediction; 2 of 6 do not: 'c', 'f'\. Predict them"
  ):
    score({name: RIGHT[name] for name in 'abde'})


def test_defaults_of_a_mapping_are_no_predictions():
  predictions = collections.defaultdict(int, RIGHT | {'x': 0})
  del predictions['a']
  with pytest.raises(ValueError, match="are not: 'x'"):
    score(predictions)
  assert 'a' not in predictions


def test_missing_predictions_can_count_as_wrong():
  found = score({n: RIGHT[n] for n in 'abde'}, on_missing='wrong')
  assert (found.num_scored, found.num_correct) == (5, 4)
  assert found.num_unreviewed == 0


def test_missing_predictions_can_be_skipped():
  found = score({n: RIGHT[n] for n in 'abde'}, on_missing='skip')
  assert (found.num_scored, found.num_correct) == (4, 4)


def test_missing_predictions_by_name_can_be_skipped():
  found = score({'b': 'one'}, on_missing='skip')
  assert (found.num_scored, found.num_correct) == (1, 1)


def test_unknown_file_names_are_counted_and_named():
  with pytest.raises(
    ValueError, match=r"images that have labels; 1 are not: 'x'\. Correct"
  ):
    score(RIGHT | {'x': 0})


def test_unknown_file_names_are_found_where_as_many_are_missing():
  predictions = RIGHT | {'x': 0}
  del predictions['a']
  with pytest.raises(ValueError, match="1 are not: 'x'"):
    score(predictions)


def test_unknown_file_names_can_be_ignored():
  assert score(RIGHT | {'x': 0}, on_unknown='ignore').num_correct == 5


def test_unknown_ids_of_predictions_are_named():
  predictions = evaluation.Predictions(
    tuple('abcdefx'), np.array([0, 1, 1, 3, 2, 2, 0])
  )
  with pytest.raises(ValueError, match="1 are not: 'x'"):
    score(predictions)
  assert score(predictions, on_unknown='ignore').num_correct == 5


def test_missing_ids_of_predictions_follow_the_policy():
  predictions = evaluation.Predictions(('b', 'a'), np.array([1, 0]))
  with pytest.raises(ValueError, match="4 of 6 do not: 'c', 'd', 'e', 'f'"):
    score(predictions)
  assert score(predictions, on_missing='skip').num_scored == 2


@pytest.mark.parametrize('value', [4, -1])
def test_class_ids_out_of_range_are_counted_and_named(value):
  with pytest.raises(
    ValueError, match=rf"0\.\.3; 1 are not: \('b', {value}\)\. Count classes"
  ):
    score(RIGHT | {'b': value})


def test_class_ids_out_of_range_can_count_as_wrong():
  found = score(RIGHT | {'b': 4}, on_bad_class='wrong')
  assert (found.num_scored, found.num_correct) == (5, 4)


def test_unknown_class_names_are_counted_and_named():
  with pytest.raises(ValueError, match="4 class names; 1 are not: 'four'"):
    score(['zero', 'one', 'one', 'four', 'two', 'two'])


def test_class_names_need_labels_with_names():
  labels = evaluation.MultiLabels.from_arrays(
    ids=['x'], original=[0], correct=[[0]]
  )
  with pytest.raises(ValueError, match=r'labels with class names; .* zero'):
    evaluation.lenient_accuracy(['zero'], labels)


def test_nan_scores_are_counted_and_named():
  scores = np.eye(4)[[0, 1, 1, 3, 2, 2]]
  scores[1, 2] = np.nan
  with pytest.raises(
    ValueError, match="scores that are not nan; 1 of 6 do not: 'b'"
  ):
    score(scores)


def test_images_with_nan_scores_follow_the_policy():
  scores = np.eye(4)[[0, 1, 1, 3, 2, 2]]
  scores[1, 2] = np.nan
  assert score(scores, on_missing='wrong').num_correct == 4
  assert score(scores, on_missing='skip').num_scored == 4


def test_class_without_scored_image_is_named():
  with pytest.raises(
    ValueError, match=r'scored image; 1 of 4 have none: 3\. Pass on_empty'
  ):
    evaluation.lenient_accuracy(RIGHT, LABELS)


def test_classes_that_nobody_declared_need_no_images():
  labels = evaluation.MultiLabels.from_arrays(
    ids=['x'], original=[0], correct=[[0]], wrong=[[5]]
  )
  assert evaluation.lenient_accuracy([0], labels).macro == 1.0


def test_class_whose_images_are_all_problematic_is_an_error():
  labels = evaluation.MultiLabels.from_arrays(
    ids=['x', 'y'],
    original=[0, 1],
    correct=[[0], [1]],
    problematic=[False, True],
  )
  with pytest.raises(ValueError, match='1 of 2 have none: 1'):
    evaluation.lenient_accuracy([0, 1], labels)


def test_no_scored_image_at_all_is_an_error():
  with pytest.raises(ValueError, match='At least one image must be scored'):
    score({}, on_missing='skip')


def test_array_must_be_aligned():
  with pytest.raises(
    ValueError, match=r'found 5 rows for 6 ids. Pass a mapping'
  ):
    score([0, 1, 1, 3, 2])


def test_fewer_predictions_than_k_are_an_error():
  with pytest.raises(ValueError, match=r'5 predictions .* found 1\. Lower'):
    score(RIGHT, top_k=5)


def test_k_must_be_positive():
  with pytest.raises(ValueError, match='top_k must be at least 1; found 0'):
    score(RIGHT, top_k=0)


def test_ranked_lists_must_be_equally_long():
  with pytest.raises(ValueError, match='found lists of different lengths'):
    score(RIGHT | {'a': [0, 1]})


def test_float_class_ids_are_refused():
  with pytest.raises(ValueError, match='must be integers; found one float'):
    score(np.array([0.0, 1, 1, 3, 2, 2]))


def test_scores_need_a_column_for_each_class():
  with pytest.raises(ValueError, match='each of the 4 classes; found 3'):
    score(np.zeros((6, 3)))


def test_columns_of_scores_must_be_the_classes():
  predictions = evaluation.Predictions(
    tuple('abcdef'), np.zeros((6, 4)), ('zero', 'one', 'two', 'drei')
  )
  with pytest.raises(
    ValueError, match=r"1 classes have no column \('three'\), .* \('drei'\)"
  ):
    score(predictions)


def test_other_types_of_predictions_are_refused():
  with pytest.raises(ValueError, match='found dtype object'):
    score([None] * 6)
  with pytest.raises(ValueError, match='found dtype bool'):
    score([True] * 6)


@pytest.mark.parametrize(
  'option', ['on_missing', 'on_unknown', 'on_bad_class', 'on_empty_class']
)
def test_unknown_policy_lists_the_choices(option):
  with pytest.raises(ValueError, match=rf"{option} must be .*found 'guess'"):
    score(RIGHT, **{option: 'guess'})


def test_repeated_ids_of_predictions_are_named():
  with pytest.raises(ValueError, match="predicted once; 1 ids repeat: 'a'"):
    evaluation.Predictions(('a', 'a'), np.array([0, 1]))


def test_predictions_need_one_id_per_row():
  with pytest.raises(ValueError, match='found 2 ids and 1 rows'):
    evaluation.Predictions(('a', 'b'), np.array([0]))


def test_real_accuracy_leaves_out_images_without_labels():
  labels = evaluation.MultiLabels.from_real(
    [[0], [1, 2], []], original=[0, 1, 2], num_classes=3
  )
  found = evaluation.real_accuracy([0, 2, 2], labels)
  assert (found.num_scored, found.num_correct) == (2, 2)


def test_real_accuracy_refuses_labels_of_another_kind():
  with pytest.raises(ValueError, match='2 unclear and 5 wrong labels'):
    evaluation.real_accuracy(RIGHT, LABELS)
