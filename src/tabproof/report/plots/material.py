"""What plots are drawn from: the evidence of a run, its hold-out set and its search."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from tabproof.artifacts import EstimatorFacts
from tabproof.evaluation.metrics import calibration_bins
from tabproof.evaluation_result import Estimate, Evidence
from tabproof.report.format import Texts, shorten
from tabproof.report.plots import theme as th

Floats = NDArray[np.float64]
Points = tuple[Floats, Floats]
Truths = list[tuple[int, NDArray[np.bool_], Floats]]
Rows = Sequence[tuple[float, Sequence[th.Panel]]]

MAX_CURVES = len(th.SERIES)


@dataclass(frozen=True)
class HoldOut:
    """Codes of shape (n_rows,), and the probabilities of a run of shape (n_rows, n_classes).

    threshold: of the run, as in `predicted_codes`.
    """

    y: NDArray[np.int64]
    proba: Floats
    threshold: float | None = None


@dataclass(frozen=True)
class Material:
    """Evidence, hold-out set and search of a run.

    y: codes of shape (n_rows,). proba: of shape (n_rows, n_classes). cv_results: None where
    nothing was searched; scoring is the metric of the search. name: of the run, for people.
    estimator: the model that the run ends in.
    """

    evidence: Evidence
    y: NDArray[np.int64]
    proba: Floats
    cv_results: pd.DataFrame | None
    scoring: str
    name: str
    estimator: EstimatorFacts = field(default_factory=EstimatorFacts)

    @property
    def threshold(self) -> float:
        """The probability from which on the positive one of two labels is predicted."""
        threshold = self.evidence.decision.threshold
        return 0.5 if threshold is None else threshold

    @property
    def truths(self) -> Truths:
        """What `truths_of` returns, of at most one class per colour."""
        return truths_of(self.y, self.proba)[:MAX_CURVES]

    @property
    def drawn_classes(self) -> list[int]:
        """Codes of classes with a curve."""
        return [code for code, _, _ in self.truths]

    def label(self, code: int, max_cells: int = 24) -> str:
        """Return a label, shortened."""
        return shorten(self.evidence.labels[code], max_cells)

    def left_out(self, t: Texts) -> list[th.Layer]:
        """Return a note for the legend on classes without a curve."""
        n_left_out = len(self.evidence.labels) - len(self.drawn_classes)
        is_known = self.evidence.is_binary or not n_left_out
        return [] if is_known else [th.note(t("common.left_out", n=n_left_out))]

    def plot(self, t: Texts, name: str, rows: Rows, kind: str = "", /, **words: Any) -> th.Plot:
        """Make a plot of the texts `name.title` and `name.words`, with words in their places.

        kind: ends the key of a text that is not the same for all kinds.
        """
        subtitle = f"{shorten(self.name, 36)}: {t('common.held_out', n=len(self.y))}"
        keys = [f"{name}.title", f"{name}.words"]
        title, alt = (t(f"{key}{kind}" if f"{key}{kind}" in t else key, **words) for key in keys)
        return th.Plot(title, subtitle, alt, rows)


def truths_of(y: NDArray[np.int64], proba: Floats) -> Truths:
    """Return the classes that some rows have and some do not; of two classes the positive one.

    Each is a code, whether each row has it, and the probability of it for each row.
    """
    codes = [1] if proba.shape[1] == 2 else range(proba.shape[1])
    truths = ((code, y == code, proba[:, code]) for code in codes)
    return [each for each in truths if 0 < each[1].sum() < len(y)]


def in_numbers(estimate: Estimate, t: Texts) -> str:
    """Write a value and its interval."""
    if estimate.value is None:
        return t("common.undefined")
    if estimate.interval is None:
        return f"{estimate.value:.3f}"
    low, high = (f"{end:.3f}" for end in estimate.interval)
    return t("common.interval", value=f"{estimate.value:.3f}", low=low, high=high)


def numbers(estimates: Sequence[Estimate]) -> Floats:
    """Return values, lower and upper ends as an array of three rows; NaN where there is none."""
    return np.array([astuple(each) for each in estimates], dtype=float).reshape(-1, 3).T


def draw_estimates(
    estimates: Sequence[Estimate], y: ArrayLike, colour: str, key: str | None, **style: Any
) -> list[th.Layer]:
    """Draw a dot for each value, and a line for its interval where it has one."""
    value, low, high = numbers(estimates)
    layers = [th.dots(value, y, 0, key, color=colour)]
    if np.isfinite(low).any():
        layers.append(th.segments([low, y, high, y], colour, key, **style))
    return layers


def binned(proba: Floats, is_true: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Return the mean probability, the number of true rows and of all rows in each bin."""
    bins = np.unique(calibration_bins(proba), return_inverse=True)[1]
    n_true, n_rows = (np.bincount(bins, each).astype(float) for each in (is_true, None))
    return np.bincount(bins, proba) / n_rows, n_true, n_rows


def wilson_intervals(k: ArrayLike, n: ArrayLike, level: float = 0.95) -> Points:
    """Return the ends of Wilson's intervals (1927) for k of n rows; 0 to 1 where n is 0."""
    z = ndtri((1 + level) / 2)
    k, n = np.asarray(k, dtype=float), np.asarray(n, dtype=float)
    share = k / np.maximum(n, 1)
    middle = (k + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * np.sqrt(k * (1 - share) + z**2 / 4)
    # Rounding must not leave the share itself outside.
    low = np.clip(np.minimum(middle - half, share), 0, 1)
    return low, np.clip(np.maximum(middle + half, share), 0, 1)
