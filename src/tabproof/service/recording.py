"""The prediction log that the settings describe. Without one nothing of it is imported."""

import logging
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from tabproof.errors import PackageMissingError, UserError, listed, printable
from tabproof.service.served_model import ServedModel
from tabproof.service.settings import SettingError, Settings, columns_in
from tabproof.service.telemetry import Telemetry

if TYPE_CHECKING:
    from tabproof.prediction_log.delivery import Place
    from tabproof.prediction_log.writer import PredictionLog

# Seconds in which the last rows are written when the service ends, and those of one upload.
STOP_SECONDS, UPLOAD_SECONDS = 5.0, 15.0
# What is no directory: `s3:/bucket` is a mistake.
BUCKET = re.compile(r"(?:s3|gs|az|abfss?):|.*://")

log = logging.getLogger("uvicorn.error")


def make_prediction_log(settings: Settings, telemetry: Telemetry) -> "PredictionLog | None":
    """Return the log, which writes nothing yet; None if it is off.

    Raises SettingError for a place where nothing can be written, and PackageMissingError.
    """
    if not settings.prediction_log:
        return None
    try:
        from tabproof.prediction_log.stream import Choices
        from tabproof.prediction_log.writer import LogOptions, PredictionLog
    except ModuleNotFoundError as error:
        raise PackageMissingError("API_PREDICTION_LOG", str(error.name), "api") from error

    choices = Choices(
        frozenset(columns_in(settings.prediction_log_exclude)),
        frozenset(columns_in(settings.prediction_log_hash)),
        settings.prediction_log_hash_key.encode(),
    )
    options = LogOptions(
        choices,
        settings.prediction_log_share,
        settings.prediction_log_days,
        settings.prediction_log_flush_seconds,
        settings.prediction_log_max_bytes,
    )
    place = _place_of(settings.prediction_log)
    return PredictionLog(place, options, telemetry.logged)


def _place_of(address: str) -> "Place":
    from tabproof.prediction_log.delivery import BucketPlace, LocalPlace

    if BUCKET.match(address) and not address.startswith("file://"):
        # Only a bucket needs fsspec and obstore.
        from tabproof.artifacts.remote.store import open_store

        try:
            return BucketPlace(open_store(address, step_seconds=UPLOAD_SECONDS))
        except UserError as error:
            valid = f"a directory or an address such as s3://bucket/prefix ({error})"
            # Messages must not show a password.
            found = f"{address.partition('://')[0]}://…"
            raise SettingError(variable="API_PREDICTION_LOG", found=found, valid=valid) from error
    place = LocalPlace(Path(address.removeprefix("file://")))
    try:
        place.check()
    except OSError as error:
        found, valid = printable(address), f"a directory that can be written ({error.strerror})"
        raise SettingError(variable="API_PREDICTION_LOG", found=found, valid=valid) from error
    return place


def warn_of_unknown_columns(settings: Settings, models: Iterable[ServedModel]) -> None:
    """Warn of columns to leave out or to hash that no served model has, in one line."""
    known = {column.name for model in models for column in model.schema.columns}
    for variable, text in (
        ("API_PREDICTION_LOG_EXCLUDE", settings.prediction_log_exclude),
        ("API_PREDICTION_LOG_HASH", settings.prediction_log_hash),
    ):
        unknown = [printable(name) for name in columns_in(text) if name not in known]
        if known and unknown:
            log.warning("%s: no served model has %s", variable, listed(unknown))
