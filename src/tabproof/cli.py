"""The command line: `tabproof <command> …`, and `python -m src.<command> …`, which is the same.

Commands import what they need when they are called. Help and a mistyped word are answered at once,
and the limits of threads are set before a numeric library is loaded.
"""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    add_completion_class,
    shell_complete,
)

from tabproof.errors import CommandLineError, PathError, UserError
from tabproof.runtime import console, process, threads
from tabproof.text import LANGUAGES

COMPLETE = "_TABPROOF_COMPLETE"

# --- How commands are described.

F = TypeVar("F", bound=Callable[..., Any])
SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def main(name: str | None = None) -> None:
    """Run what sys.argv asks for, and exit.

    name: of the command, where the program is `python -m src.<name>`.
    """
    command = tabproof if name is None else tabproof.commands[name]
    program = "tabproof" if name is None else f"python -m src.{name}"
    if instruction := os.environ.get(COMPLETE):
        sys.exit(shell_complete(command, {}, program, COMPLETE, instruction))
    with process.ending_in_one_line(lambda error: _translate(error, command)):
        answer = run(command, sys.argv[1:], program)
        if isinstance(answer, str):
            console.say(_as_typed(answer))
        # `runs check` reports by its exit code, too.
        sys.exit(answer if isinstance(answer, int) else getattr(answer, "exit_code", 0))


def run(command: click.Command, arguments: Sequence[str], program: str) -> Any:
    """Call a command and return its answer; raises what it raises."""
    try:
        with command.make_context(program, list(arguments), **SETTINGS) as context:
            return command.invoke(context)
    except click.exceptions.Exit as end:  # the help or the version was printed
        return end.exit_code


