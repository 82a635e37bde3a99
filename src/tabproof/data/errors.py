"""Errors that a user may meet here."""

from collections.abc import Sequence
from pathlib import Path

from tabproof.errors import UserError, listed


class UnreadableFileError(UserError):
    """A file that its reader refuses."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} cannot be read: {reason}")


class EncodingError(UserError):
    """A text file in another encoding than was said."""

    def __init__(self, path: Path, encoding: str, works: str | None) -> None:
        remedy = f"dataset.encoding={works} reads it" if works else "say which: dataset.encoding=…"
        super().__init__(f"{path} is not encoded in {encoding}; {remedy}")


class SeparatorError(UserError):
    """A text file whose cells are separated by something else."""

    def __init__(self, path: Path, separator: str, seen: str) -> None:
        seen = "\\t" if seen == "\t" else seen
        super().__init__(
            f"{path} has one column only when cut at '{separator}';"
            f" its header holds '{seen}': try 'dataset.separator={seen}'"
        )


class EmptyTableError(UserError):
    """A table without a single row that could be used."""

    def __init__(self, name: str, found: str) -> None:
        super().__init__(f"{name} holds {found}; a header and rows with a target are needed")


class UnnamedColumnsError(UserError):
    """Columns whose header is empty, such as an index that pandas wrote."""

    def __init__(self, columns: Sequence[str]) -> None:
        super().__init__(
            f"column(s) without a name in the header, here called {listed(columns)}: name them,"
            f" or leave them out: dataset.drop_columns=[{','.join(columns)}]"
        )


class DecimalCommaError(UserError):
    """Numbers with decimal commas, which would become categories."""

    def __init__(self, column: str, example: str) -> None:
        super().__init__(
            f"column '{column}' holds numbers with decimal commas, such as '{example}':"
            f" dataset.decimal=, reads them (+dataset.column_types.{column}=category if they are"
            " none)"
        )


class UnknownLabelError(UserError):
    """A positive label that is not in the target."""

    def __init__(self, label: str, target: str, labels: Sequence[str]) -> None:
        yaml_trap = label in ("True", "False")
        super().__init__(
            f"dataset.pos_label='{label}' is not in target '{target}'; its labels:"
            f" {listed(labels)}"
            + (" (unquoted yes, no, on, off are booleans in YAML: quote them)" if yaml_trap else "")
        )


class NoTargetError(UserError):
    """An OpenML table that names no column to predict."""

    def __init__(self, name: str, version: int) -> None:
        super().__init__(
            f"OpenML '{name}' version {version} names no single target of its own;"
            " save it as a file and say dataset=file dataset.target=…"
        )


class SingleClassError(UserError):
    """A target, or a part of it, that holds one class only."""

    def __init__(self, where: str, label: str) -> None:
        super().__init__(f"{where} holds one class only, '{label}'; two are needed at least")


class HoldOutError(UserError):
    """Rows that cannot be divided as asked."""

    def __init__(self, asked: str, reason: str) -> None:
        super().__init__(f"{asked}: no rows can be held out this way: {reason}")


class NotClassesError(UserError):
    """A target of numbers rather than classes."""

    def __init__(self, target: str, n_labels: int) -> None:
        super().__init__(
            f"target '{target}' holds {n_labels} different numbers: that is a quantity, not"
            " classes; make classes of it first"
        )


class NotLabelsError(UserError):
    """A target of something that cannot be a label."""

    def __init__(self, target: str, found: str) -> None:
        super().__init__(f"target '{target}' holds {found}; labels are texts or whole numbers")


class NoValueError(UserError):
    """Columns that say nothing."""

    def __init__(self, columns: Sequence[str], what: str, key: str) -> None:
        super().__init__(f"columns with {what}: {listed(columns)}; leave them out: {key}")


class NotANumberError(UserError):
    """A column forced to be a number that holds text."""

    def __init__(self, column: str, n_cells: int, example: str) -> None:
        super().__init__(
            f"dataset.column_types: '{column}' is to be a number, but {n_cells} cell(s) are not,"
            f" such as '{example}'"
        )


class InfiniteValueError(UserError):
    """Infinite numbers, which no estimator takes."""

    def __init__(self, counts: dict[str, int]) -> None:
        found = ", ".join(f"'{column}' ({count})" for column, count in counts.items())
        super().__init__(f"infinite numbers in {found}; make them missing, or leave the column out")


class UnusableColumnError(UserError):
    """A column that is neither a number nor a category."""

    def __init__(self, column: str, found: str, key: str) -> None:
        super().__init__(f"column '{column}' holds {found}; make numbers of it, or {key}")


class NoColumnsError(UserError):
    """A table with nothing to learn from."""

    def __init__(self, target: str) -> None:
        super().__init__(f"nothing is left to learn from beside the target '{target}'")


class DownloadError(UserError):
    """A dataset that is not cached and cannot be fetched."""

    def __init__(self, name: str, version: int, data_home: Path, reason: str) -> None:
        super().__init__(
            f"OpenML '{name}' version {version} is not cached in {data_home} and cannot be"
            f" downloaded ({reason}); go online, or point dataset.data_home at a copy"
        )


class DamagedCacheError(UserError):
    """A cached download that fails its checksum or cannot be unpacked."""

    def __init__(self, name: str, version: int, data_home: Path, reason: str) -> None:
        super().__init__(
            f"the copy of OpenML '{name}' version {version} in {data_home} is damaged and could"
            f" not be fetched anew ({reason}); go online, or put an intact copy there"
        )


class DataChecksFailedError(UserError):
    """Data in which checks found something, where nothing may be found."""

    def __init__(self, found: Sequence[str]) -> None:
        super().__init__(
            f"checks.fail=true, and the data has: {'; '.join(found)}; put the data right, or go on"
            " with checks.fail=false, which says what each means"
        )


class OrderedNotRepeatedError(UserError):
    """Repeated cross-validation of rows in time."""

    def __init__(self, n_splits: int, n_repeats: int) -> None:
        super().__init__(
            f"evaluation.n_repeats={n_repeats}: rows in time divide into {n_splits} folds in one"
            " way only, the past before the future, so nothing could be repeated; use"
            " evaluation=default, or another cv"
        )


class FewGroupsError(UserError):
    """Fewer groups than folds."""

    def __init__(self, n_groups: int, n_splits: int, key: str = "search.n_splits") -> None:
        super().__init__(
            f"{key}={n_splits}: the training rows hold {n_groups} group(s) of"
            " cv.group_column, and every fold needs one; take fewer folds"
        )


class RareClassError(UserError):
    """A class with too few rows to stand in every part."""

    def __init__(
        self, label: str, n_rows: int, needed: int, why: str, folds: str = "search.n_splits"
    ) -> None:
        super().__init__(
            f"class '{label}' has {n_rows} row(s), but {why} needs {needed};"
            f" leave the class out, join it with another, or take fewer folds ({folds})"
        )
