"""exp and log with the same bits on every processor, and in the evaluator of the report pages.

The C library's exp depends on the processor (one float off for one number in 1,000 without fused
multiplication and addition), NumPy's on AVX-512 too. Here each function has fixed operations, each
rounded once, which Python, NumPy and JavaScript all do alike: those of `exp`, `exp32`, `log` and
`log32` in src/tabproof/report/web/scorer/numbers.js. `exp` has the bits of glibc's exp on
processors of x86-64-v3; there the C library's own is called, which is 30 times faster.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tabproof.scorer.format import Floats

LOG2_E = 1.4426950408889634
# The logarithm of 2 in three parts. The first two have 42 bits, so their products with an exponent
# are exact.
LN2_HIGH, LN2_MIDDLE, LN2_LOW = 0.6931471805598903, 5.49792301870721e-14, 1.1612227229362532e-26
N_DOUBLINGS, N_POWERS = 8, 128
# Adding this rounds to a whole number, ties to even.
SHIFT = 6755399441055744.0
LARGEST, SMALLEST = 709.782712893384, -745.1332191019411
# With more values NumPy's loops are faster than Python's.
FEW_VALUES = 32

# All that follows takes numbers or arrays.


def _product_error(a: Any, b: Any, product: Any) -> Any:
    """Return the rounding error of a product (Dekker)."""
    wide_a, wide_b = 134217729.0 * a, 134217729.0 * b
    high_a, high_b = wide_a - (wide_a - a), wide_b - (wide_b - b)
    low_a, low_b = a - high_a, b - high_b
    return low_a * low_b - (product - high_a * high_b - low_a * high_b - high_a * low_b)


def _sum_error(a: Any, b: Any, total: Any) -> Any:
    """Return the rounding error of a sum (Knuth)."""
    part = total - a
    return a - (total - part) + (b - part)


def _fused(a: Any, b: Any, c: Any) -> Any:
    """Return a * b + c, rounded once."""
    product = a * b
    total = product + c
    return total + (_sum_error(product, c, total) + _product_error(a, b, product))


def _scaled_exp(x: Any, x_low: Any = 0.0) -> tuple[Any, Any, Any]:
    """Return exp(x + x_low) as (high + low) * 2 ** exponent, with 70 bits."""
    exponent = (x * LOG2_E + SHIFT) - SHIFT
    # The rest x - exponent * ln 2, divided by 2 ** N_DOUBLINGS.
    first = x - exponent * LN2_HIGH
    second = first - exponent * LN2_MIDDLE
    below = (
        _sum_error(x, -exponent * LN2_HIGH, first)
        + _sum_error(first, -exponent * LN2_MIDDLE, second)
        + (x_low - exponent * LN2_LOW)
    )
    scale = 2.0**-N_DOUBLINGS
    rest = (second + below) * scale
    rest_low = (below - (second + below - second)) * scale
    # exp(rest) - 1 as a power series; terms from the third on are small enough for one float.
    square = rest * rest
    series = 1 / 6 + rest * (1 / 24 + rest * (1 / 120 + rest * (1 / 720 + rest / 5040)))
    tail = rest * square * series
    total = rest + square / 2
    low = (
        _sum_error(rest, square / 2, total)
        + _product_error(rest, rest, square) / 2
        + (rest_low + rest * rest_low)
        + tail
    )
    high = total + low
    low = low - (high - total)
    # exp(2 y) - 1 is 2 e + e * e for e = exp(y) - 1.
    for _ in range(N_DOUBLINGS):
        squared = high * high
        doubled = 2 * high + squared
        error = _product_error(high, high, squared) + 2 * high * low
        low = _sum_error(2 * high, squared, doubled) + 2 * low + error
        high = doubled + low
        low = low - (high - doubled)
    whole = 1 + high
    return whole, _sum_error(1.0, high, whole) + low, exponent


def _powers() -> tuple[list[float], list[float]]:
    """Return 2 ** (i / 128): the nearest floats, and what each lacks, as a share of it."""
    powers, missing = [], []
    for i in range(N_POWERS):
        large, small = i * LN2_HIGH / N_POWERS, i * LN2_MIDDLE / N_POWERS
        x = large + small
        high, low, exponent = _scaled_exp(x, _sum_error(large, small, x) + i * LN2_LOW / N_POWERS)
        nearest = high + low
        powers.append(nearest * 2.0**exponent)
        missing.append((high - nearest + low) / nearest)
    return powers, missing


_POWERS, _MISSING = _powers()


def exp_by_steps(x: float) -> float:
    """Return e to the power of x, in operations that every processor does alike."""
    if x > LARGEST:
        return math.inf
    if x < SMALLEST:
        return 0.0
    if x != x:
        return x
    # x = n * ln 2 / 128 + rest; exp(x) = 2 ** (n / 128) * exp(rest).
    n = _fused(LOG2_E * N_POWERS, x, SHIFT) - SHIFT
    rest = _fused(n, -1.2864023111638344e-14, _fused(n, -0.005415212348111709, x))
    index, exponent = int(n) % N_POWERS, int(n) // N_POWERS
    power, square = _POWERS[index], rest * rest
    beginning = _MISSING[index] + rest
    middle = _fused(rest, 0.16666666666665886, 0.49999999999996786)
    end = _fused(rest, 0.008333335853059549, 0.0416666808410674)
    more = _fused(square * square, end, _fused(square, middle, beginning))
    # For very small results glibc needs the product twice, and does not fuse it.
    result = power + power * more if x <= -512 else _fused(power, more, power)
    return math.ldexp(result, exponent)


def _exp_of_libm(x: float) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


# Numbers whose exp is near the middle of two floats: without fused multiplication and addition, and
# in C libraries with other operations, it is the other one for some of them.
TELLING = [
    n / 2048
    for n in (
        *(-40837, -36557, -33807, -30108, -28655, -27889, -24735, -22372, -20689, -16665, -15167),
        *(-11506, -9899, -8511, -6918, -5142, -2934, -2167, -515, -481, 1059, 2398, 3188, 4275),
        *(6185, 6729, 7424, 7558, 9884, 17299, 17374, 21655, 22530, 22618, 30901, 32602, 40529),
    )
]
HAS_PORTED_EXP = all(math.exp(x) == exp_by_steps(x) for x in TELLING)
exp = _exp_of_libm if HAS_PORTED_EXP else exp_by_steps


def exp_all(values: Floats) -> Floats:
    """Return e to the power of each value, with the bits of `exp`."""
    powers = np.fromiter(map(exp, values.ravel().tolist()), np.float64, values.size)
    return powers.reshape(values.shape)


def log_all(values: Floats) -> Floats:
    """Return the float nearest to the logarithm of each value."""
    with np.errstate(divide="ignore", invalid="ignore"):
        # At most one float off, by the processor.
        near = np.log(values)
        is_finite = np.isfinite(near)
        if values.size > FEW_VALUES:
            high, low, exponent = _scaled_exp(-near)
            scaled = np.ldexp(values, exponent.astype(np.int64))
            return np.where(is_finite, near + _log_near_one(scaled, high, low), near)
    found = near.ravel().tolist()
    for index in np.flatnonzero(is_finite).tolist():
        high, low, exponent = _scaled_exp(-found[index])
        scaled = math.ldexp(float(values.flat[index]), int(exponent))
        found[index] += _log_near_one(scaled, high, low)
    return np.array(found).reshape(values.shape)


def _log_near_one(scaled: Any, high: Any, low: Any) -> Any:
    """Return the logarithm of scaled * (high + low), which is nearly 1."""
    product = scaled * high
    return product - 1 + (_product_error(scaled, high, product) + scaled * low)


# --- 32 bits.

_POWERS_32 = np.array(_POWERS[::4])
# The coefficients of NumPy's log of 32 bits, a quotient of two polynomials.
_NUMERATOR = (
    *(2.589979117907922693523e-2, 3.808837741388407920751e-1, 1.480000633576506585156),
    *(2.112677543073053063722, 9.999999999999998702752e-1, 0.0),
)
_DENOMINATOR = (
    *(5.875095403124574342950e-3, 1.546476374983906719538e-1, 9.864942958519418960339e-1),
    *(2.453006071784736363091, 2.612677543073109236779, 1.0),
)


def exp32(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return e to the power of 32-bit floats, with the bits of glibc's expf."""
    # Beyond 200 the results are 0 and infinity in any case.
    x = np.clip(values.astype(np.float64), -200.0, 200.0)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        if values.size <= FEW_VALUES:
            powers = np.array([_exp32(each) for each in x.ravel().tolist()]).reshape(x.shape)
        else:
            n, polynomial = _parts_of_exp32(x)
            whole = np.where(np.isnan(n), 0.0, n).astype(np.int64)
            powers = polynomial * np.ldexp(_POWERS_32[whole & 31], whole >> 5)
        found: NDArray[np.float32] = powers.astype(np.float32)
    return found


