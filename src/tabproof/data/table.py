"""A checked table: columns to learn from, and a target of classes.

Rows keep their position in the source as their id. Nothing is imputed here: whatever is learned
from rows belongs to the pipeline.
"""

import difflib
import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from tabproof.data.column import Reading
from tabproof.data.columns import as_cells, type_columns
from tabproof.data.evidence import missing_words
from tabproof.data.left_out import uninformative
from tabproof.data.target import (
    DataError,
    Target,
    TargetReading,
    leave_out_rare,
    read_target,
)
from tabproof.errors import ColumnMissingError, DuplicateColumnsError, UserError
from tabproof.forms import DateForm, NumberForm
from tabproof.schema import (
    CategoryColumn,
    Column,
    DateColumn,
    NumberColumn,
    Schema,
    TextColumn,
    Treatment,
    make_treatment,
)
from tabproof.text import override_word, shell_word

log = logging.getLogger(__name__)

# Tables with more columns are kept in one block.
MANY_COLUMNS = 100
AS_FOUND, ANY_TARGET = Reading(), TargetReading()


class TableProblemsError(UserError):
    """Several problems of one table, in one message."""

    template = "{name} has {n} problems: {problems}{command}"


@dataclass(frozen=True)
class Table:
    """X : float64, category, datetime64[us] and str columns, indexed by row id.

    y : codes into labels. non_features : the columns that divide rows and are not learned from.
    treatments : what was done to columns and rows. forms : of numbers and dates that are not
    written as usual. resolved : keys of the dataset that were left to be found. na_values : words
    that mean missing.
    """

    name: str
    target: str
    X: pd.DataFrame
    y: NDArray[np.int64]
    labels: tuple[str, ...]
    non_features: pd.DataFrame
    n_rows_without_target: int = 0
    treatments: tuple[Treatment, ...] = ()
    resolved: Mapping[str, Any] = field(default_factory=dict)
    forms: Mapping[str, NumberForm | DateForm] = field(default_factory=dict)
    na_values: tuple[str, ...] = ()

    @property
    def counts(self) -> NDArray[np.int64]:
        """Rows by class."""
        return np.bincount(self.y, minlength=len(self.labels))

    def without_rare_classes(self, least: int) -> "Table":
        """Leave classes out that have fewer rows than every part and fold needs."""
        notes: list[Treatment] = []
        y, labels, is_rare = leave_out_rare(
            self.target, self.y, self.labels, least, "undivided_classes", notes
        )
        if not notes:
            return self
        X, others = self.X[~is_rare], self.non_features[~is_rare]
        # Categories of those rows alone are none.
        X = X.assign(
            **{n: X[n].cat.remove_unused_categories() for n in X.select_dtypes("category").columns}
        )
        treatments = (*self.treatments, *notes)
        return replace(self, X=X, y=y, labels=labels, non_features=others, treatments=treatments)

    def without_uninformative(self, rows: NDArray[np.int64]) -> "Table":
        """Leave columns out that have one value only, or none, among the rows to learn from."""
        part = self.X.iloc[rows]
        names = [str(name) for name in part.columns if is_uninformative(part[name])]
        if not names:
            return self
        if len(names) == self.X.shape[1]:
            found = f"no column of {self.name} has two values among the rows to learn from"
            raise DataError(found=found, remedy="add columns, or hold other rows out")
        forms = {name: form for name, form in self.forms.items() if name not in names}
        treatments = (*self.treatments, make_treatment("left_out_in_training", names))
        return replace(self, X=self.X.drop(columns=names), treatments=treatments, forms=forms)


def is_uninformative(column: pd.Series) -> bool:
    """Return whether a column has one value only, or none; missing cells are a value too."""
    is_category = isinstance(column.dtype, pd.CategoricalDtype)
    values = column.array if is_category or column.dtype == "str" else column.to_numpy()
    return uninformative(values) is not None


