"""The cache of the page of all runs: what was read of each run.

A run is read once, and again where its files have changed. It is only a cache: it may be removed,
and is made anew where it is damaged.
"""

import json
import logging
import re
import zlib
from collections.abc import Container, Mapping
from contextlib import suppress
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from tabproof import artifacts
from tabproof.artifacts import one_line
from tabproof.artifacts.find import INDEX_FORMAT
from tabproof.artifacts.run_directory import LOG, MODEL_CARD, REPORT
from tabproof.errors import UserError
from tabproof.runs.curves import curve_bytes, read_held_out, truth_bytes
from tabproof.text import encodable

CACHE = ".page.cache"
# The first line of the file is the format, with that of records, and a checksum of the others.
CACHE_FORMAT = f"2.{INDEX_FORMAT}"
OTHER_FORMAT = re.compile(rb"[\d.]+ \d+")
# Maximum keys of a section of a run, and columns with hashes of their own in the page.
MAX_KEYS, MAX_COLUMNS = 2_000, 100
# Maximum characters of a value as JSON, and of a key; longer ones end in a hash of the whole.
MAX_VALUE, MAX_KEY = 400, 200
MAX_CAUSE = 1_000
# Files of a run that the page links to.
LINKED = (REPORT, LOG, MODEL_CARD)

Numbers = NDArray[np.int32]

log = logging.getLogger(__name__)


class KnownRun(msgspec.Struct, array_like=True):
    """What was read of a complete run.

    facts: numbers of its facts, as int32. n_rows, n_labels: of its held-out rows. rows: the hash
    of these, empty where its predictions were not read. curve: empty where the page has no room.
    cause: why its predictions cannot be read. row: what the page shows of it, as JSON; empty where
    it was not made yet.
    """

    signature: str
    facts: bytes
    files: list[str]
    n_rows: int
    n_labels: int
    rows: str = ""
    curve: bytes = b""
    cause: str = ""
    row: str = ""

    @property
    def numbers(self) -> Numbers:
        """The numbers of its facts."""
        return np.frombuffer(self.facts, "<i4")


class RowGroup(msgspec.Struct, array_like=True):
    """Held-out rows that several runs may share; truth: their true labels."""

    labels: list[str]
    n_rows: int
    truth: bytes


class _Content(msgspec.Struct, array_like=True):
    facts: list[tuple[str, str]] = []
    runs: dict[bytes, KnownRun] = {}
    groups: dict[str, RowGroup] = {}
    metrics: list[str] = []


