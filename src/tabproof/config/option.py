"""How a key of the configuration is declared."""

import re
from dataclasses import field
from typing import Any

from omegaconf import MISSING

# --- Durations as people write them: 90s, 10m, 1h30m.

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
FORM = re.compile(r"(?:\d+(?:\.\d+)?[smhd])+")
PART = re.compile(r"(\d+(?:\.\d+)?)([smhd])")


def seconds_of(text: str) -> float | None:
    """Give the seconds; None for what is no duration above zero."""
    if FORM.fullmatch(text.strip()) is None:
        return None
    total = sum(float(number) * SECONDS[unit] for number, unit in PART.findall(text))
    return total or None


def option(
    doc: str, default: Any = MISSING, *, decides_numbers: bool = True, is_ordered: bool = False
) -> Any:
    """Declare a key with its explanation.

    decides_numbers=False keeps the key out of the run id: it says where something lies
    or how long to wait, never what comes out.
    is_ordered: entries of a dictionary that make something else in another order.
    """
    metadata = {"doc": doc, "decides_numbers": decides_numbers, "is_ordered": is_ordered}
    if isinstance(default, (list, dict)):
        return field(default_factory=lambda: type(default)(default), metadata=metadata)
    return field(default=default, metadata=metadata)
