"""The target of a table as classes: its words, its numbers in bins, and which label is positive."""

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tabproof.data.cells import Floats, read_numbers
from tabproof.errors import InvalidValueError, UserError
from tabproof.forms import MOST, NA_WORDS, find_number_form, is_exact, missing_numbers, plain
from tabproof.schema import Treatment, make_treatment
from tabproof.scorer import as_category
from tabproof.text import override_word, shell_word

# A target of numbers with more classes than this is meant as a regression.
MAX_NUMERIC_LABELS = 100
NEEDED = "a header and rows with a target are needed"
# Labels that are the positive one of two, in any case.
POSITIVE = frozenset(
    {
        "1",
        "true",
        "t",
        "yes",
        "y",
        "on",
        "positive",
        "pos",
        "+",
        "はい",
        "有",
        "有り",
        "あり",
        "陽性",
    }
)


BINS = "dataset.target_bins"


class DataError(UserError):
    """Data that cannot be used as it is, or not in the way that was asked for."""

    template = "{found}; {remedy}"


class UnknownLabelError(UserError):
    """The positive label is not in the target."""

    template = "dataset.pos_label='{label}' is not in target '{target}'; its labels: {labels}{hint}"


class SingleClassError(UserError):
    """A target, or a part of it, with one class only."""

    template = "{where} holds one class only, '{label}'; at least two are needed"


class QuantityTargetError(UserError):
    """A target of many numbers."""

    template = (
        "target '{target}' holds {n} different numbers: that is a quantity, not classes;"
        " dataset.target_bins=4 makes four classes of equal size, {override} makes two, up to"
        " {middle} and above"
    )


@dataclass(frozen=True)
class TargetReading:
    """How the user says that a target is to be read.

    na_values : words that mean missing; None: no word does. bins : number of classes of equal size
    or bounds between them. is_category : its digits are names.
    """

    pos_label: str | None = None
    na_values: Collection[str] | None = None
    join_labels: bool = False
    min_class_rows: int = 1
    bins: Any = None
    is_category: bool = False


@dataclass(frozen=True)
class Target:
    """codes : of the rows that are kept, into labels. n_missing : rows without a label."""

    codes: NDArray[np.int64]
    labels: tuple[str, ...]
    is_kept: NDArray[np.bool_]
    n_missing: int
    treatments: tuple[Treatment, ...] = ()
    resolved: Mapping[str, Any] = field(default_factory=dict)


def read_target(name: str, cells: pa.Array, reading: TargetReading) -> Target:
    """Make classes of a target; of two labels, the positive one comes second."""
    notes: list[Treatment] = []
    kind = cells.type
    is_category = reading.is_category
    if pa.types.is_dictionary(kind):
        cells, is_category = cells.cast(kind.value_type), True
        kind = cells.type
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        found = f"target '{name}' holds lists or records"
        raise DataError(found=found, remedy="labels are texts or whole numbers")
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        cells = _words(name, cells, reading, notes)
    is_missing = ~cells.is_valid().to_numpy(zero_copy_only=False).astype(bool)
    if pa.types.is_floating(kind):
        is_missing |= np.isnan(cells.to_numpy(zero_copy_only=False))
    if is_missing.all():
        raise DataError(found=f"there are {len(cells)} rows, none with a target", remedy=NEEDED)
    numbers = None if is_category else _numbers(name, cells, reading)
    if numbers is not None and (missing := missing_numbers(reading.na_values or ())):
        is_word = np.isin(numbers, [*missing])
        if not pa.types.is_string(kind) and is_word.any():
            facts = {"words": list(reading.na_values or ()), "n_rows": int(is_word.sum())}
            notes.append(make_treatment("target_missing_words", [name], **facts))
        is_missing |= is_word
        numbers[is_word] = np.nan
    if reading.bins is not None:
        if numbers is None:
            valid = f"null here: target '{name}' is not a number"
            raise InvalidValueError("dataset.target_bins", reading.bins, valid)
        is_missing = np.isnan(numbers)
        codes, labels = _binned(name, numbers, reading.bins)
        notes.append(make_treatment("target_bins", [name], labels=list(labels)))
    elif numbers is not None:
        codes, labels = _numeric_labels(name, cells, numbers, is_missing)
    else:
        codes, labels = _word_labels(name, cells, is_missing, reading, notes)
    is_kept = ~is_missing
    n_missing = int(is_missing.sum())
    if n_missing:
        notes.insert(0, make_treatment("rows_without_target", n_rows=n_missing))
    codes, labels, is_rare = leave_out_rare(
        name, codes, labels, reading.min_class_rows, "rare_classes", notes
    )
    if is_rare.any():
        is_kept[is_kept] = ~is_rare
    codes, labels, resolved = _with_positive(name, codes, labels, reading.pos_label, notes)
    return Target(codes, labels, is_kept, n_missing, tuple(notes), resolved)


