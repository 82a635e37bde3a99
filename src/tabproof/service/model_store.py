"""The served models: those that the registry's pointers name, or else the newest run.

A request takes one reference to `ModelStore.served` and keeps it; a reload replaces the reference.
"""

import logging
import os
import stat
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from tabproof.artifacts import Promotion, Registry, VerifiedRun, newest_complete_run
from tabproof.artifacts.errors import NotInStoreError, StoreError
from tabproof.artifacts.remote.address import parse_address
from tabproof.errors import UserError
from tabproof.service.answers import no_model, not_found
from tabproof.service.errors import ModelUnusableError, OutsideRootsError, ReloadError
from tabproof.service.served_model import ServedModel, load_model
from tabproof.service.settings import Settings

if TYPE_CHECKING:
    from tabproof.artifacts.remote.signature import SignatureKeys


log = logging.getLogger("uvicorn.error")


def keys_of(settings: Settings) -> "SignatureKeys | None":
    """Return the public keys that must have signed models; None if signatures are optional."""
    if not settings.signature_key:
        return None
    # cryptography is an optional dependency.
    from tabproof.artifacts.remote.signature import read_keys

    return read_keys(settings.signature_key)


class StoreCache:
    """A local registry that follows the pointers of a model store.

    A model that cannot be pulled keeps its cached version.
    """

    def __init__(self, settings: Settings) -> None:
        # Imported here, so that a missing package is reported when the service starts.
        from tabproof.artifacts.remote.store import open_store

        open_store(parse_address(settings.store))
        self.address = parse_address(settings.store)
        self._seconds = settings.store_timeout_seconds
        self._registry = Registry(settings.cache)
        self._keys = keys_of(settings)
        self._removed: set[str] = set()

    def refresh(self, *, thoroughly: bool) -> dict[str, UserError]:
        """Pull every model within the time limit; return the failures by name.

        thoroughly: also pull models whose pointer did not change, to repair damaged copies.
        """
        from tabproof.artifacts.remote.store import open_store
        from tabproof.artifacts.remote.transfer import RemoteModel, model_names, pull

        failed: dict[str, UserError] = {}
        store = open_store(self.address, self._seconds)
        try:
            names = model_names(store)
            if not names:
                raise NotInStoreError(str(self.address), "it holds no model; push one")
            self._warn_of_removed(names)
        except UserError as error:
            return {"store": error}
        except OSError as error:
            return {"store": self._refusal(error)}
        for name in names:
            try:
                if thoroughly or not self._is_current(name, RemoteModel(store, name).history()):
                    pull(store, self._registry, name, keys=self._keys, overwrite=True)
            except UserError as error:
                failed[name] = error
            except OSError as error:
                failed[name] = self._refusal(error)
        return failed

    def _refusal(self, error: OSError) -> StoreError:
        where = f"MODEL_CACHE, {error.filename or self._registry.root}"
        return StoreError(where, f"it cannot be used: {error.strerror}")

    def _is_current(self, name: str, history: list[Promotion]) -> bool:
        try:
            return self._registry.history(name) == history
        except UserError:
            return False  # damaged: pulling repairs it

    def _warn_of_removed(self, names: list[str]) -> None:
        removed = set(self._registry.names()) - set(names)
        for name in sorted(removed - self._removed):
            log.warning(
                "model '%s' is no longer in %s; the cached version is served", name, self.address
            )
        self._removed = removed


SCORER = "scorer/"


@dataclass(frozen=True)
class Served:
    """The models at one moment; failed and store: messages by name.

    failed: models that could not be loaded. store: models that could not be pulled, of which the
    cached version is served.
    """

    models: Mapping[str, ServedModel] = field(default_factory=dict)
    default_name: str | None = None
    failed: Mapping[str, str] = field(default_factory=dict)
    store: Mapping[str, str] = field(default_factory=dict)

    def default(self) -> ServedModel:
        """Return the default model; raise RefusedError if there is none."""
        found = self.models.get(self.default_name or "")
        if found is None:
            failed = {**self.store, **self.failed}
            raise no_model(failed, self.default_name, sorted(self.models))
        return found

    def named(self, name: str) -> ServedModel:
        """Return a model by name; raise RefusedError if it is not served."""
        found = self.models.get(name)
        if found is None:
            names = ", ".join(sorted(self.models)) or "none"
            raise not_found(f"there is no model of that name; served: {names}")
        return found


