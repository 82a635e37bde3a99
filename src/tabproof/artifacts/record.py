"""What is read of one run directory: in brief, in full, or its verified predictions."""

import hashlib
import io
import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tabproof.artifacts.checkpoint import is_searched
from tabproof.artifacts.errors import ManifestError, NotARunError, UnverifiedRunError
from tabproof.artifacts.files import read_limited
from tabproof.artifacts.manifest import NAME, Manifest, read_manifest
from tabproof.artifacts.run_directory import CONFIG, PREDICTIONS, STATUS, SUMMARY, read_status
from tabproof.artifacts.summary import Summary
from tabproof.artifacts.verify import read_verified
from tabproof.errors import NewerFormatError

if TYPE_CHECKING:
    import pandas as pd

MAX_YAML = 1 << 20
MAX_SUMMARY = 16 << 20
# Longer than hashing and syncing the files of a run takes, in seconds.
SEALING = 60

State = Literal["complete", "partial", "failed", "interrupted", "running", "not started"]
COMPLETE: set[State] = {"complete", "partial"}

# --- What the user chose for a run, as Hydra recorded it.

# These change no number, or are part of no comparison.
HIDDEN_KEYS = {"dataset", "dataset.data_home", "skip_completed", "search.resume"}
HIDDEN_GROUPS = {"checks", "hydra", "report", "runtime", "sweep"}


def choices_by_key(overrides: Sequence[str]) -> dict[str, str]:
    """Return the overrides by key, without the dataset and keys that change no number."""
    parts = (word.partition("=") for word in overrides if not _is_hidden(word))
    return {key.lstrip("+"): value for key, _, value in parts}


def choices_text(overrides: Sequence[str]) -> str:
    """Return the overrides in one line, without dataset, model, search and what changes no number.

    Dataset, model and search of a run are shown by themselves, whether they were chosen or not.
    """
    shown = (word for word in overrides if not word.startswith(("model=", "search=")))
    return " ".join(word for word in shown if not _is_hidden(word))


def chosen(group: str, overrides: Sequence[str]) -> str | None:
    """Return the choice of a config group; None where it was the default."""
    parts = (word.partition("=") for word in overrides)
    return next((value for key, _, value in parts if key == group), None)


def model_of(config: Mapping[str, Any]) -> str:
    """Return the estimator of a configuration, without `Classifier`; of a portfolio, how many.

    config: as plain values.
    """
    search, model = config.get("search") or {}, config.get("model") or {}
    if members := search.get("members"):
        return f"{len(members)} models"
    target = (model.get("estimator") or {}).get("_target_", "")
    return str(target).rpartition(".")[2].removesuffix("Classifier")


def _is_hidden(override: str) -> bool:
    key = override.partition("=")[0].lstrip("+~")
    return key in HIDDEN_KEYS or key.partition(".")[0] in HIDDEN_GROUPS


def _read_overrides(run: Path) -> list[str]:
    found = _read_yaml(run / ".hydra" / "overrides.yaml")
    return [str(word) for word in found] if isinstance(found, list) else []


def _dataset_of_unfinished(run: Path, overrides: Sequence[str]) -> str:
    # Reading hydra.yaml takes a millisecond, and the overrides nearly always name the dataset.
    if dataset := chosen("dataset", overrides):
        return dataset
    found = _read_yaml(run / ".hydra" / "hydra.yaml")
    for key in ("hydra", "runtime", "choices", "dataset"):
        found = found.get(key) if isinstance(found, dict) else None
    return "?" if found is None else str(found)


def _read_yaml(path: Path) -> Any:
    """Read a YAML file of plain data; return None where there is none."""
    # The service imports this module and reads no YAML.
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return yaml.load(read_limited(path, MAX_YAML), Loader=loader)  # noqa: S506 - a safe one
    except (OSError, ValueError, yaml.YAMLError):
        return None


# --- A run in brief, complete or not.


