"""Pushing a promoted model: its files, checked where they arrived, and the pointer last.

The manifest goes first and claims the version: whoever comes with the same run id and other bytes
finds it and writes nothing. Two that push the same bytes help each other.
"""

from dataclasses import dataclass
from pathlib import Path

from src.errors import NotPromotedError, PushConflictError, PushRefusedError, StoreError
from src.runs import manifest as manifests
from src.runs import pointer
from src.runs.manifest import Manifest
from src.runs.pointer import Promotion
from src.runs.registry import Registry
from src.runs.store.failures import reason
from src.runs.store.place import ChangedMeanwhileError, Place
from src.runs.store.remote import Pointer, RemoteModel, for_each
from src.runs.verified import read_verified


@dataclass(frozen=True)
class Pushed:
    """n_sent: files that were not there whole before. moved: the store's pointer."""

    version: str
    n_files: int
    n_bytes: int
    n_sent: int
    moved: bool
    signed: bool


def push(
    place: Place, registry: Registry, name: str, *, sign_by: Path | None, replace: bool
) -> Pushed:
    """Push the current version of a model, and its history.

    sign_by: a private key. replace: what the store holds under this run id with other bytes.
    Raises PushRefusedError where the store's history is not the beginning of ours.
    """
    history = registry.history(name)
    if not history:
        raise NotPromotedError(name, registry.root, registry.names())
    version = history[-1].version
    path = registry.path_of(name, version)
    run = read_verified(path, lambda _: False)
    signature = registry.signature_of(name, version)
    if sign_by is not None:
        from src.runs.store.signing import sign

        signature = sign(name, run.sealed, sign_by)
    remote = RemoteModel(place, name)
    manifest = remote.manifest(version, run.sealed)
    there = remote.pointer()
    _check_continued(remote, there, history)
    _claim(remote, version, run.sealed, replace=replace)
    sent = _send_files(remote, path, manifest)
    signed = _send_signature(remote, version, signature)
    if not _is_claimed(remote, version, run.sealed):
        raise _conflict(remote, version)
    moved = there is None or there.history != history
    if moved:
        _switch(remote, history, there)
    n_bytes = sum(entry.size for entry in manifest.files.values())
    return Pushed(version, len(manifest.files), n_bytes, sent, moved, signed)


def _check_continued(remote: RemoteModel, there: Pointer | None, ours: list[Promotion]) -> None:
    if there is None or ours[: len(there.history)] == there.history:
        return
    n_common = next(
        (n for n, pair in enumerate(zip(ours, there.history, strict=False)) if pair[0] != pair[1]),
        min(len(ours), len(there.history)),
    )
    newest = there.history[-1]
    why = (
        f"{len(there.history) - n_common} of its entries are not here, the last"
        f" {newest.action} {newest.version} by {newest.who} at {newest.when}"
    )
    raise PushRefusedError(str(remote.place.address), remote.name, why)


def _claim(remote: RemoteModel, version: str, sealed: bytes, *, replace: bool) -> None:
    there = remote.sealed(version)
    if there is not None and there.content == sealed:
        return
    if there is not None and not replace and not _is_damaged(remote, version, there.content):
        raise _conflict(remote, version)
    try:
        remote.place.write(remote.of(version, manifests.NAME), sealed, there)
    except ChangedMeanwhileError as error:
        if not _is_claimed(remote, version, sealed):
            raise _conflict(remote, version) from error


def _is_claimed(remote: RemoteModel, version: str, sealed: bytes) -> bool:
    there = remote.sealed(version)
    return there is not None and there.content == sealed


def _is_damaged(remote: RemoteModel, version: str, sealed: bytes) -> bool:
    try:
        remote.manifest(version, sealed)
    except StoreError:
        return True
    return False


def _conflict(remote: RemoteModel, version: str) -> PushConflictError:
    return PushConflictError(str(remote.place.address), remote.name, version)


def _send_files(remote: RemoteModel, path: Path, manifest: Manifest) -> int:
    sizes = remote.place.sizes(remote.of(manifest.run_id, "").rstrip("/"))

    def send(file: str) -> bool:
        """Tell whether a file had to be sent."""
        entry = manifest.files[file]
        if sizes.get(file) == entry.size:
            try:
                remote.check(manifest.run_id, file, entry)
            except StoreError:
                pass  # sent again, it is mended
            else:
                return False
        remote.place.upload(remote.of(manifest.run_id, file), path / file)
        remote.check(manifest.run_id, file, entry)
        return True

    return sum(for_each(send, sorted(manifest.files)))


def _send_signature(remote: RemoteModel, version: str, signature: bytes | None) -> bool:
    """Tell whether the version is signed now."""
    there = remote.signature(version)
    if signature is not None and (there is None or there.content != signature):
        try:
            remote.place.write(remote.signature_name(version), signature, there)
        except ChangedMeanwhileError as error:
            raise _conflict(remote, version) from error
    return signature is not None or there is not None


def _switch(remote: RemoteModel, history: list[Promotion], there: Pointer | None) -> None:
    try:
        remote.write_pointer(history, there)
    except ChangedMeanwhileError:
        now = remote.pointer()
        if now is None or now.history != history:
            _check_continued(remote, now, history)
            where = remote.place.shown(f"{remote.name}/{pointer.NAME}")
            raise StoreError(where, "somebody else pushed at the same time; push again") from None
    except StoreError as error:
        where = remote.place.shown(f"{remote.name}/{pointer.NAME}")
        why = reason(error.__cause__ or error)
        raise StoreError(
            where, f"{why}; whether it was written is not known: push again"
        ) from error
