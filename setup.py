"""Installs flair_tfds. Tool configuration lives in pyproject.toml."""

import pathlib

import setuptools

_ROOT = pathlib.Path(__file__).parent
_VERSION: dict[str, str] = {}
exec((_ROOT / 'flair_tfds' / '_version.py').read_text(), _VERSION)

_EXTRAS = {
  # Builds on a cluster, or on any Beam runner.
  'beam': ['apache-beam>=2.60'],
  # Plots of reports and of users; `tfds.as_dataframe`, `tfds.show_examples`.
  'plots': ['matplotlib', 'pandas', 'jinja2'],
  'notebooks': ['ipykernel', 'matplotlib', 'nbclient', 'nbformat', 'notebook'],
  # Export to FLAIR's published layouts.
  'hdf5': ['h5py'],
  # One extra a framework: together they do not resolve.
  'fedjax': ['fedjax', 'jax<0.6'],  # it calls jax.tree_map
  'flower': ['flwr-datasets'],
  'grain': ['grain'],
  'pfl': ['pfl'],
  'torch': ['torch'],
}
_EXTRAS['tests'] = [
  *_EXTRAS['beam'],
  *_EXTRAS['hdf5'],
  *_EXTRAS['plots'],
  'beartype',
  'dill',
  'hypothesis',
  'import-linter',
  'ipykernel',
  'mypy',
  'nbclient',
  'nbformat',
  'psutil',
  'pytest',
  'pytest-xdist',
  'ruff',
  'scikit-learn',
]
setuptools.setup(
  name='flair_tfds',
  version=_VERSION['__version__'],
  description=(
    'TensorFlow Datasets builders for large multi-label image datasets'
  ),
  long_description=(_ROOT / 'README.md').read_text(encoding='utf-8'),
  long_description_content_type='text/markdown',
  license='Apache-2.0',
  python_requires='>=3.11',
  packages=[
    *setuptools.find_packages(include=['flair_tfds', 'flair_tfds.*']),
    'flair_tfds.checksums',
  ],
  # The checksum tables stand at the top of the repository, where people look
  # for them, and are a sub-package of what is installed.
  package_dir={
    'flair_tfds': 'flair_tfds',
    'flair_tfds.checksums': 'checksums',
  },
  package_data={
    'flair_tfds': ['py.typed'],
    'flair_tfds.checksums': ['*.tsv'],
    'flair_tfds.datasets': ['*/*.md', '*/*.bib', '*/*.txt'],
  },
  install_requires=[
    'Pillow>=10',
    'absl-py',
    'array_record>=0.5; platform_system == "Linux"',
    'etils[epath]>=1.9',
    'google-crc32c>=1.5',
    # TFDS imports the next two without declaring them.
    'importlib_resources',
    'mlcroissant>=1.0',
    'numpy>=1.26',
    'pyarrow',
    'scipy',
    'tensorflow>=2.16',
    'tensorflow-datasets>=4.9.7',
    'tqdm',
    'wrapt',
  ],
  extras_require=_EXTRAS,
  entry_points={
    'console_scripts': ['flair-tfds = flair_tfds.cli.main:main'],
  },
)
