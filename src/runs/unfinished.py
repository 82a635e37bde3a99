"""Runs whose search was killed or interrupted, and can go on."""

from collections.abc import Iterator
from pathlib import Path

from src.runs.directory import is_complete
from src.runs.finding import dates_of, folders_of
from src.runs.fits import read_plan
from src.runs.manifest import SEARCH


def unfinished_runs(outputs: Path) -> Iterator[Path]:
    """Give runs that hold the fits of a search and are not complete, the newest first."""
    for date in dates_of(outputs):
        folders = folders_of(date)
        jobs = [job for folder in folders for job in folders_of(folder)]
        yield from sorted(filter(_can_go_on, [*folders, *jobs]), key=_age, reverse=True)


def _can_go_on(run: Path) -> bool:
    return read_plan(run) is not None and not is_complete(run)


def _age(run: Path) -> tuple[int, str]:
    try:
        return (run / SEARCH).stat().st_mtime_ns, str(run)
    except FileNotFoundError:
        return 0, str(run)  # it has become complete meanwhile
