"""The command line: `tabproof <command> …`, and `python -m src.<command> …`, which is the same.

The groups `runs` and `monitor` are modules of their own; all other commands are here.
Commands import what they need when they are called. Help and a mistyped word are answered at once,
and the limits of threads are set before a numeric library is loaded.
"""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
from click import shell_completion

from tabproof import kernels
from tabproof.cli import monitor, runs
from tabproof.cli.options import MODELS, OUTPUTS, PATH, RUN, Group, complete_run, flag, option
from tabproof.conf_files import help_text
from tabproof.errors import CommandLineError, InvalidValueError, PathError, UserError
from tabproof.runtime import console, process, threads
from tabproof.text import as_typed, without_controls

COMPLETE = "_TABPROOF_COMPLETE"

# --- How commands are described.

SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def main(name: str | None = None) -> None:
    """Run the command in sys.argv, and exit.

    name: of the command, where the program is `python -m src.<name>`.
    """
    command = tabproof if name is None else tabproof.commands[name]
    program = "tabproof" if name is None else f"python -m src.{name}"
    if instruction := os.environ.get(COMPLETE):
        sys.exit(shell_completion.shell_complete(command, {}, program, COMPLETE, instruction))
    called = {name, *sys.argv[1:2]}
    early = "before training began" if "train" in called else ""
    # Of `monitor check` 1 is an alarm.
    least_code = 2 if "monitor" in called else 1

    def translate(error: BaseException) -> UserError | None:
        known = as_user_error(error, command)
        if known is not None:
            known.args = (as_typed(str(known)),)
        return known

    with process.ending_in_one_line(translate, early, least_code):
        answer = run(command, sys.argv[1:], program)
        # `runs check` has a text and an exit code.
        text, code = answer if isinstance(answer, tuple) else (answer, answer)
        if isinstance(text, str):
            # It may hold texts of a stranger's run.
            console.say(without_controls(as_typed(text)))
        sys.exit(code if isinstance(code, int) else 0)


def run(command: click.Command, arguments: Sequence[str], program: str) -> Any:
    """Call a command and return its answer; raises what it raises."""
    try:
        with command.make_context(program, list(arguments), **SETTINGS) as context:
            return command.invoke(context)
    except click.exceptions.Exit as end:  # the help or the version was printed
        return end.exit_code


# What helps if a path cannot be used.
REMEDIES = {
    "train": "make room, or choose another place with hydra.run.dir=…",
    "runs": "what was promoted before still is; make room or give the right, or choose another"
    " place with --outputs or --models",
    "replay": "the run itself was only read; make room, or choose another place with --output",
}


def as_user_error(error: BaseException, command: click.Command) -> UserError | None:
    """Return the error as one that the user can solve; None if it is a fault of the program."""
    if isinstance(error, UserError):
        return error
    if isinstance(error, click.UsageError):
        program = error.ctx.command_path if error.ctx else str(command.name)
        return CommandLineError(program, error.format_message())
    if "hydra" in sys.modules:
        from tabproof import config

        if (known := config.explain_hydra_error(error)) is not None:
            return known
    # Training and replaying may fail for other reasons of the system, such as of a network.
    if isinstance(error, OSError) and (
        error.errno in process.WRITE_ERRORS or command.name in ("runs", "score", "monitor")
    ):
        actions = {"train": "cannot write", "score": "cannot read or write"}
        action = actions.get(str(command.name), "cannot use")
        return PathError(action, error, REMEDIES.get(str(command.name), ""))
    return None


class _Bash(shell_completion.BashComplete):
    # A key and its value are one word, and what ends in `=` is not finished.
    source_template = (
        shell_completion.BashComplete.source_template.replace(
            "    return 0",
            "    [[ ${COMPREPLY[0]:-} == *[=./] ]] && compopt -o nospace\n    return 0",
        )
        + "\nCOMP_WORDBREAKS=${COMP_WORDBREAKS//=/}\n"
    )


shell_completion.add_completion_class(_Bash)


