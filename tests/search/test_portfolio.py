"""A search over several models, and the ensemble selected from its finalists."""

from collections import Counter
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
from tabproof.search.portfolio import MAX_ROUNDS, expected_score, select_members
from tests.search.making import assert_same_search, table

MEMBERS = {
    "linear": Pipeline([("scale", StandardScaler()), ("clf", LogisticRegression())]),
    "tree": Pipeline([("scale", "passthrough"), ("clf", DecisionTreeClassifier(random_state=0))]),
    "extra": Pipeline([("scale", "passthrough"), ("clf", ExtraTreesClassifier(3, random_state=0))]),
}
GRIDS: dict[str, Any] = {
    "linear": {"clf__C": [0.01, 0.1]},
    "tree": {"clf__max_depth": [2, 3]},
    "extra": {"clf__max_leaf_nodes": [8, 16]},
}
SCHEDULE = (Rung(None, 0.5, 0.5, 1), Rung(5, 1.0, 1.0, None))


def log_likelihood(estimator: Any, X: Any, y: Any) -> float:
    """Score as neg_log_loss, at a hundredth of the time: a selection scores a thousand times."""
    codes = np.searchsorted(estimator.classes_, y)
    proba = np.asarray(estimator.predict_proba(X))[np.arange(len(codes)), codes]
    return float(np.log(np.maximum(proba, 1e-15)).mean())


def accuracy(estimator: Any, X: Any, y: Any) -> float:
    return float(np.mean(estimator.predict(X) == y))


def portfolio(
    join: Any = join_fitted, members: Any = None, grids: Any = None, **options: Any
) -> Any:
    standard: dict[str, Any] = {
        "schedule": SCHEDULE,
        "scoring": log_likelihood,
        "cv": 3,
        "min_resources": 20,
    }
    return PortfolioSearchCV(
        members or MEMBERS, grids or GRIDS, join=join, **{**standard, **options}
    )


# A table on which an ensemble wins.
X, Y = table(240, seed=0)


@pytest.fixture(scope="module")
def ensemble() -> Any:
    search = portfolio().fit(X, Y)
    assert len(search.weights_) > 1, "this table is no example any more"
    return search


def test_the_final_estimator_is_the_weighted_mean_of_its_refitted_members(ensemble: Any) -> None:
    candidates = {c.place: c for c in ensemble.pool_.candidates}
    expected = sum(
        weight * candidates[place].estimator.fit(X, Y).predict_proba(X)
        for place, weight in ensemble.weights_.items()
    )
    np.testing.assert_allclose(ensemble.predict_proba(X), expected, rtol=1e-12)
    np.testing.assert_array_equal(ensemble.predict(X), expected.argmax(axis=1))
    assert sum(ensemble.weights_.values()) == pytest.approx(1)


def test_best_params_describe_the_ensemble(ensemble: Any) -> None:
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


def test_without_a_join_the_result_is_the_best_candidate(ensemble: Any) -> None:
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
    scores = cross_val_score(best, X, Y, cv=3, scoring=log_likelihood)
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
    defaults = search.pool_.defaults
    assert {c.family for c in defaults} == set(MEMBERS)
    assert {c.place for c in defaults} <= set(finalists)
    last = search.rungs_[-1]
    assert search.best_score_ >= max(last.score(c, range(2)) for c in defaults)


def test_results_name_the_model_of_each_candidate(ensemble: Any) -> None:
    results = pd.DataFrame(ensemble.cv_results_)
    assert set(results["param_model"]) == set(MEMBERS)
    own: Mapping[str, Any] = {"linear": "clf__C", "tree": "clf__max_depth"}
    for family, parameter in own.items():
        rows = results[results["param_model"] == family]
        assert rows[f"param_{parameter}"].notna().any()
        assert results.loc[results["param_model"] != family, f"param_{parameter}"].isna().all()


def test_an_ensemble_works_with_a_scorer_of_labels() -> None:
    few = (SCHEDULE[0], Rung(1, 1.0, 1.0, None))
    search = portfolio(scoring="f1", schedule=few, cv=2).fit(X, Y)
    assert np.isfinite(search.ensemble_score_)
    assert search.predict(X).shape == Y.shape


def test_ensembles_of_several_classes_and_text_labels() -> None:
    X, y = table(240, n_classes=3, seed=2)
    labels = np.array(["a", "b", "c"])[y]
    search = portfolio().fit(X, labels)
    assert np.isfinite(search.ensemble_score_)
    assert set(search.predict(X)) <= set(labels)
    assert list(search.classes_) == ["a", "b", "c"]


def test_a_portfolio_has_a_repr_and_can_be_cloned_and_changed(ensemble: Any) -> None:
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


@pytest.mark.parametrize("n_fits", [0, 5, 12, 16])
def test_stopped_at_any_moment_a_portfolio_has_a_model(n_fits: int) -> None:
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


