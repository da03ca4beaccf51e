"""Figures that FLAIR's authors published, to tell its metadata from another.

Source: README.md and `explore_labels.ipynb` of https://github.com/apple/ml-flair.
"""

BASE_URL = 'https://docs-assets.developer.apple.com/ml-research/datasets/flair/'
NUM_TARBALLS = 43
NUM_IMAGES = 429078
NUM_FINE_LABELS = 1628
IMAGES_PER_SPLIT = {'train': 345879, 'val': 39239, 'test': 43960}
USERS_PER_SPLIT = {'train': 41131, 'val': 5141, 'test': 5142}
COARSE_IMAGE_COUNTS = {
  'animal': 68858,
  'art': 37230,
  'celebration': 3769,
  'equipment': 225862,
  'fire': 3011,
  'food': 110792,
  'games': 1093,
  'interior_room': 32042,
  'light': 11326,
  'liquid': 68677,
  'material': 139733,
  'music': 2571,
  'outdoor': 131322,
  'plant': 123363,
  'recreation': 5651,
  'religion': 866,
  'structure': 228923,
}
