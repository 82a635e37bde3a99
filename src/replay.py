"""Train a run again from its own directory, and compare: `python -m src.replay latest`."""

import sys

from src.replaying import asking
from src.runtime import program, threads


def main() -> None:
    """Answer on the command line."""
    with program.ending_in_one_line(asking.as_user_error):
        asked = asking.parse(sys.argv[1:])
        with threads.limited_threads(asked.openmp_threads):
            # Loads the numeric libraries, which read the limits once.
            from src.replaying.story import replay

            code = replay(asked)
        sys.exit(code)


if __name__ == "__main__":
    main()
