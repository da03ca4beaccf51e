"""How many images and labels users have, and how users differ.

Computed from the index: no image is read.
"""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from flair_tfds.federated import clients as clients_lib

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Summary:
  """The distribution of some numbers, as `pandas.Series.describe` gives it.

  Attributes:
    count: How many numbers.
    mean: Their mean.
    std: Their standard deviation, with `count - 1` in the denominator.
    min: The least.
    p25: The first quartile; quartiles are interpolated linearly.
    p50: The median.
    p75: The third quartile.
    max: The largest.
  """

  count: int
  mean: float
  std: float
  min: float
  p25: float
  p50: float
  p75: float
  max: float


def summarize(values: npt.ArrayLike) -> Summary:
  """Summarizes numbers. Of no numbers all is nan but the count.

  Args:
    values: Shape [number].

  >>> summarize([1, 2, 3, 4]).p25
  1.75
  """
  numbers = np.asarray(values, np.float64)
  nan = float('nan')
  if not len(numbers):
    return Summary(0, nan, nan, nan, nan, nan, nan, nan)
  p25, p50, p75 = np.percentile(numbers, [25, 50, 75]).tolist()
  return Summary(
    count=len(numbers),
    mean=float(numbers.mean()),
    std=float(numbers.std(ddof=1)) if len(numbers) > 1 else nan,
    min=float(numbers.min()),
    p25=p25,
    p50=p50,
    p75=p75,
    max=float(numbers.max()),
  )


def labels_per_image(
  clients: clients_lib.ClientView, labels: str | None = None
) -> _Ints:
  """Returns the number of labels of each image. Shape [image].

  Args:
    clients: The users.
    labels: The label feature; by default the one that the dataset trains on.
  """
  feature = clients.examples.feature(labels)
  return clients.examples.index.labels[feature].lengths(clients.rows)


def images_per_label(
  clients: clients_lib.ClientView, labels: str | None = None
) -> _Ints:
  """Returns how many images have each label. Shape [class].

  Args:
    clients: The users.
    labels: See `labels_per_image`.
  """
  return clients.pooled.label_counts(labels)


@dataclasses.dataclass(frozen=True)
class _UserLabels:
  """The labels that users have: sparse, since most users have few of many.

  Attributes:
    users: Shape [pair], ascending.
    classes: Shape [pair].
    counts: How many of the user's images have the label. Shape [pair].
  """

  users: _Ints
  classes: _Ints
  counts: _Ints


