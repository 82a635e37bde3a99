"""Look at runs, compare, tidy up, promote: `python -m src.runs list`."""

import sys

from src import run_commands
from src.runtime import console, program

if __name__ == "__main__":
    with program.ending_in_one_line(run_commands.as_user_error):
        asked = vars(run_commands.parser().parse_args())
        answer = asked.pop("act")(**asked)
        console.say(answer)
        # A check says by it what it has found.
        sys.exit(getattr(answer, "exit_code", 0))
