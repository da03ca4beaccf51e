"""The TFDS builders, one folder each in TFDS's own convention."""
