"""The command line of `python -m deploy`: commands, their options and functions."""

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
inspect:
  python -m deploy status --json
  python -m deploy deploy --image 1f26612 --dry-run
roll back:
  python -m deploy rollback                      to the revision before; --to 12, --image 9ab0c4d
  python -m deploy restart                       new tasks, which read models and settings again
tear down:
  python -m deploy teardown                      data is kept; --delete-data deletes it too"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # argparse would print its usage before the error.
        raise CommandLineError(PROGRAM, message)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    plain = argparse.RawDescriptionHelpFormatter
    description = "Make a stack, inspect it, roll back its service, delete it."
    top = _Parser(prog=PROGRAM, description=description, epilog=EXAMPLES, formatter_class=plain)
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, act: Callable[..., str], summary: str) -> _Parser:
        command: _Parser = commands.add_parser(name, help=summary)
        command.set_defaults(act=act)
        command.add_argument("--stack", default="mlops", metavar="NAME", help="(mlops)")
        command.add_argument("--region", help="(AWS_REGION, or the profile's)")
        command.add_argument("--profile", help="of ~/.aws/config")
        return command

    _add_deploy(add)
    look = add("status", status, "the stack, its service and their health")
    look.add_argument("--json", action="store_true", dest="as_json", help="print JSON")
    back = add("rollback", _patient(roll_back), "roll the service back to an earlier revision")
    where = back.add_mutually_exclusive_group()
    where.add_argument("--to", type=_number, metavar="REVISION", help="any ACTIVE revision")
    where.add_argument("--image", metavar="TAG", help="the revision with this image")
    _add_patience(back, 20)
    _add_patience(add("restart", _patient(restart), "start new tasks of the same revision"), 20)
    _add_teardown(add)
    return top


Add = Callable[..., _Parser]


def _add_deploy(add: Add) -> None:
    command = add("deploy", _patient(deploy), "make or change the stack")
    text = "a tag or digest in ECR (default: the deployed one)"
    command.add_argument("--image", metavar="TAG", help=text)
    text = "a parameter of the stack; may be repeated"
    command.add_argument(
        "--set", metavar="NAME=VALUE", action="append", default=[], dest="assignments", help=text
    )
    text = "parameters as YAML or JSON; --set overrides it"
    command.add_argument("--parameters", type=Path, metavar="FILE", help=text)
    command.add_argument("--dry-run", action="store_true", help="show what would change")
    command.add_argument("--yes", action="store_true", help="do not ask")
    _add_patience(command, 30)


def _add_teardown(add: Add) -> None:
    command = add("teardown", _patient(take_down), "delete the stack; data is kept")
    command.add_argument("--delete-data", action="store_true", help="models, images and logs too")
    text = "repository of the images, if the stack is already deleted"
    command.add_argument("--repository", metavar="NAME", help=text)
    command.add_argument("--yes", action="store_true", help="do not ask")
    _add_patience(command, 30)


def _add_patience(command: _Parser, limit: float) -> None:
    command.add_argument(
        "--limit", type=_positive, default=limit, metavar="MINUTES", help=f"time limit ({limit:g})"
    )
    command.add_argument(
        "--every", type=_positive, default=5.0, metavar="SECONDS", help="time between checks (5)"
    )


def _patient(act: Callable[..., str]) -> Callable[..., str]:
    def patiently(*, limit: float, every: float, **options: Any) -> str:
        return act(**options, patience=Patience(limit, every))

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
