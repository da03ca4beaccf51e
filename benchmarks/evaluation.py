"""Measures the evaluation room against what people use today.

  python benchmarks/evaluation.py [--images 43960] [--classes 1628]

Prints, side by side in one run and on the same cores:

1. the lenient accuracy of one model on 20,000 labelled images, against the loop
   of the dataset's page in TFDS's catalogue (made to run: straight quotes, `in`
   for `is in`, file names as text), over TensorFlow's examples as on the page,
   and over examples that lie in memory as NumPy arrays;
2. 100 models compared in one call, against one;
3. the average precision of each class, against scikit-learn, with the largest
   difference and the peak memory.

Labels and predictions are drawn with the shape of the real ones; what is
compared gets the same ones.
"""

import argparse
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from flair_tfds import evaluation

_NUM_IMAGES = 20_000
_NUM_CLASSES = 1000
_NUM_MODELS = 100


def make_labels(rng: np.random.Generator) -> dict[str, Any]:
  """Draws labels with the shape of multi-label ImageNet's."""
  original = np.arange(_NUM_IMAGES) % _NUM_CLASSES

  def lists(mean: float) -> list[np.ndarray]:
    counts = rng.poisson(mean, _NUM_IMAGES)
    return [rng.integers(0, _NUM_CLASSES, n) for n in counts]

  return {
    'ids': [f'ILSVRC2012_val_{i + 1:08d}.JPEG' for i in range(_NUM_IMAGES)],
    'original': original,
    'correct': [
      np.append(more, right)
      for more, right in zip(lists(0.2), original, strict=True)
    ],
    'unclear': lists(0.02),
    'wrong': lists(3.0),
    'problematic': rng.random(_NUM_IMAGES) < 0.065,
    'num_classes': _NUM_CLASSES,
  }


def make_predictions(
  labels: Mapping[str, Any], rng: np.random.Generator
) -> np.ndarray:
  """Draws the predictions of a model that is right on about 80%."""
  drawn = rng.integers(0, _NUM_CLASSES, _NUM_IMAGES)
  return np.where(rng.random(_NUM_IMAGES) < 0.8, labels['original'], drawn)


def catalogue_loop(
  examples: Iterable[Mapping[str, Any]],
  predictions: Mapping[str, int],
  to_numpy: Callable[[Any], Any],
) -> float:
  """The loop of the catalogue's page, with its syntax errors corrected."""
  num_correct_per_class: dict[int, int] = {}
  num_images_per_class: dict[int, int] = {}
  for example in examples:
    if to_numpy(example['is_problematic']):
      continue
    cur_class = int(to_numpy(example['original_label']))
    if cur_class not in num_correct_per_class:
      num_correct_per_class[cur_class] = 0
      num_images_per_class[cur_class] = 0
    num_images_per_class[cur_class] += 1
    cur_pred = predictions[to_numpy(example['file_name']).decode()]
    if cur_pred in to_numpy(
      example['correct_multi_labels']
    ) or cur_pred in to_numpy(example['unclear_multi_labels']):
      num_correct_per_class[cur_class] += 1
  final_avg = 0.0
  for cid in range(_NUM_CLASSES):
    final_avg += num_correct_per_class[cid] / num_images_per_class[cid]
  return final_avg / _NUM_CLASSES


def best_of(num: int, function: Callable[[], Any]) -> tuple[float, Any]:
  """Returns the shortest time in seconds of several runs, and the result."""
  times = []
  for _ in range(num):
    start = time.perf_counter()
    result = function()
    times.append(time.perf_counter() - start)
  return min(times), result


def measure_lenient() -> None:
  import tensorflow as tf

  rng = np.random.default_rng(0)
  arrays = make_labels(rng)
  labels = evaluation.MultiLabels.from_arrays(**arrays)
  predictions = make_predictions(arrays, rng)
  by_name = dict(zip(arrays['ids'], predictions.tolist(), strict=True))
  labels.marks.sum()  # labels are loaded before the clock starts

  examples = [
    {
      'is_problematic': np.bool_(problematic),
      'original_label': np.int64(original),
      'file_name': name.encode(),
      'correct_multi_labels': correct,
      'unclear_multi_labels': unclear,
    }
    for problematic, original, name, correct, unclear in zip(
      arrays['problematic'],
      arrays['original'],
      arrays['ids'],
      arrays['correct'],
      arrays['unclear'],
      strict=True,
    )
  ]
  dataset = tf.data.Dataset.from_tensor_slices(
    {
      'is_problematic': arrays['problematic'],
      'original_label': arrays['original'],
      'file_name': arrays['ids'],
      'correct_multi_labels': tf.ragged.constant(
        [row.tolist() for row in arrays['correct']], dtype=tf.int64
      ),
      'unclear_multi_labels': tf.ragged.constant(
        [row.tolist() for row in arrays['unclear']], dtype=tf.int64
      ),
    }
  )
  page, expected = best_of(
    1,
    lambda: catalogue_loop(dataset, by_name, lambda tensor: tensor.numpy()),
  )
  in_memory, _ = best_of(
    3, lambda: catalogue_loop(examples, by_name, lambda value: value)
  )
  array, found = best_of(
    20, lambda: evaluation.lenient_accuracy(predictions, labels).macro
  )
  mapping, _ = best_of(
    20, lambda: evaluation.lenient_accuracy(by_name, labels).macro
  )
  print(f'Lenient accuracy, {_NUM_IMAGES:,} images')
  print(f'  page, TensorFlow examples {1e3 * page:10.2f} ms')
  print(f'  page, arrays in memory    {1e3 * in_memory:10.2f} ms')
  for name, seconds in (('mapping', mapping), ('aligned array', array)):
    print(
      f'  ours, {name:13s}       {1e3 * seconds:10.2f} ms'
      f'   page / ours: {page / seconds:,.0f}'
      f'   page in memory / ours: {in_memory / seconds:,.0f}'
    )
  print(f'  difference {abs(found - expected):.1e}\n')

  def compare(num: int) -> Any:
    # New labels each time: their tables are made within the clock.
    fresh = evaluation.MultiLabels.from_arrays(**arrays)
    models = {str(i): predictions for i in range(num)}
    return evaluation.compare_models(models, fresh).rows()

  one, _ = best_of(3, lambda: compare(1))
  many, _ = best_of(3, lambda: compare(_NUM_MODELS))
  print('Comparison, labels made within the clock')
  print(f'    1 model  {1e3 * one:10.1f} ms')
  print(
    f'  {_NUM_MODELS} models {1e3 * many:10.1f} ms   {many / one:.1f} times one'
  )
  print()


