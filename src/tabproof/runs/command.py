"""Look at runs, compare, tidy up, promote: `python -m src.runs list`."""

import sys

from tabproof.runs import command_line
from tabproof.runtime import console, process


def main() -> None:
    """Answer on the command line."""
    with process.ending_in_one_line(command_line.as_user_error):
        asked = vars(command_line.parser().parse_args())
        answer = asked.pop("act")(**asked)
        console.say(answer)
        # A check says by it what it has found.
        sys.exit(getattr(answer, "exit_code", 0))
