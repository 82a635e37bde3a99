"""The same cells are read however they were written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabproof.reading import ReadOptions, sniff
from tests.reading.making import COMPRESSED, HEADER, ROWS, joined, read, rows_of

separators = st.sampled_from([",", ";", "\t", "|"])
line_breaks = st.sampled_from(["\n", "\r\n", "\r"])
compressions = st.sampled_from(sorted(COMPRESSED))
encodings = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp932", "euc_jp"])
# Whatever needs quotes, and letters of one, two and three bytes.
cells = st.text("ab01 ,;|\t\"'\n#あア漢ｱ", max_size=6)
filled = cells.filter(str.strip)
some_rows = st.lists(st.tuples(filled, cells, cells, filled), min_size=1, max_size=5)


@given(some_rows, separators, st.sampled_from(["\n", "\r\n"]), encodings, compressions)
def test_any_cells_are_read_as_they_were_written(
    rows, separator, line_break, encoding, compression
) -> None:
    text = joined([HEADER, *rows], separator, line_break)
    content = COMPRESSED[compression](text.encode(encoding))
    raw = read(content, separator=separator, encoding=encoding)
    assert raw.table.column_names == HEADER
    assert rows_of(raw) == [[cell.strip() for cell in row] for row in rows]
    assert raw.row_ids.tolist() == list(range(len(rows)))
    assert raw.is_text


@given(separators, line_breaks, encodings, compressions, st.integers(1, 30))
def test_separator_encoding_and_compression_are_found(
    separator, line_break, encoding, compression, n_rows
) -> None:
    rows = [[*row[:2], "都道府県" if row[2] == "a" else "カード", row[3]] for row in ROWS[:n_rows]]
    text = joined([["数値", "回数", "種類", "結果"], *rows], separator, line_break)
    raw = read(COMPRESSED[compression](text.encode(encoding)), name="table.dat")
    assert rows_of(raw) == rows
    found = "\\t" if separator == "\t" else separator
    encoding = "utf-8" if encoding == "utf-8-sig" else encoding
    assert raw.resolved == {"separator": found, "encoding": encoding}


@given(separators, encodings)
def test_what_was_found_reads_the_same_when_it_is_given(separator, encoding) -> None:
    content = joined(
        [["名前", "y"], *[["山田", "はい"], ["鈴木", "いいえ"]] * 3], separator
    ).encode(encoding)
    found = read(content)
    given_again = read(content, **found.resolved)
    assert given_again.table == found.table
    assert given_again.resolved == {}


@given(separators, encodings)
def test_a_beginning_has_the_layout_of_the_whole(separator, encoding) -> None:
    lines = [["名前", "y"], *[["山田", "はい"], ["鈴木", "いいえ"]] * 50]
    content = joined(lines, separator).encode(encoding)
    whole, head = (sniff(each, ReadOptions()) for each in (content, content[: len(content) // 2]))
    assert whole == head
    assert (whole.separator, whole.names) == (separator, ("名前", "y"))


@pytest.mark.parametrize("encoding", ["utf-8", "cp932", "utf-16"])
def test_words_such_as_na_stay_texts_and_empty_cells_are_null(encoding) -> None:
    raw = read('a,b\nNA,\n"",null\nア, \n'.encode(encoding))
    assert raw.table.to_pydict() == {"a": ["NA", None, "ア"], "b": [None, "null", None]}