# Where a path cannot be used: what could not be done, and what helps.
PATH_ERRORS = {
    "train": ("cannot write", "make room, or choose another place with hydra.run.dir=…"),
    "runs": (
        "cannot use",
        "what was promoted before still is; make room or give the right, or choose another place"
        " with --outputs or --models",
    ),
    "replay": (
        "the replay cannot use",
        "the run itself was only read; make room, or choose another place with --output",
    ),
    "score": ("cannot read or write", ""),
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

        if (known := config.as_user_error(error)) is not None:
            return known
    # Training and replaying may fail for other reasons of the system, such as of a network.
    if isinstance(error, OSError) and (
        error.errno in process.WRITE_ERRORS or command.name in ("runs", "score")
    ):
        action, remedy = PATH_ERRORS.get(str(command.name), ("cannot use", ""))
        return PathError(action, error, remedy)
    return None


def _translate(error: BaseException, command: click.Command) -> UserError | None:
    known = as_user_error(error, command)
    if known is not None:
        known.args = (_as_typed(str(known)),)
    return known


def _as_typed(message: str) -> str:
    """Spell commands as the program was started: texts say `python -m src.<command>`."""
    is_script = Path(sys.argv[0]).parent.name == "src"
    return message if is_script else message.replace("python -m src.", "tabproof ")


class _WithExamples(click.Command):
    """A command whose epilog keeps its lines."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        if self.epilog:
            formatter.write(f"\n{_as_typed(self.epilog)}\n")


class _Group(_WithExamples, click.Group):
    command_class = _WithExamples
    group_class = type


class _Untouched(_WithExamples):
    """A command that reads its arguments itself, options included."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.args = list(args)
        ctx.params = {"arguments": ctx.args}
        return ctx.args


class _Train(_Untouched):
    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        from tabproof import config

        return [CompletionItem(word) for word in config.completions(ctx.args, incomplete)]


class _Bash(BashComplete):
    # A key and its value are one word, and what ends in `=` is not finished.
    source_template = (
        BashComplete.source_template.replace(
            "    return 0",
            "    [[ ${COMPREPLY[0]:-} == *[=./] ]] && compopt -o nospace\n    return 0",
        )
        + "\nCOMP_WORDBREAKS=${COMP_WORDBREAKS//=/}\n"
    )


add_completion_class(_Bash)


class _Run(click.ParamType[str]):
    """A run: any text; the Tab key offers promoted names and directories."""

    name = "run"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        del param
        models = Path(ctx.params.get("models") or "models")
        names = ["latest", *sorted(path.name for path in models.glob("*/") if path.is_dir())]
        found = [CompletionItem(name) for name in names if name.startswith(incomplete)]
        return found or [CompletionItem(incomplete, type="dir")]


@click.group(cls=_Group)
@click.version_option(package_name="tabproof", message="tabproof %(version)s")
def tabproof() -> None:
    """Reproducible experiments for tabular classification.

    `tabproof COMMAND --help` explains a command and shows examples.
    """


# --- train, serve


@tabproof.command(cls=_Train, add_help_option=False)
def train(arguments: list[str]) -> str | None:
    """Train a model, or with -m a sweep of models."""
    from tabproof.train import main

    return main(arguments)


@tabproof.command(cls=_Untouched, add_help_option=False)
def serve(arguments: list[str]) -> None:
    """Serve promoted models over HTTP; options are uvicorn's."""
    from tabproof.service.command import serve

    serve(arguments, click.get_current_context().command_path)


# --- score


def _score_options(function: F) -> F:
    """Add an option for each key that `score` takes."""
    keys = (
        ("input", "FILES", ".csv, .csv.gz, .parquet, a directory of them, or - (CSV on stdin)"),
        ("output", "FILES", ".csv, .csv.gz, .parquet, a directory (one per input), or - (stdout)"),
        ("run", "RUN", "a promoted name, the beginning of a run id, a run directory (latest)"),
        ("keep", "NAMES", "input columns to carry along: all, or names: id,name (none)"),
        ("bad_rows", "FILE", "where rows go that cannot be scored (<output>.bad.csv)"),
        ("separator", "CHARACTER", r"of CSV; '\t' is a tab (,)"),
        ("encoding", "NAME", "of CSV; cp932 for what Excel writes in Japanese (utf-8)"),
        ("decimal", "CHARACTER", "of CSV: . or , (.)"),
        ("batch_rows", "N", "rows at a time (32768, fewer of wide tables)"),
        ("workers", "N", "threads (one per core)"),
        ("runtime", "NAME", "local, or dask: on the workers of a cluster (local)"),
        ("address", "ADDRESS", "of the cluster's scheduler: tcp://host:8786"),
        ("outputs", "DIR", "where runs lie (outputs)"),
        ("models", "DIR", "where promoted models lie (models)"),
    )
    flags = (
        ("explain", "add what each column adds to a prediction (no)"),
        ("strict", "refuse columns that are missing, unknown or of another type (no)"),
        ("progress", "show a bar on a terminal (yes)"),
    )
    for key, words in reversed(flags):
        function = click.option(f"--{key}/--no-{key}", default=None, help=words)(function)
    for key, metavar, words in reversed(keys):
        kind = _Run() if key == "run" else None
        option = f"--{key.replace('_', '-')}"
        function = click.option(option, type=kind, metavar=metavar, help=words)(function)
    return function


@tabproof.command(
    epilog="""\
Every option can be written key=value, too: input=customers.csv, strict=true.

examples:
  python -m src.score input=customers.csv output=scored.csv
  python -m src.score run=adult input=in.parquet output=out.parquet keep=customer_id
  python -m src.score run=1f26612c input=incoming/ output=scored/ workers=1
  gunzip -c big.csv.gz | python -m src.score input=- output=- | head

Killed, the same command goes on where it was. docs/batch.md has more."""
)
@click.argument("words", nargs=-1, metavar="[KEY=VALUE]...")
@_score_options
def score(words: tuple[str, ...], **options: str | bool | None) -> None:
    """Score files with a trained model."""
    # The sums of BLAS must not depend on the machine; the program has threads of its own.
    os.environ.update(dict.fromkeys(threads.BLAS_VARIABLES, "1"))
    # Loads the numeric libraries, which read the limits once.
    from tabproof.score import score

    values = {
        key: str(value).lower() if isinstance(value, bool) else value
        for key, value in options.items()
        if value is not None
    }
    score([*words, *(f"{key}={value}" for key, value in values.items())])


# --- replay

PATH = click.Path(path_type=Path)
with_outputs = click.option(
    "--outputs", type=PATH, default="outputs", metavar="DIR", help="where runs lie (outputs)"
)
with_models = click.option(
    "--models",
    type=PATH,
    default="models",
    metavar="DIR",
    help="where promoted models lie (models)",
)


@tabproof.command(
    epilog="""\
RUN: its directory, the beginning of its id, 'latest' or a promoted name

examples:
  python -m src.replay latest                      train it again, and compare every number
  python -m src.replay 1f26612c runtime.workers=2  keys that decide no number may be changed
  python -m src.replay RUN dataset.path=copy.csv   the same table in another place
  python -m src.replay RUN --check                 what differs here, without training
  python -m src.replay RUN --environment           with the very versions the run recorded

exit code: 0 identical, 1 something differs, 2 nothing that could be replayed"""
)
@click.argument("run", type=_Run())
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--output", type=PATH, metavar="DIR", help="keep the replay there")
@click.option("--check", is_flag=True, help="compare without training")
@click.option("--environment", is_flag=True, help="in a fresh one, of the run's own versions")
@with_outputs
@with_models
def replay(run: str, overrides: tuple[str, ...], **options: Any) -> int:
    """Train a run again from its own directory, and compare."""
    from tabproof import config

    config.register_schema()
    keys = config.quoted(overrides)
    with threads.limited_threads(config.machine_runtime(keys).openmp_threads):
        # Loads the numeric libraries, which read the limits once.
        from tabproof.replay.replay import Request, replay

        return replay(Request(run=run, overrides=keys, **options))


# --- runs

with_json = click.option("--json", "as_json", is_flag=True, help="for programs")
with_run = click.argument("run", type=_Run())
with_place = click.argument("place", type=PATH, default="outputs")
with_name = click.argument("name", type=_Run())
with_language = click.option(
    "--language", type=click.Choice(LANGUAGES), help="of the page (the runs' own)"
)
with_store = click.option("--store", metavar="PLACE", help="s3://bucket/prefix (MODEL_STORE)")
with_who = click.option("--who", help="for the history (you, here)")
with_why = click.option("--why", metavar="TEXT", default="", help="for the history")


def with_filters(function: F) -> F:
    """Add the options that choose among runs."""
    for name, metavar, words in (
        ("--until", "DATE", "only runs of this day and before"),
        ("--since", "DATE", "only runs of this day and later"),
        ("--dataset", "NAME", "only runs of this dataset"),
    ):
        function = click.option(name, metavar=metavar, help=words)(function)
    return function


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
  python -m src.runs verify adult                   every byte against its hash
  python -m src.runs prune --dry-run                what would go, and what stays and why
serve:
  python -m src.runs promote latest                 what was trained last; then: make api
  python -m src.runs promote 1f26612c --if-better   only if better on the same held-out rows
  python -m src.runs rollback adult --why drift     the version before; --to 3ab1: any
  python -m src.runs history adult                  who made what current, when and why
  python -m src.runs push adult --store s3://b/p    into the store, for services; or MODEL_STORE
  python -m src.runs pull adult                     what the store's pointer names"""
)
def runs() -> None:
    """List, compare, tidy up and promote runs."""


