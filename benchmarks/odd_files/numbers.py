"""How numbers are written, how large they are, and what stands where they are missing."""

import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.odd_files.making import ANY_KIND, NOT_A_NUMBER, OddFile, Rows, Value, plain

LARGEST = float(np.finfo(np.float32).max)
FULL_WIDTH = {ord(digit): chr(ord(digit) + 0xFEE0) for digit in "0123456789.-"}


def _grouped(mark: str, decimal: str) -> Callable[[float], str]:
    """Return how a number is written with this mark between groups and this decimal mark."""

    def spell(value: float) -> str:
        text = f"{value:,.2f}"
        return text.translate({ord(","): mark, ord("."): decimal})

    return spell


def spellings(folder: Path) -> Iterator[OddFile]:
    """Yield numbers as people and their programs write them."""
    comma: Callable[[float], str] = lambda value: str(value).replace(".", ",")  # noqa: E731
    for name, separator, spell in (
        ("thousands: comma", ",", _grouped(",", ".")),
        ("thousands: point, with decimal commas", ";", _grouped(".", ",")),
        ("thousands: space, with decimal commas", ";", _grouped(" ", ",")),
        ("thousands: no-break space", ";", _grouped("\xa0", ",")),
        ("thousands: narrow no-break space", ";", _grouped("\u202f", ",")),
        ("thousands: apostrophe", ",", _grouped("'", ".")),
        ("decimal comma", ";", lambda value: f"{value:.2f}".replace(".", ",")),
        ("dollars", ",", lambda value: f"${value:,.2f}"),
        ("euros behind, with decimal commas", ";", lambda v: _grouped(".", ",")(v) + " €"),
        ("yen in front", ",", lambda value: f"¥{round(value):,}"),
        ("yen behind", ",", lambda value: f"{round(value):,}円"),
        ("Swiss francs", ",", lambda value: "CHF " + _grouped("'", ".")(value)),
        ("full-width digits", ",", lambda value: f"{value:.2f}".translate(FULL_WIDTH)),
        ("with an exponent", ",", lambda value: f"{value:.6E}"),
        ("without a leading zero", ",", lambda value: f"{value / 1e7:.9f}".lstrip("0")),
    ):
        rows = Rows(name)
        amounts = np.exp(9 + 1.5 * rows.signal)
        if "yen" in name:
            amounts = np.round(amounts)
        texts = [spell(float(amount)) for amount in amounts]
        values: list[Value] = [float(_bare(text, name)) for text in texts]
        rows.add("amount", texts, values, "number")
        rows.number("x2", None, comma if separator == ";" else str).category("c").answer()
        file_name = name.replace(": ", "_").replace(" ", "_").replace(",", "")
        yield rows.file(folder / f"{file_name}.csv", rows.csv(separator))

    for name, spell in (
        ("percent", lambda value: f"{value:.1f}%"),
        ("percent behind a space", lambda value: f"{value:.1f} %"),
        ("plus signs", lambda value: f"{value:+.1f}"),
        ("true minus signs", lambda value: f"{value:.1f}".replace("-", "−")),
    ):
        rows = Rows(name)
        shares = np.round(10 * rows.signal, 1)
        texts = [spell(value) for value in shares]
        rows.add("share", texts, [float(f"{value:.1f}") for value in shares], "number")
        yield rows.number("x2").answer().file(folder / f"{name.replace(' ', '_')}.csv", rows.csv())

    rows = Rows("negatives in brackets")
    numbers = [float(value) for value in np.round(5_000 * rows.signal)]
    texts = [f"({-value:,.0f})" if value < 0 else f"{value:,.0f}" for value in numbers]
    rows.add("profit", texts, numbers, "number").number("x2").answer()
    yield rows.file(folder / "brackets.csv", rows.csv())

    # 16,000 beside 500 and 1,234,567: only one reading makes sense of all.
    rows = Rows("whole thousands in a file with semicolons")
    numbers = [float(round(500 * value) * 500) for value in np.exp(1.5 * rows.signal)]
    rows.add("income", [f"{value:,.0f}" for value in numbers], numbers, "number")
    yield rows.number("age").answer().file(folder / "income.csv", rows.csv(";"))

    rows = Rows("Indian groups")
    numbers = [float(round(value)) for value in np.exp(12 + rows.signal)]
    rows.add("rupees", [_lakhs(round(value)) for value in numbers], numbers, ANY_KIND)
    yield rows.number("x2").answer().file(folder / "indian.csv", rows.csv(), least_auc=None)

    rows = Rows("a unit behind every number")
    numbers = [float(value) for value in np.round(70 + 10 * rows.signal, 1)]
    rows.add("weight", [f"{value} kg" for value in numbers], numbers, "number")
    yield rows.number("x2").answer().file(folder / "unit.csv", rows.csv())

    rows = Rows("units that other tables have")
    heights = [float(value) for value in np.round(170 + 10 * rows.signal, 1)]
    months = [float(value) for value in np.round(24 + 6 * rows.signal)]
    rows.add("height", [f"{value} m" for value in heights], heights, "number")
    words = ["month" if value == 1 else "months" for value in months]
    spelled = [f"{round(value)} {word}" for value, word in zip(months, words, strict=True)]
    rows.add("term", spelled, months, "number").answer()
    yield rows.file(folder / "units.csv", rows.csv(), says="'height' read as numbers")

    rows = Rows("ten thousands and hundred millions in Japanese")
    numbers = [float(round(value)) * 1e4 for value in np.exp(7 + rows.signal)]
    rows.add("年収", [_in_man(round(value / 1e4)) for value in numbers], numbers, "number")
    rows.number("x2").answer()
    yield rows.file(folder / "man.csv", rows.csv(), says="年収")

    rows = Rows("thousands and millions of euros as letters")
    numbers = [float(round(value)) * 1e3 for value in np.exp(7 + rows.signal)]
    texts = [f"€{v / 1e3:.0f}K" if v < 1e6 else f"€{v / 1e6}M" for v in numbers]
    rows.add("wage", texts, numbers, "number").number("x2").answer()
    yield rows.file(folder / "letters.csv", rows.csv(), says="wage")

    # 10k may be a distance, and 5m a length.
    rows = plain("letters that are no money")
    rows.category("race", ("5k", "10k", "21k")).answer()
    yield rows.file(folder / "races.csv", rows.csv())

    rows = Rows("digits grouped by commas and by spaces")
    numbers = [float(np.round(value, 1)) for value in np.exp(9 + rows.signal)]
    texts = [f"{v:,.1f}".replace(",", " " if row % 4 else ",") for row, v in enumerate(numbers)]
    rows.add("amount", texts, numbers, "number").number("x2").answer()
    yield rows.file(folder / "two_groups.csv", rows.csv())

    # 1,234 beside 1 234 is a thousand and more, or less than two.
    rows = plain("commas and spaces, nothing decides")
    numbers = [float(value) for value in rows.rng.integers(1_001, 99_999, rows.n)]
    texts = [f"{v:,.0f}".replace(",", " " if row % 4 else ",") for row, v in enumerate(numbers)]
    rows.add("amount", texts, numbers, NOT_A_NUMBER).answer()
    path = folder / "two_groups_open.csv"
    yield rows.file(path, rows.csv(), outcome="either", reason="amount.*thousands")

    # Half of the cells in either way: none is read wrongly, and it is said why.
    rows = plain("decimal points and decimal commas in one column")
    texts = [f"{1_000 + row}.5" if row % 2 else f"1.{100 + row},5" for row in range(rows.n)]
    rows.add("amount", texts, None, NOT_A_NUMBER).answer()
    yield rows.file(folder / "two_points.csv", rows.csv(";"), says="amount.*several ways")

    # They look like amounts of 192 thousand million.
    rows = plain("addresses of the Internet")
    addresses = [f"192.168.{100 + row % 9}.{100 + row % 150}" for row in range(rows.n)]
    rows.add("host", addresses, None, NOT_A_NUMBER).answer()
    yield rows.file(folder / "addresses.csv", rows.csv())

    # One number for both would be a wrong one.
    rows = plain("dollars and euros in one column")
    texts = [f"{'$€'[row % 2]}{100 + row}.50" for row in range(rows.n)]
    rows.add("price", texts, None, NOT_A_NUMBER).answer()
    yield rows.file(folder / "two_currencies.csv", rows.csv(), outcome="either", reason="price")

    rows = plain("percentages and shares in one column")
    texts = [f"{row % 97}%" if row % 2 else f"0.{row % 97:02}" for row in range(rows.n)]
    rows.add("rate", texts, None, NOT_A_NUMBER).answer()
    yield rows.file(folder / "mixed_percent.csv", rows.csv(), outcome="either", reason="rate")

    rows = plain("versions such as 1.10 and 1.2.3")
    choices = ("1.10", "1.1", "1.2.3", "2.0")
    yield rows.category("version", choices).answer().file(folder / "versions.csv", rows.csv())


