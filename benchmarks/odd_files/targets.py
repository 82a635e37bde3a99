"""Targets: labels that look missing, rare classes, numbers, and words that differ in case."""

from collections.abc import Iterator
from pathlib import Path

from benchmarks.odd_files.making import LEAST_AUC, OddFile, Rows, plain


def labels(folder: Path) -> Iterator[OddFile]:
    """Yield targets whose labels are easily changed or lost."""
    for number, words in enumerate(
        (
            ("EU", "NA"),
            ("Fraud", "None"),
            ("null", "set"),
            ("nan", "inf"),
            ("0", "1"),
            ("0.0", "1.0"),
            ("1", "2"),
            ("-1", "1"),
            ("false", "true"),
            ("FALSE", "TRUE"),
            ("N", "Y"),
            ("いいえ", "はい"),
            ("01", "02"),
            ("<=50K", ">50K"),
            ("-", "+"),
            ("👎", "👍"),
            ("no, thanks", "yes, please"),
            ("2023", "2024"),
            ("1,000", "2,000"),
            ("12345678901234567", "12345678901234568"),
        )
    ):
        rows = plain(f"labels {words[0]} and {words[1]}", labels=words)
        yield rows.file(folder / f"labels_{number:02}.csv", rows.csv())

    rows = plain("labels EU, US and NA")
    rows.texts["y"] = [
        "NA" if value > 0.6 else "US" if value > -0.3 else "EU" for value in rows.signal
    ]
    rows.labels = tuple(rows.texts["y"])
    yield rows.file(folder / "three_with_na.csv", rows.csv())

    rows = plain("yes, Yes and YES")
    spellings = ("yes", "Yes ", "YES")
    rows.texts["y"] = [
        spellings[row % 3] if positive else "no" for row, positive in enumerate(rows.is_positive)
    ]
    rows.labels = tuple(text.strip() for text in rows.texts["y"])
    yield rows.file(
        folder / "yes_yes_yes.csv",
        rows.csv(),
        outcome="either",
        says=r"(?i)yes.*yes.*yes",
        reason=r"(?i)yes.*yes",
        least_auc=None,
    )

    rows = plain("rows without a target")
    texts = [text if row % 10 else "" for row, text in enumerate(rows.texts["y"])]
    kept = [row for row in range(rows.n) if row % 10]
    rows.texts["y"] = texts
    for name, truth in rows.truth.items():
        rows.add(name, rows.texts[name], [(truth.values or ())[row] for row in kept], truth.kinds)
    rows.labels = tuple(texts[row] for row in kept)
    yield rows.file(folder / "gaps.csv", rows.csv(), says="30")

    rows = plain("whole numbers with gaps as target", labels=("0", "1"))
    texts = [text if row % 10 else "" for row, text in enumerate(rows.texts["y"])]
    rows.texts["y"] = texts
    for name, truth in rows.truth.items():
        rows.add(name, rows.texts[name], [(truth.values or ())[row] for row in kept], truth.kinds)
    rows.labels = tuple(texts[row] for row in kept)
    yield rows.file(folder / "gaps_in_numbers.csv", rows.csv(), says="30")

    rows = Rows("the target comes first").answer()
    yield rows.number("x1", rows.signal).category("c").file(folder / "first.csv", rows.csv())


def rare_classes(folder: Path) -> Iterator[OddFile]:
    """Yield classes of a few rows."""
    for n_rare in (1, 2, 3):
        rows = plain(f"a class of {n_rare} row(s)")
        texts = list(rows.texts["y"])
        for row in range(n_rare):
            texts[40 * row + 5] = "maybe"
        rows.texts["y"], rows.labels = texts, tuple(texts)
        if n_rare == 1:  # no model can learn it and be measured on it
            kept = [row for row in range(rows.n) if texts[row] != "maybe"]
            for name, truth in rows.truth.items():
                values = [(truth.values or ())[row] for row in kept]
                rows.add(name, rows.texts[name], values, truth.kinds)
            rows.labels = tuple(texts[row] for row in kept)
        # The AUC of two held-out rows says nothing.
        least = LEAST_AUC if n_rare == 1 else None
        yield rows.file(folder / f"rare_{n_rare}.csv", rows.csv(), says="maybe", least_auc=least)

    rows = plain("two classes, one of two rows")
    texts = ["yes" if row in (30, 200) else "no" for row in range(rows.n)]
    rows.texts["y"], rows.labels = texts, tuple(texts)
    yield rows.file(folder / "two_rows.csv", rows.csv(), says="yes", least_auc=None)

    rows = plain("six positives of 300")
    order = rows.signal.argsort()
    texts = ["no"] * rows.n
    for row in order[-6:]:
        texts[row] = "yes"
    rows.texts["y"], rows.labels = texts, tuple(texts)
    yield rows.file(folder / "two_percent.csv", rows.csv(), least_auc=None)


GROUPS = {"labels": labels, "rare classes": rare_classes}
