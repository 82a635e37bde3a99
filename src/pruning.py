"""The story of tidying up: what goes, what stays and why, and that somebody said so."""

import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from src import runs
from src.browsing import chosen
from src.errors import NotAskedError
from src.wording import counted

METRIC = "roc_auc"
# Of a directory without a status nobody knows whether it is just being begun, in seconds.
YOUNG = 3600
MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Candidate:
    """A directory that may go; size in bytes."""

    found: runs.Found
    size: int


def prune(
    *,
    outputs: Path,
    models: Path,
    dataset: str | None,
    since: str | None,
    until: str | None,
    yes: bool,
    dry_run: bool,
) -> str:
    """Remove runs, complete or not, except promoted ones, each dataset's best, and running ones."""
    found = runs.read_records(outputs)
    kept = _kept(found, models)
    among = chosen(found, dataset=dataset, since=since, until=until)
    going = [each for each in among if each.path not in kept and not _is_unreadable(each)]
    candidates = [Candidate(each, runs.size_of(each.path)) for each in going if _is_over(each)]
    lines = [f"keep    {runs.one_line(str(path))}  ({why})" for path, why in kept.items()]
    unread = [each.path for each in among if _is_unreadable(each)]
    lines += [f"keep    {runs.one_line(str(path))}  (cannot be read)" for path in unread]
    lines += [_line(candidate) for candidate in candidates]
    total = f"{counted(len(candidates), 'run')}, {_megabytes(sum(c.size for c in candidates))}"
    if dry_run or not candidates:
        return "\n".join([*lines, f"would remove {total}" if candidates else "nothing to remove"])
    if not yes and not _is_agreed(lines, total):
        return "nothing was removed"
    removed = [candidate for candidate in candidates if _removed(candidate, outputs)]
    runs.mark_newest(outputs)
    gone = f"{counted(len(removed), 'run')}, {_megabytes(sum(c.size for c in removed))}"
    return "\n".join([*lines, f"removed {gone}"])


def _kept(found: Iterable[runs.Found], models: Path) -> dict[Path, str]:
    """Give the directories that stay whatever is asked for, and why."""
    promoted = dict(runs.Registry(models).promoted_ids())
    complete = [each for each in found if each.record.state in runs.COMPLETE]
    complete = [each for each in complete if each.record.elsewhere is None]
    kept = {
        each.path: f"promoted as {promoted[each.record.run_id]}"
        for each in complete
        if each.record.run_id in promoted
    }
    for dataset, path in _best(complete):
        kept.setdefault(path, f"the best of {runs.one_line(dataset)}")
    return kept


def _best(complete: Iterable[runs.Found]) -> Iterator[tuple[str, Path]]:
    seen: set[str] = set()
    entries = [runs.entry_from(each.record, each.path, metric=METRIC) for each in complete]
    for entry in runs.ranked(entries):
        if entry.dataset not in seen:
            seen.add(entry.dataset)
            yield entry.dataset, entry.path


def _is_unreadable(found: runs.Found) -> bool:
    """Tell whether it may be complete: of a newer form, damaged, or on a disk that stumbles."""
    return found.record.state not in runs.COMPLETE and runs.is_complete(found.path)


def _is_over(found: runs.Found) -> bool:
    """Tell whether nobody is writing there, nor in the sweep that it is a part of."""
    path = found.path
    if found.record.state == "running" or runs.is_searched(path) or runs.is_swept(path.parent):
        return False
    if found.record.state != "not started":
        return True
    return time.time() - path.stat().st_mtime > YOUNG


def _line(candidate: Candidate) -> str:
    record, path = candidate.found.record, candidate.found.path
    facts = [record.dataset, record.state]
    if (value := record.value(METRIC)) is not None:
        facts.append(f"{METRIC} {value:.4f}")
    if runs.read_plan(path) is not None and record.state not in runs.COMPLETE:
        facts.append("its search could go on")
    what = ", ".join(facts)
    return f"remove  {runs.one_line(str(path))}  ({what}, {_megabytes(candidate.size)})"


def _megabytes(size: int) -> str:
    return f"{size / MEGABYTE:.1f} MB"


def _is_agreed(lines: Iterable[str], total: str) -> bool:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise NotAskedError(total)
    # Not stdout, which may go to a file while a person is asked.
    sys.stderr.write("\n".join([*lines, f"remove {total}? [y/N] "]))
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _removed(candidate: Candidate, outputs: Path) -> bool:
    # A search may have been resumed, and even completed, while the question stood there.
    path = candidate.found.path
    now = runs.Found(path, candidate.found.when, runs.read_record(path))
    has_changed = now.record.state != candidate.found.record.state
    if has_changed or _is_unreadable(now) or not _is_over(now):
        return False
    runs.remove_run(path, outputs)
    return True
