"""The commands over runs, retrain included: `tabproof runs <command>`."""

from functools import partial
from importlib import import_module
from typing import Any

import click

from tabproof import kernels
from tabproof.cli.options import (
    JSON,
    LOG,
    MODELS,
    NAME,
    NO_LABEL_ALARMS,
    OUTPUTS,
    PATH,
    RUN,
    Group,
    WithExamples,
    complete_run,
    flag,
    option,
)
from tabproof.errors import CommandLineError
from tabproof.runtime import threads
from tabproof.text import LANGUAGES


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


@click.group(
    cls=Group,
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
  python -m src.runs pull adult                     what the store's pointer names""",
)
def runs() -> None:
    """List, compare, tidy up and promote runs."""


PLACE = click.Argument(["place"], type=PATH, default="outputs")
RUNS = click.Argument(
    ["names"], nargs=-1, metavar="RUN...", required=True, shell_complete=complete_run
)
FILTERS = (
    option("dataset", "only runs of this dataset", "NAME"),
    option("since", "only runs of this day and later", "DATE"),
    option("until", "only runs of this day and before", "DATE"),
)
LISTED = (
    option("where", "as in 'roc_auc>=0.9'; may be repeated", "CONDITION", multiple=True),
    option("min-auc", "the same as --where 'roc_auc>=X'", "X"),
    option("sort", "when, dataset, seconds or a metric (when)", default="when"),
)
RANKED = (
    option("metric", "to rank by (roc_auc)", default="roc_auc"),
    option("csv", "write this file too", "FILE", type=PATH),
    option("markdown", "write this file too", "FILE", type=PATH),
    option("html", "write this page too", "FILE", type=PATH),
)
HTML = flag("html", "write PLACE/report.html instead: runs side by side, and what is noise")
LANGUAGE = option("language", "of the page (the runs' own)", type=click.Choice(LANGUAGES))
OF_NEWEST = option("language", "of the page (the newest run's)", type=click.Choice(LANGUAGES))
REMOVAL = flag("yes", "do not ask"), flag("dry-run", "show what would go")
MODEL = option("name", "of the model (its dataset's)")
IF_BETTER = flag("if-better", "than the current one, p < 0.05")
ON_TRAFFIC = (
    flag("on-traffic", "with --if-better: on labelled rows of the log, as a challenger"),
    LOG,
    option("since", "of --on-traffic: 30d, or a day (30d)", "DAYS", default="30d"),
)
FORCE = flag("force", "even with other columns or labels")
CHALLENGER = click.Argument(["run"], required=False, shell_complete=complete_run)
CHALLENGE = (
    option("share", "of the requests (all; a canary needs one)", "5%"),
    flag("canary", "it answers its share of requests"),
    option("sticky", "of a canary: equal cells get the same model (request ids)", "COLUMN"),
    flag("end", "end the challenge of the model"),
)
VERSION = option("to", "any version, or the beginning of its id", "VERSION")
WHO = option("who", "your name (you, here)"), option("why", "the reason", "TEXT", default="")
STORE = option("store", "s3://bucket/prefix (MODEL_STORE)", "PLACE")
KEY = option("sign", "private key (PEM): the service may ask for a signature", "KEY", type=PATH)
OPENED = click.Option(["--open", "is_opened"], is_flag=True, help="show it in a browser")
REPLACE = flag("replace", "what is there under the same run id, from another execution")
OVERWRITE = flag("overwrite", "promotions that were made here")

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
    runs.add_command(WithExamples(_name, help=_words, params=[*_params], callback=_callback))


# --- retrain: it trains, so the limits of threads and the kernels are set first.


@runs.command(
    "retrain",
    params=[
        NAME,
        click.Argument(["overrides"], nargs=-1, metavar="[KEY=VALUE]..."),
        click.Option(["--data", "data_file"], metavar="FILE", help="the new table, CSV or Parquet"),
        flag("append", "add FILE to the table of the current version"),
        option("log", "a prediction log: its rows with a label", "DIR"),
        flag("if-alarm", "only if `monitor check` of --log has an alarm"),
        NO_LABEL_ALARMS,
        option("min-rows", "rows with a label that are needed (200)", "N", type=int, default=200),
        flag("dry-run", "say what would be trained and compared"),
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
