"""Sheets of Excel: the table among titles and footers, with the types of its cells."""

import datetime
import io

import pyarrow as pa
import pytest

from tabproof.errors import InvalidValueError
from tabproof.reading import FileUnreadableError
from tests.reading.making import read, said

pytest.importorskip("python_calamine", reason="reads Excel; the extra excel")
openpyxl = pytest.importorskip("openpyxl", reason="writes the Excel files that are read")


def workbook(**sheets: list[list[object]]) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


DAY = datetime.datetime(2024, 1, 2)
CELLS = [
    ["n", " x ", "s", "t", "b", "mixed"],
    [1, 0.5, "a", DAY, True, 1],
    [None, 1.5, " 007 ", DAY, False, "n/a"],
    [3, 2, None, DAY, None, 2.5],
]


def test_a_sheet_keeps_the_types_of_whole_columns() -> None:
    raw = read(workbook(data=CELLS), name="table.csv")
    assert raw.table.to_pydict() == {
        "n": [1, None, 3],
        "x": [0.5, 1.5, 2.0],
        "s": ["a", "007", None],
        "t": [DAY] * 3,
        "b": [True, False, None],
        "mixed": ["1", "n/a", "2.5"],
    }
    assert raw.table.schema.field("n").type == pa.int64()


def test_titles_and_footers_of_a_sheet_are_left_out_and_change_no_type() -> None:
    rows = [
        ["Sales 2024"],
        [None],
        ["a", "b", "c"],
        *[[i, i / 2, "x"] for i in range(9)],
        ["Total"],
    ]
    raw = read(workbook(data=rows))
    assert raw.table.column_names == ["a", "b", "c"]
    assert raw.table.schema.field("a").type == pa.int64()
    assert raw.row_ids.tolist() == list(range(9))
    assert "the header is in line 3" in said(raw)
    assert "below the table are left out (line 13)" in said(raw)


def test_the_first_sheet_with_a_table_is_read_and_said_and_another_can_be_named() -> None:
    content = workbook(cover=[["Read me"]], data=CELLS, more=[["k", "y"], [1, 2]])
    assert "sheet 'data' is read, of 3" in said(read(content))
    assert read(content, sheet="more").table.column_names == ["k", "y"]
    with pytest.raises(InvalidValueError, match=r"dataset\.sheet=gone .* 'cover', 'data', 'more'"):
        read(content, sheet="gone")


@pytest.mark.parametrize(
    "content", [workbook(data=CELLS)[:2000], b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"]
)
def test_a_damaged_workbook_is_refused_in_one_line(content) -> None:
    with pytest.raises(FileUnreadableError) as raised:
        read(content)
    assert "\n" not in str(raised.value)
