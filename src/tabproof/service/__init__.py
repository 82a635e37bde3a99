"""The service: `serve` starts it as a process, `app` makes the application."""

import os
import signal
from collections.abc import Sequence

from tabproof.errors import CommandLineError, PackageMissingError

OPTIONS = (
    "--factory",
    "--no-server-header",
    "--no-access-log",
    # Behind a load balancer connections outlive its idle time-out of a minute.
    "--timeout-keep-alive=75",
    "--timeout-graceful-shutdown=30",
)


def serve(arguments: Sequence[str], program: str) -> None:
    """Run uvicorn with our options, and those of the user behind them."""
    # A container's first process ignores what it does not handle, and importing takes a second.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    try:
        from click import UsageError
        from uvicorn.main import main

        import tabproof.service.app  # noqa: F401 - uvicorn would show a traceback
    except ModuleNotFoundError as error:
        raise PackageMissingError("the service", str(error.name), "api") from error
    application = "tabproof.service.app:app_from_environment"
    try:
        main([application, *OPTIONS, *arguments], prog_name=program, standalone_mode=False)
    except UsageError as error:
        raise CommandLineError(program, error.format_message()) from error
