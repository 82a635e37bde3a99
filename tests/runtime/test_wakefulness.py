"""Suspend is held off by a real command, and its absence or refusal is told in a line."""

import logging
import os
from pathlib import Path

import pytest

from tabproof.runtime.process import kept_awake


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the only directory in which commands are found, beside those that scripts need."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}")
    return folder


def command(folder: Path, script: str) -> None:
    (folder / "systemd-inhibit").write_text(f"#!/bin/sh\n{script}\n")
    os.chmod(folder / "systemd-inhibit", 0o755)  # noqa: PTH101, S103 - a command is executable


def test_it_is_held_as_long_as_the_block_lasts(path: Path, tmp_path: Path) -> None:
    # Reads what the command that it would run reads: the end comes with the block.
    command(
        path, f'echo "$@" > {tmp_path}/began; while read -r line; do :; done; : > {tmp_path}/ended'
    )
    with kept_awake(asked=True):
        assert not (tmp_path / "ended").exists()
    assert (tmp_path / "ended").exists()
    assert "--what=idle:sleep" in (tmp_path / "began").read_text()


@pytest.mark.parametrize(
    ("script", "words"),
    [(None, "no systemd-inhibit"), ("echo no bus >&2; exit 1", "was not held off: no bus")],
    ids=["absent", "refused"],
)
def test_where_it_cannot_be_held_a_line_says_so(
    script: str | None, words: str, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if script is not None:
        command(path, script)
    with caplog.at_level(logging.WARNING), kept_awake(asked=True):
        pass
    assert words in caplog.text


def test_who_does_not_ask_starts_nothing(path: Path, tmp_path: Path) -> None:
    command(path, f": > {tmp_path}/began")
    with kept_awake(asked=False):
        pass
    assert not (tmp_path / "began").exists()
