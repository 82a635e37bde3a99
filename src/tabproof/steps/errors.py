"""Errors of this package that a user may meet."""

from tabproof.errors import UserError


class LabelsToDecideError(UserError):
    """A threshold for more than two labels."""

    template = (
        "threshold.objective={objective} chooses between two labels, and the target has"
        " {n_labels}: {labels}; threshold=default predicts the most probable label"
    )


class CostShapeError(UserError):
    """A matrix of costs that does not fit the labels."""

    template = (
        "threshold.costs has {n_rows} row(s) of {n_rows}, and the target has {n_labels} labels,"
        " {labels}: it takes {n_labels} rows (true labels) of {n_labels} numbers (predicted ones)"
    )


class FoldLacksClassError(UserError):
    """A fold whose model would be fitted without a class."""

    template = (
        "{key}={n_splits}: all rows of class '{label}' are in one fold, since groups of"
        " cv.group_column stay together, and the model of that fold would not know the class;"
        " add more groups with it, or leave the class out"
    )
