"""`monitor labels`: take true labels from a file into the log.

A line of the file names a logged row by request id and place, or by values of logged columns. All
of it is done by DuckDB, in bounded memory, whatever the size of file and log.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from tabproof.artifacts import one_line
from tabproof.artifacts.files import sync
from tabproof.errors import ColumnMissingError, FileMissingError, UserError, listed
from tabproof.monitoring.counting import ANSWERS
from tabproof.monitoring.database import Table, guarded, open_table, opened, quoted, text
from tabproof.monitoring.known_labels import KNOWN, keep_labels
from tabproof.monitoring.log_files import LogFiles, being_read, find_files, log_directory
from tabproof.prediction_log import layout
from tabproof.prediction_log.layout import FEATURE, PROBABILITY
from tabproof.text import aligned

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# The default period of `monitor check`.
PERIOD = timedelta(days=7)
# Outcomes of the lines of a file, in the order of the output.
OUTCOMES = {
    "accepted": "the first label of a logged row",
    "contradictory": "another label than before; the last one counts",
    "repeated": "the same label as before",
    "late": f"of those, for rows of more than {PERIOD.days} days ago: check --since sees them",
    "ambiguous": "several logged rows fit",
    "unknown": "no logged row fits",
    "unusable": "no label of the model, or no such place or time",
}
USED = ("accepted", "contradictory", "repeated")


class NoRowsInLogError(UserError):
    """A log without rows that labels could be of."""

    template = "{log} holds no predictions: labels are of rows that were answered"


class SeveralModelsError(UserError):
    """Columns that several models have."""

    template = "--key {keys}: several models log them: {models}; choose one with --model"


@dataclass(frozen=True)
class Outcome:
    """Lines of the file with one outcome, and the first of them."""

    name: str
    n: int
    example: str


def labels(
    file: Path, *, log: str | None, key: Sequence[str] = (), model: str | None = None
) -> tuple[str, int]:
    """Take the labels of a file into the log; return what to print, and the exit code.

    The code is 2 where no line could be used.
    """
    root = log_directory(log)
    with being_read(root):
        outcomes, written = add_labels(file, root, key=key, model=model)
    rows = [
        [each.name, f"{each.n:,}", OUTCOMES[each.name], f"({each.example})" if each.n else ""]
        for each in outcomes
        if each.n or each.name == "accepted"
    ]
    lines = [aligned(rows, numbers=[1])]
    if written is not None:
        lines.append(f"written: {one_line(str(written))}")
    used = sum(each.n for each in outcomes if each.name in USED)
    return "\n".join(lines), 0 if used else 2


def add_labels(
    file: Path,
    root: Path,
    *,
    key: Sequence[str] = (),
    model: str | None = None,
    now: datetime | None = None,
) -> tuple[list[Outcome], Path | None]:
    """Write the labels of a file to the log; return what became of its lines, and the new file.

    Parameters
    ----------
    file : CSV or Parquet with request_id, row (0 where it has none), label and, if known, at. With
        `key` the columns of these names instead of request_id and row.
    root : the directory of the log.
    key : logged columns; a label is of the newest answered row with these values.
    model : whose rows; all of the log.

    Raises
    ------
    FileMissingError, ColumnMissingError, NoRowsInLogError, SeveralModelsError, LogUnreadableError
    """
    now = now or datetime.now(UTC)
    if not file.is_file():
        raise FileMissingError(file, "no such file", Path.cwd())
    files = find_files(root)
    chosen = {name: paths for name, paths in files.predictions.items() if model in (None, name)}
    if not chosen:
        raise NoRowsInLogError(log=root if model is None else f"{root} (model {model})")
    with opened() as connection:
        # The last of several labels counts: lines keep their order.
        connection.execute("SET preserve_insertion_order = true")
        tables = _tables(connection, chosen)
        if key:
            tables = _with_columns(tables, key)
        columns = _read(connection, file, key)
        _match(connection, tables, key)
        _compare(connection, files, tables, len(columns))
        outcomes = _outcomes(connection, columns, now)
        written = _write(connection, root, now)
    return outcomes, written


def _tables(
    connection: "DuckDBPyConnection", predictions: Mapping[str, Sequence[str]]
) -> dict[str, Table]:
    found = {}
    for number, (name, paths) in enumerate(predictions.items()):
        table, _ = open_table(connection, f"predictions_{number}", paths)
        if table is not None:
            found[name] = table
    return found


def _with_columns(tables: Mapping[str, Table], key: Sequence[str]) -> dict[str, Table]:
    """Return the one table that has these columns."""
    having = {
        name: table
        for name, table in tables.items()
        if all(table.type_of(FEATURE + column) is not None for column in key)
    }
    if len(having) > 1:
        raise SeveralModelsError(keys=", ".join(key), models=list(having))
    if not having:
        logged = {
            column.removeprefix(FEATURE)
            for table in tables.values()
            for column in table.columns
            if column.startswith(FEATURE)
        }
        missing = next((column for column in key if column not in logged), key[0])
        raise ColumnMissingError("--key", missing, listed(sorted(logged)) or "none in the log")
    return having


def _read(connection: "DuckDBPyConnection", file: Path, key: Sequence[str]) -> list[str]:
    """Make the table `given` of the file's lines; return what names a row in it."""
    names = ["request_id"] if not key else list(key)
    with guarded(str(file)):
        source = (
            f"read_parquet({text(str(file))})"
            if is_parquet(file)
            else f"read_csv({text(str(file))}, all_varchar=true, header=true)"
        )
        found = [name for name, *_ in connection.execute(f"DESCRIBE FROM {source}").fetchall()]
        for name in (*names, "label"):
            if name not in found:
                raise ColumnMissingError(str(file), name, listed(found))
        keys = ", ".join(
            f"nullif(CAST({quoted(name)} AS VARCHAR), '') AS k{i}" for i, name in enumerate(names)
        )
        place = 'TRY_CAST("row" AS INTEGER)' if "row" in found and not key else "0"
        at = 'TRY_CAST("at" AS TIMESTAMPTZ)' if "at" in found else "NULL::TIMESTAMPTZ"
        # A time without a reading is a mistake; one that is empty is not known yet.
        wrong = (
            f"""({at} IS NULL AND nullif(CAST("at" AS VARCHAR), '') IS NOT NULL)"""
            if "at" in found
            else "false"
        )
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE given AS SELECT row_number() OVER () AS line,"
            f" {keys}, {place} AS \"row\", nullif(CAST(label AS VARCHAR), '') AS label,"
            f" {at} AS known_at, {wrong} AS is_wrong FROM {source}"
        )
    return names


