"""What `python -m src.replay` is asked for."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from tabproof import config as conf
from tabproof.errors import CommandLineError, PathError, UserError
from tabproof.runtime import process

NAME = "python -m src.replay"
EXAMPLES = """examples:
  python -m src.replay latest                      train it again, and compare every number
  python -m src.replay 1f26612c runtime.workers=2  keys that decide no number may be changed
  python -m src.replay RUN dataset.path=copy.csv   the same table in another place
  python -m src.replay RUN --check                 what differs here, without training
  python -m src.replay RUN --environment           with the very versions the run recorded

exit code: 0 identical, 1 something differs, 2 nothing that could be replayed"""


@dataclass(frozen=True)
class Asked:
    """output: where the replay goes; None: below outputs, and gone if it is identical."""

    run: str
    overrides: list[str]
    output: Path | None
    check: bool
    environment: bool
    outputs: Path
    models: Path
    arguments: Sequence[str] = ()

    @property
    def openmp_threads(self) -> int | None:
        """How many threads a fit may have, as this machine's runtime says."""
        return conf.machine_runtime(self.overrides).openmp_threads


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # argparse would print its usage first.
        raise CommandLineError(NAME, message)


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    top = _Parser(
        prog=NAME,
        usage="%(prog)s RUN [key=value …] [--check] [--environment] [--output DIR]",
        description="Train a run again from its own directory, and say what differs.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument(
        "words",
        nargs="+",
        metavar="RUN",
        help="its directory, the beginning of its id, 'latest' or a promoted name; then keys",
    )
    top.add_argument("--output", type=Path, metavar="DIR", help="keep the replay there")
    top.add_argument("--check", action="store_true", help="compare without training")
    top.add_argument(
        "--environment", action="store_true", help="in a fresh one, of the run's own versions"
    )
    top.add_argument("--outputs", type=Path, default=Path("outputs"), help="(outputs)")
    top.add_argument("--models", type=Path, default=Path("models"), help="(models)")
    return top


def parse(arguments: Sequence[str]) -> Asked:
    """Read a command line; raises CommandLineError."""
    conf.register_schema()
    found = vars(parser().parse_intermixed_args(arguments))
    run, *overrides = found.pop("words")
    return Asked(run=run, overrides=conf.quoted(overrides), arguments=arguments, **found)


def as_user_error(error: BaseException) -> UserError | None:
    """Word what composing or the file system refused."""
    known = conf.as_user_error(error)
    if known is None and isinstance(error, OSError) and error.errno in process.WRITE_ERRORS:
        remedy = "the run itself was only read; make room, or choose another place with --output"
        return PathError("the replay cannot use", error, remedy)
    return known
