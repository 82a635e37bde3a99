"""Find the encoding of a text, and return it as UTF-8; no character is ever replaced.

UTF-8 and UTF-16 are recognized by their form. What is neither is tried in the encodings of
Japanese and Western systems, and an encoding is taken if what it gives is plausible text and no
other gives such. Anything else is refused, with the words that decide.
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np

from tabproof.errors import UserError
from tabproof.reading.raw_table import FORMATS

MARKS = (
    # UTF-32 first: its mark begins with that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
ESCAPE = 0x1B
UTF_8_NAMES = ("utf-8", "utf-8-sig")
# Maximum bytes and lines with characters beyond ASCII on which encodings are compared.
SAMPLE_BYTES, SAMPLE_LINES = 2**18, 4000
# An encoding that reads everything is taken from this plausibility on.
PLAUSIBLE = 0.75
# Two encodings this close to each other are equally likely.
APART = 0.1
# Chinese and Korean text in an encoding of Japanese has no kana, or a smaller share of them.
FEW_KANA = 0.1
# With fewer letters, Chinese, Korean and Japanese written in kanji are equally likely.
ENOUGH_LETTERS = 50
# With fewer, the language is not certain.
FEW_LETTERS = 20
# charset-normalizer distinguishes Chinese, Korean and Cyrillic ones; of Western ones it takes
# neighbours (`python -m benchmarks.reading` measures it).
JAPANESE = frozenset({"cp932", "shift_jis", "shift_jis_2004", "euc_jp", "euc_jis_2004"})
OTHERS = frozenset(
    {"gb18030", "gbk", "gb2312", "big5", "big5hkscs", "cp950", "cp949", "euc_kr", "cp1251"}
)
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
    if encoding == "auto":
        encoding = find_encoding(content, name, key)
    if codecs.lookup(encoding).name in UTF_8_NAMES:
        content = content.removeprefix(codecs.BOM_UTF8)
        if not content.isascii():
            _check(content, "utf-8", name, key)
    else:
        content = _decoded(content, encoding, name, key).removeprefix("\ufeff").encode()
    # Null bytes, or the end-of-file mark of DOS, after the last row are no cells.
    if content[-8:].rstrip(LINE_ENDS)[-1:] in PADDING:
        content = content.rstrip(LINE_ENDS + b"".join(PADDING))
    if (place := content.find(b"\0")) >= 0:
        raise NotTextError(name=name, place=place)
    return content, encoding


def find_encoding(content: bytes, name: str, key: str) -> str:
    """Return the encoding of a text; raise an error that says how to decide."""
    for mark, encoding in MARKS:
        if content.startswith(mark):
            return encoding
    if content.isascii():
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
    candidates = sorted(_candidates(sample), key=lambda found: -found.plausibility)
    _refuse_mixed(content, lines, name, candidates)
    likely = [each for each in candidates if each.plausibility >= PLAUSIBLE]
    equal = [e for e in likely if e.plausibility > likely[0].plausibility - APART]
    # cp932 is what Japanese systems write, so it wins where it is as plausible.
    found = next((each for each in equal if each.encoding == "cp932"), None)
    found = found or (equal[0] if len(equal) == 1 else None)
    if found is not None and found.is_clear:
        return found.encoding
    detected = _detected(sample)
    if found is not None and (detected is None or detected in JAPANESE):
        return found.encoding
    n_letters = len(NOT_ASCII_BYTE.findall(sample))
    in_euc_jp = next((each for each in candidates if each.encoding == "euc_jp"), None)
    if in_euc_jp is not None:
        n_letters = 0 if in_euc_jp.has_kana else n_letters // 2
    is_certain = n_letters >= (FEW_LETTERS if in_euc_jp is None else ENOUGH_LETTERS)
    if detected in OTHERS and is_certain:
        return detected
    words = [each.encoding for each in equal or candidates]
    words += [detected] if detected is not None and detected not in words else []
    raise UnknownEncodingError(
        name=name,
        line=_line_of(content, place),
        words=" or ".join(f"'{key}encoding={each}'" for each in words or ["…"]),
    )


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


# --- Which encoding gives plausible text.


@dataclass(frozen=True)
class _Candidate:
    encoding: str
    plausibility: float
    is_clear: bool
    has_kana: bool


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


def _candidates(sample: bytes) -> Iterator[_Candidate]:
    for encoding in ("cp932", "euc_jp", "cp1252"):
        try:
            text = sample.decode(encoding)
        except UnicodeDecodeError:
            continue
        plausibility = _of_western(text) if encoding == "cp1252" else _of_japanese(text)
        n_kana, n_letters = len(FULL_KANA.findall(text)), len(NOT_ASCII.findall(text))
        n_half_width = sum(map(len, HALF_WIDTH_WORD.findall(text)))
        # Cyrillic text looks like katakana of half width; Chinese and Korean like kanji of EUC.
        is_clear = encoding == "cp1252" or n_kana > FEW_KANA * n_letters
        is_clear |= encoding == "cp932" and n_half_width < (1 - PLAUSIBLE) * n_letters
        yield _Candidate(encoding, plausibility, is_clear, n_kana + n_half_width > 0)


# Characters by how often Japanese text has them: kana, punctuation and signs; the frequent kanji
# (level 1 of JIS X 0208); half-width katakana, which names in old systems are written in.
KANA = re.compile(
    "[\u3041-\u3093\u30a1-\u30fc\u3000-\u3003\u3005-\u3015\uff01-\uff5e\uffe5"
    "\u2460-\u2473\u2160-\u2169\u3231-\u33cd\u2190-\u2193\u25a0-\u25ef\u2605\u2606\u203b]"
)
FULL_KANA = re.compile("[\u3041-\u3093\u30a1-\u30f6]")
HALF_WIDTH_WORD = re.compile("[\uff66-\uff9f]{2,}")
KANJI = re.compile("[\u4e00-\u9fff\uf900-\ufaff]")
NOT_ASCII = re.compile(r"[^\x00-\x7f]")
# Katakana of half width is likely where it stands in words, and less so than other kana.
WEIGHT_HALF_WIDTH, WEIGHT_RARE_KANJI = 0.85, 0.3


def _of_japanese(text: str) -> float:
    n_letters = len(NOT_ASCII.findall(text))
    kanji = KANJI.findall(text)
    frequent = sum(1 for letter in kanji if _is_frequent(letter))
    in_words = sum(map(len, HALF_WIDTH_WORD.findall(text)))
    points = float(len(KANA.findall(text)) + frequent)
    points += WEIGHT_HALF_WIDTH * in_words + WEIGHT_RARE_KANJI * (len(kanji) - frequent)
    return points / max(n_letters, 1)


def _is_frequent(kanji: str) -> bool:
    code = kanji.encode("cp932", errors="ignore")
    return len(code) == 2 and 0x88 <= code[0] <= 0x97


# A Western letter with an accent stands alone among Latin letters, or two do beside another. In
# place of the Icelandic ones cp1254 has Turkish letters, and in place of signs cp1250 has Polish
# ones, so neither says that a text is Western: signs inside of words do not count.
ACCENTED = "\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u00ff\u0152\u0153\u0160\u0161\u0178\u017d\u017e"
LIKELY = (
    "\u00c0-\u00cf\u00d1-\u00d6\u00d8-\u00dc\u00df-\u00ef\u00f1-\u00f6\u00f8-\u00fc"
    "\u0152\u0153\u0160\u0161\u017d\u017e"
)
WESTERN = re.compile(
    f"(?<![{ACCENTED}])(?:[{LIKELY}]|(?<=[A-Za-z])[{LIKELY}]{{2}}|[{LIKELY}]{{2}}(?=[A-Za-z]))"
    f"(?![{ACCENTED}])"
)
SIGN = re.compile(
    "(?<![A-Za-z])[€£¥§±°²³¹¼½¾](?![A-Za-z])|(?<=[A-Za-z])[°²³](?![A-Za-z])"
    "|(?<![A-Za-z])[¿¡](?=[A-Za-z])|[©®µ«»“”‘’–—…\u00a0\u00ba\u00aa\u00b7]"
)


def _of_western(text: str) -> float:
    letters = sum(map(len, WESTERN.findall(text)))
    return (letters + len(SIGN.findall(text))) / max(len(NOT_ASCII.findall(text)), 1)


# --- Two encodings in one file.


def _refuse_mixed(
    content: bytes, lines: list[tuple[int, bytes]], name: str, candidates: list[_Candidate]
) -> None:
    """Raise an error if some lines are UTF-8; the content is not, as a whole."""
    best = candidates[0].encoding if candidates else "cp1252"
    utf_8 = other = None
    # In Western text UTF-8 does not occur by chance, so all of it is searched.
    more = _lines_like_utf_8(content) if best == "cp1252" else ()
    for start, line in chain(lines, more):
        try:
            text = line.decode()
        except UnicodeDecodeError:
            other = start if other is None else other
        else:
            if utf_8 is None and (best == "cp1252" or _is_rather(text, line, best)):
                utf_8 = start
        if utf_8 is not None and other is not None:
            raise MixedEncodingsError(name, _line_of(content, utf_8), _line_of(content, other))


def _is_rather(text: str, line: bytes, encoding: str) -> bool:
    """Return whether a line is more plausible as UTF-8 than in a Japanese encoding.

    A few of its characters have the form of UTF-8 by chance.
    """
    plausibility = max(_of_japanese(text), _of_western(text))
    return plausibility > _of_japanese(line.decode(encoding)) + APART
