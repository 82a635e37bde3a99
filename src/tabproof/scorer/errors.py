"""Errors that a user may meet here."""

from collections.abc import Sequence

from tabproof.errors import UserError, listed


class NotExportableError(UserError):
    """A pipeline that cannot be written as data alone."""

    def __init__(self, what: str, known: Sequence[str]) -> None:
        super().__init__(
            f"{what} cannot be exported as data, so the service could not run it; what can:"
            f" {listed(known, 20)}; export=false trains it all the same"
        )


class ScorerDiffersError(UserError):
    """An exported scorer that does not give the pipeline's probabilities."""

    exit_code = 1

    def __init__(self, rows: str, difference: float, allowed: float) -> None:
        super().__init__(
            f"the exported scorer differs from the pipeline by {difference:.3g} on {rows}"
            f" ({allowed:g} is allowed), so it must not be served: please report this;"
            " export=false trains without it"
        )


class ScorerDamagedError(UserError):
    """Files of a scorer that are not of its form."""

    exit_code = 1

    def __init__(self, reason: str) -> None:
        super().__init__(f"scorer/ cannot be read: {reason}; promote or train another run")


class NotExplainableError(UserError):
    """A model that predicts, and of which nobody can say what each column adds."""

    def __init__(self, why: str) -> None:
        super().__init__(f"this model's predictions cannot be explained: {why}")
