"""Parameters and numbers of things are worded shortly, and no two alike."""

import json
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from tabproof.errors import printable
from tabproof.text import (
    counted,
    format_params,
    is_printable,
    shell_word,
    short_names,
    without_controls,
)

NAMES = st.lists(st.sampled_from(["clf", "prep", "C", "depth"]), min_size=1, max_size=3).map(
    "__".join
)


@given(st.sets(NAMES))
def test_short_names_differ_as_the_long_ones_do(names: set[str]) -> None:
    short = short_names(names)
    assert set(short) == names
    assert len(set(short.values())) == len(names)
    assert all(name == s or name.endswith(f"__{s}") for name, s in short.items())


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({}, "defaults"),
        ({"clf__C": 0.1}, "C 0.1"),
        ({"clf__max_depth": 3, "clf__max_iter": 10}, "max_depth 3, max_iter 10"),
        ({"clf__gbm__C": 1, "clf__lin__C": 2}, "gbm__C 1, lin__C 2"),
        ({"clf": LogisticRegression(C=3), "clf__C": 2}, "clf LogisticRegression, C 2"),
        ({"rate": 0.1 + 0.2, "flag": True, "none": None}, "rate 0.3, flag True, none None"),
    ],
)
def test_parameters_in_words(params: dict[str, object], words: str) -> None:
    assert format_params(params) == words


@given(st.dictionaries(st.text(), st.text()))
def test_parameters_are_one_line_that_cannot_move_a_cursor(params: dict[str, str]) -> None:
    assert format_params(params).isprintable()


def test_one_of_a_thing_is_not_many() -> None:
    assert [counted(n, "row") for n in (0, 1, 1234)] == ["0 rows", "1 row", "1,234 rows"]


ODD_NAMES = [
    "plain",
    "年齢 (歳)",
    "備考",
    "氏名\u3000カナ",
    "Unnamed: 0",
    "y,z",
    "${y}",
    "$x",
    "a=b",
    "=a",
    "@a",
    "~",
    "*",
    "o'brien",
    'say "hi"',
    'e,f [g] {h}: "q"',
    "both ' and \"",
    "o’brien",
    "“q” it's",
    "back\\slash\\",
    "<b>html</b>",
    "🙂👩\u200d👩",
    "line\nbreak\ttab",
    "non\u00a0breaking",
    "wow! `ls` #1 a;b|c&d",
    "%PATH%",
    "",
]
SHELLS = {
    "bash": ["bash", "-c", "printf '%s\\0' {}"],
    "zsh": ["zsh", "-fc", "printf '%s\\0' {}"],
    "pwsh": ["pwsh", "-NoProfile", "-Command", "/usr/bin/printf '%s\\0' {}"],
}


@pytest.mark.parametrize("shell", SHELLS)
def test_a_word_pasted_into_a_shell_arrives_as_it_was(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    arguments = [f"dataset.target={name}" for name in ODD_NAMES] + ODD_NAMES
    if shell == "pwsh":
        arguments = [each for each in arguments if not shell_word(each).startswith("$'")]
        arguments = [each for each in arguments if r"'\''" not in shell_word(each)]
    *command, script = SHELLS[shell]
    # One word after the other, and each of them alone on its line as a person would paste it.
    lines = " ".join(shell_word(each) for each in arguments)
    ended = subprocess.run([*command, script.replace("{}", lines)], capture_output=True, check=True)
    assert ended.stdout.decode().split("\0")[:-1] == arguments


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20))
def test_a_word_is_one_printable_line_and_an_error_shows_it_unchanged(argument: str) -> None:
    word = shell_word(argument)
    assert is_printable(word)
    assert printable(word, 1000) == word


def test_what_a_terminal_obeys_is_escaped_and_json_stays_the_same() -> None:
    odd = {"名前\u3000": "a\x1b[2J\x07\x9b\u202e\r\x7f\U000e0001", "b": ["\n", "\t", "é"]}
    text = json.dumps(odd, indent=2, ensure_ascii=False)
    shown = without_controls(text)
    assert json.loads(shown) == odd
    assert not set("\x1b\x07\x9b\u202e\r\x7f\U000e0001") & set(shown)
    assert without_controls("a\n\tb 名\u3000前") == "a\n\tb 名\u3000前"
