"""Ranking: the best mean wins, then the simplest, then the first. Estimates of the time left."""

from math import nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import check_scoring
from sklearn.tree import DecisionTreeClassifier

from tabproof.search import Rung
from tabproof.search.candidates import Candidate
from tabproof.search.fitting import Fit, Problem
from tabproof.search.rungs import Clock, RungScores, best_of, choose_entrants
from tests.search.making import WHOLE, searching, table

FULL = [DecisionTreeClassifier(max_depth=depth) for depth in (5, 3, 4, 3)]


def candidate(place: int, estimator: Any = None) -> Candidate:
    return Candidate(place, {"place": place}, FULL[place] if estimator is None else estimator)


def rung_of(scores: list[list[float | None]], number: int = 0) -> RungScores:
    """Return a rung with these scores by candidate and fold; None was not run."""
    n_folds = max(map(len, scores))
    rung = RungScores(number, WHOLE, [candidate(i) for i in range(len(scores))], n_folds, 100)
    rung.same_as = {i: i for i in range(len(scores))}
    rung.fits = {
        (place, fold): Fit(score)
        for place, row in enumerate(scores)
        for fold, score in enumerate(row)
        if score is not None
    }
    return rung


def places(candidates: list[Candidate]) -> list[int]:
    return [each.place for each in candidates]


def test_the_best_mean_wins() -> None:
    assert places(rung_of([[0.1, 0.9], [0.6, 0.6], [0.5, 0.6]]).ranking()) == [1, 2, 0]


def test_ties_go_to_the_simplest_then_to_the_first() -> None:
    # Depths 5, 3, 4, 3.
    assert places(rung_of([[0.5]] * 4).ranking()) == [1, 3, 2, 0]


def test_a_candidate_that_failed_on_a_fold_ranks_last() -> None:
    rung = rung_of([[0.9, nan], [0.1, 0.1], [0.2, 0.2]])
    assert places(rung.ranking()) == [2, 1, 0]
    assert places(rung.succeeded()) == [2, 1]


def test_candidates_are_compared_on_common_folds_only() -> None:
    rung = rung_of([[0.5, 0.9], [0.6, 0.1], [0.4, None]])
    assert rung.common_folds == [0]
    assert not rung.is_complete
    assert places(rung.ranking()) == [1, 0, 2]


def test_stopped_in_the_first_fold_the_candidates_that_were_run_are_ranked() -> None:
    rung = rung_of([[0.5], [0.6], [None]])
    assert rung.common_folds == []
    assert places(rung.ranking()) == [1, 0]
    assert best_of([rung], candidate(3))[0].place == 1
    nothing_run = rung_of([[None], [None]])
    nothing_run.n_folds = 1
    winner, score = best_of([nothing_run], candidate(3))
    assert winner.place == 3
    assert np.isnan(score)


def test_a_later_rung_decides_once_all_candidates_can_be_compared() -> None:
    first, last = rung_of([[0.9], [0.5]]), rung_of([[0.2, None], [0.4, None]], number=1)
    assert best_of([first, last], candidate(0))[0].place == 1
    unmet = rung_of([[0.2, None], [None, None]], number=1)
    assert best_of([first, unmet], candidate(0))[0].place == 0


@settings(max_examples=40, deadline=None)
@given(st.permutations(range(4)), st.integers(1, 4), st.sets(st.integers(0, 3), max_size=2))
def test_the_defaults_enter_in_place_of_the_last_candidates(
    order: list[int], n: int, always: set[int]
) -> None:
    ranked = [candidate(place) for place in order]
    taken = places(choose_entrants(ranked, n, [candidate(place) for place in sorted(always)]))
    assert always <= set(taken)
    assert taken == [place for place in order if place in taken]
    others = [place for place in taken if place not in always]
    # At least one other candidate, for the defaults to be compared with.
    assert others == [place for place in order if place not in always][: len(others)]
    assert len(taken) <= max(n, len(always) + 1)
    if not always:
        assert taken == order[:n]


def test_defaults_that_failed_do_not_enter() -> None:
    assert places(choose_entrants([candidate(1), candidate(2)], 2, [candidate(0)])) == [1, 2]


