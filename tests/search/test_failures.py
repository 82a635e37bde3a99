"""A failure is a result; if nothing is left to compare, it is an error that says why."""

import os
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from tabproof.errors import RungNotScoredError
from tabproof.search import Rung
from tabproof.search.estimator import result_of
from tabproof.search.fitting import DIED
from tests.search.making import (
    WHOLE,
    Failing,
    Killing,
    assert_same_search,
    searching,
    table,
    without_times,
)

ignores_failures = pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
X, Y = table()


def raise_for(values: Any, *, much: bool) -> Any:
    if much:
        raise RuntimeError("these values cannot be prepared")
    return values


@ignores_failures
def test_a_step_that_raises_fails_only_its_candidates() -> None:
    pipeline = make_pipeline(FunctionTransformer(raise_for), LogisticRegression())
    grid = {
        "functiontransformer__kw_args": [{"much": True}, {"much": False}],
        "logisticregression__C": [0.1, 1.0],
    }
    pipeline.set_params(functiontransformer__kw_args={"much": False})
    search = searching(pipeline, grid).fit(X, Y)
    results = pd.DataFrame(search.cv_results_)
    failed = results[results["error"] != ""]
    assert failed["candidate"].tolist() == [0, 1]
    assert failed["error"].str.contains("these values cannot be prepared").all()
    assert failed["rank_test_score"].min() == results["rank_test_score"].nlargest(2).min()
    assert search.best_params_["functiontransformer__kw_args"] == {"much": False}


@ignores_failures
def test_a_scorer_that_raises_is_a_failure() -> None:
    def score(estimator: Any, X: Any, y: Any) -> float:
        if estimator.C == 0.1:
            raise RuntimeError("no score")
        return float(estimator.score(X, y))

    search = searching(LogisticRegression(), {"C": [0.1, 1.0, 2.0]}, scoring=score).fit(X, Y)
    assert search.best_params_ != {"C": 0.1}
    assert "no score" in search.cv_results_["error"][0]


@ignores_failures
def test_defaults_that_fail_are_not_among_the_finalists() -> None:
    search = searching(Failing(fails=True), {"fails": [False], "C": [0.1, 1.0, 2.0]}).fit(X, Y)
    (default,) = search.pool_.defaults
    assert default.place == 3
    assert 3 not in [c.place for c in search.rungs_[-1].entrants]
    assert search.best_params_["fails"] is False


def test_failures_are_one_warning() -> None:
    grid = {"fails": [True, False], "C": [0.1, 1.0, 2.0]}
    with pytest.warns(
        FitFailedWarning, match=r"^3 of \d+ fits failed, the first with RuntimeError: no fit"
    ) as caught:
        searching(Failing(), grid).fit(X, Y)
    assert len(caught) == 1


def test_error_score_raise() -> None:
    with pytest.raises(RuntimeError, match="no fit with C=1"):
        searching(Failing(fails=True), {"C": [1.0]}, error_score="raise").fit(X, Y)
    pipeline = make_pipeline(FunctionTransformer(raise_for, kw_args={"much": True}), Failing())
    with pytest.raises(RuntimeError, match="cannot be prepared"):
        searching(pipeline, {"failing__C": [1.0]}, error_score="raise").fit(X, Y)


def test_if_all_candidates_fail_it_is_an_error() -> None:
    with pytest.raises(
        RungNotScoredError, match=r"rung 1 on \d+ rows .*: no fit with C=.*; search\.scoring"
    ) as raised:
        searching(Failing(fails=True), {"C": [0.1, 1.0]}).fit(X, Y)
    assert raised.value.exit_code == 1
    assert "\n" not in str(raised.value)


class FailingOnMuch(Failing):
    """Fail on more than a hundred rows."""

    def fit(self, X: Any, y: Any) -> Any:
        if len(X) > 100:
            raise RuntimeError("too many rows")
        return super().fit(X, y)


def test_a_later_rung_in_which_all_fail_is_named() -> None:
    with pytest.raises(RungNotScoredError, match=r"rung 2 on 133 rows .*too many rows"):
        searching(FailingOnMuch(), {"C": [0.1, 1.0]}).fit(X, Y)


class FailingOnHalf(Failing):
    """Fail if the first row is among the training rows: on all folds but the first."""

    def fit(self, X: Any, y: Any) -> Any:
        if (X[0] == X_FIRST).all() and len(X) > 100:
            raise RuntimeError("these rows cannot be learned")
        return super().fit(X, y)


X_FIRST = X[0]


@ignores_failures
@pytest.mark.parametrize("n_folds", [2, None])
def test_a_rung_in_which_all_fail_on_one_fold_is_named(n_folds: int | None) -> None:
    rungs = [Rung(None, 1.0, 0.5, 1), Rung(None, 1.0, 1.0, n_folds)]
    schedule = (*rungs, WHOLE) if n_folds else (rungs[0], WHOLE)
    with pytest.raises(RungNotScoredError, match=r"rung 2 .*these rows cannot be learned"):
        searching(FailingOnHalf(), {"C": [0.1, 1.0]}, schedule=schedule, cv=KFold(3)).fit(X, Y)


