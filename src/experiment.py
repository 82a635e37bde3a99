"""The story of one run: what happens, in order, from a typed configuration to a result."""

import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from omegaconf import OmegaConf
from sklearn.pipeline import Pipeline

from src import data, evaluation, modeling, runs
from src.config import TrainConfig, identity_of, make, searched_grid
from src.runtime import console, progress, threads, workers
from src.scoring import export

log = logging.getLogger(__name__)

ROOT = Path(__file__).parents[1]


def run_experiment(config: TrainConfig, directory: Path, *, keep_refused: bool = False) -> str:
    """Train and evaluate a model, write the run, and give the line that it ends with."""
    run, timings = runs.RunDirectory(directory), progress.Timings()
    with runs.recorded(run, lambda: timings.current, keep_refused=keep_refused):
        threads.be_nice(config.runtime.niceness)
        plan = make_plan(config)
        with timings.step("loading data"):
            division = load_rows(config, plan)
        with timings.step("searching"):
            search, n_workers = search_parameters(config, plan, division, run.log)
        with timings.step("evaluating"):
            proba = search.pipeline.predict_proba(division.X_test)
            metrics = evaluation.evaluate(division.y_test, proba)
        with timings.step("exporting"):
            scorer, parity = export_scorer(config, division, search.pipeline)
        with timings.step("drawing"):
            draw(config, division, proba, run.plots)
        with timings.step("writing"):
            run.write_config(OmegaConf.to_yaml(OmegaConf.structured(config)))
            run.write_schema(data.describe(division.table, division.X_train).to_json())
            run.write_estimator(search.pipeline)
            run.write_scorer(scorer)
            run.write_cv_results(search.cv_results)
            run.write_predictions(
                division.row_ids_test, division.truth_test, proba, division.table.labels
            )
        summary = summarize(config, plan, division, search, metrics, parity, n_workers, timings)
        run.write_summary(summary)
        tell(run, summary)
        console.end_log(summary.result_line())
        run.complete(summary.run_id)
    run.mark_latest()
    return summary.result_line()


@dataclass(frozen=True)
class Plan:
    """All that can be made, and be found wrong, before data is read."""

    rows: data.Rows
    pipeline: Pipeline
    param_grid: dict[str, list[Any]] | None


def make_plan(config: TrainConfig) -> Plan:
    """Make what the configuration names, and try every value of the grid on it."""
    steps = {
        kind: {name: make(f"preprocess.{kind}.{name}", node) for name, node in nodes.items()}
        for kind, nodes in (
            ("numeric", config.preprocess.numeric),
            ("categorical", config.preprocess.categorical),
        )
    }
    estimator = make("model.estimator", config.model.estimator)
    pipeline = modeling.make_pipeline(
        steps["numeric"], steps["categorical"], estimator, seed=config.seed
    )
    param_grid = searched_grid(config)
    modeling.check_grid(pipeline, param_grid or {})
    modeling.check_scoring_name(config.search.scoring)
    if config.export:
        export.check_exportable(pipeline)
    return Plan(make("cv", config.cv, seed=config.seed), pipeline, param_grid)


def load_rows(config: TrainConfig, plan: Plan) -> data.Division:
    """Load and check the table, and hold rows out."""
    table: data.Table = make("dataset", config.dataset, aside=list(plan.rows.aside))
    if config.preprocess.keeps_categories:
        data.check_categories(table, config.model.max_categories)
    division = data.divide(
        table, plan.rows, 1 if plan.param_grid is None else config.search.n_splits
    )
    for line in data.in_words(division):
        log.info(line)
    return division


def search_parameters(
    config: TrainConfig, plan: Plan, division: data.Division, log_file: Path
) -> tuple[modeling.SearchResult, int]:
    """Search on the training rows; give the result and the number of workers used."""
    search = config.search
    settings = modeling.SearchSettings(
        param_grid=plan.param_grid,
        scoring=modeling.scorer_for(search.scoring, len(division.table.labels)),
        factor=search.factor,
        min_resources=search.min_resources,
        seed=config.seed,
    )
    n_fits = settings.n_candidates * search.n_splits
    n_workers = workers.n_workers(config.runtime.workers, n_fits=n_fits, n_rows=len(division.train))
    log.info(modeling.in_words(settings, search.n_splits, n_workers))
    n_threads = workers.n_openmp_threads(config.runtime.openmp_threads, n_rows=len(division.train))
    with workers.worker_pool(n_workers, n_threads, log_file):
        result = modeling.fit_search(
            plan.pipeline,
            settings,
            division.X_train,
            division.y_train,
            cv=plan.rows.folds(search.n_splits),
            groups=division.groups,
            callbacks=progress.progress_callbacks(bar=config.runtime.progress),
        )
    return result, n_workers


def export_scorer(
    config: TrainConfig, division: data.Division, pipeline: Pipeline
) -> tuple[dict[str, bytes], export.Parity | None]:
    """Write the pipeline as data, and prove on rows held out that nothing was lost."""
    if not config.export:
        return {}, None
    files = export.export_pipeline(pipeline, division.X_train, division.table.labels)
    return files, export.check_parity(pipeline, files, division.X_test, seed=config.seed)


def draw(
    config: TrainConfig, division: data.Division, proba: NDArray[np.float64], directory: Path
) -> None:
    """Draw the hold-out."""
    # Half a second to import: a wrong parameter should not have to wait for it.
    from src.evaluation.plots import draw_plots

    title = f"{division.table.name}, {config.search.name}: {len(proba):,} rows held out"
    draw_plots(division.y_test, proba, division.table.labels, title=title, directory=directory)


def summarize(
    config: TrainConfig,
    plan: Plan,
    division: data.Division,
    search: modeling.SearchResult,
    metrics: evaluation.Metrics,
    parity: export.Parity | None,
    n_workers: int,
    timings: progress.Timings,
) -> runs.Summary:
    """Gather the numbers and what determines them; the run id is a hash of the latter."""
    fingerprint = data.fingerprint(division.table)
    determinants = determinants_beside_data(plan)
    return runs.Summary(
        run_id=runs.run_id_of(config=identity_of(config), data=fingerprint.sha256, **determinants),
        dataset=division.table.name,
        mode=config.search.name,
        labels=division.table.labels,
        n_train=len(division.train),
        n_test=len(division.test),
        n_rows_without_target=division.table.n_rows_without_target,
        metrics=asdict(metrics),
        parity=None if parity is None else asdict(parity),
        scoring=search.scoring,
        best_score=search.best_score,
        best_params=search.best_params,
        n_candidates=search.n_candidates,
        rungs=search.rungs,
        not_scored=search.not_scored,
        data=asdict(fingerprint),
        **determinants,
        git=runs.code_version(ROOT),
        workers=n_workers,
        seconds={**timings.seconds, "total": round(timings.total, 3)},
    )


def determinants_beside_data(plan: Plan) -> dict[str, Any]:
    """Find what else decides the numbers: code, libraries, and the processor's ways to add up."""
    return {
        "code": runs.code_hash(ROOT / "src"),
        "versions": runs.library_versions(using=plan.pipeline.get_params().values()),
        "platform": runs.platform_facts(),
    }


def tell(run: runs.RunDirectory, summary: runs.Summary) -> None:
    """Say what came out and where it lies."""
    for name, value in summary.metrics.items():
        log.info("  %-20s %.4f", name, value)
    log.info("run id    %s", summary.run_id)
    log.info("run       %s", run.shown_path)
    log.info("pictures  %s", run.shown_path / "plots")
