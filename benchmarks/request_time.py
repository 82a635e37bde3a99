"""Where the microseconds of a request to /predict go, in the process of the server."""

import json
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from time import perf_counter
from typing import Any

import uvloop
from starlette.types import Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.server import ServerState

from benchmarks.adult import Row
from benchmarks.answers import one_row
from tabproof.service import predictions as predictions_module
from tabproof.service import telemetry as telemetry_module
from tabproof.service.endpoints import Endpoints
from tabproof.service.gate import Gate
from tabproof.service.model_store import ModelStore
from tabproof.service.server import BoundedHttp, Lifecycle
from tabproof.service.settings import Settings
from tabproof.service.telemetry import Telemetry
from tabproof.service.workers import Workers

HEAD = (
    "POST /predict HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nContent-Type: application/json\r\n"
    "Content-Length: {length}\r\n\r\n"
)
N_ROUNDS = 9


class _Transport:
    """A connection that drops what is written: system calls are measured from outside."""

    def write(self, data: bytes) -> None:
        pass

    def is_closing(self) -> bool:
        return False

    def get_extra_info(self, name: str) -> Any:
        return ("127.0.0.1", 8000) if name.endswith("name") else None

    def resume_reading(self) -> None:
        pass


class _Clock:
    """Add up the seconds of functions, each without those that it calls."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._of_called: list[float] = [0.0]

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, whose seconds count for a part."""
        self.seconds[part] = 0.0

        @wraps(function)
        def call(*arguments: Any, **options: Any) -> Any:
            self._of_called.append(0.0)
            start = perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                took = perf_counter() - start
                self.seconds[part] += took - self._of_called.pop()
                self._of_called[-1] += took

        return call

    def measure(self, part: str, owner: Any, name: str) -> None:
        """Count the seconds of a function for a part, wherever it is called by its owner."""
        object.__setattr__(owner, name, self.timed(part, getattr(owner, name)))


def measure_request(directory: Path, rows: Sequence[Row]) -> dict[str, float]:
    """Return microseconds by part of a request; directory: that of models/ and outputs/.

    Requests go one after the other through the objects of the service itself; each part is the
    best of some rounds over all rows. The clock itself takes half a microsecond a part.
    """
    settings = Settings(models=directory / "models", outputs=directory / "outputs")
    store, telemetry = ModelStore(settings), Telemetry(str(directory / "request_time.log"))
    endpoints = Endpoints(store, settings, telemetry, Lifecycle(), Workers(None))
    store.reload(None)
    model = store.served.find()
    bodies = [json.dumps(one_row(row)).encode() for row in rows]
    requests = [HEAD.format(length=len(body)).encode() + body for body in bodies]

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        """No request reaches it."""

    clock, loop = _Clock(), uvloop.new_event_loop()
    at_once = clock.timed("path, headers, limits", Gate(application, endpoints).answer_at_once)
    config = Config(application, log_config=None)
    connection = BoundedHttp(
        telemetry, at_once, config=config, server_state=ServerState(), app_state={}, _loop=loop
    )
    connection.connection_made(_Transport())
    receive = clock.timed("HTTP: uvicorn, httptools", connection.data_received)
    clock.measure("writing the log line", telemetry_module.os, "write")
    clock.measure("metrics", telemetry, "request")
    clock.measure("metrics", telemetry, "predictions")
    clock.measure("decoding JSON", predictions_module, "decode_row")
    clock.measure("encoding JSON", predictions_module, "_encode")
    clock.measure("cells to values, warnings", model.reader, "read")
    clock.measure("scoring", model.scorer, "predict_row")
    clock.measure("label and probabilities", model, "score_row")
    best: dict[str, float] = {}
    for _ in range(N_ROUNDS):
        clock.seconds = dict.fromkeys(clock.seconds, 0.0)
        for request in requests:
            receive(request)
        found = {part: seconds / len(rows) * 1e6 for part, seconds in clock.seconds.items()}
        best = {part: min(us, best.get(part, us)) for part, us in found.items()}
    loop.close()
    return best
