"""The command `challenge`, as a person types it."""

import json
from pathlib import Path

import pytest

from tabproof.artifacts import Registry
from tests.artifacts.making import make_run
from tests.runs.test_promote import AGE, DAY, JOB, OTHER_COLUMNS, here, schema, typed

__all__ = ["here"]  # a fixture that is always used


@pytest.fixture(autouse=True)
def runs(here: Path) -> None:
    make_run(here / DAY / "a", "aaaa0000", schema())
    make_run(here / DAY / "b", "bbbb0000", schema())
    Registry(here / "models").promote(here / DAY / "a", "wine", "me", "")


def challenger() -> tuple[str, str, float, str | None] | None:
    found = Registry(Path("models")).challenge_of("wine")
    return found and (found.version, found.kind, found.share, found.sticky)


def test_a_challenge_is_begun_shown_and_ended() -> None:
    done = typed("challenge", "bbbb", "--why", "more data", "--who", "k@lab")
    assert done.stdout.splitlines() == [
        "challenger  wine bbbb0000, from outputs/2026-11-23/b",
        "champion    aaaa0000",
        "shadow      scores 100% of requests, in the background",
        "why         more data",
        "serve it    POST /reload, or API_WATCH_SECONDS",
        "end it      python -m src.runs challenge wine --end",
        "look        python -m src.runs history wine",
    ]
    assert challenger() == ("bbbb0000", "shadow", 1.0, None)
    lines = typed("history", "wine").stdout.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["*", "+", "*"]
    assert "k@lab  shadow, 100% of requests; more data" in lines[2]
    assert lines[3] == "* is current, + its challenger; versions are in models/wine"
    done = typed("challenge", "wine", "--end", "--why", "drift")
    assert done.stdout.splitlines()[:2] == [
        "ended     wine: the challenge by bbbb0000 (shadow, 100% of requests)",
        "current   aaaa0000",
    ]
    assert challenger() is None
    assert "has no challenger" in typed("challenge", "--end", "--name", "wine").stderr
    content = json.loads(typed("history", "wine", "--json").stdout)
    assert (content["current"], content["challenger"]) == ("aaaa0000", None)
    assert [each["action"] for each in content["challenges"]] == ["challenge", "end"]
    assert content["challenges"][1]["why"] == "drift"


def test_a_canary_has_a_share_and_perhaps_a_key() -> None:
    canary = ("challenge", "bbbb", "--canary", "--share", "5%")
    assert "canary      answers 5% of requests" in typed(*canary).stdout
    assert challenger() == ("bbbb0000", "canary", 0.05, None)
    done = typed(*canary, "--sticky", "customer", "--models", "models")
    assert "sticky      by the cell of customer\n" in done.stdout
    assert "ended       the challenge by bbbb0000 (canary, 5% of requests)\n" in done.stdout
    assert challenger() == ("bbbb0000", "canary", 0.05, "customer")


def test_a_promotion_and_a_rollback_say_that_the_challenge_ended() -> None:
    typed("challenge", "bbbb")
    ended = "ended     the challenge by bbbb0000 (shadow, 100% of requests)\n"
    assert ended not in typed("promote", "aaaa").stdout
    assert challenger() is not None
    assert ended in typed("promote", "bbbb").stdout
    assert challenger() is None
    typed("challenge", "aaaa")
    assert "ended     the challenge by aaaa0000" in typed("rollback", "wine").stdout
    assert challenger() is None
    marks = [line.split()[0] for line in typed("history", "wine").stdout.splitlines()[1:]]
    assert "+" not in marks


@pytest.mark.parametrize("words", OTHER_COLUMNS)
def test_a_challenger_with_other_columns_or_labels_needs_force(words: str) -> None:
    make_run(DAY / "c", "cccc0000", schema(**OTHER_COLUMNS[words]))
    done = typed("challenge", "cccc")
    assert done.stderr.startswith("error: not a challenger: clients of 'wine' send rows")
    assert words in done.stderr
    assert challenger() is None
    assert typed("challenge", "cccc", "--force").returncode == 0
    assert challenger() is not None


def test_other_ranges_are_not_other_columns() -> None:
    make_run(DAY / "c", "cccc0000", schema(columns=(AGE, JOB), n_rows=9))
    assert typed("challenge", "cccc").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["aaaa"], "'aaaa0000' is the current version of 'wine'"),
        (["bbbb", "--name", "other"], "nothing was promoted as 'other'"),
        (["bbbb", "--share", "5"], "--share=5 cannot work"),
        (["bbbb", "--canary"], "--share must be given, as in --share=5%"),
        (["bbbb", "--sticky", "age"], "a shadow never answers; add --canary"),
        (["bbbb", "--canary", "--share", "5%", "--sticky", ""], "--sticky names no column"),
        ([], "RUN must be given, as in RUN=latest"),
        (["--end"], "--name must be given, as in --name=adult"),
        (["none", "--end"], "nothing was promoted as 'none'"),
        (["zzzz"], "neither a directory"),
    ],
)
def test_a_refused_challenge_prints_one_line(arguments: list[str], words: str) -> None:
    done = typed("challenge", *arguments)
    assert done.returncode in (1, 2)
    assert done.stdout == ""
    assert words in done.stderr
    assert not Path("models/wine/challenges.json").exists()


def test_prune_keeps_a_challenger() -> None:
    make_run(DAY / "c", "cccc0000", schema())
    typed("challenge", "bbbb")
    lines = typed("prune", "--dry-run").stdout.splitlines()
    kept = {line.split()[1] for line in lines if "promoted as wine" in line}
    assert kept == {str(DAY / "a"), str(DAY / "b")}
