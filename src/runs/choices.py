"""What was chosen for a run, as Hydra noted it beside the run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from src.runs.reading import read_limited

MAX_SIZE = 1 << 20
# What decides no number, or is told in another column.
ASIDE = {"dataset", "dataset.data_home", "skip_completed", "search.resume"}
GROUPS_ASIDE = {"hydra", "report", "runtime", "sweep"}


def read_overrides(run: Path) -> list[str]:
    """Read what was said on the command line; nothing where that is not known."""
    found = read_yaml(run / ".hydra" / "overrides.yaml")
    return [str(word) for word in found] if isinstance(found, list) else []


def read_group_choices(run: Path) -> dict[str, str]:
    """Read which file of each group of conf/ was chosen; nothing where that is not known."""
    found = read_yaml(run / ".hydra" / "hydra.yaml")
    for key in ("hydra", "runtime", "choices"):
        found = found.get(key) if isinstance(found, dict) else None
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def in_words(overrides: Sequence[str]) -> str:
    """Word choices in one line, without the dataset and what decides no number."""
    return " ".join(word for word in overrides if not _is_aside(word))


def by_key(overrides: Sequence[str]) -> dict[str, str]:
    """Give what `in_words` says, by key."""
    said = (word.partition("=") for word in overrides if not _is_aside(word))
    return {key.lstrip("+"): value for key, _, value in said}


def dataset_of(overrides: Sequence[str]) -> str | None:
    """Give the dataset that was chosen; None where the standard one was."""
    chosen = (word.partition("=") for word in overrides)
    return next((value for key, _, value in chosen if key == "dataset"), None)


def _is_aside(word: str) -> bool:
    key = word.partition("=")[0].lstrip("+~")
    return key in ASIDE or key.partition(".")[0] in GROUPS_ASIDE


def read_yaml(path: Path) -> Any:
    """Read a YAML file that holds plain data; None where it is not there or is no YAML."""
    # The service imports this package and reads no YAML.
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return yaml.load(read_limited(path, MAX_SIZE), Loader=loader)  # noqa: S506 - a safe one
    except (OSError, ValueError, yaml.YAMLError):
        return None
