"""Step 2: from the configured pipelines and parameter grid to the best fitted pipeline."""

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from math import ceil, isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from joblib import parallel_config
from sklearn.pipeline import Pipeline

from tabproof import artifacts, data, modeling, search
from tabproof import config as conf
from tabproof.config import schema
from tabproof.errors import RungNotScoredError
from tabproof.runtime import cores, process, progress, threads
from tabproof.scorer import export

if TYPE_CHECKING:
    from tabproof.runtime.cluster import Cluster

log = logging.getLogger(__name__)

# Tables with fewer rows are divided into folds more than once.
ROWS_OF_REPEATS = 6_000


@dataclass(frozen=True)
class Plan:
    """What is made, and may be wrong, before data is read.

    rows divide the table. pipelines by family, a single one under ""; grids likewise, empty if
    nothing is searched; spaces are what candidates are drawn from. deciding: objects whose
    libraries decide numbers.
    """

    rows: data.Rows
    pipelines: Mapping[str, Pipeline]
    grids: Mapping[str, Mapping[str, list[Any]]]
    spaces: Mapping[str, search.Space]
    schedule: tuple[search.Rung, ...]
    deciding: list[object]


def make_plan(config: conf.TrainConfig) -> Plan:
    """Make what the configuration names, so that a wrong parameter fails before a download.

    Every value of the search space is tried on the pipelines.
    """
    rows: data.Rows = conf.make("cv", config.cv, config.allow, seed=config.seed)
    if config.evaluation.n_repeats:
        # Raises for a rule that divides rows in one way only.
        rows.repeated_folds(config.evaluation.n_splits, config.evaluation.n_repeats)
    asked = config.search
    spaces: dict[str, search.Space] = {}
    grids: Mapping[str, Mapping[str, list[Any]]] = {}
    schedule: tuple[search.Rung, ...] = ()
    if isinstance(asked, schema.RungSearchConfig):
        schedule = search.parse_schedule(asked.schedule)
    if isinstance(asked, schema.MembersSearchConfig):
        members = asked.members
        if isinstance(asked, schema.AutoSearchConfig):
            members = installed_members(members)
        pipelines = make_members(
            "search.members",
            members,
            seed=config.seed,
            allow=config.allow,
            max_categories=conf.most_categories(config),
            prepared=conf.prepared_features(config),
        )
        if isinstance(asked, schema.AutoSearchConfig):
            grids = {name: {} for name in members}
            for name in members.keys() & asked.n_drawn.keys():
                key = f"search.members.{name}.model.param_space"
                spaces[name] = search.parse_space(members[name].model.param_space, key)
        else:
            grids = conf.searched(config)
    else:
        pipelines = {"": make_pipeline(config)}
        if isinstance(asked, schema.RandomSearchConfig):
            spaces = {"": search.parse_space(conf.searched(config))}
        elif (grid := conf.searched(config)) is not None:
            grids = {"": grid}
    deciding = [part for each in pipelines.values() for part in each.get_params().values()]
    if isinstance(asked, schema.TpeSearchConfig):
        deciding.append(search.import_optuna().samplers.TPESampler)
    for family, pipeline in pipelines.items():
        values = search.extremes(spaces.get(family, {}))
        modeling.check_grid(pipeline, {**grids.get(family, {}), **values})
        if config.export:
            export.check_exportable(pipeline)
    modeling.check_scoring_name(asked.scoring)
    return Plan(rows, pipelines, grids, spaces, schedule, deciding)


def installed_members(members: Mapping[str, schema.MemberConfig]) -> dict[str, schema.MemberConfig]:
    """Leave out members of packages that are not installed, and log which."""
    found: dict[str, schema.MemberConfig] = {}
    missing: dict[str, list[str]] = {}
    for name, member in members.items():
        package = str(member.model.estimator.get("_target_", "")).partition(".")[0]
        if find_spec(package) is None:
            missing.setdefault(package, []).append(name)
        else:
            found[name] = member
    for package, names in missing.items():
        log.info("left out, because %s is not installed: %s", package, ", ".join(names))
    return found


def auto_folds(asked: schema.AutoSearchConfig, division: data.Division) -> list[Any]:
    """Return folds of one or more divisions of the training rows, one after the other."""
    X, y, groups = division.X_train, division.y_train, division.groups
    n_repeats = min(asked.n_repeats, max(round(ROWS_OF_REPEATS / len(y)), 1))
    splitters = [division.rows.folds(asked.n_splits)]
    if n_repeats > 1 and not isinstance(division.rows, data.OrderedRows):
        splitters += division.rows.repeated_folds(asked.n_splits, n_repeats - 1)
    return [split for splitter in splitters for split in splitter.split(X, y, groups)]


