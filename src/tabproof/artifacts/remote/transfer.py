"""Push promoted models to a store and pull them from it; every file is verified by its hash."""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tabproof.artifacts import manifest as manifests
from tabproof.artifacts import registry as registries
from tabproof.artifacts.challenges import (
    CHALLENGES,
    Challenge,
    challenges_as_bytes,
    in_force,
    parse_challenges,
)
from tabproof.artifacts.errors import (
    NotInStoreError,
    NotPromotedError,
    RegistryDamagedError,
    StoreError,
)
from tabproof.artifacts.files import new_directory, write_new
from tabproof.artifacts.manifest import FileEntry, Manifest, read_verified
from tabproof.artifacts.registry import Promotion, Registry
from tabproof.artifacts.remote import store as stores
from tabproof.artifacts.remote.store import ChangedMeanwhileError, Content, Store
from tabproof.errors import NewerFormatError, UserError

if TYPE_CHECKING:
    from tabproof.artifacts.remote.signature import SignatureKeys

T = TypeVar("T")

log = logging.getLogger(__name__)


class TransferRefusedError(UserError):
    """A push or a pull would lose promotions, or mix two executions of one run."""

    exit_code = 1
    template = "{problem}: {remedy}"


@dataclass(frozen=True)
class Transfer:
    """What was pushed or pulled.

    n_copied: files that were missing or damaged where they went. moved: whether the pointer there
    or the challenges changed. challenger: the version that challenges the current one.
    """

    manifest: Manifest
    n_copied: int
    moved: bool
    signed: bool
    challenger: str | None = None


class RemoteModel:
    """One model of a store. Content that cannot be right raises StoreError."""

    def __init__(self, store: Store, name: str) -> None:
        self.store, self.name = store, name
        self.pointer_name = f"{name}/{registries.POINTER}"
        self.challenges_name = f"{name}/{CHALLENGES}"
        if not registries.NAME.fullmatch(name):
            raise StoreError(store.location(name), "a model cannot have this name")

    def history(self) -> list[Promotion]:
        """Read the history; raise NotInStoreError where there is none."""
        history, _ = self.pointer()
        if not history:
            reason = (
                "it is not there: nothing was pushed under this name yet, or the first push did"
                " not finish"
            )
            raise NotInStoreError(self.store.location(self.pointer_name), reason)
        return history

    def pointer(self) -> tuple[list[Promotion], Content | None]:
        """Read the history, and the content to replace; empty where nothing was ever pushed."""
        content = self.store.read(self.pointer_name, registries.MAX_SIZE)
        if content is None:
            return [], None
        return self._parsed(self.pointer_name, registries.parse_history, content.content), content

    def challenges(self) -> tuple[list[Challenge], Content | None]:
        """Read the challenges, and the content to replace; empty where there never was one."""
        content = self.store.read(self.challenges_name, registries.MAX_SIZE)
        if content is None:
            return [], None
        return self._parsed(self.challenges_name, parse_challenges, content.content), content

    def path(self, version: str, file: str = manifests.NAME) -> str:
        """Return the name of a version's file in the store."""
        return f"{self.name}/{registries.VERSIONS}/{version}/{file}"

    def sealed(self, version: str) -> Content | None:
        """Read the bytes of a version's manifest."""
        return self.store.read(self.path(version), manifests.MAX_SIZE)

    def manifest(self, version: str, sealed: bytes) -> Manifest:
        """Parse a manifest, which must be of this version and of acceptable size."""
        location = self.store.location(self.path(version))
        manifest = self._parsed(self.path(version), manifests.parse, sealed)
        if manifest.run_id != version:
            raise StoreError(location, f"it is of run {manifest.run_id}")
        if manifest.n_bytes > manifests.MAX_WANTED:
            raise StoreError(location, f"its files have more than {manifests.MAX_WANTED:,} bytes")
        return manifest

    def contents(self, version: str, file: str, entry: FileEntry) -> Iterator[bytes]:
        """Yield the content of a file; raise at the end where it differs from the manifest."""
        name = self.path(version, file)
        try:
            yield from manifests.verified(self.store.parts(name, entry.size + 1), entry)
        except NotInStoreError as error:
            raise StoreError(self.store.location(name), "it is missing") from error
        except ValueError as error:
            raise StoreError(self.store.location(name), f"it {error}") from error

    def signature(self, version: str) -> tuple[str, Content | None]:
        """Return the name of a version's signature, and its content."""
        name = f"{self.name}/{registries.SIGNATURES}/{version}.json"
        return name, self.store.read(name, registries.MAX_SIGNATURE)

    def _parsed(self, name: str, parse: Callable[[bytes], T], content: bytes) -> T:
        try:
            return parse(content)
        except (ValueError, NewerFormatError) as error:
            raise StoreError(self.store.location(name), f"it is damaged: {error}") from error


