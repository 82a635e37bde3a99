"""The command line before Hydra sees it: the help page, and a check that costs nothing.

Hydra makes a run's directory before the job can refuse its configuration; composing
once ahead of it means that a typo leaves nothing behind.
"""

from collections.abc import Sequence
from pathlib import Path

from hydra import compose, initialize_config_dir

from src.config.checks import check_config
from src.config.schema import GROUPS
from src.config.typed import refuse_unknown_keys, typed

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
            lines.append(f"  {mark} {path.stem:<24}{_explanation(path)}\n")
    return USAGE + "".join(lines) + FOOTER


def _explanation(path: Path) -> str:
    comments = [
        line.removeprefix("# ").strip()
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.startswith("# ") and "@package" not in line
    ]
    return comments[0] if comments else ""


def check_command_line(arguments: Sequence[str]) -> None:
    """Compose and check a plain run, or what `--cfg` shows; Hydra reads all else alone."""
    overrides = [argument for argument in arguments if not argument.startswith("-")]
    flags = [argument for argument in arguments if argument.startswith("-")]
    if flags and flags not in (["--cfg"], ["-c"]):
        return
    if flags:
        overrides.remove(arguments[arguments.index(flags[0]) + 1])
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("train", overrides=overrides)
    refuse_unknown_keys(cfg)
    if not flags:
        check_config(typed(cfg))
