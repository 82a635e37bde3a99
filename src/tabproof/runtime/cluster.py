"""Calls on the workers of a Dask cluster, after comparing the workers with this machine.

`distributed` does the scheduling, and repeats the calls of a worker that was lost. A joblib
backend runs the parallel loops of a search on the cluster.
"""

import asyncio
import concurrent.futures
import os
import pickle
import platform
import sys
import traceback
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import version
from io import BytesIO
from threading import RLock
from typing import Any
from uuid import uuid4

import cloudpickle
import numpy as np
from joblib import parallel_config
from joblib.parallel import ParallelBackendBase, SequentialBackend
from threadpoolctl import threadpool_limits

from tabproof.errors import SAME_CODE, PackageMissingError, UserError, WorkerKilledError
from tabproof.runtime.threads import BLAS_VARIABLES, OPENMP_VARIABLE

# Returns what must be the same on every machine: names, and versions or hashes.
Facts = Callable[[], Mapping[str, str]]

# The only fact that may differ; the last bits of results may differ with it.
PROCESSOR = "processor"
# Smaller values are sent with every call: sharing one costs as much as sending 30 kB.
SHARED_BYTES = 2**15
PROTOCOL = pickle.HIGHEST_PROTOCOL
SETTINGS = {
    # This project prints what the user needs to know; the rest is in the log.
    "distributed.logging": {"version": 1, "incremental": True},
    # Pieces are large on purpose.
    "distributed.admin.large-graph-warning-threshold": "1 PiB",
}


class ClusterUnreachableError(UserError):
    """A cluster that does not answer or has no workers."""

    template = (
        "the cluster at {address} cannot be used: {reason};"
        " docs/cluster.md explains how to start its scheduler and workers"
    )


class ClusterDiffersError(UserError):
    """A machine of a cluster has another version than this one: its numbers could differ."""

    template = "{place} has {what} {there}, and here is {here}; " + SAME_CODE


class CodeMissingError(UserError):
    """A worker that cannot import this project."""

    template = "{place} cannot import this project ({reason}); " + SAME_CODE


class ClusterLostError(UserError):
    """The scheduler went away while it was needed."""

    exit_code = 1
    template = (
        "the scheduler of the cluster is gone, and with it the work of its workers;"
        " start the cluster and the command again"
    )


# --- On the client ------------------------------------------------------------------------


class _RemoteTraceback(Exception):  # noqa: N818 - as the libraries of processes call theirs
    """The traceback of an exception that was raised on a worker."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


@dataclass(frozen=True, eq=False)
class Answer:
    """The future result of a call; `call` is the function and its arguments."""

    future: Any
    call: tuple[Any, ...]

    def result(self) -> Any:
        """Wait for the result; raise the call's error, WorkerKilledError or ClusterLostError."""
        from distributed import KilledWorker
        from distributed.client import CancelledError
        from distributed.comm import CommClosedError

        try:
            return self.future.result()
        except KilledWorker as error:
            raise WorkerKilledError(self.call, error.last_worker.address) from error
        # Which one depends on what the client was doing when its scheduler went away.
        except (CancelledError, asyncio.CancelledError, CommClosedError) as error:
            raise ClusterLostError from error
        except Exception as error:
            if isinstance(error, ModuleNotFoundError) and (error.name or "").startswith("tabproof"):
                raise CodeMissingError(place="a worker that joined", reason=error) from error
            # joblib drops the traceback of what it raises again.
            error.__cause__ = _RemoteTraceback("".join(traceback.format_exception(error)))
            raise

    def cancel(self) -> None:
        """Cancel the call, if it has not begun."""
        with suppress(Exception):  # a cluster that is gone has forgotten it
            self.future.cancel()