class ModelStore:
    """Load models and hold those that are served."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._registry = Registry(settings.registry)
        self._cache = StoreCache(settings) if settings.store else None
        self._keys = keys_of(settings)
        self.served = Served()
        # The version of each pointer when it was last read, loaded or not.
        self._pointers: dict[str, str] = {}
        # A requested reload and one of the watcher would overwrite each other's result.
        self._lock = Lock()

    def load(self) -> None:
        """Load the promoted models, or else the newest run; record failures."""
        with self._lock, suppress(ReloadError):
            self._pull(thoroughly=True)
            self._load(None)

    def reload(self, path: str | None) -> Mapping[str, ServedModel]:
        """Load all models again, or the one that path names; return the served models.

        A model that cannot be loaded stays as it was; then UserError names the cause.
        """
        with self._lock:
            if path is None:
                self._pull(thoroughly=True)
                self._load(None)
                self._raise_store_failures()
            else:
                self._load_run(path)
            return self.served.models

    def follow(self) -> bool:
        """Load the models whose pointers changed; return whether any did. Raises UserError.

        A model that fails is loaded again when its pointer changes, or on request.
        """
        with self._lock:
            self._pull(thoroughly=False)
            found = self._versions()
            moved = {
                name
                for name in {*found, *self._pointers}
                if found.get(name) != self._pointers.get(name)
            }
            if moved:
                self._load(moved)
            self._raise_store_failures()
            return bool(moved)

    def _pull(self, *, thoroughly: bool) -> None:
        if self._cache is not None:
            failures = self._cache.refresh(thoroughly=thoroughly)
            messages = {name: self.message_of(error) for name, error in failures.items()}
            self.served = replace(self.served, store=messages)

    def _raise_store_failures(self) -> None:
        if self.served.store:
            raise ReloadError(dict(self.served.store))

    def _load(self, names: Collection[str] | None) -> None:
        """Load promoted models, all or those named; raise ReloadError for those that fail."""
        versions = self._versions()
        if not versions:
            self._load_newest()
            return
        self._pointers = versions
        served = self.served
        models = {
            name: model
            for name, model in served.models.items()
            # A run that was loaded by its path stays until all models are loaded again.
            if name in versions or (names is not None and not model.promoted)
        }
        failed = {name: why for name, why in served.failed.items() if name in versions}
        new: dict[str, str] = {}
        for name in versions.keys() if names is None else versions.keys() & names:
            failed.pop(name, None)
            try:
                models[name] = self._load_promoted(name)
            except (UserError, OSError) as error:
                new[name] = self.message_of(error)
        failed |= {name: why for name, why in new.items() if name not in models}
        # A damaged model stays the default: a client must not get another model's predictions.
        self._serve(models, self._default_name(versions), failed)
        if new:
            raise ReloadError(new)

    def _serve(
        self, models: Mapping[str, ServedModel], default: str | None, failed: Mapping[str, str]
    ) -> None:
        self.served = Served(models, default, failed, self.served.store)

    def _load_newest(self) -> None:
        if any(model.promoted for model in self.served.models.values()):
            # Perhaps a mount was lost; a run that nobody promoted must not replace the model.
            raise ReloadError({"registry": "it no longer holds a promoted model"})
        if self._cache is not None or self._keys is not None:
            # With a store or with signatures, only promoted models may be served.
            raise ReloadError({"registry": "it holds no promoted model"})
        newest = newest_complete_run(self._settings.outputs, holding=SCORER)
        if newest is None:
            raise ReloadError({"nothing": "no model is promoted, and no run can be served"})
        try:
            model = load_model(newest, name=None, source=self._shown(newest), promoted=False)
        except (UserError, OSError) as error:
            failed = {newest.name: self.message_of(error)}
            if not self.served.models:
                self.served = Served(failed=failed)
            raise ReloadError(failed) from error
        self._serve({model.name: model}, self._default_name([model.name]), {})

    def _load_run(self, path: str) -> None:
        try:
            model = self._load_path(path)
        except OSError as error:
            raise ReloadError({path: self.message_of(error)}) from error
        models = {**self.served.models, model.name: model}
        # A run that was named becomes the default, so that it can be tried.
        default = self._default_name(models) if model.promoted else model.name
        failed = {k: v for k, v in self.served.failed.items() if k != model.name}
        self._serve(models, default, failed)

    def _versions(self) -> dict[str, str]:
        """Return the version of each pointer; '?' for a damaged pointer."""
        try:
            names = self._registry.names()
        except OSError as error:
            raise ReloadError({"registry": self.message_of(error)}) from error
        found = {name: self._current(name) for name in names}
        return {name: "?" if p is None else p.version for name, p in found.items()}

    def _load_path(self, path: str) -> ServedModel:
        promotions = self._registry.root
        found = beneath(path, [promotions, self._settings.outputs])
        for promoted in self._registry.names():
            if found == promotions / promoted:
                return self._load_promoted(promoted)
        # A version of a promoted model keeps its name; a run takes that of its dataset.
        is_promoted = found.is_relative_to(promotions)
        name = found.relative_to(promotions).parts[0] if is_promoted else None
        source, check = self._shown(found), partial(self._check_signature, name)
        return load_model(found, name=name, source=source, promoted=is_promoted, check=check)

    def _load_promoted(self, name: str) -> ServedModel:
        promotion = self._registry.current(name)
        if promotion is None:
            raise ModelUnusableError(source=name, reason="nothing is promoted under this name")
        path = self._registry.path_of(name, promotion.version)
        source, check = self._shown(path), partial(self._check_signature, name)
        model = load_model(path, name=name, source=source, promoted=True, check=check)
        if model.run_id != promotion.version:
            # Complete and verified, but not the run that was promoted.
            raise ModelUnusableError(
                source=self._shown(path), reason=f"it holds run {model.run_id}"
            )
        return model

    def _check_signature(self, name: str | None, run: VerifiedRun) -> None:
        """Refuse a run that none of the keys has signed, even if it was pulled before."""
        if self._keys is not None:
            signature = self._registry.signature_of(name, run.run_id) if name else None
            self._keys.check(name or run.path.name, run.run_id, run.sealed, signature)

    def message_of(self, error: UserError | OSError) -> str:
        """Return an error's message for clients, without the location of the roots."""
        message = str(error)
        if isinstance(error, OSError):
            message = f"{error.filename} cannot be read: {error.strerror}"
        if self._cache is not None:
            address = str(self._cache.address)
            message = message.replace(f"{address}/", "").replace(address, "the store")
        for root in (self._registry.root, self._settings.outputs):
            if root.is_absolute():
                message = message.replace(str(root), root.name)
        return message

    def _shown(self, path: Path) -> str:
        for root in (self._registry.root, self._settings.outputs):
            if path.is_relative_to(root):
                return (Path(root.name) / path.relative_to(root)).as_posix()
        return path.name

    def _default_name(self, names: Collection[str]) -> str | None:
        wanted = self._settings.default_model
        if wanted:
            return wanted
        if len(names) <= 1:
            return next(iter(names), None)
        current = {name: self._current(name) for name in names}
        switched = {name: _moment(p.when) for name, p in current.items() if p is not None}
        return max(switched, key=lambda name: (switched[name], name), default=None)

    def _current(self, name: str) -> Promotion | None:
        try:
            return self._registry.current(name)
        except (UserError, OSError):
            return None  # damaged: loading it reports the damage


