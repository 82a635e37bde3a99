"""Tables: where they come from, what is wrong with them, how their rows are divided."""

from tabproof.data.checks import check
from tabproof.data.division import (
    Division,
    GroupedRows,
    OrderedRows,
    Rows,
    StratifiedRows,
    describe_division,
    divide,
)
from tabproof.data.file import load_file
from tabproof.data.openml import load_builtin, load_openml
from tabproof.data.table import Table, describe, fingerprint, log_treatments

__all__ = [
    "Division",
    "GroupedRows",
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
]
