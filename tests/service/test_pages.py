"""`/` is a page for people and JSON for programs, whatever is served and wherever it lies."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tabproof import evaluation_result, web
from tabproof.artifacts import Registry
from tabproof.scorer import NotExplainableError
from tabproof.service import examples
from tabproof.service.description import METRICS, index_of
from tabproof.service.front_page import Page as FrontPage
from tabproof.service.front_page import render
from tabproof.service.front_sections import Texts
from tabproof.service.model_store import Served
from tabproof.service.negotiation import has_tag, language_of, prefers_html, tag_of
from tabproof.service.served_model import ServedModel, load_model
from tabproof.service.settings import Settings
from tabproof.text import LANGUAGES
from tests.conftest import ROOT
from tests.service.serving import TOKEN, Server

KEY = "a-key-of-sixteen-letters"
CHROMIUM = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
HTML = {"Accept": "text/html"}


class Page(HTMLParser):
    """The elements of a page: start tags with their attributes, and the text."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._is_code = False
        self.feed(content.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._is_code = tag in ("style", "script")

    def handle_endtag(self, _: str) -> None:
        self._is_code = False

    def handle_data(self, data: str) -> None:
        self.text += "" if self._is_code else data

    @property
    def links(self) -> list[str]:
        return [str(each["href"]) for tag, each in self.tags if tag == "a"]


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", False),
        ("*/*", False),
        ("application/json", False),
        ("application/json, text/plain, */*", False),
        (CHROMIUM, True),
        ("text/html", True),
        ("TEXT/HTML;charset=utf-8", True),
        ("text/*", True),
        ("text/html, */*", True),
        ("text/html, application/json", False),
        ("text/html, application/json;q=0.9", True),
        ("text/html;q=0.8, application/json;q=0.9", False),
        ("text/html;q=0.8, */*;q=0.9", False),
        ("text/html;q=0", False),
        ("text/html ; Q=0.5 , application/* ; q=0.4", True),
        ("text/html;q=2", False),
        ("text/html;q=nan", False),
        ("application/xhtml+xml", False),
        (",;q=1,, ;", False),
    ],
)
def test_html_is_for_clients_that_prefer_it(accept: str, expected: bool) -> None:
    assert prefers_html(accept) is expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", "en"),
        ("de", "en"),
        ("*", "en"),
        ("ja", "ja"),
        ("ja-JP,ja;q=0.9,en;q=0.8", "ja"),
        ("en-GB,ja;q=0.9", "en"),
        ("ja;q=0.1, en;q=0.2", "en"),
        ("ja;q=0", "en"),
    ],
)
def test_the_language_is_the_preferred_one_of_those_available(header: str, expected: str) -> None:
    assert language_of(header, LANGUAGES) == expected


def test_a_tag_is_found_in_a_list() -> None:
    tag = tag_of(b"a")
    assert tag != tag_of(b"b")
    for header in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        assert has_tag(header, tag)
    for header in ("", '"x"', tag.strip('"'), '"*"'):
        assert not has_tag(header, tag)


# --- The answer of a running service


def test_a_browser_gets_a_page_and_a_program_the_same_facts(server: Server) -> None:
    page, facts = server.get("/", Accept=CHROMIUM), server.get("/")
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert (facts.status, facts.headers["content-type"]) == (200, "application/json")
    assert page.headers["vary"] == facts.headers["vary"] == "Accept, Accept-Language"
    table, wine = facts.json["models"]
    assert (table["name"], table["default"], wine["default"]) == ("table", True, False)
    seen = Page(page.content)
    value, (low, high) = table["metrics"]["roc_auc"].values()
    texts = [table[key] for key in ("run_id", "data_sha256", "dataset", "title")]
    for text in (*texts, f"{table['n_test']:,}", f"{value:#.4g}", f"{low:#.4g} to {high:#.4g}"):
        assert text in seen.text
    assert wine["run_id"] not in seen.text
    for address in {**facts.json["links"], **table["links"]}.values():
        if not address.endswith(("/predict", "/predict_batch")):
            assert server.get(f"/{address}").status == 200, address
    named = {link for link in seen.links if link[0] not in "#?."}
    assert {"docs", "metrics", "models/table/schema"} <= named


