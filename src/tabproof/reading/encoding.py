"""Find the encoding of a text, and return it as UTF-8; no character is ever replaced.

UTF-8 and UTF-16 are recognized by their form. What is neither is tried in many encodings, and one
is taken if what it gives is plausible text and no other gives such: by the letters of its words, or
by the characters of Japanese, Chinese and Korean. Anything else is refused, with the words that
decide.
"""

import codecs
import re
from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np

from tabproof.errors import UserError
from tabproof.reading.characters import (
    PLAUSIBLE,
    Japanese,
    in_japanese,
    is_ideographic,
    of_japanese,
    of_western,
)
from tabproof.reading.letters import Likelihood, likelihood_of, likelihoods
from tabproof.reading.raw_table import FORMATS

MARKS = (
    # UTF-32 first: its mark begins with that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
ESCAPE, NOT_ASCII = 0x1B, 0x80
UTF_8_NAMES = ("utf-8", "utf-8-sig")
# Maximum bytes and lines with characters beyond ASCII on which encodings are compared.
SAMPLE_BYTES, SAMPLE_LINES = 2**18, 4000
# Two encodings of Japanese this close to each other are equally likely.
NEAR = 0.1
# So are two of one byte a character whose likelihoods have not at least this ratio, as a logarithm.
APART = 5.0
# Old encodings have many variants: their text is recognized, and asked about.
ASKED = frozenset({"cp850", "cp852", "cp866", "mac_roman", "mac_cyrillic", "iso8859_5"})
# With fewer letters, Chinese, Korean and Japanese written in kanji are equally likely.
ENOUGH_LETTERS = 50
# With fewer, the language is not certain.
FEW_LETTERS = 20
# With fewer, a text in another alphabet may be one damaged cell.
LEAST_LETTERS = 5
# What charset-normalizer may find where a text looks like Japanese.
JAPANESE = frozenset({"cp932", "shift_jis", "shift_jis_2004", "euc_jp", "euc_jis_2004"})
NOT_ASCII_BYTE = re.compile(rb"[\x80-\xff]")
# Lines that are tried, where a text in another encoding may hold some in UTF-8.
N_LIKE_UTF_8 = 1000


class EncodingError(UserError):
    """A text that is not in the given encoding."""

    template = "{name} is not encoded in {encoding}: line {line} is not; {remedy}"


class MixedEncodingsError(UserError):
    """A text with lines in UTF-8 and lines in another encoding."""

    template = (
        "{name} mixes two encodings: line {utf_8} is UTF-8, line {other} is not; write all of it"
        " in one encoding"
    )


LINE_ENDS, PADDING = b"\r\n", (b"\0", b"\x1a")


class UnknownEncodingError(UserError):
    """A text whose encoding is not certain."""

    template = "{name}: line {line} is not UTF-8; say which encoding it is: {words}"


class NotTextError(UserError):
    """A file with bytes that no text has."""

    template = (
        "{name} is no text (its byte {place:,} is 0) and no other known format;"
        f" {FORMATS} are read"
    )


def to_utf_8(content: bytes, encoding: str, name: str, key: str) -> tuple[bytes, str]:
    """Return a text as UTF-8 without a byte order mark, and the encoding it was in.

    encoding : of the text, or `auto`. key : stands before `encoding` in messages.
    """
    # Found without a mark, UTF-8 was found by decoding all of it.
    is_checked = encoding == "auto" and not content.startswith(codecs.BOM_UTF8)
    if encoding == "auto":
        encoding = find_encoding(content, name, key)
    if codecs.lookup(encoding).name in UTF_8_NAMES:
        content = content.removeprefix(codecs.BOM_UTF8)
        if not (is_checked or is_ascii(content)):
            _check(content, "utf-8", name, key)
    else:
        content = _decoded(content, encoding, name, key).removeprefix("\ufeff").encode()
    # Null bytes, or the end-of-file mark of DOS, after the last row are no cells.
    if content[-8:].rstrip(LINE_ENDS)[-1:] in PADDING:
        content = content.rstrip(LINE_ENDS + b"".join(PADDING))
    if (place := content.find(b"\0")) >= 0:
        raise NotTextError(name=name, place=place)
    return content, encoding


def is_ascii(content: bytes) -> bool:
    """Return whether a content is ASCII: as bytes.isascii, in a third of its time."""
    return bool(np.frombuffer(content, dtype=np.uint8).max(initial=0) < NOT_ASCII)


def find_encoding(content: bytes, name: str, key: str) -> str:
    """Return the encoding of a text; raise an error that says how to decide."""
    for mark, encoding in MARKS:
        if content.startswith(mark):
            return encoding
    if is_ascii(content):
        # A single byte is searched for faster.
        if ESCAPE in content and b"\x1b$" in content:
            return "iso2022_jp"
        return _utf_16_without_mark(content) or "utf-8"
    if wide := _utf_16_without_mark(content):
        return wide
    place = undecodable(content, "utf-8")
    if place is None:
        return "utf-8"
    if b"\0" in content:
        raise NotTextError(name=name, place=content.index(b"\0"))
    # Lines from the beginning, and those from the first that is not UTF-8.
    lines = [*_lines_not_ascii(content, 0), *_lines_not_ascii(content, place)]
    # Of equal ones the first: many copies of a few words mislead.
    sample = b"\n".join(dict.fromkeys(line for _, line in lines))
    likely = likelihoods(sample, _letters_of(content))
    japanese = in_japanese(sample)
    best = likely[0] if likely and likely[0].is_plausible else None
    if japanese and japanese[0].plausibility >= PLAUSIBLE and best is not None:
        # By chance a few words of Japanese have the letters of another language.
        best = best if best.is_text else None
    _refuse_mixed(content, lines, name, best, japanese)
    words: list[str] = []
    if best is None:
        found = _of_several_bytes(sample, japanese, words)
        if found is not None:
            return found
        words = words or [each.encoding for each in likely[:1]]
    else:
        near = [each.encoding for each in likely if each.total > best.total - APART]
        is_other = any(each.plausibility >= PLAUSIBLE and each.is_clear for each in japanese)
        # A damaged cell is a short word in some alphabet.
        is_certain = (
            best.encoding == "cp1252" or len(NOT_ASCII_BYTE.findall(sample)) >= LEAST_LETTERS
        )
        if len(near) == 1 and not is_other and best.encoding not in ASKED and is_certain:
            return best.encoding
        words = near + [each.encoding for each in japanese if is_other]
    raise UnknownEncodingError(
        name=name,
        line=_line_of(content, place),
        words=" or ".join(f"'{key}encoding={each}'" for each in dict.fromkeys(words or ["…"])),
    )


def _of_several_bytes(sample: bytes, japanese: Sequence[Japanese], words: list[str]) -> str | None:
    """Return the encoding of a text in Japanese, Chinese or Korean; else add what it may be."""
    plausible = [each for each in japanese if each.plausibility >= PLAUSIBLE]
    equal = [e for e in plausible if e.plausibility > plausible[0].plausibility - NEAR]
    # cp932 is what Japanese systems write, so it wins where it is as plausible.
    found = next((each for each in equal if each.encoding == "cp932"), None)
    found = found or (equal[0] if len(equal) == 1 else None)
    if found is not None and found.is_clear:
        return found.encoding
    detected = _detected(sample)
    if found is not None and (detected is None or detected in JAPANESE):
        return found.encoding
    n_letters = len(NOT_ASCII_BYTE.findall(sample))
    in_euc_jp = next((each for each in japanese if each.encoding == "euc_jp"), None)
    if in_euc_jp is not None:
        n_letters = 0 if in_euc_jp.has_kana else n_letters // 2
    is_certain = n_letters >= (FEW_LETTERS if in_euc_jp is None else ENOUGH_LETTERS)
    if detected is not None and is_certain and is_ideographic(sample, detected):
        return detected
    words += [each.encoding for each in equal or japanese]
    words += [detected] if detected is not None else []
    return None


def _letters_of(content: bytes) -> bytes:
    """Return the different bytes beyond ASCII."""
    found = np.zeros(256, dtype=np.int64)
    for start in range(0, len(content), CHUNK_BYTES):
        part = np.frombuffer(content[start : start + CHUNK_BYTES], dtype=np.uint8)
        found += np.bincount(part, minlength=256)
    return bytes(np.flatnonzero(found[0x80:]) + 0x80)


def _detected(sample: bytes) -> str | None:
    """Return what charset-normalizer finds."""
    from charset_normalizer import from_bytes

    best = from_bytes(sample).best()
    # UTF-16 without NUL bytes is a guess about noise.
    return None if best is None or best.encoding.startswith("utf") else best.encoding


# --- Decoding, in pieces where the text itself is not needed.

CHUNK_BYTES = 2**24


def undecodable(content: bytes, encoding: str) -> int | None:
    """Return the first byte that cannot be decoded; None if all can be."""
    decoder = codecs.getincrementaldecoder(encoding)()
    view, n_waiting = memoryview(content), 0
    for start in range(0, len(content), CHUNK_BYTES):
        end = min(start + CHUNK_BYTES, len(content))
        try:
            decoder.decode(view[start:end], final=end == len(content))
        except UnicodeDecodeError as error:
            # Bytes of the chunk before may have waited for their character to be complete.
            return start - n_waiting + error.start
        n_waiting = len(decoder.getstate()[0])
    return None


def _check(content: bytes, encoding: str, name: str, key: str) -> None:
    if undecodable(content, encoding) is not None:
        _refuse(content, encoding, name, key)


def _decoded(content: bytes, encoding: str, name: str, key: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeError:
        _refuse(content, encoding, name, key)
        raise


def _refuse(content: bytes, encoding: str, name: str, key: str) -> None:
    """Raise an error that names the first line that cannot be decoded, and what may work."""
    try:
        place = undecodable(content, encoding) or 0
    except UnicodeError:
        place = 0
    try:
        works = find_encoding(content, name, key)
    except UserError as error:
        if isinstance(error, MixedEncodingsError):
            raise
        works = encoding
    remedy = "repair that line"
    same = codecs.lookup(works).name == codecs.lookup(encoding).name
    if not same and undecodable(content, works) is None:
        remedy = f"'{key}encoding={works}' reads it"
    raise EncodingError(name, encoding, _line_of(content, place), remedy)


def _line_of(content: bytes, place: int) -> int:
    before = content[:place]
    return 1 + (before.count(b"\n") or before.count(b"\r"))


# --- UTF-16 without its mark: every other byte of Latin letters is 0.

NUL_SHARE = 0.3


def _utf_16_without_mark(content: bytes) -> str | None:
    head = content[: 2**12]
    if b"\0" not in head:
        return None
    for encoding, nuls in (("utf-16-le", head[1::2]), ("utf-16-be", head[::2])):
        others = head[::2] if encoding == "utf-16-le" else head[1::2]
        if nuls.count(0) > NUL_SHARE * len(nuls) and others.count(0) == 0:
            return encoding
    return None


# --- Lines that are not ASCII.


def _lines_not_ascii(content: bytes, place: int) -> Iterator[tuple[int, bytes]]:
    """Yield the starts of lines that are not ASCII, and the lines: a sample of them."""
    size, n_lines, first = 0, 0, place
    while size < SAMPLE_BYTES and n_lines < SAMPLE_LINES:
        if (match := NOT_ASCII_BYTE.search(content, place)) is None:
            return
        # The first may stand in the middle of its line.
        start, end = _line_at(content, match.start(), place if place > first else 0)
        yield start, content[start:end]
        size, n_lines = size + end - start, n_lines + 1
        place = end + 1


def _line_at(content: bytes, at: int, least: int) -> tuple[int, int]:
    """Return the start of the line at a place, and its end, of a long line an earlier one.

    least : a place from which the line may begin.
    """
    least = max(least, at - SAMPLE_BYTES)
    start = max(content.rfind(mark, least, at) for mark in (b"\n", b"\r")) + 1
    start = start or least
    most = min(at + SAMPLE_BYTES, len(content))
    ends = [content.find(mark, at, most) for mark in (b"\n", b"\r")]
    return start, min((end for end in ends if end >= 0), default=most)


def _lines_like_utf_8(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the first lines with two bytes that make a letter of UTF-8."""
    letters = np.frombuffer(content, dtype=np.uint8)
    n_lines = 0
    for begin in range(0, len(letters), CHUNK_BYTES):
        first = letters[begin : begin + CHUNK_BYTES]
        second = letters[begin + 1 : begin + 1 + CHUNK_BYTES]
        first = first[: len(second)]
        places = np.flatnonzero((first >= 0xC2) & (first <= 0xF4) & (second >> 6 == 0b10))
        for at in places[:N_LIKE_UTF_8].tolist():
            start, end = _line_at(content, begin + at, 0)
            yield start, content[start:end]
            n_lines += 1
        if n_lines >= N_LIKE_UTF_8:
            return


# --- Two encodings in one file.


def _refuse_mixed(
    content: bytes,
    lines: list[tuple[int, bytes]],
    name: str,
    best: Likelihood | None,
    japanese: Sequence[Japanese],
) -> None:
    """Raise an error if some lines are UTF-8; the content is not, as a whole."""
    encoding = best.encoding if best else japanese[0].encoding if japanese else "cp1252"
    is_of_bytes = best is not None or not japanese
    utf_8 = other = None
    # In an encoding of one byte a character UTF-8 hardly occurs by chance: all of it is searched.
    for start, line in chain(lines, _lines_like_utf_8(content) if is_of_bytes else ()):
        try:
            text = line.decode()
        except UnicodeDecodeError:
            other = start if other is None else other
        else:
            if utf_8 is None and _is_rather(text, line, encoding, is_of_bytes=is_of_bytes):
                utf_8 = start
        if utf_8 is not None and other is not None:
            raise MixedEncodingsError(name, _line_of(content, utf_8), _line_of(content, other))


def _is_rather(text: str, line: bytes, encoding: str, *, is_of_bytes: bool) -> bool:
    """Return whether a line is more plausible as UTF-8 than in another encoding.

    A few of its characters have the form of UTF-8 by chance: `Úš` of cp1250, and kanji.
    """
    read = line.decode(encoding, errors="replace")
    if is_of_bytes:
        return likelihood_of(text) > likelihood_of(read)
    return max(of_japanese(text), of_western(text)) > of_japanese(read) + NEAR
