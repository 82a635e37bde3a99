"""Errors that a user may meet here."""

import os

from tabproof.errors import SAME_CODE, UserError


class WriteError(UserError):
    """A run that could not be written: no space, no right, a file in the way."""

    exit_code = 1

    def __init__(self, error: OSError) -> None:
        place = f" {error.filename}" if error.filename else ""
        reason = error.strerror or os.strerror(error.errno or 0)
        circumstances = "".join(f", {note}" for note in getattr(error, "__notes__", []))
        super().__init__(
            f"cannot write{place}: {reason}{circumstances};"
            " make room, or choose another place with hydra.run.dir=…"
        )


class ClusterUnreachableError(UserError):
    """A cluster that cannot be used: nobody answers, or nobody works there."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(
            f"the cluster at {address} cannot be used: {reason};"
            " docs/cluster.md says how to start its scheduler and workers"
        )


class ClusterDiffersError(UserError):
    """A machine of a cluster that has something else than this one: its numbers could differ."""

    def __init__(self, place: str, what: str, *, here: str, there: str) -> None:
        name = "this project's src" if what == "src" else what
        super().__init__(f"{place} has {name} {there[:16]}, and here is {here[:16]}; {SAME_CODE}")


class CodeMissingError(UserError):
    """A worker that cannot import this project."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place} cannot import this project ({reason}); {SAME_CODE}")


class ClusterLostError(UserError):
    """A scheduler that went away while it was needed."""

    exit_code = 1

    def __init__(self) -> None:
        super().__init__(
            "the scheduler of the cluster is gone, and with it all that its workers were doing;"
            " start the cluster and the command again"
        )
