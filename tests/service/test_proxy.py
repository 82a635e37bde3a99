"""Behind a proxy, with and without a prefix that it removes or passes on."""

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin

import pytest

from tests.service.serving import Reply, Server, free_port, request, wait_for

BODY = b'{"features": {"age": 41, "alcohol": 13}}'
# Debian's is not in the path of every user.
NGINX = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
PREFIXED = "X-Forwarded-Prefix /rp"
# What nginx does with a path, what it adds, and uvicorn's --root-path.
PROXIES = {
    "removed and named by a header": ("/rp/", "/", PREFIXED, ""),
    "passed on and named by a header": ("/rp/", "/rp/", PREFIXED, ""),
    "removed and set as root_path": ("/rp/", "/", "", "/rp"),
    "passed on and set as root_path": ("/rp/", "/rp/", "", "/rp"),
    "removed and set with a slash": ("/rp/", "/", "", "/rp/"),
    "named by both": ("/rp/", "/", PREFIXED, "/other"),
    "removed in silence": ("/rp/", "/", "", ""),
    "none": ("/", "/", "", ""),
    "like a path of the service": ("/models/", "/", "X-Forwarded-Prefix /models", ""),
    "like a path of the service, passed on": ("/models/", "/models/", "", "/models"),
}

# Started by root, nginx would be another user, who cannot write a large body into the directory of
# a test; started by others, it ignores `user`.
CONFIGURATION = """
user root;
daemon off;
pid {directory}/pid;
error_log stderr;
events {{}}
http {{
  access_log off;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location {location} {{
      proxy_pass http://127.0.0.1:{upstream}{path};
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      {header}
    }}
  }}
}}
"""


@dataclass(frozen=True)
class Proxied:
    """A server behind nginx; prefix: that of all its paths."""

    port: int
    prefix: str

    def ask(self, method: str, path: str, content: bytes | None = None) -> Reply:
        return request(self.port, method, path, content)


@contextmanager
def nginx(directory: Path, location: str, path: str, header: str, upstream: int) -> Iterator[int]:
    """Start nginx before a server and yield its port."""
    port = free_port()
    line = f"proxy_set_header {header};" if header else ""
    names = {"location": location, "path": path, "port": port, "upstream": upstream}
    file = directory / "nginx.conf"
    file.write_text(CONFIGURATION.format(directory=directory, header=line, **names))
    process = subprocess.Popen([str(NGINX), "-c", str(file)], stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: _listens(port))
        yield port
    finally:
        process.terminate()
        process.wait(30)


def _listens(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(params=PROXIES.values(), ids=PROXIES.keys(), scope="module")
def proxied(
    request: pytest.FixtureRequest, promoted: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxied]:
    if NGINX is None:
        pytest.skip("nginx is absent: a proxy is not tested")
    location, path, header, root_path = request.param
    options = ["--root-path", root_path] if root_path else []
    directory = tmp_path_factory.mktemp("nginx")
    server = Server(promoted, options=options, default_model="table")
    with server, nginx(directory, location, path, header, server.port) as port:
        yield Proxied(port, location.rstrip("/"))


class Links(HTMLParser):
    """Collect the addresses that a page loads."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        address = named.get("src") if tag == "script" else named.get("href")
        self.found += [address] if address and not address.startswith("data:") else []


def test_every_path_works_behind_the_proxy(proxied: Proxied) -> None:
    prefix = proxied.prefix
    for path in ("/health", "/ready", "/models", "/models/table/schema", "/v2", "/metrics",
                 "/v2/models/table", "/v2/models/table/ready"):  # fmt: skip
        assert proxied.ask("GET", f"{prefix}{path}").status == 200, path
    assert proxied.ask("GET", f"{prefix}/v2/health/ready").json == {"ready": True}
    for path in ("/predict", "/models/wine/predict"):
        answer = proxied.ask("POST", f"{prefix}{path}", BODY)
        assert (answer.status, "pred_proba" in answer.json) == (200, True)
    assert proxied.ask("POST", f"{prefix}/v2/models/table/infer", b"{}").json.keys() == {"error"}
    assert proxied.ask("POST", f"{prefix}/nope", BODY).status == 404
    assert proxied.ask("GET", f"{prefix}/predict").headers["allow"] == "POST"


def test_pages_load_their_files_through_the_proxy(proxied: Proxied) -> None:
    prefix = proxied.prefix
    page = proxied.ask("GET", f"{prefix}/docs").content.decode()
    addresses = Links(page).found
    assert len(addresses) == 2
    for address in addresses:
        assert proxied.ask("GET", urljoin(f"{prefix}/docs", address)).status == 200
    assert "url: 'openapi.json'" in page
    assert proxied.ask("GET", f"{prefix}/openapi.json").status == 200


def test_the_links_of_the_front_page_work_through_the_proxy(proxied: Proxied) -> None:
    prefix, browser = proxied.prefix, {"Accept": "text/html"}
    page = request(proxied.port, "GET", f"{prefix}/", headers=browser)
    addresses = [each for each in Links(page.content.decode()).found if each[0] != "#"]
    assert len(addresses) > 6
    facts = proxied.ask("GET", f"{prefix}/").json
    addresses += facts["links"].values()
    addresses += [each["links"]["schema"] for each in facts["models"]]
    for address in addresses:
        path = urljoin(f"{prefix}/", address)
        assert path.startswith(f"{prefix}/")
        assert proxied.ask("GET", path).status == 200, path
    path = urljoin(f"{prefix}/", facts["models"][0]["links"]["predict"])
    assert proxied.ask("POST", path, BODY).status == 200


@pytest.mark.parametrize(
    ("trusted", "prefix"), [("127.0.0.1", "/rp"), ("10.0.0.0/8", ""), ("*", "/rp")]
)
def test_prefix_is_taken_from_trusted_hosts_only(promoted: Path, trusted: str, prefix: str) -> None:
    sent = {"X-Forwarded-Prefix": "/rp/", "X-Forwarded-For": "203.0.113.9"}
    options = ["--forwarded-allow-ips", trusted]
    with Server(promoted, options=options, default_model="table") as server:
        docs = server.get("/", **sent).json["links"]["docs"]
        assert docs == (f"{prefix}/docs" if prefix else "docs")
        servers = server.get("/openapi.json", **sent).json.get("servers")
        assert servers == ([{"url": prefix}] if prefix else None)
        assert server.post("/predict", BODY, **sent).status == 200
        # A client cannot lead a browser to another host.
        for wrong in ("//evil.example", "https://evil.example", "/a b", "/é"):
            answer = server.get("/", **{"X-Forwarded-Prefix": wrong})
            if prefix:
                assert answer.status == 400
                assert "X-Forwarded-Prefix" in answer.json["detail"]
            else:
                assert answer.json["links"]["docs"] == "docs"


def test_log_and_metrics_have_the_path_without_prefix(promoted: Path) -> None:
    with Server(promoted, options=["--root-path", "/rp"], default_model="table") as server:
        server.post("/predict", BODY, **{"X-Request-ID": "one"})
        server.get("/models/table/schema", **{"X-Request-ID": "two"})
        assert server.logged("one")["route"] == "/predict"
        assert server.logged("two")["route"] == "/models/{name}/schema"
        assert json.loads(server.get("/openapi.json").content)["servers"] == [{"url": "/rp"}]
