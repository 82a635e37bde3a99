"""Start and graceful stop of the service, limits on request heads, and responses without a task."""

import asyncio
import logging
import signal
from collections.abc import Callable
from functools import partial
from secrets import token_hex
from typing import Any, cast

import msgspec
from httptools import HttpParserUpgrade, HttpRequestParser
from starlette.types import ASGIApp, Scope
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from tabproof.service.answers import Problem, RawHeaders, content_headers, response_headers
from tabproof.service.telemetry import LogLine, Telemetry

# More than the middleware allows, because bytes behind the head may be counted with it.
MAX_HEAD_BYTES = 2**19
HEAD_SECONDS = 10.0
# Seconds in which the client can read the error before the connection is closed.
LINGER_SECONDS = 2.0
# Seconds between the last new connection and closing idle ones. A request sent meanwhile is
# answered with `Connection: close` instead of being reset.
GRACE_SECONDS = 0.5
# Many clients send a body in a packet of its own, just behind that of the head.
BODY_SECONDS = 0.005
# In the state of a request: whether its peer is one of uvicorn's --forwarded-allow-ips.
IS_TRUSTED_PROXY = "is_trusted_proxy"
# `Gate.answer_at_once`.
AnswerAtOnce = Callable[[Scope, bytes], tuple[int, RawHeaders, bytes] | None]

log = logging.getLogger("uvicorn.error")


class _Parser(HttpRequestParser):
    """httptools' parser, which reads on where a request would leave HTTP/1.1.

    httptools drops the body of a request with `Upgrade`. A server may ignore the header (RFC 9110,
    section 7.8), so the head is parsed again without it.
    """

    def __init__(self, protocol: "BoundedHttp") -> None:
        super().__init__(protocol)
        # As in uvicorn: pipelined requests behind one that closes are read.
        self.set_dangerous_leniencies(lenient_data_after_close=True)
        self._protocol = protocol

    def feed_data(self, data: Any) -> None:
        """Parse data; raise HttpParserUpgrade only for an upgrade that uvicorn makes."""
        parser = self
        while True:
            try:
                HttpRequestParser.feed_data(parser, data)
            except HttpParserUpgrade as upgrade:
                head = self._protocol.take_ignored_head()
                if head is None:
                    raise
                data = head + bytes(data[upgrade.args[0] :])
                # This one reads nothing behind `Connection: close`.
                parser = self._protocol.parser = _Parser(self._protocol)
            else:
                return


