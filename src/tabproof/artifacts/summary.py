"""summary.json: the numbers of a run, and what they stand on."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

FORMAT = 1


@dataclass(frozen=True)
class Summary:
    """What determines the run_id, and the numbers that follow from it.

    dataset and mode are names, as in the result line; metrics are those of the hold-out, intervals
    where 95 % of them lie, None where that cannot be told; best_score is the mean over folds;
    decision is how a probability becomes a label; findings name the checks that found something;
    parity is how far the exported scorer is from the pipeline; rungs are rows; stopped says why a
    search ended early, and makes the run a partial one; ensemble_score is what a weighted mean of
    finalists was worth; data is the fingerprint; seconds are per step.
    """

    run_id: str
    dataset: str
    mode: str
    labels: Sequence[str]
    n_train: int
    n_test: int
    n_rows_without_target: int
    metrics: Mapping[str, float | None]
    intervals: Mapping[str, tuple[float, float] | None]
    calibration: str
    decision: Mapping[str, Any]
    findings: Sequence[str]
    parity: Mapping[str, float] | None
    scoring: str
    best_score: float | None
    best_params: Mapping[str, Any]
    n_candidates: int
    rungs: Sequence[int]
    not_scored: Sequence[str]
    stopped: str | None
    n_not_tried: int
    ensemble_score: float | None
    data: Mapping[str, Any]
    code: str
    versions: Mapping[str, str]
    platform: Mapping[str, Any]
    git: Mapping[str, Any]
    workers: int
    seconds: Mapping[str, float]

    def to_json(self) -> str:
        """Write as JSON in the order above."""
        content = {"format": FORMAT, **asdict(self)}
        return json.dumps(content, indent=2, ensure_ascii=False, default=_as_plain)

    def result_line(self) -> str:
        """Word the run's last line, which people's scripts read: its form is fixed."""
        return (
            f"[RESULT] ds={self.dataset} mode={self.mode}"
            f" AUC={self.metrics['roc_auc']:.4f} ACC={self.metrics['accuracy']:.4f}"
            f" best={dict(self.best_params)} elapsed_sec={round(self.seconds['total'])}"
        )


def _as_plain(value: Any) -> Any:
    # numpy's scalars, should a parameter hold one.
    return value.item()
