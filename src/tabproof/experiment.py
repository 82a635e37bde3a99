"""One run, from a typed configuration to a complete run directory."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tabproof import artifacts, data, kernels
from tabproof.artifacts import provenance
from tabproof.artifacts.run_directory import (
    CONFIG,
    ENVIRONMENT,
    EVIDENCE,
    PATCH,
    REFERENCE,
    SCHEMA,
    SUMMARY,
)
from tabproof.batch.estimator import RunClassifier
from tabproof.config import TrainConfig, as_yaml, identity_of, make
from tabproof.evaluation_result import Evidence
from tabproof.runs.refresh import refresh_page
from tabproof.runtime import console, forks, progress, threads
from tabproof.runtime.process import kept_awake
from tabproof.runtime.progress import StepProgress
from tabproof.scorer import export
from tabproof.search import RecordedFits, SearchResult
from tabproof.steps import check, decide, evaluate, finalists, report, search
from tabproof.steps.describe import describe_estimator
from tabproof.steps.for_people import ForPeople
from tabproof.steps.reference import make_reference

log = logging.getLogger(__name__)


def run_experiment(
    config: TrainConfig,
    directory: Path,
    *,
    keep_refused: bool = False,
    is_latest: bool = True,
    recorded: RecordedFits | None = None,
) -> str:
    """Train and evaluate a model, write the run, and return its [RESULT] line.

    recorded : the fits of a stopped search that is repeated.
    """
    try:
        summary = make_run(
            config, directory, keep_refused=keep_refused, is_latest=is_latest, recorded=recorded
        )
    except artifacts.RunSkipped as skipped:
        return f"[SKIPPED] {skipped}"
    return summary.result_line()


def make_run(
    config: TrainConfig,
    directory: Path,
    *,
    keep_refused: bool = False,
    is_latest: bool = True,
    recorded: RecordedFits | None = None,
) -> artifacts.Summary:
    """Train and evaluate a model, and write the run; raise RunSkipped where one is complete."""
    run, timings = artifacts.RunDirectory(directory), progress.Timings()
    threads.be_nice(config.runtime.niceness)
    try:
        with (
            artifacts.record_outcome(run, lambda: timings.current, keep_refused=keep_refused),
            kept_awake(asked=config.runtime.inhibit_sleep),
        ):
            summary = train(config, run, timings, recorded)
            run.complete(summary.run_id)
        if is_latest:
            run.mark_latest()
        return summary
    finally:
        # A replay is no run of outputs/.
        if config.report.index and is_latest:
            refresh_page(directory)


def train(
    config: TrainConfig,
    run: artifacts.RunDirectory,
    timings: progress.Timings,
    recorded: RecordedFits | None = None,
) -> artifacts.Summary:
    """Run all steps and write all files but the manifest."""
    plan, root, people = search.make_plan(config), provenance.project_root(), ForPeople()
    with search.connected(config) as cluster:
        with _step("loading data", config, timings):
            division = load_rows(config, plan)
            if config.save_data:
                save_data(config, run)
        fit = config.runtime.openmp_threads, division.X_train.shape
        with _step("checking data", config, timings), threads.few_threads(*fit):
            findings = check.check(config, division)
        # Before training, not after it: the working tree may change during hours of training.
        git, patch = provenance.read_code_state(root)
        determinants = find_determinants(config, plan, division)
        if cluster is not None and cluster.processors:
            # The fits of these workers may have other last bits than the level promises.
            determinants["platform"].pop("level", None)
            determinants["platform"]["workers"] = sorted(set(cluster.processors.values()))
        elif config.runtime.portable and "level" not in determinants["platform"]:
            note_other_kernels(determinants["platform"])
        if config.skip_completed:
            artifacts.skip_completed(provenance.run_id_of(**determinants), Path(artifacts.OUTPUTS))
        with search.pool(config, division, run.log, cluster) as n_workers:
            with timings.step("searching"):
                found = search.find_best(
                    config, plan, division, run, determinants, n_workers, recorded
                )
            with _step("deciding", config, timings):
                decided = decide.decide(config, division, found.pipeline)
            with _step("refitting", config, timings) as display:
                refits = evaluate.refit(config, division, decided, display.begin_fit, people)
                others = finalists.fit_finalists(
                    config, plan, division, found, display.begin_fit, people
                )
    pipeline, table = decided.pipeline, division.table
    files: Mapping[str, bytes] = {}
    facts: dict[str, Any] = {"git": git, "workers": n_workers, "parity": None}
    with _step("exporting", config, timings), threads.few_threads(*fit):
        if config.export:
            at = decided.decision.threshold
            files = export.export_pipeline(pipeline, division.X_train, table.labels, threshold=at)
            parity = export.check_parity(pipeline, files, division.X_test, seed=config.seed)
            facts["parity"] = asdict(parity)
    with _step("evaluating", config, timings) as display, threads.few_threads(*fit):
        # The exported scorer gives the same numbers, ten times as fast.
        predict = export.ScorerPredict(files) if files else pipeline.predict_proba
        times = finalists.RowTimes()
        proba, evidence = evaluate.evaluate_holdout(
            config, division, decided, predict, refits, findings, people, display, times
        )
        with people.part("finalists"):
            measured = finalists.evaluate_finalists(config, division, found, others, times)
            evidence = replace(evidence, finalists=measured)
        facts["row_microseconds"] = times.microseconds
        schema = data.describe(table, division.X_train)
    with _step("writing", config, timings):
        run.write(CONFIG, as_yaml(config))
        run.write(ENVIRONMENT, provenance.environment_text(root, determinants["versions"]))
        if patch is not None:
            run.write(PATCH, patch)
        run.write(SCHEMA, schema.to_json())
        at = decided.decision.threshold
        reference = make_reference(division.X_train, division.y_train, table.labels, proba, at)
        run.write(REFERENCE, reference.to_json())
        run.write_estimator(RunClassifier(pipeline, schema, decided.decision.threshold))
        for name, content in files.items():
            run.write(name, content)
        run.write_cv_results(found.cv_results)
        truth = [table.labels[code] for code in division.y_test]
        run.write_predictions(division.X_test.index.to_numpy(), truth, proba, table.labels)
        run.write(EVIDENCE, evidence.to_json())
    with _step("reporting", config, timings) as display:
        facts["seconds"] = timings.rounded
        summary = _summarize(config, table, determinants, found, evidence, **facts)
        report.publish(
            config, run, division, found, proba, evidence, schema, summary, people, display, files
        )
    summary = replace(summary, seconds=timings.rounded, left_out=people.left_out)
    run.write(SUMMARY, summary.to_json())
    shown: dict[str, object] = {"run id": summary.run_id, "run": run.shown_path}
    shown |= {name: run.shown_path / path for name, path in report.written(config, people).items()}
    lines = (f"{name:<10}{value}" for name, value in shown.items())
    for finding in evidence.findings:
        if finding.check in evaluate.OF_THE_RESULT:
            log.warning(finding.message)
    for line in [*evaluate.describe(evidence, refits), *lines]:
        log.info(line)
    console.end_log(summary.result_line())
    return summary


@contextmanager
def _step(name: str, config: TrainConfig, timings: progress.Timings) -> Iterator[StepProgress]:
    """Time a step, and show on a terminal that it is running."""
    with timings.step(name), progress.step_display(name, bar=config.runtime.progress) as shown:
        yield shown


def load_rows(config: TrainConfig, plan: search.Plan) -> data.Division:
    """Load the table, and hold rows out."""
    columns = list(plan.rows.non_feature_columns)
    with forks.arrow_threads():
        table: data.Table = make(
            "dataset", config.dataset, config.allow, non_feature_columns=columns
        )
    # What was left to be found is part of the run: `pos_label` decides numbers.
    for key, value in table.resolved.items():
        if getattr(config.dataset, key, None) in (None, "auto"):
            setattr(config.dataset, key, value)
    is_searched = bool(plan.grids or plan.spaces)
    folds = check.folds_of(config, is_searched=is_searched)
    division = data.divide(table, plan.rows, max([1, *folds.values()]))
    division = check.lower_folds(config, division, folds)
    if is_searched:
        division.check_folds("search.n_splits", config.search.n_splits)
    division = check.note_many_categories(config, division)
    data.log_treatments(division.table.treatments)
    for line in data.describe_division(division):
        log.info(line)
    return division


def save_data(config: TrainConfig, run: artifacts.RunDirectory) -> None:
    """Copy the file of the data into the run, where a replay finds it."""
    source = Path(getattr(config.dataset, "path", "")).expanduser()
    if source.is_file():
        run.write_data(source)
    else:
        log.warning("save_data=true: only a table in one file is saved with the run")


def find_determinants(
    config: TrainConfig, plan: search.Plan, division: data.Division
) -> dict[str, Any]:
    """Return what decides the numbers: configuration, data, code, libraries and processor."""
    return {
        "config": identity_of(config),
        "data": data.fingerprint(division.table).sha256,
        "code": provenance.deciding_code_hash(),
        "versions": provenance.library_versions(using=plan.deciding),
        "platform": provenance.platform_facts(),
    }


def note_other_kernels(platform: Mapping[str, Any]) -> None:
    """Warn that other processors of this level may give other last bits."""
    if (level := kernels.processor_level()) is not None:
        log.warning(
            "runtime.portable: not the kernels of %s, but %s, %s, which were loaded before this"
            " run; the run id holds them, and other processors may give other last bits",
            level,
            platform["simd"][-1],
            ", ".join(platform["blas"]),
        )


def _summarize(
    config: TrainConfig,
    table: data.Table,
    determinants: Mapping[str, Any],
    found: SearchResult,
    evidence: Evidence,
    **others: Any,
) -> artifacts.Summary:
    """Collect the numbers and what determines them; the run id is a hash of the latter."""
    # A search that was stopped, even before its first fit, is another run than the whole one.
    finished = {"finished": found.finished} if found.stopped or found.finished else {}
    return artifacts.Summary(
        run_id=provenance.run_id_of(**determinants, **finished),
        dataset=table.name,
        mode=config.search.name,
        model=artifacts.model_of(determinants["config"]),
        estimator=describe_estimator(found),
        labels=table.labels,
        n_train=evidence.n_train,
        n_test=evidence.n_test,
        n_rows_without_target=table.n_rows_without_target,
        metrics={name: each.value for name, each in evidence.metrics.items()},
        intervals={name: each.interval for name, each in evidence.metrics.items()},
        calibration=evidence.calibration,
        decision=asdict(evidence.decision),
        findings=[finding.check for finding in evidence.findings],
        data=artifacts.DataFingerprint(**asdict(data.fingerprint(table))),
        code=determinants["code"],
        versions=determinants["versions"],
        platform=determinants["platform"],
        scoring=found.scoring,
        best_score=found.best_score,
        best_params=found.best_params,
        n_candidates=found.n_candidates,
        rungs=found.rungs,
        not_scored=found.not_scored,
        stopped=found.stopped,
        finished=found.finished if found.stopped else None,
        n_not_tried=found.n_not_tried,
        ensemble_score=found.ensemble_score,
        **others,
    )
