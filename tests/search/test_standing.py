"""Who wins: the best mean, of equals the simplest, then the first; never below the defaults."""

from math import nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from tabproof.search import Rung
from tabproof.search.candidates import Candidate, Roster
from tabproof.search.fitting import Fit
from tabproof.search.race import RungScores, best_of, chosen
from tests.search.making import WHOLE, searching, table

FULL = [DecisionTreeClassifier(max_depth=depth) for depth in (5, 3, 4, 3)]


def candidate(place: int, estimator: Any = None) -> Candidate:
    return Candidate(place, {"place": place}, FULL[place] if estimator is None else estimator)


def rung_of(scores: list[list[float | None]], number: int = 0) -> RungScores:
    """Make the rung of candidates whose scores by fold these are; None was not run."""
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
    assert places(rung_of([[0.1, 0.9], [0.6, 0.6], [0.5, 0.6]]).ranked()) == [1, 2, 0]


def test_of_equals_the_simplest_wins_then_the_first() -> None:
    # Depths 5, 3, 4, 3.
    assert places(rung_of([[0.5]] * 4).ranked()) == [1, 3, 2, 0]


def test_what_failed_on_a_fold_comes_last() -> None:
    rung = rung_of([[0.9, nan], [0.1, 0.1], [0.2, 0.2]])
    assert places(rung.ranked()) == [2, 1, 0]
    assert places(rung.succeeded()) == [2, 1]


def test_on_folds_that_not_all_were_run_on_nobody_is_compared() -> None:
    rung = rung_of([[0.5, 0.9], [0.6, 0.1], [0.4, None]])
    assert rung.common_folds == [0]
    assert not rung.is_complete
    assert places(rung.ranked()) == [1, 0, 2]


def test_stopped_before_all_had_their_turn_those_who_had_it_are_ranked() -> None:
    rung = rung_of([[0.5], [0.6], [None]])
    assert rung.common_folds == []
    assert places(rung.ranked()) == [1, 0]
    assert best_of([rung], candidate(3))[0].place == 1
    nobody = rung_of([[None], [None]])
    nobody.n_folds = 1
    winner, score = best_of([nobody], candidate(3))
    assert winner.place == 3
    assert np.isnan(score)


def test_a_later_rung_decides_as_soon_as_all_can_be_compared_there() -> None:
    first, last = rung_of([[0.9], [0.5]]), rung_of([[0.2, None], [0.4, None]], number=1)
    assert best_of([first, last], candidate(0))[0].place == 1
    unmet = rung_of([[0.2, None], [None, None]], number=1)
    assert best_of([first, unmet], candidate(0))[0].place == 0


@settings(max_examples=60, deadline=None)
@given(st.permutations(range(4)), st.integers(1, 4), st.sets(st.integers(0, 3), max_size=2))
def test_who_always_goes_on_does_so_in_the_place_of_the_last(
    order: list[int], n: int, always: set[int]
) -> None:
    ranked = [candidate(place) for place in order]
    taken = places(chosen(ranked, n, [candidate(place) for place in sorted(always)]))
    assert always <= set(taken)
    assert taken == [place for place in order if place in taken]
    others = [place for place in taken if place not in always]
    # The best of the others, one at least: the defaults alone could not be compared.
    assert others == [place for place in order if place not in always][: len(others)]
    assert len(taken) <= max(n, len(always) + 1)
    if not always:
        assert taken == order[:n]


def test_who_failed_does_not_go_on_even_by_default() -> None:
    assert places(chosen([candidate(1), candidate(2)], 2, [candidate(0)])) == [1, 2]


