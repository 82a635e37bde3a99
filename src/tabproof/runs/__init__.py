"""The commands over runs: list, compare, tidy up, promote.

In Python `tabproof.runs()` is a frame of all runs: this module can be called.
"""

import sys
from types import ModuleType
from typing import Any


class _Runs(ModuleType):
    # A function of the name would be replaced by this module as soon as that is imported.
    def __call__(self, *arguments: Any, **options: Any) -> Any:
        from tabproof.runs.frame import runs

        return runs(*arguments, **options)


sys.modules[__name__].__class__ = _Runs
