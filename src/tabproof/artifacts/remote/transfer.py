"""One model in a store: its files by name, bounded and checked as they are in the registry."""

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from tabproof.artifacts import manifest as manifests
from tabproof.artifacts import registry
from tabproof.artifacts import registry as pointer
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
    NAME,
    SIGNATURES,
    VERSION,
    VERSIONS,
    Promotion,
    Registry,
)
from tabproof.artifacts.remote.store import AT_ONCE, ChangedMeanwhileError, Content, Place, reason
from tabproof.artifacts.verify import MAX_WANTED, read_verified
from tabproof.errors import NewerFormatError

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True)
class Pointer:
    """history: the current version's entry last. content: as it was read, to write by."""

    history: list[Promotion]
    content: Content


class RemoteModel:
    """A model of a store. What is read is a StoreError where it cannot be right."""

    def __init__(self, place: Place, name: str) -> None:
        self.place, self.name = place, name

    def pointer(self) -> Pointer | None:
        """Read the pointer; None where nothing was ever pushed."""
        name = f"{self.name}/{registry.POINTER}"
        content = self.place.read_marked(name, registry.MAX_SIZE)
        if content is None:
            return None
        history = self._parsed(name, registry.parse, content.content)
        return Pointer(history, content)

    def history(self) -> list[Promotion]:
        """Read the history; a StoreError where there is none."""
        found = self.pointer()
        if found is None:
            why = (
                "it is not there: nothing was pushed under this name yet, or the first push did"
                " not end"
            )
            raise NotInStoreError(self.place.shown(f"{self.name}/{registry.POINTER}"), why)
        return found.history

    def write_pointer(self, history: Sequence[Promotion], instead: Pointer | None) -> None:
        """Switch to the last entry; raises ChangedMeanwhileError."""
        there = None if instead is None else instead.content
        self.place.write(f"{self.name}/{registry.POINTER}", registry.as_bytes(history), there)

    def sealed(self, version: str) -> Content | None:
        """Read a version's manifest, whatever it holds."""
        return self.place.read_marked(self.of(version, manifests.NAME), manifests.MAX_SIZE)

    def manifest(self, version: str, sealed: bytes) -> Manifest:
        """Parse a version's manifest, which must be of this version and of a size to take."""
        where = self.of(version, manifests.NAME)
        manifest = self._parsed(where, manifests.parse, sealed)
        if manifest.run_id != version:
            raise StoreError(self.place.shown(where), f"it is of run {manifest.run_id}")
        if sum(entry.size for entry in manifest.files.values()) > MAX_WANTED:
            why = f"its files have more than {MAX_WANTED:,} bytes"
            raise StoreError(self.place.shown(where), why)
        return manifest

    def signature(self, version: str) -> Content | None:
        """Read the signature of a version's manifest."""
        return self.place.read_marked(self.signature_name(version), MAX_SIGNATURE)

    def signature_name(self, version: str) -> str:
        """Name the file of a version's signature."""
        return f"{self.name}/{SIGNATURES}/{version}.json"

    def contents(self, version: str, file: str, entry: FileEntry) -> Iterator[bytes]:
        """Give a file's content; the last step is an error where it is not what was sealed."""
        name = self.of(version, file)
        digest, left = hashlib.sha256(), entry.size
        try:
            # One byte more than there should be: a file that grew is found, not followed.
            for part in self.place.parts(name, entry.size + 1):
                left -= len(part)
                digest.update(part)
                yield part
        except NotInStoreError as error:
            raise StoreError(self.place.shown(name), "it is missing") from error
        if left or digest.hexdigest() != entry.sha256:
            what = "shorter than" if left > 0 else "larger than" if left < 0 else "not"
            raise StoreError(self.place.shown(name), f"it is {what} what was sealed")

    def check(self, version: str, file: str, entry: FileEntry) -> None:
        """Read a file back; a StoreError where it is not what was sealed."""
        for _ in self.contents(version, file, entry):
            pass

    def of(self, version: str, file: str) -> str:
        """Name a file of a version; raises StoreError where that would lead elsewhere."""
        if not NAME.fullmatch(self.name) or not VERSION.fullmatch(version):
            raise StoreError(self.place.shown(self.name), "it has a name that no model has")
        return f"{self.name}/{VERSIONS}/{version}/{file}"

    def _parsed(self, name: str, parse: Callable[[bytes], T], content: bytes) -> T:
        try:
            return parse(content)
        except (ValueError, NewerFormatError) as error:
            raise StoreError(self.place.shown(name), f"it is damaged: {error}") from error