@settings(max_examples=5, deadline=None)
@given(
    seed=st.integers(0, 50),
    depth=st.integers(1, 8),
    n=st.integers(1, 3),
    folds=st.sampled_from([1, 2]),
)
def test_a_search_never_ends_below_the_defaults(seed: int, depth: int, n: int, folds: int) -> None:
    X, y = table(120, seed=seed)
    default = DecisionTreeClassifier(max_depth=depth, random_state=0)
    schedule = (Rung(None, 1.0, 0.3, folds), Rung(n, 1.0, 1.0, None))
    grid = {"max_depth": [1, 2, 6, 7], "min_samples_leaf": [2, 9]}
    search = searching(default, grid, schedule=schedule, random_state=seed).fit(X, y)
    last = search.rungs_[-1]
    (mine,) = search.pool_.defaults
    assert mine.place in places(last.entrants)
    assert search.best_score_ >= last.score(mine, range(3))
    assert search.best_score_ == max(last.score(c, range(3)) for c in last.entrants)


def test_equivalent_candidates_share_scores_and_rank() -> None:
    X, y = table()
    grid = {"max_depth": [2], "max_leaf_nodes": [3, 4, 8, 100]}
    search = searching(DecisionTreeClassifier(random_state=0), grid).fit(X, y)
    results = search.cv_results_
    for rung in range(3):
        rows = np.flatnonzero((results["iter"] == rung) & np.isin(results["candidate"], [1, 2, 3]))
        assert len(rows) in (0, 3)
        assert len(set(results["same_as"][rows])) <= 1
        assert len(set(results["rank_test_score"][rows])) <= 1
        assert len(set(results["mean_test_score"][rows])) <= 1
    assert not {(place, fold) for place in (2, 3) for fold in range(3)} & set(search.rungs_[0].fits)


def test_candidates_that_are_equivalent_on_the_rows_of_a_rung_are_fitted_once() -> None:
    X, y = table()
    # 67 rows with 10 in a leaf have at most 6 leaves; 133 and 134 rows at most 13.
    grid = {"max_leaf_nodes": [7, 9, 12], "min_samples_leaf": [10]}
    schedule = (Rung(None, 1.0, 0.5, 1), WHOLE)
    search = searching(DecisionTreeClassifier(random_state=0), grid, schedule=schedule).fit(X, y)
    few, all_rows = search.rungs_
    assert few.same_as == {0: 0, 1: 0, 2: 0, 3: 3}
    assert set(few.fits) == {(0, 0), (3, 0)}
    assert all_rows.same_as == {place: place for place in range(4)}
    results = search.cv_results_
    assert results["same_as"][results["iter"] == 0].tolist() == [0, 0, 0, 3]


HALF, LAST = Rung(None, 0.5, 1.0, 1), Rung(1, 1.0, 1.0, None)
# Half of the iterations; a tenth of a fit does not depend on them (FIXED_SHARE).
WORK = 0.55


def clock(n_candidates: int = 4) -> Clock:
    y = np.repeat([0, 1], 50)
    splits = [(np.arange(0, 50), np.arange(50, 100)), (np.arange(50, 100), np.arange(0, 50))]
    scorer = check_scoring(DecisionTreeClassifier(), scoring="accuracy")
    problem = Problem(np.zeros((100, 1)), y, splits, scorer, None, "auto", 0)
    return Clock(problem, (HALF, LAST), n_candidates)


def add_fits(to: Clock, family: str, *seconds: float) -> None:
    for n in seconds:
        to.add(HALF, family, Fit(0.5, fit_seconds=n))


def test_there_is_no_estimate_after_the_first_fits() -> None:
    made = clock()
    add_fits(made, "", 9.0, 1.0)
    assert made.seconds_left() is None
    add_fits(made, "", 1.0)
    # One of four fits of the first rung, and a whole fit on two folds.
    assert made.seconds_left() == pytest.approx(1 / WORK * (1 * WORK + 2))


def test_the_estimate_counts_fits_that_were_there_already() -> None:
    made = clock()
    add_fits(made, "", 1.0, 1.0, 1.0)
    made.add(HALF, "", None)
    assert made.seconds_left() == pytest.approx(2 / WORK)
    assert made.share == pytest.approx(4 * WORK / (4 * WORK + 2))


def test_the_estimate_for_the_last_fits_is_one_fit_per_family() -> None:
    made = clock()
    assert made.seconds_of_last_fits == 0
    add_fits(made, "slow", 10.0)
    add_fits(made, "quick", 1.0, 1.0, 1.0, 1.0, 7.0)
    assert made.seconds_of_last_fits == pytest.approx((10 + 1) / WORK)
