"""Tables: where they come from, what is wrong with them, how their rows are divided.

Importing this package loads pandas. What learns from rows loads scikit-learn and SciPy too, which
take seconds where a machine is busy: its names are imported when they are used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tabproof.data.file import load_file, table_of
from tabproof.data.table import Table, describe, fingerprint, log_treatments

if TYPE_CHECKING:
    from tabproof.data.checks import check
    from tabproof.data.division import (
        Division,
        GroupedRows,
        NewestRows,
        OrderedRows,
        Rows,
        StratifiedRows,
        describe_division,
        divide,
    )
    from tabproof.data.openml import load_builtin, load_openml

# By name: the module that has it.
_PLACES = {
    "check": "checks",
    "load_builtin": "openml",
    "load_openml": "openml",
    **dict.fromkeys(
        ("Division", "GroupedRows", "NewestRows", "OrderedRows", "Rows", "StratifiedRows"),
        "division",
    ),
    **dict.fromkeys(("describe_division", "divide"), "division"),
}

__all__ = [
    "Division",
    "GroupedRows",
    "NewestRows",
    "OrderedRows",
    "Rows",
    "StratifiedRows",
    "Table",
    "check",
    "describe",
    "describe_division",
    "divide",
    "fingerprint",
    "load_builtin",
    "load_file",
    "load_openml",
    "log_treatments",
    "table_of",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
