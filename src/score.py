"""Score files with a trained model: `python -m src.score input=in.parquet output=out.parquet`."""

import os
import sys

from src.runtime import console, program, threads


def main() -> None:
    """Answer on the command line."""
    # Their sums must not depend on the machine; this program has threads of its own.
    os.environ.update(dict.fromkeys(threads.BLAS_VARIABLES, "1"))
    try:
        # Loads the numeric libraries, which read the limits once.
        from src import batch, batch_scoring
    except KeyboardInterrupt:
        sys.exit(130)
    with program.ending_in_one_line(batch_scoring.as_user_error):
        if {"-h", "--help"} & set(sys.argv[1:]):
            console.say(batch.HELP.rstrip())
            return
        with batch_scoring.ending_with_its_reader(), batch_scoring.telling_what_stays():
            options = batch.parse(sys.argv[1:])
            batch_scoring.tell(batch_scoring.score(options), options)


if __name__ == "__main__":
    main()
