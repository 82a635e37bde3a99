"""All endpoints in one table: routes, dispatch and the OpenAPI document are made from it.

Predictions are dispatched by `Endpoints.find_prediction` before FastAPI's router runs, because
routing would cost more than scoring. All other endpoints are routes of FastAPI.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse, RedirectResponse

from tabproof.errors import UserError
from tabproof.service import answers, inference_protocol
from tabproof.service.answers import RefusedError, missing_model_detail
from tabproof.service.bodies import decode_batch, decode_predict
from tabproof.service.errors import OutsideRootsError
from tabproof.service.inference_protocol import LENGTH_HEADER, InferResponse
from tabproof.service.model_store import ModelStore
from tabproof.service.security import check_admin
from tabproof.service.served_model import ServedModel
from tabproof.service.server import Lifecycle
from tabproof.service.settings import Settings
from tabproof.service.telemetry import Telemetry

DOCS_FILES = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}
# The page has inline scripts and styles, and may only call this service.
DOCS_POLICY = "default-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"
# Bytes of a body, and cells, above which a prediction runs in a worker thread, so that it does
# not block the event loop. Missing cells count too: each of them becomes a warning.
LARGE_BODY, MANY_CELLS = 2**16, 2**13

Headers = Mapping[bytes, bytes]
_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Answer:
    """The body of a response, and what is counted and logged about it."""

    content: bytes
    model: str
    run_id: str
    labels: Sequence[str]


# Of the query, the body and the headers.
Predict = Callable[[bytes, bytes, Headers], Answer | Awaitable[Answer]]


def json_response(content: Any, status: int = 200) -> Response:
    """Return a response with what msgspec encodes."""
    return Response(_encode(content), status, media_type="application/json")


class Endpoints:
    """The endpoints of one application: routes for FastAPI, and predictions by path."""

    def __init__(
        self, store: ModelStore, settings: Settings, telemetry: Telemetry, lifecycle: Lifecycle
    ) -> None:
        self._store, self._settings = store, settings
        self._telemetry, self._lifecycle = telemetry, lifecycle
        self._reloading = asyncio.Lock()
        # One thread: the work holds the interpreter lock most of the time.
        self._worker = ThreadPoolExecutor(1, "large-batch")
        self.router = APIRouter(include_in_schema=False)
        self._plain: dict[str, Endpoint] = {}
        self._named: list[tuple[list[str], Endpoint]] = []
        for endpoint in ENDPOINTS:
            if endpoint.body and "{" in endpoint.path:
                self._named.append((endpoint.path.split("/"), endpoint))
            elif endpoint.body:
                self._plain[endpoint.path] = endpoint
            elif endpoint.tag or settings.docs:
                # HEAD too: some load balancers send it.
                methods = ["GET", "HEAD"] if endpoint.method == "GET" else [endpoint.method]
                handler = getattr(self, endpoint.handler.__name__)
                self.router.add_route(endpoint.path, handler, methods)

    def find_prediction(self, path: str) -> "tuple[Endpoint, Predict] | None":
        """Return the endpoint of a path, and the function of its query, body and headers.

        None for paths that are no predictions.
        """
        endpoint = self._plain.get(path)
        if endpoint is not None:
            return endpoint, partial(self._predict, endpoint, None, None)
        parts = path.split("/")
        for template, endpoint in self._named:
            if len(parts) == len(template) and all(
                part == expected or expected[:1] == "{"
                for part, expected in zip(parts, template, strict=True)
            ):
                values = dict(zip(template, parts, strict=True))
                name, version = values["{name}"], values.get("{version}")
                return endpoint, partial(self._predict, endpoint, name, version)
        return None

    def _predict(
        self,
        endpoint: "Endpoint",
        name: str | None,
        version: str | None,
        query: bytes,
        body: bytes,
        headers: Headers,
    ) -> Answer | Awaitable[Answer]:
        model = self._store.served.find(name, version)
        answer: Answer | Awaitable[Answer] = endpoint.handler(self, model, query, body, headers)
        return answer

    # --- Handlers of FastAPI's routes

    async def health(self, _: Request) -> Response:
        """Report that the process is alive, and what it serves."""
        served = self._store.served
        if served.models:
            outdated = served.store.items()
            detail = "; ".join(f"'{name}' is not up to date: {why}" for name, why in outdated)
        else:
            detail = missing_model_detail({**served.store, **served.failed})
        runs = {name: model.run_id for name, model in served.models.items()}
        failed = dict(served.failed)
        return json_response(answers.Health("ok", runs, served.default_name, failed, detail))

    def _why_not_ready(self) -> str:
        if not self._lifecycle.is_ready:
            return "the service is stopping"
        try:
            self._store.served.default()
        except RefusedError as refusal:
            return refusal.detail
        return ""

    async def ready(self, _: Request) -> Response:
        """Report whether predictions would be answered."""
        if why := self._why_not_ready():
            return json_response(answers.Readiness("not ready", why), 503)
        return json_response(answers.Readiness("ready"))

    async def models(self, _: Request) -> Response:
        """List the served models."""
        served = self._store.served
        models = sorted(served.models.items())
        infos = [model.info(default=name == served.default_name) for name, model in models]
        return json_response(answers.Models(infos))

    async def schema(self, request: Request) -> Response:
        """Describe the columns of the default model, or of a named one."""
        return json_response(self._model(request).schema_info())

    def _model(self, request: Request) -> ServedModel:
        name, version = (request.path_params.get(key) for key in ("name", "version"))
        return self._store.served.find(name, version)

    async def protocol_server(self, _: Request) -> Response:
        """Name this server and the extensions of the protocol that it has."""
        content = {"name": "tabproof", "version": "2", "extensions": ["binary_tensor_data"]}
        return json_response(content)

    async def protocol_live(self, _: Request) -> Response:
        """Report that the process is alive."""
        return json_response({"live": True})

    async def protocol_ready(self, _: Request) -> Response:
        """Report whether predictions would be answered."""
        is_ready = not self._why_not_ready()
        return json_response({"ready": is_ready}, 200 if is_ready else 503)

    async def protocol_model(self, request: Request) -> Response:
        """Describe the inputs and outputs of a model."""
        return json_response(inference_protocol.metadata(self._model(request)))

    async def protocol_model_ready(self, request: Request) -> Response:
        """Report whether a model is ready."""
        ready = {"name": self._model(request).name, "ready": self._lifecycle.is_ready}
        return json_response(ready)

    async def reload(self, request: Request) -> Response:
        """Load the promoted models again, or the run that `path` names."""
        check_admin(self._settings.admin_token, request.headers.get("authorization"))
        paths = request.query_params.getlist("path")
        if len(paths) > 1:
            raise RefusedError(422, "the parameter path is given twice")
        store = self._store
        async with self._reloading:
            try:
                # Reading and hashing take time: other requests are served meanwhile.
                await asyncio.to_thread(store.reload, paths[0] if paths else None)
            except UserError as error:
                self._telemetry.reload(store.served.models.values(), succeeded=False)
                status = 400 if isinstance(error, OutsideRootsError) else 409
                detail = f"{store.message_of(error)} (the models served before stay in service)"
                raise RefusedError(status, detail) from error
            models = store.served.models
        self._telemetry.reload(models.values(), succeeded=True)
        runs = {name: model.run_id for name, model in models.items()}
        return json_response(answers.Reloaded(runs))

    async def metrics(self, _: Request) -> Response:
        """Return the metrics in the format of Prometheus."""
        media_type = "text/plain; version=0.0.4; charset=utf-8"
        return Response(self._telemetry.page(), media_type=media_type)

    async def root(self, _: Request) -> Response:
        """Redirect to the documentation."""
        return RedirectResponse("/docs")

    async def docs(self, _: Request) -> HTMLResponse:
        """Return the page that shows and tries all endpoints."""
        page = get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="Predictions",
            swagger_js_url="/docs/swagger-ui-bundle.js",
            swagger_css_url="/docs/swagger-ui.css",
            swagger_favicon_url="data:,",
        )
        page.headers["Content-Security-Policy"] = DOCS_POLICY
        return page

    async def docs_file(self, request: Request) -> Response:
        """Return a script or style of the documentation page."""
        name = request.path_params["file"]
        if name not in DOCS_FILES:
            raise RefusedError(404, "there is no such page")
        content = (files("fastapi_offline") / "static" / name).read_bytes()
        return Response(content, media_type=DOCS_FILES[name])

    # --- Predictions; large ones run in a worker thread

    def predict(
        self, model: ServedModel, query: bytes, content: bytes, _: Headers
    ) -> Answer | Awaitable[Answer]:
        """Predict one row."""
        explain = read_flag(query, "explain")

        def work() -> Answer:
            body = decode_predict(content)
            prediction = model.predict_row(
                body.features, strict=read_flag(query, "strict"), explain=explain
            )
            return Answer(_encode(prediction), model.name, model.run_id, (prediction.label,))

        return self._in_thread(work) if explain or len(content) > LARGE_BODY else work()

    def predict_batch(
        self, model: ServedModel, query: bytes, content: bytes, _: Headers
    ) -> Answer | Awaitable[Answer]:
        """Predict many rows."""
        explain = read_flag(query, "explain")

        def work() -> Answer:
            body = decode_batch(content, self._settings.max_rows)
            self._check_rows(len(body.rows))
            strict = read_flag(query, "strict")
            batch = model.predict_rows(body.rows, strict=strict, explain=explain)
            return Answer(_encode(batch), model.name, model.run_id, batch.label)

        # Each row has one brace, and the body has one more.
        is_large = explain or _is_large(content, content.count(b"{"), model)
        return self._in_thread(work) if is_large else work()

    def infer(
        self, model: ServedModel, _: bytes, content: bytes, headers: Headers
    ) -> Answer | Awaitable[Answer]:
        """Predict the rows of tensors, by the Open Inference Protocol."""

        def work() -> Answer:
            max_cells = self._settings.max_rows * len(model.schema.columns)
            request = inference_protocol.decode(content, headers.get(LENGTH_HEADER), max_cells)
            rows = inference_protocol.rows_of(request, model)
            self._check_rows(len(rows))
            response, labels = inference_protocol.infer(request, rows, model)
            return Answer(_encode(response), model.name, model.run_id, labels)

        # Each cell has at least one comma, or one byte: there cannot be more rows than that.
        max_rows = len(content) if LENGTH_HEADER in headers else content.count(b",")
        return self._in_thread(work) if _is_large(content, max_rows, model) else work()

    async def _in_thread(self, work: Callable[[], Answer]) -> Answer:
        running = asyncio.get_running_loop().run_in_executor(self._worker, work)
        try:
            return await asyncio.wait_for(running, self._settings.batch_timeout_seconds)
        except TimeoutError:
            detail = "too much work is waiting; try again, or in smaller parts"
            raise RefusedError(503, detail, headers={"Retry-After": "1"}) from None

    def _check_rows(self, n_rows: int) -> None:
        if n_rows > (limit := self._settings.max_rows):
            raise RefusedError(413, f"{n_rows:,} rows are more than {limit:,}; send them in parts")


def _is_large(content: bytes, max_rows: int, model: ServedModel) -> bool:
    return len(content) > LARGE_BODY or max_rows * len(model.schema.columns) > MANY_CELLS


def read_flag(query: bytes, name: str) -> bool:
    """Return the value of `?strict=` or `?explain=`; other parameters are ignored."""
    if not query:
        return False
    values: list[Any] = parse_qs(query.decode("latin-1"), keep_blank_values=True).get(name, [])
    if not values:
        return False
    if len(values) > 1 or values[0] not in ("true", "false", "1", "0"):
        raise RefusedError(422, f"{name} takes true or false")
    return values[0] in ("true", "1")


# --- The table


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One row of the table.

    response is a struct of `answers`, or None where no schema describes the response. A body
    ("row", "rows" or "tensors") makes it a prediction; an empty tag hides it from the document.
    """

    method: str
    path: str
    handler: Callable[..., Any]
    summary: str
    tag: str = "Information"
    response: type | None = None
    refusals: tuple[int, ...] = ()
    parameters: tuple[str, ...] = ()
    body: str = ""


