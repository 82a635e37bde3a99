"""The page about the prediction log: at /monitor, for readers, and only where pages are on."""

from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from tabproof.service.recording import log_directory
from tabproof.service.settings import Settings
from tests.service.serving import TOKEN, Server

PAGE = "<!doctype html><title>監視</title>".encode()
KEY = "a-key-of-sixteen-letters"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    log = tmp_path / "log"
    log.mkdir()
    return log


@pytest.fixture
def server(tmp_path: Path, log: Path) -> Iterator[Server]:
    (tmp_path / "models").mkdir()
    settings = {"pages": "all", "admin_token": "", "prediction_log": str(log)}
    with Server(tmp_path, **settings) as started:
        yield started


def test_the_page_in_the_log_is_shown_once_it_is_there(server: Server, log: Path) -> None:
    assert "monitor" not in server.get("/").json["links"]
    missing = server.get("/monitor")
    assert missing.status == 404
    assert "--page" in missing.json["detail"]
    (log / "monitor.html").write_bytes(PAGE)
    found = server.get("/monitor")
    assert (found.status, found.content) == (200, PAGE)
    assert found.headers["content-type"] == "text/html; charset=utf-8"
    assert found.headers["cache-control"] == "private, no-cache"
    assert found.headers["cross-origin-resource-policy"] == "same-origin"
    assert found.headers["x-content-type-options"] == "nosniff"
    policy = found.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in policy
    known = {"If-None-Match": found.headers["etag"]}
    assert server.get("/monitor", **known).status == 304
    assert server.get("/").json["links"]["monitor"] == "monitor"
    # A page that was written again is another one.
    (log / "monitor.html").unlink()
    (log / "monitor.html").write_bytes(PAGE + b"<p>")
    assert server.get("/monitor", **known).content == PAGE + b"<p>"


@pytest.mark.parametrize(
    ("language", "words"), [("en", "No page about the prediction log"), ("ja", "監視ページはまだ")]
)
def test_a_missing_page_says_how_to_make_it(server: Server, language: str, words: str) -> None:
    reply = server.get("/monitor", **{"Accept": "text/html", "Accept-Language": language})
    page = reply.content.decode()
    assert reply.status == 404
    assert words in page
    assert "python -m src.monitor check --page" in page
    assert 'href="./"' in page
    assert "script-src 'none'" in reply.headers["content-security-policy"]


def test_nothing_else_of_the_log_is_published(server: Server, log: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.html").write_bytes(b"a secret")
    (log / "other.html").write_bytes(b"a secret")
    outside = tmp_path / "outside" / "monitor.html"
    outside.parent.mkdir()
    outside.write_bytes(b"a secret")
    for target in (tmp_path / "secret.html", log / "other.html", outside, tmp_path):
        (log / "monitor.html").unlink(missing_ok=True)
        (log / "monitor.html").symlink_to(target)
        reply = server.get("/monitor")
        assert reply.status == 404
        assert b"a secret" not in reply.content
    for path in ("/monitor/other.html", "/monitor/", "/monitor/monitor.html", "/monitor/.."):
        assert server.get(path).status in (404, 307), path


def test_a_page_needs_the_key_of_readers(tmp_path: Path, log: Path) -> None:
    (tmp_path / "models").mkdir()
    (log / "monitor.html").write_bytes(PAGE)
    settings = {"pages": "all", "key": KEY, "prediction_log": str(log)}
    with Server(tmp_path, **settings) as server:
        refused = server.get("/monitor", Accept="text/html")
        assert refused.status == 401
        assert refused.headers["www-authenticate"].startswith("Basic")
        assert PAGE not in refused.content
        basic = b64encode(f"anyone:{KEY}".encode()).decode()
        for sent in (
            {"X-API-Key": KEY},
            {"Authorization": f"Bearer {TOKEN}"},
            {"Authorization": f"Basic {basic}"},
        ):
            assert server.get("/monitor", **sent).content == PAGE


@pytest.mark.parametrize("pages", ["off", "front"])
def test_without_pages_there_is_none(tmp_path: Path, log: Path, pages: str) -> None:
    (tmp_path / "models").mkdir()
    (log / "monitor.html").write_bytes(PAGE)
    with Server(tmp_path, pages=pages, prediction_log=str(log)) as server:
        assert server.get("/monitor").status == 404
        assert "monitor" not in server.get("/").json["links"]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("", None),
        ("s3://bucket/log", None),
        ("s3:/bucket", None),
        ("log", Path("log")),
        ("file:///var/log", Path("/var/log")),
    ],
)
def test_a_page_is_in_a_directory_only(address: str, expected: Path | None) -> None:
    assert log_directory(Settings(prediction_log=address)) == expected
