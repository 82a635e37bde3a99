"""Which files of a partition count: a merged file stands for others, which may still be there.

`monitor compact` writes a merged file whole, and removes the files that it stands for afterwards.
Whoever reads the log in between, or after a kill, leaves them out by the rule below.
"""

import base64
import binascii
import json
import zlib
from collections.abc import Callable, Collection, Iterable
from typing import Any

from tabproof.errors import first_line
from tabproof.prediction_log import layout

# Of the list of names when it is decompressed: a million names take 50 MB.
MAX_BYTES = 256 << 20

Sources = frozenset[str]


def encode_sources(names: Iterable[str]) -> bytes:
    """Return names as they stand in the metadata of a merged file: a tenth of their length."""
    return base64.b64encode(zlib.compress(json.dumps(sorted(names)).encode(), 9))


def decode_sources(content: bytes) -> Sources:
    """Return the names in the metadata of a merged file; raise ValueError."""
    try:
        stream = zlib.decompressobj()
        found = json.loads(stream.decompress(base64.b64decode(content), MAX_BYTES))
    except (zlib.error, binascii.Error) as error:
        raise ValueError(f"has no list of the files that it stands for: {error}") from error
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise ValueError("has no list of the files that it stands for")
    return frozenset(found)


def read_sources(file: Any) -> Sources:
    """Return the names of the files that a merged file stands for.

    Parameters
    ----------
    file : a path, or an open file.

    Raises
    ------
    OSError, ValueError
        It cannot be read, or is no merged file.
    """
    # Only a log that was merged needs it.
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as opened:
            content = (opened.metadata.metadata or {}).get(layout.SOURCES_KEY.encode())
    except pa.ArrowException as error:
        raise ValueError(first_line(error)) from error
    if content is None:
        raise ValueError("has no list of the files that it stands for")
    return decode_sources(content)


def find_replaced(names: Collection[str], sources_of: Callable[[str], Sources]) -> set[str]:
    """Return the names of files whose rows are in a merged file that is there too.

    Parameters
    ----------
    names : of all files of a partition.
    sources_of : returns the files that a merged file stands for.
    """
    numbers = {name: number for name in names if (number := layout.merged_number(name))}
    replaced: set[str] = set()
    # The list of a merged file that was merged itself does not count: two commands at once may
    # have written it a second time, with another list.
    for name in sorted(numbers, key=numbers.__getitem__, reverse=True):
        if name not in replaced:
            replaced |= sources_of(name)
    return replaced.intersection(names)
