"""The story of a page for many runs: which can be compared, what is read of them, what is told.

However many there are, predictions are read of the best few only, and the page says so.
"""

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING
from urllib.parse import quote

from tabproof import artifacts
from tabproof.artifacts.errors import UnverifiedRunError
from tabproof.errors import InvalidValueError, UserError
from tabproof.evaluation_result import LOWER_IS_BETTER, METRICS, Estimate
from tabproof.text import LANGUAGES

if TYPE_CHECKING:
    from tabproof.report.contenders import Contender, Failure, Group, HoldOut

# Of a group, so many runs are tested, and so many stand in the table.
MOST_READ, MOST_ROWS = 20, 100
# Groups on one page.
MOST_GROUPS = 12
# What decides which rows are held out, as far as it was said.
DIVIDING = {"seed", "cv", "dataset", "experiment"}
FILES = ("leaderboard.csv", "leaderboard.md", "sweep.log")

Members = list[artifacts.Found]


@dataclass
class Reading:
    """What came of reading: runs that cannot be, with the reason, and how many were left out."""

    page: Path
    metric: str | None
    refused: dict[Path, str] = field(default_factory=dict)
    n_left_out: int = 0

    def try_to_read(self, run: artifacts.Found) -> "tuple[str, HoldOut] | None":
        """Read what a run said of its rows, once it is verified, and what tells these rows."""
        place = _place_of(run)
        try:
            return _read(place)
        except UserError as error:
            self.refused[run.path] = str(error)
        except OSError as error:
            self.refused[run.path] = f"{place} cannot be read: {error.strerror}"
        return None


def write_page(
    page: Path,
    found: Sequence[artifacts.Found],
    *,
    name: str,
    language: str | None = None,
    metric: str | None = None,
    n_not_begun: int = 0,
) -> float:
    """Put runs side by side on a page; gives the seconds that it took.

    language: by default that of the runs' own pages. metric: to rank by, by default the first
    that runs have. Raises InvalidValueError where the page would lie in a run, which is sealed.
    """
    begun = perf_counter()
    if artifacts.is_complete(page.parent):
        valid = "a place outside of runs, such as that of a sweep; a run has a page of its own"
        raise InvalidValueError("the page", str(page), valid)
    # Two seconds to import: whoever lists runs need not wait for it.
    from tabproof.report.contenders import Sweep
    from tabproof.report.side_by_side import make_section, render_sweep

    complete = [run for run in found if run.record.state in artifacts.COMPLETE]
    language = language or _language_of(complete)
    reading = Reading(page, metric)
    sections = [make_section(group, language) for group in _groups(complete, reading)]
    failures = _failures(found, reading)
    sweep = Sweep(
        name=name,
        n_complete=len(found) - len(failures),
        n_jobs=len(found) + n_not_begun,
        n_not_begun=n_not_begun,
        n_left_out=reading.n_left_out,
        failures=failures,
        files={each: each for each in FILES if (page.parent / each).is_file()},
    )
    artifacts.write_atomically(page, render_sweep(sweep, sections, language).encode())
    return perf_counter() - begun


def _groups(complete: Members, reading: Reading) -> "Iterator[Group]":
    """Give runs that can be compared with each other; what is read of them is held for one."""
    groups = _of_same_rows(complete, reading)
    n_of_dataset = Counter(members[0].record.dataset for _, members in groups)
    numbers: Counter[str] = Counter()
    for place, (rows, members) in enumerate(groups):
        dataset = members[0].record.dataset
        numbers[dataset] += 1
        number = numbers[dataset] if n_of_dataset[dataset] > 1 else None
        group = _group(f"group-{place}", rows, members, number, reading)
        if group is not None:
            yield group


def _of_same_rows(complete: Members, reading: Reading) -> list[tuple[str | None, Members]]:
    """Put together what held out the same rows, by the first of each that can be read.

    Runs of one division, as it was said, are taken to have the same rows until they are read.
    """
    divisions: dict[tuple[str, ...], Members] = defaultdict(list)
    for run in complete:
        divisions[_division_of(run.record)].append(run)
    largest = sorted(divisions.values(), key=lambda members: -len(members))
    reading.n_left_out = sum(map(len, largest[MOST_GROUPS:]))
    groups: dict[tuple[str, str | None], Members] = defaultdict(list)
    for members in largest[:MOST_GROUPS]:
        first = _ranked(members, _metric_of(members, reading))[:MOST_READ]
        read = (reading.try_to_read(run) for run in first)
        rows = next((each[0] for each in read if each is not None), None)
        groups[members[0].record.dataset, rows] += members
    return [(rows, groups[dataset, rows]) for dataset, rows in sorted(groups, key=lambda g: g[0])]


