"""The story of tidying up: what goes, what stays and why, and that somebody said so."""

import stat
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tabproof import artifacts
from tabproof.artifacts import manifest as manifests
from tabproof.artifacts.errors import OutputsError
from tabproof.artifacts.files import is_locked, point_to, remove, sync
from tabproof.artifacts.find import newest_complete_run
from tabproof.artifacts.run_directory import LATEST
from tabproof.artifacts.sweep_directory import LOCK
from tabproof.runs import leaderboard
from tabproof.runs.errors import NotAskedError
from tabproof.runs.listing import filtered
from tabproof.text import counted

# --- Removing runs so that no reader ever takes the rest of one for a run.


def remove_run(run: Path, outputs: Path) -> None:
    """Remove a run directory, its manifest first, and directories that this leaves empty."""
    try:
        # Killed in the midst, what is left is no run.
        (run / manifests.NAME).unlink(missing_ok=True)
        sync(run)
        remove(run)
    except OSError as error:
        raise OutputsError(path=run, reason=f"cannot be removed: {error.strerror}") from error
    for folder in run.parents:
        if folder == outputs or outputs not in folder.parents:
            break
        try:
            folder.rmdir()
        except OSError:
            break


def size_of(run: Path) -> int:
    """Sum the sizes of its files, in bytes."""
    size = 0
    for path in run.rglob("*"):
        with suppress(OSError):
            found = path.lstat()
            size += found.st_size if stat.S_ISREG(found.st_mode) else 0
    return size


def mark_newest(outputs: Path) -> None:
    """Let `outputs/latest` point at a run again, where what it pointed at is gone."""
    link = outputs / LATEST
    with suppress(OSError):
        if not link.is_symlink() or link.exists():
            return
        newest = newest_complete_run(outputs)
        if newest is None:
            link.unlink()
        else:
            point_to(link, newest)


METRIC = "roc_auc"
# Of a directory without a status nobody knows whether it is just being begun, in seconds.
YOUNG = 3600
MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Candidate:
    """A directory that may go; size in bytes."""

    found: artifacts.Found
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
    found = artifacts.read_records(outputs)
    kept = _kept(found, models)
    among = filtered(found, dataset=dataset, since=since, until=until)
    going = [each for each in among if each.path not in kept and not _is_unreadable(each)]
    candidates = [Candidate(each, size_of(each.path)) for each in going if _is_over(each)]
    lines = [f"keep    {artifacts.one_line(str(path))}  ({why})" for path, why in kept.items()]
    unread = [each.path for each in among if _is_unreadable(each)]
    lines += [f"keep    {artifacts.one_line(str(path))}  (cannot be read)" for path in unread]
    lines += [_line(candidate) for candidate in candidates]
    total = f"{counted(len(candidates), 'run')}, {_megabytes(sum(c.size for c in candidates))}"
    if dry_run or not candidates:
        return "\n".join([*lines, f"would remove {total}" if candidates else "nothing to remove"])
    if not yes and not _is_agreed(lines, total):
        return "nothing was removed"
    removed = [candidate for candidate in candidates if _removed(candidate, outputs)]
    mark_newest(outputs)
    gone = f"{counted(len(removed), 'run')}, {_megabytes(sum(c.size for c in removed))}"
    return "\n".join([*lines, f"removed {gone}"])


def _kept(found: Iterable[artifacts.Found], models: Path) -> dict[Path, str]:
    """Return the directories that are always kept, with the reason."""
    promoted = dict(artifacts.Registry(models).promoted_ids())
    complete = [each for each in found if each.record.state in artifacts.COMPLETE]
    complete = [each for each in complete if each.record.elsewhere is None]
    kept = {
        each.path: f"promoted as {promoted[each.record.run_id]}"
        for each in complete
        if each.record.run_id in promoted
    }
    for dataset, path in _best(complete):
        kept.setdefault(path, f"the best of {artifacts.one_line(dataset)}")
    return kept


def _best(complete: Iterable[artifacts.Found]) -> Iterator[tuple[str, Path]]:
    seen: set[str] = set()
    entries = [leaderboard.entry_from(each, metric=METRIC) for each in complete]
    for entry in leaderboard.ranked(entries):
        if entry.dataset not in seen:
            seen.add(entry.dataset)
            yield entry.dataset, entry.path


def _is_unreadable(found: artifacts.Found) -> bool:
    """Return whether an unreadable run may be complete: newer format, damage, or a disk error."""
    return found.record.state not in artifacts.COMPLETE and artifacts.is_complete(found.path)


def _is_over(found: artifacts.Found) -> bool:
    """Tell whether nobody is writing there, nor in the sweep that it is a part of."""
    path = found.path
    if (
        found.record.state == "running"
        or artifacts.is_searched(path)
        or is_locked(path.parent / LOCK)
    ):
        return False
    if found.record.state != "not started":
        return True
    return time.time() - path.stat().st_mtime > YOUNG


def _line(candidate: Candidate) -> str:
    record, path = candidate.found.record, candidate.found.path
    facts = [record.dataset, record.state]
    if (value := record.value(METRIC)) is not None:
        facts.append(f"{METRIC} {value:.4f}")
    if artifacts.read_plan(path) is not None and record.state not in artifacts.COMPLETE:
        facts.append("its search could go on")
    what = ", ".join(facts)
    return f"remove  {artifacts.one_line(str(path))}  ({what}, {_megabytes(candidate.size)})"


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
    now = artifacts.Found(path, candidate.found.when, artifacts.read_record(path))
    has_changed = now.record.state != candidate.found.record.state
    if has_changed or _is_unreadable(now) or not _is_over(now):
        return False
    remove_run(path, outputs)
    return True
