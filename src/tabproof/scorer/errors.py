"""Errors of exporting, reading and explaining a scorer."""

from tabproof.errors import UserError


class NotExportableError(UserError):
    """A pipeline that cannot be written as data alone."""

    template = (
        "{what} cannot be exported as data, so the service could not run it; what can: {known};"
        " export=false trains it all the same"
    )


class ScorerDiffersError(UserError):
    """An exported scorer whose probabilities are not the pipeline's."""

    exit_code = 1
    template = (
        "the exported scorer differs from the pipeline by {difference:.3g} on {rows}"
        " ({allowed:g} is allowed), so it must not be served: please report this;"
        " export=false trains without it"
    )


class ScorerDamagedError(UserError):
    """Files that are not a valid scorer."""

    exit_code = 1
    template = "scorer/ cannot be read: {reason}; promote or train another run"

    def __init__(self, reason: str) -> None:
        super().__init__(reason=reason)


class NotExplainableError(UserError):
    """A model that predicts, but has no exact contributions of columns."""

    template = "this model's predictions cannot be explained: {reason}"
