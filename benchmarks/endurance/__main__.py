"""Run the endurance tests against a real process: `python -m benchmarks.endurance`."""

import argparse
import os
import sys
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from benchmarks.command import DATA_HOME
from benchmarks.endurance.expensive import check_heavy
from benchmarks.endurance.fuzz import SCHEMATHESIS, check_fuzz
from benchmarks.endurance.paths import check_paths
from benchmarks.endurance.pickles import check_pickles
from benchmarks.endurance.reloads import check_damaged, check_reloads
from benchmarks.endurance.sigterm import check_sigterm
from benchmarks.endurance.slow_clients import check_million, check_slow
from benchmarks.endurance.tampering import check_flips
from benchmarks.endurance.world import CheckFailedError, World
from benchmarks.load import FailedRequestsError, WrkMissingError
from benchmarks.measurement import CommandFailedError
from benchmarks.service import ServerFailedError

FAILURES = (
    CheckFailedError,
    CommandFailedError,
    FailedRequestsError,
    ServerFailedError,
    WrkMissingError,
    # The server did not answer, or closed the connection.
    HTTPException,
    OSError,
)
CHECKS: dict[str, Callable[[World], str]] = {
    "reloads": check_reloads,
    "damaged": check_damaged,
    "sigterm": check_sigterm,
    "slow": check_slow,
    "heavy": check_heavy,
    "flips": check_flips,
    "paths": check_paths,
    "pickles": check_pickles,
    "fuzz": check_fuzz,
    "million": check_million,
}
# Full sizes; what each counts.
SIZES = {
    "reloads": (200, "reloads of promoted versions in turn, under 16 clients"),
    "damaged": (50, "reloads of damaged copies, under 16 clients"),
    "stops": (50, "servers stopped by SIGTERM, under 8 clients"),
    "connections": (200, "connections that send a byte a second"),
    "slow-seconds": (30, "how long they do"),
    "flips": (1000, "bit flips, truncations, missing and added files"),
    "fuzz": (50_000, "requests that nobody should send"),
    "requests": (1_000_000, "requests after which memory is compared"),
}

DESCRIPTION = """\
Train two models of adult, start the service as a process of its own, and check it. Where a check
fails, its reason is printed, the others go on, and the exit code is 1. Run it from the project's
root.

"""


def run_checks(arguments: argparse.Namespace, directory: Path) -> int:
    """Print a line per check, and count those that failed."""
    world = World(directory, arguments)
    n_failed = 0
    for name in dict.fromkeys(arguments.only or CHECKS):
        world.forget_promotions()
        start = perf_counter()
        try:
            verdict = f"ok      {CHECKS[name](world)}"
        except FAILURES as error:
            verdict = f"FAILED  {type(error).__name__}: {error}"
            n_failed += 1
        print(f"{name:<9}{perf_counter() - start:6.0f} s  {verdict}", flush=True)
    return n_failed


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    checks = "".join(f"  {name:<10}{check.__doc__}\n" for name, check in CHECKS.items())
    parser = argparse.ArgumentParser(
        "python -m benchmarks.endurance",
        description=DESCRIPTION + checks,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    option = parser.add_argument
    option("--only", nargs="+", choices=CHECKS, metavar="CHECK", help="run these checks alone")
    for name, (size, what) in SIZES.items():
        option(f"--{name}", type=int, metavar="N", default=size, help=f"{what} ({size:,})")
    option("--workers", type=int, metavar="N", default=1, help="processes of the service (1)")
    option(
        "--data-home",
        metavar="DIRECTORY",
        default=DATA_HOME,
        help="scikit-learn's data_home that holds the OpenML tables (default: %(default)s)",
    )
    option(
        "--schemathesis",
        metavar="COMMAND",
        default=SCHEMATHESIS,
        help="which fuzz runs too, if it is there (default: %(default)s, on the PATH)",
    )
    return parser.parse_args()


def main() -> int:
    """Return the exit code: 1: a check failed, 2: nothing can run, 130: Ctrl-C."""
    arguments = parse_arguments()
    if not Path(arguments.data_home).is_dir():
        print(f"error: --data-home={arguments.data_home} is no directory", file=sys.stderr)
        return 2
    print(f"adult; the service in {arguments.workers} worker process(es),", end=" ")
    print(f"on {os.cpu_count()} cores that its clients share", flush=True)
    try:
        with TemporaryDirectory(prefix="endurance_") as directory:
            return int(run_checks(arguments, Path(directory)) > 0)
    except KeyboardInterrupt:
        print("\nerror: interrupted by Ctrl-C", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
