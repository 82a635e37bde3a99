"""Errors of this package that a user may meet."""

from tabproof.errors import UserError


class TooManyGroupsError(UserError):
    """A column of slices with too many values."""

    template = (
        "evaluation.slices: column '{column}' has {n_values:,} different values; a column of at"
        " most {limit} gives groups that are large enough"
    )
