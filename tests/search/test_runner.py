"""Jobs run in this thread until workers have started, each job once, even if workers die."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import sleep
from typing import Any

import pytest
from joblib import parallel_config

from tabproof.search import runner as runner_module
from tabproof.search.runner import Runner

Place = tuple[int, int]


def here() -> Place:
    """Return the process and the thread."""
    return os.getpid(), threading.get_ident()


def where(job: tuple[int, Place], _n_threads: int | None) -> Place:
    """Return where the job runs; take some time only where the search runs."""
    _, asking = job
    if here() == asking:
        sleep(0.05)
    return here()


@contextmanager
def runner(backend: str = "threading", **options: Any) -> Iterator[Runner]:
    """Return a runner; the threads of joblib are workers that start at once."""
    with (
        parallel_config(backend, n_jobs=2, **options),
        Runner(2, lambda: None, pool_seconds=0.01) as made,
    ):
        yield made


def are_starting() -> bool:
    return any(thread.name == "start workers" for thread in threading.enumerate())


def places(made: Runner, n: int, seconds_left: float | None = 100) -> list[Place]:
    jobs = [(number, here()) for number in range(n)]
    results = list(made.run(where, jobs, lambda: seconds_left, killed=(0, 0)))
    assert sorted(job for job, _ in results) == jobs
    return [place for _, place in results]


@pytest.mark.parametrize("backend", ["threading", pytest.param("loky", marks=pytest.mark.slow)])
def test_jobs_run_here_until_workers_have_started(backend: str) -> None:
    with runner(backend) as made:
        # Half a minute for the workers to start.
        found = places(made, 600)
        assert found[0] == here()
        assert found[-1] != here()
        # Then they get all jobs.
        assert here() not in places(made, 4)


@pytest.mark.parametrize(
    ("share", "starts"), [(1.0, True), (0.5, True), (0.1, False), (0.0, False)]
)
def test_starting_workers_takes_longer_beside_busy_processes(
    share: float, starts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = [0.0]
    monkeypatch.setattr(runner_module, "perf_counter", lambda: seconds[0])
    monkeypatch.setattr(runner_module, "process_time", lambda: share * seconds[0])
    with (
        parallel_config("threading", n_jobs=2),
        Runner(2, lambda: None, pool_seconds=1.0) as made,
    ):
        seconds[0] = 10.0
        # Half of the 10 seconds that are left would be saved.
        places(made, 1, seconds_left=10.0)
        assert (made._starting is not None) == starts


@pytest.mark.parametrize("seconds_left", [None, 0.0])
def test_no_worker_starts_for_little_work(seconds_left: float | None) -> None:
    with runner() as made:
        assert set(places(made, 5, seconds_left)) == {here()}
        assert not are_starting()


def test_leaving_waits_for_workers_that_are_starting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tabproof.search.runner._do_nothing", lambda: sleep(0.2))
    with runner() as made:
        assert set(places(made, 1)) == {here()}
    assert not are_starting()


def _die() -> None:
    os._exit(1)


@pytest.mark.slow
def test_if_workers_die_when_they_start_the_search_continues_without_them() -> None:
    with runner("loky", initializer=_die) as made:
        # More jobs than end before the workers have died.
        assert set(places(made, 80)) == {here()}
        assert set(places(made, 2)) == {here()}