def _bare(text: str, name: str) -> str:
    """Return what float() reads of a text as it is written."""
    text = unicodedata.normalize("NFKC", text)
    text = "".join(mark for mark in text if mark in "0123456789.,-E")
    if "decimal comma" in name or "no-break" in name:
        return text.replace(".", "").replace(",", ".")
    return text.replace(",", "")


def _in_man(value: int) -> str:
    """Return tens of thousands as people write them: 2億3,000万."""
    large, small = divmod(value, 10_000)
    return (f"{large}億" if large else "") + (f"{small:,}万" if small or not large else "")


def _lakhs(value: int) -> str:
    head, tail = divmod(value, 1_000)
    if not head:
        return str(tail)
    groups = []
    while head:
        head, last = divmod(head, 100)
        groups.append(f"{last:02}" if head else str(last))
    return ",".join([*reversed(groups), f"{tail:03}"])


def sizes(folder: Path) -> Iterator[OddFile]:
    """Yield numbers that some model or type cannot hold."""
    for name, word, read in (
        ("1e39", "1e39", LARGEST),
        ("1e160", "1e160", LARGEST),
        ("the largest double", "1.7976931348623157e308", LARGEST),
        ("beyond every double", "1e400", LARGEST),
        ("inf", "inf", None),
        ("-Infinity", "-Infinity", None),
    ):
        rows = plain(name)
        numbers: list[Value] = [float(text) for text in rows.texts["x2"]]
        texts = list(rows.texts["x2"])
        texts[7], numbers[7] = word, read
        rows.add("x2", texts, numbers, "number").answer()
        yield rows.file(folder / f"{name.replace(' ', '_')}.csv", rows.csv())

    for model in ("random_forest", "logistic_regression"):
        rows = Rows(f"1e160 in the signal, model={model}")
        numbers = [float(text) for text in rows.number("x1", rows.signal).texts["x1"]]
        texts = list(map(str, numbers))
        texts[3], numbers[3] = "1e160", LARGEST
        rows.add("x1", texts, numbers, "number").number("x2").answer()
        path = folder / f"1e160_{model}.csv"
        yield rows.file(path, rows.csv(), words=(f"model={model}",), least_auc=None)

    rows = plain("ids of 30 digits")
    ids = [f"{123_456_789_012_345_678_901_234_567_890 + row}" for row in range(rows.n)]
    rows.add("id", ids, None, ("left out", "category", "text")).answer()
    yield rows.file(folder / "huge_integers.csv", rows.csv())

    rows = plain("SIM ids of 20 digits")
    ids = [f"8981{int(each):016}" for each in rows.rng.integers(10**15, size=rows.n)]
    rows.add("sim", ids, None, ("left out", "category", "text")).answer()
    yield rows.file(folder / "sim_ids.csv", rows.csv())

    # As doubles all four are one number.
    rows = Rows("codes that differ beyond 2**53")
    codes = [f"{90_071_992_547_409_921 + 2 * bool(p)}" for p in rows.is_positive]
    rows.add("code", codes, codes, "category").number("x2").answer()
    yield rows.file(folder / "codes.csv", rows.csv(), outcome="either", reason="code")