def is_parquet(file: Path) -> bool:
    """Return whether a file begins as Parquet files do, whatever its name."""
    with file.open("rb") as opened_file:
        return opened_file.read(4) == b"PAR1"


def _match(
    connection: "DuckDBPyConnection", tables: Mapping[str, Table], key: Sequence[str]
) -> None:
    """Make the table `logged`: of the rows that are named, the newest with each name."""
    roles = ", ".join(map(text, ANSWERS))
    names = [f"k{i}" for i in range(len(key) or 1)]
    place = [] if key else ['"row"']
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE logged ({', '.join(f'{name} VARCHAR' for name in names)},"
        ' "row" INTEGER, request_id VARCHAR, place INTEGER, answered BIGINT, n BIGINT)'
    )
    for table in tables.values():
        columns = [f"g.{name}" for name in (*names, *place)]
        selected = ", ".join(columns if place else [*columns, '0 AS "row"'])
        if key:
            on = " AND ".join(_is_equal(table, f"g.k{i}", name) for i, name in enumerate(key))
        else:
            on = 'g.k0 = p.request_id AND g."row" = p."row"'
        # A challenger's row has the name of the answer: it is no second one.
        table.rows(
            f"INSERT INTO logged SELECT {selected},"
            ' arg_max(p.request_id, epoch_us(p.time)), arg_max(p."row", epoch_us(p.time)),'
            f" max(epoch_us(p.time)), count(*) FILTER (p.role IN ({roles}))"
            f" FROM {table.name} AS p JOIN (SELECT DISTINCT {', '.join([*names, *place])}"
            f" FROM given) AS g ON {on}"
            f"{f' WHERE p.role IN ({roles})' if key else ''} GROUP BY {', '.join(columns)}"
        )


