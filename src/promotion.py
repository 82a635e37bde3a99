"""The story of a promotion: which run, under which name, whether it is better, what to say."""

import getpass
import json
import os
import shlex
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path

from src import runs
from src.errors import (
    NotARunError,
    NotBetterError,
    NotComparableError,
    NotPromotedError,
    RegistryWriteError,
    UserError,
)

LEVEL = 0.05
MODELS = Path("models")


def promote(
    run: str,
    *,
    name: str | None,
    if_better: bool,
    who: str | None,
    why: str,
    outputs: Path,
    models: Path,
) -> str:
    """Verify a run, copy it into the registry, and make it what is served."""
    registry = runs.Registry(models)
    with _telling_what_stays():
        path = complete(runs.find_run(run, outputs))
        proof = runs.read_proof(path)
        name = name or proof.name
        before = registry.current(name)
        judge = partial(figures_if_better, proof) if if_better else None
        after = registry.promote(path, name, who or _me(), why, judge)
    if after == before:
        return f"{name}: {after.version} is current already; its copy is intact"
    return _told(f"promoted  {name} {after.version}, from {path}", name, after, models)


def rollback(name: str, *, to: str | None, who: str | None, why: str, models: Path) -> str:
    """Serve the version before, or any that was promoted."""
    registry = runs.Registry(models)
    with _telling_what_stays():
        before = registry.current(name)
        after = registry.rollback(name, who or _me(), why, to)
    if after == before:
        return f"{name}: {after.version} is current already; its copy is intact"
    return _told(f"current   {name} {after.version}", name, after, models)


def history(name: str, *, as_json: bool, models: Path) -> str:
    """Tell what happened under a name, the newest last."""
    registry = runs.Registry(models)
    entries = registry.history(name)
    if not entries:
        raise NotPromotedError(name, models, registry.names())
    if as_json:
        past = [asdict(entry) for entry in entries]
        content = {"name": name, "current": entries[-1].version, "history": past}
        return json.dumps(content, indent=2, ensure_ascii=False)
    lines = _table(entries)
    lines.append(f"* is current; versions lie in {models / name}")
    return "\n".join(lines)


def verify(run: str, *, outputs: Path, models: Path) -> str:
    """Read every byte of a run or a promoted version and compare it with its manifest."""
    path = complete(runs.find_run(run, outputs, models))
    verified = runs.read_verified(path, lambda _: False)
    return f"OK  {path}: {verified.n_files} files, run id {verified.run_id}"


def complete(run: Path) -> Path:
    """Refuse a directory that holds no run, or one whose manifest cannot be read."""
    if runs.read_manifest(run) is None:
        found = runs.read_record(run)
        raise NotARunError(run, found.state, found.cause)
    return run


def as_user_error(error: BaseException) -> UserError | None:
    """Word what the file system refused; what words itself stays."""
    if isinstance(error, UserError):
        return error
    return RegistryWriteError(error) if isinstance(error, OSError) else None


def figures_if_better(candidate: runs.Proof, current: Path) -> str:
    """Compare a run with the current version on the same rows; raise unless it is better."""
    # A second to import; whoever does not compare need not wait for it.
    from src.evaluation.comparison import compare

    theirs = runs.read_proof(current)
    differing = runs.differing_rows(candidate, theirs)
    if differing is not None:
        raise NotComparableError(*differing)
    rows, their_rows = candidate.hold_out(), theirs.hold_out()
    proba, their_proba = (frame.drop(columns="y_true").to_numpy() for frame in (rows, their_rows))
    comparison = compare(rows["y_true"].to_numpy(), proba, their_proba)
    if not comparison.is_better(LEVEL):
        raise NotBetterError(comparison.in_words(), LEVEL)
    return comparison.in_words()


def _table(entries: Sequence[runs.Promotion]) -> list[str]:
    rows = [("", "when", "action", "version", "who", "why")]
    rows += [("", e.when, e.action, e.version, e.who, e.why) for e in entries]
    rows[-1] = ("*", *rows[-1][1:])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _told(first: str, name: str, entry: runs.Promotion, models: Path) -> str:
    elsewhere = "" if models == MODELS else f" --models {shlex.quote(str(models))}"
    lines = [first, f"before    {entry.previous or 'nothing'}"]
    if entry.why:
        lines.append(f"why       {entry.why}")
    lines.append("serve it  make api")
    if entry.previous:
        to = f" --to {entry.previous}" if entry.action == "rollback" else ""
        lines.append(f"go back   python -m src.runs rollback {name}{to}{elsewhere}")
    lines.append(f"look      python -m src.runs history {name}{elsewhere}")
    return "\n".join(lines)


@contextmanager
def _telling_what_stays() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt as interrupt:
        interrupt.add_note(
            "while changing the registry; what is current is whole:"
            " the version before, or already the new one"
        )
        raise


def _me() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # A container's user need have no name.
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