def missing_cells(folder: Path) -> Iterator[OddFile]:
    """Yield columns with gaps, and columns that say nothing."""
    rows = plain("words for missing numbers")
    words = ("NA", "n/a", "null", "NaN", "None", "-", "?", "N/A", "#N/A", "")
    texts, numbers = list(rows.texts["x2"]), [float(text) for text in rows.texts["x2"]]
    read: list[Value] = list(numbers)
    for row in range(0, rows.n, 9):
        texts[row], read[row] = words[row // 9 % len(words)], None
    rows.add("x2", texts, read, "number").answer()
    yield rows.file(folder / "na_words.csv", rows.csv())

    rows = plain("a few cells that are no numbers")
    texts, read = list(rows.texts["x1"]), [float(text) for text in rows.texts["x1"]]
    for row, word in ((5, "error"), (77, "see note"), (200, "12.3.4"), (201, "unknown")):
        texts[row], read[row] = word, None
    rows.add("x1", texts, read, "number").answer()
    yield rows.file(folder / "few_bad_cells.csv", rows.csv(), says="x1")

    rows = plain("an error of Excel in a cell")
    texts, read = list(rows.texts["x1"]), [float(text) for text in rows.texts["x1"]]
    for row, word in ((5, "#DIV/0!"), (77, "#REF!"), (200, "#VALUE!")):
        texts[row], read[row] = word, None
    rows.add("x1", texts, read, "number").answer()
    yield rows.file(folder / "excel_errors.csv", rows.csv(), says="x1")

    rows = plain("gaps in categories")
    texts = ["" if row % 5 == 0 else text for row, text in enumerate(rows.texts["c"])]
    rows.add("c", texts, [text or None for text in texts], "category").answer()
    yield rows.file(folder / "category_gaps.csv", rows.csv())

    rows = plain("spaces for missing numbers")
    texts = ["   " if row % 5 == 0 else text for row, text in enumerate(rows.texts["x2"])]
    rows.add("x2", texts, [float(t) if t.strip() else None for t in texts], "number").answer()
    yield rows.file(folder / "spaces.csv", rows.csv())

    for name, fill in (("an empty column", ""), ("a constant column", "Japan")):
        rows = plain(name)
        rows.add("same", [fill] * rows.n, None, "left out").answer()
        says = "same"
        yield rows.file(folder / f"{name.replace(' ', '_')}.csv", rows.csv(), says=says)

    rows = plain("ten constant numbers")
    for number in range(10):
        rows.add(f"k{number}", [str(number)] * rows.n, None, "left out")
    yield rows.answer().file(folder / "constants.csv", rows.csv(), says="k3")

    rows = plain("constant but for one row")
    rows.add("rare", ["1" if row == 17 else "0" for row in range(rows.n)]).answer()
    yield rows.file(folder / "one_row.csv", rows.csv())

    rows = plain("a number in one row only")
    rows.add("rare", ["3.5" if row == 17 else "" for row in range(rows.n)]).answer()
    yield rows.file(folder / "one_value.csv", rows.csv())


GROUPS = {"spellings of numbers": spellings, "sizes of numbers": sizes, "missing": missing_cells}
