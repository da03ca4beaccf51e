"""Statistics that FLAIR's authors published, and a comparison with a build.

Source: the outputs of `explore_labels.ipynb` of
https://github.com/apple/ml-flair; means and deviations are rounded there to
seven digits.
"""

import math
from collections.abc import Mapping
from typing import Any

from flair_tfds.datasets.flair import published

# What a fine-grained label has in images; the notebook prints the first 20.
FINE_IMAGE_COUNTS = {
  'wood_processed': 82336,
  'material': 74807,
  'structure': 61517,
  'grass': 44741,
  'plate': 42392,
  'plant': 42009,
  'blue_sky': 41043,
  'foliage': 40793,
  'cloudy': 36225,
  'tree': 33984,
  'textile': 33709,
  'building': 32349,
  'rocks': 28850,
  'container': 25189,
  'land': 24715,
  'sky': 24669,
  'fence': 24249,
  'food': 23752,
  'interior_room': 23254,
  'vegetation': 23106,
}
# Distributions over all splits together.
SUMMARIES = {
  'images_per_user': {
    'count': 51414,
    'mean': 8.345548,
    'std': 51.27598,
    'min': 1,
    'p25': 1,
    'p50': 2,
    'p75': 5,
    'max': 4151,
  },
}
LABEL_SUMMARIES = {
  ('labels', 'labels_per_image'): {
    'count': 429078,
    'mean': 2.785249,
    'std': 1.149218,
    'min': 1,
    'p25': 2,
    'p50': 3,
    'p75': 4,
    'max': 9,
  },
  ('labels', 'labels_per_user'): {
    'count': 51414,
    'mean': 4.608647,
    'std': 2.811109,
    'min': 1,
    'p25': 3,
    'p50': 4,
    'p75': 6,
    'max': 17,
  },
  ('fine_grained_labels', 'labels_per_image'): {
    'count': 429078,
    'mean': 4.614781,
    'std': 2.729608,
    'min': 1,
    'p25': 3,
    'p50': 4,
    'p75': 6,
    'max': 36,
  },
  ('fine_grained_labels', 'labels_per_user'): {
    'count': 51414,
    'mean': 16.813242,
    'std': 32.666895,
    'min': 1,
    'p25': 4,
    'p50': 7,
    'p75': 16,
    'max': 838,
  },
}
# The published figures have seven digits.
_RELATIVE_TOLERANCE = 5e-7


def differences(report: Mapping[str, Any]) -> tuple[int, list[str]]:
  """Compares a report with the published statistics.

  Args:
    report: What `flair-tfds describe` reports: for `all` and for every split
      in `splits`, what `federated.statistics.describe` gives.

  Returns:
    How many figures were compared, and a line for each that differs.
  """
  whole = report['all']
  pairs: list[tuple[str, float, float | None]] = [
    ('images', published.NUM_IMAGES, whole['num_images']),
  ]
  for what, expected in (
    ('images', published.IMAGES_PER_SPLIT),
    ('users', published.USERS_PER_SPLIT),
  ):
    for split, number in expected.items():
      found = report['splits'].get(split, {}).get(f'num_{what}')
      pairs.append((f'{what} of {split}', number, found))
  for name, summary in SUMMARIES.items():
    pairs += _pairs(name, summary, whole[name])
  for (feature, name), summary in LABEL_SUMMARIES.items():
    pairs += _pairs(
      f'{name} ({feature})', summary, whole['labels'][feature][name]
    )
  for feature, counts in (
    ('labels', published.COARSE_IMAGE_COUNTS),
    ('fine_grained_labels', FINE_IMAGE_COUNTS),
  ):
    for label, count in counts.items():
      found = whole['labels'][feature]['images'].get(label)
      pairs.append((f'images of {label} ({feature})', count, found))
  fine = whole['labels']['fine_grained_labels']['num_classes_present']
  pairs.append(('fine-grained labels', published.NUM_FINE_LABELS, fine))
  lines = [
    f'{name}: published {expected}, found {found}'
    for name, expected, found in pairs
    if found is None
    or not math.isclose(expected, found, rel_tol=_RELATIVE_TOLERANCE)
  ]
  return len(pairs), lines


def _pairs(
  name: str, expected: Mapping[str, float], found: Mapping[str, float | None]
) -> list[tuple[str, float, float | None]]:
  return [
    (f'{name}, {key}', number, found.get(key))
    for key, number in expected.items()
  ]
