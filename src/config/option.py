"""How a key of the configuration is declared."""

from dataclasses import field
from typing import Any

from omegaconf import MISSING


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