def _moment(when: str) -> float:
    # Text would compare the local hours of different time zones.
    try:
        return datetime.fromisoformat(when).timestamp()
    except ValueError:
        return 0.0


# --- Paths that clients may name

MAX_LENGTH = 1024
# A run's path contains none of these; each can be used to escape from a root.
FORBIDDEN = ("\\", "%", "~", "://")


def beneath(text: str, roots: Sequence[Path]) -> Path:
    """Return the existing directory below a root that text names, without following links.

    text: begins with the name of a root, or is absolute. A root itself may be a link, because the
    operator configured it. Raises OutsideRootsError.
    """
    fault = _fault_of(text)
    if fault is not None:
        raise OutsideRootsError(text, roots, fault)
    asked = (Path.cwd() / text).parts
    for root in roots:
        if text.startswith(f"{root.name}/"):
            # The form in which responses show paths.
            below = tuple(text.split("/")[1:])
            if _is_plain(root, below):
                return root.joinpath(*below)
        # A configured root may contain '..'; a client's path may not.
        above = Path(os.path.abspath(root)).parts  # noqa: PTH100 - absolute() keeps it
        if len(asked) > len(above) and asked[: len(above)] == above:
            below = asked[len(above) :]
            if not _is_plain(root, below):
                raise OutsideRootsError(text, roots, "does not exist, or passes through a link")
            return root.joinpath(*below)
    raise OutsideRootsError(text, roots, "is not below a root")


def _fault_of(text: str) -> str | None:
    if len(text) > MAX_LENGTH:
        return f"is longer than {MAX_LENGTH:,} characters"
    # Control characters, and lone surrogates, which are not valid UTF-8.
    if not text.isprintable():
        return "has characters that cannot be printed"
    if any(mark in text for mark in FORBIDDEN):
        return f"contains one of {' '.join(FORBIDDEN)}"
    if {"", ".", ".."} & set(text.removeprefix("/").split("/")):
        return "has an empty part, '.' or '..'"
    return None


def _is_plain(root: Path, below: Sequence[str]) -> bool:
    path = root
    for part in below:
        path = path / part
        try:
            mode = path.lstat().st_mode
        except OSError:
            return False
        if not stat.S_ISDIR(mode):
            return False
    return True
