"""Which requests a challenger gets, when a canary is taken back, and which challengers load."""

import logging
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tabproof.artifacts import Challenge, Registry
from tabproof.service.answers import RefusedError
from tabproof.service.challengers import (
    MIN_ANSWERS,
    WINDOW,
    Canaries,
    Challenger,
    answers,
    is_chosen,
    key_of,
)
from tabproof.service.model_store import ModelStore
from tabproof.service.served_model import ServedModel
from tabproof.service.settings import Settings
from tabproof.service.telemetry import Telemetry
from tabproof.service.traffic import challenger_of
from tests.artifacts.remote.loopback import push

SHADOW = Challenge(
    "b1", "b1", "challenge", "shadow", 0.1, None, "a1", 1, "me", "2026-11-30T12:00:00Z", ""
)
CANARY = replace(SHADOW, kind="canary")
STICKY = replace(CANARY, sticky="customer")
N = 20_000


# --- The share


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_the_share_of_chosen_requests_is_that_of_the_challenge(share: float) -> None:
    challenge = replace(SHADOW, share=share)
    n = sum(is_chosen(challenge, f"request-{i}") for i in range(N))
    # Five standard deviations: the keys are fixed, so this cannot fail by chance.
    assert abs(n - share * N) < 5 * math.sqrt(N * share * (1 - share))


def test_a_larger_share_has_the_keys_of_a_smaller_one_and_another_run_has_others() -> None:
    keys = [str(i) for i in range(N)]
    small = {key for key in keys if is_chosen(CANARY, key)}
    large = {key for key in keys if is_chosen(replace(CANARY, share=0.2), key)}
    other = {key for key in keys if is_chosen(replace(CANARY, run_id="c1"), key)}
    assert small < large
    # As many in common as of independent shares.
    assert len(small & other) < 0.2 * len(small)


def test_all_requests_are_chosen_with_a_share_of_one() -> None:
    assert all(is_chosen(replace(SHADOW, share=1.0), str(i)) for i in range(1000))


def test_numbers_and_texts_of_one_key_are_the_same() -> None:
    assert {key_of(7), key_of(7.0), key_of("7")} == {"7"}
    assert (key_of(7.5), key_of(None), key_of(""), key_of(True)) == ("7.5", None, None, "True")
    assert is_chosen(SHADOW, "\ud800") in (True, False)


def test_a_sticky_key_decides_and_not_the_request_id() -> None:
    for customer in range(200):
        row = {"customer": customer}
        assert len({answers(STICKY, f"request-{i}", [row]) for i in range(20)}) == 1
    chosen = sum(answers(STICKY, "one", [{"customer": i}]) for i in range(N))
    assert abs(chosen - 0.1 * N) < 5 * math.sqrt(N * 0.1 * 0.9)


def test_a_request_without_the_key_follows_its_id() -> None:
    for row in ({}, {"customer": None}, {"customer": ""}):
        ids = [str(i) for i in range(100)]
        found = [answers(STICKY, each, [row]) for each in ids]
        assert found == [answers(CANARY, each, [row]) for each in ids]
    assert answers(STICKY, "request-1", []) == answers(CANARY, "request-1", [])


def test_a_batch_goes_to_the_canary_only_if_all_its_keys_do() -> None:
    rows = [{"customer": i} for i in range(200)]
    inside = [row for row in rows if answers(STICKY, "", [row])]
    outside = [row for row in rows if not answers(STICKY, "", [row])]
    assert answers(STICKY, "", inside)
    assert not answers(STICKY, "", [*inside, outside[0]])


# --- A canary


class Counts:
    """Counts in place of Telemetry."""

    def __init__(self) -> None:
        self.results: list[str] = []
        self.back: list[str] = []

    def challenger(self, model: str, result: str, count: int = 1) -> None:
        del model
        self.results += [result] * count

    def taken_back(self, model: str, run_id: str) -> None:
        self.back.append(f"{model} {run_id}")


@pytest.fixture
def champion(table: ServedModel) -> ServedModel:
    return replace(table, run_id="a1")


@pytest.fixture
def challenger(table: ServedModel) -> Challenger:
    return Challenger(replace(table, run_id="b1"), replace(CANARY, share=0.5))


def ask(
    canaries: Canaries, champion: ServedModel, challenger: Challenger, n: int, score: Any
) -> str:
    """Send requests; return the first letters of the runs that answered."""
    found = ""
    for i in range(n):
        found += canaries.answer(champion, challenger, f"request-{i}", [{}], score)[0]
    return found


def run_id(by: ServedModel) -> str:
    return by.run_id


def failing(by: ServedModel) -> str:
    if by.run_id == "b1":
        raise ZeroDivisionError
    return by.run_id


def test_a_canary_answers_its_share(champion: ServedModel, challenger: Challenger) -> None:
    counts = Counts()
    canaries = Canaries(Settings(canary_max_slowdown=1e9), counts)
    found = ask(canaries, champion, challenger, 2000, run_id)
    expected = [is_chosen(challenger.challenge, f"request-{i}") for i in range(2000)]
    assert found == "".join("ab"[each] for each in expected)
    assert counts.results == ["answered"] * found.count("b")


