"""A service that follows a store: what it serves was verified, and what it has it keeps."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tabproof.artifacts import Registry
from tests.artifacts.remote.loopback import Between, Bucket, answering, content_of, pull, push
from tests.conftest import ROOT
from tests.service.serving import Server

LIMIT = "1.5"


@pytest.fixture
def models(promoted: Path, tmp_path: Path) -> Path:
    """Give a registry of our own, with `wine` and `table`."""
    shutil.copytree(promoted / "models", tmp_path / "models")
    return tmp_path / "models"


@pytest.fixture
def serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Server]]:
    """Start services of one cache on a store; they end with the test."""
    bucket: Bucket = request.getfixturevalue("bucket")
    monkeypatch.setenv("MODEL_STORE", bucket.address)
    monkeypatch.setenv("MODEL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MODEL_STORE_TIMEOUT_SECONDS", LIMIT)
    started: list[Server] = []
    service = tmp_path / "service"
    service.mkdir()

    def start(**settings: str) -> Server:
        started.append(Server(service, **{"watch_seconds": "0", **settings}).__enter__())
        return started[-1]

    yield start
    for server in started:
        server.__exit__()


def served(server: Server) -> dict[str, str]:
    found: dict[str, str] = server.get("/health").json["models"]
    return found


def detail_of(server: Server) -> str:
    detail: str = server.get("/health").json.get("detail", "")
    return detail


def wait_for(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


Serve = Callable[..., Server]


def test_it_pulls_at_start_and_starts_from_the_cache_when_the_store_is_gone(
    bucket: Bucket, models: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("wine", "table"):
        push(bucket.address, models, name=name)
    first = serve(default_model="table")
    assert set(served(first)) == {"wine", "table"}
    assert detail_of(first) == ""
    assert first.post("/predict", {"features": {"age": 41}}).status == 200
    first.end()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    second = serve(default_model="table")
    assert second.post("/predict", {"features": {"age": 41}}).status == 200
    assert second.get("/ready").status == 200
    assert "'store' is not up to date: model store: the store: it " in detail_of(second)
    assert "what the cache holds serves" in second.end()


def test_a_store_that_hangs_delays_the_start_no_longer_than_the_limit(
    bucket: Bucket,
    between: Between,
    models: Path,
    serve: Serve,
) -> None:
    push(bucket.address, models)
    between.decide = lambda _, __: "stall"
    begun = time.monotonic()
    server = serve()
    assert time.monotonic() - begun < 10
    assert server.get("/ready").status == 503
    assert "does not answer in time" in server.get("/ready").json["detail"]
    assert "does not answer in time" in detail_of(server)
    assert server.get("/health").status == 200
    # It answers again.
    between.decide = lambda _, __: "pass"
    assert server.reload().status == 200
    assert set(served(server)) == {"wine"}
    between.close()


def test_it_can_be_ended_while_it_waits_for_the_store(
    between: Between, serve: Serve, tmp_path: Path
) -> None:
    assert serve  # its settings
    between.decide = lambda _, __: "stall"
    command = [sys.executable, "-m", "uvicorn", "api.app:app", "--port", "0"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "API_OUTPUTS": str(tmp_path), "API_DRAIN_SECONDS": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            wait_for(lambda: between.requests)
            process.terminate()
            printed, _ = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == 0, printed
    assert "Traceback" not in printed


def test_what_cannot_be_right_is_told_and_what_served_goes_on(
    bucket: Bucket, models: Path, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(bucket.address, models)
    server = serve(watch_seconds="0.1")
    before = served(server)
    # Another model under the name arrives with a part missing.
    newer = Registry(models).current("table")
    assert newer is not None
    table = models / f"table/versions/{newer.version}"
    Registry(models).promote(table, "wine", "me", "")
    push(str(tmp_path / "staging"), models)
    files = content_of(tmp_path / "staging")
    lost, pointer = f"wine/versions/{newer.version}/schema.json", "wine/pointer.json"
    for name in [*(files.keys() - {lost, pointer}), pointer]:
        bucket.write(name, files[name])
    wait_for(lambda: "schema.json: it is missing" in detail_of(server))
    assert served(server) == before
    reply = server.reload()
    assert (reply.status, "stay in service" in reply.json["detail"]) == (409, True)
    # Put right, it is followed.
    bucket.write(lost, files[lost])
    wait_for(lambda: served(server) == {"wine": newer.version})
    assert detail_of(server) == ""
    with answering(403, "RequestTimeTooSkewed") as elsewhere:
        monkeypatch.setenv("AWS_ENDPOINT_URL", elsewhere)
        again = serve()
        assert served(again) == {"wine": newer.version}
        assert "clock is wrong" in detail_of(again)


def test_only_what_is_signed_by_our_key_is_served(
    bucket: Bucket,
    models: Path,
    serve: Serve,
    keys: Path,
    table_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    push(bucket.address, models, sign_by=keys / "ours.pem")
    push(bucket.address, models, name="table", sign_by=keys / "theirs.pem")
    # The cache was filled before signatures were asked for.
    for name in ("wine", "table"):
        pull(bucket.address, tmp_path / "cache", name=name)
    monkeypatch.setenv("MODEL_SIGNATURE_KEY", (keys / "ours.pub").read_text())
    outputs = tmp_path / "service/outputs/2000-01-01/run"
    shutil.copytree(table_run, outputs)
    server = serve()
    assert set(served(server)) == {"wine"}
    assert "another key" in server.get("/health").json["failed"]["table"]
    for path in ("outputs/2000-01-01/run", str(outputs), "models/table", "cache/table"):
        assert server.reload(path).status in (400, 409), path
    assert set(served(server)) == {"wine"}
    push(bucket.address, models, name="table", sign_by=keys / "ours.pem")
    assert server.reload().status == 200
    assert set(served(server)) == {"wine", "table"}


def test_an_empty_store_is_no_reason_to_serve_another_run(
    serve: Serve, table_run: Path, tmp_path: Path
) -> None:
    shutil.copytree(table_run, tmp_path / "service/outputs/2000-01-01/run")
    server = serve()
    assert (served(server), server.get("/ready").status) == ({}, 503)
    assert "the store: it holds no model" in detail_of(server)


def test_a_cache_that_cannot_be_written_is_told(
    bucket: Bucket, models: Path, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(bucket.address, models)
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("MODEL_CACHE", str(tmp_path / "file/cache"))
    server = serve()
    assert server.get("/ready").status == 503
    assert "it cannot be used: Not a directory" in detail_of(server)
    assert str(tmp_path) not in detail_of(server)


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("MODEL_STORE", "s3:/bucket", "is no model store"),
        ("MODEL_STORE", "foo://bucket/x", "is no model store"),
        ("MODEL_SIGNATURE_KEY", "/no/such/file", "cannot be read"),
        ("MODEL_STORE_TIMEOUT_SECONDS", "0", "of 1 or more"),
    ],
)
def test_a_setting_that_cannot_work_ends_the_start(variable: str, value: str, words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import tabproof.service.app"],
        cwd=ROOT,
        env={**os.environ, variable: value},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert words in done.stderr