def _words(
    name: str, cells: pa.Array, reading: TargetReading, notes: list[Treatment]
) -> pa.DictionaryArray:
    """Return labels without spaces around them; empty ones and words for missing are null.

    Each label is once in the dictionary of what is returned.
    """
    # Few labels stand in many rows: what is done to labels is done once to each.
    encoded = cells.dictionary_encode()
    labels = pc.utf8_trim_whitespace(encoded.dictionary)
    codes = encoded.indices.drop_null().to_numpy()
    counts: dict[str, int] = {}
    for label, n in zip(labels.to_pylist(), np.bincount(codes, minlength=len(labels)), strict=True):
        counts[label] = counts.get(label, 0) + int(n)
    missing = [""]
    if reading.na_values is not None:
        missing += reading.na_values
        if read := [word for word in counts if word and word in reading.na_values]:
            n_rows = sum(counts[word] for word in read)
            notes.append(make_treatment("target_missing_words", [name], words=read, n_rows=n_rows))
    elif kept := [word for word in counts if word in NA_WORDS]:
        n_rows = sum(counts[word] for word in kept)
        override = override_word("dataset.na_values", kept)
        facts = {"words": kept, "n_rows": n_rows, "override": override}
        notes.append(make_treatment("target_words", [name], **facts))
    if {word.lower() for word in counts if word} <= {"true", "false"}:
        labels = pc.utf8_capitalize(labels)
    # Labels that differed in spaces only are one; the code of missing ones is null.
    merged = pc.if_else(
        pc.is_in(labels, pa.array(missing, labels.type)), pa.scalar(None, labels.type), labels
    ).dictionary_encode()
    return pa.DictionaryArray.from_arrays(
        merged.indices.take(encoded.indices), merged.dictionary.cast(pa.string())
    )


def _numbers(name: str, cells: pa.Array, reading: TargetReading) -> Floats | None:
    """Return the numbers of a target; None if it holds words."""
    kind = cells.type
    if pa.types.is_boolean(kind) or pa.types.is_temporal(kind) or pa.types.is_null(kind):
        return None
    if pa.types.is_decimal(kind) or pa.types.is_integer(kind):
        cells = cells.cast(pa.float64(), safe=False)
    if not pa.types.is_dictionary(kind):
        numbers: Floats = np.array(cells.to_numpy(zero_copy_only=False), dtype=np.float64)
        if np.isinf(numbers).any():
            found = f"target '{name}' holds infinite numbers"
            raise DataError(found=found, remedy="labels are texts or whole numbers")
        return numbers
    distinct = cells.dictionary.to_pylist()
    forms = find_number_form(distinct) if distinct else ()
    if not forms:
        return None
    form = forms[0]
    read = read_numbers(pa.array(distinct, pa.string()), form)
    n_read = int((~np.isnan(read)).sum())
    is_said = form.marks or form.scales or form.time
    # 36 months and 60 months are labels as they stand.
    if is_said and reading.bins is None and n_read <= MAX_NUMERIC_LABELS:
        return None
    if n_read < (MOST if reading.bins is not None else 1) * len(distinct):
        if n_read >= MOST * len(distinct) and n_read > MAX_NUMERIC_LABELS:
            raise _quantity(name, read)
        return None
    # Rounded, two labels may become one.
    if not all(map(is_exact, distinct)):
        return None
    # Digits with leading zeros are names.
    if any(len(text) > 1 and text[0] == "0" and text.isdecimal() for text in distinct):
        return None
    # The code of missing labels is that of the number behind the last.
    codes = pc.fill_null(cells.indices, len(distinct)).to_numpy(zero_copy_only=False)
    of_rows: Floats = np.append(read, np.nan)[codes]
    return of_rows


