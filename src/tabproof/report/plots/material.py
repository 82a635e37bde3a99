"""What plots are drawn from: the evidence of a run, its hold-out set and its search."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from tabproof.evaluation_result import Estimate, Evidence
from tabproof.report.format import shorten
from tabproof.report.language import Texts
from tabproof.report.plots.theme import SERIES, Layer, note

Floats = NDArray[np.float64]
Points = tuple[Floats, Floats]

MAX_CURVES = len(SERIES)
DEFAULT_THRESHOLD = 0.5
LEVEL = 0.95
# A drawn curve may be off by half of this share of an axis: a third of a pixel on a telephone.
STEP = 1 / 600


@dataclass(frozen=True)
class Material:
    """Evidence, hold-out set and search of a run.

    y: codes of shape (n_rows,). proba: of shape (n_rows, n_classes). cv_results: None where
    nothing was searched; scoring is the metric of the search. name: of the run, for people.
    """

    evidence: Evidence
    y: NDArray[np.int64]
    proba: Floats
    cv_results: pd.DataFrame | None
    scoring: str
    name: str

    @property
    def is_binary(self) -> bool:
        """Two labels have one curve, that of the positive label."""
        return len(self.evidence.labels) == 2

    @property
    def threshold(self) -> float:
        """The probability from which on the positive one of two labels is predicted."""
        threshold = self.evidence.decision.threshold
        return DEFAULT_THRESHOLD if threshold is None else threshold

    @property
    def drawn_classes(self) -> list[int]:
        """Codes with a curve: some rows have the label and some do not; one per colour."""
        codes = [1] if self.is_binary else range(len(self.evidence.labels))
        return [code for code in codes if 0 < (self.y == code).sum() < len(self.y)][:MAX_CURVES]

    def label(self, code: int, max_cells: int = 24) -> str:
        """Return a label, shortened."""
        return shorten(self.evidence.labels[code], max_cells)

    def subtitle(self, texts: Texts) -> str:
        """Return the name of the run and its number of held-out rows."""
        return f"{shorten(self.name, 36)}: {texts('common.held_out', n=len(self.y))}"

    def left_out(self, texts: Texts) -> list[Layer]:
        """Return a note for the legend on classes without a curve."""
        n_left_out = 0 if self.is_binary else len(self.evidence.labels) - len(self.drawn_classes)
        return [note(texts("common.left_out", n=n_left_out))] if n_left_out else []


def metric_name(name: str, texts: Texts) -> str:
    """Return the name of a metric for people."""
    key = f"metrics.{name}"
    return texts(key) if key in texts else name


def in_numbers(estimate: Estimate, texts: Texts) -> str:
    """Write a value and its interval."""
    if estimate.value is None:
        return texts("common.undefined")
    if estimate.interval is None:
        return f"{estimate.value:.3f}"
    low, high = (f"{end:.3f}" for end in estimate.interval)
    return texts("common.interval", value=f"{estimate.value:.3f}", low=low, high=high)


def ends(estimates: Sequence[Estimate]) -> list[float]:
    """Return all values and ends of intervals that are defined."""
    numbers = [end for each in estimates for end in (each.value, each.low, each.high)]
    return [number for number in numbers if number is not None]


def wilson_intervals(k: ArrayLike, n: ArrayLike, level: float = LEVEL) -> Points:
    """Return the ends of Wilson's intervals (1927) for k of n rows; 0 to 1 where n is 0."""
    z = ndtri((1 + level) / 2)
    k, n = np.asarray(k, dtype=float), np.asarray(n, dtype=float)
    share = k / np.maximum(n, 1)
    middle = (k + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * np.sqrt(k * (1 - share) + z**2 / 4)
    # Rounding must not leave the share itself outside.
    low = np.clip(np.minimum(middle - half, share), 0, 1)
    return low, np.clip(np.maximum(middle + half, share), 0, 1)


def thinned(x: Floats, y: Floats) -> Points:
    """Return those points of a curve between 0 and 1 that a screen shows apart: x and y."""
    cells = np.round(np.column_stack([x, y]) / STEP)
    is_new = np.ones(len(x), bool)
    is_new[1:-1] = (cells[1:-1] != cells[:-2]).any(axis=1)
    return x[is_new], y[is_new]


def steps(x: Floats, y: Floats) -> Points:
    """Return the corners of a staircase that keeps each height until the next x."""
    return np.repeat(x, 2)[1:], np.repeat(y, 2)[:-1]


def bars(heights: Floats) -> Points:
    """Return the outline of bars of equal width from 0 to 1: x and y."""
    edges = np.linspace(0, 1, len(heights) + 1)
    return np.repeat(edges, 2), np.concatenate([[0], np.repeat(heights, 2), [0]])