def _group(
    group_id: str, rows: str | None, members: Members, number: int | None, reading: Reading
) -> "Group | None":
    from tabproof.report.contenders import Group

    metric = _metric_of(members, reading)
    same: dict[str | None, Members] = defaultdict(list)
    for run in _ranked(members, metric):
        if run.path not in reading.refused:
            # One id, the same numbers.
            same[run.record.run_id].append(run)
    contenders: list[Contender] = []
    for place, alike in enumerate(same.values()):
        if len(contenders) == MOST_ROWS:
            break
        read = reading.try_to_read(alike[0]) if place < MOST_READ else None
        if alike[0].path not in reading.refused:
            contenders.append(_contender(alike, metric, rows, read, reading.page))
    if not contenders:
        return None
    n_runs = sum(run.path not in reading.refused for run in members)
    return Group(group_id, members[0].record.dataset, metric, contenders, n_runs, number)


def _contender(
    alike: Members,
    metric: str,
    rows: str | None,
    read: "tuple[str, HoldOut] | None",
    page: Path,
) -> "Contender":
    from tabproof.report.contenders import Contender

    run, record = alike[0], alike[0].record
    is_of_these = read is not None and read[0] == rows
    return Contender(
        run_id=str(record.run_id),
        choices=artifacts.choices_by_key(record.overrides),
        metrics={metric: Estimate(record.value(metric), *(record.interval(metric) or ()))},
        seconds=record.seconds,
        link=_link(_place_of(run) / artifacts.REPORT, page),
        n_times=len(alike),
        note=record.cause,
        hold_out=read[1] if read is not None and is_of_these else None,
        has_other_rows=read is not None and not is_of_these,
    )


def _failures(found: Sequence[artifacts.Found], reading: Reading) -> "list[Failure]":
    from tabproof.report.contenders import Failure

    told = [
        (run, "damaged" if run.path in reading.refused else run.record.state)
        for run in found
        if run.path in reading.refused or run.record.state not in artifacts.COMPLETE
    ]
    return [
        Failure(
            name=artifacts.path_text(Path(run.path.name)),
            dataset=run.record.dataset,
            state=state,
            cause=artifacts.one_line(reading.refused.get(run.path) or run.record.cause or ""),
            link=_link(artifacts.RunDirectory(run.path).log, reading.page),
        )
        for run, state in told
    ]


def _read(place: Path) -> "tuple[str, HoldOut]":
    import numpy as np
    import pandas as pd

    from tabproof.report.contenders import HoldOut

    predictions = artifacts.read_predictions(place)
    frame = predictions.hold_out()
    y, proba = frame["y_true"].to_numpy(), frame.drop(columns="y_true").to_numpy()
    if not len(y) or not np.isfinite(proba).all():
        reason = "has values that are no probability"
        raise UnverifiedRunError(path=place, name="predictions.parquet", reason=reason)
    digest = hashlib.sha256(pd.util.hash_pandas_object(frame["y_true"]).to_numpy().tobytes())
    digest.update(repr((predictions.summary.labels, predictions.summary.data.sha256)).encode())
    return digest.hexdigest(), HoldOut(y, proba)


def _division_of(record: artifacts.Record) -> tuple[str, ...]:
    said = artifacts.choices_by_key(record.overrides).items()
    words = sorted(f"{key}={value}" for key, value in said if key.partition(".")[0] in DIVIDING)
    return record.dataset, str(record.data), *words


def _metric_of(members: Members, reading: Reading) -> str:
    if reading.metric is not None:
        return reading.metric
    known = {
        name for run in members for name in run.record.metrics if run.record.value(name) is not None
    }
    return next((name for name in METRICS if name in known), METRICS[0])


def _ranked(members: Members, metric: str) -> Members:
    sign = 1 if metric in LOWER_IS_BETTER else -1

    def rank(run: artifacts.Found) -> tuple[bool, float, str]:
        value = run.record.value(metric)
        return value is None, sign * (value or 0.0), str(run.path)

    return sorted(members, key=rank)


def _language_of(complete: Members) -> str:
    for run in complete[:1]:
        try:
            told = artifacts.read_complete_run(_place_of(run)).config.get("report") or {}
        except (UserError, OSError):
            continue
        if told.get("language") in LANGUAGES:
            return str(told["language"])
    return LANGUAGES[0]


def _place_of(run: artifacts.Found) -> Path:
    """Give where a run lies that a job found done already, or its own place."""
    return run.path if run.record.elsewhere is None else Path(run.record.elsewhere)


def _link(file: Path, page: Path) -> str | None:
    """Give a file's address relative to the page, whatever letters it is made of."""
    if not file.is_file():
        return None
    return quote(os.fsencode(os.path.relpath(file, page.parent)))
