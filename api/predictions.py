"""Predictions: from a path and a body to the bytes of an answer."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import msgspec

from api import inference_protocol
from api.binary_tensors import LENGTH_HEADER
from api.bodies import decode_batch, decode_predict
from api.model_store import ModelStore
from api.refusals import RefusedError
from api.served_model import ServedModel
from api.settings import Settings

# What is larger is answered beside the event loop, so that others need not wait for it, as what
# is explained is. Cells that are not there count too: each is a warning to word.
LARGE_BODY, MANY_CELLS = 2**16, 2**13

Headers = Mapping[bytes, bytes]


@dataclass(slots=True)
class Answer:
    """The bytes, and what is told of them."""

    content: bytes
    model: str
    run_id: str
    labels: Sequence[str]

    @property
    def rows(self) -> int:
        """How many rows were answered."""
        return len(self.labels)


@dataclass(slots=True)
class Endpoint:
    """What answers a path; route: its template."""

    route: str
    answer: Callable[[bytes, bytes, Headers], Answer | Awaitable[Answer]]
    takes_bytes: bool = False


class Predictions:
    """Finds what answers a path, by the models that serve now."""

    def __init__(self, store: ModelStore, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._encode = msgspec.json.Encoder().encode
        # One: the work holds the interpreter most of the time, and two would only take turns.
        self._worker = ThreadPoolExecutor(1, "large-batch")
        self._plain = {
            "/predict": Endpoint("/predict", self._predict_default),
            "/predict_batch": Endpoint("/predict_batch", self._predict_batch_default),
        }

    def find(self, path: str) -> Endpoint | None:
        """Find an endpoint; None for paths that predict nothing."""
        found = self._plain.get(path)
        if found is not None:
            return found
        match path.split("/"):
            case ["", "models", name, "predict"]:
                return Endpoint(
                    "/models/{name}/predict",
                    lambda query, body, _: self._predict(self._named(name), query, body),
                )
            case ["", "models", name, "predict_batch"]:
                return Endpoint(
                    "/models/{name}/predict_batch",
                    lambda query, body, _: self._predict_batch(self._named(name), query, body),
                )
            case ["", "v2", "models", name, "infer"]:
                return Endpoint(
                    "/v2/models/{name}/infer",
                    lambda _, body, headers: self._infer(self._named(name), None, body, headers),
                    takes_bytes=True,
                )
            case ["", "v2", "models", name, "versions", version, "infer"]:
                return Endpoint(
                    "/v2/models/{name}/versions/{version}/infer",
                    lambda _, body, headers: self._infer(self._named(name), version, body, headers),
                    takes_bytes=True,
                )
        return None

    def _named(self, name: str) -> ServedModel:
        return self._store.served.named(name)

    def _predict_default(
        self, query: bytes, content: bytes, _: Headers
    ) -> Answer | Awaitable[Answer]:
        return self._predict(self._store.served.default(), query, content)

    def _predict_batch_default(
        self, query: bytes, content: bytes, _: Headers
    ) -> Answer | Awaitable[Answer]:
        return self._predict_batch(self._store.served.default(), query, content)

    def _predict(
        self, model: ServedModel, query: bytes, content: bytes
    ) -> Answer | Awaitable[Answer]:
        explain = is_asked(query, "explain")

        def work() -> Answer:
            body = decode_predict(content)
            prediction = model.predict_row(
                body.features, strict=is_asked(query, "strict"), explain=explain
            )
            return Answer(self._encode(prediction), model.name, model.run_id, (prediction.label,))

        return self._beside(work) if explain or len(content) > LARGE_BODY else work()

    def _predict_batch(
        self, model: ServedModel, query: bytes, content: bytes
    ) -> Answer | Awaitable[Answer]:
        explain = is_asked(query, "explain")

        def work() -> Answer:
            body = decode_batch(content, self._settings.max_rows)
            self._check_rows(len(body.rows))
            batch = model.predict_rows(body.rows, strict=is_asked(query, "strict"), explain=explain)
            return Answer(self._encode(batch), model.name, model.run_id, batch.label)

        # A brace per row, and one more.
        is_large = explain or _is_large(content, content.count(b"{"), model)
        return self._beside(work) if is_large else work()

    def _infer(
        self, model: ServedModel, version: str | None, content: bytes, headers: Headers
    ) -> Answer | Awaitable[Answer]:
        inference_protocol.check_version(model, version)

        most_cells = self._settings.max_rows * len(model.schema.columns)

        def work() -> Answer:
            request = inference_protocol.decode(content, headers.get(LENGTH_HEADER), most_cells)
            rows = inference_protocol.rows_of(request, model)
            self._check_rows(len(rows))
            response, labels = inference_protocol.infer(request, rows, model)
            return Answer(self._encode(response), model.name, model.run_id, labels)

        # A comma per cell at least, or a byte: there are no more rows than that.
        most_rows = len(content) if LENGTH_HEADER in headers else content.count(b",")
        is_large = _is_large(content, most_rows, model)
        return self._beside(work) if is_large else work()

    async def _beside(self, work: Callable[[], Answer]) -> Answer:
        running = asyncio.get_running_loop().run_in_executor(self._worker, work)
        try:
            return await asyncio.wait_for(running, self._settings.batch_timeout_seconds)
        except TimeoutError:
            raise RefusedError(
                503,
                "too much work waits; try again, or in smaller parts",
                headers={"Retry-After": "1"},
            ) from None

    def _check_rows(self, n_rows: int) -> None:
        if n_rows > self._settings.max_rows:
            most = self._settings.max_rows
            raise RefusedError(413, f"{n_rows:,} rows are more than {most:,}; send them in parts")


def _is_large(content: bytes, most_rows: int, model: ServedModel) -> bool:
    return len(content) > LARGE_BODY or most_rows * len(model.schema.columns) > MANY_CELLS


def is_asked(query: bytes, name: str) -> bool:
    """Read `?strict=` or `?explain=`; other parameters are nobody's."""
    if not query:
        return False
    values: list[Any] = parse_qs(query.decode("latin-1"), keep_blank_values=True).get(name, [])
    if not values:
        return False
    if len(values) > 1 or values[0] not in ("true", "false", "1", "0"):
        raise RefusedError(422, f"{name} takes true or false")
    return values[0] in ("true", "1")
