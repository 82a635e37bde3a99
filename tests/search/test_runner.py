"""Jobs run in this process until workers have started, each job once, even if workers die."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import sleep
from typing import Any

import pytest
from joblib import parallel_config

from tabproof.search.runner import Runner


def where(job: tuple[int, int], _n_threads: int | None) -> int:
    """Return the process; take some time only in the process that asks."""
    _, asking = job
    if os.getpid() == asking:
        sleep(0.05)
    return os.getpid()


@contextmanager
def runner(**options: Any) -> Iterator[Runner]:
    with (
        parallel_config("loky", n_jobs=2, **options),
        Runner(2, lambda: None, pool_seconds=0.01) as made,
    ):
        yield made


def are_starting() -> bool:
    return any(thread.name == "start workers" for thread in threading.enumerate())


def pids(made: Runner, n: int, seconds_left: float | None = 100) -> list[int]:
    jobs = [(number, os.getpid()) for number in range(n)]
    results = list(made.run(where, jobs, lambda: seconds_left, killed=0))
    assert sorted(job for job, _ in results) == jobs
    return [pid for _, pid in results]


def test_jobs_run_in_this_process_until_workers_have_started() -> None:
    with runner() as made:
        # Half a minute for the workers to start.
        found = pids(made, 600)
        assert found[0] == os.getpid()
        assert found[-1] != os.getpid()
        # Then they get all jobs.
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
        # More jobs than end before the workers have died.
        assert set(pids(made, 80)) == {os.getpid()}
        assert set(pids(made, 2)) == {os.getpid()}
