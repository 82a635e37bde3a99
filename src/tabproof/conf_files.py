"""conf/ as files: its location, the choices of its groups, and the help page that lists them.

Nothing here loads Hydra, so `train --help` is answered at once.
"""

import re
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parent
# A wheel carries conf/ inside the package; in the project it is a directory at the root.
CONF = PACKAGE / "conf" if (PACKAGE / "conf").is_dir() else PACKAGE.parents[1] / "conf"


def own_conf() -> Path | None:
    """Return the current directory's conf/, if it is another one than CONF."""
    here = Path.cwd() / "conf"
    return here if here.is_dir() and not here.samefile(CONF) else None


def choices(group: str) -> dict[str, Path]:
    """Return the choices of a config group with their files; the project's own replace ours."""
    paths = [path for conf in (CONF, own_conf()) if conf for path in (conf / group).glob("*.yaml")]
    return {path.stem: path for path in sorted(paths, key=lambda path: path.stem)}


def explanation(path: Path) -> str:
    """Return the first comment of a file of conf/ that is for people."""
    found = re.search(
        r"^# (?!@package|yaml-language-server:)(.*)", path.read_text(encoding="utf-8"), re.M
    )
    return found[1].strip() if found else ""


def escaped(value: Any) -> Any:
    """Escape what OmegaConf would take for another key, in all texts of a value or a configuration.

    In one that is resolved `${y}` is a name.
    """
    if isinstance(value, str):
        return re.sub(r"(\\*)\$\{", r"\1\1\\${", value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: escaped(getattr(value, f.name)) for f in fields(value)})
    if isinstance(value, dict):
        return {key: escaped(each) for key, each in value.items()}
    return list(map(escaped, value)) if isinstance(value, list) else value


# --- The help page.

USAGE = """\
Train a classifier on a table, and write a complete, reproducible run under outputs/.

usage: python -m src.train [group=choice ...] [key=value ...]

  python -m src.train                                 breast_cancer, in seconds
  python -m src.train dataset=adult search=full       OpenML's adult
  python -m src.train dataset.path=my.csv dataset.target=churned
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
    """Return the help page; the first comment of a file of conf/ explains the choice."""
    groups = re.findall(r"^  - (\w+): ", (CONF / "train.yaml").read_text(encoding="utf-8"), re.M)
    defaults = choices("")["train"].read_text(encoding="utf-8")
    lines = []
    for group in groups:
        lines.append(f"\n  {group}\n")
        for choice, path in choices(group).items():
            mark = "*" if f"- {group}: {choice}" in defaults else " "
            lines.append(f"  {mark} {choice:<29}{explanation(path)}\n")
    return USAGE + "".join(lines) + FOOTER
