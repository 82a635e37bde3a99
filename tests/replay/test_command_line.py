"""The command line of replays."""

from pathlib import Path

import pytest

from tabproof.errors import CommandLineError, PathError, UnknownKeyError
from tabproof.replay import command_line


def test_overrides_and_options_stand_in_any_order() -> None:
    words = ["--check", "RUN", "runtime.workers=2", "--output=there", "dataset.path=(a).csv"]
    asked = command_line.parse(words)
    assert asked.run == "RUN"
    assert asked.overrides == ["runtime.workers=2", 'dataset.path="(a).csv"']
    assert (asked.output, asked.check, asked.environment) == (Path("there"), True, False)
    assert asked.arguments == words


def test_threads_are_those_of_this_machines_runtime() -> None:
    assert command_line.parse(["RUN", "runtime=serial"]).openmp_threads == 1
    assert command_line.parse(["RUN", "dataset.path=x"]).openmp_threads is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "RUN"),
        (["RUN", "--chekc"], "--chekc"),
        # No abbreviations: what is not passed on to the environment must be known by its name.
        (["RUN", "--env"], "--env"),
    ],
)
def test_what_it_cannot_read_is_told_in_one_line(words: list[str], said: str) -> None:
    with pytest.raises(CommandLineError, match=said) as raised:
        command_line.parse(words)
    assert "\n" not in str(raised.value)


def test_errors_of_composing_and_of_files_are_worded() -> None:
    error = command_line.as_user_error(OSError(28, "No space left on device", "outputs/x"))
    assert isinstance(error, PathError)
    assert "outputs/x: No space left on device" in str(error)
    assert "--output" in str(error)
    with pytest.raises(Exception, match="worker") as raised:
        assert command_line.parse(["RUN", "runtime.worker=1"]).openmp_threads
    assert isinstance(command_line.as_user_error(raised.value), UnknownKeyError)
    assert command_line.as_user_error(ValueError("a fault of ours")) is None
