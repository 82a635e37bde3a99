"""The registry of promoted models: verified copies of runs, and one pointer per name.

    models/<name>/versions/<run id>/          a run directory
    models/<name>/signatures/<run id>.json    a signature of its manifest, if it has one
    models/<name>/pointer.json                the current version, and the history
    models/<name>/challenges.json             runs that are tried beside it, if there were any

Readers need no lock: a version appears by a rename, and the pointer is replaced in one step.

Whatever of this may be a symbolic link for readers, if it stays beneath a root: Kubernetes mounts
volumes so, and switches them by replacing one link. Changes are refused where there are links.
"""

import json
import logging
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from msgspec import Meta

from tabproof.artifacts import errors, files
from tabproof.artifacts.challenges import (
    CHALLENGES,
    Challenge,
    ChallengesItselfError,
    Kind,
    NoChallengeError,
    challenges_as_bytes,
    in_force,
    parse_challenges,
)
from tabproof.artifacts.manifest import OpenRun, RunId, opened_run, read_verified
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
# Readings that were disturbed by a switch of links before the fault is reported.
MAX_READS = 20

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
    """Promoted models by name; the directory `root` need not exist.

    others: more directories in which links may end.
    """

    def __init__(self, root: Path, others: Sequence[Path] = ()) -> None:
        self.root, self.roots = root, (root, *others)

    def names(self) -> list[str]:
        """Return the names that have a pointer, even if it cannot be read.

        Raises OSError where the root is there and cannot be listed.
        """
        return [name for name in self._entries() if self._has_pointer(name)]

    def is_empty(self) -> bool:
        """Return whether nothing was ever promoted; a refused promotion leaves empty directories.

        Raises OSError where that cannot be known.
        """
        for name in self._entries():
            folder = self.root / name
            if folder.is_file():
                continue
            if not folder.is_dir():
                return False
            found = [each.name for each in folder.iterdir() if each.name[0] != "."]
            if found not in ([], [VERSIONS]) or (found and any((folder / VERSIONS).iterdir())):
                return False
        return True

    def _entries(self) -> list[str]:
        paths = self.root.iterdir() if os.path.lexists(self.root) else ()
        return sorted(path.name for path in paths if NAME.fullmatch(path.name))

    def _has_pointer(self, name: str) -> bool:
        """Return whether a pointer is there, or something else where a model should be."""
        folder = self.root / name

        def look() -> bool:
            mode = folder.stat().st_mode
            if stat.S_ISDIR(mode):
                os.lstat(folder / POINTER)
            # Beside the models there may be a README.
            return not stat.S_ISREG(mode)

        try:
            return self.unmoved(name, look)
        except (FileNotFoundError, NotADirectoryError):
            if not folder.is_symlink():
                return False
            try:
                files.real_parts(folder, self.roots)
            except (ValueError, OSError):
                return True
            return False
        except OSError:
            return True

    def unmoved(self, name: str, read: Callable[[], T]) -> T:
        """Return what `read` returns; repeat it if it fails while links of a model are switched."""
        for _ in range(MAX_READS):
            before = self._real_paths(name)
            try:
                return read()
            except (UserError, OSError):
                if self._real_paths(name) == before:
                    raise
        return read()

    def _real_paths(self, name: str) -> list[str]:
        parts = (POINTER, VERSIONS, CHALLENGES)
        return [os.path.realpath(self.root / name / part) for part in parts]

    def current(self, name: str) -> Promotion | None:
        """Return the entry that is served under a name; None where nothing was promoted."""
        history = self.history(name)
        return history[-1] if history else None

    def history(self, name: str) -> list[Promotion]:
        """Return all entries of a name, the oldest first."""
        folder = self._folder_to_read(name)

        def read() -> list[Promotion]:
            if os.path.lexists(folder):
                self._check_links(folder)
            return self._read(folder / POINTER, MAX_SIZE, parse_history) or []

        return self.unmoved(name, read)

    def challenges(self, name: str) -> list[Challenge]:
        """Return the beginnings and ends of challenges of a name, the oldest first."""
        path = self._folder_to_read(name) / CHALLENGES
        read = partial(self._read, path, MAX_SIZE, parse_challenges)
        return self.unmoved(name, read) or []

    def challenge_of(self, name: str) -> Challenge | None:
        """Return the challenge of the current version; None where there is none."""
        # In this order: what is switched in between is found ended, and read again later.
        versions = [entry.version for entry in self.history(name)]
        return in_force(self.challenges(name), versions)

    def path_of(self, name: str, version: str) -> Path:
        """Return the directory of a version; links on the way stay beneath a root."""
        path = self._folder_to_read(name) / VERSIONS / version
        if not VERSION.fullmatch(version):
            raise NoSuchVersionError(asked=version, name=name, versions=self._versions(name))
        self._check_links(path)
        return path

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
        it; raises to refuse, and returns a text that is added to `why` if it is not empty.
        """
        _check_texts(who, why)
        self._folder(name)
        with _servable(run) as candidate, self.locked(name):
            version, current = candidate.manifest.run_id, self.current(name)
            if current is not None and check is not None and current.version != version:
                figures = check(self.path_of(name, current.version))
                why = "; ".join(filter(None, (why, figures)))
            self._copy(candidate, name)
            return self._switch(name, version, who, why, "promote")

    def challenge(
        self,
        run: Path,
        name: str,
        who: str,
        why: str,
        *,
        kind: Kind = "shadow",
        share: float = 1.0,
        sticky: str | None = None,
        check: Callable[[Path], object] | None = None,
    ) -> Challenge:
        """Copy a run and make it the challenger of the current version; return the entry.

        It replaces another challenger. kind, share, sticky: as in Challenge. check: called with
        the directory of the current version; raises to refuse.
        """
        _check_texts(who, why)
        # Raises before the lock makes a directory for a name that does not exist.
        self.version_named(name)
        with _servable(run) as candidate, self.locked(name):
            version, current = candidate.manifest.run_id, self.version_named(name)
            if version == current:
                raise ChallengesItselfError(version=version, name=name)
            if check is not None:
                check(self.path_of(name, current))
            self._copy(candidate, name)
            how, now, n = (kind, share, sticky), _now(), len(self.history(name))
            begun = Challenge(version, version, "challenge", *how, current, n, who, now, why)
            self.write_challenges(name, [*self.challenges(name), begun])
            return begun

    def end_challenge(self, name: str, who: str, why: str) -> Challenge:
        """End the challenge of the current version; return the entry."""
        _check_texts(who, why)
        current = self.version_named(name)
        with self.locked(name):
            found = self.challenge_of(name)
            if found is None:
                raise NoChallengeError(name=name, current=current)
            ended = replace(found, action="end", who=who, when=_now(), why=why)
            self.write_challenges(name, [*self.challenges(name), ended])
            return ended

    def write_challenges(self, name: str, entries: Sequence[Challenge]) -> None:
        """Replace the list of challenges."""
        files.write_atomically(self._folder(name, CHALLENGES), challenges_as_bytes(entries))

    def _copy(self, candidate: OpenRun, name: str) -> None:
        """Make a verified copy of a run in versions/; the lock is held."""
        version = candidate.manifest.run_id
        if self.is_intact(name, version):
            # The same numbers are there; a damaged run is refused all the same.
            for _ in candidate.contents():
                pass
        else:
            candidate.copy(self._folder(name) / INCOMING)
            self.place(name, version)

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
            _verify(self._folder(name, VERSIONS) / version, version)
            return self._switch(name, version, who, why, "rollback")

    def _switch(self, name: str, version: str, who: str, why: str, action: Action) -> Promotion:
        """Make a version the current one, where it is not that already; return the entry."""
        self._folder(name, POINTER)
        history = self.history(name)
        previous = history[-1].version if history else None
        if version != previous:
            history += [Promotion(version, version, action, who, _now(), why, previous)]
            self.write_history(name, history)
        return history[-1]

    @contextmanager
    def locked(self, name: str) -> Iterator[Path]:
        """Hold the lock of a model; yield its directory, without what a failed copy left."""
        folder = self._folder(name)
        (folder / VERSIONS).mkdir(parents=True, exist_ok=True)
        with files.locked(folder / LOCK, wait=True):
            left = [path for f in (POINTER, CHALLENGES) for path in folder.glob(f".{f}.*.tmp")]
            for path in (folder / INCOMING, folder / RETIRED, *left):
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
        path = self._folder(name, VERSIONS) / version
        if not os.path.lexists(path):
            return False
        try:
            return sealed in (None, _verify(path, version))
        except (errors.UnverifiedRunError, NewerFormatError) as error:
            log.warning("%s; replacing it", error)
            return False

    def place(self, name: str, version: str) -> None:
        """Rename the complete copy to its version; remove a damaged one that was there."""
        folder, path = self._folder(name), self._folder(name, VERSIONS) / version
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
        path = self._folder_to_read(name) / SIGNATURES / f"{version}.json"
        return self._read(path, MAX_SIGNATURE, bytes)

    def write_signature(self, name: str, version: str, signature: bytes) -> None:
        """Write the signature of a version's manifest."""
        path = self._folder(name, SIGNATURES) / f"{version}.json"
        path.parent.mkdir(exist_ok=True)
        files.write_atomically(path, signature)

    def _versions(self, name: str) -> list[str]:
        return sorted({entry.version for entry in self.history(name)})

    def _folder(self, name: str, *below: str) -> Path:
        """Return the directory of a model, or a path below it, to change it: no part is a link."""
        path = self._folder_to_read(name).parent
        for part in (name, *below):
            path /= part
            if path.is_symlink():
                reason = "is a symbolic link, and changes follow none"
                raise errors.RegistryDamagedError(path=path, reason=reason)
        return path

    def _folder_to_read(self, name: str) -> Path:
        if not NAME.fullmatch(name):
            raise RegistryNameError(name=name)
        return self.root / name

    def _check_links(self, folder: Path) -> None:
        """Raise where a link on the way to a directory leads elsewhere, or it is something else."""
        # What is missing is reported by whoever reads it.
        with suppress(FileNotFoundError), self._damaged(folder):
            try:
                files.real_parts(folder, self.roots)
                if not stat.S_ISDIR(folder.stat().st_mode):
                    raise ValueError("is not a directory")
            except NotADirectoryError as error:
                raise ValueError("is below something that is not a directory") from error

    def _read(self, path: Path, limit: int, parse: Callable[[bytes], T]) -> T | None:
        try:
            with self._damaged(path):
                return parse(files.read_beneath(path, self.roots, limit))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            # The descriptor of the directory was opened, so the error has the last part only.
            error.filename = str(path)
            raise

    @contextmanager
    def _damaged(self, path: Path) -> Iterator[None]:
        try:
            yield
        except ValueError as error:
            raise errors.RegistryDamagedError(path=path, reason=str(error)) from error


@contextmanager
def _servable(run: Path) -> Iterator[OpenRun]:
    """Open a complete run that can be served."""
    with opened_run(run) as candidate:
        if not any(file.startswith(SCORER) for file in candidate.manifest.files):
            raise errors.NotServableError(path=run)
        yield candidate


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="milliseconds")


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
