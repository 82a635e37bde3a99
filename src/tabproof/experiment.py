"""The story of one run: what happens, in order, from a typed configuration to a result."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tabproof import artifacts, data
from tabproof.config import TrainConfig, as_yaml, identity_of, make, members_of, most_categories
from tabproof.evaluation_result import Evidence, Finding
from tabproof.runtime import console, progress, threads
from tabproof.runtime.process import kept_awake
from tabproof.runtime.progress import StepProgress
from tabproof.scorer import export
from tabproof.search import SearchResult
from tabproof.steps import check, decide, evaluate, report
from tabproof.steps import search as searching

if TYPE_CHECKING:
    from tabproof.runtime.cluster import Cluster

log = logging.getLogger(__name__)


def run_experiment(
    config: TrainConfig, directory: Path, *, keep_refused: bool = False, is_latest: bool = True
) -> str:
    """Train and evaluate a model, write the run, and give the line that it ends with."""
    run, timings = artifacts.RunDirectory(directory), progress.Timings()
    threads.be_nice(config.runtime.niceness)
    try:
        with (
            artifacts.recorded(run, lambda: timings.current, keep_refused=keep_refused),
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
    """Do all that a run consists of; its files lie there when this ends."""
    plan = make_plan(config)
    with searching.connected(config) as cluster:
        grounds = prepare(config, plan, timings)
        if config.skip_completed:
            artifacts.skip_completed(
                artifacts.run_id_of(**grounds.determinants), Path(artifacts.OUTPUTS)
            )
        learned = learn(config, grounds, run, cluster, timings)
    division = grounds.division
    with _step("exporting", config, timings):
        exported = export_scorer(config, division, learned.decided)
    with _step("evaluating", config, timings):
        # The same numbers, and ten times as many a second.
        files, pipeline = exported.files, learned.decided.pipeline
        predict = export.make_predict(files) if files else pipeline.predict_proba
        proba, evidence = evaluate.judge(
            config, division, learned.decided, predict, learned.refits, grounds.findings
        )
    with timings.step("writing"):
        write(config, run, grounds, learned, exported, proba)
        run.write_evidence(evidence.to_json())
    with _step("reporting", config, timings):
        summary = summarize(config, grounds, learned, exported, evidence, timings)
        report.publish(config, run, division, learned.search, proba, evidence, summary)
    summary = replace(summary, seconds=timings.rounded)
    run.write_summary(summary)
    tell(config, run, summary, evidence)
    return summary


@contextmanager
def _step(name: str, config: TrainConfig, timings: progress.Timings) -> Iterator[StepProgress]:
    """Time a step, and show on a terminal that it lasts."""
    with timings.step(name), progress.step_display(name, bar=config.runtime.progress) as shown:
        yield shown


@dataclass(frozen=True)
class Plan:
    """All that can be made, and be found wrong, before data is read."""

    rows: data.Rows
    search: searching.SearchPlan


def make_plan(config: TrainConfig) -> Plan:
    """Make what the configuration names."""
    rows: data.Rows = make("cv", config.cv, seed=config.seed)
    check.check_before_data(config, rows)
    return Plan(rows, searching.make_search_plan(config))


@dataclass(frozen=True)
class Grounds:
    """What a run stands on, before anything is fitted."""

    plan: Plan
    division: data.Division
    findings: Sequence[Finding]
    determinants: dict[str, Any]
    code: artifacts.CodeState


def prepare(config: TrainConfig, plan: Plan, timings: progress.Timings) -> Grounds:
    """Load, divide and check the rows, and note what the numbers will depend on."""
    with timings.step("loading data"):
        division = load_rows(config, plan)
    with _step("checking data", config, timings):
        check.check_decision(config, division, plan.rows)
        check.check(config, division)
        findings = [*check_rows(config, division), *check.small_hold_out(division)]
    # The code now, not at the end: whoever trains for hours goes on with it meanwhile.
    code = artifacts.read_code_state(artifacts.project_root())
    return Grounds(plan, division, findings, find_determinants(config, plan, division), code)


def load_rows(config: TrainConfig, plan: Plan) -> data.Division:
    """Load and check the table, and hold rows out."""
    table: data.Table = make("dataset", config.dataset, aside=list(plan.rows.aside))
    data.check_categories(table, most_categories(members_of(config).values()))
    division = data.divide(table, plan.rows, config.search.n_splits if plan.search.searches else 1)
    for line in data.in_words(division):
        log.info(line)
    return division


def check_rows(config: TrainConfig, division: data.Division) -> Sequence[Finding]:
    """Look for what would make results untrue; tell it, or end the run."""
    if not config.checks.enabled:
        return []
    findings = data.check(division, config.checks, seed=config.seed)
    for line in data.findings_in_words(findings):
        log.warning(line)
    if config.checks.fail:
        data.refuse(findings)
    return findings


@dataclass(frozen=True)
class Learned:
    """What came of the training rows."""

    search: SearchResult
    decided: decide.Decided
    refits: evaluate.Refits
    n_workers: int


def learn(
    config: TrainConfig,
    grounds: Grounds,
    run: artifacts.RunDirectory,
    cluster: "Cluster | None",
    timings: progress.Timings,
) -> Learned:
    """Search, decide, and fit anew what is asked for, by the same workers."""
    plan, division = grounds.plan, grounds.division
    with searching.pool(config, division, run.log, cluster) as n_workers:
        with timings.step("searching"):
            search = searching.find_best(
                config, plan.search, plan.rows, division, run, grounds.determinants, n_workers
            )
        with _step("deciding", config, timings):
            decided = decide.decide(config, division, plan.rows, search.pipeline)
        with _step("fitting anew", config, timings) as shown:
            refits = evaluate.refit(config, plan.rows, division, decided, shown.begin_fit)
    return Learned(search, decided, refits, n_workers)


@dataclass(frozen=True)
class Exported:
    """The model as data, by file; empty, without parity, where that was not asked for."""

    files: Mapping[str, bytes]
    parity: export.Parity | None


def export_scorer(
    config: TrainConfig, division: data.Division, decided: decide.Decided
) -> Exported:
    """Write the model as data, and prove on rows held out that nothing was lost."""
    if not config.export:
        return Exported({}, None)
    files = export.export_pipeline(
        decided.pipeline,
        division.X_train,
        division.table.labels,
        threshold=decided.decision.threshold,
    )
    parity = export.check_parity(decided.pipeline, files, division.X_test, seed=config.seed)
    return Exported(files, parity)


def write(
    config: TrainConfig,
    run: artifacts.RunDirectory,
    grounds: Grounds,
    learned: Learned,
    exported: Exported,
    proba: NDArray[np.float64],
) -> None:
    """Write what machines read."""
    division = grounds.division
    run.write_config(as_yaml(config))
    root = artifacts.project_root()
    run.write_environment(artifacts.environment_text(root, grounds.determinants["versions"]))
    run.write_patch(grounds.code.patch)
    run.write_schema(data.describe(division.table, division.X_train).to_json())
    run.write_estimator(learned.decided.estimator)
    run.write_scorer(exported.files)
    run.write_cv_results(learned.search.cv_results)
    run.write_predictions(division.row_ids_test, division.truth_test, proba, division.table.labels)


def summarize(
    config: TrainConfig,
    grounds: Grounds,
    learned: Learned,
    exported: Exported,
    evidence: Evidence,
    timings: progress.Timings,
) -> artifacts.Summary:
    """Gather the numbers and what determines them; the run id is a hash of the latter."""
    division, search, determinants = grounds.division, learned.search, grounds.determinants
    # A search that was stopped gives what it had by then: another run than the whole one.
    finished = {"finished": search.finished} if search.finished else {}
    return artifacts.Summary(
        run_id=artifacts.run_id_of(**determinants, **finished),
        dataset=division.table.name,
        mode=config.search.name,
        labels=division.table.labels,
        n_train=len(division.train),
        n_test=len(division.test),
        n_rows_without_target=division.table.n_rows_without_target,
        metrics={name: found.value for name, found in evidence.metrics.items()},
        intervals={name: found.interval for name, found in evidence.metrics.items()},
        calibration=evidence.calibration,
        decision=asdict(evidence.decision),
        findings=[finding.check for finding in evidence.findings],
        parity=None if exported.parity is None else asdict(exported.parity),
        scoring=search.scoring,
        best_score=search.best_score,
        best_params=search.best_params,
        n_candidates=search.n_candidates,
        rungs=search.rungs,
        not_scored=search.not_scored,
        stopped=search.stopped,
        n_not_tried=search.n_not_tried,
        ensemble_score=search.ensemble_score,
        data=artifacts.DataFingerprint(**asdict(data.fingerprint(division.table))),
        code=determinants["code"],
        versions=determinants["versions"],
        platform=determinants["platform"],
        git=grounds.code.version,
        workers=learned.n_workers,
        seconds=timings.rounded,
    )


def find_determinants(config: TrainConfig, plan: Plan, division: data.Division) -> dict[str, Any]:
    """Find what decides the numbers: configuration, data, code, libraries, the processor's ways."""
    return {
        "config": identity_of(config),
        "data": data.fingerprint(division.table).sha256,
        "code": artifacts.deciding_code_hash(),
        "versions": artifacts.library_versions(using=plan.search.deciding),
        "platform": artifacts.platform_facts(),
    }


def tell(
    config: TrainConfig, run: artifacts.RunDirectory, summary: artifacts.Summary, evidence: Evidence
) -> None:
    """Say what came out and where it lies."""
    for name, found in evidence.metrics.items():
        log.info("  %-20s %s", name, found.in_words())
    for line in evaluate.in_words(evidence):
        log.info(line)
    log.info("run id    %s", summary.run_id)
    log.info("run       %s", run.shown_path)
    for line in report.where(config, run):
        log.info(line)
    console.end_log(summary.result_line())
