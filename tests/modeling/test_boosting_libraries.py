"""LightGBM, XGBoost and CatBoost as configured in conf/: repeatable, and they print nothing."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from threadpoolctl import threadpool_limits

from tabproof.steps.search import make_pipeline
from tests.conftest import composed
from tests.scorer.fitted import table

# Enough rows for several threads.
X, Y = table(n_rows=6000, seed=3)
LIBRARIES = ["lightgbm", "xgboost", "catboost"]
FEW_ROUNDS = {
    "lightgbm": "model.estimator.n_estimators=4",
    "xgboost": "model.estimator.n_estimators=4",
    "catboost": "model.estimator.iterations=4",
}


def fitted(model: str, *overrides: str) -> Any:
    config = composed(f"model={model}", FEW_ROUNDS[model], *overrides)
    return make_pipeline(config).fit(X, Y)


@pytest.mark.parametrize("model", LIBRARIES)
def test_the_seed_decides_the_numbers_and_threads_do_not(model: str) -> None:
    with threadpool_limits(1, "openmp"):
        expected = fitted(model).predict_proba(X)
        assert (fitted(model, "seed=43").predict_proba(X) != expected).any()
    with threadpool_limits(3, "openmp"):
        assert_array_equal(fitted(model, "seed=42").predict_proba(X), expected)


@pytest.mark.parametrize("model", LIBRARIES)
def test_libraries_print_nothing_and_write_no_file(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pipeline = make_pipeline(composed(f"model={model}", FEW_ROUNDS[model]))
    monkeypatch.chdir(tmp_path)
    # A class with one row and a constant column, which libraries may warn about.
    few = X.iloc[:30].assign(age=0.0)
    pipeline.fit(few, np.arange(30) == 7).predict_proba(few)
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []
