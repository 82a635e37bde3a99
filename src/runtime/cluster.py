"""A cluster of dask: found, compared with this machine, and given calls to make.

Nothing here distributes: distributed does, and does again what a lost worker did.
"""

import asyncio
import platform
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from io import BytesIO
from typing import Any
from uuid import uuid4

from src.errors import (
    ClusterLostError,
    ClusterUnreachableError,
    CodeMissingError,
    PackageMissingError,
    WorkerKilledError,
)
from src.runtime.cluster_calls import PROCESSOR, Facts, Shared, make_check, refuse_difference

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
        from src.runtime import cluster_calls

        return cluster_calls.answer(*arguments)

    return answer


def _asking() -> Callable[..., Any]:
    def ask(check: bytes) -> Any:
        from src.runtime import cluster_calls

        return cluster_calls.facts_here(check)

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
