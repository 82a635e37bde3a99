"""The service as a process: `python -m api`, with uvicorn's options behind."""

import sys

from tabproof.errors import UserError
from tabproof.service import serve

if __name__ == "__main__":
    try:
        serve(sys.argv[1:], "python -m api")
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
