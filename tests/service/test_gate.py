"""Every request gets a response, never a 5xx except 503, and leaves the server unchanged."""

import gzip
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tabproof.service.server import BODY_SECONDS
from tests.service.serving import ROW, TOKEN, Server, head, status_of, wait_for

ALLOWED = {200, 400, 401, 404, 405, 408, 413, 415, 422, 503}
BODY = b'{"features":{"age":41,"alcohol":13}}'
JSON = "Content-Type: application/json"
POSTS = ["/predict", "/predict_batch", "/models/table/predict", "/v2/models/table/infer", "/reload"]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["features", "rows", "inputs", "name", "age", "job", "FP64", "BYTES"])
)
KEYS = st.text(max_size=4) | st.sampled_from(
    ["features", "rows", "inputs", "outputs", "id", "parameters", "age", "job", "name", "shape",
     "datatype", "data", "binary_data_size"]
)  # fmt: skip
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4)
)
TENSORS = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["age", "job", "x"]),
        "shape": st.lists(st.integers(-1, 3), max_size=3),
        "datatype": st.sampled_from(["FP64", "BYTES", "BOOL", "INT8"]),
        "data": st.lists(VALUES, max_size=4),
    },
    optional={"parameters": VALUES},
)
BODIES = (
    VALUES
    | st.fixed_dictionaries({"features": st.dictionaries(KEYS, SCALARS, max_size=4)})
    | st.fixed_dictionaries({"rows": st.lists(st.dictionaries(KEYS, SCALARS, max_size=4))})
    | st.fixed_dictionaries({"inputs": st.lists(TENSORS, max_size=3)}, optional={"outputs": VALUES})
)
patiently = settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def strict(promoted: Path) -> Iterator[Server]:
    """Serve with small limits."""
    limits = {
        "max_body_bytes": "4096",
        "max_rows": "10",
        "max_in_flight": "2",
        "request_timeout_seconds": "0.5",
        "default_model": "table",
    }
    with Server(promoted, **limits) as started:
        yield started


def post(path: str, *headers: str, body: bytes = BODY) -> bytes:
    length = [] if any("Transfer" in h for h in headers) else [f"Content-Length: {len(body)}"]
    return head(f"POST {path} HTTP/1.1", JSON, *headers, *length) + body


@patiently
@given(value=BODIES)
@example(value={"features": {"age": float("nan")}})
@example(value={"rows": [{"job": 10**30}]})
def test_arbitrary_json_gets_a_response(server: Server, value: object) -> None:
    for path in POSTS:
        assert server.post(path, json.dumps(value).encode()).status in ALLOWED


@patiently
@given(content=st.binary(max_size=200), length=st.integers(0, 300))
def test_arbitrary_bytes_get_a_response(server: Server, content: bytes, length: int) -> None:
    for path in POSTS:
        assert server.post(path, content).status in ALLOWED
    split = {"Inference-Header-Content-Length": str(length)}
    for body in (content, b'{"inputs": []}' + content):
        assert server.post("/v2/models/table/infer", body, **split).status in ALLOWED


