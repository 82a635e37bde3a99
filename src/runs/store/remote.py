"""One model in a store: its files by name, bounded and checked as they are in the registry."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from src.errors import NewerFormatError, NotInStoreError, StoreError
from src.runs import manifest as manifests
from src.runs import pointer
from src.runs.manifest import FileEntry, Manifest
from src.runs.pointer import Promotion
from src.runs.registry import MAX_SIGNATURE, NAME, SIGNATURES, VERSION, VERSIONS
from src.runs.store.place import AT_ONCE, Content, Place
from src.runs.verified import MAX_WANTED

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
        name = f"{self.name}/{pointer.NAME}"
        content = self.place.read_marked(name, pointer.MAX_SIZE)
        if content is None:
            return None
        history = self._parsed(name, pointer.parse, content.content)
        return Pointer(history, content)

    def history(self) -> list[Promotion]:
        """Read the history; a StoreError where there is none."""
        found = self.pointer()
        if found is None:
            why = (
                "it is not there: nothing was pushed under this name yet, or the first push did"
                " not end"
            )
            raise NotInStoreError(self.place.shown(f"{self.name}/{pointer.NAME}"), why)
        return found.history

    def write_pointer(self, history: Sequence[Promotion], instead: Pointer | None) -> None:
        """Switch to the last entry; raises ChangedMeanwhileError."""
        there = None if instead is None else instead.content
        self.place.write(f"{self.name}/{pointer.NAME}", pointer.as_bytes(history), there)

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
