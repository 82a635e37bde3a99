"""The search for the best ensemble of tuned settings in a given time."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joblib import parallel_config
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from tabproof.modeling import join_fitted
from tabproof.search import AutoSearchCV, RecordedFits, parse_space, result_of
from tabproof.search.auto import MIN_WEIGHT, greedy_selection, select_members
from tabproof.search.fitting import run_task
from tabproof.search.rungs import RungSearch
from tabproof.search.runner import Runner
from tests.search.making import Failing, assert_same_search, table


def boosting(**params: Any) -> Any:
    found = HistGradientBoostingClassifier(random_state=0, max_iter=60, early_stopping=False)
    return found.set_params(**params)


def member(estimator: Any, scale: Any = "passthrough") -> Pipeline:
    return Pipeline([("scale", scale), ("clf", estimator)])


MEMBERS = {
    "boosting": member(boosting()),
    "linear": member(LogisticRegression(), StandardScaler()),
    "extra": member(ExtraTreesClassifier(40, max_leaf_nodes=24, random_state=0)),
}
X, Y = table(240, seed=5)


def auto(members: Any = None, **options: Any) -> Any:
    standard: dict[str, Any] = {
        "scoring": "roc_auc",
        "cv": RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=0),
        "n_folds": 3,
        "patience": 10,
        "join": join_fitted,
        "n_jobs": 1,
    }
    return AutoSearchCV(members or MEMBERS, **{**standard, **options})


@pytest.fixture(scope="module")
def found() -> Any:
    search = auto().fit(X, Y)
    assert len(search.weights_) > 1, "this table is no example any more"
    return search


def n_folds_of(search: Any) -> dict[str, int]:
    """Return by name on how many folds a member was scored."""
    names = {c.place: c.family for c in search.pool_.candidates}
    last = {place: rung for rung in search.rungs_ for place, _ in rung.fits}
    return {names[place]: sum(of == place for of, _ in rung.fits) for place, rung in last.items()}


def test_the_result_is_the_weighted_mean_of_members_that_are_fitted_on_all_rows(found: Any) -> None:
    names = {c.place: c.family for c in found.pool_.candidates}
    fitted = dict(found.best_estimator_["clf"].named_estimators_)
    assert [names[place] for place in found.weights_] == list(fitted)
    proba = sum(
        weight * fitted[names[place]].predict_proba(X) for place, weight in found.weights_.items()
    )
    np.testing.assert_allclose(found.predict_proba(X), proba, rtol=1e-12)
    assert sum(found.weights_.values()) == pytest.approx(1)
    linear = fitted["linear"]["clf"]
    np.testing.assert_array_equal(
        linear.coef_, LogisticRegression().fit(StandardScaler().fit_transform(X), Y).coef_
    )


def test_boosting_has_as_many_iterations_as_were_best_on_the_folds(found: Any) -> None:
    last = found.rungs_[-1]
    n_best = [last.fits[0, fold].n_iterations for fold in range(last.n_folds)]
    assert all(1 <= n < 60 for n in n_best)
    model = found.best_estimator_["clf"].named_estimators_["boosting"]["clf"]
    assert model.n_iter_ == int(np.ceil(np.mean(n_best)))


def test_results_and_the_record_of_a_run(found: Any) -> None:
    result = result_of(found, "roc_auc")
    assert result.ensemble_score == result.best_score == found.best_score_
    assert result.stopped is None
    assert {part["model"] for part in result.best_params["ensemble"]} <= set(MEMBERS)
    assert set(result.cv_results["param_model"]) == set(MEMBERS)
    # One fold, the folds of a division, those of both.
    assert [rung.n_folds for rung in found.rungs_] == [1, 3, 6]


@pytest.mark.parametrize("n_jobs", [2, 3])
def test_any_number_of_workers_finds_the_same(found: Any, n_jobs: int) -> None:
    with parallel_config("threading"):
        other = auto(n_jobs=n_jobs, pool_seconds=0.0).fit(X, Y)
    assert_same_search(found, other)
    assert found.weights_ == other.weights_
    np.testing.assert_array_equal(found.predict_proba(X), other.predict_proba(X))


def test_a_member_whose_first_fold_is_worse_than_the_worst_of_the_best_is_dropped() -> None:
    members = {**MEMBERS, "prior": member(DummyClassifier()), "second": member(boosting())}
    search = auto(members).fit(X, Y)
    folds = n_folds_of(search)
    assert folds.pop("prior") == 1
    # `second` equals the first member, and is not fitted.
    assert folds == dict.fromkeys(MEMBERS, 6)


def test_members_of_the_first_group_are_all_scored_on_all_folds() -> None:
    # There is nothing yet to compare them with.
    search = auto({"prior": member(DummyClassifier()), **MEMBERS}).fit(X, Y)
    assert n_folds_of(search)["prior"] > 1


@pytest.mark.parametrize("is_ahead", [True, False])
def test_the_next_settings_are_fitted_behind_those_that_are_scored_on_all_folds(
    found: Any, is_ahead: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[list[tuple[int, int]]] = []
    run = Runner.run

    def recording(self: Runner, function: Any, jobs: Any, *rest: Any) -> Any:
        if function is run_task:
            calls.append([(job.place, job.fold_number) for job in jobs])
        return run(self, function, jobs, *rest)

    monkeypatch.setattr(Runner, "run", recording)
    if not is_ahead:
        monkeypatch.setattr(RungSearch, "_choose_ahead", lambda *_: [])
    search = auto().fit(X, Y)
    assert calls[0] == [(0, 0), (1, 0)]
    of_two_folds = [(place, fold) for fold in (1, 2) for place in (0, 1)]
    assert sorted(calls[1]) == sorted(of_two_folds + [(2, 0)] * is_ahead)
    assert calls[1][-1] == (2, 0) or not is_ahead
    assert sum(call.count((2, 0)) for call in calls) == 1
    assert_same_search(found, search)
    assert found.weights_ == search.weights_


def test_a_member_that_fails_is_left_out() -> None:
    members = {"broken": member(Failing(fails=True)), **MEMBERS}
    with pytest.warns(FitFailedWarning, match="1 of"):
        search = auto(members).fit(X, Y)
    assert search.weights_.keys().isdisjoint({0})
    assert n_folds_of(search)["broken"] == 1


@pytest.mark.parametrize("n_fits", [0, 1, 2, 3, 5, 8, 9, 12, 14])
def test_stopped_after_any_number_of_fits_it_keeps_the_best_so_far(n_fits: int) -> None:
    done: dict[str, Any] = {}
    search = auto(finished=done, should_stop=lambda: "enough" if len(done) >= n_fits else None).fit(
        X, Y
    )
    assert search.stopped_ == "enough"
    assert search.predict_proba(X).shape == (240, 2)
    assert search.n_candidates_ == 3
    if n_fits < 2:
        assert search.best_params_ == {"model": "boosting"}


def test_a_budget_that_is_too_small_for_a_fit_returns_the_first_member() -> None:
    search = auto(time_budget=1e-9).fit(X, Y)
    assert search.best_params_ == {"model": "boosting"}
    assert search.stopped_ == "the time budget is used up"
    assert search.n_not_tried_ == 2


def test_a_resumed_search_repeats_no_fit_and_finds_the_same(found: Any) -> None:
    done: dict[str, Any] = {}
    auto(finished=done, should_stop=lambda: "enough" if len(done) >= 7 else None).fit(X, Y)
    before = dict(done)
    assert len(before) == 7
    search = auto(finished=done).fit(X, Y)
    assert all(done[key] is fit for key, fit in before.items())
    assert_same_search(found, search)
    assert found.weights_ == search.weights_


@pytest.mark.parametrize("n_fits", [0, 1, 2, 4, 7, 8, 9])
def test_a_search_that_was_stopped_is_repeated_from_the_names_of_its_fits(n_fits: int) -> None:
    done: dict[str, Any] = {}
    stopped = auto(
        finished=done, should_stop=lambda: "enough" if len(done) >= n_fits else None
    ).fit(X, Y)
    assert stopped.stopped_ == "enough"
    recorded = RecordedFits("enough", frozenset(result_of(stopped, "roc_auc").finished))
    repeated = auto(recorded=recorded, time_budget=1e-9).fit(X, Y)
    assert_same_search(stopped, repeated)
    assert stopped.weights_ == repeated.weights_
    assert frozenset(result_of(repeated, "roc_auc").finished) == recorded.names
    np.testing.assert_array_equal(stopped.predict_proba(X), repeated.predict_proba(X))


def test_drawn_settings_are_tried_after_the_members_and_each_member_in_turn() -> None:
    space = parse_space({"clf__max_leaf_nodes": {"low": 3, "high": 12}, "clf__max_iter": [2, 3]})
    members = dict.fromkeys(("boosting", "second"), MEMBERS["boosting"])
    spaces = dict.fromkeys(members, space)
    search = auto(members, spaces=spaces, n_drawn={"boosting": 3, "second": 2}).fit(X, Y)
    params = [dict(candidate.params) for candidate in search.pool_.candidates]
    families = [each.pop("model")[0] for each in params]
    assert "".join(families) == "bs" + "bsbsb"
    # Early stopping finds the iterations.
    assert params[:2] == [{}, {}]
    assert all(set(each) == {"clf__max_leaf_nodes"} for each in params[2:])
    # Equal spaces of two members give different settings.
    assert params[2::2] != params[3::2]


def test_members_of_one_family_have_names_of_their_own() -> None:
    trees = member(ExtraTreesClassifier(3, max_leaf_nodes=24, random_state=0))
    space = parse_space({"clf__random_state": [1, 2, 3, 4]})
    search = auto({"trees": trees}, spaces={"trees": space}, n_drawn={"trees": 4}).fit(X, Y)
    assert len(search.weights_) > 1, "this table is no example any more"
    names = dict(search.best_estimator_["clf"].named_estimators_)
    assert list(names) == [f"trees_{place}" for place in search.weights_]


def test_without_a_join_the_result_is_the_best_member() -> None:
    search = auto(join=None).fit(X, Y)
    assert list(search.weights_.values()) == [1.0]
    assert search.best_params_["model"] in MEMBERS
    best = max(
        np.nanmax(rung.score(c, range(rung.n_folds)))
        for rung in search.rungs_[-1:]
        for c in rung.entrants
    )
    assert search.best_score_ == best


def test_several_classes_and_labels_of_text() -> None:
    X, y = table(240, n_classes=3, seed=1)
    labels = np.array(["low", "middle", "high"])[y]
    search = auto(scoring="roc_auc_ovr").fit(X, labels)
    assert search.predict_proba(X).shape == (240, 3)
    assert set(search.predict(X)) <= set(labels)


def test_large_tables_are_scored_on_fewer_folds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tabproof.search.auto.ENOUGH_ROWS", 100)
    search = auto().fit(X, Y)
    assert [rung.n_folds for rung in search.rungs_] == [1, 2]


# --- The selection of members.

N_ROWS = 40
PROBA = st.lists(
    st.lists(st.floats(0.01, 0.99), min_size=N_ROWS, max_size=N_ROWS), min_size=1, max_size=5
)


@settings(max_examples=50, deadline=None)
@given(proba=PROBA)
def test_a_selection_is_no_worse_than_its_best_member(proba: list[list[float]]) -> None:
    matrix = np.array(proba)
    taken = greedy_selection(matrix)
    losses = -np.log(matrix).mean(axis=1)
    assert -np.log(matrix[taken].mean(axis=0)).mean() <= losses.min() + 1e-12
    assert taken[0] == losses.argmin()


@settings(max_examples=50, deadline=None)
@given(proba=PROBA, limit=st.floats(0.5, 12.0), seed=st.integers(0, 9))
def test_weights_are_shares_of_members_that_can_be_served(
    proba: list[list[float]], limit: float, seed: int
) -> None:
    costs = [float(1 + place) for place in range(len(proba))]
    arrays = [np.array(each) for each in proba]
    weights = select_members(arrays, costs, limit, seed=seed)
    assert sum(weights.values()) == pytest.approx(1)
    assert min(weights.values()) >= MIN_WEIGHT
    assert list(weights) == sorted(weights)
    assert sum(costs[place] for place in weights) <= max(limit, 1.0)
    assert weights == select_members(arrays, costs, limit, seed=seed)


def test_a_member_that_cannot_be_served_is_replaced_by_others() -> None:
    good, fair, poor = (np.full(200, p) for p in (0.9, 0.8, 0.5))
    assert select_members([good, fair, poor], [9.0, 1.0, 1.0], None, seed=0) == {0: 1.0}
    assert select_members([good, fair, poor], [9.0, 1.0, 1.0], 5.0, seed=0) == {1: 1.0}


def test_the_search_limits_the_cost_of_the_ensemble(found: Any) -> None:
    def cost(model: Any) -> float:
        return 10.0 if isinstance(model, HistGradientBoostingClassifier) else 1.0

    search = auto(row_cost=cost, max_row_cost=5.0).fit(X, Y)
    assert 0 in found.weights_
    assert 0 not in search.weights_
    frame = pd.DataFrame(search.cv_results_)
    assert (frame["param_model"] == "boosting").any()


# --- A table on which some settings take too long.


def test_a_fit_that_would_take_longer_than_there_is_time_is_not_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def seconds(estimator: Any, *_: Any) -> float:
        return 1000.0 if isinstance(estimator, ExtraTreesClassifier) else 0.0

    monkeypatch.setattr("tabproof.search.fitting.estimate_seconds", seconds)
    search = auto(time_budget=100).fit(X, Y)
    assert "extra" not in n_folds_of(search)
    assert search.stopped_ == "the time budget is too small for some of the models"
    assert search.n_not_tried_ == 1
    result = result_of(search, "roc_auc")
    assert "extra" not in str(result.best_params)
    recorded = RecordedFits(str(search.stopped_), frozenset(result.finished))
    assert_same_search(search, auto(recorded=recorded).fit(X, Y))
    # Without a budget there is time for everything; the first member is tried in any case.
    assert n_folds_of(auto().fit(X, Y))["extra"] == 6
    first = {"extra": MEMBERS["extra"], "linear": MEMBERS["linear"]}
    assert n_folds_of(auto(first, time_budget=100).fit(X, Y))["extra"] == 6