@pytest.mark.parametrize(
    ("simpler", "other"),
    [
        (DecisionTreeClassifier(max_depth=2), DecisionTreeClassifier(max_depth=3)),
        (DecisionTreeClassifier(max_depth=9), DecisionTreeClassifier(max_depth=None)),
        (
            DecisionTreeClassifier(max_leaf_nodes=4, max_depth=9),
            DecisionTreeClassifier(max_leaf_nodes=5, max_depth=2),
        ),
        (
            HistGradientBoostingClassifier(max_iter=50, learning_rate=0.3),
            HistGradientBoostingClassifier(max_iter=100, learning_rate=0.1),
        ),
        (
            HistGradientBoostingClassifier(min_samples_leaf=40),
            HistGradientBoostingClassifier(min_samples_leaf=20),
        ),
        (
            HistGradientBoostingClassifier(l2_regularization=1.0),
            HistGradientBoostingClassifier(l2_regularization=0.0),
        ),
        (LogisticRegression(C=0.1), LogisticRegression(C=1.0)),
        (
            make_pipeline(StandardScaler(), LogisticRegression(C=0.1)),
            make_pipeline(StandardScaler(), LogisticRegression(C=1.0)),
        ),
        # What a grid of numpy holds is as large.
        (
            RandomForestClassifier(n_estimators=np.int64(10)),
            RandomForestClassifier(n_estimators=np.int64(20)),
        ),
    ],
    ids=str,
)
def test_what_is_simpler(simpler: Any, other: Any) -> None:
    assert candidate(1, simpler).simplicity < candidate(0, other).simplicity


def test_a_depth_without_limit_is_the_deepest_for_every_library() -> None:
    lightgbm = pytest.importorskip("lightgbm")
    limited, free = (lightgbm.LGBMClassifier(max_depth=depth) for depth in (12, -1))
    assert candidate(1, limited).simplicity < candidate(0, free).simplicity


def test_the_defaults_are_found_where_somebody_proposed_them() -> None:
    roster = Roster({"": LogisticRegression(C=0.5)}, 100)
    assert places(roster.add([{"C": 0.1}, {"C": 0.5}])) == [1, 0]
    assert places(roster.defaults) == [1]
    assert len(roster.candidates) == 2


def test_the_defaults_are_added_where_nobody_did() -> None:
    roster = Roster({"": LogisticRegression(C=0.5)}, 100)
    assert places(roster.add([{"C": 0.1}, {"C": 2.0}])) == [2, 0, 1]
    assert dict(roster.candidates[2].params) == {}
    assert places(roster.add([{"C": 3.0}])) == [3]
    assert places(roster.defaults) == [2]


def test_a_number_of_columns_is_not_the_share_of_the_same_value() -> None:
    roster = Roster({"": RandomForestClassifier(max_features=1.0)}, 100)
    roster.add([{"max_features": 1}])
    assert len(roster.candidates) == 2
    assert len({*roster.first_of.values()}) == 2


def test_equals_of_a_later_batch_are_searched_in_the_place_of_the_first() -> None:
    roster = Roster({"": DecisionTreeClassifier(max_leaf_nodes=4)}, 100)
    roster.add([{"max_depth": 2}])
    assert roster.add([{"max_depth": 2, "max_leaf_nodes": 9}]) == []
    assert roster.first_of == {0: 0, 1: 1, 2: 0}


def test_a_parameter_by_the_name_of_model_is_nothing_special() -> None:
    class Odd(DummyClassifier):
        def __init__(self, model: str = "a", strategy: str = "prior") -> None:
            super().__init__(strategy=strategy)
            self.model = model

    roster = Roster({"": Odd()}, 10)
    roster.add([{"model": "b"}])
    assert [c.estimator.model for c in roster.candidates] == ["b", "a"]


@settings(max_examples=15, deadline=None)
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
    (mine,) = search.roster_.defaults
    assert mine.place in places(last.entrants)
    assert search.best_score_ >= last.score(mine, range(3))
    assert search.best_score_ == max(last.score(c, range(3)) for c in last.entrants)


def test_equals_share_scores_and_rank() -> None:
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


def test_what_cannot_differ_on_the_rows_of_a_rung_is_fitted_once_there() -> None:
    X, y = table()
    # Of 67 rows with 10 in a leaf there are at most 6 leaves; of 133 and 134 rows up to 13.
    grid = {"max_leaf_nodes": [7, 9, 12], "min_samples_leaf": [10]}
    schedule = (Rung(None, 1.0, 0.5, 1), WHOLE)
    search = searching(DecisionTreeClassifier(random_state=0), grid, schedule=schedule).fit(X, y)
    few, all_rows = search.rungs_
    assert few.same_as == {0: 0, 1: 0, 2: 0, 3: 3}
    assert set(few.fits) == {(0, 0), (3, 0)}
    assert all_rows.same_as == {place: place for place in range(4)}
    results = search.cv_results_
    assert results["same_as"][results["iter"] == 0].tolist() == [0, 0, 0, 3]
