"""The command line of `python -m src.runs`: its words, and the story that each opens."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from tabproof.errors import CommandLineError, UserError
from tabproof.runs import (
    check,
    listing,
)
from tabproof.runs import (
    compare as comparing,
)
from tabproof.runs import (
    promote as promotion,
)
from tabproof.runs import (
    promote as publishing,
)
from tabproof.runs import (
    prune as pruning,
)
from tabproof.text import LANGUAGES

NAME = "python -m src.runs"
EXAMPLES = """look:
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
RUN = "its directory, the beginning of its id, or 'latest'"
PLACE = "outputs, a sweep's directory, or a run's (outputs)"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # argparse would print its usage first.
        raise CommandLineError(NAME, message)


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    plain = argparse.RawDescriptionHelpFormatter
    what = "Runs: look at them, compare, tidy up, promote."
    top = _Parser(prog=NAME, description=what, epilog=EXAMPLES, formatter_class=plain)
    verbs = top.add_subparsers(required=True, metavar="VERB")

    def add(name: str, act: Callable[..., str], words: str, *shared: _Parser) -> _Parser:
        verb: _Parser = verbs.add_parser(name, help=words, parents=shared)
        verb.set_defaults(act=act)
        return verb

    _add_lists(add)
    _add_looks(add)
    _add_promotions(add)
    _add_store(add)
    return top


Add = Callable[..., _Parser]


def _shared(*arguments: str, **settings: Any) -> _Parser:
    """Make an option that several verbs have."""
    option = _Parser(add_help=False)
    option.add_argument(*arguments, **settings)
    return option


OUTPUTS = _shared("--outputs", type=Path, default=Path("outputs"), help="(outputs)")
MODELS = _shared("--models", type=Path, default=Path("models"), help="(models)")
AS_JSON = _shared("--json", action="store_true", dest="as_json", help="for programs")
A_RUN = _shared("run", help=RUN)
A_PLACE = _shared("place", type=Path, nargs="?", default=Path("outputs"), help=PLACE)
LANGUAGE = _shared("--language", choices=LANGUAGES, help="of the page (the runs' own)")
FILTERS = (
    _shared("--dataset", metavar="NAME", help="only its runs"),
    _shared("--since", metavar="DATE", help="only runs of this day and later"),
    _shared("--until", metavar="DATE", help="only runs of this day and before"),
)


def _add_lists(add: Add) -> None:
    lists = add("list", listing.list_runs, "list runs, complete or not", OUTPUTS, AS_JSON, *FILTERS)
    condition = "as in 'roc_auc>=0.9'; may be said several times"
    lists.add_argument("--where", metavar="CONDITION", action="append", default=[], help=condition)
    lists.add_argument(
        "--min-auc",
        metavar="X",
        dest="where",
        action="append",
        type="roc_auc>={}".format,
        help="the same as --where 'roc_auc>=X'",
    )
    lists.add_argument("--sort", default="when", help="when, dataset, seconds or a metric (when)")
    shared = (OUTPUTS, LANGUAGE, *FILTERS)
    board = add("leaderboard", listing.show_leaderboard, "rank complete runs", *shared)
    board.add_argument("--metric", default="roc_auc", help="to rank by (roc_auc)")
    for form in ("csv", "markdown", "html"):
        board.add_argument(f"--{form}", type=Path, metavar="FILE", help="write this file too")
    words = "remove runs; promoted and best ones stay"
    prune = add("prune", pruning.prune, words, OUTPUTS, MODELS, *FILTERS)
    prune.add_argument("--yes", action="store_true", help="do not ask")
    prune.add_argument("--dry-run", action="store_true", help="show what would go")


def _add_looks(add: Add) -> None:
    shared = (OUTPUTS, MODELS, AS_JSON)
    add("show", listing.show, "tell what a run is, and how to repeat it", A_RUN, *shared)
    compare = add("compare", comparing.compare, "show what differs between runs", *shared)
    compare.add_argument("names", metavar="run", nargs="+", help=RUN)
    add("check", check.check, "0 all complete, 1 some failed, 2 not over", A_PLACE)
    words = "a markdown table of the newest runs, or a page of all"
    report = add("report", listing.report, words, A_PLACE, LANGUAGE)
    words = "write PLACE/report.html instead: runs side by side, curves overlaid, what is noise"
    report.add_argument("--html", action="store_true", help=words)
    verify = add("verify", promotion.verify, "compare every byte with its hash", OUTPUTS, MODELS)
    verify.add_argument("run", help=f"{RUN}; or a promoted NAME or NAME/VERSION")


def _add_promotions(add: Add) -> None:
    promote = add("promote", promotion.promote, "make a run what is served", A_RUN, OUTPUTS, MODELS)
    promote.add_argument("--name", help="of the model (its dataset's)")
    promote.add_argument("--if-better", action="store_true", help="than the current one, p < 0.05")
    rollback = add("rollback", promotion.rollback, "serve the version before", MODELS)
    rollback.add_argument("--to", metavar="VERSION", help="any version, or the beginning of its id")
    history = add("history", promotion.history, "show who made what current", MODELS, AS_JSON)
    for verb in (rollback, history):
        verb.add_argument("name", help="of the model")
    for verb in (promote, rollback):
        verb.add_argument("--who", help="for the history (you, here)")
        verb.add_argument("--why", metavar="TEXT", default="", help="for the history")


def _add_store(add: Add) -> None:
    push = add("push", publishing.push, "bring a promoted model into the store", MODELS)
    words = "private key, a PEM file: the service may ask for a signature"
    push.add_argument("--sign", type=Path, metavar="KEY", help=words)
    words = "what is there under the same run id, from another execution"
    push.add_argument("--replace", action="store_true", help=words)
    words = "bring what the store's pointer names into the registry"
    pull = add("pull", publishing.pull, words, MODELS)
    pull.add_argument("--overwrite", action="store_true", help="promotions that were made here")
    for verb in (push, pull):
        verb.add_argument("name", help="of the model")
        verb.add_argument("--store", metavar="PLACE", help="s3://bucket/prefix (MODEL_STORE)")


def as_user_error(error: BaseException) -> UserError | None:
    """Word what the file system refused; what words itself stays."""
    return promotion.as_user_error(error)
