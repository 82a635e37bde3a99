"""Cells of every type mean what they meant in training."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tabproof.batch.cells import (
    CellReader,
    Rows,
    WantedColumn,
    count_unusual,
    find_wrong_types,
)
from tabproof.data.column import Reading
from tabproof.data.columns import type_columns
from tabproof.features import seconds_of
from tabproof.forms import DateForm

NUMBER = WantedColumn("c", None, 0.0, 10.0)


def encode(
    column: pa.Array | pa.ChunkedArray, wanted: WantedColumn
) -> tuple[list[Any], dict[int, tuple[str, str]]]:
    table = pa.table({"c": column})
    reader = CellReader([wanted])
    return reader.encode(Rows(table, len(table), np.arange(len(table))))


def trained(column: pa.Array, kind: str) -> pd.Series:
    """Return a column as training reads it."""
    table, index = pa.table({"c": column}), pd.RangeIndex(len(column))
    return type_columns(table, index, Reading({"c": kind}), is_text=False, divides=True).X["c"]


def names(column: pa.Array, categories: tuple[str, ...]) -> list[str | None]:
    """Name the places of a typed column."""
    (places,) = encode(column, WantedColumn("c", categories))[0]
    return [[*categories, "(unseen)", None][place] for place in places.tolist()]


CATEGORIES = {
    "texts": pa.array(["a", None, "", "NA"]),
    "large texts": pa.array(["a", None, "b"], pa.large_string()),
    "views": pa.array(["a", None, "b"], pa.string_view()),
    "dictionary": pa.array(["a", None, "b", "a"]).dictionary_encode(),
    "truth": pa.array([True, None, False]),
    "whole": pa.array([3, 1, 2, 3], pa.int8()),
    "whole with nulls": pa.array([3, None, 1], pa.int64()),
    "floats": pa.array([3.0, None, 0.1, -0.0]),
    "short floats": pa.array([3.0, None, 0.1], pa.float32()),
    "decimals": pa.array([Decimal("1.50"), None, Decimal("2.00")]),
    "dictionary of numbers": pa.array([3, 1, 3]).dictionary_encode(),
}


@pytest.mark.parametrize("kind", CATEGORIES)
def test_a_category_has_the_name_that_training_gave_it(kind: str) -> None:
    column = CATEGORIES[kind]
    expected = trained(column, "category")
    categories = tuple(expected.cat.categories)
    found = names(column, categories)
    assert found == [None if pd.isna(value) else value for value in expected]


NUMBERS = {
    "floats": pa.array([1.5, None, 0.1]),
    "short floats": pa.array([1.5, None, 0.1], pa.float32()),
    "whole": pa.array([1, 2**53 + 1, -(2**62)], pa.int64()),
    "unsigned": pa.array([1, None, 2**64 - 1], pa.uint64()),
    "decimals": pa.array([Decimal("0.10"), None, Decimal("123456789.123456789")]),
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_a_number_has_the_bits_that_training_saw(kind: str) -> None:
    column = NUMBERS[kind]
    expected = trained(column, "number").to_numpy()
    (found,), faults = encode(column, NUMBER)
    np.testing.assert_array_equal(found, expected)
    assert faults == {}


DATES = {
    "seconds": pa.array([0, None, 10**9], pa.timestamp("s")),
    "nanoseconds": pa.array([1_234_567_891, None, -1], pa.timestamp("ns")),
    "a clock": pa.array([0, None, 10**15], pa.timestamp("us", "+09:00")),
    "days": pa.array([0, None, 20_000], pa.date32()),
    "milliseconds of days": pa.array([0, None, 86_400_000], pa.date64()),
    "texts": pa.array(["2024-02-29", None, "2024-03-01T12:00:00.123456"]),
    "dictionary": pa.array(["2024-02-29", None, "2024-03-01"]).dictionary_encode(),
    "a named month": pa.array(["1 March 2024", None, "2 May 2024"]),
}


@pytest.mark.parametrize("kind", DATES)
def test_a_date_has_the_seconds_that_training_saw(kind: str) -> None:
    column = DATES[kind]
    expected = trained(column, "date").to_numpy()
    form = DateForm(offset=540) if kind == "a clock" else DateForm()
    (found,), faults = encode(column, WantedColumn("c", form=form))
    np.testing.assert_array_equal(found, seconds_of(expected))
    assert faults == {}


def test_a_cell_that_is_no_date_is_a_fault() -> None:
    (found,), faults = encode(
        pa.array(["2024-01-01", "soon", "", "NA", "-"]), WantedColumn("c", form=DateForm())
    )
    np.testing.assert_array_equal(found, [1_704_067_200.0, *[np.nan] * 4])
    assert faults == {1: ("c", "'soon' is no date")}


def test_texts_are_kept_but_for_words_that_meant_missing_in_training() -> None:
    wanted = WantedColumn("c", is_text=True)
    (found,), _ = encode(
        pa.array(["late again", "NA", "", None]), replace(wanted, na_values=("", "NA"))
    )
    assert found.tolist() == ["late again", None, None, None]
    (found,), _ = encode(pa.array(["NA", None]).dictionary_encode(), wanted)
    assert found.tolist() == ["NA", None]
    (found,), _ = encode(pa.array([3.0, None]), wanted)
    assert found.tolist() == ["3", None]


def test_what_stands_for_missing_in_training_is_missing() -> None:
    (found,), faults = encode(pa.array(["1", "?", "-", "#REF!"]), NUMBER)
    np.testing.assert_array_equal(found, [1.0, *[np.nan] * 3])
    assert faults == {}


def test_times_of_day_and_durations_are_seconds() -> None:
    for column in (pa.array([1_500, None], pa.duration("ms")), pa.array([60, 0], pa.time32("s"))):
        (found,), _ = encode(column, NUMBER)
        np.testing.assert_array_equal(found, trained(column, "number"))


def test_chunks_and_slices_keep_their_order() -> None:
    pieces = [pa.array(["x", "b", "a"])[1:], pa.array(["a", None])]
    chunks = pa.chunked_array([piece.dictionary_encode() for piece in pieces])
    (places,) = encode(chunks, WantedColumn("c", ("a", "b")))[0]
    assert places.tolist() == [1, 0, 0, 3]
    numbers = pa.chunked_array([pa.array([9.0, 1.0])[1:], pa.array([None, 2.0])])
    np.testing.assert_array_equal(encode(numbers, NUMBER)[0][0], [1.0, np.nan, 2.0])


def test_in_a_csv_texts_are_missing_unless_the_model_knows_them() -> None:
    wanted = WantedColumn("c", ("None", "a"))
    (places,) = encode(pa.array(["a", "None", "NA", "", "z"]), wanted)[0]
    assert places.tolist() == [1, 0, wanted.missing, wanted.missing, wanted.unseen]


def test_truth_values_of_a_csv_are_read_in_every_spelling_of_pandas() -> None:
    wanted = WantedColumn("c", ("False", "True"))
    texts = pa.array(["true", "TRUE", "True", "false", "tRUE"])
    assert encode(texts, wanted)[0][0].tolist() == [1, 1, 1, 0, 1]
    words = pa.array(["yes", "はい", "0", "perhaps"])
    assert encode(words, wanted)[0][0].tolist() == [1, 1, 0, wanted.unseen]
    other = WantedColumn("c", ("True", "maybe"))
    assert encode(texts, other)[0][0].tolist() == [2, 2, 0, 2, 2]


def test_whole_numbers_in_text_are_known_in_either_spelling() -> None:
    texts = pa.array(["3", "3.0", "1", "1.0", "2.5", "4.0"])
    wanted = WantedColumn("c", ("1", "3.0"))
    (places,) = encode(texts, wanted)[0]
    assert places.tolist() == [1, 1, 0, 0, wanted.unseen, wanted.unseen]
    both = WantedColumn("c", ("3", "3.0"))
    (places,) = encode(texts[:2], both)[0]
    assert places.tolist() == [0, 1]


def test_a_number_is_the_category_of_that_number() -> None:
    assert names(pa.array([3.0, 1.0, 2.0]), ("1", "3.0")) == ["3.0", "1", "(unseen)"]


def test_a_fault_names_row_column_and_reason() -> None:
    _, faults = encode(pa.array(["1", "x" * 100, "inf"]), NUMBER)
    assert faults[1] == ("c", f"'{'x' * 60}…' is no number")
    assert faults[2] == ("c", "'inf' is infinite")
    assert encode(pa.array([1.0, np.inf]), NUMBER)[1] == {1: ("c", "'inf' is infinite")}


def test_a_column_that_is_not_there_is_missing() -> None:
    wanted = [WantedColumn("n"), WantedColumn("k", ("a",))]
    table = pa.table({"c": ["1", "2"]})
    reader = CellReader(wanted)
    number, category = reader.encode(Rows(table, 2, np.arange(2)))[0]
    assert np.isnan(number).all()
    assert category.tolist() == [2, 2]


def test_what_is_unusual_is_counted() -> None:
    wanted = [NUMBER, WantedColumn("k", ("a",))]
    columns = [np.array([0.0, -1.0, np.nan, 11.0]), np.array([0, 1, 2, 1])]
    assert count_unusual(wanted, columns) == ({"k": 2}, {"c": 2})
    assert count_unusual(wanted, [cells[:1] for cells in columns]) == ({}, {})


def test_types_that_training_refuses_are_refused() -> None:
    found = {"c": pa.timestamp("us"), "k": pa.list_(pa.int64()), "t": pa.string(), "x": pa.bool_()}
    dates = [WantedColumn(name, form=DateForm()) for name in found]
    assert set(find_wrong_types(dates, found, strict=False)) == {"k"}
    assert set(find_wrong_types(dates, found, strict=True)) == {"k", "t", "x"}
    texts = [WantedColumn(name, is_text=True) for name in found]
    assert set(find_wrong_types(texts, found, strict=True)) == {"c", "k", "x"}
    wanted = [NUMBER, WantedColumn("k", ("a",)), WantedColumn("t"), WantedColumn("gone")]
    assert set(find_wrong_types(wanted, found, strict=False)) == {"c", "k"}
    assert set(find_wrong_types(wanted, found, strict=True)) == {"c", "k", "t"}


@pytest.mark.parametrize(
    ("cells", "wanted"),
    [
        (pa.array(["1", "-999", "-999.0", None]), WantedColumn("c")),
        (pa.array([1.0, -999.0, -999.0, None]), WantedColumn("c")),
        (pa.array([1, -999, -999, None]).dictionary_encode(), WantedColumn("c")),
        (pa.array([86400, -999, -999, None]), WantedColumn("c", form=DateForm("epoch_s"))),
        (pa.array(["a", "unknown", "-999", None]), WantedColumn("c", ("a", "b"))),
        (pa.array(["a", "unknown", "-999", None]), WantedColumn("c", is_text=True)),
    ],
)
@pytest.mark.parametrize("is_text", [True, False])
def test_words_that_mean_missing_in_training_do_so_in_any_input(
    cells: pa.Array, wanted: WantedColumn, is_text: bool
) -> None:
    wanted = replace(wanted, na_values=("-999", "unknown"))
    if is_text and not pa.types.is_string(cells.type):
        cells = cells.cast(pa.string())
    (read,), faults = encode(cells, wanted)
    missing = wanted.missing if wanted.categories else None if wanted.is_text else np.nan
    assert not faults
    assert repr(read.tolist()[1:]) == repr([missing] * 3)
    assert repr(read.tolist()[0]) != repr(missing)


def test_words_that_the_user_chose_in_training_are_the_only_ones() -> None:
    cells = pa.array(["a", "NA", "-", "b"])
    wanted = WantedColumn("c", ("a", "b"), na_values=("", "-"))
    (read,), _ = encode(cells, wanted)
    assert read.tolist() == [0, wanted.unseen, wanted.missing, 1]
    (read,), _ = encode(cells, replace(wanted, na_values=()))
    assert read.tolist() == [0, wanted.missing, wanted.unseen, 1]