def test_without_all_classes_in_every_fold_there_is_no_ensemble() -> None:
    X, y = table(240, n_classes=3, seed=2)
    order = np.argsort(y, kind="stable")
    search = portfolio(scoring=accuracy, cv=KFold(6)).fit(X[order], y[order])
    assert np.isfinite(search.ensemble_score_)
    apart = np.sort(y)
    folds = [(np.flatnonzero(apart != label), np.flatnonzero(apart == label)) for label in range(3)]
    search = portfolio(scoring=accuracy, cv=folds).fit(X[order], apart)
    assert np.isnan(search.ensemble_score_)
    assert search.predict(X).shape == y.shape


def predictions(
    seed: int, n_candidates: int, n_folds: int = 2, n_rows: int = 40
) -> tuple[Any, Any]:
    """Return predictions by candidate and fold, each with its own errors, and the truth."""
    rng = np.random.default_rng(seed)
    truth = [rng.integers(0, 2, n_rows) for _ in range(n_folds)]
    noise = rng.uniform(0.5, 3, n_candidates)
    probas = []
    for each in noise:
        by_fold = []
        for y in truth:
            score = 1 / (1 + np.exp(-(2 * y - 1 + rng.normal(0, each, n_rows))))
            by_fold.append(np.column_stack([1 - score, score]))
        probas.append(by_fold)
    return probas, truth


def by_loss(truth: Any) -> Any:
    # Equal to scikit-learn's, but a hundred times faster.
    return lambda fold, proba: np.log(proba[np.arange(len(proba)), truth[fold]]).mean()


def by_auc(truth: Any) -> Any:
    def score(fold: int, proba: Any) -> float:
        positive, negative = (proba[truth[fold] == label, 1] for label in (1, 0))
        above = positive[:, None] - negative
        return float(np.mean((above > 0) + 0.5 * (above == 0)))

    return score


def mean_score(probas: Any, counts: Any, folds: Any, score: Any) -> float:
    total = sum(counts.values())
    return float(
        np.mean(
            [
                score(fold, sum(n * probas[place][fold] for place, n in counts.items()) / total)
                for fold in folds
            ]
        )
    )


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 1000))
def test_the_weights_of_two_members_are_those_of_brute_force(seed: int) -> None:
    probas, truth = predictions(seed, 2)
    score = by_loss(truth)
    found = select_members(probas, [0, 1], score)
    # The loss is convex in the weights, so greedy steps reach the best point of the grid.
    n = sum(found.values())
    best = max(mean_score(probas, {0: k, 1: n - k}, [0, 1], score) for k in range(n + 1))
    assert mean_score(probas, found, [0, 1], score) == pytest.approx(best, abs=2e-3)


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 1000), n=st.integers(1, 6), auc=st.booleans())
def test_an_ensemble_is_never_worse_than_its_best_member(seed: int, n: int, auc: bool) -> None:
    probas, truth = predictions(seed, n)
    score = by_auc(truth) if auc else by_loss(truth)
    found = select_members(probas, [0, 1], score)
    alone = max(mean_score(probas, {place: 1}, [0, 1], score) for place in range(n))
    assert mean_score(probas, found, [0, 1], score) >= alone - 1e-12
    assert 1 <= sum(found.values()) <= MAX_ROUNDS
    assert found == select_members(probas, [0, 1], score)


def test_a_single_candidate_is_selected_once() -> None:
    probas, truth = predictions(0, 1)
    assert select_members(probas, [0, 1], by_loss(truth)) == Counter({0: 1})


def test_the_first_of_equal_members_is_selected() -> None:
    probas, truth = predictions(0, 1)
    assert set(select_members(probas * 3, [0, 1], by_auc(truth))) == {0}


def test_members_that_complement_each_other_are_selected() -> None:
    # Each is wrong on other rows, so their mean is right on all.
    y = np.array([0, 1] * 20)
    left, right = np.where(y == 1, 0.9, 0.1), np.where(y == 1, 0.9, 0.1)
    left[:10], right[-10:] = 0.5, 0.5
    useless = np.full(40, 0.5)
    probas = [[np.column_stack([1 - p, p])] * 2 for p in (useless, left, right)]
    score = by_loss([y, y])
    found = select_members(probas, [0, 1], score)
    assert set(found) == {1, 2}
    assert mean_score(probas, found, [0, 1], score) > mean_score(probas, {1: 1}, [0, 1], score)


def test_the_expected_score_is_of_folds_that_were_not_used_for_the_selection() -> None:
    probas, truth = predictions(3, 4, n_folds=3)
    score = by_auc(truth)
    expected = [
        mean_score(probas, select_members(probas, others, score), [held_out], score)
        for held_out, others in ((0, [1, 2]), (1, [0, 2]), (2, [0, 1]))
    ]
    assert expected_score(probas, [0, 1, 2], score) == pytest.approx(np.mean(expected))


def test_the_expected_score_is_below_the_score_of_the_selection() -> None:
    # Random candidates: on the folds of the selection they seem to predict something.
    rng = np.random.default_rng(0)
    truth = [rng.integers(0, 2, 50) for _ in range(2)]
    chance = rng.uniform(size=(30, 2, 50))
    probas = [[np.column_stack([1 - p, p]) for p in each] for each in chance]
    score = by_auc(truth)
    flattering = mean_score(probas, select_members(probas, [0, 1], score), [0, 1], score)
    assert flattering > 0.65
    assert expected_score(probas, [0, 1], score) < 0.6
