"""Write the page of all runs when a run or a sweep has ended; it never makes one fail."""

import logging
from pathlib import Path

from tabproof.artifacts import OUTPUTS, one_line

MODELS, PAGE = "models", "index.html"

log = logging.getLogger(__name__)


def refresh_page(directory: Path) -> None:
    """Write the page of the outputs/ that a run or a sweep is in; a failure is a warning."""
    try:
        here, folders = Path.cwd(), directory.absolute().parents
        outputs = next((path for path in folders if path.name == OUTPUTS), None)
        # A run that was refused leaves nothing.
        if outputs is None or not outputs.is_dir():
            return
        if outputs.is_relative_to(here):
            outputs = outputs.relative_to(here)
        # Loads what pages need; the code may have been changed while the run went on.
        from tabproof.runs.page import write_page

        write_page(outputs, outputs.with_name(MODELS))
    except Exception as error:  # whatever it is, the run is right without the page
        reason = one_line(f"{type(error).__name__}: {error}")
        log.warning("the page of all runs, %s, was not written: %s", PAGE, reason)
