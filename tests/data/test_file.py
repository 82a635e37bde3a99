import gzip
import io
import sys

import pandas as pd
import pytest

from tabproof.data import fingerprint, load_file
from tabproof.data.number_columns import AmbiguousNumbersError
from tabproof.data.target import DataError
from tabproof.errors import ColumnMissingError, UserError
from tests.data.tables import codes_of, csv, parquet

GOOD = "a,b,y\n1,x,u\n2,,v\n3,z,u\n"


def test_a_file_becomes_numbers_categories_and_codes(tmp_path):
    table = csv(tmp_path, GOOD, name="my.table.csv")
    assert table.name == "file_my"
    assert table.X["a"].tolist() == [1.0, 2.0, 3.0]
    assert list(table.X["b"].cat.categories) == ["x", "z"]
    assert table.X["b"].isna().tolist() == [False, True, False]
    assert (table.labels, table.y.tolist()) == (("u", "v"), [0, 1, 0])


# --- files that are no table: how files are read is tested in tests/reading -----------------


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("a,b,y\n", "a header and no rows"),
        ("a,b,y\n1,2,\n3,4,\n", "2 rows, none with a target"),
    ],
)
def test_a_file_without_a_usable_row_is_called_empty(tmp_path, content, found):
    with pytest.raises(UserError) as raised:
        csv(tmp_path, content)
    assert found in str(raised.value)


def test_a_parquet_file_without_rows_is_called_empty(tmp_path):
    with pytest.raises(DataError, match="a header and no rows"):
        parquet(tmp_path, pd.DataFrame({"a": [1.0], "y": ["u"]}).iloc[:0])


def test_a_compressed_file_is_read_like_a_plain_one(tmp_path):
    plain, packed = (
        csv(tmp_path, GOOD),
        csv(tmp_path, gzip.compress(GOOD.encode()), name="t.csv.gz"),
    )
    pd.testing.assert_frame_equal(plain.X, packed.X)


def test_how_a_file_was_read_is_resolved_and_what_was_left_out_is_said(tmp_path):
    made = csv(tmp_path, "# exported\na;b;y\n1,5;x;u\n2;z;v\n3;z;u\n")
    assert dict(made.resolved) == {
        "separator": ";",
        "encoding": "utf-8",
        "decimal": ",",
        "thousands": "none",
        "pos_label": "v",
    }
    assert {"comment_lines", "read_as"} <= set(codes_of(made))


def test_a_table_is_the_same_when_it_is_read_with_what_was_found(tmp_path):
    content = "a;b;y\n1,5;16.000;u\n2;500;v\n0,25;1.000.000;u\n"
    one = csv(tmp_path, content)
    other = csv(tmp_path, content, **one.resolved)
    pd.testing.assert_frame_equal(one.X, other.X)
    assert one.X["b"].tolist() == [16000, 500, 1000000]
    assert fingerprint(one) == fingerprint(other)


# --- columns ----------------------------------------------------------------------------


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
    content = 'n,y,a\n"1,234",u,1\n"2,345",v,2\n'
    with pytest.raises(AmbiguousNumbersError):
        csv(tmp_path, content)
    table = csv(tmp_path, content, drop_columns=["n"])
    assert list(table.X.columns) == ["a"]


def test_digits_forced_to_be_categories_keep_their_leading_zeros(tmp_path):
    table = csv(
        tmp_path, "zip,y\n01,u\n1,v\n007,u\n", column_types={"zip": "category"}, pos_label="u"
    )
    assert list(table.X["zip"].cat.categories) == ["007", "01", "1"]


def test_a_target_forced_to_be_a_category_keeps_its_leading_zeros(tmp_path):
    content = "a,y\n1,01\n2,02\n3,01\n"
    assert csv(tmp_path, content, column_types={"y": "category"}).labels == ("01", "02")
    # Digits with leading zeros are names in any case.
    assert csv(tmp_path, content).labels == ("01", "02")
    assert set(csv(tmp_path, content.replace("0", "")).labels) == {"1", "2"}


def test_a_missing_time_forced_to_be_a_number_does_not_become_one(tmp_path):
    frame = pd.DataFrame({"a": pd.to_datetime(["2020-01-01", "2020-01-02", None])})
    frame["y"] = ["u", "v", "u"]
    table = parquet(tmp_path, frame, column_types={"a": "number"})
    assert table.X["a"].isna().tolist() == [False, False, True]


@pytest.mark.parametrize("dtype", ["Int64", "Float64", "int8", "float32"])
def test_every_kind_of_number_in_parquet_becomes_the_same_column(tmp_path, dtype):
    frame = pd.DataFrame({"a": pd.array([1, 2, 3], dtype=dtype), "y": ["u", "v", "u"]})
    assert parquet(tmp_path, frame).X["a"].tolist() == [1.0, 2.0, 3.0]
    assert parquet(tmp_path, frame).X["a"].dtype == "float64"


def test_a_missing_cell_of_nullable_integers_stays_missing(tmp_path):
    frame = pd.DataFrame({"a": pd.array([1, 2, None], dtype="Int64"), "y": ["u", "v", "u"]})
    assert parquet(tmp_path, frame).X["a"].isna().tolist() == [False, False, True]


def test_a_named_index_of_a_parquet_file_is_a_column(tmp_path):
    frame = pd.DataFrame({"a": [1, 2], "y": ["u", "v"]}, index=pd.Index([7, 8], name="id"))
    assert set(parquet(tmp_path, frame).X.columns) == {"id", "a"}


def test_the_name_of_a_file_is_one_word_in_the_result_line(tmp_path):
    assert csv(tmp_path, GOOD, name="データ (1).csv").name == "file_データ_1"


def test_the_name_of_standard_input_is_a_word(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(GOOD.encode())))
    assert load_file("-", "y").name == "file_stdin"
