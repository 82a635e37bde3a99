"""Rows that do not fit, lines below the table, and quotes that do not close."""

import pytest

from tabproof.reading.text_table import UnclosedQuoteError
from tabproof.reading.tidying import BadRowsError
from tests.reading.making import BODY, ROWS, TABLE, codes, read, rows_of, said


def test_rows_of_another_length_are_left_out_and_said_with_their_lines() -> None:
    raw = read(TABLE + "1,2\n1,2,3,4,5\n" + BODY)
    assert rows_of(raw) == ROWS + ROWS
    assert raw.row_ids.tolist() == [*range(30), *range(32, 62)]
    assert "2 of 62 row(s) do not have 4 cells" in said(raw)
    assert "line 32 has 2, line 33 has 5" in said(raw)
    assert raw.treatments[0].is_loss


def test_lines_are_counted_behind_blank_ones_and_line_breaks_in_cells() -> None:
    raw = read('# a\n\nx,y\n\n1,"a\nb"\n\n2,3,4\n' + "5,6\n" * 20)
    assert "line 8 has 3" in said(raw)
    assert raw.row_ids.tolist() == [0, *range(2, 22)]


def test_rows_of_another_length_are_an_error_if_asked_for() -> None:
    with pytest.raises(BadRowsError, match=r"line 32 has 2; .* dataset\.bad_rows=skip"):
        read(TABLE + "1,2\n" + BODY, bad_rows="error")


def test_many_rows_of_another_length_are_an_error() -> None:
    assert rows_of(read(TABLE + "1,2,3\n" * 3 + BODY))
    with pytest.raises(BadRowsError, match="that is too much to leave out"):
        read(TABLE + "1,2,3\n" * 10 + BODY)


def test_a_row_that_is_too_long_by_empty_cells_is_kept_in_its_place() -> None:
    raw = read("a,b\n1,2\n3,4,,\n" + "5,6\n" * 20)
    assert rows_of(raw)[:3] == [["1", "2"], ["3", "4"], ["5", "6"]]
    assert raw.row_ids.tolist() == list(range(22))
    assert codes(raw) == []


@pytest.mark.parametrize(
    ("footer", "n"),
    [
        ("Total,,,\n", 1),
        ("Total,435,,\n", 1),
        ("合計,435,,\n", 1),
        ("\nTotal\nSource: the bureau\n", 2),
        (",,,\n,,,\n", 2),
        ("Note: y is of 2024, \n", 1),
        ("Total,435,300,12\n", 1),
    ],
)
def test_lines_below_the_table_are_left_out(footer, n) -> None:
    raw = read(TABLE + footer)
    assert rows_of(raw) == ROWS
    assert codes(raw) == ["footer"]
    assert f"{n} line(s) below the table are left out (line 3" in said(raw)


def test_a_footer_below_a_repeated_header_is_left_out() -> None:
    raw = read(
        TABLE + TABLE.partition("\n")[0] + "\n" + BODY[: BODY.index("\n") + 1] + "Total,,,\n"
    )
    assert rows_of(raw) == [*ROWS, ROWS[0]]
    assert codes(raw) == ["repeated_header", "footer"]


@pytest.mark.parametrize("last", ["0.5,1,,\n", "0.5,,,no\n"])
def test_rows_with_missing_cells_are_no_footer_where_others_have_them_too(last) -> None:
    raw = read("x1,x2,c,y\n" + last + BODY + last)
    assert raw.table.num_rows == 32


def test_a_row_that_was_cut_off_is_no_footer() -> None:
    assert codes(read(TABLE + "0.123,4\n")) == ["bad_rows"]


def test_a_category_called_total_is_no_footer() -> None:
    raw = read("kind,y\n" + "Total,1\nPart,0\n" * 5 + "Total,1\n")
    assert raw.table.num_rows == 11


@pytest.mark.parametrize("end", ["", '"abc",1,a,no\n'])
def test_a_quote_that_does_not_close_is_refused_with_its_line(end) -> None:
    with pytest.raises(UnclosedQuoteError, match="opens in line 32 is not closed"):
        read(TABLE + '"abc,1,a,no\n' + BODY + end)


def test_quotes_inside_of_cells_are_letters() -> None:
    assert rows_of(read('a,b\n5" pipe,1\n6" pipe,2\n')) == [['5" pipe', "1"], ['6" pipe', "2"]]


def test_spaces_around_cells_are_removed() -> None:
    raw = read('a, b ,c\n 1,\u30002\u00a0," x "\n3,4 ,  \n')
    assert raw.table.to_pydict() == {"a": ["1", "3"], "b": ["2", "4"], "c": ["x", None]}


def test_a_header_that_is_repeated_is_left_out_and_said() -> None:
    raw = read(TABLE + TABLE)
    assert rows_of(raw) == ROWS + ROWS
    assert raw.row_ids.tolist() == [*range(30), *range(31, 61)]
    assert "1 line(s) that repeat the header are left out (line 32)" in said(raw)


def test_spaces_before_quotes_are_no_part_of_a_cell() -> None:
    raw = read('id, name, y\n1, "Smith, J.", u\n2, "Wu, ""K""", v\n')
    assert rows_of(raw) == [["1", "Smith, J.", "u"], ["2", 'Wu, "K"', "v"]]


def test_cells_may_be_longer_than_the_beginning_that_is_looked_at() -> None:
    long = "word " * 100_000
    raw = read(f'a,b\n"{long}",1\n"{long}\n",2\nx,3,4\n' + "x,5\n" * 20)
    assert raw.table["b"].to_pylist()[:3] == ["1", "2", "5"]
    assert "line 5 has 3" in said(raw)


@pytest.mark.parametrize("end", ["", "7,8,9\n"])
def test_a_row_may_be_longer_than_what_is_cut_at_a_time(end) -> None:
    long = "word " * 2**19
    raw = read("a,b\n" + f"1,{long}\n" * 2 + "3,x\n" * 18 + end)
    assert rows_of(raw) == [["1", long.strip()]] * 2 + [["3", "x"]] * 18
    assert codes(raw) == (["bad_rows"] if end else [])
