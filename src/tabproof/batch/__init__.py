"""Score files of any size with a model: read, score and write in parts, in constant memory.

Needs Arrow and NumPy; what a model is and where runs lie is left to the caller.
"""

from tabproof.batch.cells import WantedColumn
from tabproof.batch.checking import CheckedTask, Inputs, Settings
from tabproof.batch.csv_file import CsvForm
from tabproof.batch.job import Job, Pool
from tabproof.batch.options import Options, parse
from tabproof.batch.plan import Plan, make_plan
from tabproof.batch.scoring import Model, Tally

__all__ = [
    "CheckedTask",
    "CsvForm",
    "Inputs",
    "Job",
    "Model",
    "Options",
    "Plan",
    "Pool",
    "Settings",
    "Tally",
    "WantedColumn",
    "make_plan",
    "parse",
]
