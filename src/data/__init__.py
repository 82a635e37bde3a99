"""Tables: where they come from, what is wrong with them, how their rows are divided."""

from src.data.builtin import load_builtin
from src.data.checks import check, findings_in_words, refuse
from src.data.description import describe
from src.data.division import Division, check_categories, divide, in_words
from src.data.file import load_file
from src.data.fingerprint import Fingerprint, fingerprint
from src.data.openml import load_openml
from src.data.rows import GroupedRows, OrderedRows, Rows, StratifiedRows
from src.data.table import Table

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
