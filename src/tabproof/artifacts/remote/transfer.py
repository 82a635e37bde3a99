"""Push promoted models to a store and pull them from it; every file is verified by its hash."""

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from tabproof.artifacts import manifest as manifests
from tabproof.artifacts.errors import (
    NotInStoreError,
    NotPromotedError,
    PullRefusedError,
    PushConflictError,
    PushRefusedError,
    StoreError,
)
from tabproof.artifacts.files import remove, sync_directories, write_new
from tabproof.artifacts.manifest import FileEntry, Manifest
from tabproof.artifacts.registry import (
    MAX_SIGNATURE,
    MAX_SIZE,
    NAME,
    POINTER,
    SIGNATURES,
    VERSION,
    VERSIONS,
    Promotion,
    Registry,
    history_as_bytes,
    parse_history,
)
from tabproof.artifacts.remote.store import (
    N_PARALLEL,
    ChangedMeanwhileError,
    Content,
    Store,
    failure_reason,
)
from tabproof.artifacts.verify import MAX_WANTED, read_verified
from tabproof.errors import NewerFormatError

T = TypeVar("T")
U = TypeVar("U")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pointer:
    """history: the entry of the current version last. content: as it was read, to replace it."""

    history: list[Promotion]
    content: Content


class RemoteModel:
    """One model of a store. Content that cannot be right raises StoreError."""

    def __init__(self, store: Store, name: str) -> None:
        self.store, self.name = store, name
        self.pointer_name = f"{name}/{POINTER}"

    def pointer(self) -> Pointer | None:
        """Read the pointer; return None where nothing was ever pushed."""
        content = self.store.read(self.pointer_name, MAX_SIZE)
        if content is None:
            return None
        return Pointer(self._parsed(self.pointer_name, parse_history, content.content), content)

    def history(self) -> list[Promotion]:
        """Read the history; raise NotInStoreError where there is none."""
        found = self.pointer()
        if found is None:
            reason = (
                "it is not there: nothing was pushed under this name yet, or the first push did"
                " not finish"
            )
            raise NotInStoreError(self.store.location(self.pointer_name), reason)
        return found.history

    def sealed(self, version: str) -> Content | None:
        """Read the bytes of a version's manifest."""
        return self.store.read(self.path(version, manifests.NAME), manifests.MAX_SIZE)

    def manifest(self, version: str, sealed: bytes) -> Manifest:
        """Parse a manifest, which must be of this version and of acceptable size."""
        name = self.path(version, manifests.NAME)
        manifest = self._parsed(name, manifests.parse, sealed)
        if manifest.run_id != version:
            raise StoreError(self.store.location(name), f"it is of run {manifest.run_id}")
        if sum(entry.size for entry in manifest.files.values()) > MAX_WANTED:
            reason = f"its files have more than {MAX_WANTED:,} bytes"
            raise StoreError(self.store.location(name), reason)
        return manifest

    def signature(self, version: str) -> Content | None:
        """Read the signature of a version's manifest."""
        return self.store.read(self.signature_name(version), MAX_SIGNATURE)

    def signature_name(self, version: str) -> str:
        """Return the name of a version's signature."""
        return f"{self.name}/{SIGNATURES}/{version}.json"

    def contents(self, version: str, file: str, entry: FileEntry) -> Iterator[bytes]:
        """Yield the content of a file; raise at the end where it differs from the manifest."""
        name = self.path(version, file)
        try:
            yield from manifests.verified(self.store.parts(name, entry.size + 1), entry)
        except NotInStoreError as error:
            raise StoreError(self.store.location(name), "it is missing") from error
        except ValueError as error:
            raise StoreError(self.store.location(name), f"it {error}") from error

    def verify(self, version: str, file: str, entry: FileEntry) -> None:
        """Read a file back; raise StoreError where it differs from the manifest."""
        for _ in self.contents(version, file, entry):
            pass

    def path(self, version: str, file: str = "") -> str:
        """Return the name of a version's file, or of its directory."""
        if not NAME.fullmatch(self.name) or not VERSION.fullmatch(version):
            raise StoreError(self.store.location(self.name), "a model cannot have this name")
        return f"{self.name}/{VERSIONS}/{version}" + (f"/{file}" if file else "")

    def _parsed(self, name: str, parse: Callable[[bytes], T], content: bytes) -> T:
        try:
            return parse(content)
        except (ValueError, NewerFormatError) as error:
            raise StoreError(self.store.location(name), f"it is damaged: {error}") from error


