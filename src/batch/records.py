"""Cut a stream of CSV into blocks that end where a record ends, for threads to parse.

A line break inside quotes ends no record. As for Arrow and pandas, a quote opens only where
a field begins; elsewhere it is a letter.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from src.errors import EndlessRecordError

QUOTE, RETURN, LINE_BREAK = b'"'[0], b"\r"[0], b"\n"[0]
# A record that is longer: a quote was opened that nobody closed.
MAX_RECORD_BYTES = 64 * 2**20

Places = NDArray[np.intp]


class Stream(Protocol):
    """Bytes to read; an empty answer is the end."""

    def read(self, size: int) -> bytes:
        """Give at most size bytes."""
        ...


@dataclass(frozen=True)
class Block:
    """Whole records. end: where it ends in the stream.

    unclosed: the last record's opening quote has no other; it is left out here.
    """

    content: bytes
    end: int
    unclosed: bool = False


def blocks(stream: Stream, start: int, size: int, separator: str, name: str) -> Iterator[Block]:
    """Cut what follows in a stream, which stands at start, into blocks of about size bytes.

    Where they end depends on start and size alone, however few bytes a pipe gives at a time.
    """
    kept, wanted = b"", size
    while True:
        # As many bytes from where a block begins, also where a killed command goes on.
        buffer = kept + _read_whole(stream, max(wanted - len(kept), 0))
        at_end = len(buffer) < wanted
        end, unclosed = last_record_end(buffer[:wanted], separator)
        if at_end and not unclosed:
            end = len(buffer)
        if at_end:
            if buffer:
                yield Block(buffer[:end], start + len(buffer), unclosed=end < len(buffer))
            return
        if end:
            yield Block(buffer[:end], start + end)
            kept, wanted, start = buffer[end:], size, start + end
        elif wanted >= MAX_RECORD_BYTES:
            raise EndlessRecordError(name, start, MAX_RECORD_BYTES)
        else:
            kept, wanted = buffer, 2 * wanted


def _read_whole(stream: Stream, size: int) -> bytes:
    parts, left = [], size
    while left and (part := stream.read(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def last_record_end(buffer: bytes, separator: str) -> tuple[int, bool]:
    """Find where the last whole record ends, and whether a quote is open behind it."""
    # The second half of '\r\n' may be yet to come.
    line_break, limit = (
        (b"\n", len(buffer)) if b"\n" in buffer else (b"\r", max(len(buffer) - 1, 0))
    )
    if QUOTE not in buffer:
        return buffer.rfind(line_break, 0, limit) + 1, False
    quotes = _true_quotes(buffer, separator)
    while True:
        end = buffer.rfind(line_break, 0, limit) + 1
        n_before = int(np.searchsorted(quotes, end))
        if n_before % 2 == 0:
            return end, len(quotes) % 2 == 1
        # Inside of quotes: go on before the one that opened them.
        limit = int(quotes[n_before - 1])


def _true_quotes(buffer: bytes, separator: str) -> Places:
    """Give the quotes that open and close, in turn; a doubled one closes and opens again."""
    letters = np.frombuffer(buffer, dtype=np.uint8)
    quotes = np.flatnonzero(letters == QUOTE)
    opening = quotes[::2]
    before = letters[opening - 1]
    at_start = np.isin(before, [ord(separator), RETURN, LINE_BREAK, QUOTE]) | (opening == 0)
    if at_start.all():
        return quotes
    true: list[int] = []
    is_open, starts = False, {ord(separator), RETURN, LINE_BREAK}
    for place in quotes.tolist():
        doubled = bool(true) and true[-1] == place - 1
        if is_open or doubled or place == 0 or buffer[place - 1] in starts:
            is_open = not is_open
            true.append(place)
    return np.array(true, dtype=np.intp)
