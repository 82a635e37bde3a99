"""Deploy, look, go back, take down: `python -m deploy status`."""

import os
import sys
import traceback

from deploy import commands, refusals
from tabproof.runtime import console

TRACEBACK_SWITCH = "DEPLOY_FULL_ERROR"


def main(arguments: list[str]) -> int:
    """Answer on the command line; what went wrong is one line and an exit code."""
    try:
        asked = vars(commands.parser().parse_args(arguments))
        act = asked.pop("act")
        console.say(act(**asked))
    except KeyboardInterrupt as interrupt:
        console.complain(f"interrupted{refusals.notes(interrupt)}")
        return 130
    except Exception as error:
        known = refusals.as_user_error(error)
        if os.environ.get(TRACEBACK_SWITCH) == "1":
            traceback.print_exception(error)
        words = f"{type(error).__name__}: {error} ({TRACEBACK_SWITCH}=1 shows the traceback)"
        console.complain(f"{known or words}{refusals.notes(error)}")
        return 1 if known is None else known.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