def _for_each(function: Callable[[T], U], items: Sequence[T]) -> list[U]:
    """Call a function for many files, several at once; the first error ends it."""
    with ThreadPoolExecutor(N_PARALLEL) as pool:
        futures = [pool.submit(function, item) for item in items]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def model_names(store: Store) -> list[str]:
    """Return the names in a store that a model can have."""
    return [name for name in store.names() if NAME.fullmatch(name)]


# --- Pull: the files of the manifest, verified, and the pointer last.


class Keys(Protocol):
    """The keys of trusted signers; SignatureKeys, without importing cryptography."""

    def check(self, name: str, version: str, sealed: bytes, signature: bytes | None) -> None:
        """Raise SignatureError for a manifest that no trusted key has signed."""


@dataclass(frozen=True)
class Pulled:
    """n_fetched: 0 where the version was here already. moved: whether the pointer changed."""

    version: str
    n_files: int
    n_fetched: int
    moved: bool


def pull(
    store: Store, registry: Registry, name: str, *, keys: Keys | None, overwrite: bool
) -> Pulled:
    """Make the current version of the store the current version of the registry.

    Parameters
    ----------
    keys : which must have signed the model; None accepts every model
    overwrite : whether promotions made here may be lost
    """
    remote = RemoteModel(store, name)
    history = remote.history()
    version = history[-1].version
    sealed = remote.sealed(version)
    if sealed is None:
        location = store.location(remote.path(version, manifests.NAME))
        raise NotInStoreError(location, "the pointer names this version, and it is not there")
    manifest = remote.manifest(version, sealed.content)
    signature = remote.signature(version)
    signed = None if signature is None else signature.content
    if keys is not None:
        keys.check(name, version, sealed.content, signed)
    fetched = 0

    def fetch(folder: Path) -> None:
        nonlocal fetched
        folder.mkdir()
        try:
            _for_each(partial(_fetch_file, remote, manifest, folder), sorted(manifest.files))
            write_new(folder / manifests.NAME, [sealed.content])
            sync_directories(folder)
        except BaseException:
            remove(folder)
            raise
        fetched = len(manifest.files)

    def check_history(ours: list[Promotion]) -> None:
        if history[: len(ours)] == ours:
            return
        if not overwrite:
            raise PullRefusedError(name=name, store=store.address, version=ours[-1].version)
        log.warning(
            "model '%s': the history in %s does not continue the one here; was %s, is %s",
            name,
            store.address,
            ours[-1].version,
            version,
        )

    before = registry.receive(
        name, history, sealed.content, signed, fetch, check_history, repair=overwrite
    )
    return Pulled(version, len(manifest.files), fetched, before != history)


def _fetch_file(remote: RemoteModel, manifest: Manifest, folder: Path, file: str) -> None:
    contents = remote.contents(manifest.run_id, file, manifest.files[file])
    try:
        write_new(folder / file, contents)
    except (FileExistsError, NotADirectoryError) as error:
        location = remote.store.location(remote.path(manifest.run_id, manifests.NAME))
        raise StoreError(location, f"it names a file that is also a directory: {file!r}") from error


# --- Push: the files, verified where they arrived, and the pointer last.


@dataclass(frozen=True)
class Pushed:
    """n_sent: files that were missing or damaged there. moved: whether the pointer changed."""

    version: str
    n_files: int
    n_bytes: int
    n_sent: int
    moved: bool
    signed: bool


