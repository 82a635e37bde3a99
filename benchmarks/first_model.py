"""From an empty directory to an open report: `python -m benchmarks.first_model`.

Three commands, as a person types them after `pip install tabproof`, timed from the first key to the
page that a browser has laid out; the target is 90 seconds.

    tabproof init my.csv --yes
    tabproof train dataset=my
    chromium outputs/latest/report.html

The table is a customer list in cp932 with a title, ids, dates, amounts in yen and remarks.
"""

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from benchmarks.odd_files import make_files
from benchmarks.verdict import print_verdict

ROOT = Path(__file__).parents[1]
MOST_SECONDS = 90.0
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Lays the page out, and prints what came of it.
BARE = ("--headless", "--no-sandbox", "--disable-gpu", "--dump-dom")
CUSTOMERS = "a customer table with everything"


class CommandError(Exception):
    """A command did not do what the next one needs."""


def customer_table(folder: Path) -> Path:
    """Write the customer list, and return its path."""
    return Path(next(f.path for f in make_files(folder) if f.name == CUSTOMERS))


def run(command: Sequence[str], directory: Path) -> str:
    """Run a command, and return what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, errors="replace"
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()[-5:]
        raise CommandError("\n".join([f"`{shlex.join(command)}`: {done.returncode}", *lines]))
    return done.stdout + done.stderr


def timed(shown: str, command: Sequence[str], directory: Path) -> tuple[str, float]:
    """Run a command and print its seconds; return what it printed, and the seconds."""
    start = perf_counter()
    printed = run(command, directory)
    seconds = perf_counter() - start
    print(f"  {seconds:6.1f} s  {shown}", flush=True)
    return printed, seconds


def suggested(printed: str, file: Path) -> list[str]:
    """Return the words after `train` in the command that `init` printed."""
    found = re.search(r"(?:tabproof|python -m src\.)\s*train\s+(.+)", printed)
    if found is None:
        raise CommandError(f"init printed no command that trains: {printed[-300:]}")
    words = shlex.split(found[1])
    if f"dataset={file.stem}" not in words:
        raise CommandError(f"init's command is for another dataset: {words}")
    return words


def three_commands(tabproof: Sequence[str], source: Path, directory: Path) -> float:
    """Run init, train and a browser in an empty directory; return the seconds of all."""
    file = directory / f"my{source.suffix}"
    shutil.copyfile(source, file)
    words = ["init", file.name, "--yes"]
    printed, first = timed(f"tabproof {shlex.join(words)}", [*tabproof, *words], directory)
    if not (directory / "conf" / "dataset" / f"{file.stem}.yaml").is_file():
        raise CommandError(f"init wrote no conf/dataset/{file.stem}.yaml")
    words = ["train", *suggested(printed, file)]
    _, second = timed(f"tabproof {shlex.join(words)}", [*tabproof, *words], directory)
    report = directory / "outputs" / "latest" / "report.html"
    if not report.is_file():
        raise CommandError("there is no outputs/latest/report.html")
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print("  skipped: opening the report, since there is no chromium")
        return first + second
    command = [browser, *BARE, report.resolve().as_uri()]
    page, third = timed("chromium outputs/latest/report.html", command, directory)
    if "<h1" not in page:
        raise CommandError("the browser shows no report")
    return first + second + third


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the seconds of each command; the exit code is 1 if the target is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--file", type=Path, help="another table than the customer list")
    own = f"{sys.executable} -m tabproof"
    parser.add_argument("--tabproof", default=own, help="an installed command; %(default)s")
    options = parser.parse_args(arguments)
    with TemporaryDirectory(prefix="first_model_") as temporary:
        source = options.file or customer_table(Path(temporary) / "files")
        directory = Path(temporary) / "empty"
        directory.mkdir()
        try:
            seconds = three_commands(shlex.split(options.tabproof), source, directory)
        except CommandError as error:
            print(f"  failed: {error}")
            return 1
    return 0 if print_verdict("seconds", seconds, at_most=MOST_SECONDS) else 1


if __name__ == "__main__":
    sys.exit(main())
