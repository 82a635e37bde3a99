"""What pictures are drawn from, and what several of them say of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabproof.evaluation_result import Estimate, Evidence
from tabproof.report.language import Texts
from tabproof.report.plots.lettering import shown
from tabproof.report.plots.palette import SERIES
from tabproof.report.plots.sheet import Key

MAX_CURVES = len(SERIES)
# From here up 0.5 decides on the positive one of two labels.
DEFAULT_THRESHOLD = 0.5


@dataclass(frozen=True)
class Material:
    """The evidence, the rows held out and the search.

    y: codes of shape (n_rows,). proba: of shape (n_rows, n_classes). cv_results: None where
    nothing was searched; scoring is what was searched by. name: of the run, for people.
    """

    evidence: Evidence
    y: NDArray[np.int64]
    proba: NDArray[np.float64]
    cv_results: pd.DataFrame | None
    scoring: str
    name: str

    @property
    def is_binary(self) -> bool:
        """Two labels make one curve, the positive one's."""
        return len(self.evidence.labels) == 2

    @property
    def threshold(self) -> float:
        """From where on the positive one of two labels is predicted."""
        threshold = self.evidence.decision.threshold
        return DEFAULT_THRESHOLD if threshold is None else threshold

    @property
    def drawn_classes(self) -> list[int]:
        """Codes that get a curve: of those that rows held out have and lack, one per colour."""
        codes = [1] if self.is_binary else range(len(self.evidence.labels))
        return [code for code in codes if 0 < (self.y == code).sum() < len(self.y)][:MAX_CURVES]

    def label(self, code: int, max_letters: int = 24) -> str:
        """Give a label as far as there is room."""
        return shown(self.evidence.labels[code], max_letters)

    def subtitle(self, texts: Texts) -> str:
        """Say what run this is, on how many rows."""
        return f"{shown(self.name, 36)}: {texts('common.held_out', n=len(self.y))}"

    def left_out(self, texts: Texts) -> list[Key]:
        """Say how many classes have no curve."""
        n_left_out = 0 if self.is_binary else len(self.evidence.labels) - len(self.drawn_classes)
        return [Key(texts("common.left_out", n=n_left_out))] if n_left_out else []


def metric_name(name: str, texts: Texts) -> str:
    """Give what a metric is called."""
    key = f"metrics.{name}"
    return texts(key) if key in texts else name


def in_numbers(estimate: Estimate, texts: Texts) -> str:
    """Write a number and its interval."""
    if estimate.value is None:
        return texts("common.undefined")
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f}"
    low, high = f"{estimate.low:.3f}", f"{estimate.high:.3f}"
    return texts("common.interval", value=f"{estimate.value:.3f}", low=low, high=high)


def listed(names: Sequence[str], texts: Texts) -> str:
    """Join names to a list, for those who listen to it."""
    return texts("common.comma").join(names)
