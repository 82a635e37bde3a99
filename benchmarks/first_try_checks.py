"""Compare what was read of an odd file with what is true of it.

The same checks serve tabproof and AutoGluon. A *wrong* number, row or label is one that is not that
of the file; *weak* is what was lost without being wrong: a column that was not used as it could be.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.odd_files.making import OddFile, Truth, Value

RIGHT, WEAK, WRONG, REFUSED = "right", "weak", "wrong", "refused"
LARGEST = 3.4028234663852886e38
# Zones differ by quarters of an hour, at most 14 hours.
ZONE_STEP, ZONE_MOST = 900.0, 14 * 3600.0
MINUTE_SHOWN = 1e-3
TRUE, FALSE = ("true", "yes", "y", "1", "1.0"), ("false", "no", "n", "0", "0.0")


@dataclass(frozen=True)
class Seen:
    """What a program did with a file.

    columns : by name, `kind` and `values` of each feature. error : the line that says why it was
    refused; None if it was not. log : all that was printed; empty if that is not checked.
    is_regression : the target was taken for a quantity, which is an answer to it too.
    """

    error: str | None = None
    columns: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    labels: Sequence[str] = ()
    auc: float | None = None
    log: str = ""
    is_regression: bool = False


@dataclass(frozen=True)
class Verdict:
    """`right`, `weak`, `wrong` or `refused`, and why."""

    outcome: str
    reasons: tuple[str, ...] = ()
    is_trained: bool = False


def judge(file: OddFile, seen: Seen) -> Verdict:
    """Return whether what was done with a file is what should come of it."""
    if seen.error is not None:
        is_meant = file.outcome in ("refused", "either") and re.search(
            file.reason, seen.error, re.IGNORECASE | re.DOTALL
        )
        # An error that is not one line for the user is nobody's refusal.
        if is_meant and not _is_raw(seen.error):
            return Verdict(RIGHT)
        return Verdict(REFUSED, (seen.error,))
    if file.outcome == "refused":
        if seen.is_regression:
            return Verdict(RIGHT, is_trained=True)
        return Verdict(WRONG, ("trained, though it should be refused",), is_trained=True)
    wrong, weak = list(_wrong_rows(file, seen)), list[str]()
    for name, truth in file.columns.items():
        if name == file.target:
            continue
        column = _named(seen.columns, name)
        for is_wrong, reason in _compare(truth, column, len(seen.labels)):
            (wrong if is_wrong else weak).append(f"{name!r}: {reason}")
    if file.least_auc is not None and (seen.auc is None or seen.auc < file.least_auc):
        weak.append(f"the signal is lost: AUC {seen.auc}, at least {file.least_auc} is there")
    if file.says and seen.log and not re.search(file.says, seen.log):
        weak.append(f"the log does not say it (/{file.says}/)")
    outcome = WRONG if wrong else WEAK if weak else RIGHT
    return Verdict(outcome, tuple(wrong + weak), is_trained=True)


def _is_raw(error: str) -> bool:
    return "Traceback" in error or error == "killed"


def _wrong_rows(file: OddFile, seen: Seen) -> list[str]:
    """Compare rows and labels; labels may be spelled as numbers are, but never joined or split."""
    if file.labels is None:
        return []
    if len(seen.labels) != len(file.labels):
        return [f"{len(seen.labels)} rows are kept, not {len(file.labels)}"]
    pairs = set(zip(file.labels, seen.labels, strict=True))
    n_true, n_seen = len(set(file.labels)), len(set(seen.labels))
    if not len(pairs) == n_true == n_seen:
        return [f"labels {sorted(set(seen.labels))[:5]}, not {sorted(set(file.labels))[:5]}"]
    changed = [(a, b) for a, b in pairs if not _is_same_label(a, b)]
    return [f"the label {a!r} became {b!r}" for a, b in changed[:2]]


def _is_same_label(true: str, seen: str) -> bool:
    if true == seen or (_as_boolean(true) is not None and _as_boolean(true) == _as_boolean(seen)):
        return True
    number = _as_number(true)
    return number is not None and number == _as_number(seen)


def _named(columns: Mapping[str, Mapping[str, Any]], name: str) -> Mapping[str, Any] | None:
    """Return a column by its name; white space in names is the reader's choice."""
    by_name = {" ".join(str(key).split()): column for key, column in columns.items()}
    return columns.get(name, by_name.get(" ".join(name.split())))


