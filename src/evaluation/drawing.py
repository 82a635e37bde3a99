"""What all pictures share: colours, fonts, and how texts and warnings are treated.

Colours are Okabe and Ito's (2008), told apart by colour-blind readers too; the same
numbers give the same bytes.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from unicodedata import east_asian_width

import matplotlib
import numpy as np
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
# Whichever is installed draws what the default font lacks: Japanese labels, say.
CJK_FONTS = (
    "Noto Sans CJK JP",
    "Noto Sans JP",
    "IPAexGothic",
    "IPAGothic",
    "Hiragino Sans",
    "Yu Gothic",
    "MS Gothic",
)
MAX_LETTERS = 24

log = logging.getLogger(__name__)


@contextmanager
def drawing() -> Iterator[None]:
    """Draw with our fonts, texts as they are; what is warned of is logged once."""
    with (
        matplotlib.rc_context({"font.family": _fonts(), "text.parse_math": False}),
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("always")
        yield
    for message in {_worded(warning) for warning in caught}:
        log.warning(message)


def make_figure(width: float, height: float) -> Figure:
    """Make a figure of that size in inches, whatever kind of program this is."""
    figure = Figure(figsize=(width, height), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def shown(label: str, max_letters: int = MAX_LETTERS) -> str:
    """Shorten a label to what a picture has room for; a wide letter counts twice."""
    ends = np.cumsum([n_cells(letter) for letter in label])
    n_kept = int((ends < max_letters).sum())
    shortened = f"{label[:n_kept]}…" if n_cells(label) > max_letters else label
    # matplotlib leaves out of a legend what begins with an underscore.
    return f" {shortened}" if shortened.startswith("_") else shortened


def n_cells(text: str) -> int:
    """Measure a text in letters of this alphabet: Japanese ones are twice as wide."""
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def _fonts() -> list[str]:
    installed = set(font_manager.get_font_names())
    return ["DejaVu Sans", *(font for font in CJK_FONTS if font in installed)]


def _worded(warning: warnings.WarningMessage) -> str:
    if "missing from font" in str(warning.message):
        return "no font here has all letters of the labels: pictures show boxes (fonts-noto-cjk)"
    return str(warning.message)
