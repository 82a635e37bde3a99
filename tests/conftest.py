"""What tests share: configurations composed as the command line composes them, and runs."""

import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hydra import compose, initialize_config_dir
from hypothesis import settings

from tabproof.config import TrainConfig, check_config, register_schema, typed
from tabproof.config.paths import CONF

ROOT = Path(__file__).parents[1]
OPENML_HOME = ROOT / ".." / "shared" / "openml_home"

register_schema()

# `make test-all` takes the thorough profile. Tests give no number of examples of their own, unless
# one example is slow, and no deadline: how long an example takes says nothing on a busy machine.
settings.register_profile("default", max_examples=20, deadline=None)
settings.register_profile("thorough", max_examples=150, deadline=None)
settings.load_profile("default")

# A shell ignores Ctrl-C for what it runs in the background, and so would all that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

needs_openml_home = pytest.mark.skipif(
    not OPENML_HOME.is_dir(),
    reason="../shared/openml_home is absent: the real adult and credit-g are not tested",
)


# What a test does not look at it need not wait for.
QUICK = {"checks": "none", "evaluation": "minimal", "report": "none"}


def quickly(overrides: Sequence[str]) -> list[str]:
    """Leave out of a run what it was not asked for; a resumed sweep is what it was."""
    if any(override.startswith("sweep.resume=") for override in overrides):
        return []
    asked = {override.partition("=")[0] for override in overrides}
    return [f"{group}={choice}" for group, choice in QUICK.items() if group not in asked]


def composed(*overrides: str) -> TrainConfig:
    """Compose and check a configuration as the command line does; see quickly."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = typed(compose("train", overrides=[*quickly(overrides), *overrides]))
    check_config(config)
    return config


def train(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    """Run `python -m src.train` as a user does, from the project's root; see quickly."""
    return subprocess.run(
        [sys.executable, "-m", "src.train", *arguments, *quickly(arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        **options,  # type: ignore[call-overload]
    )


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the directory of a complete run; tests leave it as it is."""
    path = tmp_path_factory.mktemp("outputs") / "run"
    whole = [f"{group}=default" for group in QUICK]
    done = train("dataset=wine", "model=logistic_regression", *whole, f"hydra.run.dir={path}")
    assert done.returncode == 0, done.stderr
    return path


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
