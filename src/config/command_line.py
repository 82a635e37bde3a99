"""Check a command line before Hydra acts on it.

Hydra makes a run's directory before the job can refuse its configuration; composing
once ahead of it means that a typo leaves nothing behind.
"""

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
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from src.config.checks import check_config
from src.config.help_page import choices
from src.config.schema import GROUPS, TrainConfig
from src.config.search_schema import RungSearchConfig
from src.config.typed import refuse_unknown_keys, typed
from src.config.valid_keys import CONF
from src.errors import (
    DirectoryTakenError,
    ResumeInSweepError,
    ResumeUnreadableError,
    RunExistsError,
    UnknownChoiceError,
)

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
            raise UnknownChoiceError(group, "null", choices(group))