class Cluster:
    """Run calls on workers. `processors` are what the workers have that differ from this machine.

    Some values are sent once, as long as they live here, not with every call: large arrays and
    frames, and values of the types in `kinds`.
    """

    def __init__(
        self, client: Any, check: bytes, kinds: tuple[type, ...], processors: Mapping[str, str]
    ) -> None:
        self._client, self._check, self._kinds = client, check, kinds
        # By the address of the worker.
        self.processors = processors
        self._run_call = _by_value("run_call")
        self._sent: dict[int, tuple[weakref.ref[Any], Any]] = {}
        self._lock = RLock()

    @property
    def remarks(self) -> list[str]:
        """Warnings about workers."""
        what = "has other kernels: last bits may differ from those here"
        return [f"worker {worker} {what}" for worker in self.processors]

    @property
    def n_workers(self) -> int:
        """How many calls can run in parallel now."""
        try:
            return sum(self._client.nthreads().values())
        except Exception as error:  # the client has given up
            raise ClusterLostError from error

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Answer:
        """Run a function on a worker, in one thread; repeat it if the worker is lost."""
        from distributed.client import ClosedClientError

        # A unique key: dask would run two equal calls once.
        key = f"call-{uuid4().hex}"
        try:
            pickler = _Pickler(self.reference_to)
            with self._lock:
                pickler.dump((function, *arguments))
            call = pickler.buffer.getvalue()
            future = self._client.submit(
                self._run_call, self._check, call, *pickler.places, key=key
            )
        except ClosedClientError as error:
            raise ClusterLostError from error
        # A call sent while the client looks for its scheduler would be waited for for ever.
        if self._client.status != "running":
            raise ClusterLostError
        return Answer(future, (function, *arguments))

    def reference_to(self, value: Any) -> Any:
        """Return the reference to a value in the cluster; None where it is sent with the call."""
        key = id(value)
        alive, sent = self._sent.get(key, (None, None))
        if alive is not None and alive() is value:
            return sent
        n_bytes, pandas = 0, sys.modules.get("pandas")
        if isinstance(value, np.ndarray):
            is_object = value.dtype == object
            n_bytes = SHARED_BYTES * (value.size > 1000) if is_object else value.nbytes
        elif pandas is not None and isinstance(value, (pandas.DataFrame, pandas.Series)):
            n_bytes = int(np.sum(value.memory_usage()))
        if n_bytes < SHARED_BYTES and not isinstance(value, self._kinds):
            return None

        def forget(reference: weakref.ref[Any]) -> None:
            # Another value may have got the id of one that is gone.
            if self._sent.get(key, (None,))[0] is reference:
                del self._sent[key]

        # By submit(), not scatter(): what a lost worker held is computed again, not lost.
        content = cloudpickle.dumps(value, PROTOCOL)
        sent = self._client.submit(BytesIO, content, key=f"shared-{uuid4().hex}")
        self._sent[key] = weakref.ref(value, forget), sent
        return sent


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc] # it ships no types
    def __init__(self, reference_to: Callable[[Any], Any]) -> None:
        self.buffer = BytesIO()
        super().__init__(self.buffer, PROTOCOL)
        self._reference_to = reference_to
        # The references to shared values, in order.
        self.places: dict[Any, int] = {}

    def persistent_id(self, value: Any) -> int | None:
        sent = self._reference_to(value)
        return None if sent is None else self.places.setdefault(sent, len(self.places))


def _by_value(name: str) -> Callable[..., Any]:
    # A nested function is pickled by value: only the worker must be able to import this project,
    # and an import error there is reported; the scheduler may be without it.
    def run(*arguments: Any) -> Any:
        from tabproof.runtime import cluster

        return getattr(cluster, name)(*arguments)

    return run


