"""Small files of all kinds, and what is read of them."""

import bz2
import csv
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa

from tabproof.reading import RawTable, ReadOptions, read_table

HEADER = ["x1", "x2", "c", "y"]
ROWS = [[f"{i / 7:.3f}", str(i), "abc"[i % 3], "yes" if i % 2 else "no"] for i in range(30)]


def zipped(content: bytes, name: str = "folder/table.csv") -> bytes:
    """Return a zip archive with one file, and what macOS puts beside it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
        archive.writestr("__MACOSX/folder/._table.csv", b"\0")
    return file.getvalue()


COMPRESSED: dict[str, Callable[[bytes], bytes]] = {
    "none": bytes,
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zip": zipped,
    "zst": lambda content: pa.compress(content, codec="zstd", asbytes=True),
}


def joined(rows: Sequence[Sequence[str]], separator: str = ",", line_break: str = "\n") -> str:
    """Return rows as a text, with quotes where they are needed."""
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator=line_break).writerows(rows)
    return text.getvalue()


TABLE = joined([HEADER, *ROWS])
BODY = joined(ROWS)


def read(content: str | bytes, name: str = "table.csv", **options: str) -> RawTable:
    """Write a content to a file, and read it."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_table(str(path), ReadOptions(**options))


def rows_of(raw: RawTable) -> list[list[str]]:
    """Return the rows, an empty text for a missing cell."""
    columns = [["" if cell is None else cell for cell in c.to_pylist()] for c in raw.table.columns]
    return [list(row) for row in zip(*columns, strict=True)]


def codes(raw: RawTable) -> list[str]:
    """Return the codes of what was done."""
    return [treatment.code for treatment in raw.treatments]


def said(raw: RawTable) -> str:
    """Return what was done, in words."""
    return "; ".join(treatment.message for treatment in raw.treatments)
