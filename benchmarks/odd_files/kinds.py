"""Kinds of columns: dates, texts, categories, ids, booleans; and shapes of tables."""

import datetime
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.odd_files.making import OddFile, Rows, plain

DAY = 86_400
UTC = datetime.UTC
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
LATER = ("date", "number")
TIME_SPELLINGS: dict[str, Callable[[datetime.datetime], str]] = {
    "ISO times": lambda at: at.strftime("%Y-%m-%d %H:%M:%S"),
    "ISO times with T and Z": lambda at: at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    "ISO times with milliseconds": lambda at: at.strftime("%Y-%m-%dT%H:%M:%S.000"),
    "times with +09:00": lambda at: at.strftime("%Y-%m-%dT%H:%M:%S+09:00"),
    "Japanese dates with hours": lambda at: f"{DAY_SPELLINGS['Japanese dates'](at)} {_hours(at)}",
    "Japanese half days, full width": lambda at: _half_day(at).translate(FULL_WIDTH),
    "US times with AM and PM": lambda at: at.strftime("%m/%d/%Y %I:%M:%S %p"),
    "epoch in seconds": lambda at: str(round(at.timestamp())),
    "epoch in milliseconds": lambda at: str(1_000 * round(at.timestamp())),
}
DAY_SPELLINGS: dict[str, Callable[[datetime.datetime], str]] = {
    "ISO dates": lambda at: at.strftime("%Y-%m-%d"),
    "dates with slashes, year first": lambda at: at.strftime("%Y/%m/%d"),
    "US dates": lambda at: at.strftime("%m/%d/%Y"),
    "US dates without zeros": lambda at: f"{at.month}/{at.day}/{at.year}",
    "day first, slashes": lambda at: at.strftime("%d/%m/%Y"),
    "day first, points": lambda at: at.strftime("%d.%m.%Y"),
    "Japanese dates": lambda at: f"{at.year}年{at.month}月{at.day}日",
    "names of months": lambda at: f"{at.day:02}-{MONTHS[at.month - 1]}-{at.year}",
    "long names of months": lambda at: f"{at.strftime('%B')} {at.day}, {at.year}",
}


FULL_WIDTH = {ord(digit): chr(ord(digit) + 0xFEE0) for digit in "0123456789"}


def _hours(at: datetime.datetime) -> str:
    return f"{at.hour}時{at.minute}分{at.second}秒"


def _half_day(at: datetime.datetime) -> str:
    half = "午後" if at.hour >= 12 else "午前"
    time = f"{at.hour % 12}時{at.minute}分{at.second}秒"
    return f"{at.year}年{at.month}月{at.day}日{half}{time}"


def _moments(rows: Rows, *, whole_days: bool) -> list[datetime.datetime]:
    seconds = 1_600_000_000 + (1e7 * rows.signal).astype(int)
    if whole_days:
        seconds = seconds // DAY * DAY
    return [datetime.datetime.fromtimestamp(int(second), UTC) for second in seconds]


