"""The cache of a model store: a registry that follows the store's pointers, as far as it can."""

import logging
from typing import TYPE_CHECKING

from api.settings import Settings
from src.errors import NotInStoreError, StoreError, UserError
from src.runs import Promotion, Registry
from src.runs.store.address import address_of

if TYPE_CHECKING:
    from src.runs.store.signature import SignatureKeys

log = logging.getLogger("uvicorn.error")


def keys_of(settings: Settings) -> "SignatureKeys | None":
    """Read who may vouch for models; None: anybody, and nobody need. Raises UserError."""
    if not settings.signature_key:
        return None
    # Not everybody has what it needs.
    from src.runs.store.signature import read_keys

    return read_keys(settings.signature_key)


class StoreCache:
    """Pulls what the pointers of a store name. What cannot be pulled stays as it was."""

    def __init__(self, settings: Settings) -> None:
        # Loaded here, so that what is missing is told when the service starts.
        from src.runs.store import place

        place.place_at(address_of(settings.store))
        self.address = address_of(settings.store)
        self._seconds = settings.store_timeout_seconds
        self._registry = Registry(settings.cache)
        self._keys = keys_of(settings)
        self._gone: set[str] = set()

    def refresh(self, *, thoroughly: bool) -> dict[str, UserError]:
        """Pull every model, within the time limit; gives what failed, by name.

        thoroughly: also where the pointer is the one that is here, to mend what was damaged.
        """
        from src.runs.store.place import place_at
        from src.runs.store.pulling import pull
        from src.runs.store.remote import RemoteModel, model_names

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