@runs.command("list")
@with_outputs
@with_filters
@click.option(
    "--where", metavar="CONDITION", multiple=True, help="as in 'roc_auc>=0.9'; may be repeated"
)
@click.option("--min-auc", metavar="X", help="the same as --where 'roc_auc>=X'")
@click.option("--sort", default="when", help="when, dataset, seconds or a metric (when)")
@with_json
def list_runs(where: tuple[str, ...], min_auc: str | None, **asked: Any) -> str:
    """List runs, complete or not."""
    from tabproof.runs import listing

    conditions = [*where, *([] if min_auc is None else [f"roc_auc>={min_auc}"])]
    return listing.list_runs(where=conditions, **asked)


@runs.command()
@with_run
@with_outputs
@with_models
@with_json
def show(**asked: Any) -> str:
    """Show what a run is, its numbers, and how to repeat it."""
    from tabproof.runs import listing

    return listing.show(**asked)


@runs.command()
@click.argument("names", metavar="RUN...", nargs=-1, required=True, type=_Run())
@with_outputs
@with_models
@with_json
def compare(**asked: Any) -> str:
    """Show what differs between runs, and whether it is noise."""
    from tabproof.runs.compare import compare

    return compare(**asked)


@runs.command()
@with_outputs
@with_filters
@click.option("--metric", default="roc_auc", help="to rank by (roc_auc)")
@click.option("--csv", type=PATH, metavar="FILE", help="write this file too")
@click.option("--markdown", type=PATH, metavar="FILE", help="write this file too")
@click.option("--html", type=PATH, metavar="FILE", help="write this page too")
@with_language
def leaderboard(**asked: Any) -> str:
    """Rank complete runs."""
    from tabproof.runs import listing

    return listing.show_leaderboard(**asked)


