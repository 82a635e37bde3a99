"""Score files with a trained model: `python -m src.score input=in.parquet output=out.parquet`."""

import os
import sys

from tabproof.runtime import console, process, threads


def main() -> None:
    """Answer on the command line."""
    # Their sums must not depend on the machine; this program has threads of its own.
    os.environ.update(dict.fromkeys(threads.BLAS_VARIABLES, "1"))
    try:
        # Loads the numeric libraries, which read the limits once.
        from tabproof import batch
        from tabproof.batch import score_files
    except KeyboardInterrupt:
        sys.exit(130)
    with process.ending_in_one_line(score_files.as_user_error):
        if {"-h", "--help"} & set(sys.argv[1:]):
            console.say(batch.HELP.rstrip())
            return
        with score_files.ending_with_its_reader(), score_files.telling_what_stays():
            options = batch.parse(sys.argv[1:])
            score_files.tell(score_files.score(options), options)
