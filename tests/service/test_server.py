"""Graceful stop on SIGTERM, and limits on the head of a request."""

import http.client
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tabproof.service.server import HEAD_SECONDS
from tests.service.serving import Server, status_of

HEAD = b"POST /predict HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n"
BODY = b'{"features":{"age":41,"alcohol":13}}'


def wait_until_not_listening(server: Server) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", server.port), timeout=5).close()
        except OSError:
            return
        time.sleep(0.02)
    raise AssertionError("the server still accepts connections")


def test_request_in_flight_is_finished_after_sigterm(promoted: Path) -> None:
    with Server(promoted, default_model="table") as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as slow:
            slow.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY[:5])
            time.sleep(0.3)
            server.process.send_signal(signal.SIGTERM)
            wait_until_not_listening(server)
            time.sleep(0.8)  # beyond the grace of idle connections
            assert server.process.poll() is None
            slow.sendall(BODY[5:])
            answer = slow.recv(65536)
            assert status_of(answer) == 200
            assert b"connection: close" in answer
        assert server.process.wait(20) == 0


def test_kept_connection_gets_connection_close_after_sigterm(promoted: Path) -> None:
    with Server(promoted, default_model="table") as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        found = []
        for is_ending in (False, True):
            if is_ending:
                server.process.send_signal(signal.SIGTERM)
                wait_until_not_listening(server)
            connection.request("POST", "/predict", BODY, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            assert (answer.status, bool(answer.read())) == (200, True)
            found.append(answer.getheader("connection"))
        assert found == [None, "close"]
        assert server.process.wait(20) == 0


def test_draining_service_is_not_ready_but_answers(promoted: Path) -> None:
    with Server(promoted, default_model="table", drain_seconds="1") as server:
        assert server.get("/ready").status == 200
        server.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 0.5
        while server.get("/ready").status == 200:
            assert time.monotonic() < deadline
        assert server.get("/ready").json["detail"] == "the service is stopping"
        assert server.get("/v2/health/ready").status == 503
        assert server.get("/v2/models/table/ready").json["ready"] is False
        assert server.get("/health").status == 200
        assert server.post("/predict", BODY).status == 200
        server.process.send_signal(signal.SIGTERM)  # a second signal changes nothing
        assert server.process.wait(20) == 0


def test_idle_server_exits_soon_with_zero(promoted: Path) -> None:
    with Server(promoted, default_model="table") as server:
        idle = socket.create_connection(("127.0.0.1", server.port))
        started = time.monotonic()
        try:
            printed = server.end()
        except subprocess.TimeoutExpired:
            pytest.fail("an idle connection kept the server alive")
        idle.close()
        assert time.monotonic() - started < 5
        assert server.process.returncode == 0
        assert "Traceback" not in printed


# --- Limits on the head of a request


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("empty")) as server:
        yield server


def test_endless_head_is_refused_with_bounded_memory(empty: Server) -> None:
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
            pytest.fail("the response was lost")
    assert status_of(answer) == 431
    assert b"x-content-type-options: nosniff" in answer
    assert resident_kib() - before < 10_000
    assert empty.get("/health").status == 200


@pytest.mark.slow
def test_slow_head_is_refused_in_time(empty: Server) -> None:
    start = time.monotonic()
    with socket.create_connection(("127.0.0.1", empty.port), timeout=30) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nX-Slow: ")
        assert status_of(connection.recv(65536)) == 408
    assert HEAD_SECONDS - 1 < time.monotonic() - start < HEAD_SECONDS + 10


def test_head_limit_applies_per_request(empty: Server) -> None:
    # Together they are larger than a head may be.
    connection = http.client.HTTPConnection("127.0.0.1", empty.port, timeout=10)
    for _ in range(20):
        connection.request("GET", "/health", headers={"X": "a" * 50_000})
        answer = connection.getresponse()
        assert (answer.status, bool(answer.read())) == (200, True)
    connection.close()


def test_invalid_http_gets_a_json_error(empty: Server) -> None:
    answer = empty.raw(b"NONSENSE\r\n\r\n")
    assert status_of(answer) == 400
    assert b"content-type: application/json" in answer
    assert b"server:" not in answer
