"""The story of an evaluation: what rows that the model has never seen say of it."""

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
from tabproof.evaluation_result import (
    Evidence,
    Finding,
    LearningPoint,
    RepeatedScores,
)
from tabproof.steps.check import metric_names
from tabproof.steps.decide import Decided, unfitted
from tabproof.text import counted

log = logging.getLogger(__name__)


# Findings that are there only when all is measured; the rest was told before training.
TOLD_AT_THE_END = ("learning_curve", "undefined_folds")


Predict = Callable[[pd.DataFrame], NDArray[np.float64]]


# Hears what is fitted, and how many fits there are, each time that one begins.
Hearer = Callable[[str, int], None]


@dataclass(frozen=True)
class Refits:
    """What was learned by fitting the chosen model anew on parts of the training rows."""

    repeated: RepeatedScores | None = None
    learning_curve: Sequence[LearningPoint] = ()
    findings: Sequence[Finding] = ()


def refit(
    config: TrainConfig,
    rows: data.Rows,
    division: data.Division,
    model: Decided,
    hear: Hearer | None = None,
) -> Refits:
    """Fit the chosen model on parts of the training rows, as far as the configuration asks."""
    asked = config.evaluation

    def anew(what: str, n_fits: int, positions: NDArray[np.int64]) -> Any:
        if hear is not None:
            hear(what, n_fits)
        return unfitted(config, division, rows, model, positions)

    repeated, curve = None, None
    findings: list[Finding] = []
    if asked.n_repeats:
        log.info("repeating cross-validation: %d fits", asked.n_splits * asked.n_repeats)
        repeated, findings = evaluation.repeated_scores(
            model.pipeline,
            division.X_train,
            division.y_train,
            _splits(division, rows.repeated_folds(asked.n_splits, asked.n_repeats)),
            labels=division.table.labels,
            n_splits=asked.n_splits,
            n_repeats=asked.n_repeats,
            names=metric_names(config),
            threshold=model.decision.threshold,
            anew=partial(anew, "repeated cross-validation", asked.n_splits * asked.n_repeats),
        )
    if asked.learning_curve:
        log.info("learning curve: fits on parts of the training rows")
        curve = evaluation.learning_curve(
            model.pipeline,
            division.X_train,
            division.y_train,
            _splits(division, rows.folds(asked.n_splits)),
            seed=config.seed,
            anew=partial(anew, "learning curve", len(evaluation.FRACTIONS) * asked.n_splits),
        )
        findings.append(curve.finding)
    return Refits(repeated, () if curve is None else curve.points, findings)


def _splits(division: data.Division, splitter: Any) -> list[tuple[Any, Any]]:
    return list(splitter.split(division.X_train, division.y_train, division.groups))


def judge(
    config: TrainConfig,
    division: data.Division,
    model: Decided,
    predict: Predict,
    refits: Refits,
    findings: Sequence[Finding],
) -> tuple[NDArray[np.float64], Evidence]:
    """Evaluate on the rows held out; predict is the fitted model's predict_proba, or its equal."""
    asked, seed = config.evaluation, config.seed
    X, y, labels = division.X_test, division.y_test, division.table.labels
    proba: NDArray[np.float64] = model.pipeline.predict_proba(X)
    measuring: dict[str, Any] = {
        "names": metric_names(config),
        "threshold": model.decision.threshold,
        "n_bootstrap": asked.n_bootstrap,
        "seed": seed,
    }
    importances = (
        evaluation.importances(predict, X, y, n_repeats=asked.n_permutations, seed=seed)
        if asked.n_permutations
        else []
    )
    evidence = Evidence(
        labels=labels,
        n_train=len(division.train),
        n_test=len(y),
        n_by_label=np.bincount(y, minlength=len(labels)).tolist(),
        metrics=evaluation.measure(y, proba, **measuring),
        calibration=model.calibration,
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


def in_words(evidence: Evidence) -> Iterator[str]:
    """Say what the metrics do not."""
    decision = evidence.decision
    if evidence.calibration != "none":
        yield f"  calibrated by {evidence.calibration}"
    if decision.objective != "default":
        yield f"  threshold {decision.threshold:.4f} ({decision.objective})"
    repeated = evidence.repeated
    if repeated is not None:
        yield f"  {repeated.n_repeats} times {repeated.n_splits} folds of the training rows:"
        for name, found in repeated.metrics.items():
            yield f"    {name:<18} {found.in_words()}"
    for part in evidence.slices:
        n_small = sum(group.is_small for group in part.groups)
        remark = f", {n_small} too small to judge" if n_small else ""
        yield f"  slices by {part.column}: {counted(len(part.groups), 'group')}{remark}"
    for finding in evidence.findings:
        if finding.check in TOLD_AT_THE_END:
            yield f"  {finding.message}"