class BoundedHttp(HttpToolsProtocol):
    """uvicorn's protocol, with limits on the bytes and the seconds of a request head.

    Upgrades that uvicorn does not make are ignored. uvicorn starts a task when the head of a
    request is complete. Here it starts when the body is complete or late: a prediction whose body
    came soon may be answered by `at_once`, which costs less than a task.
    """

    def __init__(self, telemetry: Telemetry, at_once: AnswerAtOnce | None, **settings: Any) -> None:
        super().__init__(**settings)
        self._telemetry, self._at_once = telemetry, at_once
        self._is_reading = False
        self._not_started: tuple[RequestResponseCycle, Any] | None = None
        self._start_timer: asyncio.TimerHandle | None = None
        self._n_head_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._is_head_awaited = self._is_head_new = False
        self._is_refused = self._is_ignoring_upgrade = False
        self.parser = _Parser(self)

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for the head of the first request."""
        super().connection_made(transport)
        # Before uvicorn replaces the client by that of X-Forwarded-For.
        if isinstance(proxies := self.app, ProxyHeadersMiddleware):
            is_trusted = (self.client[0] if self.client else None) in proxies.trusted_hosts
            self.app_state = {**self.app_state, IS_TRUSTED_PROXY: is_trusted}
        self._time_head(is_awaited=True)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._time_head(is_awaited=False)
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Begin to wait for the rest of a head."""
        super().on_message_begin()
        self._is_head_awaited = self._is_head_new = True
        self._n_head_bytes = 0

    def on_headers_complete(self) -> None:
        """Read on behind a head, unless it is to be parsed again."""
        self._is_head_awaited = False  # the middleware limits the body
        if self.parser.should_upgrade() and not self._should_upgrade():
            # A tunnel has no request behind its head.
            self._is_ignoring_upgrade = self.parser.get_method() != b"CONNECT"
        if not self._is_ignoring_upgrade:
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Answer a request whose body is complete, if it needs no task."""
        if self._is_ignoring_upgrade:
            return
        super().on_message_complete()
        if self._not_started is not None and self._not_started[0] is self.cycle:
            self._answer_at_once(self.cycle)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if self._is_reading and app is self.app and self._at_once is not None:
            self._not_started = cycle, app
        else:
            super()._start_asgi_task(cycle, app)

    def _start_task(self) -> None:
        """Start the task of a request, if there is one that was not started."""
        if self._not_started is not None:
            waiting, self._not_started = self._not_started, None
            super()._start_asgi_task(*waiting)

    def _answer_at_once(self, cycle: RequestResponseCycle) -> None:
        if self._at_once is None or self.flow.write_paused:
            return
        response = self._at_once(cast(Scope, cycle.scope), bytes(cycle.body))
        if response is None:
            return
        self._not_started = None
        status, headers, content = response
        headers = [*self.server_state.default_headers, *headers]
        if not cycle.keep_alive:
            headers.append((b"connection", b"close"))
        self._write(status, headers, content)
        cycle.response_started = cycle.response_complete = True
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def _write(self, status: int, headers: RawHeaders, content: bytes) -> None:
        lines = map(b"%b: %b\r\n".__mod__, headers)
        self.transport.write(b"".join([STATUS_LINE[status], *lines, b"\r\n", content]))

    def take_ignored_head(self) -> bytes | None:
        """Return the head to parse again, without Upgrade; None if no upgrade is ignored."""
        if not self._is_ignoring_upgrade:
            return None
        self._is_ignoring_upgrade = False
        version = self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, version)]
        lines += [b"%s: %s" % header for header in self.headers if header[0] != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived, then start a task for a request that needs one."""
        if self._is_refused:
            return
        if self._start_timer is not None:
            self._start_timer.cancel()
            self._start_timer = None
        before = self._not_started
        self._is_reading = True
        try:
            super().data_received(data)
        finally:
            self._is_reading = False
        if (new := self._not_started) is None or new is before or not _may_follow(new[0]):
            self._start_task()
        else:
            self._start_timer = self.loop.call_later(BODY_SECONDS, self._start_task)
        if self._is_head_new or not self._is_head_awaited:
            self._time_head(is_awaited=self._is_head_awaited)
        if self._timer is not None:
            self._n_head_bytes += len(data)
            if self._n_head_bytes > MAX_HEAD_BYTES:
                self._refuse(431, "the head of the request is too large")

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, in the form of all other errors."""
        self._refuse(400, msg)

    def _time_head(self, *, is_awaited: bool) -> None:
        self._is_head_awaited, self._is_head_new, self._n_head_bytes = is_awaited, False, 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if is_awaited:
            detail = "the head of the request took too long to arrive"
            self._timer = self.loop.call_later(HEAD_SECONDS, self._refuse, 408, detail)

    def _refuse(self, status: int, detail: str) -> None:
        self._time_head(is_awaited=False)
        if self.transport.is_closing() or self._is_refused:
            return
        self._is_refused = True
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if not cycle.more_body:
                cycle.keep_alive = False  # the response before it closes the connection
                return
            cycle.disconnected = True  # the rest of this body will not arrive
            cycle.message_event.set()
        request_id = token_hex(8)
        content = msgspec.json.encode(Problem(detail, request_id))
        self._write(
            status, [*response_headers(request_id, closes=True), *content_headers(content)], content
        )
        # Closing while the client is still sending would make it lose the response.
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)
        self._telemetry.request(LogLine(request_id=request_id, status=status))


def _may_follow(cycle: RequestResponseCycle) -> bool:
    """Return whether a body is to come without being asked for."""
    return cycle.more_body and not cycle.waiting_for_100_continue


class Lifecycle:
    """State of the process; is_closing: each response closes its connection."""

    is_ready = True
    is_closing = False

    def attach(
        self,
        app: ASGIApp,
        telemetry: Telemetry,
        drain_seconds: float,
        at_once: AnswerAtOnce | None,
    ) -> None:
        """Adjust uvicorn: exit code 0 after SIGTERM, no Server header, limits on request heads.

        at_once: answers predictions without a task, if uvicorn runs the app itself.
        """
        handler = signal.getsignal(signal.SIGTERM)
        server: Any = getattr(handler, "__self__", None)
        if not hasattr(server, "should_exit"):
            return  # another server
        config = server.config
        config.encoded_headers = [h for h in config.encoded_headers if h[0] != b"server"]
        if config.http_protocol_class is HttpToolsProtocol:
            loaded = config.loaded_app
            if isinstance(loaded, ProxyHeadersMiddleware):
                loaded = loaded.app
            at_once = at_once if loaded is app else None
            config.http_protocol_class = partial(BoundedHttp, telemetry, at_once)
        loop = asyncio.get_running_loop()
        tasks: list[asyncio.Task[None]] = []

        async def stop() -> None:
            log.info("SIGTERM: no longer ready; finishing what is in flight")
            self.is_ready = False
            await asyncio.sleep(drain_seconds)
            # There are none yet while models are pulled at start-up.
            for listener in getattr(server, "servers", []):
                listener.close()
            self.is_closing = True
            await asyncio.sleep(GRACE_SECONDS)
            server.should_exit = True

        def stop_once() -> None:
            if not tasks:  # a second signal changes nothing
                tasks.append(loop.create_task(stop()))

        loop.add_signal_handler(signal.SIGTERM, stop_once)
