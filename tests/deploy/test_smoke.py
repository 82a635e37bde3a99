"""The smoke test accepts a service that predicts, and reports any other in one line."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deploy.smoke import Service, SmokeError, check, main
from tests.conftest import ROOT
from tests.service.serving import Server

KEY = "a-key-of-many-letters"


def smoke(url: str, *options: str, key: str = "") -> subprocess.CompletedProcess[str]:
    """Run it as the workflow does: without the project's libraries, which -S leaves out."""
    return subprocess.run(
        [sys.executable, "-S", "-m", "deploy.smoke", url, *options],
        cwd=ROOT,
        env={"API_KEY": key, "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
    )


def failure_of(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return line


@contextmanager
def answering(*answers: tuple[int, bytes], **headers: str) -> Iterator[tuple[str, list[str]]]:
    """Serve answers in turn, the last repeatedly; yield the address and the requested paths."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            status, content = answers[min(len(asked), len(answers)) - 1]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815 - the name that http.server calls

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def answers_of(prediction: object) -> list[tuple[int, bytes]]:
    """Return the answers of a service with this prediction."""
    result = [{"models": {"m": "r1"}}, {"example": {"age": 41}}, prediction]
    return [(200, json.dumps(one).encode()) for one in result]


class TestOfTheRealService:
    def test_service_with_a_model_passes(self, run: Path, tmp_path: Path) -> None:
        with Server(tmp_path, newest=run, key=KEY) as server:
            done = smoke(f"http://127.0.0.1:{server.port}/", key=KEY)
            answered = server.get("/health").json
        assert done.returncode == 0, done.stderr
        assert answered["models"][answered["default_model"]] in done.stdout
        assert "lives and predicts by" in done.stdout

    def test_wrong_key_is_reported_at_once_and_not_printed(self, run: Path, tmp_path: Path) -> None:
        with Server(tmp_path, newest=run, key=KEY) as server:
            began = time.monotonic()
            line = failure_of(smoke(f"http://127.0.0.1:{server.port}", key="wrong-and-secret"))
        assert "POST" in line
        assert "/predict: status 401 (predictions need the header X-API-Key)" in line
        assert "wrong-and-secret" not in line
        assert time.monotonic() - began < 5

    def test_missing_model_is_reported(self, tmp_path: Path) -> None:
        with Server(tmp_path) as server:
            line = failure_of(smoke(f"http://127.0.0.1:{server.port}", "--seconds", "0"))
        assert "lives but serves no model" in line


def test_waits_for_a_load_balancer_without_targets() -> None:
    page = b"<html>503 Service Temporarily Unavailable</html>"
    good = answers_of({"model": "m", "run_id": "r1", "label": "a", "probabilities": {"a": 1.0}})
    with answering((503, page), *good) as (url, asked):
        done = smoke(url, "--predictions", "1")
    assert done.returncode == 0, done.stderr
    assert asked == ["/health", "/health", "/schema", "/predict"]


def test_permanent_failure_is_not_retried() -> None:
    with answering((404, b"{}")) as (url, asked):
        assert failure_of(smoke(url)).endswith("/health: status 404")
    assert asked == ["/health"]


def test_missing_response_is_reported_in_one_line() -> None:
    with answering((200, b"")) as (url, _):
        pass
    assert "Connection refused" in failure_of(smoke(url, "--seconds", "0"))


def test_key_is_not_sent_to_another_host() -> None:
    with (
        answering((200, b"{}")) as (elsewhere, asked),
        answering((301, b""), Location=elsewhere) as (url, _),
    ):
        assert f"status 301 (it points to {elsewhere})" in failure_of(
            smoke(url, "--seconds", "0", key=KEY)
        )
    assert asked == []


@pytest.mark.parametrize(
    ("prediction", "words"),
    [
        ({"label": "a", "probabilities": {"a": 0.7}}, "no probabilities"),
        ({"label": "a", "probabilities": {"a": float("nan")}}, "no probabilities"),
        ({"label": "a", "probabilities": {}}, "no probabilities"),
        ({"label": "z", "probabilities": {"a": 1.0}}, "a label that has no probability"),
        ([], "no probabilities"),
    ],
)
def test_response_200_without_a_prediction_fails(prediction: object, words: str) -> None:
    with answering(*answers_of(prediction)) as (url, _), pytest.raises(SmokeError, match=words):
        check(Service(url), 1)


def test_tasks_with_different_models_are_reported() -> None:
    whole = {"model": "m", "label": "a", "probabilities": {"a": 1.0}}
    good = answers_of(whole | {"run_id": "r1"})
    with answering(*good, *answers_of(whole | {"run_id": "r2"})[2:]) as (url, _):
        with pytest.raises(SmokeError, match="by m r1 and by m r2: tasks differ") as raised:
            check(Service(url), 2)
        assert raised.value.passing


@pytest.mark.parametrize(
    "url",
    [
        "models.example.org",
        "file:///etc/passwd",
        "http://",
        "http://h:0",
        "http://h:x",
        "http://u@h",
        "http://h/?q",
    ],
)
def test_invalid_address_is_refused(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([url])
    assert f"'{url}' is no address like" in capsys.readouterr().err


def test_key_that_is_not_valid_in_a_header_is_not_printed() -> None:
    line = failure_of(smoke("http://127.0.0.1:9", key="secret\n"))
    assert line.endswith("API_KEY: it has characters that are invalid in a header")
