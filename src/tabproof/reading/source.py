"""The bytes of a file, of standard input or of an address; compressed ones are decompressed.

The compression is found by the first bytes, not by the name.
"""

import bz2
import gzip
import io
import lzma
import os
import re
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from tabproof.errors import FileMissingError, PackageMissingError, PathError, first_line
from tabproof.reading.raw_table import REPAIR, FileUnreadableError

STANDARD = "-"
ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+)://.+", re.IGNORECASE)
# A bound for archives made to fill the memory.
MAX_BYTES = 8 * 2**30
CHUNK_BYTES = 2**22
# An archive in an archive: `x.csv.gz` in a zip.
MAX_LEVELS = 3
# Buckets, whose files obstore fetches, and what fsspec fetches.
BUCKETS, WEB = frozenset({"s3", "gs", "az", "abfs", "abfss"}), frozenset({"http", "https"})
CONNECT, TIMEOUT, MAX_RETRIES = timedelta(seconds=10), timedelta(minutes=5), 3


@dataclass(frozen=True)
class Source:
    """The bytes of a file after decompression, and its name for messages."""

    content: bytes
    name: str


def fetch(path: str) -> Source:
    """Return all bytes of a path, of standard input (`-`) or of an address."""
    if path == STANDARD:
        return Source(decompressed(sys.stdin.buffer.read(), "standard input"), "standard input")
    if is_address(path):
        return Source(decompressed(_download(path), path), path)
    place = Path(path).expanduser()
    if place.is_dir() or not place.exists():
        found = "a directory without Parquet files" if place.is_dir() else "nothing"
        raise FileMissingError(place, found, Path.cwd())
    try:
        content = place.read_bytes()
    except OSError as error:
        raise PathError("reading", error, path=place) from error
    return Source(decompressed(content, str(place)), str(place))


def is_address(path: str) -> bool:
    """Return whether a path is an address such as https://… or s3://…."""
    return ADDRESS.fullmatch(path) is not None


def _download(address: str) -> bytes:
    protocol, _, place = address.partition("://")
    protocol = protocol.lower()
    if protocol not in BUCKETS | WEB:
        known = ", ".join(f"{each}://" for each in sorted(BUCKETS | WEB))
        raise FileUnreadableError(address, "cannot be fetched", f"addresses begin with {known}")
    try:
        return _from_bucket(protocol, place) if protocol in BUCKETS else _from_web(address)
    except ImportError as error:
        package = error.name or ("obstore" if protocol in BUCKETS else "fsspec")
        raise PackageMissingError(f"reading {protocol}://", package, "remote") from error
    except Exception as error:
        # Each protocol has errors of its own.
        found = f"cannot be fetched: {first_line(error)}"
        remedy = "check the address and the credentials"
        raise FileUnreadableError(address, found, remedy) from error


def _from_bucket(protocol: str, place: str) -> bytes:
    bucket, _, key = place.partition("/")
    return bytes(open_bucket(protocol, bucket).get(key).bytes())


def open_bucket(protocol: str, bucket: str) -> Any:
    """Return a store of obstore for a bucket; raises ImportError where it is not installed."""
    from obstore.store import from_url

    # An endpoint without encryption is only ever set on purpose.
    allow_http = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
    client: dict[str, Any] = {"connect_timeout": CONNECT, "timeout": TIMEOUT}
    options: dict[str, Any] = {
        "client_options": client | ({"allow_http": True} if allow_http else {}),
        "retry_config": {"max_retries": MAX_RETRIES, "retry_timeout": TIMEOUT},
    }
    return from_url(f"{protocol}://{bucket}", **options)


def _from_web(address: str) -> bytes:
    import fsspec

    # Not opened: a file system without ranges would be refused.
    return bytes(fsspec.filesystem("http").cat_file(address))


# --- Compression.


def decompressed(content: bytes, name: str) -> bytes:
    """Return a content without the compression that its first bytes name."""
    for _ in range(MAX_LEVELS):
        with _damage(name):
            if content[:4] == b"PK\x03\x04" or content[:4] == b"PK\x05\x06":
                with zipfile.ZipFile(io.BytesIO(content)) as archive:
                    if _is_workbook(archive):
                        return content
                    member = _only_member(archive, name)
                    with archive.open(member) as file:
                        content = _read(file, name)
            elif (opener := _opener(content)) is not None:
                with opener(io.BytesIO(content)) as file:
                    content = _read(file, name)
            else:
                return content
    return content


def _opener(content: bytes) -> Any:
    """Return what opens a compressed stream; None if it is not compressed."""
    for mark, opener in (
        (b"\x1f\x8b", gzip.GzipFile),
        (b"BZh", bz2.BZ2File),
        (b"\xfd7zXZ\x00", lzma.LZMAFile),
        (b"\x28\xb5\x2f\xfd", lambda file: pa.CompressedInputStream(file, "zstd")),
        (b"\x04\x22\x4d\x18", lambda file: pa.CompressedInputStream(file, "lz4")),
    ):
        if content.startswith(mark):
            return (lambda file: gzip.GzipFile(fileobj=file)) if mark == b"\x1f\x8b" else opener
    return None


def _read(file: IO[bytes], name: str) -> bytes:
    parts, size = [], 0
    while part := file.read(CHUNK_BYTES):
        parts.append(part)
        size += len(part)
        if size > MAX_BYTES:
            found = f"holds more than {MAX_BYTES:,} bytes when decompressed"
            raise FileUnreadableError(name, found, "decompress it first if that is meant")
    return b"".join(parts)


@contextmanager
def _damage(name: str) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, zlib.error, lzma.LZMAError, pa.ArrowException) as error:
        found = f"is a damaged archive ({first_line(error)})"
        raise FileUnreadableError(name, found, REPAIR) from error
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        # zipfile raises RuntimeError for a password, and NotImplementedError for a compression that
        # it does not know.
        found = f"cannot be unpacked ({first_line(error)})"
        raise FileUnreadableError(name, found, "unpack it first") from error


def _is_workbook(archive: zipfile.ZipFile) -> bool:
    names = set(archive.namelist())
    if "xl/workbook.xml" in names or "xl/workbook.bin" in names:
        return True
    return "mimetype" in names and archive.read("mimetype").startswith(
        b"application/vnd.oasis.opendocument.spreadsheet"
    )


def _only_member(archive: zipfile.ZipFile, name: str) -> str:
    """Return the name of the only file in an archive."""
    names = [
        info.filename
        for info in archive.infolist()
        if not info.is_dir() and not info.filename.startswith("__MACOSX/")
    ]
    names = [each for each in names if not each.rpartition("/")[2].startswith(".")]
    if len(names) != 1:
        shown = ", ".join(f"'{each}'" for each in names[:5]) + (", …" if len(names) > 5 else "")
        found = f"is an archive of {len(names)} files" + (f" ({shown})" if names else "")
        raise FileUnreadableError(name, found, "unpack it, and give one of them")
    return names[0]
