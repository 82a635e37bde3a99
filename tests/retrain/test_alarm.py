"""`--if-alarm` does nothing without an alarm, and passes on what a check could not tell.

A program of a few lines stands for the check: its exit codes and its output are what counts here.
"""

import sys
from pathlib import Path

import pytest

from tabproof.artifacts import Registry
from tabproof.retrain import alarm
from tabproof.retrain.alarm import CheckFailedError, find_alarm
from tests.retrain.making import NAME, csv, current, retrained, rows


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return the file of the program that is called as the check."""
    program = tmp_path / "check.py"
    monkeypatch.setattr(alarm, "CHECK", (sys.executable, str(program)))
    return program


def ends(code: int, said: str = "", complained: str = "") -> str:
    return (
        f"import sys; print({said!r} or ' '.join(sys.argv[1:]))"
        f"\nsys.stderr.write({complained!r}); sys.exit({code})"
    )


def test_exit_code_1_with_a_line_is_an_alarm_and_0_is_none(check: Path, tmp_path: Path) -> None:
    check.write_text(ends(1))
    log, models = tmp_path / "a log", tmp_path / "models"
    assert find_alarm(NAME, log, models) == f"{NAME} --log={log} --models={models}"
    check.write_text(ends(1, f"log log\n\n{NAME}: ALARM (6,000 rows)\n! a"))
    assert find_alarm(NAME, log, models) == f"{NAME}: ALARM (6,000 rows)"
    check.write_text(ends(0, "ok"))
    assert find_alarm(NAME, log, models) is None


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        (ends(2, "some", "error: the log has 3 rows\n"), "could not tell: the log has 3 rows"),
        (ends(2, "some"), "it ended with exit code 2"),
        ("raise SystemExit(9)", "it ended with exit code 9"),
        # A fault of the program has the exit code of an alarm, and says nothing.
        ("raise OSError('boom')", "OSError: boom"),
    ],
)
def test_what_a_check_cannot_tell_is_passed_on(
    program: str, reason: str, check: Path, tmp_path: Path
) -> None:
    check.write_text(program)
    with pytest.raises(CheckFailedError, match=reason) as raised:
        find_alarm(NAME, tmp_path, tmp_path)
    assert raised.value.exit_code == 2


def test_without_an_alarm_nothing_is_done_and_with_one_the_model_is_trained(
    check: Path, here: Path
) -> None:
    (here / "log").mkdir()
    new = csv(rows(400, "b", 2, 0.5), here / "new.csv")
    words = ["--data", new, "--log", "log", "--if-alarm"]
    check.write_text(ends(0, "no alarm"))
    done = retrained(here, *words)
    assert (done.returncode, done.stdout) == (0, f"{NAME}: no alarm, nothing to do\n")
    check.write_text(ends(2, "", "error: no reference\n"))
    done = retrained(here, *words)
    assert done.returncode == 2
    assert "--if-alarm: the check of 'loans' could not tell: no reference" in done.stderr
    assert not list(here.glob("outputs/*"))
    before = current(here)
    check.write_text(ends(1, "alarm since 2026-11-12: job\nmore"))
    done = retrained(here, *words)
    assert done.returncode == 0
    assert done.stdout.startswith("alarm     alarm since 2026-11-12: job\n")
    assert Registry(here / "models").history(NAME)[-1].previous == before
