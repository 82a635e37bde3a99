"""All endpoints in one table: routes, dispatch and the OpenAPI document are made from it.

Predictions are dispatched by `Endpoints.find_prediction` before FastAPI's router runs, because
routing would cost more than scoring. All other endpoints are routes of FastAPI.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import RedirectResponse

from tabproof.errors import UserError
from tabproof.service import answers, inference_protocol
from tabproof.service.access import check_reader, knows_secret
from tabproof.service.answers import Headers, RefusedError
from tabproof.service.description import log_served
from tabproof.service.inference_protocol import InferResponse
from tabproof.service.labels import Labels
from tabproof.service.model_store import ModelStore, OutsideRootsError
from tabproof.service.predictions import OPTIONS, Predictions
from tabproof.service.query import read_query
from tabproof.service.recording import MONITOR_PAGE, log_directory
from tabproof.service.served_model import ServedModel
from tabproof.service.server import Lifecycle
from tabproof.service.settings import Settings
from tabproof.service.telemetry import LogLine, Telemetry
from tabproof.service.traffic import Traffic
from tabproof.service.workers import Workers

if TYPE_CHECKING:
    from tabproof.prediction_log.writer import PredictionLog

DOCUMENT_PATH = "/openapi.json"
DOCS_FILES = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}
# The page has inline scripts and styles, and may only call this service.
DOCS_POLICY = "default-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"
# The paths below outputs/, and below a run, that are published. No part is hidden, '.' or '..'.
_PART, _DATE = r"(?!\.)[^/\\%\x00-\x1f\x7f]{1,255}", r"\d{4}-\d\d-\d\d"
_PAGE = r"report\.html|model_card\.md|plots/[A-Za-z0-9_-]{1,64}\.svg"
RUN_PAGE = re.compile(_PAGE, re.ASCII)
PUBLISHED = re.compile(
    rf"index\.html|{_DATE}/{_PART}/(?:(?:{_PART}/)?(?:{_PAGE})|leaderboard\.(?:csv|md))", re.ASCII
)
FORMS = {"published": PUBLISHED.pattern, "page": RUN_PAGE.pattern}
# The body of an endpoint that takes labels.
LABELS = "labels"

log = logging.getLogger("uvicorn.error")

_encode = msgspec.json.Encoder().encode


def json_response(content: Any, status: int = 200) -> Response:
    """Return a response with what msgspec encodes."""
    return Response(_encode(content), status, media_type="application/json")


class Endpoints:
    """The endpoints of one application: routes for FastAPI, and predictions by path."""

    def __init__(
        self,
        store: ModelStore,
        settings: Settings,
        telemetry: Telemetry,
        lifecycle: Lifecycle,
        workers: Workers,
        prediction_log: "PredictionLog | None" = None,
    ) -> None:
        self._store, self.settings, self._workers = store, settings, workers
        self.telemetry, self.lifecycle = telemetry, lifecycle
        self._labels = Labels(settings, prediction_log)
        self.traffic = Traffic(settings, telemetry, prediction_log)
        self.predictions = Predictions(store, settings, telemetry, self.traffic, prediction_log)
        self._reloading = asyncio.Lock()
        self.router = APIRouter(include_in_schema=False)
        self._by_path: list[tuple[re.Pattern[str], Endpoint]] = []
        self._templates = [(re.compile(re.escape(DOCUMENT_PATH)), DOCUMENT_PATH)]
        offered = {"": True, "docs": settings.docs, "runs": settings.pages == "all"}
        for endpoint in ENDPOINTS:
            if not offered[endpoint.switch]:
                continue
            pattern = re.compile(re.sub(r"\{(\w+)(?::path)?\}", _pattern_of, endpoint.path))
            self._templates.append((pattern, endpoint.path.replace(":path", "")))
            if endpoint.handler is None:
                self._by_path.append((pattern, endpoint))
            else:
                # HEAD too: some load balancers send it.
                methods = ["GET", "HEAD"] if endpoint.method == "GET" else [endpoint.method]
                self.router.add_route(endpoint.path, partial(endpoint.handler, self), methods)

    # --- What the gate and gRPC call

    def find_prediction(self, path: str) -> "tuple[Endpoint, dict[str, str]] | None":
        """Return the prediction at a path, and the name and version in it; None for other paths."""
        for template, endpoint in self._by_path:
            if found := template.fullmatch(path):
                return endpoint, found.groupdict()
        return None

    def find_template(self, path: str) -> str | None:
        """Return the path of the table that a client's path belongs to; None for unknown paths.

        It contains nothing that a client typed.
        """
        found = (template for pattern, template in self._templates if pattern.fullmatch(path))
        return next(found, None)

    def check_labels(self, headers: Headers) -> None:
        """Refuse a client that may not send labels."""
        self._labels.check(headers)

    async def accept_labels(self, content: bytes, line: LogLine) -> bytes:
        """Write labels; return the body of the response."""
        line.rows = await self._labels.accept(content)
        line.status = 200
        return _encode(answers.Accepted(line.rows))

    def why_not_ready(self) -> str:
        """Return why requests should go elsewhere; empty if predictions would be answered."""
        if not self.lifecycle.is_ready:
            return "the service is stopping"
        return self._store.served.why_not_ready()

    def find_model(self, name: str, version: str | None) -> ServedModel:
        """Return a served model; raise RefusedError."""
        return self._store.served.find(name, version)

    def show_served(self, reload: str = "") -> None:
        """Log and count what is served; reload: the result of one, "succeeded" or "refused"."""
        served = self._store.served
        self.telemetry.models(served.models.values(), reload)
        self.traffic.show(served)
        log_served(served)

    # --- Handlers of FastAPI's routes; the table has their summaries

    async def _health(self, _: Request) -> Response:
        served = self._store.served
        detail = served.why_no_default()
        if served.models:
            outdated = {**served.store, **served.unread}.items()
            detail = "; ".join(f"'{name}' is not up to date: {why}" for name, why in outdated)
        default, failed = served.default_name, dict(served.failed)
        infos = self.traffic.infos(served)
        health = answers.Health("ok", served.runs, default, failed, detail, infos)
        return json_response(health)

    async def _ready(self, _: Request, *, is_protocol: bool = False) -> Response:
        why = self.why_not_ready()
        status = 503 if why else 200
        if is_protocol:
            return json_response({"ready": not why}, status)
        return json_response(answers.Readiness("not ready" if why else "ready", why), status)

    async def _models(self, _: Request) -> Response:
        served = self._store.served
        challengers = self.traffic.infos(served)
        infos = [
            answers.ModelInfo(
                name=name,
                run_id=model.run_id,
                default=name == served.default_name,
                labels=list(model.scorer.labels),
                dataset=model.summary.dataset,
                metrics=dict(model.summary.metrics),
                source=model.source,
                promoted=model.promoted,
                challenger=challengers.get(name, msgspec.UNSET),
            )
            for name, model in sorted(served.models.items())
        ]
        return json_response(answers.Models(infos))

    async def _schema(self, request: Request) -> Response:
        return json_response(self._store.served.find(**request.path_params).schema_info())

    async def _constant(self, _: Request, *, content: Any) -> Response:
        return json_response(content)

    async def _protocol_model(self, request: Request) -> Response:
        model = self._store.served.find(**request.path_params)
        return json_response(inference_protocol.metadata(model))

    async def _protocol_model_ready(self, request: Request) -> Response:
        model = self._store.served.find(**request.path_params)
        return json_response({"name": model.name, "ready": self.lifecycle.is_ready})

    async def _reload(self, request: Request) -> Response:
        token = self.settings.admin_token
        if not token:
            reason = "is switched off: start the service with API_ADMIN_TOKEN to allow it"
            raise RefusedError(403, f"administration {reason}")
        if not knows_secret(token, request.headers.get("authorization", "").encode("latin-1")):
            reason = "administration needs the header 'Authorization: Bearer <API_ADMIN_TOKEN>'"
            raise RefusedError(401, reason, headers={"WWW-Authenticate": "Bearer"})
        path = read_query(request.scope["query_string"], ("path",)).get("path")
        store, workers = self._store, self._workers
        async with self._reloading:
            with ExitStack() as stack:
                await asyncio.to_thread(stack.enter_context, workers.one_at_a_time())
                try:
                    # Reading and hashing take time: other requests are served meanwhile.
                    await asyncio.to_thread(store.reload, path)
                except UserError as error:
                    self.telemetry.models(store.served.models.values(), "refused")
                    if path is None:
                        # A path is what a client typed.
                        log.error("not reloaded: %s", error)  # noqa: TRY400
                        log_served(store.served)
                        # Other models than the one that failed may have been loaded.
                        workers.publish(None, store.served.runs, thoroughly=True, ok=False)
                    status = 400 if isinstance(error, OutsideRootsError) else 409
                    detail = f"{store.message_of(error)} (the models served before stay in service)"
                    raise RefusedError(status, detail) from error
                runs = store.served.runs
                number = workers.publish(path, runs, thoroughly=True, ok=True)
                late = await workers.reached(number)
        self.show_served("succeeded")
        if late:
            detail = f"worker(s) {', '.join(map(str, late))} have not reloaded yet; try again"
            raise RefusedError(503, detail, headers={"Retry-After": "5"})
        return json_response(answers.Reloaded(runs))

    async def _metrics(self, _: Request) -> Response:
        media_type = "text/plain; version=0.0.4; charset=utf-8"
        return Response(self.telemetry.exposition(), media_type=media_type)

    async def _root(self, request: Request) -> Response:
        # Loaded at the first request: most replicas get none.
        from tabproof.service.front import respond

        name = read_query(request.scope["query_string"], ("model",)).get("model")
        why = self.why_not_ready()
        return await asyncio.to_thread(
            respond, request, self._store.served, self.settings, name=name, why_not_ready=why
        )

    async def _run_page(self, request: Request) -> Response:
        path = request.path_params.get("published", "index.html")
        return await self._published(request, PUBLISHED, self.settings.outputs, path)

    async def _model_page(self, request: Request) -> Response:
        name, path = (request.path_params[each] for each in ("name", "page"))
        return await self._published(request, RUN_PAGE, self._store.served.find(name).path, path)

    async def _monitor_page(self, request: Request) -> Response:
        folder = log_directory(self.settings)
        file = None if folder is None else folder / MONITOR_PAGE
        return await self._sent(request, file, [] if folder is None else [folder], "monitor")

    async def _published(
        self, request: Request, form: re.Pattern[str], folder: Path, path: str
    ) -> Response:
        """Return a file below a directory whose path has the form of those that are published."""
        file = folder / path if form.fullmatch(path) else None
        return await self._sent(request, file, self._store.roots)

    async def _sent(
        self, request: Request, file: Path | None, roots: Sequence[Path], about: str = "runs"
    ) -> Response:
        """Return a file beneath a root to a reader."""
        secrets = [each for each in (self.settings.key, self.settings.admin_token) if each]
        sent = (request.headers.get(name, "") for name in ("authorization", "x-api-key"))
        check_reader(secrets, *(each.encode("latin-1") for each in sent))
        # Loaded at the first request, as above.
        from tabproof.service.published import respond

        return await asyncio.to_thread(respond, request, file, roots, about)

    async def _to_runs(self, request: Request) -> Response:
        # Relative without a known prefix, because a proxy may have removed one in silence.
        prefix = request.scope.get("root_path", "")
        return RedirectResponse(f"{prefix}/runs/" if prefix else "runs/", 308)

    async def _docs(self, request: Request) -> Response:
        if name := request.path_params.get("file"):
            if name not in DOCS_FILES:
                raise RefusedError(404, "there is no such page")
            content = (files("fastapi_offline") / "static" / name).read_bytes()
            return Response(content, media_type=DOCS_FILES[name])
        # Relative, as above.
        page = get_swagger_ui_html(
            openapi_url=DOCUMENT_PATH.removeprefix("/"),
            title="Predictions",
            swagger_js_url="docs/swagger-ui-bundle.js",
            swagger_css_url="docs/swagger-ui.css",
            swagger_favicon_url="data:,",
        )
        page.headers["Content-Security-Policy"] = DOCS_POLICY
        return page


def _pattern_of(parameter: re.Match[str]) -> str:
    """Return the pattern of a parameter in a path of the table."""
    return f"(?P<{parameter[1]}>{FORMS.get(parameter[1], '[^/]*')})"


# --- The table


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One row of the table.

    Without a handler it has a body, with a "row", "rows" or "tensors" to predict, or with "labels",
    and the middleware calls what answers it. response is
    a struct of `answers`, or None where no schema describes the response. An empty tag hides it
    from the document. `{name:path}` in a path may hold slashes, and has the form in FORMS.
    """

    method: str
    path: str
    handler: Callable[[Endpoints, Request], Awaitable[Response]] | None
    summary: str
    tag: str = "Information"
    response: type | None = None
    refusals: tuple[int, ...] = ()
    parameters: tuple[str, ...] = ()
    body: str = ""
    # The setting that switches it on: "docs", "runs" or nothing.
    switch: str = ""


