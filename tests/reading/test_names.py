"""Columns without a name, columns that count rows, and names that occur twice."""

from hypothesis import assume, given
from hypothesis import strategies as st

from tests.reading.making import BODY, HEADER, ROWS, codes, joined, read, rows_of, said


def test_spaces_around_names_are_removed_and_said() -> None:
    raw = read("x1, x2, c , y\n" + BODY)
    assert raw.table.column_names == HEADER
    assert "3 column(s) are removed: 'x2', 'c', 'y'" in said(raw)


def test_an_empty_last_column_without_a_name_is_left_out() -> None:
    for text in (
        "x1,x2,c,y,\n" + BODY.replace("\n", ",\n"),
        "x1,x2,c,y,,\n" + BODY.replace("\n", ",,\n"),
        "x1,x2,c,y\n" + BODY.replace("\n", ",\n"),
    ):
        raw = read(text)
        assert (raw.table.column_names, rows_of(raw)) == (HEADER, ROWS)
        assert codes(raw) == ["empty_last_column"]
    assert rows_of(read("x1,x2,c,y,\n" + BODY)) == ROWS


def test_a_first_column_that_counts_rows_is_left_out() -> None:
    for first in ("", "Unnamed: 0"):
        raw = read(joined([[first, "a", "b"], ["0", "x", "1"], ["1", "z", "2"]]))
        assert (raw.table.column_names, codes(raw)) == (["a", "b"], ["index_column"])
    # As R writes it: the header has one name less.
    raw = read('"a" "b"\n"1" "x" 1.5\n"2" "z" 2.5\n')
    assert (raw.table.column_names, rows_of(raw)) == (["a", "b"], [["x", "1.5"], ["z", "2.5"]])


def test_a_column_without_a_name_that_holds_values_is_named_by_position() -> None:
    raw = read("a,,y\n1,u,3\n4,v,6\n")
    assert raw.table.column_names == ["a", "column_2", "y"]
    assert "named by position: 'column_2'" in said(raw)
    assert read(",y\n1,3\n1,6\n").table.column_names == ["column_1", "y"]


def test_duplicate_names_are_numbered_and_said() -> None:
    raw = read("a,a,b,b_2,b\n1,2,3,4,5\n")
    assert raw.table.column_names == ["a", "a_2", "b", "b_2", "b_3"]
    assert "numbered: 'a_2', 'b_3'" in said(raw)


@given(
    st.lists(st.sampled_from(["a", "a_2", "a_3", " a ", "", "column_2"]), min_size=2, max_size=6)
)
def test_names_are_unique_and_first_ones_are_kept(names) -> None:
    # A line of which more than half of the cells are empty has no names.
    assume(2 * names.count("") <= len(names) + 1)
    # Cells that are no numbers, so that no column counts rows.
    raw = read(joined([[*names, "y"], ["u"] * (len(names) + 1), ["v"] * (len(names) + 1)]))
    found = raw.table.column_names
    assert len(set(found)) == len(names) + 1
    assert all(found)
    stripped = [name.strip() for name in names]
    for name in filter(None, stripped):
        assert found[stripped.index(name)] == name
