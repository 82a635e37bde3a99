"""Read a file of any format; its first bytes say what it is, not its name."""

import re
from pathlib import Path

from tabproof.reading.arff import is_arff, read_arff
from tabproof.reading.encoding import to_utf_8
from tabproof.reading.raw_table import (
    AS_FOUND,
    FORMATS,
    FileUnreadableError,
    RawTable,
    ReadOptions,
)
from tabproof.reading.source import STANDARD, fetch, is_address
from tabproof.reading.text_table import read_text
from tabproof.reading.typed_files import (
    is_binary_table,
    is_json,
    read_binary,
    read_directory,
    read_json,
)
from tabproof.reading.workbook import is_workbook, read_workbook

# What is often taken for a table, by its first bytes.
OTHERS = (
    (re.compile(rb"%PDF"), "a PDF"),
    (re.compile(rb"\x89HDF"), "an HDF5 file"),
    (re.compile(rb"\x80[\x02-\x05]"), "a pickle, which may run any code"),
    (re.compile(rb"SQLite format 3"), "a SQLite database"),
    (re.compile(rb"\x89PNG|\xff\xd8\xff|GIF8"), "an image"),
    (re.compile(rb"Obj\x01"), "an Avro file"),
    (re.compile(rb"RD[AX]\d\n|X\n\x00"), "a file of R"),
    (re.compile(rb"<stata_dta>"), "a file of Stata"),
    (re.compile(rb"\$FL[23]@"), "a file of SPSS"),
    (re.compile(rb"7z\xbc\xaf|Rar!"), "an archive of 7-Zip or RAR"),
    (re.compile(rb"(\xef\xbb\xbf)?\s*<(!doctype html|html)", re.IGNORECASE), "a web page"),
    (re.compile(rb"(\xef\xbb\xbf)?\s*<\?xml"), "XML"),
    (re.compile(rb"version https://git-lfs"), "a pointer of Git LFS to a file"),
)
TAR_PLACE, TAR = 257, b"ustar"
EXPECTED = f"{FORMATS} are read"


def read_table(path: str, options: ReadOptions = AS_FOUND) -> RawTable:
    """Read a table from a path, a directory of Parquet files, `-` or an address.

    Raises FileMissingError, FileUnreadableError and other errors for users, each of one line.
    """
    if path != STANDARD and not is_address(path):
        folder = Path(path).expanduser()
        if folder.is_dir():
            return read_directory(folder)
    source = fetch(path)
    return _read_content(source.content, options, source.name)


def _read_content(content: bytes, options: ReadOptions, name: str) -> RawTable:
    if is_binary_table(content):
        return read_binary(content, name)
    if is_workbook(content):
        return read_workbook(content, options, name)
    for pattern, what in OTHERS:
        if pattern.match(content):
            raise FileUnreadableError(name, f"is {what}", EXPECTED)
    if content[TAR_PLACE : TAR_PLACE + len(TAR)] == TAR:
        raise FileUnreadableError(name, "is a tar archive", "unpack it first")
    content, encoding = to_utf_8(content, options.encoding, name, options.key)
    if is_json(content):
        return read_json(content, name)
    if is_arff(content):
        return read_arff(content, options, name)
    return read_text(content, encoding, options, name)
