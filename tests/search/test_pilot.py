"""How long a fit takes is estimated from fits with a few iterations."""

from typing import Any

import pytest
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from tabproof.search import pilot
from tabproof.search.pilot import FEW, estimate_seconds
from tests.search.making import table

X, Y = table(200)


@pytest.fixture(autouse=True)
def _large_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pilot, "FEW_CELLS", 0)


@pytest.mark.parametrize(
    ("estimator", "expected"),
    [
        (HistGradientBoostingClassifier(max_iter=400), 200),
        (ExtraTreesClassifier(50), 50),
        (LogisticRegression(max_iter=2000), 100),
    ],
)
def test_the_estimate_is_the_time_of_all_iterations_that_are_usual(
    monkeypatch: pytest.MonkeyPatch, estimator: Any, expected: int
) -> None:
    # A second for the fit itself, and a tenth for each iteration.
    moments = iter([0.0, 1.0 + 0.1 * FEW, 10.0, 11.0 + 0.2 * FEW])
    monkeypatch.setattr(pilot, "perf_counter", lambda: next(moments))
    assert estimate_seconds(estimator, X, Y) == pytest.approx(1.0 + 0.1 * expected)


def test_nothing_is_fitted_for_small_tables_and_unknown_estimators(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert estimate_seconds(GaussianNB(), X, Y) == 0.0
    assert estimate_seconds(HistGradientBoostingClassifier(max_iter=2 * FEW), X, Y) == 0.0
    monkeypatch.setattr(pilot, "FEW_CELLS", 10**6)
    assert estimate_seconds(HistGradientBoostingClassifier(), X, Y) == 0.0
