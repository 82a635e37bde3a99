"""Check a command line before Hydra acts on it.

Hydra makes a run's directory before the job can refuse its configuration; composing
once ahead of it means that a typo leaves nothing behind.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, product
from math import prod
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.plugins.completion_plugin import DefaultCompletionPlugin
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from tabproof.config.checks import check_config
from tabproof.config.errors import ResumeInSweepError, ResumeUnreadableError, UnknownChoiceError
from tabproof.config.paths import CONF, choices
from tabproof.config.schema import GROUPS, TrainConfig, register_schema
from tabproof.config.search_schema import RungSearchConfig
from tabproof.config.typed import refuse_unknown_keys, typed
from tabproof.errors import DirectoryTakenError, RunExistsError

# --- The help page: what conf/ offers, in the words of its files.

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
    defaults = choices("")["train"].read_text(encoding="utf-8")
    lines = []
    for group in [*GROUPS, "experiment"]:
        lines.append(f"\n  {group}\n")
        for choice, path in choices(group).items():
            mark = "*" if f"- {group}: {choice}" in defaults else " "
            lines.append(f"  {mark} {choice:<29}{explanation(path)}\n")
    return USAGE + "".join(lines) + FOOTER


def completions(words: Sequence[str], incomplete: str) -> list[str]:
    """Return what a word of a command line may become, as Hydra proposes it."""
    register_schema()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        plugin = DefaultCompletionPlugin(GlobalHydra.instance().config_loader())
        return plugin._query("train", " ".join([*words, incomplete]))


def explanation(path: Path) -> str:
    """Give the first comment of a file of conf/."""
    comments = [
        line.removeprefix("# ").strip()
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.startswith("# ") and "@package" not in line
    ]
    return comments[0] if comments else ""


# --- Quotes around what Hydra's grammar has no letters for.

# A word outside quotes, inside a list or not.
NON_ASCII_WORD = re.compile(r"""(?<!["'])[^\s,\[\]{}:'"=()]*[^\x00-\x7f][^\s,\[\]{}:'"=()]*""")


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


# Composing takes a tenth of a second: the jobs of a large sweep are not all checked ahead.
MAX_JOBS_CHECKED = 50


@dataclass(frozen=True)
class Composed:
    """What a command line comes to: configurations, and where Hydra will put the run or the last.

    sweep: the directory of a sweep, of which the first jobs are composed.
    """

    configs: list[TrainConfig]
    directory: Path
    sweep: Path | None = None
    n_jobs: int = 1

    @property
    def config(self) -> TrainConfig:
        """Of a single run, the configuration."""
        return self.configs[0]


def check_command_line(arguments: Sequence[str]) -> Composed | None:
    """Compose and check a run, every job of a sweep, or what `--cfg` shows, which gives None.

    Other flags (--info, --config-dir, …) are Hydra's alone to read.
    """
    overrides = [argument for argument in arguments if not argument.startswith("-")]
    flags = {argument for argument in arguments if argument.startswith("-")}
    shows_only = bool(flags & {"-c", "--cfg"})
    composed = Composed([], Path())
    if unread := sorted(flags - {"-m", "--multirun", "-c", "--cfg"}):
        if any(override.startswith("search.resume=") for override in overrides):
            raise ResumeUnreadableError(unread)
        return None
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
                config = typed(cfg)
                check_config(config)
                directory = _directory_of(hydra_config, number if is_sweep else None)
                if not _resumes(config):
                    _refuse_taken(directory)
                elif is_sweep and config.sweep.resume is None:
                    raise ResumeInSweepError(getattr(config.search, "resume", None))
                sweep = Path(hydra_config.sweep.dir) if is_sweep else None
                n_jobs = prod(map(_n_choices, parsed)) if is_sweep else 1
                composed = Composed([*composed.configs, config], directory, sweep, n_jobs)
    return composed if composed.configs else None


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


def _resumes(config: TrainConfig) -> bool:
    if config.sweep.resume is not None:
        return True
    return isinstance(config.search, RungSearchConfig) and config.search.resume is not False


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


def _n_choices(override: Override) -> int:
    if not override.is_sweep_override():
        return 1
    return sum(1 for _ in override.sweep_string_iterator())


def _refuse_nameless_choice(overrides: Sequence[Override]) -> None:
    for override in overrides:
        group = override.key_or_group
        if group in GROUPS and override.value() is None and not override.is_delete():
            raise UnknownChoiceError(group, "null", list(choices(group)))
