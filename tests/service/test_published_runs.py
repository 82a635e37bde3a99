"""The published pages of runs are sent, and no other file, whatever the path or the link."""

import os
import re
import shutil
import socket
import threading
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tabproof import web
from tabproof.artifacts import Registry, files
from tabproof.artifacts.manifest import seal
from tabproof.service.answers import RefusedError
from tabproof.service.endpoints import PUBLISHED, RUN_PAGE
from tabproof.service.published import find_range
from tests.service.serving import TOKEN, Reply, Server, head, status_of

KEY = "a-key-of-sixteen-letters"
DAY, RUN = "2026-01-31", "2026-01-31/12-00-00_wine"
SWEEP = "2026-01-31/13-00-00_sweep"
SECRET = b"a secret that no request may show"
FILES = {
    "index.html": b"<!doctype html><title>all</title>",
    f"{RUN}/report.html": b"<!doctype html><title>\xe8\xa1\xa8</title>",
    f"{RUN}/model_card.md": "# カード\n".encode(),
    f"{RUN}/plots/roc.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    f"{SWEEP}/report.html": b"<!doctype html><title>sweep</title>",
    f"{SWEEP}/leaderboard.csv": b"a,b\n1,2\n",
    f"{SWEEP}/leaderboard.md": b"| a |\n",
    f"{SWEEP}/0_search.n_iter=40,model=x y/report.html": b"<!doctype html><title>job</title>",
    f"{SWEEP}/0_search.n_iter=40,model=x y/plots/roc.svg": b"<svg/>",
}
# Of the promoted run.
PAGES = {"report.html": b"promoted", "model_card.md": b"# card", "plots/roc.svg": b"<svg/>"}
# Of a run, and next to it.
PRIVATE = (
    f"{RUN}/train.log", f"{RUN}/config.yaml", f"{RUN}/predictions.parquet", f"{RUN}/schema.json",
    f"{RUN}/estimator.joblib", f"{RUN}/manifest.json", f"{RUN}/.hydra/report.html",
    f"{RUN}/plots/data.csv", f"{RUN}/scorer/scorer.json", f"{RUN}/leaderboard.html",
    f"{RUN}/plots/.svg", f"{RUN}/plots/a/b.svg", f"{RUN}/a/b/report.html", ".index.json",
    "README.md", "replays/report.html", f".hidden/{RUN}/report.html", "report.html",
    f"{DAY}/report.html", f"{RUN}/report.html.tmp", f"{RUN}/Report.html",
)  # fmt: skip


def write(root: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, table_run: Path) -> Path:
    home = tmp_path_factory.mktemp("published")
    run = shutil.copytree(table_run, home / "run")
    write(run, PAGES)
    (run / "manifest.json").unlink()
    seal(run, "published")
    Registry(home / "models").promote(run, "table", "me", "")
    write(home / "outputs", FILES | dict.fromkeys(PRIVATE, SECRET))
    write(home, {"report.html": SECRET, "secret/report.html": SECRET, f"{RUN}/report.html": SECRET})
    return home


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[Server]:
    with Server(home, pages="all", admin_token="") as started:
        yield started
        assert started.process.poll() is None, "the server died"


def raw(server: Server, path: str) -> bytes:
    """Ask for a path as it is written; an HTTP client would change it."""
    return server.raw(head(f"GET {path} HTTP/1.1"))


@pytest.mark.parametrize("name", FILES)
def test_published_files_are_sent(server: Server, name: str) -> None:
    reply = server.get(f"/runs/{name.replace(' ', '%20')}")
    assert (reply.status, reply.content) == (200, FILES[name])
    types = {"html": "text/html; charset=utf-8", "svg": "image/svg+xml",
             "csv": "text/csv; charset=utf-8", "md": "text/plain; charset=utf-8"}  # fmt: skip
    ending = name.rpartition(".")[2]
    assert reply.headers["content-type"] == types[ending]
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["cache-control"] == "private, no-cache"
    assert reply.headers["cross-origin-resource-policy"] == "same-origin"
    assert ("attachment" in reply.headers.get("content-disposition", "")) is (ending == "csv")
    policy = reply.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert ("sandbox" in policy) is (ending != "html")
    assert "frame-ancestors 'none'" in policy


def test_the_page_of_all_runs_is_at_the_folder(server: Server) -> None:
    assert server.get("/runs/").content == FILES["index.html"]
    moved = server.get("/runs")
    assert (moved.status, moved.headers["location"]) == (308, "runs/")
    assert server.get("/").json["links"]["runs"] == "runs/"


