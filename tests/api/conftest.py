"""Shared by the tests of the Python API: a small frame, and a run made of it from Python."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tabproof as tp
from tests.conftest import QUICK


def make_frame(n_rows: int = 100) -> pd.DataFrame:
    """Return a table of numbers and categories, with missing cells, that can be learned."""
    rng = np.random.default_rng(0)
    age, job = rng.normal(40, 10, n_rows), rng.choice(["clerk", "farmer", "smith"], n_rows)
    churned = np.where(age + 10 * (job == "smith") + rng.normal(0, 3, n_rows) > 43, "yes", "no")
    frame = pd.DataFrame({"age": age, "job": job, "size": rng.normal(0, 1, n_rows)})
    frame.loc[::11, "size"] = np.nan
    frame.loc[::13, "job"] = None
    return frame.assign(churned=churned)


@pytest.fixture
def frame() -> pd.DataFrame:
    return make_frame()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty directory, which is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tp.Run:
    """Return a run that was made from a frame; tests must not change it."""
    folder = tmp_path_factory.mktemp("trained")
    return tp.train(
        make_frame(),
        {"hydra.run.dir": str(folder / "outputs" / "2026-11-29" / "10-00-00_run")},
        target="churned",
        search="none",
        name="churn",
        save_data=True,
        **{**QUICK, "report": "default"},
    )
