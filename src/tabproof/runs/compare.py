"""The story of a comparison: what differs between runs, and whether it is more than noise."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

from tabproof import artifacts, text
from tabproof.runs.errors import TooFewRunsError
from tabproof.runs.listing import number, width

LEVEL = 0.05
# No terminal shows a table in a file or a pipe, and its values are needed whole.
ENDLESS = 1 << 20
# No terminal shows a table in a file or a pipe, and its values are needed whole.
ENDLESS = 1 << 20
# Of a value, so many letters.
SHOWN = 40
# What identifies the run rather than makes it another, and what is told elsewhere.
SAID = ("versions", "platform", "git", "code")
ABSENT = "-"
# Of one kind, so many keys: two tables may have no column in common.
MOST = 40


def compare(names: Sequence[str], *, outputs: Path, models: Path, as_json: bool) -> str:
    """Show runs side by side: metrics, only the keys that differ, and tests against the first."""
    if len(names) < 2:
        raise TooFewRunsError(names)
    facts = [
        artifacts.read_complete_run(artifacts.find_run(name, outputs, models)) for name in names
    ]
    differing = {
        "configuration": _differing([each.config for each in facts]),
        "best parameters": _differing([each.record.best_params for each in facts]),
        "data": _differing([asdict(each.summary.data) for each in facts]),
        "code and versions": _differing(
            [{key: getattr(each.summary, key) for key in SAID} for each in facts]
        ),
    }
    verdicts = [_tested(facts[0], other) for other in facts[1:]]
    if as_json:
        content = {
            "runs": [_plain(each) for each in facts],
            "differing": differing,
            "against_the_first": verdicts,
        }
        return json.dumps(content, indent=2, ensure_ascii=False)
    return _as_text(facts, differing, verdicts)


Differing = dict[str, list[Any]]


def _differing(trees: Sequence[Mapping[str, Any]]) -> Differing:
    """Give the keys whose values are not all the same, with the value of each."""
    flat = [dict(artifacts.flattened(tree)) for tree in trees]
    # In the order of the files, so that what belongs together stands together.
    keys = dict.fromkeys(key for each in flat for key in each)
    rows = {key: [each.get(key, ABSENT) for each in flat] for key in keys}
    return {
        key: values
        for key, values in rows.items()
        if any(one != other or type(one) is not type(other) for one, other in pairwise(values))
    }


def _plain(facts: artifacts.CompleteRun) -> dict[str, Any]:
    record = facts.record
    return {
        "path": artifacts.path_text(facts.path),
        "run_id": facts.run_id,
        "dataset": record.dataset,
        "metrics": record.metrics,
        "intervals": record.intervals,
        "seconds": record.seconds,
        "best_params": record.best_params,
    }


def _tested(first: artifacts.CompleteRun, other: artifacts.CompleteRun) -> dict[str, Any]:
    """Test a run against the first on the same rows, or say why that is not possible."""
    # A second to import; whoever is refused need not wait for it.
    from tabproof.evaluation.comparison import compare_in_all

    pair = {"run": other.run_id, "first": first.run_id}
    ours, theirs = artifacts.read_predictions(other.path), artifacts.read_predictions(first.path)
    obstacle = artifacts.differing_rows(ours, theirs)
    if obstacle is not None:
        return {**pair, "obstacle": obstacle[0], "tests": []}
    rows, their_rows = ours.hold_out(), theirs.hold_out()
    y = rows["y_true"].to_numpy()
    probas = [frame.drop(columns="y_true").to_numpy() for frame in (rows, their_rows)]
    tests = [
        {**asdict(test), "difference": test.difference, "is_noise": not test.p_value < LEVEL}
        for test in compare_in_all(y, *probas)
    ]
    return {**pair, "rows": len(y), "tests": tests}


def _as_text(
    facts: Sequence[artifacts.CompleteRun],
    differing: Mapping[str, Differing],
    verdicts: Sequence[Mapping[str, Any]],
) -> str:
    metrics = dict.fromkeys(name for each in facts for name in each.record.metrics)
    rows = [
        ["", *(each.run_id for each in facts)],
        ["dataset", *(each.record.dataset for each in facts)],
        *([name, *(_metric(each, name) for each in facts)] for name in metrics),
        ["seconds", *("" if (s := e.record.seconds) is None else f"{s:.1f}" for e in facts)],
    ]
    for title, keys in differing.items():
        rows.append([f"-- {title}" + ("" if keys else ": the same"), *("" for _ in facts)])
        rows += [[artifacts.one_line(key), *map(_shown, keys[key])] for key in list(keys)[:MOST]]
        if len(keys) > MOST:
            rows.append([f"… and {len(keys) - MOST} more (--json)", *("" for _ in facts)])
    flexible = range(len(facts), 0, -1)
    table = text.aligned(rows, width=width(ENDLESS), headings=rows[0], flexible=flexible)
    lines = [f"   {each.run_id}  {artifacts.one_line(str(each.path))}" for each in facts]
    return "\n".join([table, *(_worded(verdict) for verdict in verdicts), "-- where", *lines])


def _metric(facts: artifacts.CompleteRun, name: str) -> str:
    interval = facts.record.interval(name)
    between = "" if interval is None else " ({:.4f} … {:.4f})".format(*interval)
    return number(facts.record.value(name)) + between


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = artifacts.one_line(text)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _worded(verdict: Mapping[str, Any]) -> str:
    head = f"-- {verdict['run']} against {verdict['first']}"
    if "obstacle" in verdict:
        return f"{head}: no test is possible, since {verdict['obstacle']} differ"
    lines = [f"{head}, on the same {verdict['rows']:,} rows held out"]
    for test in verdict["tests"]:
        meaning = "no more than noise" if test["is_noise"] else "more than noise"
        lines.append(
            f"   {test['metric']} {test['difference']:+.4f},"
            f" p = {test['p_value']:.2g} ({test['test']}): {meaning}"
        )
    return "\n".join(lines)
