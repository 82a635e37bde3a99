"""Train a run again from its own directory, and compare: `python -m src.replay latest`."""

import sys

from tabproof.replay import command_line
from tabproof.runtime import process, threads


def main() -> None:
    """Answer on the command line."""
    with process.ending_in_one_line(command_line.as_user_error):
        asked = command_line.parse(sys.argv[1:])
        with threads.limited_threads(asked.openmp_threads):
            # Loads the numeric libraries, which read the limits once.
            from tabproof.replay.replay import replay

            code = replay(asked)
        sys.exit(code)
