"""Labelled rows of a prediction log, as a table to train on.

A log is a directory of Parquet files: `predictions/date=…/model=…/` has the rows as they were
scored, `labels/date=…/` the labels that became known. Both are joined with DuckDB.
"""

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tabproof.errors import PackageMissingError, UserError, first_line, listed
from tabproof.monitoring.log_files import find_files
from tabproof.prediction_log.layout import FEATURE
from tabproof.schema import Column, DateColumn, NumberColumn, Schema

# A log is only read: nothing is fetched that would extend the database.
SETTINGS: dict[str, Any] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
# What a hashed cell looks like.
HASHED = "[0-9a-f]{16}"
NUMBERS = re.compile(r"(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL.*)")


class LogRowsError(UserError):
    """A log that holds no labelled rows to train on."""

    template = "{log}: {reason}"


@dataclass(frozen=True)
class LabelledRows:
    """rows : features, target and time of the rows with a label, in order of time.

    time : the name of the column of times. n_ambiguous : rows that share their request's id and
    place with others, so that their labels are not known. damaged : files that were left out.
    """

    rows: pa.Table
    time: str
    n_ambiguous: int
    damaged: Sequence[str]


def read_labelled_rows(log: Path, name: str, schema: Schema) -> LabelledRows:
    """Return the rows of a model that have a label.

    Of several labels of a row the last received one counts. Rows that a challenger scored beside
    the answer are the same rows again, and left out.

    Parameters
    ----------
    log : the directory of the log.
    name : of the promoted model.
    schema : of its current version: which columns a row must have, and of which kind.

    Raises
    ------
    LogRowsError
        There are no rows, none has a label, or columns are not there as they were scored.
    PackageMissingError
        DuckDB is not installed.
    """
    try:
        import duckdb
    except ImportError as error:
        raise PackageMissingError("reading a prediction log", "duckdb", "monitor") from error
    found = find_files(log, model=name)
    answered, labels, damaged = found.predictions.get(name, ()), found.labels, found.unreadable
    for what, files in ((f"rows of '{name}'", answered), ("labels", labels)):
        if not files:
            raise LogRowsError(log=log, reason=f"it holds no {what}")
    with (
        # What does not fit into memory: the current directory may be read-only.
        tempfile.TemporaryDirectory(prefix="tabproof-") as folder,
        duckdb.connect(":memory:", config={**SETTINGS, "temp_directory": folder}) as connection,
    ):
        try:
            return _read(connection, log, answered, labels, schema, damaged)
        except duckdb.Error as error:
            raise LogRowsError(log=log, reason=first_line(error)) from error


def _read(
    connection: Any,
    log: Path,
    answered: Sequence[str],
    labels: Sequence[str],
    schema: Schema,
    damaged: Sequence[str],
) -> LabelledRows:
    wanted = {f"{FEATURE}{column.name}": column for column in schema.columns}
    rows, truth = (
        f"read_parquet({_list_of(files)}, union_by_name=true, hive_partitioning=false)"
        for files in (answered, labels)
    )
    # Names and paths are quoted.
    described = connection.sql(f"DESCRIBE SELECT * FROM {rows}").fetchall()  # noqa: S608
    kinds = {str(column): str(kind) for column, kind, *_ in described}
    _check_columns(connection, log, answered, rows, kinds, wanted)
    time = "answered"
    while time in {schema.target, *(column.name for column in schema.columns)}:
        time += "_"
    features = ", ".join(map(_quoted, wanted))
    found = connection.sql(f"""
        WITH answered AS (
            SELECT request_id, "row", epoch_us("time") AS moment, {features},
                count(*) OVER (PARTITION BY request_id, "row") AS n_same
            FROM {rows} WHERE role <> 'challenger'
        ), truth AS (
            SELECT request_id, "row",
                arg_max("label", {{received: received, label: "label"}}) AS true_label
            FROM {truth} WHERE "label" IS NOT NULL GROUP BY request_id, "row"
        )
        SELECT moment, n_same, true_label, {features}
        FROM answered JOIN truth USING (request_id, "row")
        ORDER BY moment, request_id, "row"
    """).to_arrow_table()  # noqa: S608 - names are quoted
    kept = found.filter(pc.equal(found["n_same"], 1))
    if not kept.num_rows:
        raise LogRowsError(log=log, reason="no row of it has a label")
    columns: dict[str, Any] = {column.name: kept[logged] for logged, column in wanted.items()}
    columns[schema.target] = kept["true_label"]
    columns[time] = kept["moment"].cast(pa.timestamp("us"))
    return LabelledRows(pa.table(columns), time, found.num_rows - kept.num_rows, damaged)


def _check_columns(
    connection: Any,
    log: Path,
    files: Sequence[str],
    rows: str,
    kinds: dict[str, str],
    wanted: dict[str, Column],
) -> None:
    """Refuse a log whose rows lack a feature, or have it in another form than it was scored."""
    # SQL ignores capitals, and would read one column for the other.
    names = connection.sql(
        f"SELECT DISTINCT name FROM parquet_schema({_list_of(files)}) WHERE num_children IS NULL"  # noqa: S608
    ).fetchall()
    lower = [name.lower() for (name,) in names]
    if twice := [column.name for name, column in wanted.items() if lower.count(name.lower()) > 1]:
        raise LogRowsError(log=log, reason=f"columns differ by capitals only: {listed(twice)}")
    if missing := [column.name for name, column in wanted.items() if name not in kinds]:
        reason = f"it does not hold the columns {listed(missing)}, which the model needs"
        raise LogRowsError(log=log, reason=reason)
    hashed = []
    for name, column in wanted.items():
        is_text = kinds[name] == "VARCHAR"
        if isinstance(column, NumberColumn):
            is_fine = NUMBERS.fullmatch(kinds[name]) is not None
        elif isinstance(column, DateColumn):
            is_fine = kinds[name].startswith("TIMESTAMP")
        else:
            is_fine = is_text
            if is_text:
                cells = _quoted(name)
                ((n_cells, n_hashed),) = connection.sql(
                    f"SELECT count({cells}), count_if(regexp_full_match({cells}, '{HASHED}'))"  # noqa: S608
                    f" FROM {rows}"
                ).fetchall()
                is_fine = n_cells == 0 or n_hashed < n_cells or _are_known(column)
        if not is_fine:
            hashed.append(column.name)
    if hashed:
        reason = f"its columns {listed(hashed)} are hashed, or of another kind than the model's"
        raise LogRowsError(log=log, reason=reason)


def _are_known(column: Column) -> bool:
    """Return whether the categories of the model look like hashed cells themselves."""
    categories = getattr(column, "categories", ())
    return bool(categories) and all(re.fullmatch(HASHED, each) for each in categories)


def _list_of(files: Sequence[str]) -> str:
    return "[" + ", ".join("'" + each.replace("'", "''") + "'" for each in files) + "]"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