def _compare(truth: Truth, column: Mapping[str, Any] | None, n_rows: int) -> list[tuple[bool, str]]:
    """Return what differs, each with whether it is wrong."""
    if column is None:
        return [] if "left out" in truth.kinds else [(False, "left out")]
    kind, values = column["kind"], column["values"]
    found: list[tuple[bool, str]] = []
    if kind not in truth.kinds:
        # A number or a date that is none: the cells got an order and a distance that they lack.
        is_wrong = kind in ("number", "date") and "category" in truth.kinds
        found.append((is_wrong, f"read as {kind}, not as {' or '.join(truth.kinds)}"))
    if truth.values is None or len(truth.values) != n_rows:
        return found
    pairs = list(zip(truth.values, values, strict=True))
    if kind == "date":
        return found + _compare_dates(pairs)
    compare = {"number": _is_same_number, "category": _is_same_text, "text": _is_same_text}[kind]
    if kind != "number" and any(isinstance(true, float) for true in truth.values):
        return found  # numbers that became texts are whole, if not used
    if kind == "number" and any(isinstance(true, str) for true in truth.values):
        return found
    differ = [(row, a, b) for row, (a, b) in enumerate(pairs) if not compare(a, b)]
    lost = [each for each in differ if each[2] is None]
    changed = [each for each in differ if each[2] is not None]
    for cells, is_wrong in ((changed, True), (lost, False)):
        if cells:
            row, true, read = cells[0]
            text = f"{len(cells)} cell(s), as in row {row}: {read!r}, not {true!r}"
            found.append((is_wrong, text))
    return found


def _compare_dates(pairs: list[tuple[Value, Value]]) -> list[tuple[bool, str]]:
    numbers = [(a, b) for a, b in pairs if isinstance(a, float) and isinstance(b, float)]
    shifts = {round(b - a, 3) for a, b in numbers}
    found = []
    if len(shifts) > 1 or any(s % ZONE_STEP or abs(s) > ZONE_MOST for s in shifts):
        n = sum(abs(b - a) > MINUTE_SHOWN for a, b in numbers)
        found.append((True, f"{n} date(s) are others, {len(shifts)} different distances"))
    if n := sum(isinstance(a, float) and b is None for a, b in pairs):
        found.append((False, f"{n} date(s) are lost"))
    if n := sum(a is None and b is not None for a, b in pairs):
        found.append((True, f"{n} missing date(s) got a value"))
    return found


def _is_same_number(true: Value, seen: Value) -> bool:
    if true is None or seen is None:
        # An infinite number may be kept by who can hold it.
        return true is seen or (true is None and isinstance(seen, float) and abs(seen) > LARGEST)
    if not isinstance(true, float) or not isinstance(seen, float | int):
        return False
    if abs(true) >= LARGEST:
        return abs(seen) >= LARGEST * (1 - 1e-6) and (true > 0) == (seen > 0)
    return abs(true - seen) <= 1e-12 * max(abs(true), 1.0)


def _is_same_text(true: Value, seen: Value) -> bool:
    if true is None or seen is None:
        return true is seen
    return str(true).strip() == str(seen).strip() or _is_same_label(str(true), str(seen))


def _as_boolean(text: str) -> bool | None:
    word = text.strip().lower()
    return True if word in TRUE else False if word in FALSE else None


def _as_number(text: str) -> float | None:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return None
