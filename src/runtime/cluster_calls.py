"""Calls on their way to a worker of a cluster, and what the worker does with them.

A call is bytes to all that it passes, and unpickled where it is made: a worker that cannot
read it says so in its answer, where the cluster itself would wait for ever. What many calls
share, such as the rows of a fold, travels once to each worker.
"""

import io
import os
import pickle
import sys
import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from threading import RLock
from typing import Any

import cloudpickle
import numpy as np

from src.errors import ClusterDiffersError
from src.runtime.threads import BLAS_VARIABLES

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