def rare(n_rare: int) -> Any:
    y = np.zeros(200, np.int64)
    y[np.random.default_rng(0).permutation(200)[:n_rare]] = 1
    return y


def test_an_error_states_how_many_rows_suffice() -> None:
    y = rare(6)
    options: dict[str, Any] = {"schedule": (Rung(None, 1.0, 0.01, 1), WHOLE)}
    with pytest.raises(RungNotScoredError, match=r"rung 1 on 5 rows .*only one class") as raised:
        searching(LogisticRegression(), {"C": [0.1]}, min_resources=5, **options).fit(X, y)
    said = str(raised.value)
    least = int(said.partition("search.min_resources=")[2].split()[0])
    assert said.endswith(f"={least} is the smallest that works (auto finds it)")
    with pytest.raises(RungNotScoredError):
        searching(LogisticRegression(), {"C": [0.1]}, min_resources=least - 1, **options).fit(X, y)
    for enough in (least, "auto"):
        found = searching(LogisticRegression(), {"C": [0.1]}, min_resources=enough, **options)
        assert found.fit(X, y).best_score_ > 0


def killing(**options: Any) -> Any:
    grid = {"C": [0.1, 0.5], "fails": [False, True]}
    return searching(Killing(spared=os.getpid()), grid, **options)


@pytest.fixture
def in_processes() -> Iterator[None]:
    with parallel_config("loky", n_jobs=2):
        yield


@pytest.mark.slow
@ignores_failures
@pytest.mark.usefixtures("in_processes")
def test_a_killed_worker_fails_only_its_candidate() -> None:
    grid = [{"C": [0.1, 0.5, 1.0, 2.0]}, {"C": [0.5], "fails": [True]}]
    model = Killing(spared=os.getpid())
    search = searching(model, grid, pool_seconds=0.0).fit(X, Y)
    results = without_times(search)
    dead = results["candidate"] == 4
    assert results.loc[dead, "error"].tolist() == [DIED]
    assert results.loc[dead, "mean_test_score"].isna().all()
    # The others are as in a search in which this candidate raised.
    raising = searching(Failing(), grid).fit(X, Y)
    expected = without_times(raising)
    pd.testing.assert_frame_equal(
        results[~dead].drop(columns="params"),
        expected[expected["candidate"] != 4].drop(columns="params"),
        check_exact=True,
    )
    assert search.best_params_ == raising.best_params_


@pytest.mark.slow
@ignores_failures
@pytest.mark.usefixtures("in_processes")
def test_several_workers_may_die_and_other_running_fits_are_repeated() -> None:
    search = killing(pool_seconds=0.0).fit(X, Y)
    results = without_times(search)
    died = results["error"] == DIED
    assert sorted(results.loc[died, "candidate"]) == [1, 3]
    assert results.loc[~died, "error"].eq("").all()
    assert not search.best_params_.get("fails")


@pytest.mark.slow
@ignores_failures
@pytest.mark.usefixtures("in_processes")
def test_a_killed_fit_is_tried_again_by_a_resumed_search() -> None:
    finished: dict[str, Any] = {}
    search = killing(pool_seconds=0.0, finished=finished).fit(X, Y)
    assert not [key for key, fit in finished.items() if fit.error]
    assert any(fit.was_killed for fit in search.fits_)
    # A result that is based on fewer fits belongs to another run.
    named = result_of(search, "roc_auc").finished
    assert len(named) == sum(not f.was_killed for r in search.rungs_ for f in r.fits.values())
    # In this process nothing is killed.
    calm = {"C": [0.1, 0.5], "fails": [False, True]}
    model = Killing(spared=os.getpid())
    whole = searching(model, calm, n_jobs=1).fit(X, Y)
    assert_same_search(whole, searching(model, calm, n_jobs=1, finished=finished).fit(X, Y))


def killing_step(values: Any, *, much: bool, spared: int) -> Any:
    if much and os.getpid() != spared:
        time.sleep(0.1)
        os.kill(os.getpid(), 9)
    return values


@pytest.mark.slow
@ignores_failures
@pytest.mark.usefixtures("in_processes")
def test_a_step_that_kills_its_process_fails_only_its_candidates() -> None:
    step = "functiontransformer__kw_args"
    asked = [{"much": much, "spared": os.getpid()} for much in (False, True)]
    pipeline = make_pipeline(
        FunctionTransformer(killing_step, kw_args=asked[0]), LogisticRegression()
    )
    grid = {step: asked, "logisticregression__C": [0.1, 1.0]}
    search = searching(pipeline, grid, pool_seconds=0.0).fit(X, Y)
    results = without_times(search)
    died = results["error"] == DIED
    assert sorted(results.loc[died, "candidate"]) == [2, 3]
    assert search.best_params_[step] == asked[0]


@ignores_failures
def test_failures_are_finished_fits() -> None:
    finished: dict[str, Any] = {}
    grid = {"fails": [True, False], "C": [0.1, 1.0]}
    whole = searching(Failing(), grid, finished=finished).fit(X, Y)
    failed = [fit for fit in finished.values() if fit.error]
    assert len(failed) == 2
    assert_same_search(whole, searching(Failing(), grid, finished=dict(finished)).fit(X, Y))
