"""A challenge belongs to one promotion, and ends with it."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tabproof.artifacts import Registry, files
from tabproof.artifacts.challenges import (
    ChallengesItselfError,
    NoChallengeError,
    as_percent,
    in_force,
    parse_challenges,
    read_share,
)
from tabproof.artifacts.errors import (
    NotPromotedError,
    NotServableError,
    RegistryDamagedError,
    UnverifiedRunError,
)
from tabproof.errors import InvalidValueError, NewerFormatError
from tests.artifacts.making import make_run, mount, names_in

A, B, C = "aaaa0000", "bbbb0000", "cccc0000"


@pytest.fixture
def runs(tmp_path: Path) -> dict[str, Path]:
    ids = (A, B, C)
    return {i: make_run(tmp_path / "outputs" / i, i, {"of": i.encode()}) for i in ids}


@pytest.fixture
def registry(tmp_path: Path, runs: dict[str, Path]) -> Registry:
    made = Registry(tmp_path / "models")
    made.promote(runs[A], "wine", "me@here", "")
    return made


def challenge(registry: Registry, run: Path) -> None:
    registry.challenge(run, "wine", "me@here", "")


def test_a_challenger_is_a_verified_copy_beside_the_current_version(
    registry: Registry, runs: dict[str, Path]
) -> None:
    begun = registry.challenge(
        runs[B], "wine", "you", "新しい", kind="canary", share=0.05, sticky="customer"
    )
    assert registry.challenge_of("wine") == begun
    assert (begun.version, begun.champion, begun.n_promotions) == (B, A, 1)
    assert begun.words == "canary, 5% of requests, by customer"
    assert (registry.path_of("wine", B) / "of").read_bytes() == B.encode()
    current = registry.current("wine")
    assert current is not None
    assert current.version == A
    assert names_in(registry.root / "wine") == [
        ".lock",
        "challenges.json",
        "pointer.json",
        "versions",
    ]


def test_a_promotion_of_any_run_ends_the_challenge(
    registry: Registry, runs: dict[str, Path]
) -> None:
    # The challenger, and another run.
    for challenger, promoted in ((B, B), (C, A)):
        challenge(registry, runs[challenger])
        assert registry.challenge_of("wine") is not None
        registry.promote(runs[promoted], "wine", "me", "")
        assert registry.challenge_of("wine") is None


def test_a_rollback_ends_the_challenge_even_of_a_version_that_is_current_again(
    registry: Registry, runs: dict[str, Path]
) -> None:
    challenge(registry, runs[C])
    registry.promote(runs[B], "wine", "me", "")
    registry.rollback("wine", "me", "")
    current = registry.current("wine")
    assert current is not None
    assert current.version == A
    assert registry.challenge_of("wine") is None


def test_a_history_from_elsewhere_ends_the_challenge(
    registry: Registry, runs: dict[str, Path]
) -> None:
    challenge(registry, runs[B])
    (entry,) = registry.history("wine")
    # As `pull --overwrite` does: as many promotions, another version.
    registry.write_history("wine", [replace(entry, version=C, run_id=C)])
    assert registry.challenge_of("wine") is None


def test_promoting_the_current_version_again_keeps_the_challenge(
    registry: Registry, runs: dict[str, Path]
) -> None:
    challenge(registry, runs[B])
    registry.promote(runs[A], "wine", "me", "")
    assert registry.challenge_of("wine") is not None


def test_another_challenge_replaces_the_first_and_an_end_ends_it(
    registry: Registry, runs: dict[str, Path]
) -> None:
    challenge(registry, runs[B])
    challenge(registry, runs[C])
    found = registry.challenge_of("wine")
    assert found is not None
    assert found.version == C
    ended = registry.end_challenge("wine", "you", "drift")
    assert (ended.action, ended.version, ended.who, ended.why) == ("end", C, "you", "drift")
    assert registry.challenge_of("wine") is None
    with pytest.raises(NoChallengeError, match=f"version {A} has no challenger"):
        registry.end_challenge("wine", "you", "")
    actions = [(each.action, each.version) for each in registry.challenges("wine")]
    assert actions == [("challenge", B), ("challenge", C), ("end", C)]


def test_a_refused_challenge_changes_nothing(
    registry: Registry, runs: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(ChallengesItselfError, match=f"'{A}' is the current version"):
        challenge(registry, runs[A])
    with pytest.raises(NotPromotedError):
        registry.challenge(runs[B], "other", "me", "")
    with pytest.raises(NotPromotedError):
        registry.end_challenge("other", "me", "")
    with pytest.raises(NotServableError):
        challenge(registry, make_run(tmp_path / "d", "dddd0000", servable=False))
    (runs[B] / "of").write_bytes(b"????????")
    with pytest.raises(UnverifiedRunError, match="of was changed"):
        challenge(registry, runs[B])

    def refuse(current: Path) -> None:
        assert current == registry.path_of("wine", A)
        raise UnverifiedRunError(current, "it", "is refused")

    with pytest.raises(UnverifiedRunError, match="is refused"):
        registry.challenge(runs[C], "wine", "me", "", check=refuse)
    assert registry.challenges("wine") == []
    assert names_in(registry.root) == ["wine"]
    assert names_in(registry.root / "wine" / "versions") == [A]


def test_an_interrupted_challenge_leaves_the_one_before(
    registry: Registry, runs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    challenge(registry, runs[B])

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "write_atomically", killed)
    with pytest.raises(KeyboardInterrupt):
        challenge(registry, runs[C])
    found = registry.challenge_of("wine")
    assert found is not None
    assert found.version == B


def test_a_damaged_file_is_named(registry: Registry, runs: dict[str, Path]) -> None:
    challenge(registry, runs[B])
    path = registry.root / "wine" / "challenges.json"
    for content, words in (
        ("", "has the wrong form"),
        ("{}", "missing required field"),
        (path.read_text().replace('"shadow"', '"light"'), "Invalid enum value"),
        (path.read_text().replace("1.0", "1.5"), "<= 1"),
    ):
        path.write_text(content)
        with pytest.raises(RegistryDamagedError, match=words):
            registry.challenge_of("wine")
    with pytest.raises(NewerFormatError):
        parse_challenges(json.dumps({"format": 2, "challenges": []}).encode())
    # A promotion needs nothing of it.
    registry.promote(runs[B], "wine", "me", "")


def test_a_challenge_is_read_where_a_volume_is_mounted_through_links(
    registry: Registry, runs: dict[str, Path], tmp_path: Path
) -> None:
    challenge(registry, runs[B])
    mounted = Registry(tmp_path / "mounted")
    mount(mounted.root, registry.root)
    assert mounted.challenge_of("wine") == registry.challenge_of("wine")
    registry.end_challenge("wine", "me", "")
    mount(mounted.root, registry.root)
    assert mounted.challenge_of("wine") is None
    # Changes follow no link.
    with pytest.raises(RegistryDamagedError, match="is a symbolic link"):
        challenge(mounted, runs[B])


def test_a_removed_file_ends_the_challenge(registry: Registry, runs: dict[str, Path]) -> None:
    challenge(registry, runs[B])
    (registry.root / "wine" / "challenges.json").unlink()
    assert registry.challenge_of("wine") is None
    shutil.rmtree(registry.root / "wine")
    assert registry.challenge_of("wine") is None
    assert in_force([], []) is None


@pytest.mark.parametrize(("text", "share"), [("5%", 0.05), ("100%", 1), ("0.25", 0.25), ("1", 1)])
def test_a_share_is_a_percentage_or_a_fraction(text: str, share: float) -> None:
    assert read_share(text) == share
    assert read_share(as_percent(share)) == share


@pytest.mark.parametrize("text", ["0", "0%", "-1%", "101%", "5", "nan", "inf%", "", "5 %%", "many"])
def test_other_shares_are_refused(text: str) -> None:
    with pytest.raises(InvalidValueError, match="--share"):
        read_share(text)
