"""Predictions: from a path and a body to the bytes of an answer."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse, RedirectResponse

from tabproof.errors import UserError
from tabproof.service import inference_protocol
from tabproof.service.answers import (
    Health,
    Models,
    Readiness,
    RefusedError,
    Reloaded,
    no_model_detail,
    not_found,
)
from tabproof.service.bodies import decode_batch, decode_predict
from tabproof.service.errors import OutsideRootsError
from tabproof.service.inference_protocol import LENGTH_HEADER
from tabproof.service.model_store import ModelStore, Served
from tabproof.service.security import check_admin
from tabproof.service.served_model import ServedModel
from tabproof.service.server import Lifecycle
from tabproof.service.settings import Settings
from tabproof.service.telemetry import Telemetry

# --- What FastAPI answers: everything but predictions, which the gate answers before it.

DOCS_FILES = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}
# The page is made of scripts and styles of its own, and may ask this service alone.
DOCS_POLICY = "default-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"

_encode = msgspec.json.Encoder().encode


def answer(content: Any, status: int = 200) -> Response:
    """Send what msgspec can write."""
    return Response(_encode(content), status, media_type="application/json")


def make_router(
    store: ModelStore, settings: Settings, telemetry: Telemetry, lifecycle: Lifecycle
) -> APIRouter:
    """Make the routes of one application."""
    router = APIRouter(include_in_schema=False)
    _add_health(router, store, lifecycle)
    _add_models(router, store)
    _add_inference_protocol(router, store, lifecycle)
    _add_administration(router, store, settings, telemetry)
    if settings.docs:
        _add_docs(router)
    return router


def _add_health(router: APIRouter, store: ModelStore, lifecycle: Lifecycle) -> None:
    # HEAD too: some load balancers ask so.
    @router.api_route("/health", methods=["GET", "HEAD"])
    @router.api_route("/healthz", methods=["GET", "HEAD"])
    async def health() -> Response:
        served = store.served
        runs = {name: model.run_id for name, model in served.models.items()}
        detail = _detail_of(served)
        return answer(Health("ok", runs, served.default_name, dict(served.failed), detail))

    @router.api_route("/ready", methods=["GET", "HEAD"])
    async def ready() -> Response:
        why = _why_not_ready(store, lifecycle)
        if why:
            return answer(Readiness("not ready", why), 503)
        return answer(Readiness("ready"))


def _detail_of(served: Served) -> str:
    if not served.models:
        return no_model_detail({**served.store, **served.failed})
    return "; ".join(f"'{name}' is not up to date: {why}" for name, why in served.store.items())


def _why_not_ready(store: ModelStore, lifecycle: Lifecycle) -> str:
    if not lifecycle.is_ready:
        return "the service is ending"
    try:
        store.served.default()
    except RefusedError as refusal:
        return refusal.detail
    return ""


def _add_models(router: APIRouter, store: ModelStore) -> None:
    @router.get("/models")
    async def models() -> Response:
        served = store.served
        infos = [
            model.info(default=name == served.default_name)
            for name, model in sorted(served.models.items())
        ]
        return answer(Models(infos))

    @router.get("/schema")
    async def schema() -> Response:
        return answer(store.served.default().schema_info())

    @router.get("/models/{name}/schema")
    async def schema_of(name: str) -> Response:
        return answer(store.served.named(name).schema_info())


def _add_inference_protocol(router: APIRouter, store: ModelStore, lifecycle: Lifecycle) -> None:
    def named(name: str, version: str | None = None) -> ServedModel:
        model = store.served.named(name)
        inference_protocol.check_version(model, version)
        return model

    @router.get("/v2")
    async def server() -> Response:
        return answer(
            {"name": "tabular-experiments", "version": "2", "extensions": ["binary_tensor_data"]}
        )

    @router.get("/v2/health/live")
    async def live() -> Response:
        return answer({"live": True})

    @router.get("/v2/health/ready")
    async def ready() -> Response:
        is_ready = not _why_not_ready(store, lifecycle)
        return answer({"ready": is_ready}, 200 if is_ready else 503)

    @router.get("/v2/models/{name}")
    @router.get("/v2/models/{name}/versions/{version}")
    async def metadata(name: str, version: str | None = None) -> Response:
        return answer(inference_protocol.metadata(named(name, version)))

    @router.get("/v2/models/{name}/ready")
    @router.get("/v2/models/{name}/versions/{version}/ready")
    async def model_ready(name: str, version: str | None = None) -> Response:
        return answer({"name": named(name, version).name, "ready": lifecycle.is_ready})


def _add_administration(
    router: APIRouter, store: ModelStore, settings: Settings, telemetry: Telemetry
) -> None:
    one_at_a_time = asyncio.Lock()

    @router.post("/reload")
    async def reload(request: Request) -> Response:
        check_admin(settings.admin_token, request.headers.get("authorization"))
        paths = request.query_params.getlist("path")
        if len(paths) > 1:
            raise RefusedError(422, "path stands there twice")
        async with one_at_a_time:
            try:
                # Reading and hashing take their time; others are answered meanwhile.
                models = await asyncio.to_thread(store.reload, paths[0] if paths else None)
            except UserError as error:
                telemetry.models(store.served.models.values())
                telemetry.reload(succeeded=False)
                status = 400 if isinstance(error, OutsideRootsError) else 409
                words = f"{store.said(error)} (what served before goes on serving)"
                raise RefusedError(status, words) from error
        telemetry.reload(succeeded=True)
        telemetry.models(store.served.models.values())
        return answer(Reloaded({name: model.run_id for name, model in models.items()}))

    @router.get("/metrics")
    async def metrics() -> Response:
        return Response(telemetry.page(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _add_docs(router: APIRouter) -> None:
    pages = files("fastapi_offline") / "static"

    @router.get("/")
    async def root() -> Response:
        return RedirectResponse("/docs")

    @router.get("/docs")
    async def docs() -> HTMLResponse:
        page = get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="Predictions",
            swagger_js_url="/docs/swagger-ui-bundle.js",
            swagger_css_url="/docs/swagger-ui.css",
            swagger_favicon_url="data:,",
        )
        page.headers["Content-Security-Policy"] = DOCS_POLICY
        return page

    @router.get("/docs/{name}")
    async def docs_file(name: str) -> Response:
        if name not in DOCS_FILES:
            raise not_found("there is no such page")
        return Response((pages / name).read_bytes(), media_type=DOCS_FILES[name])


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
