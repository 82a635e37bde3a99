"""Kernels of numeric libraries: the same on all x86-64 processors of one level.

numpy, OpenBLAS, Arrow and CatBoost choose by the processor how they compute, and so the last bits
of sums, products, exp and log. They read variables of the environment when they are loaded, which
fix that choice. The C library chooses when a process starts, and only between two sets of
functions: with fused multiplication and addition (level x86-64-v3) and without (x86-64-v2).

This module must be importable before numpy.
"""

import ctypes
import hashlib
import logging
import math
import os
import platform
import struct
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from tabproof.errors import UserError

V2, V3 = "x86-64-v2", "x86-64-v3"
LEVELS = (V2, V3)
# OpenBLAS: kernels for Nehalem and Haswell have block sizes of their own, whatever the caches are;
# those for Prescott and Core 2 depend on the size of the cache.
VARIABLES: Mapping[str, Mapping[str, str]] = {
    V2: {
        "OPENBLAS_CORETYPE": "Nehalem",
        "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
        "ARROW_USER_SIMD_LEVEL": "SSE4_2",
        # CatBoost's products of vectors.
        "Y_NO_AVX_IN_DOT_PRODUCT": "1",
    },
    V3: {
        "OPENBLAS_CORETYPE": "Haswell",
        "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
        "ARROW_USER_SIMD_LEVEL": "AVX2",
    },
}
# numpy takes this variable or NPY_DISABLE_CPU_FEATURES, not both.
EXCLUDED = "NPY_ENABLE_CPU_FEATURES"
TUNABLES, WITHOUT_V3 = "GLIBC_TUNABLES", "glibc.cpu.hwcaps=-AVX2,-FMA"
# What the level adds to x86-64-v2: bits of glibc's arrays, (leaf, register, bit), by their names in
# /proc/cpuinfo.
V3_FEATURES = {
    "fma": (0, 2, 12),
    "movbe": (0, 2, 22),
    "avx": (0, 2, 28),
    "f16c": (0, 2, 29),
    "bmi1": (1, 1, 3),
    "avx2": (1, 1, 5),
    "bmi2": (1, 1, 8),
    "abm": (2, 2, 5),
}

log = logging.getLogger(__name__)


class LevelMissingError(UserError):
    """A level that this process does not have."""

    template = "runtime.level={asked} cannot be had here: {reason}"


@cache
def processor_level() -> str | None:
    """Return the highest level at which the C library of this process computes.

    None on other processors and systems, whose kernels are not fixed.
    """
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "AMD64"):
        return None
    try:
        # glibc 2.33 and later. It counts what the user has switched off, too.
        ask = ctypes.CDLL(None).__x86_get_cpuid_feature_leaf
    except (AttributeError, OSError):
        flags = set(Path("/proc/cpuinfo").read_text("utf-8").partition("\nflags")[2].split())
        return V3 if flags.issuperset(V3_FEATURES) else V2
    ask.restype = ctypes.POINTER(ctypes.c_uint32 * 8)
    # The second half of an array has what can be used.
    has_all = all(
        ask(leaf).contents[4 + register] >> bit & 1 for leaf, register, bit in V3_FEATURES.values()
    )
    return V3 if has_all else V2


def found_level() -> str | None:
    """Return the level at which the loaded libraries compute; None if each chose its own kernels.

    The variables are not asked: libraries that were loaded before have not read them.
    """
    simd, blas = found_kernels()
    level = V3 if "X86_V3" in simd else V2
    is_plain = level == processor_level() and "X86_V4" not in simd
    core = VARIABLES[level]["OPENBLAS_CORETYPE"]
    is_fixed = all(each.startswith("openblas ") and each.endswith(f" {core}") for each in blas)
    return level if is_plain and is_fixed and blas else None


