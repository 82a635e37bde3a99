"""The application: `uvicorn api.app:app`."""

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from tabproof.errors import PackageMissingError, UserError
from tabproof.service.answers import RefusedError
from tabproof.service.endpoints import DOCUMENT_PATH, Endpoints
from tabproof.service.gate import Gate
from tabproof.service.model_store import ModelStore, ReloadError
from tabproof.service.openapi import document
from tabproof.service.recording import (
    STOP_SECONDS,
    make_prediction_log,
    warn_of_unknown_columns,
)
from tabproof.service.server import Lifecycle
from tabproof.service.settings import Settings, misspelt
from tabproof.service.telemetry import Telemetry
from tabproof.service.workers import Workers, starter

if TYPE_CHECKING:
    from tabproof.service.grpc_service import GrpcService

log = logging.getLogger("uvicorn.error")


def make_app(settings: Settings) -> FastAPI:
    """Make the application; models are loaded when it starts."""
    store = ModelStore(settings)
    workers = Workers(starter())
    telemetry = Telemetry(settings.log, workers.directory)
    lifecycle = Lifecycle()
    prediction_log = make_prediction_log(settings, telemetry)
    endpoints = Endpoints(store, settings, telemetry, lifecycle, workers, prediction_log)
    by_grpc = grpc_of(endpoints, workers)

    gates: list[Gate] = []

    def make_gate(inner: ASGIApp) -> Gate:
        gates.append(Gate(inner, endpoints))
        return gates[-1]

    async def watch() -> None:
        """Reload when a pointer changes; a failure is logged, and the old model stays."""
        logged = ""
        while settings.watch_seconds:
            await asyncio.sleep(settings.watch_seconds)
            message = ""
            try:
                if await asyncio.to_thread(store.reload, None, thoroughly=False):
                    workers.publish(None, store.served.runs, thoroughly=False, ok=True)
                    endpoints.show_served("succeeded")
            except UserError as error:
                message = str(error)
                if message != logged:
                    log.error("not reloaded: %s", error)  # noqa: TRY400 - the message is the cause
                    endpoints.show_served("refused")
            logged = message

    async def repeat(paths: Sequence[str | None], thoroughly: bool) -> dict[str, str]:
        """Reload as another worker did."""
        if await asyncio.to_thread(store.repeat, paths, thoroughly=thoroughly):
            endpoints.show_served("succeeded")
        return store.served.runs

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # glibc returns each freed array to the system until a large one was freed; after that,
        # batches take half the time. It learns up to 32 MiB (DEFAULT_MMAP_THRESHOLD_MAX).
        np.empty(24 * 2**20, np.uint8)
        # Telemetry logs each request.
        logging.getLogger("uvicorn.access").disabled = True
        # What is added around the gate must see each request.
        outermost: object = app.user_middleware[0].cls
        is_bare = outermost is make_gate and _is_within_fastapi(gates[-1], app.middleware_stack)
        at_once = gates[-1].answer_at_once if is_bare else None
        lifecycle.attach(app, telemetry, settings.drain_seconds, at_once)
        others = workers.join()
        try:
            if others.paths:
                await asyncio.to_thread(store.repeat, [None, *others.paths], thoroughly=True)
            else:
                with suppress(ReloadError):
                    await asyncio.to_thread(store.reload, None)
            workers.repeated(others, store.served.runs)
        except UserError as error:
            if not others.paths:
                raise
            # The run is gone since the other workers have loaded it: this one tries again.
            store.block(error)
            log.error("another worker serves what this one cannot load: %s", error)  # noqa: TRY400
        for name, why in {**store.served.unread, **store.served.failed}.items():
            log.error("model '%s' cannot be loaded: %s", name, why)
        for name, why in store.served.store.items():
            log.error("'%s' cannot be pulled: %s; the cached version is served", name, why)
        for name in store.served.missing():
            log.error("API_REQUIRE names '%s', which is not served", name)
        endpoints.show_served()
        if prediction_log is not None:
            warn_of_unknown_columns(settings, store.served.models.values())
            prediction_log.start()
        if by_grpc is not None:
            await by_grpc.start()
        tasks = (
            asyncio.create_task(watch()),
            asyncio.create_task(workers.follow(repeat, store.block)),
        )
        yield
        if by_grpc is not None:
            await by_grpc.stop()
        await asyncio.to_thread(endpoints.traffic.stop)
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        if prediction_log is not None:
            await asyncio.to_thread(prediction_log.stop, STOP_SECONDS)
        workers.leave()

    app = FastAPI(
        title="Predictions",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=DOCUMENT_PATH if settings.docs else None,
        redirect_slashes=False,
    )
    app.add_exception_handler(HTTPException, _refuse)
    app.include_router(endpoints.router)
    app.openapi = lambda: document(store.served, settings)  # type: ignore[method-assign]
    app.add_middleware(make_gate)
    return app


def _is_within_fastapi(gate: Gate, layer: Any) -> bool:
    """Return whether only FastAPI's own layers are around the gate: a tracing library adds one."""
    own = ("fastapi", "starlette")
    while layer is not gate and type(layer).__module__.partition(".")[0] in own:
        layer = getattr(layer, "app", None)
    return layer is gate


def grpc_of(endpoints: Endpoints, workers: Workers) -> "GrpcService | None":
    """Return the service by gRPC, if the settings have an address for it."""
    if not endpoints.settings.grpc:
        return None
    try:
        from tabproof.service.grpc_service import GrpcService
    except ModuleNotFoundError as error:
        raise PackageMissingError("API_GRPC", str(error.name), "grpc") from error
    return GrpcService(endpoints, is_shared=workers.directory is not None)


async def _refuse(_: Request, error: Exception) -> Response:
    """Let the gate write the errors of the router, in the form of all others."""
    status, headers = (
        getattr(error, "status_code", 404),
        dict(getattr(error, "headers", None) or {}),
    )
    detail = "nothing is at this path; try GET /health, /models or /schema"
    if status == 405:
        # Starlette joins a set.
        headers["Allow"] = ", ".join(sorted(headers.get("Allow", "").split(", ")))
        detail = f"this path takes {headers['Allow']}"
    raise RefusedError(status, detail, headers=headers) from error


def app_from_environment() -> FastAPI:
    """Make the application that the environment variables describe."""
    try:
        app = make_app(Settings.from_environment(os.environ))
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
    for variable in ("API_MODELS", "API_OUTPUTS"):
        if variable in os.environ and not Path(os.environ[variable]).exists():
            log.warning("%s=%s does not exist yet", variable, os.environ[variable])
    for found, meant in misspelt(os.environ).items():
        log.warning("unknown variable %s; did you mean %s?", found, meant)
    return app
