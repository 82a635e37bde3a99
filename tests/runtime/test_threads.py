"""Thread limits are set before numeric libraries are loaded, and override the environment."""

import json
import os
import subprocess
import sys

import pytest

from tabproof.runtime import threads as threads_module
from tabproof.runtime.cores import CoreUse, n_cores
from tabproof.runtime.threads import limited_threads, n_openmp_threads, n_workers
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
def test_a_fit_of_many_cells_gets_omp_num_threads_or_all_cores(
    outside: str | None, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if outside is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", outside)
    # What a run before has measured.
    monkeypatch.setattr(threads_module, "_at_begin", None)
    assert n_openmp_threads(None, (50_000, 20)) == threads
    assert n_openmp_threads(None, (455, 30)) == 1
    assert n_openmp_threads(None, (455, 5_000)) == 1
    assert n_openmp_threads(None, (20_000, 16)) == 1


def test_one_job_of_a_sweep_does_not_limit_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    with limited_threads(1):
        assert os.environ["OMP_NUM_THREADS"] == "1"
        assert os.environ["OPENBLAS_NUM_THREADS"] == "1"
    assert "OMP_NUM_THREADS" not in os.environ
    assert os.environ["OPENBLAS_NUM_THREADS"] == "3"


@pytest.mark.parametrize(
    ("free", "n_threads"), [(None, 4), (3.9, 4), (2.2, 2), (0.3, 1), (16.0, 4)]
)
def test_a_fit_has_as_many_threads_as_cores_are_free(
    free: float | None, n_threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    monkeypatch.setattr(threads_module, "_at_begin", CoreUse(0.0, 0.0, free or 0.0))
    monkeypatch.setattr(CoreUse, "n_free", lambda _: free)
    assert n_openmp_threads(None, (50_000, 20)) == n_threads
    assert n_openmp_threads(3, (50_000, 20)) == 3
    # The workers of the run itself are no neighbours.
    monkeypatch.setattr(CoreUse, "n_free", lambda _: 0.0)
    assert n_openmp_threads(None, (50_000, 20)) == n_threads


@pytest.mark.parametrize(
    ("chosen", "limited"),
    [
        ({}, {"GOMP_SPINCOUNT": "1000", "KMP_BLOCKTIME": "1"}),
        ({"GOMP_SPINCOUNT": "7"}, {"GOMP_SPINCOUNT": "7", "KMP_BLOCKTIME": "1"}),
        ({"OMP_WAIT_POLICY": "active"}, {}),
    ],
)
def test_threads_wait_actively_for_a_short_time_unless_the_user_has_chosen(
    chosen: dict[str, str], limited: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("GOMP_SPINCOUNT", "KMP_BLOCKTIME", "OMP_WAIT_POLICY")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    with limited_threads(1):
        inside = {name: os.environ[name] for name in names[:2] if name in os.environ}
    assert inside == limited
    assert {name: os.environ[name] for name in names if name in os.environ} == chosen


def test_given_threads_are_used() -> None:
    assert n_openmp_threads(2, (10, 3)) == 2


def test_there_are_never_more_workers_than_cores() -> None:
    assert n_workers(None) == n_cores()
    assert n_workers(1) == 1
    assert n_workers(10 * n_cores()) == n_cores()
