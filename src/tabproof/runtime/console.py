"""Plain lines on the console, everything in the log, errors in one line."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

# A logger whose lines go to the log file only; the console gets them later.
LOG_ONLY = "result"
# dask's libraries log each lost connection; this project reports once what it means.
FOR_THE_LOG = (LOG_ONLY, "distributed")
# Besides the root logger, those that a run in a program of somebody else logs to.
LOGGERS = ("tabproof", LOG_ONLY, "py.warnings")
LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class ConsoleHandler(logging.StreamHandler[TextIO]):
    """Print messages to the current sys.stdout, so that a live display stays intact.

    Only the first line of a warning is printed, and no error: errors are printed once, when the
    program ends. train.log has everything, tracebacks too.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the console shows a record."""
        return record.levelno < logging.ERROR and record.name.partition(".")[0] not in FOR_THE_LOG

    def emit(self, record: logging.LogRecord) -> None:
        """Print to the current sys.stdout."""
        self.stream = sys.stdout
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002 - logging's name
        """Continue without a console; the log has everything."""
        forget_console(sys.exception())

    def format(self, record: logging.LogRecord) -> str:
        """Return the message without a timestamp or level."""
        message = record.getMessage()
        first, _, _ = message.strip().partition("\n")
        return f"! {first}" if record.levelno >= logging.WARNING else message


class LogFile(logging.FileHandler):
    """A log file that fails the run if a line cannot be written."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002 - logging's name
        """Raise the error of the write."""
        raise


@contextmanager
def logging_to(*handlers: logging.Handler) -> Iterator[None]:
    """Log to these inside the block, as a run does: warnings too."""
    root, level = logging.getLogger(), logging.getLogger().level
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        root.setLevel(level)
        for handler in handlers:
            root.removeHandler(handler)
            handler.close()


def say(line: str) -> None:
    """Print a line for scripts, byte for byte."""
    try:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except OSError as error:
        forget_console(error)


def forget_console(error: BaseException | None) -> None:
    """Discard further output; report the error unless a reader such as `| head` closed the pipe."""
    if not isinstance(error, BrokenPipeError):
        complain(
            f"cannot write to the console ({error}); the run continues, and its log has everything"
        )
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - until the end


def complain(line: str) -> None:
    """Print an error in one line."""
    # The terminal may be gone.
    with suppress(OSError):
        sys.stderr.write(f"error: {' '.join(line.split())}\n")
        sys.stderr.flush()


def end_log(line: str) -> None:
    """Write the last line to the run's log and close it: a complete run must not change."""
    logging.getLogger(LOG_ONLY).info(line)
    for logger in map(logging.getLogger, ("", *LOGGERS)):
        # Other files belong to a program that uses this package.
        for handler in [each for each in logger.handlers if isinstance(each, LogFile)]:
            logger.removeHandler(handler)
            handler.close()
