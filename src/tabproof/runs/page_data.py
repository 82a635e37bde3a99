"""What the page of all runs is made of: a row per run, the keys that differ, and curves.

The form is read by report/web/runs.js. Values and keys are numbered, and a run names only those in
which it differs from most.
"""

import json
import os
import stat
from base64 import b64encode
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from gzip import compress
from math import isfinite
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from tabproof import artifacts
from tabproof.artifacts import COMPLETE, Found, one_line, path_text
from tabproof.errors import UserError
from tabproof.evaluation_result import LOWER_IS_BETTER, METRICS, rank
from tabproof.report.format import Texts
from tabproof.runs.compare import LEVEL
from tabproof.runs.page_cache import LINKED, MAX_CAUSE, PageCache
from tabproof.text import shell_word

FORMAT = 1
# Metrics in the page: a stranger's run may have any number of others.
MAX_METRICS = 30
# Of a command, which may be a stranger's.
MAX_COMMAND = 4_000

Json = dict[str, Any]
# By the hash of held-out rows: the runs whose curves are in the page.
Shown = Mapping[str, Sequence[bytes]]


def key_of(run: Found, outputs: Path) -> bytes:
    """Return the path of a run below outputs, whatever bytes its name has."""
    return os.fsencode(run.path.relative_to(outputs))


def best_of_each_dataset(found: Sequence[Found]) -> dict[str, Found]:
    """Return the best complete run by dataset, by the first metric that its runs have."""
    members: dict[str, list[Found]] = defaultdict(list)
    for run in found:
        if run.record.state in COMPLETE:
            members[run.record.dataset].append(run)
    best = {}
    for dataset, runs in sorted(members.items()):
        metric = main_metric(runs)
        best[dataset] = min(runs, key=lambda run: rank(run.record.value(metric), metric))
    return best


def main_metric(runs: Sequence[Found]) -> str:
    """Return the first metric that one of the runs has."""
    known = (m for m in METRICS if any(run.record.value(m) is not None for run in runs))
    return next(known, METRICS[0])


def read_promoted(models: Path) -> dict[str, list[Json]]:
    """Return by run id the names that it was promoted under; version: from 1, in order."""
    registry, promoted = artifacts.Registry(models), defaultdict[str, list[Json]](list)
    try:
        names = registry.names()
    except OSError:
        return {}
    for name in names:
        try:
            history = registry.history(name)
        except (UserError, OSError):
            # `runs history` says what is wrong with it.
            continue
        versions = dict.fromkeys(entry.version for entry in history)
        for number, version in enumerate(versions, start=1):
            is_served = version == history[-1].version
            promoted[version].append({"name": name, "version": number, "served": is_served})
    return promoted


def page_data(
    found: Sequence[Found],
    outputs: Path,
    cache: PageCache,
    *,
    language: str,
    promoted: Mapping[str, list[Json]],
    shown: Shown,
) -> tuple[Json, str]:
    """Return the content of the page, and its curves as text."""
    texts, names = Texts("report", language), _metrics_of(found)
    keys = [key_of(run, outputs) for run in found]
    facts = _facts(cache, keys)
    groups, blob = _groups(found, keys, cache, shown)
    curves = {key: n for members in shown.values() for n, key in enumerate(members)}
    numbers = {rows: number for number, rows in enumerate(shown)}
    rows = []
    for run, key, differing in zip(found, keys, facts.pop("differs"), strict=True):
        known = cache.runs.get(key)
        row = _row(run, key, names)
        if known is None:
            row["files"] = list(_files(run.path))
        else:
            row["files"], row["cause"] = known.files, row["cause"] or known.cause or None
        row["promoted"] = promoted.get(run.record.run_id or "", [])
        row["differs"] = differing
        row["group"] = None if known is None else numbers.get(known.rows)
        row["curve"] = curves.get(key)
        rows.append(row)
    n_complete = sum(run.record.state in COMPLETE for run in found)
    content = {
        "format": FORMAT,
        "language": language,
        "written": datetime.now().astimezone().isoformat(timespec="seconds"),
        "place": path_text(Path(outputs.absolute().name)),
        "level": LEVEL,
        "metrics": [
            {"name": name, "title": texts.metric(name), "lower": name in LOWER_IS_BETTER}
            for name in names
        ],
        **facts,
        "runs": rows,
        "groups": groups,
        "left_out": n_complete - len(curves),
    }
    return content, b64encode(compress(blob, 1, mtime=0)).decode()


# --- A row of the table.


def _metrics_of(found: Sequence[Found]) -> list[str]:
    """Return the metrics of the runs, those of this version first."""
    known = dict.fromkeys(name for run in found for name in run.record.metrics)
    others = [name for name in known if name not in METRICS]
    return [*(name for name in METRICS if name in known), *others][:MAX_METRICS]


