"""Errors of this package that a user may meet."""

from tabproof.errors import UserError, printable


class TooManyGroupsError(UserError):
    """A column to judge by groups that has too many of them."""

    def __init__(self, column: str, n_values: int, most: int) -> None:
        super().__init__(
            f"evaluation.slices: column '{printable(column)}' has {n_values:,} different values;"
            f" a column of at most {most} gives groups large enough to judge"
        )
