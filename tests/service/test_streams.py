"""Bodies that never end, and many at once: what is held of them is bounded."""

import socket
import time
from contextlib import suppress
from pathlib import Path

from tests.service.serving import Server, head, status_of

JSON = "Content-Type: application/json"


def test_a_client_that_is_refused_may_not_stream_for_ever(server: Server) -> None:
    begin = head("POST /nope HTTP/1.1", "Transfer-Encoding: chunked").replace(
        b"Connection: close\r\n", b""
    )
    chunk = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"
    sent = 0
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(begin)
        start = time.monotonic()
        with suppress(OSError):
            while time.monotonic() - start < 8:
                connection.sendall(chunk)
                sent += len(chunk)
    assert sent < 100_000_000
    assert time.monotonic() - start < 7


def test_bytes_in_flight_are_bounded(tmp_path: Path, run: Path) -> None:
    with Server(tmp_path, newest=run, max_bytes_in_flight="2000") as server:
        held = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(2)]
        begin = head("POST /predict HTTP/1.1", JSON, "Content-Length: 1500")
        for connection in held:
            connection.sendall(begin)
            connection.sendall(b" " * 1200)
            time.sleep(0.2)
        assert status_of(held[1].recv(65536)) == 503
        held[0].close()
        time.sleep(0.2)
        assert server.post("/predict", {"features": {}}).status == 200
        held[1].close()
