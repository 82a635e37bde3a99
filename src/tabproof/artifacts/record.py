"""What is read of one run directory: in brief, in full, or its verified predictions."""

import io
import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from tabproof.artifacts import manifest as manifests
from tabproof.artifacts import run_directory
from tabproof.artifacts.errors import ManifestError, NotARunError, UnverifiedRunError
from tabproof.artifacts.estimator_facts import EstimatorFacts, MemberFacts, best_in_brief
from tabproof.artifacts.files import read_json, read_limited, read_yaml
from tabproof.artifacts.run_directory import CONFIG, PREDICTIONS, STATUS, SUMMARY
from tabproof.errors import NewerFormatError
from tabproof.text import encodable

if TYPE_CHECKING:
    import pandas as pd

MAX_YAML = 1 << 20
MAX_SUMMARY = 16 << 20
# Longer than hashing and syncing the files of a run takes, in seconds.
SEALING = 60
SUMMARY_FORMAT = 1
# How the loaders of data say where a table came from.
SOURCES = ("builtin_", "openml_", "file_")

State = Literal["complete", "partial", "failed", "interrupted", "running", "not started"]
COMPLETE: set[State] = {"complete", "partial"}

T = TypeVar("T")


def one_line(text: str) -> str:
    """Return the text as one line of printable characters."""
    line = " ".join(text.split())
    return line if line.isprintable() else json.dumps(line)[1:-1]


def path_text(path: Path) -> str:
    """Return a path as text that can be encoded, whatever bytes its name has."""
    return encodable(str(path))


def model_name_of(dataset: str) -> str:
    """Return the dataset's name without its source: builtin_wine is wine."""
    source = next((source for source in SOURCES if dataset.startswith(source)), "")
    return dataset.removeprefix(source)


# --- summary.json: the numbers of a run and what they depend on. The only writer and reader.


