"""What the headers of a request say about its content: media type, compression, character set."""

import zlib
from abc import ABC, abstractmethod
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from functools import cache
from typing import Any

from tabproof.errors import printable
from tabproof.service.answers import Headers, RefusedError

JSON = b"application/json"
# The standard library reads these: names of Content-Encoding, and the window of zlib.
GZIP, DEFLATE, RAW_DEFLATE = zlib.MAX_WBITS | 16, zlib.MAX_WBITS, -zlib.MAX_WBITS
ENCODINGS = {b"gzip": GZIP, b"x-gzip": GZIP, b"deflate": DEFLATE}
ZSTD = b"zstd"
# The largest window that a client may use: 2^23 bytes, 8 MiB (RFC 9659).
MAX_WINDOW_LOG = 23
# A frame of nine bytes takes 17 microseconds: a body of empty ones would block others for seconds.
MAX_FRAMES = 1000


def check_content_type(content_type: bytes) -> None:
    """Refuse what is declared as something else than JSON; without the header, JSON is assumed.

    Forms of browsers are declared, so that a page cannot post one from elsewhere.
    """
    if content_type == JSON:
        return
    media_type = content_type.partition(b";")[0].strip().lower()
    if media_type in (JSON, b"") or (media_type[:12] == JSON[:12] and media_type[-5:] == b"+json"):
        return
    shown = printable(media_type.decode("latin-1"), 60)
    reason = f"Content-Type is '{shown}', but a body is JSON"
    raise RefusedError(415, f"{reason}: send 'Content-Type: application/json', or none")


@cache
def _zstd() -> Any:
    """Return the module that reads zstd; None where it is not installed.

    It has two megabytes, and most services never get such a body.
    """
    try:
        from backports import zstd
    except ImportError:
        return None
    return zstd


class BodyDecoder(ABC):
    """Decompress a body piece by piece; name: that of Content-Encoding."""

    def __init__(self, name: bytes) -> None:
        self._name = name.decode()

    @abstractmethod
    def decode(self, part: bytes, limit: int) -> bytes:
        """Return what a part adds, at most `limit` bytes."""

    @abstractmethod
    def finish(self) -> None:
        """Refuse a body that ends too early."""

    def _refusal(self, reason: str) -> RefusedError:
        return RefusedError(400, f"the body is not valid {self._name} (Content-Encoding): {reason}")


class ZlibDecoder(BodyDecoder):
    """Decompress gzip and deflate."""

    def __init__(self, name: bytes) -> None:
        super().__init__(name)
        self._window = ENCODINGS[name]
        self._decompressor = zlib.decompressobj(self._window)
        self._is_first = True

    def decode(self, part: bytes, limit: int) -> bytes:
        """Return what a part adds, at most `limit` bytes."""
        if part and self._is_first:
            self._is_first = False
            # Some clients leave out the frame of zlib, which begins with the number 8.
            if self._window == DEFLATE and part[0] & 15 != 8:
                self._decompressor = zlib.decompressobj(RAW_DEFLATE)
        try:
            content = self._decompressor.decompress(part, limit)
        except zlib.error:
            raise self._refusal("it cannot be decompressed") from None
        if self._decompressor.unused_data:
            raise self._refusal("bytes follow its end")
        return content

    def finish(self) -> None:
        """Refuse a body that ends too early."""
        if not self._decompressor.eof:
            raise self._refusal("it is truncated")


class ZstdDecoder(BodyDecoder):
    """Decompress zstd: one frame after another, as its specification has it (RFC 8878)."""

    def __init__(self, zstd: Any) -> None:
        super().__init__(ZSTD)
        self._zstd, self._n_frames = zstd, 0
        self._open_frame()

    def _open_frame(self) -> None:
        self._n_frames += 1
        if self._n_frames > MAX_FRAMES:
            raise self._refusal(f"it has more than {MAX_FRAMES:,} frames")
        options = {self._zstd.DecompressionParameter.window_log_max: MAX_WINDOW_LOG}
        self._decompressor = self._zstd.ZstdDecompressor(options=options)

    def decode(self, part: bytes, limit: int) -> bytes:
        """Return what a part adds, at most `limit` bytes."""
        pieces: list[bytes] = []
        while part and limit > 0:
            if self._decompressor.eof:
                self._open_frame()
            try:
                pieces.append(self._decompressor.decompress(part, limit))
            except self._zstd.ZstdError as error:
                is_window = "too much memory" in str(error)
                window = f"its window is larger than {2**MAX_WINDOW_LOG:,} bytes"
                reason = window if is_window else "it cannot be decompressed"
                raise self._refusal(reason) from None
            part = self._decompressor.unused_data
            limit -= len(pieces[-1])
        return b"".join(pieces)

    def finish(self) -> None:
        """Refuse a body that ends too early."""
        if not self._decompressor.eof:
            raise self._refusal("it is truncated")


def decoder_of(headers: Headers) -> BodyDecoder | None:
    """Return the decoder for Content-Encoding; None if the body is not compressed."""
    sent = headers.get(b"content-encoding")
    if sent is None or (name := sent.strip().lower()) in (b"", b"identity"):
        return None
    if name in ENCODINGS:
        return ZlibDecoder(name)
    zstd = _zstd()
    if name == ZSTD and zstd is not None:
        return ZstdDecoder(zstd)
    known = "gzip, deflate" if zstd is None else "gzip, deflate, zstd"
    shown = printable(sent.decode("latin-1"), 60)
    reason = f"Content-Encoding '{shown}' is not supported; send {known} or no compression"
    raise RefusedError(415, reason, headers={"Accept-Encoding": known})


def as_utf8(content: bytes) -> bytes:
    """Return a body without its byte order mark; refuse UTF-16 and UTF-32."""
    start = content[:4]
    if start[:3] == BOM_UTF8:
        return content[3:]
    # JSON begins with two ASCII characters, and has no NUL.
    if b"\0" in start or start[:2] in (BOM_UTF16_LE, BOM_UTF16_BE):
        raise RefusedError(400, "the body is in UTF-16 or UTF-32; send JSON in UTF-8")
    return content
