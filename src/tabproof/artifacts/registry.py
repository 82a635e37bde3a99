"""The registry of promoted models: verified copies of runs, and one pointer per name.

    models/<name>/versions/<run id>/    a run directory
    models/<name>/pointer.json          the current version, and the history

Readers need no lock: versions appear by a rename, and the pointer is replaced in one step.
"""

import json
import logging
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from tabproof.artifacts.errors import (
    AmbiguousRunError,
    NoSuchVersionError,
    NothingBeforeError,
    NotPromotedError,
    NotServableError,
    RegistryDamagedError,
    RegistryNameError,
    UnverifiedRunError,
)
from tabproof.artifacts.files import (
    locked,
    read_json,
    read_limited,
    remove,
    sync,
    write_atomically,
)
from tabproof.artifacts.manifest import RunId
from tabproof.artifacts.verify import OpenRun, copy_run, opened_run, read_verified
from tabproof.errors import InvalidValueError, NewerFormatError

# --- pointer.json: which version is current, and how it came to be. One file, one step.

POINTER = "pointer.json"
FORMAT = 1
# A hundred thousand promotions.
MAX_SIZE = 64 << 20

Action = Literal["promote", "rollback"]


@dataclass(frozen=True)
class Promotion:
    """One entry of the history. version names its directory; when is ISO 8601 with a zone.

    previous: the version that was current before, None for the first.
    """

    version: RunId
    run_id: str
    action: Action
    who: str
    when: str
    why: str
    previous: str | None


@dataclass(frozen=True)
class _Format:
    format: int


@dataclass(frozen=True)
class _Pointer:
    current: str
    history: Annotated[list[Promotion], Meta(min_length=1)]


def read_history(folder: Path) -> list[Promotion]:
    """Read the history, oldest first, the current one last; empty where nothing was promoted."""
    try:
        return parse(read_limited(folder / POINTER, MAX_SIZE))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except ValueError as error:
        raise RegistryDamagedError(folder / POINTER, str(error)) from error


def parse(content: bytes) -> list[Promotion]:
    """Parse a pointer; raises ValueError with what is wrong in it."""
    found = read_json(content, _Format).format
    if found > FORMAT:
        raise NewerFormatError(POINTER, found, FORMAT)
    pointer = read_json(content, _Pointer)
    before = [None, *(entry.version for entry in pointer.history)]
    if [entry.previous for entry in pointer.history] != before[:-1]:
        raise ValueError("the entries of its history do not follow each other")
    if pointer.current != before[-1]:
        raise ValueError("the current version is not the last of its history")
    return pointer.history


def write_history(folder: Path, history: Sequence[Promotion]) -> None:
    """Switch to the last entry."""
    write_atomically(folder / POINTER, as_bytes(history))


def as_bytes(history: Sequence[Promotion]) -> bytes:
    """Give the content of the file."""
    content = {
        "format": FORMAT,
        "current": history[-1].version,
        "history": [asdict(entry) for entry in history],
    }
    return json.dumps(content, indent=2, ensure_ascii=False).encode()


def stack_of(history: Sequence[Promotion]) -> list[str]:
    """Give the versions that one rollback after the other goes through, the current one last.

    A promotion lies on top of what was there. A rollback takes off what lies above its
    version, or lays the version on top where it was taken off before.
    """
    stack: list[str] = []
    for entry in history:
        if entry.action == "rollback" and entry.version in stack:
            while stack[-1] != entry.version:
                stack.pop()
        else:
            stack.append(entry.version)
    return stack


NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
VERSION = re.compile(r"[0-9A-Za-z]{1,64}")
VERSIONS = "versions"
LOCK = ".lock"
# Beside versions/, not in it: half a copy is never seen there.
INCOMING, RETIRED = ".incoming", ".retired"
# Beside it too: a version holds what its manifest names, and nothing else.
SIGNATURES = "signatures"
MAX_SIGNATURE = 64 << 10
SCORER = "scorer/"
MAX_LETTERS = 1000

log = logging.getLogger(__name__)


