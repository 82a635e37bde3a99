"""Score files with a model: find the model, check the files, score them, report findings."""

import hashlib
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import astuple
from time import perf_counter
from typing import Any

import numpy as np
import pyarrow as pa

from tabproof import artifacts, batch
from tabproof import scorer as scoring
from tabproof.artifacts.errors import NotServableError
from tabproof.batch import job as progress
from tabproof.batch import parts
from tabproof.batch.job import keep_freed_memory
from tabproof.batch.parts import Parts
from tabproof.batch.plan import STANDARD
from tabproof.batch.scoring import listed
from tabproof.runtime import console, threads
from tabproof.schema import NumberColumn, Schema, SchemaDamagedError

SCHEMA, SCORER = "schema.json", "scorer/"
PARTS_FORMAT = 2
# While threads work on others; and on their way to and from each thread of a cluster.
PIECES_READ_AHEAD, PIECES_PER_WORKER = 1, 2
# 128 and the number of SIGPIPE, as shells give it.
BROKEN_PIPE = 141


def score(options: batch.Options) -> str:
    """Score all inputs and return the final line."""
    start = perf_counter()
    keep_freed_memory()
    plan = batch.make_plan(options.input, options.output, options.bad_rows)
    with opened_pool(options) as pool:
        model, target = read_model(options)
        settings = make_settings(options, target)
        inputs = batch.Inputs(model, settings)
        checked = [inputs.check(task) for task in plan.tasks]
        missing = log_columns(checked, options)
        with opened_parts(plan, model, settings, options) as kept:
            job = batch.Job(model, inputs, settings, kept, pool)
            tally = run_tasks(job, checked, kept, options)
    log_findings(tally, checked, options)
    return tally.result_line(perf_counter() - start, len(missing), options.output)


@contextmanager
def opened_pool(options: batch.Options) -> Iterator[batch.Pool]:
    """Yield threads, or a cluster, which is checked before anything is read."""
    if options.address is None:
        n_threads = options.workers or threads.n_cores()
        with ThreadPoolExecutor(n_threads) as executor:
            yield batch.Pool(executor, n_threads + PIECES_READ_AHEAD)
        return
    # The libraries of a cluster take longer to import than all others.
    from tabproof.runtime.cluster import connected

    logging.getLogger("distributed").addHandler(logging.NullHandler())
    with connected(
        options.address, facts=artifacts.worker_facts, kinds=(scoring.Scorer,)
    ) as cluster:
        log(f"cluster   {options.address}, {cluster.n_workers} threads", options)
        for remark in cluster.remarks:
            log(f"! {remark}", options)
        yield batch.Pool(cluster, PIECES_PER_WORKER * cluster.n_workers)


def read_model(options: batch.Options) -> tuple[batch.Model, str]:
    """Verify a run and return its model and the name of its target."""
    path = artifacts.find_run(options.run, options.outputs, options.models)
    run = artifacts.read_verified(path, lambda name: name == SCHEMA or name.startswith(SCORER))
    if not any(name.startswith(SCORER) for name in run.files):
        raise NotServableError(path=path)
    if SCHEMA not in run.files:
        raise SchemaDamagedError(reason="there is no such file")
    scorer = scoring.read_scorer(run.files)
    if options.explain:
        # Refused or prepared before anything is opened.
        _ = scorer.explainer
    schema = Schema.from_json(run.files[SCHEMA].decode())
    ranges = {c.name: (c.minimum, c.maximum) for c in schema.columns if isinstance(c, NumberColumn)}
    categories = {column.name: column.categories for column in scorer.category_columns}
    digest = hashlib.sha256()
    for name in sorted(run.files):
        digest.update(run.files[name])
    log(f"run       {run.run_id}, {path}", options)
    return batch.Model(
        fingerprint=f"{run.run_id} {digest.hexdigest()}",
        columns=tuple(
            batch.WantedColumn(name, categories.get(name), *ranges.get(name, (None, None)))
            for name in (column.name for column in scorer.columns)
        ),
        labels=scorer.labels,
        predict_proba=scorer.predict_proba,
        codes_of=scorer.codes_of,
        name_category=scoring.as_category,
        explain=scorer.contributions if options.explain else None,
    ), schema.target


