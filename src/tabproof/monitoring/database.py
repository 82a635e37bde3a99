"""Read the log with DuckDB: one connection, in bounded memory, without a network.

A table of the log is the union of its files by the names of their columns: after a model was
trained again there may be other columns, which are null in the rows of the older one.
"""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from os.path import getsize
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from tabproof.errors import PackageMissingError, UserError, first_line
from tabproof.text import counted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Memory of the aggregations; the rest is written to a directory for temporary files.
MEMORY = "160MB"
SETTINGS = {
    "memory_limit": MEMORY,
    "threads": 2,
    # Rows are aggregated: their order does not matter.
    "preserve_insertion_order": False,
    # A check runs without a network, and loads nothing that somebody else has put there.
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
# A setting of an extension that is part of DuckDB: days are UTC.
FURTHER = "SET TimeZone = 'UTC'"
# Each query needs the footers again, unless there are too many of them.
REMEMBER = "SET parquet_metadata_cache = {}"

# A busy service writes a file every few seconds. If there are more files than this, each of fewer
# bytes than this, their rows are first copied into one file.
MANY, SMALL = 500, 256 << 10


class LogUnreadableError(UserError):
    """A file of the log that DuckDB refuses."""

    template = "{what} cannot be read: {reason}"


@contextmanager
def opened(memory: str = MEMORY) -> Iterator["DuckDBPyConnection"]:
    """Open a database in memory; its temporary files are removed when the block ends.

    Raises PackageMissingError where DuckDB is not installed.
    """
    try:
        import duckdb
    except ImportError as error:
        raise PackageMissingError("reading a prediction log", "duckdb", "monitor") from error
    with tempfile.TemporaryDirectory(prefix="tabproof-") as folder:
        config: dict[str, Any] = {**SETTINGS, "memory_limit": memory, "temp_directory": folder}
        connection = duckdb.connect(":memory:", config=config)
        try:
            connection.execute(FURTHER)
            yield connection
        finally:
            connection.close()


def quoted(name: str) -> str:
    """Return a name as SQL has it, whatever its characters."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """Return a text as a literal of SQL."""
    return "'" + value.replace("'", "''") + "'"


@dataclass(frozen=True)
class Table:
    """Files with columns in common, as a view of the connection.

    name : of the view. columns : the types by name, as DuckDB has them. ambiguous : names that
    differ from another one by capitals only, which are one name in SQL: none of them is read.
    """

    connection: "DuckDBPyConnection"
    name: str
    files: Sequence[str]
    columns: Mapping[str, str]
    ambiguous: frozenset[str] = field(default_factory=frozenset)

    def type_of(self, column: str) -> str | None:
        """Return the type of a column; None where no file has it, or it cannot be read."""
        return None if column in self.ambiguous else self.columns.get(column)

    def rows(self, query: str, values: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Return the rows of a query; raise LogUnreadableError."""
        with guarded(counted(len(self.files), "file"), self._damaged):
            found: list[tuple[Any, ...]] = self.connection.execute(query, values or {}).fetchall()
            return found

    def arrays(self, query: str, values: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the columns of a query as arrays of numpy; as `rows`."""
        with guarded(counted(len(self.files), "file"), self._damaged):
            return dict(self.connection.execute(query, values or {}).fetchnumpy())

    def _damaged(self) -> str | None:
        """Return the first file that cannot be read to its end."""
        for path in self.files:
            if not _is_readable(self.connection, path):
                return path
        return None


def _is_readable(connection: "DuckDBPyConnection", path: str) -> bool:
    import duckdb

    source = f"read_parquet({text(path)}, hive_partitioning=false)"
    try:
        connection.execute(f"SELECT count(hash(COLUMNS(*))) FROM {source}").fetchall()
    except duckdb.OutOfMemoryException:
        return True
    except duckdb.Error:
        return False
    return True


@contextmanager
def guarded(what: str, find: Callable[[], str | None] = lambda: None) -> Iterator[None]:
    """Turn an error of DuckDB inside the block into a LogUnreadableError.

    what : is read. find : returns which file of it cannot be read, if it is one.
    """
    import duckdb

    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise LogUnreadableError(what, first_line(error)) from error
    except duckdb.Error as error:
        path = find()
        reason = first_line(error)
        if path is not None:
            what, reason = path, f"{reason}; remove it, or copy it again"
        raise LogUnreadableError(what, reason) from error


def open_table(
    connection: "DuckDBPyConnection", name: str, files: Sequence[str]
) -> tuple[Table | None, list[str]]:
    """Return the table of some files, and those that DuckDB cannot read, which are left out of it.

    name : of the view, which replaces one of this name. None where no file is left.
    """
    names: set[str] = set()
    damaged: list[str] = []
    whole: list[str] = []
    is_scattered = len(files) > MANY and sum(map(getsize, files)) < SMALL * len(files)
    connection.execute(REMEMBER.format(str(not is_scattered).lower()))
    for start in range(0, len(files), MANY):
        part, found = _whole_files(connection, files[start : start + MANY], damaged)
        names |= found
        whole += _gathered(connection, part) if is_scattered and part else part
    connection.execute(REMEMBER.format("true"))
    if not whole:
        return None, damaged
    lower = Counter(each.lower() for each in names)
    ambiguous = frozenset(each for each in names if lower[each.lower()] > 1)
    with guarded(counted(len(whole), "file")):
        connection.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT * FROM {_united(whole)}")
        described = connection.execute(f"DESCRIBE {name}").fetchall()
    columns = {str(column): str(kind) for column, kind, *_ in described}
    return Table(connection, name, whole, columns, ambiguous), damaged


def _united(files: Sequence[str]) -> str:
    listed = ", ".join(map(text, files))
    return f"read_parquet([{listed}], union_by_name=true, hive_partitioning=false)"


def _whole_files(
    connection: "DuckDBPyConnection", files: Sequence[str], damaged: list[str]
) -> tuple[list[str], set[str]]:
    """Return the files whose footer can be read, and the names of their columns."""
    import duckdb

    def names_in(paths: Sequence[str]) -> set[str]:
        query = "SELECT DISTINCT name FROM parquet_schema($files) WHERE num_children IS NULL"
        return {name for (name,) in connection.execute(query, {"files": list(paths)}).fetchall()}

    try:
        return list(files), names_in(files) if files else set()
    except duckdb.Error:
        # The query fails for all files if one footer is damaged: they are read one by one.
        names: set[str] = set()
        whole = []
        for path in files:
            try:
                names |= names_in([path])
            except duckdb.Error:
                damaged.append(path)
            else:
                whole.append(path)
        return whole, names


def _gathered(connection: "DuckDBPyConnection", files: Sequence[str]) -> list[str]:
    """Return a temporary file with the rows of many small ones: each query opens all files."""
    ((folder,),) = connection.execute("SELECT current_setting('temp_directory')").fetchall()
    path = f"{folder}/{token_hex(8)}.parquet"
    source = Table(connection, "", files, {})
    source.rows(
        f"COPY (SELECT * FROM {_united(files)}) TO {text(path)}"
        " (FORMAT parquet, ROW_GROUP_SIZE 50000)"
    )
    return [path]
