"""What differs between a recorded run and this machine or a replay, as lines of text."""

import io
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from tabproof.artifacts import flattened

# The numbers and choices of a summary that a replay must reproduce, whatever the machine.
NUMBERS = (
    "metrics", "intervals", "calibration", "decision", "findings", "best_score", "best_params",
    "ensemble_score", "n_train", "n_test", "n_rows_without_target", "n_candidates", "n_not_tried",
    "rungs", "not_scored", "stopped", "labels", "parity",
)  # fmt: skip
# Maximum names or places per list, and characters per version.
MAX_NAMES, MAX_CHARACTERS = 12, 40


def data_differences(
    then: Mapping[str, Any], now: Mapping[str, Any], n_then: int | None, n_now: int
) -> list[str]:
    """Compare fingerprints, as in summary.json, and name the columns that differ."""
    if then.get("sha256") == now["sha256"]:
        return []
    one, two = dict(then.get("columns", {})), now["columns"]
    common = [name for name in one if name in two]
    lines = [] if n_then in (None, n_now) else [f"{n_then:,} rows, now {n_now:,}"]
    for what, columns in (
        ("changed in", [name for name in common if one[name] != two[name]]),
        ("no longer there:", [name for name in one if name not in two]),
        ("new:", [name for name in two if name not in one]),
    ):
        if what == "changed in" and len(columns) == len(common) > 1:
            lines.append(f"{what} all {len(columns)} columns")
        elif columns:
            more = f", … ({len(columns)} in all)" if len(columns) > MAX_NAMES else ""
            lines.append(f"{what} {', '.join(map(repr, columns[:MAX_NAMES]))}{more}")
    if common != [name for name in two if name in one]:
        lines.append("the order of columns")
    return lines or ["the columns are the same, the places of rows without a target are not"]


def fact_differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Compare versions or machines: `scikit-learn 1.8.0, now 1.9.1`."""
    lines = []
    for key in sorted({*then, *now}):
        one, two = then.get(key), now.get(key)
        if isinstance(one, list) and isinstance(two, list):
            gone = ", ".join(str(each) for each in one if each not in two) or "nothing"
            new = ", ".join(str(each) for each in two if each not in one) or "nothing"
            lines += [f"{key}: {gone} only there, {new} only here"] if one != two else []
        elif one != two:
            # Code that is not from a distribution has a long hash as its version.
            old, new = ("absent" if v is None else str(v)[:MAX_CHARACTERS] for v in (one, two))
            lines.append(f"{key} {old}, now {new}")
    return lines


def recorded_numbers(summary: Mapping[str, Any]) -> dict[str, str]:
    """Return every number that a replay must reproduce, by its place, as JSON.

    As JSON, no digit is lost, and NaN equals itself.
    """
    return {place: _as_json(value) for place, value in flattened(recorded_parts(summary))}


def recorded_parts(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts of a summary that a replay must reproduce."""
    return {key: summary[key] for key in NUMBERS if summary.get(key, {}) != {}}


def number_differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Compare every number that a run recorded: `metrics.roc_auc 0.99, now 0.98`."""
    one, two = recorded_numbers(then), recorded_numbers(now)
    return [
        f"{place} {value}, now {two.get(place, 'absent')}"
        for place, value in one.items()
        # A replay without export has no parity.
        if two.get(place) != value and not (place.startswith("parity") and not now.get("parity"))
    ]


def evidence_differences(then: bytes, now: bytes) -> list[str]:
    """Compare two evaluation.json number by number, and name the places that differ."""
    one, two = (dict(_places(json.loads(content))) for content in (then, now))
    found = [
        f"{place} {one.get(place, 'absent')}, now {two.get(place, 'absent')}"
        for place in {**one, **two}
        if one.get(place) != two.get(place)
    ]
    more = len(found) - MAX_NAMES
    return [*found[:MAX_NAMES], f"and in {more} more places"] if more > 0 else found


def _places(tree: Any, above: str = "") -> Iterator[tuple[str, str]]:
    """Yield every leaf with its place, as in `slices[0].groups[2].n_rows`."""
    if isinstance(tree, dict):
        for name, part in tree.items():
            yield from _places(part, f"{above}.{name}" if above else name)
    elif isinstance(tree, list):
        for number, part in enumerate(tree):
            yield from _places(part, f"{above}[{number}]")
    else:
        yield above, _as_json(tree)


def largest_difference(then: Any, now: Any) -> float:
    """Return the largest difference of numbers in two trees of JSON, relative to those above 1.

    Infinity where anything but the value of a float differs.
    """
    if isinstance(then, dict) and isinstance(now, dict) and then.keys() == now.keys():
        return max((largest_difference(then[key], now[key]) for key in then), default=0.0)
    if isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        return max(map(largest_difference, then, now), default=0.0)
    if isinstance(then, float) and isinstance(now, float) and math.isfinite(then - now):
        return abs(then - now) / max(1.0, abs(then))
    return 0.0 if _as_json(then) == _as_json(now) else math.inf


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def predictions_as_tree(content: bytes) -> dict[str, list[Any]]:
    """Return a predictions.parquet for `largest_difference`."""
    frame = pd.read_parquet(io.BytesIO(content))
    return {str(name): frame[name].tolist() for name in frame}


def prediction_differences(then: bytes, now: bytes) -> list[str]:
    """Compare two predictions.parquet value by value; their bytes may differ."""
    one, two = (pd.read_parquet(io.BytesIO(content)) for content in (then, now))
    if list(one.columns) != list(two.columns):
        return [f"columns {', '.join(one.columns)}, now {', '.join(two.columns)}"]
    if not one["row_id"].equals(two["row_id"]):
        n_common = len(set(one["row_id"]) & set(two["row_id"]))
        if not n_common == len(one) == len(two):
            return [f"{len(one):,} rows held out, now {len(two):,}, of which {n_common:,} the same"]
        return ["the rows held out are the same, in another order"]
    found = [] if one["y_true"].equals(two["y_true"]) else ["the true labels"]
    before, after = (frame.filter(regex="^proba_").to_numpy(np.float64) for frame in (one, two))
    differing = ~((before == after) | (np.isnan(before) & np.isnan(after)))
    if differing.any():
        n_rows, largest = differing.any(axis=1).sum(), np.nanmax(np.abs(before - after))
        found.append(f"{n_rows:,} of {len(one):,} rows, by up to {largest:.3g}")
    return found
