"""The separator, the header, and what stands above it."""

import pytest

from tabproof.reading.layout import AmbiguousSeparatorError, HeaderDiffersError
from tests.reading.making import BODY, HEADER, ROWS, TABLE, codes, joined, read, rows_of, said


@pytest.mark.parametrize(
    "above",
    [
        "# written 2026-01-01\n# by a tool, version 2\n",
        "Quarterly report,,,\n,,,\n",
        "Quarterly report\n\n",
        '"Sales, by region"\n',
        "Report of 2024, second edition\n",
        "Report,2024,,\nRegion,A,,\n",
        "sep=,\n",
        "\n\n",
    ],
)
def test_the_header_is_found_below_other_lines(above) -> None:
    raw = read(above + TABLE)
    assert raw.table.column_names == HEADER
    assert rows_of(raw) == ROWS


def test_lines_above_the_header_are_said() -> None:
    assert "the header is in line 3; 1 line(s) above it" in said(read("Report,,,\n,,,\n" + TABLE))
    assert "2 comment line(s) are left out (line 1, 2): # a" in said(read("# a\n# b\n" + TABLE))
    assert codes(read(TABLE)) == []


def test_a_declared_separator_is_taken() -> None:
    raw = read("sep=;\r\na;b\r\n1,5;2\r\n")
    assert rows_of(raw) == [["1,5", "2"]]
    assert raw.resolved["separator"] == ";"


@pytest.mark.parametrize(
    ("text", "separator"),
    [
        ("a;b;y\n1,5;2,25;u\n2,5;3,25;v\n", ";"),
        ('a,b,y\n1,"x; z; w",u\n2,"x; w",v\n', ","),
        ("when,b,y\n2024-01-01 10:00,1,u\n2024-01-02 11:00,2,v\n", ","),
        ("a|b\n1,2|x\n3,4|y\n", "|"),
        ("a\tremark\n1\tyes, well; so\n2\tno\n", "\\t"),
        ("a  b   y\n1  2   u\n10 20  v\n", " "),
        ("y\nu\nv\n", ","),
    ],
)
def test_the_separator_that_gives_whole_cells_is_found(text, separator) -> None:
    raw = read(text)
    assert raw.resolved["separator"] == separator
    assert len({len(row) for row in rows_of(raw)}) == 1


def test_two_equally_likely_separators_are_asked_about_with_words_that_work() -> None:
    text = "a,b;c,d\n" + "1,2;3,4\n" * 5
    with pytest.raises(AmbiguousSeparatorError) as raised:
        read(text)
    assert "'dataset.separator=,' or 'dataset.separator=;'" in str(raised.value)
    assert read(text, separator=";").table.column_names == ["a,b", "c,d"]
    assert read(text, separator=",").table.column_names == ["a", "b;c", "d"]


@pytest.mark.parametrize("separator", ["、", "^", "~", ":"])
def test_any_separator_can_be_given(separator) -> None:
    raw = read(TABLE.replace(",", separator), separator=separator)
    assert (raw.table.column_names, rows_of(raw)) == (HEADER, ROWS)


@pytest.mark.parametrize(
    "text",
    [BODY, "x,o,o\no,x,x\nx,x,o\no,o,x\n" * 4],
    ids=["numbers", "categories"],
)
def test_a_file_without_a_header_gets_names_by_position(text) -> None:
    raw = read(text)
    assert raw.table.column_names[0] == "column_1"
    assert raw.table.num_rows == text.count("\n")
    assert codes(raw) == ["no_header"]


@pytest.mark.parametrize(
    "header",
    [
        ["2019", "2020", "2021"],
        ["0", "1", "2"],
        ["country", "2020", "2021"],
        ["x", "y", "z"],
        ["1.5", "2.5", "class"],
    ],
)
def test_names_that_are_numbers_are_still_a_header(header) -> None:
    rows = [["0.5", "7.5", "abc"[i % 3]] for i in range(12)]
    assert read(joined([header, *rows])).table.column_names == header


def test_a_header_that_is_written_as_a_comment_is_one() -> None:
    assert read("#id,x,y\n" + "1,2,a\n2,3,b\n" * 5).table.column_names == ["id", "x", "y"]
    assert read("#,x,y\n" + "1,2,a\n2,3,b\n" * 5).table.column_names == ["#", "x", "y"]


def test_names_keep_every_character() -> None:
    names = ["日本語", "😀", "line\nbreak", 'e,f [g] {h}: "q"', "o'brien", "${y}", "back\\slash/"]
    raw = read(joined([names, ["1"] * 7, ["2"] * 7]))
    assert raw.table.column_names == names


def test_a_header_of_another_length_is_refused() -> None:
    with pytest.raises(HeaderDiffersError, match=r"2 names in its header \(line 1\) and 4 cells"):
        read("a,b\n" + BODY)


def test_quotes_after_a_backslash_are_part_of_a_cell() -> None:
    raw = read('a,b\n"he said \\"hi\\", ok",1\n"z",2\n')
    assert rows_of(raw) == [['he said "hi", ok', "1"], ["z", "2"]]


def test_two_names_and_no_rows_are_an_empty_table() -> None:
    raw = read("a,b\n")
    assert (raw.table.column_names, raw.table.num_rows) == (["a", "b"], 0)