_PROTOCOL, _MODEL = "Open Inference Protocol", "/v2/models/{name}"
_VERSION = f"{_MODEL}/versions/{{version}}"
_REFUSALS = (400, 401, 404, 408, 413, 415, 422, 503)
_ROW = partial(
    Endpoint, "POST", handler=Endpoints.predict, summary="Predict one row", body="row",
    tag="Predictions", response=answers.Prediction, refusals=_REFUSALS,
    parameters=("strict", "explain"),
)  # fmt: skip
_ROWS = partial(
    Endpoint, "POST", handler=Endpoints.predict_batch, summary="Predict many rows", body="rows",
    tag="Predictions", response=answers.PredictionBatch, refusals=_REFUSALS,
    parameters=("strict", "explain"),
)  # fmt: skip
_TENSORS = partial(
    Endpoint, "POST", handler=Endpoints.infer, summary="Predict the rows of tensors",
    body="tensors", tag=_PROTOCOL, response=InferResponse, refusals=_REFUSALS,
)  # fmt: skip
_GET = partial(Endpoint, "GET")

ENDPOINTS = (
    _ROW("/predict"),
    _ROWS("/predict_batch"),
    _ROW("/models/{name}/predict"),
    _ROWS("/models/{name}/predict_batch"),
    _GET("/health", Endpoints.health, "Whether the process is alive, and what it serves",
         response=answers.Health),
    _GET("/healthz", Endpoints.health, "The same as /health", response=answers.Health),
    _GET("/ready", Endpoints.ready, "Whether predictions would be answered",
         response=answers.Readiness, refusals=(503,)),
    _GET("/models", Endpoints.models, "Which models are served", response=answers.Models),
    _GET("/schema", Endpoints.schema, "The columns of the default model",
         response=answers.SchemaInfo, refusals=(503,)),
    _GET("/models/{name}/schema", Endpoints.schema, "The columns of a model",
         response=answers.SchemaInfo, refusals=(404,)),
    _GET("/metrics", Endpoints.metrics, "Counts and durations, in the format of Prometheus"),
    _GET("/v2", Endpoints.protocol_server, "What this server is", _PROTOCOL),
    _GET("/v2/health/live", Endpoints.protocol_live, "Whether it is alive", _PROTOCOL),
    _GET("/v2/health/ready", Endpoints.protocol_ready, "Whether it is ready", _PROTOCOL,
         refusals=(503,)),
    *(
        endpoint
        for path in (_MODEL, _VERSION)
        for endpoint in (
            _GET(path, Endpoints.protocol_model, "Inputs and outputs of a model", _PROTOCOL,
                 refusals=(404,)),
            _GET(f"{path}/ready", Endpoints.protocol_model_ready, "Whether a model is ready",
                 _PROTOCOL, refusals=(404,)),
            _TENSORS(f"{path}/infer"),
        )
    ),
    Endpoint("POST", "/reload", Endpoints.reload, "Serve what is promoted now", "Administration",
             answers.Reloaded, (400, 401, 403, 409, 422), ("path",)),
    _GET("/", Endpoints.root, "", ""),
    _GET("/docs", Endpoints.docs, "", ""),
    _GET("/docs/{file}", Endpoints.docs_file, "", ""),
)  # fmt: skip
