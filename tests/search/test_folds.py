"""Folds: the rows of a rung, shared steps, and large arrays in shared files."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joblib import parallel_config
from sklearn.compose import make_column_transformer
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
from sklearn.feature_selection import SelectFromModel
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import (
    KFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    cross_val_score,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, TargetEncoder

from tabproof import modeling
from tabproof.modeling.folds import with_groups
from tabproof.runtime.progress import Progress
from tabproof.search import Rung, RungSearchCV, fitting
from tabproof.search.candidates import Candidate
from tabproof.search.fitting import (
    FEW_ROWS,
    Fold,
    Problem,
    make_fold,
    rows_of,
    spill,
    spill_directory,
)
from tests.conftest import ROOT
from tests.search.making import WHOLE, CountingScaler, assert_same_search, searching, table


def problem(y: Any, *, n_splits: int = 3, min_resources: Any = "auto", seed: int = 0) -> Problem:
    y = np.asarray(y)
    folds = StratifiedKFold(n_splits, shuffle=True, random_state=0)
    splits = list(folds.split(np.zeros((len(y), 1)), y))
    codes = np.unique(y, return_inverse=True)[1]
    return Problem(np.zeros((len(y), 1)), y, splits, _no_score, codes, min_resources, seed)


def _no_score(*_: Any) -> float:
    return 0.0


def rare(n_rows: int, n_rare: int) -> Any:
    """Return labels, the last of which is rare."""
    y = np.arange(n_rows) % 2
    y[:n_rare] = 2
    return np.random.default_rng(0).permutation(y)


@settings(max_examples=30, deadline=None)
@given(
    share=st.floats(0.01, 1.0),
    n_rare=st.integers(3, 40),
    least=st.integers(1, 400),
    seed=st.integers(0, 5),
)
def test_rows_of_a_rung_are_stratified_sorted_and_repeatable(
    share: float, n_rare: int, least: int, seed: int
) -> None:
    y = rare(300, n_rare)
    rung = Rung(None, 1.0, share, None)
    found = problem(y, min_resources=least, seed=seed)
    for fold, (train, _) in enumerate(found.splits):
        rows = found.rows(rung, fold)
        n_rows = found.n_rows(rung, fold)
        assert n_rows >= min(least, len(train))
        assert n_rows >= share * len(train) - 1e-9 or n_rows == len(train)
        if rows is None:
            assert n_rows == len(train)
            continue
        assert len(rows) == n_rows < len(train)
        assert (np.diff(rows) > 0).all()
        counts, expected = np.bincount(y[train][rows], minlength=3), np.bincount(y[train])
        assert (abs(counts - expected * n_rows / len(train)) <= 1).all()
        np.testing.assert_array_equal(
            rows, problem(y, min_resources=least, seed=seed).rows(rung, fold)
        )


@pytest.mark.parametrize("n_rare", [3, 6, 30, 100])
@pytest.mark.parametrize("n_rows", [300, 9000, 30_000])
def test_with_auto_a_rung_has_enough_rows_of_every_class(n_rows: int, n_rare: int) -> None:
    y = rare(n_rows, n_rare)
    found = problem(y)
    for fold, (train, _) in enumerate(found.splits):
        rows = found.rows(Rung(None, 1.0, 0.01, None), fold)
        if rows is None:
            # It has all rows.
            assert len(train) <= FEW_ROWS or np.bincount(y[train]).min() <= 10
            continue
        assert len(rows) >= FEW_ROWS
        assert np.bincount(y[train][rows]).min() >= 9  # ten, but for rounding


def test_classes_with_one_row_and_very_many_classes_work() -> None:
    single = rare(300, 4)
    single[np.flatnonzero(single == 2)[1:]] = 0
    codes = np.unique(single, return_inverse=True)[1]
    splits = list(KFold(3).split(single))
    found = Problem(np.zeros((300, 1)), single, splits, _no_score, codes, 5, 0)
    many = problem(np.arange(300) % 60, min_resources=5)
    for each in (found, many):
        for fold in range(3):
            rows = each.rows(Rung(None, 1.0, 0.01, None), fold)
            y = each.classes[each.splits[fold][0]] if each.classes is not None else []
            assert rows is None or set(y[rows]) == set(y)
            assert each.smallest_sufficient(fold) <= len(y)


@pytest.mark.parametrize("n_rare", [3, 6, 20])
def test_smallest_sufficient_holds_every_class_and_one_row_less_does_not(
    n_rare: int,
) -> None:
    y = rare(300, n_rare)
    for fold, (train, _) in enumerate(problem(y).splits):
        least = problem(y).smallest_sufficient(fold)

        def classes(n_rows: int, fold: int = fold) -> int:
            rows = problem(y, min_resources=n_rows).rows(Rung(None, 1.0, 0.001, None), fold)
            return len(set(y[problem(y).splits[fold][0]][rows]))

        assert least < len(train)
        assert classes(least) == 3
        assert least == 3 or classes(least - 1) == 2


def test_without_classes_rows_are_drawn_all_the_same() -> None:
    y = np.random.default_rng(0).normal(size=100)
    splits = list(KFold(2).split(y))
    found = Problem(y[:, None], y, splits, _no_score, None, 10, 3)
    rows = found.rows(Rung(None, 1.0, 0.5, None), 0)
    assert rows is not None
    assert len(rows) == 25
    assert found.smallest_sufficient(0) == 1


def test_all_rows_need_no_drawing() -> None:
    y = table()[1]
    assert problem(y).rows(WHOLE, 0) is None


@pytest.mark.parametrize("kind", ["array", "frame", "list"])
def test_rows_are_selected_by_position_in_every_kind_of_table(kind: str) -> None:
    X, y = table(20)
    index = np.arange(100, 120)
    tables = {"array": X, "frame": pd.DataFrame(X, index=index), "list": X.tolist()}
    labels = {"array": y, "frame": pd.Series(y, index=index), "list": y.tolist()}
    train, test = np.arange(5, 20), np.arange(5)
    data = tables[kind], labels[kind], [(train, test)]
    fold = make_fold(data, None, True, (("", 0), None), None)
    part = rows_of(fold.X_train, fold.y_train, np.array([0, 2]))
    np.testing.assert_array_equal(np.asarray(part[0]), X[[5, 7]])
    np.testing.assert_array_equal(np.asarray(part[1]), y[[5, 7]])
    np.testing.assert_array_equal(np.asarray(fold.X_test), X[:5])


def counted(estimator: Any, grid: Any, **options: Any) -> tuple[RungSearchCV, list[Any]]:
    CountingScaler.fits.clear()
    X, y = table()
    search = searching(estimator, grid, **options).fit(X, y)
    return search, sorted(CountingScaler.fits)


def scaled() -> Pipeline:
    return make_pipeline(CountingScaler(), LogisticRegression())


def test_shared_steps_are_fitted_once_per_fold_for_all_candidates() -> None:
    grid = {"logisticregression__C": [0.01, 0.1, 1.0, 10.0]}
    _, fits = counted(scaled(), grid)
    # All training rows of three folds of 200 rows, and the last fit.
    assert fits == [(1.0, 133), (1.0, 133), (1.0, 134), (1.0, 200)]


def test_shared_steps_that_differ_are_fitted_each() -> None:
    grid = {"logisticregression__C": [0.1, 1.0], "countingscaler__factor": [1.0, 2.0]}
    search, fits = counted(scaled(), grid, schedule=(WHOLE,))
    last = (search.best_params_["countingscaler__factor"], 200)
    assert fits == sorted([last, *((f, n) for f in (1.0, 2.0) for n in (133, 133, 134))])


def test_steps_whose_trees_differ_are_not_shared() -> None:
    # A tree of one row has one leaf, whatever its limit; a step that selects columns has all rows.
    chosen = [
        Pipeline(
            [("select", SelectFromModel(ExtraTreesClassifier(max_leaf_nodes=n))), ("m", Ridge())]
        )
        for n in (2, 50)
    ]
    one, other = (Candidate(0, {}, pipeline).parts[1] for pipeline in chosen)
    assert one != other


def test_only_folds_that_are_needed_are_prepared() -> None:
    grid = {"logisticregression__C": [0.1, 1.0], "countingscaler__factor": [1.0, 2.0, 3.0]}
    first = Rung(None, 1.0, 0.5, 1)
    search, fits = counted(scaled(), grid, schedule=(first, Rung(1, 1.0, 1.0, None)))
    factors = {c.params.get("countingscaler__factor", 1.0) for c in search.rungs_[-1].entrants}
    # Each factor on the first fold, the factors of finalists on the others, and the last fit.
    assert len(fits) == 3 + 2 * len(factors) + 1


@pytest.mark.parametrize(
    ("scoring", "n_jobs"), [("roc_auc", 2), pytest.param("neg_log_loss", 1, marks=pytest.mark.slow)]
)
def test_scores_of_the_last_rung_are_those_of_cross_val_score(scoring: str, n_jobs: int) -> None:
    X, y = table(300)
    frame = pd.DataFrame(X).add_prefix("x")
    frame["city"] = pd.Categorical(np.random.default_rng(0).choice(list("abc"), 300))
    frame["job"] = pd.Categorical(np.random.default_rng(1).choice(list("defgh"), 300))
    folds = StratifiedKFold(4, shuffle=True, random_state=1)
    inner = StratifiedKFold(3, shuffle=True, random_state=2)
    pipeline = make_pipeline(
        make_column_transformer(
            (StandardScaler(), ["x0", "x1"]),
            (OneHotEncoder(), ["city"]),
            # It transforms its training rows differently.
            (TargetEncoder(cv=inner), ["job"]),
        ),
        HistGradientBoostingClassifier(max_iter=8, random_state=0),
    )
    grid = {"histgradientboostingclassifier__max_leaf_nodes": [3, 5, 9, 31]}
    schedule = (Rung(None, 0.5, 0.5, 1), Rung(3, 0.5, 1.0, 2), Rung(3, 1.0, 1.0, None))
    options = {"cv": folds, "scoring": scoring, "schedule": schedule, "n_jobs": n_jobs}
    with parallel_config("threading"):
        search = searching(pipeline, grid, pool_seconds=0, **options).fit(frame, y)
    last = search.rungs_[-1]
    assert len(last.entrants) == 3
    for candidate in last.entrants:
        expected = cross_val_score(candidate.estimator, frame, y, cv=folds, scoring=scoring)
        found = [last.score(candidate, [fold]) for fold in range(4)]
        np.testing.assert_array_equal(found, expected)
    cold = pipeline.set_params(**search.best_params_).fit(frame, y)
    np.testing.assert_array_equal(search.predict_proba(frame), cold.predict_proba(frame))


def test_a_regression_is_scored_as_cross_val_score_does() -> None:
    X, y = table(100)
    target = X[:, 0] + y
    search = searching(Ridge(), {"alpha": [0.1, 10.0]}, scoring="r2").fit(X, target)
    expected = cross_val_score(Ridge(**search.best_params_), X, target, cv=3, scoring="r2")
    assert search.best_score_ == expected.mean()


LARGE = np.random.default_rng(0).normal(size=(200, 700))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JOBLIB_TEMP_FOLDER", str(tmp_path))
    return tmp_path


def fold_of(X: Any) -> Fold:
    return Fold(X, np.zeros(len(X)), X, np.zeros(len(X)))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_mapped_array_is_the_same(order: Any, dtype: Any, folder: Path) -> None:
    values = np.array(np.tile(LARGE, (1, 2)), dtype=dtype, order=order)
    with spill_directory() as directory:
        mapped = spill(fold_of(values), path_of(directory), "0")
        assert isinstance(mapped.X_train, np.memmap)
        np.testing.assert_array_equal(mapped.X_train, values)
        assert mapped.X_train.dtype == dtype
        assert mapped.X_train.flags[f"{order}_CONTIGUOUS"]
        assert len(list(folder.glob("search_*/*.npy"))) == 2
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    "values",
    [LARGE[:10], pd.DataFrame(LARGE), LARGE.astype(object), LARGE.tolist()],
    ids=lambda values: type(values).__name__,
)
def test_small_arrays_and_other_tables_are_not_mapped(values: Any, folder: Path) -> None:
    assert spill(fold_of(values), folder, "0").X_train is values
    assert not list(folder.iterdir())


def test_without_space_nothing_is_mapped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert spill(fold_of(LARGE), folder / "nowhere", "0").X_train is LARGE
    monkeypatch.setattr(fitting.np, "load", _no_room)
    assert spill(fold_of(LARGE), folder, "0").X_train is LARGE
    assert not list(folder.iterdir())


def test_a_directory_is_made_when_it_is_needed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with spill_directory() as directory:
        assert not list(folder.iterdir())
        assert path_of(directory) == path_of(directory)
        assert len(list(folder.iterdir())) == 1
    assert not list(folder.iterdir())
    monkeypatch.setenv("JOBLIB_TEMP_FOLDER", str(folder / "nowhere"))
    with spill_directory() as directory:
        assert directory() is None


@pytest.mark.parametrize(("n_columns", "is_made"), [(5, False), (200, True)])
def test_small_folds_need_no_directory(
    n_columns: int, is_made: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Its making starts a process that watches over it.
    made = []
    register = fitting.resource_tracker.register
    monkeypatch.setattr(
        fitting.resource_tracker,
        "register",
        lambda path, kind: (made.append(path), register(path, kind)),
    )
    X = np.random.default_rng(0).normal(size=(120, n_columns))
    # No workers are started, but there may be some.
    search = RungSearchCV(
        LogisticRegression(), {"C": [1.0, 2.0]}, cv=3, n_jobs=2, pool_seconds=np.inf
    )
    search.fit(X, (X[:, 0] > 0).astype(int))
    assert bool(made) == is_made


def path_of(directory: Callable[[], Path | None]) -> Path:
    path = directory()
    assert path is not None
    return path


def _no_room(*_: Any, **__: Any) -> None:
    raise OSError(28, "No space left on device")


def test_workers_keep_the_groups_of_inner_folds(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "MIN_SPILL_BYTES", 100)
    groups = np.repeat(np.arange(60), 5)
    y = (np.arange(60) % 2)[groups]
    ids = pd.Categorical([f"id {group}" for group in groups])
    frame = pd.DataFrame({"id": ids, "x": np.random.default_rng(0).normal(y, 3.0)})
    pipeline = modeling.make_pipeline(
        {"scale": StandardScaler()}, {}, LogisticRegression(), seed=0, max_categories=10
    )
    options: dict[str, Any] = {"cv": StratifiedGroupKFold(3), "scoring": "neg_log_loss"}

    def searched(X: pd.DataFrame, **others: Any) -> RungSearchCV:
        search = searching(pipeline, {"clf__C": [0.1, 1.0, 10.0]}, **options, **others)
        return search.fit(X, y, groups=groups)

    alone = searched(with_groups(frame, groups))
    assert_same_search(alone, searched(with_groups(frame, groups), n_jobs=2, pool_seconds=0.0))
    # Without the groups each row's share is that of its own group, which tells the label.
    assert searched(frame).best_score_ < alone.best_score_
    assert not list(folder.glob("search_*"))


def test_a_search_whose_rows_are_mapped_is_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, y = table()
    alone = searching().fit(X, y)
    monkeypatch.setattr(fitting, "MIN_SPILL_BYTES", 100)
    assert_same_search(alone, searching(n_jobs=2, pool_seconds=0.0).fit(X, y))
    assert not list(folder.glob("search_*"))


def test_folds_that_no_finalist_needs_are_removed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, y = table()
    monkeypatch.setattr(fitting, "MIN_SPILL_BYTES", 100)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    grid = {"standardscaler__with_std": [True, False], "standardscaler__with_mean": [True, False]}
    n_files: list[int] = []

    def look(progress: Progress) -> None:
        if progress.n_done == 0:
            n_files.append(len(list(folder.glob("search_*/*_X_train.npy"))))

    # In threads, where the patched limit holds.
    with parallel_config("threading"):
        search = searching(pipeline, grid, n_jobs=2, pool_seconds=0.0, on_progress=look).fit(X, y)
    n_finalists = len(search.rungs_[-1].entrants)
    # One fold for each of the four settings; the last rung begins with those of its entrants.
    assert n_files == [0, len(search.rungs_[1].entrants), n_finalists]
    assert n_finalists < 4


@pytest.mark.slow
def test_a_search_that_is_killed_leaves_nothing_in_memory(folder: Path) -> None:
    code = (
        "import time, numpy as np\n"
        "from tabproof.search.fitting import Fold\n"
        "from tabproof.search.fitting import spill, spill_directory\n"
        "X, making = np.zeros((1000, 1000)), spill_directory()\n"
        "spill(Fold(X, None, X, None), making.__enter__()(), '0')\n"
        "print('there', flush=True)\n"
        "time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "there\n"
    assert list(folder.glob("search_*/*.npy"))
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    deadline = time.monotonic() + 20
    while list(folder.glob("search_*")):
        assert time.monotonic() < deadline, "files in memory are left"
        time.sleep(0.05)
