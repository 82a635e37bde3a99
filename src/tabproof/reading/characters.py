"""How plausible a text is as Japanese, Chinese, Korean or Western, by its characters."""

import re
from collections.abc import Callable
from dataclasses import dataclass

# An encoding that reads everything is taken from this plausibility on.
PLAUSIBLE = 0.75
# Chinese and Korean text in an encoding of Japanese has no kana, or a smaller share of them.
FEW_KANA = 0.1


@dataclass(frozen=True)
class Japanese:
    """A text in an encoding of Japanese. is_clear : whether it cannot be another language."""

    encoding: str
    plausibility: float
    is_clear: bool
    has_kana: bool


def in_japanese(sample: bytes) -> list[Japanese]:
    """Return the encodings of Japanese in which a text can be read, the most plausible first."""
    found = []
    for encoding in ("cp932", "euc_jp"):
        try:
            text = sample.decode(encoding)
        except UnicodeDecodeError:
            continue
        n_kana, n_letters = len(FULL_KANA.findall(text)), len(NOT_ASCII.findall(text))
        n_half_width = sum(map(len, HALF_WIDTH_WORD.findall(text)))
        # Cyrillic text looks like katakana of half width; Chinese and Korean like kanji of EUC.
        is_clear = n_kana > FEW_KANA * n_letters
        is_clear |= encoding == "cp932" and n_half_width < (1 - PLAUSIBLE) * n_letters
        # A curly apostrophe and the letter behind it look like one kanji.
        is_clear &= len(IN_WORD.findall(text)) < PLAUSIBLE * n_letters
        has_kana = n_kana + n_half_width > 0
        found.append(Japanese(encoding, of_japanese(text), is_clear, has_kana))
    return sorted(found, key=lambda each: -each.plausibility)


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
IN_WORD = re.compile(r"(?<=[a-z])[^\x00-\x7f](?![^\x00-\x7f])")
# Katakana of half width is likely where it stands in words, and less so than other kana.
WEIGHT_HALF_WIDTH, WEIGHT_RARE_KANJI = 0.85, 0.3


def of_japanese(text: str) -> float:
    """Return the share of Japanese characters beyond ASCII, frequent ones first."""
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


# --- Chinese and Korean: the frequent characters come first in their standards.

FREQUENT: dict[str, Callable[[bytes], bool]] = {
    "gb18030": lambda code: len(code) == 2 and 0xA1 <= code[0] <= 0xD7,
    "big5": lambda code: len(code) == 2 and 0xA1 <= code[0] <= 0xC6,
    "cp949": lambda code: len(code) == 2 and 0xA1 <= code[0] <= 0xC8 and code[1] >= 0xA1,
}
FAMILY = {"gbk": "gb18030", "gb2312": "gb18030", "euc_kr": "cp949"}
FAMILY |= dict.fromkeys(("big5hkscs", "cp950"), "big5")


def is_ideographic(sample: bytes, encoding: str) -> bool:
    """Return whether a text has the frequent characters of Chinese or Korean in an encoding."""
    family = FAMILY.get(encoding, encoding)
    if family not in FREQUENT:
        return False
    letters = NOT_ASCII.findall(sample.decode(encoding, errors="replace"))
    codes = [letter.encode(encoding, errors="replace") for letter in letters]
    return sum(map(FREQUENT[family], codes)) >= PLAUSIBLE * len(codes)


# --- Western text.

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


def of_western(text: str) -> float:
    """Return the share of Western characters beyond ASCII."""
    letters = sum(map(len, WESTERN.findall(text)))
    return (letters + len(SIGN.findall(text))) / max(len(NOT_ASCII.findall(text)), 1)
