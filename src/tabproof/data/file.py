"""The user's own CSV or Parquet file, and what may be wrong with it."""

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
from tabproof.data.table import Table, Wishes, make_table
from tabproof.errors import ColumnMissingError, DuplicateColumnsError

# In the order in which they are tried when the given one fails. UTF-16 needs its mark:
# any even number of bytes reads as UTF-16.
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
    aside: Sequence[str] = (),
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
        raise EmptyTableError(str(source), "a header and no rows")
    frame = _drop(frame, drop_columns)
    unnamed = [column for column in frame.columns if column.startswith("Unnamed: ")]
    if unnamed and source.suffix != ".parquet":
        raise UnnamedColumnsError(unnamed)
    wishes = Wishes(
        target=target,
        pos_label=pos_label,
        numbers=[column for column, kind in kinds.items() if kind == "number"],
        categories=categories,
        aside=aside,
        drop_hint="dataset.drop_columns=[…]",
    )
    # A word without spaces: scripts read it in the result line.
    stem = re.sub(r"\W+", "_", source.name.split(".")[0]).strip("_")
    return make_table(f"file_{stem}", frame, wishes)


def _drop(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    # Parquet may have numbers for names; a configuration names columns by text.
    frame.columns = frame.columns.map(str)
    for column in columns:
        if column not in frame.columns:
            raise ColumnMissingError("dataset.drop_columns", column, list(frame.columns))
    return frame.drop(columns=list(columns))


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        _refuse_duplicates(pyarrow.parquet.read_schema(path).names)
        frame = pd.read_parquet(path)
        # pandas keeps a named index in the file, and people take it for a column.
        named = [name for name in frame.index.names if name is not None]
        return frame.reset_index(level=named) if named else frame
    except (pyarrow.ArrowException, OSError) as error:
        raise UnreadableFileError(path, str(error).splitlines()[0]) from error


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
        raise EmptyTableError(str(path), "nothing") from error
    except UnicodeError as error:
        raise EncodingError(path, encoding, _encoding_that_reads(path)) from error
    except (pd.errors.ParserError, csv.Error, OSError, EOFError, zlib.error) as error:
        reason = str(error).splitlines()[0].removeprefix("Error tokenizing data. C error: ")
        raise UnreadableFileError(path, reason) from error


def _check_rows(path: Path, separator: str, encoding: str) -> list[str]:
    """Give the header, once every row is as long as it.

    pandas fills up short rows, takes the first columns of long ones for an index, and
    renames a second 'a' to 'a.1', all in silence.
    """
    with _open_text(path, encoding) as file:
        rows = csv.reader(file, delimiter=separator)
        header = next((row for row in rows if row), None)
        if header is None:
            raise EmptyTableError(str(path), "nothing")
        _refuse_separator(path, header, separator)
        _refuse_duplicates([name for name in header if name])
        for row in rows:
            if row and len(row) != len(header):
                reason = f"Expected {len(header)} fields in line {rows.line_num}, saw {len(row)}"
                raise UnreadableFileError(path, reason)
    return header


def _open_text(path: Path, encoding: str) -> TextIO:
    # With the mark that Excel writes, or without it.
    encoding = "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding
    if path.suffix == ".gz":
        return cast(TextIO, gzip.open(path, "rt", encoding=encoding, newline=""))
    return path.open(encoding=encoding, newline="")


def _refuse_decimal_commas(frame: pd.DataFrame) -> None:
    for name in frame.select_dtypes(["object", "string"]).columns:
        texts = frame[name].dropna().astype("str")
        if len(texts) and texts.str.fullmatch(r"-?\d+,\d+|-?\d+").all():
            raise DecimalCommaError(str(name), str(texts.iloc[0]))


def _refuse_separator(path: Path, header: Sequence[str], separator: str) -> None:
    if len(header) == 1:
        seen = max(SEPARATORS, key=header[0].count)
        if seen != separator and seen in header[0] and not _is_quoted(path):
            raise SeparatorError(path, separator, seen)


def _is_quoted(path: Path) -> bool:
    return _content(path)[:4].lstrip(b"\xef\xbb\xbf").startswith(b'"')


def _refuse_duplicates(names: Sequence[str]) -> None:
    duplicates = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if duplicates:
        raise DuplicateColumnsError(duplicates)


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    return gzip.decompress(content) if path.suffix == ".gz" else content


def _encoding_that_reads(path: Path) -> str | None:
    content = _content(path)
    if content.startswith(UTF_16_MARKS):
        return "utf-16"
    for encoding in ENCODINGS:
        try:
            content.decode(encoding)
        except UnicodeError:
            continue
        return encoding
    return None