def _quantity(name: str, numbers: Floats) -> QuantityTargetError:
    middle = f"{float(np.nanmedian(numbers)):.6g}"
    n = len(np.unique(numbers[~np.isnan(numbers)]))
    # Bounds in brackets are a pattern of files in zsh: the word is in quotes.
    override = shell_word(f"{BINS}=[{middle}]")
    return QuantityTargetError(target=name, n=n, middle=middle, override=override)


def _numeric_labels(
    name: str, cells: pa.Array, numbers: Floats, is_missing: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    present = pa.array(~is_missing)
    kept = numbers[~is_missing]
    if pa.types.is_integer(cells.type):
        values, codes = np.unique(cells.filter(present).to_numpy(), return_inverse=True)
    elif (kept == np.floor(kept)).all() and (np.abs(kept) < 2.0**63).all():
        # Missing cells turn integers into floats; the label is "1", not "1.0".
        values, codes = np.unique(kept.astype("int64"), return_inverse=True)
    elif pa.types.is_float32(cells.type):
        # Labels of single precision are named as they read.
        values, codes = np.unique(cells.filter(present).to_numpy(), return_inverse=True)
    else:
        values, codes = np.unique(kept, return_inverse=True)
    if len(values) > MAX_NUMERIC_LABELS:
        raise _quantity(name, kept)
    return codes.astype(np.int64), tuple(str(value) for value in values)


def _word_labels(
    name: str,
    cells: pa.Array,
    is_missing: NDArray[np.bool_],
    reading: TargetReading,
    notes: list[Treatment],
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    present = cells.filter(pa.array(~is_missing)) if is_missing.any() else cells
    encoded = present if pa.types.is_dictionary(cells.type) else present.dictionary_encode()
    words = [as_category(value) for value in encoded.dictionary.to_pylist()]
    codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    counts = np.bincount(codes, minlength=len(words))
    alike: dict[str, list[int]] = {}
    for place, word in enumerate(words):
        alike.setdefault(plain(word).casefold(), []).append(place)
    for group in alike.values():
        if len(group) == 1:
            continue
        spellings = sorted(words[place] for place in group)
        if reading.join_labels:
            # The most frequent spelling; of equal ones the first.
            best = min(group, key=lambda place: (-counts[place], words[place]))
            for place in group:
                words[place] = words[best]
            label = words[best]
            notes.append(
                make_treatment("target_labels_joined", [name], labels=spellings, label=label)
            )
        else:
            code, n = "target_labels_differ_by_case", len(spellings)
            notes.append(make_treatment(code, [name], labels=spellings, n_labels=n))
    labels = sorted(set(words))
    place_of = {label: place for place, label in enumerate(labels)}
    places = np.array([place_of[word] for word in words], dtype=np.int64)
    return places[codes] if len(codes) else codes, tuple(labels)


def _binned(name: str, numbers: Floats, bins: Any) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return classes of numbers; a number on a bound is in the lower class."""
    present = numbers[~np.isnan(numbers)]
    valid = "a number of classes from 2 on, or a list of the bounds between them, in order"
    if isinstance(bins, int) and not isinstance(bins, bool) and bins >= 2:
        shares = np.arange(1, bins) / bins
        bounds = np.unique(np.quantile(present, shares, method="inverted_cdf")).tolist()
        # Nothing lies above the greatest number.
        bounds = [bound for bound in bounds if bound < present.max()]
    else:
        is_list = isinstance(bins, Sequence) and not isinstance(bins, str) and len(bins) > 0
        if not is_list or not all(isinstance(b, int | float) and math.isfinite(b) for b in bins):
            raise InvalidValueError("dataset.target_bins", bins, valid)
        bounds = [float(bound) for bound in bins]
        if sorted(set(bounds)) != bounds:
            raise InvalidValueError("dataset.target_bins", bins, valid)
    if not bounds:
        raise SingleClassError(where=f"target '{name}' in bins", label=f"{present.max():.6g}")
    shown = [f"{bound:.15g}" for bound in bounds]
    labels = [f"<= {shown[0]}"]
    labels += [f"{low} < … <= {high}" for low, high in itertools.pairwise(shown)]
    labels.append(f"> {shown[-1]}")
    codes = np.searchsorted(np.array(bounds), present, side="left").astype(np.int64)
    used = np.unique(codes)
    return np.searchsorted(used, codes).astype(np.int64), tuple(labels[code] for code in used)


def leave_out_rare(
    name: str,
    codes: NDArray[np.int64],
    labels: tuple[str, ...],
    least: int,
    treatment: str,
    notes: list[Treatment],
) -> tuple[NDArray[np.int64], tuple[str, ...], NDArray[np.bool_]]:
    """Leave classes with fewer rows out: new codes and labels, and which rows are left out."""
    counts = np.bincount(codes, minlength=len(labels))
    rare = [code for code in range(len(labels)) if counts[code] < least]
    # With fewer than two classes nothing can be learned: the error about them says more.
    if not rare or len(labels) - len(rare) < 2:
        return codes, labels, np.zeros(len(codes), dtype=bool)
    is_rare: NDArray[np.bool_] = np.isin(codes, rare)
    shown = [labels[code] for code in rare]
    facts = {"labels": shown, "n_rows": int(is_rare.sum()), "least": least}
    notes.append(make_treatment(treatment, [name], **facts))
    kept = [code for code in range(len(labels)) if code not in rare]
    place = np.full(len(labels), -1, dtype=np.int64)
    place[kept] = np.arange(len(kept))
    return place[codes[~is_rare]], tuple(labels[code] for code in kept), is_rare


def _with_positive(
    name: str,
    codes: NDArray[np.int64],
    labels: tuple[str, ...],
    pos_label: str | None,
    notes: list[Treatment],
) -> tuple[NDArray[np.int64], tuple[str, ...], dict[str, Any]]:
    """Put the positive label of two last."""
    if len(labels) == 1:
        raise SingleClassError(where=f"target '{name}'", label=labels[0])
    resolved = {}
    if pos_label is not None:
        if pos_label not in labels:
            hint = " (unquoted yes, no, on, off are booleans in YAML: quote them)"
            hint = hint if pos_label in ("True", "False") else ""
            raise UnknownLabelError(label=pos_label, target=name, labels=labels, hint=hint)
        if len(labels) > 2:
            valid = f"null here: target '{name}' has {len(labels)} classes, all alike"
            raise InvalidValueError("dataset.pos_label", pos_label, valid)
    elif len(labels) == 2:
        counts = np.bincount(codes, minlength=2)
        words = [label for label in labels if plain(label).casefold() in POSITIVE]
        if len(words) == 1:
            code, pos_label = "pos_label_word", words[0]
        elif counts[0] != counts[1]:
            code, pos_label = "pos_label_rarer", labels[int(counts.argmin())]
        else:
            code, pos_label = "pos_label_last", labels[1]
        notes.append(make_treatment(code, [name], label=pos_label))
        resolved["pos_label"] = pos_label
    if len(labels) == 2 and pos_label == labels[0]:
        return 1 - codes, (labels[1], labels[0]), resolved
    return codes, labels, resolved
