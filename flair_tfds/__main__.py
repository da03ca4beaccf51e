"""`python -m flair_tfds` is `flair-tfds`."""

import sys

from flair_tfds.cli import main

if __name__ == '__main__':
  sys.exit(main.main())