def model_names(store: Store) -> list[str]:
    """Return the names in a store that a model can have."""
    return [name for name in store.names() if registries.NAME.fullmatch(name)]


def pull(
    store: Store, registry: Registry, name: str, *, keys: "SignatureKeys | None", overwrite: bool
) -> Transfer:
    """Make the current version of the store the current version of the registry.

    The files of the manifest come first, verified, and the pointer last. keys: which must have
    signed the model; None accepts every model. overwrite: whether promotions made here may be lost.
    """
    remote = RemoteModel(store, name)
    history = remote.history()
    version = history[-1].version
    fetched = _Fetched.of(remote, version, keys)
    challenge, challenger, challenges = None, None, None
    try:
        challenges, _ = remote.challenges()
        challenge = in_force(challenges, [entry.version for entry in history])
        if challenge is not None:
            challenger = _Fetched.of(remote, challenge.version, keys)
    except UserError as error:
        log.warning("the challenger of '%s' cannot be pulled: %s", name, error)
    with registry.locked(name):
        try:
            ours = registry.history(name)
        except RegistryDamagedError as error:
            if not overwrite:
                raise
            log.warning("%s; replacing it", error)
            ours = []
        if history[: len(ours)] != ours:
            last = ours[-1].version
            if not overwrite:
                raise TransferRefusedError(
                    f"here '{name}' has promotions that {store.address} lacks, the last {last}",
                    "push them, or --overwrite to follow the store (versions here stay)",
                )
            message = "model '%s': the history in %s does not continue the one here; was %s, is %s"
            log.warning(message, name, store.address, last, version)
        n_fetched = fetched.place(registry)
        if ours != history:
            registry.write_history(name, history)
        is_challenged = _take_challenges(registry, name, challenges, challenger, overwrite)
    moved = ours != history or is_challenged
    version_of = None if challenge is None else challenge.version
    return Transfer(fetched.manifest, n_fetched, moved, fetched.signature is not None, version_of)


def _take_challenges(
    registry: Registry,
    name: str,
    theirs: list[Challenge] | None,
    challenger: "_Fetched | None",
    overwrite: bool,
) -> bool:
    """Take the challenges of the store, the champion being current; return whether they changed.

    The champion is served whatever happens: what fails is logged. theirs: None if unknown.
    """
    try:
        ours = registry.challenges(name)
    except RegistryDamagedError as error:
        log.warning("%s; replacing it", error)
        ours = []
    if theirs is None or (theirs[: len(ours)] != ours and not overwrite):
        return False
    try:
        if challenger is not None:
            challenger.place(registry)
    except UserError as error:
        log.warning("the challenger of '%s' cannot be pulled: %s", name, error)
    if ours != theirs:
        registry.write_challenges(name, theirs)
    return ours != theirs


