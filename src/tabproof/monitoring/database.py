"""Read the log with DuckDB: one connection, in bounded memory, without a network.

A table of the log is the union of its files by the names of their columns: after a model was
trained again there may be other columns, which are null in the rows of the older one.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tabproof.errors import PackageMissingError, UserError, first_line
from tabproof.text import counted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# What the aggregations may use; more is written to the directory below the system's temporary one.
MEMORY = "160MB"
SETTINGS = {
    "memory_limit": MEMORY,
    "threads": 2,
    # Rows of a file are only counted.
    "preserve_insertion_order": False,
    # A check runs without a network, and loads nothing that somebody else has put there.
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
# Settings of what DuckDB carries along: days are UTC, and each question needs the footers again.
FURTHER = "SET TimeZone = 'UTC'; SET parquet_metadata_cache = true"


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
    differ from another one by capitals only, which SQL cannot tell apart: none of them is read.
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
            return self.connection.execute(query, values or {}).fetchall()

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
    import duckdb

    def schema(paths: Sequence[str]) -> list[str]:
        query = "SELECT DISTINCT name FROM parquet_schema($files) WHERE num_children IS NULL"
        return [found for (found,) in connection.execute(query, {"files": list(paths)}).fetchall()]

    damaged: list[str] = []
    try:
        names = schema(files) if files else []
    except duckdb.Error:
        # One footer that is no footer hides all others: the files are asked one by one.
        for path in files:
            try:
                schema([path])
            except duckdb.Error:
                damaged.append(path)
        files = [path for path in files if path not in {*damaged}]
        names = schema(files) if files else []
    if not files:
        return None, damaged
    lower = [each.lower() for each in names]
    ambiguous = frozenset(each for each in names if lower.count(each.lower()) > 1)
    with guarded(counted(len(files), "file")):
        connection.execute(
            f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT * FROM read_parquet("
            f"[{', '.join(map(text, files))}], union_by_name=true, hive_partitioning=true)"
        )
        described = connection.execute(f"DESCRIBE {name}").fetchall()
    columns = {str(column): str(kind) for column, kind, *_ in described}
    return Table(connection, name, files, columns, ambiguous), damaged