def dates(folder: Path) -> Iterator[OddFile]:
    """Yield columns of dates whose order is the signal."""
    for whole_days, spellings in ((True, DAY_SPELLINGS), (False, TIME_SPELLINGS)):
        for name, spell in spellings.items():
            rows = Rows(name)
            moments = _moments(rows, whole_days=whole_days)
            kinds = LATER if "epoch" in name else ("date",)
            seconds = None if "epoch" in name else [at.timestamp() for at in moments]
            rows.add("when", [spell(at) for at in moments], seconds, kinds)
            rows.number("x2").category("c").answer()
            path = folder / f"{name.replace(' ', '_').replace(',', '')}.csv"
            yield rows.file(path, rows.csv())

    rows = Rows("dates written as 20240321")
    texts = [at.strftime("%Y%m%d") for at in _moments(rows, whole_days=True)]
    rows.add("when", texts, None, LATER).number("x2").answer()
    yield rows.file(folder / "compact.csv", rows.csv())

    rows = Rows("dates with gaps and bad cells")
    moments = _moments(rows, whole_days=True)
    texts, seconds = [str(at.date()) for at in moments], [at.timestamp() for at in moments]
    read: list[Any] = list(seconds)
    for row, word in ((3, ""), (50, "0000-00-00"), (99, "unknown"), (200, "2024-02-30")):
        texts[row], read[row] = word, None
    rows.add("when", texts, read, "date").number("x2").answer()
    yield rows.file(folder / "gaps.csv", rows.csv(), says="when")

    rows = Rows("the date 9999-12-31 for never")
    moments = _moments(rows, whole_days=True)
    texts, read = [str(at.date()) for at in moments], [at.timestamp() for at in moments]
    end = datetime.datetime(9999, 12, 31, tzinfo=UTC).timestamp()
    for row in (3, 50, 99):
        texts[row], read[row] = "9999-12-31", end
    rows.add("until", texts, read, "date").number("x2").answer()
    yield rows.file(folder / "never.csv", rows.csv())

    rows = Rows("dates before 1900")
    moments = [at - datetime.timedelta(days=60_000) for at in _moments(rows, whole_days=True)]
    seconds = [at.timestamp() for at in moments]
    rows.add("born", [str(at.date()) for at in moments], seconds, "date").number("x2").answer()
    yield rows.file(folder / "old.csv", rows.csv())

    rows = Rows("two zones in one column")
    moments = _moments(rows, whole_days=False)
    zones = [datetime.timezone(datetime.timedelta(hours=(9, 1)[row % 2])) for row in range(rows.n)]
    texts = [at.astimezone(zone).isoformat() for at, zone in zip(moments, zones, strict=True)]
    rows.add("when", texts, [at.timestamp() for at in moments], "date").number("x2").answer()
    yield rows.file(folder / "zones.csv", rows.csv())

    rows = Rows("ISO and Japanese dates in one column")
    moments = _moments(rows, whole_days=True)
    both = (DAY_SPELLINGS["ISO dates"], DAY_SPELLINGS["Japanese dates"])
    texts = [both[row % 2](at) for row, at in enumerate(moments)]
    seconds = [at.timestamp() for at in moments]
    rows.add("when", texts, seconds, ("date", *NOT_A_DATE)).number("x2").answer()
    yield rows.file(folder / "mixed.csv", rows.csv(), least_auc=None)

    # No day is above 12: both readings fit every cell.
    rows = plain("day or month first, nothing decides")
    days = [(1 + row % 12, 1 + row * 5 % 12) for row in range(rows.n)]
    rows.add("when", [f"{a:02}/{b:02}/2024" for a, b in days], None, NOT_A_DATE).answer()
    yield rows.file(folder / "ambiguous.csv", rows.csv(), outcome="either", reason="when")

    rows = Rows("a difference of two dates", 600)
    start = [
        datetime.datetime.fromtimestamp(int(s), UTC)
        for s in rows.rng.integers(1_700_000_000, size=600)
    ]
    waits = np.round(400 + 100 * rows.signal).astype(int)
    end_dates = [at + datetime.timedelta(days=int(n)) for at, n in zip(start, waits, strict=True)]
    for name, moments in (("ordered", start), ("delivered", end_dates)):
        midnight = [datetime.datetime.combine(at.date(), datetime.time(), UTC) for at in moments]
        seconds = [at.timestamp() for at in midnight]
        rows.add(name, [str(at.date()) for at in midnight], seconds, "date")
    yield rows.number("x2").answer().file(folder / "difference.csv", rows.csv())

    rows = Rows("the day of the week")
    at = datetime.datetime(2020, 1, 6, tzinfo=UTC)  # a Monday
    weeks = rows.rng.integers(200, size=rows.n)
    weekday = np.where(
        rows.is_positive, rows.rng.integers(5, 7, rows.n), rows.rng.integers(0, 5, rows.n)
    )
    moments = [
        at + datetime.timedelta(days=int(7 * w + d)) for w, d in zip(weeks, weekday, strict=True)
    ]
    rows.add(
        "day", [str(each.date()) for each in moments], [m.timestamp() for m in moments], "date"
    )
    yield rows.number("x2").answer().file(folder / "weekday.csv", rows.csv())

    rows = Rows("years of two digits, of birth")
    moments = [at - datetime.timedelta(days=18_000) for at in _moments(rows, whole_days=True)]
    texts, seconds = [at.strftime("%d/%m/%y") for at in moments], [at.timestamp() for at in moments]
    rows.add("born", texts, seconds, "date").number("x2").answer()
    yield rows.file(folder / "births.csv", rows.csv())

    # As days first, most would be dates too: 24-03-21 may be of 2021.
    rows = plain("years of two digits, first")
    days = [(20 + row % 5, 1 + row % 12, 1 + row % 28) for row in range(rows.n)]
    texts = [f"{a:02}-{b:02}-{c:02}" for a, b, c in days]
    read = [datetime.datetime(2000 + a, b, c, tzinfo=UTC).timestamp() for a, b, c in days]
    rows.add("when", texts, read, ("date", *NOT_A_DATE)).answer()
    yield rows.file(folder / "two_digits_first.csv", rows.csv(), outcome="either", reason="when")

    for name, spell in TIMES_OF_DAY.items():
        rows = Rows(f"times of day: {name}")
        seconds = np.round(40_000 + 10_000 * rows.signal.clip(-3, 3)).astype(int)
        if "minutes" in name:
            seconds = seconds // 60 * 60
        midnight = datetime.datetime(2024, 1, 1, tzinfo=UTC)
        times = [midnight + datetime.timedelta(seconds=int(second)) for second in seconds]
        rows.add("at", [spell(each) for each in times], list(map(float, seconds)), "number")
        rows.number("x2").answer()
        path = folder / f"{name.replace(' ', '_')}.csv"
        yield rows.file(path, rows.csv(), says="'at' read as")

    # Longer than a day.
    rows = Rows("hours that were worked")
    seconds = np.round(100_000 + 20_000 * rows.signal.clip(-3, 3)).astype(int)
    texts = [f"{s // 3_600}:{s // 60 % 60:02}:{s % 60:02}" for s in seconds]
    rows.add("worked", texts, list(map(float, seconds)), "number").number("x2").answer()
    yield rows.file(folder / "worked.csv", rows.csv(), says="'worked' read as")

    # 45:10 is in minutes and seconds here, which nothing says.
    rows = plain("lengths of songs, with and without hours")
    texts = [f"{row % 60}:{row % 47:02}" for row in range(rows.n)]
    texts = [text if row % 5 else f"1:{row % 60:02}:07" for row, text in enumerate(texts)]
    rows.add("length", texts, None, NOT_A_DATE).answer()
    yield rows.file(folder / "songs.csv", rows.csv(), says="length.*several ways")