@dataclass(frozen=True)
class _Fetched:
    """A version of a store: its manifest was read and is trusted, its files were not read yet."""

    remote: RemoteModel
    sealed: bytes
    manifest: Manifest
    signature: bytes | None

    @classmethod
    def of(cls, remote: RemoteModel, version: str, keys: "SignatureKeys | None") -> "_Fetched":
        """Read the manifest and the signature of a version; raise if it is not trusted."""
        sealed = remote.sealed(version)
        if sealed is None:
            location = remote.store.location(remote.path(version))
            raise NotInStoreError(location, "the pointer names this version, and it is not there")
        manifest = remote.manifest(version, sealed.content)
        _, found = remote.signature(version)
        signature = None if found is None else found.content
        if keys is not None:
            keys.check(remote.name, version, sealed.content, signature)
        return cls(remote, sealed.content, manifest, signature)

    def place(self, registry: Registry) -> int:
        """Make the version whole in the registry, which is locked; return how many files came."""
        remote, name, version = self.remote, self.remote.name, self.manifest.run_id
        incoming = registry.root / name / registries.INCOMING

        def fetch(file: str) -> None:
            try:
                parts = remote.contents(version, file, self.manifest.files[file])
                write_new(incoming / file, parts)
            except (FileExistsError, NotADirectoryError) as error:
                location = remote.store.location(remote.path(version))
                reason = f"it names a file that is also a directory: {file!r}"
                raise StoreError(location, reason) from error

        is_fetched = not registry.is_intact(name, version, self.sealed)
        if is_fetched:
            with new_directory(incoming), ThreadPoolExecutor(stores.N_PARALLEL) as pool:
                list(pool.map(fetch, sorted(self.manifest.files)))
                write_new(incoming / manifests.NAME, [self.sealed])
            read_verified(incoming, lambda _: False)
            registry.place(name, version)
        if self.signature is not None:
            registry.write_signature(name, version, self.signature)
        return len(self.manifest.files) if is_fetched else 0


def push(
    store: Store, registry: Registry, name: str, *, sign_by: Path | None, replace: bool
) -> Transfer:
    """Push the current version of a model, and its history.

    The manifest comes first, so that of two pushes with other bytes only one goes on; then the
    files, verified where they arrived, and the pointer last. sign_by: a private key. replace:
    whether other bytes that the store has under this run id are replaced.

    Raises TransferRefusedError where the store's history is not the beginning of the one here, or
    another execution of the run is there, or is being pushed now.
    """
    history = registry.history(name)
    if not history:
        raise NotPromotedError(name, registry.root, registry.names())
    challenge = registry.challenge_of(name)
    remote = RemoteModel(store, name)
    sent = _Sent.of(remote, registry, history[-1].version, sign_by)
    challenger = None
    if challenge is not None:
        challenger = _Sent.of(remote, registry, challenge.version, sign_by)
    theirs, pointer = remote.pointer()
    _check_continued(remote, theirs, history)
    n_sent, signed = sent.send(replace=replace)
    if theirs != history:
        _switch(remote, history, pointer)
    if challenger is not None:
        n_sent += challenger.send(replace=replace)[0]
    is_challenged = _send_challenges(remote, registry.challenges(name))
    moved = theirs != history or is_challenged
    version = None if challenge is None else challenge.version
    return Transfer(sent.manifest, n_sent, moved, signed, version)


