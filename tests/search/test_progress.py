"""What a search reports while it runs."""

from itertools import pairwise
from typing import Any

import pytest
from joblib import parallel_config

from tabproof.runtime.progress import Progress
from tabproof.search import Rung
from tests.search.making import WHOLE, searching, table

X, Y = table()


def reports_of(**options: Any) -> list[Progress]:
    reports: list[Progress] = []
    with parallel_config("threading"):
        searching(on_progress=reports.append, **options).fit(X, Y)
    return reports


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_each_rung_begins_continues_and_ends(n_jobs: int) -> None:
    reports = reports_of(n_jobs=n_jobs, pool_seconds=0.0)
    assert [each.rung for each in reports] == sorted(each.rung for each in reports)
    for rung in (1, 2, 3):
        of_rung = [each for each in reports if each.rung == rung]
        assert of_rung[-1].n_done == of_rung[-1].n_fits
        assert [each.n_done for each in of_rung] == sorted({each.n_done for each in of_rung})
        assert len({each.n_fits for each in of_rung}) == 1
    assert reports[0].n_done == 0
    assert [each.n_rungs for each in reports] == [3] * len(reports)
    assert reports[0].n_candidates == 13
    assert [each.n_rows for each in reports if each.n_done == each.n_fits] == [67, 133, 134]


def test_shares_grow_to_the_whole_and_scores_are_those_of_the_rung() -> None:
    reports = reports_of()
    # From rung to rung, who goes on is known better.
    within = [(one, other) for one, other in pairwise(reports) if one.rung == other.rung]
    assert all(0 <= one.share <= other.share <= 1 for one, other in within)
    assert all(one.seconds <= other.seconds for one, other in pairwise(reports))
    assert reports[-1].share == pytest.approx(1)
    assert reports[0].best_score is None
    assert reports[0].seconds_left is None
    assert reports[-1].seconds_left == pytest.approx(0, abs=1e-6)
    search = searching().fit(X, Y)
    assert reports[-1].best_score == search.best_score_
    assert reports[-1].best_params == search.best_params_


def test_progress_of_a_resumed_search() -> None:
    finished: dict[str, Any] = {}
    whole = reports_of(finished=finished)
    again = reports_of(finished=finished)
    assert [each.rung for each in again if each.n_done == each.n_fits] == [1, 2, 3]
    assert again[-1].best_score == whole[-1].best_score
    first = [key for key in finished if key.startswith("rung-0")]
    rest = reports_of(finished={key: finished[key] for key in first[:5]})
    of_first = [each.n_done for each in rest if each.rung == 1]
    assert of_first[0] == 0
    assert of_first[1:] == list(range(6, 14))


def test_batches_continue_the_progress_of_the_first_rung() -> None:
    from tests.search.test_repeatable import InBatches

    settings = [{"max_depth": depth} for depth in (1, 2, 3, 4, 5, 6, 7)]
    reports = reports_of(grid=InBatches(settings), schedule=(Rung(None, 1.0, 0.5, 1), WHOLE))
    of_first = [each for each in reports if each.rung == 1]
    assert [each.n_done for each in of_first] == sorted(each.n_done for each in of_first)
    assert of_first[-1].n_done == of_first[-1].n_fits == 8