def _exp32(x: float) -> float:
    if x != x:
        return x
    n, polynomial = _parts_of_exp32(x)
    whole = int(n)
    power: float = polynomial * math.ldexp(_POWERS[whole % 32 * 4], whole // 32)
    return power


def _parts_of_exp32(x: Any) -> tuple[Any, Any]:
    """Return n and p of exp(x) = 2 ** (n / 32) * p."""
    n = LOG2_E * 32 * x + SHIFT - SHIFT
    rest = _fused(LOG2_E * 32, x, -n)
    upper = (0.05550361559341535 / 32 / 32 / 32) * rest + 0.2402284522445722 / 32 / 32
    return n, upper * (rest * rest) + ((0.6931471806916203 / 32) * rest + 1)


def log32(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the logarithm of positive 32-bit floats, with the bits of NumPy's on x86-64-v3."""
    mantissa, exponent = np.frexp(values.astype(np.float64))
    is_small = mantissa <= float(np.float32(math.sqrt(0.5)))
    mantissa, exponent = np.where(is_small, 2 * mantissa, mantissa), exponent - is_small
    rest = (mantissa - 1).astype(np.float32).astype(np.float64)

    def polynomial(coefficients: Sequence[float]) -> NDArray[np.float32]:
        # A product of 32-bit floats is exact in 64 bits, so each step is rounded once.
        total = np.full(rest.shape, np.float32(coefficients[0]))
        for coefficient in coefficients[1:]:
            total = (total * rest + float(np.float32(coefficient))).astype(np.float32)
        return total

    with np.errstate(invalid="ignore"):
        quotient = polynomial(_NUMERATOR) / polynomial(_DENOMINATOR)
    ln2 = float(np.float32(math.log(2)))
    found: NDArray[np.float32] = (exponent * ln2 + quotient.astype(np.float64)).astype(np.float32)
    return found