class PageCache:
    """The known runs, by the bytes of their paths.

    facts: a key and its value as JSON, each pair once. groups: by the hash of their rows.
    metrics: those of every row, in this order.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.is_changed = path, False
        content = _read(path)
        self.facts, self.runs, self.groups = content.facts, content.runs, content.groups
        self.metrics = content.metrics

    @cached_property
    def _numbers(self) -> dict[tuple[str, str], int]:
        return {fact: number for number, fact in enumerate(self.facts)}

    def read_run(self, key: bytes, path: Path, signature: str) -> None:
        """Read the facts of a complete run; raises UserError, OSError or ValueError."""
        run, manifest = artifacts.read_complete_run(path), artifacts.read_manifest(path)
        numbers = []
        for fact in facts_of(run):
            number = self._numbers.setdefault(fact, len(self.facts))
            if number == len(self.facts):
                self.facts.append(fact)
            numbers.append(number)
        files = [name for name in LINKED if manifest is not None and name in manifest.files]
        content = np.array(numbers, "<i4").tobytes()
        n_labels = len(run.summary.labels)
        self.runs[key] = KnownRun(signature, content, files, run.summary.n_test, n_labels)
        self.is_changed = True

    def read_curve(self, key: bytes, path: Path) -> None:
        """Verify a run and keep its curve, or the cause of its absence."""
        known, self.is_changed = self.runs[key], True
        try:
            held_out = read_held_out(path)
        except Exception as error:  # anybody may have made the run, and it may be removed now
            is_known = isinstance(error, UserError | OSError)
            text = str(error) if is_known else f"{type(error).__name__}: {error}"
            known.cause = encodable(one_line(text))[:MAX_CAUSE]
            return
        labels, known.cause = [encodable(label) for label in held_out.labels], ""
        known.rows, known.curve = held_out.rows, curve_bytes(held_out)
        known.n_rows, known.n_labels = len(held_out.y), len(labels)
        if held_out.rows not in self.groups:
            group = RowGroup(labels, known.n_rows, truth_bytes(held_out))
            self.groups[held_out.rows] = group

    def drop_curve(self, key: bytes) -> None:
        """Forget the curve of a run, for which the page has no room."""
        if self.runs[key].curve:
            self.runs[key].curve, self.is_changed = b"", True

    def order_metrics(self, metrics: list[str]) -> None:
        """Take the metrics of all rows; where they are others, all rows have to be made anew."""
        if metrics != self.metrics:
            self.metrics, self.is_changed = metrics, True
            for known in self.runs.values():
                known.row = ""

    def keep(self, wanted: Container[bytes]) -> None:
        """Forget all other runs, and the facts and groups that only they have."""
        gone = [key for key in self.runs if key not in wanted]
        if not gone:
            return
        for key in gone:
            del self.runs[key]
        rows = {run.rows for run in self.runs.values()}
        self.groups = {each: group for each, group in self.groups.items() if each in rows}
        used = np.zeros(len(self.facts), bool)
        for run in self.runs.values():
            used[run.numbers] = True
        renumbered = (used.cumsum() - 1).astype("<i4")
        for run in self.runs.values():
            run.facts = renumbered[run.numbers].tobytes()
        self.facts = [self.facts[number] for number in np.flatnonzero(used)]
        self.__dict__.pop("_numbers", None)
        self.is_changed = True

    def save(self) -> None:
        """Write what has changed."""
        if self.is_changed:
            known = _Content(self.facts, self.runs, self.groups, self.metrics)
            content = msgspec.msgpack.encode(known)
            head = f"{CACHE_FORMAT} {zlib.crc32(content)}\n".encode()
            # Without permission or space the next page reads the runs again.
            with suppress(OSError):
                artifacts.write_atomically(self.path, head + content, durable=False)
            self.is_changed = False


def _read(path: Path) -> _Content:
    try:
        head, _, content = path.read_bytes().partition(b"\n")
    except OSError:
        return _Content()
    with suppress(msgspec.DecodeError, ValueError):
        if head == f"{CACHE_FORMAT} {zlib.crc32(content)}".encode():
            found = msgspec.msgpack.decode(content, type=_Content)
            largest = (int(run.numbers.max(initial=-1)) for run in found.runs.values())
            if max(largest, default=-1) < len(found.facts):
                return found
        if OTHER_FORMAT.fullmatch(head) and not head.startswith(f"{CACHE_FORMAT} ".encode()):
            return _Content()
    log.warning("%s is damaged: made anew", path)
    return _Content()


def facts_of(run: artifacts.CompleteRun) -> list[tuple[str, str]]:
    """Return the keys of a run with their values as JSON, as `runs compare` compares them."""
    summary = run.summary
    columns = summary.data.columns if len(summary.data.columns) <= MAX_COLUMNS else {}
    sections: dict[str, Mapping[str, Any]] = {
        "config": run.config,
        "best": run.record.best_params,
        "data": {"sha256": summary.data.sha256, "columns": columns},
        "git": summary.git,
        "versions": summary.versions,
        "platform": summary.platform,
    }
    facts = {"code": _as_json(summary.code)}
    for name, section in sections.items():
        flat = dict(artifacts.flattened(section, name)) if section else {}
        # In columns an empty table stands for nothing.
        leaves = ((key, value) for key, value in flat.items() if value != {})
        for _, (key, value) in zip(range(MAX_KEYS), leaves, strict=False):
            facts[encodable(_cut(key, MAX_KEY))] = _as_json(value)
    return list(facts.items())


def _as_json(value: Any) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=str)
    except ValueError:
        text = json.dumps(str(value), ensure_ascii=False)
    if len(text) > MAX_VALUE:
        text = json.dumps(_cut(text, MAX_VALUE), ensure_ascii=False)
    return encodable(text)


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    return f"{text[:limit]}… ({sha256(text.encode(errors='backslashreplace')).hexdigest()[:16]})"