def make_settings(options: batch.Options, target: str) -> batch.Settings:
    """Return how inputs are read."""
    return batch.Settings(
        form=batch.CsvForm(options.separator, options.encoding, options.decimal),
        keep=options.keep,
        strict=options.strict,
        batch_rows=options.batch_rows,
        target=target,
    )


@contextmanager
def opened_parts(
    plan: batch.Plan, model: batch.Model, settings: batch.Settings, options: batch.Options
) -> Iterator[Parts | None]:
    """Open the directory of finished parts; standard output has none."""
    if plan.parts is None:
        yield None
        return
    with parts.opened(plan.parts, determinants(plan, model, settings)) as kept:
        if kept.has_other_plan:
            log(
                f"! {plan.parts} belongs to another model, input or option: starting again", options
            )
        elif not kept.is_empty:
            log(f"resuming  with the finished parts in {plan.parts}", options)
        yield kept


def determinants(
    plan: batch.Plan, model: batch.Model, settings: batch.Settings
) -> dict[str, Any] | None:
    """Return what determines the bytes of a part; None if an input cannot be read twice."""
    identities = [[file.identity() for file in task.inputs] for task in plan.tasks]
    if any(None in some for some in identities):
        return None
    return {
        "format": PARTS_FORMAT,
        "model": model.fingerprint,
        "inputs": identities,
        "outputs": [str(task.output) for task in plan.tasks],
        "form": list(astuple(settings.form)),
        "keep": None if settings.keep is None else list(settings.keep),
        "batch_rows": settings.batch_rows,
        "explain": model.explain is not None,
        "versions": [pa.__version__, np.__version__],
    }


def run_tasks(
    job: batch.Job,
    checked: Sequence[batch.CheckedTask],
    kept: Parts | None,
    options: batch.Options,
) -> batch.Tally:
    """Make all outputs except those that a killed command completed."""
    total, n_rows = batch.Tally(), 0
    with progress.shown(bar=options.progress) as show:
        for number, one in enumerate(checked):

            def tick(n_more: int, share: float, number: int = number) -> None:
                nonlocal n_rows
                n_rows += n_more
                show(n_rows, (number + share) / len(checked))

            output = one.task.output
            done = kept.tally_of(number, output) if kept and output else None
            total.join(job.run(number, one, tick) if done is None else done)
    return total


def log_columns(checked: Sequence[batch.CheckedTask], options: batch.Options) -> list[str]:
    """Log the missing and ignored columns once; return the missing ones."""
    differences = [difference for one in checked for difference in one.differences]
    missing = list(dict.fromkeys(name for d in differences for name in d.missing))
    unknown = list(dict.fromkeys(name for d in differences for name in d.unknown))
    if missing:
        log(f"! missing columns, scored as missing cells: {listed(missing)}", options)
    if unknown:
        log(f"ignored   columns that the model does not know: {listed(unknown)}", options)
    return missing


def log_findings(
    tally: batch.Tally, checked: Sequence[batch.CheckedTask], options: batch.Options
) -> None:
    """Log warnings about cells and bad rows."""
    for line in tally.warnings():
        log(f"! {line}", options)
    if tally.n_bad:
        path = checked[0].task.bad_rows
        each = " and so on" if len(checked) > 1 else ""
        where = f"set aside in {path}{each}" if path else "left out; bad_rows=… sets them aside"
        log(f"! {tally.n_bad:,} of {tally.n_rows:,} rows cannot be scored: {where}", options)


def log(line: str, options: batch.Options) -> None:
    """Print a line for people, never into the output."""
    if options.output == STANDARD:
        sys.stderr.write(line + "\n")
    else:
        console.say(line)


@contextmanager
def ending_with_its_reader() -> Iterator[None]:
    """End as other programs do when whoever read standard output has seen enough."""
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(BROKEN_PIPE)


@contextmanager
def telling_what_stays() -> Iterator[None]:
    """Note for whoever interrupts what there is: nothing, unless somebody has said so."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        if not getattr(interrupt, "__notes__", []):
            interrupt.add_note("before anything was written")
        raise