def _is_equal(table: Table, given: str, column: str) -> str:
    """Return the condition that a text of the file is the value of a logged column."""
    name = FEATURE + column
    kind = table.type_of(name) or ""
    if kind.startswith("TIMESTAMP"):
        return f"TRY_CAST({given} AS TIMESTAMP) = CAST(p.{quoted(name)} AS TIMESTAMP)"
    if kind == "VARCHAR":
        return f"{given} = p.{quoted(name)}"
    return f"TRY_CAST({given} AS DOUBLE) = p.{quoted(name)}"


def _compare(
    connection: "DuckDBPyConnection", files: LogFiles, tables: Mapping[str, Table], n_keys: int
) -> None:
    """Make the table `compared`: of each line its row, and the label that the row had before."""
    known, _ = open_table(connection, "labels", files.labels)
    keep_labels(connection, known)
    names = [f"k{i}" for i in range(n_keys)]
    on = " AND ".join(f"g.{name} = l.{name}" for name in names)
    possible = {
        name.removeprefix(PROBABILITY)
        for table in tables.values()
        for name in table.columns
        if name.startswith(PROBABILITY)
    }
    label = _as_label("g.label", sorted(possible)) if possible else "NULL"
    named = " AND ".join(f"g.{name} IS NOT NULL" for name in names)
    # Several models with one row of a name: a label of it would be of both.
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE merged AS SELECT"
        f' {", ".join(names)}, "row", any_value(request_id) AS request_id,'
        " any_value(place) AS place, max(answered) AS answered, sum(n) AS n FROM logged"
        f' GROUP BY {", ".join(names)}, "row"'
    )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE compared AS"
        f" SELECT g.line, l.request_id, l.place, {label} AS label, g.known_at, l.answered, l.n,"
        f' g.is_wrong OR {label} IS NULL OR g."row" IS NULL'
        f" OR NOT ({named}) AS is_unusable, k.truth FROM given AS g"
        f' LEFT JOIN merged AS l ON {on} AND g."row" = l."row"'
        f' LEFT JOIN {KNOWN} AS k ON l.request_id = k.request_id AND l.place = k."row"'
    )


def _as_label(cell: str, labels: Sequence[str]) -> str:
    """Return a cell as one of the labels, as SQL has it; null where it is none of them.

    Where training names a label 1 or True, files also have 1.0 and true.
    """
    known = f"({', '.join(map(text, labels))})"
    number = f"TRY_CAST({cell} AS DOUBLE)"
    whole = f"CAST(TRY_CAST({number} AS BIGINT) AS VARCHAR)"
    capital = f"concat(upper(left({cell}, 1)), lower(substr({cell}, 2)))"
    return (
        f"CASE WHEN {cell} IN {known} THEN {cell}"
        f" WHEN {number} = floor({number}) AND {whole} IN {known} THEN {whole}"
        f" WHEN {capital} IN ('True', 'False') AND {capital} IN {known} THEN {capital} END"
    )


