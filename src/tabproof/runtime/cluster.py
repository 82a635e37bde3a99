"""A cluster of dask: found, compared with this machine, and given calls to make.

Nothing here distributes: distributed does, and does again what a lost worker did.
"""

import asyncio
import io
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
from functools import cache
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

from tabproof.errors import PackageMissingError, WorkerKilledError
from tabproof.runtime.errors import (
    ClusterDiffersError,
    ClusterLostError,
    ClusterUnreachableError,
    CodeMissingError,
)
from tabproof.runtime.threads import BLAS_VARIABLES

# --- Calls on their way to a worker of a cluster, and what the worker does with them.

# Gives what must be the same on every machine: names, and versions or hashes.
Facts = Callable[[], Mapping[str, str]]

# What of it may differ, as the last bits of what such a machine computes may.
PROCESSOR = "processor"

# What is smaller goes with every call: keeping it apart costs as much as sending 30 kB.
SHARED_BYTES = 2**15

PROTOCOL = pickle.HIGHEST_PROTOCOL


# --- where calls come from ---------------------------------------------------------------


class Shared:
    """What is sent once, by identity, and kept in the cluster for as long as it lives here.

    send: puts bytes into the cluster and gives what stands for them.
    kinds: what is shared whatever its size, beside large arrays and frames.
    """

    def __init__(self, send: Callable[[bytes], Any], kinds: tuple[type, ...]) -> None:
        self._send, self._kinds = send, kinds
        self._sent: dict[int, tuple[weakref.ref[Any], Any]] = {}
        self._lock = RLock()

    def pack(self, *call: Any) -> tuple[bytes, list[Any]]:
        """Pickle a call; give what stands for the shared things in it, in order."""
        buffer = io.BytesIO()
        pickler = _Pickler(buffer, self)
        with self._lock:
            pickler.dump(call)
        return buffer.getvalue(), list(pickler.places)

    def of(self, value: Any) -> Any:
        """Give what stands for a value in the cluster; None where it goes with the call."""
        reference, sent = self._sent.get(id(value), (None, None))
        if reference is not None and reference() is value:
            return sent
        if not (isinstance(value, self._kinds) or _n_bytes(value) >= SHARED_BYTES):
            return None
        sent = self._send(cloudpickle.dumps(value, PROTOCOL))
        self._sent[id(value)] = weakref.ref(value, self._forget(id(value))), sent
        return sent

    def _forget(self, key: int) -> Callable[[weakref.ref[Any]], None]:
        def forget(reference: weakref.ref[Any]) -> None:
            # Another value may have the number of one that is gone.
            if self._sent.get(key, (None,))[0] is reference:
                del self._sent[key]

        return forget


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc] # it ships no types
    def __init__(self, buffer: io.BytesIO, shared: Shared) -> None:
        super().__init__(buffer, PROTOCOL)
        self._shared = shared
        self.places: dict[Any, int] = {}

    def persistent_id(self, value: Any) -> int | None:
        sent = self._shared.of(value)
        return None if sent is None else self.places.setdefault(sent, len(self.places))


def _n_bytes(value: Any) -> int:
    if isinstance(value, np.ndarray):
        return value.nbytes if value.dtype != object else SHARED_BYTES * (value.size > 1000)
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(value, (pandas.DataFrame, pandas.Series)):
        return int(np.sum(value.memory_usage()))
    return 0


# --- where they are made -----------------------------------------------------------------

# What was sent, unpickled once in a process. A buffer knows neither the project's code nor
# pandas, so every worker can hold it and hand it on; it lives for as long as the cluster wants.
_unpickled: weakref.WeakKeyDictionary[io.BytesIO, Any] = weakref.WeakKeyDictionary()
_lock = RLock()


def answer(check: bytes, call: bytes, *shared: io.BytesIO) -> Any:
    """Make a call on a worker, in one thread, if the worker is what the caller is."""
    _refuse_others(check)
    use_one_thread()
    function, *arguments = _Unpickler(call, shared).load()
    return function(*arguments)