@contextmanager
def connected(
    address: str, *, facts: Facts, kinds: tuple[type, ...] = (), timeout: float = 10.0
) -> Iterator[Cluster]:
    """Connect to a scheduler, and refuse workers that differ from this machine.

    facts must be importable by its name on the workers. Values of the types in `kinds` are sent
    once, like large arrays and frames. A scheduler or a worker must answer within the timeout.
    """
    client = _connect(address, timeout)
    try:
        try:
            # Functions of the standard library: nothing of this project must be installed there.
            ask = partial(client.run_on_scheduler, callback_timeout=timeout)
            python, distributed = ask(platform.python_version_tuple), ask(version, "distributed")
            here = {"python": ".".join(platform.python_version_tuple()[:2])}
            here["distributed"] = version("distributed")
            there = {"python": ".".join(python[:2]), "distributed": distributed}
            _check_equal("the scheduler", here, there)
            expected = facts()
            check = pickle.dumps((facts, expected))
            processors = dict(compare_workers(client, check, expected, timeout))
        except (TimeoutError, OSError) as error:
            reason = f"its workers did not answer within {timeout:g} s"
            raise ClusterUnreachableError(address=address, reason=reason) from error
        # Every two seconds a scheduler drops copies that no call needs, which are then sent again.
        handler = client.scheduler.amm_handler
        manage = partial(client.sync, handler, callback_timeout=timeout)
        drops_copies = manage(method="running")
        if drops_copies:
            manage(method="stop")
        try:
            yield Cluster(client, check, kinds, processors)
        finally:
            if drops_copies:
                with suppress(Exception):  # a scheduler that is gone drops nothing
                    manage(method="start")
    finally:
        with suppress(TimeoutError, OSError, asyncio.CancelledError):
            client.close(timeout=timeout)


def _connect(address: str, timeout: float) -> Any:
    try:
        import dask

        dask.config.set(SETTINGS)
        from distributed import Client, Security
        from distributed.comm import connect
    except ModuleNotFoundError as error:
        raise PackageMissingError("runtime=dask", "distributed", "dask") from error

    async def shake_hands() -> None:
        # The client would wait for ever for a server that accepts the connection and sends nothing.
        arguments = Security().get_connection_args("client")
        comm = await asyncio.wait_for(connect(address, timeout=timeout, **arguments), timeout)
        await comm.close()

    try:
        asyncio.run(shake_hands())
        with warnings.catch_warnings():
            # About versions that differ; they are compared below.
            warnings.simplefilter("ignore")
            client = Client(address, timeout=timeout, set_as_default=False)
    except Exception as error:
        reason = f"connecting fails with {type(error).__name__}: {error}"
        if isinstance(error, (OSError, TimeoutError)):
            # A timeout has no message of its own.
            cause = f" ({error.__cause__})" if str(error.__cause__ or "") else ""
            reason = f"no scheduler answered within {timeout:g} s{cause}"
        raise ClusterUnreachableError(address=address, reason=reason) from error
    try:
        client.wait_for_workers(1, timeout=timeout)
    except TimeoutError as error:
        client.close(timeout=timeout)
        reason = "its scheduler has no workers"
        raise ClusterUnreachableError(address=address, reason=reason) from error
    return client


def compare_workers(
    client: Any, check: bytes, here: Mapping[str, str], timeout: float
) -> Iterator[tuple[str, str]]:
    """Raise for the first worker that differs; yield it where only the processor does."""
    ask = _by_value("facts_here")
    answers = client.run(ask, check, callback_timeout=timeout, on_error="return")
    for worker, there in sorted(answers.items()):
        if isinstance(there, ImportError):
            raise CodeMissingError(place=f"worker {worker}", reason=there) from there
        if isinstance(there, Exception):
            raise there
        _check_equal(f"worker {worker}", here, there)
        if there.get(PROCESSOR) != here.get(PROCESSOR):
            yield worker, there.get(PROCESSOR, "none")


def _check_equal(place: str, here: Mapping[str, str], there: Mapping[str, str]) -> None:
    for name, value in here.items():
        found = there.get(name, "none")
        if name != PROCESSOR and found != value:
            what = "this project's src" if name == "src" else name
            raise ClusterDiffersError(place=place, what=what, there=found[:16], here=value[:16])


# --- On a worker --------------------------------------------------------------------------

# Shared values, unpickled once in a process. They travel as buffers: these need neither this
# project's code nor pandas, so every worker can hold them and pass them on.
_unpickled: weakref.WeakKeyDictionary[BytesIO, Any] = weakref.WeakKeyDictionary()
_lock = RLock()


