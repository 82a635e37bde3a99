"""Ask the check of a watched model whether there is an alarm."""

import subprocess
import sys
from pathlib import Path

from tabproof.errors import UserError
from tabproof.text import without_controls

# With the name of the model and its options behind it. Exit codes: 0 no alarm, 1 an alarm.
CHECK = (sys.executable, "-m", "tabproof", "monitor", "check")


class CheckFailedError(UserError):
    """A check that could not tell whether there is an alarm."""

    template = "--if-alarm: the check of '{name}' could not tell: {reason}"


def find_alarm(name: str, log: Path, models: Path) -> str | None:
    """Return what a check that ends with an alarm says of the model; None if there is no alarm.

    That is its line that begins with the name, or its first line.

    Raises CheckFailedError, with the reason of the check, where it could not tell.
    """
    done = subprocess.run(  # noqa: S603 - our own words
        [*CHECK, name, f"--log={log}", f"--models={models}"],
        capture_output=True,
        text=True,
        check=False,
    )
    said = [line for line in without_controls(done.stdout).split("\n") if line.strip()]
    of_model = [line for line in said if line.startswith(f"{name}:")]
    first = next(iter([*of_model, *said]), "")
    if done.returncode == 0:
        return None
    # An error of the program has this exit code too, and prints nothing.
    if done.returncode == 1 and first:
        return first
    reasons = [line for line in done.stderr.splitlines() if line.strip()]
    reason = reasons[-1] if reasons else f"it ended with exit code {done.returncode}"
    raise CheckFailedError(name=name, reason=reason.removeprefix("error: "))
