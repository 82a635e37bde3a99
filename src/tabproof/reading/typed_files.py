"""Files whose columns have types: Parquet, also in parts, Arrow, ORC and JSON."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.json as pa_json
import pyarrow.parquet as pq
from pyarrow import feather

from tabproof.errors import FileMissingError, first_line, printable
from tabproof.reading.lending import read_lent
from tabproof.reading.raw_table import NEEDED, REPAIR, FileUnreadableError, RawTable
from tabproof.reading.tidying import tidy_columns
from tabproof.schema import Treatment, make_treatment

PARQUET, ARROW, FEATHER_1, ORC = b"PAR1", b"ARROW1", b"FEA1", b"ORC"
STREAM = b"\xff\xff\xff\xff"
# An index of pandas without a name.
UNNAMED_INDEX = re.compile(r"__index_level_\d+__")
# Directories of a partitioned table: `year=2024`.
PARTITION = re.compile(r"([^=]+)=(.*)")
# Whole numbers with more digits than 64 bits hold: pyarrow would round them.
LONG_NUMBER = re.compile(rb"[:\[,]\s*-?\d{19,}\s*[,}\]]")
BETWEEN_RECORDS = ", \t\r\n"
INT_64 = range(-(2**63), 2**63)


def typed_table(table: pa.Table, treatments: Sequence[Treatment] = ()) -> RawTable:
    """Return a table that has types, with unique names."""
    table, tidied = tidy_columns(table, table.column_names)
    rows = np.arange(table.num_rows, dtype=np.int64)
    return RawTable(table, False, rows, {}, (*treatments, *tidied))


@contextmanager
def _damage(name: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError, EOFError) as error:
        found = f"cannot be read: {first_line(error)}"
        raise FileUnreadableError(name, found, REPAIR) from error


def is_binary_table(content: bytes) -> bool:
    """Return whether a content is Parquet, Arrow, Feather or ORC."""
    return content.startswith((PARQUET, ARROW, FEATHER_1, ORC, STREAM))


def read_binary(content: bytes, name: str) -> RawTable:
    """Read Parquet, Arrow, Feather or ORC."""
    with _damage(name):
        if content.startswith(PARQUET):
            return _without_index(read_lent(lambda file: pq.ParquetFile(file).read(), content))
        file = pa.BufferReader(content)
        if content.startswith(ORC):
            from pyarrow import orc

            return typed_table(orc.ORCFile(file).read())
        if content.startswith(STREAM):
            return _without_index(pa.ipc.open_stream(file).read_all())
        return _without_index(feather.read_table(file))


def _without_index(table: pa.Table) -> RawTable:
    """Leave an index of pandas without a name out; put one with a name first, as a column."""
    treatments = []
    places = {name: place for place, name in enumerate(table.column_names)}
    found = _described_index(table.schema.metadata or {})
    index = [each for each in found if isinstance(each, str) and each in places]
    named = [places[each] for each in index if not UNNAMED_INDEX.fullmatch(each)]
    unnamed = [places[each] for each in index if UNNAMED_INDEX.fullmatch(each)]
    others = [place for place in range(table.num_columns) if place not in {*named, *unnamed}]
    if unnamed:
        treatments.append(make_treatment("index_column"))
    return typed_table(table.select([*named, *others]), treatments)


def _described_index(metadata: Mapping[bytes, bytes]) -> list[Any]:
    """Return what pandas wrote about its index; nothing if it is not as pandas writes it."""
    try:
        found = json.loads(metadata.get(b"pandas", b"{}"))["index_columns"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []
    return found if isinstance(found, list) else []


def read_directory(folder: Path) -> RawTable:
    """Read a directory of Parquet files, in the order of their names, as one table."""
    files = [
        file
        for file in sorted(folder.rglob("*"))
        # Other names are of hidden files and of marks such as _SUCCESS.
        if file.is_file()
        and not any(part.startswith((".", "_")) for part in file.relative_to(folder).parts)
    ]
    tables, first = [], None
    for file in files:
        with file.open("rb") as opened:
            is_parquet = opened.read(len(PARQUET)) == PARQUET
        if not is_parquet:
            continue
        with _damage(str(file)):
            table = pq.ParquetFile(file).read()
        for part in file.relative_to(folder).parts[:-1]:
            if found := PARTITION.fullmatch(part):
                values = pa.array([found[2]] * table.num_rows, pa.string())
                table = table.append_column(found[1], values)
        first = first or (file, table.column_names)
        if set(table.column_names) != set(first[1]):
            differs = sorted(set(table.column_names) ^ set(first[1]))[0]
            found_here = f"does not have the columns of {first[0]}: '{differs}' is in one only"
            raise FileUnreadableError(str(file), found_here, "write all parts alike")
        tables.append(table)
    if not tables:
        raise FileMissingError(folder, "a directory without Parquet files", Path.cwd())
    with _damage(str(folder)):
        return _without_index(pa.concat_tables(tables, promote_options="permissive"))


# --- JSON: a record in each line, or a list of records.


def is_json(content: bytes) -> bool:
    """Return whether a text begins with a record, or with a list of records."""
    head = content[:4096].lstrip()
    if head.startswith(b"["):
        return head[1:].lstrip().startswith(b"{")
    return re.match(rb'\{\s*("(?:[^"\\]|\\.)*"\s*:|\})', head) is not None


def read_json(content: bytes, name: str) -> RawTable:
    """Read flat records: JSON lines, or a list."""
    if content.lstrip().startswith(b"{") and not LONG_NUMBER.search(content):
        options = pa_json.ReadOptions(block_size=min(len(content) + 1, 2**31 - 1))
        try:
            table = read_lent(partial(pa_json.read_json, read_options=options), content)
        except pa.ArrowInvalid:
            # A column of several types, or a damaged line.
            table = _table_of(_records(content, name), name)
    else:
        table = _table_of(_records(content, name), name)
    nested = [field.name for field in table.schema if pa.types.is_nested(field.type)]
    if nested:
        found = f"holds records or lists in column '{nested[0]}'"
        raise FileUnreadableError(name, found, "a table is needed: write flat records")
    return typed_table(table)


class _RepeatedKeyError(Exception):
    """A key that a record has twice."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        ((key, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise _RepeatedKeyError(key)
    return record


