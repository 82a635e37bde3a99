"""What plots are drawn from: the evidence of a run, its hold-out set and its search."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from tabproof.evaluation_result import Estimate, Evidence
from tabproof.report.format import shorten
from tabproof.report.language import Texts
from tabproof.report.plots import theme as th

Floats = NDArray[np.float64]
Points = tuple[Floats, Floats]
Rows = Sequence[tuple[float, Sequence[th.Panel]]]

MAX_CURVES = len(th.SERIES)
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
        return 0.5 if threshold is None else threshold

    @property
    def drawn_classes(self) -> list[int]:
        """Codes with a curve: some rows have the label and some do not; one per colour."""
        return codes_with_curve(self.y, len(self.evidence.labels))[:MAX_CURVES]

    @property
    def truths(self) -> list[tuple[NDArray[np.bool_], Floats]]:
        """For each class with a curve, which rows have it and their probabilities."""
        return [(self.y == code, self.proba[:, code]) for code in self.drawn_classes]

    def label(self, code: int, max_cells: int = 24) -> str:
        """Return a label, shortened."""
        return shorten(self.evidence.labels[code], max_cells)

    def left_out(self, t: Texts) -> list[th.Layer]:
        """Return a note for the legend on classes without a curve."""
        n_left_out = 0 if self.is_binary else len(self.evidence.labels) - len(self.drawn_classes)
        return [th.note(t("common.left_out", n=n_left_out))] if n_left_out else []

    def plot(self, t: Texts, name: str, rows: Rows, kind: str = "", /, **words: Any) -> th.Plot:
        """Make a plot of the texts `name.title` and `name.words`, with words in their places.

        kind: ends the key of a text that is not the same for all kinds.
        """
        subtitle = f"{shorten(self.name, 36)}: {t('common.held_out', n=len(self.y))}"
        keys = [f"{name}.title", f"{name}.words"]
        title, alt = (t(f"{key}{kind}" if f"{key}{kind}" in t else key, **words) for key in keys)
        return th.Plot(title, subtitle, alt, rows)


def codes_with_curve(y: NDArray[np.int64], n_labels: int) -> list[int]:
    """Return the codes that some rows have and some do not; of two labels the positive one."""
    codes = [1] if n_labels == 2 else range(n_labels)
    return [code for code in codes if 0 < (y == code).sum() < len(y)]


def share_panel(layers: Sequence[th.Layer], t: Texts, name: str) -> th.Panel:
    """Make a panel whose axes both go from 0 to 1."""
    return th.Panel(layers, th.Axis(title=t(f"{name}.x")), th.Axis(title=t(f"{name}.y")))


def metric_name(name: str, t: Texts) -> str:
    """Return the name of a metric for people."""
    return t.get(f"metrics.{name}", name)


def in_numbers(estimate: Estimate, t: Texts) -> str:
    """Write a value and its interval."""
    if estimate.value is None:
        return t("common.undefined")
    if estimate.interval is None:
        return f"{estimate.value:.3f}"
    low, high = (f"{end:.3f}" for end in estimate.interval)
    return t("common.interval", value=f"{estimate.value:.3f}", low=low, high=high)


def estimates(
    known: Sequence[Estimate], y: ArrayLike, colour: str, key: str | None = None, **style: Any
) -> list[th.Layer]:
    """Draw a dot for each value, and a line for its interval where it has one."""
    value, low, high = np.array([astuple(each) for each in known], dtype=float).T
    layers = [th.dots(value, y, 0, key, color=colour)]
    if np.isfinite(low).any():
        layers.append(th.segments([low, y, high, y], colour, key, **style))
    return layers


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


def bars(heights: Floats) -> Points:
    """Return the outline of bars of equal width from 0 to 1: x and y."""
    edges = np.linspace(0, 1, len(heights) + 1)
    return np.repeat(edges, 2), np.concatenate([[0], np.repeat(heights, 2), [0]])
