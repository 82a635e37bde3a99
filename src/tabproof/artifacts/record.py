"""A run in brief: what lists and leaderboards show of it, or why it is no complete run."""

import hashlib
import io
import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tabproof.artifacts import summary
from tabproof.artifacts.checkpoint import is_searched
from tabproof.artifacts.errors import ManifestError, NotARunError, UnverifiedRunError
from tabproof.artifacts.files import read_json, read_limited
from tabproof.artifacts.manifest import NAME, Manifest, read_manifest
from tabproof.artifacts.run_directory import PREDICTIONS, STATUS, SUMMARY, is_alive
from tabproof.artifacts.verify import read_verified
from tabproof.errors import NewerFormatError

if TYPE_CHECKING:
    import pandas as pd


# --- What was chosen for a run, as Hydra noted it beside the run.

MAX_SIZE = 1 << 20
# What decides no number, or is told in another column.
ASIDE = {"dataset", "dataset.data_home", "skip_completed", "search.resume"}
GROUPS_ASIDE = {"hydra", "report", "runtime", "sweep"}


def read_overrides(run: Path) -> list[str]:
    """Read what was said on the command line; nothing where that is not known."""
    found = read_yaml(run / ".hydra" / "overrides.yaml")
    return [str(word) for word in found] if isinstance(found, list) else []


def read_group_choices(run: Path) -> dict[str, str]:
    """Read which file of each group of conf/ was chosen; nothing where that is not known."""
    found = read_yaml(run / ".hydra" / "hydra.yaml")
    for key in ("hydra", "runtime", "choices"):
        found = found.get(key) if isinstance(found, dict) else None
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def in_words(overrides: Sequence[str]) -> str:
    """Word choices in one line, without the dataset and what decides no number."""
    return " ".join(word for word in overrides if not _is_aside(word))


def by_key(overrides: Sequence[str]) -> dict[str, str]:
    """Give what `in_words` says, by key."""
    said = (word.partition("=") for word in overrides if not _is_aside(word))
    return {key.lstrip("+"): value for key, _, value in said}


def dataset_of(overrides: Sequence[str]) -> str | None:
    """Give the dataset that was chosen; None where the standard one was."""
    chosen = (word.partition("=") for word in overrides)
    return next((value for key, _, value in chosen if key == "dataset"), None)


def _is_aside(word: str) -> bool:
    key = word.partition("=")[0].lstrip("+~")
    return key in ASIDE or key.partition(".")[0] in GROUPS_ASIDE


def read_yaml(path: Path) -> Any:
    """Read a YAML file that holds plain data; None where it is not there or is no YAML."""
    # The service imports this package and reads no YAML.
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return yaml.load(read_limited(path, MAX_SIZE), Loader=loader)  # noqa: S506 - a safe one
    except (OSError, ValueError, yaml.YAMLError):
        return None


# --- What a run says of itself: its dataset, labels and predictions, after every byte was verified.

# How the loaders of data say where a table came from.
SOURCES = ("builtin_", "openml_", "file_")


def model_name_of(dataset: str) -> str:
    """Give the dataset's name without where it came from: builtin_wine is wine."""
    source = next((source for source in SOURCES if dataset.startswith(source)), "")
    return dataset.removeprefix(source)


@dataclass(frozen=True)
class Fingerprint:
    """The data, as summary.json identifies it."""

    sha256: str


@dataclass(frozen=True)
class Said:
    """What is read of summary.json."""

    dataset: str
    labels: list[str]
    data: Fingerprint


@dataclass(frozen=True)
class Proof:
    """What a run says of itself, after every byte of it was verified."""

    path: Path
    said: Said
    predictions: bytes

    @property
    def name(self) -> str:
        """What it is called when it is promoted."""
        return model_name_of(self.said.dataset)

    def hold_out(self) -> "pd.DataFrame":
        """Read the predictions: a row per row id, sorted; y_true as codes, a column per label."""
        # Loaded where predictions are read; the service imports this package and reads none.
        import pandas as pd

        labels = self.said.labels
        columns = [f"proba_{label}" for label in labels]
        try:
            # Without threads: one that still lives when a short command ends would abort it.
            content = io.BytesIO(self.predictions)
            frame = pd.read_parquet(content, use_threads=False, pre_buffer=False)
            frame = frame.set_index("row_id").sort_index()
            codes = frame["y_true"].map({label: code for code, label in enumerate(labels)})
            return frame[columns].astype("float64").assign(y_true=codes.astype("int64"))
        # pyarrow's errors are some of these.
        except (KeyError, ValueError, TypeError, OSError) as error:
            reason = f"is not of its form: {error}"
            raise UnverifiedRunError(self.path, PREDICTIONS, reason) from error


