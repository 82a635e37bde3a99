"""The command line: `tabproof <command> …`, and `python -m src.<command> …`, which is the same.

Commands import what they need when they are called. Help and a mistyped word are answered at once,
and the limits of threads are set before a numeric library is loaded.
"""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import click
from click import shell_completion
from click.shell_completion import CompletionItem

from tabproof import kernels
from tabproof.conf_files import help_text
from tabproof.errors import CommandLineError, InvalidValueError, PathError, UserError
from tabproof.runtime import console, process, threads
from tabproof.text import LANGUAGES, as_typed, without_controls

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


class _WithExamples(click.Command):
    """A command whose epilog keeps its lines."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        if self.epilog:
            formatter.write(f"\n{as_typed(self.epilog)}\n")


class _Group(_WithExamples, click.Group):
    command_class = _WithExamples
    group_class = type


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


def _runs(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return what the Tab key offers where any text may name a run."""
    models = Path(ctx.params.get("models") or "models")
    names = ["latest", *sorted(path.name for path in models.glob("*/") if path.is_dir())]
    found = [CompletionItem(name) for name in names if name.startswith(incomplete)]
    return found or [CompletionItem(incomplete, type="dir")]


def _keys(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    from tabproof import config

    return config.completions(ctx.params["arguments"], incomplete)


@click.group(cls=_Group)
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


# --- What several commands take.

PATH = click.Path(path_type=Path)


def _option(name: str, words: str, metavar: str | None = None, **settings: Any) -> click.Option:
    return click.Option([f"--{name}"], help=words, metavar=metavar, **settings)


_flag = partial(_option, is_flag=True)
OUTPUTS = _option("outputs", "where runs lie (outputs)", "DIR", type=PATH, default="outputs")
MODELS = _option("models", "promoted models (models)", "DIR", type=PATH, default="models")
RUN, NAME = (click.Argument([name], shell_complete=_runs) for name in ("run", "name"))


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
            _option(
                name, words, metavar, default=None, shell_complete=_runs if name == "run" else None
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
        _option("name", "of the dataset (that of the file)"),
        _option("target", "the column to predict (proposed)", "COLUMN"),
        _option("pos-label", "the label whose probability you want (proposed)", "LABEL"),
        _flag("yes", "take all proposals, ask nothing"),
        click.Option(["--json", "as_json"], is_flag=True, help="for programs; asks nothing"),
        _flag("force", "write over a dataset of this name"),
        _flag("dry-run", "show the proposals, write nothing"),
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
        _option("output", "keep the replay there", "DIR", type=PATH),
        _flag("check", "compare without training"),
        _flag("environment", "in a fresh one, of the run's own versions"),
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
        _option("directory", "write the schema of every kind of file there", "DIR", type=PATH),
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


# --- runs


def _answer(module: str, function: str, **asked: Any) -> Any:
    if function == "promote":
        asked = _with_traffic(**asked)
    return getattr(import_module(f"tabproof.runs.{module}"), function)(**asked)


def _with_traffic(*, on_traffic: bool, log: str | None, since: str, **asked: Any) -> dict[str, Any]:
    """Add to what `promote` takes how it compares on traffic, which it does not import."""
    if on_traffic:
        if not asked["if_better"]:
            raise CommandLineError("runs promote", "--on-traffic needs --if-better")
        from tabproof.monitoring.traffic import compare_on_traffic

        places = {place: asked[place] for place in ("outputs", "models")}
        asked["on_traffic"] = partial(compare_on_traffic, log=log, since=since, **places)
    return asked


@tabproof.group(
    epilog="""\
RUN: its directory, the beginning of its id, or 'latest'
PLACE: outputs, a sweep's directory, or a run's (outputs)

look:
  python -m src.runs list --dataset adult --where 'roc_auc>=0.92' --sort roc_auc
  python -m src.runs show latest                    what it is, its numbers, how to repeat it
  python -m src.runs compare 1f26612c 9ab0          what differs, and whether that is noise
  python -m src.runs leaderboard --html board.html  the best of each dataset first
  python -m src.runs check outputs/2026-11-23/…     0 all complete, 1 some failed, 2 not over
  python -m src.runs report                         a markdown table
  python -m src.runs report outputs/… --html        a page: runs side by side
  python -m src.runs page --open                    outputs/index.html: all runs in a browser
  python -m src.runs verify adult                   every byte against its hash
  python -m src.runs prune --dry-run                what would go, and what stays and why
serve:
  python -m src.runs promote latest                 what was trained last; then: make api
  python -m src.runs promote 1f26612c --if-better   only if better on the same held-out rows
  python -m src.runs rollback adult --why drift     the version before; --to 3ab1: any
  python -m src.runs challenge latest               score beside the current one; --canary: answer
  python -m src.runs history adult                  who made what current, when and why
  python -m src.runs retrain adult --data new.csv   with newer rows; promotes it if it is better
  python -m src.runs push adult --store s3://b/p    into the store, for services; or MODEL_STORE
  python -m src.runs pull adult                     what the store's pointer names"""
)
def runs() -> None:
    """List, compare, tidy up and promote runs."""


PLACE = click.Argument(["place"], type=PATH, default="outputs")
RUNS = click.Argument(["names"], nargs=-1, metavar="RUN...", required=True, shell_complete=_runs)
FILTERS = (
    _option("dataset", "only runs of this dataset", "NAME"),
    _option("since", "only runs of this day and later", "DATE"),
    _option("until", "only runs of this day and before", "DATE"),
)
LISTED = (
    _option("where", "as in 'roc_auc>=0.9'; may be repeated", "CONDITION", multiple=True),
    _option("min-auc", "the same as --where 'roc_auc>=X'", "X"),
    _option("sort", "when, dataset, seconds or a metric (when)", default="when"),
)
RANKED = (
    _option("metric", "to rank by (roc_auc)", default="roc_auc"),
    _option("csv", "write this file too", "FILE", type=PATH),
    _option("markdown", "write this file too", "FILE", type=PATH),
    _option("html", "write this page too", "FILE", type=PATH),
)
HTML = _flag("html", "write PLACE/report.html instead: runs side by side, and what is noise")
JSON = click.Option(["--json", "as_json"], is_flag=True, help="for programs")
LANGUAGE = _option("language", "of the page (the runs' own)", type=click.Choice(LANGUAGES))
OF_NEWEST = _option("language", "of the page (the newest run's)", type=click.Choice(LANGUAGES))
REMOVAL = _flag("yes", "do not ask"), _flag("dry-run", "show what would go")
MODEL = _option("name", "of the model (its dataset's)")
IF_BETTER = _flag("if-better", "than the current one, p < 0.05")
ON_TRAFFIC = (
    _flag("on-traffic", "with --if-better: on labelled rows of the log, as a challenger"),
    _option("log", "the prediction log (API_PREDICTION_LOG)", "DIR"),
    _option("since", "of --on-traffic: 30d, or a day (30d)", "DAYS", default="30d"),
)
FORCE = _flag("force", "even with other columns or labels")
CHALLENGER = click.Argument(["run"], required=False, shell_complete=_runs)
CHALLENGE = (
    _option("share", "of the requests (all; a canary needs one)", "5%"),
    _flag("canary", "it answers its share of requests"),
    _option("sticky", "of a canary: equal cells get the same model (request ids)", "COLUMN"),
    _flag("end", "end the challenge of the model"),
)
VERSION = _option("to", "any version, or the beginning of its id", "VERSION")
WHO = _option("who", "your name (you, here)"), _option("why", "the reason", "TEXT", default="")
STORE = _option("store", "s3://bucket/prefix (MODEL_STORE)", "PLACE")
KEY = _option("sign", "private key (PEM): the service may ask for a signature", "KEY", type=PATH)
OPENED = click.Option(["--open", "is_opened"], is_flag=True, help="show it in a browser")
REPLACE = _flag("replace", "what is there under the same run id, from another execution")
OVERWRITE = _flag("overwrite", "promotions that were made here")

# Of each command: the function of tabproof.runs that answers it, its parameters, and its help.
for _name, _function, _params, _words in (
    (
        "list", "listing.list_runs", (OUTPUTS, *FILTERS, *LISTED, JSON),
        "List runs, complete or not.",
    ),
    (
        "show", "listing.show", (RUN, OUTPUTS, MODELS, JSON),
        "Show what a run is, its numbers, and how to repeat it.",
    ),
    (
        "compare", "compare.compare", (RUNS, OUTPUTS, MODELS, JSON),
        "Show what differs between runs, and whether it is noise.",
    ),
    (
        "leaderboard", "listing.show_leaderboard", (OUTPUTS, *FILTERS, *RANKED, LANGUAGE),
        "Rank complete runs.",
    ),
    (
        "check", "listing.check", (PLACE,),
        "Check that runs are complete: exit code 0 all are, 1 some failed, 2 not over.",
    ),
    (
        "report", "listing.report", (PLACE, HTML, LANGUAGE),
        "Print a markdown table of the newest runs, or write a page of all.",
    ),
    (
        "page", "page.page", (OUTPUTS, MODELS, OF_NEWEST, OPENED),
        "Write the page of all runs, outputs/index.html: one file, which needs no server.",
    ),
    (
        "verify", "promote.verify", (RUN, OUTPUTS, MODELS),
        "Compare every byte with its hash; RUN may be a promoted NAME or NAME/VERSION.",
    ),
    (
        "prune", "prune.prune", (OUTPUTS, MODELS, *FILTERS, *REMOVAL),
        "Remove runs; promoted and best ones stay.",
    ),
    (
        "promote", "promote.promote",
        (RUN, OUTPUTS, MODELS, MODEL, IF_BETTER, *ON_TRAFFIC, FORCE, *WHO),
        "Make a run the one that is served.",
    ),
    (
        "challenge", "challenge.challenge",
        (CHALLENGER, OUTPUTS, MODELS, MODEL, *CHALLENGE, FORCE, *WHO),
        "Try a run beside the current version, in the background or for a share of requests.",
    ),
    ("rollback", "promote.rollback", (NAME, MODELS, VERSION, *WHO), "Serve the version before."),
    ("history", "promote.history", (NAME, MODELS, JSON), "Show who made what current."),
    (
        "push", "promote.push", (NAME, MODELS, STORE, KEY, REPLACE),
        "Copy a promoted model into the store.",
    ),
    (
        "pull", "promote.pull", (NAME, MODELS, STORE, OVERWRITE),
        "Copy what the store's pointer names into the registry.",
    ),
):  # fmt: skip
    _callback = partial(_answer, *_function.split("."))
    runs.add_command(_WithExamples(_name, help=_words, params=[*_params], callback=_callback))


# --- runs retrain: it trains, so the limits of threads and the kernels are set first.


@runs.command(
    "retrain",
    params=[
        NAME,
        click.Argument(["overrides"], nargs=-1, metavar="[KEY=VALUE]..."),
        click.Option(["--data", "data_file"], metavar="FILE", help="the new table, CSV or Parquet"),
        _flag("append", "add FILE to the table of the current version"),
        _option("log", "a prediction log: its rows with a label", "DIR"),
        _flag("if-alarm", "only if `monitor check` of --log has an alarm"),
        _option("min-rows", "rows with a label that are needed (200)", "N", type=int, default=200),
        _flag("dry-run", "say what would be trained and compared"),
        *WHO,
        OUTPUTS,
        MODELS,
    ],
    epilog="""\
NAME: a promoted model

examples:
  python -m src.runs retrain adult --data newer.csv          the new table
  python -m src.runs retrain adult --data may.csv --append   beside the rows of before
  python -m src.runs retrain adult --log predictions         what was served and labelled since
  python -m src.runs retrain adult --log predictions --if-alarm
  python -m src.runs retrain adult --data newer.csv runtime.workers=2
  python -m src.runs retrain adult --data newer.csv dataset.path=moved.csv   the old table

exit code: 0 promoted, or no alarm; 1 not promoted; 2 not known, and why""",
)
def retrain(name: str, overrides: tuple[str, ...], **options: Any) -> tuple[str, int]:
    """Train a promoted model again with newer rows; promote it if it is better (p < 0.05)."""
    from tabproof import config

    keys = config.quoted(overrides)
    runtime = config.machine_runtime(keys)
    kernels.restart_below(runtime.level)
    with (
        kernels.fixed_kernels(portable=runtime.portable, level=runtime.level),
        threads.limited_threads(runtime.openmp_threads),
    ):
        # Loads the numeric libraries, which read the limits and the kernels once.
        from tabproof.retrain.retrain import retrain

        return retrain(name, keys, **options)


# --- monitor


@tabproof.group(
    epilog="""\
The log is what the service writes with API_PREDICTION_LOG, or another directory: --log DIR.

examples:
  python -m src.monitor check                       all models of the log, the last 7 days
  python -m src.monitor check adult --since 30d     one of them; or a day: --since 2026-11-01
  python -m src.monitor check --json                all figures, for programs
  python -m src.monitor check --prometheus FILE     gauges, for node_exporter's textfile collector
  python -m src.monitor check --page monitor.html   a page for people
  python -m src.monitor labels truth.csv            true labels, by request_id and row
  python -m src.monitor labels truth.csv --key customer_id   or by logged columns
  python -m src.monitor compact                     one file of the many of each day

exit code of check: 0 fine, 1 an alarm, 2 cannot tell; of labels: 0, or 2 if none could be used"""
)
def monitor() -> None:
    """Watch served models by the log of what they predicted."""


LOGGED = _option("log", "the prediction log (API_PREDICTION_LOG)", "DIR")


@monitor.command(
    params=[
        click.Argument(["model"], required=False, shell_complete=_runs),
        LOGGED,
        MODELS,
        OUTPUTS,
        _option("since", "7d: the last 7 days, or a day (7d)", "DAYS", default="7d"),
        _option("false-alarms", "promised for a year and model (1)", "N", type=float, default=1.0),
        JSON,
        click.Option(
            ["--prometheus", "prometheus_file"],
            help="write gauges there too, all at once",
            metavar="FILE",
            type=PATH,
        ),
        _option("page", "write a page for people there, all at once", "FILE", type=PATH),
        _option("language", "of the page (en)", type=click.Choice(LANGUAGES), default="en"),
    ],
    epilog="""\
MODEL: a name in the log (all)

exit code: 0 fine, 1 an alarm, 2 cannot tell, and why""",
)
def check(model: str | None, **options: Any) -> tuple[str, int]:
    """Compare what was logged with the run that answered, and say what changed."""
    # DuckDB has threads of its own, and a small fit is slower with several.
    with threads.limited_threads(1):
        from tabproof.monitoring.check import check

        return check(model, **options)


@monitor.command(
    params=[
        click.Argument(["file"], type=PATH, metavar="FILE"),
        LOGGED,
        _option(
            "key", "a logged column that names the row; may be repeated", "COLUMN", multiple=True
        ),
        _option("model", "whose rows (all)", "NAME", shell_complete=_runs),
    ],
    epilog="""\
FILE: CSV or Parquet with the columns request_id, row (0 without it), label, and at, if known

exit code: 0, or 2 if no label could be used""",
)
def labels(file: Path, **options: Any) -> tuple[str, int]:
    """Take true labels from a file into the log."""
    from tabproof.monitoring.labels import labels

    return labels(file, **options)


@monitor.command(
    params=[
        LOGGED,
        _option("before", "days before this one (yesterday: days over for a day, UTC)", "DAY"),
    ],
    epilog="""\
The service and readers may be at work. A killed command is started again.

examples:
  python -m src.monitor compact --log log
  python -m src.monitor compact --log s3://bucket/log --before 2026-11-30

exit code: 0, also if there is nothing to do; 2 if it failed, and why""",
)
def compact(**options: Any) -> tuple[str, int]:
    """Merge the many small files of the log: few of them are read faster."""
    from tabproof.monitoring.compact import compact

    return compact(**options)
