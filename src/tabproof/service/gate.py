"""The gate: every request passes it, and each leaves with an answer, a count and a log line.

Plain ASGI. Predictions are answered here, before any router: framework code around an answer
would cost more than the answer. All else goes on to FastAPI.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from secrets import token_hex
from time import perf_counter
from typing import Any

import msgspec

from tabproof.service.answers import Problem, RefusedError
from tabproof.service.endpoints import Answer, Predictions
from tabproof.service.inference_protocol import LENGTH_HEADER
from tabproof.service.security import HEADERS, check_key
from tabproof.service.server import Lifecycle
from tabproof.service.settings import Settings
from tabproof.service.telemetry import Telemetry

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
JSON = (b"content-type", b"application/json")
CLOSE = (b"connection", b"close")
MOST_HEADER_BYTES = 2**16
# How long a client may go on sending a body that was refused, until it reads the answer.
LINGER_SECONDS = 2.0
# And how much, as a multiple of what a body may have.
MOST_SWALLOWED = 4

log = logging.getLogger("uvicorn.error")


@dataclass(slots=True)
class Exchange:
    """A request, and what has become of it."""

    scope: Scope
    receive: Receive
    send: Send
    request_id: bytes
    started: float = field(default_factory=perf_counter)
    route: str = "unmatched"
    status: int = 500
    run_id: str | None = None
    rows: int = 0
    is_answered: bool = False
    # Whether a body is still to come, and what of it is held.
    is_awaited: bool = False
    n_bytes: int = 0


class Gate:
    """The outermost middleware of the application."""

    def __init__(
        self,
        app: App,
        *,
        settings: Settings,
        predictions: Predictions,
        telemetry: Telemetry,
        lifecycle: Lifecycle,
    ) -> None:
        self._app = app
        self._settings = settings
        self._predictions = predictions
        self._telemetry = telemetry
        self._lifecycle = lifecycle
        self._encode = msgspec.json.Encoder().encode
        self._in_flight = self._bytes_in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, whatever it is."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        request_id = headers.get(b"x-request-id", b"")
        if REQUEST_ID.fullmatch(request_id) is None:
            request_id = token_hex(8).encode()
        exchange = Exchange(scope, receive, send, request_id)
        length = headers.get(b"content-length", b"0")
        exchange.is_awaited = length != b"0" or b"transfer-encoding" in headers
        try:
            await self._answer(exchange, headers)
        except RefusedError as refusal:
            await self._refuse(exchange, refusal)
        except ConnectionError:
            exchange.status = 499  # the client went away
        except Exception:
            log.exception("request %s failed", request_id.decode())
            await self._refuse(
                exchange, RefusedError(500, "the service failed; its log has the cause")
            )
        finally:
            self._telemetry.request(
                request_id=request_id.decode(),
                method=scope["method"],
                route=exchange.route,
                status=exchange.status,
                seconds=perf_counter() - exchange.started,
                run_id=exchange.run_id,
                rows=exchange.rows,
            )

    async def _answer(self, exchange: Exchange, headers: dict[bytes, bytes]) -> None:
        if sum(len(name) + len(value) for name, value in exchange.scope["headers"]) > (
            MOST_HEADER_BYTES
        ):
            raise RefusedError(431, f"the headers are larger than {MOST_HEADER_BYTES:,} bytes")
        found = self._predictions.find(exchange.scope["path"])
        if found is None:
            await self._pass_on(exchange)
            return
        exchange.route = found.route
        if exchange.scope["method"] != "POST":
            raise RefusedError(405, "predictions take POST", headers={"Allow": "POST"})
        check_key(self._settings.key, headers)
        _check_content_type(headers, takes_bytes=found.takes_bytes)
        if self._in_flight >= self._settings.max_in_flight:
            raise RefusedError(503, "too many requests at once", headers={"Retry-After": "1"})
        self._in_flight += 1
        try:
            content = await self._body(exchange, headers)
            answer = found.answer(exchange.scope["query_string"], content, headers)
            if not isinstance(answer, Answer):
                answer = await answer
        finally:
            self._in_flight -= 1
            self._bytes_in_flight -= exchange.n_bytes
        exchange.run_id, exchange.rows = answer.run_id, answer.rows
        self._telemetry.predictions(answer.model, answer.labels)
        await self._send(exchange, 200, answer.content, [])

    async def _body(self, exchange: Exchange, headers: dict[bytes, bytes]) -> bytes:
        """Receive a body within its limits."""
        if int(headers.get(b"content-length", b"0")) > self._settings.max_body_bytes:
            raise self._too_large()
        parts: list[bytes] = []
        try:
            async with asyncio.timeout(self._settings.request_timeout_seconds):
                await self._receive(exchange, parts)
        except TimeoutError:
            raise RefusedError(408, "the body took too long to arrive") from None
        return b"".join(parts)

    async def _receive(self, exchange: Exchange, parts: list[bytes]) -> None:
        more = True
        while more:
            message = await exchange.receive()
            if message["type"] == "http.disconnect":
                raise ConnectionError
            parts.append(message.get("body", b""))
            exchange.n_bytes += len(parts[-1])
            self._bytes_in_flight += len(parts[-1])
            if exchange.n_bytes > self._settings.max_body_bytes:
                raise self._too_large()
            if self._bytes_in_flight > self._settings.max_bytes_in_flight:
                raise RefusedError(503, "too much at once", headers={"Retry-After": "1"})
            more = message.get("more_body", False)
        exchange.is_awaited = False

    def _too_large(self) -> RefusedError:
        limit = self._settings.max_body_bytes
        return RefusedError(413, f"the body is larger than {limit:,} bytes; send it in parts")

    async def _pass_on(self, exchange: Exchange) -> None:
        """Let FastAPI answer, and add what every answer has."""

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                await self._swallow(exchange, 0.0)
                exchange.status, exchange.is_answered = message["status"], True
                own = {name for name, _ in message["headers"]}
                added = [header for header in self._headers(exchange) if header[0] not in own]
                message["headers"] = [*message["headers"], *added]
            elif exchange.is_awaited and not message.get("more_body", False):
                await exchange.send({**message, "more_body": True})
                await self._swallow(exchange, LINGER_SECONDS)
                message = {"type": "http.response.body", "body": b""}
            await exchange.send(message)

        try:
            await self._app(exchange.scope, self._limited(exchange), send)
        finally:
            route = exchange.scope.get("route")
            exchange.route = getattr(route, "path", exchange.route)

    def _limited(self, exchange: Exchange) -> Receive:
        """Count what is received: no body that FastAPI reads is large."""
        received = 0

        async def receive() -> Message:
            nonlocal received
            message = await exchange.receive()
            received += len(message.get("body", b""))
            if received > self._settings.max_body_bytes:
                raise self._too_large()
            exchange.is_awaited = message.get("more_body", False)
            return message

        return receive

    async def _refuse(self, exchange: Exchange, refusal: RefusedError) -> None:
        if exchange.is_answered:
            return  # too late to say anything else
        headers = [(k.lower().encode(), v.encode()) for k, v in refusal.headers.items()]
        problem = Problem(refusal.detail, exchange.request_id.decode(), refusal.difference)
        content = self._encode(problem)
        if exchange.scope["path"].startswith("/v2"):
            content = self._encode({"error": refusal.detail})
        await self._send(exchange, refusal.status, content, headers)

    async def _send(
        self,
        exchange: Exchange,
        status: int,
        content: bytes,
        headers: list[tuple[bytes, bytes]],
    ) -> None:
        await self._swallow(exchange, 0.0)
        exchange.status, exchange.is_answered = status, True
        length = (b"content-length", str(len(content)).encode())
        every = [JSON, length, *self._headers(exchange), *headers]
        await exchange.send({"type": "http.response.start", "status": status, "headers": every})
        if exchange.is_awaited:
            await exchange.send({"type": "http.response.body", "body": content, "more_body": True})
            await self._swallow(exchange, LINGER_SECONDS)
            content = b""
        await exchange.send({"type": "http.response.body", "body": content})

    def _headers(self, exchange: Exchange) -> list[tuple[bytes, bytes]]:
        headers = [(b"x-request-id", exchange.request_id), *HEADERS]
        # What is left of a body that nobody wants has no end.
        ends = self._lifecycle.is_closing or exchange.is_awaited
        return [*headers, CLOSE] if ends else headers

    async def _swallow(self, exchange: Exchange, seconds: float) -> None:
        """Take what is left of a body, for so long: 0 takes what has arrived already.

        To close on a client that is still sending would tear the answer away from it.
        """
        left = MOST_SWALLOWED * self._settings.max_body_bytes
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while exchange.is_awaited and left > 0:
                    message = await exchange.receive()
                    left -= len(message.get("body", b""))
                    exchange.is_awaited = message.get("more_body", False)


def _check_content_type(headers: dict[bytes, bytes], *, takes_bytes: bool) -> None:
    if takes_bytes and LENGTH_HEADER in headers:
        return
    content_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if content_type != b"application/json":
        raise RefusedError(415, "a body is JSON: send the header 'Content-Type: application/json'")