def differing_rows(one: Proof, other: Proof) -> tuple[str, str, str] | None:
    """Tell what keeps two runs from being compared row by row, and what either has; or None."""
    for what, ours, theirs in (
        ("the data", one.said.data.sha256, other.said.data.sha256),
        ("the labels", one.said.labels, other.said.labels),
    ):
        if ours != theirs:
            return what, str(ours), str(theirs)
    rows, their_rows = one.hold_out(), other.hold_out()
    n_common = len(set(rows.index) & set(their_rows.index))
    if not len(rows) == len(their_rows) == n_common:
        words = f"{len(rows)} rows", f"{len(their_rows)}, of which {n_common} are the same"
        return "the rows held out", *words
    if not rows["y_true"].equals(their_rows["y_true"]):
        return "the true labels", "some", "others"
    return None


def read_proof(run: Path) -> Proof:
    """Verify a run and read its numbers."""
    found = read_verified(run, {SUMMARY, PREDICTIONS}.__contains__).files
    for name in (SUMMARY, PREDICTIONS):
        if name not in found:
            raise UnverifiedRunError(run, name, "is missing")
    try:
        return Proof(run, read_json(found[SUMMARY], Said), found[PREDICTIONS])
    except ValueError as error:
        raise UnverifiedRunError(run, SUMMARY, str(error)) from error


State = Literal["complete", "partial", "failed", "interrupted", "running", "not started"]

COMPLETE: set[State] = {"complete", "partial"}
MAX_SIZE_record = 16 << 20
# Longer than hashing and syncing a run takes, in seconds.
SEALING = 60


@dataclass(frozen=True)
class Record:
    """What is known of a run directory; of a run that is not complete little is.

    elsewhere: the run that stands for this one, where a complete one of the same id was there.
    state: 'partial' is a whole run of a search that ended early. dataset without where it came
    from; overrides as they were typed; seconds in all; cause in one line.
    """

    state: State
    dataset: str
    run_id: str | None = None
    mode: str | None = None
    overrides: Sequence[str] = ()
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    intervals: Mapping[str, tuple[float, float] | None] = field(default_factory=dict)
    best_params: Mapping[str, Any] = field(default_factory=dict)
    seconds: float | None = None
    data: str | None = None
    cause: str | None = None
    elsewhere: str | None = None

    @property
    def choices(self) -> str:
        """What was chosen beside the dataset, in one line."""
        return in_words(self.overrides)

    def value(self, metric: str) -> float | None:
        """Give a metric, where the run has it and it is a number."""
        value = self.metrics.get(metric)
        return value if value is not None and math.isfinite(value) else None

    def interval(self, metric: str) -> tuple[float, float] | None:
        """Give the interval of a metric, where the run has both."""
        return None if self.value(metric) is None else self.intervals.get(metric)


@dataclass(frozen=True)
class _Format:
    format: int = summary.FORMAT


@dataclass(frozen=True)
class _Data:
    sha256: str | None = None


@dataclass(frozen=True)
class _Said:
    """What is read of summary.json; runs of earlier versions say less."""

    dataset: str
    mode: str | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float] | None] = field(default_factory=dict)
    best_params: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    data: _Data = field(default_factory=_Data)
    stopped: str | None = None


@dataclass(frozen=True)
class _Status:
    """What is read of status.json."""

    state: Literal["running", "failed", "interrupted", "skipped"]
    reason: str | None = None
    pid: int | None = None
    host: str | None = None
    begun: str | None = None


def read_record(run: Path) -> Record:
    """Read one run directory, whatever lies there; only summary.json is compared with its hash."""
    try:
        manifest = read_manifest(run)
        if manifest is None:
            return _of_unfinished(run)
        return _of_complete(run, manifest)
    except (ManifestError, NewerFormatError) as error:
        return _of_damaged(run, str(error))
    except OSError as error:
        return _of_damaged(run, f"{run} cannot be read: {error.strerror}")


def _of_complete(run: Path, manifest: Manifest) -> Record:
    try:
        said = _read_summary(run, manifest)
    except (OSError, ValueError) as error:
        reason = f"cannot be read: {error.strerror}" if isinstance(error, OSError) else error
        return _of_damaged(run, f"{run / SUMMARY} {reason}", manifest.run_id)
    return Record(
        state="complete" if said.stopped is None else "partial",
        dataset=model_name_of(said.dataset),
        run_id=manifest.run_id,
        mode=said.mode,
        overrides=read_overrides(run),
        metrics=said.metrics,
        intervals=said.intervals,
        best_params=said.best_params,
        seconds=said.seconds.get("total"),
        data=said.data.sha256,
        cause=None if said.stopped is None else one_line(said.stopped),
    )


