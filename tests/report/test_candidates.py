"""The table of candidates."""

import pandas as pd

from tabproof.report.sections import MOST, best_candidates
from tests.report.making import candidates_of


def test_the_best_stand_first_and_the_rest_is_counted() -> None:
    found = best_candidates(candidates_of(2000))
    assert found is not None
    assert len(found.best) == MOST
    assert found.n_all == 2000
    scores = [one.score for one in found.best]
    assert scores == sorted(scores, reverse=True)
    assert [one.is_chosen for one in found.best] == [True] + [False] * (MOST - 1)


def test_who_came_further_stands_before_a_better_score_on_fewer_rows() -> None:
    frame = candidates_of(3)
    later = frame.iloc[[2]].assign(iter=1, n_resources=1600, mean_test_score=0.1)
    later["rank_test_score"] = 1
    found = best_candidates(pd.concat([frame, later], ignore_index=True))
    assert found is not None
    assert [one.rung for one in found.best] == [2, 1, 1]
    assert found.best[0].score == 0.1
    assert found.best[0].is_chosen


def test_failed_ones_are_counted_and_not_ranked() -> None:
    frame = candidates_of(4)
    frame.loc[1, ["mean_test_score", "error"]] = [None, "Traceback"]
    found = best_candidates(frame)
    assert found is not None
    assert (len(found.best), found.n_failed) == (3, 1)


def test_without_a_search_there_is_no_table() -> None:
    assert best_candidates(None) is None
    assert best_candidates(candidates_of(2).drop(columns="mean_test_score")) is None
    assert best_candidates(candidates_of(0)) is None
