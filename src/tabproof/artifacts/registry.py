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
from typing import Annotated, Literal, TypeVar

from msgspec import Meta

from tabproof.artifacts import errors, files
from tabproof.artifacts.manifest import RunId, opened_run, read_verified
from tabproof.errors import InvalidValueError, NewerFormatError, UserError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
VERSION = re.compile(r"[0-9A-Za-z]{1,64}")
POINTER, LOCK = "pointer.json", ".lock"
FORMAT = 1
# Enough for a hundred thousand promotions.
MAX_SIZE = 64 << 20
# Incomplete copies are outside versions/, where no reader looks, and so are signatures: a version
# holds what its manifest names, and nothing else.
VERSIONS, SIGNATURES = "versions", "signatures"
INCOMING, RETIRED = ".incoming", ".retired"
MAX_SIGNATURE = 64 << 10
SCORER = "scorer/"
MAX_TEXT = 1000

log = logging.getLogger(__name__)

Action = Literal["promote", "rollback"]
T = TypeVar("T")


class RegistryNameError(UserError):
    """A name that a promoted model cannot have."""

    template = (
        "'{name}' cannot name a model: a name is 1 to 64 letters of A-Z a-z 0-9 . _ - and begins"
        " with a letter or digit; choose another with --name"
    )


class NoSuchVersionError(UserError):
    """A version that was never promoted."""

    template = "'{asked}' was never promoted as '{name}'; there are {versions}"


class NothingBeforeError(UserError):
    """A rollback from the first version."""

    template = (
        "{name}: nothing was promoted before {current}, so there is nothing to go back to;"
        " --to goes to any promoted version (python -m src.runs history {name})"
    )


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
    pointer = files.read_json(content, _Pointer, POINTER, FORMAT)
    before = [None, *(entry.version for entry in pointer.history)]
    if [entry.previous for entry in pointer.history] != before[:-1]:
        raise ValueError("the entries of its history do not follow each other")
    if pointer.current != before[-1]:
        raise ValueError("the current version is not the last of its history")
    return pointer.history