@dataclass(frozen=True)
class _Sent:
    """A version of the registry: verified, and signed if it is to be."""

    remote: RemoteModel
    path: Path
    sealed: bytes
    manifest: Manifest
    signature: bytes | None

    @classmethod
    def of(
        cls, remote: RemoteModel, registry: Registry, version: str, sign_by: Path | None
    ) -> "_Sent":
        """Verify a version; sign_by: a private key."""
        path = registry.path_of(remote.name, version)
        run = read_verified(path, lambda _: False, registry.roots)
        signature = registry.signature_of(remote.name, version)
        if sign_by is not None:
            from tabproof.artifacts.remote.signature import sign

            signature = sign(remote.name, run.sealed, sign_by)
        return cls(remote, path, run.sealed, remote.manifest(version, run.sealed), signature)

    def send(self, *, replace: bool) -> tuple[int, bool]:
        """Make the version whole in the store; return how many files it lacked, and if signed."""
        remote, version = self.remote, self.manifest.run_id
        store = remote.store
        conflict = TransferRefusedError(
            f"{store.address} holds {remote.name}/{version} with other bytes",
            "another execution of the same run, pushed from elsewhere, or being pushed now;"
            " pull it, or --replace it with this one",
        )

        def is_claimed() -> bool:
            now = remote.sealed(version)
            return now is not None and now.content == self.sealed

        there = remote.sealed(version)
        if there is None or there.content != self.sealed:
            if there is not None and not replace:
                with suppress(StoreError):  # damaged: it is replaced
                    remote.manifest(version, there.content)
                    raise conflict
            try:
                store.write(remote.path(version), self.sealed, there)
            except ChangedMeanwhileError as error:
                if not is_claimed():
                    raise conflict from error
        n_sent = _send_files(remote, self.path, self.manifest)
        name, signed = remote.signature(version)
        if self.signature is not None and (signed is None or signed.content != self.signature):
            try:
                store.write(name, self.signature, signed)
            except ChangedMeanwhileError as error:
                raise conflict from error
        if not is_claimed():
            raise conflict
        return n_sent, bool(self.signature or signed)


def _send_challenges(remote: RemoteModel, ours: list[Challenge]) -> bool:
    """Write the challenges where the store has others; return whether it had."""
    theirs, before = remote.challenges()
    if ours == theirs or not ours:
        return False
    location = remote.store.location(remote.challenges_name)
    if ours[: len(theirs)] != theirs:
        last = theirs[-1]
        raise TransferRefusedError(
            f"{location} has challenges that are not here, the last by {last.version}",
            f"python -m src.runs pull {remote.name} --overwrite takes them",
        )
    try:
        remote.store.write(remote.challenges_name, challenges_as_bytes(ours), before)
    except ChangedMeanwhileError as error:
        reason = "another process pushed at the same time; push again"
        raise StoreError(location, reason) from error
    return True


def _check_continued(remote: RemoteModel, theirs: list[Promotion], ours: list[Promotion]) -> None:
    if ours[: len(theirs)] == theirs:
        return
    n_missing, newest = sum(entry not in ours for entry in theirs), theirs[-1]
    raise TransferRefusedError(
        f"{remote.store.address} is not where '{remote.name}' here comes from",
        f"{n_missing} of its entries are not here, the last {newest.action}"
        f" {newest.version} by {newest.who} at {newest.when}; python -m src.runs pull"
        f" {remote.name} --overwrite takes the store's history, then promote again and push",
    )


def _send_files(remote: RemoteModel, path: Path, manifest: Manifest) -> int:
    """Send the files that are missing or damaged there; return how many they were."""

    def verify(file: str) -> None:
        for _ in remote.contents(manifest.run_id, file, manifest.files[file]):
            pass

    def send(file: str) -> bool:
        with suppress(StoreError):  # missing or damaged: it is sent
            verify(file)
            return False
        remote.store.upload(remote.path(manifest.run_id, file), path / file)
        verify(file)
        return True

    with ThreadPoolExecutor(stores.N_PARALLEL) as pool:
        return sum(pool.map(send, sorted(manifest.files)))


def _switch(remote: RemoteModel, history: list[Promotion], before: Content | None) -> None:
    location = remote.store.location(remote.pointer_name)
    try:
        remote.store.write(remote.pointer_name, registries.history_as_bytes(history), before)
    except ChangedMeanwhileError:
        now, _ = remote.pointer()
        # Where the history is there, an answer was lost and the write was repeated.
        if now != history:
            _check_continued(remote, now, history)
            reason = "another process pushed at the same time; push again"
            raise StoreError(location, reason) from None
    except StoreError as error:
        reason = f"{stores.failure_reason(error.__cause__ or error)}; whether it was written"
        raise StoreError(location, f"{reason} is not known: push again") from error
