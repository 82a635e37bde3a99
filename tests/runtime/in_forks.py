"""What `test_forks.py` calls, each in a process of its own: one with threads is not forked."""

import ctypes
import io
import logging
import os
import signal
import threading
import time
import warnings
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute
from pyarrow import csv
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from tabproof.runtime import forks
from tabproof.runtime.forks import arrow_threads, can_fork, in_background, run_in_forks
from tabproof.runtime.process import repeated
from tabproof.runtime.progress import StepProgress
from tabproof.search import RungSearchCV
from tabproof.search.schedule import Rung
from tabproof.steps.evaluate import running


def never() -> None:
    return None


def results(function: Any, jobs: Any, n_forks: int = 2, **options: Any) -> dict[int, Any]:
    assert can_fork()
    options = {"should_stop": never, "begun": set(), **options}
    found = list(run_in_forks(function, jobs, n_forks, **options))
    assert len(dict(found)) == len(found)
    return dict(found)


def each_job_runs_once_in_forks() -> None:
    # Neither a function nor jobs like these can be pickled.
    jobs: list[Any] = [lambda n=n: n for n in range(20)]
    found = results(lambda job: (job(), os.getpid()), jobs)
    assert {number: value for number, (value, _) in found.items()} == {n: n for n in range(20)}
    assert os.getpid() not in {process for _, process in found.values()}
    assert results(str, [7], n_forks=5) == {0: "7"}


def jobs_run_at_the_same_time() -> None:
    with TemporaryDirectory() as folder:

        def meet(own: int) -> bool:
            Path(folder, str(own)).touch()
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline and not Path(folder, str(1 - own)).exists():
                time.sleep(0.01)
            return Path(folder, str(1 - own)).exists()

        assert results(meet, [0, 1]) == {0: True, 1: True}


def a_call_in_the_background_runs_while_the_block_does() -> None:
    with TemporaryDirectory() as folder:
        begun = Path(folder, "begun")

        def call() -> int:
            begun.touch()
            return os.getpid()

        with in_background(call, allowed=True) as result:
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline and not begun.exists():
                time.sleep(0.01)
            assert begun.exists()
            assert result() != os.getpid()
        with in_background(os.getpid, allowed=False) as result:
            assert result() == os.getpid()
        # Nobody may want the result.
        with in_background(call, allowed=True):
            pass
        with in_background(lambda: 1 / 0, allowed=True) as fails:
            try:
                fails()
            except ZeroDivisionError:
                return
        raise AssertionError


def an_error_is_raised_here() -> None:
    try:
        results(lambda job: 1 / job, [1, 0])
    except ZeroDivisionError:
        return
    raise AssertionError


def a_killed_fork_is_an_error() -> None:
    begun = set[int]()
    try:
        results(lambda job: os.kill(os.getpid(), job), [signal.SIGKILL], begun=begun)
    except BrokenProcessPool:
        assert begun == {0}
        return
    raise AssertionError


def sigterm_ends_a_fork_and_ctrl_c_does_not() -> None:
    signal.signal(signal.SIGTERM, lambda *_: None)

    def ignore() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    kill = os.kill
    assert results(lambda job: kill(os.getpid(), job), [signal.SIGINT], initializer=ignore)
    try:
        results(lambda job: (kill(os.getpid(), job), time.sleep(20)), [signal.SIGTERM])
    except BrokenProcessPool:
        return
    raise AssertionError


def jobs_of_an_evaluation_run_in_forks_and_errors_belong_to_their_job() -> None:
    def process_of() -> int:
        time.sleep(0.2)
        return os.getpid()

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def run(jobs: dict[str, Any], n_workers: int, *, in_forks: bool) -> dict[str, Any]:
        display = StepProgress("evaluating")
        with running(jobs, n_workers, display, in_forks=in_forks) as results:
            assert set(results) == set(jobs)
            return {name: attempt(result) for name, result in results.items()}

    def attempt(job: Any) -> Any:
        try:
            return job()
        except (ZeroDivisionError, BrokenProcessPool) as error:
            return type(error)

    jobs: dict[str, Any] = {"one": process_of, "fails": lambda: 1 / 0, "two": process_of}
    assert can_fork()
    found = run(jobs, 2, in_forks=True)
    assert {found["one"], found["two"]}.isdisjoint({os.getpid()})
    assert found["fails"] is ZeroDivisionError
    found = run(jobs, 2, in_forks=False)
    assert found["one"] != os.getpid() == found["two"]
    assert found["fails"] is ZeroDivisionError
    assert run({**jobs, "dies": die}, 2, in_forks=True)["dies"] is BrokenProcessPool
    found = run({"dies": die, **jobs}, 2, in_forks=False)
    assert (found["dies"], found["two"]) == (BrokenProcessPool, os.getpid())
    # With a single worker they run here.
    found = run({"one": os.getpid, "two": os.getpid}, 1, in_forks=True)
    assert set(found.values()) == {os.getpid()}
    assert run({}, 2, in_forks=False) == {}


def an_interruption_does_not_wait() -> None:
    begin, interrupted = time.monotonic(), os.getpid()

    def interrupt(seconds: int) -> None:
        time.sleep(1)
        os.kill(interrupted, signal.SIGINT)
        time.sleep(seconds)

    try:
        results(interrupt, [60])
    except KeyboardInterrupt:
        assert time.monotonic() - begin < 30
        return
    raise AssertionError


