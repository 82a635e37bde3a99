"""Error messages are one line and complete, also after a journey between processes."""

import importlib
import pickle
import pkgutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import tabproof
from tabproof.errors import ColumnMissingError, PathError, UserError, first_line


def subclasses(kind: type[UserError]) -> Iterator[type[UserError]]:
    for each in kind.__subclasses__():
        yield each
        yield from subclasses(each)


@pytest.fixture
def kinds() -> list[type[UserError]]:
    for module in pkgutil.walk_packages(tabproof.__path__, "tabproof."):
        # A package of an extra may be missing here.
        with suppress(ModuleNotFoundError, UserError):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    return [kind for kind in subclasses(UserError) if kind.__module__.startswith("tabproof.")]


def test_errors_survive_pickling(kinds: list[type[UserError]]) -> None:
    assert len(kinds) > 60
    for kind in kinds:
        sent = kind.__new__(kind)
        sent.args = ("what was asked, found, and would work",)
        received = pickle.loads(pickle.dumps(sent))  # noqa: S301 - our own bytes
        assert type(received) is kind
        assert str(received) == str(sent)


def test_every_error_has_a_docstring_and_an_exit_code(kinds: list[type[UserError]]) -> None:
    assert [kind for kind in kinds if kind.exit_code not in (1, 2) or not kind.__doc__] == []


def test_fields_of_a_template_are_given_in_order_or_by_name() -> None:
    class OddError(UserError):
        template = "{what!r} is {share:.1f}, not {valid}: '{what}'"

    for error in (
        OddError("a\nb", 0.25, ["c", "d"]),
        OddError(share=0.25, valid="'c', 'd'", what="a\nb"),
    ):
        assert str(error).replace("\\", "") == "'anb' is 0.2, not 'c', 'd': 'anb'"
    assert str(UserError("{a} finished message")) == "{a} finished message"


def test_a_long_list_is_cut_and_counted() -> None:
    message = str(ColumnMissingError("dataset.target", "z", [f"c{i}" for i in range(100)]))
    assert "'c19', … (100 in all)" in message
    assert "c20" not in message


def test_a_path_error_has_action_path_reason_notes_and_remedy() -> None:
    error = OSError(28, "No space left on device", "outputs/x")
    error.add_note("while training")
    assert str(PathError("cannot write", error, "make room")) == (
        "cannot write outputs/x: No space left on device, while training; make room"
    )
    assert PathError("cannot write", error).exit_code == 1


def test_a_path_error_takes_the_path_from_the_caller_where_the_system_has_none() -> None:
    assert str(PathError("cannot write", OSError("odd"), path=Path("a\nb"))) == (
        "cannot write a\\nb: odd"
    )
    assert str(PathError("cannot read", OSError())) == "cannot read: OSError"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("no such sheet", "no such sheet"),
        ("damaged\nat byte 7", "damaged"),
        ("\n  \n damaged \r\nat byte 7", "damaged"),
        ("", "ValueError"),
        (" \n", "ValueError"),
    ],
)
def test_the_first_line_of_an_error_is_never_empty(text: str, line: str) -> None:
    assert first_line(ValueError(text)) == line
    assert first_line(ValueError()) == "ValueError"
