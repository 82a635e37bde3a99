"""What a person sees: plain lines on the console, all of it in the log, errors in one line."""

import logging
import os
import sys
from contextlib import suppress
from typing import TextIO

WARNING_MARK = "! "
# A logger whose lines go to the log file alone, because the console gets them later.
LOG_ONLY = "result"
# A cluster's libraries tell each connection that is lost; what it means is told once.
FOR_THE_LOG = (LOG_ONLY, "distributed")


class ConsoleHandler(logging.StreamHandler[TextIO]):
    """Print messages to whatever sys.stdout is now, so that progress bars stay whole.

    Of warnings the first line, of errors none: those are told once, when the program
    ends. Everything, tracebacks too, stands in train.log.
    """

    def __init__(self) -> None:
        super().__init__(sys.stdout)
        self.addFilter(_is_for_the_console)

    def emit(self, record: logging.LogRecord) -> None:
        """Print to the present sys.stdout."""
        self.stream = sys.stdout
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002 - logging's name
        """Go on without a console: the log has it all."""
        forget_console(sys.exception())

    def format(self, record: logging.LogRecord) -> str:
        """Give the message alone."""
        message = record.getMessage()
        if record.levelno < logging.WARNING:
            return message
        return WARNING_MARK + message.strip().partition("\n")[0]


def _is_for_the_console(record: logging.LogRecord) -> bool:
    return record.levelno < logging.ERROR and record.name.partition(".")[0] not in FOR_THE_LOG


class LogFile(logging.FileHandler):
    """A log whose lines are written or fail the run: a run's log must be whole."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002 - logging's name
        """Raise what kept the line from being written."""
        raise


def say(line: str) -> None:
    """Print a line for scripts, byte for byte."""
    try:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except OSError as error:
        forget_console(error)


def forget_console(error: BaseException | None) -> None:
    """Print into the void from now on; `| head` closes its pipe on purpose, all else is told."""
    if not isinstance(error, BrokenPipeError):
        complain(f"the console cannot be written ({error}); a run goes on, and its log has it all")
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - until the end


def complain(line: str) -> None:
    """Print an error in one line."""
    # Where a terminal is gone, nobody is left to be told.
    with suppress(OSError):
        sys.stderr.write(f"error: {' '.join(line.split())}\n")
        sys.stderr.flush()


def end_log(line: str) -> None:
    """Write the last line to log files and close them: a sealed run must not change."""
    logging.getLogger(LOG_ONLY).info(line)
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler, logging.FileHandler):
            root.removeHandler(handler)
            handler.close()
