"""A text file as a stream of UTF-8, whatever its encoding and compression.

Bytes that are no text in its encoding become UNDECODABLE, so that a row, not a file, is lost.
"""

import codecs
import gzip
import sys
from typing import IO, cast

from src.batch.inputs import InputFile

# Stands for bytes that are no text: a code point that Unicode reserves as no character.
UNDECODABLE = "\ufdd0"
CHUNK_BYTES = 2**20


def _stand_in(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return UNDECODABLE, error.end


STAND_IN = "src.batch.stand_in"
codecs.register_error(STAND_IN, _stand_in)


def is_utf8(encoding: str) -> bool:
    """Tell the encoding that needs no conversion, with or without Excel's mark."""
    return codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")


def cleaned(content: bytes) -> tuple[bytes, bool]:
    """Give valid UTF-8, and whether UNDECODABLE may stand in it."""
    marked = UNDECODABLE.encode()
    try:
        content.decode()
    except UnicodeDecodeError:
        return content.decode(errors=STAND_IN).encode(), True
    return content, marked in content


class Utf8Stream:
    """Reads on from its beginning; offsets are counted in UTF-8, behind the byte order mark."""

    def __init__(self, file: InputFile, encoding: str) -> None:
        self._raw = _open(file)
        self._is_plain = file.kind == "csv" and file.path is not None and is_utf8(encoding)
        self._decoder = None
        self._ahead = b""
        self._offset = 0
        self._mark = 0
        if not is_utf8(encoding):
            self._decoder = codecs.getincrementaldecoder(encoding)(STAND_IN)
        elif self.head(3) == codecs.BOM_UTF8:
            self._mark = len(self._ahead[:3])
            self._ahead = self._ahead[3:]

    def head(self, size: int) -> bytes:
        """Give what comes next, without going on; less at the end."""
        while len(self._ahead) < size and (more := self._next(size - len(self._ahead))):
            self._ahead += more
        return self._ahead[:size]

    def read(self, size: int) -> bytes:
        """Give at most size bytes; none at the end."""
        if not self._ahead:
            self._ahead = self._next(size)
        content, self._ahead = self._ahead[:size], self._ahead[size:]
        self._offset += len(content)
        return content

    def skip_to(self, offset: int) -> None:
        """Go on to an offset that was not passed yet."""
        if self._is_plain and offset > self._offset + len(self._ahead):
            self._raw.seek(self._mark + offset)
            self._ahead, self._offset = b"", offset
        while self._offset < offset and self.read(min(CHUNK_BYTES, offset - self._offset)):
            pass

    def close(self) -> None:
        """Close the file."""
        self._raw.close()

    @property
    def raw_offset(self) -> int:
        """How many bytes of the file were read, compressed as they may be; 0 of a pipe."""
        file = getattr(self._raw, "fileobj", self._raw)
        offset: int = file.tell() if file.seekable() else 0
        return offset

    def _next(self, size: int) -> bytes:
        if self._decoder is None:
            return self._raw.read(size)
        while True:
            raw = self._raw.read(size)
            text = self._decoder.decode(raw, final=not raw)
            # A few bytes may be no whole letter yet.
            if text or not raw:
                return text.encode(errors="surrogatepass")


def _open(file: InputFile) -> IO[bytes]:
    if file.path is None:
        return sys.stdin.buffer
    if file.kind == "csv.gz":
        return cast(IO[bytes], gzip.open(file.path))
    return file.path.open("rb")