def _outcomes(
    connection: "DuckDBPyConnection", names: Sequence[str], now: datetime
) -> list[Outcome]:
    """Make the table `classified`; count its lines by outcome, and late ones once more."""
    is_by_key = names != ["request_id"]
    # Of rows that share a request id and a place, a label counts for none.
    ambiguous = "false" if is_by_key else "n > 1"
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE classified AS SELECT *, CASE"
        " WHEN is_unusable THEN 'unusable' WHEN request_id IS NULL THEN 'unknown'"
        f" WHEN {ambiguous} THEN 'ambiguous' WHEN before IS NULL THEN 'accepted'"
        " WHEN before = label THEN 'repeated' ELSE 'contradictory' END AS outcome"
        " FROM (SELECT *, coalesce(lag(label) OVER (PARTITION BY request_id, place, is_unusable"
        " ORDER BY line), truth) AS before FROM compared)"
    )
    late = int((now - PERIOD).timestamp() * 1e6)
    used = ", ".join(map(text, USED))
    counted: dict[str, tuple[int, int]] = {
        name: (n, line)
        for name, n, line in connection.execute(
            "SELECT outcome, count(*), min(line) FROM classified GROUP BY outcome UNION ALL"
            " SELECT 'late', count(*), min(line) FROM classified"
            f" WHERE outcome IN ({used}) AND answered < {late}"
        ).fetchall()
    }
    if is_by_key:
        # By a key the newest of them gets the label; the output has their number.
        ((n, line),) = connection.execute(
            f"SELECT count(*), min(line) FROM classified WHERE outcome IN ({used}) AND n > 1"
        ).fetchall()
        counted["ambiguous"] = n, line
    return [
        Outcome(name, counted[name][0], _example(connection, names, counted[name][1]))
        if counted.get(name, (0, 0))[0]
        else Outcome(name, 0, "")
        for name in OUTCOMES
    ]


def _example(connection: "DuckDBPyConnection", names: Sequence[str], line: int) -> str:
    keys = ", ".join(f"k{i}" for i in range(len(names)))
    (row,) = connection.execute(
        f'SELECT {keys}, label, "row" FROM given WHERE line = $line', {"line": line}
    ).fetchall()
    *values, label, place = row
    shown = [f"{name} {_shown(value)}" for name, value in zip(names, values, strict=True)]
    if names == ["request_id"]:
        shown.append(f"row {_shown(place)}")
    return f"line {line}: {', '.join(shown)}: {_shown(label)}"


def _shown(value: Any) -> str:
    return "(none)" if value is None else one_line(str(value))[:40]


def _write(connection: "DuckDBPyConnection", root: Path, now: datetime) -> Path | None:
    """Write the last label of each row that has a new one; return the file, or None."""
    connection.execute(
        'CREATE OR REPLACE TEMP TABLE written AS SELECT request_id, place AS "row",'
        " arg_max(label, line) AS label, arg_max(known_at, line) AS known_at FROM classified"
        f" WHERE outcome IN ({', '.join(map(text, USED))})"
        " GROUP BY request_id, place"
        " HAVING any_value(truth) IS NULL OR arg_max(label, line) <> any_value(truth)"
    )
    ((n_rows,),) = connection.execute("SELECT count(*) FROM written").fetchall()
    if n_rows == 0:
        return None
    folder = root / layout.labels_folder(now.date())
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / layout.segment_name(now, token_hex(4), 0)
    scratch = path.with_name(f".{path.name}")
    received = text(now.isoformat())
    try:
        with guarded(str(path)):
            connection.execute(
                'COPY (SELECT request_id, CAST("row" AS INTEGER) AS "row", label, known_at AS "at",'
                f" {received}::TIMESTAMPTZ AS received FROM written) TO {text(str(scratch))}"
                " (FORMAT parquet, COMPRESSION zstd,"
                f" KV_METADATA {{{layout.FORMAT_KEY}: {text(layout.FORMAT)}}})"
            )
        with scratch.open("rb") as file:
            os.fsync(file.fileno())
        scratch.rename(path)
    finally:
        scratch.unlink(missing_ok=True)
    sync(folder)
    return path
