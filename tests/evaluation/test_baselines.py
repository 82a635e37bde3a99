"""A simple model is fitted on the same rows, and beats the run's only by more than chance."""

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline

from tabproof.evaluation import baselines
from tabproof.evaluation.baselines import (
    BOOSTING,
    LINEAR,
    TEXT,
    compare_with_baseline,
    find_better_baseline,
    find_chance,
    fit_baselines,
)
from tabproof.evaluation.comparison import compare
from tabproof.evaluation_result import Baseline, Estimate

Floats = NDArray[np.float64]


def of_two(scores: Floats) -> Floats:
    return np.column_stack([1 - scores, scores])


def rows(n: int = 240) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """Make every kind of column, odd cells and names among them."""
    rng = np.random.default_rng(0)
    y = np.arange(n) // 2 % 2
    X = pd.DataFrame(
        {
            "x": rng.normal(y, 1.0),
            "largest": np.where(rng.random(n) < 0.1, 1.797e308, 1.0),
            "empty": np.nan,
            "c": pd.Categorical(rng.choice(["a", "b", "農家"], n)),
            "many": pd.Categorical([f"v{i % 300}" for i in range(n)]),
            "when": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 500, n), "D"),
            "note": pd.Series(
                [None if i % 9 == 0 else f"{'good' if c else 'bad'} {i}" for i, c in enumerate(y)],
                dtype="str",
            ),
        }
    )
    X["when"] = X["when"].astype("datetime64[us]").mask(rng.random(n) < 0.1)
    return X, y


def probabilities(X: pd.DataFrame, y: NDArray[np.int64], model: object = None) -> dict[str, Floats]:
    fitted = fit_baselines(X[::2], y[::2], X[1::2], model=model, seed=0)
    return {name: proba for name, _, proba, _ in fitted}


def test_every_kind_of_column_is_taken_and_the_same_rows_give_the_same_bits() -> None:
    X, y = rows()
    found = probabilities(X, y)
    assert list(found) == [LINEAR, BOOSTING, TEXT]
    again = probabilities(X, y)
    for name, proba in found.items():
        assert np.isfinite(proba).all()
        np.testing.assert_array_equal(proba, again[name])


def test_a_text_tells_what_no_other_column_does() -> None:
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, 200)
    words = pd.Series([f"{'late' if c else 'fine'} {i}" for i, c in enumerate(y)], dtype="str")
    X = pd.DataFrame({"noise": rng.normal(size=200), "note": words})
    found = probabilities(X, y)
    auc = {name: compare(y[1::2], p, p).candidate for name, p in found.items()}
    assert auc[TEXT] > 0.99
    assert auc[LINEAR] < 0.8


def test_the_baseline_that_equals_the_model_is_left_out() -> None:
    X, y = rows()
    default = HistGradientBoostingClassifier(random_state=7)
    tuned = HistGradientBoostingClassifier(max_iter=50)
    makes = {
        model: list(
            probabilities(X[["x"]], y, Pipeline([("preprocess", "passthrough"), ("clf", model)]))
        )
        for model in (default, tuned)
    }
    assert makes[default] == [LINEAR]
    assert makes[tuned] == [LINEAR, BOOSTING]


def test_of_many_columns_and_rows_a_bounded_part_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "MAX_COLUMNS", 2)
    monkeypatch.setattr(baselines, "MAX_CELLS", 120)
    monkeypatch.setattr(baselines, "MIN_ROWS", 10)
    X, y = rows()
    fitted = list(fit_baselines(X.drop(columns="note"), y, X, model=None, seed=0))
    assert [each.n_rows for each in fitted] == [60, 60]
    assert baselines.most_telling(X[["empty", "largest", "x"]], y, [0, 1, 2])[-1] == 2


def better_by(shift: float, n: int = 400) -> tuple[Baseline, NDArray[np.int64]]:
    rng = np.random.default_rng(0)
    y = np.arange(n) % 2
    model, baseline = rng.normal(0.3 * y, 1.0), rng.normal((0.3 + shift) * y, 1.0)
    found = compare_with_baseline(LINEAR, 100, y, of_two(model), of_two(baseline))
    assert found is not None
    return found, y


def test_the_test_is_delong_s() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2
    model, baseline = of_two(rng.normal(y, 2.0)), of_two(rng.normal(y, 1.0))
    found, known = compare_with_baseline(LINEAR, 1, y, model, baseline), compare(y, baseline, model)
    assert found is not None
    assert found.auc.value == pytest.approx(known.candidate)
    assert found.difference.value == pytest.approx(known.difference)
    assert found.p_value == pytest.approx(known.p_value)


def test_only_more_than_chance_is_a_finding() -> None:
    much, _ = better_by(1.5)
    little, _ = better_by(0.05)
    assert (much.difference.value or 0) > 0
    finding = find_better_baseline([much], 0.6, 400)
    assert finding is not None
    assert finding.check == "baseline_is_better"
    assert "model=logistic_regression" in finding.message
    # The table beside it has the p-value of each.
    assert "adjusted for the number of simple models" in finding.message
    assert find_better_baseline([little], 0.6, 400) is None
    assert find_better_baseline([], 0.6, 400) is None


def test_with_more_classes_the_mean_over_them_is_compared() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(300) % 3
    noise = rng.dirichlet(np.ones(3), 300)
    told = noise + 2 * np.eye(3)[y]
    found = compare_with_baseline(BOOSTING, 1, y, noise, told / told.sum(axis=1, keepdims=True))
    assert found is not None
    assert found.auc.value == pytest.approx(1.0)
    assert find_better_baseline([found], 0.5, 300) is not None
    # Without a row of a class there is no AUC.
    assert compare_with_baseline(BOOSTING, 1, y[y != 2], noise[y != 2], noise[y != 2]) is None


@pytest.mark.parametrize(
    ("auc", "is_found"),
    [
        (Estimate(0.5), True),
        (Estimate(0.49, 0.45, 0.53), True),
        (Estimate(0.6, 0.48, 0.71), True),
        (Estimate(0.6, 0.51, 0.68), False),
        (Estimate(0.6), False),
        (Estimate(None), False),
    ],
)
def test_chance_is_what_the_interval_reaches(auc: Estimate, is_found: bool) -> None:
    finding = find_chance(auc, 200)
    assert (finding is not None) == is_found
    if finding is not None:
        assert "0.5" in finding.message