def make_pipeline(config: conf.TrainConfig) -> Pipeline:
    """Return the unfitted pipeline of a run; with members, one that contains theirs."""
    most, prepared = conf.most_categories(config), conf.prepared_features(config)
    if not isinstance(config.model, schema.VoteConfig):
        alone = {"": schema.MemberConfig(config.model, config.preprocess)}
        members = make_members(
            "",
            alone,
            seed=config.seed,
            allow=config.allow,
            max_categories=most,
            prepared=prepared,
        )
        return members[""]
    members = make_members(
        "model.members",
        config.model.members,
        seed=config.seed,
        allow=config.allow,
        prepared=prepared,
        in_vote=True,
    )
    estimator = conf.make(
        "model.estimator", config.model.estimator, config.allow, estimators=[*members.items()]
    )
    return modeling.make_pipeline(
        {}, {}, estimator, seed=config.seed, max_categories=most, prepared=prepared
    )


def make_members(
    key: str,
    members: Mapping[str, schema.MemberConfig],
    *,
    seed: int,
    allow: Sequence[str] = (),
    max_categories: int | None = None,
    prepared: Mapping[str, Any] | None = None,
    in_vote: bool = False,
) -> dict[str, Pipeline]:
    """Return each model behind its preprocessing. key : where members are in the configuration.

    allow : packages of the user whose classes may be named.
    max_categories : columns with more become shares of classes; None where that is done before.
    prepared : the prepared features of all members; each uses those kinds that it asks for.
    in_vote : whether a step before the members makes them.
    """
    pipelines = {}
    for name, member in members.items():
        prefix, asked = f"{key}.{name}." if key else "", member.preprocess
        numeric, categorical = (
            {
                step: conf.make(f"{prefix}preprocess.{kind}.{step}", node, allow)
                for step, node in getattr(asked, kind).items()
            }
            for kind in ("numeric", "categorical")
        )
        estimator = conf.make(f"{prefix}model.estimator", member.model.estimator, allow)
        pipelines[name] = modeling.make_pipeline(
            numeric,
            categorical,
            estimator,
            seed=seed,
            max_categories=max_categories,
            prepared=prepared,
            uses=[kind for kind in modeling.PREFIXES if getattr(asked, kind)],
        )
        if in_vote and prepared:
            features = pipelines[name]["features"]
            features.set_params(**{kind: type(value)(0) for kind, value in prepared.items()})
    return pipelines


@contextmanager
def connected(config: conf.TrainConfig) -> Iterator["Cluster | None"]:
    """Connect to the configured cluster; None if there is none."""
    runtime = config.runtime
    if not isinstance(runtime, schema.DaskRuntimeConfig):
        yield None
        return
    # Needs packages of an extra.
    from tabproof.runtime import cluster

    address = str(runtime.address)
    with cluster.connected(address, facts=artifacts.worker_facts, timeout=runtime.timeout) as found:
        for remark in found.remarks:
            log.warning(remark)
        log.info("%d workers at %s", found.n_workers, address)
        yield found


@contextmanager
def pool(
    config: conf.TrainConfig, division: data.Division, log_file: Path, cluster: "Cluster | None"
) -> Iterator[int]:
    """Start the pool that parallel fits use; yield its number of workers."""
    runtime = config.runtime
    n_threads = threads.n_openmp_threads(runtime.openmp_threads, division.X_train.shape)
    if cluster is not None:
        from tabproof.runtime.cluster import cluster_pool

        with cluster_pool(cluster, n_threads):
            yield cluster.n_workers
        return
    n_workers = threads.n_workers(runtime.workers)
    with threads.worker_pool(n_workers, n_threads, log_file):
        yield n_workers


