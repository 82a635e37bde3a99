"""Requests with a wrong head, a head that contradicts the body, or far too many bytes."""

import gzip
import json
import random
from collections.abc import Callable

from benchmarks.adult import Row
from benchmarks.endurance.raw import PATHS, head, post

METHODS = ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW", "post")
CONTENT_TYPES = (
    "text/plain", "application/xml", "multipart/form-data", "multipart/form-data; boundary=x",
    "application/x-www-form-urlencoded", "application/json; charset=utf-16", "a" * 5000, "/",
    "\xff",
)  # fmt: skip
DEPTH = 100_000
LARGE = 20 << 20


def broken(row: Row, chance: random.Random) -> bytes:
    """Return a request whose head is wrong, unusual, or contradicts its body."""
    return chance.choice(BREAKAGES)(json.dumps({"features": row}).encode(), chance)


def huge(row: Row) -> list[bytes]:
    """Return expensive requests; a few of each are enough."""
    nested = [b"[" * DEPTH, b'{"features": ' * DEPTH, b'{"features": {"age": ' + b"[" * DEPTH]
    closed = b'{"features": {"age": ' + b"[" * DEPTH + b"]" * DEPTH + b"}}"
    rows = json.dumps({"rows": [row] * 60_000}).encode()
    columns = json.dumps({"features": dict.fromkeys(map(str, range(100_000)), 1)}).encode()
    bodies = [*nested, closed, rows, columns, b" " * LARGE, b'{"features": "' + b"a" * LARGE]
    chunked = head("POST", "/predict").removesuffix(b"\r\n") + b"Transfer-Encoding: chunked\r\n\r\n"
    return [
        *(post(path, body) for path in PATHS for body in bodies),
        chunked + (b"100000\r\n" + b" " * (1 << 20) + b"\r\n") * 20 + b"0\r\n\r\n",
        head("POST", "/predict", length=1 << 62),
    ]


def _with_method(body: bytes, chance: random.Random) -> bytes:
    path = chance.choice([*PATHS, "/health", "/ready", "/metrics", "/schema", "/reload", "/"])
    return head(chance.choice(METHODS), path, length=len(body)) + body


def _with_content_type(body: bytes, chance: random.Random) -> bytes:
    return post(chance.choice(PATHS), body, chance.choice(CONTENT_TYPES))


def _with_headers(body: bytes, chance: random.Random) -> bytes:
    header = chance.choice([
        b"Content-Encoding: gzip", b"Expect: 100-continue", b"Transfer-Encoding: gzip, chunked",
        b"Content-Length: 5", b"Content-Length: -1", b"Content-Length: 1e3", b"Upgrade: websocket",
        b"X: " + b"a" * 100_000, b"\x00: \x00", b"no colon", b": no name", b" folded",
        b"X-Request-ID: \xff\xfe", b"X-Request-ID: " + b"i" * 5000, b"Host: a\r\nHost: b",
        b"Connection: close", b"Authorization: Bearer \xff", b"Accept: \xff",
        b"Cookie: " + b"=;" * 999,
    ])  # fmt: skip
    request = post(chance.choice(PATHS), body)
    return request.replace(b"\r\n", b"\r\n" + header + b"\r\n", 1)


def _zipped(body: bytes, chance: random.Random) -> bytes:
    request = post(chance.choice(PATHS), gzip.compress(body))
    return request.replace(b"\r\n", b"\r\nContent-Encoding: gzip\r\n", 1)


def _chunked(body: bytes, chance: random.Random) -> bytes:
    size = chance.choice(
        [b"%x" % len(body), b"%x;a=b" % len(body), b"0%x" % len(body), b"-1", b"zz", b"F" * 40]
    )
    end = chance.choice([b"0\r\n\r\n", b"0\r\nX: y\r\n\r\n", b"1\r\n", b""])
    return (
        head("POST", chance.choice(PATHS)).removesuffix(b"\r\n")
        + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"%s\r\n%s\r\n%s" % (size, body, end)
    )


def _elsewhere(_: bytes, chance: random.Random) -> bytes:
    path = chance.choice([
        "/", "//", "/predict/", "/predict/../health", "/%2e%2e/etc/passwd", "/predict%00", "*",
        "/" + "a" * 60_000, "http://elsewhere/predict", "/schema?x=" + "y" * 5000, "/docs", "/\xff",
        "/metrics?name[]=%00", "/openapi.json", "/schema?format=\x00", "/health?" + "a&" * 5000,
    ])  # fmt: skip
    return head("GET", path)


def _short(body: bytes, chance: random.Random) -> bytes:
    return head("POST", chance.choice(PATHS), length=len(body) + chance.randrange(1, 9)) + body


def _noise(_: bytes, chance: random.Random) -> bytes:
    return chance.randbytes(chance.randrange(1, 2000)) + b"\r\n\r\n"


def _two_at_once(body: bytes, chance: random.Random) -> bytes:
    return post(chance.choice(PATHS), body) + post(chance.choice(PATHS), b"{" + body)


BREAKAGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _with_method, _with_content_type, _with_headers, _zipped, _chunked, _elsewhere, _short, _noise,
    _two_at_once,
)  # fmt: skip
