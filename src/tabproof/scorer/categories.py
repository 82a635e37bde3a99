"""Find the category that a cell means: by one rule for files, requests and frames.

A value has many spellings, since each source has its own types: a truth value is `true` in a CSV,
True in Parquet and 1 in a tensor, and pandas writes whole numbers with gaps as 3.0.
"""

import re
from collections import Counter
from collections.abc import Collection, Sequence

from tabproof.forms import MISSING_WORDS, parse_boolean
from tabproof.scorer.encoding import as_category

_NUMBER = re.compile(r"(-?)([0-9]+)(?:\.([0-9]*)|,0)?")
_BOOLEAN = frozenset({"True", "False"})


class CategoryReader:
    """Find the categories of one column.

    The first of these that holds: the cell is null or NaN; it is the name of a category; it is a
    word that means missing; it is the number that exactly one category is, or of truth values a
    word for one of them.

    place_of : the place of each name and each word, for a fast look-up. na_values : words that
    mean missing, and their numbers; without any, those of pandas and the empty text.
    """

    def __init__(self, categories: Sequence[str], na_values: Collection[str] = ()) -> None:
        self.unseen, self.missing = len(categories), len(categories) + 1
        names = {name: place for place, name in enumerate(categories)}
        words = dict.fromkeys(na_values or MISSING_WORDS, self.missing)
        self.place_of = {**words, **names}
        counts = Counter(map(plain_number, names))
        self._place_of_number = {
            **{plain_number(word): self.missing for word in words},
            **{n: names[name] for name in names if counts[n := plain_number(name)] == 1},
        }
        # A category wins over a word, and of two that are one number none is meant.
        for number, count in counts.items():
            if number is None or count > 1:
                self._place_of_number.pop(number, None)
        self._place_of_number.pop(None, None)
        self._truths = names if names and names.keys() <= _BOOLEAN else {}

    def place(self, value: object) -> int:
        """Return the place of a cell's category; `unseen` or `missing` where it has none."""
        # NaN is the only value that differs from itself.
        if value is None or value != value:
            return self.missing
        name = value if isinstance(value, str) else as_category(value)
        found = self.place_of.get(name)
        if found is None:
            number = plain_number(name)
            found = self._place_of_number.get(number)
            if found is None and self._truths:
                found = self._truths.get(str(parse_boolean(number or name)))
        return self.unseen if found is None else found


def plain_number(text: str) -> str | None:
    """Return the shortest spelling of a number, all digits kept; None for another text."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    sign, whole, fraction = match[1], match[2].lstrip("0") or "0", (match[3] or "").rstrip("0")
    number = f"{whole}.{fraction}" if fraction else whole
    return number if number == "0" else f"{sign}{number}"
