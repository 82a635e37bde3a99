"""Servers that take turns under the load of wrk: start them, measure them, print their figures."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from time import sleep

from benchmarks.adult import Row
from benchmarks.answers import WrongAnswerError, one_row
from benchmarks.load import FailedRequestsError, Load, median_load, post_rows
from benchmarks.measurement import CommandFailedError
from benchmarks.service import Application, ServerFailedError, Service

# Errors after which figures mean nothing.
VOID = (CommandFailedError, FailedRequestsError, ServerFailedError, WrongAnswerError)


@dataclass(frozen=True)
class Work:
    """What wrk posts; n_rows: of one request."""

    title: str
    path: str
    bodies: Path
    n_clients: int = 1
    n_rows: int = 1


def row_by_row(bodies: Path, n_clients: int) -> Work:
    """Return the work of posting single rows."""
    title = f"/predict, {n_clients} client{'s' if n_clients > 1 else ''}"
    return Work(title, "/predict", bodies, n_clients)


def write_bodies(path: Path, contents: Sequence[object]) -> Path:
    """Write bodies for wrk, one per line."""
    path.write_text("".join(f"{json.dumps(content)}\n" for content in contents))
    return path


def leave_first_core() -> list[int]:
    """Keep this process, and wrk, which it starts, on the last core; return all cores."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[-1]})
    if len(cores) == 1:
        print("! servers and wrk share one core: trust no figure")
    return cores


def start_server(
    stack: ExitStack, application: Application, log: Path, core: int | None, row: Row
) -> Service:
    """Start a server that ends with the stack; return it when it has answered a row."""
    service = stack.enter_context(Service(application, log, core))
    service.wait_for("/predict", one_row(row))
    return service


def take_turns(
    services: Mapping[str, Service],
    work: Work,
    seconds: float,
    n_rounds: int,
    settling: Mapping[str, float] | None = None,
) -> dict[str, list[Load]]:
    """Measure each server once a round, in another order each time.

    settling: by server, seconds after its last answer until its work in the background is done,
    whose processor time counts too
    """
    loads: dict[str, list[Load]] = {server: [] for server in services}
    order = list(services)
    for _ in range(n_rounds):
        for server in order:
            service = services[server]
            before = service.cpu_seconds
            load = post_rows(service.url + work.path, work.bodies, work.n_clients, seconds)
            sleep((settling or {}).get(server, 0.0))
            cpu_us = (service.cpu_seconds - before) / load.n_requests * 1e6
            loads[server].append(replace(load, cpu_us=cpu_us))
        order = [*order[1:], order[0]]
    return loads


def print_loads(title: str, loads: Mapping[str, Sequence[Load]]) -> None:
    """Print the medians of each server."""
    print(f"\n{title:<28}requests/s    p50 ms    p95 ms    p99 ms    CPU us")
    for server, rounds in loads.items():
        load = median_load(rounds)
        milliseconds = "".join(f"{ms:10.3f}" for ms in (load.p50_ms, load.p95_ms, load.p99_ms))
        print(f"  {server:<26}{load.per_second:10,.0f}{milliseconds}{load.cpu_us:10,.1f}")
    sys.stdout.flush()
