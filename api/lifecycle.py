"""How the service begins and ends. On SIGTERM it lets go of clients before it lets go of work."""

import asyncio
import logging
import signal
from functools import partial
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.connections import BoundedHttp
from api.telemetry import Telemetry

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
