"""The promoted version that is trained again, and the table that it was trained on."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tabproof import artifacts, data, experiment
from tabproof import config as conf
from tabproof.artifacts import run_directory as stored
from tabproof.artifacts.errors import UnverifiedRunError
from tabproof.config.data_schema import OpenMLDatasetConfig
from tabproof.errors import UserError
from tabproof.reading.source import is_address
from tabproof.runtime.console import logging_to
from tabproof.schema import Schema
from tabproof.steps.search import make_plan

NEEDED = (stored.CONFIG, stored.SUMMARY, stored.SCHEMA)


class NotRetrainableError(UserError):
    """A promoted version, or newer rows, with which no run can be trained and promoted."""

    template = "cannot be trained again: {reason}"


@dataclass(frozen=True)
class Promoted:
    """The current version of a model, every byte of it verified.

    config : the text of its config.yaml. since : when it was promoted first, UTC; whatever was
    answered later cannot be among the rows it was trained on.
    """

    name: str
    version: str
    path: Path
    config: str
    summary: artifacts.Summary
    schema: Schema
    since: datetime

    @property
    def columns(self) -> list[str]:
        """The names of its features, in order."""
        return [column.name for column in self.schema.columns]


def read_promoted(name: str, models: Path) -> Promoted:
    """Verify and read the current version of a model.

    Raises NotPromotedError where nothing was promoted under this name, UnverifiedRunError where a
    file is damaged, and NotRetrainableError where a file is missing or has another form.
    """
    registry = artifacts.Registry(models)
    version = registry.version_named(name)
    path = registry.path_of(name, version)
    files = artifacts.read_verified(path, {*NEEDED}.__contains__).files
    for needed in NEEDED:
        if needed not in files:
            raise NotRetrainableError(f"{path} has no {needed}")
    try:
        summary = artifacts.Summary.from_json(files[stored.SUMMARY])
    except ValueError as error:
        raise UnverifiedRunError(path, stored.SUMMARY, str(error)) from error
    schema = Schema.from_json(files[stored.SCHEMA].decode())
    history = registry.history(name)
    first = next(entry.when for entry in history if entry.version == version)
    since = datetime.fromisoformat(first).astimezone(UTC)
    return Promoted(name, version, path, files[stored.CONFIG].decode(), summary, schema, since)


def load_old_rows(promoted: Promoted, overrides: Sequence[str]) -> data.Division | str:
    """Load the table that a version was trained on, divided as it was then.

    overrides : may have dataset.path=…, the place where it is now. Return the reason where the
    table cannot be loaded, or has changed. An address that only the run names is not fetched.
    """
    is_given = any(word.startswith("dataset.path=") for word in overrides)
    if not is_given and (saved := artifacts.saved_data(promoted.path)) is not None:
        overrides = [*overrides, *conf.overrides_of({"path": str(saved)})]
    config, _ = conf.recompose(promoted.config, overrides, to_its_end=True)
    source = str(getattr(config.dataset, "path", ""))
    if not is_given and (source == "-" or is_address(source)):
        return f"its table is not fetched again ({source})"
    if isinstance(config.dataset, OpenMLDatasetConfig):
        # A cached table needs no network; another one is not waited for.
        config.dataset.n_retries = 0
    try:
        conf.check_config(config)
        # Of a table that was trained on, its lines were logged then.
        with logging_to(logging.NullHandler()):
            division = experiment.load_rows(config, make_plan(config))
    except UserError as error:
        return f"its table cannot be loaded: {error}"
    if data.fingerprint(division.table).sha256 != promoted.summary.data.sha256:
        return "its table has changed since"
    return division
