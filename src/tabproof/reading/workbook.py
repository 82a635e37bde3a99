"""Sheets of Excel and OpenDocument files."""

import datetime
import io
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from tabproof.errors import InvalidValueError, PackageMissingError, first_line
from tabproof.reading.layout import find_header_of_rows
from tabproof.reading.raw_table import NEEDED, FileUnreadableError, RawTable, ReadOptions
from tabproof.reading.source import MAX_BYTES
from tabproof.reading.tidying import find_footer, join_numbers, tidy_columns
from tabproof.reading.typed_files import column_of
from tabproof.schema import make_treatment

# Of zip files, and of the older .xls; source.py distinguishes a workbook from an archive.
ZIP, OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
WHOLE = 2.0**53


def is_workbook(content: bytes) -> bool:
    """Return whether a content, which is no other archive, is a workbook."""
    return content.startswith((ZIP, OLE))


def read_workbook(content: bytes, options: ReadOptions, name: str) -> RawTable:
    """Read the sheet that is asked for, or the first that has a table."""
    try:
        import python_calamine as calamine
    except ImportError as error:
        raise PackageMissingError("an Excel file", "python-calamine", "excel") from error
    if content.startswith(ZIP):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(info.file_size for info in archive.infolist()) > MAX_BYTES:
                found = f"holds more than {MAX_BYTES:,} bytes when decompressed"
                raise FileUnreadableError(name, found, "write a smaller one")
    try:
        book = calamine.CalamineWorkbook.from_filelike(io.BytesIO(content))
        sheets = {}
        for meta in book.sheets_metadata:
            is_asked = meta.name == options.sheet
            is_visible = meta.visible == calamine.SheetVisibleEnum.Visible
            if is_asked or (options.sheet is None and is_visible):
                sheet = book.get_sheet_by_name(meta.name)
                if rows := sheet.to_python(skip_empty_area=True):
                    sheets[meta.name] = rows, (sheet.start or (0, 0))[0]
    except (calamine.CalamineError, OSError, ValueError) as error:
        found = f"cannot be read as an Excel file ({first_line(error)})"
        raise FileUnreadableError(name, found, "save it again, without a password") from error
    if options.sheet is not None and options.sheet not in book.sheet_names:
        shown = ", ".join(f"'{each}'" for each in book.sheet_names)
        raise InvalidValueError(f"{options.key}sheet", options.sheet, f"one of {shown}")
    wide = (each for each, (rows, _) in sheets.items() if len(rows) > 1 and len(rows[0]) > 1)
    chosen = next(wide, next(iter(sheets), None))
    if chosen is None:
        raise FileUnreadableError(name, "holds no cells", NEEDED)
    treatments = []
    if len(sheets) > 1:
        names = list(sheets)
        treatments.append(make_treatment("sheet", (), sheet=chosen, n=len(names), sheets=names))
    table = _read_rows(*sheets[chosen], f"{name}, sheet '{chosen}'")
    return RawTable(table.table, False, table.row_ids, {}, (*treatments, *table.treatments))


def _read_rows(rows: list[list[Any]], n_above: int, name: str) -> RawTable:
    """Return the table in the rows of a sheet; n_above : empty rows above them."""
    texts = [[cell_text(cell) for cell in row] for row in rows]
    dialect = find_header_of_rows(texts, name)
    first = dialect.line - 1
    treatments = []
    if dialect.above:
        header, title = dialect.header_line or dialect.line, dialect.above[0][1]
        facts = {"header": header + n_above, "n": len(dialect.above), "first": title}
        treatments.append(make_treatment("title_lines", (), **facts))
    if dialect.names is None:
        treatments.append(make_treatment("no_header", (), n=dialect.n_cells))
    names = dialect.names or tuple(f"column_{i + 1}" for i in range(dialect.n_cells))
    columns = zip(*texts[first:], strict=True) if texts[first:] else [[] for _ in names]
    arrays = [pa.array([text or None for text in column], pa.string()) for column in columns]
    as_text = pa.table(arrays, names=[str(place) for place in range(len(names))])
    places = np.arange(as_text.num_rows, dtype=np.int64)
    footer = find_footer(as_text, places, {})
    shown = [place for place in sorted(footer) if any(texts[first + place])]
    if shown:
        lines = join_numbers([place + first + n_above + 1 for place in shown])
        treatments.append(make_treatment("footer", (), n=len(shown), lines=lines))
    n_rows = len(places) - len(footer)
    # Rows without any cell stand between others.
    kept = [place for place in range(n_rows) if any(texts[first + place])]
    body = [rows[first + place] for place in kept]
    typed = [_typed([row[place] for row in body]) for place in range(len(names))]
    table = pa.table(typed, names=as_text.column_names)
    table, tidied = tidy_columns(table, names)
    row_ids = np.array(kept, dtype=np.int64)
    return RawTable(table, False, row_ids, {}, (*treatments, *tidied))


def cell_text(cell: Any) -> str:
    """Return a cell as it would stand in a CSV."""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < WHOLE:
        return str(int(cell))
    if isinstance(cell, datetime.datetime):
        is_date = cell.time() == datetime.time()
        return str(cell.date()) if is_date else cell.isoformat(" ")
    return str(cell).strip()


def _typed(cells: Sequence[Any]) -> pa.Array:
    """Return cells as numbers, times or booleans if all are such; else as texts."""
    present = [cell for cell in cells if cell_text(cell)]
    kinds = {type(cell) for cell in present}
    if kinds and kinds <= {int, float}:
        is_whole = all(float(cell).is_integer() and abs(cell) < WHOLE for cell in present)
        number = int if is_whole else float
        return column_of([number(cell) if cell_text(cell) else None for cell in cells])
    if kinds == {bool}:
        return column_of([cell if cell_text(cell) else None for cell in cells])
    for some, kind in (
        ({datetime.datetime, datetime.date}, pa.timestamp("us")),
        ({datetime.time}, pa.time64("us")),
        ({datetime.timedelta}, pa.duration("us")),
    ):
        if kinds and kinds <= some:
            return pa.array([_moment(cell) if cell_text(cell) else None for cell in cells], kind)
    return pa.array([cell_text(cell) or None for cell in cells], pa.string())


def _moment(cell: Any) -> Any:
    if type(cell) is datetime.date:
        return datetime.datetime.combine(cell, datetime.time())
    return cell
