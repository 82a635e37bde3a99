"""Jobs run here until workers are there, each once, whatever becomes of the workers."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import sleep
from typing import Any

import pytest
from joblib import parallel_config

from tabproof.search.runner import Runner

N_JOBS = 80


def where(job: int, _n_threads: int | None) -> tuple[int, int]:
    sleep(0.05)
    return job, os.getpid()


def lost(_job: int) -> tuple[int, int]:
    raise AssertionError("no job kills its process")


@contextmanager
def runner(**options: Any) -> Iterator[Runner]:
    with (
        parallel_config("loky", n_jobs=2, **options),
        Runner(2, lambda: None, pool_seconds=0.01) as made,
    ):
        yield made


def are_starting() -> bool:
    return any(thread.name == "start workers" for thread in threading.enumerate())


def pids(made: Runner, n: int = N_JOBS, seconds_left: float | None = 100) -> list[int]:
    results = list(made.run(where, range(n), lambda: seconds_left, lost))
    assert sorted(job for job, _ in results) == list(range(n))
    assert all(job == result[0] for job, result in results)
    return [result[1] for _, result in results]


def test_jobs_run_in_this_process_until_workers_have_started() -> None:
    with runner() as made:
        found = pids(made)
        assert found[0] == os.getpid()
        assert found[-1] != os.getpid()
        # Once they are there, they get everything.
        assert os.getpid() not in pids(made, 4)


@pytest.mark.parametrize("seconds_left", [None, 0.0])
def test_no_worker_starts_for_little_work(seconds_left: float | None) -> None:
    with runner() as made:
        assert set(pids(made, 5, seconds_left)) == {os.getpid()}
        assert not are_starting()


def test_leaving_waits_for_workers_that_are_starting() -> None:
    with runner() as made:
        assert set(pids(made, 1)) == {os.getpid()}
    assert not are_starting()


def _die() -> None:
    os._exit(1)


@pytest.mark.slow
def test_if_workers_die_when_they_start_the_search_continues_without_them() -> None:
    with runner(initializer=_die) as made:
        # More than end before they have died.
        assert set(pids(made, 80)) == {os.getpid()}
        assert set(pids(made, 2)) == {os.getpid()}
