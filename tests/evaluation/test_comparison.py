import math

import numpy as np
import pytest

from flair_tfds import evaluation

LABELS = [0, 1] * 50


def predictions(num_wrong):
  """Predictions with the first `num_wrong` images wrong."""
  values = np.array(LABELS)
  values[:num_wrong] = 1 - values[:num_wrong]
  return values


def compare(original, new):
  return evaluation.compare(
    {name: predictions(wrong) for name, wrong in original.items()},
    LABELS,
    {name: predictions(wrong) for name, wrong in new.items()},
    LABELS,
    rng=np.random.default_rng(0),
  )


def test_gap_and_error_ratio():
  shift = compare({'a': 5}, {'a': 15}).shifts[0]
  assert shift.gap == pytest.approx(0.1)
  assert shift.error_ratio == pytest.approx(3.0)


def test_error_ratio_of_a_faultless_model_is_infinite():
  assert compare({'a': 0}, {'a': 1}).shifts[0].error_ratio == math.inf


def test_models_are_ordered_by_original_accuracy_and_ranked_in_both():
  found = compare({'a': 9, 'b': 5, 'c': 5}, {'a': 10, 'b': 20, 'c': 30}).shifts
  assert [s.model for s in found] == ['b', 'c', 'a']
  assert [s.original_rank for s in found] == [1, 1, 3]
  assert [s.new_rank for s in found] == [2, 3, 1]


def test_line_through_models_on_a_line():
  # new error = 2 * original error: new = 2 * original - 1.
  found = compare(
    {'a': 5, 'b': 10, 'c': 20, 'd': 30}, {'a': 10, 'b': 20, 'c': 40, 'd': 60}
  ).fit
  assert found.slope.value == pytest.approx(2)
  assert found.intercept.value == pytest.approx(-1)
  assert found.r_squared == pytest.approx(1)
  assert (found.slope.low, found.slope.high) == pytest.approx((2, 2))
  np.testing.assert_allclose(found.predict([0.9]), [0.8])
  low, high = found.band([0.9])
  assert (low[0], high[0]) == pytest.approx((0.8, 0.8))


def test_line_equals_polyfit_and_lies_within_its_interval():
  original, new = [5, 10, 20, 30], [12, 18, 39, 55]
  found = compare(
    dict(zip('abcd', original, strict=True)),
    dict(zip('abcd', new, strict=True)),
  ).fit
  slope, intercept = np.polyfit(
    1 - np.array(original) / 100, 1 - np.array(new) / 100, 1
  )
  assert found.slope.value == pytest.approx(slope)
  assert found.intercept.value == pytest.approx(intercept)
  assert found.slope.low < slope < found.slope.high
  assert 0.9 < found.r_squared < 1


def test_two_models_determine_no_line():
  assert compare({'a': 5, 'b': 6}, {'a': 7, 'b': 8}).fit is None


def test_table_is_markdown_in_percent():
  table = compare({'a': 5}, {'a': 15}).table()
  assert table.splitlines()[2] == (
    '| a | 95.0 [88.7, 98.4] | 85.0 [76.5, 91.4] | 10.0 | 3.00 | 1 -> 1 |'
  )


def test_table_tells_the_line():
  table = compare(
    {'a': 5, 'b': 10, 'c': 20}, {'a': 10, 'b': 20, 'c': 40}
  ).table()
  assert table.endswith(
    'new = 2.000 [2.000, 2.000] x original + -100.0 [-100.0, -100.0], '
    'R^2 = 1.000'
  )


def test_both_test_sets_need_the_same_models():
  with pytest.raises(ValueError, match=r"2 models .* one only: 'a', 'b'"):
    compare({'a': 5}, {'b': 5})


def test_error_in_one_model_is_noted_with_its_name():
  with pytest.raises(ValueError, match='found 1 rows') as caught:
    evaluation.compare(
      {'a': [0]}, LABELS, {'a': [0]}, LABELS, rng=np.random.default_rng(0)
    )
  assert caught.value.__notes__ == ["This was model 'a'."]


