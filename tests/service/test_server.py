"""On SIGTERM clients are let go first, then work, then the process: nothing is cut off."""

import http.client
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.service.serving import Server, status_of

HEAD = b"POST /predict HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n"
BODY = b'{"features":{}}'


def wait_until_closed_to_newcomers(server: Server) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", server.port), timeout=5).close()
        except OSError:
            return
        time.sleep(0.02)
    raise AssertionError("it still accepts connections")


def test_what_is_in_flight_is_finished(promoted: Path) -> None:
    with Server(promoted, default_model="table") as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as slow:
            slow.sendall(HEAD + b"Content-Length: 15\r\n\r\n" + BODY[:5])
            time.sleep(0.3)
            server.process.send_signal(signal.SIGTERM)
            wait_until_closed_to_newcomers(server)
            time.sleep(0.8)  # beyond the grace of idle connections
            assert server.process.poll() is None
            slow.sendall(BODY[5:])
            answer = slow.recv(65536)
            assert status_of(answer) == 200
            assert b"connection: close" in answer
        assert server.process.wait(20) == 0


def test_a_client_that_keeps_its_connection_is_told_to_close(promoted: Path) -> None:
    with Server(promoted, default_model="table") as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        told = []
        for is_ending in (False, True):
            if is_ending:
                server.process.send_signal(signal.SIGTERM)
                wait_until_closed_to_newcomers(server)
            connection.request("POST", "/predict", BODY, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            assert (answer.status, bool(answer.read())) == (200, True)
            told.append(answer.getheader("connection"))
        assert told == [None, "close"]
        assert server.process.wait(20) == 0


def test_while_it_drains_it_is_not_ready_and_answers_all_else(promoted: Path) -> None:
    with Server(promoted, default_model="table", drain_seconds="2") as server:
        assert server.get("/ready").status == 200
        server.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 1.5
        while server.get("/ready").status == 200:
            assert time.monotonic() < deadline
        assert server.get("/ready").json["detail"] == "the service is ending"
        assert server.get("/v2/health/ready").status == 503
        assert server.get("/v2/models/table/ready").json["ready"] is False
        assert server.get("/health").status == 200
        assert server.post("/predict", BODY).status == 200
        server.process.send_signal(signal.SIGTERM)  # once more changes nothing
        assert server.process.wait(20) == 0


def test_an_idle_server_ends_soon_and_with_zero(promoted: Path) -> None:
    with Server(promoted, default_model="table") as server:
        idle = socket.create_connection(("127.0.0.1", server.port))
        started = time.monotonic()
        try:
            printed = server.end()
        except subprocess.TimeoutExpired:
            pytest.fail("an idle connection kept it")
        idle.close()
        assert time.monotonic() - started < 5
        assert server.process.returncode == 0
        assert "Traceback" not in printed
