"""How runs stand to the best of them: differences on the same rows, and which are more than noise.

One paired test per run, against the best; p-values are adjusted for their number by Holm (1979).
That the best was chosen by these very rows is not in them: they are a little too small.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from src.evaluation.comparison import Comparison, compare, compare_in_all
from src.evaluation.side_by_side.facts import Contender, HoldOut

LEVEL = 0.05


@dataclass(frozen=True)
class Standing:
    """A run against the best, and the p-value of its difference after adjustment."""

    comparison: Comparison
    p_value: float

    @property
    def is_noise(self) -> bool:
        """Whether chance may well have made the difference."""
        return not self.p_value < LEVEL


def against_the_best(contenders: Sequence[Contender], metric: str) -> list[Standing | None]:
    """Test each run against the first whose predictions are known; None: that one, or unknown."""
    known = {n: one.hold_out for n, one in enumerate(contenders) if one.hold_out is not None}
    best = next(iter(known.values()), None)
    tests = {}
    if best is not None and is_testable(best):
        tests = {n: _compared(known[n], best, metric) for n in list(known)[1:]}
    adjusted = holm([test.p_value for test in tests.values()])
    standings = dict(zip(tests, map(Standing, tests.values(), adjusted), strict=True))
    return [standings.get(n) for n in range(len(contenders))]


def is_testable(hold_out: HoldOut) -> bool:
    """Tell whether there are rows of both labels, without which no area is defined."""
    return hold_out.proba.shape[1] > 2 or 0 < int(hold_out.y.sum()) < len(hold_out.y)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values so that of 100 families at most 5 hold a wrong verdict (Holm, 1979)."""
    order = np.argsort(p_values, kind="stable")
    factors = len(p_values) - np.arange(len(p_values))
    # A larger p-value must not become the smaller one.
    raised = np.maximum.accumulate(np.asarray(p_values)[order] * factors)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(raised, 1.0)
    return [float(value) for value in adjusted]


def _compared(ours: HoldOut, best: HoldOut, metric: str) -> Comparison:
    if metric == "accuracy":
        return compare_in_all(best.y, ours.proba, best.proba)[-1]
    return compare(best.y, ours.proba, best.proba)
