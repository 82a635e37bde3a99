"""The story of a promotion: which run, under which name, whether it is better, what to say."""

import getpass
import json
import os
import shlex
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path

from tabproof import artifacts
from tabproof.artifacts import Registry
from tabproof.artifacts.errors import NotARunError, NotPromotedError
from tabproof.artifacts.remote.address import Address, parse_address
from tabproof.runs.errors import (
    NotBetterError,
    NotComparableError,
    StoreNotNamedError,
)

# --- The story of a push and a pull: which model, which store, who signed, what to say.

STORE, KEY = "MODEL_STORE", "MODEL_SIGNATURE_KEY"


def push(name: str, *, store: str | None, sign: Path | None, replace: bool, models: Path) -> str:
    """Bring the current version of a model into the store, and switch its pointer."""
    address = _address(store, os.environ)
    from tabproof.artifacts.remote.store import open_store
    from tabproof.artifacts.remote.transfer import push as push_model

    done = push_model(open_store(address), Registry(models), name, sign_by=sign, replace=replace)
    what = f"{name} {done.version}"
    lines = [
        f"pushed    {what} to {address}" if done.moved else f"{what} is current there already",
        f"files     {done.n_files}, {done.n_bytes:,} bytes; {done.n_sent} sent, all read back",
        f"signed    {'yes' if done.signed else 'no'}",
        f"serve it  MODEL_STORE={address}",
    ]
    return "\n".join(lines)


def pull(name: str, *, store: str | None, overwrite: bool, models: Path) -> str:
    """Bring what the store's pointer names into the registry, and switch the pointer there."""
    address = _address(store, os.environ)
    from tabproof.artifacts.remote.store import open_store
    from tabproof.artifacts.remote.transfer import pull as pull_model

    keys = None
    if text := os.environ.get(KEY):
        from tabproof.artifacts.remote.signature import read_keys

        keys = read_keys(text)
    done = pull_model(open_store(address), Registry(models), name, keys=keys, overwrite=overwrite)
    what = f"{name} {done.version}"
    lines = [
        f"pulled    {what} from {address}" if done.moved else f"{what} is current already",
        f"files     {done.n_files}; {done.n_fetched} fetched, each as it was sealed",
        f"look      python -m src.runs history {name}",
    ]
    return "\n".join(lines)


def _address(said: str | None, environment: Mapping[str, str]) -> Address:
    text = environment.get(STORE, "") if said is None else said
    if not text:
        raise StoreNotNamedError
    return parse_address(text)


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
    registry = artifacts.Registry(models)
    with _telling_what_stays():
        path = complete(artifacts.find_run(run, outputs))
        predictions = artifacts.read_predictions(path)
        name = name or predictions.summary.model_name
        before = registry.current(name)
        check = partial(figures_if_better, predictions) if if_better else None
        after = registry.promote(path, name, who or _me(), why, check)
    if after == before:
        return f"{name}: {after.version} is current already; its copy is intact"
    return _told(f"promoted  {name} {after.version}, from {path}", name, after, models)


def rollback(name: str, *, to: str | None, who: str | None, why: str, models: Path) -> str:
    """Serve the version before, or any that was promoted."""
    registry = artifacts.Registry(models)
    with _telling_what_stays():
        before = registry.current(name)
        after = registry.rollback(name, who or _me(), why, to)
    if after == before:
        return f"{name}: {after.version} is current already; its copy is intact"
    return _told(f"current   {name} {after.version}", name, after, models)


def history(name: str, *, as_json: bool, models: Path) -> str:
    """Tell what happened under a name, the newest last."""
    registry = artifacts.Registry(models)
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
    path = complete(artifacts.find_run(run, outputs, models))
    verified = artifacts.read_verified(path, lambda _: False)
    return f"OK  {path}: {verified.n_files} files, run id {verified.run_id}"


def complete(run: Path) -> Path:
    """Refuse a directory that holds no run, or one whose manifest cannot be read."""
    if artifacts.read_manifest(run) is None:
        found = artifacts.read_record(run)
        raise NotARunError(run, found.state, found.cause)
    return run


def figures_if_better(candidate: artifacts.VerifiedPredictions, current: Path) -> str:
    """Compare a run with the current version on the same rows; raise unless it is better."""
    # A second to import; whoever does not compare need not wait for it.
    from tabproof.evaluation.comparison import compare

    theirs = artifacts.read_predictions(current)
    differing = artifacts.differing_rows(candidate, theirs)
    if differing is not None:
        raise NotComparableError(*differing)
    rows, their_rows = candidate.hold_out(), theirs.hold_out()
    proba, their_proba = (frame.drop(columns="y_true").to_numpy() for frame in (rows, their_rows))
    comparison = compare(rows["y_true"].to_numpy(), proba, their_proba)
    if not comparison.is_better(LEVEL):
        raise NotBetterError(comparison.in_words(), LEVEL)
    return comparison.in_words()


def _table(entries: Sequence[artifacts.Promotion]) -> list[str]:
    rows = [("", "when", "action", "version", "who", "why")]
    rows += [("", e.when, e.action, e.version, e.who, e.why) for e in entries]
    rows[-1] = ("*", *rows[-1][1:])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _told(first: str, name: str, entry: artifacts.Promotion, models: Path) -> str:
    elsewhere = "" if models == MODELS else f" --models {shlex.quote(str(models))}"
    lines = [first, f"before    {entry.previous or 'nothing'}"]
    if entry.why:
        lines.append(f"why       {entry.why}")
    lines.append("serve it  make api, or tabproof serve")
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