@dataclass(frozen=True)
class DataFingerprint:
    """SHA-256 of the data, in hexadecimal, and a shortened hash of each column."""

    sha256: str
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What determines the run id, and the numbers that follow from it.

    Fields with a default are missing in runs of earlier versions. mode: the search. model: the
    estimator that was configured, or how many models a portfolio searches. estimator: what the
    run ends in, read off the fitted estimator. metrics, intervals: of the hold-out, 95 %
    intervals. findings: data checks that found something. parity: the largest difference between
    the exported scorer and the pipeline. left_out: what is for people and could not be made, with
    the reason. best_score: the mean over the folds. rungs: the rows of
    each. stopped: why a search ended early, which makes the run a partial one. finished: the fits
    that a stopped search is based on. ensemble_score: of a weighted mean of finalists. seconds: by
    step. row_microseconds: per predicted row, of the model (as it is exported, if it is), of
    baselines, and of candidates that were fitted on all
    training rows.
    """

    run_id: str
    dataset: str
    mode: str
    model: str = ""
    estimator: EstimatorFacts = field(default_factory=EstimatorFacts)
    labels: Sequence[str]
    n_train: int
    n_test: int
    n_rows_without_target: int
    metrics: Mapping[str, float | None]
    intervals: Mapping[str, tuple[float, float] | None] = field(default_factory=dict)
    calibration: str = "none"
    decision: Mapping[str, Any] = field(default_factory=dict)
    findings: Sequence[str] = ()
    parity: Mapping[str, int | float] | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)
    scoring: str
    best_score: float | None
    best_params: Mapping[str, Any]
    n_candidates: int
    rungs: Sequence[int]
    not_scored: Sequence[str]
    stopped: str | None = None
    finished: Sequence[str] | None = None
    n_not_tried: int = 0
    ensemble_score: float | None = None
    data: DataFingerprint
    code: str
    versions: Mapping[str, str]
    platform: Mapping[str, Any]
    git: Mapping[str, Any]
    workers: int
    seconds: Mapping[str, float]
    row_microseconds: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        """Read a summary.json; raise ValueError or NewerFormatError."""
        return read_json(content, cls, SUMMARY, SUMMARY_FORMAT)

    def to_json(self) -> str:
        """Return the content of summary.json, in the order of the fields."""
        content = {"format": SUMMARY_FORMAT, **asdict(self)}
        # A parameter may be a scalar of numpy.
        return json.dumps(content, indent=2, ensure_ascii=False, default=lambda each: each.item())

    @property
    def threshold(self) -> float | None:
        """Where the second of two labels is predicted; None: the most probable label is."""
        threshold = self.decision.get("threshold")
        if len(self.labels) != 2 or not isinstance(threshold, int | float):
            return None
        return float(threshold)

    @property
    def model_name(self) -> str:
        """The name of the model when it is promoted."""
        return model_name_of(self.dataset)

    def result_line(self) -> str:
        """Return the last line of a run, in the fixed form that scripts read."""
        return (
            f"[RESULT] ds={self.dataset} mode={self.mode}"
            f" AUC={self.metrics['roc_auc']:.4f} ACC={self.metrics['accuracy']:.4f}"
            f" best={best_in_brief(self.best_params)} elapsed_sec={round(self.seconds['total'])}"
        )


# --- What the user chose for a run, as Hydra recorded it.

# These change no number, or are part of no comparison.
HIDDEN_KEYS = {
    "data_home", "dataset", "dataset.data_home", "save_data", "search.resume", "skip_completed",
}  # fmt: skip
HIDDEN_GROUPS = {"checks", "hydra", "report", "runtime", "sweep"}


def _shown(overrides: Sequence[str]) -> Iterator[str]:
    for word in overrides:
        key = word.partition("=")[0].lstrip("+~")
        if key not in HIDDEN_KEYS and key.partition(".")[0] not in HIDDEN_GROUPS:
            yield word


def choices_by_key(overrides: Sequence[str]) -> dict[str, str]:
    """Return the overrides by key, without the dataset and keys that change no number."""
    parts = (word.partition("=") for word in _shown(overrides))
    return {key.lstrip("+"): value for key, _, value in parts}


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


def _read_yaml(path: Path, kind: type[T]) -> T:
    """Read a YAML file of plain data; return an empty value where there is none of this kind."""
    # The service imports this module and reads no YAML.
    import yaml

    try:
        found = read_yaml(read_limited(path, MAX_YAML))
    except (OSError, ValueError, yaml.YAMLError):
        return kind()
    return found if isinstance(found, kind) else kind()


# --- A run in brief, complete or not.


@dataclass(frozen=True)
class Record:
    """What lists and leaderboards show of a run directory.

    state: "partial" is a complete run of a search that ended early. dataset: without its source;
    "?" where it is unknown. model: what the run ends in, or the chosen estimator where it has not
    ended. mode: the search, chosen or not. data: its hash. cause: why the run is not complete, in
    one line. elsewhere: the complete run of the same id that made this one unnecessary. estimator:
    the classes of the models in it, without their parameters.
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
    # A list, as an index returns it.
    estimator: EstimatorFacts = field(default_factory=lambda: EstimatorFacts(members=[]))

    @property
    def choices(self) -> str:
        """The overrides without dataset, model and search, which have their own columns."""
        shown_apart = ("model=", "search=")
        return " ".join(word for word in _shown(self.overrides) if not word.startswith(shown_apart))

    def value(self, metric: str) -> float | None:
        """Return a metric, where the run has it and it is finite."""
        value = self.metrics.get(metric)
        return value if value is not None and math.isfinite(value) else None

    def interval(self, metric: str) -> tuple[float, float] | None:
        """Return the interval of a metric, where the run has both."""
        return None if self.value(metric) is None else self.intervals.get(metric)


def read_record(run: Path) -> Record:
    """Read a run directory in any state; of its files only summary.json is verified."""
    return _read(run)[0]


def recorded_platform(run: Path) -> Mapping[str, Any]:
    """Return what a complete run recorded of its machine; nothing of any other run."""
    summary = _read(run)[2]
    return {} if summary is None else summary.platform


