"""Formats are told by content; typed ones keep their types."""

import datetime
import io
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from pyarrow import feather, orc

from tabproof.errors import FileMissingError
from tabproof.reading import FileUnreadableError, read_table
from tests.reading.making import codes, read, zipped

TYPED = pa.table(
    {
        "n": pa.array([1, None, 3]),
        "x": pa.array([0.5, 1.5, None]),
        "s": pa.array(["a", None, "c"]),
        "t": pa.array([datetime.datetime(2024, 1, 1)] * 3, pa.timestamp("us")),
        "b": pa.array([True, False, None]),
    }
)


def parquet(table: pa.Table) -> bytes:
    file = io.BytesIO()
    pyarrow.parquet.write_table(table, file)
    return file.getvalue()


def arrow(table: pa.Table, *, stream: bool = False) -> bytes:
    file = pa.BufferOutputStream()
    open_file = pa.ipc.new_stream if stream else pa.ipc.new_file
    with open_file(file, table.schema) as writer:
        writer.write_table(table)
    return file.getvalue().to_pybytes()


def feather_file(table: pa.Table) -> bytes:
    file = io.BytesIO()
    feather.write_feather(table, file)
    return file.getvalue()


def orc_file(table: pa.Table) -> bytes:
    file = io.BytesIO()
    orc.write_table(table, file)
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        parquet(TYPED),
        arrow(TYPED),
        arrow(TYPED, stream=True),
        feather_file(TYPED),
        zipped(parquet(TYPED)),
    ],
    ids=["parquet", "arrow", "stream", "feather", "zip"],
)
@pytest.mark.parametrize("name", ["table.csv", "TABLE", "x.y"])
def test_columnar_files_keep_their_types_whatever_their_name(content, name) -> None:
    raw = read(content, name=name)
    assert raw.table.equals(TYPED)
    assert not raw.is_text
    assert raw.resolved == {}


def test_orc_is_read() -> None:
    assert read(orc_file(TYPED)).table.column_names == TYPED.column_names


def test_an_index_of_pandas_is_left_out_unless_it_has_a_name() -> None:
    frame = pd.DataFrame({"a": [1, 2]}, index=[5, 3])
    raw = read(parquet(pa.Table.from_pandas(frame)))
    assert (raw.table.column_names, codes(raw)) == (["a"], ["index_column"])
    named = read(parquet(pa.Table.from_pandas(frame.rename_axis("key"))))
    assert (named.table.column_names, codes(named)) == (["key", "a"], [])


@pytest.mark.parametrize("described", [b"no JSON", b"[]", b'{"index_columns": 3}', b"\xff\xfe"])
def test_metadata_that_pandas_did_not_write_is_not_used(described) -> None:
    raw = read(parquet(TYPED.replace_schema_metadata({"pandas": described})))
    assert raw.table.column_names == TYPED.column_names


def test_duplicate_names_of_parquet_are_numbered() -> None:
    raw = read(parquet(pa.table([pa.array([1]), pa.array([2])], names=["a", "a"])))
    assert raw.table.to_pydict() == {"a": [1], "a_2": [2]}


@pytest.mark.parametrize("damage", [slice(None, 200), slice(None, -4), slice(None, 4)])
def test_a_damaged_parquet_file_is_refused_in_one_line(damage) -> None:
    with pytest.raises(FileUnreadableError) as raised:
        read(parquet(TYPED)[damage])
    assert "\n" not in str(raised.value)


def test_a_directory_of_parts_is_one_table(tmp_path) -> None:
    for year in ("2023", "2024"):
        (tmp_path / f"year={year}").mkdir()
        (tmp_path / f"year={year}" / "part-0.parquet").write_bytes(parquet(TYPED))
    (tmp_path / "_SUCCESS").write_bytes(b"")
    (tmp_path / "README.txt").write_bytes(b"about this")
    table = read_table(str(tmp_path)).table
    assert table["year"].to_pylist() == ["2023"] * 3 + ["2024"] * 3
    assert table["n"].to_pylist() == [1, None, 3] * 2


