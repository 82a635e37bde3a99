"""Predictions by HTTP and gRPC: options, the worker thread of large ones, and what is recorded."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from tabproof.service import answers, inference_protocol
from tabproof.service.answers import Headers, RefusedError, RowWarning
from tabproof.service.inference_protocol import LENGTH_HEADER, InferRequest, InferResponse
from tabproof.service.model_store import ModelStore
from tabproof.service.query import read_flag, read_query
from tabproof.service.rows import Row, decode_row, decode_rows
from tabproof.service.served_model import ServedModel
from tabproof.service.settings import Settings
from tabproof.service.telemetry import LogLine, Telemetry
from tabproof.service.traffic import Traffic, challenger_of

if TYPE_CHECKING:
    from tabproof.prediction_log.layout import Role
    from tabproof.prediction_log.writer import PredictionLog

# Bytes of a body, and cells, above which a prediction runs in a worker thread, so that it does
# not block the event loop. Missing cells count too: each of them becomes a warning.
LARGE_BODY, MANY_CELLS = 2**16, 2**13
# Of a prediction: in its query, or in the parameters of tensors.
OPTIONS = ("strict", "explain")

Worked = TypeVar("Worked")

_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Answer:
    """The body of a response, and what is counted and logged about it.

    scored: the cells as scored, and the probabilities: of one row, or of a batch by column.
    warnings: of each row. role: of the model in the prediction log.
    """

    content: bytes
    model: ServedModel
    labels: Sequence[str]
    scored: tuple[Any, Any]
    warnings: Sequence[RowWarning]
    is_batch: bool
    role: "Role" = "champion"


class Predictions:
    """The predictions of one application; traffic: which model answers."""

    def __init__(
        self,
        store: ModelStore,
        settings: Settings,
        telemetry: Telemetry,
        traffic: Traffic,
        prediction_log: "PredictionLog | None",
    ) -> None:
        self._store, self._settings, self._telemetry = store, settings, telemetry
        self._traffic, self._prediction_log = traffic, prediction_log
        # One thread: the work holds the interpreter lock most of the time.
        self._worker = ThreadPoolExecutor(1, "large-batch")

    def predict(
        self,
        kind: str,
        names: dict[str, str],
        query: bytes,
        content: bytes,
        headers: Headers,
        request_id: str = "",
    ) -> Answer | Coroutine[Any, Any, Answer]:
        """Answer a prediction; kind: `Endpoint.body`. Large ones run in a worker thread."""
        served = self._store.served
        model, max_rows = served.find(**names), self._settings.max_rows
        challenger = challenger_of(served, model, names.get("version"))
        n_columns = len(model.schema.columns)
        strict = explain = False
        if query:
            options = read_query(query, OPTIONS)
            strict, explain = (read_flag(name, options.get(name, "false")) for name in OPTIONS)
        if kind == "tensors":
            # Each cell has at least one comma, or one byte: there cannot be more rows than that.
            most = len(content) if LENGTH_HEADER in headers else content.count(b",")
        else:
            # Each row has one brace, and the body has one more.
            most = content.count(b"{") if kind == "rows" else 1
        is_large = explain or len(content) > LARGE_BODY or most * n_columns > MANY_CELLS

        def decode_tensors() -> InferRequest:
            max_cells = max_rows * n_columns
            return inference_protocol.decode(content, headers.get(LENGTH_HEADER), max_cells)

        request: InferRequest | None = None
        if kind == "tensors" and not is_large:
            # An option in the body may ask for more work than its size shows.
            request = decode_tensors()
            is_large = read_flag("explain", (request.parameters or {}).get("explain", False))

        def work() -> Answer:
            nonlocal request
            score: Callable[[ServedModel], Answer]
            if kind == "row":
                row = decode_row(content)
                rows: Sequence[Row] = (row,)

                def score(by: ServedModel) -> Answer:
                    one, cells, proba = by.score_row(row, strict=strict, explain=explain)
                    scored = cells, proba
                    return Answer(_encode(one), by, (one.label,), scored, one.warnings, False)

            elif kind == "rows":
                rows = decode_rows(content, max_rows)
                self._check_rows(rows)

                def score(by: ServedModel) -> Answer:
                    batch, answer = self._score(by, rows, strict=strict, explain=explain)
                    answer.content = _encode(batch)
                    return answer

            else:
                request = request or decode_tensors()
                rows, infer = self._infer(model, request, strict=strict, explain=explain)

                def score(by: ServedModel) -> Answer:
                    response, answer = infer(by)
                    answer.content = _encode(response)
                    return answer

            found = self._traffic.answer(model, challenger, request_id, rows, score)
            found.role = "champion" if found.model is model else "canary"
            return found

        return self._in_thread(work) if is_large else work()

    async def infer(
        self,
        name: str,
        version: str | None,
        decode: Callable[[int], InferRequest],
        n_cells: int,
        request_id: str,
    ) -> tuple[InferResponse, Answer]:
        """Answer tensors that came by another way than HTTP; the second has no content.

        decode: takes the largest number of cells of a tensor. n_cells: of all; many are decoded and
        predicted in the worker thread.
        """
        served = self._store.served
        model = served.find(name, version)
        challenger = challenger_of(served, model, version)
        max_cells = self._settings.max_rows * len(model.schema.columns)

        def work() -> tuple[InferResponse, Answer]:
            rows, score = self._infer(model, decode(max_cells), strict=False, explain=False)
            response, answer = self._traffic.answer(model, challenger, request_id, rows, score)
            answer.role = "champion" if answer.model is model else "canary"
            return response, answer

        return work() if n_cells <= MANY_CELLS else await self._in_thread(work)

    def _infer(
        self, model: ServedModel, request: InferRequest, *, strict: bool, explain: bool
    ) -> tuple[Sequence[Row], Callable[[ServedModel], tuple[InferResponse, Answer]]]:
        """Return the rows of tensors, and what scores them."""
        parameters = request.parameters or {}
        strict = strict or read_flag("strict", parameters.get("strict", False))
        explain = explain or read_flag("explain", parameters.get("explain", False))
        rows = inference_protocol.rows_of(request, model)
        self._check_rows(rows)

        def score(by: ServedModel) -> tuple[InferResponse, Answer]:
            batch, answer = self._score(by, rows, strict=strict, explain=explain)
            return inference_protocol.response_of(request, batch, by), answer

        return rows, score

    def _check_rows(self, rows: Sequence[Row]) -> None:
        if len(rows) > (max_rows := self._settings.max_rows):
            detail = f"{len(rows):,} rows are more than {max_rows:,}; send them in parts"
            raise RefusedError(413, detail)

    def _score(
        self, model: ServedModel, rows: Sequence[Row], *, strict: bool, explain: bool
    ) -> tuple[answers.PredictionBatch, Answer]:
        every: list[RowWarning] | None = None if self._prediction_log is None else []
        batch, columns, proba = model.score_rows(rows, strict=strict, explain=explain, every=every)
        return batch, Answer(b"", model, batch.label, (columns, proba), every or (), True)

    def count(self, answer: Answer, line: LogLine) -> None:
        """Count and log an answer with what the request's log line says about it."""
        model, labels = answer.model, answer.labels
        line.status, line.run_id, line.rows = 200, model.run_id, len(labels)
        self._telemetry.predictions(model.name, labels)
        if (log := self._prediction_log) is None:
            return
        (cells, proba), logged, request_id = answer.scored, model.logged, line.request_id
        warnings, role = answer.warnings, answer.role
        if answer.is_batch:
            log.record_batch(logged, request_id, cells, proba, labels, warnings, role)
        else:
            log.record(logged, request_id, cells, proba, labels[0], warnings, role)

    async def _in_thread(self, work: Callable[[], Worked]) -> Worked:
        running = asyncio.get_running_loop().run_in_executor(self._worker, work)
        try:
            return await asyncio.wait_for(running, self._settings.batch_timeout_seconds)
        except TimeoutError:
            detail = "too much work is waiting; try again, or in smaller parts"
            raise RefusedError(503, detail, headers={"Retry-After": "1"}) from None
