"""Errors of this package that a user may meet."""

from collections.abc import Sequence

from tabproof.errors import UserError, listed


class LabelsToDecideError(UserError):
    """A threshold for more labels than two."""

    def __init__(self, objective: str, labels: Sequence[str]) -> None:
        super().__init__(
            f"threshold.objective={objective} chooses between two labels, and the target has"
            f" {len(labels)}: {listed(labels)}; threshold=default takes the likeliest"
        )


class CostShapeError(UserError):
    """A matrix of costs that does not fit the labels."""

    def __init__(self, n_rows: int, labels: Sequence[str]) -> None:
        n = len(labels)
        super().__init__(
            f"threshold.costs has {n_rows} row(s) of {n_rows}, and the target has {n} labels,"
            f" {listed(labels)}: it takes {n} rows (true labels) of {n} numbers (predicted ones)"
        )


class FoldLacksClassError(UserError):
    """A fold whose model would never meet a class."""

    def __init__(self, key: str, n_splits: int, label: str) -> None:
        super().__init__(
            f"{key}={n_splits}: all rows of class '{label}' lie in one fold, since groups of"
            " cv.group_column stay together, and the model of that fold would not know the class;"
            " take more groups of it, or leave the class out"
        )