def test_what_a_canary_cannot_answer_the_champion_does_until_it_is_taken_back(
    champion: ServedModel, challenger: Challenger, caplog: pytest.LogCaptureFixture
) -> None:
    counts = Counts()
    canaries = Canaries(Settings(), counts)
    with caplog.at_level(logging.ERROR):
        assert ask(canaries, champion, challenger, 2000, failing) == "a" * 2000
    assert counts.results == ["failed"] * MIN_ANSWERS
    assert counts.back == ["table b1"]
    info = canaries.info(challenger)
    assert (info.run_id, info.kind, info.share) == ("b1", "canary", 0.0)
    assert "it failed in 100.0% of 100 requests, more than 2.0%" in info.detail
    # The first failure with its traceback, and the end.
    assert [bool(record.exc_info) for record in caplog.records] == [True, False]
    # A reload loads the model again, and the challenge is the same.
    again = replace(challenger, model=replace(challenger.model, source="again"))
    assert ask(canaries, champion, again, 100, run_id) == "a" * 100
    # Another challenge of the same run begins anew.
    new = replace(challenger, challenge=replace(challenger.challenge, when="later"))
    assert "b" in ask(canaries, champion, new, 100, run_id)


def test_few_failures_are_within_the_bound(champion: ServedModel, challenger: Challenger) -> None:
    counts = Counts()
    canaries = Canaries(Settings(canary_max_slowdown=1e9), counts)
    asked = 0

    def sometimes(by: ServedModel) -> str:
        nonlocal asked
        asked += by.run_id == "b1"
        return failing(by) if by.run_id == "b1" and asked % 100 == 0 else by.run_id

    ask(canaries, champion, challenger, 4000, sometimes)
    assert counts.results.count("failed") == counts.results.count("answered") // 99
    assert counts.back == []


def test_what_the_champion_refuses_too_is_no_failure(
    champion: ServedModel, challenger: Challenger
) -> None:
    counts = Counts()
    canaries = Canaries(Settings(), counts)

    def refuse(_: ServedModel) -> str:
        raise RefusedError(422, "a mistake of the client")

    for i in range(500):
        with pytest.raises(RefusedError):
            canaries.answer(champion, challenger, str(i), [{}], refuse)
    assert counts.results == counts.back == []


@pytest.mark.parametrize(("slower", "is_back"), [(2.0, False), (4.0, True)])
def test_a_slow_canary_is_taken_back(challenger: Challenger, slower: float, is_back: bool) -> None:
    watch = Canaries(Settings(), Counts()).watch(challenger)
    found = []
    for i in range(WINDOW - 1):
        # Batches of the champion alone do not change the comparison.
        watch.champion(1e-4 if i % 10 else 0.1, 1 if i % 10 else 1000)
        found.append(watch.canary(slower * 1e-4, 1))
    assert any(found) == is_back
    assert found.index(True) == MIN_ANSWERS - 1 if is_back else True
    assert ("us, more than 3 times the" in watch.why_taken_back) == is_back


