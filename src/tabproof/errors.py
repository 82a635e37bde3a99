"""The base class of errors that a user may meet, and errors that several packages raise.

Errors of one package are in its `errors.py`, or next to the code that raises them.
"""

from collections.abc import Sequence
from pathlib import Path
from string import Formatter
from typing import Any

from tabproof.text import is_printable, shell_word

MAX_TEXT, MAX_MESSAGE = 500, 5000


def listed(values: Sequence[Any], limit: int = 20) -> str:
    """Return the values in quotes, shortened to the first few."""
    shown = ", ".join(f"'{value}'" for value in values[:limit])
    return f"{shown}, … ({len(values)} in all)" if len(values) > limit else shown


def suggested(values: Sequence[str]) -> str:
    """Return the end of a message that names what may have been meant."""
    return f"; did you mean {' or '.join(values)}?" if values else ""


def printable(text: str, limit: int = 80) -> str:
    """Return a text on one line, cut to `limit` characters."""
    # Names and texts come from users: a line break or a lone surrogate must not reach a log. All
    # else stays as it is, so that a suggestion can be pasted.
    shown = text if len(text) <= limit else f"{text[:limit]}…"
    if is_printable(shown):
        return shown
    return "".join(each if is_printable(each) else repr(each)[1:-1] for each in shown)


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text that is not blank; else the name of its class."""
    lines = map(str.strip, str(error).splitlines())
    return next(filter(None, lines), type(error).__name__)


class UserError(Exception):
    """A problem that the user can solve; the program ends with `exit_code`.

    A subclass is a name, a docstring and a `template`. Its constructor takes the fields of the
    template, in their order or by name. The message is one line: what was asked, what was found,
    what works. Lists and tuples are shown as `listed` shows them, long texts are cut, line breaks
    and other control characters are escaped. A subclass without a template passes the message.
    """

    exit_code = 2
    template = ""

    def __init__(self, *values: object, **facts: object) -> None:
        if self.template:
            names = dict.fromkeys(name for _, name, _, _ in Formatter().parse(self.template))
            facts |= zip(filter(None, names), values, strict=False)
            shown = {name: _shown(value) for name, value in facts.items()}
            values = (printable(self.template.format_map(shown), MAX_MESSAGE),)
        super().__init__(*values)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the message alone: it is complete, whatever the arguments were."""
        return Exception.__new__, (type(self), str(self))

    def _render_traceback_(self) -> list[str]:
        # What a notebook shows: the message says all, as on the command line.
        return [f"{type(self).__name__}: {self}"]


def _shown(fact: object) -> object:
    if isinstance(fact, list | tuple):
        return listed(fact)
    text = str(fact) if isinstance(fact, str | Path) else ""
    return f"{text[:MAX_TEXT]}…" if len(text) > MAX_TEXT else fact


class PathError(UserError):
    """A path that the system refuses; notes of the error are part of the message."""

    exit_code = 1

    def __init__(
        self, action: str, error: OSError, remedy: str = "", *, path: Path | None = None
    ) -> None:
        where = path or error.filename
        subject = f"{action} {printable(str(where), 500)}" if where else action
        reason = error.strerror or str(error) or type(error).__name__
        parts = [f"{subject}: {reason}", *getattr(error, "__notes__", [])]
        super().__init__(", ".join(parts) + (f"; {remedy}" if remedy else ""))


class CommandLineError(UserError):
    """A command line that click refuses; reason: its message."""

    def __init__(self, program: str, reason: str) -> None:
        reason = reason[:1].lower() + reason[1:].rstrip(".?").replace(". Did", "; did")
        super().__init__(f"{reason}; {program} --help shows examples")


class UnknownKeyError(UserError):
    """A configuration key that does not exist."""

    def __init__(self, key: str, nearest: Sequence[str]) -> None:
        super().__init__(f"there is no key '{key}'{suggested(nearest)}")


