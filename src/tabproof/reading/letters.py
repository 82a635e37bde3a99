"""How likely a text is in each encoding of one byte a character, by the letters of its words.

Languages differ in which letters follow one another: `Łódź` is Polish, and what its bytes are in
another encoding, `£ódŸ`, is nothing. letters.toml has the pairs of letters of each language.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain, pairwise
from math import sqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PAIRS = Path(__file__).with_name("letters.toml")
WESTERN = "de fr es pt it ca sv da no fi is nl sq et sl"
CENTRAL, BALTIC, TURKISH = "pl cs sk hr sl hu ro de", "lt lv et de", "tr de"
CYRILLIC, GREEK, HEBREW, ARABIC, THAI = "ru uk bg mk sr be", "el", "he", "ar fa", "th"
VIETNAMESE = "vi"
LATIN = (WESTERN, CENTRAL, BALTIC, TURKISH, VIETNAMESE)
# By encoding the languages that are written in it, and how much rarer it is than Western text, as a
# logarithm. Of encodings in which a text is the same the first is taken.
ENCODINGS = {
    "cp1252": (WESTERN, 0.0),
    "cp1250": (CENTRAL, 4.0),
    "cp1251": (CYRILLIC, 4.0),
    "cp1253": (GREEK, 4.0),
    "cp1254": (TURKISH, 4.0),
    "cp1255": (HEBREW, 6.0),
    "cp1256": (ARABIC, 6.0),
    "cp1257": (BALTIC, 6.0),
    "cp1258": (VIETNAMESE, 6.0),
    "cp874": (THAI, 6.0),
    "iso8859_2": (CENTRAL, 6.0),
    "iso8859_7": (GREEK, 6.0),
    "koi8_r": (CYRILLIC, 6.0),
    "koi8_u": (CYRILLIC, 6.0),
    "cp866": (CYRILLIC, 7.0),
    "mac_cyrillic": (CYRILLIC, 8.0),
    "iso8859_5": (CYRILLIC, 8.0),
    "cp850": (WESTERN, 8.0),
    "cp852": (CENTRAL, 8.0),
    "mac_roman": (WESTERN, 8.0),
}
# Words that are looked at for each byte.
STEP, ENOUGH_OF_BYTE = 50, 12
N_STEPS = 3
WORD = re.compile(rb"[^\x00-\x20,;|\"]{0,20}[\x80-\xff][^\x00-\x20,;|\"]{0,20}")
# In Thai and Vietnamese some stand above and below others.
_LETTER = "(?:[^\\W\\d_]|[\u0300-\u0323\u0e31\u0e34-\u0e3a\u0e47-\u0e4e])"
LETTERS, BEYOND_ASCII = re.compile(f"{_LETTER}+"), re.compile(r"[^\x00-\x7f]")
# Negative logarithms: of a pair that a language does not have, of its own letters and of others; of
# a letter in the wrong case, or beside a digit; of a sign in its place, and of anything else.
RARE, UNKNOWN, WRONG_CASE, BESIDE_DIGIT, SIGN, NO_SIGN = 6.5, 10.0, 4.0, 5.0, 4.5, 18.0
SIGNS = re.compile(
    rf"(?<!{_LETTER})[€£¥§±°²³¹¼½¾©®µ«»“”„…–—№\u00a0](?!{_LETTER})"
    rf"|(?<!{_LETTER})[¿¡«„“‘](?={_LETTER})|(?<={_LETTER})[»“”’…°²³\u00a0](?!{_LETTER})"
    rf"|(?<={_LETTER})[’·–](?={_LETTER})|(?<=[0-9a-z])[ªº](?!{_LETTER})"
    "|(?<=[0-9])°(?=[CF])|(?<![A-Za-z])µ(?=[a-zA-Z])"
)


# The least mean of text, and how much less may be that of a few words.
LEAST_LATIN, LEAST, SLACK = -3.8, -3.4, 5.0


@dataclass(frozen=True)
class Likelihood:
    """The logarithm of the likelihood of a text in an encoding, and of how many pairs."""

    encoding: str
    total: float
    n_pairs: int

    @property
    def is_text(self) -> bool:
        """Whether its letters are as likely as those of a language."""
        return self.total > self._least * self.n_pairs

    @property
    def is_plausible(self) -> bool:
        """Whether it may be text: of a few words less is asked."""
        return self.total > self._least * self.n_pairs - SLACK * sqrt(self.n_pairs)

    @property
    def _least(self) -> float:
        return LEAST_LATIN if ENCODINGS[self.encoding][0] in LATIN else LEAST


def likelihoods(sample: bytes, letters: bytes) -> list[Likelihood]:
    """Return the encodings in which a text can be read, the likeliest first.

    letters : the bytes beyond ASCII of the whole text. Of encodings in which all of them are the
    same there is one.
    """
    chunks = _chosen(list(dict.fromkeys(WORD.findall(sample))))
    read: dict[str, Likelihood] = {}
    for encoding, (languages, rareness) in ENCODINGS.items():
        with suppress(UnicodeDecodeError):
            meant = letters.decode(encoding)
            words = [chunk.decode(encoding) for chunk in chunks]
            total, n_pairs = _likelihood(words, languages)
            found = Likelihood(encoding, total - rareness, n_pairs)
            before = read.setdefault(meant, found)
            read[meant] = replace(before, total=max(before.total, found.total))
    return sorted(read.values(), key=lambda each: -each.total)


def likelihood_of(text: str) -> float:
    """Return the logarithm of the likelihood of a text in the languages that suit it best."""
    kinds = dict.fromkeys(languages for languages, _ in ENCODINGS.values())
    return max(_likelihood(text.split(), languages)[0] for languages in kinds)


def _chosen(words: list[bytes]) -> list[bytes]:
    """Return some words, of each byte a few: what is rare may decide."""
    counts = Counter[int]()
    chosen = []
    # From all over the text.
    for start in range(STEP):
        for word in words[start::STEP]:
            beyond = {byte for byte in word if byte > 0x7F}
            if any(counts[byte] < ENOUGH_OF_BYTE for byte in beyond):
                chosen.append(word)
                counts.update(beyond)
    return chosen


def _likelihood(words: list[str], languages: str) -> tuple[float, int]:
    """Return the logarithm of the likelihood of words, and the number of pairs."""
    rows, costs = _table(languages)
    others, n_others, places, starts = 0.0, 0, list[int](), list[int]()
    for word in words:
        n_signs = len(SIGNS.findall(word))
        n_in_words = 0
        for run in LETTERS.finditer(word):
            if run[0].isascii():
                continue
            n_in_words += len(BEYOND_ASCII.findall(run[0]))
            beside = word[max(run.start() - 1, 0) : run.start()] + word[run.end() : run.end() + 1]
            others += BESIDE_DIGIT * sum(map(str.isdigit, beside))
            if not run[0].isupper():
                others += WRONG_CASE * sum(map(str.isupper, run[0][1:]))
            starts.append(len(places))
            pairs = pairwise(f" {run[0].lower()} ")
            places += [_row(rows, a, b) for a, b in pairs if not (a + b).isascii()]
        n_unknown = len(BEYOND_ASCII.findall(word)) - n_in_words - n_signs
        others += SIGN * n_signs + NO_SIGN * n_unknown
        n_others += 2 * (n_signs + n_unknown)
    if not places:
        return -others, n_others
    of_words = np.add.reduceat(costs[places], starts)
    # A column of names has several languages, but one word in thirty is rarely of its own.
    least = of_words.min(axis=1)
    likelihood = np.exp(least[:, np.newaxis] - of_words)
    shares = np.full(likelihood.shape[1], 1 / likelihood.shape[1])
    for _ in range(N_STEPS):
        parts = likelihood * shares
        shares = (parts / parts.sum(axis=1, keepdims=True)).mean(axis=0)
    total = float((np.log(likelihood @ shares) - least).sum())
    return total - others, len(places) + n_others


def _row(rows: Mapping[str, int], first: str, second: str) -> int:
    row = rows.get(first + second)
    return rows.get(first if second.isascii() else second, -1) if row is None else row


@cache
def _table(languages: str) -> tuple[dict[str, int], NDArray[np.float64]]:
    """Return the row of each pair of letters, and its cost in each language; the last: unknown.

    The cost is the negative logarithm of how often the second letter follows the first. A letter
    alone has that of other pairs with it.
    """
    of_languages = tomllib.loads(PAIRS.read_text(encoding="utf-8"))
    tables: list[dict[str, float]] = []
    for language in languages.split():
        costs: dict[str, float] = {}
        for halves, letters in of_languages[language].items():
            pairs = [letters[place : place + 2] for place in range(0, len(letters), 2)]
            costs |= dict.fromkeys(pairs, int(halves) / 2)
        tables.append(costs | dict.fromkeys(BEYOND_ASCII.findall("".join(costs)), RARE))
    rows = {pair: row for row, pair in enumerate(dict.fromkeys(chain(*tables)))}
    found = np.full((len(rows) + 1, len(tables)), UNKNOWN)
    for pair, row in rows.items():
        of_pair = BEYOND_ASCII.findall(pair)
        for column, table in enumerate(tables):
            known = RARE if all(letter in table for letter in of_pair) else UNKNOWN
            found[row, column] = table.get(pair, known)
    return rows, found
