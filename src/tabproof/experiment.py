"""One run, from a typed configuration to a complete run directory."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tabproof import artifacts, data
from tabproof.artifacts import provenance
from tabproof.artifacts.run_directory import CONFIG, ENVIRONMENT, EVIDENCE, PATCH, SCHEMA, SUMMARY
from tabproof.config import TrainConfig, as_yaml, identity_of, make
from tabproof.evaluation_result import Evidence
from tabproof.runtime import console, progress, threads
from tabproof.runtime.process import kept_awake
from tabproof.runtime.progress import StepProgress
from tabproof.scorer import export
from tabproof.search import SearchResult
from tabproof.steps import check, decide, evaluate, report, search

log = logging.getLogger(__name__)


def run_experiment(
    config: TrainConfig, directory: Path, *, keep_refused: bool = False, is_latest: bool = True
) -> str:
    """Train and evaluate a model, write the run, and return its [RESULT] line."""
    run, timings = artifacts.RunDirectory(directory), progress.Timings()
    threads.be_nice(config.runtime.niceness)
    try:
        with (
            artifacts.record_outcome(run, lambda: timings.current, keep_refused=keep_refused),
            kept_awake(asked=config.runtime.inhibit_sleep),
        ):
            summary = train(config, run, timings)
            run.complete(summary.run_id)
    except artifacts.RunSkipped as skipped:
        return f"[SKIPPED] {skipped}"
    if is_latest:
        run.mark_latest()
    return summary.result_line()


def train(
    config: TrainConfig, run: artifacts.RunDirectory, timings: progress.Timings
) -> artifacts.Summary:
    """Run all steps and write all files but the manifest."""
    plan, root = search.make_plan(config), provenance.project_root()
    with search.connected(config) as cluster:
        with timings.step("loading data"):
            division = load_rows(config, plan)
        with _step("checking data", config, timings):
            findings = check.check(config, division)
        # Before training, not after it: the working tree may change during hours of training.
        git, patch = provenance.read_code_state(root)
        determinants = find_determinants(config, plan, division)
        if config.skip_completed:
            artifacts.skip_completed(provenance.run_id_of(**determinants), Path(artifacts.OUTPUTS))
        with search.pool(config, division, run.log, cluster) as n_workers:
            with timings.step("searching"):
                found = search.find_best(config, plan, division, run, determinants, n_workers)
            with _step("deciding", config, timings):
                decided = decide.decide(config, division, found.pipeline)
            with _step("refitting", config, timings) as display:
                refits = evaluate.refit(config, division, decided, display.begin_fit)
    pipeline, table = decided.pipeline, division.table
    files: Mapping[str, bytes] = {}
    facts: dict[str, Any] = {"git": git, "workers": n_workers, "parity": None}
    with _step("exporting", config, timings):
        if config.export:
            at = decided.decision.threshold
            files = export.export_pipeline(pipeline, division.X_train, table.labels, threshold=at)
            parity = export.check_parity(pipeline, files, division.X_test, seed=config.seed)
            facts["parity"] = asdict(parity)
    with _step("evaluating", config, timings):
        # The exported scorer gives the same numbers, ten times as fast.
        predict = export.make_predict(files) if files else pipeline.predict_proba
        proba, evidence = evaluate.evaluate_holdout(
            config, division, decided, predict, refits, findings
        )
    with timings.step("writing"):
        run.write(CONFIG, as_yaml(config))
        run.write(ENVIRONMENT, provenance.environment_text(root, determinants["versions"]))
        if patch is not None:
            run.write(PATCH, patch)
        run.write(SCHEMA, data.describe(table, division.X_train).to_json())
        run.write_estimator(decided.estimator)
        for name, content in files.items():
            run.write(name, content)
        run.write_cv_results(found.cv_results)
        truth = [table.labels[code] for code in division.y_test]
        run.write_predictions(division.X_test.index.to_numpy(), truth, proba, table.labels)
        run.write(EVIDENCE, evidence.to_json())
    with _step("reporting", config, timings):
        facts["seconds"] = timings.rounded
        summary = _summarize(config, table, determinants, found, evidence, **facts)
        report.publish(config, run, division, found, proba, evidence, summary)
    summary = replace(summary, seconds=timings.rounded)
    run.write(SUMMARY, summary.to_json())
    shown: dict[str, object] = {"run id": summary.run_id, "run": run.shown_path}
    shown |= {"report": run.shown_path / artifacts.REPORT} if config.report.page else {}
    shown |= {"plots": run.shown_path / "plots"} if config.report.plots else {}
    lines = (f"{name:<10}{value}" for name, value in shown.items())
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
    table: data.Table = make("dataset", config.dataset, non_feature_columns=columns)
    n_splits = config.search.n_splits if plan.grids or plan.space else 1
    division = data.divide(table, plan.rows, n_splits)
    for line in data.describe_division(division):
        log.info(line)
    return division


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
        n_not_tried=found.n_not_tried,
        ensemble_score=found.ensemble_score,
        **others,
    )
