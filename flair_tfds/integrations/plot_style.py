"""What all plots of the package look alike in; needs the extra `plots`.

Colours are Okabe and Ito's, told apart by colour-blind readers and in grey.
"""

import io

try:
  from matplotlib import figure as figure_lib
except ImportError as error:
  raise ImportError(
    "Plots need Matplotlib: pip install 'flair_tfds[plots]'."
  ) from error

BLUE, ORANGE, GREEN = '#0072B2', '#D55E00', '#009E73'
PURPLE, SKY, YELLOW = '#CC79A7', '#56B4E9', '#E69F00'
GREY, PALE, INK = '#8a8a94', '#e4e4ea', '#1c1c22'
STYLE = {
  'font.family': 'sans-serif',
  'font.sans-serif': ['DejaVu Sans'],
  'font.size': 8,
  'axes.titlesize': 9,
  'axes.titleweight': 'bold',
  'axes.titlelocation': 'left',
  'axes.edgecolor': GREY,
  'axes.linewidth': 0.6,
  'axes.spines.top': False,
  'axes.spines.right': False,
  'axes.labelcolor': INK,
  'text.color': INK,
  'xtick.color': GREY,
  'ytick.color': GREY,
  'xtick.labelcolor': INK,
  'ytick.labelcolor': INK,
  'xtick.major.width': 0.6,
  'ytick.major.width': 0.6,
  'grid.color': PALE,
  'grid.linewidth': 0.6,
  'legend.frameon': False,
  'legend.fontsize': 7.5,
  'lines.linewidth': 1.4,
}
# Inches: the text width of common paper formats.
WIDTH = 5.5
DPI = 200
# More bars than this cannot be read one by one.
MAX_BARS = 40


def to_png(figure: figure_lib.Figure, *, dpi: int = DPI) -> bytes:
  """Returns a figure as PNG; the same figure gives the same bytes.

  Args:
    figure: What one of the functions below returned.
    dpi: Pixels per inch.
  """
  buffer = io.BytesIO()
  figure.savefig(buffer, format='png', dpi=dpi, metadata={'Software': None})
  return buffer.getvalue()
