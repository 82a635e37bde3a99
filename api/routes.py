"""What FastAPI answers: everything but predictions, which the gate answers before it."""

import asyncio
from importlib.resources import files
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse, RedirectResponse

from api import inference_protocol
from api.answers import Health, Models, Readiness, Reloaded
from api.lifecycle import Lifecycle
from api.model_store import ModelStore, Served
from api.refusals import RefusedError, no_model_detail, not_found
from api.security import check_admin
from api.served_model import ServedModel
from api.settings import Settings
from api.telemetry import Telemetry
from src.errors import OutsideRootsError, UserError

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
