"""Numbers as pages show them: with no more digits than their interval justifies."""

from math import ceil, isfinite, log10

from src.evidence import Estimate

MINUS, THIN_SPACE = "\N{MINUS SIGN}", "\N{NARROW NO-BREAK SPACE}"
NOTHING = "\N{EN DASH}"
DECIMALS, LEAST, MOST = 3, 2, 4
# An interval that is a point.
NO_WIDTH = 1e-12
# Rounding may move a number by this part of half its interval at most.
ROUNDING = 1 / 3


def n_decimals(estimate: Estimate) -> int:
    """Say how many decimals an interval leaves any meaning to."""
    if estimate.interval is None:
        return DECIMALS
    half = (estimate.interval[1] - estimate.interval[0]) / 2
    if half < NO_WIDTH:
        return DECIMALS
    return min(max(ceil(-log10(half * ROUNDING)), LEAST), MOST)


def decimal(value: float | None, decimals: int = DECIMALS) -> str:
    """Write a number; a dash where there is none."""
    if value is None or not isfinite(value):
        return NOTHING
    text = f"{value:.{decimals}f}"
    # Nobody means minus zero.
    is_zero = not text.strip("-0.")
    return text.lstrip("-") if is_zero else text.replace("-", MINUS)


def count(number: int) -> str:
    """Write a number of things; the spaces are read alike everywhere, commas are not."""
    digits = f"{number:,}"
    return digits.replace(",", THIN_SPACE) if abs(number) >= 10_000 else digits.replace(",", "")


def plain(number: float) -> str:
    """Write a number that was given, with as many digits as it was given with."""
    return f"{number:g}".replace("-", MINUS)


def cases(estimate: Estimate) -> tuple[int, dict[str, str]]:
    """Say a share as cases of so many: 79 of 100, from 71 to 85; of 1000 if it is known so well."""
    of = 10 ** min(n_decimals(estimate), 3)
    ends = {"value": estimate.value, "low": estimate.low, "high": estimate.high}
    return of, {
        name: NOTHING if end is None else str(round(end * of)) for name, end in ends.items()
    }