def find_best(
    config: conf.TrainConfig,
    plan: Plan,
    division: data.Division,
    run: artifacts.RunDirectory,
    determinants: artifacts.Plan,
    n_workers: int,
    recorded: search.RecordedFits | None = None,
) -> search.SearchResult:
    """Search on the training rows, with the workers of the current pool.

    recorded : the fits of a stopped search that is repeated.
    """
    asked, show_bar = config.search, config.runtime.progress
    scoring = modeling.scorer_for(asked.scoring, len(division.table.labels))
    X, y, groups = division.X_train, division.y_train, division.groups
    options: dict[str, Any] = {"scoring": scoring, "cv": division.rows.folds(asked.n_splits)}
    if isinstance(asked, schema.HalvingSearchConfig):
        callbacks = progress.progress_callbacks(bar=show_bar)
        options |= {"factor": asked.factor, "min_resources": asked.min_resources}
        options |= {"seed": config.seed, "groups": groups, "callbacks": callbacks}
        return search.fit_halving(plan.pipelines[""], plan.grids[""], X, y, **options)
    if not isinstance(asked, schema.BudgetSearchConfig):
        log.info("no search: fitting the estimator as configured")
        # A single fit starts no processes: its parallel parts run in threads.
        n_jobs = min(n_workers, cores.n_cores())
        display = progress.step_display("fitting", bar=show_bar)
        with parallel_config("threading", n_jobs=n_jobs), display:
            pipeline = plan.pipelines[""].fit(X, y)
        cv_results = pd.DataFrame({"iter": [0], "n_resources": [len(y)], "params": [{}]})
        return search.SearchResult(pipeline, {}, None, scoring, cv_results, 1, [len(y)])

    finished = run.open_fits(determinants)
    if finished:
        log.info("resuming: %d fits are finished", len(finished))
    options |= {
        "random_state": config.seed,
        "time_budget": asked.time_budget and conf.seconds_of(asked.time_budget),
        "finished": finished,
        "recorded": recorded,
    }
    if isinstance(config.runtime, schema.DaskRuntimeConfig):
        options["pool_seconds"] = 0.0  # the workers are running already
    engine: search.RungSearchCV
    if isinstance(asked, schema.RungSearchConfig):
        options |= {"schedule": plan.schedule, "min_resources": asked.min_resources}
    if isinstance(asked, schema.MembersSearchConfig):
        options["join"] = modeling.join_fitted if asked.ensemble else None
    if isinstance(asked, schema.PortfolioSearchConfig):
        engine = search.PortfolioSearchCV(plan.pipelines, plan.grids, **options)
    elif isinstance(asked, schema.AutoSearchConfig):
        options |= {"cv": auto_folds(asked, division), "n_folds": asked.n_splits}
        options |= {"patience": asked.patience, "row_cost": export.row_microseconds}
        if asked.max_serving_ms is not None:
            options["max_row_cost"] = 1000 * asked.max_serving_ms
        n_drawn = {name: n for name, n in asked.n_drawn.items() if name in plan.spaces}
        options |= {"spaces": plan.spaces, "n_drawn": n_drawn}
        engine = search.AutoSearchCV(plan.pipelines, **options)
    else:
        proposer: Any = dict(plan.grids.get("", {}))
        if isinstance(asked, schema.TpeSearchConfig):
            sizes = asked.n_candidates, asked.batch_size
            proposer = search.TpeProposer(plan.spaces[""], *sizes, config.seed, run.study)
        elif isinstance(asked, schema.RandomSearchConfig):
            proposer = search.Proposer(
                search.sample(plan.spaces[""], asked.n_candidates, config.seed)
            )
        engine = search.RungSearchCV(plan.pipelines[""], proposer, **options)
    if plan.schedule:
        for line in search.as_table(plan.schedule, engine.n_candidates, asked.n_splits):
            log.info(line)
    else:
        log.info("%d models, %s", engine.n_candidates, asked.time_budget or "without a time limit")
    with (
        process.stoppable() as engine.should_stop,
        progress.search_display(bar=show_bar) as engine.on_progress,
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("always")
        try:
            engine.fit(X, y, groups=groups)
        except RungNotScoredError:
            if all(isnan(fit.score) for fit in finished.values()):
                finished.remove()
            raise
    for warning in caught:
        log.warning("while searching: %s", str(warning.message).strip())
    result = search.result_of(engine, scoring)
    for fold in result.not_scored:
        log.warning("not scored: %s", fold)
    if result.stopped is not None:
        log.warning(
            "stopped early (%s) after %d fits; %d of %d candidates were not tried: the best so far"
            " is kept, and the run is marked as partial",
            *(result.stopped, result.n_fits, result.n_not_tried, result.n_candidates),
        )
    is_alone = result.n_not_tried == result.n_candidates - 1
    if isinstance(asked, schema.AutoSearchConfig) and result.stopped is not None and is_alone:
        # Twice the first model on all folds and rows: some time for a second one.
        of_first = max((fit.fit_seconds + fit.score_seconds for fit in engine.fits_), default=0.0)
        log.warning(
            "search.time_budget=%s was enough for the first model alone; about %d s compare it with"
            " others",
            asked.time_budget,
            ceil(2 * (asked.n_splits + 1) * of_first) + 1,
        )
    if (score := result.ensemble_score) is not None:
        log.info("an ensemble of the finalists: %.4f on folds it was not chosen on", score)
    return result
