"""The service as a process: `python -m api`, with uvicorn's options behind."""

import os
import signal
import sys

# The first process of a container ignores what it does not handle, and importing takes a second.
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))

from uvicorn.main import main  # noqa: E402 - the handler comes first

OPTIONS = (
    "--no-server-header",
    "--no-access-log",
    # Behind a load balancer connections outlive its idle time-out of a minute.
    "--timeout-keep-alive=75",
    "--timeout-graceful-shutdown=30",
)

if __name__ == "__main__":
    main(["api.app:app", *OPTIONS, *sys.argv[1:]], prog_name="python -m api")
