"""A server in front of moto: it records every call, and fails where a test asks for it."""

import http.client
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "date", "server"}


@dataclass(frozen=True)
class Failure:
    """A failing answer of AWS; seconds: its delay, clock: how far the clock of AWS is ahead."""

    code: str
    message: str
    status: int = 400
    seconds: float = 0.0
    clock: float = 0.0


DENIED = Failure("AccessDeniedException", "User: arn:aws:iam::1:user/x is not authorized", 403)


@dataclass
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes


@dataclass
class Front:
    """Calls are named like 'UpdateService'; fails: by name or by number, from 0."""

    upstream: tuple[str, int]
    calls: list[str] = field(default_factory=list)
    fails: dict[str | int, Failure] = field(default_factory=dict)
    before: dict[str, Callable[[], None]] = field(default_factory=dict)
    after: dict[str, Callable[[bytes], bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        front = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # A body waits for no acknowledgement of its headers.
            disable_nagle_algorithm = True

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                answer = front.answer(self.command, self.path, dict(self.headers.items()), body)
                # A client that waited no longer has gone.
                try:
                    self.send_response_only(answer.status)
                    for name, value in answer.headers:
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(answer.body)))
                    self.end_headers()
                    self.wfile.write(answer.body)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            # The names are http.server's.
            do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        name = name_of(method, path, headers, body)
        number = len(self.calls)
        self.calls.append(name)
        failure = self.fails.get(number) or self.fails.get(name)
        if failure is not None:
            time.sleep(failure.seconds)
            return worded(failure, path, headers)
        if name in self.before:
            self.before[name]()
        connection = http.client.HTTPConnection(*self.upstream, timeout=60)
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        content = response.read()
        connection.close()
        if name in self.after and response.status == 200:
            content = self.after[name](content)
        kept = [(k, v) for k, v in response.getheaders() if k.lower() not in HOP_BY_HOP]
        return Answer(response.status, [*kept, ("Date", formatdate(usegmt=True))], content)


def name_of(method: str, path: str, headers: dict[str, str], body: bytes) -> str:
    if target := headers.get("X-Amz-Target"):
        return target.rpartition(".")[2]
    if "/operation/" in path:
        return path.rpartition("/")[2]
    if headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
        return parse_qs(body.decode())["Action"][0]
    query = parse_qs(urlsplit(path).query, keep_blank_values=True)
    if "versions" in query:
        return "ListObjectVersions"
    return "DeleteObjects" if "delete" in query else {"DELETE": "DeleteBucket"}[method]


def worded(failure: Failure, path: str, headers: dict[str, str]) -> Answer:
    """Return a failure in the protocol of the call."""
    date = ("Date", formatdate(time.time() + failure.clock, usegmt=True))
    error = f"<Code>{failure.code}</Code><Message>{failure.message}</Message>"
    if "X-Amz-Target" in headers:
        body = json.dumps({"__type": failure.code, "message": failure.message}).encode()
        return Answer(failure.status, [date, ("Content-Type", "application/x-amz-json-1.1")], body)
    if "/operation/" in path:
        pairs = ("__type", failure.code), ("message", failure.message)
        body = b"\xa2" + b"".join(_cbor(text) for pair in pairs for text in pair)
        kind = [("Content-Type", "application/cbor"), ("smithy-protocol", "rpc-v2-cbor")]
        return Answer(failure.status, [date, *kind], body)
    if headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
        error = f"<ErrorResponse><Error>{error}</Error></ErrorResponse>"
    else:
        error = f"<Error>{error}</Error>"
    return Answer(failure.status, [date, ("Content-Type", "text/xml")], error.encode())


def _cbor(text: str) -> bytes:
    encoded = text.encode()
    assert len(encoded) < 256
    return b"\x78" + bytes([len(encoded)]) + encoded