@dataclass(frozen=True)
class Record:
    """What lists and leaderboards show of a run directory.

    Attributes
    ----------
    state : "partial" is a complete run of a search that ended early
    dataset : without its source; "?" where it is unknown
    model, mode : the estimator and the search, whether they were chosen or the default
    overrides : as typed on the command line
    seconds : in total
    data : the hash of the data
    cause : why the run is not complete, in one line
    elsewhere : the complete run of the same id that made this one unnecessary
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
    model: str = ""

    @property
    def choices(self) -> str:
        """What the user chose beside dataset, model and search, in one line."""
        return choices_text(self.overrides)

    def value(self, metric: str) -> float | None:
        """Return a metric, where the run has it and it is finite."""
        value = self.metrics.get(metric)
        return value if value is not None and math.isfinite(value) else None

    def interval(self, metric: str) -> tuple[float, float] | None:
        """Return the interval of a metric, where the run has both."""
        return None if self.value(metric) is None else self.intervals.get(metric)


def read_record(run: Path) -> Record:
    """Read a run directory in any state; of its files only summary.json is verified."""
    run_id = None
    try:
        manifest = read_manifest(run)
        if manifest is None:
            return _read_unfinished(run)
        run_id = manifest.run_id
        return _complete_record(run, run_id, read_summary(run, manifest))
    except (ManifestError, NewerFormatError) as error:
        cause = str(error)
    except ValueError as error:
        cause = f"{run / SUMMARY} {error}"
    except OSError as error:
        cause = f"{error.filename or run} cannot be read: {error.strerror}"
    overrides = _read_overrides(run)
    dataset = _dataset_of_unfinished(run, overrides)
    return Record("failed", dataset, run_id, overrides=overrides, cause=one_line(cause))


def read_summary(run: Path, manifest: Manifest) -> Summary:
    """Read summary.json and verify its hash; raise ValueError where it differs."""
    content = read_limited(run / SUMMARY, MAX_SUMMARY)
    entry = manifest.files.get(SUMMARY)
    if entry is None or hashlib.sha256(content).hexdigest() != entry.sha256:
        raise ValueError("was changed after the run was completed")
    return Summary.from_json(content)


def _complete_record(run: Path, run_id: str, summary: Summary) -> Record:
    overrides = _read_overrides(run)
    return Record(
        state="complete" if summary.stopped is None else "partial",
        dataset=summary.model_name,
        run_id=run_id,
        mode=summary.mode,
        overrides=overrides,
        metrics=summary.metrics,
        intervals=summary.intervals,
        best_params=summary.best_params,
        seconds=summary.seconds.get("total"),
        data=summary.data.sha256,
        cause=None if summary.stopped is None else one_line(summary.stopped),
        # Runs of earlier versions do not record it.
        model=summary.model or chosen("model", overrides) or "",
    )


def _read_unfinished(run: Path) -> Record:
    overrides = _read_overrides(run)
    config = _read_yaml(run / ".hydra" / "config.yaml")
    config = config if isinstance(config, dict) else {}
    record = Record(
        "not started",
        _dataset_of_unfinished(run, overrides),
        mode=(config.get("search") or {}).get("name") or chosen("search", overrides),
        overrides=overrides,
        model=model_of(config) or chosen("model", overrides) or "",
    )
    try:
        status = read_status(run)
    except NotADirectoryError:
        return replace(record, cause=f"{run} is not a directory")
    except ValueError as error:
        # The status is written in one step too, but a machine may stop at any moment.
        return replace(record, state="interrupted", cause=f"{STATUS} {error}")
    if status is None:
        return _without_status(run, record)
    if status.state == "skipped":
        elsewhere = Path(status.reason or "")
        if not status.reason or elsewhere == run or not (elsewhere / NAME).is_file():
            return record
        return replace(read_record(elsewhere), overrides=overrides, elsewhere=status.reason)
    if status.state != "running":
        cause = one_line(status.reason or "for a reason that was not recorded")
        return replace(record, state=status.state, cause=cause)
    if status.is_alive or is_searched(run):
        return replace(record, state="running")
    process = f"process {status.pid}" if status.pid else "its process"
    return replace(record, state="interrupted", cause=f"{process} is gone")


def _without_status(run: Path, record: Record) -> Record:
    """Distinguish a run that has not begun from one being completed, which has no status."""
    if is_searched(run):
        return replace(record, state="running")
    try:
        age = time.time() - (run / SUMMARY).stat().st_mtime
    except OSError:
        return record
    if age < SEALING:
        return replace(record, state="running")
    return replace(record, state="interrupted", cause="it ended while its files were being hashed")


def one_line(text: str) -> str:
    """Return the text as one line of printable characters."""
    line = " ".join(text.split())
    return line if line.isprintable() else json.dumps(line)[1:-1]


def path_text(path: Path) -> str:
    """Return a path as text that can be encoded, whatever bytes its name has."""
    return str(path).encode(errors="backslashreplace").decode()


# --- A complete run in full.


@dataclass(frozen=True)
class CompleteRun:
    """config: as in config.yaml; n_files: those of the manifest."""

    path: Path
    run_id: str
    record: Record
    summary: Summary
    config: Mapping[str, Any]
    n_files: int


def read_complete_run(path: Path) -> CompleteRun:
    """Read a run for display or comparison, and verify its summary; raise NotARunError."""
    record = read_record(path)
    manifest = read_manifest(path) if record.state in COMPLETE else None
    if manifest is None:
        raise NotARunError(path, record.state, record.cause)
    config = _read_yaml(path / CONFIG)
    return CompleteRun(
        path=path,
        run_id=manifest.run_id,
        record=record,
        summary=read_summary(path, manifest),
        config=config if isinstance(config, dict) else {},
        n_files=len(manifest.files),
    )


def flattened(tree: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every leaf with its key, as in 'search.n_splits'; a list is a leaf."""
    for name, value in tree.items():
        key = f"{above}.{name}" if above else str(name)
        if isinstance(value, Mapping) and value:
            yield from flattened(value, key)
        else:
            yield key, value


