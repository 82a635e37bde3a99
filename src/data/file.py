"""The user's own CSV or Parquet file, and what may be wrong with it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import pyarrow

from src.data.table import Table, Wishes, make_table
from src.errors import (
    ColumnMissingError,
    DuplicateColumnsError,
    EmptyTableError,
    EncodingError,
    SeparatorError,
    UnreadableFileError,
)

# In the order in which they are tried when the given one fails; latin-1 reads anything,
# so it proves nothing and is left out.
ENCODINGS = ("utf-8", "utf-16", "cp932", "euc_jp", "cp1252")
SEPARATORS = ",;\t|"


def load_file(
    path: str,
    target: str,
    pos_label: str | None = None,
    separator: str = ",",
    encoding: str = "utf-8",
    drop_columns: Sequence[str] = (),
    column_types: Mapping[str, object] | None = None,
    aside: Sequence[str] = (),
) -> Table:
    """Load a file; column_types: by column, `number` or `category`."""
    kinds = {column: getattr(kind, "value", kind) for column, kind in (column_types or {}).items()}
    categories = [column for column, kind in kinds.items() if kind == "category"]
    source = Path(path)
    if source.suffix == ".parquet":
        frame = _read_parquet(source)
    else:
        separator = "\t" if separator == "\\t" else separator
        frame = _read_csv(source, separator, encoding, text_columns=categories)
    for column in drop_columns:
        if column not in frame.columns:
            raise ColumnMissingError("dataset.drop_columns", column, list(frame.columns))
    if len(frame) == 0:
        raise EmptyTableError(str(source), "a header and no rows")
    wishes = Wishes(
        target=target,
        pos_label=pos_label,
        numbers=[column for column, kind in kinds.items() if kind == "number"],
        categories=categories,
        aside=aside,
        drop_hint="dataset.drop_columns=[…]",
    )
    stem = source.name.split(".")[0]
    return make_table(f"file_{stem}", frame.drop(columns=list(drop_columns)), wishes)


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise UnreadableFileError(path, str(error).splitlines()[0]) from error


def _read_csv(
    path: Path, separator: str, encoding: str, text_columns: Sequence[str]
) -> pd.DataFrame:
    try:
        header = _read_header(path, separator, encoding)
        frame = pd.read_csv(
            path,
            sep=separator,
            encoding=encoding,
            # Whole columns at once: in pieces, one column may get two types.
            low_memory=False,
            # Digits that are categories keep their leading zeros.
            dtype={column: "str" for column in text_columns if column in header},
        )
    except pd.errors.EmptyDataError as error:
        raise EmptyTableError(str(path), "nothing") from error
    except UnicodeError as error:
        raise EncodingError(path, encoding, _encoding_that_reads(path)) from error
    except (pd.errors.ParserError, OSError, EOFError) as error:
        reason = str(error).splitlines()[0].removeprefix("Error tokenizing data. C error: ")
        raise UnreadableFileError(path, reason) from error
    return frame


def _read_header(path: Path, separator: str, encoding: str) -> list[str]:
    # pandas renames the second 'a' to 'a.1', so the names are read as cells first.
    cells = pd.read_csv(
        path, sep=separator, encoding=encoding, header=None, nrows=1, dtype="str"
    ).iloc[0]
    names = [str(cell) for cell in cells]
    if len(names) == 1:
        seen = max(SEPARATORS, key=names[0].count)
        if names[0].count(seen):
            raise SeparatorError(path, separator, seen)
    duplicates = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if duplicates:
        raise DuplicateColumnsError(duplicates)
    return names


def _encoding_that_reads(path: Path) -> str | None:
    content = path.read_bytes()
    for encoding in ENCODINGS:
        try:
            content.decode(encoding)
        except UnicodeError:
            continue
        return encoding
    return None
