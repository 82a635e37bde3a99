"""Dates, texts, truth values and written numbers are read as in training."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabproof.batch.cells import CellReader, Rows, WantedColumn
from tabproof.forms import DateForm, NumberForm, bounded, parse_date, parse_number
from tabproof.schema import CategoryColumn, DateColumn, NumberColumn, Schema, TextColumn
from tabproof.scorer import Scorer
from tabproof.scorer.encoding import CategoryEncoding, NumberEncoding
from tabproof.scorer.inputs import DateInput, TextInput
from tabproof.service.answers import RefusedError, RowWarning
from tabproof.service.rows import Cell, RowReader, as_iso

YEN = NumberForm(".", ",", ("¥",))
COMMA = NumberForm(",", ".")
MAN = NumberForm(".", ",", (), ("億", "万"))
CLOCK = NumberForm(time="h:mm")
DAY_FIRST = DateForm("%d/%m/%Y")
MILLIS = DateForm("epoch_ms", has_time=True)
BERLIN = DateForm("iso", offset=60, has_time=True)
NEW_YEAR = 1_704_067_200.0  # 2024-01-01
SCHEMA = Schema(
    (
        NumberColumn("price", 0.0, 10_000.0, 0.0, YEN),
        NumberColumn("width", 0.0, 10_000.0, 0.0, COMMA),
        NumberColumn("income", 0.0, 1e9, 0.0, MAN),
        NumberColumn("at", 0.0, 86_400.0, 0.0, CLOCK),
        DateColumn("signed", NEW_YEAR, NEW_YEAR + 1e7, 0.0, DAY_FIRST),
        DateColumn("sent", NEW_YEAR, NEW_YEAR + 1e7, 0.0, MILLIS),
        DateColumn("seen", NEW_YEAR, NEW_YEAR + 1e7, 0.0, BERLIN),
        CategoryColumn("active", ("False", "True"), 0.0),
        TextColumn("remarks", 40, 0.0),
    ),
    "label",
    ("no", "yes"),
    10,
)
ENCODINGS = (
    NumberEncoding("price", ()),
    NumberEncoding("width", ()),
    NumberEncoding("income", ()),
    NumberEncoding("at", ()),
    *map(DateInput, ("signed", "sent", "seen")),
    CategoryEncoding("active", ("False", "True"), np.zeros((4, 1))),
    TextInput("remarks"),
)
NAMES = [column.name for column in SCHEMA.columns]
READER = RowReader(SCHEMA, Scorer(ENCODINGS, SCHEMA.labels, None, 0.5))  # type: ignore[arg-type]


def read(name: str, cell: Cell) -> tuple[Any, list[str]]:
    """Return the value and the kinds of warnings, which are those of a batch too."""
    row: dict[str, Cell] = {**dict.fromkeys(NAMES), name: cell}
    warnings: list[RowWarning] = []
    value = READER.read(row, warnings)[NAMES.index(name)]
    of_many: list[RowWarning] = []
    many = READER.read_many([row], of_many)[NAMES.index(name)]
    assert repr(many.tolist()) == repr([value])
    assert [(w.kind, w.message) for w in of_many] == [(w.kind, w.message) for w in warnings]
    return value, [warning.kind for warning in warnings]


@pytest.mark.parametrize(
    ("name", "cell", "expected", "kinds"),
    [
        ("price", "¥1,234", 1234.0, []),
        ("price", "１２", 12.0, []),
        ("price", "1e400", bounded(1e308), ["out_of_range"]),
        ("price", 1e300, bounded(1e300), ["out_of_range"]),
        ("price", "twelve", None, ["not_a_number"]),
        ("price", "9" * 500, None, ["not_a_number"]),
        ("width", "1.234,5", 1234.5, []),
        ("width", 1.5, 1.5, []),
        ("income", "1,200万", 12_000_000.0, []),
        ("income", "2億3000万", 230_000_000.0, []),
        ("income", 450, 450.0, []),
        ("income", "450", None, ["not_a_number"]),
        ("at", "12:34", 45_240.0, []),
        ("at", "午後3時5分", 54_300.0, []),
        ("at", 3600, 3600.0, []),
        ("at", "25:00", 90_000.0, ["out_of_range"]),
        ("at", "12:34:56", None, ["not_a_number"]),
        ("at", "3600", None, ["not_a_number"]),
        ("signed", "02/01/2024", NEW_YEAR + 86_400, []),
        ("signed", "2024-01-02", NEW_YEAR + 86_400, []),
        ("signed", "13/13/2024", None, ["not_a_date"]),
        ("signed", "", None, []),
        ("signed", 20240102, None, ["not_a_date"]),
        ("signed", True, None, ["not_a_date"]),
        ("signed", "01/01/1999", 915_148_800.0, ["out_of_range"]),
        ("sent", 1_704_067_200_500, NEW_YEAR + 0.5, []),
        ("sent", "1704067200500", NEW_YEAR + 0.5, []),
        ("sent", "2024-01-01T00:00:00.5", NEW_YEAR + 0.5, []),
        ("sent", 10**400, None, ["not_a_date"]),
        ("seen", "2024-01-01T00:00:00Z", NEW_YEAR + 3_600, []),
        ("seen", "2024-01-01T00:00:00", NEW_YEAR, []),
        ("active", True, 1, []),
        ("active", "yes", 1, []),
        ("active", "no", 0, []),
        ("active", 1, 1, []),
        ("active", 0.0, 0, []),
        ("active", "False", 0, []),
        ("active", "perhaps", 2, ["unseen_category"]),
        ("active", None, 3, []),
        ("remarks", "late again", "late again", []),
        ("remarks", 3.0, "3", []),
    ],
)
def test_raw_cells_are_read_in_the_form_of_training(
    name: str, cell: Cell, expected: Any, kinds: list[str]
) -> None:
    value, found = read(name, cell)
    assert value == expected or (expected is None and math.isnan(value))
    assert found == kinds


@pytest.mark.parametrize("name", ["signed", "price"])
def test_missing_cells_are_nan_and_a_missing_text_is_none(name: str) -> None:
    assert math.isnan(read(name, None)[0])
    assert read("remarks", None) == (None, [])


def test_absent_columns_are_named() -> None:
    warnings: list[RowWarning] = []
    assert READER.read({"price": 1}, warnings)[-1] is None
    assert [warning.column for warning in warnings] == NAMES[1:]


def test_strict_rows_have_dates_and_texts_as_texts() -> None:
    row: dict[str, Cell] = {**dict.fromkeys(NAMES), "sent": 1, "signed": "02/01/2024"}
    READER.check_strictly(row)
    with pytest.raises(RefusedError) as raised:
        READER.check_strictly({**row, "signed": 1, "remarks": 1, "price": "1"})
    assert raised.value.difference is not None
    expected = {"signed": "date", "remarks": "text", "price": "number"}
    assert raised.value.difference.wrong_type == expected


@given(st.integers(-62_135_596_800, 253_402_300_799))
def test_dates_are_shown_in_a_form_that_is_read(seconds: int) -> None:
    form = DateForm(has_time=True)
    assert parse_date(as_iso(seconds, form), form) == seconds


# --- A cell of a file has the value of the same cell in a row.

FORMS = {
    "price": YEN,
    "width": COMMA,
    "income": MAN,
    "at": CLOCK,
    "signed": DAY_FIRST,
    "sent": MILLIS,
    "seen": BERLIN,
}
CELLS = (
    st.floats(-1e4, 1e4).map(str)
    | st.integers(-10_000, 10_000).map("{:,}".format)
    | st.integers(0, 10_000).map("¥{:,}".format)
    | st.integers(0, 10_000).map("{:,}万".format)
    | st.times().map("{:%H:%M}".format)
    | st.dates().map(str)
    | st.datetimes().map(str)
    | st.dates().map(lambda day: f"{day:%d/%m/%Y}")
    | st.text("0123456789/-.,:¥ ", max_size=12)
)


@given(st.sampled_from(sorted(FORMS)), st.lists(CELLS, min_size=1, max_size=5))
def test_files_and_rows_are_read_alike(name: str, texts: list[str]) -> None:
    form = FORMS[name]
    reader = CellReader([WantedColumn(name, form=form)])
    rows = Rows(pa.table({name: texts}), len(texts), np.arange(len(texts)))
    (values,), faults = reader.encode(rows)
    for place, text in enumerate(texts):
        value, kinds = read(name, text)
        assert ("not_a_number" in kinds or "not_a_date" in kinds) == (place in faults)
        np.testing.assert_array_equal(values[place], value)
        is_date = isinstance(form, DateForm)
        parsed = parse_date(text, form) if is_date else parse_number(text, form)  # type: ignore[arg-type]
        np.testing.assert_array_equal(value, math.nan if parsed is None else bounded(parsed))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("cell", [-999, "-999", "unknown"])
def test_words_that_mean_missing_in_training_do_so_in_a_row(name: str, cell: Cell) -> None:
    schema = replace(SCHEMA, na_values=("-999", "unknown"))
    reader = RowReader(schema, Scorer(ENCODINGS, SCHEMA.labels, None, 0.5))  # type: ignore[arg-type]
    warnings: list[RowWarning] = []
    rows = [{**dict.fromkeys(NAMES), name: each} for each in (cell, None)]
    found, missing = (reader.read(row, warnings) for row in rows)
    assert repr(found) == repr(missing)
    many = reader.read_many(rows, warnings)[NAMES.index(name)].tolist()
    assert repr(many[0]) == repr(many[1])
    assert not warnings
