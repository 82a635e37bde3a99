import pandas as pd
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings

from tabproof.data import load_file
from tabproof.data.errors import (
    DecimalCommaError,
    InfiniteValueError,
    NotANumberError,
    NoValueError,
    UnusableColumnError,
)
from tabproof.errors import ColumnMissingError, DuplicateColumnsError, UserError
from tests.data.tables import csv, frames, parquet

GOOD = "a,b,y\n1,x,u\n2,,v\n3,z,u\n"


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
    told = ""
    try:
        csv(tmp_path, "a,,,y\n1,2,3,u\n3,4,5,v\n")
    except UserError as error:
        told = str(error)
    assert "nan" not in told


@pytest.mark.parametrize(
    ("options", "key", "column"),
    [
        ({"target": "churned"}, "target", "churned"),
        ({"drop_columns": ["b", "id"]}, "dataset.drop_columns", "id"),
        ({"column_types": {"zip": "category"}}, "dataset.column_types", "zip"),
        ({"column_types": {"zip": "number"}}, "dataset.column_types", "zip"),
        ({"aside": ["subject"]}, "cv", "subject"),
    ],
)
def test_a_column_that_is_not_there_is_refused_with_those_that_are(tmp_path, options, key, column):
    with pytest.raises(ColumnMissingError) as raised:
        csv(tmp_path, GOOD, **options)
    assert key in str(raised.value)
    assert f"there is no column '{column}'; there are 'a', 'b', 'y'" in str(raised.value)


def test_a_parquet_file_with_whole_numbers_for_names_is_asked_for_them_as_text(tmp_path):
    # As pandas writes DataFrame(array).to_parquet(path).
    frame = pd.DataFrame({0: [1, 2, 3], 1: [4, 5, 5], 2: [0, 1, 0]})
    table = parquet(tmp_path, frame, target="2", drop_columns=["1"])
    assert list(table.X.columns) == ["0"]


def test_a_dropped_column_is_not_looked_at(tmp_path):
    content = "id,note,y,a\n1,,u,1\n1,,v,2\n"
    with pytest.raises(NoValueError):
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


def test_a_column_forced_to_be_a_number_says_how_many_cells_are_text(tmp_path):
    content = "a,y\n1,u\nunknown,v\n?,u\n4,v\n"
    with pytest.raises(NotANumberError) as raised:
        csv(tmp_path, content, column_types={"a": "number"})
    assert "dataset.column_types" in str(raised.value)
    assert "'a'" in str(raised.value)
    assert "2 cell(s)" in str(raised.value)
    assert "'unknown'" in str(raised.value)


def test_infinite_cells_are_counted_by_column(tmp_path):
    with pytest.raises(InfiniteValueError, match=r"'a' \(2\), 'c' \(1\)"):
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
    with pytest.raises(UnusableColumnError) as raised:
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


@settings(max_examples=40, deadline=None)
@given(frames())
def test_a_table_is_the_same_from_csv_and_from_parquet(tmp_path_factory, frame):
    directory = tmp_path_factory.getbasetemp()
    one = csv(directory, frame.to_csv(index=False))
    other = parquet(directory, frame)
    pd.testing.assert_frame_equal(one.X, other.X, check_exact=True)
    assert (one.y.tolist(), one.labels) == (other.y.tolist(), other.labels)


# --- what a spreadsheet may hold -----------------------------------------------------------


def test_decimal_commas_are_refused_with_the_key_that_reads_them(tmp_path):
    content = "a;y\n1,5;u\n2;v\n-0,25;u\n"
    with pytest.raises(DecimalCommaError, match=r"'1,5': dataset\.decimal=, reads them"):
        csv(tmp_path, content, separator=";")
    assert csv(tmp_path, content, separator=";", decimal=",").X["a"].tolist() == [1.5, 2, -0.25]
    forced = csv(tmp_path, content, separator=";", column_types={"a": "category"})
    assert "1,5" in forced.X["a"].cat.categories


def test_dates_are_no_categories_unless_they_are_forced_to_be(tmp_path):
    content = "day,y\n2024-01-31,u\n2024-02-01T12:00,v\n,u\n"
    with pytest.raises(UnusableColumnError, match="column 'day' holds times"):
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
