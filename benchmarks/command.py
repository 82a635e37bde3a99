"""The command line of a benchmark: common options, exit codes, and a warning on a busy machine."""

import os
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DATA_HOME = "../shared/openml_home"
# Above this load average other processes run, and times mean little.
MAX_IDLE_LOAD = 0.5


class CannotRunError(Exception):
    """Something that a benchmark needs is missing."""


def make_parser(name: str, description: str) -> ArgumentParser:
    """Return the parser of `python -m benchmarks.<name>`, with --data-home.

    description: keeps its lines
    """
    parser = ArgumentParser(
        f"python -m benchmarks.{name}",
        description=description,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--data-home",
        metavar="DIRECTORY",
        default=DATA_HOME,
        help="scikit-learn's data_home that holds the OpenML tables (default: %(default)s)",
    )
    return parser


def parse(parser: ArgumentParser, *counts: str) -> Namespace:
    """Read the command line; counts: the options that take at least 1."""
    arguments = parser.parse_args()
    for name in counts:
        if getattr(arguments, name) < 1:
            parser.error(f"--{name}={getattr(arguments, name)}: at least 1 is needed")
    return arguments


@contextmanager
def exit_codes(*void: type[Exception]) -> Iterator[None]:
    """Exit with 1 for an error after which figures mean nothing, 2 if nothing can run, 130: Ctrl-C.

    void: the errors of the first kind
    """
    try:
        yield
    except CannotRunError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except void as error:
        sys.stdout.flush()
        print(f"\nerror: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("\nerror: interrupted by Ctrl-C", file=sys.stderr)
        sys.exit(130)


def require_data_home(data_home: str) -> None:
    """Raise CannotRunError where the directory is missing: scikit-learn would make it."""
    if not Path(data_home).is_dir():
        raise CannotRunError(f"--data-home={data_home} is no directory")


def load_average() -> float:
    """Return the load average of the last minute; ask before the benchmark itself adds to it."""
    return os.getloadavg()[0]


def warn_if_busy(load: float) -> None:
    """Print a warning where the load average shows that other processes run."""
    if load > MAX_IDLE_LOAD:
        print(f"! this machine is busy (load average {load:.1f}): trust no ratio of times")
