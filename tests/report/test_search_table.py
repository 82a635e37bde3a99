"""What a picture of a search needs is read from results of both kinds of search."""

import numpy as np
import pandas as pd
import pytest
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - makes the import below work
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import HalvingGridSearchCV
from sklearn.pipeline import Pipeline

from tabproof.report.search_table import read_search
from tabproof.search import RungSearchCV, parse_schedule
from tests.report.plots.searched import frame_of

GRID = {"clf__C": [0.001, 0.1, 10.0], "clf__fit_intercept": [True, False]}
PIPELINE = Pipeline([("clf", LogisticRegression())])
SCHEDULE = [
    {"candidates": "all", "iterations": "100%", "rows": "50%", "folds": 1},
    {"candidates": 3, "iterations": "100%", "rows": "100%", "folds": "all"},
]
PARAMS = [{"clf__C": value} for value in (1, 2, 3, 4)]


@pytest.fixture(scope="module", params=["rungs", "halving"])
def search(request: pytest.FixtureRequest) -> RungSearchCV | HalvingGridSearchCV:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 4))
    y = (X[:, 0] + rng.normal(size=120) > 0).astype(int)
    if request.param == "rungs":
        schedule = parse_schedule(SCHEDULE)
        made = RungSearchCV(
            PIPELINE, GRID, cv=3, schedule=schedule, scoring="roc_auc", min_resources=20
        )
    else:
        made = HalvingGridSearchCV(PIPELINE, GRID, cv=3, scoring="roc_auc", random_state=0)
    return made.fit(X, y)


def test_candidates_meet_as_in_the_search(search: RungSearchCV | HalvingGridSearchCV) -> None:
    results = pd.DataFrame(search.cv_results_)
    table = read_search(results)
    is_scored = np.isfinite(table.scores)
    assert is_scored.sum(axis=0).tolist() == results.groupby("iter").size().tolist()
    for _, row in results.iterrows():
        candidate = list(table.params).index(row["params"])
        assert table.scores[candidate, row["iter"]] == row["mean_test_score"]
    assert not table.failed.any()


def test_the_winner_is_the_winner_of_the_search(
    search: RungSearchCV | HalvingGridSearchCV,
) -> None:
    table = read_search(pd.DataFrame(search.cv_results_))
    assert table.winner is not None
    assert dict(table.params[table.winner]) == search.best_params_
    assert table.finalists[0] == table.winner
    assert np.isfinite(table.scores[list(table.finalists), -1]).all()


def test_equal_candidates_are_one_finalist() -> None:
    scores = {0: 0.7, 1: 0.9, 2: 0.9, 3: 0.8}
    table = read_search(frame_of(PARAMS, [scores], same_as={2: 1}))
    assert table.finalists == [1, 3, 0]
    assert table.rungs[["candidates", "different"]].to_numpy().tolist() == [[4, 3]]


def test_a_failed_candidate_is_no_winner_and_is_counted() -> None:
    table = read_search(frame_of(PARAMS, [{0: 0.7, 1: None, 2: 0.9}, {0: 0.8, 2: None}]))
    assert table.failed.sum(axis=0).tolist() == [1, 1]
    assert table.winner == 0


def test_where_nothing_was_scored_there_is_no_winner() -> None:
    table = read_search(frame_of(PARAMS, [{0: None, 1: None}]))
    assert table.winner is None


def test_of_a_search_that_was_stopped_the_last_rung_with_a_common_fold_decides() -> None:
    frame = frame_of(PARAMS, [{0: 0.7, 1: 0.9, 2: 0.8}, {1: 0.6, 2: 0.7}])
    last = frame["iter"] == 1
    frame.loc[last, ["split2_test_score", "mean_test_score"]] = np.nan
    table = read_search(frame)
    assert table.winner == 2
    assert table.scores[[1, 2], 1].tolist() == [0.6, 0.7]
    # Here one of them was through, and the other had not begun: they cannot be compared.
    splits = list(frame.filter(like="split").columns)
    frame.loc[last & (frame["candidate"] == 1), splits] = np.nan
    frame.loc[last & (frame["candidate"] == 2), [*splits, "mean_test_score"]] = 0.7
    assert read_search(frame).winner == 1


def test_the_broad_rung_is_the_deepest_that_nearly_all_reached() -> None:
    all_of_them = {0: 0.7, 1: 0.9, 2: 0.8, 3: 0.8}
    assert read_search(frame_of(PARAMS, [all_of_them, {1: 0.9, 2: 0.8}])).broad_rung == 0
    assert read_search(frame_of(PARAMS, [all_of_them, all_of_them, {1: 0.9}])).broad_rung == 1


def test_columns_that_are_no_parameters_of_an_estimator_are_read_too() -> None:
    frame = frame_of(PARAMS, [{0: 0.7, 1: 0.9}]).assign(param_model=["gbm", "forest"])
    table = read_search(frame)
    assert table.varied == ["clf__C", "model"]
    assert table.in_words(1) == "C 2, model forest"


def test_what_all_share_names_no_run_and_nothing_is_the_defaults() -> None:
    params = [{"a__C": 1, "a__tol": 5}, {"a__C": 2, "a__tol": 5}, {}]
    table = read_search(frame_of(params, [{0: 0.7, 1: 0.9, 2: 0.8}]))
    assert [table.in_words(n) for n in range(3)] == ["C 1", "C 2", "defaults"]
