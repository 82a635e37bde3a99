"""Step 4: refit on parts of the training rows as asked, and evaluate on the held-out rows."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabproof import data, evaluation
from tabproof.config import TrainConfig
from tabproof.evaluation_result import Evidence, Finding, LearningPoint, RepeatedScores
from tabproof.steps.check import metric_names
from tabproof.steps.decide import Decided, make_unfitted
from tabproof.text import counted

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Refits:
    """Results of the chosen model, fitted again on parts of the training rows."""

    repeated: RepeatedScores | None = None
    learning_curve: Sequence[LearningPoint] = ()
    findings: Sequence[Finding] = ()


def refit(
    config: TrainConfig,
    division: data.Division,
    model: Decided,
    on_fit: Callable[[str, int], None],
) -> Refits:
    """Fit the chosen model on parts of the training rows, if the configuration enables it.

    on_fit : called with what is fitted, and the number of fits, each time that a fit begins.
    """
    asked, repeated, findings = config.evaluation, None, list[Finding]()
    points: Sequence[LearningPoint] = ()
    training = division.X_train, division.y_train

    def make_estimator(what: str, n_fits: int, positions: NDArray[np.int64]) -> Any:
        on_fit(what, n_fits)
        return make_unfitted(config, division, model, positions)

    if asked.n_repeats:
        n_fits = asked.n_splits * asked.n_repeats
        log.info("repeating cross-validation: %d fits", n_fits)
        repeated, findings = evaluation.repeated_scores(
            partial(make_estimator, "repeated cross-validation", n_fits),
            *training,
            division.splits(asked.n_splits, asked.n_repeats),
            labels=division.table.labels,
            n_splits=asked.n_splits,
            n_repeats=asked.n_repeats,
            names=metric_names(config),
            threshold=model.decision.threshold,
        )
    if asked.learning_curve:
        log.info("learning curve: fits on parts of the training rows")
        n_fits = len(evaluation.FRACTIONS) * asked.n_splits
        make = partial(make_estimator, "learning curve", n_fits)
        splits = division.splits(asked.n_splits)
        points, finding = evaluation.learning_curve(make, *training, splits, seed=config.seed)
        findings.append(finding)
    return Refits(repeated, points, findings)


def evaluate_holdout(
    config: TrainConfig,
    division: data.Division,
    model: Decided,
    predict: Callable[[pd.DataFrame], NDArray[np.float64]],
    refits: Refits,
    findings: Sequence[Finding],
) -> tuple[NDArray[np.float64], Evidence]:
    """Return the probabilities of the held-out rows, and all that is measured on them.

    predict : the fitted model's predict_proba, or an equal of it that is faster.
    """
    asked, seed = config.evaluation, config.seed
    X, y, labels = division.X_test, division.y_test, division.table.labels
    proba: NDArray[np.float64] = model.pipeline.predict_proba(X)
    measuring: dict[str, Any] = {"names": metric_names(config), "n_bootstrap": asked.n_bootstrap}
    measuring |= {"threshold": model.decision.threshold, "seed": seed}
    importances, n_repeats = [], asked.n_permutations
    if n_repeats:
        importances = evaluation.importances(predict, X, y, n_repeats=n_repeats, seed=seed)
    evidence = Evidence(
        labels=labels,
        n_train=len(division.train),
        n_test=len(y),
        n_by_label=np.bincount(y, minlength=len(labels)).tolist(),
        metrics=evaluation.measure(y, proba, **measuring),
        calibration=config.calibration.method,
        decision=model.decision,
        findings=[*findings, *refits.findings],
        slices=evaluation.make_slices(
            X, y, proba, columns=asked.slices, labels=labels, **measuring
        ),
        importances=importances,
        dependences=evaluation.dependences(
            predict, X, importances, labels=labels, n_columns=asked.n_dependences, seed=seed
        ),
        learning_curve=refits.learning_curve,
        repeated=refits.repeated,
    )
    return proba, evidence


def describe(evidence: Evidence, refits: Refits) -> Iterator[str]:
    """Return lines on the results for a log; findings of the data are logged before training."""
    for name, found in evidence.metrics.items():
        yield f"  {name:<20} {found.in_words()}"
    decision = evidence.decision
    if evidence.calibration != "none":
        yield f"  calibrated by {evidence.calibration}"
    if decision.objective != "default":
        yield f"  threshold {decision.threshold:.4f} ({decision.objective})"
    if (repeated := evidence.repeated) is not None:
        yield f"  {repeated.n_repeats} times {repeated.n_splits} folds of the training rows:"
        for name, found in repeated.metrics.items():
            yield f"    {name:<18} {found.in_words()}"
    for part in evidence.slices:
        n_small = sum(group.is_small for group in part.groups)
        remark = f", {n_small} with too few rows" if n_small else ""
        yield f"  slices by {part.column}: {counted(len(part.groups), 'group')}{remark}"
    for finding in refits.findings:
        yield f"  {finding.message}"
