"""The story of one run: what happens, in order, from a typed configuration to a result."""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from omegaconf import OmegaConf
from sklearn.pipeline import Pipeline

from src import data, evaluation, runs, searching
from src.config import TrainConfig, identity_of, make, members_of, most_categories
from src.runtime import console, progress, threads
from src.runtime.wakefulness import kept_awake
from src.scoring import export
from src.search import SearchResult

log = logging.getLogger(__name__)

ROOT = Path(__file__).parents[1]


def run_experiment(
    config: TrainConfig, directory: Path, *, keep_refused: bool = False, is_latest: bool = True
) -> str:
    """Train and evaluate a model, write the run, and give the line that it ends with."""
    run, timings = runs.RunDirectory(directory), progress.Timings()
    threads.be_nice(config.runtime.niceness)
    try:
        with (
            runs.recorded(run, lambda: timings.current, keep_refused=keep_refused),
            kept_awake(asked=config.runtime.inhibit_sleep),
        ):
            summary = train(config, run, timings)
            run.complete(summary.run_id)
    except runs.RunSkipped as skipped:
        return f"[SKIPPED] {skipped}"
    if is_latest:
        run.mark_latest()
    return summary.result_line()


def train(config: TrainConfig, run: runs.RunDirectory, timings: progress.Timings) -> runs.Summary:
    """Do all that a run consists of; its files lie there when this ends."""
    plan = make_plan(config)
    with searching.connected(config) as cluster:
        with timings.step("loading data"):
            division = load_rows(config, plan)
        determinants = find_determinants(config, plan, division)
        if config.skip_completed:
            runs.skip_completed(runs.run_id_of(**determinants), Path(runs.OUTPUTS))
        # Now, not at the end: whoever trains for hours goes on with the code meanwhile.
        code = runs.read_code_state(ROOT)
        with timings.step("searching"):
            search, n_workers = searching.find_best(
                config, plan.search, plan.rows, division, run, determinants, cluster
            )
    with timings.step("evaluating"):
        proba = search.pipeline.predict_proba(division.X_test)
        metrics = evaluation.evaluate(division.y_test, proba)
        intervals = evaluation.find_intervals(division.y_test, proba, metrics)
    with timings.step("exporting"):
        scorer, parity = export_scorer(config, division, search.pipeline)
    with timings.step("drawing"):
        draw(config, division, search, proba, run.plots)
    with timings.step("writing"):
        run.write_config(OmegaConf.to_yaml(OmegaConf.structured(config)))
        run.write_environment(runs.environment_text(ROOT, determinants["versions"]))
        run.write_patch(code.patch)
        run.write_schema(data.describe(division.table, division.X_train).to_json())
        run.write_estimator(search.pipeline)
        run.write_scorer(scorer)
        run.write_cv_results(search.cv_results)
        run.write_predictions(
            division.row_ids_test, division.truth_test, proba, division.table.labels
        )
    summary = summarize(
        config, division, search, metrics, intervals, parity, determinants, code, n_workers, timings
    )
    run.write_summary(summary)
    tell(run, summary)
    console.end_log(summary.result_line())
    return summary


@dataclass(frozen=True)
class Plan:
    """All that can be made, and be found wrong, before data is read."""

    rows: data.Rows
    search: searching.SearchPlan


def make_plan(config: TrainConfig) -> Plan:
    """Make what the configuration names."""
    return Plan(make("cv", config.cv, seed=config.seed), searching.make_search_plan(config))


def load_rows(config: TrainConfig, plan: Plan) -> data.Division:
    """Load and check the table, and hold rows out."""
    table: data.Table = make("dataset", config.dataset, aside=list(plan.rows.aside))
    data.check_categories(table, most_categories(members_of(config).values()))
    division = data.divide(table, plan.rows, config.search.n_splits if plan.search.searches else 1)
    for line in data.in_words(division):
        log.info(line)
    return division


def export_scorer(
    config: TrainConfig, division: data.Division, pipeline: Pipeline
) -> tuple[dict[str, bytes], export.Parity | None]:
    """Write the pipeline as data, and prove on rows held out that nothing was lost."""
    if not config.export:
        return {}, None
    files = export.export_pipeline(pipeline, division.X_train, division.table.labels)
    return files, export.check_parity(pipeline, files, division.X_test, seed=config.seed)


def draw(
    config: TrainConfig,
    division: data.Division,
    search: SearchResult,
    proba: NDArray[np.float64],
    directory: Path,
) -> None:
    """Draw the hold-out, and the search."""
    # Half a second to import: a wrong parameter should not have to wait for it.
    from src.evaluation.plots import draw_plots
    from src.evaluation.search_plot import draw_search

    name = f"{division.table.name}, {config.search.name}"
    title = f"{name}: {len(proba):,} rows held out"
    draw_plots(division.y_test, proba, division.table.labels, title=title, directory=directory)
    draw_search(search.cv_results, scoring=search.scoring, title=name, directory=directory)


def summarize(
    config: TrainConfig,
    division: data.Division,
    search: SearchResult,
    metrics: evaluation.Metrics,
    intervals: Mapping[str, tuple[float, float] | None],
    parity: export.Parity | None,
    determinants: dict[str, Any],
    code: runs.CodeState,
    n_workers: int,
    timings: progress.Timings,
) -> runs.Summary:
    """Gather the numbers and what determines them; the run id is a hash of the latter."""
    # A search that was stopped gives what it had by then: another run than the whole one.
    finished = {"finished": search.finished} if search.finished else {}
    data_facts = asdict(data.fingerprint(division.table))
    return runs.Summary(
        run_id=runs.run_id_of(**determinants, **finished),
        dataset=division.table.name,
        mode=config.search.name,
        labels=division.table.labels,
        n_train=len(division.train),
        n_test=len(division.test),
        n_rows_without_target=division.table.n_rows_without_target,
        metrics=asdict(metrics),
        intervals=intervals,
        parity=None if parity is None else asdict(parity),
        scoring=search.scoring,
        best_score=search.best_score,
        best_params=search.best_params,
        n_candidates=search.n_candidates,
        rungs=search.rungs,
        not_scored=search.not_scored,
        stopped=search.stopped,
        n_not_tried=search.n_not_tried,
        ensemble_score=search.ensemble_score,
        data=data_facts,
        code=determinants["code"],
        versions=determinants["versions"],
        platform=determinants["platform"],
        git=code.version,
        workers=n_workers,
        seconds={**timings.seconds, "total": round(timings.total, 3)},
    )


def find_determinants(config: TrainConfig, plan: Plan, division: data.Division) -> dict[str, Any]:
    """Find what decides the numbers: configuration, data, code, libraries, the processor's ways."""
    return {
        "config": identity_of(config),
        "data": data.fingerprint(division.table).sha256,
        "code": runs.code_hash(ROOT / "src"),
        "versions": runs.library_versions(using=plan.search.deciding),
        "platform": runs.platform_facts(),
    }


def tell(run: runs.RunDirectory, summary: runs.Summary) -> None:
    """Say what came out and where it lies."""
    for name, value in summary.metrics.items():
        log.info("  %-20s %.4f", name, value)
    log.info("run id    %s", summary.run_id)
    log.info("run       %s", run.shown_path)
    log.info("pictures  %s", run.shown_path / "plots")
