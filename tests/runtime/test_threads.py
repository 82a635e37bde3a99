"""Thread limits are set before the numeric libraries start, and whatever was set outside."""

import json
import os
import subprocess
import sys

import pytest

from src.runtime.workers import n_openmp_threads, n_workers
from tests.conftest import ROOT

PROBE = """
import json, sys
from src.runtime.threads import limited_threads
if {loaded}:
    import sklearn.ensemble
with limited_threads({threads}):
    from threadpoolctl import threadpool_info
    print(json.dumps([[pool["user_api"], pool["num_threads"]] for pool in threadpool_info()]))
"""


@pytest.mark.parametrize("loaded", [False, True])
@pytest.mark.parametrize("threads", [1, 2])
def test_blas_gets_one_thread_and_openmp_what_was_asked(threads: int, loaded: bool) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "3"}
    code = PROBE.format(threads=threads, loaded=loaded)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    pools = json.loads(done.stdout)
    assert {api for api, _ in pools} == {"blas", "openmp"}
    for api, n_threads in pools:
        assert n_threads == (1 if api == "blas" else threads)


def test_a_small_search_starts_no_pool_and_no_threads() -> None:
    assert n_workers(None, n_fits=12, n_rows=455) == 1
    assert n_openmp_threads(None, n_rows=455) == 1


def test_what_is_asked_for_is_obeyed() -> None:
    assert n_workers(2, n_fits=1, n_rows=10) == 2
    assert n_openmp_threads(2, n_rows=10) == 2
