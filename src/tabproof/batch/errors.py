"""Errors that a user may meet here."""

from collections.abc import Sequence
from pathlib import Path

from tabproof.errors import UserError, listed


class BatchPathError(UserError):
    """An input or output that cannot be meant."""

    def __init__(self, key: str, path: str, reason: str) -> None:
        standard = "stdin" if key == "input" else "stdout"
        super().__init__(
            f"{key}={path}: {reason};"
            f" it takes .csv, .csv.gz, .parquet, a directory, or - ({standard})"
        )


class BadRowsPathError(UserError):
    """A place where bad rows cannot be set aside."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"bad_rows={path}: {reason}; say bad_rows=…, a file of its own")


class NoInputFilesError(UserError):
    """A directory without anything to score."""

    def __init__(self, path: Path, kinds: Sequence[str]) -> None:
        endings = ", ".join(f".{kind}" for kind in kinds)
        super().__init__(f"input={path}: there is no file that ends in {endings}")


class BatchInputError(UserError):
    """An input that its reader refuses."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} cannot be read: {reason}")


class BatchEncodingError(UserError):
    """A header in another encoding than was said."""

    def __init__(self, name: str, encoding: str, works: str | None) -> None:
        remedy = f"encoding={works} reads its header" if works else "say which: encoding=…"
        super().__init__(f"{name} is not encoded in {encoding}; {remedy}")


class BatchSeparatorError(UserError):
    """A CSV whose cells are separated by something else."""

    def __init__(self, name: str, separator: str, seen: str) -> None:
        seen = "\\t" if seen == "\t" else seen
        super().__init__(
            f"{name} has one column only when cut at '{separator}'; its header holds '{seen}':"
            f" try 'separator={seen}'"
        )


class EndlessRecordError(UserError):
    """A record of a CSV that goes on and on: a quote that nobody closed."""

    def __init__(self, name: str, offset: int, limit: int) -> None:
        super().__init__(
            f"{name}: the record at byte {offset:,} does not end within {limit:,} bytes; a quote"
            " that is opened there is never closed"
        )


class ColumnsDifferError(UserError):
    """Columns that a model cannot be given, all of them at once."""

    def __init__(
        self,
        name: str,
        missing: Sequence[str],
        unknown: Sequence[str],
        wrong: dict[str, str],
        *,
        strict: bool,
    ) -> None:
        parts = [f"missing {listed(missing, 20)}"] if missing else []
        parts += [f"unknown {listed(unknown, 20)}"] if unknown else []
        parts += ["wrong type " + ", ".join(f"'{k}' ({v})" for k, v in wrong.items())] * bool(wrong)
        asked = ", and strict=true" if strict else ""
        super().__init__(f"{name} has not the model's columns{asked}: {'; '.join(parts)}")


class KeptColumnError(UserError):
    """A column that cannot be carried into the output."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"keep: '{name}' {reason}")


class InputChangedError(UserError):
    """An input that was written while it was read."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(
            f"{listed(names, 3)} changed while it was scored, so nothing was written;"
            " score it again when nobody writes it"
        )


class PartsInUseError(UserError):
    """Parts that another process is writing."""

    def __init__(self, directory: Path) -> None:
        super().__init__(f"another process is scoring into {directory}; wait for it, or stop it")


class PartsTakenError(UserError):
    """A directory of parts in which something else lies."""

    def __init__(self, directory: Path, found: Sequence[str]) -> None:
        super().__init__(
            f"{directory} is where finished parts lie, and it holds {listed(found, 4)};"
            " move that away, or choose another output"
        )
