"""Errors that a user may meet here."""

from tabproof.errors import SAME_CODE, UserError


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