def _keys(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    from tabproof import config

    return config.completions(ctx.params["arguments"], incomplete)


@click.group(cls=Group)
@click.version_option(package_name="tabproof", message="tabproof %(version)s")
def tabproof() -> None:
    """Reproducible experiments for tabular classification.

    `tabproof COMMAND --help` explains a command and shows examples.
    """


# --- train, serve: they read their arguments themselves, options included.

UNREAD: dict[str, Any] = {
    "add_help_option": False,
    "context_settings": {"ignore_unknown_options": True, "allow_interspersed_args": False},
}


@tabproof.command(**UNREAD)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, shell_complete=_keys)
def train(arguments: tuple[str, ...]) -> str | None:
    """Train a model, or with -m a sweep of models."""
    if {"-h", "--help"} & set(arguments):
        return help_text()
    with process.uncollected():
        from tabproof.sweep import main

    main(arguments)
    return None


@tabproof.command(**UNREAD)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def serve(arguments: tuple[str, ...]) -> None:
    """Serve promoted models over HTTP; options are uvicorn's."""
    from tabproof.service import serve

    serve(arguments, click.get_current_context().command_path)


# --- score

SCORE_OPTIONS = (
    ("input", "FILES", ".csv, .csv.gz, .parquet, a directory of them, or - (CSV on stdin)"),
    ("output", "FILES", ".csv, .csv.gz, .parquet, a directory (one per input), or - (stdout)"),
    ("run", "RUN", "a promoted name, the beginning of a run id, a run directory (latest)"),
    ("keep", "NAMES", "input columns to carry along: all, or names: id,name (none)"),
    ("bad-rows", "FILE", "where rows go that cannot be scored (<output>.bad.csv)"),
    ("separator", "CHARACTER", r"of CSV; '\t' is a tab (auto: found)"),
    ("encoding", "NAME", "of CSV, such as cp932 (auto: found)"),
    ("decimal", "CHARACTER", "of CSV: . or , (.)"),
    ("batch-rows", "N", "rows at a time (32768, fewer of wide tables)"),
    ("workers", "N", "threads (one per core)"),
    ("runtime", "NAME", "local, or dask: on the workers of a cluster (local)"),
    ("address", "ADDRESS", "of the cluster's scheduler: tcp://host:8786"),
    ("outputs", "DIR", "where runs lie (outputs)"),
    ("models", "DIR", "where promoted models lie (models)"),
    ("explain/--no-explain", None, "add what each column adds to a prediction (no)"),
    ("strict/--no-strict", None, "refuse columns that are missing, unknown or mistyped (no)"),
    ("progress/--no-progress", None, "show a bar on a terminal (yes)"),
)


@tabproof.command(
    params=[
        click.Argument(["words"], nargs=-1, metavar="[KEY=VALUE]..."),
        *(
            option(
                name,
                words,
                metavar,
                default=None,
                shell_complete=complete_run if name == "run" else None,
            )
            for name, metavar, words in SCORE_OPTIONS
        ),
    ],
    epilog="""\
Every option can be written key=value, too: input=customers.csv, strict=true.

examples:
  python -m src.score input=customers.csv output=scored.csv
  python -m src.score run=adult input=in.parquet output=out.parquet keep=customer_id
  python -m src.score run=1f26612c input=incoming/ output=scored/ workers=1
  gunzip -c big.csv.gz | python -m src.score input=- output=- | head

Killed, the same command goes on where it was. docs/batch.md has more.""",
)
def score(words: tuple[str, ...], **options: str | bool | None) -> None:
    """Score files with a trained model."""
    # The sums of BLAS must not depend on the machine; the program has threads of its own.
    os.environ.update(dict.fromkeys(threads.BLAS_VARIABLES, "1"))
    # Loads the numeric libraries, which read the limits and the kernels once.
    with kernels.fixed_kernels(portable=True):
        from tabproof.batch import score_files

    given = {key: value for key, value in options.items() if value is not None}
    flags = {key: str(value).lower() for key, value in given.items() if isinstance(value, bool)}
    score_files.main([*words, *(f"{key}={value}" for key, value in {**given, **flags}.items())])


# --- init


