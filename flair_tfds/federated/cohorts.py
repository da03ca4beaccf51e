"""Which users take part in which round.

A sampler is made with a generator, from which it draws one key. The cohort of
a round follows from key and round alone, so that training resumes at any round
without replaying those before it, and every process that was given the same
seed agrees.
"""

import abc
import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from flair_tfds.federated import clients as clients_lib

Cohort = list[clients_lib.Client]


class Cohorts(abc.ABC):
  """Chooses the users of each round.

  Attributes:
    clients: The users to choose from.
    max_images: The most images of a user that take part in a round, drawn anew
      each round; None for all. To leave out users with few images, or to make
      several of those with many, take `ClientView.with_min_images` or
      `ClientView.split_large` of the view first.
  """

  def __init__(
    self,
    clients: clients_lib.ClientView,
    rng: np.random.Generator,
    max_images: int | None = None,
  ) -> None:
    """Draws the key.

    Args:
      clients: The users to choose from.
      rng: Two numbers are drawn from it, now and never again.
      max_images: See the class.

    Raises:
      ValueError: If there are no users, or `max_images` is less than 1.
    """
    if not len(clients):
      raise ValueError('clients must have at least one user, got none')
    if max_images is not None and max_images < 1:
      raise ValueError(f'max_images must be at least 1, got {max_images}')
    self.clients = clients
    self.max_images = max_images
    self._key = rng.integers(0, 1 << 63, size=2).tolist()

  def _rng(self, number: int, purpose: int) -> np.random.Generator:
    """Returns the generator of a round, or of an epoch."""
    return np.random.default_rng([*self._key, number, purpose])

  @abc.abstractmethod
  def places(self, round_number: int) -> npt.NDArray[np.int64]:
    """Returns the places in `clients.user_ids` of a round's users.

    Args:
      round_number: The round, from 0.
    """

  def user_ids(self, round_number: int) -> list[str]:
    """Returns the ids of a round's users.

    Args:
      round_number: The round, from 0.
    """
    ids = self.clients.user_ids
    return [ids[place] for place in self.places(round_number).tolist()]

  def cohort(self, round_number: int) -> Cohort:
    """Returns the users of a round, with the images that take part.

    Args:
      round_number: The round, from 0.

    Raises:
      ValueError: If the round is negative.
    """
    if round_number < 0:
      raise ValueError(f'round_number must be at least 0, got {round_number}')
    rng = self._rng(round_number, _IMAGES)
    cohort = []
    for user in self.user_ids(round_number):
      client = self.clients[user]
      if self.max_images is not None and self.max_images < len(client):
        places = rng.choice(len(client), self.max_images, replace=False)
        client = client.take(np.sort(places))
      cohort.append(client)
    return cohort

  def iterate(self, num_rounds: int, start: int = 0) -> Iterator[Cohort]:
    """Yields the cohorts of some rounds.

    Args:
      num_rounds: How many.
      start: The first round: after an interruption, the number of those done.
    """
    for round_number in range(start, start + num_rounds):
      yield self.cohort(round_number)


# What the random numbers of a round or an epoch are for.
_USERS, _IMAGES = 0, 1


class UniformCohorts(Cohorts):
  """Every round a random set of users of one size, whatever was before."""

  def __init__(
    self,
    clients: clients_lib.ClientView,
    size: int,
    rng: np.random.Generator,
    *,
    max_images: int | None = None,
  ) -> None:
    """See `Cohorts`.

    Args:
      clients: The users to choose from.
      size: The number of users in each cohort.
      rng: See `Cohorts`.
      max_images: See `Cohorts`.

    Raises:
      ValueError: If `size` is less than 1 or more than there are users.
    """
    super().__init__(clients, rng, max_images)
    _check_size(size, clients)
    self.size = size

  def places(self, round_number: int) -> npt.NDArray[np.int64]:
    """See `Cohorts`."""
    rng = self._rng(round_number, _USERS)
    return rng.choice(len(self.clients), self.size, replace=False)


class EpochCohorts(Cohorts):
  """Every user exactly once in each epoch of `rounds_per_epoch` rounds.

  The last cohort of an epoch is smaller if users do not divide evenly.
  """

  def __init__(
    self,
    clients: clients_lib.ClientView,
    size: int,
    rng: np.random.Generator,
    *,
    max_images: int | None = None,
  ) -> None:
    """See `UniformCohorts`."""
    super().__init__(clients, rng, max_images)
    _check_size(size, clients)
    self.size = size
    self.rounds_per_epoch = math.ceil(len(clients) / size)
    # The order of the epoch that was asked for last.
    self._order: tuple[int, npt.NDArray[np.int64]] = (-1, np.zeros(0, np.int64))

  def places(self, round_number: int) -> npt.NDArray[np.int64]:
    """See `Cohorts`."""
    epoch, place = divmod(round_number, self.rounds_per_epoch)
    known, order = self._order
    if known != epoch:
      order = self._rng(epoch, _USERS).permutation(len(self.clients))
      self._order = epoch, order
    return order[place * self.size : (place + 1) * self.size]


class PoissonCohorts(Cohorts):
  """Every round each user takes part or not, independently of all others.

  This is the sampling that accountants of differential privacy assume when
  they speak of a sampling rate. The size of a cohort varies; it may be 0.

  Attributes:
    rate: The chance of each user.
  """

  def __init__(
    self,
    clients: clients_lib.ClientView,
    expected_size: float,
    rng: np.random.Generator,
    *,
    max_images: int | None = None,
  ) -> None:
    """See `Cohorts`.

    Args:
      clients: The users to choose from.
      expected_size: The mean number of users in a cohort.
      rng: See `Cohorts`.
      max_images: See `Cohorts`.

    Raises:
      ValueError: If `expected_size` is not positive, or is more than there
        are users.
    """
    super().__init__(clients, rng, max_images)
    if not 0 < expected_size <= len(clients):
      raise ValueError(
        f'expected_size must be more than 0 and at most the {len(clients)} '
        f'users, got {expected_size}'
      )
    self.rate = expected_size / len(clients)

  def places(self, round_number: int) -> npt.NDArray[np.int64]:
    """See `Cohorts`."""
    rng = self._rng(round_number, _USERS)
    chosen = np.flatnonzero(rng.random(len(self.clients)) < self.rate)
    # Otherwise ascending, which local training could come to depend on.
    return rng.permutation(chosen)


def _check_size(size: int, clients: clients_lib.ClientView) -> None:
  if not 1 <= size <= len(clients):
    raise ValueError(
      f'size must be at least 1 and at most the {len(clients)} users, got '
      f'{size}'
    )
