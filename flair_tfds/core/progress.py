"""Progress bars that `tfds.disable_progress_bar()` silences."""

import sys
from typing import Any

import tqdm.auto


def bar(**options: Any) -> Any:
  """Returns a tqdm bar, or a silent stand-in where TFDS's bars are disabled.

  TFDS keeps its switch in a module of its own. It is looked up rather than
  imported, so that rooms without TFDS can show progress too.

  Args:
    **options: What `tqdm.tqdm` takes: `total`, `desc`, `unit`, ...
  """
  tfds_bars = sys.modules.get('tensorflow_datasets.core.utils.tqdm_utils')
  make = tqdm.auto.tqdm if tfds_bars is None else tfds_bars.tqdm
  return make(**options)
