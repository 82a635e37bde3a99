"""The outermost middleware: limits, error responses, metrics and a log line for every request.

Plain ASGI. Predictions are handled here, before FastAPI's router, because framework code would
cost more than the prediction. All other requests are passed on to FastAPI.
"""

import asyncio
import logging
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from secrets import token_hex
from time import perf_counter

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tabproof.service.answers import Problem, RawHeaders, RefusedError, response_headers
from tabproof.service.endpoints import ENDPOINTS, Answer, Endpoints, knows_secret
from tabproof.service.inference_protocol import LENGTH_HEADER
from tabproof.service.telemetry import LogLine

REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
MAX_HEADER_BYTES = 2**16
# The rest of a refused body is read for some seconds, up to a multiple of the largest body that
# is allowed: closing while the client is still sending would make it lose the response.
LINGER_SECONDS, MAX_DRAINED = 2.0, 4
RETRY_SOON = {"Retry-After": "1"}
# Paths without placeholders, which contain nothing that a client typed.
PLAIN_PATHS = {endpoint.path for endpoint in ENDPOINTS if "{" not in endpoint.path}

log = logging.getLogger("uvicorn.error")


@dataclass(slots=True)
class Exchange:
    """A request and its state."""

    scope: Scope
    receive: Receive
    send: Send
    headers: dict[bytes, bytes]
    line: LogLine
    # More of the body is to come, and the bytes received so far.
    has_more_body: bool
    n_bytes: int = 0
    is_answered: bool = False


class Gate:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, endpoints: Endpoints) -> None:
        self._app, self._endpoints, self._settings = app, endpoints, endpoints.settings
        self._encode = msgspec.json.Encoder().encode
        self._in_flight = self._bytes_in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        request_id = headers.get(b"x-request-id", b"")
        if REQUEST_ID.fullmatch(request_id) is None:
            request_id = token_hex(8).encode()
        length = headers.get(b"content-length", b"0")
        has_body = length != b"0" or b"transfer-encoding" in headers
        line = LogLine(request_id=request_id.decode(), method=scope["method"])
        exchange = Exchange(scope, receive, send, headers, line, has_body)
        try:
            await self._answer(exchange)
        except RefusedError as refusal:
            await self._refuse(exchange, refusal)
        except ConnectionError:
            exchange.line.status = 499  # the client disconnected
        except Exception:
            log.exception("request %s failed", line.request_id)
            failure = RefusedError(500, "the service failed; its log has the traceback")
            await self._refuse(exchange, failure)
        finally:
            self._endpoints.telemetry.request(line, perf_counter() - started)

    async def _answer(self, exchange: Exchange) -> None:
        headers, key = exchange.headers, self._settings.key
        n_bytes = sum(len(name) + len(value) for name, value in exchange.scope["headers"])
        if n_bytes > MAX_HEADER_BYTES:
            raise RefusedError(431, f"the headers are larger than {MAX_HEADER_BYTES:,} bytes")
        path: str = exchange.scope["path"]
        found = self._endpoints.find_prediction(path)
        if found is None:
            # FastAPI's routes read no body.
            try:
                await self._app(exchange.scope, exchange.receive, partial(self._send, exchange))
            finally:
                # A method that is not allowed matches no route, but its path is known.
                template = path if path in PLAIN_PATHS else exchange.line.route
                exchange.line.route = getattr(exchange.scope.get("route"), "path", template)
            return
        endpoint, names = found
        exchange.line.route = endpoint.path
        if exchange.scope["method"] != "POST":
            raise RefusedError(405, "predictions take POST", headers={"Allow": "POST"})
        sent = headers.get(b"authorization", b""), headers.get(b"x-api-key", b"")
        if key and not knows_secret(key, *sent):
            reason = "predictions need the header X-API-Key"
            raise RefusedError(401, reason, headers={"WWW-Authenticate": "Bearer"})
        content_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        has_bytes = endpoint.body == "tensors" and LENGTH_HEADER in headers
        if content_type != b"application/json" and not has_bytes:
            reason = "a body is JSON: send the header 'Content-Type: application/json'"
            raise RefusedError(415, reason)
        if self._in_flight >= self._settings.max_in_flight:
            raise RefusedError(503, "too many requests in flight", RETRY_SOON)
        self._in_flight += 1
        try:
            content = await self._body(exchange)
            query = exchange.scope["query_string"]
            answer = self._endpoints.predict(endpoint.body, names, query, content, headers)
            if not isinstance(answer, Answer):
                answer = await answer
        finally:
            self._in_flight -= 1
            self._bytes_in_flight -= exchange.n_bytes
        exchange.line.run_id, exchange.line.rows = answer.model.run_id, len(answer.labels)
        self._endpoints.telemetry.predictions(answer.model.name, answer.labels)
        await self._respond(exchange, 200, answer.content, [])

    async def _body(self, exchange: Exchange) -> bytes:
        """Receive the body, within the limits of size and time."""
        limit = self._settings.max_body_bytes
        declared = int(exchange.headers.get(b"content-length", b"0"))
        parts: list[bytes] = []
        more = True
        try:
            async with asyncio.timeout(self._settings.request_timeout_seconds):
                while True:
                    if max(declared, exchange.n_bytes) > limit:
                        reason = f"the body is larger than {limit:,} bytes; send it in parts"
                        raise RefusedError(413, reason)
                    if self._bytes_in_flight > self._settings.max_bytes_in_flight:
                        raise RefusedError(503, "too many bytes in flight", RETRY_SOON)
                    if not more:
                        break
                    message = await exchange.receive()
                    if message["type"] == "http.disconnect":
                        raise ConnectionError
                    parts.append(message.get("body", b""))
                    exchange.n_bytes += len(parts[-1])
                    self._bytes_in_flight += len(parts[-1])
                    more = message.get("more_body", False)
        except TimeoutError:
            raise RefusedError(408, "the body took too long to arrive") from None
        exchange.has_more_body = False
        return b"".join(parts)

    async def _refuse(self, exchange: Exchange, refusal: RefusedError) -> None:
        if exchange.is_answered:
            return  # the response has begun
        problem = Problem(refusal.detail, exchange.line.request_id, refusal.difference)
        is_protocol = exchange.scope["path"].startswith("/v2")
        content = self._encode({"error": refusal.detail} if is_protocol else problem)
        headers = [(k.lower().encode(), v.encode()) for k, v in refusal.headers.items()]
        await self._respond(exchange, refusal.status, content, headers)

    async def _respond(
        self, exchange: Exchange, status: int, content: bytes, headers: RawHeaders
    ) -> None:
        kind, length = (b"content-type", b"application/json"), b"%d" % len(content)
        headers = [kind, (b"content-length", length), *headers]
        start = {"type": "http.response.start", "status": status, "headers": headers}
        await self._send(exchange, start)
        await self._send(exchange, {"type": "http.response.body", "body": content})

    async def _send(self, exchange: Exchange, message: Message) -> None:
        """Send a message of a response, with the headers that every response has."""
        if message["type"] == "http.response.start":
            await self._drain_body(exchange, 0.0)
            exchange.line.status, exchange.is_answered = message["status"], True
            # The rest of an unread body may be endless, so the connection is closed.
            closes = self._endpoints.lifecycle.is_closing or exchange.has_more_body
            common = response_headers(exchange.line.request_id, closes=closes)
            names = {name for name, _ in message["headers"]}
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