def push(
    store: Store, registry: Registry, name: str, *, sign_by: Path | None, replace: bool
) -> Pushed:
    """Push the current version of a model, and its history.

    Parameters
    ----------
    sign_by : a private key
    replace : whether other bytes that the store has under this run id are replaced

    Raises
    ------
    PushRefusedError : the store's history is not the beginning of the one here
    PushConflictError : another execution of the run is there, or is being pushed now
    """
    history = registry.history(name)
    if not history:
        raise NotPromotedError(name, registry.root, registry.names())
    version = history[-1].version
    path = registry.path_of(name, version)
    run = read_verified(path, lambda _: False)
    signature = registry.signature_of(name, version)
    if sign_by is not None:
        from tabproof.artifacts.remote.signature import sign

        signature = sign(name, run.sealed, sign_by)
    remote = RemoteModel(store, name)
    manifest = remote.manifest(version, run.sealed)
    before = remote.pointer()
    _check_continued(remote, before, history)
    _claim(remote, version, run.sealed, replace=replace)
    n_sent = _send_files(remote, path, manifest)
    is_signed = _send_signature(remote, version, signature)
    if not _is_claimed(remote, version, run.sealed):
        raise _conflict(remote, version)
    is_moved = before is None or before.history != history
    if is_moved:
        _switch(remote, history, before)
    n_bytes = sum(entry.size for entry in manifest.files.values())
    return Pushed(version, len(manifest.files), n_bytes, n_sent, is_moved, is_signed)


def _check_continued(remote: RemoteModel, before: Pointer | None, ours: list[Promotion]) -> None:
    if before is None or ours[: len(before.history)] == before.history:
        return
    pairs = zip(ours, before.history, strict=False)
    n_common = next(
        (n for n, (our, their) in enumerate(pairs) if our != their),
        min(len(ours), len(before.history)),
    )
    newest = before.history[-1]
    reason = (
        f"{len(before.history) - n_common} of its entries are not here, the last"
        f" {newest.action} {newest.version} by {newest.who} at {newest.when}"
    )
    raise PushRefusedError(store=remote.store.address, name=remote.name, reason=reason)


def _claim(remote: RemoteModel, version: str, sealed: bytes, *, replace: bool) -> None:
    """Write the manifest first, so that of two pushes with other bytes only one goes on."""
    found = remote.sealed(version)
    if found is not None and found.content == sealed:
        return
    if found is not None and not replace:
        try:
            remote.manifest(version, found.content)
        except StoreError:
            pass  # damaged: it is replaced
        else:
            raise _conflict(remote, version)
    try:
        remote.store.write(remote.path(version, manifests.NAME), sealed, found)
    except ChangedMeanwhileError as error:
        if not _is_claimed(remote, version, sealed):
            raise _conflict(remote, version) from error


def _is_claimed(remote: RemoteModel, version: str, sealed: bytes) -> bool:
    found = remote.sealed(version)
    return found is not None and found.content == sealed


def _conflict(remote: RemoteModel, version: str) -> PushConflictError:
    return PushConflictError(store=remote.store.address, name=remote.name, version=version)


def _send_files(remote: RemoteModel, path: Path, manifest: Manifest) -> int:
    """Send the files that are missing or damaged there; return how many they were."""
    sizes = remote.store.sizes(remote.path(manifest.run_id))

    def send(file: str) -> bool:
        entry = manifest.files[file]
        if sizes.get(file) == entry.size:
            try:
                remote.verify(manifest.run_id, file, entry)
            except StoreError:
                pass  # damaged: it is sent again
            else:
                return False
        remote.store.upload(remote.path(manifest.run_id, file), path / file)
        remote.verify(manifest.run_id, file, entry)
        return True

    return sum(_for_each(send, sorted(manifest.files)))


def _send_signature(remote: RemoteModel, version: str, signature: bytes | None) -> bool:
    """Send the signature, if there is one; return whether the version is signed now."""
    found = remote.signature(version)
    if signature is not None and (found is None or found.content != signature):
        try:
            remote.store.write(remote.signature_name(version), signature, found)
        except ChangedMeanwhileError as error:
            raise _conflict(remote, version) from error
    return signature is not None or found is not None


def _switch(remote: RemoteModel, history: list[Promotion], before: Pointer | None) -> None:
    location = remote.store.location(remote.pointer_name)
    content = None if before is None else before.content
    try:
        remote.store.write(remote.pointer_name, history_as_bytes(history), content)
    except ChangedMeanwhileError:
        now = remote.pointer()
        # Where the history is there, an answer was lost and the write was repeated.
        if now is None or now.history != history:
            _check_continued(remote, now, history)
            reason = "another process pushed at the same time; push again"
            raise StoreError(location, reason) from None
    except StoreError as error:
        reason = f"{failure_reason(error.__cause__ or error)}; whether it was written is not known"
        raise StoreError(location, f"{reason}: push again") from error