_decoder = json.JSONDecoder(object_pairs_hook=_unique)


def _records(content: bytes, name: str) -> list[dict[str, Any]]:
    records: list[Any] = []
    text, line = content.decode(), 1
    try:
        if text.lstrip().startswith("["):
            records = _decoder.decode(text)
        else:
            for each in text.split("\n"):
                if each.strip():
                    records.append(_decoder.decode(each))
                line += 1
    except _RepeatedKeyError as error:
        line = _line_of_repetition(text) if text.lstrip().startswith("[") else line
        found = f"repeats the key '{printable(error.args[0], 60)}' in the record of line {line}"
        remedy = "give each value a key of its own: one of them would be lost"
        raise FileUnreadableError(name, found, remedy) from None
    except (ValueError, RecursionError) as error:
        found = f"is no JSON in line {getattr(error, 'lineno', 1) + line - 1}"
        raise FileUnreadableError(name, found, REPAIR) from error
    if not records:
        raise FileUnreadableError(name, "holds nothing", NEEDED)
    if not all(isinstance(record, dict) for record in records):
        raise FileUnreadableError(name, "holds other things than records", "write flat records")
    return records


def _line_of_repetition(text: str) -> int:
    """Return the line in which the first record of a list begins that repeats a key."""
    place = text.index("[") + 1
    with suppress(_RepeatedKeyError):
        while True:
            while text[place] in BETWEEN_RECORDS:
                place += 1
            _, place = _decoder.raw_decode(text, place)
    return 1 + text.count("\n", 0, place)


def _table_of(records: list[dict[str, Any]], name: str) -> pa.Table:
    columns = {}
    for key in dict.fromkeys(key for record in records for key in record):
        values = [record.get(key) for record in records]
        if any(isinstance(value, dict | list) for value in values):
            found = f"holds records or lists in column '{key}'"
            raise FileUnreadableError(name, found, "a table is needed: write flat records")
        columns[key] = column_of(values)
    return pa.table(columns)


def column_of(values: list[Any]) -> pa.Array:
    """Return values as a column of their type; as texts where they have several."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float} and all(v in INT_64 for v in values if type(v) is int):
        return pa.array(values, pa.int64() if kinds == {int} else pa.float64())
    if len(kinds) == 1 and kinds & {bool, str}:
        return pa.array(values)
    return pa.array([None if value is None else str(value) for value in values], pa.string())