TIMES_OF_DAY: dict[str, Callable[[datetime.datetime], str]] = {
    "with seconds": lambda at: at.strftime("%H:%M:%S"),
    "hours and minutes": lambda at: f"{at.hour}:{at.minute:02}",
    "hours and minutes in Japanese": lambda at: f"{at.hour}時{at.minute}分",
    "hours and minutes with AM and PM": lambda at: f"{(at.hour + 11) % 12 + 1}:{at:%M %p}",
}
NOT_A_DATE = ("category", "text", "left out")
ENGLISH = "the delivery came late again and nobody called me back about it this week please"
JAPANESE = ("配送", "対応", "商品", "について", "電話", "昨日", "確認", "店舗", "注文")


def texts(folder: Path) -> Iterator[OddFile]:
    """Yield remarks whose words are the only signal."""
    rows = Rows("English remarks", 600)
    remarks = [
        _remark(rows, row, ENGLISH.split(), ("refund", "great"), " ") for row in range(rows.n)
    ]
    rows.add("remark", remarks, remarks, "text").number("x2").answer()
    yield rows.file(folder / "english.csv", rows.csv())

    rows = Rows("Japanese remarks", 600)
    remarks = [_remark(rows, row, JAPANESE, ("解約", "満足"), "") for row in range(rows.n)]
    rows.add("備考", remarks, remarks, "text").number("x2").answer()
    yield rows.file(folder / "japanese.csv", rows.csv().encode("cp932"))

    rows = Rows("remarks in a third of the rows", 900)
    remarks = [
        _remark(rows, row, ENGLISH.split(), ("refund", "great"), " ") if row % 3 == 0 else ""
        for row in range(rows.n)
    ]
    rows.add("remark", remarks, [text or None for text in remarks], "text")
    yield rows.number("x1", rows.signal).answer().file(folder / "sparse.csv", rows.csv())

    rows = plain("e-mail addresses")
    addresses = [f"user{row * 7919 % 1_000}@example{row % 9}.com" for row in range(rows.n)]
    rows.add("email", addresses).answer()
    yield rows.file(folder / "emails.csv", rows.csv())


