"""A challenger is promoted on the requests of clients if it is better on them beyond chance."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from tabproof import artifacts
from tests.conftest import Done, typed_in
from tests.monitoring.logs import Answers, Log, answers_of, scored

NOW = datetime.now(UTC)
MODEL = "adult"


@pytest.fixture(scope="module")
def answers(champion: Path, table: pd.DataFrame) -> Answers:
    return answers_of(champion, table, 400)


@pytest.fixture
def theirs(challenger: Path, answers: Answers) -> Answers:
    return scored(challenger, answers.rows, answers.truth)


@pytest.fixture
def models(champion: Path, tmp_path: Path) -> Path:
    artifacts.Registry(tmp_path / "models").promote(champion, MODEL, "me", "")
    return tmp_path / "models"


def log_both(log: Log, answers: Answers, theirs: Answers) -> list[str]:
    ids = log.write(answers, NOW - timedelta(hours=2), model=MODEL)
    log.write(theirs, NOW - timedelta(hours=2), ids=ids, model=MODEL, role="challenger")
    return ids


def promote(challenger: Path, models: Path, log: Log, *words: str) -> Done:
    asked = ("promote", challenger, "--name", MODEL, "--if-better", "--on-traffic", *words)
    return typed_in("runs", *asked, "--log", log.root, "--models", models)


def current(models: Path) -> str:
    path = artifacts.Registry(models).current(MODEL)
    assert path is not None
    return str(path.version)


def test_a_challenger_that_is_better_on_traffic_is_promoted(
    log: Log, answers: Answers, theirs: Answers, challenger: Path, models: Path
) -> None:
    before = current(models)
    log.label(log_both(log, answers, theirs), theirs.predicted(), NOW)
    done = promote(challenger, models, log)
    assert (done.returncode, done.stderr) == (0, "")
    assert current(models) != before
    # The figures are kept with who promoted it and why.
    assert "DeLong" in typed_in("runs", "history", MODEL, "--models", models).stdout


def test_one_that_is_worse_is_not(
    log: Log, answers: Answers, theirs: Answers, challenger: Path, models: Path
) -> None:
    before = current(models)
    log.label(log_both(log, answers, theirs), answers.predicted(), NOW)
    done = promote(challenger, models, log)
    assert done.returncode == 1
    assert "not promoted: AUC" in done.stderr
    assert current(models) == before


@pytest.mark.parametrize(
    ("n_labels", "reason"), [(0, "0 rows of both have a label"), (12, "12 rows of both have")]
)
def test_without_labels_nothing_can_be_told(
    log: Log,
    answers: Answers,
    theirs: Answers,
    challenger: Path,
    models: Path,
    n_labels: int,
    reason: str,
) -> None:
    ids = log_both(log, answers, theirs)
    if n_labels:
        log.label(ids[:n_labels], answers.truth[:n_labels], NOW)
    done = promote(challenger, models, log)
    assert done.returncode == 2
    assert reason in done.stderr


def test_a_run_that_did_not_challenge_cannot_be_compared(
    log: Log, answers: Answers, challenger: Path, models: Path
) -> None:
    log.write(answers, NOW - timedelta(hours=2), model=MODEL)
    done = promote(challenger, models, log)
    assert done.returncode == 2
    assert "it was no challenger of" in done.stderr
    assert "runs challenge" in done.stderr


def test_on_traffic_needs_if_better(challenger: Path, models: Path) -> None:
    done = typed_in("runs", "promote", challenger, "--on-traffic", "--models", models)
    assert done.returncode == 2
    assert "--on-traffic needs --if-better" in done.stderr
