"""A column is worth what shuffling it costs, and chance may carry that as far as is said."""

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression

from benchmarks.importance_intervals import COLUMNS, LAWS, Law, coverage
from tabproof import evaluation_result
from tabproof.evaluation import importance
from tabproof.evaluation.importance import importances
from tabproof.evaluation_result import Estimate

Floats = NDArray[np.float64]


def of_two(scores: Floats) -> Floats:
    return np.column_stack([-scores, scores])


def by_name(found: list[evaluation_result.Importance]) -> dict[str, Estimate]:
    return {one.column: one.drop for one in found}


def learned(n_classes: int) -> tuple[LogisticRegression, pd.DataFrame, NDArray[np.int64]]:
    rng = np.random.default_rng(3)
    y = np.arange(240) % n_classes
    X = pd.DataFrame(rng.normal(size=(240, 3)), columns=["much", "little", "nothing"])
    X["much"] += 2 * (y == 1)
    X["little"] += 0.7 * (y == n_classes - 1)
    return LogisticRegression().fit(X, y), X, y


@pytest.mark.parametrize("n_classes", [2, 3])
def test_drops_are_those_of_scikit_learn(n_classes: int) -> None:
    model, X, y = learned(n_classes)
    scoring = "roc_auc" if n_classes == 2 else "roc_auc_ovr"
    theirs = permutation_importance(model, X, y, scoring=scoring, n_repeats=100, random_state=0)
    ours = by_name(importances(model.predict_proba, X, y, n_repeats=100, seed=1))
    for name, mean, spread in zip(
        X.columns, theirs.importances_mean, theirs.importances_std, strict=True
    ):
        # Two means of 100 shuffles each.
        assert ours[name].value == pytest.approx(mean, abs=4 * spread * (2 / 100) ** 0.5)
    assert list(ours) == ["much", "little", "nothing"]


@pytest.mark.parametrize("n_repeats", [1, 10])
def test_the_interval_covers_the_true_drop(n_repeats: int) -> None:
    """Of a mark, too: how many rows of a hold-out have it to give is chance."""
    law = Law(positive=0.3, shift=1.0, marked=(0.05, 0.25), effect=3.0)
    covered = coverage(law, n_rows=200, n_repeats=n_repeats, n_hold_outs=300, seed=0)
    # 95 in 100, and three standard errors of 300.
    assert (covered > 0.91).all()
    assert (covered < 0.99).all()


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_the_benchmark_knows_the_true_drops(law: Law) -> None:
    X, y = law.draw(50_000, np.random.default_rng(0))
    found = by_name(importances(law.predict, X, y, n_repeats=3, seed=0))
    for name, truth in zip(COLUMNS, law.true_drops(), strict=True):
        assert found[name].value == pytest.approx(truth, abs=0.01)


def test_a_column_that_the_model_does_not_read_is_worth_nothing_for_certain() -> None:
    _, X, y = learned(2)
    found = by_name(importances(lambda X: of_two(X["much"].to_numpy()), X, y, n_repeats=5, seed=0))
    assert found["nothing"] == Estimate(0.0, 0.0, 0.0)


def test_a_hold_out_too_easy_to_tell_by_gives_no_interval() -> None:
    """All positive rows stay above all negative ones, though probabilities move."""
    y = np.repeat([0, 1], 20)
    X = pd.DataFrame({"clear": y * 100.0, "small": np.arange(40.0) / 40})
    predict = lambda X: of_two(X["clear"].to_numpy() + X["small"].to_numpy())  # noqa: E731
    assert by_name(importances(predict, X, y, n_repeats=5, seed=0))["small"] == Estimate(0.0)


def test_a_class_without_rows_gives_no_drop() -> None:
    model, X, y = learned(3)
    rows = y != 2
    found = importances(model.predict_proba, X[rows], y[rows], n_repeats=2, seed=0)
    assert [one.drop for one in found] == [Estimate(None)] * 3
    assert [one.column for one in found] == list(X.columns)


def test_categories_and_missing_values_stay_what_they_are() -> None:
    """Whatever the columns are called."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    X = pd.DataFrame(
        {
            "性別": pd.Categorical(np.where(y == 1, "男", "女")),
            "<b>x</b> 1": np.where(rng.random(60) < 0.2, np.nan, rng.normal(size=60)),
        },
        index=rng.permutation(60),
    )
    seen = []

    def predict(X: pd.DataFrame) -> Floats:
        seen.append(X)
        missing = X["<b>x</b> 1"].isna().to_numpy()
        return of_two(X["性別"].cat.codes.to_numpy() + 0.1 * missing)

    found = importances(predict, X, y, n_repeats=3, seed=0)
    assert found[0].column == "性別"
    for frame in seen:
        assert (frame.dtypes == X.dtypes).all()
        assert list(frame.columns) == list(X.columns)
        assert frame["<b>x</b> 1"].isna().mean() == X["<b>x</b> 1"].isna().mean()


def test_large_hold_outs_are_judged_by_some_rows_of_each_class(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importance, "MAX_PREDICTIONS", 600)
    monkeypatch.setattr(importance, "MIN_ROWS", 10)
    model, X, y = learned(3)
    n_rows = []

    def predict(X: pd.DataFrame) -> Floats:
        n_rows.append(len(X))
        return np.asarray(model.predict_proba(X))

    importances(predict, X, y, n_repeats=5, seed=0)
    assert n_rows == [40, 200, 200, 200]


def test_how_many_rows_are_asked_at_once_changes_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    model, X, y = learned(2)
    at_once = importances(model.predict_proba, X, y, n_repeats=5, seed=0)
    monkeypatch.setattr(importance, "STACKED_CELLS", 1)
    assert importances(model.predict_proba, X, y, n_repeats=5, seed=0) == at_once
