"""Any file as a table of raw cells, and what was done on the way; needs no pandas."""

from tabproof.reading.encoding import MixedEncodingsError, UnknownEncodingError
from tabproof.reading.layout import Dialect, find_layout, sniff, sniff_encoding
from tabproof.reading.raw_table import (
    AUTO,
    FileUnreadableError,
    RawTable,
    ReadOptions,
    shown_separator,
)
from tabproof.reading.read import read_table
from tabproof.reading.source import fetch
from tabproof.reading.tidying import unique_names

__all__ = [
    "AUTO",
    "Dialect",
    "FileUnreadableError",
    "MixedEncodingsError",
    "RawTable",
    "ReadOptions",
    "UnknownEncodingError",
    "fetch",
    "find_layout",
    "read_table",
    "shown_separator",
    "sniff",
    "sniff_encoding",
    "unique_names",
]
