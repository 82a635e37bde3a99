"""The outermost middleware: limits, error responses, metrics and a log line for every request.

Plain ASGI. Predictions are handled here, before FastAPI's router, because framework code would
cost more than the prediction. All other requests are passed on to FastAPI.

A small prediction whose body has arrived needs no task of asyncio: uvicorn's protocol (`server.py`)
calls `Gate.answer_at_once` for it. Both ways share the checks and the response.
"""

import asyncio
import logging
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from time import perf_counter

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tabproof.service.access import knows_secret
from tabproof.service.answers import (
    Headers,
    Problem,
    RawHeaders,
    RefusedError,
    content_headers,
    response_headers,
)
from tabproof.service.cors import Cors
from tabproof.service.endpoints import LABELS, Endpoint, Endpoints
from tabproof.service.inference_protocol import LENGTH_HEADER
from tabproof.service.predictions import Answer
from tabproof.service.request_content import as_utf8, check_content_type, decoder_of
from tabproof.service.server import IS_TRUSTED_PROXY
from tabproof.service.telemetry import LogLine, request_id_of

MAX_HEADER_BYTES = 2**16
# The rest of a refused body is read for some seconds, up to a multiple of the largest body that
# is allowed: closing while the client is still sending would make it lose the response.
LINGER_SECONDS, MAX_DRAINED = 2.0, 4
RETRY_SOON = {"Retry-After": "1"}
PREFIX_HEADER = b"x-forwarded-prefix"
# No '//', which would be the start of a host in a link.
PREFIX = re.compile(rb"(?:/[A-Za-z0-9._~-]+)*/?")
# Headers that `answer_at_once` does not handle.
NOT_AT_ONCE = frozenset({b"content-encoding", b"transfer-encoding", b"expect", PREFIX_HEADER})

log = logging.getLogger("uvicorn.error")


@dataclass(slots=True)
class Exchange:
    """A request and its state; path: that of the table, without the prefix of a proxy."""

    scope: Scope
    receive: Receive
    send: Send
    headers: dict[bytes, bytes]
    path: str
    line: LogLine
    # More of the body is to come, and the bytes that are held so far.
    has_more_body: bool
    n_bytes: int = 0
    is_answered: bool = False