def make_table(
    name: str,
    source: pd.DataFrame | pa.Table,
    target: str,
    pos_label: str | None = None,
    *,
    reading: Reading = AS_FOUND,
    of_target: TargetReading = ANY_TARGET,
    drop_columns: Sequence[str] = (),
    non_features: Sequence[str] = (),
    is_text: bool = False,
    row_ids: NDArray[np.int64] | None = None,
    treatments: Sequence[Treatment] = (),
    resolved: Mapping[str, Any] | None = None,
    command: Sequence[str] = (),
) -> Table:
    """Make a table of a frame; raise all its problems as one UserError.

    drop_columns, non_features : not learned from; the latter divide rows. is_text : all cells are
    text, as those of a CSV. treatments, resolved : of reading. command : up to the target.
    """
    if isinstance(source, pd.DataFrame):
        source = source.reset_index(drop=True).set_axis(source.columns.map(str), axis=1)
        names = list(source.columns)
    else:
        names = source.column_names
    refuse_duplicates(names)
    problems: list[UserError] = [
        ColumnMissingError(key, column, names)
        for key, columns in (
            ("dataset.target", [target]),
            ("dataset.drop_columns", drop_columns),
            ("cv.group_column or cv.time_column", non_features),
            ("dataset.column_types", [*reading.kinds]),
            ("dataset.keep", [*reading.keep]),
        )
        for column in columns
        if column not in names
    ]
    n_rows = len(source)
    row_ids = np.arange(n_rows) if row_ids is None else row_ids
    found = Target(np.zeros(n_rows, dtype=np.int64), (), np.ones(n_rows, dtype=bool), 0)
    if target in names:
        of_target = replace(
            of_target,
            pos_label=pos_label,
            na_values=reading.na_values,
            is_category=reading.kinds.get(target) == "category",
        )
        try:
            found = read_target(target, as_cells(source, target), of_target)
        except UserError as error:
            problems.append(error)
    others = [each for each in names if each not in {target, *non_features, *drop_columns}]
    if not found.is_kept.all():
        source = (
            source[found.is_kept]
            if isinstance(source, pd.DataFrame)
            else source.filter(pa.array(found.is_kept))
        )
    index = pd.Index(row_ids[found.is_kept])
    columns = type_columns(_select(source, others), index, reading, is_text=is_text)
    dividing = type_columns(
        _select(source, [each for each in non_features if each in names]),
        index,
        replace(reading, keep=()),
        is_text=is_text,
        divides=True,
    )
    problems += [*columns.problems, *dividing.problems]
    X = columns.X
    if not problems and X.shape[1] == 0:
        what = "no column to learn from except the target" if not others else "no column left"
        what = f"there is {what} '{target}'" if not others else what
        left = "; ".join(treatment.message for treatment in columns.treatments)
        remedy = f"add one ({left})" if left else "add one"
        problems.append(DataError(found=what, remedy=remedy))
    if problems:
        shown = _mended(command, names, target, drop_columns, list(reading.keep))
        raise _as_one(name, problems, shown)
    if X.shape[1] > MANY_COLUMNS:
        # Rows are taken from one block of numbers faster than from thousands.
        X = X.copy()
    return Table(
        name,
        target,
        X,
        found.codes,
        found.labels,
        dividing.X,
        found.n_missing,
        (*treatments, *found.treatments, *columns.treatments),
        {**(resolved or {}), **columns.resolved(is_text=is_text), **found.resolved},
        columns.forms,
        # In a file with types no word means missing unless the user says so.
        tuple(sorted(missing_words(reading))) if is_text or reading.na_values is not None else (),
    )


def _select(source: pd.DataFrame | pa.Table, names: list[str]) -> pd.DataFrame | pa.Table:
    return source[names] if isinstance(source, pd.DataFrame) else source.select(names)


def refuse_duplicates(names: Sequence[str]) -> None:
    """Raise DuplicateColumnsError if a name occurs twice."""
    if len(set(names)) == len(names):
        return
    duplicates = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    raise DuplicateColumnsError(duplicates)


def _as_one(name: str, problems: Sequence[UserError], command: str) -> UserError:
    """Return the error of all problems; of one problem, its own."""
    if len(problems) == 1:
        return problems[0]
    listed = "; ".join(f"({n}) {error}" for n, error in enumerate(problems, 1))
    command = f"; add what you choose to: {command}" if command else ""
    return TableProblemsError(
        name=name, n=len(problems), problems=_Text(listed), command=_Text(command)
    )