def run_call(check: bytes, call: bytes, *shared: BytesIO) -> Any:
    """Run a call on a worker, in one thread, if the worker equals the client."""
    _check_this_worker(check)
    # For good, not for a while: BLAS has one limit for all threads of a process, and the first
    # call that ends would remove it for the others. Libraries loaded later read the variables.
    os.environ.update(dict.fromkeys((*BLAS_VARIABLES, OPENMP_VARIABLE), "1"))
    threadpool_limits(1)
    function, *arguments = _Unpickler(call, shared).load()
    return function(*arguments)


def facts_here(check: bytes) -> Mapping[str, str]:
    """Return the facts of this machine, by the function in `check`."""
    facts, _ = pickle.loads(check)  # noqa: S301 - a cluster is trusted, or it is not used
    found: Mapping[str, str] = facts()
    return found


@cache
def _check_this_worker(check: bytes) -> None:
    # Workers that were there at the start have been compared, but others may join at any time.
    from distributed import get_worker

    _, expected = pickle.loads(check)  # noqa: S301 - as above
    _check_equal(f"worker {get_worker().address}", expected, facts_here(check))


class _Unpickler(pickle.Unpickler):
    def __init__(self, call: bytes, shared: Sequence[BytesIO]) -> None:
        super().__init__(BytesIO(call))
        self._shared = shared

    def persistent_load(self, place: int) -> Any:
        buffer = self._shared[place]
        with _lock:
            if buffer not in _unpickled:
                value = pickle.loads(buffer.getbuffer())  # noqa: S301 - as above
                if isinstance(value, np.ndarray):
                    # Other calls use it too.
                    value.flags.writeable = False
                _unpickled[buffer] = value
            return _unpickled[buffer]


# --- joblib's parallel loops ---------------------------------------------------------------


class ClusterBackend(ParallelBackendBase):  # type: ignore[misc] # joblib ships no types
    """A joblib backend; loops inside a call run on its worker, in one thread."""

    supports_retrieve_callback = True

    def __init__(self, cluster: Cluster, nesting_level: int | None = None) -> None:
        super().__init__(nesting_level)
        self._cluster = cluster
        self._waiting: weakref.WeakSet[Answer] = weakref.WeakSet()

    def effective_n_jobs(self, n_jobs: int | None) -> int:  # noqa: ARG002 - joblib's name
        """Return how many calls can run in parallel."""
        # With 1 joblib would not use the cluster at all.
        return max(self._cluster.n_workers, 2)

    def submit(self, func: Any, callback: Callable[[Answer], None]) -> Answer:
        """Send a batch of calls."""
        try:
            answer = self._cluster.submit(func)
        except Exception as error:  # in a thread of the client, which would swallow it
            answer = Answer(concurrent.futures.Future(), (func,))
            answer.future.set_exception(error)
        self._waiting.add(answer)
        answer.future.add_done_callback(lambda _future: callback(answer))
        return answer

    def retrieve_result_callback(self, out: Answer) -> Any:
        """Return the result of a batch, or raise its error."""
        return out.result()

    def abort_everything(self, ensure_ready: bool = True) -> None:  # noqa: ARG002 - joblib's name
        """Cancel the batches that have not begun."""
        for answer in list(self._waiting):
            answer.cancel()
        self._waiting.clear()

    def get_nested_backend(self) -> tuple[SequentialBackend, int | None]:
        """Return the backend of loops inside a call."""
        return SequentialBackend(nesting_level=1), None


@contextmanager
def cluster_pool(cluster: Cluster, openmp_threads: int) -> Iterator[None]:
    """Let joblib's loops use a cluster; openmp_threads limits what runs in this process."""
    with (
        threadpool_limits(openmp_threads, "openmp"),
        parallel_config(ClusterBackend(cluster), n_jobs=cluster.n_workers),
    ):
        yield
