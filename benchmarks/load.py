"""Measure a server with wrk: requests per second, and latencies."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.command import CannotRunError
from benchmarks.measurement import CommandFailedError

WRK = "wrk"
SCRIPT = Path(__file__).with_name("rows.lua")
# wrk counts slower answers as failed; a batch through pandas is slow.
TIMEOUT = "30s"


class WrkMissingError(CannotRunError):
    """wrk is not installed."""

    def __init__(self) -> None:
        super().__init__("install wrk (Debian: apt-get install wrk)")


class FailedRequestsError(Exception):
    """Some requests failed, so that the figures mean nothing."""

    def __init__(self, url: str, n_failed: int, n_requests: int) -> None:
        super().__init__(
            f"THE COMPARISON IS VOID: {n_failed} of {n_requests} requests to {url} failed"
        )


@dataclass(frozen=True)
class Load:
    """The figures of one server."""

    per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    n_requests: int
    # CPU time of the server per request, which other processes of the machine hardly change.
    cpu_us: float = 0.0


def require_wrk() -> None:
    """Raise WrkMissingError before anything else is done."""
    if shutil.which(WRK) is None:
        raise WrkMissingError


def post_rows(url: str, bodies: Path, n_clients: int, seconds: float) -> Load:
    """Post the lines of a file in turn for some seconds; each client waits for its answer."""
    options = ["--threads=1", f"--connections={n_clients}", f"--duration={max(1, round(seconds))}s"]
    command = [WRK, *options, f"--timeout={TIMEOUT}", f"--script={SCRIPT}", url, "--", str(bodies)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise CommandFailedError(command, ended.returncode, ended.stderr or ended.stdout)
    figures = json.loads(ended.stdout.splitlines()[-1])
    if figures["n_failed"]:
        raise FailedRequestsError(url, figures["n_failed"], figures["requests"])
    return Load(
        figures["requests"] / figures["seconds"],
        figures["p50_ms"],
        figures["p95_ms"],
        figures["p99_ms"],
        figures["requests"],
    )


def median_ratio(loads: Sequence[Load], others: Sequence[Load]) -> float:
    """Return the median over rounds of the ratio of two servers."""
    return median(
        load.per_second / other.per_second for load, other in zip(loads, others, strict=True)
    )


def median_load(loads: Sequence[Load]) -> Load:
    """Return the median of each figure."""
    return Load(
        median(load.per_second for load in loads),
        median(load.p50_ms for load in loads),
        median(load.p95_ms for load in loads),
        median(load.p99_ms for load in loads),
        sum(load.n_requests for load in loads),
        median(load.cpu_us for load in loads),
    )
