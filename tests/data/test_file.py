import gzip
import logging

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabproof.data import load_file
from tabproof.data.file import encoding_that_reads
from tabproof.data.table import DataError
from tabproof.errors import ColumnMissingError, DuplicateColumnsError, UserError
from tests.data.tables import csv, parquet

GOOD = "a,b,y\n1,x,u\n2,,v\n3,z,u\n"


def test_a_file_becomes_numbers_categories_and_codes(tmp_path):
    table = csv(tmp_path, GOOD, name="my.table.csv")
    assert table.name == "file_my"
    assert table.X["a"].tolist() == [1.0, 2.0, 3.0]
    assert list(table.X["b"].cat.categories) == ["x", "z"]
    assert table.X["b"].isna().tolist() == [False, True, False]
    assert (table.labels, table.y.tolist()) == (("u", "v"), [0, 1, 0])


# --- files that are no table ------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("", "nothing"),
        ("\n\n", "nothing"),
        ("   \n", "nothing"),
        ("a,b,y\n", "a header and no rows"),
        ("a,b,y", "a header and no rows"),
        ("a,b,y\n1,2,\n3,4,\n", "2 rows, none with a target"),
    ],
)
def test_a_file_without_a_usable_row_is_called_empty(tmp_path, content, found):
    with pytest.raises(DataError) as raised:
        csv(tmp_path, content)
    assert found in str(raised.value)
    assert "a header and rows with a target are needed" in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not a parquet file at all"])
def test_a_parquet_file_that_is_none_is_refused_with_its_path(tmp_path, content):
    (tmp_path / "t.parquet").write_bytes(content)
    with pytest.raises(DataError, match=r"t\.parquet cannot be read: "):
        load_file(str(tmp_path / "t.parquet"), "y")