def facts_here(check: bytes) -> Mapping[str, str]:
    """Give the facts of this machine, asked for by what make_check gave."""
    facts, _ = pickle.loads(check)  # noqa: S301 - a cluster is trusted, or it is not used
    found: Mapping[str, str] = facts()
    return found


def make_check(facts: Facts) -> bytes:
    """Put into bytes what a worker must be like."""
    return pickle.dumps((facts, facts()))


@cache
def _refuse_others(check: bytes) -> None:
    # Workers that were there at the start were asked already, but others may join at any time.
    from distributed import get_worker

    _, expected = pickle.loads(check)  # noqa: S301 - as above
    refuse_difference(f"worker {get_worker().address}", expected, facts_here(check))


def refuse_difference(place: str, here: Mapping[str, str], there: Mapping[str, str]) -> None:
    """Raise ClusterDiffersError for the first fact that differs."""
    for what, value in here.items():
        if what != PROCESSOR and there.get(what) != value:
            raise ClusterDiffersError(place, what, here=value, there=there.get(what, "none"))


def use_one_thread() -> None:
    """Limit the libraries of this process and thread, for good.

    Not for a while: BLAS has one limit for all threads of a process, and another call would be
    left without when the first to set it is done.
    """
    from threadpoolctl import threadpool_limits

    # Those that are yet to be loaded read these.
    os.environ.update(dict.fromkeys((*BLAS_VARIABLES, "OMP_NUM_THREADS"), "1"))
    threadpool_limits(1)


class _Unpickler(pickle.Unpickler):
    def __init__(self, call: bytes, shared: Sequence[io.BytesIO]) -> None:
        super().__init__(io.BytesIO(call))
        self._shared = shared

    def persistent_load(self, place: int) -> Any:
        buffer = self._shared[place]
        with _lock:
            if buffer not in _unpickled:
                value = pickle.loads(buffer.getbuffer())  # noqa: S301 - as above
                if isinstance(value, np.ndarray):
                    # Other calls use it too, and must not find it changed.
                    value.flags.writeable = False
                _unpickled[buffer] = value
            return _unpickled[buffer]


# How long a scheduler or a worker may take to answer.
TIMEOUT = 10.0

# What the console shows is ours to say; whoever configures logging finds all in it. Pieces are
# as large as they are on purpose.
SETTINGS = {
    "distributed.logging": {"version": 1, "incremental": True},
    "distributed.admin.large-graph-warning-threshold": "1 PiB",
}


