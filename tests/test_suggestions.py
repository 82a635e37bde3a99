"""What an error suggests can be pasted into a shell, and means what it says."""

import ast
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from tabproof.config import check_command_line, explain_hydra_error, quoted
from tabproof.config.hydra_errors import valid_keys
from tabproof.config.options import GROUPS
from tabproof.errors import MissingValueError, OverrideSyntaxError, PackageMissingError
from tabproof.text import override_word
from tests.config.composing import composed
from tests.config.test_quoting import ODD_NAMES, meaning
from tests.conftest import ROOT

KEYS = sorted({*valid_keys(), *GROUPS, "experiment"}, key=len, reverse=True)
# An assignment as a shell takes it, quotes included, up to a space or the end of a phrase.
ASSIGNMENT = re.compile(
    rf"""(?<![\w.'"/=-])(?:(?P<mark>['"])(?:{"|".join(map(re.escape, KEYS))})=.*?(?P=mark)"""
    rf"""|(?:{"|".join(map(re.escape, KEYS))})=(?:'[^']*'|"[^"]*"|[^\s'"])*)"""
)
COSTS = "[[0, 1], [5, 0]]"
SHELLS = [shell for shell in ("bash", "zsh") if shutil.which(shell)]


def pasted(shell: str, words: list[str]) -> list[str]:
    """Return the arguments that a program gets for words typed in a shell."""
    command = [shell, "-c", f"printf '%s\\0' {' '.join(words)}"]
    ended = subprocess.run(command, capture_output=True, check=True)
    return ended.stdout.decode().split("\0")[:-1]


def texts(path: Path) -> Iterator[str]:
    """Yield the texts of a module, docstrings left out; what is filled in is one letter."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inner = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in node.values
    }
    inner |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if id(node) in inner:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield re.sub(r"\{[a-z_!.\[\]]*\}", "X", node.value)
        elif isinstance(node, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.Constant) else "X" for part in node.values)
            yield "".join(map(str, parts))


def suggestions(text: str) -> Iterator[str]:
    for found in ASSIGNMENT.finditer(text):
        word = found[0] if found["mark"] else found[0].rstrip(".,;:)`")
        value = word.strip("'\"").partition("=")[2]
        # A place for a value, or a comparison.
        if value and "…" not in value and value[0] not in "=<>":
            yield word


SUGGESTED = sorted(
    {
        word
        for path in (ROOT / "src" / "tabproof").rglob("*.py")
        for text in texts(path)
        for word in suggestions(text)
    }
)


@pytest.mark.parametrize("shell", SHELLS)
def test_every_suggestion_in_the_texts_of_the_code_can_be_pasted(shell: str) -> None:
    assert len(SUGGESTED) > 20
    arguments = pasted(shell, SUGGESTED)
    assert len(arguments) == len(SUGGESTED), "a suggestion has a space, or is a pattern of files"
    for word, argument in zip(SUGGESTED, arguments, strict=True):
        key = argument.partition("=")[0]
        assert word.strip("'\"").startswith(f"{key}=")
        (readable,) = quoted([argument])
        assert readable.startswith(f"{key}=")


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_suggestion_with_any_name_gives_this_name_when_pasted(name: str) -> None:
    target, drop = "dataset.target", "dataset.drop_columns"
    types = {name: "text", "b": "date"}
    suggested: list[tuple[str, object]] = [
        (override_word(target, name), name),
        (override_word(drop, [name]), [name]),
        (override_word(drop, ["a", name, "b"]), ["a", name, "b"]),
        (override_word("dataset.pos_label", name), name),
        (override_word("dataset.na_values", [name]), [name]),
        (override_word("dataset.column_types", types), types),
    ]
    for shell in SHELLS:
        arguments = pasted(shell, [word for word, _ in suggested])
        for argument, (_, value) in zip(arguments, suggested, strict=True):
            assert meaning(argument) == value
            # A name of several parts is one value in a sweep, too.
            assert meaning(argument, "-m") == [value]


@pytest.mark.parametrize(
    ("error", "argument"),
    [
        (MissingValueError("threshold.costs", COSTS), f"threshold.costs={COSTS}"),
        (
            MissingValueError("runtime.address", "tcp://host:8786"),
            "runtime.address=tcp://host:8786",
        ),
        (OverrideSyntaxError("x"), "key=a b"),
        (PackageMissingError("x", "optuna", "tpe"), "EXTRAS=[tpe]"),
        (PackageMissingError("x", "optuna", "tpe"), "tabproof[tpe]"),
    ],
)
def test_what_an_error_fills_in_is_quoted(error: Exception, argument: str) -> None:
    words = re.findall(r"'[^']*'|\S+", str(error))
    for shell in SHELLS:
        assert argument in [pasted(shell, [word])[0] for word in words if argument in word]


def test_what_costs_are_suggested_is_accepted() -> None:
    with pytest.raises(MissingValueError) as raised:
        check_command_line(["threshold.objective=cost"])
    (argument,) = pasted("bash", [str(raised.value).partition("as in ")[2]])
    cfg = composed(*quoted(["threshold.objective=cost", argument]))
    assert cfg.threshold.costs == [[0, 1], [5, 0]]
    assert explain_hydra_error(raised.value) is raised.value


def examples() -> list[str]:
    """Return what follows `python -m src.train` in the examples for users, by line."""
    pages = [*ROOT.glob("README*.md"), *(ROOT / "docs").rglob("*.md")]
    lines = "\n".join(page.read_text(encoding="utf-8") for page in pages).splitlines()
    begin = "python -m src.train "
    whole = [line for line in lines if line.startswith(begin) and not line.endswith("\\")]
    return [line.removeprefix(begin) for line in whole if "…" not in line and "<" not in line]


@pytest.mark.parametrize("shell", SHELLS)
def test_every_example_of_the_documents_can_be_pasted(shell: str) -> None:
    assert len(examples()) > 20
    for example in examples():
        for word in quoted(pasted(shell, [example])):
            if not word.startswith("-") and "=" in word:
                OverridesParser.create().parse_override(word)
