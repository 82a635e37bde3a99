"""Step 4: refit on parts of the training rows as asked, and evaluate on the held-out rows."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabproof import data, evaluation
from tabproof.config import TrainConfig
from tabproof.evaluation_result import (
    Baseline,
    Dependence,
    Evidence,
    Finding,
    Importance,
    LearningPoint,
    RepeatedScores,
    Slice,
)
from tabproof.runtime import forks, threads
from tabproof.runtime.progress import StepProgress
from tabproof.steps.check import metric_names
from tabproof.steps.decide import Decided, make_unfitted
from tabproof.steps.finalists import RowTimes
from tabproof.steps.for_people import ForPeople
from tabproof.text import counted

log = logging.getLogger(__name__)

# The name of a part that may be left out.
IMPORTANCES = "importances of columns"
# With fewer predictions (rows times columns times repeats) a fork takes longer than it saves.
MANY_PREDICTIONS = 200_000
# Findings that are logged above the results: what to know before the numbers are read.
OF_THE_RESULT = ("not_better_than_chance", "baseline_is_better")


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
    people: ForPeople,
) -> Refits:
    """Fit the chosen model on parts of the training rows, if the configuration enables it.

    on_fit : called with what is fitted, and the number of fits, each time that a fit begins. What
    fails is left out, and recorded in `people`.
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
        with people.part("repeated cross-validation"):
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
        with people.part("learning curve"):
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
    people: ForPeople,
    display: StepProgress,
    times: RowTimes,
) -> tuple[NDArray[np.float64], Evidence]:
    """Return the probabilities of the held-out rows, and all that is measured on them.

    predict : the fitted model's predict_proba, or an equal of it that is faster. times : records
    how long predicting takes. Metrics must be computed; of the other parts, those that cannot be
    are left out and recorded in `people`.
    """
    asked, seed = config.evaluation, config.seed
    X, y, labels = division.X_test, division.y_test, division.table.labels
    proba: NDArray[np.float64] = model.pipeline.predict_proba(X)
    measuring: dict[str, Any] = {"names": metric_names(config), "n_bootstrap": asked.n_bootstrap}
    measuring |= {"threshold": model.decision.threshold, "seed": seed}
    metrics = evaluation.measure(y, proba, **measuring)
    importances, dependences = list[Importance](), list[Dependence]()
    slices, baselines = list[Slice](), list[Baseline]()
    jobs: dict[str, Callable[[], Any]] = {}
    drops: evaluation.ColumnDrops | None = None
    shuffling: dict[str, Any] = {"n_repeats": asked.n_permutations, "seed": seed}
    are_many = X.size * asked.n_permutations > MANY_PREDICTIONS
    if asked.baselines:
        jobs["baselines"] = partial(_fit_baselines, config, division, model)
    if asked.n_permutations and are_many:
        with people.part(IMPORTANCES):
            drops = evaluation.ColumnDrops(predict, X, y, **shuffling)
            jobs |= {f"column {place}": partial(drops.of, place) for place in drops.places}
    elif asked.n_permutations:
        jobs[IMPORTANCES] = partial(evaluation.importances, predict, X, y, **shuffling)
    n_workers = threads.n_workers(getattr(config.runtime, "workers", 1))
    with running(jobs, n_workers, display, in_forks=are_many) as results:
        if drops is not None or IMPORTANCES in jobs:
            with people.part(IMPORTANCES):
                if drops is None:
                    importances = results[IMPORTANCES]()
                else:
                    found = {place: results[f"column {place}"]() for place in drops.places}
                    importances = drops.ranked(found)
        with people.part("partial dependence"):
            dependences = evaluation.dependences(
                predict, X, importances, labels=labels, n_columns=asked.n_dependences, seed=seed
            )
        with people.part("slices"):
            slices = evaluation.make_slices(
                X, y, proba, columns=asked.slices, labels=labels, **measuring
            )
        if asked.baselines:
            with people.part("baselines"):
                baselines = _compare_with_baselines(results["baselines"](), y, proba, times)
    with people.part("time per row"):
        times.repeat("model", predict, X)
    auc = metrics["roc_auc"]
    of_result = [
        evaluation.find_chance(auc, len(y)),
        evaluation.find_better_baseline(baselines, auc.value, len(y)),
    ]
    evidence = Evidence(
        labels=labels,
        n_train=len(division.train),
        n_test=len(y),
        n_by_label=np.bincount(y, minlength=len(labels)).tolist(),
        metrics=metrics,
        calibration=config.calibration.method,
        decision=model.decision,
        # The most important first.
        findings=[*(each for each in of_result if each is not None), *findings, *refits.findings],
        slices=slices,
        importances=importances,
        dependences=dependences,
        learning_curve=refits.learning_curve,
        repeated=refits.repeated,
        baselines=baselines,
    )
    return proba, evidence