@tabproof.command(
    params=[
        click.Argument(["path"], metavar="FILE"),
        click.Argument(["words"], nargs=-1, metavar="[KEY=VALUE]..."),
        option("name", "of the dataset (that of the file)"),
        option("target", "the column to predict (proposed)", "COLUMN"),
        option("pos-label", "the label whose probability you want (proposed)", "LABEL"),
        flag("yes", "take all proposals, ask nothing"),
        click.Option(["--json", "as_json"], is_flag=True, help="for programs; asks nothing"),
        flag("force", "write over a dataset of this name"),
        flag("dry-run", "show the proposals, write nothing"),
    ],
    epilog="""\
FILE: CSV, TSV, Parquet, Feather, JSON lines, Excel, ARFF, compressed or not

examples:
  python -m src.init customers.csv                 looks, asks, writes conf/dataset/customers.yaml
  python -m src.init customers.csv --target churned --yes
  python -m src.init customers.csv dataset.thousands=,   words that train takes, too
  python -m src.init customers.csv --json --dry-run   what it would propose""",
)
def init(path: str, **options: Any) -> str:
    """Look at a table and write its configuration, conf/dataset/<name>.yaml."""
    from tabproof.init import init

    return init(path, **options)


# --- replay


@tabproof.command(
    params=[
        RUN,
        click.Argument(["overrides"], nargs=-1, metavar="[KEY=VALUE]..."),
        option("output", "keep the replay there", "DIR", type=PATH),
        flag("check", "compare without training"),
        flag("environment", "in a fresh one, of the run's own versions"),
        OUTPUTS,
        MODELS,
    ],
    epilog="""\
RUN: its directory, the beginning of its id, 'latest' or a promoted name

examples:
  python -m src.replay latest                      train it again, and compare every number
  python -m src.replay 1f26612c runtime.workers=2  keys that decide no number may be changed
  python -m src.replay RUN dataset.path=copy.csv   the same table in another place
  python -m src.replay RUN --check                 what differs here, without training
  python -m src.replay RUN --environment           with the very versions the run recorded

exit code: 0 identical, 1 something differs, 2 nothing that could be replayed,
3 identical up to 1e-12, on a machine with other kernels""",
)
def replay(run: str, overrides: tuple[str, ...], **options: Any) -> int:
    """Train a run again from its own directory, and compare."""
    from tabproof import artifacts, config

    keys = config.quoted(overrides)
    runtime = config.machine_runtime(keys)
    # A run that cannot be found is reported below.
    with suppress(UserError):
        path = artifacts.find_run(run, options["outputs"], options["models"])
        words = kernels.words_for(artifacts.recorded_platform(path), keys)
        # A fresh environment has a process of its own, which comes here again.
        if words and not options["environment"]:
            keys += words
            runtime = config.machine_runtime(keys)
    kernels.restart_below(runtime.level)
    with (
        kernels.fixed_kernels(portable=runtime.portable, level=runtime.level),
        threads.limited_threads(runtime.openmp_threads),
    ):
        # Loads the numeric libraries, which read the limits and the kernels once.
        from tabproof.replay.replay import replay

        return replay(run, keys, **options)


# --- schema


@tabproof.command(
    params=[
        click.Argument(["kind"], required=False, metavar="[KIND]"),
        option("directory", "write the schema of every kind of file there", "DIR", type=PATH),
    ],
    epilog="""\
KIND: the files of one group, such as dataset, instead of the whole configuration

examples:
  python -m src.schema > tabproof.schema.json     of conf/train.yaml, and of a run's config.yaml
  python -m src.schema --directory conf/.schema   of each kind of file, for editors

A file of conf/dataset/ names its own in its first line:
  # yaml-language-server: $schema=../.schema/dataset.json""",
)
def schema(kind: str | None, directory: Path | None) -> str:
    """Print the JSON Schema of the configuration."""
    from tabproof.config import json_schema

    if directory is not None:
        json_schema.write_schemas(directory)
        return f"schemas {directory}"
    documents = json_schema.documents()
    if kind is not None and kind not in documents:
        raise InvalidValueError("KIND", kind, f"one of {', '.join(documents)}")
    return json_schema.as_text(documents[kind or "train"]).rstrip()


# --- runs, monitor

tabproof.add_command(runs.runs)
tabproof.add_command(monitor.monitor)
