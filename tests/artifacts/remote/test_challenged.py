"""A challenger goes through a store with its champion, and never in its way."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from tabproof.artifacts import Challenge, Registry, read_verified
from tabproof.artifacts.remote.signature import read_keys
from tabproof.artifacts.remote.transfer import TransferRefusedError
from tests.artifacts.making import make_run
from tests.artifacts.remote.conftest import A, B, promote
from tests.artifacts.remote.loopback import Stored, content_of, pull, push


def challenge(models: Path, run_id: str = B) -> Challenge:
    run = make_run(models.parent / f"{models.name}-{run_id}", run_id)
    return Registry(models).challenge(run, "wine", "me", "")


@pytest.mark.parametrize("store", ["s3", "directory"], indirect=True)
def test_a_challenger_is_pushed_and_pulled_and_so_is_its_end(
    store: Stored, models: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    push(store.address, models)
    begun = challenge(models)
    done = push(store.address, models)
    assert (done.moved, done.n_copied, done.challenger) == (True, 5, B)
    assert not push(store.address, models).moved
    done = pull(store.address, other)
    assert (done.moved, done.challenger) == (True, B)
    assert content_of(other) == content_of(models)
    assert Registry(other).challenge_of("wine") == begun
    assert not pull(store.address, other).moved
    Registry(models).end_challenge("wine", "me", "")
    assert push(store.address, models).challenger is None
    assert pull(store.address, other).moved
    assert Registry(other).challenge_of("wine") is None


def test_a_promotion_of_the_challenger_ends_the_challenge_everywhere(
    store: Stored, models: Path, tmp_path: Path
) -> None:
    challenge(models)
    push(store.address, models)
    pull(store.address, tmp_path / "other")
    promote(models, B)
    push(store.address, models)
    pull(store.address, tmp_path / "other")
    found = Registry(tmp_path / "other")
    assert [entry.version for entry in found.history("wine")] == [A, B]
    assert found.challenge_of("wine") is None


def test_a_damaged_challenger_is_logged_and_its_champion_pulled(
    store: Stored, models: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    begun = challenge(models)
    push(store.address, models)
    store.write(f"wine/versions/{B}/scorer/arrays", b"?")
    with caplog.at_level(logging.WARNING):
        assert pull(store.address, tmp_path / "other").moved
    assert "the challenger of 'wine' cannot be pulled" in caplog.text
    other = Registry(tmp_path / "other")
    assert read_verified(other.path_of("wine", A), lambda _: False).run_id == A
    assert not other.path_of("wine", B).exists()
    # The service says that it is missing.
    assert other.challenge_of("wine") == begun
    push(store.address, models)
    pull(store.address, tmp_path / "other")
    assert content_of(tmp_path / "other") == content_of(models)


def test_damaged_challenges_in_the_store_leave_those_here(
    store: Stored, models: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    begun = challenge(models)
    push(store.address, models)
    pull(store.address, tmp_path / "other")
    store.write("wine/challenges.json", b"{}")
    with caplog.at_level(logging.WARNING):
        assert not pull(store.address, tmp_path / "other", overwrite=True).moved
    assert "challenges.json: it is damaged" in caplog.text
    assert Registry(tmp_path / "other").challenge_of("wine") == begun


def test_an_unsigned_challenger_is_not_pulled_where_signatures_are_needed(
    store: Stored, models: Path, tmp_path: Path, keys: Path, caplog: pytest.LogCaptureFixture
) -> None:
    push(store.address, models, sign_by=keys / "ours.pem")
    challenge(models)
    push(store.address, models)
    ours = read_keys((keys / "ours.pub").read_text())
    with caplog.at_level(logging.WARNING):
        pull(store.address, tmp_path / "other", keys=ours)
    assert "the challenger of 'wine' cannot be pulled" in caplog.text
    assert not Registry(tmp_path / "other").path_of("wine", B).exists()
    push(store.address, models, sign_by=keys / "ours.pem")
    pull(store.address, tmp_path / "other", keys=ours)
    assert Registry(tmp_path / "other").signature_of("wine", B) is not None


def test_of_two_different_lists_one_is_refused(store: Stored, models: Path, tmp_path: Path) -> None:
    push(store.address, models)
    other = tmp_path / "other"
    pull(store.address, other)
    theirs = challenge(models)
    push(store.address, models)
    ours = replace(challenge(other), who="somebody else")
    Registry(other).write_challenges("wine", [ours])
    with pytest.raises(TransferRefusedError, match=r"--overwrite takes them"):
        push(store.address, other)
    # Those made here are kept, unless they may be lost.
    pull(store.address, other)
    assert Registry(other).challenge_of("wine") == ours
    pull(store.address, other, overwrite=True)
    assert Registry(other).challenge_of("wine") == theirs
