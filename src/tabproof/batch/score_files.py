"""Score files with a model: find the model, check the files, score them, report findings."""

import hashlib
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pyarrow as pa

from tabproof import artifacts
from tabproof import scorer as scoring
from tabproof.artifacts.errors import NotServableError
from tabproof.batch import parts
from tabproof.batch.cells import wanted_column
from tabproof.batch.job import Job, Pool
from tabproof.batch.options import Options, parse
from tabproof.batch.plan import STANDARD, Plan, make_plan
from tabproof.batch.scoring import Model, Tally
from tabproof.errors import listed
from tabproof.runtime import console, cores
from tabproof.runtime.progress import rows_display
from tabproof.schema import Schema, SchemaDamagedError

SCHEMA, SCORER = "schema.json", "scorer/"
PARTS_FORMAT = 2
# While threads work on others; and on their way to and from each thread of a cluster.
PIECES_READ_AHEAD, PIECES_PER_WORKER = 1, 2
# Larger than the arrays of scoring, smaller than what glibc never keeps (32 MB).
LARGEST_KEPT = 24 * 2**20
# 128 and the number of SIGPIPE, as shells give it.
BROKEN_PIPE = 141
# Columns named in a warning.
SHOWN = 5


def main(words: Sequence[str]) -> None:
    """Score as words of the form key=value say, and print what came of it."""
    try:
        options = parse(words)
        log(score(options), options)
    except BrokenPipeError:
        # Whoever read standard output has seen enough: end as other programs do.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(BROKEN_PIPE)
    except KeyboardInterrupt as interrupt:
        # Where something is kept, a note says so.
        if not getattr(interrupt, "__notes__", []):
            interrupt.add_note("before anything was written")
        raise


def score(options: Options) -> str:
    """Score all inputs and return the final line; scripts read it, so its format is fixed."""
    start = perf_counter()
    # glibc keeps freed blocks up to the largest that was ever freed. Without this, a third of the
    # time of scoring is spent on returning pages and asking for them again.
    np.empty(LARGEST_KEPT, dtype=np.uint8)
    plan = make_plan(options.input, options.output, options.bad_rows)
    with _opened_pool(options) as pool:
        model, target = _read_model(options)
        job = Job(model, options, target, pool)
        checked = [job.check(task) for task in plan.tasks]
        missing = list(dict.fromkeys(name for one in checked for name in one.missing))
        unknown = list(dict.fromkeys(name for one in checked for name in one.unknown))
        if missing:
            log(f"! missing columns, scored as missing cells: {listed(missing, SHOWN)}", options)
        if unknown:
            columns = listed(unknown, SHOWN)
            log(f"ignored   columns that the model does not know: {columns}", options)
        total, n_rows = Tally(), 0
        with (
            _opened_parts(plan, model, options) as kept,
            rows_display(bar=options.progress) as show,
        ):
            for number, one in enumerate(checked):

                def tick(n_more: int, share: float, number: int = number) -> None:
                    nonlocal n_rows
                    n_rows += n_more
                    show(n_rows, (number + share) / len(checked))

                output = one.task.output
                # Not again what a killed command completed.
                done = kept.tally_of(number, output) if kept and output else None
                total.add(job.run(number, one, kept, tick) if done is None else done)
    for what, counts in (
        ("categories that training never saw", total.unseen),
        ("numbers outside of the training range", total.outside),
    ):
        if counts:
            most = counts.most_common(SHOWN)
            more = f" and {len(counts) - len(most)} more column(s)"
            names = ", ".join(f"'{name}' ({count:,})" for name, count in most)
            log(f"! {what}: {names}{more if len(counts) > len(most) else ''}", options)
    if total.n_bad:
        path = plan.tasks[0].bad_rows
        each = " and so on" if len(plan.tasks) > 1 else ""
        where = f"written to {path}{each}" if path else "left out; bad_rows=… writes them to a file"
        log(f"! {total.n_bad:,} of {total.n_rows:,} rows cannot be scored: {where}", options)
    seconds = perf_counter() - start
    return (
        f"[SCORED] rows={total.n_rows} elapsed_sec={seconds:.2f}"
        f" rows_per_sec={round(total.n_rows / max(seconds, 1e-9))} bad={total.n_bad}"
        f" unseen={total.unseen.total()} outside={total.outside.total()}"
        f" missing_columns={len(missing)} output={options.output}"
    )


