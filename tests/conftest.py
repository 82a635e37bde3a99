"""Shared by the tests: configurations composed as on the command line, and runs."""

import gc
import logging
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, chdir, contextmanager
from copy import deepcopy
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import pytest

from tabproof.kernels import fixed_kernels

# Runs in this process have the bits of those of the command line.
with fixed_kernels(portable=True), warnings.catch_warnings():
    # About features that this processor does not have.
    warnings.simplefilter("ignore", ImportWarning)
    import sklearn.ensemble  # noqa: F401

import numpy as np
import pandas as pd
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hypothesis import settings

from tabproof.artifacts.files import locked
from tabproof.cli import main
from tabproof.conf_files import CONF
from tabproof.config import TrainConfig, check_config, typed
from tests import composing_quickly

ROOT = Path(__file__).parents[1]
OPENML_HOME = ROOT / ".." / "shared" / "openml_home"

# Whatever is installed, child processes import this checkout.
os.environ["PYTHONPATH"] = f"{ROOT / 'src'}{os.pathsep}{ROOT}"

# `make test-all` takes the thorough profile. Tests give no number of examples of their own, unless
# one example is slow, and no deadline: how long an example takes says nothing on a busy machine.
settings.register_profile("default", max_examples=10, deadline=None)
settings.register_profile("thorough", max_examples=150, deadline=None)
settings.load_profile("default")

# A shell ignores Ctrl-C for what it runs in the background, and so would all that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)


composing_quickly.install()


def pytest_collection_finish() -> None:
    """Leave modules and tests out of garbage collections, which pass over all objects."""
    gc.collect()
    gc.freeze()


needs_openml_home = pytest.mark.skipif(
    not OPENML_HOME.is_dir(),
    reason="../shared/openml_home is absent: the real adult and credit-g are not tested",
)


# Choices that make a run fast, where a test does not need what they leave out.
QUICK = {"checks": "none", "evaluation": "minimal", "report": "none"}


def quickly(overrides: Sequence[str]) -> list[str]:
    """Return overrides for a fast run; none for a resumed sweep, which keeps its choices."""
    if any(override.startswith("sweep.resume=") for override in overrides):
        return []
    asked = {override.partition("=")[0] for override in overrides}
    return [f"{group}={choice}" for group, choice in QUICK.items() if group not in asked]


def composed(*overrides: str) -> TrainConfig:
    """Compose and check a configuration as the command line does; see quickly."""
    return deepcopy(_composed(*quickly(overrides), *overrides))


@cache
def _composed(*overrides: str) -> TrainConfig:
    # Hydra needs a third of a second for it.
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = typed(compose("train", overrides=list(overrides)))
    check_config(config)
    return config


Done = subprocess.CompletedProcess[str]


def process(command: str, *words: object, cwd: Path = ROOT, **options: Any) -> Done:
    """Run `python -m src.<command>` in a process of its own; return its output and exit code."""
    return subprocess.run(
        [sys.executable, "-m", f"src.{command}", *map(str, words)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=300,
        **options,
    )


def typed_in(command: str, *words: object, cwd: Path = ROOT) -> Done:
    """Run `python -m src.<command>` in this process; return its output and exit code.

    Not for what changes the process for good (`runtime.niceness`), nor for signals.
    """
    with ExitStack() as stack:
        out, err = (stack.enter_context(TemporaryFile()) for _ in range(2))
        stack.enter_context(_as_new_process())
        stack.enter_context(chdir(cwd))
        stack.enter_context(_printing_to(out, err))
        sys.argv = [f"src/{command}.py", *map(str, words)]
        with pytest.raises(SystemExit) as ended:
            main(command)
        code = ended.value.code
        assert isinstance(code, int)
        sys.stdout.flush()
        sys.stderr.flush()
        printed = [(file.seek(0), file.read().decode())[1] for file in (out, err)]
    return subprocess.CompletedProcess([command, *map(str, words)], code, *printed)


@contextmanager
def _as_new_process() -> Iterator[None]:
    """Restore what a command changes in its process."""
    root = logging.getLogger()
    handlers, level, arguments = list(root.handlers), root.level, list(sys.argv)
    environment = dict(os.environ)
    root.handlers[:] = []
    root.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            # As Python has them: pytest makes errors of warnings.
            warnings.resetwarnings()
            for category in (DeprecationWarning, PendingDeprecationWarning, ResourceWarning):
                warnings.simplefilter("ignore", category)
            yield
    finally:
        logging.captureWarnings(False)
        for handler in root.handlers:
            handler.close()
        root.handlers[:] = handlers
        root.setLevel(level)
        sys.argv = arguments
        os.environ.clear()
        os.environ.update(environment)
        GlobalHydra.instance().clear()
        HydraConfig.instance().cfg = None


@contextmanager
def _printing_to(out: IO[bytes], err: IO[bytes]) -> Iterator[None]:
    """Redirect standard output and error, those of child processes too."""
    streams, kept = (sys.stdout, sys.stderr), (os.dup(1), os.dup(2))
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    sys.stdout, sys.stderr = (
        open(number, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        for number in (1, 2)
    )
    try:
        yield
    finally:
        sys.stdout.close()
        sys.stderr.close()
        sys.stdout, sys.stderr = streams
        for number, copy in enumerate(kept, start=1):
            os.dup2(copy, number)
            os.close(copy)


def train(*arguments: str, env: dict[str, str] | None = None) -> Done:
    """Run `python -m src.train` from the project's root; see quickly.

    env: variables of a process of its own; without, it runs in this one.
    """
    words = [*arguments, *quickly(arguments)]
    return typed_in("train", *words) if env is None else process("train", *words, env=env)


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a path at which the first worker of this test run makes something; others wait.

    make : called with the path, whose directory exists
    """
    base = factory.getbasetemp()
    # Each worker of pytest-xdist has a directory of its own below the common one.
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = shared / f"once_{name}"
    with locked(shared / f"once_{name}.lock", wait=True):
        if not (folder / "made").exists():
            folder.mkdir(exist_ok=True)
            make(folder / name)
            (folder / "made").touch()
    return folder / name


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of a complete run; tests must not change it."""

    def make(path: Path) -> None:
        whole = [f"{group}=default" for group in QUICK]
        done = train("dataset=wine", "model=logistic_regression", *whole, f"hydra.run.dir={path}")
        assert done.returncode == 0, done.stderr

    return made_once(tmp_path_factory, "run", make)


@pytest.fixture(scope="session")
def make_csv(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Make a small table of numbers and categories, with missing cells, that can be learned."""

    def make(n_rows: int = 120, n_classes: int = 2) -> Path:
        path = tmp_path_factory.mktemp("table") / f"small_{n_classes}.csv"
        rng = np.random.default_rng(0)
        age, income = rng.normal(40, 10, n_rows), rng.lognormal(3, 1, n_rows)
        job = rng.choice(["clerk", "farmer", "smith"], n_rows)
        score = age + 10 * (job == "smith") + rng.normal(0, 5, n_rows)
        label = pd.qcut(score, n_classes, labels=[f"c{i}" for i in range(n_classes)])
        frame = pd.DataFrame({"age": age, "income": income, "job": job, "label": label})
        frame.loc[::11, "income"] = np.nan
        frame.loc[::13, "job"] = None
        frame.to_csv(path, index=False)
        return path

    return make
