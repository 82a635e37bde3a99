"""Stopped at any moment, a search returns the best candidate so far."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tabproof.search import RecordedFits, RungSearchCV, result_of
from tests.search.making import WHOLE, assert_same_search, searching, table

X, Y = table()


def after(n_fits: int) -> tuple[Callable[[], str | None], dict[str, Any]]:
    """Return a function that stops a search after n_fits, and the finished fits."""
    finished: dict[str, Any] = {}
    return lambda: "enough" if len(finished) >= n_fits else None, finished


def n_tried(search: RungSearchCV) -> int:
    first, pool = search.rungs_[0], search.pool_
    equals = [pool.candidates[place] for place in pool.first_of.values()]
    return sum(any(first.fit_of(c, f) for f in range(first.n_folds)) for c in equals)


@pytest.fixture(scope="module")
def whole() -> RungSearchCV:
    return searching().fit(X, Y)


# Two workers may finish a few more fits.
@pytest.mark.parametrize(
    ("n_fits", "n_jobs"), [*((n, 1) for n in (0, 1, 2, 7, 12, 13, 14, 17, 19)), (0, 2), (8, 2)]
)
def test_stopped_after_any_number_of_fits_a_search_has_a_best_candidate(
    n_fits: int, n_jobs: int, whole: RungSearchCV
) -> None:
    should_stop, finished = after(n_fits)
    options = {"should_stop": should_stop, "finished": finished}
    with parallel_config("threading"):
        search = searching(n_jobs=n_jobs, pool_seconds=0.0, **options).fit(X, Y)
    assert search.predict_proba(X).shape == (200, 2)
    assert len(finished) == n_fits if n_jobs == 1 else n_fits <= len(finished) <= 13
    assert search.stopped_ == "enough"
    assert search.n_candidates_ - search.n_not_tried_ == n_tried(search)
    assert (search.n_not_tried_ == 0) == (n_tried(search) == search.n_candidates_)
    best = search.cv_results_["params"][search.best_index_]
    assert best == search.best_params_
    if n_fits == 0:
        # No candidate was tried: the defaults are fitted.
        assert search.best_params_ == {}
        assert np.isnan(search.best_score_)
    else:
        assert search.best_score_ > 0.5
    pd.DataFrame(search.cv_results_)
    result = result_of(search, "roc_auc")
    assert result.stopped == "enough"
    assert result.n_fits == len(finished) <= len(result.finished)
    # Resumed, it ends as the whole search does.
    assert_same_search(whole, searching(finished=finished).fit(X, Y))


def test_the_defaults_are_tried_first() -> None:
    should_stop, finished = after(1)
    search = searching(should_stop=should_stop, finished=finished).fit(X, Y)
    assert search.best_params_ == {}
    assert search.best_score_ > 0.5


def test_a_search_that_was_already_complete_is_not_marked_as_stopped() -> None:
    finished: dict[str, Any] = {}
    whole = searching(finished=finished).fit(X, Y)
    n_fits = len(finished)
    should_stop, again = after(n_fits)
    search = searching(should_stop=should_stop, finished=again).fit(X, Y)
    assert search.stopped_ is None
    assert search.n_not_tried_ == 0
    assert result_of(search, "roc_auc").finished == ()
    assert_same_search(whole, search)


def test_after_the_first_reason_to_stop_no_fit_is_started() -> None:
    answers = iter([None] * 6 + ["now"])
    finished: dict[str, Any] = {}
    search = searching(should_stop=lambda: next(answers, None), finished=finished).fit(X, Y)
    assert search.stopped_ == "now"
    assert len(finished) < 13


def test_stopped_in_the_first_fold_the_best_of_it_wins() -> None:
    grid = {"C": [1e-4, 1.0, 0.1]}
    should_stop, finished = after(3)
    search = searching(
        LogisticRegression(), grid, schedule=(WHOLE,), should_stop=should_stop, finished=finished
    ).fit(X, Y)
    fits = search.rungs_[0].fits
    assert {fold for _, fold in fits} == {0}
    assert len(fits) == 3
    assert search.best_score_ == max(fit.score for fit in fits.values())


@pytest.mark.parametrize("n_folds_done", [1, 2])
def test_stopped_in_the_last_rung_finalists_are_compared_on_their_common_folds(
    n_folds_done: int,
) -> None:
    grid = {"C": [0.001, 0.1, 1.0]}
    should_stop, finished = after(3 * n_folds_done + 1)
    search = searching(
        LogisticRegression(), grid, schedule=(WHOLE,), should_stop=should_stop, finished=finished
    ).fit(X, Y)
    means = {
        place: np.mean([search.rungs_[0].fits[place, fold].score for fold in range(n_folds_done)])
        for place in range(3)
    }
    assert search.best_score_ == max(means.values())
    assert search.best_params_ == {"C": grid["C"][max(means, key=lambda place: means[place])]}


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_without_any_time_the_defaults_are_fitted(n_jobs: int) -> None:
    search = searching(time_budget=1e-9, n_jobs=n_jobs, pool_seconds=0.0).fit(X, Y)
    assert search.stopped_ == "the time budget is used up"
    assert search.best_params_ == {}
    assert search.n_not_tried_ == search.n_candidates_ == 13
    assert search.predict(X).shape == (200,)


def test_a_large_time_budget_changes_nothing(whole: RungSearchCV) -> None:
    assert_same_search(whole, searching(time_budget=3600.0).fit(X, Y))


def test_stopped_while_shared_steps_are_fitted_there_is_a_model() -> None:
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    grid = {"standardscaler__with_mean": [True, False], "logisticregression__C": [0.1, 1.0]}
    for n_questions in range(8):
        answers = iter([None] * n_questions)
        search = searching(
            pipeline, grid, should_stop=lambda answers=answers: next(answers, "enough")
        ).fit(X, Y)
        assert search.stopped_ == "enough"
        assert search.predict(X).shape == (200,)


@pytest.mark.parametrize("n_fits", [0, 1, 5, 13, 14])
def test_a_stopped_search_is_repeated_from_the_names_of_its_fits(n_fits: int) -> None:
    should_stop, finished = after(n_fits)
    stopped = searching(should_stop=should_stop, finished=finished).fit(X, Y)
    assert stopped.stopped_ == "enough"
    names = frozenset(result_of(stopped, "roc_auc").finished)
    assert len(names) >= n_fits
    repeated = searching(recorded=RecordedFits("enough", names), time_budget=1e-9).fit(X, Y)
    assert_same_search(stopped, repeated)
    assert frozenset(result_of(repeated, "roc_auc").finished) == names
