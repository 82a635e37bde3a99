"""A cluster returns what this machine returns, whatever happens to its workers."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from joblib import Parallel, delayed, effective_n_jobs
from threadpoolctl import threadpool_limits

from tabproof.artifacts import worker_facts
from tabproof.errors import PackageMissingError, UserError, WorkerKilledError
from tabproof.runtime.cluster import (
    Cluster,
    ClusterDiffersError,
    ClusterLostError,
    ClusterUnreachableError,
    CodeMissingError,
    cluster_pool,
    compare_workers,
    connected,
)
from tabproof.search.runner import Runner
from tests.conftest import ROOT
from tests.runtime.calls import die, facts, fail, fit, fit_job, limits, make_fold, sleep
from tests.runtime.cluster import SECONDS, RealCluster, real_cluster, until

FOLDS = [make_fold(seed) for seed in range(3)]
WORK = [(FOLDS[number % 3], number) for number in range(30)]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCluster]:
    """Start three threads in two workers; tests that kill one start another."""
    with real_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        cluster.add_worker()
        # The environment of a worker does not count.
        cluster.add_worker(2, OMP_NUM_THREADS="2", OPENBLAS_NUM_THREADS="2")
        yield cluster


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCluster]:
    """Start a scheduler; workers that tests add are gone when they end."""
    folder = tmp_path_factory.mktemp("empty")
    with real_cluster(folder, DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0") as cluster:
        yield cluster


@pytest.fixture
def looping(real: RealCluster) -> Iterator[Cluster]:
    with looping_on(real, 3) as cluster:
        yield cluster


@contextmanager
def looping_on(real: RealCluster, n_threads: int, timeout: float = SECONDS) -> Iterator[Cluster]:
    with connected(real.address, facts=facts, timeout=timeout) as cluster:
        until(lambda: cluster.n_workers == n_threads)
        with cluster_pool(cluster, 1):
            yield cluster


def looped(function: Any, work: Any) -> Iterator[Any]:
    loop = Parallel(n_jobs=-1, return_as="generator_unordered", batch_size=1, pre_dispatch=4)
    answers: Iterator[Any] = loop(delayed(function)(*arguments) for arguments in work)
    return answers


@pytest.fixture(scope="module")
def expected() -> list[tuple[int, bytes]]:
    # On a busy machine threads wait for each other longer than they work.
    with threadpool_limits(1):
        return [fit(*work)[:2] for work in WORK]


def bits(answers: list[Any]) -> list[tuple[int, bytes]]:
    return sorted(answer[:2] for answer in answers)


def test_fits_have_the_bits_that_they_have_here_and_data_travels_once(
    looping: Cluster, expected: list[tuple[int, bytes]]
) -> None:
    answers = [answer for _ in range(2) for answer in looped(fit, WORK)]
    assert bits(answers) == sorted(expected * 2)
    assert len({process for _, _, process in answers}) == 2
    for keys in looping._client.run(_keys_received).values():
        # From its peer, unless it came from the scheduler.
        assert len(keys) <= len(FOLDS)
        assert len(keys) == len(set(keys))


def _keys_received(dask_worker: Any) -> list[str]:
    return [key for entry in dask_worker.transfer_incoming_log for key in entry["keys"]]


@pytest.mark.slow
def test_workers_that_join_during_a_search_get_work(tmp_path: Path) -> None:
    with (
        real_cluster(tmp_path) as real,
        _started_with_one(real) as cluster,
        Runner(None, lambda: None, pool_seconds=0.0) as runner,
    ):

        def n_processes() -> int:
            work = [(FOLDS[0], number) for number in range(12)]
            found = runner.run(fit_job, work, lambda: None, (0.0, 0, 0))
            return len({process for _, (_, _, process) in found})

        assert n_processes() == 1
        for _ in range(3):
            real.add_worker()
        until(lambda: cluster.n_workers == 4)
        assert n_processes() > 2
        assert runner.n_jobs == 4


@contextmanager
def _started_with_one(real: RealCluster) -> Iterator[Cluster]:
    real.add_worker()
    with looping_on(real, 1) as cluster:
        yield cluster


def test_shared_values_are_deleted_with_their_last_use(looping: Cluster) -> None:
    def shared() -> set[str]:
        keys = set().union(*looping._client.has_what().values())
        return {key for key in keys if key.startswith("shared-")}

    fold = make_fold(9)
    assert len(list(looped(fit, [(fold, 1), (fold, 2)]))) == 2
    assert len(shared()) == 1
    del fold
    until(lambda: not shared())


def test_parallel_calls_have_one_thread_each(looping: Cluster) -> None:
    assert effective_n_jobs(-1) == effective_n_jobs(None) == looping.n_workers == 3
    answers = list(looped(limits, [(number,) for number in range(30)]))
    assert {number for numbers, _ in answers for number in numbers} == {1}
    assert len({thread for _, thread in answers}) == 3


def test_a_failure_shows_where_and_cancels_the_rest(looping: Cluster, tmp_path: Path) -> None:
    begun = [tmp_path / str(number) for number in range(50)]
    calls = [delayed(fail)("no such parameter"), *(delayed(sleep)(0.2, path) for path in begun)]
    with pytest.raises(ValueError, match="no such parameter") as caught:
        Parallel(n_jobs=-1, batch_size=1, pre_dispatch="all")(calls)
    assert "raise ValueError(reason)" in str(caught.value.__cause__)
    until(lambda: not any(looping._client.processing().values()))
    assert sum(path.exists() for path in begun) < 20


@pytest.mark.usefixtures("looping")
def test_a_call_that_cannot_be_pickled_ends_the_loop() -> None:
    work: list[tuple[Any, int]] = [*WORK[:8], (threading.Lock(), 8), *WORK[8:]]
    with pytest.raises(TypeError, match="cannot pickle"):
        list(looped(fit, work))


LOOP = """
import sys
from joblib import Parallel, delayed
from pathlib import Path
from tabproof.runtime import process
from tabproof.runtime.cluster import cluster_pool, connected
from tests.runtime.calls import facts, sleep
with process.ending_in_one_line(lambda error: None):
    with connected(sys.argv[1], facts=facts) as cluster, cluster_pool(cluster, 1):
        Parallel(-1)(delayed(sleep)(0.5, Path(sys.argv[2])) for _ in range(1000))
