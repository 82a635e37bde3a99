"""Pages of other origins may call the service only if API_CORS_ORIGINS allows them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.serving import ROW, Reply, Server

ORIGIN, OTHER = "https://a.example", "https://evil.example"
PATHS = ["/predict", "/health", "/v2/models/table/infer", "/models/table/schema", "/reload",
         "/nope", "/openapi.json"]  # fmt: skip
BODY = {"features": ROW}


@pytest.fixture(scope="module")
def shared(promoted: Path) -> Iterator[Server]:
    settings = {"default_model": "table", "key": "a-key-of-sixteen-letters"}
    with Server(promoted, cors_origins=f"{ORIGIN}, http://localhost:3000", **settings) as started:
        yield started


@pytest.fixture(scope="module")
def open_to_all(promoted: Path) -> Iterator[Server]:
    with Server(promoted, cors_origins="*", default_model="table") as started:
        yield started


def preflight(server: Server, path: str, origin: str) -> Reply:
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST",
             "Access-Control-Request-Headers": "content-type,x-api-key"}  # fmt: skip
    return server.request("OPTIONS", path, headers=asked)


def test_preflight_is_answered_on_every_path(shared: Server, open_to_all: Server) -> None:
    for path in PATHS:
        for server, origin in ((shared, ORIGIN), (open_to_all, "*")):
            answer = preflight(server, path, ORIGIN)
            assert (answer.status, answer.content) == (204, b"")
            assert answer.headers["access-control-allow-origin"] == origin
            assert "POST" in answer.headers["access-control-allow-methods"]
            allowed = answer.headers["access-control-allow-headers"].lower().split(", ")
            assert {"content-type", "x-api-key", "authorization"} <= set(allowed)


def test_responses_name_the_allowed_origin(shared: Server, open_to_all: Server) -> None:
    for path in PATHS:
        for origin in (ORIGIN, "http://localhost:3000"):
            # Errors too, so that a page can read them.
            headers = shared.post(path, BODY, Origin=origin).headers
            assert headers["access-control-allow-origin"] == origin
            assert headers["vary"] == "Origin"
        headers = open_to_all.get(path, Origin=OTHER).headers
        assert headers["access-control-allow-origin"] == "*"
        assert "x-request-id" in headers["access-control-expose-headers"].lower()


def test_other_origins_are_not_allowed(shared: Server) -> None:
    for path in PATHS:
        answer = preflight(shared, path, OTHER)
        assert (answer.status, "API_CORS_ORIGINS" in answer.content.decode()) == (403, True)
        for reply in (answer, shared.get(path, Origin=OTHER), shared.get(path)):
            assert "access-control-allow-origin" not in reply.headers
            assert reply.headers["vary"] == "Origin"


def test_without_the_setting_no_page_may_call(server: Server) -> None:
    assert preflight(server, "/predict", ORIGIN).status == 405
    answer = server.post("/predict", BODY, Origin=ORIGIN)
    assert answer.status == 200
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_options_without_an_origin_is_no_preflight(shared: Server) -> None:
    answer = shared.request("OPTIONS", "/health")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
