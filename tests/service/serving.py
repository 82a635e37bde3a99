"""A server in its own process, and a plain HTTP client."""

import http.client
import json
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# Importing the service takes a second: servers are forked from a process that has imported it.
FORKING = multiprocessing.get_context("forkserver")
FORKING.set_forkserver_preload(["tabproof.service.app", "uvicorn.main", __name__])

TOKEN = "an-administrator-s-token"  # noqa: S105 - only for tests
STARTING_SECONDS = 60.0
# A column of `table` and one of `wine`: a row that both predict, with warnings.
ROW = {"age": 41, "alcohol": 13.0}


@dataclass(frozen=True)
class Reply:
    """A response of the server."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)


class Server:
    """Serve `models/` and `outputs/` of a directory until the block ends; options: uvicorn's.

    app : what uvicorn imports.
    """

    def __init__(
        self,
        directory: Path,
        *,
        newest: Path | None = None,
        app: str = "api.app:app",
        options: Sequence[str] = (),
        **settings: str,
    ) -> None:
        self.models, self.outputs = directory / "models", directory / "outputs"
        if newest is not None:
            shutil.copytree(newest, self.outputs / "2000-01-01" / "run", dirs_exist_ok=True)
        self.log = directory / "requests.log"
        self.port = free_port()
        self._arguments = [app, *options]
        self._settings = {
            "API_MODELS": str(self.models),
            "API_OUTPUTS": str(self.outputs),
            "API_LOG": str(self.log),
            "API_ADMIN_TOKEN": TOKEN,
            "API_DRAIN_SECONDS": "0",
            **{f"API_{name.upper()}": value for name, value in settings.items()},
        }

    def __enter__(self) -> "Server":
        # A file, because an unread pipe would block the server when it is full.
        self._printed = tempfile.NamedTemporaryFile("r")
        environment = {**os.environ, **self._settings}
        self.process = Process(self.port, environment, self._printed.name, self._arguments)
        deadline = time.monotonic() + STARTING_SECONDS
        while True:
            try:
                self.get("/health")
            except OSError:
                assert self.process.poll() is None, self.end()
                assert time.monotonic() < deadline
                time.sleep(0.02)
            else:
                return self

    def __exit__(self, *_: object) -> None:
        # Tests of a graceful stop call `end`; the others need not wait for one.
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=30)
        self._printed.close()

    def end(self, by: int = signal.SIGTERM) -> str:
        """Stop the server and return its output."""
        self.process.send_signal(by)
        self.process.wait(timeout=30)
        self._printed.seek(0)
        return self._printed.read()

    def get(self, path: str, **headers: str) -> Reply:
        return self.request("GET", path, headers=headers)

    def post(self, path: str, body: object, **headers: str) -> Reply:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **headers}
        return self.request("POST", path, content, headers)

    def reload(self, path: str | None = None) -> Reply:
        query = "" if path is None else f"?path={path}"
        return self.request("POST", f"/reload{query}", headers={"Authorization": f"Bearer {TOKEN}"})

    def raw(self, *parts: bytes, timeout: float = 20.0, only_head: bool = False) -> bytes:
        """Send bytes as they are; return all that is received until the server closes.

        only_head : return what arrives first, without waiting until a refused body was drained.
        """
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as connection:
            for part in parts:
                connection.sendall(part)
            if only_head:
                return connection.recv(65536)
            received = []
            while chunk := connection.recv(65536):
                received.append(chunk)
            return b"".join(received)

    def logged(self, request_id: str) -> dict[str, Any]:
        """Return the log line of a request, which is written after the response."""
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            for line in self.log.read_text().splitlines():
                if f'"{request_id}"' in line:
                    found: dict[str, Any] = json.loads(line)
                    return found
            time.sleep(0.01)
        raise AssertionError(f"no log line of {request_id}")

    def request(
        self,
        method: str,
        path: str,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        return request(self.port, method, path, content, headers)


class Process:
    """A process with uvicorn's command line, with the methods of `subprocess.Popen`."""

    def __init__(
        self,
        port: int,
        environment: Mapping[str, str],
        printed: str,
        arguments: Sequence[str] = ("api.app:app",),
    ) -> None:
        common = [f"--port={port}", "--no-server-header", "--no-access-log"]
        words = ([*arguments, *common], dict(environment), printed)
        # A daemon, so that the end of the tests waits for no server.
        self._process = FORKING.Process(target=_run, args=words, daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        return self._process.pid or 0

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, by: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, by)

    def wait(self, timeout: float) -> int | None:
        self._process.join(timeout)
        if self.poll() is None:
            raise subprocess.TimeoutExpired("uvicorn", timeout)
        return self.poll()


def _run(arguments: list[str], environment: dict[str, str], printed: str) -> None:
    from uvicorn.main import main

    os.chdir(ROOT)
    os.environ.clear()
    os.environ.update(environment)
    with open(printed, "w") as file:  # noqa: PTH123 - a file descriptor is needed
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    main(arguments, standalone_mode=False)


def request(
    port: int,
    method: str,
    path: str,
    content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """Send a request to a port of this machine."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, content, dict(headers or {}))
        answer = connection.getresponse()
        named = {name.lower(): value for name, value in answer.getheaders()}
        return Reply(answer.status, named, answer.read())
    finally:
        connection.close()


def wait_for(what: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def head(line: str, *headers: str) -> bytes:
    """Return the head of a request that closes its connection."""
    return "\r\n".join([line, "Host: test", "Connection: close", *headers, "", ""]).encode(
        "latin-1"
    )


def status_of(answer: bytes) -> int:
    """Return the status of a raw response."""
    return int(answer.split(b" ", 2)[1])


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
