"""Which models are served: what the registry's pointers name, or else the newest run.

Readers take one reference to what is served and keep it for a request; a reload replaces it.
"""

import logging
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from tabproof.artifacts import Promotion, Registry, VerifiedRun, newest_complete_run
from tabproof.artifacts.errors import NotInStoreError, StoreError
from tabproof.artifacts.remote.address import address_of
from tabproof.errors import UserError
from tabproof.service.answers import no_model, not_found
from tabproof.service.errors import ModelUnusableError, ReloadError
from tabproof.service.paths import beneath
from tabproof.service.served_model import ServedModel, load_model
from tabproof.service.settings import Settings

if TYPE_CHECKING:
    from tabproof.artifacts.remote.signature import SignatureKeys


# --- The cache of a model store: a registry that follows the store's pointers, as far as it can.

log = logging.getLogger("uvicorn.error")


def keys_of(settings: Settings) -> "SignatureKeys | None":
    """Read who may vouch for models; None: anybody, and nobody need. Raises UserError."""
    if not settings.signature_key:
        return None
    # Not everybody has what it needs.
    from tabproof.artifacts.remote.signature import read_keys

    return read_keys(settings.signature_key)


class StoreCache:
    """Pulls what the pointers of a store name. What cannot be pulled stays as it was."""

    def __init__(self, settings: Settings) -> None:
        # Loaded here, so that what is missing is told when the service starts.
        from tabproof.artifacts.remote import store

        store.place_at(address_of(settings.store))
        self.address = address_of(settings.store)
        self._seconds = settings.store_timeout_seconds
        self._registry = Registry(settings.cache)
        self._keys = keys_of(settings)
        self._gone: set[str] = set()

    def refresh(self, *, thoroughly: bool) -> dict[str, UserError]:
        """Pull every model, within the time limit; gives what failed, by name.

        thoroughly: also where the pointer is the one that is here, to mend what was damaged.
        """
        from tabproof.artifacts.remote.store import place_at
        from tabproof.artifacts.remote.transfer import RemoteModel, model_names, pull

        failed: dict[str, UserError] = {}
        place = place_at(self.address, self._seconds)
        try:
            names = model_names(place)
            if not names:
                raise NotInStoreError(str(self.address), "it holds no model; push one")
            self._tell_what_is_gone(names)
        except UserError as error:
            return {"store": error}
        except OSError as error:
            return {"store": self._refusal(error)}
        for name in names:
            try:
                if thoroughly or not self._is_current(name, RemoteModel(place, name).history()):
                    pull(place, self._registry, name, keys=self._keys, overwrite=True)
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
            return False  # damaged: pulling mends it

    def _tell_what_is_gone(self, names: list[str]) -> None:
        gone = set(self._registry.names()) - set(names)
        for name in sorted(gone - self._gone):
            log.warning("model '%s' is not in %s any more; the cache's goes on", name, self.address)
        self._gone = gone


SCORER = "scorer/"


@dataclass(frozen=True)
class Served:
    """What is served at one moment. failed: why a model could not be loaded, by name.

    store: why a model could not be pulled; what was pulled before goes on.
    """

    models: Mapping[str, ServedModel] = field(default_factory=dict)
    default_name: str | None = None
    failed: Mapping[str, str] = field(default_factory=dict)
    store: Mapping[str, str] = field(default_factory=dict)

    def default(self) -> ServedModel:
        """Give the model of the plain paths; raises RefusedError where there is none."""
        found = self.models.get(self.default_name or "")
        if found is None:
            failed = {**self.store, **self.failed}
            raise no_model(failed, self.default_name, sorted(self.models))
        return found

    def named(self, name: str) -> ServedModel:
        """Give a model by name; raises RefusedError."""
        found = self.models.get(name)
        if found is None:
            names = ", ".join(sorted(self.models)) or "none"
            raise not_found(f"there is no model of that name; served: {names}")
        return found


