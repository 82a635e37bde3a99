"""Deploy, inspect, roll back, tear down: `python -m deploy status`."""

import os
import sys
import traceback

from deploy import commands, refusals
from tabproof.runtime import console

TRACEBACK_SWITCH = "DEPLOY_FULL_ERROR"


def main(arguments: list[str]) -> int:
    """Run a command; an error is one line and an exit code."""
    try:
        options = vars(commands.parser().parse_args(arguments))
        act = options.pop("act")
        console.say(act(**options))
    except KeyboardInterrupt as interrupt:
        console.complain(f"interrupted{refusals.notes(interrupt)}")
        return 130
    except Exception as error:
        known = refusals.explain_aws_error(error)
        if os.environ.get(TRACEBACK_SWITCH) == "1":
            traceback.print_exception(error)
        unknown = f"{type(error).__name__}: {error} ({TRACEBACK_SWITCH}=1 shows the traceback)"
        console.complain(f"{known or unknown}{refusals.notes(error)}")
        return 1 if known is None else known.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