def _mended(
    command: Sequence[str],
    names: Sequence[str],
    target: str,
    drop_columns: Sequence[str],
    keep: Sequence[str],
) -> str:
    """Return the command with those of its names that are in the table, to paste into a shell."""
    if target not in names:
        near = difflib.get_close_matches(target, names, n=1)
        if not near:
            return ""
        target = near[0]
    if not command:
        return ""
    words = [*map(shell_word, command), override_word("dataset.target", target)]
    for key, columns in (("drop_columns", drop_columns), ("keep", keep)):
        if known := [column for column in columns if column in names]:
            words.append(override_word(f"dataset.{key}", known))
    return " ".join(words)


class _Text:
    """A text that an error shows whole."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __format__(self, spec: str) -> str:
        return self.text


def log_treatments(treatments: Sequence[Treatment]) -> None:
    """Log each treatment as a line; lost rows as a warning."""
    for treatment in treatments:
        log.log(logging.WARNING if treatment.is_loss else logging.INFO, "%s", treatment.message)


# --- Describe training rows as a schema.


def describe(table: Table, X_train: pd.DataFrame) -> Schema:
    """Return types, categories, ranges and missing shares of the training rows alone."""
    columns: list[Column] = []
    for name in map(str, X_train.columns):
        column, form = X_train[name], table.forms.get(name)
        is_present = column.notna().to_numpy()
        missing_share = float(np.mean(~is_present))
        present = column if is_present.all() else column[is_present]
        if isinstance(column.dtype, pd.CategoricalDtype):
            categories = tuple(sorted(map(str, present.unique())))
            columns.append(CategoryColumn(name, categories, missing_share))
        elif column.dtype == "str":
            longest = int(present.str.len().max()) if len(present) else 0
            columns.append(TextColumn(name, longest, missing_share))
        else:
            is_date = column.dtype.kind == "M"
            numbers = present.to_numpy()
            numbers = numbers.astype("int64") / 10**6 if is_date else numbers
            low = float(numbers.min()) if len(present) else None
            high = float(numbers.max()) if len(present) else None
            if is_date:
                date_form = form if isinstance(form, DateForm) else DateForm()
                columns.append(DateColumn(name, low, high, missing_share, date_form))
            else:
                number_form = form if isinstance(form, NumberForm) else NumberForm()
                columns.append(NumberColumn(name, low, high, missing_share, number_form))
    return Schema(
        tuple(columns),
        target=table.target,
        labels=table.labels,
        n_rows=len(X_train),
        treatments=table.treatments,
        na_values=table.na_values,
    )


# --- Hashes of a table: of the whole, and of each column, so that a change can be located.


@dataclass(frozen=True)
class Fingerprint:
    """SHA-256 in hexadecimal; those of columns are shortened to 16 digits."""

    sha256: str
    columns: dict[str, str]


def fingerprint(table: Table) -> Fingerprint:
    """Hash names, types, values and order of a table, its target and what divides its rows."""
    columns = {str(name): _column_hash(table.X[name]) for name in table.X.columns}
    columns[table.target] = _hash(table.y.tobytes(), *table.labels)
    for name in table.non_features.columns:
        columns[str(name)] = _column_hash(table.non_features[name].astype(str).astype("category"))
    whole = _hash(*columns, *columns.values())
    row_ids = table.X.index.to_numpy(np.int64).tobytes()
    shortened = {name: digest[:16] for name, digest in columns.items()}
    return Fingerprint(_hash(whole, row_ids), shortened)


def _column_hash(column: pd.Series) -> str:
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes = column.cat.codes.to_numpy("<i4").tobytes()
        return _hash("category", codes, *column.cat.categories)
    if column.dtype == "str":
        return _hash("text", column.isna().to_numpy().tobytes(), *column.fillna(""))
    if column.dtype.kind == "M":
        return _hash("date", column.to_numpy("datetime64[us]").astype("<i8").tobytes())
    values = column.to_numpy("<f8", copy=True)
    values[np.isnan(values)] = np.nan  # one bit pattern for every missing value
    return _hash("number", values.tobytes())


def _hash(*parts: object) -> str:
    digest = hashlib.sha256()
    for part in parts:
        content = part if isinstance(part, bytes) else str(part).encode()
        digest.update(len(content).to_bytes(8, "little"))
        digest.update(content)
    return digest.hexdigest()
