"""Promote runs, roll back, verify, and exchange versions with a model store."""

import getpass
import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from tabproof import artifacts
from tabproof.artifacts.errors import NotARunError, NotPromotedError
from tabproof.artifacts.run_directory import SCHEMA
from tabproof.errors import MissingValueError, UserError, listed
from tabproof.runs.refresh import rewrite_page
from tabproof.schema import Schema
from tabproof.text import aligned, shell_word

if TYPE_CHECKING:
    from tabproof.evaluation.comparison import Comparison

# --if-better takes a difference with a smaller p-value.
LEVEL = 0.05
# Columns or labels that an error names.
MAX_NAMES = 5


class NotComparableError(UserError):
    """Two runs whose hold-outs are not the same rows."""

    template = (
        "--if-better compares on the same rows, and {what} differ: the run has {found}, the current"
        " version {current}; train on the same data and seed, or promote without --if-better"
    )


class NotBetterError(UserError):
    """A run that is not shown to be better than the current version."""

    exit_code = 1
    template = (
        "not promoted: {figures}; --if-better takes a difference above 0 with p below {level}"
    )


class OtherColumnsError(UserError):
    """A run that takes other columns or predicts other labels than the current version."""

    template = (
        "not {action}: clients of '{name}' send rows for version {current}, and this run differs:"
        " {differences}; --force takes it all the same, --name gives it another name"
    )


def push(name: str, *, store: str | None, sign: Path | None, replace: bool, models: Path) -> str:
    """Copy the current version of a model into the store, and switch its pointer."""
    address, registry = _address(store), artifacts.Registry(models)
    from tabproof.artifacts.remote import store as stores
    from tabproof.artifacts.remote import transfer

    opened = stores.open_store(address)
    done = transfer.push(opened, registry, name, sign_by=sign, replace=replace)
    address, sealed, what = opened.address, done.manifest, f"{name} {done.manifest.run_id}"
    first = f"pushed    {what} to {address}" if done.moved else f"{what} is current there already"
    return (
        f"{first}{_challenger(done.challenger)}\n"
        f"files     {len(sealed.files)}, {sealed.n_bytes:,} bytes;"
        f" {done.n_copied} sent, all read back\n"
        f"signed    {'yes' if done.signed else 'no'}\n"
        f"serve it  MODEL_STORE={address}"
    )


def pull(name: str, *, store: str | None, overwrite: bool, models: Path) -> str:
    """Copy what the store's pointer names into the registry, and switch the pointer there."""
    address, registry, keys = _address(store), artifacts.Registry(models), None
    from tabproof.artifacts.remote import store as stores
    from tabproof.artifacts.remote import transfer

    if text_of_keys := os.environ.get("MODEL_SIGNATURE_KEY"):
        from tabproof.artifacts.remote.signature import read_keys

        keys = read_keys(text_of_keys)
    opened = stores.open_store(address)
    done = transfer.pull(opened, registry, name, keys=keys, overwrite=overwrite)
    address, what = opened.address, f"{name} {done.manifest.run_id}"
    first = f"pulled    {what} from {address}" if done.moved else f"{what} is current already"
    return (
        f"{first}{_challenger(done.challenger)}\n"
        f"files     {len(done.manifest.files)}; {done.n_copied} fetched, each as it was sealed\n"
        f"look      python -m src.runs history {name}"
    )


def _challenger(version: str | None) -> str:
    return "" if version is None else f"\n          with its challenger {version}"


def _address(asked: str | None) -> str:
    address = os.environ.get("MODEL_STORE", "") if asked is None else asked
    if not address:
        raise MissingValueError("--store or MODEL_STORE", "s3://bucket/prefix")
    return address


def promote(
    run: str,
    *,
    name: str | None,
    if_better: bool,
    force: bool,
    who: str | None,
    why: str,
    outputs: Path,
    models: Path,
    on_traffic: Callable[[str, str, Path], "Comparison"] | None = None,
) -> str:
    """Verify a run, copy it into the registry, and make it the one that is served.

    name: None takes that of the dataset. force: even if the current version under this name has
    other columns or labels. on_traffic: with if_better, compares the run (the name of the model,
    the run's id) with the current version on other rows than the held-out ones.
    """
    with changing(models) as registry:
        path = complete(artifacts.find_run(run, outputs))
        predictions = artifacts.read_predictions(path)
        model = predictions.summary.model_name if name is None else name
        before, challenge = registry.current(model), registry.challenge_of(model)

        def check(current: Path) -> str:
            figures = ""
            if if_better:
                if on_traffic is None:
                    comparison = _compare_on_holdout(predictions, current)
                else:
                    comparison = on_traffic(model, predictions.summary.run_id, current)
                figures = comparison.in_words()
                if not comparison.is_better(LEVEL):
                    raise NotBetterError(figures, LEVEL)
            if not force:
                check_columns(path, current, model)
            return figures

        after = registry.promote(path, model, who or me(), why, check)
    rewrite_page(outputs, models)
    first = f"promoted  {model} {after.version}, from {path}"
    return _summary(model, before, after, models, first, challenge)


def rollback(name: str, *, to: str | None, who: str | None, why: str, models: Path) -> str:
    """Serve the version before, or any that was promoted."""
    with changing(models) as registry:
        before, challenge = registry.current(name), registry.challenge_of(name)
        after = registry.rollback(name, who or me(), why, to)
    # By default, outputs/ and models/ are in the same directory.
    rewrite_page(models.with_name(artifacts.OUTPUTS), models)
    first = f"current   {name} {after.version}"
    return _summary(name, before, after, models, first, challenge)