def _user_labels(clients: clients_lib.ClientView, feature: str) -> _UserLabels:
  ragged = clients.examples.index.labels[feature]
  images = np.repeat(np.arange(len(clients)), clients.num_images)
  users = np.repeat(images, ragged.lengths(clients.rows))
  size = clients.examples.num_classes(feature)
  pairs, counts = np.unique(
    users * size + ragged.take(clients.rows), return_counts=True
  )
  return _UserLabels(pairs // size, pairs % size, counts)


def labels_per_user(
  clients: clients_lib.ClientView, labels: str | None = None
) -> _Ints:
  """Returns how many different labels each user has. Shape [user].

  Args:
    clients: The users.
    labels: See `labels_per_image`.
  """
  found = _user_labels(clients, clients.examples.feature(labels))
  return np.bincount(found.users, minlength=len(clients))


def users_per_label(
  clients: clients_lib.ClientView, labels: str | None = None
) -> _Ints:
  """Returns how many users have each label. Shape [class].

  Args:
    clients: The users.
    labels: See `labels_per_image`.
  """
  feature = clients.examples.feature(labels)
  found = _user_labels(clients, feature)
  size = clients.examples.num_classes(feature)
  return np.bincount(found.classes, minlength=size)


def cooccurrence(
  clients: clients_lib.ClientView, labels: str | None = None
) -> _Ints:
  """Returns how many images have both of two labels. Shape [class, class].

  The diagonal is `images_per_label`. Meant for some dozens of classes: for
  FLAIR's 1,628 fine ones it takes seconds.

  Args:
    clients: The users.
    labels: See `labels_per_image`.
  """
  feature = clients.examples.feature(labels)
  size = clients.examples.num_classes(feature)
  counts = np.zeros((size, size), np.int64)
  # A few thousand images at a time bound the multi-hot matrix.
  step = max(1, (1 << 24) // max(1, size))
  for start in range(0, len(clients.rows), step):
    rows = clients.rows[start : start + step]
    client = clients_lib.Client(clients.examples, 'all', rows)
    # Sums of 0 and 1 that stay far below 2^24 are exact in float32.
    hot = client.multi_hot(feature).astype(np.float32)
    counts += (hot.T @ hot).astype(np.int64)
  return counts


def divergence(
  clients: clients_lib.ClientView, labels: str | None = None
) -> _Floats:
  """Returns how far each user's labels are from those of all. Shape [user].

  The Jensen-Shannon divergence, in bits, between the shares of the labels
  among a user's and among all users' labels: 0 if they are the same, 1 if they
  have no label in common. A user without labels gets nan.

  Users with few images differ much from the whole by chance alone: compare
  with users of the same sizes whose images are random
  (`ClientView.shuffled`).

  Source: Lin 1991, "Divergence measures based on the Shannon entropy", with
  equal weights.

  Args:
    clients: The users.
    labels: See `labels_per_image`.
  """
  feature = clients.examples.feature(labels)
  found = _user_labels(clients, feature)
  size = clients.examples.num_classes(feature)
  totals = np.bincount(found.classes, weights=found.counts, minlength=size)
  whole = totals / max(1, totals.sum())
  per_user = np.bincount(
    found.users, weights=found.counts, minlength=len(clients)
  )
  p = found.counts / per_user[found.users]
  q = whole[found.classes]
  mean = (p + q) / 2
  # A label that the user lacks adds q * log2(q / (q / 2)) / 2 = q / 2, so
  # that only those which the user has need be visited.
  terms = (p * np.log2(p / mean) + q * np.log2(q / mean) - q) / 2
  result = 0.5 + np.bincount(found.users, weights=terms, minlength=len(clients))
  result[per_user == 0] = np.nan
  # Rounding can leave it a hair outside.
  return np.clip(result, 0, 1)


def describe(clients: clients_lib.ClientView) -> dict[str, Any]:
  """Returns all of the above that fits a page, as plain values for JSON.

  Args:
    clients: The users.

  Returns:
    Numbers of users and images, bytes, and for each label feature: summaries,
    the counts of its labels, the most frequent first, and heterogeneity.
  """
  index = clients.examples.index
  sizes = index.image_sizes
  description: dict[str, Any] = {
    'num_users': len(clients),
    'num_images': len(clients.rows),
    'record_bytes': int(index.record_sizes[clients.rows].sum(dtype=np.int64)),
    'images_per_user': _plain(summarize(clients.num_images)),
    'labels': {
      feature: _describe_labels(clients, feature) for feature in index.labels
    },
  }
  if sizes is not None:
    chosen = sizes[clients.rows]
    description['image_bytes'] = int(chosen.sum(dtype=np.int64))
    description['bytes_per_image'] = _plain(summarize(chosen))
  return description


def _describe_labels(
  clients: clients_lib.ClientView, feature: str
) -> dict[str, Any]:
  counts = images_per_label(clients, feature)
  names = clients.class_names(feature) or [*map(str, range(len(counts)))]
  users = users_per_label(clients, feature)
  order = np.argsort(-counts, kind='stable').tolist()
  differing = divergence(clients, feature)
  return {
    'num_classes': len(counts),
    'num_classes_present': int((counts > 0).sum()),
    'labels_per_image': _plain(summarize(labels_per_image(clients, feature))),
    'labels_per_user': _plain(summarize(labels_per_user(clients, feature))),
    'divergence_per_user': _plain(summarize(differing[~np.isnan(differing)])),
    'images': {names[c]: int(counts[c]) for c in order},
    'users': {names[c]: int(users[c]) for c in order},
  }


def _plain(summary: Summary) -> dict[str, float | None]:
  """Returns a summary for JSON, which knows no nan."""
  return {
    name: None if np.isnan(value) else value
    for name, value in dataclasses.asdict(summary).items()
  }
