"""Pulling a model into a registry: what its manifest names, verified, and the pointer last.

The whole run is taken, not only what the service reads: a registry holds whole runs, and every
reader refuses one that lacks a file. Nothing of it is unpickled.
"""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from src.errors import NotInStoreError, PullRefusedError, StoreError
from src.runs import manifest as manifests
from src.runs.atomic import sync
from src.runs.copying import remove
from src.runs.manifest import Manifest
from src.runs.pointer import Promotion
from src.runs.registry import Registry
from src.runs.store.place import Place
from src.runs.store.remote import RemoteModel, for_each

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
        (folder / manifests.NAME).write_bytes(sealed)
        sync(folder / manifests.NAME)
        for inside in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
            sync(inside)
    except BaseException:
        remove(folder)
        raise


def _fetch_file(remote: RemoteModel, manifest: Manifest, folder: Path, file: str) -> None:
    contents = remote.contents(manifest.run_id, file, manifest.files[file])
    path = folder / file
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        target = path.open("xb")
    except (FileExistsError, NotADirectoryError) as error:
        where = remote.place.shown(remote.of(manifest.run_id, manifests.NAME))
        raise StoreError(where, f"it names a file that is a directory too: {file!r}") from error
    with target:
        target.writelines(contents)
        target.flush()
        os.fsync(target.fileno())
