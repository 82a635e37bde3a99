"""Whatever arrives, an answer leaves: never a 5xx but 503, and the server stays as it was."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.service.serving import TOKEN, Server, head, status_of

ALLOWED = {200, 400, 401, 404, 405, 408, 413, 415, 422, 503}
BODY = b'{"features":{}}'
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
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def strict(promoted: Path) -> Iterator[Server]:
    """Serve with limits that a test can reach."""
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
def test_arbitrary_json_gets_an_answer(server: Server, value: object) -> None:
    for path in POSTS:
        assert server.post(path, json.dumps(value).encode()).status in ALLOWED


@patiently
@given(content=st.binary(max_size=200), length=st.integers(0, 300))
def test_arbitrary_bytes_get_an_answer(server: Server, content: bytes, length: int) -> None:
    for path in POSTS:
        assert server.post(path, content).status in ALLOWED
    split = {"Inference-Header-Content-Length": str(length)}
    for body in (content, b'{"inputs": []}' + content):
        assert server.post("/v2/models/table/infer", body, **split).status in ALLOWED


@patiently
@given(content=st.binary(max_size=200), line=st.sampled_from([b"", b"POST /predict HTTP/1.1\r\n"]))
def test_what_is_no_http_harms_nobody(server: Server, content: bytes, line: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(line + content)
    assert server.get("/health").status == 200


HOSTILE = {
    "negative length": (head("POST /predict HTTP/1.1", JSON, "Content-Length: -5") + BODY, {400}),
    "length in words": (head("POST /predict HTTP/1.1", JSON, "Content-Length: ten"), {400}),
    "length of 31 digits": (
        head("POST /predict HTTP/1.1", JSON, f"Content-Length: {10**30}"), {400, 413},
    ),
    "two lengths": (post("/predict", "Content-Length: 3"), {400}),
    "length and chunks": (
        head("POST /predict HTTP/1.1", JSON, "Content-Length: 15", "Transfer-Encoding: chunked")
        + BODY, {400},
    ),
    "a chunk that is none": (post("/predict", "Transfer-Encoding: chunked", body=b"zz\r\n"), {400}),
    "no method": (b"\r\n\r\n\x00\x01\r\n\r\n", {400}),
    "a method of its own": (head("BREW /predict HTTP/1.1"), {400, 405}),
    "a path of bytes": (b"GET /\xff\xfe HTTP/1.1\r\n\r\n", {400}),
    "another protocol": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400}),
    "a tunnel": (head("CONNECT example.com:443 HTTP/1.1"), {400, 404, 405}),
    "a star": (head("OPTIONS * HTTP/1.1"), {400, 404}),
    "a long path": (head(f"GET /{'a' * 100_000} HTTP/1.1"), {400, 404, 414}),
    "many headers": (post("/predict", *[f"X-{i}: a" for i in range(20_000)]), {431}),
    "a large header": (post("/predict", f"X-A: {'a' * 1_000_000}"), {431}),
    "no content type": (head("POST /predict HTTP/1.1", "Content-Length: 0"), {415}),
    "a form": (
        head("POST /predict HTTP/1.1", "Content-Type: text/plain", "Content-Length: 0"), {415},
    ),
    "no body": (post("/predict", body=b""), {400}),
    "a tail": (post("/predict") + b"GARBAGE", {200}),
}  # fmt: skip


@pytest.mark.parametrize(("request_", "statuses"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_request_is_refused(server: Server, request_: bytes, statuses: set[int]) -> None:
    answer = server.raw(request_)
    assert status_of(answer) in statuses
    assert b"Traceback" not in answer
    assert server.post("/predict", BODY).status == 200


PATHS = [
    "//predict", "/predict/", "/PREDICT", "/predict;x", "/predict%00", "/predict%2f", "/./predict",
    "/models/../predict", "/models/%2e%2e/predict", "/models//predict", "/models/%ff/predict",
    "/docs/..%2f..%2fpyproject.toml", "/docs/%2e%2e/app.py", "/v2/models/..%2ftable/infer",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_a_path_that_is_nearly_one_is_none(server: Server, path: str) -> None:
    answer = server.raw(post(path))
    assert status_of(answer) == 404
    assert path.encode() not in answer


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"])
@pytest.mark.parametrize("path", ["/predict", "/v2/models/table/infer", "/reload"])
def test_another_method_is_told_the_right_one(server: Server, method: str, path: str) -> None:
    answer = server.request(method, path)
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert not (method == "HEAD" and answer.content)


@pytest.mark.parametrize(
    "query", ["path=%00", "path=%ff%fe", "path=", "path=a&path=b", "path=" + "a" * 5000, "%ff=%&&="]
)
def test_strange_queries_of_a_reload_are_refused(server: Server, query: str) -> None:
    header = f"Authorization: Bearer {TOKEN}"
    answer = server.raw(head(f"POST /reload?{query} HTTP/1.1", header, "Content-Length: 0"))
    assert status_of(answer) == (200 if query.startswith("%ff") else 422 if "&" in query else 400)


def test_a_body_is_limited_by_what_it_declares(strict: Server) -> None:
    request = head("POST /predict HTTP/1.1", JSON, "Content-Length: 4097")
    assert status_of(strict.raw(request)) == 413


def test_a_body_is_limited_by_what_it_is(strict: Server) -> None:
    chunks = b"400\r\n" + b" " * 1024 + b"\r\n"
    answer = strict.raw(post("/predict", "Transfer-Encoding: chunked", body=chunks * 5))
    assert status_of(answer) == 413
    within = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
    chunked = post("/predict", "Transfer-Encoding: chunked", body=within)
    assert status_of(strict.raw(chunked)) == 200


def test_who_sends_before_it_reads_gets_its_413_too(server: Server) -> None:
    # To close on what is still being sent would reset the connection, answer and all.
    answer = server.post("/predict", b" " * 30_000_000)
    assert (answer.status, answer.headers["connection"]) == (413, "close")
    assert "8,388,608 bytes" in answer.json["detail"]


def test_a_body_that_does_not_arrive_is_not_waited_for(strict: Server) -> None:
    started = time.monotonic()
    request = head("POST /predict HTTP/1.1", JSON, "Content-Length: 100") + b'{"features"'
    assert status_of(strict.raw(request)) == 408
    assert time.monotonic() - started < 5


def test_rows_beyond_the_limit_leave_the_connection_as_it_is(strict: Server) -> None:
    answer = strict.post("/predict_batch", {"rows": [{}] * 11})
    assert (answer.status, answer.headers.get("connection")) == (413, None)


def test_work_in_flight_is_bounded_and_counted_back(strict: Server) -> None:
    request = head("POST /predict HTTP/1.1", JSON, "Content-Length: 15")
    for _ in range(3):  # as often as one likes: nothing is left in the count
        slow = [socket.create_connection(("127.0.0.1", strict.port)) for _ in range(2)]
        for connection in slow:
            connection.sendall(request)
        time.sleep(0.2)
        answer = strict.post("/predict", BODY)
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert strict.get("/health").status == 200
        for connection in slow:
            connection.close()  # in the middle of a body
        time.sleep(0.2)
        assert strict.post("/predict", BODY).status == 200


def test_requests_behind_each_other_are_answered_in_order(server: Server) -> None:
    one = b"POST %s HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nContent-Length: 15\r\n"
    ids = [f"X-Request-ID: n{i}\r\n\r\n".encode() for i in range(5)]
    parts = [one % b"/predict" + request_id + BODY for request_id in ids]
    parts[2] = one % b"/nope" + ids[2] + BODY
    answer = server.raw(*parts, post("/predict"))
    places = [answer.index(b"x-request-id: n%d" % i) for i in range(5)]
    assert places == sorted(places)
    assert answer.count(b"HTTP/1.1 200 OK") == 5
    assert answer.count(b"HTTP/1.1 404") == 1


def test_http_1_0_is_answered_and_closed(server: Server) -> None:
    length = f"Content-Length: {len(BODY)}"
    request = f"POST /predict HTTP/1.0\r\n{JSON}\r\n{length}\r\n\r\n".encode() + BODY
    assert status_of(server.raw(request)) == 200


def test_a_websocket_is_not_opened(server: Server) -> None:
    upgrade = ["Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAA"]
    request = head("GET /predict HTTP/1.1", *upgrade).replace(b": close", b": Upgrade, close")
    assert status_of(server.raw(request)) in {400, 403, 404, 405}


def test_a_sane_request_id_is_kept_and_another_is_replaced(server: Server) -> None:
    for path in ("/health", "/nope"):
        assert server.get(path, **{"X-Request-ID": "a.B-9_"}).headers["x-request-id"] == "a.B-9_"
        for insane in ("a b", "a" * 129, "é", 'a"b', ""):
            made = server.get(path, **{"X-Request-ID": insane}).headers["x-request-id"]
            assert made != insane
            assert len(made) == 16


def test_a_refusal_names_its_request(server: Server) -> None:
    for path in ("/predict", "/nope"):
        answer = server.post(path, b"{}", **{"X-Request-ID": "mine"})
        assert answer.json["request_id"] == "mine"


def test_many_at_once_get_their_own_answers(server: Server) -> None:
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
