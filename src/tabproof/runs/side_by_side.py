"""Write the page of many runs; predictions are read of the best only, which the page states."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from urllib.parse import quote

from tabproof import artifacts
from tabproof.errors import InvalidValueError, UserError
from tabproof.evaluation_result import METRICS, Estimate, rank
from tabproof.report.format import Texts
from tabproof.report.model import model_title
from tabproof.report.plots.material import HoldOut
from tabproof.report.side_by_side import (
    Contender,
    Failure,
    Group,
    Sweep,
    make_section,
    render_sweep,
)
from tabproof.runs.curves import read_held_out
from tabproof.text import LANGUAGES

# Of a group: runs whose predictions are read, and rows of the table.
MAX_READ, MAX_ROWS = 20, 100
# Groups on one page.
MAX_GROUPS = 12
# Keys that decide which rows are held out.
DIVIDING = {"seed", "cv", "dataset", "experiment"}

Members = list[artifacts.Found]


def write_page(
    page: Path,
    found: Sequence[artifacts.Found],
    *,
    name: str,
    language: str | None = None,
    metric: str | None = None,
    n_not_begun: int = 0,
) -> float:
    """Write a page with runs side by side, but not into a run; return the seconds that it took.

    language: by default that of the runs' own pages. metric: by default the first that runs have.
    """
    start = perf_counter()
    if artifacts.is_complete(page.parent):
        valid = "a place outside of runs, such as that of a sweep; a run has a page of its own"
        raise InvalidValueError("the page", str(page), valid)
    complete = [run for run in found if run.record.state in artifacts.COMPLETE]
    asked = None
    with suppress(UserError, OSError, IndexError):
        config = artifacts.read_complete_run(_place_of(complete[0])).config
        asked = (config.get("report") or {}).get("language")
    language = language or (asked if asked in LANGUAGES else LANGUAGES[0])
    # Runs with the same choices of DIVIDING are assumed to hold out the same rows until they are
    # read.
    divisions: dict[tuple[str, ...], Members] = defaultdict(list)
    for run in complete:
        choices = artifacts.choices_by_key(run.record.overrides).items()
        words = [f"{key}={v}" for key, v in choices if key.partition(".")[0] in DIVIDING]
        divisions[run.record.dataset, str(run.record.data), *sorted(words)].append(run)
    largest = sorted(divisions.values(), key=lambda members: -len(members))
    refused: dict[Path, str] = {}
    texts = Texts("report", language)
    groups = _groups(largest[:MAX_GROUPS], page, metric, refused, texts)
    sections = [make_section(group, language) for group in groups]
    failures = [
        Failure(
            name=artifacts.path_text(Path(run.path.name)),
            dataset=run.record.dataset,
            state="damaged" if run.path in refused else run.record.state,
            cause=artifacts.one_line(refused.get(run.path) or run.record.cause or ""),
            link=_link(artifacts.RunDirectory(run.path).log, page),
        )
        for run in found
        if run.path in refused or run.record.state not in artifacts.COMPLETE
    ]
    files = ("leaderboard.csv", "leaderboard.md", "sweep.log")
    sweep = Sweep(
        name=name,
        n_complete=len(found) - len(failures),
        n_jobs=len(found) + n_not_begun,
        n_not_begun=n_not_begun,
        n_left_out=sum(map(len, largest[MAX_GROUPS:])),
        failures=failures,
        files={each: each for each in files if (page.parent / each).is_file()},
    )
    artifacts.write_atomically(page, render_sweep(sweep, sections, language).encode())
    return perf_counter() - start


def _place_of(run: artifacts.Found) -> Path:
    """Return where the run is: a job may have found that a run elsewhere is complete."""
    return run.path if run.record.elsewhere is None else Path(run.record.elsewhere)


def _link(file: Path, page: Path) -> str | None:
    """Return a file's address relative to the page, quoted; None if there is no such file."""
    if not file.is_file():
        return None
    return quote(os.fsencode(os.path.relpath(file, page.parent)))


def _groups(
    divisions: Iterable[Members],
    page: Path,
    asked: str | None,
    refused: dict[Path, str],
    texts: Texts,
) -> Iterator[Group]:
    """Yield comparable runs, one group at a time, so that little is in memory.

    asked: the metric to rank by. refused: is given the reasons of runs that cannot be read.
    """
    groups: dict[tuple[str, str | None], Members] = defaultdict(list)
    for members in divisions:
        # The first of them that can be read decides which rows these are.
        read = (_read(run, refused) for run in _ranked(members, asked)[1][:MAX_READ])
        rows = next((each[0] for each in read if each is not None), None)
        groups[members[0].record.dataset, rows] += members
    n_of_dataset = Counter(dataset for dataset, _ in groups)
    numbers: Counter[str] = Counter()
    for place, key in enumerate(sorted(groups, key=lambda key: key[0])):
        (dataset, rows), members = key, groups[key]
        numbers[dataset] += 1
        metric, ordered = _ranked(members, asked)
        # Runs of the same id have the same numbers.
        alike: dict[str | None, Members] = defaultdict(list)
        for run in ordered:
            if run.path not in refused:
                alike[run.record.run_id].append(run)
        contenders: list[Contender] = []
        for n, runs in enumerate(alike.values()):
            if len(contenders) == MAX_ROWS:
                break
            run, record = runs[0], runs[0].record
            found_rows, found = (_read(run, refused) if n < MAX_READ else None) or (rows, None)
            if run.path in refused:
                continue
            estimate = Estimate(record.value(metric), *(record.interval(metric) or ()))
            contenders.append(
                Contender(
                    run_id=str(record.run_id),
                    choices=artifacts.choices_by_key(record.overrides),
                    metrics={metric: estimate},
                    model=model_title(record.estimator, texts).removesuffix("Classifier"),
                    seconds=record.seconds,
                    link=_link(_place_of(run) / artifacts.REPORT, page),
                    n_times=len(runs),
                    note=record.cause,
                    hold_out=found if found_rows == rows else None,
                    has_other_rows=found_rows != rows,
                )
            )
        if contenders:
            n_runs = sum(run.path not in refused for run in members)
            number = numbers[dataset] if n_of_dataset[dataset] > 1 else None
            yield Group(f"group-{place}", dataset, metric, contenders, n_runs, number)


def _ranked(members: Members, asked: str | None) -> tuple[str, Members]:
    """Return the metric to rank by, and the runs, the best first."""
    records = [run.record for run in members]
    known = (m for m in METRICS if any(record.value(m) is not None for record in records))
    metric = asked or next(known, METRICS[0])
    return metric, sorted(
        members, key=lambda run: (*rank(run.record.value(metric), metric), str(run.path))
    )


def _read(run: artifacts.Found, refused: dict[Path, str]) -> tuple[str, HoldOut] | None:
    """Verify a run and read its held-out rows; return a hash that identifies these, too."""
    place = _place_of(run)
    try:
        held_out = read_held_out(place)
    except UserError as error:
        refused[run.path] = str(error)
    except OSError as error:
        refused[run.path] = f"{place} cannot be read: {error.strerror}"
    else:
        return held_out.rows, HoldOut(held_out.y, held_out.proba, held_out.threshold)
    return None