def test_an_old_fault_is_forgotten_with_its_window(challenger: Challenger) -> None:
    watch = Canaries(Settings(canary_max_error_share=0.1), Counts()).watch(challenger)
    for i in range(5 * WINDOW):
        # As many at once as one window bears.
        assert not watch.canary(1e-4, 1, failed=WINDOW // 2 <= i < WINDOW // 2 + 50)


# --- Loading


@pytest.fixture
def home(tmp_path: Path, run: Path, table_run: Path) -> Path:
    """Return a directory with two promoted models, of which one may be challenged."""
    registry = Registry(tmp_path / "models")
    registry.promote(run, "wine", "me", "")
    registry.promote(table_run, "table", "me", "")
    return tmp_path


def begin(home: Path, run: Path, **settings: Any) -> Challenge:
    return Registry(home / "models").challenge(run, "table", "me", "", **settings)


def store_of(home: Path, log: str = "log") -> ModelStore:
    paths = home / "models", home / "outputs"
    store = ModelStore(Settings(*paths, prediction_log=str(home / log) if log else ""))
    store.reload(None)
    return store


def test_a_challenger_is_loaded_with_its_champion(home: Path, other_run: Path) -> None:
    begun = begin(home, other_run)
    served = store_of(home).served
    assert set(served.challengers) == {"table"}
    found = served.challengers["table"]
    assert found.challenge == begun
    assert (found.model.name, found.model.run_id) == ("table", begun.run_id)
    assert served.runs["table"] == begun.champion
    assert challenger_of(served, served.models["table"]) == found
    assert challenger_of(served, served.models["wine"]) is None


def test_the_watcher_sees_a_challenge_and_its_end(home: Path, other_run: Path) -> None:
    store, registry = store_of(home), Registry(home / "models")
    assert not store.reload(None, thoroughly=False)
    begin(home, other_run)
    assert store.reload(None, thoroughly=False)
    first = store.served.challengers["table"]
    assert not store.reload(None, thoroughly=False)
    assert store.reload(None)
    assert store.served.challengers["table"].challenge == first.challenge
    registry.end_challenge("table", "me", "")
    assert store.reload(None, thoroughly=False)
    assert not store.served.challengers
    begin(home, other_run, share=0.5)
    registry.promote(other_run, "table", "me", "")
    assert store.reload(None, thoroughly=False)
    assert not store.served.challengers
    assert store.served.runs["table"] == first.model.run_id


def test_a_promotion_of_another_model_keeps_the_challenger(
    home: Path, run: Path, other_run: Path
) -> None:
    store = store_of(home)
    begin(home, other_run)
    store.reload(None, thoroughly=False)
    first = store.served.challengers["table"]
    Registry(home / "models").promote(run, "other", "me", "")
    assert store.reload(None, thoroughly=False)
    # It was not loaded again.
    assert store.served.challengers["table"] is first


def test_another_version_by_its_path_has_no_challenger(home: Path, other_run: Path) -> None:
    begun = begin(home, other_run)
    store = store_of(home)
    store.reload(f"models/table/versions/{begun.run_id}")
    assert store.served.runs["table"] == begun.run_id
    assert not store.served.challengers
    store.reload("models/table")
    assert store.served.challengers["table"].challenge == begun


def test_a_corrupted_challenger_leaves_the_champion_alone_and_is_logged_once(
    home: Path, other_run: Path, caplog: pytest.LogCaptureFixture
) -> None:
    begun = begin(home, other_run)
    (home / f"models/table/versions/{begun.run_id}/scorer/scorer.json").write_text("{}")
    with caplog.at_level(logging.ERROR):
        store = store_of(home)
        store.reload(None)
    served = store.served
    assert served.runs["table"] == begun.champion
    assert (served.failed, served.why_not_ready(), served.challengers) == ({}, "", {})
    (refusal,) = served.refused.values()
    assert (refusal.challenge, refusal.is_failure) == (begun, True)
    assert "scorer/scorer.json" in refusal.why
    assert str(home) not in refusal.why
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert refusal.info.run_id == begun.run_id


def test_a_damaged_file_of_challenges_leaves_the_champion_alone(
    home: Path, other_run: Path
) -> None:
    begun = begin(home, other_run)
    path = home / "models" / "table" / "challenges.json"
    path.write_text("{")
    served = store_of(home).served
    assert served.runs["table"] == begun.champion
    assert served.why_not_ready() == ""
    (info,) = (each.info for each in served.refused.values())
    assert (info.run_id, info.kind, info.share) == ("", "unknown", 0.0)
    assert "challenges.json" in info.detail


def test_a_shadow_without_a_prediction_log_is_refused_by_a_warning(
    home: Path, other_run: Path, caplog: pytest.LogCaptureFixture
) -> None:
    begin(home, other_run)
    with caplog.at_level(logging.WARNING):
        store = store_of(home, log="")
        store.reload(None)
    assert not store.served.challengers
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "API_PREDICTION_LOG" in caplog.text
    assert not store.served.refused["table"].is_failure
    # A canary answers, which somebody sees.
    begin(home, other_run, kind="canary", share=0.5)
    store.reload(None, thoroughly=False)
    assert set(store.served.challengers) == {"table"}


def test_a_service_with_a_store_takes_challenges_from_it(
    home: Path, other_run: Path, tmp_path: Path
) -> None:
    place, models = str(tmp_path / "store"), home / "models"
    push(place, models, name="table")
    paths: dict[str, Any] = {"models": models, "outputs": home / "outputs"}
    log = {"prediction_log": str(tmp_path / "log")}
    store = ModelStore(Settings(**paths, store=place, cache=tmp_path / "cache", **log))
    store.reload(None)
    assert not store.served.challengers
    begun = begin(home, other_run)
    push(place, models, name="table")
    assert store.reload(None, thoroughly=False)
    assert store.served.challengers["table"].challenge == begun
    assert not store.reload(None, thoroughly=False)
    Registry(models).end_challenge("table", "me", "")
    push(place, models, name="table")
    assert store.reload(None, thoroughly=False)
    assert not store.served.challengers


def test_a_canary_does_not_answer_for_a_version_that_was_named(home: Path, other_run: Path) -> None:
    begun = begin(home, other_run, kind="canary")
    served = store_of(home).served
    model = served.models["table"]
    assert challenger_of(served, model, begun.champion) is None
    assert challenger_of(served, model) is not None


def test_the_gauge_shows_shares_and_ends() -> None:
    telemetry = Telemetry(os.devnull)
    labels = 'kind="canary",model="table",run_id="b1"'
    telemetry.challengers({("table", "b1", "canary"): 0.5}, [])
    assert f"api_challenger_share{{{labels}}} 0.5" in telemetry.exposition().decode()
    telemetry.taken_back("table", "b1")
    assert f"api_challenger_share{{{labels}}} 0.0" in telemetry.exposition().decode()
    telemetry.challengers({}, ["table"])
    text = telemetry.exposition().decode()
    assert labels not in text
    assert 'api_challenger_requests_total{model="table",result="not_loaded"} 1.0' in text
