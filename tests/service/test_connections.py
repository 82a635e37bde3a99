"""The head of a request is bounded, in bytes and in time, and who exceeds it is told."""

import http.client
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tabproof.service.server import HEAD_SECONDS
from tests.service.serving import Server, status_of


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("empty")) as server:
        yield server


def test_a_head_that_never_ends_is_refused_before_it_fills_the_memory(empty: Server) -> None:
    status = Path(f"/proc/{empty.process.pid}/status")

    def resident_kib() -> int:
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmRSS"))
        return int(line.split()[1])

    before = resident_kib()
    with socket.create_connection(("127.0.0.1", empty.port), timeout=10) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nX-Endless: ")
        try:
            for _ in range(400):
                connection.sendall(b"a" * 100_000)
        except OSError:
            pass
        answer = b""
        try:
            answer = connection.recv(65536)
        except ConnectionResetError:
            pytest.fail("the answer was torn away")
    assert status_of(answer) == 431
    assert b"x-content-type-options: nosniff" in answer
    assert resident_kib() - before < 10_000
    assert empty.get("/health").status == 200


@pytest.mark.slow
def test_a_head_that_comes_by_drops_is_refused_in_time(empty: Server) -> None:
    start = time.monotonic()
    with socket.create_connection(("127.0.0.1", empty.port), timeout=30) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nX-Slow: ")
        assert status_of(connection.recv(65536)) == 408
    assert HEAD_SECONDS - 1 < time.monotonic() - start < HEAD_SECONDS + 10


def test_each_request_of_a_connection_has_a_head_of_its_own(empty: Server) -> None:
    # Together they are larger than a head may be.
    connection = http.client.HTTPConnection("127.0.0.1", empty.port, timeout=10)
    for _ in range(20):
        connection.request("GET", "/health", headers={"X": "a" * 50_000})
        answer = connection.getresponse()
        assert (answer.status, bool(answer.read())) == (200, True)
    connection.close()


def test_what_is_no_http_is_answered_like_everything_else(empty: Server) -> None:
    answer = empty.raw(b"NONSENSE\r\n\r\n")
    assert status_of(answer) == 400
    assert b"content-type: application/json" in answer
    assert b"server:" not in answer
