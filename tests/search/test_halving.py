"""scikit-learn's halving: reproducible, and what could not be scored is reported."""

import logging
from itertools import count
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import make_classification
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - makes the import below work
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import HalvingGridSearchCV, StratifiedKFold

from tabproof.errors import InvalidValueError, RungNotScoredError
from tabproof.modeling import make_pipeline
from tabproof.runtime import progress
from tabproof.search import SearchResult, fit_halving
from tabproof.search.halving import MIN_ROWS_PER_CLASS, describe_rungs, first_rung

SEED = 0


def table(n_rows: int = 300, share: float = 0.5) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(SEED)
    X = pd.DataFrame(rng.normal(size=(n_rows, 3)), columns=["a", "b", "c"])
    noise = rng.normal(size=n_rows)
    score = X["a"] + noise
    return X, (score > score.quantile(1 - share)).to_numpy(np.int64)


def searched(X: pd.DataFrame, y: np.ndarray, grid: Any = None, **changes: Any) -> SearchResult:
    grid = grid or {"clf__C": [0.01, 0.1, 1.0, 10.0]}
    standard: dict[str, Any] = {
        "cv": StratifiedKFold(3, shuffle=True, random_state=SEED),
        "scoring": "roc_auc",
        "factor": 3,
        "min_resources": "auto",
        "seed": SEED,
    }
    pipeline = make_pipeline({}, {}, LogisticRegression(), seed=0)
    return fit_halving(pipeline, grid, X, y, **{**standard, **changes})


def test_the_same_search_gives_the_same_numbers() -> None:
    X, y = table()
    first, second = (searched(X, y) for _ in range(2))
    scores = [column for column in first.cv_results if "score" in column and "time" not in column]
    pd.testing.assert_frame_equal(first.cv_results[scores], second.cv_results[scores])
    assert first.best_params == second.best_params
    np.testing.assert_array_equal(first.pipeline.predict_proba(X), second.pipeline.predict_proba(X))


def test_each_rung_is_logged_with_the_seconds_since_it_began(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A clock that goes on by a second whenever it is read.
    clock = count()
    monkeypatch.setattr(progress, "perf_counter", lambda: next(clock))
    callbacks = progress.progress_callbacks(bar=False)
    for _ in range(100):
        next(clock)
    with caplog.at_level("INFO"):
        searched(*table(), callbacks=callbacks)
    lines = [message for message in caplog.messages if message.startswith("rung ")]
    assert len(lines) == 2
    assert lines[0].startswith("rung 1: 4 candidates on ")
    assert all(line.endswith(", 3 folds, 1.0 s") for line in lines)


def test_only_the_grid_is_searched() -> None:
    X, y = table()
    result = searched(X, y)
    values = {params["clf__C"] for params in result.cv_results["params"]}
    assert values == {0.01, 0.1, 1.0, 10.0}
    assert result.n_candidates == 4
    assert result.best_params in [{"clf__C": c} for c in values]


def test_a_rung_without_a_score_is_an_error_that_states_how_many_rows_suffice() -> None:
    X, y = table(share=0.05)
    with pytest.raises(
        RungNotScoredError,
        match=r"rung 1 on 12 rows .*[Oo]nly one class.*search.min_resources=300 ",
    ):
        searched(X, y, min_resources=12)
    searched(X, y, min_resources=300)


def test_fits_that_all_fail_are_an_error_with_their_cause() -> None:
    X, y = table()
    X.loc[:, "c"] = np.nan
    with pytest.raises(RungNotScoredError, match=r"Input X contains NaN.*search\.scoring"):
        searched(X, y)


def test_a_fold_that_could_not_be_scored_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    X, y = table()
    grid = {"clf__solver": ["lbfgs", "liblinear"], "clf__l1_ratio": [0.0, 1.0]}
    with caplog.at_level(logging.WARNING):
        result = searched(X, y, grid)
    failed = [line for line in result.not_scored if line.startswith("rung 1, fold 0")]
    assert failed == ["rung 1, fold 0, {'clf__l1_ratio': 1.0, 'clf__solver': 'lbfgs'}"]
    assert "not scored: rung 1, fold 0" in caplog.text


@pytest.mark.parametrize("min_resources", [1, 2, 301])
def test_a_first_rung_out_of_range_is_refused_with_the_range(min_resources: int) -> None:
    X, y = table()
    with pytest.raises(InvalidValueError, match=r"3 to 300 \(the training rows\)"):
        searched(X, y, min_resources=min_resources)


def test_a_tie_of_all_finalists_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    X, y = table()
    grid = {"clf__max_iter": [1000, 2000]}
    with caplog.at_level(logging.WARNING):
        searched(X, y, grid)
    assert "the choice is arbitrary" in caplog.text


def held_out_rows(y: np.ndarray, n_splits: int) -> list[np.ndarray]:
    cv = StratifiedKFold(n_splits, shuffle=True, random_state=42)
    return [test for _, test in cv.split(np.zeros((len(y), 1)), y)]


@pytest.mark.parametrize(("share", "n_splits"), [(0.05, 3), (0.05, 5), (0.5, 3)])
def test_every_fold_that_scikit_learn_scores_holds_ten_rows_of_each_class(
    share: float, n_splits: int
) -> None:
    X, y = make_classification(4000, weights=[1 - share], random_state=0)
    first = first_rung(y, held_out_rows(y, n_splits), n_candidates=27, factor=3, seed=42)
    scored: list[np.ndarray] = []

    def spy(estimator: LogisticRegression, X: np.ndarray, y: np.ndarray) -> float:
        scored.append(np.bincount(y, minlength=2))
        return float(estimator.score(X, y))

    HalvingGridSearchCV(
        LogisticRegression(),
        {"C": [0.1, 1.0, 10.0, 100.0]},
        scoring=spy,
        cv=StratifiedKFold(n_splits, shuffle=True, random_state=42),
        min_resources=first,
        random_state=42,
        return_train_score=False,
    ).fit(X, y)
    assert min(counts.min() for counts in scored) >= MIN_ROWS_PER_CLASS


@settings(max_examples=25, deadline=None)
@given(
    n_rows=st.integers(100, 2000),
    n_candidates=st.integers(1, 100),
    factor=st.floats(1.5, 5),
    share=st.floats(0.1, 0.9),
)
def test_the_last_rung_has_nearly_all_rows(
    n_rows: int, n_candidates: int, factor: float, share: float
) -> None:
    y = (np.arange(n_rows) < share * n_rows).astype(np.int64)
    first = first_rung(y, held_out_rows(y, 3), n_candidates=n_candidates, factor=factor, seed=42)
    last = describe_rungs(first, n_rows, n_candidates, factor)[-1]
    # first = n // factor**k loses less than one row, multiplied by factor in each rung.
    assert n_rows - factor ** len(describe_rungs(first, n_rows, n_candidates, factor)) < last
    assert last <= n_rows


def test_with_a_very_rare_class_the_first_rung_has_all_rows() -> None:
    y = np.array([0] * 200 + [1] * 12)
    assert first_rung(y, held_out_rows(y, 3), n_candidates=27, factor=3, seed=42) == len(y)