class OverrideSyntaxError(UserError):
    """A word of the command line that is not an override."""

    template = (
        "'{override}' is not of the form key=value; put the shell's quotes around values with"
        " spaces or other special characters: 'key=a b'"
    )


class MissingValueError(UserError):
    """A key without a default that was not given."""

    template = "{key} must be given, as in {assignment}"

    def __init__(self, key: str, example: str) -> None:
        given = f"{key}={example}"
        super().__init__(key, given if example == "…" or " " in key else shell_word(given))


class InvalidValueError(UserError):
    """A value of the right type that is not allowed."""

    template = "{key}={value} cannot work; it takes {valid}"

    def __init__(self, key: str, value: Any, valid: str) -> None:
        # A line break as it would be typed.
        shown = repr(value) if isinstance(value, str) and not value.isprintable() else str(value)
        super().__init__(key, shown, valid)


class PackageMissingError(UserError):
    """A choice that needs a package of an extra."""

    template = (
        "{what} needs {package}, which is not installed; make init 'EXTRAS=[{extra}]' installs it,"
        " or pip install 'tabproof[{extra}]'"
    )


class FileMissingError(UserError):
    """The file of the data is missing."""

    template = "dataset.path={path}: there is {found} (from {folder})"


class DuplicateColumnsError(UserError):
    """Columns of the same name."""

    template = "duplicate column names: {columns}; names must be unique"


class ColumnMissingError(UserError):
    """A column that is not in the table."""

    template = "{key}: there is no column '{column}'; there are {columns}"


class TooManyCategoriesError(UserError):
    """A column with more categories than the estimator supports."""

    template = (
        "column '{column}' has {found} categories, and the estimator supports {limit}; choose"
        " preprocess=target, hashing, ordinal or onehot, or leave the column out"
    )


class NewerFormatError(UserError):
    """A file that a newer version of this project has written."""

    template = "{name} has format {found}, and this version reads {known}; update the project"


class RungNotScoredError(UserError, ValueError):
    """A rung in which no candidate could be scored, so that it cannot select any.

    sufficient: the smallest number of rows with every class; None where rows are not the cause.
    """

    exit_code = 1
    template = (
        "rung {rung} on {n_rows} rows could not be scored for any candidate: {reason}; {hint}"
    )

    def __init__(self, rung: int, n_rows: int, reason: str, *, sufficient: int | None) -> None:
        hint = "search.scoring, search.n_splits or cv does not fit these rows"
        if sufficient is not None:
            hint = f"search.min_resources={sufficient} is the smallest that works (auto finds it)"
        super().__init__(rung, n_rows, reason, hint)


class SweepFailedError(UserError):
    """Some jobs of a sweep failed; each was reported when it did."""

    exit_code = 1
    template = "{n} job(s) of the sweep failed: {names}; the train.log of each has the cause"


SAME_CODE = (
    "start it again in the root of a checkout of the same commit, installed from the same locks"
    " (docs/cluster.md)"
)


class WorkerKilledError(UserError):
    """A call that killed every worker that ran it; call: function and arguments."""

    exit_code = 1
    template = (
        "every worker that was given one piece of work died of it, the last one {worker}; its log"
        " has the cause, most likely too little memory: use fewer threads per worker or more memory"
    )

    def __init__(self, call: tuple[Any, ...], worker: str) -> None:
        self.call = call
        super().__init__(worker)


class NoThresholdError(UserError):
    """No threshold separates rows, or none reaches a recall or a recall with a precision."""

    exit_code = 1
    template = "no threshold can be chosen: on the folds of the training rows {found}; {remedy}"


class RunExistsError(UserError):
    """A run directory that holds a complete run."""

    template = "{path} holds a complete run already; choose another hydra.run.dir"


class DirectoryTakenError(UserError):
    """A run directory that holds other files, or that another run is writing."""

    template = (
        "{path} is not empty (it holds {found}); a run needs an empty directory: choose another"
        " hydra.run.dir, or remove it"
    )
