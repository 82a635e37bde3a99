"""The story of a check: is all that was begun complete? A line per dataset, and an exit code."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tabproof import artifacts
from tabproof.runs.errors import NotASetOfRunsError

FAILED = {"failed", "interrupted"}


class Verdict(str):
    """Lines to print, and what the program ends with."""

    __slots__ = ("exit_code",)
    exit_code: int


# A job's name, where it is one of several, and what became of it.
Job = tuple[str, artifacts.Record]


def check(place: Path) -> Verdict:
    """Tell for each dataset whether its newest run, or all of its newest sweep, is complete.

    The exit code is 0 where all are, 1 where one failed, 2 where one is not over or not begun.
    """
    jobs = dict(_newest(place))
    if not jobs:
        raise NotASetOfRunsError(place)
    verdict = Verdict("\n".join(_line(dataset, jobs[dataset]) for dataset in sorted(jobs)))
    states = {record.state for group in jobs.values() for _, record in group}
    verdict.exit_code = 1 if states & FAILED else 2 if states - artifacts.COMPLETE else 0
    return verdict


def _newest(place: Path) -> Iterator[tuple[str, list[Job]]]:
    """Give each dataset with the jobs of the newest directory that has one of them."""
    groups: dict[Path, dict[str, list[Job]]] = {}
    for found in artifacts.read_set(place):
        group = _group(found.path, place)
        jobs = groups.setdefault(group, {}).setdefault(found.record.dataset, [])
        jobs.append((found.path.name, found.record))
    if artifacts.SweepDirectory(place).is_begun:
        groups.setdefault(place, {})
    for group, jobs_of in groups.items():
        for name, record in _not_begun(group):
            jobs_of.setdefault(record.dataset, []).append((name, record))
    seen: set[str] = set()
    for jobs_of in groups.values():
        yield from ((dataset, jobs) for dataset, jobs in jobs_of.items() if dataset not in seen)
        seen |= jobs_of.keys()


def _group(run: Path, place: Path) -> Path:
    parts = run.relative_to(place).parts
    # <date>/<run>, or <date>/<sweep>/<job>; otherwise the place is a sweep or a run itself.
    return place.joinpath(*parts[:2]) if artifacts.is_date(parts[0] if parts else "") else place


def _not_begun(sweep: Path) -> Iterator[Job]:
    directory = artifacts.SweepDirectory(sweep)
    if not directory.is_begun:
        return
    begun = {found.path.name.partition("_")[0] for found in artifacts.read_set(sweep)}
    plan = directory.plan
    # Of a large sweep the first jobs are known, of the others their number.
    jobs = plan.get("determinants", {}).get("jobs", {})
    for number in map(str, range(max(plan.get("n_jobs", 0), len(jobs)))):
        if number not in begun:
            dataset = _dataset_of(jobs[number]) if number in jobs else "others"
            yield number, artifacts.Record("not started", dataset)


def _dataset_of(config: dict[str, Any]) -> str:
    table = config.get("dataset", {})
    return str(table.get("name") or Path(str(table.get("path", "?"))).stem)


def _line(dataset: str, jobs: Iterable[Job]) -> str:
    jobs = list(jobs)
    name = artifacts.one_line(dataset)
    failed = [job for job in jobs if job[1].state in FAILED]
    if failed:
        return f"{name}: FAIL {_several(failed, jobs)}{failed[0][1].cause}"
    for state, word in (("running", "RUNNING"), ("not started", "NOT STARTED")):
        if those := [job for job in jobs if job[1].state == state]:
            return f"{name}: {word} {_several(those, jobs)}".rstrip(": ")
    partial = [record.cause for _, record in jobs if record.state == "partial"]
    return f"{name}: OK" + (f" (partial: {partial[0]})" if partial else "")


def _several(those: list[Job], jobs: list[Job]) -> str:
    if len(jobs) == 1:
        return ""
    return f"{len(those)} of {len(jobs)}: {artifacts.one_line(those[0][0])}: "