@contextmanager
def changing(models: Path) -> Iterator[artifacts.Registry]:
    """Yield the registry; an interrupt inside the block gets a note with its state."""
    try:
        yield artifacts.Registry(models)
    except KeyboardInterrupt as interrupt:
        state = "what is current is whole: the version before, or already the new one"
        interrupt.add_note(f"while changing the registry; {state}")
        raise


Version = artifacts.Promotion


def _summary(
    name: str,
    before: Version | None,
    after: Version,
    models: Path,
    first: str,
    challenge: artifacts.Challenge | None,
) -> str:
    if after == before:
        return f"{name}: {after.version} is current already; its copy is intact"
    elsewhere = elsewhere_than(models)
    lines = [first, f"before    {after.previous or 'nothing'}"]
    if challenge is not None:
        lines.append(f"ended     the challenge by {challenge.version} ({challenge.words})")
    lines += [f"why       {after.why}"] if after.why else []
    lines.append("serve it  make api, or tabproof serve")
    if after.previous:
        to = f" --to {after.previous}" if after.action == "rollback" else ""
        lines.append(f"go back   python -m src.runs rollback {name}{to}{elsewhere}")
    return "\n".join([*lines, f"look      python -m src.runs history {name}{elsewhere}"])


def elsewhere_than(models: Path) -> str:
    """Return the option behind a command that names another registry than the default."""
    return "" if models == Path("models") else f" --models {shell_word(str(models))}"


def me() -> str:
    """Return who calls the command, as `user@host`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # A container's user may have no name.
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def history(name: str, *, as_json: bool, models: Path) -> str:
    """Show what was promoted under a name, the newest last."""
    registry = artifacts.Registry(models)
    entries, challenges = registry.history(name), registry.challenges(name)
    if not entries:
        raise NotPromotedError(name, models, registry.names())
    challenge = registry.challenge_of(name)
    if as_json:
        content = {
            "name": name,
            "current": entries[-1].version,
            "history": [asdict(entry) for entry in entries],
            "challenger": None if challenge is None else challenge.version,
            "challenges": [asdict(entry) for entry in challenges],
        }
        return json.dumps(content, indent=2, ensure_ascii=False)
    rows = [("", "when", "action", "version", "who", "why")]
    for n, e in enumerate(entries, start=1):
        is_last = n == len(entries)
        rows.append(("*" if is_last else "", e.when, e.action, e.version, e.who, e.why))
        # Each behind the promotion that it belongs to.
        for each in challenges:
            if each.n_promotions == n or (is_last and each.n_promotions > n):
                why = "; ".join(filter(None, (each.words, each.why)))
                mark = "+" if each == challenge else ""
                rows.append((mark, each.when, each.action, each.version, each.who, why))
    key = "* is current" + (", + its challenger" if challenge else "")
    return f"{aligned(rows)}\n{key}; versions are in {models / name}"


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


def check_columns(run: Path, current: Path, name: str, action: str = "promoted") -> None:
    """Raise OtherColumnsError unless a run takes and predicts what the current version does."""
    ours = _read_schema(run)
    try:
        theirs = _read_schema(current)
    except UserError as error:
        found = [f"how is not known, that version cannot be read ({error})"]
    else:
        found = schema_differences(theirs, ours)
    if found:
        raise OtherColumnsError(action, name, current.name, "; ".join(found))


def _read_schema(run: Path) -> Schema:
    files = artifacts.read_verified(run, SCHEMA.__eq__).files
    # The service refuses a run without it, so its clients have no columns.
    return Schema.from_json(files[SCHEMA].decode()) if files else Schema((), "", (), 0)


def schema_differences(theirs: Schema, ours: Schema) -> list[str]:
    """Return in which columns and labels one schema differs from an earlier one, in words."""
    before, after = ({each.name: each.kind for each in one.columns} for one in (theirs, ours))
    common = [name for name in before if name in after]
    changed = [f"{n} ({before[n]}, now {after[n]})" for n in common if before[n] != after[n]]
    found = [
        f"columns {how}: {listed(names, MAX_NAMES)}"
        for how, names in (
            ("missing", [name for name in before if name not in after]),
            ("added", [name for name in after if name not in before]),
            ("of another kind", changed),
        )
        if names
    ]
    # A client may send one matrix in the order of /schema.
    if not found and list(before) != list(after):
        found.append("columns in another order")
    if theirs.labels != ours.labels:
        labels = (listed(one.labels, MAX_NAMES) or "none" for one in (theirs, ours))
        found.append("labels: {}, now {}".format(*labels))
    return found


def _compare_on_holdout(candidate: artifacts.VerifiedPredictions, current: Path) -> "Comparison":
    """Compare a run with the current version on the same held-out rows."""
    # Takes a second to import, for this option only.
    from tabproof.evaluation.comparison import compare

    theirs = artifacts.read_predictions(current)
    differing = artifacts.differing_rows(candidate, theirs)
    if differing is not None:
        raise NotComparableError(*differing)
    rows, their_rows = candidate.hold_out(), theirs.hold_out()
    proba, their_proba = (frame.drop(columns="y_true").to_numpy() for frame in (rows, their_rows))
    return compare(rows["y_true"].to_numpy(), proba, their_proba)