# --- The predictions of a run, after every byte of it was verified.


@dataclass(frozen=True)
class VerifiedPredictions:
    """The summary of a run, and its predictions.parquet as bytes."""

    path: Path
    summary: Summary
    content: bytes

    def hold_out(self) -> "pd.DataFrame":
        """Return a row per row id, sorted: y_true as codes, and a column per label."""
        # The service imports this module and reads no predictions.
        import pandas as pd

        labels = self.summary.labels
        columns = [f"proba_{label}" for label in labels]
        try:
            # Without threads: one that still lives when a short command ends would abort it.
            buffer = io.BytesIO(self.content)
            frame = pd.read_parquet(buffer, use_threads=False, pre_buffer=False)
            frame = frame.set_index("row_id").sort_index()
            codes = frame["y_true"].map({label: code for code, label in enumerate(labels)})
            return frame[columns].astype("float64").assign(y_true=codes.astype("int64"))
        # The errors of pyarrow are subclasses of these.
        except (KeyError, ValueError, TypeError, OSError) as error:
            reason = f"has the wrong form: {error}"
            raise UnverifiedRunError(path=self.path, name=PREDICTIONS, reason=reason) from error


def read_predictions(run: Path) -> VerifiedPredictions:
    """Verify every byte of a run and read its predictions; raise UnverifiedRunError."""
    found = read_verified(run, {SUMMARY, PREDICTIONS}.__contains__).files
    for name in (SUMMARY, PREDICTIONS):
        if name not in found:
            raise UnverifiedRunError(path=run, name=name, reason="is missing")
    try:
        return VerifiedPredictions(run, Summary.from_json(found[SUMMARY]), found[PREDICTIONS])
    except ValueError as error:
        raise UnverifiedRunError(path=run, name=SUMMARY, reason=str(error)) from error


def differing_rows(
    one: VerifiedPredictions, other: VerifiedPredictions
) -> tuple[str, str, str] | None:
    """Return what keeps two runs from being compared row by row, and what each has; or None."""
    for what, ours, theirs in (
        ("the data", one.summary.data.sha256, other.summary.data.sha256),
        ("the labels", one.summary.labels, other.summary.labels),
    ):
        if ours != theirs:
            return what, str(ours), str(theirs)
    rows, their_rows = one.hold_out(), other.hold_out()
    n_common = len(set(rows.index) & set(their_rows.index))
    if not len(rows) == len(their_rows) == n_common:
        counts = f"{len(rows)} rows", f"{len(their_rows)}, of which {n_common} are the same"
        return "the rows held out", *counts
    if not rows["y_true"].equals(their_rows["y_true"]):
        return "the true labels", "some", "others"
    return None
