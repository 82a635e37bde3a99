"""What the headers of a request say about its content: media type, compression, character set."""

import zlib
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE

from tabproof.errors import printable
from tabproof.service.answers import Headers, RefusedError

JSON = b"application/json"
# The standard library reads these: names of Content-Encoding, and the window of zlib.
GZIP, DEFLATE, RAW_DEFLATE = zlib.MAX_WBITS | 16, zlib.MAX_WBITS, -zlib.MAX_WBITS
ENCODINGS = {b"gzip": GZIP, b"x-gzip": GZIP, b"deflate": DEFLATE}


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


class BodyDecoder:
    """Decompress a body piece by piece."""

    def __init__(self, name: bytes) -> None:
        self._name = name.decode()
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

    def _refusal(self, reason: str) -> RefusedError:
        return RefusedError(400, f"the body is not valid {self._name} (Content-Encoding): {reason}")


def decoder_of(headers: Headers) -> BodyDecoder | None:
    """Return the decoder for Content-Encoding; None if the body is not compressed."""
    sent = headers.get(b"content-encoding")
    if sent is None or (name := sent.strip().lower()) in (b"", b"identity"):
        return None
    if name in ENCODINGS:
        return BodyDecoder(name)
    shown = printable(sent.decode("latin-1"), 60)
    reason = f"Content-Encoding '{shown}' is not supported; send gzip, deflate or no compression"
    raise RefusedError(415, reason, headers={"Accept-Encoding": "gzip, deflate"})


def as_utf8(content: bytes) -> bytes:
    """Return a body without its byte order mark; refuse UTF-16 and UTF-32."""
    start = content[:4]
    if start[:3] == BOM_UTF8:
        return content[3:]
    # JSON begins with two ASCII characters, and has no NUL.
    if b"\0" in start or start[:2] in (BOM_UTF16_LE, BOM_UTF16_BE):
        raise RefusedError(400, "the body is in UTF-16 or UTF-32; send JSON in UTF-8")
    return content
