"""A run as Hydra lays it out on disk, of what is composed already."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobRuntime, configure_log, run_job
from hydra.errors import HydraException
from hydra.types import HydraContext
from hydra.version import VersionBase
from omegaconf import DictConfig

from tabproof.conf_files import CONF, escaped
from tabproof.config.checks import check_config
from tabproof.config.options import GROUPS
from tabproof.config.quoting import in_quotes
from tabproof.config.schema import TrainConfig
from tabproof.config.typed import typed

# Groups of conf/ without a schema.
UNTYPED_GROUPS = {"experiment"}


def run_composed(
    cfg: DictConfig, task: Callable[[DictConfig], None], *, is_program: bool = True
) -> None:
    """Run what was composed, with its node `hydra`: write `.hydra/`, then call the task.

    Hydra's own `main` would compose it twice more, for a quarter of a second each.
    is_program: set up logging and callbacks, too, as `hydra.main` does.
    """
    callbacks = Callbacks(cfg if is_program else None)
    if is_program:
        configure_log(cfg.hydra.hydra_logging, cfg.hydra.verbose)
    failures: list[Exception] = []

    def call(composed: DictConfig) -> None:
        # Hydra would print an error that it gets to see.
        try:
            task(composed)
        except Exception as error:
            failures.append(error)

    with initialize_config_dir(str(CONF), version_base="1.3"):
        context = HydraContext(GlobalHydra.instance().config_loader(), callbacks)
        callbacks.on_run_start(config=cfg, config_name="train")
        ended = run_job(call, cfg, "hydra.run.dir", None, context, configure_logging=is_program)
        callbacks.on_run_end(config=cfg, config_name="train", job_return=ended)
    for error in failures:
        raise error


def run_in_process(
    overrides: Sequence[str],
    task: Callable[[TrainConfig, Path], None],
    cfg: DictConfig | None = None,
) -> None:
    """Run a task in this process, which keeps its logging and its own use of Hydra.

    cfg: what was composed of the overrides; None where it is composed here.
    """
    if cfg is None:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            cfg = compose("train", overrides=list(overrides), return_hydra_config=True)

    def call(composed: DictConfig) -> None:
        config = typed(composed)
        check_config(config)
        task(config, Path(HydraConfig.get().runtime.output_dir))

    run_composed(cfg, call, is_program=False)


@contextmanager
def kept_globals() -> Iterator[None]:
    """Leave Hydra's globals as they were: the program may use Hydra for itself."""
    hydra, config = GlobalHydra.instance().hydra, HydraConfig.instance().cfg
    runtime, version = JobRuntime.instance().conf.copy(), VersionBase.instance().version_base
    GlobalHydra.instance().clear()
    try:
        yield
    finally:
        # Composing makes another instance.
        GlobalHydra.instance().hydra, HydraConfig.instance().cfg = hydra, config
        JobRuntime.instance().conf, VersionBase.instance().version_base = runtime, version


# --- Overrides from values of Python.


def overrides_of(choices: Mapping[str, Any]) -> list[str]:
    """Return the words of a command line for keys with values of Python.

    A key of the dataset may be given without `dataset.`, such as `target`.
    """
    known = {f.name for f in fields(TrainConfig)} | UNTYPED_GROUPS
    of_dataset = {f.name for each in GROUPS["dataset"].values() for f in fields(each)} - known
    return [
        f"{f'dataset.{key}' if key in of_dataset else key}={_in_grammar(value)}"
        for key, value in choices.items()
    ]


def _in_grammar(value: Any) -> str:
    """Write a value in Hydra's grammar."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_key(str(k))}: {_in_grammar(v)}' for k, v in value.items())}}}"
    if isinstance(value, (list, tuple, set, frozenset)):
        return f"[{', '.join(map(_in_grammar, value))}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (int, float)):
        return repr(value)
    return _text(str(value))


def _key(name: str) -> str:
    # Hydra's grammar has no quotes for keys; `tabproof.config.quoted` reads them.
    return name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", name) else f'"{name}"'


def _text(text: str) -> str:
    """Return a text as it is where Hydra reads it as this text, else in quotes."""
    with suppress(HydraException):
        found = OverridesParser.create().parse_override(f"key={text}").value()
        if found == text and text and "${" not in text:
            return text
    return in_quotes(escaped(text))
