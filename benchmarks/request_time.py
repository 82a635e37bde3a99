"""Where the microseconds of a request to /predict go, in the process of the server."""

import asyncio
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import msgspec
from starlette.types import Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.server import ServerState

from benchmarks.adult import Row
from benchmarks.answers import one_row
from tabproof.service.endpoints import Endpoints
from tabproof.service.gate import Gate
from tabproof.service.model_store import ModelStore
from tabproof.service.rows import decode_row
from tabproof.service.server import AnswerAtOnce, BoundedHttp, Lifecycle
from tabproof.service.settings import Settings
from tabproof.service.telemetry import LogLine, Telemetry
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


def measure_request(directory: Path, rows: Sequence[Row]) -> dict[str, float]:
    """Return microseconds by part of a request; directory: that of models/ and outputs/.

    Each part is the best round over all rows, with the objects of the service itself.
    """
    settings = Settings(models=directory / "models", outputs=directory / "outputs")
    store, log = ModelStore(settings), directory / "request_time.log"
    telemetry = Telemetry(str(log))
    endpoints = Endpoints(store, settings, telemetry, Lifecycle(), Workers(None))
    store.reload(None)
    model, encode = store.served.find(), msgspec.json.Encoder().encode
    bodies = [json.dumps(one_row(row)).encode() for row in rows]
    requests = [HEAD.format(length=len(body)).encode() + body for body in bodies]
    decoded = [decode_row(body) for body in bodies]
    values = [model.reader.read(row, []) for row in decoded]
    answers = [model.predict_row(row, strict=False) for row in decoded]
    line = LogLine(request_id="0" * 16, method="POST", route="/predict", status=200, rows=1)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        """No request reaches it."""

    gate, loop = Gate(application, endpoints), asyncio.new_event_loop()

    def receiver(at_once: AnswerAtOnce) -> Callable[[bytes], None]:
        config = Config(application, log_config=None)
        connection = BoundedHttp(
            telemetry, at_once, config=config, server_state=ServerState(), app_state={}, _loop=loop
        )
        connection.connection_made(_Transport())
        return connection.data_received

    def count(label: str) -> None:
        telemetry.predictions("adult", (label,))
        telemetry.request(line, 0.0)

    scope = {"path": "/predict", "method": "POST", "query_string": b"", "root_path": ""}
    response = gate.answer_at_once({**scope, "headers": []}, bodies[0])
    with log.open("ab") as file:
        written = _microseconds(lambda text: os.write(file.fileno(), text), [encode(line)] * 200)
    total = _microseconds(receiver(gate.answer_at_once), requests)
    http = _microseconds(receiver(lambda _scope, _body: response), requests)
    decoding = _microseconds(decode_row, bodies)
    reading = _microseconds(lambda row: model.reader.read(row, []), decoded)
    scoring = _microseconds(model.scorer.predict_row, values)
    predicting = _microseconds(lambda row: model.predict_row(row, strict=False), decoded)
    encoding = _microseconds(encode, answers)
    counting = _microseconds(count, [answer.label for answer in answers])
    loop.close()
    return {
        "HTTP: uvicorn, httptools, head of the response": http,
        "path, headers, limits": total - http - decoding - predicting - encoding - counting,
        "decoding JSON": decoding,
        "cells to values, warnings": reading,
        "scoring": scoring,
        "label and probabilities": predicting - reading - scoring,
        "encoding JSON": encoding,
        "metrics": counting - written,
        "writing the log line": written,
    }


def _microseconds(work: Callable[[Any], object], items: Sequence[Any]) -> float:
    best = float("inf")
    for _ in range(N_ROUNDS):
        start = perf_counter()
        for item in items:
            work(item)
        best = min(best, perf_counter() - start)
    return best / len(items) * 1e6
