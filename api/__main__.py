"""The service as a process: `python -m api`, with uvicorn's options behind."""

import os
import signal
import sys

# A container's first process ignores signals that it does not handle, and imports take a second.
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))

from tabproof.errors import UserError  # noqa: E402 - the handler comes first
from tabproof.service.command import serve  # noqa: E402

if __name__ == "__main__":
    try:
        serve(sys.argv[1:], "python -m api")
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
