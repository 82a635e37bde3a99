"""Rows are taken apart once: with other cells in some columns, the model answers as for a frame."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.ensemble import HistGradientBoostingClassifier, VotingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from tabproof.evaluation.importance import ColumnPredict, dependences, importances
from tabproof.evaluation_result import Importance
from tabproof.modeling import make_pipeline
from tabproof.scorer.export import ScorerPredict, export_pipeline
from tests.scorer.fitted import prepared_boosting, quadratic_linear


def rows(n: int = 160) -> tuple[pd.DataFrame, Any]:
    """Make every kind of column; the model cannot use `empty`."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % 2
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, n), "D")
    X = pd.DataFrame(
        {
            "x": rng.normal(y, 1.0),
            "c": pd.Categorical(rng.choice(["a", "b"], n)),
            "empty": 0.0,
            "start": days.astype("datetime64[us]"),
            "end": (days + pd.to_timedelta(5 + 9 * y, "D")).astype("datetime64[us]"),
            "note": pd.Series([f"{'late' if c else 'fine'} {i}" for i, c in enumerate(y)]),
        }
    )
    X["note"] = X["note"].astype("str").mask(rng.random(n) < 0.1)
    X["start"] = X["start"].mask(rng.random(n) < 0.1)
    return X, y


def boosting(X: pd.DataFrame, y: Any) -> Pipeline:
    estimator = HistGradientBoostingClassifier(max_iter=8, min_samples_leaf=5, random_state=0)
    return make_pipeline({}, {}, estimator, seed=0).fit(X, y)


def linear(X: pd.DataFrame, y: Any) -> Pipeline:
    numeric = {"fill": SimpleImputer(strategy="median"), "scale": StandardScaler()}
    categorical = {"codes": OneHotEncoder(handle_unknown="ignore")}
    return make_pipeline(numeric, categorical, LogisticRegression(), seed=0).fit(X, y)


def vote(X: pd.DataFrame, y: Any) -> Pipeline:
    numeric = {"fill": SimpleImputer(strategy="median")}
    member = make_pipeline(numeric, {}, LogisticRegression(), seed=0)
    tree = make_pipeline({}, {}, HistGradientBoostingClassifier(max_iter=3), seed=0)
    members = VotingClassifier([("line", member), ("tree", tree)], voting="soft")
    return Pipeline([("preprocess", "passthrough"), ("clf", members)]).fit(X, y)


def exported(fitted: Pipeline, X: pd.DataFrame) -> ScorerPredict:
    return ScorerPredict(export_pipeline(fitted, X, ["no", "yes"]))


@pytest.mark.parametrize("make", [boosting, linear])
@pytest.mark.parametrize("place", range(6))
def test_other_cells_in_a_column_are_as_in_a_frame(make: Any, place: int) -> None:
    X, y = rows()
    fitted = make(X, y)
    predict = exported(fitted, X)
    assert isinstance(predict, ColumnPredict)
    order = np.random.default_rng(1).permutation(len(X))
    parts = predict.take_apart(X, 2)
    cells = predict.cells_at(predict.take_apart(X), place).take(order)
    changed = X.copy()
    changed.isetitem(place, X.iloc[:, place].array.take(order))
    found = predict.with_cells(parts, {place: cells})
    np.testing.assert_allclose(found, fitted.predict_proba(changed), rtol=0, atol=1e-12)
    np.testing.assert_array_equal(found, predict(changed))
    own = predict.column_cells(place, changed.iloc[:, place])
    np.testing.assert_array_equal(predict.with_cells(parts, {place: own}), found)


@pytest.mark.parametrize("make", [prepared_boosting, quadratic_linear])
def test_other_cells_change_what_is_prepared_of_them(make: Any) -> None:
    case = make()
    X, predict = case.X_test, ScorerPredict(case.files)
    parts = predict.take_apart(X)
    for place, name in enumerate(X.columns):
        other = X.assign(**{name: X[name].to_numpy()[::-1]}).astype(X.dtypes)
        cells = predict.column_cells(place, other[name])
        assert_array_equal(predict.with_cells(parts, {place: cells}), predict(other))


@pytest.mark.parametrize("make", [boosting, linear])
def test_importances_are_those_of_the_pipeline(make: Any) -> None:
    X, y = rows()
    fitted = make(X, y)
    pairs = zip(
        importances(exported(fitted, X), X, y, n_repeats=2, seed=0),
        importances(fitted.predict_proba, X, y, n_repeats=2, seed=0),
        strict=True,
    )
    for ours, theirs in pairs:
        assert ours.column == theirs.column
        assert ours.drop.value == pytest.approx(theirs.drop.value, abs=1e-9)


def test_dates_are_shown_as_dates_and_a_text_not_at_all() -> None:
    X, y = rows()
    ranked: list[Importance] = importances(exported(boosting(X, y), X), X, y, n_repeats=1, seed=0)
    found = dependences(
        exported(boosting(X, y), X), X, ranked, labels=["no", "yes"], n_columns=6, seed=0
    )
    by_column = {one.column: one for one in found}
    assert "note" not in by_column
    assert by_column["end"].kind == "date"
    values = list(map(str, by_column["end"].values))
    assert values == sorted(values)
    assert all(pd.Timestamp(value).isoformat()[:10] == value for value in values)
    assert sum(by_column["end"].shares) == pytest.approx(1.0)
    # A missing date is not shown.
    assert sum(by_column["start"].shares) == pytest.approx(X["start"].notna().mean())


def test_use_is_a_share_and_nothing_is_not_used() -> None:
    X, y = rows()
    for make in (boosting, linear):
        predict = exported(make(X, y), X)
        used = predict.usage(predict.take_apart(X))
        assert used.sum() == pytest.approx(1.0)
        assert used[2] == 0
        assert used[5] > 0
    X = X[["x", "empty"]]
    predict = exported(vote(X, y), X)
    assert predict.usage(predict.take_apart(X))[1] == 0
