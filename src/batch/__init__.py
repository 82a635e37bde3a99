"""Score files of any size with a model: read, score and write in parts, in constant memory.

Needs Arrow and NumPy; what a model is and where runs lie is left to the caller.
"""

from src.batch.checking import CheckedTask, Inputs, Settings
from src.batch.columns import WantedColumn
from src.batch.csv_file import CsvForm
from src.batch.job import Job
from src.batch.options import HELP, Options, parse
from src.batch.plan import Plan, make_plan
from src.batch.scoring import Model
from src.batch.tally import Tally
from src.batch.work import Pool

__all__ = [
    "HELP",
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
