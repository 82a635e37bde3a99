"""Errors of this package that a user may meet."""

from collections.abc import Sequence
from pathlib import Path

from tabproof.errors import UserError, listed, printable


class NotComparableError(UserError):
    """Two runs whose hold-outs are not the same rows."""

    def __init__(self, what: str, found: str, current: str) -> None:
        super().__init__(
            f"--if-better compares on the same rows, and {what} differ: the run has"
            f" {printable(found, 200)}, the current version {printable(current, 200)};"
            " train on the same data and seed, or promote without --if-better"
        )


class NotBetterError(UserError):
    """A run that is not shown to be better than the current version."""

    exit_code = 1

    def __init__(self, figures: str, level: float) -> None:
        super().__init__(
            f"not promoted: {figures}; --if-better takes a difference above 0 with p below {level}"
        )


class UnknownMetricError(UserError):
    """A metric or a key to sort by that no run has."""

    def __init__(self, key: str, asked: str, known: Sequence[str]) -> None:
        super().__init__(
            f"{key} '{printable(asked)}': no run has that; there are {listed(known, 20)}"
        )


class NotASetOfRunsError(UserError):
    """A directory that is neither outputs/, nor a sweep, nor a run."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{printable(str(path), 200)} holds no runs; it takes outputs, a sweep's directory or"
            " a run's"
        )


class NotAskedError(UserError):
    """Something that is removed only when somebody says so, and nobody can be asked."""

    def __init__(self, total: str) -> None:
        super().__init__(
            f"nothing was removed: {total} would be, and there is no terminal to ask at; --yes"
            " removes them, --dry-run shows them"
        )


class TooFewRunsError(UserError):
    """A comparison of less than two runs."""

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(
            f"compare was given {listed(names) or 'nothing'}; it takes two runs or more, each by"
            " its directory, the beginning of its id, or 'latest'"
        )


class StoreNotNamedError(UserError):
    """A push or a pull, and nobody said where."""

    def __init__(self) -> None:
        super().__init__("which model store? say --store s3://bucket/prefix, or set MODEL_STORE")