def test_another_model_is_shown_by_its_name(server: Server) -> None:
    first = Page(server.get("/", **HTML).content)
    assert {"./?model=table", "./?model=wine"} <= set(first.links)
    wine = server.get("/?model=wine", **HTML)
    assert "class_0" in Page(wine.content).text
    (named,) = server.get("/?model=wine").json["models"]
    assert named["name"] == "wine"
    current = [each["href"] for _, each in Page(wine.content).tags if "aria-current" in each]
    assert current == ["./?model=wine"]


def test_an_unknown_model_is_a_page_too(server: Server) -> None:
    reply = server.get("/?model=%3Cscript%3E", **HTML)
    assert reply.status == 404
    assert "<script>." in Page(reply.content).text
    assert "./?model=wine" in Page(reply.content).links
    assert server.get("/?model=nope").status == 404
    assert server.get("/?modle=wine", **HTML).status == 422


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_a_known_answer_is_not_sent_again(server: Server, accept: str) -> None:
    whole = server.get("/", Accept=accept)
    tag = whole.headers["etag"]
    again = server.get("/", **{"Accept": accept, "If-None-Match": f'"x", W/{tag}'})
    assert (again.status, again.content) == (304, b"")
    # A browser updates what it keeps by these.
    for name in ("etag", "vary", "cache-control", "content-security-policy"):
        assert again.headers[name] == whole.headers[name]
    head = server.request("HEAD", "/", headers={"Accept": accept})
    assert (head.status, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.content))
    other = server.get("/", **{"Accept": accept, "Accept-Language": "ja"})
    assert (other.headers["etag"] == tag) is (accept == "application/json")
    assert server.request("POST", "/").headers["allow"] == "GET, HEAD"


def test_the_page_is_in_the_language_of_the_reader(server: Server) -> None:
    page = server.get("/", **HTML, **{"Accept-Language": "ja-JP,en;q=0.5"})
    assert page.headers["content-language"] == "ja"
    assert ("html", {"lang": "ja"}) in Page(page.content).tags
    assert "予測サービス" in Page(page.content).text


def test_the_policy_allows_what_the_page_holds_and_nothing_else(server: Server) -> None:
    page = server.get("/", **HTML)
    policy = dict(each.strip().split(" ", 1) for each in
                  page.headers["content-security-policy"].split(";"))  # fmt: skip
    text = page.content.decode()
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert policy["style-src"] == web.hash_source(style)
    assert policy["script-src"] == web.hash_source(script)
    assert (policy["default-src"], policy["connect-src"]) == ("'none'", "'self'")
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    for _, attributes in Page(page.content).tags:
        assert not [name for name in attributes if name == "style" or name.startswith("on")]
    addresses = re.findall(r"""(?:src|href|action)=["']?(?:https?:)?//""", text)
    assert not addresses


def test_a_service_for_other_origins_varies_by_origin_too(promoted: Path) -> None:
    with Server(promoted, cors_origins="https://a.example", default_model="table") as server:
        connection = server.raw(
            b"GET / HTTP/1.1\r\nHost: x\r\nOrigin: https://b.example\r\nConnection: close\r\n\r\n"
        )
    head = connection.partition(b"\r\n\r\n")[0].lower()
    assert b"vary: accept, accept-language" in head
    assert b"vary: origin" in head


