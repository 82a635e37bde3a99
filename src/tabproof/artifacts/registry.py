"""The registry of promoted models: verified copies of runs, and one pointer per name.

    models/<name>/versions/<run id>/          a run directory
    models/<name>/signatures/<run id>.json    a signature of its manifest, if it has one
    models/<name>/pointer.json                the current version, and the history

Readers need no lock: a version appears by a rename, and the pointer is replaced in one step.
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
    read_limited,
    read_versioned_json,
    remove,
    sync,
    write_atomically,
)
from tabproof.artifacts.manifest import RunId
from tabproof.artifacts.verify import copy_run, opened_run, read_verified
from tabproof.errors import InvalidValueError, NewerFormatError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
VERSION = re.compile(r"[0-9A-Za-z]{1,64}")
POINTER, LOCK = "pointer.json", ".lock"
FORMAT = 1
# Enough for a hundred thousand promotions.
MAX_SIZE = 64 << 20
# Incomplete copies are beside versions/, where no reader looks, and so are signatures: a version
# holds what its manifest names, and nothing else.
VERSIONS, SIGNATURES = "versions", "signatures"
INCOMING, RETIRED = ".incoming", ".retired"
MAX_SIGNATURE = 64 << 10
SCORER = "scorer/"
MAX_TEXT = 1000

log = logging.getLogger(__name__)

Action = Literal["promote", "rollback"]


@dataclass(frozen=True)
class Promotion:
    """One entry of the history.

    version: the name of its directory. when: ISO 8601 with a time zone. previous: the version
    that was current before, None for the first.
    """

    version: RunId
    run_id: str
    action: Action
    who: str
    when: str
    why: str
    previous: str | None


@dataclass(frozen=True)
class _Pointer:
    current: str
    history: Annotated[list[Promotion], Meta(min_length=1)]


def parse_history(content: bytes) -> list[Promotion]:
    """Parse a pointer; raise ValueError or NewerFormatError."""
    pointer = read_versioned_json(content, _Pointer, POINTER, FORMAT)
    before = [None, *(entry.version for entry in pointer.history)]
    if [entry.previous for entry in pointer.history] != before[:-1]:
        raise ValueError("the entries of its history do not follow each other")
    if pointer.current != before[-1]:
        raise ValueError("the current version is not the last of its history")
    return pointer.history


def history_as_bytes(history: Sequence[Promotion]) -> bytes:
    """Return the content of a pointer to the last entry."""
    content = {
        "format": FORMAT,
        "current": history[-1].version,
        "history": [asdict(entry) for entry in history],
    }
    return json.dumps(content, indent=2, ensure_ascii=False).encode()


def rollback_stack(history: Sequence[Promotion]) -> list[str]:
    """Return the versions that successive rollbacks go through, the current one last.

    A promotion is pushed on top. A rollback pops what is above its version, or pushes the version
    where it is no longer on the stack.
    """
    stack: list[str] = []
    for entry in history:
        if entry.action == "rollback" and entry.version in stack:
            while stack[-1] != entry.version:
                stack.pop()
        else:
            stack.append(entry.version)
    return stack


class Registry:
    """Promoted models by name; the directory `root` need not exist."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self) -> list[str]:
        """Return the names that have a current version."""
        paths = self.root.iterdir() if self.root.is_dir() else []
        return sorted(
            path.name
            for path in paths
            if NAME.fullmatch(path.name)
            and not path.is_symlink()
            and (path / POINTER).is_file()
            and not (path / POINTER).is_symlink()
        )

    def current(self, name: str) -> Promotion | None:
        """Return the entry that is served under a name; None where nothing was promoted."""
        history = self.history(name)
        return history[-1] if history else None

    def history(self, name: str) -> list[Promotion]:
        """Return all entries of a name, the oldest first."""
        path = self._folder(name) / POINTER
        try:
            return parse_history(read_limited(path, MAX_SIZE))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except ValueError as error:
            raise RegistryDamagedError(path=path, reason=str(error)) from error

    def promoted_ids(self) -> Iterator[tuple[str, str]]:
        """Yield the id of every run that was ever promoted, with its name in the registry."""
        for name in self.names():
            for entry in self.history(name):
                yield entry.run_id, name

    def path_of(self, name: str, version: str) -> Path:
        """Return the directory of a version; no part below the root is a link."""
        if not VERSION.fullmatch(version):
            raise NoSuchVersionError(asked=version, name=name, versions=self._versions(name))
        versions = self._folder(name) / VERSIONS
        _refuse_link(versions)
        return versions / version

    def version_named(self, name: str, prefix: str | None = None) -> str:
        """Find a promoted version by the beginning of its id; None finds the current one."""
        current, versions = self.current(name), self._versions(name)
        if current is None:
            raise NotPromotedError(name, self.root, self.names())
        if prefix is None:
            return current.version
        found = [version for version in versions if prefix and version.startswith(prefix)]
        if prefix in found:
            return prefix
        if not found:
            raise NoSuchVersionError(asked=prefix, name=name, versions=versions)
        if len(found) > 1:
            raise AmbiguousRunError(prefix, found)
        return found[0]

    def promote(
        self,
        run: Path,
        name: str,
        who: str,
        why: str,
        check: Callable[[Path], str] | None = None,
    ) -> Promotion:
        """Copy a run and make it the current version; return the entry.

        Parameters
        ----------
        run, name, who, why : the run, and what the history records
        check : called with the directory of the current version, while no other process can
            change it; raises to refuse, and returns a text that is added to `why`
        """
        _check_text("--who", who)
        _check_text("--why", why)
        folder = self._folder(name)
        with opened_run(run) as candidate:
            version = candidate.manifest.run_id
            if not any(file.startswith(SCORER) for file in candidate.manifest.files):
                raise NotServableError(path=run)
            with _locked(folder):
                history = self.history(name)
                is_current = bool(history) and history[-1].version == version
                if history and check is not None and not is_current:
                    figures = check(self.path_of(name, history[-1].version))
                    why = f"{why}; {figures}" if why else figures
                path = self.path_of(name, version)
                if _is_intact(path):
                    # The same numbers are there; a damaged run is refused all the same.
                    for _ in candidate.contents():
                        pass
                else:
                    copy_run(candidate, folder / INCOMING)
                    _place(path, folder)
                if is_current:
                    return history[-1]
                return self._switch(name, version, "promote", who, why)

    def rollback(self, name: str, who: str, why: str, to: str | None = None) -> Promotion:
        """Return to the previous version, or to any promoted version `to`."""
        _check_text("--who", who)
        _check_text("--why", why)
        # Raises before the lock makes a directory for a name that does not exist.
        self.version_named(name)
        with _locked(self._folder(name)):
            history = self.history(name)
            stack = rollback_stack(history)
            if to is None and len(stack) < 2:
                raise NothingBeforeError(name=name, current=stack[-1])
            version = stack[-2] if to is None else self.version_named(name, to)
            _verify(self.path_of(name, version), version)
            if version == stack[-1]:
                return history[-1]
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
        repair: bool,
    ) -> list[Promotion]:
        """Take over a history from a store, with its current version; return the history before.

        Parameters
        ----------
        name, history, signature : what the store has
        sealed : the manifest of the current version
        fetch : fills a new directory; not called where the version is here already
        check : called with the history here, while no other process can change it; raises to
            refuse
        repair : whether a damaged pointer counts as none
        """
        folder, version = self._folder(name), history[-1].version
        path = self.path_of(name, version)
        with _locked(folder):
            try:
                ours = self.history(name)
            except RegistryDamagedError as error:
                if not repair:
                    raise
                log.warning("%s; replacing it", error)
                ours = []
            check(ours)
            if not _is_intact(path, sealed):
                fetch(folder / INCOMING)
                _verify(folder / INCOMING, version)
                _place(path, folder)
            if signature is not None:
                (folder / SIGNATURES).mkdir(exist_ok=True)
                write_atomically(self._signature_path(name, version), signature)
            if ours != history:
                write_atomically(folder / POINTER, history_as_bytes(history))
        return ours

    def signature_of(self, name: str, version: str) -> bytes | None:
        """Return the signature of a version's manifest; None where it has none."""
        path = self._signature_path(name, version)
        try:
            return read_limited(path, MAX_SIGNATURE)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except ValueError as error:
            raise RegistryDamagedError(path=path, reason=str(error)) from error

    def _signature_path(self, name: str, version: str) -> Path:
        folder = self._folder(name) / SIGNATURES
        _refuse_link(folder)
        return folder / f"{version}.json"

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
        write_atomically(self._folder(name) / POINTER, history_as_bytes([*history, entry]))
        return entry

    def _versions(self, name: str) -> list[str]:
        return sorted({entry.version for entry in self.history(name)})

    def _folder(self, name: str) -> Path:
        if not NAME.fullmatch(name):
            raise RegistryNameError(name=name)
        _refuse_link(self.root / name)
        return self.root / name


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a model, and remove what a killed process left."""
    (folder / VERSIONS).mkdir(parents=True, exist_ok=True)
    with locked(folder / LOCK, wait=True):
        for path in (folder / INCOMING, folder / RETIRED, *folder.glob(f".{POINTER}.*.tmp")):
            remove(path)
        for new in (folder, folder.parent, folder.parent.parent):
            sync(new)
        yield


def _place(path: Path, folder: Path) -> None:
    """Rename the complete copy to its version; remove a damaged one that was there."""
    if os.path.lexists(path):
        path.rename(folder / RETIRED)
    (folder / INCOMING).rename(path)
    sync(path.parent)
    sync(folder)
    remove(folder / RETIRED)


def _verify(path: Path, version: str) -> bytes:
    run = read_verified(path, lambda _: False)
    if run.run_id != version:
        reason = f"is a copy of run {run.run_id}"
        raise UnverifiedRunError(path=path, name="the directory", reason=reason)
    return run.sealed


def _is_intact(path: Path, sealed: bytes | None = None) -> bool:
    """Return whether a whole version is there, and has the manifest `sealed` where it is given."""
    if not os.path.lexists(path):
        return False
    try:
        return sealed in (None, _verify(path, path.name))
    except (UnverifiedRunError, NewerFormatError) as error:
        log.warning("%s; replacing it", error)
        return False


def _check_text(key: str, text: str) -> None:
    if len(text) > MAX_TEXT or not text.isprintable():
        valid = f"one line of at most {MAX_TEXT:,} printable characters"
        raise InvalidValueError(key, f"{text[:40]}…", valid)


def _refuse_link(path: Path) -> None:
    if path.is_symlink():
        raise RegistryDamagedError(path=path, reason="is a symbolic link")
