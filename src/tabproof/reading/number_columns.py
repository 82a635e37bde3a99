"""Columns of a large text whose numbers can be read while the text is cut into cells.

Text is the slow way to numbers: each cell is copied, and parsed in a second pass. A sample says
which columns hold nothing but plain numbers, and the whole text is checked. Where text says more
than the number, as in `007`, or a cell is no plain number, the columns are read as texts.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from itertools import islice

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tabproof.forms import EXACT
from tabproof.reading.tidying import UNNAMED, unique_names

# Smaller texts are read fast enough.
LARGE = 2**22
# Places of a text that are looked at, lines at each, and cells in all.
N_PLACES, N_LINES, MAX_CELLS = 64, 8, 200_000
PLAIN = re.compile(rb"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
PADDED = re.compile(rb"0[0-9]")
ZERO, QUOTE = b"0"[0], b'"'[0]
CHUNK_BYTES = 2**18


def find_number_columns(
    content: bytes,
    offset: int,
    separator: str,
    names: Sequence[str] | None,
    n_cells: int,
    keep_texts: Collection[str],
) -> tuple[set[int], set[int]]:
    """Return the places of columns of fractions, and of whole numbers, in a sample of the rows.

    names : of the header, if there is one. keep_texts : names of columns that are none of these.
    """
    shown = unique_names(names) if names else [f"column_{place + 1}" for place in range(n_cells)]
    others = {place for place, name in enumerate(shown) if name in keep_texts}
    if names and UNNAMED.fullmatch(names[0].strip()):
        # It may be a counter of rows, which is found by its text.
        others.add(0)
    fractions, wholes, is_padded = set[int](), set[int](), False
    mark = separator.encode()
    padded = re.compile(rb'(?:^|["\s]|' + re.escape(mark) + rb")0[0-9]")
    for line in _sampled_lines(content, offset, n_cells):
        cells = line.split(mark)
        if len(cells) != n_cells:
            continue
        is_padded = is_padded or padded.search(line) is not None
        for place, quoted in enumerate(cells):
            if place in others or not (cell := quoted.strip().strip(b'"')):
                continue
            if PLAIN.fullmatch(cell) is None:
                others.add(place)
            elif place not in fractions:
                (fractions if float(cell) % 1 else wholes).add(place)
    fractions -= others
    # What begins with 0 may be a code, or a date in another column: texts tell.
    wholes = set() if is_padded else wholes - others - fractions
    # A header may stand in the text again, but not where a name that is a word has numbers below.
    if names and all(_is_number(names[place]) for place in fractions | wholes):
        return set(), set()
    return fractions, wholes


def plain_numbers(column: pa.ChunkedArray, *, is_whole: bool) -> pa.Array | None:
    """Return the numbers in one piece; None where texts may have said more than they do."""
    numbers, n_missing = column.to_numpy(), column.null_count
    # Arrow reads the words nan and inf, and 1e400 as infinite.
    if np.count_nonzero(np.isnan(numbers)) != n_missing:
        return None
    if n_missing == len(numbers):
        return pa.nulls(len(numbers), pa.float64())
    largest = max(-float(np.fmin.reduce(numbers)), float(np.fmax.reduce(numbers)))
    if largest == np.inf or (is_whole and largest >= EXACT):
        return None
    return pa.array(numbers, from_pandas=n_missing > 0)


def _sampled_lines(content: bytes, offset: int, n_cells: int) -> Iterator[bytes]:
    n_lines = max(min(N_PLACES * N_LINES, MAX_CELLS // n_cells), 1)
    n_places = min(N_PLACES, n_lines)
    for begin in np.linspace(offset, len(content), n_places, endpoint=False).astype(int).tolist():
        # The first line is whole; the others may begin within one.
        start = begin if begin == offset else content.find(b"\n", begin) + 1
        yield from islice(_lines_from(content, start), n_lines // n_places)


def _lines_from(content: bytes, start: int) -> Iterator[bytes]:
    while start > 0 and (end := content.find(b"\n", start)) > 0:
        yield content[start:end].rstrip(b"\r")
        start = end + 1


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True


def has_padded(letters: NDArray[np.uint8], separator: str) -> bool:
    """Return whether some cell begins with 0 and another digit; letters : of all rows."""
    if PADDED.match(letters[:2].tobytes()):
        return True
    for start in range(0, len(letters), CHUNK_BYTES):
        part = letters[start : start + CHUNK_BYTES + 2]
        before, digit, after = part[:-2], part[1:-1], part[2:]
        # Other letters than digits wrap around. Spaces, line breaks and quotes are below 35.
        found = (digit == ZERO) & (after - np.uint8(ZERO) < np.uint8(10))
        found &= (before <= QUOTE) | (before == ord(separator))
        if found.any():
            return True
    return False
