"""The command line: `flair-tfds VERB`, or `python -m flair_tfds VERB`."""
