"""The served models: those that the registry's pointers name, or else the newest run.

A request takes one reference to `ModelStore.served` and keeps it; a reload replaces the reference.
"""

import logging
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from tabproof.artifacts import Promotion, Registry, VerifiedRun, newest_complete_run
from tabproof.artifacts.errors import NotInStoreError, RegistryDamagedError, StoreError
from tabproof.artifacts.files import real_parts
from tabproof.artifacts.registry import VERSIONS
from tabproof.errors import UserError, printable
from tabproof.service.answers import ReasonKind, RefusedError
from tabproof.service.challengers import Challenger, RefusedChallenge, load_challengers
from tabproof.service.served_model import ModelUnusableError, Reason, ServedModel, load_model
from tabproof.service.settings import Settings

if TYPE_CHECKING:
    from tabproof.artifacts.remote.signature import SignatureKeys

log = logging.getLogger("uvicorn.error")


class ReloadError(UserError):
    """Models could not be loaded; those served before stay in service."""

    def __init__(self, causes: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"'{name}': {why}" for name, why in causes.items()))


class OutsideRootsError(UserError):
    """A client named a path that it may not read."""

    def __init__(self, asked: str, roots: Sequence[Path], reason: str) -> None:
        # Clients must not learn where the roots are on this machine.
        names = [str(root) if not root.is_absolute() else root.name for root in roots]
        super().__init__(
            f"'{printable(asked)}' {reason}; it takes a run's directory under"
            f" {' or '.join(names)}, as in {names[-1]}/<date>/<run>"
        )


@dataclass(frozen=True)
class Served:
    """The models at one moment; failed, store and unread: messages by name.

    failed: models that could not be loaded. store: models that could not be pulled, of which the
    cached version is served. unread: entries of the registry that cannot be read; a model that was
    served before stays. required: names without which the service is not ready. blocked: why
    nothing is served, although other workers serve. challengers: those of `models`. refused:
    challenges whose challengers are not served.
    """

    models: Mapping[str, ServedModel] = field(default_factory=dict)
    default_name: str | None = None
    failed: Mapping[str, str] = field(default_factory=dict)
    store: Mapping[str, str] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    blocked: str = ""
    challengers: Mapping[str, Challenger] = field(default_factory=dict)
    refused: Mapping[str, RefusedChallenge] = field(default_factory=dict)

    @property
    def runs(self) -> dict[str, str]:
        """The run id of each model."""
        return {name: model.run_id for name, model in self.models.items()}

    def find(self, name: str | None = None, version: str | None = None) -> ServedModel:
        """Return a model, the default one without a name; raise RefusedError if not served."""
        found = self.models.get((self.default_name or "") if name is None else name)
        if found is None or self.blocked:
            if name is None or self.blocked:
                raise RefusedError(503, self.why_no_default(), headers={"Retry-After": "5"})
            names = ", ".join(sorted(self.models)) or "none"
            raise RefusedError(404, f"there is no model of that name; served: {names}")
        if version is not None and version != found.run_id:
            raise RefusedError(404, f"of model '{name}' only version {found.run_id} is served")
        return found

    def why_no_default(self) -> str:
        """Return why there is no default model, and what to do; empty if there is one."""
        if self.blocked:
            return f"this worker cannot load what the others serve, and tries again: {self.blocked}"
        if (self.default_name or "") in self.models:
            return ""
        failed = {**self.store, **self.unread, **self.failed}
        if self.models and self.default_name and self.default_name not in failed:
            return (
                f"API_DEFAULT_MODEL names '{self.default_name}', which is not served; served at"
                f" /models/{{name}}/predict: {', '.join(sorted(self.models))}; promote a model"
                " under that name, or change API_DEFAULT_MODEL"
            )
        if failed:
            causes = "; ".join(f"'{name}' cannot be loaded: {why}" for name, why in failed.items())
            what = "the default model is not served" if self.models else "no model is served"
            return f"{what}: {causes}; promote another one, then POST /reload"
        return (
            "there is no model yet: train one (make train), promote it (python -m src.runs promote"
            " latest), then POST /reload or restart the service"
        )

    def missing(self) -> list[str]:
        """Return the required names that are not served."""
        return [name for name in self.required if name not in self.models]

    def why_not_ready(self) -> str:
        """Return why requests should go elsewhere; empty if all is served that should be."""
        causes = [self.why_no_default()]
        if not causes[0]:
            stays = "the model served before stays in service"
            causes = [f"'{name}' is not up to date: {why}" for name, why in self.unread.items()]
            causes += [stays] if causes else []
        for name in self.missing():
            why = self.failed.get(name, "nothing is promoted under this name")
            causes.append(f"API_REQUIRE names '{name}', which is not served: {why}")
        return "; ".join(filter(None, causes))


