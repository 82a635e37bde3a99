"""A run with a threshold of its own: the service, src.score and scikit-learn give its labels."""

import json
from collections.abc import Callable
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from tabproof.service.served_model import load_model
from tests.batch.scoring import read, score
from tests.conftest import train

# Its threshold is far from 0.5: to miss costs nine times as much as to be alarmed.
COSTS = "threshold.costs=[[0,1],[9,0]]"


@pytest.fixture(scope="module", params=["none", "isotonic"])
def run(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    make_csv: Callable[..., Path],
) -> Path:
    path = tmp_path_factory.mktemp("decided") / "run"
    done = train(
        "dataset=file",
        f"dataset.path={make_csv(200)}",
        "dataset.target=label",
        "search=none",
        "runtime=serial",
        "threshold=cost",
        COSTS,
        f"calibration={request.param}",
        f"hydra.run.dir={path}",
    )
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture(scope="module")
def rows(run: Path) -> pd.DataFrame:
    config = json.loads((run / "schema.json").read_text())
    assert [column["name"] for column in config["columns"]] == ["age", "income", "job"]
    n = 300
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "age": rng.normal(40, 10, n),
            "income": rng.lognormal(3, 1, n),
            "job": rng.choice(["clerk", "farmer", "smith"], n),
        }
    )


@pytest.fixture(scope="module")
def expected(run: Path, rows: pd.DataFrame) -> np.ndarray:
    """Predict as people do who work in Python."""
    frame = rows.assign(job=rows["job"].astype("category"))
    codes = joblib.load(run / "estimator.joblib").predict(frame)
    labels: np.ndarray = np.array(["c0", "c1"])[codes]
    return labels


def test_the_service_decides_so(run: Path, rows: pd.DataFrame, expected: np.ndarray) -> None:
    model = load_model(run, name="decided", source="outputs/run", promoted=False)
    sent = rows.to_dict("records")
    batch = model.predict_rows(sent, strict=True)
    assert_array_equal(batch.label, expected)
    assert_array_equal([model.predict_row(row, strict=True).label for row in sent], expected)
    decision = json.loads((run / "evaluation.json").read_text())["evidence"]["decision"]
    assert batch.threshold == decision["threshold"]
    # Some rows have a label that is not their likelier one.
    likelier = np.where(np.array(batch.pred_proba) > 0.5, "c1", "c0")
    assert (likelier != expected).any()


def test_batch_scoring_decides_so(
    run: Path, rows: pd.DataFrame, expected: np.ndarray, tmp_path: Path
) -> None:
    rows.to_parquet(tmp_path / "in.parquet")
    score(f"run={run}", f"input={tmp_path}/in.parquet", f"output={tmp_path}/out.parquet")
    assert_array_equal(read(tmp_path / "out.parquet")["label"], expected)


def test_what_was_decided_is_reported(run: Path) -> None:
    evidence = json.loads((run / "evaluation.json").read_text())["evidence"]
    decision = evidence["decision"]
    assert decision["objective"] == "cost"
    assert decision["costs"] == [[0.0, 1.0], [9.0, 0.0]]
    assert decision["score"] > 0
    scorer = json.loads((run / "scorer" / "scorer.json").read_text())
    assert scorer["threshold"] == decision["threshold"]
    assert (scorer["calibration"] or {"kind": "none"})["kind"] == evidence["calibration"]
