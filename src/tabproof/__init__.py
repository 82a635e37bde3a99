"""Reproducible experiments for tabular classification.

>>> import tabproof as tp
>>> run = tp.train("dataset=wine", "search=none", "report=none")     # the words of a command line
>>> run = tp.train(frame, target="churned", search="fast")           # doctest: +SKIP
>>> run.metrics["roc_auc"], run.report(), run.predict_proba(frame)   # doctest: +SKIP

Importing this package loads nothing: a name is imported when it is used.
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tabproof.api.run import Run
    from tabproof.api.runs import Comparison, compare, load_run, promote
    from tabproof.api.train import train
    from tabproof.errors import UserError
    from tabproof.runs.frame import runs
    from tabproof.search import AutoSearchCV, PortfolioSearchCV, RungSearchCV

# By name: the module that has it.
_PLACES = {
    "AutoSearchCV": "tabproof.search",
    "Comparison": "tabproof.api.runs",
    "PortfolioSearchCV": "tabproof.search",
    "Run": "tabproof.api.run",
    "RungSearchCV": "tabproof.search",
    "UserError": "tabproof.errors",
    "compare": "tabproof.api.runs",
    "load_run": "tabproof.api.runs",
    "promote": "tabproof.api.runs",
    "train": "tabproof.api.train",
}

__all__ = [
    "AutoSearchCV",
    "Comparison",
    "PortfolioSearchCV",
    "Run",
    "RungSearchCV",
    "UserError",
    "compare",
    "load_run",
    "promote",
    "runs",
    "train",
]


def __getattr__(name: str) -> Any:
    if name != "runs" and name not in _PLACES:
        raise AttributeError(f"module 'tabproof' has no attribute '{name}'")
    if "numpy" in sys.modules:
        return _import(name)
    from tabproof.kernels import fixed_kernels

    # Later it would be too late: libraries choose their kernels once, when they are loaded.
    with fixed_kernels(portable=True):
        if name == "train":
            import_module("sklearn.ensemble")
        return _import(name)


def _import(name: str) -> Any:
    if name == "runs":
        return import_module("tabproof.runs")
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES})
