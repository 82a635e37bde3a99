"""The content of the page of all runs: a row per run, the keys that differ, and curves.

report/web/runs.js reads it. Values and keys are numbered, and a run has only those in which it
differs from most.
"""

import json
import os
import stat
from base64 import b64encode
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from gzip import compress
from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from tabproof import artifacts
from tabproof.artifacts import COMPLETE, Found, path_text
from tabproof.artifacts.challenges import as_percent
from tabproof.errors import UserError
from tabproof.evaluation_result import LOWER_IS_BETTER, METRICS, rank
from tabproof.report.format import Texts
from tabproof.report.runs_page import RunsContent
from tabproof.runs.compare import LEVEL
from tabproof.runs.page_cache import LINKED, MAX_CAUSE, KnownRun, PageCache
from tabproof.text import shell_word
from tabproof.web import as_json

FORMAT = 1
# Metrics in the page: a stranger's run may have any number of others.
MAX_METRICS = 30
# Maximum characters of a command, which may be a stranger's.
MAX_COMMAND = 4_000

Json = dict[str, Any]
# By the path below outputs, whatever bytes its name has.
Runs = Mapping[bytes, Found]
# By the hash of held-out rows: the runs whose curves are in the page.
Shown = Mapping[str, Sequence[bytes]]


def best_of_each_dataset(found: Iterable[Found]) -> dict[str, Found]:
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
    """Return by run id the names that it was promoted under, or is a challenger of.

    version: from 1, in order. challenge: the kind and the share of a challenger; absent otherwise.
    """
    registry, promoted = artifacts.Registry(models), defaultdict[str, list[Json]](list)
    try:
        names = registry.names()
    except OSError:
        return {}
    for name in names:
        try:
            history = registry.history(name)
        except (UserError, OSError):
            # `runs history` reports what is wrong with it.
            continue
        versions = dict.fromkeys(entry.version for entry in history)
        for number, version in enumerate(versions, start=1):
            is_served = version == history[-1].version
            promoted[version].append({"name": name, "version": number, "served": is_served})
        try:
            challenge = registry.challenge_of(name)
        except (UserError, OSError):
            continue
        if challenge is not None:
            words = f"{challenge.kind} {as_percent(challenge.share)}"
            entry = {"name": name, "version": 0, "served": False, "challenge": words}
            promoted[challenge.run_id].append(entry)
    return promoted


def page_content(
    runs: Runs,
    outputs: Path,
    cache: PageCache,
    *,
    language: str,
    best: Mapping[str, Found],
    promoted: Mapping[str, list[Json]],
    shown: Shown,
) -> RunsContent:
    """Return the content of the page; rows that are made here are kept in the cache.

    best: by dataset. promoted: as of `read_promoted`. shown: as of `page.Reader`.
    """
    texts, found = Texts("report", language), list(runs.values())
    cache.order_metrics(_metrics_of(found))
    facts, differing = _facts([cache.runs.get(key) for key in runs], cache)
    groups, blob = _groups(runs, cache, shown)
    curves = {key: n for members in shown.values() for n, key in enumerate(members)}
    numbers = {rows: number for number, rows in enumerate(shown)}
    rows = []
    for (key, run), differs in zip(runs.items(), differing, strict=True):
        known, record = cache.runs.get(key), run.record
        if known is None:
            row, group = as_json(_row(run, key, list(_files(run.path)), cache.metrics)), None
        else:
            if not known.row:
                known.row = as_json(_row(run, key, known.files, cache.metrics))
                cache.is_changed = True
            row, group = known.row, numbers.get(known.rows)
        cause = record.cause or (known and known.cause) or ""
        names = promoted.get(record.run_id or "")
        # Most runs have neither, and all values are JSON already.
        changing = {
            "cause": as_json(cause[:MAX_CAUSE]) if cause else None,
            "promoted": as_json(names) if names else "[]",
            "differs": differs,
            "group": group,
            "curve": curves.get(key),
        }
        fields = (f'"{name}":{"null" if v is None else v}' for name, v in changing.items())
        rows.append(f"{row[:-1]},{','.join(fields)}}}")
    head = {
        "format": FORMAT,
        "language": language,
        "written": datetime.now().astimezone().isoformat(timespec="seconds"),
        "place": path_text(Path(outputs.absolute().name)),
        "level": LEVEL,
        "metrics": [
            {"name": name, "title": texts.metric(name), "lower": name in LOWER_IS_BETTER}
            for name in cache.metrics
        ],
        **facts,
        "groups": groups,
    }
    places = {run.key: place for place, run in enumerate(found)}
    return RunsContent(
        head,
        rows,
        b64encode(compress(blob, 1, mtime=0)).decode(),
        Counter(run.record.state for run in found),
        Counter(run.record.dataset for run in found),
        {dataset: places[run.key] for dataset, run in best.items()},
    )


# --- A row of the table.