def test_pages_of_a_served_model_have_its_name(server: Server) -> None:
    facts = server.get("/").json["models"][0]
    for key, name in (("report", "report.html"), ("model_card", "model_card.md")):
        reply = server.get(f"/{facts['links'][key]}")
        assert (reply.status, reply.content) == (200, PAGES[name])
    assert server.get("/models/table/pages/plots/roc.svg").content == PAGES["plots/roc.svg"]
    assert status_of(raw(server, "/models/nope/pages/report.html")) == 404
    for path in ("schema.json", "", "../report.html", "leaderboard.csv", f"{RUN}/report.html",
                 "plots/%2e%2e/report.html", "scorer/scorer.json"):  # fmt: skip
        assert status_of(raw(server, f"/models/table/pages/{path}")) == 404, path


@pytest.mark.parametrize("name", PRIVATE)
def test_other_files_of_a_run_are_not_sent(server: Server, name: str) -> None:
    reply = server.get(f"/runs/{name}")
    assert reply.status == 404
    assert SECRET not in reply.content


def test_a_browser_gets_a_page_about_what_is_published(server: Server) -> None:
    path = f"/runs/{RUN}/train.log"
    for language, words in (("en", "Not published"), ("ja", "公開していません")):
        reply = server.get(path, **{"Accept": "text/html", "Accept-Language": language})
        assert (reply.status, words in reply.content.decode()) == (404, True)
        assert SECRET not in reply.content
        assert 'href="../../../"' in reply.content.decode()
        assert "script-src 'none'" in reply.headers["content-security-policy"]
    assert server.get(path).json["detail"].startswith("nothing is published")
    page = server.get("/models/table/pages/train.log", Accept="text/html").content.decode()
    assert 'href="../../../"' in page
    evil = raw(server, "/runs/%3Cscript%3E")
    assert b"<script>" not in evil


TRAVERSAL = [
    f"{path}{end}"
    for end in ("report.html", f"{RUN}/report.html")
    for path in (
        "../", "..%2f", "%2e%2e/", "%2e%2e%2f", "%252e%252e%252f", "..%5c", "..\\", "%5c..%5c",
        "..%c0%af", "%c0%ae%c0%ae/", "..%ef%bc%8f", "%ef%bc%8e%ef%bc%8e/", "..%00/", "%00../",
        "./../", ".//..//", "/", "//", "%2f", "%2f%2f", "~/", "%7e/", "file:///", "http://x/",
        f"{RUN}/../../../../", f"{DAY}/../../", f"{RUN}/plots/../../../../", f"{DAY}/..%2f..%2f",
        f"{DAY}/%2e%2e/%2e%2e/", f"{RUN}/..;/", "..;/", "%u002e%u002e/", "....//", "..././",
    )
]  # fmt: skip
TRAVERSAL += [
    f"{RUN}/report.html%00.svg", f"{RUN}/plots/..%2freport.html", f"{RUN}/plots/%00.svg",
    f"{RUN}/report.html%00", f"{RUN}//report.html", f"{RUN}/./report.html", f"{RUN}/report.html/",
    f"{RUN}/report.html%20", f"{RUN}/report.html%0a.svg", f"{RUN}/report.html::$DATA",
    f"{RUN}/plots/roc.svg%0d%0aX-Evil:1", f"{DAY}/%2e/report.html",
    f"{DAY}/{'a' * 5000}/report.html", f"{DAY}/{'%e8%a1%a8' * 200}/report.html",
    f"{DAY}/%ed%a0%80/report.html", f"{DAY}/%ff%fe/report.html",
    f"{quote('２０２６-01-31')}/12-00-00_wine/report.html",
]  # fmt: skip


@pytest.mark.parametrize("path", TRAVERSAL)
def test_no_path_leads_out(server: Server, path: str) -> None:
    answer = raw(server, f"/runs/{path}")
    assert SECRET not in answer
    assert status_of(answer) in (400, 404), answer[:300]
    assert b"\r\nX-Evil" not in answer


@pytest.mark.parametrize(
    "text",
    [
        "",
        "index.html\n",
        "2026-01-31//report.html",
        "2026-01-31/a\n/report.html",
        "2026-01-31/../report.html",
        "2026-01-31/.a/report.html",
        "2026-01-31/a/./report.html",
        "2026-01-31/a%2fb/report.html",
        "２０２６-01-31/a/report.html",
    ],
)
def test_the_form_of_a_path_is_exact(text: str) -> None:
    assert PUBLISHED.fullmatch(text) is None
    assert RUN_PAGE.fullmatch(text) is None


