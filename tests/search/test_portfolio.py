"""Several models in one race, and what is made of the finalists."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from tabproof.modeling import join_fitted
from tabproof.search import PortfolioSearchCV, Rung, result_of
from tests.search.making import assert_same_search, table

MEMBERS = {
    "linear": Pipeline([("scale", StandardScaler()), ("clf", LogisticRegression())]),
    "tree": Pipeline([("scale", "passthrough"), ("clf", DecisionTreeClassifier(random_state=0))]),
    "extra": Pipeline([("scale", "passthrough"), ("clf", ExtraTreesClassifier(4, random_state=0))]),
}
GRIDS: dict[str, Any] = {
    "linear": {"clf__C": [0.01, 0.1]},
    "tree": {"clf__max_depth": [2, 3, 4]},
    "extra": {"clf__max_leaf_nodes": [8, 16]},
}
SCHEDULE = (Rung(None, 0.5, 0.5, 1), Rung(5, 1.0, 1.0, None))


def portfolio(
    join: Any = join_fitted, members: Any = None, grids: Any = None, **options: Any
) -> Any:
    standard: dict[str, Any] = {
        "schedule": SCHEDULE,
        "scoring": "neg_log_loss",
        "cv": 3,
        "min_resources": 20,
    }
    return PortfolioSearchCV(
        members or MEMBERS, grids or GRIDS, join=join, **{**standard, **options}
    )


# Where a mean of several wins.
X, Y = table(240, seed=0)


@pytest.fixture(scope="module")
def ensemble() -> Any:
    search = portfolio().fit(X, Y)
    assert len(search.weights_) > 1, "this table is no example any more"
    return search


def test_the_final_estimator_is_the_weighted_mean_of_its_refitted_members(ensemble: Any) -> None:
    candidates = {c.place: c for c in ensemble.roster_.candidates}
    expected = sum(
        weight * candidates[place].estimator.fit(X, Y).predict_proba(X)
        for place, weight in ensemble.weights_.items()
    )
    np.testing.assert_allclose(ensemble.predict_proba(X), expected, rtol=1e-12)
    np.testing.assert_array_equal(ensemble.predict(X), expected.argmax(axis=1))
    assert sum(ensemble.weights_.values()) == pytest.approx(1)


def test_it_says_of_what_it_is_made(ensemble: Any) -> None:
    parts = ensemble.best_params_["ensemble"]
    assert [part["weight"] for part in parts] == list(ensemble.weights_.values())
    assert {part["model"] for part in parts} <= set(MEMBERS)
    assert ensemble.best_score_ == ensemble.ensemble_score_
    best_alone = np.nanmax(
        ensemble.cv_results_["mean_test_score"][ensemble.cv_results_["iter"] == 1]
    )
    assert ensemble.best_score_ > best_alone
    result = result_of(ensemble, "neg_log_loss")
    assert result.ensemble_score == ensemble.ensemble_score_


def test_without_a_join_the_best_alone_wins(ensemble: Any) -> None:
    alone = portfolio(join=None).fit(X, Y)
    assert alone.best_params_["model"] in MEMBERS
    assert list(alone.weights_.values()) == [1.0]
    assert np.isnan(alone.ensemble_score_)
    assert result_of(alone, "neg_log_loss").ensemble_score is None
    pd.testing.assert_series_equal(
        pd.Series(alone.cv_results_["mean_test_score"]),
        pd.Series(ensemble.cv_results_["mean_test_score"]),
    )
    family = alone.best_params_["model"]
    params = {name: value for name, value in alone.best_params_.items() if name != "model"}
    best = clone(MEMBERS[family]).set_params(**params)
    scores = cross_val_score(best, X, Y, cv=3, scoring="neg_log_loss")
    assert alone.best_score_ == scores.mean()


def test_an_ensemble_that_is_not_better_does_not_win() -> None:
    twins = {"one": GaussianNB(), "other": make_pipeline(GaussianNB())}
    search = portfolio(members=twins, grids={"one": {}, "other": {}}).fit(X, Y)
    assert search.best_params_ == {"model": "one"}
    assert search.weights_ == {0: 1.0}
    assert search.ensemble_score_ == search.best_score_


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 99), n=st.integers(1, 6))
def test_the_defaults_of_every_family_are_among_the_finalists(seed: int, n: int) -> None:
    X, y = table(120, seed=seed)
    schedule = (SCHEDULE[0], Rung(n, 1.0, 1.0, None))
    search = portfolio(schedule=schedule, cv=2, join=None).fit(X, y)
    finalists = {c.place: c for c in search.rungs_[-1].entrants}
    defaults = search.roster_.defaults
    assert {c.family for c in defaults} == set(MEMBERS)
    assert {c.place for c in defaults} <= set(finalists)
    last = search.rungs_[-1]
    assert search.best_score_ >= max(last.score(c, range(2)) for c in defaults)


def test_each_candidate_says_whose_it_is() -> None:
    search = portfolio().fit(X, Y)
    results = pd.DataFrame(search.cv_results_)
    assert set(results["param_model"]) == set(MEMBERS)
    own: Mapping[str, Any] = {"linear": "clf__C", "tree": "clf__max_depth"}
    for family, parameter in own.items():
        rows = results[results["param_model"] == family]
        assert rows[f"param_{parameter}"].notna().any()
        assert results.loc[results["param_model"] != family, f"param_{parameter}"].isna().all()


@pytest.mark.parametrize("scoring", ["roc_auc", "accuracy", "f1"])
def test_any_scorer_scores_a_mean_too(scoring: str) -> None:
    search = portfolio(scoring=scoring).fit(X, Y)
    assert np.isfinite(search.ensemble_score_)
    assert search.predict(X).shape == Y.shape


def test_several_classes_and_labels_of_text_are_joined_too() -> None:
    X, y = table(240, n_classes=3, seed=2)
    labels = np.array(["a", "b", "c"])[y]
    search = portfolio().fit(X, labels)
    assert np.isfinite(search.ensemble_score_)
    assert set(search.predict(X)) <= set(labels)
    assert list(search.classes_) == ["a", "b", "c"]


def test_it_can_be_shown_cloned_and_changed(ensemble: Any) -> None:
    assert "param_grids" in repr(ensemble)
    assert_same_search(ensemble, clone(ensemble).fit(X, Y))
    changed = clone(ensemble).set_params(param_grids={"linear": {"clf__C": [3.0]}}, cv=2)
    assert changed.fit(X, Y).n_candidates_ == 4
    assert changed.n_splits_ == 2


@pytest.mark.slow
def test_workers_and_a_resumed_search_give_the_same(ensemble: Any) -> None:
    finished: dict[str, Any] = {}
    whole = portfolio(finished=finished).fit(X, Y)
    left = {key: fit for n, (key, fit) in enumerate(finished.items()) if n % 3}
    for other in (
        portfolio(n_jobs=2, pool_seconds=0.0).fit(X, Y),
        portfolio(finished=left).fit(X, Y),
        whole,
    ):
        assert_same_search(ensemble, other)
        np.testing.assert_array_equal(ensemble.predict_proba(X), other.predict_proba(X))
        assert other.ensemble_score_ == ensemble.ensemble_score_


@pytest.mark.parametrize("n_fits", [0, 1, 5, 10, 12, 16])
def test_stopped_at_any_moment_it_has_a_model(n_fits: int) -> None:
    finished: dict[str, Any] = {}
    search = portfolio(
        finished=finished, should_stop=lambda: "enough" if len(finished) >= n_fits else None
    ).fit(X, Y)
    assert search.stopped_ == "enough"
    assert search.predict_proba(X).shape == (240, 2)
    assert sum(search.weights_.values()) == pytest.approx(1)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
def test_a_family_that_fails_leaves_the_others() -> None:
    broken = {**MEMBERS, "tree": make_pipeline(DecisionTreeClassifier(max_depth=-3))}
    search = portfolio(members=broken, grids={**GRIDS, "tree": {}}).fit(X, Y)
    assert "tree" not in {part["model"] for part in search.best_params_.get("ensemble", [])}
    assert search.predict(X).shape == Y.shape


def test_where_folds_lack_a_class_the_best_alone_wins() -> None:
    X, y = table(240, n_classes=3, seed=2)
    order = np.argsort(y, kind="stable")
    search = portfolio(scoring="accuracy", cv=KFold(6)).fit(X[order], y[order])
    assert np.isfinite(search.ensemble_score_)
    apart = np.sort(y)
    folds = [(np.flatnonzero(apart != label), np.flatnonzero(apart == label)) for label in range(3)]
    search = portfolio(scoring="accuracy", cv=folds).fit(X[order], apart)
    assert np.isnan(search.ensemble_score_)
    assert search.predict(X).shape == y.shape
