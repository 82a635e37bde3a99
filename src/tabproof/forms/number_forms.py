"""Find the form in which most cells of a column are numbers."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tabproof.forms.numbers import (
    EXPONENT,
    MONEY_SCALES,
    SCALES,
    NumberForm,
    compiled,
    parse_number,
)
from tabproof.forms.times import find_time_form
from tabproof.forms.words import kept_if_short, plain

_MONEY = "$ € £ ¥ ₩ ₹ ₽ ₺ ฿ US$ A$ C$ HK$ NT$ R$ USD EUR GBP JPY CHF CNY KRW INR 円 元 원 kr zł"
_UNITS = (
    "% ° °C °F kg g mg t lb lbs oz mm cm m km ft in mi m² m2 ㎡ m³ ha sqft ml mL L l cc CC"
    " kWh kW W V mAh hp bhp PS rpm km/h mph kmpl MB GB TB Hz kHz MHz GHz hPa mmHg bpm kcal px pcs"
    " s sec ms min mins h hr hrs hour hours day days week weeks month months year years yr yrs"
    " 歳 才 年 回 個 人 件 点 日 分 秒 時間 枚 本 台 名 階 畳 坪 週 週間 か月 ヶ月 カ月"
)
# Longer ones first, so that a regular expression takes `US$` before `$`.
MARKS = tuple(sorted(f"{_MONEY} {_UNITS}".split(), key=lambda mark: (-len(mark), mark)))
CURRENCIES = frozenset(_MONEY.split())
# Signs of one currency, and words for one unit.
_SAME = tuple(
    map(
        frozenset,
        (
            ("¥", "円", "JPY"),
            ("¥", "元", "CNY"),
            ("$", "US$", "USD"),
            ("lb", "lbs"),
            ("ml", "mL"),
            ("L", "l"),
            ("cc", "CC"),
            ("min", "mins"),
            ("h", "hr", "hrs", "hour", "hours"),
            ("day", "days"),
            ("week", "weeks"),
            ("month", "months"),
            ("year", "years", "yr", "yrs"),
            ("歳", "才"),
            ("か月", "ヶ月", "カ月"),
        ),
    )
)
# Prices in these have no three decimals, so three digits behind every comma are thousands.
_NO_THREE_DECIMALS = frozenset(["¥", "円", "JPY", "₩", "KRW", "원", "$", "US$", "USD", "£", "GBP"])
Separators = tuple[str, str]
_NOTHING = frozenset[str]()
_ONES = str.maketrans("23456789", "1" * 8)
SEPARATORS = tuple((d, t) for t in ("", ",", ".", " ", "'") for d in (".", ",") if d != t)
# Several signs may group the digits of a column: 1,234 beside 1 234.
_MIXED = ((".", ",' "), (",", ".' "))
_PATTERNS: dict[Separators, Callable[[str], object]] = {
    each: compiled(NumberForm(*each)).fullmatch for each in (*SEPARATORS, *_MIXED)
}
_ADDRESS = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
# A column is of a kind, or written in one way, if at least this share of its cells is.
MOST = 0.95
# Fewer of another kind are mistakes.
FEW = 0.01

_MARK, _SCALE = ("|".join(map(re.escape, words)) for words in (MARKS, SCALES))
_LETTER = "|".join(sorted(MONEY_SCALES, key=len, reverse=True))
_DIGITS = "[0-9][0-9.,']*"
_BEFORE, _AFTER = (rf"(?P<{name}>{_MARK})?" for name in ("before", "after"))
# Words are refused by their first letters.
_NEAR = "(?=[^0-9]{0,7}[0-9])"
_MARKED = re.compile(
    rf"{_NEAR}\(? ?[+-]? ?{_BEFORE} ?[+-]?"
    rf"(?P<body>[0-9.,' ]*[0-9][0-9.,' ]*?{EXPONENT}) ?{_AFTER} ?\)?"
)
_SCALED = re.compile(
    rf"{_NEAR}\(? ?[+-]? ?{_BEFORE} ?[+-]?(?P<body>(?:{_DIGITS} ?(?:{_SCALE}) ?)+(?:{_DIGITS})?"
    rf"|{_DIGITS} ?(?P<letter>{_LETTER})) ?{_AFTER} ?\)?"
)
_PART = re.compile(rf"({_DIGITS}) ?({_SCALE}|{_LETTER})?")


@dataclass(frozen=True, slots=True)
class _Cell:
    """A number as it is written: its marks, its digits, the words that multiply them."""

    marks: frozenset[str]
    bodies: tuple[str, ...]
    scales: frozenset[str] = _NOTHING

    @property
    def is_bare(self) -> bool:
        """Whether it says nothing of its unit, as 0 need not."""
        return not self.marks and not self.scales and self.bodies[0].strip("0.,") != ""


def find_number_form(
    texts: Iterable[str],
    *,
    decimal: str | None = None,
    thousands: str | None = None,
    forced: bool = False,
) -> tuple[NumberForm, ...]:
    """Return the form in which most of the texts are numbers.

    Two forms are returned where both read most of them and nothing decides, the one that takes a
    sign for thousands first; none where there is no form. decimal, thousands : what the user says
    (an empty text: no thousands). forced : the column is meant as numbers, so marks may differ.
    """
    plain_texts = list(map(plain, texts))
    cells = _cells_of(plain_texts)
    time, n_times = find_time_form(plain_texts, forced=forced)
    if n_times > len(cells):
        return (NumberForm(time=time),)
    scales, fitting = _find_scales(cells)
    marks, alike = _find_marks(fitting, forced=forced)
    bodies = [body for cell in alike for body in cell.bodies]
    return tuple(
        NumberForm(*separators, marks, scales)
        for separators in _find_separators(bodies, marks, decimal, thousands)
    )


def _cells_of(texts: Sequence[str]) -> list[_Cell]:
    """Return the numbers among plain texts, with 1 for every digit but 0."""
    # Which digits there are matters in addresses of the Internet alone.
    alike = [text if text.count(".") == 3 else text.translate(_ONES) for text in texts]
    return [cell for text in alike if (cell := _cell_of(text)) is not None]


@kept_if_short
def _cell_of(text: str) -> _Cell | None:
    match = _MARKED.fullmatch(text)
    if match is None or (match["before"] and match["after"]):
        scaled = _SCALED.fullmatch(text)
        # Without a currency the letters of 10k and 1.5M may mean anything.
        if scaled is not None and (not scaled["letter"] or _marks_of(scaled) & CURRENCIES):
            bodies, words = zip(*_PART.findall(scaled["body"]), strict=True)
            return _Cell(_marks_of(scaled), bodies, frozenset(filter(None, words)))
    return None if match is None else _Cell(_marks_of(match), (match["body"].strip(),))


def _marks_of(match: re.Match[str]) -> frozenset[str]:
    before, after = match.group("before", "after")
    return frozenset(filter(None, (before, after))) if before or after else _NOTHING


def _find_scales(cells: Sequence[_Cell]) -> tuple[tuple[str, ...], list[_Cell]]:
    """Return the words that multiply, and the cells that are numbers beside them.

    In a column of 3万 the cell 450 may be 450万, and so it is none of them.
    """
    scaled = [cell for cell in cells if cell.scales]
    if not scaled:
        return (), list(cells)
    found = _NOTHING.union(*(cell.scales for cell in scaled))
    family = SCALES if found <= SCALES.keys() else MONEY_SCALES
    least = min(family.get(word, 10**3) for word in found)
    others = [cell for cell in cells if not cell.scales]
    is_small = [
        each.is_bare and sum(map(str.isdecimal, each.bodies[0])) < len(str(least))
        for each in others
    ]
    if sum(is_small) > len(scaled):
        return (), others
    # Larger ones than in these cells may come.
    words = tuple(word for word, scale in family.items() if scale >= least)
    large = [cell for cell, small in zip(others, is_small, strict=True) if not small]
    return words, [*scaled, *large]


def _find_marks(cells: Sequence[_Cell], *, forced: bool) -> tuple[tuple[str, ...], Sequence[_Cell]]:
    """Return the marks of most cells, and these cells; no cells if marks differ."""
    found = _NOTHING.union(*{cell.marks for cell in cells})
    chosen = cells
    if not forced and found:
        one = [_NOTHING, *(frozenset({mark}) for mark in MARKS if mark in found)]
        several = [same for same in _SAME if same & found]
        chosen = max((_alike(cells, each) for each in [*one, *several]), key=len)
        if len(chosen) < MOST * len(cells):
            return (), []
    used = _NOTHING.union(*(cell.marks for cell in chosen)) if found else found
    return tuple(mark for mark in MARKS if mark in used), chosen


def _alike(cells: Sequence[_Cell], marks: frozenset[str]) -> list[_Cell]:
    """Return the cells with these marks, or with none."""
    # 12% beside 0.12 may be the same value, or not.
    return [cell for cell in cells if cell.marks <= marks and not ("%" in marks and cell.is_bare)]


def _find_separators(
    bodies: Sequence[str], marks: tuple[str, ...], decimal: str | None, thousands: str | None
) -> list[Separators]:
    """Return decimal point and signs of thousands; two pairs if nothing decides between them."""
    if bodies and all(map(_is_address, bodies)):
        return []
    counts, n_of_point = Counter[Separators](), Counter[str]()
    n_small = n_large = n_round = 0
    for text, n in Counter(bodies).items():
        if text.isdecimal():
            # Whole numbers are read by every form.
            n_small, n_large = n_small + (len(text) <= 3), n_large + (len(text) > 3)
            continue
        n_round += text.endswith("0")
        read, points = _separators_of(text)
        for each in read:
            counts[each] += n
        n_of_point[points] += n
    if not counts:
        return [(".", "")] if n_small or n_large else []

    def best_of(some: Iterable[Separators]) -> list[Separators]:
        most = max((counts[each] for each in some), default=0)
        return [each for each in _PATTERNS if each in some and counts[each] == most > 0]

    allowed = [
        (point, groups)
        for point, groups in _PATTERNS
        if decimal in (None, point) and point != thousands
        if not thousands or thousands in groups or not groups
        if thousands != "" or not groups
    ]
    best = best_of(allowed)
    # Some cells are 1.234,5 and some 1234.5: what 1.234 is among them, nothing says.
    is_divided = min(n_of_point["."], n_of_point[","]) > FEW * n_of_point.total()
    # What the user says decides between readings; where it reads less, the cells decide.
    if not best or (counts[best[0]] < max(counts.values()) and not is_divided):
        best = best_of(_PATTERNS)
    first, is_open = best[0], decimal is None and thousands is None
    others = _PATTERNS if is_divided and is_open else best
    rivals = best_of([each for each in others if each[0] != first[0]])
    example = next((text for text in bodies if rivals and _differ(text, first, rivals[0])), None)
    found = [_used(each, counts) for each in (first, *rivals[:1])]
    if example is None:
        return found[:1]
    sign = "," if "," in example else "."
    # The one that takes the sign for thousands comes first.
    found.sort(key=lambda each: sign not in each[1])
    is_money = is_open and bool(CURRENCIES & {*marks})
    if found[1] == (".", "") and not is_divided and not is_money:
        # As in a file of three decimals. €1.234 is asked about: few prices have these.
        return found[1:]
    # Cells such as 16,000 beside 500: with decimals, 16,000 would be written as 16.
    is_round = n_small and not n_large and n_round
    if sign == "," and not is_divided and (is_round or _NO_THREE_DECIMALS & {*marks}):
        return found[:1]
    return found


@kept_if_short
def _separators_of(text: str) -> tuple[tuple[Separators, ...], str]:
    """Return the separators with which a text is a number, and their decimal points."""
    read = tuple(each for each, matches in _PATTERNS.items() if matches(text))
    return read, "".join(sorted({point for point, _ in read}))


def _is_address(text: str) -> bool:
    """Return whether a text is an address of the Internet: 192.168.100.101 is no amount."""
    return _ADDRESS.fullmatch(text) is not None and all(int(n) < 256 for n in text.split("."))


def _differ(text: str, one: Separators, other: Separators) -> bool:
    """Return whether two forms read a text as two numbers."""
    read = {parse_number(text, NumberForm(*each)) for each in (one, other)}
    return len(read) == 2 and None not in read


def _used(separators: Separators, counts: Counter[Separators]) -> Separators:
    """Return separators without signs of thousands that no cell has."""
    point, groups = separators
    if len(groups) < 2:
        return separators
    return point, "".join(sign for sign in groups if counts[point, sign] > counts[point, ""])