"""


@pytest.mark.slow
def test_ctrl_c_ends_the_command_with_one_line(real: RealCluster, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    process = subprocess.Popen(
        [sys.executable, "-c", LOOP, real.address, str(begun)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until(begun.exists, process)
    process.send_signal(signal.SIGINT)
    printed = process.communicate(timeout=SECONDS)
    assert process.returncode == 130
    assert printed == ("", "error: interrupted by Ctrl-C\n")


@pytest.mark.slow
@pytest.mark.usefixtures("looping")
def test_the_work_of_killed_workers_is_repeated(
    real: RealCluster, expected: list[tuple[int, bytes]]
) -> None:
    answers = []
    for answer in looped(fit, WORK):
        answers.append(answer)
        if len(answers) == 5:
            real.kill()
    assert bits(answers) == expected
    # Shared values were not only on the workers that are lost.
    real.kill()
    real.add_worker(3)
    assert bits(list(looped(fit, WORK))) == expected


@pytest.mark.usefixtures("looping")
def test_a_worker_that_does_not_answer_is_an_error(real: RealCluster) -> None:
    real.workers[0].send_signal(signal.SIGSTOP)
    try:
        assert "its workers did not answer within 2 s" in refusal(real.address, timeout=2)
    finally:
        real.workers[0].send_signal(signal.SIGCONT)


@pytest.mark.slow
def test_a_scheduler_that_goes_away_ends_the_loop(real: RealCluster) -> None:
    with looping_on(real, 3, timeout=2) as cluster:
        loop = looped(fit, WORK)
        next(loop)
        real.scheduler.kill()
        with pytest.raises(ClusterLostError):
            list(loop)
        # Whether it still tries to connect or has given up.
        with pytest.raises(ClusterLostError):
            cluster.submit(fit, *WORK[0]).result()
        until(lambda: cluster._client.status == "closed")
        with pytest.raises(ClusterLostError):
            list(looped(fit, WORK))


def refusal(
    address: str, kind: type[UserError] = ClusterUnreachableError, timeout: float = SECONDS
) -> str:
    with pytest.raises(kind) as caught, connected(address, facts=worker_facts, timeout=timeout):
        pass
    return str(caught.value)


def test_a_cluster_that_does_not_answer_is_an_error(empty: RealCluster) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        assert "no scheduler answered within 0.5 s" in refusal(address, timeout=0.5)
    assert "no scheduler answered within 0.5 s" in refusal(address, timeout=0.5)
    assert "its scheduler has no workers" in refusal(empty.address, timeout=0.5)


def test_a_worker_with_other_code_or_versions_is_named(
    empty: RealCluster, other_numpy: Path, no_code: Path, tmp_path: Path
) -> None:
    changed = tmp_path / "changed"
    shutil.copytree(ROOT / "src", changed)
    with (changed / "tabproof" / "schema.py").open("a") as file:
        file.write("# changed\n")
    place = r"^worker tcp://127.0.0.1:\d+ "
    for path, kind, message in (
        (changed, ClusterDiffersError, r"has this project's src [0-9a-f]{16}, and"),
        (other_numpy, ClusterDiffersError, r"has numpy 1.0, and here is 2"),
        (no_code, CodeMissingError, r"cannot import .* \(No module named 'tabproof.runtime'\)"),
    ):
        empty.add_worker(PYTHONPATH=os.pathsep.join([str(path), str(ROOT / "src")]))
        assert re.match(place + message, refusal(empty.address, kind))
        empty.kill()


def test_another_processor_is_reported() -> None:
    class Client:
        def run(self, *_: object, **__: object) -> dict[str, dict[str, str]]:
            return {"tcp://a": {"numpy": "2", "processor": "x"}, "tcp://b": {"numpy": "2"}}

    found = dict(compare_workers(Client(), b"", {"numpy": "2", "processor": "x"}, 1))
    assert found == {"tcp://b": "none"}
    assert Cluster(Client(), b"", (), found).remarks == [
        "worker tcp://b has other kernels: last bits may differ from those here"
    ]


@pytest.fixture
def other_numpy(tmp_path: Path) -> Path:
    """Return a directory for PYTHONPATH that claims another version of numpy."""
    folder = tmp_path / "other_numpy"
    (folder / "numpy-1.0.dist-info").mkdir(parents=True)
    (folder / "numpy-1.0.dist-info" / "METADATA").write_text("Name: numpy\nVersion: 1.0\n")
    return folder


@pytest.fixture
def no_code(tmp_path: Path) -> Path:
    """Return a directory for PYTHONPATH in which the project's modules are missing."""
    folder = tmp_path / "no_code"
    (folder / "tabproof").mkdir(parents=True)
    (folder / "tabproof" / "__init__.py").touch()
    return folder


