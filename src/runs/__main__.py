"""Promote a run, go back, look, verify: `python -m src.runs promote latest`."""

import argparse
from pathlib import Path
from typing import NoReturn

from src import promotion
from src.errors import CommandLineError
from src.runtime import console, program

NAME = "python -m src.runs"
EXAMPLES = """examples:
  python -m src.runs promote latest                 what was trained last; then: make api
  python -m src.runs promote 1f26612c --if-better   only if better on the same held-out rows
  python -m src.runs rollback adult --why drift     the version before; --to 3ab1: any
  python -m src.runs history adult                  who made what current, when and why
  python -m src.runs verify adult                   every byte against its hash"""
RUN = "its directory, the beginning of its id, or 'latest'"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # argparse would print its usage first.
        raise CommandLineError(NAME, message)


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    plain = argparse.RawDescriptionHelpFormatter
    top = _Parser(prog=NAME, description="Promoted models.", epilog=EXAMPLES, formatter_class=plain)
    verbs = top.add_subparsers(required=True, metavar="promote|rollback|history|verify")
    promote = verbs.add_parser("promote", help="make a run what is served")
    promote.add_argument("run", help=RUN)
    promote.add_argument("--name", help="of the model (its dataset's)")
    promote.add_argument("--if-better", action="store_true", help="than the current one, p < 0.05")
    rollback = verbs.add_parser("rollback", help="serve the version before")
    rollback.add_argument("--to", metavar="VERSION", help="any version, or the beginning of its id")
    history = verbs.add_parser("history", help="show who made what current, when and why")
    history.add_argument("--json", action="store_true", dest="as_json", help="for programs")
    verify = verbs.add_parser("verify", help="compare every byte with its hash")
    verify.add_argument("run", help=f"{RUN}; or a promoted NAME or NAME/VERSION")
    for verb in (rollback, history):
        verb.add_argument("name", help="of the model")
    for verb in (promote, rollback):
        verb.add_argument("--who", help="for the history (you, here)")
        verb.add_argument("--why", metavar="TEXT", default="", help="for the history")
    for verb in (promote, verify):
        verb.add_argument("--outputs", type=Path, default=Path("outputs"), help="(outputs)")
    for verb in (promote, rollback, history, verify):
        verb.add_argument("--models", type=Path, default=Path("models"), help="(models)")
        verb.set_defaults(act=getattr(promotion, verb.prog.split()[-1]))
    return top


if __name__ == "__main__":
    with program.ending_in_one_line(promotion.as_user_error):
        asked = vars(parser().parse_args())
        console.say(asked.pop("act")(**asked))
