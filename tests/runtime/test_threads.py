"""Thread limits are set before numeric libraries are loaded, and override the environment."""

import json
import os
import subprocess
import sys

import pytest

from tabproof.runtime.threads import limited_threads, n_cores, n_openmp_threads, n_workers
from tests.conftest import ROOT

PROBE = """
import json, sys
from tabproof.runtime.threads import limited_threads
if {loaded}:
    import sklearn.ensemble
with limited_threads({threads}):
    from threadpoolctl import threadpool_info
    print(json.dumps([[pool["user_api"], pool["num_threads"]] for pool in threadpool_info()]))
"""


@pytest.mark.parametrize(
    ("threads", "loaded"), [pytest.param(1, False, marks=pytest.mark.slow), (2, True)]
)
def test_blas_gets_one_thread_and_openmp_what_was_requested(threads: int, loaded: bool) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "3"}
    code = PROBE.format(threads=threads, loaded=loaded)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    pools = json.loads(done.stdout)
    assert {api for api, _ in pools} == {"blas", "openmp"}
    for api, n_threads in pools:
        assert n_threads == (1 if api == "blas" else threads)


@pytest.mark.parametrize(
    ("outside", "threads"),
    [("3", 3), ("5,2", 5), (None, n_cores()), ("", n_cores()), ("0", n_cores())],
)
def test_a_fit_of_many_rows_gets_omp_num_threads_or_all_cores(
    outside: str | None, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if outside is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", outside)
    assert n_openmp_threads(None, n_rows=50_000) == threads
    assert n_openmp_threads(None, n_rows=455) == 1


def test_one_job_of_a_sweep_does_not_limit_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    with limited_threads(1):
        assert os.environ["OMP_NUM_THREADS"] == "1"
        assert os.environ["OPENBLAS_NUM_THREADS"] == "1"
    assert "OMP_NUM_THREADS" not in os.environ
    assert os.environ["OPENBLAS_NUM_THREADS"] == "3"


def test_given_threads_are_used() -> None:
    assert n_openmp_threads(2, n_rows=10) == 2


def test_there_are_never_more_workers_than_cores() -> None:
    assert n_workers(None) == n_cores()
    assert n_workers(1) == 1
    assert n_workers(10 * n_cores()) == n_cores()