@pytest.mark.parametrize("damage", ["cut", "inner"])
def test_a_damaged_parquet_file_is_refused_in_one_line(tmp_path, damage):
    path = tmp_path / "t.parquet"
    pd.DataFrame({"a": np.arange(1000), "y": ["u", "v"] * 500}).to_parquet(path)
    content = bytearray(path.read_bytes())
    if damage == "cut":
        del content[len(content) // 2 :]
    else:
        content[50:400] = b"\x07" * 350
    path.write_bytes(content)
    with pytest.raises(DataError) as raised:
        load_file(str(path), "y")
    assert "\n" not in str(raised.value)


def test_a_parquet_file_without_rows_is_called_empty(tmp_path):
    with pytest.raises(DataError, match="a header and no rows"):
        parquet(tmp_path, pd.DataFrame({"a": [1.0], "y": ["u"]}).iloc[:0])


@pytest.mark.parametrize("damage", ["no gzip", "cut", "inner"])
def test_a_damaged_gzip_file_is_refused(tmp_path, damage):
    rows = "".join(f"{i * 7919 % 1000},{'uv'[i % 2]}\n" for i in range(3000))
    packed = gzip.compress(f"a,y\n{rows}".encode(), mtime=0)
    content = {
        "no gzip": b"a,y\n1,u\n2,v\n",
        "cut": packed[:-12],
        "inner": packed[:300] + b"\0\1" * 500,
    }[damage]
    with pytest.raises(DataError, match=r"t\.csv\.gz cannot be read: "):
        csv(tmp_path, content, name="t.csv.gz")


def test_a_compressed_file_is_read_like_a_plain_one(tmp_path):
    plain, packed = (
        csv(tmp_path, GOOD),
        csv(tmp_path, gzip.compress(GOOD.encode()), name="t.csv.gz"),
    )
    pd.testing.assert_frame_equal(plain.X, packed.X)


# --- ragged -----------------------------------------------------------------------------


def test_a_row_with_a_cell_too_many_is_refused_with_its_line(tmp_path):
    with pytest.raises(DataError, match=r"Expected 3 fields in line 3, saw 4"):
        csv(tmp_path, "a,b,y\n1,2,u\n3,4,v,9\n5,6,u\n")


def test_rows_with_a_cell_too_many_do_not_move_into_other_columns(tmp_path):
    # pandas would make an index of the first column: a becomes b, and b the target.
    with pytest.raises(DataError):
        csv(tmp_path, "a,b,y\n1,2,u,9\n3,4,v,8\n5,6,u,7\n")


def test_a_separator_at_the_end_of_each_row_does_not_move_columns(tmp_path):
    try:
        table = csv(tmp_path, "y,a,b\nu,1,2,\nv,3,4,\nu,5,6,\n")
    except DataError:
        return
    assert table.X["a"].tolist() == [1.0, 3.0, 5.0]
    assert table.labels == ("u", "v")


def test_a_row_with_a_cell_too_few_is_not_padded_in_silence(tmp_path, caplog):
    try:
        with caplog.at_level(logging.WARNING):
            csv(tmp_path, "a,y,b\n1,u,3\n3,v\n5,u,7\n")
    except DataError:
        return
    assert caplog.messages, "a missing cell was made up without a word"


def test_a_quote_that_is_never_closed_is_refused(tmp_path):
    with pytest.raises(DataError, match="EOF inside string"):
        csv(tmp_path, 'a,y\n1,"u\n2,v\n')


# --- encodings --------------------------------------------------------------------------

JAPANESE = "名前,y\n山田,はい\n田中,いいえ\n"


@pytest.mark.parametrize("encoding", ["cp932", "euc_jp", "utf-16"])
def test_a_wrong_encoding_is_refused_with_one_that_reads(tmp_path, encoding):
    content = JAPANESE.encode(encoding)
    with pytest.raises(DataError) as raised:
        csv(tmp_path, content)
    assert "is not encoded in utf-8" in str(raised.value)
    assert f"dataset.encoding={encoding} reads it" in str(raised.value)
    assert csv(tmp_path, content, encoding=encoding).labels == ("いいえ", "はい")


def test_utf_8_is_suggested_where_something_else_was_requested(tmp_path):
    with pytest.raises(DataError, match=r"dataset.encoding=utf-8 reads it"):
        csv(tmp_path, GOOD, encoding="utf-16")
    with pytest.raises(DataError, match=r"dataset.encoding=utf-8 reads it"):
        csv(tmp_path, "é,y\nß,u\nü,v\n", encoding="ascii")


@pytest.mark.parametrize("padding", ["", " "])
def test_cp932_is_not_taken_for_utf_16_where_its_bytes_are_even(tmp_path, padding):
    content = f"名前,y\nあ,u\nい{padding},v\n".encode("cp932")
    with pytest.raises(DataError, match=r"dataset.encoding=cp932 reads it"):
        csv(tmp_path, content)


def test_a_western_file_is_not_taken_for_utf_16(tmp_path):
    for content in ("città,y\nRoma,u\nForlì,v\n", "città,y\nRoma,u\nForlì ,v\n"):
        with pytest.raises(DataError, match=r"dataset.encoding=cp1252 reads it"):
            csv(tmp_path, content.encode("cp1252"))


def test_the_encoding_inside_a_compressed_file_is_found(tmp_path):
    content = gzip.compress(JAPANESE.encode("cp932"), mtime=0)
    with pytest.raises(DataError, match=r"dataset.encoding=cp932 reads it"):
        csv(tmp_path, content, name="t.csv.gz")


@given(st.text("あいうアイウ漢字日本語、。0123abc ", min_size=1))
def test_whatever_is_suggested_reads_cp932_text_as_it_was_written(text):
    content = f"名前,y\n{text},u\n".encode("cp932")
    suggested = encoding_that_reads(content)
    assert suggested is not None
    assert content.decode(suggested) == content.decode("cp932")


def test_bytes_that_no_encoding_reads_are_answered_with_the_key(tmp_path):
    content = b"\x00\xd8\x81\xff\x81" + b"a,y\n1,u\n2,v\n"
    with pytest.raises(DataError, match=r"set dataset.encoding="):
        csv(tmp_path, content)


def test_a_byte_order_mark_does_not_stick_to_the_first_column(tmp_path):
    assert csv(tmp_path, "\ufeffy,a\nu,1\nv,2\n").target == "y"


# --- separators -------------------------------------------------------------------------


@pytest.mark.parametrize(("found", "shown"), [(";", ";"), ("\t", "\\t"), ("|", "|")])
def test_a_wrong_separator_is_answered_with_the_right_one(tmp_path, found, shown):
    content = GOOD.replace(",", found)
    with pytest.raises(DataError) as raised:
        csv(tmp_path, content)
    assert "one column only when split at ','" in str(raised.value)
    assert f"try 'dataset.separator={shown}'" in str(raised.value)
    assert list(csv(tmp_path, content, separator=shown).X.columns) == ["a", "b"]


def test_a_comma_is_suggested_where_tabs_were_requested(tmp_path):
    with pytest.raises(DataError, match=r"try 'dataset\.separator=,'"):
        csv(tmp_path, GOOD, separator="\t")


def test_semicolons_are_found_in_a_file_with_decimal_commas(tmp_path):
    with pytest.raises(DataError, match="holds ';'"):
        csv(tmp_path, "a;b;y\n1,5;2;u\n2,5;2;v\n")


def test_a_separator_inside_quotes_is_no_separator(tmp_path):
    table = csv(tmp_path, '"last, first",y\n"Doe, J",u\n"Roe, R",v\n')
    assert list(table.X.columns) == ["last, first"]
    assert list(table.X["last, first"].cat.categories) == ["Doe, J", "Roe, R"]


# --- columns ----------------------------------------------------------------------------


def test_a_duplicate_column_is_refused_by_name(tmp_path):
    with pytest.raises(DuplicateColumnsError, match="'a', 'b'") as raised:
        csv(tmp_path, "a,b,c,a,b,y\n1,2,3,4,5,u\n6,7,8,9,1,v\n")
    assert "'c'" not in str(raised.value)


def test_a_column_that_is_called_like_pandas_names_duplicates_is_none(tmp_path):
    assert list(csv(tmp_path, "a,a.1,y\n1,2,u\n3,4,v\n").X.columns) == ["a", "a.1"]


def test_a_duplicate_column_of_a_parquet_file_is_refused_by_name(tmp_path):
    columns = [pyarrow.array([1, 2]), pyarrow.array([3, 4]), pyarrow.array(["u", "v"])]
    pyarrow.parquet.write_table(
        pyarrow.table(columns, names=["a", "a", "y"]), tmp_path / "t.parquet"
    )
    with pytest.raises(DuplicateColumnsError, match="'a'"):
        load_file(str(tmp_path / "t.parquet"), "y")


def test_columns_without_a_name_are_not_called_duplicates_of_nan(tmp_path):
    message = ""
    try:
        csv(tmp_path, "a,,,y\n1,2,3,u\n3,4,5,v\n")
    except UserError as error:
        message = str(error)
    assert "nan" not in message


@pytest.mark.parametrize(
    ("options", "key", "column"),
    [
        ({"target": "churned"}, "target", "churned"),
        ({"drop_columns": ["b", "id"]}, "dataset.drop_columns", "id"),
        ({"column_types": {"zip": "category"}}, "dataset.column_types", "zip"),
        ({"column_types": {"zip": "number"}}, "dataset.column_types", "zip"),
        ({"non_feature_columns": ["subject"]}, "cv", "subject"),
    ],
)
def test_a_column_that_is_not_there_is_refused_with_those_that_are(tmp_path, options, key, column):
    with pytest.raises(ColumnMissingError) as raised:
        csv(tmp_path, GOOD, **options)
    assert key in str(raised.value)
    assert f"there is no column '{column}'; there are 'a', 'b', 'y'" in str(raised.value)


def test_a_parquet_file_with_whole_numbers_for_names_is_refused(tmp_path):
    # As pandas writes DataFrame(array).to_parquet(path).
    frame = pd.DataFrame({0: [1, 2, 3], 1: [4, 5, 5], 2: [0, 1, 0]})
    table = parquet(tmp_path, frame, target="2", drop_columns=["1"])
    assert list(table.X.columns) == ["0"]


def test_a_dropped_column_is_not_looked_at(tmp_path):
    content = "id,note,y,a\n1,,u,1\n1,,v,2\n"
    with pytest.raises(DataError):
        csv(tmp_path, content)
    table = csv(tmp_path, content, drop_columns=["id", "note"])
    assert list(table.X.columns) == ["a"]


def test_digits_forced_to_be_categories_keep_their_leading_zeros(tmp_path):
    table = csv(
        tmp_path, "zip,y\n01,u\n1,v\n007,u\n", column_types={"zip": "category"}, pos_label="u"
    )
    assert list(table.X["zip"].cat.categories) == ["007", "01", "1"]


def test_a_target_forced_to_be_a_category_keeps_its_leading_zeros(tmp_path):
    content = "a,y\n1,01\n2,02\n3,01\n"
    assert csv(tmp_path, content, column_types={"y": "category"}).labels == ("01", "02")
    assert csv(tmp_path, content).labels == ("1", "2")


def test_a_column_forced_to_be_a_number_states_how_many_cells_are_text(tmp_path):
    content = "a,y\n1,u\nunknown,v\n?,u\n4,v\n"
    with pytest.raises(DataError) as raised:
        csv(tmp_path, content, column_types={"a": "number"})
    assert "dataset.column_types" in str(raised.value)
    assert "'a'" in str(raised.value)
    assert "2 cell(s)" in str(raised.value)
    assert "'unknown'" in str(raised.value)


def test_infinite_cells_are_counted_by_column(tmp_path):
    with pytest.raises(DataError, match=r"'a' \(2\), 'c' \(1\)"):
        csv(tmp_path, "a,b,c,y\ninf,1,2,u\n-inf,2,3,v\n3,4,inf,u\n")


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([[1], [2], [3]], "lists or records"),
        ([{"k": 1}, {"k": 2}, {"k": 3}], "lists or records"),
        (pd.to_datetime(["2020-01-01", "2020-01-02", None]), "times"),
        (pd.to_datetime(["2020-01-01", "2020-01-02", None]).tz_localize("UTC"), "times"),
        (pd.to_timedelta([1, 2, 3], unit="D"), "times"),
        (pd.to_datetime(["2020-01-01", "2020-01-02", "2020-01-03"]).date, "times"),
    ],
    ids=["list", "record", "time", "time with zone", "duration", "date"],
)
def test_a_column_that_is_neither_number_nor_category_is_refused(tmp_path, values, found):
    frame = pd.DataFrame({"a": [1, 2, 3], "odd": values, "y": ["u", "v", "u"]})
    with pytest.raises(DataError) as raised:
        parquet(tmp_path, frame)
    assert f"column 'odd' holds {found}" in str(raised.value)
    assert "dataset.drop_columns=" in str(raised.value)
    assert list(parquet(tmp_path, frame, drop_columns=["odd"]).X.columns) == ["a"]


