"""Which models are served: what the registry's pointers name, or else the newest run.

Readers take one reference to what is served and keep it for a request; a reload replaces it.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from api.refusals import no_model, not_found
from api.served_model import ServedModel, load_model
from api.settings import Settings
from src.errors import ModelUnusableError, UserError
from src.runs import Registry, beneath, newest_complete_run

log = logging.getLogger("uvicorn.error")


@dataclass(frozen=True)
class Served:
    """What is served at one moment. failed: why a model could not be loaded, by name."""

    models: Mapping[str, ServedModel] = field(default_factory=dict)
    default_name: str | None = None
    failed: Mapping[str, str] = field(default_factory=dict)

    def default(self) -> ServedModel:
        """Give the model of the plain paths; raises RefusedError where there is none."""
        if self.default_name is None or self.default_name not in self.models:
            raise no_model(self.failed)
        return self.models[self.default_name]

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
        self.served = Served(models, self._default_name(models), failed)

    def reload(self, path: str | None) -> dict[str, ServedModel]:
        """Load anew, all or what path names; raises UserError, and then nothing has changed."""
        if path is not None:
            model = self._load_path(path)
            models = {**self.served.models, model.name: model}
            default = self._default_name(models)
            if not model.promoted:
                default = model.name  # a run that was named is meant to be tried
            failed = {k: v for k, v in self.served.failed.items() if k != model.name}
            self.served = Served(models, default, failed)
            return {model.name: model}
        names = self._registry.names()
        if not names:
            return self._reload_newest()
        loaded = {name: self._load_promoted(name) for name in names}
        self.served = Served(loaded, self._default_name(loaded), {})
        return loaded

    def _reload_newest(self) -> dict[str, ServedModel]:
        newest = newest_complete_run(self._settings.outputs)
        if newest is None:
            return {}
        model = load_model(newest, name=None, source=self._shown(newest), promoted=False)
        self.served = Served({model.name: model}, model.name, {})
        return {model.name: model}

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
            message = message.replace(str(root), root.name)
        return message

    def _shown(self, path: Path) -> str:
        for root in (self._settings.models, self._settings.outputs):
            if path.is_relative_to(root):
                return (Path(root.name) / path.relative_to(root)).as_posix()
        return path.name

    def _default_name(self, models: Mapping[str, ServedModel]) -> str | None:
        wanted = self._settings.default_model
        if wanted:
            return wanted
        if len(models) <= 1:
            return next(iter(models), None)
        current = {name: self._registry.current(name) for name in models}
        switched = {name: p.when for name, p in current.items() if p is not None}
        return max(switched, key=lambda name: (switched[name], name), default=None)