class ModelStore:
    """Load models and hold those that are served; the registry may be the cache of a store."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        promotions = settings.cache if settings.store else settings.models
        self._registry = Registry(promotions, [settings.outputs])
        self.roots = self._roots = [promotions, settings.outputs]
        self._address = ""
        # The public keys that must have signed models; None if signatures are optional.
        self._keys: SignatureKeys | None = None
        # Both need optional packages. A missing one is reported when the service starts.
        if settings.store:
            from tabproof.artifacts.remote.store import open_store

            self._address = open_store(settings.store).address
        if settings.signature_key:
            from tabproof.artifacts.remote.signature import read_keys

            self._keys = read_keys(settings.signature_key)
        self.served = Served(required=settings.required)
        # The version of each pointer when it was last read, loaded or not.
        self._pointers: dict[str, str] = {}
        self._removed: set[str] = set()
        # Those that were logged.
        self._refused: dict[str, RefusedChallenge] = {}
        # A requested reload and one of the watcher would overwrite each other's result.
        self._lock = Lock()

    def reload(self, path: str | None, *, thoroughly: bool = True) -> bool:
        """Load all promoted models, or else the newest run, or the model that path names.

        Return whether any was loaded. A model that cannot be loaded stays as it was; its failure
        is recorded in `served`, and ReloadError names the cause. Without thoroughly only those
        are loaded whose pointers changed.
        """
        with self._lock:
            if path is not None:
                self._load_path(path)
                return True
            if self._address:
                self._pull(thoroughly=thoroughly)
            try:
                names = self._registry.names()
            except OSError as error:
                raise self._unread_error("registry", self.message_of(error)) from error
            found = {name: self._position(name) for name in names}
            known = self._pointers
            moved = {name for name in {*found, *known} if found.get(name) != known.get(name)}
            # A link may be repaired while the pointer stays as it is.
            moved |= self.served.unread.keys()
            if thoroughly or moved:
                self._load(found, None if thoroughly else moved)
            if self.served.store:
                raise ReloadError(self.served.store)
            return thoroughly or bool(moved)

    def repeat(self, paths: Sequence[str | None], *, thoroughly: bool) -> bool:
        """Reload as another process did, by one path after the other; serve nothing in between."""
        if len(paths) == 1 and not self.served.blocked:
            return self.reload(paths[0], thoroughly=thoroughly)
        fresh = ModelStore(self._settings)
        fresh._refused = self._refused
        for path in paths:
            try:
                fresh.reload(path)
            except ReloadError:
                # Models that cannot be loaded are recorded; a run that was named must be.
                if path is not None:
                    raise
        with self._lock:
            self.served, self._pointers = fresh.served, fresh._pointers
        return True

    def block(self, error: UserError) -> None:
        """Answer every prediction with 503 and the reason, until `repeat` succeeds."""
        with self._lock:
            self.served = replace(self.served, blocked=self.message_of(error))

    def _pull(self, *, thoroughly: bool) -> None:
        """Pull every model within the time limit; record failures, which keep the cached version.

        thoroughly: also pull models whose pointer did not change, to repair damaged copies.
        """
        from tabproof.artifacts.remote.store import open_store
        from tabproof.artifacts.remote.transfer import RemoteModel, model_names, pull

        failed: dict[str, str] = {}

        @contextmanager
        def recorded(name: str) -> Iterator[None]:
            try:
                yield
            except UserError as error:
                failed[name] = self.message_of(error)
            except OSError as error:
                where = f"MODEL_CACHE, {error.filename or self._registry.root}"
                reason = f"it cannot be used: {error.strerror}"
                failed[name] = self.message_of(StoreError(where, reason))

        store = open_store(self._address, self._settings.store_timeout_seconds)
        names: list[str] = []
        with recorded("store"):
            found = model_names(store)
            if not found:
                raise NotInStoreError(self._address, "it holds no model; push one")
            removed = set(self._registry.names()) - set(found)
            for name in sorted(removed - self._removed):
                message = "model '%s' is no longer in %s; the cached version is served"
                log.warning(message, name, self._address)
            self._removed, names = removed, found
        for name in names:
            with recorded(name):
                if not thoroughly:
                    with suppress(UserError):  # damaged: pulling repairs it
                        remote, registry = RemoteModel(store, name), self._registry
                        is_same = remote.history() == registry.history(name)
                        if is_same and remote.challenges()[0] == registry.challenges(name):
                            continue
                pull(store, self._registry, name, keys=self._keys, overwrite=True)
        self.served = replace(self.served, store=failed)

    def _unread_error(self, what: str, why: str) -> ReloadError:
        """Record that the registry or outputs/ as a whole cannot be read; return the error."""
        unread = {what: why}
        self.served = replace(self.served, unread=unread)
        return ReloadError(unread)

    def _load(self, versions: dict[str, str], names: Collection[str] | None) -> None:
        """Load promoted models, all or those named, or else the newest run; raise ReloadError."""
        served = self.served
        promoted = {name for name, model in served.models.items() if model.promoted}
        if not versions:
            if promoted:
                # Perhaps a mount was lost; a run that was not promoted must not replace the model.
                raise self._unread_error("registry", "it no longer holds a promoted model")
            if self._address or self._keys is not None:
                # With a store or with signatures, only promoted models may be served.
                raise ReloadError({"registry": "it holds no promoted model"})
            try:
                is_empty = self._registry.is_empty()
            except OSError as error:
                raise self._unread_error("registry", self.message_of(error)) from error
            if not is_empty:
                # Something was promoted, or was meant to be.
                raise self._unread_error(
                    "registry", "it has directories of models, and none has a pointer"
                )
            try:
                newest = newest_complete_run(
                    self._settings.outputs, holding="scorer/", roots=self._roots
                )
            except (UserError, OSError) as error:
                raise self._unread_error("outputs", self.message_of(error)) from error
            if newest is None:
                raise ReloadError({"nothing": "no model is promoted, and no run can be served"})
            try:
                model = self._read(newest, None, Reason("newest"))
            except (UserError, OSError) as error:
                failed = {newest.name: self.message_of(error)}
                if not served.models:
                    self.served = replace(served, failed=failed, unread={})
                raise ReloadError(failed) from error
            if served.required and model.name not in served.required:
                reason = f"API_REQUIRE does not name it, and '{served.required[0]}' is not promoted"
                raise ReloadError({model.name: reason})
            default, models = self._default_name([model.name]), {model.name: model}
            served = replace(served, models=models, default_name=default, failed={}, unread={})
            self.served = replace(served, challengers={}, refused={})
            return
        self._pointers = versions
        removed = promoted - versions.keys()
        # A model can be removed, but neither one that was configured nor that of /predict.
        kept = removed & {served.default_name, *served.required}
        for name in sorted(removed - kept):
            log.warning("'%s' is no longer in the registry and no longer served", name)
        models = {
            name: model
            for name, model in served.models.items()
            # A run that was loaded by its path stays until all models are loaded again.
            if name in versions or name in kept or (names is not None and not model.promoted)
        }
        failed = {name: why for name, why in served.failed.items() if name in versions}
        new = dict.fromkeys(sorted(kept), "it is no longer in the registry")
        unread = dict(new)
        for name in versions.keys() if names is None else versions.keys() & names:
            failed.pop(name, None)
            try:
                models[name] = self._load_promoted(name)
            except (UserError, OSError) as error:
                new[name] = self.message_of(error)
                if isinstance(error, (RegistryDamagedError, OSError)):
                    unread[name] = new[name]
        failed |= {name: why for name, why in new.items() if name not in models}
        # A damaged model stays the default: a client must not get another model's predictions.
        default = served.default_name
        if default not in kept:
            default = self._default_name(versions)
        self.served = self._with_challengers(
            replace(served, models=models, default_name=default, failed=failed, unread=unread),
            again=names is None,
        )
        if new:
            raise ReloadError(new)

    def _load_path(self, path: str) -> None:
        promotions = self._registry.root
        try:
            found = beneath(path, self._roots)
            # A version of a promoted model keeps its name; a run takes that of its dataset.
            promoted = found.is_relative_to(promotions)
            if not promoted:
                model = self._read(found, None, Reason("requested"))
            else:
                match found.relative_to(promotions).parts:
                    case (name,):
                        model = self._load_promoted(name)
                    case (name, between, version) if between == VERSIONS:
                        model = self._load_promoted(name, version)
                    case _:
                        reason = f"it is neither a model nor one of its {VERSIONS}/"
                        raise ReloadError({path: reason})
        except OSError as error:
            raise ReloadError({path: self.message_of(error)}) from error
        models = {**self.served.models, model.name: model}
        # A run that was named becomes the default, so that it can be tried.
        default = self._default_name(models) if promoted else model.name
        failed = {k: v for k, v in self.served.failed.items() if k != model.name}
        served = replace(self.served, models=models, default_name=default, failed=failed)
        self.served = self._with_challengers(served, again=False)

    def _with_challengers(self, served: Served, *, again: bool) -> Served:
        """Load the challengers of all models; again: those that are loaded, too."""
        found, self._refused = load_challengers(
            self._registry,
            served.models,
            {} if again else served.challengers,
            self._load_promoted,
            self.message_of,
            has_log=bool(self._settings.prediction_log),
            logged=self._refused,
        )
        return replace(served, challengers=found, refused=self._refused)

    def _load_promoted(self, name: str, version: str | None = None) -> ServedModel:
        """Load a version of a promoted model, the current one without `version`."""

        def load() -> ServedModel:
            wanted, reason = version, Reason("requested")
            if wanted is None:
                promotion = self._registry.current(name)
                if promotion is None:
                    why = "nothing is promoted under this name"
                    raise ModelUnusableError(source=name, reason=why)
                wanted, reason = promotion.version, _reason_of(promotion)
            model = self._read(self._registry.path_of(name, wanted), name, reason)
            if model.run_id != wanted:
                # Complete and verified, but not the run that was promoted.
                raise ModelUnusableError(source=model.source, reason=f"it holds run {model.run_id}")
            return model

        return self._registry.unmoved(name, load)

    def _read(self, path: Path, name: str | None, reason: Reason) -> ServedModel:
        """Load a run, or a version of the promoted model `name`."""

        def check_signature(run: VerifiedRun) -> None:
            # A run that none of the keys has signed is refused, even if it was pulled before.
            if self._keys is not None:
                signature = self._registry.signature_of(name, run.run_id) if name else None
                self._keys.check(name or run.path.name, run.run_id, run.sealed, signature)

        root = next(root for root in self._roots if path.is_relative_to(root))
        source = (Path(root.name) / path.relative_to(root)).as_posix()
        return load_model(
            path,
            name=name,
            source=source,
            reason=reason,
            check=check_signature,
            roots=self._roots,
            allow_empty=self._settings.allow_empty,
        )

    def _position(self, name: str) -> str:
        """Return what is served under a name, and its challenge: another text means a change."""
        position = "?"
        with suppress(UserError, OSError):  # damaged: loading it reports the damage
            promotion = self._registry.current(name)
            position = promotion.version if promotion else "?"
            challenge = self._registry.challenge_of(name)
            position += "" if challenge is None else f" {challenge.version} {challenge.when}"
        return position

    def _default_name(self, names: Collection[str]) -> str | None:
        if self._settings.default_model or len(names) <= 1:
            return self._settings.default_model or next(iter(names), None)
        switched = {}
        for name in names:
            try:
                promotion = self._registry.current(name)
            except (UserError, OSError):
                # Perhaps it was promoted last: no other model may take its place.
                before = self.served.default_name
                return before if before in names else None
            if promotion:
                switched[name] = 0.0
                # Text would compare the local hours of different time zones.
                with suppress(ValueError):
                    switched[name] = datetime.fromisoformat(promotion.when).timestamp()
        return max(switched, key=lambda name: (switched[name], name), default=None)

    def message_of(self, error: UserError | OSError) -> str:
        """Return an error's message for clients, without the location of the roots."""
        message = str(error)
        if isinstance(error, OSError):
            message = f"{error.filename} cannot be read: {error.strerror}"
        if address := self._address:
            message = message.replace(f"{address}/", "").replace(address, "the store")
        for root in self._roots:
            if root.is_absolute():
                message = message.replace(str(root), root.name)
        return message