_GET = partial(Endpoint, "GET")
_PREDICTION = partial(
    Endpoint, "POST", handler=None, refusals=(400, 401, 404, 408, 413, 415, 422, 503)
)
_PROTOCOL, _MODEL = "Open Inference Protocol", "/v2/models/{name}"
_VERSION = f"{_MODEL}/versions/{{version}}"
SERVER = {"name": "tabproof", "version": "2", "extensions": ["binary_tensor_data"]}

ENDPOINTS = (
    *(
        _PREDICTION(f"{model}/{path}", summary=f"Predict {what}", tag="Predictions", body=body,
                    response=response, parameters=OPTIONS)
        for model in ("", "/models/{name}")
        for path, what, body, response in (
            ("predict", "one row", "row", answers.Prediction),
            ("predict_batch", "many rows", "rows", answers.PredictionBatch),
        )
    ),
    _GET("/", Endpoints._root, "The served models and all addresses; a page for browsers",
         response=answers.Index, refusals=(404, 422), parameters=("model",)),
    _GET("/health", Endpoints._health, "Whether the process is alive, and what it serves",
         response=answers.Health),
    _GET("/healthz", Endpoints._health, "The same as /health", response=answers.Health),
    _GET("/ready", Endpoints._ready, "Whether predictions would be answered",
         response=answers.Readiness, refusals=(503,)),
    _GET("/models", Endpoints._models, "Which models are served", response=answers.Models),
    _GET("/schema", Endpoints._schema, "The columns of the default model",
         response=answers.SchemaInfo, refusals=(503,)),
    _GET("/models/{name}/schema", Endpoints._schema, "The columns of a model",
         response=answers.SchemaInfo, refusals=(404,)),
    _GET("/metrics", Endpoints._metrics, "Counts and durations, in the format of Prometheus"),
    _GET("/v2", partial(Endpoints._constant, content=SERVER), "What this server is", _PROTOCOL),
    _GET("/v2/health/live", partial(Endpoints._constant, content={"live": True}),
         "Whether it is alive", _PROTOCOL),
    _GET("/v2/health/ready", partial(Endpoints._ready, is_protocol=True), "Whether it is ready",
         _PROTOCOL, refusals=(503,)),
    *(
        endpoint
        for path in (_MODEL, _VERSION)
        for endpoint in (
            _GET(path, Endpoints._protocol_model, "Inputs and outputs of a model", _PROTOCOL,
                 refusals=(404,)),
            _GET(f"{path}/ready", Endpoints._protocol_model_ready, "Whether a model is ready",
                 _PROTOCOL, refusals=(404,)),
            _PREDICTION(f"{path}/infer", summary="Predict the rows of tensors", tag=_PROTOCOL,
                        body="tensors", response=InferResponse, parameters=OPTIONS),
        )
    ),
    Endpoint("POST", "/labels", None, "Send what was true of predicted rows", "Labels",
             answers.Accepted, (400, 401, 403, 408, 413, 415, 422, 503), body=LABELS),
    Endpoint("POST", "/reload", Endpoints._reload, "Serve what is promoted now", "Administration",
             answers.Reloaded, (400, 401, 403, 409, 422), ("path",)),
    *(_GET(path, Endpoints._docs, "", "", switch="docs") for path in ("/docs", "/docs/{file}")),
    _GET("/runs", Endpoints._to_runs, "", "", switch="runs"),
    *(_GET(path, Endpoints._run_page, "", "", switch="runs")
      for path in ("/runs/", "/runs/{published:path}")),
    _GET("/monitor", Endpoints._monitor_page, "", "", switch="runs"),
    _GET("/models/{name}/pages/{page:path}", Endpoints._model_page, "", "", switch="runs"),
)  # fmt: skip