class _RemoteTraceback(Exception):  # noqa: N818 - as the libraries of processes call theirs
    """Where something was raised on a worker, in words."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


@dataclass(frozen=True, eq=False)
class Answer:
    """What a call will give; call is what was called, and with what."""

    future: Any
    call: tuple[Any, ...]

    def result(self) -> Any:
        """Wait for it; raises what the call raised, WorkerKilledError or ClusterLostError."""
        from distributed import KilledWorker
        from distributed.client import CancelledError
        from distributed.comm import CommClosedError

        try:
            return self.future.result()
        except KilledWorker as error:
            raise WorkerKilledError(self.call, error.last_worker.address) from error
        # In whatever the client was about when its scheduler went away.
        except (CancelledError, asyncio.CancelledError, CommClosedError) as error:
            raise ClusterLostError from error
        except Exception as error:
            if isinstance(error, ModuleNotFoundError) and (error.name or "").startswith("src"):
                raise CodeMissingError("a worker that joined", str(error)) from error
            # joblib forgets the traceback of what it raises again.
            error.__cause__ = _RemoteTraceback("".join(traceback.format_exception(error)))
            raise

    def cancel(self) -> None:
        """Take the call back, if it has not begun."""
        with suppress(Exception):  # a cluster that is gone has forgotten it by itself
            self.future.cancel()

    def add_done_callback(self, function: Callable[["Answer"], None]) -> None:
        """Call a function with this when it is done, in another thread."""
        self.future.add_done_callback(lambda _future: function(self))


class Cluster:
    """Makes calls on workers; remarks: what somebody should know about them."""

    def __init__(
        self, client: Any, check: bytes, kinds: tuple[type, ...], remarks: tuple[str, ...]
    ) -> None:
        self._client, self._check = client, check
        self._shared = Shared(self._send, kinds)
        self._answer = _answering()
        self.remarks = remarks

    @property
    def n_workers(self) -> int:
        """How many calls can be made at a time, now."""
        try:
            return sum(self._client.nthreads().values())
        except Exception as error:  # a client that has given up has nobody to ask
            raise ClusterLostError from error

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Answer:
        """Have a function called on a worker, with one thread; again, if the worker is lost."""
        from distributed.client import ClosedClientError

        # A name of its own: the same call twice is two calls.
        key = f"call-{uuid4().hex}"
        try:
            call, shared = self._shared.pack(function, *arguments)
            future = self._client.submit(self._answer, self._check, call, *shared, key=key)
        except ClosedClientError as error:
            raise ClusterLostError from error
        # What is sent while a client looks for its scheduler would be waited for even after it
        # gave up; what was sent before has been told.
        if self._client.status != "running":
            raise ClusterLostError
        return Answer(future, (function, *arguments))

    def _send(self, content: bytes) -> Any:
        # As a call, not by scatter(): what a lost worker held is sent again, not lost too.
        return self._client.submit(BytesIO, content, key=f"shared-{uuid4().hex}")


def _answering() -> Callable[..., Any]:
    # A function in a function travels by value: it finds out on the worker, where it can be
    # told, whether this project's code is there. The scheduler need not have it.
    def answer(*arguments: Any) -> Any:

        return answer(*arguments)

    return answer


def _asking() -> Callable[..., Any]:
    def ask(check: bytes) -> Any:

        return facts_here(check)

    return ask


@contextmanager
def connected(
    address: str, *, facts: Facts, kinds: tuple[type, ...] = (), timeout: float = TIMEOUT
) -> Iterator[Cluster]:
    """Connect to a scheduler, and refuse workers that are not what this machine is.

    facts: of this module's level, so that workers find it by its name. kinds: what is sent once
    to each worker beside large arrays and frames, wherever in a call it stands.
    """
    client = _connect(address, timeout)
    try:
        try:
            _compare_scheduler(client, timeout)
            check = make_check(facts)
            remarks = tuple(compare_workers(client, check, facts(), timeout))
        except (TimeoutError, OSError) as error:
            reason = f"its workers did not answer within {timeout:g} s"
            raise ClusterUnreachableError(address, reason) from error
        with _copies_kept(client, timeout):
            yield Cluster(client, check, kinds, remarks)
    finally:
        with suppress(TimeoutError, OSError, asyncio.CancelledError):
            client.close(timeout=timeout)


@contextmanager
def _copies_kept(client: Any, timeout: float) -> Iterator[None]:
    # Every two seconds a scheduler drops copies that no call waits for, and then sends them anew.
    def tell_manager(method: str) -> Any:
        ask = client.scheduler.amm_handler
        return client.sync(ask, method=method, callback_timeout=timeout)

    if not tell_manager("running"):
        yield
        return
    tell_manager("stop")
    try:
        yield
    finally:
        with suppress(Exception):  # a scheduler that is gone drops nothing
            tell_manager("start")


def _connect(address: str, timeout: float) -> Any:
    try:
        import dask

        dask.config.set(SETTINGS)
        from distributed import Client
    except ModuleNotFoundError as error:
        raise PackageMissingError("runtime=dask", "distributed", "dask") from error
    try:
        asyncio.run(_shake_hands(address, timeout))
        with warnings.catch_warnings():
            # Of versions that differ: they are compared below, and in one line.
            warnings.simplefilter("ignore")
            client = Client(address, timeout=timeout, set_as_default=False)
    except Exception as error:
        raise ClusterUnreachableError(address, _reason(error, timeout)) from error
    try:
        client.wait_for_workers(1, timeout=timeout)
    except TimeoutError as error:
        client.close(timeout=timeout)
        raise ClusterUnreachableError(address, "its scheduler has no workers") from error
    return client


async def _shake_hands(address: str, timeout: float) -> None:
    # The client would wait for ever for somebody who takes its call and says nothing.
    from distributed import Security
    from distributed.comm import connect

    arguments = Security().get_connection_args("client")
    comm = await asyncio.wait_for(connect(address, timeout=timeout, **arguments), timeout)
    await comm.close()


def _reason(error: Exception, timeout: float) -> str:
    if not isinstance(error, (OSError, TimeoutError)):
        return f"connecting fails with {type(error).__name__}: {error}"
    # A time-out has no words of its own.
    cause = f" ({error.__cause__})" if str(error.__cause__ or "") else ""
    return f"no scheduler answered within {timeout:g} s{cause}"


def _compare_scheduler(client: Any, timeout: float) -> None:
    # Functions of Python's own: these need nothing to be installed there.
    def there(function: Callable[..., str], *arguments: str) -> Any:
        return client.run_on_scheduler(function, *arguments, callback_timeout=timeout)

    ours = {"python": platform.python_version(), "distributed": version("distributed")}
    theirs = {
        "python": there(platform.python_version),
        "distributed": there(version, "distributed"),
    }
    for facts in (ours, theirs):
        facts["python"] = facts["python"].rpartition(".")[0]
    refuse_difference("the scheduler", ours, theirs)


def compare_workers(
    client: Any, check: bytes, here: Mapping[str, str], timeout: float
) -> Iterator[str]:
    """Refuse the first worker that differs; give a remark where only processors do."""
    answers = client.run(_asking(), check, callback_timeout=timeout, on_error="return")
    for worker, there in sorted(answers.items()):
        if isinstance(there, ImportError):
            raise CodeMissingError(f"worker {worker}", str(there)) from there
        if isinstance(there, Exception):
            raise there
        refuse_difference(f"worker {worker}", here, there)
        if there.get(PROCESSOR) != here.get(PROCESSOR):
            yield f"worker {worker} has another processor: last bits may differ from those here"


# --- joblib's parallel loops on a cluster.


class ClusterBackend(ParallelBackendBase):  # type: ignore[misc] # joblib ships no types
    """What joblib asks of a back end; loops within calls stay on their worker, in one thread."""

    supports_retrieve_callback = True

    def __init__(self, cluster: Cluster, nesting_level: int | None = None) -> None:
        super().__init__(nesting_level)
        self._cluster = cluster
        self._waiting: weakref.WeakSet[Answer] = weakref.WeakSet()

    def effective_n_jobs(self, n_jobs: int | None) -> int:  # noqa: ARG002 - joblib's name
        """Give how many calls can be made at a time."""
        # For one, joblib would not ask the cluster at all.
        return max(self._cluster.n_workers, 2)

    def submit(
        self, func: Any, callback: Callable[["Answer | _Refused"], None]
    ) -> "Answer | _Refused":
        """Send a batch of calls."""
        try:
            answer = self._cluster.submit(func)
        except Exception as error:  # in a thread of the client, where nobody would hear of it
            refused = _Refused(error)
            callback(refused)
            return refused
        self._waiting.add(answer)
        answer.add_done_callback(callback)
        return answer

    def retrieve_result_callback(self, out: "Answer | _Refused") -> Any:
        """Give what a batch gave, or raise what it raised."""
        return out.result()

    def abort_everything(self, ensure_ready: bool = True) -> None:  # noqa: ARG002 - joblib's name
        """Take back what nobody waits for."""
        for answer in list(self._waiting):
            answer.cancel()
        self._waiting.clear()

    def get_nested_backend(self) -> tuple[SequentialBackend, int | None]:
        """Say where loops within a call run."""
        return SequentialBackend(nesting_level=1), None


@dataclass(frozen=True)
class _Refused:
    """Stands for the answer to what could not be sent."""

    error: Exception

    def result(self) -> Any:
        raise self.error


@contextmanager
def cluster_pool(cluster: Cluster, openmp_threads: int) -> Iterator[None]:
    """Let parallel loops use a cluster; openmp_threads: of what is fitted in this process."""
    with (
        threadpool_limits(openmp_threads, "openmp"),
        parallel_config(ClusterBackend(cluster), n_jobs=cluster.n_workers),
    ):
        yield