def _row(run: Found, key: bytes, metrics: Sequence[str]) -> Json:
    record, parts = run.record, key.split(b"/")
    intervals = [record.interval(name) or (None, None) for name in metrics]
    command = " ".join(["python -m src.train", *map(shell_word, record.overrides)])
    return {
        "id": record.run_id,
        "path": path_text(Path(os.fsdecode(key))),
        "href": quote(key),
        "when": run.when,
        "dataset": one_line(record.dataset),
        "model": one_line(record.model),
        "search": one_line(record.mode or ""),
        "choices": one_line(record.choices),
        "state": record.state,
        "cause": record.cause and record.cause[:MAX_CAUSE],
        "metrics": [record.value(name) for name in metrics],
        "low": [_finite(low) for low, _ in intervals],
        "high": [_finite(high) for _, high in intervals],
        "seconds": _finite(record.seconds),
        "sweep": path_text(Path(os.fsdecode(b"/".join(parts[:-1])))) if len(parts) > 2 else None,
        # Without overrides it is unknown whether a command started the run.
        "command": command if record.overrides and len(command) <= MAX_COMMAND else None,
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None


def _files(run: Path) -> Iterator[str]:
    """Yield the files that are there; a link may lead anywhere."""
    for name in LINKED:
        try:
            mode = (run / name).lstat().st_mode
        except (OSError, ValueError):
            continue
        if stat.S_ISREG(mode):
            yield name


# --- The keys that differ.


def _facts(cache: PageCache, keys: Sequence[bytes]) -> Json:
    """Return keys, values, the common values, and by run the numbers of those that differ."""
    runs = [cache.runs.get(key) for key in keys]
    rows = [run.numbers for run in runs if run is not None]
    places = {place: n for n, place in enumerate(p for p, run in enumerate(runs) if run)}
    n_runs, flat = len(rows), np.concatenate([*rows, np.empty(0, np.int32)]).astype(np.int64)
    owner = np.repeat(np.arange(n_runs), [len(row) for row in rows])
    counts = np.bincount(flat, minlength=len(cache.facts))
    used = np.flatnonzero(counts)
    names: dict[str, int] = {}
    values: dict[str, int] = {}
    key_of_fact, value_of_fact = (np.zeros(len(cache.facts), np.int64) for _ in range(2))
    for fact in used.tolist():
        name, value = cache.facts[fact]
        key_of_fact[fact] = names.setdefault(name, len(names))
        value_of_fact[fact] = values.setdefault(value, len(values))
    # The last fact of a key is the most frequent.
    ordered = used[np.lexsort((counts[used], key_of_fact[used]))]
    is_last = np.append(np.diff(key_of_fact[ordered]) != 0, [True] * bool(len(ordered)))
    frequent = ordered[is_last.astype(bool)]
    n_with_key = np.bincount(key_of_fact[used], counts[used], minlength=len(names))
    n_without = n_runs - n_with_key[key_of_fact[frequent]]
    common = frequent[counts[frequent] >= n_without]
    is_common = np.zeros(len(cache.facts), bool)
    is_common[common] = True
    column = np.full(len(names), -1)
    column[key_of_fact[common]] = np.arange(len(common))
    # Every run names the facts that are not common, and the common keys that it lacks.
    own = ~is_common[flat]
    has_key = np.zeros((n_runs, len(common)), bool)
    columns = column[key_of_fact[flat]]
    has_key[owner[columns >= 0], columns[columns >= 0]] = True
    lacking, lacked = np.nonzero(~has_key)
    owners = np.concatenate([owner[own], lacking])
    pairs = np.column_stack(
        [
            np.concatenate([key_of_fact[flat[own]], key_of_fact[common][lacked]]),
            np.concatenate([value_of_fact[flat[own]], np.full(len(lacked), -1)]),
        ]
    )
    order = np.argsort(owners, kind="stable")
    ends = np.searchsorted(owners[order], np.arange(n_runs + 1)).tolist()
    listed = pairs[order].tolist()
    return {
        "keys": list(names),
        "values": json.loads(f"[{','.join(values)}]"),
        "common": np.column_stack([key_of_fact[common], value_of_fact[common]]).tolist(),
        "differs": [
            listed[ends[places[place]] : ends[places[place] + 1]] if place in places else None
            for place in range(len(keys))
        ],
    }


# --- The curves.


def _groups(
    found: Sequence[Found], keys: Sequence[bytes], cache: PageCache, shown: Shown
) -> tuple[list[Json], bytes]:
    """Return the groups of runs with the same held-out rows, and their bytes."""
    datasets = {key: run.record.dataset for key, run in zip(keys, found, strict=True)}
    groups, parts, offset = [], [], 0
    for rows, members in shown.items():
        group = cache.groups[rows]
        content = b"".join([group.truth, *(cache.runs[key].curve for key in members)])
        groups.append(
            {
                "dataset": one_line(datasets[members[0]]),
                "labels": group.labels,
                "n_rows": group.n_rows,
                "n_curves": len(members),
                "bytes": [offset, len(content)],
            }
        )
        parts.append(content)
        offset += len(content)
    return groups, b"".join(parts)
