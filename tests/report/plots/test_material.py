"""Wilson's intervals, the band around a ROC curve, and curves with fewer points."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, norm
from sklearn.metrics import roc_curve

from tabproof.report.plots.curves import roc_band
from tabproof.report.plots.material import STEP, Points, bars, steps, thinned, wilson_intervals


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


def band_at(points: Points, x: float) -> tuple[float, float]:
    """Return the lower and the upper edge of a band at x."""
    band = np.column_stack(points)
    top = int(np.flatnonzero((band == 1).all(axis=1))[0])
    upper, lower = band[: top + 1], band[top:][::-1]
    return (
        float(lower[lower[:, 0] <= x, 1].max(initial=0)),
        float(upper[upper[:, 0] <= x, 1].max(initial=0)),
    )


def test_the_band_holds_its_curve_and_is_wide_where_rows_are_few() -> None:
    x, y = np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 1.0])
    few, many = (roc_band(x, y, np.repeat([0, 1], n)) for n in (5, 500))
    assert np.min(few) >= 0
    assert np.max(few) <= 1
    # A perfect curve of five rows is not certain to be perfect.
    assert band_at(few, 0.5)[0] < 0.6 < 0.98 < band_at(many, 0.5)[0]


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.6])
def test_the_true_curve_is_in_the_band_at_least_95_times_in_100(rate: float) -> None:
    rng = np.random.default_rng(0)
    truth = float(norm.cdf(norm.ppf(rate) + 1.2))
    y = np.repeat([0, 1], [140, 60])
    inside = 0
    for _ in range(300):
        scores = rng.normal(size=200) + 1.2 * y
        low, high = band_at(roc_band(*roc_curve(y, scores)[:2], y), rate)
        inside += low <= truth <= high
    assert inside / 300 >= 0.95


def test_steps_and_bars_are_outlines() -> None:
    assert np.column_stack(steps(np.arange(3.0), np.arange(5.0, 8.0))).tolist() == [
        [0, 5],
        [1, 5],
        [1, 6],
        [2, 6],
        [2, 7],
    ]
    assert np.column_stack(bars(np.array([3.0, 4.0]))).tolist() == [
        [0, 0],
        [0, 3],
        [0.5, 3],
        [0.5, 4],
        [1, 4],
        [1, 0],
    ]
