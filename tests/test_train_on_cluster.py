"""A search on a cluster gives exactly the numbers of this machine, even if a worker is killed."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import ROOT, quickly, train
from tests.runtime.cluster import SECONDS, RealCluster, real_cluster, until

# Each starts a cluster of processes.
pytestmark = pytest.mark.slow

MODEL = ["model=hist_gradient_boosting", "search=full", "search.n_splits=4"]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCluster]:
    with real_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        for _ in range(2):
            cluster.add_worker()
        yield cluster


@pytest.fixture
def table(make_csv: Callable[..., Path]) -> list[str]:
    return ["dataset=file", f"dataset.path={make_csv(n_rows=600)}", "dataset.target=label"]


def test_a_search_has_the_same_numbers_on_a_cluster_though_a_worker_is_killed(
    real: RealCluster, table: list[str], tmp_path: Path
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    done = train(*table, *MODEL, "runtime=serial", f"hydra.run.dir={here}")
    assert done.returncode == 0, done.stderr
    words = [*table, *MODEL, *quickly([]), "runtime=dask", f"runtime.address={real.address}"]
    process = subprocess.Popen(
        [sys.executable, "-m", "src.train", *words, f"hydra.run.dir={there}"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until(lambda: len(list(there.glob("search/*.pickle"))) >= 5, process)
    real.kill()
    _, errors = process.communicate(timeout=3 * SECONDS)
    assert process.returncode == 0, errors
    first, second = (json.loads((run / "summary.json").read_text()) for run in (here, there))
    assert second["run_id"] == first["run_id"]
    assert second["stopped"] is None
    same = ("predictions.parquet", "scorer/scorer.json", "scorer/arrays.safetensors")
    assert all((here / name).read_bytes() == (there / name).read_bytes() for name in same)
    one, other = (
        pd.read_csv(run / "cv_results.csv").filter(regex="^(?!.*_time)") for run in (here, there)
    )
    pd.testing.assert_frame_equal(one, other)


def test_a_cluster_that_does_not_answer_is_an_error_before_data_is_read(tmp_path: Path) -> None:
    words = ["runtime=dask", "runtime.address=tcp://127.0.0.1:9", "runtime.timeout=2"]
    done = train(*words, f"hydra.run.dir={tmp_path}/run")
    assert done.returncode == 2
    assert "tcp://127.0.0.1:9" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "run").exists()
