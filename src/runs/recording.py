"""Whatever ends a run is told in its directory."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from src.errors import UserError
from src.runs.directory import RunDirectory
from src.runs.finding import complete_run_with_id

# The state of a directory whose run lies elsewhere.
SKIPPED = "skipped"

log = logging.getLogger(__name__)


class RunSkipped(Exception):  # noqa: N818 - no error: what was asked for is there
    """Raised where a complete run of the same id makes another one needless."""

    def __init__(self, run: Path) -> None:
        super().__init__(f"{run} is a complete run of the same id")
        self.run = run


def skip_completed(run_id: str, outputs: Path) -> None:
    """Raise RunSkipped where there is a complete run of that id."""
    found = complete_run_with_id(run_id, outputs)
    if found is not None:
        raise RunSkipped(found)


@contextmanager
def recorded(
    run: RunDirectory, current_step: Callable[[], str], *, keep_refused: bool
) -> Iterator[None]:
    """Take the directory for a run; on failure leave the log, the traceback and a status.

    A run that is refused for what it was given (exit code 2) leaves nothing, unless
    keep_refused: the terminal has told all. In a sweep nobody may have been watching.
    """
    run.begin()
    try:
        yield
    except KeyboardInterrupt as interrupt:
        if not _record(run, "interrupted", f"while {current_step()}", interrupt):
            interrupt.add_note(
                f"while {current_step()}; kept: {run.shown_path} with its log,"
                " but it is no complete run"
            )
        raise
    except RunSkipped as skipped:
        if keep_refused:
            run.fail(SKIPPED, str(skipped.run))
        else:
            run.discard()
        raise
    except UserError as error:
        _record(run, "failed", str(error), error)
        if error.exit_code == UserError.exit_code and not keep_refused:
            run.discard()
        raise
    except BaseException as error:
        if not _record(run, "failed", f"{type(error).__name__}: {error}", error):
            error.add_note(
                f"while {current_step()}; the traceback stands in {run.shown_path}/train.log"
            )
        raise
    finally:
        run.close()


def _record(run: RunDirectory, state: str, reason: str, error: BaseException) -> bool:
    """Note how a run ended; True if it was complete by then, and must stay as it is."""
    # On a full disk even this cannot be written; what raised must still be told.
    with suppress(OSError):
        if run.is_complete:
            error.add_note(f"at the very end; {run.shown_path} is a complete run")
            return True
        log.error("%s: %s", state, reason)
        run.fail(state, reason)
    return False