# --- Links, and what is no file


@pytest.fixture
def linked(tmp_path: Path) -> Iterator[Server]:
    """Serve runs beside a directory that no link may lead to."""
    write(tmp_path, {"secret/report.html": SECRET, f"secret/{RUN}/report.html": SECRET})
    write(tmp_path / "outputs", {f"{RUN}/report.html": b"page", f"{RUN}/train.log": SECRET})
    (tmp_path / "models").mkdir()
    with Server(tmp_path, pages="all", admin_token="") as started:
        yield started


def test_a_link_out_of_the_roots_is_refused(linked: Server, tmp_path: Path) -> None:
    outputs, secret = linked.outputs, tmp_path / "secret"
    for name, target in {
        f"{DAY}/file/report.html": secret / "report.html",
        f"{DAY}/relative/report.html": Path("../../../secret/report.html"),
        f"{DAY}/folder": secret,
        "2026-02-01": secret / DAY,
        f"{DAY}/loop/report.html": Path("report.html"),
        f"{DAY}/nothing/report.html": Path("nothing"),
        # Beneath the root, but no page.
        f"{DAY}/log/report.html": outputs / RUN / "train.log",
        f"{DAY}/plots/plots/a.svg": outputs / RUN / "report.html",
        "index.html": outputs / RUN / "train.log",
        f"{DAY}/device/report.html": Path("/dev/zero"),
        f"{DAY}/memory/report.html": Path("/proc/self/environ"),
    }.items():
        (outputs / name).parent.mkdir(parents=True, exist_ok=True)
        (outputs / name).symlink_to(target)
    for path in ("file", "relative", "folder", "loop", "nothing", "log", "device", "memory"):
        reply = linked.get(f"/runs/{DAY}/{path}/report.html")
        assert (reply.status, SECRET in reply.content) == (404, False), path
    for path in (
        f"{DAY}/plots/plots/a.svg",
        "2026-02-01/12-00-00_wine/report.html",
        "",
        "index.html",
    ):
        assert linked.get(f"/runs/{path}").status == 404, path


def test_a_link_beneath_the_roots_is_followed(linked: Server) -> None:
    """As Kubernetes mounts volumes."""
    data = linked.outputs / "..2026_01"
    write(data, {"index.html": b"all", f"{RUN}/report.html": b"mounted"})
    (linked.outputs / "..data").symlink_to("..2026_01")
    (linked.outputs / "index.html").symlink_to("..data/index.html")
    (linked.outputs / "2026-03-01").symlink_to(f"..data/{DAY}")
    assert linked.get("/runs/").content == b"all"
    assert linked.get("/runs/2026-03-01/12-00-00_wine/report.html").content == b"mounted"
    assert linked.get("/runs/..data/index.html").status == 404


@pytest.mark.parametrize("switched", ["report.html", "plots"])
def test_a_link_that_appears_meanwhile_is_not_followed(
    switched: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"secret/report.html": SECRET, "secret/roc.svg": SECRET})
    write(tmp_path / "outputs", {"report.html": b"page", "plots/roc.svg": b"plot"})
    real_parts = files.real_parts

    def then_switch(path: Path, roots: list[Path]) -> tuple[Path, tuple[str, ...]]:
        found = real_parts(path, roots)
        target = tmp_path / "secret"
        files.remove(tmp_path / "outputs" / switched)
        (tmp_path / "outputs" / switched).symlink_to(
            target if switched == "plots" else target / switched
        )
        return found

    monkeypatch.setattr(files, "real_parts", then_switch)
    name = "plots/roc.svg" if switched == "plots" else switched
    with (
        pytest.raises(ValueError, match="symbolic link"),
        files.opened_beneath(tmp_path / "outputs" / name, [tmp_path / "outputs"]),
    ):
        pass


def test_only_regular_files_are_opened(linked: Server) -> None:
    folder = linked.outputs / DAY
    (folder / "folder" / "report.html").mkdir(parents=True)
    (folder / "pipe").mkdir()
    os.mkfifo(folder / "pipe" / "report.html")
    (folder / "closed").mkdir()
    (folder / "closed" / "report.html").write_bytes(SECRET)
    (folder / "closed" / "report.html").chmod(0)
    for name in ("folder", "pipe", *(["closed"] if os.geteuid() else [])):
        assert linked.get(f"/runs/{DAY}/{name}/report.html").status == 404, name
    shutil.rmtree(linked.outputs)
    assert linked.get(f"/runs/{RUN}/report.html").status == 404
    assert linked.get("/health").status == 200


