"""`--if-alarm` does nothing without an alarm, and trains with one."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from tabproof.artifacts import Registry
from tests.monitoring.logs import Log, scored
from tests.retrain.making import NAME, csv, current, retrained, rows

YESTERDAY = datetime.now(UTC).replace(hour=1) - timedelta(days=1)


@pytest.fixture
def words(here: Path) -> list[str]:
    """Return what asks to train on a better table if there is an alarm."""
    (here / "log").mkdir()
    new = csv(rows(400, "b", 2, 0.5), here / "new.csv")
    return ["--data", str(new), "--log", "log", "--if-alarm"]


def log_rows(here: Path, frame: pd.DataFrame, when: datetime) -> None:
    version = here / "models" / NAME / "versions" / current(here)
    truth = frame.pop("label").tolist()
    Log(here / "log").write(scored(version, frame, truth), when, model=NAME)


def test_without_an_alarm_nothing_is_done(here: Path, words: list[str]) -> None:
    log_rows(here, rows(300, "a", 3), YESTERDAY)
    done = retrained(here, *words)
    assert (done.returncode, done.stdout) == (0, f"{NAME}: no alarm, nothing to do\n")
    assert not list(here.glob("outputs/*"))


def test_with_an_alarm_the_model_is_trained(here: Path, words: list[str]) -> None:
    before = current(here)
    changed = rows(300, "a", 3)
    log_rows(here, changed.assign(a=changed["a"] * 1000), YESTERDAY)
    done = retrained(here, *words)
    assert done.returncode == 0
    first = done.stdout.splitlines()[0]
    assert first.startswith("alarm     ")
    assert " a" in first
    assert Registry(here / "models").history(NAME)[-1].previous == before


@pytest.mark.parametrize(
    ("n", "when", "reason"),
    [
        (10, YESTERDAY, "it answered 10 rows, and 30 are needed"),
        (300, datetime.now(UTC), "a day is looked at when it is over"),
        (300, YESTERDAY - timedelta(days=60), "no run answered in the last days"),
    ],
)
def test_a_check_without_an_answer_is_passed_on(
    here: Path, words: list[str], n: int, when: datetime, reason: str
) -> None:
    log_rows(here, rows(n, "a", 3), when)
    done = retrained(here, *words)
    assert done.returncode == 2
    assert f"the check of '{NAME}' has no answer: " in done.stderr
    assert reason in done.stderr


def test_an_alarm_from_labels_is_one_unless_they_are_left_out(here: Path, words: list[str]) -> None:
    # All is predicted as before, and what was right is wrong now.
    version = here / "models" / NAME / "versions" / current(here)
    frame = rows(600, "a", 3)
    truth = frame.pop("label").tolist()
    answers = scored(version, frame, truth)
    log = Log(here / "log")
    log.fill(answers, 3, end=YESTERDAY, model=NAME)
    other = ["no" if each == "yes" else "yes" for each in truth]
    log.label(log.ids, other, YESTERDAY + timedelta(hours=1))
    done = retrained(here, *words, "--dry-run", "--no-label-alarms")
    assert (done.returncode, done.stdout) == (0, f"{NAME}: no alarm, nothing to do\n")
    done = retrained(here, *words, "--dry-run")
    assert done.returncode == 0
    assert done.stdout.startswith("alarm     share of ")
    assert "predicted correctly (accuracy)" in done.stdout
