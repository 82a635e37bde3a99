"""Errors of this package that a user may meet."""

from tabproof.errors import UserError


class UnreadableFileError(UserError):
    """A file that its reader refuses."""

    template = "{path} cannot be read: {reason}"


class EncodingError(UserError):
    """A text file in another encoding than the given one."""

    template = "{path} is not encoded in {encoding}; {hint}"


class SeparatorError(UserError):
    """A text file whose cells are separated by something else."""

    template = (
        "{path} has one column only when split at '{separator}'; its header holds '{found}':"
        " try 'dataset.separator={found}'"
    )


class EmptyTableError(UserError):
    """A table without a single row that can be used."""

    template = "{name} holds {found}; a header and rows with a target are needed"


class UnnamedColumnsError(UserError):
    """Columns whose header is empty, such as an index that pandas wrote."""

    template = (
        "column(s) without a name in the header, here called {columns}: name them, or leave them"
        " out: dataset.drop_columns=[{joined}]"
    )


class DecimalCommaError(UserError):
    """Numbers with decimal commas, which would become categories."""

    template = (
        "column '{column}' holds numbers with decimal commas, such as '{example}':"
        " dataset.decimal=, reads them (+dataset.column_types.{column}=category if they are not"
        " numbers)"
    )


class UnknownLabelError(UserError):
    """The positive label is not in the target."""

    template = "dataset.pos_label='{label}' is not in target '{target}'; its labels: {labels}{hint}"


class NoTargetError(UserError):
    """An OpenML table that names no column to predict."""

    template = (
        "OpenML '{name}' version {version} names no single target; save it as a file and give"
        " dataset=file dataset.target=…"
    )


class SingleClassError(UserError):
    """A target, or a part of it, with one class only."""

    template = "{where} holds one class only, '{label}'; at least two are needed"


class HoldOutError(UserError):
    """Rows that cannot be divided as asked."""

    template = "{asked}: no rows can be held out this way: {reason}"


class NotClassesError(UserError):
    """A target of numbers rather than classes."""

    template = (
        "target '{target}' holds {n_labels} different numbers: that is a quantity, not classes;"
        " make classes of it first"
    )


class NotLabelsError(UserError):
    """A target of something that cannot be a label."""

    template = "target '{target}' holds {found}; labels are texts or whole numbers"


class NoValueError(UserError):
    """Columns without information."""

    template = "columns with {what}: {columns}; leave them out: {key}"


class NotANumberError(UserError):
    """A column declared as a number that contains text."""

    template = (
        "dataset.column_types: '{column}' is declared as a number, but {n_cells} cell(s) are not,"
        " such as '{example}'"
    )


class InfiniteValueError(UserError):
    """Infinite numbers, which no estimator accepts."""

    template = "infinite numbers in {found}; make them missing, or leave the column out"


class UnusableColumnError(UserError):
    """A column that is neither a number nor a category."""

    template = "column '{column}' holds {found}; make numbers of it, or {key}"


class NoColumnsError(UserError):
    """A table without features."""

    template = "there is no column to learn from except the target '{target}'"


class DownloadError(UserError):
    """A dataset that is not cached and cannot be downloaded."""

    template = (
        "OpenML '{name}' version {version} is not cached in {data_home} and cannot be downloaded"
        " ({reason}); go online, or set dataset.data_home to a copy"
    )


class DamagedCacheError(UserError):
    """A cached download that fails its checksum or cannot be unpacked."""

    template = (
        "the copy of OpenML '{name}' version {version} in {data_home} is damaged and could not be"
        " downloaded again ({reason}); go online, or put an intact copy there"
    )


class DataChecksFailedError(UserError):
    """Findings in a run with checks.fail=true."""

    template = (
        "checks.fail=true, and the data has: {found}; correct the data, or run with"
        " checks.fail=false, which explains each finding"
    )


class OrderedNotRepeatedError(UserError):
    """Repeated cross-validation of rows in time."""

    template = (
        "evaluation.n_repeats={n_repeats}: rows in time divide into {n_splits} folds in one way"
        " only, the past before the future, so nothing can be repeated; use evaluation=default,"
        " or another cv"
    )


class FewGroupsError(UserError):
    """Fewer groups than folds."""

    template = (
        "{key}={n_splits}: the training rows hold {n_groups} group(s) of cv.group_column, and"
        " every fold needs one; use fewer folds"
    )


class RareClassError(UserError):
    """A class with too few rows to be in every part."""

    template = (
        "class '{label}' has {n_rows} row(s), but {reason} needs {needed}; leave the class out,"
        " join it with another, or use fewer folds ({keys})"
    )