class ModelStore:
    """Loads models and keeps those that serve."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._registry = Registry(settings.registry)
        self._cache = StoreCache(settings) if settings.store else None
        self._keys = keys_of(settings)
        self.served = Served()
        # What each pointer named when it was last looked at, loaded or not.
        self._pointers: dict[str, str] = {}
        # A reload that is asked for and one that the watcher starts would lose each other's.
        self._one_at_a_time = Lock()

    def load(self) -> None:
        """Load what is promoted, or the newest run that can be served; what fails is noted."""
        with self._one_at_a_time, suppress(ReloadError):
            self._pull(thoroughly=True)
            self._load(None)

    def reload(self, path: str | None) -> Mapping[str, ServedModel]:
        """Load anew, all or what path names; a model that cannot be loaded goes on as it was.

        Gives all that serve now. Raises UserError, which says what could not be loaded.
        """
        with self._one_at_a_time:
            if path is None:
                self._pull(thoroughly=True)
                self._load(None)
                self._tell_of_the_store()
            else:
                self._try(path)
            return self.served.models

    def follow(self) -> bool:
        """Load what pointers that moved name now; tells whether any did. Raises UserError.

        What fails is tried again when its pointer moves, or on request.
        """
        with self._one_at_a_time:
            self._pull(thoroughly=False)
            found = self._versions()
            moved = {
                name
                for name in {*found, *self._pointers}
                if found.get(name) != self._pointers.get(name)
            }
            if moved:
                self._load(moved)
            self._tell_of_the_store()
            return bool(moved)

    def _pull(self, *, thoroughly: bool) -> None:
        if self._cache is not None:
            troubles = self._cache.refresh(thoroughly=thoroughly)
            said = {name: self.said(error) for name, error in troubles.items()}
            self.served = replace(self.served, store=said)

    def _tell_of_the_store(self) -> None:
        if self.served.store:
            raise ReloadError(dict(self.served.store))

    def _load(self, names: Collection[str] | None) -> None:
        """Load promoted models, of all names or of some; raises ReloadError for what fails."""
        versions = self._versions()
        if not versions:
            self._load_newest()
            return
        self._pointers = versions
        served = self.served
        models = {
            name: model
            for name, model in served.models.items()
            # What was tried by its path stays until all is loaded anew.
            if name in versions or (names is not None and not model.promoted)
        }
        failed = {name: why for name, why in served.failed.items() if name in versions}
        new: dict[str, str] = {}
        for name in versions.keys() if names is None else versions.keys() & names:
            failed.pop(name, None)
            try:
                models[name] = self._load_promoted(name)
            except (UserError, OSError) as error:
                new[name] = self.said(error)
        failed |= {name: why for name, why in new.items() if name not in models}
        # A damaged model stays the default: another's answers would be taken for its own.
        self._serve(models, self._default_name(versions), failed)
        if new:
            raise ReloadError(new)

    def _serve(
        self, models: Mapping[str, ServedModel], default: str | None, failed: Mapping[str, str]
    ) -> None:
        self.served = Served(models, default, failed, self.served.store)

    def _load_newest(self) -> None:
        if any(model.promoted for model in self.served.models.values()):
            # A lost mount, perhaps; a run that nobody chose is no replacement.
            raise ReloadError({"registry": "it holds no promoted model any more"})
        if self._cache is not None or self._keys is not None:
            # Whoever names a store, or asks for signatures, means no other run.
            raise ReloadError({"registry": "it holds no promoted model"})
        newest = newest_complete_run(self._settings.outputs, holding=SCORER)
        if newest is None:
            raise ReloadError({"nothing": "no model is promoted, and no run can be served"})
        try:
            model = load_model(newest, name=None, source=self._shown(newest), promoted=False)
        except (UserError, OSError) as error:
            failed = {newest.name: self.said(error)}
            if not self.served.models:
                self.served = Served(failed=failed)
            raise ReloadError(failed) from error
        self._serve({model.name: model}, self._default_name([model.name]), {})

    def _try(self, path: str) -> None:
        try:
            model = self._load_path(path)
        except OSError as error:
            raise ReloadError({path: self.said(error)}) from error
        models = {**self.served.models, model.name: model}
        # A run that was named is meant to be tried.
        default = self._default_name(models) if model.promoted else model.name
        failed = {k: v for k, v in self.served.failed.items() if k != model.name}
        self._serve(models, default, failed)

    def _versions(self) -> dict[str, str]:
        """Give what the pointers name now; of a damaged one that it is."""
        try:
            names = self._registry.names()
        except OSError as error:
            raise ReloadError({"registry": self.said(error)}) from error
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
        source, vouch = self._shown(found), partial(self._vouch, name)
        return load_model(found, name=name, source=source, promoted=is_promoted, vouch=vouch)

    def _load_promoted(self, name: str) -> ServedModel:
        promotion = self._registry.current(name)
        if promotion is None:
            raise ModelUnusableError(name, "nothing is promoted under this name")
        path = self._registry.path_of(name, promotion.version)
        source, vouch = self._shown(path), partial(self._vouch, name)
        model = load_model(path, name=name, source=source, promoted=True, vouch=vouch)
        if model.run_id != promotion.version:
            # Whole and verified, but another run than was promoted.
            raise ModelUnusableError(self._shown(path), f"it holds run {model.run_id}")
        return model

    def _vouch(self, name: str | None, run: VerifiedRun) -> None:
        """Refuse a run that none of our keys has signed, also one that was pulled before."""
        if self._keys is not None:
            signature = self._registry.signature_of(name, run.run_id) if name else None
            self._keys.check(name or run.path.name, run.run_id, run.sealed, signature)

    def said(self, error: UserError | OSError) -> str:
        """Word an error for clients, who need not know where the roots lie."""
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
            return None  # damaged: loading it says how


def _moment(when: str) -> float:
    # As text, hours of two time zones would be compared.
    try:
        return datetime.fromisoformat(when).timestamp()
    except ValueError:
        return 0.0