def _reason_of(promotion: Promotion) -> Reason:
    """Return why and since when a version is the current one."""
    kind: ReasonKind = "promoted" if promotion.action == "promote" else "rolled_back"
    # Whoever wrote the pointer chose the text.
    with suppress(ValueError):
        return Reason(kind, datetime.fromisoformat(promotion.when))
    return Reason(kind)


# --- Paths that clients may name

# A run's path contains none of these; each can be used to escape from a root.
FORBIDDEN = ("\\", "%", "~", "://")


def beneath(text: str, roots: Sequence[Path]) -> Path:
    """Return the existing directory below a root that text names; links in it lead to no other.

    text: begins with the name of a root, as in responses, or is absolute, and may end in one '/'.
    A root itself may be a link, because the operator configured it. Raises OutsideRootsError.
    """
    text = text.removesuffix("/")
    faults = {
        "is longer than 1,024 characters": len(text) > 1024,
        # Control characters, and lone surrogates, which are not valid UTF-8.
        "has characters that cannot be printed": not text.isprintable(),
        f"contains one of {' '.join(FORBIDDEN)}": any(mark in text for mark in FORBIDDEN),
        "has an empty part, '.' or '..'": {"", ".", ".."} & {*text.removeprefix("/").split("/")},
    }
    fault = next((fault for fault, applies in faults.items() if applies), "")
    if fault:
        raise OutsideRootsError(text, roots, fault)
    fault, asked, (first, _, rest) = "is not below a root", Path.cwd() / text, text.partition("/")
    for root in roots:
        found = [Path(rest)] if rest and first == root.name else []
        # A configured root may contain '..'; a client's path may not.
        above = Path(os.path.abspath(root))  # noqa: PTH100 - absolute() keeps it
        if above in asked.parents:
            found.append(asked.relative_to(above))
        for below in found:
            path, fault = root / below, "does not exist, or leads elsewhere through a link"
            with suppress(OSError, ValueError):
                real_parts(path, roots)
                if path.is_dir():
                    return path
    raise OutsideRootsError(text, roots, fault)