@patiently
@given(content=st.binary(max_size=200), line=st.sampled_from([b"", b"POST /predict HTTP/1.1\r\n"]))
def test_arbitrary_tcp_does_not_stop_the_server(
    server: Server, content: bytes, line: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(line + content)
    assert server.get("/health").status == 200


HOSTILE = {
    "negative length": (head("POST /predict HTTP/1.1", JSON, "Content-Length: -5") + BODY, {400}),
    "length as a word": (head("POST /predict HTTP/1.1", JSON, "Content-Length: ten"), {400}),
    "length of 31 digits": (
        head("POST /predict HTTP/1.1", JSON, f"Content-Length: {10**30}"), {400, 413},
    ),
    "two lengths": (post("/predict", "Content-Length: 3"), {400}),
    "length and chunks": (
        head("POST /predict HTTP/1.1", JSON, "Content-Length: 15", "Transfer-Encoding: chunked")
        + BODY, {400},
    ),
    "an invalid chunk": (post("/predict", "Transfer-Encoding: chunked", body=b"zz\r\n"), {400}),
    "no method": (b"\r\n\r\n\x00\x01\r\n\r\n", {400}),
    "an unknown method": (head("BREW /predict HTTP/1.1"), {400, 405}),
    "a path that is not ASCII": (b"GET /\xff\xfe HTTP/1.1\r\n\r\n", {400}),
    "another protocol": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400}),
    "a tunnel": (head("CONNECT example.com:443 HTTP/1.1"), {400, 404, 405}),
    "an asterisk": (head("OPTIONS * HTTP/1.1"), {400, 404}),
    "a long path": (head(f"GET /{'a' * 100_000} HTTP/1.1"), {400, 404, 414}),
    "many headers": (post("/predict", *[f"X-{i}: a" for i in range(20_000)]), {431}),
    "a large header": (post("/predict", f"X-A: {'a' * 1_000_000}"), {431}),
    "no content type": (head("POST /predict HTTP/1.1", "Content-Length: 0"), {400}),
    "a form": (
        head("POST /predict HTTP/1.1", "Content-Type: text/plain", "Content-Length: 0"), {415},
    ),
    "no body": (post("/predict", body=b""), {400}),
    "bytes after the body": (post("/predict") + b"GARBAGE", {200}),
}  # fmt: skip


