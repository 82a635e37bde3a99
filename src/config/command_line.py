"""The command line before Hydra sees it: the help page, and a check that costs nothing.

Hydra makes a run's directory before the job can refuse its configuration; composing
once ahead of it means that a typo leaves nothing behind.
"""

import re
from collections.abc import Sequence
from itertools import islice, product
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from src.config.checks import check_config
from src.config.schema import GROUPS
from src.config.typed import refuse_unknown_keys, typed
from src.config.valid_keys import CONF
from src.errors import DirectoryTakenError, RunExistsError, UnknownChoiceError

# Composing takes a tenth of a second: the jobs of a large sweep are not all checked ahead.
MAX_JOBS_CHECKED = 50

# A word outside quotes, inside a list or not, that Hydra's grammar has no letters for.
NON_ASCII_WORD = re.compile(r"""(?<!["'])[^\s,\[\]{}:'"=()]*[^\x00-\x7f][^\s,\[\]{}:'"=()]*""")


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
            lines.append(f"  {mark} {choice:<24}{explanation(path)}\n")
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
        whole = f"{key}={_in_quotes(value)}"
        by_word = f"{key}={NON_ASCII_WORD.sub(lambda word: _in_quotes(word[0]), value)}"
        if value.startswith(("[", "{")):
            attempts = [argument, by_word]
        elif "," in value:
            attempts = [argument, by_word, whole]
        else:
            attempts = [argument, whole]
        return next(filter(is_readable, attempts), argument)

    return [readable(argument) for argument in arguments]


def _in_quotes(value: str) -> str:
    # In Hydra's grammar a backslash is one, except before a quote.
    escaped = re.sub(r'(\\*)"', r'\1\1\\"', value)
    escaped = re.sub(r"(\\+)$", r"\1\1", escaped)
    return f'"{escaped}"'


def check_command_line(arguments: Sequence[str]) -> None:
    """Compose and check a run, every job of a sweep, or what `--cfg` shows.

    Other flags (--info, --config-dir, …) are Hydra's alone to read.
    """
    overrides = [argument for argument in arguments if not argument.startswith("-")]
    flags = {argument for argument in arguments if argument.startswith("-")}
    shows_only = bool(flags & {"-c", "--cfg"})
    if flags - {"-m", "--multirun", "-c", "--cfg"}:
        return
    if shows_only:
        overrides = [override for override in overrides if "=" in override]
    is_sweep = bool(flags & {"-m", "--multirun"})
    with initialize_config_dir(str(CONF), version_base="1.3"):
        parsed = OverridesParser.create(GlobalHydra.instance().config_loader()).parse_overrides(
            overrides
        )
        _refuse_nameless_choice(parsed)
        for number, job in enumerate(_jobs(parsed) if is_sweep else [overrides]):
            cfg = compose("train", overrides=job, return_hydra_config=True)
            with open_dict(cfg):
                hydra_config = cfg.pop("hydra")
            refuse_unknown_keys(cfg)
            if not shows_only:
                check_config(typed(cfg))
                _refuse_taken(_directory_of(hydra_config, number if is_sweep else None))


def _directory_of(hydra_config: DictConfig, job_number: int | None) -> Path:
    """Resolve where Hydra will put a job, as its own resolver `hydra:` would."""
    # Hydra reads this configuration from a global, and sets it again for the job itself.
    HydraConfig.instance().set_config(OmegaConf.create({"hydra": hydra_config}))
    if job_number is None:
        return Path(hydra_config.run.dir)
    with read_write(hydra_config), open_dict(hydra_config):
        hydra_config.job.num = job_number
    HydraConfig.instance().set_config(OmegaConf.create({"hydra": hydra_config}))
    return Path(hydra_config.sweep.dir) / str(hydra_config.sweep.subdir)


def _refuse_taken(directory: Path) -> None:
    # A run refuses this too, but Hydra would have written into it by then.
    if (directory / "manifest.json").exists():
        raise RunExistsError(directory)
    found = sorted(path.name for path in directory.iterdir()) if directory.is_dir() else []
    if set(found) - {".hydra", "train.log"}:
        raise DirectoryTakenError(directory, found)


def _jobs(overrides: Sequence[Override]) -> list[list[str]]:
    """List the overrides of each job of a sweep, as Hydra's basic sweeper will; the first few."""
    choices = [
        [f"{override.get_key_element()}={value}" for value in override.sweep_string_iterator()]
        if override.is_sweep_override()
        else [override.input_line or ""]
        for override in overrides
    ]
    return [list(job) for job in islice(product(*choices), MAX_JOBS_CHECKED)]


def _refuse_nameless_choice(overrides: Sequence[Override]) -> None:
    for override in overrides:
        group = override.key_or_group
        if group in GROUPS and override.value() is None and not override.is_delete():
            raise UnknownChoiceError(group, "null", choices(group))
