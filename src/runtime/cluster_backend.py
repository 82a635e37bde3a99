"""joblib's parallel loops on a cluster.

joblib's own back end for dask waits for ever when a call kills its workers, sends data within
objects with every call, and spreads the trees of each forest over the cluster.
"""

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from joblib import parallel_config
from joblib.parallel import ParallelBackendBase, SequentialBackend
from threadpoolctl import threadpool_limits

from src.runtime.cluster import Answer, Cluster


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
