"""The examples in the docstrings of what `import tabproof` offers are true."""

import doctest
from importlib import import_module

import pytest

import tabproof as tp

MODULES = [
    "tabproof",
    "tabproof.api.train",
    "tabproof.search.estimator",
    "tabproof.search.portfolio",
]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", MODULES)
def test_examples_are_true(name: str) -> None:
    found = doctest.testmod(import_module(name), optionflags=doctest.ELLIPSIS)
    assert found.failed == 0
    assert found.attempted > 0


def test_all_that_is_offered_explains_itself() -> None:
    for name in tp.__all__:
        assert len(getattr(tp, name).__doc__) > 20, name