def _metrics_of(found: Sequence[Found]) -> list[str]:
    """Return the metrics of the runs, those of this version first."""
    known = dict.fromkeys(name for run in found for name in run.record.metrics)
    others = [name for name in known if name not in METRICS]
    return [*(name for name in METRICS if name in known), *others][:MAX_METRICS]


def _row(run: Found, key: bytes, files: Sequence[str], metrics: Sequence[str]) -> Json:
    record, parts = run.record, key.split(b"/")
    intervals = [record.interval(name) or (None, None) for name in metrics]
    command = " ".join(["python -m src.train", *map(shell_word, record.overrides)])
    return {
        "id": record.run_id,
        "path": path_text(Path(os.fsdecode(key))),
        "href": quote(key),
        "when": run.when,
        "dataset": record.dataset,
        "model": record.model,
        # Of a run that is not complete, YAML may have made it a date.
        "search": str(record.mode or ""),
        "choices": record.choices,
        "state": record.state,
        "metrics": [record.value(name) for name in metrics],
        "low": [_finite(low) for low, _ in intervals],
        "high": [_finite(high) for _, high in intervals],
        "seconds": _finite(record.seconds),
        "sweep": path_text(Path(os.fsdecode(b"/".join(parts[:-1])))) if len(parts) > 2 else None,
        # Without overrides it is unknown whether a command started the run.
        "command": command if record.overrides and len(command) <= MAX_COMMAND else None,
        "files": files,
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


def _facts(runs: Sequence[KnownRun | None], cache: PageCache) -> tuple[Json, Iterator[str | None]]:
    """Return keys, values and common values; and by run the differences, as JSON."""
    rows = [known.numbers for known in runs if known is not None]
    n_runs, flat = len(rows), np.concatenate([*rows, np.empty(0, np.int32)])
    owner = np.repeat(np.arange(n_runs), [len(row) for row in rows])
    counts = np.bincount(flat, minlength=len(cache.facts))
    used = np.flatnonzero(counts)
    names, values = dict[str, int](), dict[str, int]()
    # By fact: the number of its key, that of its value, and both as they are in the page.
    of_key, of_value = np.zeros(len(cache.facts), int), np.zeros(len(cache.facts), int)
    pairs = [""] * len(cache.facts)
    for fact in used.tolist():
        name, value = cache.facts[fact]
        key, number = names.setdefault(name, len(names)), values.setdefault(value, len(values))
        of_key[fact], of_value[fact], pairs[fact] = key, number, f"[{key},{number}]"
    # The last fact of a key is the most frequent.
    ordered = used[np.lexsort((counts[used], of_key[used]))]
    frequent = ordered[np.diff(of_key[ordered], append=len(names)) != 0]
    n_with_key = np.bincount(of_key[used], counts[used], minlength=len(names))
    common = frequent[counts[frequent] >= n_runs - n_with_key[of_key[frequent]]]
    is_common, column = np.zeros(len(cache.facts), bool), np.full(len(names), -1)
    is_common[common], column[of_key[common]] = True, np.arange(len(common))
    # Every run names the facts that are not common, and the common keys that it lacks.
    columns = column[of_key[flat]]
    has_key = np.zeros((n_runs, len(common)), bool)
    has_key[owner[columns >= 0], columns[columns >= 0]] = True
    lacking, lacked = np.nonzero(~has_key)
    without = [f"[{key},-1]" for key in of_key[common].tolist()]
    is_own = ~is_common[flat]
    own = _by_run(owner[is_own], [pairs[fact] for fact in flat[is_own].tolist()], n_runs)
    absent = _by_run(lacking, [without[place] for place in lacked.tolist()], n_runs)
    texts = (f"[{','.join([*some, *others])}]" for some, others in zip(own, absent, strict=True))
    content = {
        "keys": list(names),
        "values": json.loads(f"[{','.join(values)}]"),
        "common": np.column_stack([of_key[common], of_value[common]]).tolist(),
    }
    return content, (None if known is None else next(texts) for known in runs)


def _by_run(owner: NDArray[np.int64], texts: Sequence[str], n_runs: int) -> Iterator[Sequence[str]]:
    """Yield the texts of each run; owner: the run of each text, ascending."""
    ends = np.searchsorted(owner, np.arange(n_runs + 1)).tolist()
    return (texts[start:end] for start, end in pairwise(ends))


# --- The curves.


def _groups(runs: Runs, cache: PageCache, shown: Shown) -> tuple[list[Json], bytes]:
    """Return the groups of runs with the same held-out rows, and their bytes."""
    groups, parts, offset = [], [], 0
    for rows, members in shown.items():
        group = cache.groups[rows]
        content = b"".join([group.truth, *(cache.runs[key].curve for key in members)])
        groups.append(
            {
                "dataset": runs[members[0]].record.dataset,
                "labels": group.labels,
                "n_rows": group.n_rows,
                "n_curves": len(members),
                "bytes": [offset, len(content)],
            }
        )
        parts.append(content)
        offset += len(content)
    return groups, b"".join(parts)
