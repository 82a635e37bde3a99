"""Functions that workers import and call."""

import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_info

from tabproof import artifacts


@dataclass(frozen=True)
class Fold:
    # The one is shared for its size, and the other travels with each call.
    X: NDArray[np.float64]
    y: NDArray[np.int64]


def make_fold(seed: int) -> Fold:
    rng = np.random.default_rng(seed)
    X = rng.random((4_000, 5))
    return Fold(X, (X[:, 0] + rng.random(4_000) > 1).astype(np.int64))


def fit(fold: Fold, number: int) -> tuple[int, bytes, int]:
    """Return the number, the bytes of the probabilities, and the process."""
    model = HistGradientBoostingClassifier(max_iter=3 + number % 4, random_state=0)
    proba = model.fit(fold.X, fold.y).predict_proba(fold.X)
    return number, proba.tobytes(), os.getpid()


def fit_job(job: tuple[Fold, int], _n_threads: int | None) -> tuple[int, bytes, int]:
    """Fit, with the signature that a runner of a search needs."""
    return fit(*job)


def limits(_number: int) -> tuple[set[int], int]:
    """Return the numbers of threads that libraries may use, and the current thread."""
    time.sleep(0.05)
    return {pool["num_threads"] for pool in threadpool_info()}, threading.get_ident()


def fail(reason: str) -> None:
    raise ValueError(reason)


def die(_number: int) -> None:
    os._exit(1)


def sleep(seconds: float, begun: Path) -> None:
    begun.touch()
    time.sleep(seconds)


def facts() -> dict[str, str]:
    """Return the facts without the hash of the code, which may change while tests run."""
    return {name: fact for name, fact in artifacts.worker_facts().items() if name != "src"}