@runs.command()
@with_place
def check(place: Path) -> str:
    """Check that runs are complete: exit code 0 all are, 1 some failed, 2 not over."""
    from tabproof.runs.check import check

    return check(place)


@runs.command()
@with_place
@click.option(
    "--html",
    is_flag=True,
    help="write PLACE/report.html instead: runs side by side, curves overlaid, what is noise",
)
@with_language
def report(**asked: Any) -> str:
    """Print a markdown table of the newest runs, or write a page of all."""
    from tabproof.runs import listing

    return listing.report(**asked)


@runs.command()
@with_run
@with_outputs
@with_models
def verify(**asked: Any) -> str:
    """Compare every byte with its hash; RUN may be a promoted NAME or NAME/VERSION."""
    from tabproof.runs import promote

    return promote.verify(**asked)


@runs.command()
@with_outputs
@with_models
@with_filters
@click.option("--yes", is_flag=True, help="do not ask")
@click.option("--dry-run", is_flag=True, help="show what would go")
def prune(**asked: Any) -> str:
    """Remove runs; promoted and best ones stay."""
    from tabproof.runs.prune import prune

    return prune(**asked)


@runs.command()
@with_run
@with_outputs
@with_models
@click.option("--name", help="of the model (its dataset's)")
@click.option("--if-better", is_flag=True, help="than the current one, p < 0.05")
@with_who
@with_why
def promote(**asked: Any) -> str:
    """Make a run the one that is served."""
    from tabproof.runs import promote

    return promote.promote(**asked)


@runs.command()
@with_name
@with_models
@click.option("--to", metavar="VERSION", help="any version, or the beginning of its id")
@with_who
@with_why
def rollback(**asked: Any) -> str:
    """Serve the version before."""
    from tabproof.runs import promote

    return promote.rollback(**asked)


@runs.command()
@with_name
@with_models
@with_json
def history(**asked: Any) -> str:
    """Show who made what current."""
    from tabproof.runs import promote

    return promote.history(**asked)


@runs.command()
@with_name
@with_models
@with_store
@click.option(
    "--sign",
    type=PATH,
    metavar="KEY",
    help="private key, a PEM file: the service may ask for a signature",
)
@click.option(
    "--replace", is_flag=True, help="what is there under the same run id, from another execution"
)
def push(**asked: Any) -> str:
    """Bring a promoted model into the store."""
    from tabproof.runs import promote

    return promote.push(**asked)


@runs.command()
@with_name
@with_models
@with_store
@click.option("--overwrite", is_flag=True, help="promotions that were made here")
def pull(**asked: Any) -> str:
    """Bring what the store's pointer names into the registry."""
    from tabproof.runs import promote

    return promote.pull(**asked)