class Gate:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, endpoints: Endpoints) -> None:
        self._app, self._endpoints, self._settings = app, endpoints, endpoints.settings
        self._predictions = endpoints.predictions
        self._encode = msgspec.json.Encoder().encode
        self._in_flight = self._bytes_in_flight = 0
        origins = endpoints.settings.cors_origins
        self._cors = Cors(origins) if origins else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, partial(_send_short, send))
            return
        started = perf_counter()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        length = headers.get(b"content-length", b"0")
        has_body = length != b"0" or b"transfer-encoding" in headers
        line = _line_of(scope, headers)
        exchange = Exchange(scope, receive, send, headers, scope["path"], line, has_body)
        try:
            await self._answer(exchange)
        except RefusedError as refusal:
            await self._refuse(exchange, refusal)
        except ConnectionError:
            exchange.line.status = 499  # the client disconnected
        except Exception:  # whatever it is, the client gets a response
            await self._refuse(exchange, _failure(line))
        finally:
            self._endpoints.telemetry.request(line, perf_counter() - started)

    def answer_at_once(self, scope: Scope, content: bytes) -> tuple[int, RawHeaders, bytes] | None:
        """Answer a prediction whose body has arrived: status, headers and body of the response.

        None: it is left to the middleware, since it is large or something about it is unusual.
        """
        started = perf_counter()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        found = self._endpoints.find_prediction(scope["path"])
        if (
            found is None
            or found[0].body == LABELS
            or scope["method"] != "POST"
            or not NOT_AT_ONCE.isdisjoint(headers)
            or scope["query_string"]
            or scope["root_path"]
            or self._cors is not None
            or self._endpoints.lifecycle.is_closing
            or len(content) > self._settings.max_body_bytes
            or len(content) + self._bytes_in_flight > self._settings.max_bytes_in_flight
        ):
            return None
        endpoint, names = found
        line = _line_of(scope, headers)
        line.route = endpoint.path
        refusal = None
        try:
            self._check(endpoint, scope, headers)
            body = as_utf8(content)
            predict = self._predictions.predict
            answer = predict(endpoint.body, names, b"", body, headers, line.request_id)
            if not isinstance(answer, Answer):
                answer.close()
                return None
            self._predictions.count(answer, line)
            content = answer.content
        except RefusedError as error:
            refusal = error
        except Exception:  # whatever it is, the client gets a response
            refusal = _failure(line)
        if refusal is not None:
            line.status, content = refusal.status, self._content_of(refusal, line, scope["path"])
        more = [] if refusal is None else _headers_of(refusal)
        self._endpoints.telemetry.request(line, perf_counter() - started)
        common = response_headers(line.request_id, closes=False)
        return line.status, [*content_headers(content), *more, *common], content

    def _check(self, endpoint: Endpoint, scope: Scope, headers: Headers) -> None:
        """Refuse a prediction, or labels, by the head of the request."""
        _check_size(scope)
        if scope["method"] != "POST":
            what = LABELS if endpoint.body == LABELS else "predictions"
            raise RefusedError(405, f"{what} take POST", headers={"Allow": "POST"})
        if endpoint.body == LABELS:
            self._endpoints.check_labels(headers)
        elif key := self._settings.key:
            sent = headers.get(b"authorization", b""), headers.get(b"x-api-key", b"")
            if not knows_secret(key, *sent):
                reason = "predictions need the header X-API-Key"
                raise RefusedError(401, reason, headers={"WWW-Authenticate": "Bearer"})
        if endpoint.body != "tensors" or LENGTH_HEADER not in headers:
            check_content_type(headers.get(b"content-type", b""))
        if self._in_flight >= self._settings.max_in_flight:
            raise RefusedError(503, "too many requests in flight", RETRY_SOON)

    async def _answer(self, exchange: Exchange) -> None:
        headers = exchange.headers
        _check_size(exchange.scope)
        if exchange.scope.get("root_path") or PREFIX_HEADER in headers:
            self._find_path(exchange)
        if self._cors is not None and exchange.scope["method"] == "OPTIONS":
            preflight = await self._answer_preflight(exchange, self._cors)
            if preflight:
                return
        found = self._endpoints.find_prediction(exchange.path)
        if found is None:
            exchange.line.route = self._endpoints.find_template(exchange.path) or "unmatched"
            # FastAPI's routes read no body.
            await self._app(exchange.scope, exchange.receive, partial(self._send, exchange))
            return
        endpoint, names = found
        exchange.line.route = endpoint.path
        self._check(endpoint, exchange.scope, headers)
        self._in_flight += 1
        try:
            content = as_utf8(await self._body(exchange))
            if endpoint.body == LABELS:
                content = await self._endpoints.accept_labels(content, exchange.line)
                await self._respond(exchange, 200, content, [])
                return
            query = exchange.scope["query_string"]
            answer = self._predictions.predict(
                endpoint.body, names, query, content, headers, exchange.line.request_id
            )
            if not isinstance(answer, Answer):
                answer = await answer
        finally:
            self._in_flight -= 1
            self._bytes_in_flight -= exchange.n_bytes
        self._predictions.count(answer, exchange.line)
        await self._respond(exchange, 200, answer.content, [])

    async def _body(self, exchange: Exchange) -> bytes:
        """Receive the body, within the limits of size and time; decompress it."""
        limit = self._settings.max_body_bytes
        declared = int(exchange.headers.get(b"content-length", b"0"))
        decoder = decoder_of(exchange.headers)
        n_received = 0
        parts: list[bytes] = []
        more = True
        try:
            async with asyncio.timeout(self._settings.request_timeout_seconds):
                while True:
                    if max(declared, n_received, exchange.n_bytes) > limit:
                        reason = f"the body is larger than {limit:,} bytes; send it in parts"
                        raise RefusedError(413, reason)
                    if self._bytes_in_flight > self._settings.max_bytes_in_flight:
                        raise RefusedError(503, "too many bytes in flight", RETRY_SOON)
                    if not more:
                        break
                    message = await exchange.receive()
                    if message["type"] == "http.disconnect":
                        raise ConnectionError
                    part = message.get("body", b"")
                    n_received += len(part)
                    more = exchange.has_more_body = message.get("more_body", False)
                    if decoder is not None:
                        # One byte beyond the limit shows that it is exceeded.
                        part = decoder.decode(part, limit + 1 - exchange.n_bytes)
                    parts.append(part)
                    exchange.n_bytes += len(part)
                    self._bytes_in_flight += len(part)
        except TimeoutError:
            raise RefusedError(408, "the body took too long to arrive") from None
        if decoder is not None:
            decoder.finish()
        return b"".join(parts)

    def _find_path(self, exchange: Exchange) -> None:
        """Remove the prefix of a proxy from the path; routes get it as their root_path.

        The prefix is uvicorn's --root-path, or X-Forwarded-Prefix of a trusted proxy. The proxy
        may have removed it from the path or not.
        """
        scope = exchange.scope
        root: str = scope.get("root_path", "")
        path = exchange.path
        if root and path.startswith(f"{root.rstrip('/')}/"):
            path = path[len(root) :]
        prefix = f"/{root.strip('/')}".rstrip("/")
        sent = exchange.headers.get(PREFIX_HEADER, b"").strip()
        if sent and scope.get("state", {}).get(IS_TRUSTED_PROXY):
            if PREFIX.fullmatch(sent) is None:
                raise RefusedError(400, "X-Forwarded-Prefix is not a path such as /predictions")
            prefix = sent.decode().rstrip("/")
        is_known = self._endpoints.find_template(path) is not None
        if prefix and not is_known and f"{path}/".startswith(f"{prefix}/"):
            path = path[len(prefix) :]
        exchange.path = path or "/"
        scope.update(root_path=prefix, path=prefix + exchange.path)

    async def _answer_preflight(self, exchange: Exchange, cors: Cors) -> bool:
        """Answer a browser that asks whether it may send a request; return whether it asked."""
        headers = exchange.headers
        if b"origin" not in headers or b"access-control-request-method" not in headers:
            return False
        exchange.line.route = self._endpoints.find_template(exchange.path) or "unmatched"
        if not cors.allows(headers):
            raise RefusedError(403, "the page's Origin is not one of API_CORS_ORIGINS")
        answer = {"status": 204, "headers": cors.preflight_headers(headers)}
        await self._send(exchange, {"type": "http.response.start", **answer})
        await self._send(exchange, {"type": "http.response.body", "body": b""})
        return True

    async def _refuse(self, exchange: Exchange, refusal: RefusedError) -> None:
        if exchange.is_answered:
            return  # the response has begun
        content = self._content_of(refusal, exchange.line, exchange.path)
        await self._respond(exchange, refusal.status, content, _headers_of(refusal))

    def _content_of(self, refusal: RefusedError, line: LogLine, path: str) -> bytes:
        problem = Problem(refusal.detail, line.request_id, refusal.difference)
        return self._encode({"error": refusal.detail} if path.startswith("/v2") else problem)

    async def _respond(
        self, exchange: Exchange, status: int, content: bytes, headers: RawHeaders
    ) -> None:
        headers = [*content_headers(content), *headers]
        start = {"type": "http.response.start", "status": status, "headers": headers}
        await self._send(exchange, start)
        await self._send(exchange, {"type": "http.response.body", "body": content})

    async def _send(self, exchange: Exchange, message: Message) -> None:
        """Send a message of a response, with the headers that every response has."""
        if message["type"] == "http.response.start":
            # A client that waits for "100 Continue" sends nothing before it.
            if b"expect" not in exchange.headers:
                await self._drain_body(exchange, 0.0)
            exchange.line.status, exchange.is_answered = message["status"], True
            # The rest of an unread body may be endless, so the connection is closed.
            closes = self._endpoints.lifecycle.is_closing or exchange.has_more_body
            common = response_headers(exchange.line.request_id, closes=closes)
            if self._cors is not None:
                common += self._cors.response_headers(exchange.headers)
            # A response may have two Vary headers: its own and the common one.
            names = {name for name, _ in message["headers"]} - {b"vary"}
            message["headers"] = [*message["headers"], *(h for h in common if h[0] not in names)]
        elif exchange.has_more_body and not message.get("more_body", False):
            await exchange.send({**message, "more_body": True})
            await self._drain_body(exchange, LINGER_SECONDS)
            message = {"type": "http.response.body", "body": b""}
        await exchange.send(message)

    async def _drain_body(self, exchange: Exchange, seconds: float) -> None:
        """Read and drop the rest of the body for some seconds; 0 drops what has arrived."""
        if not exchange.has_more_body:
            return
        left = MAX_DRAINED * self._settings.max_body_bytes
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while exchange.has_more_body and left > 0:
                    message = await exchange.receive()
                    left -= len(message.get("body", b""))
                    exchange.has_more_body = message.get("more_body", False)


def _line_of(scope: Scope, headers: Headers) -> LogLine:
    request_id = request_id_of(headers.get(b"x-request-id", b""))
    return LogLine(request_id=request_id, method=scope["method"])


def _check_size(scope: Scope) -> None:
    n_bytes = sum(len(name) + len(value) for name, value in scope["headers"])
    if n_bytes > MAX_HEADER_BYTES:
        raise RefusedError(431, f"the headers are larger than {MAX_HEADER_BYTES:,} bytes")


def _failure(line: LogLine) -> RefusedError:
    log.exception("request %s failed", line.request_id)
    return RefusedError(500, "the service failed; its log has the traceback")


def _headers_of(refusal: RefusedError) -> RawHeaders:
    return [(name.lower().encode(), value.encode()) for name, value in refusal.headers.items()]


async def _send_short(send: Send, message: Message) -> None:
    """Send why the start failed in one line, if it is an error of ours."""
    if message["type"] == "lifespan.startup.failed":
        kind, _, reason = message["message"].strip().splitlines()[-1].partition(": ")
        if kind.startswith(f"{__name__.partition('.')[0]}."):
            message = {**message, "message": reason}
    await send(message)
