"""Bodies within every limit that are as expensive as possible: other requests are not delayed."""

import json
import socket
from contextlib import suppress
from http.client import HTTPException
from threading import Thread
from time import perf_counter, sleep

from benchmarks.adult import Row
from benchmarks.endurance.raw import post, receive
from benchmarks.endurance.world import World, require, wait_until_serving
from benchmarks.service import ANSWER_SECONDS, HOST, Service

MAX_SECONDS = 1.0
ASKING_SECONDS = 0.005
# Below the 8 MiB that a body may have.
N_BYTES = 7_000_000


def heavy_bodies(row: Row) -> dict[str, bytes]:
    """Return requests by name."""
    unknown = ",".join(f'"u{number}":1' for number in range(N_BYTES // 12))
    inputs = '{"name":"age","shape":[1],"datatype":"FP64","data":[1]}'
    return {
        "full rows": _rows(json.dumps(row), 10_000),
        "rows of one cell": _rows('{"age":1}', 10_000),
        "too many rows": _rows("{}", N_BYTES // 3),
        "wrong cells": _rows('{"age":[]}', N_BYTES // 11),
        "unknown columns": post("/predict", f'{{"features":{{"age":1,{unknown}}}}}'.encode()),
        "unknown columns of many rows": _rows(
            f'{{"age":1,{",".join(f"{json.dumps(str(n))}:1" for n in range(100))}}}', N_BYTES // 900
        ),
        "digits": post("/predict", b'{"features":{"age":' + b"9" * N_BYTES + b"}}"),
        "letters": post("/predict", b'{"features":{"sex":"' + b"9" * N_BYTES + b'"}}'),
        "colons": post("/predict", b'{"features":{"age":"' + b":" * N_BYTES + b'"}}'),
        "escapes": post("/predict", b'{"features":{"age":"' + b"\\u0041" * (N_BYTES // 6) + b'"}}'),
        "inputs of /v2": post(
            "/v2/models/adult/infer",
            f'{{"inputs":[{",".join([inputs] * (N_BYTES // len(inputs)))}]}}'.encode(),
        ),
    }


def _rows(row: str, n_rows: int) -> bytes:
    return post("/predict_batch", f'{{"rows":[{",".join([row] * n_rows)}]}}'.encode())


def check_heavy(world: World) -> str:
    """Send expensive bodies; /health is never delayed for long."""
    hold_out = world.hold_out(world.first)
    slowest = {}
    with world.serve() as service:
        wait_until_serving(service, hold_out)
        for name, request in heavy_bodies(hold_out.rows[0]).items():
            slowest[name] = _slowest_health(service, request)
        resident = service.resident_mb
    worst = max(slowest.values())
    figures = ", ".join(f"{seconds:.2f} s by {name}" for name, seconds in slowest.items())
    require(worst < MAX_SECONDS, f"/health was held up: {figures}")
    return f"the slowest /health: {figures}; resident memory then {resident:.0f} MB"


def _slowest_health(service: Service, request: bytes) -> float:
    sender = Thread(target=_send, args=(service, request), daemon=True)
    sender.start()
    slowest = 0.0
    while sender.is_alive():
        start = perf_counter()
        answer = service.ask("GET", "/health")
        slowest = max(slowest, perf_counter() - start)
        require(answer.status == 200, f"/health: {answer}")
        sleep(ASKING_SECONDS)
    return slowest


def _send(service: Service, request: bytes) -> None:
    # Only the other requests are checked, whatever the answer is.
    with (
        socket.create_connection((HOST, service.port), ANSWER_SECONDS) as connection,
        suppress(OSError, HTTPException),
    ):
        connection.sendall(request)
        receive(connection)
