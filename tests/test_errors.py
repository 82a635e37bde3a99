"""Errors word themselves, in one line, and stay themselves on the way between processes."""

import inspect
import pickle
from pathlib import Path

import pytest

from tabproof import errors
from tabproof.data.errors import SeparatorError
from tabproof.errors import ColumnMissingError, UserError
from tabproof.runtime.errors import WriteError

KINDS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, UserError) and kind is not UserError
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_comes_back_from_another_process_as_it_was(kind: type[UserError]) -> None:
    sent = kind.__new__(kind)
    sent.args = ("what was asked, found, and would work",)
    received = pickle.loads(pickle.dumps(sent))  # noqa: S301 - our own bytes
    assert type(received) is kind
    assert str(received) == str(sent)
    assert received.exit_code == sent.exit_code


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_ends_a_program_with_a_failure(kind: type[UserError]) -> None:
    assert kind.exit_code in (1, 2)
    assert kind.__doc__


def test_a_long_list_is_cut_and_counted() -> None:
    message = str(ColumnMissingError("dataset.target", "z", [f"c{i}" for i in range(100)]))
    assert "'c19', … (100 in all)" in message
    assert "c20" not in message


def test_a_tab_is_shown_as_it_is_typed() -> None:
    assert "'dataset.separator=\\t'" in str(SeparatorError(Path("a.csv"), ",", "\t"))


def test_an_error_of_writing_names_place_reason_and_remedy() -> None:
    message = str(WriteError(OSError(28, "No space left on device", "outputs/x")))
    assert message.startswith("cannot write outputs/x: No space left on device")
    assert "hydra.run.dir=" in message