@contextmanager
def _opened_pool(options: Options) -> Iterator[Pool]:
    """Yield threads, or a cluster, which is checked before anything is read."""
    if options.address is None:
        n_threads = options.workers or cores.n_cores()
        with ThreadPoolExecutor(n_threads) as executor:
            yield Pool(executor.submit, n_threads + PIECES_READ_AHEAD)
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
        yield Pool(cluster.submit, PIECES_PER_WORKER * cluster.n_workers)


def _read_model(options: Options) -> tuple[Model, str]:
    """Verify a run and return its model and the name of its target."""
    path = artifacts.find_run(options.run, options.outputs, options.models)
    run_id, model, target = read_model(path, explain=options.explain)
    log(f"run       {run_id}, {path}", options)
    return model, target


def read_model(path: Path, *, explain: bool) -> tuple[str, Model, str]:
    """Verify a run; return its id, its model, and the name of its target."""
    run = artifacts.read_verified(path, lambda name: name == SCHEMA or name.startswith(SCORER))
    if not any(name.startswith(SCORER) for name in run.files):
        raise NotServableError(path=path)
    if SCHEMA not in run.files:
        raise SchemaDamagedError(reason="there is no such file")
    scorer = scoring.read_scorer(run.files)
    if explain:
        # Refused or prepared before anything is opened.
        _ = scorer.explainer
    try:
        text = run.files[SCHEMA].decode()
    except UnicodeDecodeError as error:
        raise SchemaDamagedError(reason="it is not UTF-8") from error
    schema = Schema.from_json(text)
    columns = {column.name: column for column in schema.columns}
    categories = {column.name: column.categories for column in scorer.category_columns}
    digest = hashlib.sha256()
    for name in sorted(run.files):
        digest.update(run.files[name])
    model = Model(
        fingerprint=f"{run.run_id} {digest.hexdigest()}",
        columns=tuple(
            wanted_column(columns.get(name), name, categories.get(name), schema.na_values)
            for name in (column.name for column in scorer.columns)
        ),
        labels=scorer.labels,
        predict_proba=scorer.predict_proba,
        codes_of=scorer.codes_of,
        explain=scorer.contributions if explain else None,
    )
    return run.run_id, model, schema.target


@contextmanager
def _opened_parts(plan: Plan, model: Model, options: Options) -> Iterator[parts.Parts | None]:
    """Open the directory of finished parts; standard output has none."""
    if plan.parts is None:
        yield None
        return
    identities = [[file.identity() for file in task.inputs] for task in plan.tasks]
    # What determines the bytes of a part.
    determinants: dict[str, Any] = {
        "format": PARTS_FORMAT,
        "model": model.fingerprint,
        "inputs": identities,
        "outputs": [str(task.output) for task in plan.tasks],
        "form": [options.separator, options.encoding, options.decimal],
        "keep": None if options.keep is None else list(options.keep),
        "batch_rows": options.batch_rows,
        "explain": model.explain is not None,
        "versions": [pa.__version__, np.__version__],
    }
    # An input that cannot be read twice has no identity.
    is_kept = not any(None in some for some in identities)
    with parts.opened(plan.parts, determinants if is_kept else None) as kept:
        if kept.has_other_plan:
            differs = "belongs to another model, input or option: starting again"
            log(f"! {plan.parts} {differs}", options)
        elif not kept.is_empty:
            log(f"resuming  with the finished parts in {plan.parts}", options)
        yield kept


def log(line: str, options: Options) -> None:
    """Print a line for people, never into the output."""
    if options.output == STANDARD:
        sys.stderr.write(line + "\n")
    else:
        console.say(line)
