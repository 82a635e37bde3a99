"""Remove runs: which are removed, which stay and why, after the user has agreed."""

import stat
import sys
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from tabproof import artifacts
from tabproof.artifacts import Found, manifest
from tabproof.artifacts.errors import OutputsError
from tabproof.artifacts.files import is_locked, point_to, remove, sync
from tabproof.artifacts.run_directory import LATEST
from tabproof.artifacts.sweep_directory import SWEEP_LOCK
from tabproof.errors import UserError
from tabproof.runs.listing import filtered, ranked
from tabproof.runs.refresh import rewrite_page
from tabproof.text import counted

METRIC = "roc_auc"
# Seconds for which a directory without a status may be that of a run that has just started.
YOUNG = 3600


class NotAskedError(UserError):
    """Runs would be removed, and there is no terminal to ask at."""

    template = (
        "nothing was removed: {total} would be, and there is no terminal to ask at; --yes removes"
        " them, --dry-run shows them"
    )


def prune(*, outputs: Path, models: Path, yes: bool, dry_run: bool, **filters: str | None) -> str:
    """Remove runs, complete or not, except promoted ones, each dataset's best, and running ones."""
    found = artifacts.read_records(outputs)
    registry = artifacts.Registry(models)
    promoted = {each.run_id: name for name in registry.names() for each in registry.history(name)}
    for name in registry.names():
        if challenge := registry.challenge_of(name):
            promoted.setdefault(challenge.run_id, name)
    complete = [e for e in filtered(found) if e.record.state in artifacts.COMPLETE]
    kept = {
        each.path: f"promoted as {promoted[each.record.run_id]}"
        for each in complete
        if each.record.run_id in promoted
    }
    best: dict[str, Path] = {}
    for each in ranked(complete, METRIC):
        best.setdefault(each.record.dataset, each.path)
    for dataset, path in best.items():
        kept.setdefault(path, f"the best of {artifacts.one_line(dataset)}")
    among = filtered(found, **filters)
    kept |= {each.path: "cannot be read" for each in among if _is_unreadable(each)}
    lines = [f"keep    {artifacts.one_line(str(path))}  ({why})" for path, why in kept.items()]
    sizes: dict[Path, int] = {}
    candidates = [each for each in among if each.path not in kept and _has_ended(each)]
    for each in candidates:
        path, record, sizes[each.path] = each.path, each.record, 0
        for file in path.rglob("*"):
            with suppress(OSError):
                status = file.lstat()
                sizes[path] += status.st_size if stat.S_ISREG(status.st_mode) else 0
        facts = [record.dataset, record.state]
        if (value := record.value(METRIC)) is not None:
            facts.append(f"{METRIC} {value:.4f}")
        if artifacts.read_plan(path) is not None and record.state not in artifacts.COMPLETE:
            facts.append("its search could go on")
        what = ", ".join([*facts, _megabytes([sizes[path]])])
        lines.append(f"remove  {artifacts.one_line(str(path))}  ({what})")
    total = f"{counted(len(sizes), 'run')}, {_megabytes(sizes.values())}"
    if dry_run or not candidates:
        return "\n".join([*lines, f"would remove {total}" if candidates else "nothing to remove"])
    if not yes and not _is_agreed(lines, total):
        return "nothing was removed"
    for each in candidates:
        # A search may have been resumed, and even completed, while the question was open.
        now = replace(each, record=artifacts.read_record(each.path))
        if now.record.state != each.record.state or _is_unreadable(now) or not _has_ended(now):
            del sizes[each.path]
            continue
        try:
            # If this is killed before it ends, the rest is not taken for a run.
            (each.path / manifest.NAME).unlink(missing_ok=True)
            sync(each.path)
            remove(each.path)
        except OSError as error:
            reason = f"cannot be removed: {error.strerror}"
            raise OutputsError(path=each.path, reason=reason) from error
        # And directories that this leaves empty.
        with suppress(OSError):
            for folder in each.path.parents:
                if folder == outputs or outputs not in folder.parents:
                    break
                folder.rmdir()
    link = outputs / LATEST
    with suppress(OSError):
        if link.is_symlink() and not link.exists():
            newest = artifacts.newest_complete_run(outputs)
            link.unlink() if newest is None else point_to(link, newest)
    rewrite_page(outputs, models)
    total = f"{counted(len(sizes), 'run')}, {_megabytes(sizes.values())}"
    return "\n".join([*lines, f"removed {total}"])


def _is_unreadable(found: Found) -> bool:
    """Return whether an unreadable run may be complete: newer format, damage, or a disk error."""
    return found.record.state not in artifacts.COMPLETE and artifacts.is_complete(found.path)


def _has_ended(found: Found) -> bool:
    """Return whether no process is writing there, nor in the sweep that it is a part of."""
    path, state = found.path, found.record.state
    if state == "running" or artifacts.is_searched(path) or is_locked(path.parent / SWEEP_LOCK):
        return False
    return state != "not started" or time.time() - path.stat().st_mtime > YOUNG


def _megabytes(sizes: Collection[int]) -> str:
    return f"{sum(sizes) / (1 << 20):.1f} MB"


def _is_agreed(lines: Sequence[str], total: str) -> bool:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise NotAskedError(total)
    # Not stdout, which may go to a file while the user is asked.
    sys.stderr.write("\n".join([*lines, f"remove {total}? [y/N] "]))
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