@pytest.mark.parametrize(("request_", "statuses"), HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_request_is_refused(server: Server, request_: bytes, statuses: set[int]) -> None:
    answer = server.raw(request_)
    assert status_of(answer) in statuses
    assert b"Traceback" not in answer
    assert server.post("/predict", BODY).status == 200


PATHS = [
    "//predict", "/predict/", "/PREDICT", "/predict;x", "/predict%00", "/predict%2f", "/./predict",
    "/models/../predict", "/models/%2e%2e/predict", "/models//predict", "/models/%ff/predict",
    "/docs/..%2f..%2fpyproject.toml", "/docs/%2e%2e/app.py", "/v2/models/..%2ftable/infer",
]  # fmt: skip


def test_similar_path_is_not_found(server: Server) -> None:
    for path in PATHS:
        answer = server.raw(post(path))
        assert status_of(answer) == 404, path
        assert path.encode() not in answer


def test_wrong_method_gets_405_with_allow(server: Server) -> None:
    for path in ("/predict", "/v2/models/table/infer", "/reload"):
        for method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"):
            answer = server.request(method, path)
            assert (answer.status, answer.headers["allow"]) == (405, "POST"), (method, path)
            assert not (method == "HEAD" and answer.content)


def test_invalid_reload_query_is_refused(server: Server) -> None:
    header = f"Authorization: Bearer {TOKEN}"
    statuses = {"path=%00": 400, "path=%ff%fe": 400, "path=": 400, "path=a&path=b": 422,
                "path=" + "a" * 5000: 400, "%ff=%&&=": 422, "&&": 200}  # fmt: skip
    for query, status in statuses.items():
        request = head(f"POST /reload?{query} HTTP/1.1", header, "Content-Length: 0")
        assert status_of(server.raw(request)) == status, query


def test_allow_is_in_a_fixed_order(server: Server) -> None:
    for path in ("/health", "/models/table/schema", "/openapi.json", "/docs"):
        answer = server.request("DELETE", path)
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
        assert answer.json["detail"] == "this path takes GET, HEAD"


def test_head_is_answered_where_get_is(server: Server) -> None:
    for path in ("/", "/health", "/healthz", "/ready", "/models", "/schema", "/metrics", "/v2",
                 "/models/table/schema", "/v2/health/live", "/v2/health/ready", "/docs",
                 "/v2/models/table", "/v2/models/table/ready", "/docs/swagger-ui.css",
                 "/openapi.json", "/models/nope/schema", "/nope"):  # fmt: skip
        found, only_head = server.get(path), server.request("HEAD", path)
        assert (only_head.status, only_head.content) == (found.status, b""), path
        assert only_head.headers.get("content-type") == found.headers.get("content-type")


def test_declared_body_length_is_limited(strict: Server) -> None:
    request = head("POST /predict HTTP/1.1", JSON, "Content-Length: 4097")
    assert status_of(strict.raw(request, only_head=True)) == 413


def test_client_that_expects_100_gets_its_refusal_instead(strict: Server) -> None:
    expect = "Expect: 100-continue"
    asked = (("/predict", 4097, 413), ("/nope", 10, 404), ("/predict", len(BODY), 0))
    for path, length, status in asked:
        request = head(f"POST {path} HTTP/1.1", JSON, expect, f"Content-Length: {length}")
        with socket.create_connection(("127.0.0.1", strict.port), timeout=10) as connection:
            connection.sendall(request)
            first = connection.recv(65536)
            assert status_of(first) == (status or 100)
            if not status:
                connection.sendall(BODY)
                assert status_of(connection.recv(65536)) == 200


def test_chunked_body_length_is_limited(strict: Server) -> None:
    chunks = b"400\r\n" + b" " * 1024 + b"\r\n"
    request = post("/predict", "Transfer-Encoding: chunked", body=chunks * 5)
    answer = strict.raw(request, only_head=True)
    assert status_of(answer) == 413
    within = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
    chunked = post("/predict", "Transfer-Encoding: chunked", body=within)
    assert status_of(strict.raw(chunked)) == 200


def test_client_that_sends_before_reading_gets_its_413(server: Server) -> None:
    # Closing during the upload would reset the connection, and the response would be lost.
    answer = server.post("/predict", b" " * 30_000_000)
    assert (answer.status, answer.headers["connection"]) == (413, "close")
    assert "8,388,608 bytes" in answer.json["detail"]


def test_slow_body_is_refused_in_time(strict: Server) -> None:
    started = time.monotonic()
    request = head("POST /predict HTTP/1.1", JSON, "Content-Length: 100") + b'{"features"'
    assert status_of(strict.raw(request, only_head=True)) == 408
    assert time.monotonic() - started < 5


def test_too_many_rows_keep_the_connection_open(strict: Server) -> None:
    answer = strict.post("/predict_batch", {"rows": [ROW] * 11})
    assert (answer.status, answer.headers.get("connection")) == (413, None)


def test_requests_in_flight_are_limited_and_released(strict: Server) -> None:
    request = head("POST /predict HTTP/1.1", JSON, "Content-Length: 15")
    for _ in range(2):  # the count must return to 0 each time
        slow = [socket.create_connection(("127.0.0.1", strict.port)) for _ in range(2)]
        for connection in slow:
            connection.sendall(request)
        wait_for(lambda: strict.post("/predict", BODY).status == 503)
        answer = strict.post("/predict", BODY)
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert strict.get("/health").status == 200
        for connection in slow:
            connection.close()  # within a body
        wait_for(lambda: strict.post("/predict", BODY).status == 200)


def test_pipelined_requests_are_answered_in_order(server: Server) -> None:
    one = f"POST %s HTTP/1.1\r\nHost: t\r\n{JSON}\r\nContent-Length: {len(BODY)}\r\n".encode()
    ids = [f"X-Request-ID: n{i}\r\n\r\n".encode() for i in range(5)]
    parts = [one % b"/predict" + request_id + BODY for request_id in ids]
    parts[2] = one % b"/nope" + ids[2] + BODY
    answer = server.raw(*parts, post("/predict"))
    places = [answer.index(b"x-request-id: n%d" % i) for i in range(5)]
    assert places == sorted(places)
    assert answer.count(b"HTTP/1.1 200 OK") == 5
    assert answer.count(b"HTTP/1.1 404") == 1


def received(port: int, *parts: bytes, pause: float = 0.0) -> bytes:
    """Return a response to a request whose parts are sent one by one; pause : between them."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for place, part in enumerate(parts):
            time.sleep(pause * bool(place))
            connection.sendall(part)
        found = []
        while chunk := connection.recv(65536):
            found.append(chunk)
    return b"".join(found)


def check_response(server: Server, path: str, body: bytes, *headers: str) -> None:
    """The response is the same if the body comes with the head, soon, or late."""
    sent = post(path, "X-Request-ID: mine", *headers, body=body)
    apart = sent[: len(sent) - len(body)], sent[len(sent) - len(body) :]
    together, soon, late = (
        sorted(re.sub(rb"\r\ndate: [^\r]+", b"", response).split(b"\r\n"))
        for response in (
            received(server.port, sent),
            received(server.port, *apart),
            received(server.port, *apart, pause=3 * BODY_SECONDS),
        )
    )
    assert together == soon == late


@settings(patiently, max_examples=40)
@given(path=st.sampled_from(POSTS), value=BODIES)
def test_any_body_gets_the_same_response_without_a_task(
    server: Server, path: str, value: object
) -> None:
    check_response(server, path, json.dumps(value).encode())


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (BODY, []),
        (b'{"features":{"age":40,"job":"clerk"}}', []),
        (b'{"features":{"age":40,"job":"clerk"}}', ["X-Forwarded-Prefix: /a"]),
        (b"\xef\xbb\xbf" + BODY, ["Origin: https://example.org"]),
        (b"\xff\xfe{\0", []),
        (b"{", []),
        (b'{"features":{"age":1e400}}', []),
        (gzip.compress(BODY, mtime=0), ["Content-Encoding: gzip"]),
        (BODY, ["Content-Encoding: br"]),
        (b'{"features":{}}', []),
        (b'{"rows":[{"job":null},{"age":3}]}', []),
        (b'{"rows":[{"age":3},{}]}', []),
        (b'{"rows":[' + b'{"age":3},' * 3000 + b'{"age":3}]}', []),
        (b'{"features":{"age":3,"x":"' + b"a" * 70_000 + b'"}}', []),
    ],
)
def test_request_gets_the_same_response_without_a_task(
    server: Server, path: str, body: bytes, headers: list[str]
) -> None:
    check_response(server, path, body, *headers)
    check_response(server, f"{path}?explain=true", body, *headers)


@pytest.mark.parametrize("content_type", ["text/plain", "application/x+json", ""])
def test_head_is_checked_without_a_task(promoted: Path, content_type: str) -> None:
    with Server(promoted, default_model="table", key="a-secret-of-clients") as locked:
        for key, status in (("", 401), ("X-API-Key: a-secret-of-clients", 200)):
            headers = [key] if key else []
            request_ = post("/predict", *headers).replace(
                JSON.encode(), f"Content-Type: {content_type}".encode()
            )
            expected = 415 if status == 200 and content_type == "text/plain" else status
            assert status_of(received(locked.port, request_)) == expected


def test_client_that_leaves_before_its_body_is_logged(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(
            head("POST /predict HTTP/1.1", "X-Request-ID: left", "Content-Length: 9")
        )
    assert server.logged("left")["status"] == 499


def test_refused_head_has_no_body(server: Server) -> None:
    answer = server.raw(head("HEAD /predict HTTP/1.1"))
    assert status_of(answer) == 405
    assert answer.endswith(b"\r\n\r\n")
    assert answer.count(b"\r\n\r\n") == 1


def test_http_1_0_is_answered(server: Server) -> None:
    length = f"Content-Length: {len(BODY)}"
    request = f"POST /predict HTTP/1.0\r\n{JSON}\r\n{length}\r\n\r\n".encode() + BODY
    assert status_of(server.raw(request)) == 200


UPGRADES = {
    "of the JDK": ["Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAEAAEAA",
                   "Upgrade: h2c"],
    "of curl": ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"],
    "to TLS": ["Upgrade: TLS/1.0", "Connection: Upgrade"],
    "without a name": ["Upgrade: ", "Connection: Upgrade"],
    "with close": ["Upgrade: h2c", "Connection: Upgrade, close"],
}  # fmt: skip


@pytest.mark.parametrize("headers", UPGRADES.values(), ids=UPGRADES.keys())
def test_upgrade_is_ignored(server: Server, headers: list[str]) -> None:
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
    sent = {f"Content-Length: {len(BODY)}": BODY, "Transfer-Encoding: chunked": chunked}
    for length, body in sent.items():
        lines = ["POST /predict HTTP/1.1", "Host: t", JSON, *headers, length, "", ""]
        request = "\r\n".join(lines).encode() + body
        # A second request follows on a connection that stays open. After `close` it would be
        # unread when the server closes, which resets the connection and may lose the response.
        then = [] if "close" in headers[-1] else [post("/predict")]
        # At once, and byte by byte.
        for parts in ([request], [request[i : i + 1] for i in range(len(request))]):
            answer = server.raw(*parts, *then)
            assert answer.count(b"HTTP/1.1 200 OK") == 1 + len(then), answer


def test_many_upgrades_on_one_connection_are_ignored(server: Server) -> None:
    # More than Python may nest calls.
    head_ = "GET /v2 HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    answer = server.raw(head_.encode() * 1500, post("/predict"))
    assert answer.count(b"HTTP/1.1 200 OK") == 1501


def test_websocket_upgrade_is_refused(server: Server) -> None:
    upgrade = ["Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAA"]
    request = head("GET /predict HTTP/1.1", *upgrade).replace(b": close", b": Upgrade, close")
    assert status_of(server.raw(request)) in {400, 403, 404, 405}


def test_valid_request_id_is_kept_and_invalid_one_replaced(server: Server) -> None:
    for path in ("/health", "/nope"):
        assert server.get(path, **{"X-Request-ID": "a.B-9_"}).headers["x-request-id"] == "a.B-9_"
        for insane in ("a b", "a" * 129, "é", 'a"b', ""):
            made = server.get(path, **{"X-Request-ID": insane}).headers["x-request-id"]
            assert made != insane
            assert len(made) == 16


def test_error_has_the_request_id(server: Server) -> None:
    for path in ("/predict", "/nope"):
        answer = server.post(path, b"{}", **{"X-Request-ID": "mine"})
        assert answer.json["request_id"] == "mine"


def test_concurrent_requests_get_their_own_predictions(server: Server) -> None:
    rows = [{"age": age, "income": 10, "job": "clerk"} for age in range(20, 60)]
    alone = [server.post("/predict", {"features": row}).json for row in rows]
    found: list[object] = [None] * len(rows)

    def ask(place: int) -> None:
        found[place] = server.post("/predict", {"features": rows[place]}).json

    threads = [threading.Thread(target=ask, args=[place]) for place in range(len(rows))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == alone


# --- Endless and concurrent bodies


JSON = "Content-Type: application/json"


def test_refused_client_cannot_stream_forever(server: Server) -> None:
    begin = head("POST /nope HTTP/1.1", "Transfer-Encoding: chunked").replace(
        b"Connection: close\r\n", b""
    )
    chunk = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"
    sent = 0
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(begin)
        start = time.monotonic()
        with suppress(OSError):
            while time.monotonic() - start < 8:
                connection.sendall(chunk)
                sent += len(chunk)
    assert sent < 100_000_000
    assert time.monotonic() - start < 7


def test_bytes_in_flight_are_limited(tmp_path: Path, run: Path) -> None:
    with Server(tmp_path, newest=run, max_bytes_in_flight="2000") as server:
        held = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(2)]
        begin = head("POST /predict HTTP/1.1", JSON, "Content-Length: 1500")
        for connection in held:
            connection.sendall(begin + b" " * 1200)
            time.sleep(0.2)
        assert status_of(held[1].recv(65536)) == 503
        held[0].close()
        wait_for(lambda: server.post("/predict", {"features": ROW}).status == 200)
        held[1].close()
