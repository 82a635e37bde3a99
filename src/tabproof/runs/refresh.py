"""Write the page of all runs when what it shows has changed; a failure is a warning, no more."""

import logging
from pathlib import Path

from tabproof.artifacts import OUTPUTS, is_date, one_line
from tabproof.artifacts.run_directory import ALL_RUNS

MODELS = "models"

log = logging.getLogger(__name__)


def refresh_page(directory: Path) -> None:
    """Write the page of the outputs/ that a run or a sweep is in, after its end."""
    outputs = next((each for each in directory.absolute().parents if each.name == OUTPUTS), None)
    if outputs is None:
        return
    # A replay is not listed, and a run that was refused leaves nothing.
    date, *_ = directory.absolute().relative_to(outputs).parts
    if is_date(date) and directory.is_dir():
        _write(outputs, outputs.with_name(MODELS))


def rewrite_page(outputs: Path, models: Path) -> None:
    """Write the page again where there is one, after runs were removed or models promoted."""
    if (outputs / ALL_RUNS).is_file():
        _write(outputs, models)


def _write(outputs: Path, models: Path) -> None:
    try:
        # Imported here: the code may have been changed while a run went on, which must not stop it.
        from tabproof.runs.page import write_page

        # Causes name paths as the commands do.
        here = Path.cwd()
        write_page(outputs.relative_to(here) if outputs.is_relative_to(here) else outputs, models)
    except Exception as error:  # whatever it is, all else is right without the page
        reason = one_line(f"{type(error).__name__}: {error}")
        log.warning("%s was not written: %s", one_line(str(outputs / ALL_RUNS)), reason)
