"""Pointer and history cannot disagree, and rollback undoes."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabproof.artifacts.errors import RegistryDamagedError
from tabproof.artifacts.registry import Promotion, read_history, stack_of, write_history
from tabproof.errors import NewerFormatError


def entry(version: str, action: str = "promote", previous: str | None = None) -> Promotion:
    when = "2026-11-23T14:05:12+09:00"
    return Promotion(version, version, action, "me", when, "なぜ", previous)  # type: ignore[arg-type]


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    assert read_history(tmp_path) == []
    assert read_history(tmp_path / "nothing") == []
    history = [entry("a"), entry("b", previous="a"), entry("a", "rollback", "b")]
    write_history(tmp_path, history)
    assert read_history(tmp_path) == history
    assert json.loads((tmp_path / "pointer.json").read_text())["current"] == "a"


def plain(**changes: Any) -> dict[str, Any]:
    first = {"version": "a", "run_id": "a", "action": "promote", "who": "", "when": "", "why": ""}
    entries = [{**first, "previous": None}, {**first, "version": "b", "previous": "a"}]
    return {"format": 1, "current": "b", "history": entries, **changes}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "[" * 100_000,
        json.dumps(plain())[:-1],
        json.dumps(plain(current="a")),
        json.dumps(plain(current=None)),
        json.dumps(plain(history=[])),
        json.dumps(plain(history=[{}])),
        json.dumps(plain(history=plain()["history"][1:])),
        json.dumps(plain(history=plain()["history"][::-1], current="a")),
        json.dumps(plain()).replace('"promote"', '"delete"'),
        json.dumps(plain()).replace('"b"', '"../b"'),
        json.dumps(plain()).replace('"b"', '"b\\n"'),
        json.dumps(plain()).replace('"current"', '"current": "b", "current"'),
    ],
)
def test_a_damaged_pointer_is_told_in_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "pointer.json").write_text(text)
    with pytest.raises(RegistryDamagedError, match=r"pointer\.json is damaged") as caught:
        read_history(tmp_path)
    assert len(str(caught.value)) < 500


def test_a_pointer_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    write_history(tmp_path, [entry("a")])
    (tmp_path / "pointer.json").rename(tmp_path / "other.json")
    (tmp_path / "pointer.json").symlink_to("other.json")
    with pytest.raises(RegistryDamagedError, match="symbolic link"):
        read_history(tmp_path)


def test_a_newer_format_is_told_apart_from_damage(tmp_path: Path) -> None:
    (tmp_path / "pointer.json").write_text(json.dumps(plain(format=2)))
    with pytest.raises(NewerFormatError):
        read_history(tmp_path)


steps = st.lists(st.sampled_from("abcd") | st.none() | st.sampled_from("ABCD"), max_size=30)


@given(steps)
def test_the_history_replays_to_the_stack_that_a_person_has_in_mind(
    steps: list[str | None],
) -> None:
    """A letter promotes, None rolls back, a capital rolls back to that version."""
    stack: list[str] = []
    history: list[Promotion] = []
    for step in steps:
        if step is None:
            if len(stack) < 2:
                continue
            stack.pop()
            history.append(entry(stack[-1], "rollback"))
        elif not stack or step.lower() != stack[-1]:
            version, is_rollback = step.lower(), step.isupper()
            if is_rollback and version not in {e.version for e in history}:
                continue
            if is_rollback and version in stack:
                while stack[-1] != version:
                    stack.pop()
            else:
                stack.append(version)
            history.append(entry(version, "rollback" if is_rollback else "promote"))
        assert stack_of(history) == stack
