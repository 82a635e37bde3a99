"""A CSV or Parquet file of the user, and what may be wrong with it."""

import csv
import gzip
import re
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO, cast

import pandas as pd
import pyarrow
import pyarrow.parquet

from tabproof.data.errors import (
    DecimalCommaError,
    EmptyTableError,
    EncodingError,
    SeparatorError,
    UnnamedColumnsError,
    UnreadableFileError,
)
from tabproof.data.table import ColumnSpec, Table, make_table
from tabproof.errors import ColumnMissingError, DuplicateColumnsError

# Tried in this order when the given one fails. UTF-16 needs its byte order mark: any even number
# of bytes decodes as UTF-16.
ENCODINGS = ("utf-8", "cp932", "euc_jp", "cp1252")
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
SEPARATORS = ",;\t|"


def load_file(
    path: str,
    target: str,
    pos_label: str | None = None,
    separator: str = ",",
    encoding: str = "utf-8",
    decimal: str = ".",
    drop_columns: Sequence[str] = (),
    column_types: Mapping[str, object] | None = None,
    non_feature_columns: Sequence[str] = (),
) -> Table:
    """Load a file; column_types: by column, `number` or `category`."""
    kinds = {column: getattr(kind, "value", kind) for column, kind in (column_types or {}).items()}
    categories = [column for column, kind in kinds.items() if kind == "category"]
    source = Path(path).expanduser()
    if source.suffix == ".parquet":
        frame = _read_parquet(source)
    else:
        separator = "\t" if separator == "\\t" else separator
        frame = _read_csv(source, separator, encoding, decimal, text_columns=categories)
        _refuse_decimal_commas(frame.drop(columns=categories, errors="ignore"))
    if len(frame) == 0:
        raise EmptyTableError(name=source, found="a header and no rows")
    # Parquet may have numbers as names; a configuration names columns by text.
    frame.columns = frame.columns.map(str)
    for column in drop_columns:
        if column not in frame.columns:
            raise ColumnMissingError("dataset.drop_columns", column, list(frame.columns))
    frame = frame.drop(columns=list(drop_columns))
    unnamed = [column for column in frame.columns if column.startswith("Unnamed: ")]
    if unnamed and source.suffix != ".parquet":
        raise UnnamedColumnsError(columns=unnamed, joined=",".join(unnamed))
    spec = ColumnSpec(
        target=target,
        pos_label=pos_label,
        numbers=[column for column, kind in kinds.items() if kind == "number"],
        categories=categories,
        non_features=non_feature_columns,
        drop_hint="dataset.drop_columns=[…]",
    )
    # One word without spaces: scripts read it in the result line.
    stem = re.sub(r"\W+", "_", source.name.split(".")[0]).strip("_")
    return make_table(f"file_{stem}", frame, spec)


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        _refuse_duplicates(pyarrow.parquet.read_schema(path).names)
        frame = pd.read_parquet(path)
        # pandas stores a named index in the file, and users think of it as a column.
        named = [name for name in frame.index.names if name is not None]
        return frame.reset_index(level=named) if named else frame
    except (pyarrow.ArrowException, OSError) as error:
        raise UnreadableFileError(path=path, reason=str(error).splitlines()[0]) from error


def _read_csv(
    path: Path, separator: str, encoding: str, decimal: str, text_columns: Sequence[str]
) -> pd.DataFrame:
    try:
        header = _check_rows(path, separator, encoding)
        return pd.read_csv(
            path,
            sep=separator,
            encoding=encoding,
            decimal=decimal,
            # Whole columns at once: in pieces, one column may get two types.
            low_memory=False,
            # Digits that are categories keep their leading zeros.
            dtype={column: "str" for column in text_columns if column in header},
        )
    except pd.errors.EmptyDataError as error:
        raise EmptyTableError(name=path, found="nothing") from error
    except UnicodeError as error:
        works = encoding_that_reads(_content(path))
        hint = f"dataset.encoding={works} reads it" if works else "set dataset.encoding=…"
        raise EncodingError(path=path, encoding=encoding, hint=hint) from error
    except (pd.errors.ParserError, csv.Error, OSError, EOFError, zlib.error) as error:
        reason = str(error).splitlines()[0].removeprefix("Error tokenizing data. C error: ")
        raise UnreadableFileError(path=path, reason=reason) from error


def _check_rows(path: Path, separator: str, encoding: str) -> list[str]:
    """Return the header; raise where a row has more or fewer cells.

    pandas fills up short rows, takes the first columns of long ones as an index, and renames a
    second 'a' to 'a.1', all without a message.
    """
    with _open_text(path, encoding) as file:
        rows = csv.reader(file, delimiter=separator)
        header = next((row for row in rows if row), None)
        if header is None:
            raise EmptyTableError(name=path, found="nothing")
        if len(header) == 1:
            _refuse_separator(path, header[0], separator)
        _refuse_duplicates([name for name in header if name])
        for row in rows:
            if row and len(row) != len(header):
                reason = f"Expected {len(header)} fields in line {rows.line_num}, saw {len(row)}"
                raise UnreadableFileError(path=path, reason=reason)
    return header


def _open_text(path: Path, encoding: str) -> TextIO:
    # With or without the byte order mark that Excel writes.
    encoding = "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding
    if path.suffix == ".gz":
        return cast(TextIO, gzip.open(path, "rt", encoding=encoding, newline=""))
    return path.open(encoding=encoding, newline="")


def _refuse_decimal_commas(frame: pd.DataFrame) -> None:
    for name in frame.select_dtypes(["object", "string"]).columns:
        texts = frame[name].dropna().astype("str")
        if len(texts) and texts.str.fullmatch(r"-?\d+,\d+|-?\d+").all():
            raise DecimalCommaError(column=name, example=texts.iloc[0])


def _refuse_separator(path: Path, header: str, separator: str) -> None:
    found = max(SEPARATORS, key=header.count)
    is_quoted = _content(path)[:4].lstrip(b"\xef\xbb\xbf").startswith(b'"')
    if found != separator and found in header and not is_quoted:
        found = "\\t" if found == "\t" else found
        raise SeparatorError(path=path, separator=separator, found=found)


def _refuse_duplicates(names: Sequence[str]) -> None:
    duplicates = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if duplicates:
        raise DuplicateColumnsError(duplicates)


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    return gzip.decompress(content) if path.suffix == ".gz" else content


def encoding_that_reads(content: bytes) -> str | None:
    """Return the first encoding in which these bytes are a text."""
    if content.startswith(UTF_16_MARKS):
        return "utf-16"
    for encoding in ENCODINGS:
        try:
            content.decode(encoding)
        except UnicodeError:
            continue
        return encoding
    return None
