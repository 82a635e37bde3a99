"""summary.json: the numbers of a run and what they depend on. The only writer and reader."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from tabproof.artifacts.files import read_versioned_json

FORMAT = 1
# How the loaders of data say where a table came from.
SOURCES = ("builtin_", "openml_", "file_")


def model_name_of(dataset: str) -> str:
    """Return the dataset's name without its source: builtin_wine is wine."""
    source = next((source for source in SOURCES if dataset.startswith(source)), "")
    return dataset.removeprefix(source)


@dataclass(frozen=True)
class DataFingerprint:
    """SHA-256 of the data, in hexadecimal, and a shortened hash of each column."""

    sha256: str
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What determines the run id, and the numbers that follow from it.

    Fields with a default are missing in runs of earlier versions.

    Attributes
    ----------
    dataset, mode : names, as in the result line
    model : the estimator, or how many models a portfolio has
    metrics, intervals : of the hold-out, with 95 % intervals; None where there is no value
    decision : how a probability becomes a label
    findings : the names of the data checks that found something
    parity : the largest difference between the exported scorer and the pipeline
    best_score : the mean over the folds
    rungs : the rows of each rung
    stopped : why a search ended early, which makes the run a partial one
    ensemble_score : the score of a weighted mean of finalists
    seconds : by step
    """

    run_id: str
    dataset: str
    mode: str
    model: str = ""
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
    scoring: str
    best_score: float | None
    best_params: Mapping[str, Any]
    n_candidates: int
    rungs: Sequence[int]
    not_scored: Sequence[str]
    stopped: str | None = None
    n_not_tried: int = 0
    ensemble_score: float | None = None
    data: DataFingerprint
    code: str
    versions: Mapping[str, str]
    platform: Mapping[str, Any]
    git: Mapping[str, Any]
    workers: int
    seconds: Mapping[str, float]

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        """Read a summary.json; raise ValueError or NewerFormatError."""
        return read_versioned_json(content, cls, "summary.json", FORMAT)

    def to_json(self) -> str:
        """Return the content of summary.json, in the order of the fields."""
        content = {"format": FORMAT, **asdict(self)}
        # A parameter may be a scalar of numpy.
        return json.dumps(content, indent=2, ensure_ascii=False, default=lambda each: each.item())

    @property
    def model_name(self) -> str:
        """The name of the model when it is promoted."""
        return model_name_of(self.dataset)

    def result_line(self) -> str:
        """Return the last line of a run, in the fixed form that scripts read."""
        return (
            f"[RESULT] ds={self.dataset} mode={self.mode}"
            f" AUC={self.metrics['roc_auc']:.4f} ACC={self.metrics['accuracy']:.4f}"
            f" best={dict(self.best_params)} elapsed_sec={round(self.seconds['total'])}"
        )