def _remark(
    rows: Rows, row: int, words: Sequence[str], planted: tuple[str, str], joint: str
) -> str:
    chosen = [str(word) for word in rows.rng.choice(words, size=8)]
    chosen[int(rows.rng.integers(8))] = planted[int(rows.is_positive[row])]
    return joint.join(chosen)


def categories(folder: Path) -> Iterator[OddFile]:
    """Yield categories of many values, booleans with gaps, and codes."""
    rows = Rows("a category of 1,000 values", 4_000)
    levels = rows.rng.permutation(1_000)
    place = np.argsort(np.argsort(rows.signal)) // 4
    towns = [f"town {levels[p]:04}" for p in place]
    rows.add("town", towns, towns, "category").number("x2").answer()
    yield rows.file(folder / "many_values.csv", rows.csv())

    for name, words in (
        ("true and false with gaps", ("false", "true")),
        ("yes and no with gaps", ("no", "yes")),
        ("Y and N with gaps", ("N", "Y")),
        ("TRUE and FALSE with gaps", ("FALSE", "TRUE")),
    ):
        rows = Rows(name)
        flags = [words[int(p)] if row % 6 else "" for row, p in enumerate(rows.is_positive)]
        values = [None if not flag else str(flag == words[1]) for flag in flags]
        rows.add("flag", flags, values, "category").number("x2").answer()
        yield rows.file(folder / f"{name.replace(' ', '_')}.csv", rows.csv())

    rows = Rows("codes with leading zeros")
    codes = [
        f"{6 * int(p) + int(n):05}"
        for p, n in zip(rows.is_positive, rows.rng.integers(6, size=300), strict=True)
    ]
    rows.add("zip", codes, None, ("category", "number")).number("x2").answer()
    yield rows.file(folder / "leading_zeros.csv", rows.csv())

    rows = plain("categories that differ in case")
    rows.category("city", ("Tokyo", "tokyo", "TOKYO", "Osaka")).answer()
    yield rows.file(folder / "case.csv", rows.csv())

    rows = plain("numbers and words in equal shares")
    given = [str(row % 10) if row % 2 else "none given" for row in range(rows.n)]
    rows.add("answer", given, given, "category").answer()
    yield rows.file(folder / "half_words.csv", rows.csv())


def ids(folder: Path) -> Iterator[OddFile]:
    """Yield columns that are different in every row, beside a signal."""
    for name, make in (
        ("whole numbers", lambda row, _: str(10_001 + row)),
        ("UUIDs", lambda _, rng: str(uuid.UUID(bytes=rng.bytes(16)))),
        ("names of people", lambda row, _: f"{FIRST[row % 20]} {LAST[row // 20]}"),
        ("hexadecimal hashes", lambda _, rng: rng.bytes(16).hex()),
        ("invoice numbers", lambda row, _: f"INV-2024-{row:06}"),
    ):
        rows = Rows(f"ids: {name}")
        rows.add("id", [make(row, rows.rng) for row in range(rows.n)], None, "left out")
        rows.number("x1", rows.signal).category("c").answer()
        yield rows.file(folder / f"{name.replace(' ', '_')}.csv", rows.csv(), says="id")


FIRST = [f"{a}{b}" for a in ("An", "Be", "Chi", "Da") for b in ("na", "n", "ra", "mi", "to")]
LAST = [f"{a}{b}" for a in ("Ab", "Bak", "Do", "End", "It") for b in ("e", "er", "o")]