def no_job_begins_after_a_stop() -> None:
    begun = set[int]()
    assert results(str, range(9), should_stop=lambda: "enough", begun=begun) == {}
    assert begun == set()
    found = results(str, range(9), should_stop=lambda: "enough" if begun else None, begun=begun)
    assert found == {0: "0"}


def other_threads_prevent_it() -> None:
    assert can_fork()
    with repeated(lambda: None, 0.01, "progress"):
        assert can_fork()
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait)
    thread.start()
    assert not can_fork()
    ended.set()
    thread.join()
    assert can_fork()
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(can_fork()))
    thread.start()
    thread.join()
    assert found == [False]


def an_unknown_native_thread_prevents_it() -> None:
    libc, thread = ctypes.CDLL(None), ctypes.c_ulong()
    assert can_fork()
    # A thread that Python does not know, as those of a library.
    assert libc.pthread_create(ctypes.byref(thread), None, libc.sleep, ctypes.c_void_p(1)) == 0
    assert not can_fork()
    libc.pthread_join(thread, None)
    assert can_fork()


def threads_of_arrow_do_not_prevent_it() -> None:
    text = b"a,b\n" + b"1,x\n" * 1_000_000
    with arrow_threads():
        table = csv.read_csv(io.BytesIO(text))
    assert can_fork()
    whole = pa.compute.sum(table["a"]).as_py()

    def read(_: int) -> int:
        # Its threads are not there, and begin again.
        return sum(csv.read_csv(io.BytesIO(text))["a"].to_numpy())

    assert results(read, [0, 1]) == {0: whole, 1: whole}
    assert len(csv.read_csv(io.BytesIO(text))) == whole


def threads_of_openmp_are_ended_first() -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier

    X = np.random.default_rng(0).normal(size=(2000, 4))
    y = X[:, 0] > 0
    model = HistGradientBoostingClassifier(max_iter=3)
    with threadpool_limits(2, "openmp"):
        expected = model.fit(X, y).predict_proba(X)
    assert forks._n_native() > 1

    def fit(_: int) -> Any:
        with threadpool_limits(1, "openmp"):
            return model.fit(X, y).predict_proba(X)

    for proba in results(fit, range(2)).values():
        assert np.array_equal(proba, expected)
    with threadpool_limits(2, "openmp"):
        assert np.array_equal(model.fit(X, y).predict_proba(X), expected)


def a_lock_of_a_repeating_thread_is_free_in_a_fork() -> None:
    lock = threading.Lock()

    def work() -> None:
        with lock:
            time.sleep(0.3)

    with repeated(work, 0.001, "progress"):
        for _ in range(3):
            time.sleep(0.1)
            found = results(lambda _: lock.acquire(timeout=5) and lock.release() is None, [0, 1])
            assert found == {0: True, 1: True}


def mapped_arrays_come_back_mapped() -> None:
    with TemporaryDirectory() as folder:
        for order in "CF":
            path = Path(folder, f"{order}.npy")
            values = np.asarray(np.arange(12.0).reshape(3, 4), order=order)
            np.save(path, values)
            part = results(lambda p: np.load(p, mmap_mode="r")[1:3], [path])[0]
            assert np.array_equal(part, values[1:3])
            whole = results(lambda p: np.load(p, mmap_mode="r"), [path])[0]
            assert isinstance(whole, np.memmap)
            assert Path(str(whole.filename)) == path
            assert np.array_equal(whole, values)


def handlers_and_recorded_warnings_stay_here() -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "log.txt")
        logging.basicConfig(filename=path, level=logging.DEBUG)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("error")

            def warn(job: int) -> int:
                logging.getLogger("a").warning("of a fork")
                warnings.warn("of a fork", stacklevel=1)
                return job

            assert results(warn, [3]) == {0: 3}
        assert caught == []
        assert path.read_text() == ""


class Killing(LogisticRegression):  # type: ignore[misc]  # scikit-learn has no types
    """A model that kills the process that fits it, unless that is the one with this number."""

    def __init__(self, *, C: float = 1.0, kills: bool = False, spared: int = 0) -> None:
        super().__init__(C=C)
        self.kills = kills
        self.spared = spared

    def fit(self, X: Any, y: Any) -> "Killing":
        if self.kills and os.getpid() != self.spared:
            os.kill(os.getpid(), signal.SIGKILL)
        # Forks must pay off; beside busy processes, as in a sleep, they pay off later.
        end = time.process_time() + 0.03
        while time.process_time() < end:
            pass
        super().fit(X, y)
        return self


def a_search_has_the_same_bits_in_forks() -> None:
    X, y = make_classification(300, random_state=0)
    schedule = [Rung(None, 1.0, 1.0, 5)]

    def search(kills: list[bool], n_jobs: int) -> Any:
        model = Killing(spared=main)
        grid = {"C": [0.01, 0.1, 1.0, 10.0], "kills": kills}
        made = RungSearchCV(model, grid, schedule=schedule, n_jobs=n_jobs, scoring="roc_auc")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return made.fit(X, y)

    main, columns = os.getpid(), ["param_C", "iter", "mean_test_score", "std_test_score"]
    alone, forked = (pd.DataFrame(search([False], n).cv_results_)[columns] for n in (1, 2))
    pd.testing.assert_frame_equal(alone, forked, check_exact=True)
    killed = search([True, False], 2)
    # The first fits are made here, before it is known that forks pay off.
    assert any(fit.was_killed for fit in killed.fits_)
    found = pd.DataFrame(killed.cv_results_)
    of_others = found[~found["param_kills"].astype(bool)][columns].reset_index(drop=True)
    pd.testing.assert_frame_equal(of_others, alone, check_exact=True)