def test_parts_with_other_columns_are_refused(tmp_path) -> None:
    (tmp_path / "a.parquet").write_bytes(parquet(TYPED))
    (tmp_path / "b.parquet").write_bytes(parquet(TYPED.drop_columns("x")))
    with pytest.raises(FileUnreadableError, match="'x' is in one only"):
        read_table(str(tmp_path))


def test_a_directory_without_parts_is_refused(tmp_path) -> None:
    (tmp_path / "a.csv").write_bytes(b"a,b\n1,2\n")
    with pytest.raises(FileMissingError, match="a directory without Parquet files"):
        read_table(str(tmp_path))


# --- JSON.


@pytest.mark.parametrize("is_list", [False, True])
def test_records_become_columns(is_list) -> None:
    records = [{"a": 1, "b": "x"}, {"b": None, "a": 2, "c": 0.5}]
    lines = "\n".join(map(json.dumps, records)) + "\n"
    raw = read(json.dumps(records) if is_list else lines)
    assert raw.table.to_pydict() == {"a": [1, 2], "b": ["x", None], "c": [None, 0.5]}
    assert not raw.is_text


def test_a_column_of_several_types_and_numbers_that_would_be_rounded_become_texts() -> None:
    assert read('{"a":1,"b":2}\n{"a":"q","b":3}\n').table.to_pydict() == {
        "a": ["1", "q"],
        "b": [2, 3],
    }
    digits = "123456789012345678901234567890"
    assert read(f'{{"a":{digits}}}\n{{"a":5}}\n').table.to_pydict() == {"a": [digits, "5"]}


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ('{"a":1}\n{"a":\n', "no JSON in line 2"),
        ('{"a":{"b":1}}\n', "holds records or lists in column 'a'"),
        ('[{"a":[1]}]', "holds records or lists in column 'a'"),
        ('[{"a":1}, 2]', "other things than records"),
        # One of the values would be lost.
        ('\n{"a":1}\n{"a":2,"b":1,"a":3}\n', "repeats the key 'a' in the record of line 3"),
        ('{"a":1}\n{"a":2,"\\u0061":"x"}\n', "repeats the key 'a' in the record of line 2"),
        ('[{"a":1},\n {"b":1,\n"b":1}]', "repeats the key 'b' in the record of line 2"),
        ('[{"a":1},\n[{"b":1}],{"b":1,"b":1}]', "repeats the key 'b' in the record of line 2"),
        ('[{"a":1,"a":{"c":1}}]', "repeats the key 'a' in the record of line 1"),
    ],
)
def test_json_that_is_no_table_is_refused(content, found) -> None:
    with pytest.raises(FileUnreadableError, match=found):
        read(content)


# --- ARFF.

ARFF = """% about
@RELATION table
@attribute 'a b' NUMERIC
@attribute c {x, 'y z'}
@attribute s string
@data
1.5,x,'it\\'s, ok'
?, 'y z' ,?
% between
-2e3,x,"""


def test_arff_has_numbers_and_texts() -> None:
    raw = read(ARFF + '"q"\n')
    assert raw.table.to_pydict() == {
        "a b": [1.5, None, -2000.0],
        "c": ["x", "y z", "x"],
        "s": ["it's, ok", None, "q"],
    }
    assert not raw.is_text
    np.testing.assert_array_equal(raw.row_ids, range(3))


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("@relation x\n@attribute a numeric\n@data\n{0 1}\n", "sparse rows .line 4"),
        ("@relation x\n@attribute a numeric\nnonsense\n", "line 3 is no attribute"),
        ("@relation x\n@attribute a numeric\n@data\n", "holds no rows"),
        ("@relation x\n@attribute a relational\n", "relational attribute"),
    ],
)
def test_other_arff_is_refused(content, found) -> None:
    with pytest.raises(FileUnreadableError, match=found):
        read(content)


# --- What is no table.


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"%PDF-1.7\n", "a PDF"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"\x80\x04\x95", "a pickle, which may run any code"),
        (b"SQLite format 3\0", "a SQLite database"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        (b"", "holds nothing"),
        (b"\n  \n", "holds nothing"),
    ],
)
def test_what_is_no_table_is_named(content, what) -> None:
    with pytest.raises(FileUnreadableError, match=what):
        read(content)
