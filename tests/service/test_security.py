"""Keys and tokens are required if they are configured; every response has security headers."""

from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from tabproof.service.access import knows_secret, password_of
from tabproof.service.answers import SECURITY_HEADERS
from tests.service.serving import ROW, Reply, Server, head, status_of

KEY = "a-key-of-sixteen-letters"


@pytest.fixture(scope="module")
def guarded(promoted: Path) -> Iterator[Server]:
    settings = {"key": KEY, "admin_token": "", "docs": "false", "default_model": "table"}
    with Server(promoted, **settings) as started:
        yield started


@pytest.mark.parametrize(
    ("authorization", "key", "expected"),
    [
        ("", "", False),
        ("", "wrong", False),
        ("", bytes(range(128, 256)).decode("latin-1"), False),
        (KEY, "", False),
        (f"Basic {KEY}", "", False),
        (f"Bearer {KEY}2", "", False),
        ("Bearer \xff\xfe", "", False),
        ("", KEY, True),
        (f"Bearer {KEY}", "", True),
        (f"bearer {KEY}", "", True),
        (f"Bearer {KEY}", "wrong", True),
    ],
)
def test_secret_is_a_key_or_a_bearer_token(authorization: str, key: str, expected: bool) -> None:
    given = authorization.encode("latin-1"), key.encode("latin-1")
    assert knows_secret(KEY, *given) is expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"", b""),
        (b"Basic " + b64encode(b"user:pass:word"), b"pass:word"),
        (b"basic  " + b64encode(b":pass"), b"pass"),
        (b"Basic " + b64encode(b"no colon"), b""),
        (b"Basic ???", b""),
        (b"Basic \xff\xfe", b""),
        (b"Basic", b""),
        (b"Bearer " + b64encode(b":pass"), b""),
    ],
)
def test_a_password_is_that_of_basic(header: bytes, expected: bytes) -> None:
    assert password_of(header) == expected


def every_prediction(server: Server, **headers: str) -> list[Reply]:
    tensors = {"inputs": [{"name": "age", "shape": [1], "datatype": "FP64", "data": [1]}]}
    run_id = server.get("/health").json["models"]["table"]
    bodies = {
        "/predict": {"features": ROW},
        "/predict_batch": {"rows": [ROW]},
        "/models/wine/predict": {"features": ROW},
        "/models/wine/predict_batch": {"rows": [ROW]},
        "/v2/models/table/infer": tensors,
        f"/v2/models/table/versions/{run_id}/infer": tensors,
    }
    return [server.post(path, body, **headers) for path, body in bodies.items()]


def test_every_prediction_endpoint_checks_the_key(guarded: Server) -> None:
    assert {reply.status for reply in every_prediction(guarded)} == {401}
    assert {reply.status for reply in every_prediction(guarded, **{"X-API-Key": "x"})} == {401}
    assert {reply.status for reply in every_prediction(guarded, **{"X-API-Key": KEY})} == {200}
    bearer = {"Authorization": f"Bearer {KEY}"}
    assert {reply.status for reply in every_prediction(guarded, **bearer)} == {200}


def test_monitoring_endpoints_need_no_key(guarded: Server) -> None:
    for path in ("/health", "/healthz", "/ready", "/metrics", "/v2/health/live"):
        assert guarded.get(path).status == 200


def test_key_of_arbitrary_bytes_is_refused(guarded: Server) -> None:
    request = head("POST /predict HTTP/1.1", "X-API-Key: \xff\xfe\x80é", "Content-Length: 0")
    assert status_of(guarded.raw(request)) == 401


def test_reload_is_off_without_a_token(guarded: Server) -> None:
    for header in ({}, {"Authorization": "Bearer "}, {"Authorization": f"Bearer {KEY}"}):
        answer = guarded.request("POST", "/reload", headers=header)
        assert answer.status == 403
        assert "API_ADMIN_TOKEN" in answer.json["detail"]


def test_reload_needs_the_token(server: Server) -> None:
    for header in ({}, {"Authorization": "Bearer wrong"}, {"X-API-Key": KEY}):
        answer = server.request("POST", "/reload", headers=header)
        assert answer.status == 401
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/health", 200),
        ("GET", "/docs", 200),
        ("GET", "/docs/swagger-ui.css", 200),
        ("GET", "/openapi.json", 200),
        ("GET", "/metrics", 200),
        ("GET", "/", 200),
        ("GET", "/nope", 404),
        ("DELETE", "/health", 405),
        ("POST", "/predict", 400),
        ("PUT", "/predict", 405),
        ("POST", "/reload", 401),
        ("GET", "/v2/models/nope", 404),
    ],
)
def test_every_response_has_the_security_headers(
    server: Server, method: str, path: str, expected: int
) -> None:
    answer = server.request(method, path)
    assert answer.status == expected
    assert {name.decode() for name, _ in SECURITY_HEADERS} <= answer.headers.keys()
    assert "x-request-id" in answer.headers
    assert "server" not in answer.headers


def test_docs_can_be_switched_off(guarded: Server) -> None:
    for path in ("/docs", "/openapi.json", "/redoc", "/docs/swagger-ui.css"):
        assert guarded.get(path).status == 404