def _read(run: Path) -> tuple[Record, manifests.Manifest | None, Summary | None]:
    """Return the record; of a complete run its manifest and its verified summary too."""
    found = _read_yaml(run / ".hydra" / "overrides.yaml", list)
    overrides = [str(word) for word in found]
    run_id = None
    try:
        manifest = manifests.read_manifest(run)
        if manifest is None:
            return _read_unfinished(run, overrides), None, None
        run_id = manifest.run_id
        content = read_limited(run / SUMMARY, MAX_SUMMARY)
        entry = manifest.files.get(SUMMARY, manifests.FileEntry("", 0))
        summary = Summary.from_json(b"".join(manifests.verified([content], entry)))
    except (ManifestError, NewerFormatError) as error:
        cause = str(error)
    except ValueError as error:
        cause = f"{run / SUMMARY} {error}"
    except OSError as error:
        cause = f"{error.filename or run} cannot be read: {error.strerror}"
    else:
        # Of many runs the parameters would fill the index.
        members = [MemberFacts(kind=each.kind, params={}) for each in summary.estimator.members]
        estimator = replace(summary.estimator, members=members)
        record = Record(
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
            # Runs of earlier versions record less.
            model=estimator.title.removesuffix("Classifier")
            or summary.model
            or chosen("model", overrides)
            or "",
            estimator=estimator,
        )
        return record, manifest, summary
    dataset = _dataset_of_unfinished(run, overrides)
    failed = Record("failed", dataset, run_id, overrides=overrides, cause=one_line(cause))
    return failed, None, None


def _dataset_of_unfinished(run: Path, overrides: Sequence[str]) -> str:
    # Reading hydra.yaml takes a millisecond, and the overrides nearly always name the dataset.
    if dataset := chosen("dataset", overrides):
        return dataset
    found: Any = _read_yaml(run / ".hydra" / "hydra.yaml", dict)
    for key in ("hydra", "runtime", "choices", "dataset"):
        found = found.get(key) if isinstance(found, dict) else None
    return "?" if found is None else str(found)


def _read_unfinished(run: Path, overrides: Sequence[str]) -> Record:
    config: dict[str, Any] = _read_yaml(run / ".hydra" / "config.yaml", dict)
    record = Record(
        "not started",
        _dataset_of_unfinished(run, overrides),
        mode=(config.get("search") or {}).get("name") or chosen("search", overrides),
        overrides=overrides,
        model=model_of(config) or chosen("model", overrides) or "",
    )
    try:
        status = run_directory.read_status(run)
    except NotADirectoryError:
        return replace(record, cause=f"{run} is not a directory")
    except ValueError as error:
        # The status is written in one step too, but a machine may stop at any moment.
        return replace(record, state="interrupted", cause=f"{STATUS} {error}")
    if (status is None or status.state == "running") and run_directory.is_searched(run):
        return replace(record, state="running")
    if status is None:
        # It has not begun, or it is being completed.
        with suppress(OSError):
            if time.time() - (run / SUMMARY).stat().st_mtime < SEALING:
                return replace(record, state="running")
            cause = "it ended while its files were being hashed"
            return replace(record, state="interrupted", cause=cause)
        return record
    if status.state == "skipped":
        elsewhere = Path(status.reason or "")
        if not status.reason or elsewhere == run or not (elsewhere / manifests.NAME).is_file():
            return record
        return replace(read_record(elsewhere), overrides=overrides, elsewhere=status.reason)
    if status.state != "running":
        cause = one_line(status.reason or "for a reason that was not recorded")
        return replace(record, state=status.state, cause=cause)
    if status.is_alive:
        return replace(record, state="running")
    process = f"process {status.pid}" if status.pid else "its process"
    return replace(record, state="interrupted", cause=f"{process} is gone")


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
    record, manifest, summary = _read(path)
    if manifest is None or summary is None:
        raise NotARunError(path, record.state, record.cause)
    config, n_files = _read_yaml(path / CONFIG, dict), len(manifest.files)
    return CompleteRun(path, manifest.run_id, record, summary, config, n_files)


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
            raise UnverifiedRunError(self.path, PREDICTIONS, reason) from error


def read_predictions(run: Path) -> VerifiedPredictions:
    """Verify every byte of a run and read its predictions; raise UnverifiedRunError."""
    found = manifests.read_verified(run, {SUMMARY, PREDICTIONS}.__contains__).files
    for name in {SUMMARY, PREDICTIONS} - found.keys():
        raise UnverifiedRunError(run, name, "is missing")
    try:
        return VerifiedPredictions(run, Summary.from_json(found[SUMMARY]), found[PREDICTIONS])
    except ValueError as error:
        raise UnverifiedRunError(run, SUMMARY, str(error)) from error


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