def history_as_bytes(history: Sequence[Promotion]) -> bytes:
    """Return the content of a pointer to the last entry."""
    entries = [asdict(entry) for entry in history]
    content = {"format": FORMAT, "current": history[-1].version, "history": entries}
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
        return _read(self._folder(name) / POINTER, MAX_SIZE, parse_history) or []

    def path_of(self, name: str, version: str) -> Path:
        """Return the directory of a version; no part below the root is a link."""
        if not VERSION.fullmatch(version):
            raise NoSuchVersionError(asked=version, name=name, versions=self._versions(name))
        return self._folder(name, VERSIONS) / version

    def version_named(self, name: str, prefix: str | None = None) -> str:
        """Find a promoted version by the beginning of its id; None finds the current one."""
        current, versions = self.current(name), self._versions(name)
        if current is None:
            raise errors.NotPromotedError(name, self.root, self.names())
        if prefix is None or prefix in versions:
            return prefix or current.version
        found = [version for version in versions if prefix and version.startswith(prefix)]
        if not found:
            raise NoSuchVersionError(asked=prefix, name=name, versions=versions)
        if len(found) > 1:
            raise errors.AmbiguousRunError(asked=prefix, n_found=len(found), found=found)
        return found[0]

    def promote(
        self, run: Path, name: str, who: str, why: str, check: Callable[[Path], str] | None = None
    ) -> Promotion:
        """Copy a run and make it the current version; return the entry.

        check: called with the directory of the current version, while no other process can change
        it; raises to refuse, and returns a text that is added to `why`.
        """
        _check_texts(who, why)
        self._folder(name)
        with opened_run(run) as candidate:
            version = candidate.manifest.run_id
            if not any(file.startswith(SCORER) for file in candidate.manifest.files):
                raise errors.NotServableError(path=run)
            with self.locked(name) as folder:
                current = self.current(name)
                if current is not None and check is not None and current.version != version:
                    figures = check(self.path_of(name, current.version))
                    why = f"{why}; {figures}" if why else figures
                if self.is_intact(name, version):
                    # The same numbers are there; a damaged run is refused all the same.
                    for _ in candidate.contents():
                        pass
                else:
                    candidate.copy(folder / INCOMING)
                    self.place(name, version)
                return self._switch(name, version, who, why, "promote")

    def rollback(self, name: str, who: str, why: str, to: str | None = None) -> Promotion:
        """Return to the previous version, or to any promoted version `to`."""
        _check_texts(who, why)
        # Raises before the lock makes a directory for a name that does not exist.
        self.version_named(name)
        with self.locked(name):
            stack = rollback_stack(self.history(name))
            if to is None and len(stack) < 2:
                raise NothingBeforeError(name=name, current=stack[-1])
            version = stack[-2] if to is None else self.version_named(name, to)
            _verify(self.path_of(name, version), version)
            return self._switch(name, version, who, why, "rollback")

    def _switch(self, name: str, version: str, who: str, why: str, action: Action) -> Promotion:
        """Make a version the current one, where it is not that already; return the entry."""
        history = self.history(name)
        previous = history[-1].version if history else None
        if version != previous:
            now = datetime.now().astimezone().isoformat(timespec="milliseconds")
            history += [Promotion(version, version, action, who, now, why, previous)]
            self.write_history(name, history)
        return history[-1]

    @contextmanager
    def locked(self, name: str) -> Iterator[Path]:
        """Hold the lock of a model; yield its directory, without what a failed copy left."""
        folder = self._folder(name)
        (folder / VERSIONS).mkdir(parents=True, exist_ok=True)
        with files.locked(folder / LOCK, wait=True):
            for path in (folder / INCOMING, folder / RETIRED, *folder.glob(f".{POINTER}.*.tmp")):
                files.remove(path)
            for new in (folder, folder.parent, folder.parent.parent):
                files.sync(new)
            try:
                yield folder
            finally:
                # Incomplete after an error, or an interrupt at any moment; otherwise renamed.
                files.remove(folder / INCOMING)

    def is_intact(self, name: str, version: str, sealed: bytes | None = None) -> bool:
        """Return whether a whole version is there, with the manifest `sealed` if it is given."""
        path = self.path_of(name, version)
        if not os.path.lexists(path):
            return False
        try:
            return sealed in (None, _verify(path, version))
        except (errors.UnverifiedRunError, NewerFormatError) as error:
            log.warning("%s; replacing it", error)
            return False

    def place(self, name: str, version: str) -> None:
        """Rename the complete copy to its version; remove a damaged one that was there."""
        folder, path = self._folder(name), self.path_of(name, version)
        if os.path.lexists(path):
            path.rename(folder / RETIRED)
        (folder / INCOMING).rename(path)
        files.sync(path.parent)
        files.sync(folder)
        files.remove(folder / RETIRED)

    def write_history(self, name: str, history: Sequence[Promotion]) -> None:
        """Replace the pointer and the history."""
        files.write_atomically(self._folder(name) / POINTER, history_as_bytes(history))

    def signature_of(self, name: str, version: str) -> bytes | None:
        """Return the signature of a version's manifest; None where it has none."""
        path = self._folder(name, SIGNATURES) / f"{version}.json"
        return _read(path, MAX_SIGNATURE, bytes)

    def write_signature(self, name: str, version: str, signature: bytes) -> None:
        """Write the signature of a version's manifest."""
        path = self._folder(name, SIGNATURES) / f"{version}.json"
        path.parent.mkdir(exist_ok=True)
        files.write_atomically(path, signature)

    def _versions(self, name: str) -> list[str]:
        return sorted({entry.version for entry in self.history(name)})

    def _folder(self, name: str, *below: str) -> Path:
        """Return the directory of a model, or one below it; none of them is a link."""
        if not NAME.fullmatch(name):
            raise RegistryNameError(name=name)
        path = self.root
        for part in (name, *below):
            path /= part
            if path.is_symlink():
                raise errors.RegistryDamagedError(path=path, reason="is a symbolic link")
        return path


def _read(path: Path, limit: int, parse: Callable[[bytes], T]) -> T | None:
    try:
        return parse(files.read_limited(path, limit))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:
        raise errors.RegistryDamagedError(path=path, reason=str(error)) from error


def _verify(path: Path, version: str) -> bytes:
    run = read_verified(path, lambda _: False)
    if run.run_id != version:
        raise errors.UnverifiedRunError(path, "the directory", f"is a copy of run {run.run_id}")
    return run.sealed


def _check_texts(who: str, why: str) -> None:
    for key, text in (("--who", who), ("--why", why)):
        if len(text) > MAX_TEXT or not text.isprintable():
            valid = f"one line of at most {MAX_TEXT:,} printable characters"
            raise InvalidValueError(key, f"{text[:40]}…", valid)