@pytest.mark.slow
def test_a_call_that_kills_its_workers_is_named(empty: RealCluster) -> None:
    empty.add_worker()
    with looping_on(empty, 1), pytest.raises(WorkerKilledError, match=r"died of it") as caught:
        list(looped(die, [(7,)]))
    (batch,) = caught.value.call
    assert batch.items == [(die, (7,), {})]


@pytest.mark.slow
def test_workers_that_join_later_are_compared_too(
    empty: RealCluster, other_numpy: Path, no_code: Path
) -> None:
    empty.add_worker()
    with looping_on(empty, 1) as cluster:
        assert len(list(looped(fit, WORK[:3]))) == 3
        for path, kind, message in (
            (other_numpy, ClusterDiffersError, "has numpy 1.0, and here is 2"),
            (no_code, CodeMissingError, "No module named 'tabproof.runtime'"),
        ):
            empty.add_worker(PYTHONPATH=os.pathsep.join([str(path), str(ROOT / "src")]))
            until(lambda: cluster.n_workers == 2)
            with pytest.raises(kind, match=message):
                list(looped(fit, WORK))
            empty.kill(-1)
            until(lambda: cluster.n_workers == 1)


def test_without_its_libraries_the_error_names_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "dask", None)
    needs = "runtime=dask needs distributed, which is not installed; make init 'EXTRAS=\\[dask\\]'"
    with (
        pytest.raises(PackageMissingError, match=needs),
        connected("tcp://127.0.0.1:1", facts=dict),
    ):
        pass


def test_who_needs_no_cluster_does_not_load_its_libraries() -> None:
    code = (
        "import sys, tabproof.batch.score_files;"
        " print({'dask', 'distributed'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"