def for_each(act: Callable[[T], U], items: Sequence[T]) -> list[U]:
    """Do something for many files, some at once; the first error ends it."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures = [pool.submit(act, item) for item in items]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def model_names(place: Place) -> list[str]:
    """List what a store holds that may be a model."""
    return [name for name in place.names() if NAME.fullmatch(name)]


# --- Pulling a model into a registry: what its manifest names, verified, and the pointer last.

log = logging.getLogger(__name__)


class Keys(Protocol):
    """Who is trusted to vouch for a model: SignatureKeys, which need not be loaded."""

    def check(self, name: str, version: str, sealed: bytes, signature: bytes | None) -> None:
        """Raise SignatureError for a manifest that nobody trusted has signed."""


@dataclass(frozen=True)
class Pulled:
    """n_files: of the version; n_fetched: 0 where it was here. moved: the pointer here."""

    version: str
    n_files: int
    n_fetched: int
    moved: bool


def pull(
    place: Place, registry: Registry, name: str, *, keys: Keys | None, overwrite: bool
) -> Pulled:
    """Make what the store's pointer names the current version here.

    keys: who must have signed it. overwrite: even where that undoes promotions made here.
    """
    remote = RemoteModel(place, name)
    history = remote.history()
    version = history[-1].version
    sealed = remote.sealed(version)
    if sealed is None:
        where = place.shown(remote.of(version, manifests.NAME))
        raise NotInStoreError(where, "the pointer names this version, and it is not there")
    manifest = remote.manifest(version, sealed.content)
    signature = remote.signature(version)
    content = None if signature is None else signature.content
    if keys is not None:
        keys.check(name, version, sealed.content, content)
    fetched = 0

    def fetch(folder: Path) -> None:
        nonlocal fetched
        _fetch(remote, manifest, sealed.content, folder)
        fetched = len(manifest.files)

    check = partial(_check_kept, place, name, history, overwrite)
    before = registry.receive(name, history, sealed.content, content, fetch, check, mend=overwrite)
    return Pulled(version, len(manifest.files), fetched, before != history)


def _check_kept(
    place: Place,
    name: str,
    theirs: Sequence[Promotion],
    overwrite: bool,
    ours: Sequence[Promotion],
) -> None:
    if list(theirs[: len(ours)]) == list(ours):
        return
    if not overwrite:
        raise PullRefusedError(str(place.address), name, ours[-1].version)
    log.warning(
        "model '%s': the history in %s does not continue what was here; was %s, is %s",
        name,
        place.address,
        ours[-1].version,
        theirs[-1].version,
    )


def _fetch(remote: RemoteModel, manifest: Manifest, sealed: bytes, folder: Path) -> None:
    folder.mkdir()
    try:
        for_each(partial(_fetch_file, remote, manifest, folder), sorted(manifest.files))
        write_new(folder / manifests.NAME, [sealed])
        sync_directories(folder)
    except BaseException:
        remove(folder)
        raise


def _fetch_file(remote: RemoteModel, manifest: Manifest, folder: Path, file: str) -> None:
    contents = remote.contents(manifest.run_id, file, manifest.files[file])
    try:
        write_new(folder / file, contents)
    except (FileExistsError, NotADirectoryError) as error:
        where = remote.place.shown(remote.of(manifest.run_id, manifests.NAME))
        raise StoreError(where, f"it names a file that is a directory too: {file!r}") from error


# --- Pushing a promoted model: its files, checked where they arrived, and the pointer last.


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
        from tabproof.artifacts.remote.signature import sign

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
            where = remote.place.shown(f"{remote.name}/{pointer.POINTER}")
            raise StoreError(where, "somebody else pushed at the same time; push again") from None
    except StoreError as error:
        where = remote.place.shown(f"{remote.name}/{pointer.POINTER}")
        why = reason(error.__cause__ or error)
        raise StoreError(
            where, f"{why}; whether it was written is not known: push again"
        ) from error