MULTI = evaluation.MultiLabels.from_arrays(
  ids=list('abcd'),
  original=[0, 0, 1, 1],
  correct=[[0], [0], [1], [1]],
  unclear=[[], [1], [], []],
  problematic=[False, False, False, True],
)


def test_models_are_ranked_by_the_published_average():
  found = evaluation.compare_models(
    {'x': [1, 1, 1, 1], 'y': [0, 0, 0, 0], 'z': [0, 0, 1, 0]}, MULTI
  )
  rows = found.rows()
  assert [row.model for row in rows] == ['z', 'x', 'y']
  assert [row.value for row in rows] == [1.0, 0.75, 0.5]
  assert [row.num_correct for row in rows] == [3, 2, 2]
  assert found.ids == ('a', 'b', 'c')


def test_models_agree_with_lenient_accuracy():
  rng = np.random.default_rng(0)
  models = {str(i): rng.integers(0, 2, 4) for i in range(9)}
  found = evaluation.compare_models(models, MULTI)
  for row in found.rows():
    one = evaluation.lenient_accuracy(models[row.model], MULTI)
    assert (row.value, row.num_correct) == (one.macro, one.num_correct)
    assert row.interval == one.interval


def test_models_on_single_labels_agree_with_accuracy():
  found = evaluation.compare_models(
    {'x': predictions(5), 'y': predictions(10)}, LABELS
  )
  assert found.average == 'micro'
  assert [row.value for row in found.rows()] == [0.95, 0.9]


def test_models_may_be_mappings_by_file_name():
  found = evaluation.compare_models({'x': {'a': 0, 'b': 1}}, {'b': 1, 'a': 1})
  assert found.ids == ('b', 'a')
  assert found.right.tolist() == [[True, False]]


def test_models_average_can_be_chosen():
  found = evaluation.compare_models({'x': [1, 1, 1, 1]}, MULTI, average='micro')
  assert found.rows()[0].value == 2 / 3


def test_pair_of_models():
  found = evaluation.compare_models(
    {'x': predictions(30), 'y': predictions(5)}, LABELS
  )
  pair = found.pair('x', 'y', rng=np.random.default_rng(0))
  assert pair.difference.value == pytest.approx(0.25)
  assert pair.difference.low > 0.1
  assert pair.p_value < 0.01
  assert found.mcnemar('x', 'y') == pytest.approx(2 * 0.5**25)


def test_table_of_models():
  found = evaluation.compare_models({'x': predictions(5)}, LABELS).table()
  assert found.splitlines()[2] == (
    '| x | 95.00 | 95.00 [88.72, 98.36] | 95 of 100 |'
  )


def test_unknown_model_suggests_the_nearest():
  found = evaluation.compare_models({'vgg16': predictions(5)}, LABELS)
  with pytest.raises(KeyError, match="one of 'vgg16'; found 'vgg'"):
    found.mcnemar('vgg', 'vgg16')


def test_models_cannot_skip_images():
  with pytest.raises(ValueError, match='cannot be skipped when models are'):
    evaluation.compare_models({'x': [0]}, [0], on_missing='skip')


def test_unknown_average_is_refused():
  with pytest.raises(ValueError, match="'macro' or 'micro'; found 'mean'"):
    evaluation.compare_models({'x': [0]}, [0], average='mean')


def test_no_model_is_an_error():
  with pytest.raises(ValueError, match='at least one model'):
    evaluation.compare_models({}, [0])


def test_faulty_model_is_noted_with_its_name():
  with pytest.raises(ValueError, match='found 2 rows') as caught:
    evaluation.compare_models({'x': [0, 1, 1, 1], 'y': [0, 1]}, MULTI)
  assert caught.value.__notes__ == ["This was model 'y'."]
