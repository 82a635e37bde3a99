"""Large arrays are mapped from files, which nothing leaves behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tabproof.search import Progress, folds
from tabproof.search.folds import Fold, SpillDirectory, spill
from tests.conftest import ROOT
from tests.search.making import assert_same_search, searching, table

LARGE = np.random.default_rng(0).normal(size=(200, 700))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JOBLIB_TEMP_FOLDER", str(tmp_path))
    return tmp_path


def fold(X: Any) -> Fold:
    return Fold(X, np.zeros(len(X)), X, np.zeros(len(X)))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_what_is_mapped_has_the_same_bits_in_the_same_order(
    order: Any, dtype: Any, folder: Path
) -> None:
    values = np.array(np.tile(LARGE, (1, 2)), dtype=dtype, order=order)
    with SpillDirectory() as directory:
        mapped = spill(fold(values), made(directory), "0")
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
def test_what_is_small_or_no_array_stays_as_it_is(values: Any, folder: Path) -> None:
    assert spill(fold(values), folder, "0").X_train is values
    assert not list(folder.iterdir())


def test_without_room_it_stays_as_it_is(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert spill(fold(LARGE), folder / "nowhere", "0").X_train is LARGE
    monkeypatch.setattr(folds.np, "load", _no_room)
    assert spill(fold(LARGE), folder, "0").X_train is LARGE
    assert not list(folder.iterdir())


def test_a_directory_is_made_when_somebody_needs_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SpillDirectory() as directory:
        assert not list(folder.iterdir())
        assert made(directory) == made(directory)
        assert len(list(folder.iterdir())) == 1
    assert not list(folder.iterdir())
    monkeypatch.setenv("JOBLIB_TEMP_FOLDER", str(folder / "nowhere"))
    with SpillDirectory() as directory:
        assert directory.path() is None


def made(directory: SpillDirectory) -> Path:
    path = directory.path()
    assert path is not None
    return path


def _no_room(*_: Any, **__: Any) -> None:
    raise OSError(28, "No space left on device")


def test_a_search_whose_rows_are_mapped_is_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, y = table()
    alone = searching().fit(X, y)
    monkeypatch.setattr(folds, "LEAST_BYTES", 100)
    assert_same_search(alone, searching(n_jobs=2, pool_seconds=0.0).fit(X, y))
    assert not list(folder.glob("search_*"))


def test_folds_that_no_finalist_needs_are_gone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, y = table()
    monkeypatch.setattr(folds, "LEAST_BYTES", 100)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    grid = {"standardscaler__with_std": [True, False], "standardscaler__with_mean": [True, False]}
    n_files: list[int] = []

    def look(progress: Progress) -> None:
        if progress.n_done == 0:
            n_files.append(len(list(folder.glob("search_*/*_X_train.npy"))))

    # In threads, which see the smaller limit.
    with parallel_config("threading"):
        search = searching(pipeline, grid, n_jobs=2, pool_seconds=0.0, on_progress=look).fit(X, y)
    n_finalists = len(search.rungs_[-1].entrants)
    # Of each of the four one fold; the last rung begins with those of its entrants alone.
    assert n_files == [0, len(search.rungs_[1].entrants), n_finalists]
    assert n_finalists < 4


def test_a_search_that_is_killed_leaves_nothing_in_memory(folder: Path) -> None:
    code = (
        "import time, numpy as np\n"
        "from tabproof.search.folds import Fold\n"
        "from tabproof.search.folds import SpillDirectory, spill\n"
        "X, directory = np.zeros((1000, 1000)), SpillDirectory()\n"
        "spill(Fold(X, None, X, None), directory.path(), '0')\n"
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
