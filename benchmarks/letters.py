"""Write which letters follow one another in each language, for reading/letters.toml.

    pip install langdetect babel
    python -m benchmarks.letters > src/tabproof/reading/letters.toml

Pairs of letters are counted in the profiles of langdetect, which are of articles of Wikipedia, and
in the names of CLDR: countries, languages, currencies, months. `python -m benchmarks.reading`
measures how often an encoding is found with them.
"""

import json
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from math import log
from pathlib import Path
from typing import Any

# The letters of each language that are not ASCII; of others words and names are foreign.
LATIN = {
    "de": "äöüß",
    "fr": "àâæçèéêëîïôœùûüÿ",
    "es": "áéíñóúü",
    "pt": "àáâãçéêíóôõú",
    "it": "àèéìíòóùú",
    "ca": "àçèéíïòóúü",
    "sv": "åäöé",
    "da": "åæøé",
    "no": "åæøéòôä",
    "fi": "äöå",
    "is": "áæéíðóöúýþ",
    "nl": "éëïèöü",
    "sq": "çë",
    "et": "äõöüšž",
    "pl": "ąćęłńóśźż",
    "cs": "áčďéěíňóřšťúůýž",
    "sk": "áäčďéíĺľňóôŕšťúýž",
    "hr": "čćđšž",
    "sl": "čšž",
    "hu": "áéíóöőúüű",
    "ro": "ăâîşţ",
    "tr": "âçğıîöşûü",
    "lt": "ąčęėįšųūž",
    "lv": "āčēģīķļņšūž",
    # As cp1258 writes it: a mark of its own behind the vowel.
    "vi": "âăđêôơư\u0300\u0301\u0303\u0309\u0323",
}
SCRIPTS = {
    **dict.fromkeys(("ru", "uk", "bg", "mk", "sr", "be"), "[а-џґ]"),
    "el": "[ά-ώΐ]",
    "he": "[א-ת]",
    "ar": "[ء-يپچژگ]",
    "fa": "[ء-يپچژگ]",
    "th": "[ก-ฺเ-๎]",
}
# Letters that one encoding of a language has in place of others.
SAME = {
    "ro": str.maketrans("șț", "şţ"),
    "fa": str.maketrans("یک", "يك"),
    "tr": str.maketrans({"İ": "i", "I": "ı"}),
}
# The languages of CLDR that are as good as one of ours.
NEAR = {"no": ("nb", "nn"), "hr": ("hr", "bs", "sr_Latn"), "pt": ("pt", "pt_PT")}
# The share of the profiles; the names of CLDR have the other.
OF_PROFILE = 0.6
# Costs are halves of the logarithm, and none is greater than this.
LARGEST = 16


def main() -> None:
    """Print the table."""
    print("# How often one letter follows another, by language: written by benchmarks/letters.py.")
    print("# The key is twice the negative logarithm of the share among the letters that may come,")
    print("# of ASCII or beyond it; its value are the pairs. Counted in the profiles of langdetect")
    print("# (Apache License 2.0) and in the names of Unicode's CLDR (Unicode License).")
    for language in [*LATIN, *SCRIPTS]:
        print(f"\n[{language}]")
        costs: dict[int, list[str]] = {}
        for pair, cost in costs_of(language):
            costs.setdefault(cost, []).append(pair)
        for cost, pairs in sorted(costs.items()):
            print(f'{cost} = "{"".join(pairs)}"')


def costs_of(language: str) -> Iterator[tuple[str, int]]:
    """Yield the pairs with a letter beyond ASCII, and their costs."""
    letters = re.compile(SCRIPTS.get(language) or f"[{LATIN[language]}]")
    shares = Counter[str]()
    for pairs, weight in (
        (profile_of(language), OF_PROFILE),
        (names_of(language), 1 - OF_PROFILE),
    ):
        own = {
            pair: n
            for pair, n in pairs.items()
            if not pair.isascii()
            if all(each in " abcdefghijklmnopqrstuvwxyz" or letters.match(each) for each in pair)
        }
        for pair, n in own.items():
            shares[pair] += weight * n / sum(own.values())
    # Bytes beyond ASCII are such in every encoding: only what kind of letter comes is not asked.
    of_kind = Counter[tuple[str, bool]]()
    for pair, share in shares.items():
        of_kind[pair[0], pair[1].isascii()] += share
    for pair, share in sorted(shares.items()):
        cost = -log(share / of_kind[pair[0], pair[1].isascii()])
        yield pair, min(round(2 * cost), LARGEST)


def profile_of(language: str) -> Counter[str]:
    """Return the pairs of letters of a profile of langdetect, as often as they occur."""
    folder = Path(str(import_module("langdetect").__file__)).parent / "profiles"
    pairs = Counter[str]()
    if (folder / language).exists():
        content = json.loads((folder / language).read_text(encoding="utf-8"))
        for letters, n in content["freq"].items():
            if len(letters) == 2:
                count(pairs, letters, language, n)
    return pairs


def names_of(language: str) -> Counter[str]:
    """Return the pairs of letters in the names of CLDR, each word once."""
    texts: list[str] = []
    for name in NEAR.get(language, (language,)):
        locale: Any = import_module("babel").Locale.parse(name)
        of_places = (locale.territories, locale.languages, locale.scripts, locale.currencies)
        texts += [
            each for kind in (*of_places, locale.months, locale.days) for each in _leaves(kind)
        ]
    pairs = Counter[str]()
    for word in {word for text in texts for word in re.findall(r"[^\W\d_]+", text)}:
        count(pairs, f" {word} ", language, 1)
    return pairs


def _leaves(tree: Any) -> Iterator[str]:
    for value in tree.values():
        yield from _leaves(value) if hasattr(value, "values") else [str(value)]


def count(pairs: Counter[str], letters: str, language: str, n: int) -> None:
    """Add the pairs of some letters, as an old encoding has them."""
    letters = letters.translate(SAME.get(language, {})).lower()
    if language == "vi":
        letters = "".join(map(_without_mark, letters))
    for place in range(len(letters) - 1):
        pairs[letters[place : place + 2]] += n


def _without_mark(letter: str) -> str:
    """Return a Vietnamese vowel, and its mark behind it."""
    parts = unicodedata.normalize("NFD", letter)
    marks = "".join(mark for mark in parts if mark in LATIN["vi"])
    rest = "".join(part for part in parts if part not in marks)
    return unicodedata.normalize("NFC", rest) + marks


if __name__ == "__main__":
    sys.exit(main())
