"""Wilson's intervals, curves with fewer points, and outlines of bars."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from tabproof.report.plots.curves import STEP, thinned
from tabproof.report.plots.material import wilson_intervals
from tabproof.report.plots.predictions import bars


@given(st.integers(1, 1000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_intervals_are_scipys(counts: tuple[int, int]) -> None:
    expected = binomtest(*counts).proportion_ci(method="wilson")
    low, high = wilson_intervals(*counts)
    assert (float(low), float(high)) == pytest.approx(expected, abs=1e-12)


def test_of_no_rows_anything_may_be_true() -> None:
    low, high = wilson_intervals(0, 0)
    assert (float(low), float(high)) == (0, 1)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=500))
def test_a_thinned_curve_goes_through_cells_of_the_whole(values: list[float]) -> None:
    y = np.sort(values)
    x = np.linspace(0, 1, len(y))
    kept_x, _ = thinned(x, y)
    kept = np.searchsorted(x, kept_x)
    assert {0, len(y) - 1} <= set(kept.tolist())
    last = kept[np.searchsorted(kept, np.arange(len(y)), side="right") - 1]
    distances = np.maximum(np.abs(x - x[last]), np.abs(y - y[last]))
    assert distances.max() <= STEP + 1e-12


def test_bars_are_an_outline() -> None:
    x, y = bars(np.array([3.0, 4.0]))
    assert x.tolist() == [0, 0, 0.5, 0.5, 1, 1]
    assert y.tolist() == [0, 3, 3, 4, 4, 0]
