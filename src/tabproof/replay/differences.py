"""What differs between a run and here: each difference in words, by what it is in."""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

# Of a summary: numbers and choices that must come out again, whatever the machine.
NUMBERS = (
    "metrics",
    "intervals",
    "calibration",
    "decision",
    "findings",
    "best_score",
    "best_params",
    "ensemble_score",
    "n_train",
    "n_test",
    "n_rows_without_target",
    "n_candidates",
    "n_not_tried",
    "rungs",
    "not_scored",
    "stopped",
    "labels",
    "parity",
)
# Of a list of names, in one line.
SHOWN = 12


def data_differences(
    then: Mapping[str, Any], now: Mapping[str, Any], n_then: int | None, n_now: int
) -> list[str]:
    """Compare fingerprints, as summary.json holds them, and name the columns."""
    if then.get("sha256") == now["sha256"]:
        return []
    one, two = dict(then.get("columns", {})), now["columns"]
    common = [name for name in one if name in two]
    changed = [name for name in common if one[name] != two[name]]
    found = [] if n_then in (None, n_now) else [f"{n_then:,} rows, now {n_now:,}"]
    found += _named("changed in", changed, all_of=len(common))
    found += _named("no longer there:", [name for name in one if name not in two])
    found += _named("new:", [name for name in two if name not in one])
    if common != [name for name in two if name in one]:
        found.append("the order of columns")
    return found or ["the columns are the same, the places of rows without a target are not"]


def _named(what: str, columns: Sequence[str], all_of: int = 0) -> list[str]:
    if not columns:
        return []
    if len(columns) == all_of > 1:
        return [f"{what} all {all_of} columns"]
    more = f", … ({len(columns)} in all)" if len(columns) > SHOWN else ""
    return [f"{what} {', '.join(repr(name) for name in columns[:SHOWN])}{more}"]


def version_differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Compare versions of libraries: `scikit-learn 1.8.0, now 1.9.1`."""
    return [
        f"{name} {_short(then.get(name))}, now {_short(now.get(name))}"
        for name in sorted({*then, *now})
        if then.get(name) != now.get(name)
    ]


def _short(version: Any) -> str:
    # Code that no distribution brought has a hash for a version.
    return "absent" if version is None else str(version)[:16]


def platform_differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Compare machines: of lists what one has and the other has not."""
    found = []
    for key in sorted({*then, *now}):
        one, two = then.get(key), now.get(key)
        if one == two:
            continue
        if isinstance(one, list) and isinstance(two, list):
            gone = ", ".join(str(each) for each in one if each not in two) or "nothing"
            new = ", ".join(str(each) for each in two if each not in one) or "nothing"
            found.append(f"{key}: {gone} only there, {new} only here")
        else:
            found.append(f"{key}: {one}, now {two}")
    return found


def number_differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Compare every number that a run recorded: `metrics.roc_auc 0.99, now 0.98`."""
    one, two = dict(_leaves(then)), dict(_leaves(now))
    if now.get("parity") is None:
        # Of a scorer that this time was not asked for.
        one = {key: value for key, value in one.items() if not key.startswith("parity")}
    return [
        f"{key} {value}, now {two.get(key, 'absent')}"
        for key, value in one.items()
        if two.get(key) != value
    ]


def count_numbers(summary: Mapping[str, Any]) -> int:
    """Count what `number_differences` compares."""
    return len(dict(_leaves(summary)))


def _leaves(summary: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    # As JSON writes them: no digit is lost, and NaN equals itself.
    for key in NUMBERS:
        value = summary.get(key)
        if isinstance(value, dict):
            yield from ((f"{key}.{name}", _as_json(part)) for name, part in value.items())
        elif key in summary:
            yield key, _as_json(value)


def evidence_differences(then: bytes, now: bytes) -> list[str]:
    """Compare two evaluation.json number for number, and name the places that differ."""
    one, two = (dict(_places(json.loads(content))) for content in (then, now))
    found = [
        f"{place} {one.get(place, 'absent')}, now {two.get(place, 'absent')}"
        for place in {**one, **two}
        if one.get(place) != two.get(place)
    ]
    more = len(found) - SHOWN
    return [*found[:SHOWN], f"and in {more} more places"] if more > 0 else found


def _places(tree: Any, above: str = "") -> Iterator[tuple[str, str]]:
    """Give every leaf with its place, as in `slices[0].groups[2].n_rows`."""
    if isinstance(tree, dict):
        for name, part in tree.items():
            yield from _places(part, f"{above}.{name}" if above else name)
    elif isinstance(tree, list):
        for number, part in enumerate(tree):
            yield from _places(part, f"{above}[{number}]")
    else:
        yield above, _as_json(tree)


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def prediction_differences(then: bytes, now: bytes) -> list[str]:
    """Compare two predictions.parquet value for value; their bytes are the caller's affair."""
    one, two = (pd.read_parquet(io.BytesIO(content)) for content in (then, now))
    if list(one.columns) != list(two.columns):
        return [f"columns {', '.join(one.columns)}, now {', '.join(two.columns)}"]
    if not one["row_id"].equals(two["row_id"]):
        n_common = len(set(one["row_id"]) & set(two["row_id"]))
        if not n_common == len(one) == len(two):
            return [f"{len(one):,} rows held out, now {len(two):,}, of which {n_common:,} the same"]
        return ["the rows held out are the same, in another order"]
    found = [] if one["y_true"].equals(two["y_true"]) else ["the true labels"]
    columns = [name for name in one.columns if name.startswith("proba_")]
    before, after = (frame[columns].to_numpy(np.float64) for frame in (one, two))
    differing = ~((before == after) | (np.isnan(before) & np.isnan(after)))
    if differing.any():
        n_rows, largest = differing.any(axis=1).sum(), np.nanmax(np.abs(before - after))
        found.append(f"{n_rows:,} of {len(one):,} rows, by up to {largest:.3g}")
    return found
