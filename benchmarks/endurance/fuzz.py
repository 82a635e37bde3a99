"""Tens of thousands of invalid requests: the server neither fails nor ends."""

import json
import random
import shutil
import socket
import subprocess
from collections import Counter
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings

from benchmarks.adult import HoldOut
from benchmarks.answers import is_right, one_row
from benchmarks.endurance.broken_requests import broken, huge
from benchmarks.endurance.invalid_bodies import generated, mutated
from benchmarks.endurance.raw import post, receive
from benchmarks.endurance.world import World, require, wait_until_serving
from benchmarks.service import HOST, Service

SEED = 0
# Shares of all requests: generated JSON, and broken HTTP; the others are broken JSON.
GENERATED_SHARE, BROKEN_SHARE = 0.4, 0.1
N_BETWEEN_LOOKS = 1000
# A request that never ends gets no answer; the others get one in milliseconds.
PATIENT_SECONDS, SHORT_SECONDS = 20.0, 0.1
# Documented: not ready, or too busy.
BUSY = 503
SCHEMATHESIS = "schemathesis"
N_EXAMPLES = 500


class Fuzzer:
    """Send requests one after the other, count the answers, and check the server."""

    def __init__(self, service: Service, hold_out: HoldOut) -> None:
        self.statuses: Counter[str] = Counter()
        self._service, self._hold_out = service, hold_out
        self._connection: socket.socket | None = None

    def send_body(self, path: str, content: Any) -> None:
        """Send any content as JSON, with the NaN and Infinity that Python writes."""
        self.send(post(path, json.dumps(content).encode()))

    def send(self, request: bytes) -> None:
        """Send a complete request on a connection that is kept. Raises CheckFailedError."""
        if self._connection is None:
            self._connection = socket.create_connection((HOST, self._service.port), PATIENT_SECONDS)
        if not self._exchange(self._connection, request):
            self._connection.close()
            self._connection = None

    def send_alone(self, request: bytes, seconds: float = SHORT_SECONDS) -> None:
        """Send a request that may break its connection, on a connection of its own."""
        with socket.create_connection((HOST, self._service.port), seconds) as connection:
            self._exchange(connection, request)

    def _exchange(self, connection: socket.socket, request: bytes) -> bool:
        """Return whether the connection can be used again."""
        # The server refused it before its end: an answer may have arrived nevertheless.
        with suppress(OSError):
            connection.sendall(request)
        try:
            response, text = receive(connection)
        except (OSError, HTTPException):
            self._count("no answer", request)
            return False
        if response.status >= 500 and response.status != BUSY:
            shown = f"{request[:300]!r}… ({len(request):,} bytes)"
            require(False, f"{response.status} {text[:300]!r} to {shown}")
        self._count(str(response.status), request)
        return not response.will_close

    def _count(self, status: str, request: bytes) -> None:
        self.statuses[status] += 1
        if self.statuses.total() % N_BETWEEN_LOOKS == 0:
            self.look(request)

    def look(self, request: bytes = b"") -> None:
        """Require that the server runs and answers correctly. Raises CheckFailedError."""
        require(self._service.is_alive, f"the server ended after {request[:300]!r}")
        row, proba = self._hold_out.rows[0], self._hold_out.proba[0]
        answer = self._service.ask("POST", "/predict", one_row(row))
        require(is_right(answer.content, proba), f"after {request[:300]!r}: {answer}")


def check_fuzz(world: World) -> str:
    """Send generated, mutated, broken and huge requests, then run schemathesis."""
    hold_out, n_requests = world.hold_out(world.first), world.sizes.fuzz
    chance = random.Random(SEED)  # noqa: S311 - which byte, not which key
    n_generated, n_broken = int(n_requests * GENERATED_SHARE), int(n_requests * BROKEN_SHARE)
    with world.serve() as service:
        wait_until_serving(service, hold_out)
        fuzzer = Fuzzer(service, hold_out)
        for request in huge(hold_out.rows[0]):
            fuzzer.send_alone(request, PATIENT_SECONDS)
            fuzzer.look(request)
        _send_generated(fuzzer, hold_out, n_generated)
        for _ in range(n_broken):
            fuzzer.send_alone(broken(chance.choice(hold_out.rows), chance))
        while fuzzer.statuses.total() < n_requests:
            fuzzer.send(mutated(chance.choice(hold_out.rows), chance))
        fuzzer.look()
        words = _run_schemathesis(service, world.sizes.schemathesis, world.directory)
        fuzzer.look()
    counts = ", ".join(f"{count:,} x {status}" for status, count in sorted(fuzzer.statuses.items()))
    return f"{fuzzer.statuses.total():,} requests: {counts}; {words}"


def _send_generated(fuzzer: Fuzzer, hold_out: HoldOut, n_requests: int) -> None:
    @settings(
        max_examples=n_requests,
        database=None,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(generated(hold_out.rows[0]))
    def send(attempt: tuple[str, Any]) -> None:
        fuzzer.send_body(*attempt)

    if n_requests:
        send()


def _run_schemathesis(service: Service, command: str, directory: Path) -> str:
    found = shutil.which(command)
    if found is None:
        return f"no {SCHEMATHESIS} here, skipped (pip install it into a .venv of its own)"
    options = ["--checks=not_a_server_error", f"--max-examples={N_EXAMPLES}", f"--seed={SEED}"]
    ended = subprocess.run(
        [found, "run", f"{service.url}/openapi.json", *options],
        cwd=directory,  # it leaves things there
        capture_output=True,
        text=True,
        check=False,
    )
    require(ended.returncode == 0, f"{SCHEMATHESIS}: {ended.stdout[-3000:]}{ended.stderr[-500:]}")
    return f"{SCHEMATHESIS}: no server error with {N_EXAMPLES} examples per route"