def test_a_file_that_is_replaced_is_sent_whole(linked: Server) -> None:
    index, done = linked.outputs / "index.html", threading.Event()
    contents = [letter * 2**21 for letter in (b"a", b"b")]
    index.write_bytes(contents[0])

    def replace() -> None:
        number = 0
        while not done.wait(0.001):
            number += 1
            scratch = index.with_name("scratch")
            scratch.write_bytes(contents[number % 2])
            scratch.replace(index)

    thread = threading.Thread(target=replace)
    thread.start()
    try:
        for _ in range(20):
            reply = linked.get("/runs/")
            assert reply.status == 200
            assert reply.content in contents
    finally:
        done.set()
        thread.join()


def test_a_file_that_is_cut_ends_the_response(linked: Server) -> None:
    index = linked.outputs / "index.html"
    # More than the buffers of a connection hold.
    index.write_bytes(b"x" * 2**26)
    with socket.create_connection(("127.0.0.1", linked.port), timeout=20) as connection:
        connection.sendall(head("GET /runs/ HTTP/1.1"))
        received = len(connection.recv(1000))
        index.write_bytes(b"")
        while chunk := connection.recv(2**20):
            received += len(chunk)
    assert received < 2**26
    assert linked.get("/health").status == 200


# --- Parts, and what a client has


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", None),
        ("bytes=0-", (0, 10)),
        ("bytes=0-0", (0, 1)),
        ("bytes=2-4", (2, 5)),
        ("bytes=2-99", (2, 10)),
        ("bytes=9-9", (9, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-99", (0, 10)),
        ("bytes = 2 - 4", (2, 5)),
        ("bytes=4-2", None),
        ("bytes=-", None),
        ("bytes=0-1,3-4", None),
        ("bytes=a-b", None),
        ("bytes=--1", None),
        ("lines=0-1", None),
        ("bytes=" + "9" * 5000 + "-", None),
        ("bytes=１-２", None),
    ],
)
def test_a_range_is_read_or_ignored(header: str, expected: tuple[int, int] | None) -> None:
    assert find_range(header, 10) == expected


@pytest.mark.parametrize(
    ("header", "size"), [("bytes=10-", 10), ("bytes=-0", 10), ("bytes=0-", 0), ("bytes=-5", 0)]
)
def test_a_range_behind_the_end_is_refused(header: str, size: int) -> None:
    with pytest.raises(RefusedError) as caught:
        find_range(header, size)
    assert caught.value.status == 416
    assert caught.value.headers == {"Content-Range": f"bytes */{size}"}


def test_parts_of_a_file(server: Server) -> None:
    path, content = f"/runs/{RUN}/report.html", FILES[f"{RUN}/report.html"]
    whole = server.get(path)
    assert whole.headers["accept-ranges"] == "bytes"
    part = server.get(path, Range="bytes=2-8")
    assert (part.status, part.content) == (206, content[2:9])
    assert part.headers["content-range"] == f"bytes 2-8/{len(content)}"
    assert part.headers["etag"] == whole.headers["etag"]
    refused = server.get(path, Range="bytes=9999-")
    assert (refused.status, refused.headers["content-range"]) == (416, f"bytes */{len(content)}")
    for condition, status in {
        whole.headers["etag"]: 206,
        whole.headers["last-modified"]: 206,
        '"other"': 200,
        f"W/{whole.headers['etag']}": 200,
        "Thu, 01 Jan 1970 00:00:00 GMT": 200,
        "nonsense": 200,
    }.items():
        assert server.get(path, **{"Range": "bytes=0-1", "If-Range": condition}).status == status
    reply = server.request("HEAD", path, headers={"Range": "bytes=0-1"})
    assert (reply.status, reply.content) == (200, b"")
    assert reply.headers["content-length"] == str(len(content))


def test_a_known_answer_is_not_sent_again(server: Server) -> None:
    path = f"/runs/{RUN}/report.html"
    whole = server.get(path)
    tag, date = whole.headers["etag"], whole.headers["last-modified"]
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", date)
    for headers in ({"If-None-Match": tag}, {"If-Modified-Since": date}, {"If-None-Match": "*"},
                    {"If-None-Match": tag, "Range": "bytes=0-1"}):  # fmt: skip
        reply = server.get(path, **headers)
        assert (reply.status, reply.content) == (304, b"")
        assert reply.headers["content-security-policy"] == whole.headers["content-security-policy"]
    for since in ("Thu, 01 Jan 1970 00:00:00 GMT", "nonsense", "1 Jan 99999", ""):
        assert server.get(path, **{"If-Modified-Since": since}).status == 200, since
    other = {"If-None-Match": '"x"', "If-Modified-Since": date}
    assert server.get(path, **other).status == 200


