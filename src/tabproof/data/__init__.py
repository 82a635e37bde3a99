"""Tables: where they come from, what is wrong with them, how their rows are divided."""

from tabproof.data.checks import check
from tabproof.data.division import (
    Division,
    GroupedRows,
    OrderedRows,
    Rows,
    StratifiedRows,
    check_categories,
    divide,
    in_words,
)
from tabproof.data.file import load_file
from tabproof.data.findings import findings_in_words, refuse
from tabproof.data.openml import load_builtin, load_openml
from tabproof.data.table import Fingerprint, Table, describe, fingerprint

__all__ = [
    "Division",
    "Fingerprint",
    "GroupedRows",
    "OrderedRows",
    "Rows",
    "StratifiedRows",
    "Table",
    "check",
    "check_categories",
    "describe",
    "divide",
    "findings_in_words",
    "fingerprint",
    "in_words",
    "load_builtin",
    "load_file",
    "load_openml",
    "refuse",
]
