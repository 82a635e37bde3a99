"""The command line before Hydra sees it: the help page, and a check that costs nothing.

Hydra makes a run's directory before the job can refuse its configuration; composing
once ahead of it means that a typo leaves nothing behind.
"""

import re
from collections.abc import Sequence
from itertools import islice, product
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from src.config.checks import check_config
from src.config.schema import GROUPS
from src.config.typed import refuse_unknown_keys, typed
from src.errors import RunExistsError

# Composing takes a tenth of a second: the jobs of a large sweep are not all checked ahead.
MAX_JOBS_CHECKED = 50

# A word outside quotes, inside a list or not, that Hydra's grammar has no letters for.
NON_ASCII_WORD = re.compile(r"""(?<!["'])[^\s,\[\]{}:'"=()]*[^\x00-\x7f][^\s,\[\]{}:'"=()]*""")

CONF = Path(__file__).parents[2] / "conf"

USAGE = """\
Train a classifier on a table, and write a complete, reproducible run under outputs/.

usage: python -m src.train [group=choice ...] [key=value ...]

  python -m src.train                                 breast_cancer, in seconds
  python -m src.train dataset=adult search=full       OpenML's adult
  python -m src.train dataset=file dataset.path=my.csv dataset.target=churned
  python -m src.train -m dataset=breast_cancer,adult,credit-g

groups and their choices (* is the default)
"""

FOOTER = """
  --cfg job      show the configuration of this command line, run nothing
  --info         show how it came about
  -m             sweep: run every combination of comma-separated values
  --hydra-help   what else Hydra can do; `make completion` for the Tab key

Every key: docs/configuration.md
"""


def help_text() -> str:
    """Say what conf/ offers; each choice is explained by the first line of its file."""
    defaults = (CONF / "train.yaml").read_text(encoding="utf-8")
    lines = []
    for group in [*GROUPS, "experiment"]:
        lines.append(f"\n  {group}\n")
        for path in sorted((CONF / group).glob("*.yaml")):
            mark = "*" if f"- {group}: {path.stem}" in defaults else " "
            lines.append(f"  {mark} {path.stem:<24}{explanation(path)}\n")
    return USAGE + "".join(lines) + FOOTER


def explanation(path: Path) -> str:
    """Give the first comment of a file of conf/."""
    comments = [
        line.removeprefix("# ").strip()
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.startswith("# ") and "@package" not in line
    ]
    return comments[0] if comments else ""


def quoted(arguments: Sequence[str]) -> list[str]:
    """Put quotes where Hydra's grammar needs them: around Japanese, `>50K`, spaces, ….

    What it can read stays as it is, so a value that only looks odd keeps its meaning.
    """
    parser = OverridesParser.create()

    def is_readable(argument: str) -> bool:
        try:
            parser.parse_override(argument)
        except HydraException:
            return False
        return True

    def readable(argument: str) -> str:
        key, equals, value = argument.partition("=")
        if argument.startswith("-") or not equals:
            return argument
        whole = value.replace("\\", "\\\\").replace('"', '\\"')
        attempts = [argument, f"{key}={NON_ASCII_WORD.sub(_in_quotes, value)}"]
        if not value.startswith(("[", "{")):
            attempts.append(f'{key}="{whole}"')
        return next(filter(is_readable, attempts), argument)

    return [readable(argument) for argument in arguments]


def _in_quotes(match: re.Match[str]) -> str:
    return f'"{match[0]}"'


def check_command_line(arguments: Sequence[str]) -> None:
    """Compose and check a run, every job of a sweep, or what `--cfg` shows.

    Other flags (--info, --config-dir, …) are Hydra's alone to read.
    """
    overrides = [argument for argument in arguments if not argument.startswith("-")]
    flags = {argument for argument in arguments if argument.startswith("-")}
    if flags - {"-m", "--multirun", "-c", "--cfg"}:
        return
    shows_only = bool(flags & {"-c", "--cfg"})
    if shows_only:
        overrides = [override for override in overrides if "=" in override]
    _refuse_complete_run(overrides)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        for job in _jobs(overrides) if flags & {"-m", "--multirun"} else [overrides]:
            cfg = compose("train", overrides=job)
            refuse_unknown_keys(cfg)
            if not shows_only:
                check_config(typed(cfg))


def _jobs(overrides: Sequence[str]) -> list[list[str]]:
    """List the overrides of each job of a sweep, as Hydra's basic sweeper will; the first few."""
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    choices = [
        [f"{override.get_key_element()}={value}" for value in override.sweep_string_iterator()]
        if override.is_sweep_override()
        else [override.input_line or ""]
        for override in parsed
    ]
    return [list(job) for job in islice(product(*choices), MAX_JOBS_CHECKED)]


def _refuse_complete_run(overrides: Sequence[str]) -> None:
    # Hydra would write into it before the job could refuse.
    for override in overrides:
        key, _, value = override.partition("=")
        if key == "hydra.run.dir" and (Path(value) / "manifest.json").exists():
            raise RunExistsError(Path(value))
