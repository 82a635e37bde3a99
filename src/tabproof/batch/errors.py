"""Errors of batch scoring."""

from collections.abc import Sequence

from tabproof.errors import UserError, listed


class BatchPathError(UserError):
    """An input or output that cannot be used."""

    template = "{key}={path}: {reason}; it takes .csv, .csv.gz, .parquet, a directory, or - ({std})"

    def __init__(self, key: str, path: str, reason: str) -> None:
        std = "stdin" if key == "input" else "stdout"
        super().__init__(key=key, path=path, reason=reason, std=std)


class BadRowsPathError(UserError):
    """A path to which bad rows cannot be written."""

    template = "bad_rows={path}: {reason}; say bad_rows=…, a file of its own"


class NoInputFilesError(UserError):
    """A directory without files to score."""

    template = "input={path}: there is no file that ends in {endings}"


class BatchInputError(UserError):
    """An input that its reader refuses."""

    template = "{name} cannot be read: {reason}"


class BatchEncodingError(UserError):
    """A header in another encoding than the given one."""

    def __init__(self, name: str, encoding: str, works: str | None) -> None:
        remedy = f"encoding={works} reads its header" if works else "say which: encoding=…"
        super().__init__(f"{name} is not encoded in {encoding}; {remedy}")


class BatchSeparatorError(UserError):
    """A CSV with another separator than the given one."""

    template = (
        "{name} has one column only when cut at '{separator}'; its header holds '{seen}':"
        " try 'separator={seen}'"
    )


class EndlessRecordError(UserError):
    """A record of a CSV whose quote is never closed."""

    template = (
        "{name}: the record at byte {offset:,} does not end within {limit:,} bytes; a quote"
        " that is opened there is never closed"
    )


class ColumnsDifferError(UserError):
    """All differences between an input's columns and the model's."""

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
        super().__init__(f"{name} does not have the model's columns{asked}: {'; '.join(parts)}")


class KeptColumnError(UserError):
    """A column that cannot be kept in the output."""

    template = "keep: '{name}' {reason}"


class InputChangedError(UserError):
    """An input that was changed while it was read."""

    template = (
        "{names} changed while it was scored, so nothing was written;"
        " score it again when nothing writes to it"
    )


class PartsInUseError(UserError):
    """Parts that another process is writing."""

    template = "another process is scoring into {directory}; wait for it, or stop it"


class PartsTakenError(UserError):
    """A directory for finished parts that has other files."""

    template = (
        "{directory} is for finished parts, and it has {found};"
        " move that away, or choose another output"
    )