def found_kernels() -> tuple[list[str], list[str]]:
    """Return the instruction sets that numpy uses, and the linear algebra libraries."""
    # The limits of threads must be set before these are imported.
    import numpy as np
    from threadpoolctl import threadpool_info

    simd = np.show_config(mode="dicts")["SIMD Extensions"]
    blas = sorted(
        f"{pool['internal_api']} {pool['version']} {pool.get('architecture', '')}".strip()
        for pool in threadpool_info()
        if pool["user_api"] == "blas"
    )
    return [*simd.get("baseline", []), *simd.get("found", [])], blas


@cache
def libm_hash() -> str:
    """Return a short hash of what functions of the C library return.

    Its version would say less: most versions return the same, and kernels of one version do not.
    """
    # 4,000 numbers, as the two kernels of exp differ for one in 1,000.
    numbers = [i * 0.61803398875 % 1 * 30 + 0.01 for i in range(4000)]
    results = [
        function(x)
        for function in (math.exp, math.expm1, math.log, math.log1p, math.tanh)
        for x in numbers
    ]
    results += [x**1.7 for x in numbers]
    return hashlib.sha256(struct.pack(f"<{len(results)}d", *results)).hexdigest()[:8]


# --- Before the libraries are loaded.


@contextmanager
def fixed_kernels(*, portable: bool, level: str | None = None) -> Iterator[None]:
    """Let libraries and processes that are loaded and started inside the block use fixed kernels.

    level: None means that of the processor. Where numpy is loaded already, processes get the
    kernels that it has.
    """
    wanted = wanted_level(portable=portable, level=level)
    if "numpy" in sys.modules:
        if level is not None and found_level() != level:
            raise LevelMissingError(
                asked=level, reason="numpy was loaded before; a new process can have it"
            )
        wanted = found_level()
    if wanted is None:
        yield
        return
    variables = VARIABLES[wanted]
    before = {name: os.environ.get(name) for name in (*variables, EXCLUDED)}
    for name, value in before.items():
        if value is not None and value != variables.get(name):
            log.warning(
                "runtime.portable: %s=%s is not used in this run; runtime.portable=false uses it",
                name,
                value,
            )
    os.environ.pop(EXCLUDED, None)
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            os.environ.update({} if value is None else {name: value})


def wanted_level(*, portable: bool, level: str | None) -> str | None:
    """Return the level of a run in this process; None if its kernels are not fixed."""
    here = processor_level()
    if not portable or here is None:
        if level is not None:
            reason = "it needs runtime.portable=true" if here else "this is no Linux on x86-64"
            raise LevelMissingError(asked=level, reason=reason)
        return None
    if level == V3 and here == V2:
        raise LevelMissingError(asked=level, reason=f"this processor has {V2}")
    if level == V2 and here == V3:
        raise LevelMissingError(
            asked=level,
            reason=f"the C library has chosen {V3}; start Python with {TUNABLES}={WITHOUT_V3}",
        )
    return level or here


def words_for(platform: Mapping[str, Any], given: Sequence[str]) -> list[str]:
    """Return the words that ask for the kernels of a recorded run, as far as this machine has them.

    None if given words choose. A run without a level had the kernels of its own machine.
    """
    keys = {word.partition("=")[0] for word in given}
    here = processor_level()
    if here is None or not platform or keys & {"runtime", "runtime.portable", "runtime.level"}:
        return []
    level = platform.get("level")
    if level is None:
        return ["runtime.portable=false"]
    return [f"runtime.level={level}"] if level in LEVELS and level <= here else []


def restart_below(level: str | None, **variables: str) -> None:
    """Start this command again if it needs a lower level than the C library has chosen.

    The C library chooses once, before any code of Python runs. variables: for the new process.
    """
    given = os.environ.get(TUNABLES, "")
    if level != V2 or processor_level() != V3 or given.endswith(WITHOUT_V3):
        return
    tunables = ":".join(filter(None, (given, WITHOUT_V3)))
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(  # noqa: S606 - this command, with its own words
        sys.executable,
        [sys.executable, *sys.orig_argv[1:]],
        {**os.environ, **variables, TUNABLES: tunables},
    )
