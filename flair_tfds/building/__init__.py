"""Builds datasets in three steps: plan, write, verify.

The plan (`table`, `plan`) says from metadata alone which example goes where.
Scanning (`scanning`) reads every source once, checks every image and notes
where its bytes lie. Writing (`writing`) makes one shard per task, reads it
back and only then gives it its name. `engine` runs the steps, on the
processes of one machine or on a Beam runner (`executors`), goes on from what
an earlier run finished, and publishes nothing that it could not verify.

No module here imports TensorFlow or TFDS: worker processes stay small, and
what crosses between processes is small tasks and never an image.
"""
