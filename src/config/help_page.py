"""The help page: what conf/ offers, in the words of its files."""

from pathlib import Path

from src.config.schema import GROUPS
from src.config.valid_keys import CONF

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

Every key: docs/configuration.md"""


def help_text() -> str:
    """Say what conf/ offers; each choice is explained by the first line of its file."""
    defaults = (CONF / "train.yaml").read_text(encoding="utf-8")
    lines = []
    for group in [*GROUPS, "experiment"]:
        lines.append(f"\n  {group}\n")
        for choice in choices(group):
            mark = "*" if f"- {group}: {choice}" in defaults else " "
            path = CONF / group / f"{choice}.yaml"
            lines.append(f"  {mark} {choice:<29}{explanation(path)}\n")
    return USAGE + "".join(lines) + FOOTER


def choices(group: str) -> list[str]:
    """List the files of a config group."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def explanation(path: Path) -> str:
    """Give the first comment of a file of conf/."""
    comments = [
        line.removeprefix("# ").strip()
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.startswith("# ") and "@package" not in line
    ]
    return comments[0] if comments else ""