def names(folder: Path) -> Iterator[OddFile]:
    """Yield names of columns that libraries, shells or configurations stumble over."""
    for name, columns, words in (
        ("LightGBM's characters", ("price [USD]", 'a{b}:"c",d'), ("model=lightgbm",)),
        ("XGBoost's characters", ("age < 30", "[x]"), ("model=xgboost",)),
        ("quotes", ("it's", 'the "best"'), ()),
        ("an interpolation", ("${y}", "%(x)s {0}"), ()),
        ("emoji", ("🎉 party", "naïve"), ()),
        ("a line break", ("amount\n(JPY)", "x2"), ()),
        ("Japanese with brackets", ("年齢 (歳)", "備考・その他"), ()),
        ("numbers for names", ("1", "2.5"), ()),
        ("words of Python and YAML", ("class", "null"), ()),
        ("names of our own outputs", ("row_id", "y_true"), ()),
        ("double underscores", ("clf__a", "x__y"), ()),
        ("a long name", ("very " * 80 + "long", "x2"), ()),
        ("names that differ in case", ("Value", "value"), ()),
        ("backslashes and slashes", ("C:\\temp", "a/b"), ()),
    ):
        rows = Rows(f"names: {name}")
        first, second = columns
        rows.number(first, rows.signal).number(second).category("c").answer()
        path = folder / f"{name.replace(' ', '_')}.csv"
        yield rows.file(path, rows.csv(), words=words)

    targets = (
        "y,z",
        "${y}",
        "結果 (2024)",
        "a=b",
        "[y]",
        "it's y",
        "the target",
        "y: 1",
        "y{}",
    )
    for number, target in enumerate(targets):
        rows = Rows(f"target {target}")
        rows.number("x1", rows.signal).category("c").answer(name=target)
        path = folder / f"target_{number}.csv"
        yield rows.file(path, rows.csv())


def shapes(folder: Path) -> Iterator[OddFile]:
    """Yield tables that are wide, small, or of one kind only."""
    rows = Rows("1,000 columns")
    rows.number("x1", rows.signal)
    for number in range(999):
        rows.number(f"z{number}")
        del rows.truth[f"z{number}"]
    yield rows.answer().file(folder / "wide.csv", rows.csv(), least_auc=0.7)

    rows = plain("20 rows", 20)
    yield rows.file(folder / "tiny.csv", rows.csv(), least_auc=None)

    rows = Rows("one column to learn from")
    yield rows.number("x1", rows.signal).answer().file(folder / "one.csv", rows.csv())

    rows = Rows("50 classes", 2_000)
    place = np.argsort(np.argsort(rows.signal)) // 40
    rows.number("x1", rows.signal).number("x2").answer()
    rows.texts["y"] = [f"class {p:02}" for p in place]
    rows.labels = tuple(rows.texts["y"])
    yield rows.file(folder / "many_classes.csv", rows.csv())

    rows = Rows("categories only")
    bins = ["low" if v < -0.5 else "high" if v > 0.5 else "mid" for v in rows.signal]
    rows.add("level", bins, bins, "category").category("c").answer()
    yield rows.file(folder / "categories.csv", rows.csv())

    rows = Rows("nothing but noise")
    rows.number("x2").category("c").answer()
    yield rows.file(folder / "noise.csv", rows.csv(), least_auc=None)

    rows = plain("every row twice")
    header, body = rows.csv().split("\n", 1)
    doubled = rows.file(folder / "twice.csv", header + "\n" + body + body)
    rows.labels *= 2
    for name, truth in rows.truth.items():
        rows.add(name, rows.texts[name], (truth.values or ()) * 2, truth.kinds)
    yield rows.file(Path(doubled.path), None)

    rows = Rows("a customer table with everything", 1_000)
    rows.add("顧客ID", [f"C{row:05}" for row in range(rows.n)], None, "left out")
    moments = _moments(rows, whole_days=True)
    rows.add("登録日", [f"{at.year}/{at.month}/{at.day}" for at in moments], None, "date")
    spent = np.round(np.exp(9 + rows.rng.normal(size=rows.n)))
    rows.add("購入額", [f"{v:,.0f}円" for v in spent], list(map(float, spent)), "number")
    rows.add("国", ["日本"] * rows.n, None, "left out")
    rows.category("性別", ("男", "女", ""))
    rows.truth["性別"] = type(rows.truth["国"])(("category",), None)
    remarks = [_remark(rows, row, JAPANESE, ("解約", "満足"), "") for row in range(rows.n)]
    rows.add("備考", remarks, None, "text").answer(("継続", "解約"), "結果")
    content = "顧客一覧,,,,,,\n" + rows.csv(end="\r\n")
    yield rows.file(folder / "customers.csv", content.encode("cp932"))


GROUPS = {
    "dates": dates,
    "texts": texts,
    "categories": categories,
    "ids": ids,
    "names": names,
    "shapes": shapes,
}
