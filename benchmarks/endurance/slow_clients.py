"""Slow clients, and very many requests: other clients get the same answers."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from statistics import quantiles
from threading import Event, Thread
from time import perf_counter, sleep

from benchmarks.answers import is_right, one_row
from benchmarks.endurance.raw import head
from benchmarks.endurance.world import World, require, wait_until_serving
from benchmarks.load import post_rows, require_wrk
from benchmarks.service import HOST, Service

MAX_P99_SECONDS = 1.0
ASKING_SECONDS = 0.02
N_CLIENTS = 16
STEP_SECONDS = 5
# By then every pool and cache is full.
N_SETTLING = 100_000
MAX_GROWTH = 0.05


def check_slow(world: World) -> str:
    """Send many bodies at a byte per second; meanwhile other requests are answered at once."""
    hold_out = world.hold_out(world.first)
    row = one_row(hold_out.rows[0])
    seconds, n_wrong = [], 0
    with world.serve() as service:
        wait_until_serving(service, hold_out)
        with _dripping(service, json.dumps(row).encode(), world.sizes.connections) as drip:
            end = perf_counter() + world.sizes.slow_seconds
            while perf_counter() < end:
                start = perf_counter()
                answer = service.ask("GET", "/health")
                seconds.append(perf_counter() - start)
                require(answer.status == 200, f"/health: {answer}")
                answer = service.ask("POST", "/predict", row)
                n_wrong += not is_right(answer.content, hold_out.proba[0])
                sleep(ASKING_SECONDS)
            n_open = drip.n_open
    p99 = quantiles(seconds, n=100)[-1]
    require(p99 < MAX_P99_SECONDS, f"/health took {p99:.3f} s (p99)")
    require(n_wrong == 0, f"{n_wrong} of {len(seconds)} rows were answered wrongly")
    return (
        f"{world.sizes.connections} connections dripped for {world.sizes.slow_seconds} s,"
        f" {n_open} of them still open at the end; {len(seconds)} x /health:"
        f" p99 {p99 * 1e3:.1f} ms, slowest {max(seconds) * 1e3:.1f} ms"
    )


class Drip(Thread):
    """Send the same body on many connections, at a byte per second on each."""

    def __init__(self, connections: list[socket.socket], body: bytes) -> None:
        super().__init__(daemon=True)
        self.ended = Event()
        self._open, self._body = connections, body

    @property
    def n_open(self) -> int:
        """The number of connections that the server has not closed."""
        return len(self._open)

    def run(self) -> None:
        """Send until the thread is stopped, or the body ends."""
        for position in count():
            byte = self._body[position : position + 1]
            self._open = [connection for connection in self._open if _sends(connection, byte)]
            if not byte or self.ended.wait(1):
                return


@contextmanager
def _dripping(service: Service, body: bytes, n_connections: int) -> Iterator[Drip]:
    with ExitStack() as stack:
        connections = [
            stack.enter_context(socket.create_connection((HOST, service.port)))
            for _ in range(n_connections)
        ]
        for connection in connections:
            connection.sendall(head("POST", "/predict", length=len(body)))
        drip = Drip(connections, body)
        drip.start()
        try:
            yield drip
        finally:
            drip.ended.set()
            drip.join()


def _sends(connection: socket.socket, byte: bytes) -> bool:
    try:
        connection.sendall(byte)
        # The server answers before the body ends only if it refuses the request.
        return not connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return True
    except OSError:
        return False


def check_million(world: World) -> str:
    """Send a million requests; memory stays as it was after the first 100,000."""
    require_wrk()
    hold_out = world.hold_out(world.first)
    bodies = world.directory / "rows.txt"
    bodies.write_text("".join(f"{json.dumps(one_row(row))}\n" for row in hold_out.rows))
    with world.serve() as service:
        wait_until_serving(service, hold_out)
        url = service.url + "/predict"
        n_settling = _post_until(url, bodies, min(N_SETTLING, world.sizes.requests))
        settled = service.resident_mb
        n_requests = n_settling
        if n_requests < world.sizes.requests:
            n_requests += _post_until(url, bodies, world.sizes.requests - n_requests)
        ended = service.resident_mb
        answer = service.ask("POST", "/predict", one_row(hold_out.rows[0]))
    require(is_right(answer.content, hold_out.proba[0]), f"at the end: {answer}")
    figures = f"{settled:.1f} MB after {n_settling:,}, {ended:.1f} MB after {n_requests:,} requests"
    growth = ended / settled - 1
    require(growth < MAX_GROWTH, f"resident memory grew by {growth:.1%}: {figures}")
    return f"resident memory {figures} ({growth:+.1%}); none failed"


def _post_until(url: str, bodies: Path, n_requests: int) -> int:
    n_posted = 0
    while n_posted < n_requests:
        n_posted += post_rows(url, bodies, N_CLIENTS, STEP_SECONDS).n_requests
    return n_posted
