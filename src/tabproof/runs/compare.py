"""Compare runs: what differs between them, and whether it is more than noise."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from shutil import get_terminal_size
from typing import Any

from tabproof import artifacts, text
from tabproof.errors import InvalidValueError, listed
from tabproof.runs.listing import format_metric

# Differences with a larger p-value are called noise.
LEVEL = 0.05
# Maximum characters shown per value, and keys shown per section: two tables may share no column.
MAX_CHARACTERS, MAX_KEYS = 40, 40
PROVENANCE = ("versions", "platform", "git", "code")


def compare(names: Sequence[str], *, outputs: Path, models: Path, as_json: bool) -> str:
    """Show runs side by side: metrics, only the keys that differ, and tests against the first."""
    if len(names) < 2:
        valid = "two runs or more, each by its directory, the beginning of its id, or 'latest'"
        raise InvalidValueError("compare", listed(names), valid)
    places = [artifacts.find_run(name, outputs, models) for name in names]
    runs = [artifacts.read_complete_run(place) for place in places]
    summaries = [run.summary for run in runs]
    sections: dict[str, list[Mapping[str, Any]]] = {
        "configuration": [run.config for run in runs],
        "best parameters": [run.record.best_params for run in runs],
        "data": [asdict(summary.data) for summary in summaries],
        "code and versions": [{key: getattr(s, key) for key in PROVENANCE} for s in summaries],
    }
    differing: dict[str, dict[str, list[Any]]] = {}
    for title, trees in sections.items():
        flat = [dict(artifacts.flattened(tree)) for tree in trees]
        # In the order of the files, so that what belongs together stays together.
        keys = dict.fromkeys(key for each in flat for key in each)
        rows = {key: [each.get(key, "-") for each in flat] for key in keys}
        # 1 and 1.0 and true are different values.
        differing[title] = {
            key: values
            for key, values in rows.items()
            if any(v != values[0] or type(v) is not type(values[0]) for v in values)
        }
    tests = [_test(runs[0], other) for other in runs[1:]]
    if not as_json:
        return _as_text(runs, differing, tests)
    fields = ("run_id", "dataset", "model", "metrics", "intervals", "seconds", "best_params")
    content = {
        "runs": [
            {"path": artifacts.path_text(run.path)}
            | {key: getattr(run.record, key) for key in fields}
            for run in runs
        ],
        "differing": differing,
        "against_the_first": tests,
    }
    return json.dumps(content, indent=2, ensure_ascii=False)


def _test(first: artifacts.CompleteRun, other: artifacts.CompleteRun) -> dict[str, Any]:
    """Test a run against the first on the same rows, or say why that is not possible."""
    # Takes a second to import, which an error should not wait for.
    from tabproof.evaluation.comparison import compare_in_all

    pair = {"run": other.run_id, "first": first.run_id}
    ours, theirs = artifacts.read_predictions(other.path), artifacts.read_predictions(first.path)
    obstacle = artifacts.differing_rows(ours, theirs)
    if obstacle is not None:
        return {**pair, "obstacle": obstacle[0], "tests": []}
    rows, their_rows = ours.hold_out(), theirs.hold_out()
    y = rows["y_true"].to_numpy()
    proba, their_proba = (frame.drop(columns="y_true").to_numpy() for frame in (rows, their_rows))
    thresholds = (ours.summary.threshold, theirs.summary.threshold)
    tests = [
        {**asdict(test), "difference": test.difference, "is_noise": not test.p_value < LEVEL}
        for test in compare_in_all(y, proba, their_proba, thresholds)
    ]
    return {**pair, "rows": len(y), "tests": tests}


def _as_text(
    runs: Sequence[artifacts.CompleteRun],
    differing: Mapping[str, Mapping[str, list[Any]]],
    tests: Sequence[Mapping[str, Any]],
) -> str:
    metrics = dict.fromkeys(name for run in runs for name in run.record.metrics)
    rows = [
        ["", *(run.run_id for run in runs)],
        ["dataset", *(run.record.dataset for run in runs)],
        ["model", *(artifacts.one_line(run.record.model) for run in runs)],
        *(
            [name, *(format_metric(run.record, name, " ({:.4f} … {:.4f})") for run in runs)]
            for name in metrics
        ),
        ["seconds", *("" if (s := run.record.seconds) is None else f"{s:.1f}" for run in runs)],
    ]
    blank = ["" for _ in runs]
    for title, keys in differing.items():
        rows.append([f"-- {title}" + ("" if keys else ": the same"), *blank])
        rows += [
            [artifacts.one_line(key), *map(_shown, keys[key])] for key in list(keys)[:MAX_KEYS]
        ]
        if len(keys) > MAX_KEYS:
            rows.append([f"… and {len(keys) - MAX_KEYS} more (--json)", *blank])
    # In a file or a pipe, values are needed whole.
    width, flexible = get_terminal_size((1 << 20, 24)).columns, range(len(runs), 0, -1)
    lines = [text.aligned(rows, width=width, flexible=flexible)]
    for found in tests:
        head, obstacle = f"-- {found['run']} against {found['first']}", found.get("obstacle")
        why = f": no test is possible, since {obstacle} differ"
        lines.append(head + (why if obstacle else f", on the same {found['rows']:,} rows held out"))
        lines += [
            f"   {test['metric']} {test['difference']:+.4f}, p = {test['p_value']:.2g}"
            f" ({test['test']}): {'no more' if test['is_noise'] else 'more'} than noise"
            for test in found["tests"]
        ]
    where = [f"   {run.run_id}  {artifacts.one_line(str(run.path))}" for run in runs]
    return "\n".join([*lines, "-- where", *where])


def _shown(value: Any) -> str:
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    shown = artifacts.one_line(shown)
    return shown if len(shown) <= MAX_CHARACTERS else f"{shown[:MAX_CHARACTERS]}…"
