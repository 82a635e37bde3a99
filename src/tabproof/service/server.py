"""How the service begins and ends. On SIGTERM it lets go of clients before it lets go of work."""

import asyncio
import logging
import signal
from functools import partial
from secrets import token_hex
from typing import Any

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tabproof.service.answers import Problem
from tabproof.service.security import HEADERS
from tabproof.service.telemetry import Telemetry

# --- Connections that bound the head of a request, in bytes and in time.

# More than the gate takes: what arrives together with a head's end is counted with it.
MOST_HEAD_BYTES = 2**19
HEAD_SECONDS = 10.0
# How long a client may go on sending, until it reads that nobody listens.
LINGER_SECONDS = 2.0
STATUS_LINES = {
    400: b"HTTP/1.1 400 Bad Request\r\n",
    408: b"HTTP/1.1 408 Request Timeout\r\n",
    431: b"HTTP/1.1 431 Request Header Fields Too Large\r\n",
}


class BoundedHttp(HttpToolsProtocol):
    """uvicorn's own protocol, with an end to waiting for a head."""

    def __init__(self, telemetry: Telemetry, **settings: Any) -> None:
        super().__init__(**settings)
        self._telemetry = telemetry
        self._n_head_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._is_refused = False

    def connection_made(self, transport: Any) -> None:
        """Wait for the first head."""
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._stop_waiting()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Wait for the rest of a head."""
        super().on_message_begin()
        if self._timer is None:
            self._wait_for_head()

    def on_headers_complete(self) -> None:
        """Wait no longer; the gate bounds what follows."""
        self._stop_waiting()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Count what belongs to a head that has no end yet."""
        if self._is_refused:
            return
        super().data_received(data)
        if self._timer is not None:
            self._n_head_bytes += len(data)
            if self._n_head_bytes > MOST_HEAD_BYTES:
                self._refuse(431, "the head of the request is too large")

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP as everything else is answered."""
        self._refuse(400, msg)

    def _wait_for_head(self) -> None:
        self._n_head_bytes = 0
        self._timer = self.loop.call_later(
            HEAD_SECONDS, self._refuse, 408, "the head of the request took too long to arrive"
        )

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, status: int, detail: str) -> None:
        self._stop_waiting()
        if self.transport.is_closing() or self._is_refused:
            return
        self._is_refused = True
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if not cycle.more_body:
                cycle.keep_alive = False  # the answer before it ends the connection
                return
            cycle.disconnected = True  # the rest of this body will never come
            cycle.message_event.set()
        request_id = token_hex(8)
        content = msgspec.json.encode(Problem(detail, request_id))
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(content)).encode()),
            (b"connection", b"close"),
            (b"x-request-id", request_id.encode()),
            *HEADERS,
        ]
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
        self.transport.write(STATUS_LINES[status] + lines + b"\r\n" + content)
        # To close on a client that is still sending would tear the answer away from it.
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)
        self._telemetry.request(
            request_id=request_id,
            method="unread",
            route="unmatched",
            status=status,
            seconds=0.0,
            run_id=None,
            rows=0,
        )


log = logging.getLogger("uvicorn.error")

# Between the last new connection and the end of idle ones: who sends a request meanwhile is
# answered, and told to close, instead of writing into a connection that is being closed.
GRACE_SECONDS = 0.5


class Lifecycle:
    """is_ready: `/ready` says so. is_closing: each answer ends its connection."""

    def __init__(self, drain_seconds: float, telemetry: Telemetry) -> None:
        self.is_ready = True
        self.is_closing = False
        self._drain_seconds = drain_seconds
        self._telemetry = telemetry
        self._ending: asyncio.Task[None] | None = None

    def take_over(self) -> None:
        """Take over what uvicorn leaves open: SIGTERM, by which it would end instead of with 0;
        its banner; heads of requests that never end.
        """
        handler = signal.getsignal(signal.SIGTERM)
        server: Any = getattr(handler, "__self__", None)
        if not hasattr(server, "should_exit"):
            return  # another server, which knows what it does
        config = server.config
        config.encoded_headers = [h for h in config.encoded_headers if h[0] != b"server"]
        if config.http_protocol_class is HttpToolsProtocol:
            config.http_protocol_class = partial(BoundedHttp, self._telemetry)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._begin_to_end, server)

    def _begin_to_end(self, server: Any) -> None:
        if self._ending is None:
            self._ending = asyncio.get_running_loop().create_task(self._end(server))

    async def _end(self, server: Any) -> None:
        log.info("SIGTERM: no longer ready; finishing what is in flight")
        self.is_ready = False
        await asyncio.sleep(self._drain_seconds)
        # There are none yet where it ends while models are pulled.
        for listener in getattr(server, "servers", []):
            listener.close()
        self.is_closing = True
        await asyncio.sleep(GRACE_SECONDS)
        server.should_exit = True
