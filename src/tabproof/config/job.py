"""A run in this process: on disk as Hydra lays it out, without Hydra's console and logging."""

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
from hydra.core.utils import JobRuntime, run_job
from hydra.errors import HydraException
from hydra.types import HydraContext
from hydra.version import VersionBase
from omegaconf import DictConfig

from tabproof.conf_files import CONF, escaped
from tabproof.config.checks import check_config
from tabproof.config.quoting import in_quotes
from tabproof.config.schema import GROUPS, TrainConfig
from tabproof.config.typed import typed

# Groups of conf/ without a schema.
UNTYPED_GROUPS = {"experiment"}


def run_in_process(overrides: Sequence[str], task: Callable[[TrainConfig, Path], None]) -> None:
    """Compose a run and write `.hydra/` into its directory, then call the task with both.

    The current process keeps its logging, its working directory and its own use of Hydra.
    """
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("train", overrides=list(overrides), return_hydra_config=True)
        context = HydraContext(GlobalHydra.instance().config_loader(), Callbacks())
    failure: list[Exception] = []

    def call(composed: DictConfig) -> None:
        # Hydra would print an error that it gets to see.
        try:
            config = typed(composed)
            check_config(config)
            task(config, Path(HydraConfig.get().runtime.output_dir))
        except Exception as error:
            failure.append(error)

    run_job(call, cfg, "hydra.run.dir", None, context, configure_logging=False)
    for error in failure:
        raise error


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
