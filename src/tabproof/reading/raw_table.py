"""What reading takes and returns, and the error of a file that cannot be read."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tabproof.errors import UserError
from tabproof.schema import Treatment

AUTO = "auto"
NEEDED = "a header and rows are needed"
REPAIR = "repair it, or write it anew"
FORMATS = "CSV, TSV, Parquet, Feather, JSON lines, Excel or ARFF"


class FileUnreadableError(UserError):
    """A file whose content cannot be read, or not without a wrong value."""

    template = "{name} {found}; {remedy}"


@dataclass(frozen=True)
class ReadOptions:
    r"""How to read a file; what is `auto` is found.

    separator : one character, or `\t`. sheet : of an Excel file. bad_rows : `skip` or `error`.
    key : stands before the name of an option in messages, such as `dataset.`. keep_texts : columns
    of a text file whose cells must stay texts; None: all. Others may be float64 at once, where all
    of their cells are written as programs write numbers.
    """

    separator: str = AUTO
    encoding: str = AUTO
    sheet: str | None = None
    bad_rows: str = "skip"
    key: str = "dataset."
    keep_texts: Collection[str] | None = None


AS_FOUND = ReadOptions()


@dataclass(frozen=True)
class RawTable:
    """The cells of a file, before anything is decided about its columns.

    table : unique names without spaces around them. Where is_text, every column is a string
    without spaces around it, null where it is empty; words such as NA are kept; for columns of
    numbers see ReadOptions.keep_texts. Other files have types. row_ids : positions of the rows in
    the source, from 0. resolved : what `auto` options were found to be. treatments : what was left
    out or renamed.
    """

    table: pa.Table
    is_text: bool
    row_ids: NDArray[np.int64]
    resolved: Mapping[str, str] = field(default_factory=dict)
    treatments: tuple[Treatment, ...] = ()


def shown_separator(separator: str) -> str:
    """Return a separator as it is typed."""
    return "\\t" if separator == "\t" else separator
