"""The application: `uvicorn api.app:app`."""

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import numpy as np
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from tabproof.errors import UserError
from tabproof.service.answers import RefusedError
from tabproof.service.endpoints import Predictions, make_router
from tabproof.service.gate import Gate
from tabproof.service.model_store import ModelStore
from tabproof.service.openapi import document
from tabproof.service.server import Lifecycle
from tabproof.service.settings import Settings, misspelt
from tabproof.service.telemetry import Telemetry

log = logging.getLogger("uvicorn.error")

# Bytes: the largest for which glibc learns it (DEFAULT_MMAP_THRESHOLD_MAX is 32 MiB).
LARGEST_ARRAY = 24 * 2**20


def make_app(settings: Settings) -> FastAPI:
    """Put the service together; models are loaded when it starts."""
    store = ModelStore(settings)
    telemetry = Telemetry(settings.log)
    lifecycle = Lifecycle(settings.drain_seconds, telemetry)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # glibc gives arrays back to the system one by one until a large one was freed: batches
        # then take half the time.
        np.empty(LARGEST_ARRAY, np.uint8)
        # Each request has a line of our own.
        logging.getLogger("uvicorn.access").disabled = True
        lifecycle.take_over()
        await asyncio.to_thread(store.load)
        for name, why in store.served.failed.items():
            log.error("model '%s' cannot be loaded: %s", name, why)
        for name, why in store.served.store.items():
            log.error("'%s' cannot be pulled: %s; what the cache holds serves", name, why)
        telemetry.models(store.served.models.values())
        _tell(store)
        watch = asyncio.create_task(_watch(store, telemetry, settings.watch_seconds))
        yield
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch

    app = FastAPI(
        title="Predictions",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json" if settings.docs else None,
        redirect_slashes=False,
    )
    app.add_exception_handler(HTTPException, _refuse)
    app.include_router(make_router(store, settings, telemetry, lifecycle))
    app.openapi = lambda: document(store.served, settings)  # type: ignore[method-assign]
    app.add_middleware(
        Gate,
        settings=settings,
        predictions=Predictions(store, settings),
        telemetry=telemetry,
        lifecycle=lifecycle,
    )
    return app


async def _refuse(_: Request, error: Exception) -> Response:
    """Let the gate word what the router finds wrong, as it words everything else."""
    status = getattr(error, "status_code", 404)
    headers = getattr(error, "headers", None) or {}
    if status == 405:
        words = f"this path takes {headers.get('Allow', 'other methods')}"
    else:
        words = "there is nothing at this path; GET /health, /models and /schema are there"
    raise RefusedError(status, words, headers=headers) from error


def _tell(store: ModelStore) -> None:
    served = store.served
    for name, model in served.models.items():
        is_default = ", of the plain paths" if name == served.default_name else ""
        log.info("serving '%s'%s: run %s from %s", name, is_default, model.run_id, model.source)
    if not served.models:
        log.warning("no model is served yet; /health says what to do")


async def _watch(store: ModelStore, telemetry: Telemetry, seconds: float) -> None:
    """Reload when a pointer was switched; what fails is logged, and the old model serves on."""
    if not seconds:
        return
    told = ""
    while True:
        await asyncio.sleep(seconds)
        try:
            if not await asyncio.to_thread(store.follow):
                told = ""
                continue
        except UserError as error:
            if str(error) != told:
                told = str(error)
                telemetry.reload(succeeded=False)
                telemetry.models(store.served.models.values())
                log.error("not reloaded: %s", error)  # noqa: TRY400 - the message is the cause
        else:
            told = ""
            telemetry.reload(succeeded=True)
            telemetry.models(store.served.models.values())
            _tell(store)


def app_from_environment() -> FastAPI:
    """Make the application that the environment variables describe."""
    try:
        app = make_app(Settings.from_environment(os.environ))
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
    for variable in ("API_MODELS", "API_OUTPUTS"):
        if variable in os.environ and not Path(os.environ[variable]).exists():
            log.warning("%s=%s is not there yet", variable, os.environ[variable])
    for found, meant in misspelt(os.environ).items():
        log.warning("the variable %s is none of ours; did you mean %s?", found, meant)
    return app
