"""Label hierarchies: one immutable tree, and readers for its published forms.

Synopsis:

    from flair_tfds import hierarchy

    taxonomy = hierarchy.load('~/tensorflow_datasets/flair/small/1.0.0')
    taxonomy.coarse_of('abalone')                 # 'animal'
    taxonomy.roll_up(['abalone', 'abacus'])       # ('animal', 'equipment')
    taxonomy.roll_up_scores(scores, fine_names)   # [image, 17]
    taxonomy.tree.children('animal')              # ('abalone', ...)

NumPy only: no TensorFlow, no TFDS.
"""

from flair_tfds.hierarchy import flair, tree
from flair_tfds.hierarchy.flair import Taxonomy, load
from flair_tfds.hierarchy.tree import Tree

__all__ = ['Taxonomy', 'Tree', 'flair', 'load', 'tree']
