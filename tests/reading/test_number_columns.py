"""Numbers that are read at once are those that the texts are."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabproof.data import load_file
from tabproof.data.table import fingerprint
from tabproof.errors import UserError
from tabproof.forms import NumberForm, parse_number
from tabproof.reading import ReadOptions, number_columns, read_table, text_table
from tests.reading.making import joined, read

plain = st.integers(-999, 999).map(str) | st.floats(-1e6, 1e6).map(str)
odd = st.sampled_from(
    ["", "NA", "nan", "inf", "007", "0", "1e400", "1,5", "+5", " 5", "9007199254740993", "x", "Ａ"]
)
columns = st.lists(plain, min_size=4, max_size=30) | st.lists(plain | odd, min_size=4, max_size=30)


@pytest.fixture
def set_n_threads():
    n_before = pa.cpu_count()
    yield pa.set_cpu_count
    pa.set_cpu_count(n_before)


@pytest.fixture
def at_any_size(monkeypatch, set_n_threads):
    monkeypatch.setattr(number_columns, "LARGE", 0)
    set_n_threads(3)


def rows_of_columns(columns):
    n_rows = max(map(len, columns))
    return [[column[i % len(column)] for column in columns] for i in range(n_rows)]


@pytest.mark.usefixtures("at_any_size")
@given(st.lists(columns, min_size=2, max_size=4), st.sampled_from(",;\t|"))
def test_a_column_of_numbers_is_that_of_its_texts(columns, separator):
    names = [f"c{i}" for i in range(len(columns))]
    content = joined([names, *rows_of_columns(columns)], separator).encode()
    texts = read(content, separator=separator).table
    found = read(content, separator=separator, keep_texts=["c0"]).table
    assert found.column_names == texts.column_names
    for name, column in zip(found.column_names, found.columns, strict=True):
        if pa.types.is_string(column.type):
            assert column.to_pylist() == texts[name].to_pylist()
            continue
        assert name != "c0"
        cells = texts[name].to_pylist()
        numbers = [None if cell is None else parse_number(cell, NumberForm()) for cell in cells]
        assert column.to_pylist() == numbers
        is_whole = all(number is None or number % 1 == 0 for number in numbers)
        assert not is_whole or not any(c and c[0] == "0" and c[1:].isdecimal() for c in cells)


@pytest.mark.parametrize(
    "rows",
    [
        [["1", "2.5", "a"], ["3", "4.5", "b"]],
        [["007", "2.5", "a"], ["3", "4.5", "b"]],
        [["1", "01.5", "a"], ["3", "2024-01-05", "b"]],
        [["1", "", "a"], ["3", "4.5", "b"]],
        [["1", '"2.5"', "a"], ["3", "-4.5e3", "b"]],
        [["9007199254740993", "2.5", "a"], ["3", "4.5", "b"]],
        [["x", "z", "y"], ["3", "4.5", "b"], ["1", "2.5", "a"]],
        [["1", "2.5", "a", ""], ["3", "4.5", "b"]],
        [["1", "2.5", "a"], ["3", "4.5"], *[["5", "6.5", "b"]] * 20],
        [["1709251200", "2.5", "a"], ["1709337600", "4.5", "b"]],
    ],
)
@pytest.mark.parametrize("names", ["x,z,y", "1,2,y", ",z,y", "x,x,y", "created_at,z,y"])
def test_a_table_is_the_same_at_any_size(tmp_path, monkeypatch, rows, names):
    path = tmp_path / "t.csv"
    # Rows that a sample does not see stand behind those that it sees.
    usual = [[str(i % 7), f"{i / 4}", "ab"[i % 2]] for i in range(1, 700)]
    lines = [names, *(",".join(row) for row in [*usual, *rows])]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def loaded():
        try:
            table = load_file(str(path), "y")
        except UserError as error:
            return str(error)
        return fingerprint(table), table.treatments, table.resolved, table.forms

    expected = loaded()
    monkeypatch.setattr(number_columns, "LARGE", 0)
    assert loaded() == expected


def test_a_number_of_the_sample_may_be_a_word_later_on():
    usual = [[str(i), "1.5"] for i in range(10_000)]
    content = joined([["n", "x"], *usual, ["1", "Total"], ["2", "2.5"]]).encode()
    assert len(content) < number_columns.LARGE
    many = content.replace(b"1.5", b"1." + b"5" * 500)
    found = read(many, keep_texts=[]).table
    assert found["x"].to_pylist()[-2:] == ["Total", "2.5"]
    assert pa.types.is_string(found["n"].type)


def test_numbers_of_a_large_text_are_float64():
    usual = [[str(i), "1." + "5" * 500, "007"] for i in range(10_000)]
    found = read(joined([["n", "x", "code"], *usual]).encode(), keep_texts=[]).table
    # A leading zero anywhere keeps whole numbers as texts.
    assert [str(column.type) for column in found.columns] == ["string", "double", "string"]
    found = read(joined([["n", "x"], *(row[:2] for row in usual)]).encode(), keep_texts=["x"]).table
    assert [str(column.type) for column in found.columns] == ["double", "string"]
    np.testing.assert_array_equal(found["n"].to_numpy(), np.arange(10_000.0))


LATE = ["", "007,2.5,a,yes\n", "nan,2.5,a,yes\n", "1,2.5\n", '1,"2.5",a,yes\n', "\n\n 1,2.5,a,no\n"]


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("late", LATE)
def test_a_large_file_is_the_same_with_one_thread_and_with_several(
    tmp_path, monkeypatch, set_n_threads, late, line_break
):
    rows = [f"{i % 7},{i / 8},{'abc'[i % 3]},{'yes' if i % 5 else 'no'}\n" for i in range(30_000)]
    rows[25_001] += late
    content = ("n,x,c,y\n" + "".join(rows)).replace("\n", line_break)
    path = tmp_path / "t.csv"
    path.write_bytes(content.encode())
    monkeypatch.setattr(number_columns, "LARGE", len(content))
    # So that there are blocks for every thread.
    monkeypatch.setattr(text_table, "BLOCK_BYTES", 2**15)

    def loaded(n_threads):
        set_n_threads(n_threads)
        table = load_file(str(path), "y")
        # Columns are numbers at once, or texts because of the late row, with any number of threads.
        types = read_table(str(path), ReadOptions(keep_texts=["y"])).table.schema.types
        return fingerprint(table), table.treatments, table.resolved, types

    expected = loaded(1)
    assert loaded(2) == expected
    assert loaded(5) == expected
