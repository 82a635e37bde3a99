"""A real server in a process of its own, and a client that speaks plain HTTP."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import ROOT

TOKEN = "an-administrator-s-token"  # noqa: S105 - of tests alone
STARTING_SECONDS = 60.0


@dataclass(frozen=True)
class Reply:
    """What the server answered."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)


class Server:
    """Serves what lies under `models/` and `outputs/` of a directory, until the block ends."""

    def __init__(self, directory: Path, *, newest: Path | None = None, **settings: str) -> None:
        self.models, self.outputs = directory / "models", directory / "outputs"
        if newest is not None:
            shutil.copytree(newest, self.outputs / "2000-01-01" / "run", dirs_exist_ok=True)
        self.log = directory / "requests.log"
        self.port = _free_port()
        self._settings = {
            "API_MODELS": str(self.models),
            "API_OUTPUTS": str(self.outputs),
            "API_LOG": str(self.log),
            "API_ADMIN_TOKEN": TOKEN,
            **{f"API_{name.upper()}": value for name, value in settings.items()},
        }

    def __enter__(self) -> "Server":
        command = [sys.executable, "-m", "uvicorn", "api.app:app", "--port", str(self.port)]
        self.process = subprocess.Popen(
            [*command, "--no-server-header", "--no-access-log"],
            cwd=ROOT,
            env={**os.environ, **self._settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        deadline = time.monotonic() + STARTING_SECONDS
        while True:
            try:
                self.get("/health")
            except OSError:
                assert self.process.poll() is None, self.end()
                assert time.monotonic() < deadline
                time.sleep(0.05)
            else:
                return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.end()

    def end(self, by: int = signal.SIGTERM) -> str:
        """End it; give what it printed."""
        self.process.send_signal(by)
        return self.process.communicate(timeout=30)[0]

    def get(self, path: str, **headers: str) -> Reply:
        return self.request("GET", path, headers=headers)

    def post(self, path: str, body: object, **headers: str) -> Reply:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **headers}
        return self.request("POST", path, content, headers)

    def reload(self, path: str | None = None) -> Reply:
        query = "" if path is None else f"?path={path}"
        return self.request("POST", f"/reload{query}", headers={"Authorization": f"Bearer {TOKEN}"})

    def request(
        self,
        method: str,
        path: str,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, content, dict(headers or {}))
            answer = connection.getresponse()
            named = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, named, answer.read())
        finally:
            connection.close()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
