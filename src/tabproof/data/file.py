"""A CSV or Parquet file of the user, and what may be wrong with it."""

import csv
import gzip
import re
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow
import pyarrow.parquet

from tabproof.data.table import NEEDED, DataError, Table, make_table, refuse_duplicates
from tabproof.errors import ColumnMissingError

# Tried in this order when the given one fails. UTF-16 needs its byte order mark: any even number
# of bytes decodes as UTF-16.
ENCODINGS = ("utf-8", "cp932", "euc_jp", "cp1252")
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
SEPARATORS = ",;\t|"
REPAIR = "repair it, or write it anew"


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
    is_text = source.suffix != ".parquet"
    if is_text:
        separator = "\t" if separator == "\\t" else separator
        frame = _read_csv(source, separator, encoding, decimal, text_columns=categories)
    else:
        try:
            refuse_duplicates(pyarrow.parquet.read_schema(source).names)
            frame = pd.read_parquet(source)
        except (pyarrow.ArrowException, OSError) as error:
            found = f"{source} cannot be read: {str(error).splitlines()[0]}"
            raise DataError(found=found, remedy=REPAIR) from error
        # pandas stores a named index in the file, and users think of it as a column.
        frame = frame.reset_index(level=[name for name in frame.index.names if name is not None])
    if len(frame) == 0:
        raise DataError(found=f"{source} holds a header and no rows", remedy=NEEDED)
    # Parquet may have numbers as names; a configuration names columns by text.
    frame.columns = frame.columns.map(str)
    for column in drop_columns:
        if column not in frame.columns:
            raise ColumnMissingError("dataset.drop_columns", column, list(frame.columns))
    frame = frame.drop(columns=list(drop_columns))
    unnamed = [column for column in frame.columns if column.startswith("Unnamed: ")]
    if unnamed and is_text:
        raise DataError(
            found=f"column(s) without a name in the header, here called {str(unnamed)[1:-1]}",
            remedy=f"name them, or leave them out: dataset.drop_columns=[{','.join(unnamed)}]",
        )
    # One word without spaces: scripts read it in the result line.
    stem = re.sub(r"\W+", "_", source.name.split(".")[0]).strip("_")
    return make_table(
        f"file_{stem}",
        frame,
        target,
        pos_label,
        numbers=[column for column, kind in kinds.items() if kind == "number"],
        categories=categories,
        non_features=non_feature_columns,
        drop_hint="dataset.drop_columns=[…]",
    )


def _read_csv(
    path: Path, separator: str, encoding: str, decimal: str, text_columns: list[str]
) -> pd.DataFrame:
    try:
        header = _check_rows(path, separator, encoding)
        frame = pd.read_csv(
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
        raise DataError(found=f"{path} holds nothing", remedy=NEEDED) from error
    except UnicodeError as error:
        works = encoding_that_reads(_content(path))
        hint = f"dataset.encoding={works} reads it" if works else "set dataset.encoding=…"
        raise DataError(found=f"{path} is not encoded in {encoding}", remedy=hint) from error
    except (pd.errors.ParserError, csv.Error, OSError, EOFError, zlib.error) as error:
        reason = str(error).splitlines()[0].removeprefix("Error tokenizing data. C error: ")
        raise DataError(found=f"{path} cannot be read: {reason}", remedy=REPAIR) from error
    found = frame.select_dtypes(["object", "string"]).drop(columns=text_columns, errors="ignore")
    for name in found.columns:
        texts = frame[name].dropna().astype("str")
        if len(texts) and texts.str.fullmatch(r"-?\d+,\d+|-?\d+").all():
            # They would become categories.
            raise DataError(
                found=f"column '{name}' holds numbers with decimal commas, such as"
                f" '{texts.iloc[0]}': dataset.decimal=, reads them",
                remedy=f"if they are not numbers, +dataset.column_types.{name}=category",
            )
    return frame


def _check_rows(path: Path, separator: str, encoding: str) -> list[str]:
    """Return the header; raise where a row has more or fewer cells.

    pandas fills up short rows, takes the first columns of long ones as an index, and renames a
    second 'a' to 'a.1', all without a message.
    """
    # With or without the byte order mark that Excel writes.
    encoding = "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding
    opener: Any = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding=encoding, newline="") as file:
        rows = csv.reader(file, delimiter=separator)
        header = next((row for row in rows if row), None)
        if header is None:
            raise DataError(found=f"{path} holds nothing", remedy=NEEDED)
        if len(header) == 1:
            found = max(SEPARATORS, key=header[0].count)
            is_quoted = _content(path)[:4].lstrip(b"\xef\xbb\xbf").startswith(b'"')
            if found != separator and found in header[0] and not is_quoted:
                found = "\\t" if found == "\t" else found
                raise DataError(
                    found=f"{path} has one column only when split at '{separator}'",
                    remedy=f"its header holds '{found}': try 'dataset.separator={found}'",
                )
        refuse_duplicates([name for name in header if name])
        for row in rows:
            if row and len(row) != len(header):
                found = f"Expected {len(header)} fields in line {rows.line_num}, saw {len(row)}"
                raise DataError(found=f"{path} cannot be read: {found}", remedy=REPAIR)
    return header


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    return gzip.decompress(content) if path.suffix == ".gz" else content


def encoding_that_reads(content: bytes) -> str | None:
    """Return the first usual encoding in which the content can be read, if there is one."""
    if content.startswith(UTF_16_MARKS):
        return "utf-16"
    for encoding in ENCODINGS:
        with suppress(UnicodeError):
            content.decode(encoding)
            return encoding
    return None