@contextmanager
def running(
    jobs: Mapping[str, Callable[[], Any]],
    n_workers: int,
    display: StepProgress,
    *,
    in_forks: bool,
) -> Iterator[Mapping[str, Callable[[], Any]]]:
    """Run jobs, in forks where this process can be forked; yield by name what returns the result.

    It raises what the job has raised, or BrokenProcessPool where a fork was killed. in_forks :
    whether each worker gets a fork, and all jobs are done inside the block. If not, one fork does
    the first job while the block runs, and the others are done here before.
    """
    may_fork = min(n_workers, len(jobs)) > 1

    def begin(name: str) -> Callable[[], Any]:
        display.begin("part", len(jobs))
        return _attempt(jobs[name])

    names, found = list(jobs), dict[str, Callable[[], Any]]()
    if in_forks and may_fork and forks.can_fork():
        options = n_workers, lambda: None, set[int]()
        try:
            attempts = forks.run_in_forks(lambda name: _attempt(jobs[name]), names, *options)
            for number, attempt in attempts:
                display.begin("part", len(jobs))
                found[names[number]] = attempt
        except BrokenProcessPool as error:
            found = {name: partial(_raise, error) for name in names} | found
        yield found
    elif names:
        with forks.in_background(partial(begin, names[0]), allowed=may_fork) as first:
            found = {name: begin(name) for name in names[1:]}
            yield {names[0]: lambda: first()(), **found}
    else:
        yield found


def _attempt(job: Callable[[], Any]) -> Callable[[], Any]:
    """Return what has the result of a job or raises its error; both can be pickled."""
    try:
        return partial(_same, job())
    except Exception as error:  # it belongs to its part
        return partial(_raise, error)


def _same(result: Any) -> Any:
    return result


def _raise(error: Exception) -> NoReturn:
    raise error


def _fit_baselines(
    config: TrainConfig, division: data.Division, model: Decided
) -> list[evaluation.FittedBaseline]:
    """Fit simple models on the training rows."""
    fitted = evaluation.fit_baselines(
        division.X_train,
        division.y_train,
        division.X_test,
        model=model.pipeline,
        seed=config.seed,
    )
    return list(fitted)


def _compare_with_baselines(
    fitted: Sequence[evaluation.FittedBaseline],
    y: NDArray[np.int64],
    proba: NDArray[np.float64],
    times: RowTimes,
) -> list[Baseline]:
    """Compare each baseline on the held-out rows with the model, which has these probabilities."""
    compared = list[Baseline]()
    for name, n_rows, its_proba, seconds in fitted:
        times.note(name, seconds, len(y))
        found = evaluation.compare_with_baseline(name, n_rows, y, proba, its_proba)
        compared += [] if found is None else [found]
    return compared


def describe(evidence: Evidence, refits: Refits) -> Iterator[str]:
    """Return lines on the results for a log; findings are logged when they are made."""
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
    for each in evidence.baselines:
        name = each.name.replace("_", " ")
        difference = each.difference.value or 0.0
        remark = f", {difference:+.4f}" if difference > 0 else ""
        yield f"  baseline {name}: AUC {each.auc.in_words()}{remark}"
    n_left_out = sum(each.drop.value is None for each in evidence.importances)
    if 0 < n_left_out < len(evidence.importances):
        columns = counted(n_left_out, "column")
        yield f"  importance not computed for {columns} that the model uses least"
    for part in evidence.slices:
        n_small = sum(group.is_small for group in part.groups)
        remark = f", {n_small} with too few rows" if n_small else ""
        yield f"  slices by {part.column}: {counted(len(part.groups), 'group')}{remark}"
    for finding in refits.findings:
        yield f"  {finding.message}"