def _read_summary(run: Path, manifest: Manifest) -> _Said:
    content = read_sealed(run, SUMMARY, manifest)
    found = read_json(content, _Format).format
    if found > summary.FORMAT:
        raise NewerFormatError(SUMMARY, found, summary.FORMAT)
    return read_json(content, _Said)


def read_sealed(run: Path, name: str, manifest: Manifest) -> bytes:
    """Read one file and compare it with its hash; raises ValueError where it differs."""
    content = read_limited(run / name, MAX_SIZE_record)
    sealed = manifest.files.get(name)
    if sealed is None or hashlib.sha256(content).hexdigest() != sealed.sha256:
        raise ValueError("is not what it was when the run was sealed")
    return content


def _of_unfinished(run: Path) -> Record:
    overrides = read_overrides(run)
    dataset = _dataset_of_unfinished(run, overrides)
    try:
        status = read_json(read_limited(run / STATUS, MAX_SIZE_record), _Status)
    except FileNotFoundError:
        return _without_status(run, Record("not started", dataset, overrides=overrides))
    except NotADirectoryError:
        return Record("not started", dataset, cause=f"{run} is no directory")
    except ValueError as error:
        # Written in one step too, but a machine may stop at any moment.
        return Record("interrupted", dataset, overrides=overrides, cause=f"{STATUS} {error}")
    if status.state == "skipped":
        return _of_skipped(run, status, overrides)
    if status.state != "running":
        cause = one_line(status.reason or "for a reason that was not noted")
        return Record(status.state, dataset, overrides=overrides, cause=cause)
    if is_alive(vars(status)) or is_searched(run):
        return Record("running", dataset, overrides=overrides)
    gone = f"process {status.pid} is gone" if status.pid else "its process is gone"
    return Record("interrupted", dataset, overrides=overrides, cause=gone)


def _without_status(run: Path, record: Record) -> Record:
    """Tell what is not begun from what is being sealed: then the status is gone already."""
    if is_searched(run):
        return replace(record, state="running")
    try:
        age = time.time() - (run / SUMMARY).stat().st_mtime
    except OSError:
        return record
    if age < SEALING:
        return replace(record, state="running")
    return replace(record, state="interrupted", cause="it was ended while it was being sealed")


def _of_skipped(run: Path, status: _Status, overrides: Sequence[str]) -> Record:
    elsewhere = Path(status.reason or "")
    if not status.reason or elsewhere == run or not (elsewhere / NAME).is_file():
        return Record("not started", _dataset_of_unfinished(run, overrides), overrides=overrides)
    return replace(read_record(elsewhere), overrides=overrides, elsewhere=status.reason)


def _of_damaged(run: Path, cause: str, run_id: str | None = None) -> Record:
    overrides = read_overrides(run)
    dataset = _dataset_of_unfinished(run, overrides)
    return Record("failed", dataset, run_id, overrides=overrides, cause=one_line(cause))


def _dataset_of_unfinished(run: Path, overrides: Sequence[str]) -> str:
    # hydra.yaml takes a millisecond; what was said on the command line is nearly always enough.
    said = dataset_of(overrides)
    return said or read_group_choices(run).get("dataset", "?")


def one_line(text: str) -> str:
    """Give text as one line of letters that can be printed."""
    line = " ".join(text.split())
    return line if line.isprintable() else json.dumps(line)[1:-1]


def path_text(path: Path) -> str:
    """Give a path as text that can be written, whatever bytes its name is made of."""
    return str(path).encode(errors="backslashreplace").decode()


# --- What a complete run says of itself in full, for people who look at it or compare it.


@dataclass(frozen=True)
class Facts:
    """summary and config: as they stand in the run's files; n_files: those of the manifest."""

    path: Path
    run_id: str
    record: Record
    summary: Mapping[str, Any]
    config: Mapping[str, Any]
    n_files: int


def read_facts(run: Path) -> Facts:
    """Read a complete run; its numbers are compared with their hash."""
    manifest = read_manifest(run)
    record = read_record(run)
    if manifest is None or record.state not in COMPLETE:
        raise NotARunError(run, record.state, record.cause)
    summary = json.loads(read_sealed(run, SUMMARY, manifest))
    config = read_yaml(run / "config.yaml")
    return Facts(
        path=run,
        run_id=manifest.run_id,
        record=record,
        summary=summary,
        config=config if isinstance(config, dict) else {},
        n_files=len(manifest.files),
    )


def flattened(tree: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Give every leaf with its key, as in 'search.n_splits'; a list is a leaf."""
    for name, value in tree.items():
        key = f"{above}.{name}" if above else str(name)
        if isinstance(value, Mapping) and value:
            yield from flattened(value, key)
        else:
            yield key, value
