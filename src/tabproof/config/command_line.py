"""The command line of `train`, checked before Hydra acts on it.

Hydra makes a run's directory before the job can refuse its configuration. So the configuration is
composed and checked first, and a typing error leaves no files. A single run then goes on with what
was composed (`config.job`); Hydra composes the jobs of a sweep again.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import islice, product
from math import prod
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.plugins.completion_plugin import DefaultCompletionPlugin
from hydra.types import RunMode
from omegaconf import DictConfig, open_dict

from tabproof.artifacts.run_directory import refuse_taken
from tabproof.conf_files import CONF, choices
from tabproof.config.checks import check_config
from tabproof.config.hydra_errors import ConfigurationError, unknown_choice
from tabproof.config.job import overrides_of
from tabproof.config.options import GROUPS
from tabproof.config.quoting import quoted
from tabproof.config.schema import TrainConfig
from tabproof.config.targets import check_hydra
from tabproof.config.typed import check_keys, typed
from tabproof.errors import CommandLineError


def completions(words: Sequence[str], incomplete: str) -> list[str]:
    """Return Hydra's proposals for the last word of a command line."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        plugin = DefaultCompletionPlugin(GlobalHydra.instance().config_loader())
        found = plugin._query("train", " ".join([*words, incomplete]))
    # No choice of a user lies there.
    return [each for each in found if not each.startswith((".schema", "schema/"))]


# Composing takes a tenth of a second, so only the first jobs of a large sweep are checked.
MAX_JOBS_CHECKED = 50

PROGRAM = "python -m src.train"
# Hydra's options: those that are read here, too, and those that only Hydra can read.
READ_FLAGS = {"-m", "--multirun", "-c", "--cfg"}
UNREAD_FLAGS = {"--hydra-help", "--version", "--resolve", "--info", "--experimental-rerun"}
UNREAD_FLAGS |= {"--package", "--run", "--shell-completion", "--config-path", "--config-name"}
UNREAD_FLAGS |= {"--config-dir", "-p", "-r", "-sc", "-cp", "-cn", "-cd", "-i"}


def dataset_keys(words: Sequence[str], path: str, target: str) -> dict[str, Any]:
    """Return the keys of `dataset=file` that words give, with their values; checks all words."""
    given = overrides_of({"dataset.path": path, "dataset.target": target})
    arguments = quoted(words)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("train", overrides=["dataset=file", *given, *arguments])
        check_keys(cfg)
        config = typed(cfg)
    check_config(config)
    keys = [word.lstrip("+").partition("=")[0].split(".") for word in arguments]
    return {key[1]: getattr(config.dataset, key[1]) for key in keys if key[0] == "dataset"}


@dataclass
class Composed:
    """The configurations of a command line, and the directory of the run or of the last job.

    sweep: the directory of the sweep. configs: of a sweep, those of its first jobs. cfg: of a
    single run, what Hydra composed; None where only Hydra can run it.
    """

    directory: Path = Path()
    configs: list[TrainConfig] = field(default_factory=list)
    sweep: Path | None = None
    n_jobs: int = 1
    cfg: DictConfig | None = None


def check_command_line(arguments: Sequence[str]) -> Composed | None:
    """Compose and check a run, or the jobs of a sweep.

    Return None for what `--cfg` shows, which is checked, and for other flags (`--info`,
    `--config-dir` and so on), which only Hydra can read.
    """
    overrides, flags, shown = list[str](), set[str](), None
    rest = iter(arguments)
    for word in rest:
        flag, _, value = word.partition("=")
        if not word.startswith("-"):
            overrides.append(word)
            continue
        if flag in ("-c", "--cfg"):
            shown = value or next(rest, "nothing")
        flags.add(flag)
    for flag in sorted(flags - READ_FLAGS - UNREAD_FLAGS):
        raise CommandLineError(PROGRAM, f"No such option: {flag}")
    if shown not in (None, "job", "hydra", "all"):
        raise CommandLineError(PROGRAM, f"--cfg takes job, hydra or all, not {shown}")
    is_sweep = bool(flags & {"-m", "--multirun"})
    if unread := sorted(flags - READ_FLAGS):
        if any(override.startswith("search.resume=") for override in overrides):
            raise ConfigurationError(
                f"search.resume cannot be used with {', '.join(unread)}: the configuration is known"
                " only later; put the file into conf/, or give the overrides on the command line"
            )
        return None
    composed = Composed()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        parser = OverridesParser.create(GlobalHydra.instance().config_loader())
        values = []
        for override in parser.parse_overrides(overrides):
            group = override.key_or_group
            if group in GROUPS and override.value() is None and not override.is_delete():
                raise unknown_choice(group, "null", list(choices(group)))
            # One override for each of its values, as Hydra's basic sweeper makes them.
            words = [override.input_line or ""]
            if override.is_sweep_override():
                key = override.get_key_element()
                words = [f"{key}={value}" for value in override.sweep_string_iterator()]
            values.append(words)
        jobs = map(list, islice(product(*values), MAX_JOBS_CHECKED)) if is_sweep else [overrides]
        # As Hydra does, for `.hydra/hydra.yaml`.
        has_mode = any(override.startswith("hydra.mode=") for override in overrides)
        more = [] if has_mode else ["hydra.mode=RUN"]
        for number, job in enumerate(jobs):
            # As Hydra numbers it; for resolvers such as `hydra:job.num`, which read a global.
            numbered = [f"hydra.job.num={number}"] if is_sweep else more
            whole = compose("train", overrides=job + numbered, return_hydra_config=True)
            HydraConfig.instance().set_config(whole)
            cfg = whole if is_sweep else deepcopy(whole)
            with open_dict(cfg):
                hydra_config = cfg.pop("hydra")
            check_hydra(hydra_config)
            check_keys(cfg)
            if shown is not None:
                continue
            config = typed(cfg)
            check_config(config)
            if is_sweep:
                composed.sweep = Path(hydra_config.sweep.dir)
                composed.directory = composed.sweep / str(hydra_config.sweep.subdir)
            else:
                # Kept in what was composed: the next time `unique:` would be another text.
                composed.directory = Path(whole.hydra.run.dir)
                # Hydra shows how it composes if it is verbose.
                if hydra_config.mode is RunMode.RUN and not hydra_config.verbose:
                    composed.cfg = whole
            asked = getattr(config.search, "resume", False)
            if config.sweep.resume is None and asked is False:
                # The run checks this too, but Hydra would have written into the directory by then.
                refuse_taken(composed.directory)
            elif config.sweep.resume is None and is_sweep:
                raise ConfigurationError(
                    f"search.resume={asked} is for a single run; a sweep goes on with"
                    " -m sweep.resume=…"
                )
            composed.configs.append(config)
    composed.n_jobs = prod(map(len, values)) if is_sweep else 1
    return composed if composed.configs else None
