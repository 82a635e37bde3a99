"""The command line of `python -m deploy`: its words, and the story that each opens."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from deploy.deployment import deploy
from deploy.errors import PROGRAM
from deploy.rollback import restart, roll_back
from deploy.status import status
from deploy.teardown import take_down
from deploy.waiting import Patience
from tabproof.errors import CommandLineError

EXAMPLES = """first:
  python -m deploy deploy                        everything but the service; then push an image
  python -m deploy deploy --image 1f26612        the service; each time an image is new
look:
  python -m deploy status --json
  python -m deploy deploy --image 1f26612 --dry-run
go back:
  python -m deploy rollback                      to the revision before; --to 12, --image 9ab0c4d
  python -m deploy restart                       new tasks, which read models and settings anew
take down:
  python -m deploy teardown                      data stays; --delete-data deletes it too"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # argparse would print its usage first.
        raise CommandLineError(PROGRAM, message)


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    plain = argparse.RawDescriptionHelpFormatter
    what = "The stack: make it, look at it, go back, take it down."
    top = _Parser(prog=PROGRAM, description=what, epilog=EXAMPLES, formatter_class=plain)
    verbs = top.add_subparsers(required=True, metavar="VERB")

    def add(name: str, act: Callable[..., str], words: str) -> _Parser:
        verb: _Parser = verbs.add_parser(name, help=words)
        verb.set_defaults(act=act)
        verb.add_argument("--stack", default="mlops", metavar="NAME", help="(mlops)")
        verb.add_argument("--region", help="(AWS_REGION, or the profile's)")
        verb.add_argument("--profile", help="of ~/.aws/config")
        return verb

    _add_deploy(add)
    look = add("status", status, "what is there, what runs, and how well")
    look.add_argument("--json", action="store_true", dest="as_json", help="for programs")
    back = add("rollback", _patient(roll_back), "put the service on an earlier revision")
    where = back.add_mutually_exclusive_group()
    where.add_argument("--to", type=_number, metavar="REVISION", help="any ACTIVE revision")
    where.add_argument("--image", metavar="TAG", help="the revision with that image")
    _add_patience(back, 20)
    _add_patience(add("restart", _patient(restart), "new tasks of the same revision"), 20)
    _add_teardown(add)
    return top


Add = Callable[..., _Parser]


def _add_deploy(add: Add) -> None:
    verb = add("deploy", _patient(deploy), "make the stack, or change it")
    words = "a tag or digest that is in ECR (the one that is deployed)"
    verb.add_argument("--image", metavar="TAG", help=words)
    words = "a parameter of the stack; may be said several times"
    verb.add_argument(
        "--set", metavar="NAME=VALUE", action="append", default=[], dest="assignments", help=words
    )
    words = "parameters as YAML or JSON; --set goes before it"
    verb.add_argument("--parameters", type=Path, metavar="FILE", help=words)
    verb.add_argument("--dry-run", action="store_true", help="show what would change")
    verb.add_argument("--yes", action="store_true", help="do not ask")
    _add_patience(verb, 30)


def _add_teardown(add: Add) -> None:
    verb = add("teardown", _patient(take_down), "delete the stack; data stays")
    verb.add_argument("--delete-data", action="store_true", help="models, images and logs too")
    words = "of the images, where the stack is gone already"
    verb.add_argument("--repository", metavar="NAME", help=words)
    verb.add_argument("--yes", action="store_true", help="do not ask")
    _add_patience(verb, 30)


def _add_patience(verb: _Parser, limit: float) -> None:
    verb.add_argument(
        "--limit", type=_positive, default=limit, metavar="MINUTES", help=f"to wait ({limit:g})"
    )
    verb.add_argument("--every", type=_positive, default=5.0, metavar="SECONDS", help="to look (5)")


def _patient(act: Callable[..., str]) -> Callable[..., str]:
    def patiently(*, limit: float, every: float, **asked: Any) -> str:
        return act(**asked, patience=Patience(limit, every))

    return patiently


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise ValueError(text)
    return number


def _number(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number