def test_an_empty_file_is_sent(linked: Server) -> None:
    (linked.outputs / "index.html").write_bytes(b"")
    assert (linked.get("/runs/").status, linked.get("/runs/").content) == (200, b"")


# --- Who may read, and what a page may run


def test_a_page_may_run_our_scripts_alone(server: Server) -> None:
    policy = server.get(f"/runs/{RUN}/report.html").headers["content-security-policy"]
    (sources,) = re.findall(r"script-src ([^;]+)", policy)
    expected = {web.hash_source(path.read_text("utf-8")) for path in web.BUILT.glob("*.js")}
    assert set(sources.split()) == expected
    assert "connect-src" not in policy
    assert "unsafe-inline" not in sources


def basic(password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(f'me:{password}'.encode()).decode()}"}


@pytest.mark.parametrize(
    ("settings", "secrets"),
    [
        ({"key": KEY, "admin_token": ""}, (KEY,)),
        ({"key": "", "admin_token": TOKEN}, (TOKEN,)),
        ({"key": KEY, "admin_token": TOKEN}, (KEY, TOKEN)),
    ],
)
def test_a_secret_that_is_set_is_needed(
    home: Path, settings: dict[str, Any], secrets: tuple[str, ...]
) -> None:
    paths = ("/runs/", f"/runs/{RUN}/report.html", "/models/table/pages/report.html")
    with Server(home, pages="all", **settings) as server:
        for path in (*paths, f"/runs/{RUN}/train.log", "/runs/nope"):
            for wrong in ({}, basic("wrong"), basic(""), {"X-API-Key": "wrong"},
                          {"Authorization": "Basic é"}):  # fmt: skip
                reply = server.get(path, **wrong)
                assert reply.status == 401, path
                assert reply.headers["www-authenticate"].startswith("Basic realm=")
        for secret in secrets:
            for headers in (basic(secret), {"X-API-Key": secret},
                            {"Authorization": f"Bearer {secret}"}):  # fmt: skip
                assert {server.get(path, **headers).status for path in paths} == {200}
                assert server.get(f"/runs/{RUN}/train.log", **headers).status == 404
        # It opens nothing else.
        assert server.request("POST", "/reload", headers=basic(TOKEN)).status in (401, 403)
        body = {"features": {"age": 41}}
        assert server.post("/predict", body, **basic(KEY)).status == (
            401 if KEY in secrets else 200
        )


@pytest.mark.parametrize("pages", ["off", "front"])
def test_runs_are_published_on_request_only(home: Path, pages: str) -> None:
    with Server(home, pages=pages) as server:
        for path in (
            "/runs",
            "/runs/",
            f"/runs/{RUN}/report.html",
            "/models/table/pages/report.html",
        ):
            assert server.get(path).status == 404, path
        facts = server.get("/").json
        assert "runs" not in facts["links"]
        assert "report" not in facts["models"][0]["links"]


def test_paths_are_counted_under_few_names(server: Server) -> None:
    def route(reply: Reply) -> str:
        found: str = server.logged(reply.headers["x-request-id"])["route"]
        return found

    assert route(server.get("/runs/")) == "/runs/"
    assert route(server.get(f"/runs/{RUN}/report.html")) == "/runs/{published}"
    assert route(server.get("/runs/2026-01-31/personal/report.html")) == "/runs/{published}"
    assert route(server.get("/runs/personal")) == "unmatched"
    assert route(server.get("/models/table/pages/report.html")) == "/models/{name}/pages/{page}"
    assert server.request("POST", "/runs/").headers["allow"] == "GET, HEAD"


def test_pages_lie_below_the_prefix_of_a_proxy(home: Path) -> None:
    options = ["--root-path", "/rp"]
    with Server(home, pages="all", admin_token="", options=options) as server:
        assert server.get("/rp/runs").headers["location"] == "/rp/runs/"
        assert server.get("/rp/runs/").content == FILES["index.html"]
        assert server.get(f"/runs/{RUN}/report.html").status == 200
        sent = {"X-Forwarded-Prefix": "/runs"}
        assert server.get("/runs/health", **sent).status == 200
        assert server.get(f"/runs/{RUN}/report.html", **sent).status == 200
