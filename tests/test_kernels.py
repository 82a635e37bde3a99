"""Kernels are fixed before numeric libraries load: one machine's numbers are those of another."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping

import pytest

from tabproof import kernels
from tabproof.kernels import V2, V3, LevelMissingError, fixed_kernels, processor_level, words_for
from tests.conftest import ROOT

here = processor_level()
pytestmark = pytest.mark.skipif(here is None, reason="kernels are fixed on x86-64 with Linux only")
needs_v3 = pytest.mark.skipif(here != V3, reason="a processor of x86-64-v3")
OWN = {name for each in kernels.VARIABLES.values() for name in each} | {kernels.TUNABLES}

# The weights of a linear model, and numpy's exp: what differs between processors first.
FIT = """
import hashlib, json, sys
from tabproof.kernels import fixed_kernels, found_level, libm_hash
if {loaded}:
    import numpy
with fixed_kernels(portable={portable}):
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    x = np.random.default_rng(0).normal(size=(300, 40))
    model = LogisticRegression(max_iter=200).fit(x, x[:, 0] + x[:, 1] ** 2 > 1)
    bits = model.coef_.tobytes() + np.exp(x).tobytes()
    print(json.dumps([hashlib.sha256(bits).hexdigest(), found_level(), libm_hash()]))
"""


def fit_on(
    variables: Mapping[str, str], *, portable: bool = True, loaded: bool = False
) -> tuple[str, str | None, str]:
    """Return a hash of numbers, the level that was found, and libm's hash, of a machine."""
    environment = {name: value for name, value in os.environ.items() if name not in OWN}
    done = subprocess.run(
        [sys.executable, "-c", FIT.format(portable=portable, loaded=loaded)],
        cwd=ROOT, env={**environment, **variables}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    bits, level, libm = json.loads(done.stdout)
    return bits, level, libm


def test_numbers_do_not_depend_on_what_libraries_would_choose() -> None:
    machines = [{"OPENBLAS_CORETYPE": core} for core in ("Prescott", "Nehalem")]
    found = {fit_on(machine) for machine in machines}
    assert len(found) == 1
    assert found.pop()[1] == here
    # The test can fail: left alone, these machines differ.
    alone = [fit_on(machine, portable=False) for machine in machines]
    assert alone[0][0] != alone[1][0]


@needs_v3
def test_a_machine_without_v3_has_other_kernels_and_says_so() -> None:
    older = fit_on({kernels.TUNABLES: kernels.WITHOUT_V3})
    own = fit_on({})
    assert (older[1], own[1]) == (V2, V3)
    assert older[2] != own[2]


def test_the_level_is_read_from_libraries_not_from_variables() -> None:
    # They were loaded before, with kernels of another machine.
    assert fit_on({"OPENBLAS_CORETYPE": "Prescott"}, loaded=True)[1] is None


def test_workers_get_the_kernels_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    from joblib import Parallel, delayed
    from joblib.externals.loky import get_reusable_executor

    # Workers of an earlier test would be used again, with the kernels that they were started with.
    get_reusable_executor().shutdown(wait=True)
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
    own = kernels.found_level()
    with fixed_kernels(portable=False):
        if own is not None:
            assert os.environ["OPENBLAS_CORETYPE"] == kernels.VARIABLES[own]["OPENBLAS_CORETYPE"]
        found = Parallel(2)(delayed(kernels.found_level)() for _ in range(2))
    assert found == [own, own]
    assert os.environ["OPENBLAS_CORETYPE"] == "Prescott"


def test_levels_that_cannot_be_had_are_refused() -> None:
    with pytest.raises(LevelMissingError, match=r"it needs runtime\.portable=true"):
        kernels.wanted_level(portable=False, level=V2)
    other = V2 if here == V3 else V3
    with pytest.raises(LevelMissingError, match=f"runtime.level={other} cannot be had here"):
        kernels.wanted_level(portable=True, level=other)


@pytest.mark.parametrize(
    ("platform", "given", "words"),
    [
        ({"level": V2}, [], [f"runtime.level={V2}"]),
        # This machine's own level, where it lacks that of the run.
        ({"level": "x86-64-v4"}, [], []),
        ({"level": V2}, ["runtime.portable=false"], []),
        ({"level": V2}, ["runtime=serial"], []),
        ({"level": V2}, ["runtime.workers=2"], [f"runtime.level={V2}"]),
        # A run with the kernels of its own machine, or of an earlier version.
        ({"libc": "glibc 2.36"}, [], ["runtime.portable=false"]),
        ({}, [], []),
    ],
)
def test_a_replay_asks_for_the_kernels_of_the_run(
    platform: dict[str, str], given: list[str], words: list[str]
) -> None:
    assert words_for(platform, given) == words


@needs_v3
def test_a_command_that_needs_a_lower_level_is_started_again() -> None:
    code = (
        "from tabproof import kernels\n"
        "kernels.restart_below('x86-64-v2', TRAIN_PARENT_PID='7')\n"
        "import os, sys\n"
        "print(kernels.processor_level(), os.environ['TRAIN_PARENT_PID'], sys.argv[1:])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--check", "a b"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout == "x86-64-v2 7 ['--check', 'a b']\n"