def test_a_missing_time_forced_to_be_a_number_does_not_become_one(tmp_path):
    frame = pd.DataFrame({"a": pd.to_datetime(["2020-01-01", "2020-01-02", None])})
    frame["y"] = ["u", "v", "u"]
    try:
        table = parquet(tmp_path, frame, column_types={"a": "number"})
    except UserError:
        return
    assert table.X["a"].isna().tolist() == [False, False, True]


@pytest.mark.parametrize("dtype", ["Int64", "Float64", "int8", "float32"])
def test_every_kind_of_number_in_parquet_becomes_the_same_column(tmp_path, dtype):
    frame = pd.DataFrame({"a": pd.array([1, 2, 3], dtype=dtype), "y": ["u", "v", "u"]})
    assert parquet(tmp_path, frame).X["a"].tolist() == [1.0, 2.0, 3.0]
    assert parquet(tmp_path, frame).X["a"].dtype == "float64"


def test_a_missing_cell_of_nullable_integers_stays_missing(tmp_path):
    frame = pd.DataFrame({"a": pd.array([1, 2, None], dtype="Int64"), "y": ["u", "v", "u"]})
    assert parquet(tmp_path, frame).X["a"].isna().tolist() == [False, False, True]


# --- what a spreadsheet may hold -----------------------------------------------------------