def test_without_a_model_the_page_has_instructions(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        page, facts = server.get("/", **HTML), server.get("/")
        assert page.status == facts.status == 200
        assert facts.json["status"] == "not ready"
        seen = Page(page.content).text
        assert "No model is served" in seen
        assert "503" in seen
        assert facts.json["detail"] in seen
        assert "python -m src.runs promote latest" in seen
        assert "/reload" in seen
        # The failure is shown instead of steps that would not help.
        (server.models / "wine").mkdir(parents=True)
        (server.models / "wine" / "pointer.json").write_text("{")
        server.reload()
        seen = Page(server.get("/", **HTML, **{"Accept-Language": "ja"}).content).text
        assert "'wine' cannot be loaded" in seen
        assert "python -m src.train" not in seen


def test_a_model_that_is_not_up_to_date_is_shown_with_the_reason(tmp_path: Path, run: Path) -> None:
    Registry(tmp_path / "models").promote(run, "wine", "me", "")
    with Server(tmp_path, require="wine,other") as server:
        seen = Page(server.get("/", **HTML).content).text
        assert "Not ready" in seen
        assert "API_REQUIRE names 'other'" in seen
        assert "ROC-AUC" in seen


def test_the_page_has_a_field_for_the_key_and_the_examples_send_it(promoted: Path) -> None:
    with Server(promoted, key=KEY, default_model="table", docs="false") as server:
        page = server.get("/", **HTML)
        assert page.status == 200
        seen = Page(page.content)
        assert "X-API-Key: $API_KEY" in seen.text
        assert KEY not in page.content.decode()
        assert TOKEN not in page.content.decode()
        (field,) = [each for tag, each in seen.tags if tag == "input" and "hidden" not in each]
        assert (field["type"], field["autocomplete"], "name" in field) == ("password", "off", False)
        assert "docs" not in seen.links
        assert "docs" not in server.get("/").json["links"]
    with Server(promoted, default_model="table") as server:
        assert "X-API-Key" not in Page(server.get("/", **HTML).content).text


def test_pages_can_be_switched_off(promoted: Path) -> None:
    with Server(promoted, pages="off", default_model="table") as server:
        reply = server.get("/", Accept=CHROMIUM)
        assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
        assert "vary" not in reply.headers
        assert "default-src 'none'" in reply.headers["content-security-policy"]


def test_addresses_have_the_prefix_of_a_proxy(promoted: Path) -> None:
    with Server(promoted, options=["--root-path", "/rp"], default_model="table") as server:
        # The proxy removes the prefix, or passes it on.
        for path in ("/", "/rp/", "/rp"):
            page = Page(server.get(path, **HTML).content)
            addresses = [link for link in page.links if link[0] != "#"]
            assert len(addresses) > 6
            assert all(link.startswith("/rp/") for link in addresses)
            assert f"http://127.0.0.1:{server.port}/rp/models/table/predict" in page.text
            assert server.get(path).json["links"]["docs"] == "/rp/docs"
        sent = {"X-Forwarded-Prefix": "/other", "X-Forwarded-Proto": "https", **HTML}
        page = Page(server.get("/", **sent).content)
        assert "/other/docs" in page.links
        assert f"https://127.0.0.1:{server.port}/other/models/table/predict" in page.text
    with Server(promoted, default_model="table") as server:
        page = Page(server.get("/", **HTML).content)
        # Of a prefix that is removed in silence nothing is known.
        assert not [link for link in page.links if link[0] == "/"]


@pytest.mark.parametrize(
    "host", ["<script>alert(1)</script>", "a'b", "[::1", "x" * 500 + "\xe9", ""]
)
def test_an_invalid_host_is_not_in_the_page(server: Server, host: str) -> None:
    request = f"GET / HTTP/1.1\r\nHost: {host}\r\nAccept: text/html\r\nConnection: close\r\n\r\n"
    reply = server.raw(request.encode("latin-1"))
    if b" 200 " in reply[:20]:
        assert (
            b"'http://localhost:8000/models/table/predict'"
            in Page(reply.partition(b"\r\n\r\n")[2]).text.encode()
        )


LAZY = """
import sys
from pathlib import Path
from fastapi.testclient import TestClient
from tabproof.service.app import make_app
from tabproof.service.settings import Settings

pages = ("front", "front_page", "front_sections", "markup", "published", "negotiation", "examples")
names = {f"tabproof.service.{name}" for name in pages} | {"tabproof.web"}
settings = Settings(models=Path(sys.argv[1]) / "models", log="/dev/null", pages="all",
                    default_model="table")
with TestClient(make_app(settings)) as client:
    client.post("/predict", json={"features": {"age": 41}}).raise_for_status()
    client.get("/health").raise_for_status()
    assert not names & sys.modules.keys(), names & sys.modules.keys()
    client.get("/").raise_for_status()
    assert "tabproof.service.front_page" not in sys.modules
    client.get("/", headers={"Accept": "text/html"}).raise_for_status()
    assert "tabproof.service.front_page" in sys.modules
"""


def test_code_of_pages_is_loaded_at_the_first_request(promoted: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LAZY, promoted],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_requests_to_the_page_are_counted_under_one_route(server: Server) -> None:
    server.get("/?model=wine", **HTML, **{"X-Request-ID": "page"})
    assert server.logged("page")["route"] == "/"


# --- Texts, and examples to copy


def test_every_metric_has_a_text() -> None:
    for language in LANGUAGES:
        t = Texts(language)
        assert all(t.metric(name) for name in METRICS)
    lower = {name for name in METRICS if "lower is better" in Texts("en").metric(name)}
    assert lower == evaluation_result.LOWER_IS_BETTER & METRICS.keys()


ODD: examples.Row = {
    "age": 41.0,
    'it\'s "quoted" `$(x)` \\': "O'Brien \\n $HOME !",
    "__proto__": "p",
    "列": "値\u202e\u2028\ufdd0</script>",
    "none": None,
    "\U0001f600": 1e300,
}


class Receiver(BaseHTTPRequestHandler):
    """Keep what arrives."""

    received: ClassVar[list[tuple[str, Any, str | None]]] = []

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.received.append((self.path, json.loads(content), self.headers["X-API-Key"]))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[int]:
    """Receive requests on the port that is yielded."""
    Receiver.received.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.parametrize("needs_key", [False, True])
@pytest.mark.parametrize(
    ("name", "words"),
    [("curl", ("bash", "-c")), ("Python", (sys.executable, "-c")),
     ("JavaScript", ("node", "--input-type=module", "-e"))],
)  # fmt: skip
def test_an_example_sends_the_row(
    receiver: int, name: str, words: tuple[str, ...], needs_key: bool
) -> None:
    if shutil.which(words[0]) is None or (name == "curl" and shutil.which("curl") is None):
        pytest.skip(f"{words[0]} or curl is absent")
    row = examples.row_of(ODD)
    address = f"http://127.0.0.1:{receiver}/rp/predict"
    text = examples.LANGUAGES[name](address, row, needs_key=needs_key)
    # Nothing in it is invisible, so that it is what it seems to be.
    assert all(each.isprintable() or each == "\n" for each in text)
    environment = {**os.environ, "API_KEY": KEY}
    command = text.replace("curl ", "curl -s ", 1).replace("your key", KEY)
    subprocess.run([*words, command], check=True, env=environment, capture_output=True)
    assert Receiver.received == [("/rp/predict", {"features": row}, KEY if needs_key else None)]


def test_an_example_is_short() -> None:
    row = examples.row_of({f"c{number}": 1.5 for number in range(100)})
    assert len(row) == examples.MAX_COLUMNS
    assert examples.row_of({"a": 2.0, "b": 2.5}) == {"a": 2, "b": 2.5}


def test_names_in_the_page_are_text(table: ServedModel) -> None:
    hostile = "</bdi></script><script>alert(1)</script>{x}\u202e\"'" + "x" * 500
    changes: dict[str, Any] = {
        "name": hostile,
        "source": hostile,
        "summary": replace(table.summary, dataset=hostile),
        "schema": replace(table.schema, target=hostile, labels=(hostile, "b")),
    }
    model = replace(table, **changes)
    served = Served({hostile: model}, hostile)
    index = index_of(served, hostile, Settings())
    for language in LANGUAGES:
        made = FrontPage(
            index, served, None, language, "", "http://x/", needs_key=True, can_reload=True
        )
        content, _ = render(made)
        page = Page(content)
        assert [tag for tag, _ in page.tags].count("script") == 2
        assert "\u202e" not in page.text
        assert "</bdi></script><script>alert(1)</script>{x}" in page.text


def test_the_page_has_the_reason_why_a_model_has_no_contributions(
    table_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        raise NotExplainableError(reason="it is a <vote>")

    monkeypatch.setattr("tabproof.scorer.scorer.make_explainer", refuse)
    served = Served({"m": load_model(table_run, name="m", source="models/m")}, "m")
    index = index_of(served, "", Settings())
    made = FrontPage(index, served, None, "en", "", "http://x/", needs_key=False, can_reload=False)
    (data,) = re.findall(r'id="front">(.*?)</script>', render(made)[0].decode())
    assert json.loads(data)["unexplained"].endswith("it is a <vote>")
