"""ARFF, the format of Weka: attributes with types, and rows. Sparse rows are refused."""

import re
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from tabproof.reading.raw_table import NEEDED, FileUnreadableError, RawTable, ReadOptions
from tabproof.reading.tidying import check_bad_rows, tidy_columns

BEGINNING = re.compile(rb"\s*(%[^\r\n]*\s+)*@relation\b", re.IGNORECASE)
QUOTED = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
ATTRIBUTE = re.compile(rf"@attribute\s+({QUOTED}|[^\s]+)\s+(.+)", re.IGNORECASE)
CELL = re.compile(rf"\s*({QUOTED}|[^,]*?)\s*(?:,|$)")
NUMBERS = ("numeric", "real", "integer")
ESCAPED = re.compile(r"\\(.)")
MISSING = "?"


def is_arff(content: bytes) -> bool:
    """Return whether a text begins as ARFF does."""
    return BEGINNING.match(content[:65536]) is not None


def read_arff(content: bytes, options: ReadOptions, name: str) -> RawTable:
    """Read a text in UTF-8."""
    names, kinds = list[str](), list[str]()
    rows, bad, n_rows, in_data = list[list[str | None]](), list[tuple[int, int]](), 0, False
    row_ids = []
    for number, line in enumerate(re.split(r"\r\n|\n|\r", content.decode()), start=1):
        text = line.strip()
        if not text or text.startswith("%"):
            continue
        if in_data:
            if text.startswith("{"):
                found = f"has sparse rows (line {number})"
                raise FileUnreadableError(name, found, "write it as dense ARFF or CSV")
            cells = list(_cells(text))
            if len(cells) == len(names):
                rows.append(cells)
                row_ids.append(n_rows)
            else:
                bad.append((number, len(cells)))
            n_rows += 1
        elif text.lower().startswith("@data"):
            in_data = True
        elif attribute := ATTRIBUTE.fullmatch(text):
            names.append(_unquoted(attribute[1]))
            kinds.append(attribute[2].strip().lower())
            if kinds[-1].startswith("relational"):
                found = f"has a relational attribute (line {number})"
                raise FileUnreadableError(name, found, "write it as CSV")
        elif not text.lower().startswith("@relation"):
            found = f"cannot be read as ARFF: line {number} is no attribute"
            raise FileUnreadableError(name, found, "correct that line")
    if not names or not rows:
        raise FileUnreadableError(name, "holds no rows", NEEDED)
    treatments = check_bad_rows(bad, len(bad), n_rows, len(names), options, name) if bad else ()
    arrays = [
        _column([row[place] for row in rows], is_number=kind in NUMBERS)
        for place, kind in enumerate(kinds)
    ]
    table = pa.table(arrays, names=[str(place) for place in range(len(names))])
    table, tidied = tidy_columns(table, names)
    return RawTable(table, False, np.array(row_ids, np.int64), {}, (*treatments, *tidied))


def _column(cells: list[str | None], *, is_number: bool) -> pa.Array:
    column = pa.array(cells, pa.string())
    if is_number:
        try:
            return column.cast(pa.float64())
        except pa.ArrowInvalid:
            # Some cell is no number: what the column is, its cells decide.
            return column
    return column


def _cells(text: str) -> Iterator[str | None]:
    if "'" not in text and '"' not in text:
        for cell in text.split(","):
            stripped = cell.strip()
            yield None if stripped in ("", MISSING) else stripped
        return
    place = 0
    while place <= len(text):
        found = CELL.match(text, place)
        if found is None:
            # Something stands behind a closing quote.
            yield text[place:]
            return
        yield None if found[1] in ("", MISSING) else _unquoted(found[1])
        if not found[0].endswith(","):
            return
        place = found.end()


def _unquoted(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return ESCAPED.sub(r"\1", text[1:-1])
    return text
