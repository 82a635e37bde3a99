"""The environment of a run is made again, and nothing else is fetched or run."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tabproof.artifacts import VerifiedRun
from tabproof.replay import fresh
from tabproof.replay.fresh import EnvironmentFailedError, NotReplayableError
from tabproof.replay.replay import read_recorded
from tests.conftest import process

HERE = ".".join(map(str, sys.version_info[:2]))


@pytest.fixture
def recorded(run: Path) -> VerifiedRun:
    return read_recorded(run)[0]


def with_environment(run: VerifiedRun, text: str) -> VerifiedRun:
    return replace(run, files={**run.files, "environment.txt": text.encode()})


def test_the_environment_of_a_run_has_python_and_pinned_versions(recorded: VerifiedRun) -> None:
    minor, pinned = fresh.read_environment(recorded)
    assert minor == HERE
    assert any(line.startswith("scikit-learn==") for line in pinned)
    assert all("://" not in line for line in pinned)


@pytest.mark.parametrize(
    "line",
    [
        "--index-url=x",
        "-e .",
        "numpy",
        "numpy>=2",
        "numpy==2 --hash=x",
        "numpy @ file:x",
        "numpy==2;x",
        "",
    ],
)
def test_a_line_that_is_no_pinned_version_is_refused(line: str, recorded: VerifiedRun) -> None:
    text = recorded.files["environment.txt"].decode()
    with pytest.raises(NotReplayableError, match="no name==version"):
        fresh.read_environment(with_environment(recorded, f"{text}{line}\n"))


def test_a_run_of_an_earlier_version_has_no_environment(recorded: VerifiedRun) -> None:
    with pytest.raises(NotReplayableError, match=r"environment\.txt.* without --environment"):
        fresh.read_environment(replace(recorded, files={}))
    for text in ("", "numpy==2\n"):
        with pytest.raises(NotReplayableError, match="names no Python"):
            fresh.read_environment(with_environment(recorded, text))


def test_a_missing_python_is_named(recorded: VerifiedRun) -> None:
    other = with_environment(recorded, "# Python 2.6.1\nnumpy==2\n")
    with pytest.raises(NotReplayableError, match=r"needs Python 2\.6.*python2\.6 is not on"):
        fresh.replay_in_fresh_environment(other, [str(recorded.path), "--check"])


@pytest.mark.slow
def test_a_version_that_cannot_be_installed_is_reported_in_one_line(recorded: VerifiedRun) -> None:
    # A version that nobody published; of a package that is asked for all the same.
    other = with_environment(recorded, f"# Python {HERE}.0\njoblib==0.0.1234\n")
    with pytest.raises(EnvironmentFailedError, match="pip install failed: ERROR: ") as raised:
        fresh.replay_in_fresh_environment(other, [str(recorded.path), "--check"])
    assert "\n" not in str(raised.value)


@pytest.mark.slow
def test_a_run_replays_in_an_environment_of_its_own(run: Path, tmp_path: Path) -> None:
    output = tmp_path / "again"
    done = process("replay", run, "--environment", "--output", output)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(f"environment    Python {HERE}")
    assert done.stdout.splitlines()[-1].startswith("identical")
    for name in ("predictions.parquet", "environment.txt"):
        assert (output / name).read_bytes() == (run / name).read_bytes()
