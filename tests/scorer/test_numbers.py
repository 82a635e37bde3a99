"""exp and log have the bits of the C library of x86-64-v3, on any processor."""

import math
import os
import subprocess
import sys
from decimal import Context, Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from tabproof.kernels import TUNABLES, V3, VARIABLES, WITHOUT_V3, processor_level
from tabproof.scorer import numbers
from tests.conftest import ROOT

EXACTLY = Context(prec=60, Emin=-10_000, Emax=10_000)
needs_v3 = pytest.mark.skipif(processor_level() != V3, reason="a processor of x86-64-v3 on Linux")


@needs_v3
@given(st.floats(-708.3, 709.7))
def test_exp_by_steps_is_that_of_the_c_library(x: float) -> None:
    assert numbers.exp_by_steps(x) == math.exp(x) == numbers.exp(x)


@needs_v3
def test_numbers_of_32_bits_are_those_of_the_libraries() -> None:
    rng = np.random.default_rng(0)
    # Above 88 the complex function multiplies two powers, which expf does not.
    values = rng.uniform(-104, 88, 40_000).astype(np.float32)
    # For complex numbers NumPy calls expf.
    expected = np.exp(values.astype(np.complex64)).real
    assert_array_equal(numbers.exp32(values), expected)
    assert_array_equal([numbers.exp32(values[i : i + 1])[0] for i in range(500)], expected[:500])
    values = rng.uniform(0, 1, 40_000).astype(np.float32) + np.float32(1e-12)
    assert_array_equal(numbers.log32(values), np.log(values))


@pytest.mark.parametrize("n_values", [1, numbers.FEW_VALUES, numbers.FEW_VALUES + 1, 500])
def test_log_is_the_float_nearest_to_the_exact_result(n_values: int) -> None:
    values = np.random.default_rng(n_values).uniform(0, 1, n_values)
    expected = [float(Decimal(value).ln(EXACTLY)) for value in values.tolist()]
    assert numbers.log_all(values).tolist() == expected


@pytest.mark.parametrize("repeats", [1, 50])
def test_the_ends_of_the_scale(repeats: int) -> None:
    inf, nan = np.inf, np.nan
    values = np.tile([1e308, -1e308, inf, -inf, nan, 0.0], repeats)
    for exp in (numbers.exp_all(values), list(map(numbers.exp_by_steps, values.tolist()))):
        assert_array_equal(exp, np.tile([inf, 0, inf, 0, nan, 1], repeats))
    values = np.tile(np.float32([88.75, -104, inf, -inf, nan, 0]), repeats)
    assert_array_equal(numbers.exp32(values), np.tile([inf, 0, inf, 0, nan, 1], repeats))
    # A damaged scorer may have any probability.
    values = np.tile([0.0, -1.0, inf, nan, 1.0, 5e-324], repeats)
    expected = np.tile([-inf, nan, inf, nan, 0, -744.4400719213812], repeats)
    assert_array_equal(numbers.log_all(values), expected)


PROBE = """
import hashlib
import numpy as np
from tabproof.scorer import numbers
from tabproof.scorer.model import apply_link
x = np.random.default_rng(0).normal(0, 5, (4000, 3))
parts = [apply_link(link, x, 1) for link in ("softmax", "softmax_float32")]
parts += [apply_link(link, x[:, :1], 1) for link in ("logistic", "logistic_float32")]
parts += [numbers.log_all(parts[0]), numbers.log32(parts[0].astype(np.float32))]
print(hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest())
"""


@needs_v3
def test_probabilities_are_the_same_without_fused_operations() -> None:
    found = set()
    for level, tunables in (("x86-64-v2", WITHOUT_V3), (V3, ""), (None, "")):
        # None: what NumPy chooses by itself.
        mine = dict.fromkeys(VARIABLES[V3], "") if level is None else dict(VARIABLES[level])
        environment = {name: os.environ[name] for name in ("PATH", "PYTHONPATH")} | {
            name: value for name, value in (mine | {TUNABLES: tunables}).items() if value
        }
        done = subprocess.run(
            [sys.executable, "-c", PROBE],
            cwd=ROOT, env=environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
        found.add(done.stdout)
    assert len(found) == 1