class Registry:
    """What was promoted, by name; root need not be there yet."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self) -> list[str]:
        """List the models that have a current version."""
        paths = self.root.iterdir() if self.root.is_dir() else []
        return sorted(
            path.name
            for path in paths
            if NAME.fullmatch(path.name) and not path.is_symlink() and _is_plain_file(path)
        )

    def current(self, name: str) -> Promotion | None:
        """Give what is served under a name; None where nothing was promoted."""
        history = self.history(name)
        return history[-1] if history else None

    def history(self, name: str) -> list[Promotion]:
        """Give all that happened under a name, oldest first."""
        return read_history(self._folder(name))

    def promoted_ids(self) -> Iterator[tuple[str, str]]:
        """Give the id of every run that was ever promoted, and the name that it has there."""
        for name in self.names():
            for entry in self.history(name):
                yield entry.run_id, name

    def path_of(self, name: str, version: str) -> Path:
        """Give the directory of a version, which passes through no link below the root."""
        if not VERSION.fullmatch(version):
            raise NoSuchVersionError(name, version, self._versions(name))
        versions = self._folder(name) / VERSIONS
        _refuse_link(versions)
        return versions / version

    def version_named(self, name: str, beginning: str | None = None) -> str:
        """Find a promoted version by the beginning of its id; the current one without."""
        current, versions = self.current(name), self._versions(name)
        if current is None:
            raise NotPromotedError(name, self.root, self.names())
        if beginning is None:
            return current.version
        found = [version for version in versions if beginning and version.startswith(beginning)]
        if beginning in found:
            return beginning
        if not found:
            raise NoSuchVersionError(name, beginning, versions)
        if len(found) > 1:
            raise AmbiguousRunError(beginning, found)
        return found[0]

    def promote(
        self,
        run: Path,
        name: str,
        who: str,
        why: str,
        judge: Callable[[Path], str] | None = None,
    ) -> Promotion:
        """Copy a run and make it the current version; without an entry where it is already.

        judge: called with the directory of the current version, if there is one, while no
        other promotion can change it. It raises to refuse; what it returns is added to why.
        """
        _check_words(who, why)
        folder = self._folder(name)
        with opened_run(run) as candidate:
            version = candidate.manifest.run_id
            if not any(file.startswith(SCORER) for file in candidate.manifest.files):
                raise NotServableError(run)
            with _locked(folder):
                current = self.current(name)
                is_current = current is not None and current.version == version
                if current is not None and judge is not None and not is_current:
                    figures = judge(self.path_of(name, current.version))
                    why = f"{why}; {figures}" if why else figures
                self._bring(candidate, self.path_of(name, version), folder)
                if current is not None and is_current:
                    return current
                return self._switch(name, version, "promote", who, why)

    def rollback(self, name: str, who: str, why: str, to: str | None = None) -> Promotion:
        """Go back to the version before, as one undoes; to: to any promoted version."""
        _check_words(who, why)
        # Before a lock makes a directory for it.
        self.version_named(name)
        with _locked(self._folder(name)):
            stack = stack_of(self.history(name))
            if to is None and len(stack) < 2:
                raise NothingBeforeError(name, stack[-1])
            version = stack[-2] if to is None else self.version_named(name, to)
            _verify(self.path_of(name, version), version)
            if version == stack[-1]:
                return self.history(name)[-1]
            return self._switch(name, version, "rollback", who, why)

    def receive(
        self,
        name: str,
        history: list[Promotion],
        sealed: bytes,
        signature: bytes | None,
        fetch: Callable[[Path], None],
        check: Callable[[list[Promotion]], None],
        *,
        mend: bool,
    ) -> list[Promotion]:
        """Take over a history from elsewhere, with the version that it makes current.

        fetch fills a directory that is not there yet, unless a version of this manifest is here.
        check: called with the history that is here, while nobody can change it; raises to refuse.
        mend: a damaged pointer counts as none. Gives the history that was here.
        """
        folder, version = self._folder(name), history[-1].version
        path = self.path_of(name, version)
        with _locked(folder):
            ours = self._history_here(name, mend=mend)
            check(ours)
            if not _is_intact(path, sealed):
                fetch(folder / INCOMING)
                _verify(folder / INCOMING, version)
                self._place(path, folder)
            if signature is not None:
                (folder / SIGNATURES).mkdir(exist_ok=True)
                write_atomically(self._signature_path(name, version), signature)
            if ours != history:
                write_history(folder, history)
        return ours

    def _history_here(self, name: str, *, mend: bool) -> list[Promotion]:
        try:
            return self.history(name)
        except RegistryDamagedError as error:
            if not mend:
                raise
            log.warning("%s; replacing it", error)
            return []

    def signature_of(self, name: str, version: str) -> bytes | None:
        """Give the signature of a version's manifest; None where nobody signed it."""
        path = self._signature_path(name, version)
        try:
            return read_limited(path, MAX_SIGNATURE)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except ValueError as error:
            raise RegistryDamagedError(path, str(error)) from error

    def _signature_path(self, name: str, version: str) -> Path:
        _refuse_link(self._folder(name) / SIGNATURES)
        return self._folder(name) / SIGNATURES / f"{version}.json"

    def _bring(self, candidate: OpenRun, path: Path, folder: Path) -> None:
        if _is_intact(path):
            # The same numbers are there; a damaged run is refused all the same.
            for _ in candidate.contents():
                pass
            return
        copy_run(candidate, folder / INCOMING)
        self._place(path, folder)

    def _place(self, path: Path, folder: Path) -> None:
        if os.path.lexists(path):
            path.rename(folder / RETIRED)
        (folder / INCOMING).rename(path)
        sync(path.parent)
        sync(folder)
        remove(folder / RETIRED)

    def _switch(self, name: str, version: str, action: Action, who: str, why: str) -> Promotion:
        history = self.history(name)
        entry = Promotion(
            version=version,
            run_id=version,
            action=action,
            who=who,
            when=datetime.now().astimezone().isoformat(timespec="milliseconds"),
            why=why,
            previous=history[-1].version if history else None,
        )
        write_history(self._folder(name), [*history, entry])
        return entry

    def _versions(self, name: str) -> list[str]:
        return sorted({entry.version for entry in self.history(name)})

    def _folder(self, name: str) -> Path:
        if not NAME.fullmatch(name):
            raise RegistryNameError(name)
        _refuse_link(self.root / name)
        return self.root / name


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one promotion at a time change a model; clean up after one that was killed."""
    (folder / VERSIONS).mkdir(parents=True, exist_ok=True)
    with locked(folder / LOCK, wait=True):
        for remains in (INCOMING, RETIRED):
            remove(folder / remains)
        for remains_of_pointer in folder.glob(f".{POINTER}.*.tmp"):
            remove(remains_of_pointer)
        for new in (folder, folder.parent, folder.parent.parent):
            sync(new)
        yield


def _verify(path: Path, version: str) -> bytes:
    run = read_verified(path, lambda _: False)
    if run.run_id != version:
        raise UnverifiedRunError(path, "it", f"is a copy of run {run.run_id}")
    return run.sealed


def _is_intact(path: Path, sealed: bytes | None = None) -> bool:
    """Tell whether a whole version is there; sealed: and of this manifest."""
    if not os.path.lexists(path):
        return False
    try:
        return sealed in (None, _verify(path, path.name))
    except (UnverifiedRunError, NewerFormatError) as error:
        log.warning("%s; replacing it", error)
        return False


def _check_words(who: str, why: str) -> None:
    for key, words in (("--who", who), ("--why", why)):
        if len(words) > MAX_LETTERS or not words.isprintable():
            takes = f"one line of at most {MAX_LETTERS:,} printable letters"
            raise InvalidValueError(key, f"{words[:40]}…", takes)


def _refuse_link(path: Path) -> None:
    if path.is_symlink():
        raise RegistryDamagedError(path, "is a symbolic link")


def _is_plain_file(folder: Path) -> bool:
    path = folder / POINTER
    return path.is_file() and not path.is_symlink()