def test_decimal_commas_are_refused_with_the_key_that_reads_them(tmp_path):
    content = "a;y\n1,5;u\n2;v\n-0,25;u\n"
    with pytest.raises(DataError, match=r"'1,5': dataset\.decimal=, reads them"):
        csv(tmp_path, content, separator=";")
    assert csv(tmp_path, content, separator=";", decimal=",").X["a"].tolist() == [1.5, 2, -0.25]
    forced = csv(tmp_path, content, separator=";", column_types={"a": "category"})
    assert "1,5" in forced.X["a"].cat.categories


def test_dates_are_no_categories_unless_they_are_forced_to_be(tmp_path):
    content = "day,y\n2024-01-31,u\n2024-02-01T12:00,v\n,u\n"
    with pytest.raises(DataError, match="column 'day' holds times"):
        csv(tmp_path, content)
    forced = csv(tmp_path, content, column_types={"day": "category"})
    assert len(forced.X["day"].cat.categories) == 2


def test_an_empty_line_before_the_header_is_none(tmp_path):
    assert list(csv(tmp_path, "\na,y\n1,u\n2,v\n").X.columns) == ["a"]


def test_a_named_index_of_a_parquet_file_is_a_column(tmp_path):
    frame = pd.DataFrame({"a": [1, 2], "y": ["u", "v"]}, index=pd.Index([7, 8], name="id"))
    assert set(parquet(tmp_path, frame).X.columns) == {"id", "a"}


def test_the_name_of_a_file_is_one_word_in_the_result_line(tmp_path):
    assert csv(tmp_path, GOOD, name="データ (1).csv").name == "file_データ_1"
