"""Which models are served: what the registry's pointers name, or else the newest run.

Readers take one reference to what is served and keep it for a request; a reload replaces it.
"""

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Lock

from api.refusals import no_model, not_found
from api.served_model import ServedModel, load_model
from api.settings import Settings
from src.errors import ModelUnusableError, UserError
from src.runs import Promotion, Registry, beneath, newest_complete_run

log = logging.getLogger("uvicorn.error")


@dataclass(frozen=True)
class Served:
    """What is served at one moment. failed: why a model could not be loaded, by name."""

    models: Mapping[str, ServedModel] = field(default_factory=dict)
    default_name: str | None = None
    failed: Mapping[str, str] = field(default_factory=dict)

    def default(self) -> ServedModel:
        """Give the model of the plain paths; raises RefusedError where there is none."""
        found = self.models.get(self.default_name or "")
        if found is None:
            raise no_model(self.failed, self.default_name, sorted(self.models))
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
        self._registry = Registry(settings.models)
        self.served = Served()
        # A reload that is asked for and one that the watcher starts would lose each other's.
        self._one_at_a_time = Lock()

    def load(self) -> None:
        """Load what is promoted, or the newest complete run; what fails is noted."""
        models: dict[str, ServedModel] = {}
        failed: dict[str, str] = {}
        for name in self._registry.names():
            try:
                models[name] = self._load_promoted(name)
            except UserError as error:
                failed[name] = self.said(error)
        if not models and not failed:
            newest = newest_complete_run(self._settings.outputs)
            if newest is not None:
                try:
                    model = load_model(
                        newest, name=None, source=self._shown(newest), promoted=False
                    )
                    models[model.name] = model
                except UserError as error:
                    failed[newest.name] = self.said(error)
        for name, why in failed.items():
            log.error("model '%s' cannot be loaded: %s", name, why)
        # A damaged model stays the default: another's answers would be taken for its own.
        self.served = Served(models, self._default_name([*models, *failed]), failed)

    def reload(self, path: str | None) -> Mapping[str, ServedModel]:
        """Load anew, all or what path names; raises UserError, and then nothing has changed.

        Gives all that serve now.
        """
        with self._one_at_a_time:
            self._reload(path)
            return self.served.models

    def _reload(self, path: str | None) -> None:
        if path is not None:
            model = self._load_path(path)
            models = {**self.served.models, model.name: model}
            default = self._default_name(models)
            if not model.promoted:
                default = model.name  # a run that was named is meant to be tried
            failed = {k: v for k, v in self.served.failed.items() if k != model.name}
            self.served = Served(models, default, failed)
            return
        names = self._registry.names()
        if names:
            loaded = {name: self._load_promoted(name) for name in names}
            self.served = Served(loaded, self._default_name(loaded), {})
            return
        newest = newest_complete_run(self._settings.outputs)
        if newest is None:
            raise ModelUnusableError("nothing", "no model is promoted, and no run is complete")
        model = load_model(newest, name=None, source=self._shown(newest), promoted=False)
        self.served = Served({model.name: model}, self._default_name([model.name]), {})

    def versions(self) -> dict[str, str]:
        """Give what the pointers name now, for whoever watches them."""
        found = {}
        for name in self._registry.names():
            promotion = self._registry.current(name)
            if promotion is not None:
                found[name] = promotion.version
        return found

    def _load_path(self, path: str) -> ServedModel:
        roots = [self._settings.models, self._settings.outputs]
        found = beneath(path, roots)
        for promoted in self._registry.names():
            if found == self._settings.models / promoted:
                return self._load_promoted(promoted)
        # A version of a promoted model keeps its name; a run takes that of its dataset.
        is_promoted = found.is_relative_to(self._settings.models)
        name = found.relative_to(self._settings.models).parts[0] if is_promoted else None
        return load_model(found, name=name, source=self._shown(found), promoted=is_promoted)

    def _load_promoted(self, name: str) -> ServedModel:
        promotion = self._registry.current(name)
        if promotion is None:
            raise ModelUnusableError(name, "nothing is promoted under this name")
        path = self._registry.path_of(name, promotion.version)
        model = load_model(path, name=name, source=self._shown(path), promoted=True)
        if model.run_id != promotion.version:
            # Whole and verified, but another run than was promoted.
            raise ModelUnusableError(self._shown(path), f"it holds run {model.run_id}")
        return model

    def said(self, error: UserError) -> str:
        """Word an error for clients, who need not know where the roots lie."""
        message = str(error)
        for root in (self._settings.models, self._settings.outputs):
            if root.is_absolute():
                message = message.replace(str(root), root.name)
        return message

    def _shown(self, path: Path) -> str:
        for root in (self._settings.models, self._settings.outputs):
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
        except UserError:
            return None  # damaged: it was told when it was loaded


def _moment(when: str) -> float:
    # As text, hours of two time zones would be compared.
    try:
        return datetime.fromisoformat(when).timestamp()
    except ValueError:
        return 0.0
