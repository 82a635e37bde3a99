"""Names in the prediction log: its directories, files and columns.

The log is a directory or the prefix of a bucket. Its files are Parquet, in Hive partitions:

    predictions/date=2026-11-30/model=adult/20261130T230501.123456_<writer>_<n>.parquet
    labels/date=2026-11-30/20261130T230501.123456_<writer>_<n>.parquet

Dates and times are UTC. Files whose names begin with "." are not complete. `monitor compact` makes
one file of many, merged-000001.parquet, whose metadata name the files that it stands for.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from typing import Literal
from urllib.parse import quote

PREDICTIONS, LABELS = "predictions", "labels"
SUFFIX = ".parquet"
DATE, MODEL = "date=", "model="
# In the key-value metadata of each file.
FORMAT_KEY, FORMAT = "tabproof_log_format", "1"
# Of a merged file: its name, and the files that it stands for in its metadata.
MERGED, SOURCES_KEY = re.compile(r"merged-(\d{6,12})\.parquet"), "tabproof_log_sources"
# Of a predictions file, before the columns of the model.
TIME, REQUEST_ID, ROW, RUN_ID = "time", "request_id", "row", "run_id"
ROLE, THRESHOLD, LABEL, WARNINGS = "role", "threshold", "label", "warnings"
PROBABILITY, FEATURE = "proba_", "x_"
# Of a labels file, beside request_id, row and label.
AT, RECEIVED = "at", "received"
# Bytes of a directory's name; most file systems allow 255.
MAX_NAME = 200

Role = Literal["champion", "challenger", "canary"]
Kind = Literal["number", "category", "date", "text"]


@dataclass(frozen=True)
class LoggedColumn:
    """A feature: its name, its kind, and the categories that its codes are indices of."""

    name: str
    kind: Kind
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class LoggedModel:
    """What the log has to know about a model; two objects are two models.

    threshold: above it the second of two labels is predicted; None with three or more labels.
    """

    name: str
    run_id: str
    labels: tuple[str, ...]
    threshold: float | None
    columns: tuple[LoggedColumn, ...]


def predictions_folder(day: date, model: str) -> str:
    """Return the directory of a day's predictions of a model, below the log."""
    return f"{PREDICTIONS}/{DATE}{day.isoformat()}/{MODEL}{partition_value(model)}"


def labels_folder(day: date) -> str:
    """Return the directory of the labels that were received on a day, below the log."""
    return f"{LABELS}/{DATE}{day.isoformat()}"


def segment_name(when: datetime, writer: str, number: int) -> str:
    """Return the name of a file; writer: unique for each process, number: counts its files."""
    return f"{when:%Y%m%dT%H%M%S.%f}_{writer}_{number}{SUFFIX}"


def merged_name(number: int) -> str:
    """Return the name of a merged file; number: from 1, used once in a partition.

    It comes after the names of all files that it may stand for.
    """
    return f"merged-{number:06d}{SUFFIX}"


def merged_number(name: str) -> int | None:
    """Return the number of a merged file; None of another name."""
    found = MERGED.fullmatch(name)
    return None if found is None else int(found[1])


def partition_value(text: str) -> str:
    """Return a text as Hive writes it in the name of a directory.

    A very long one is cut, and ends with a hash of the whole.
    """
    value = quote(text, safe="")
    if len(value) <= MAX_NAME:
        return value
    cut = text
    while len(quote(cut, safe="")) > MAX_NAME - 17:
        cut = cut[:-1]
    return f"{quote(cut, safe='')}-{sha256(text.encode()).hexdigest()[:16]}"


def day_of(folder: str) -> date | None:
    """Return the day in the name of a partition, such as date=2026-11-30; None in another name."""
    if not folder.startswith(DATE):
        return None
    try:
        return date.fromisoformat(folder.removeprefix(DATE))
    except ValueError:
        return None