def measure_average_precision(num_images: int, num_classes: int) -> None:
  """Compares with scikit-learn; runs in a process of its own."""
  from sklearn import metrics

  before = read_memory('VmRSS')
  rng = np.random.default_rng(0)
  scores = rng.random((num_images, num_classes), dtype=np.float32)
  labels = np.zeros((num_images, num_classes), dtype=bool)
  # A long tail, as FLAIR's fine labels: 4.6 labels for each image.
  weights = 1 / np.arange(1, num_classes + 1)
  shares = 4.6 * weights / weights.sum()
  for column, share in enumerate(np.minimum(shares, 0.5)):
    labels[:, column] = rng.random(num_images) < share
  labels[0] = True  # no class without positives
  num_bytes = scores.nbytes + labels.nbytes
  reset_peak()
  ours, found = best_of(
    2, lambda: evaluation.average_precision(scores, labels, average=None)
  )
  peak = read_memory('VmHWM') - before
  micro, _ = best_of(
    1, lambda: evaluation.average_precision(scores, labels, average='micro')
  )
  micro_peak = read_memory('VmHWM') - before

  def read_twice() -> np.ndarray:
    # As from a disk: ten parts, each met twice.
    parts = np.array_split(np.arange(num_images), 10)
    make = evaluation.PositiveScores.from_batch
    spans = [slice(part[0], part[-1] + 1) for part in parts]
    first, *others = (make(scores[s], labels[s]) for s in spans)
    positives = first.merge(*others)
    ranks = positives.count(scores[spans[0]])
    for span in spans[1:]:
      ranks = ranks.merge(positives.count(scores[span]))
    return ranks.result(None)

  parts, again = best_of(1, read_twice)
  if not np.array_equal(again, found):
    raise ValueError('Parts must give the bits of one call; they do not.')

  theirs, expected = best_of(
    1,
    lambda: metrics.average_precision_score(labels, scores, average=None),
  )
  print(f'Average precision, {num_images:,} x {num_classes:,}')
  print(f'  scikit-learn {theirs:8.2f} s')
  print(f'  ours         {ours:8.2f} s   {theirs / ours:.1f} times faster')
  print(f'  largest difference {np.abs(found - expected).max():.1e}')
  print(f'  peak memory {peak / num_bytes:.2f} times the inputs')
  print(f'  ten parts    {parts:8.2f} s   read twice, the same bits')
  print(
    f'  micro        {micro:8.2f} s   peak memory '
    f'{micro_peak / num_bytes:.2f} times the inputs'
  )


def read_memory(name: str) -> int:
  """Returns a figure of this process from Linux, in bytes."""
  for line in pathlib.Path('/proc/self/status').read_text().splitlines():
    if line.startswith(f'{name}:'):
      return int(line.split()[1]) * 1024
  raise OSError(f'/proc/self/status must have {name}: this needs Linux.')


def reset_peak() -> None:
  """Makes Linux count the peak memory of this process anew."""
  pathlib.Path('/proc/self/clear_refs').write_text('5')


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--images', type=int, default=43_960)
  parser.add_argument('--classes', type=int, default=1628)
  parser.add_argument('--only_average_precision', action='store_true')
  args = parser.parse_args()
  if args.only_average_precision:
    measure_average_precision(args.images, args.classes)
    return
  measure_lenient()
  # Apart from TensorFlow, whose memory is not ours.
  subprocess.run(
    [
      sys.executable,
      __file__,
      '--only_average_precision',
      f'--images={args.images}',
      f'--classes={args.classes}',
    ],
    check=True,
  )


if __name__ == '__main__':
  main()
