"""What is promoted is a verified copy, and what is current is one fact, switched in one step."""

import json
import shutil
from datetime import datetime
from pathlib import Path

import pytest

from tabproof.artifacts import Registry, changed_files, read_manifest, read_verified
from tabproof.artifacts.errors import (
    AmbiguousRunError,
    NoSuchVersionError,
    NothingBeforeError,
    NotPromotedError,
    NotServableError,
    RegistryDamagedError,
    RegistryNameError,
    UnverifiedRunError,
)
from tabproof.errors import InvalidValueError
from tabproof.runs.errors import NotBetterError
from tests.artifacts.making import make_run, names_in

A, B, C = "aaaa0000", "bbbb0000", "cccc0000"


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "models")


@pytest.fixture
def runs(tmp_path: Path) -> dict[str, Path]:
    ids = (A, B, C)
    return {i: make_run(tmp_path / "outputs" / i, i, {"of": i.encode()}) for i in ids}


def promote_all(registry: Registry, runs: dict[str, Path]) -> None:
    for run in runs.values():
        registry.promote(run, "wine", "me@here", "")


def versions_of(registry: Registry, name: str = "wine") -> list[str]:
    return names_in(registry.root / name / "versions")


def test_a_promoted_version_is_the_whole_run_byte_for_byte(
    registry: Registry, runs: dict[str, Path]
) -> None:
    done = registry.promote(runs[A], "wine", "me@here", "初めて")
    assert registry.current("wine") == done
    assert registry.history("wine") == [done]
    assert (done.version, done.run_id, done.action, done.previous) == (A, A, "promote", None)
    assert (done.who, done.why) == ("me@here", "初めて")
    assert datetime.fromisoformat(done.when).utcoffset() is not None
    copy = registry.path_of("wine", A)
    files = {p.relative_to(runs[A]): p.read_bytes() for p in runs[A].rglob("*") if p.is_file()}
    assert files == {p.relative_to(copy): p.read_bytes() for p in copy.rglob("*") if p.is_file()}
    assert names_in(registry.root / "wine") == [".lock", "pointer.json", "versions"]


def test_a_copy_stays_when_the_run_goes(registry: Registry, runs: dict[str, Path]) -> None:
    registry.promote(runs[A], "wine", "me", "")
    shutil.rmtree(runs[A])
    assert read_verified(registry.path_of("wine", A), lambda _: False).run_id == A
    # A promoted copy is a run directory, and may be promoted again.
    registry.promote(registry.path_of("wine", A), "other", "me", "")
    assert registry.names() == ["other", "wine"]


def test_rollback_undoes_one_promotion_after_the_other(
    registry: Registry, runs: dict[str, Path]
) -> None:
    promote_all(registry, runs)
    assert registry.rollback("wine", "me", "").version == B
    assert registry.rollback("wine", "me", "").version == A
    with pytest.raises(NothingBeforeError, match=f"nothing was promoted before {A}"):
        registry.rollback("wine", "me", "")
    assert [e.version for e in registry.history("wine")] == [A, B, C, B, A]
    assert [e.previous for e in registry.history("wine")] == [None, A, B, C, B]
    registry.promote(runs[C], "wine", "me", "")
    assert registry.rollback("wine", "me", "").version == A


def test_rollback_goes_to_any_version_that_was_promoted(
    registry: Registry, runs: dict[str, Path]
) -> None:
    promote_all(registry, runs)
    assert registry.rollback("wine", "me", "", to="aa").version == A
    assert registry.rollback("wine", "me", "", to=C).version == C
    assert registry.rollback("wine", "me", "").version == A
    with pytest.raises(NoSuchVersionError, match=f"there are '{A}', '{B}', '{C}'"):
        registry.rollback("wine", "me", "", to="dd")
    with pytest.raises(NoSuchVersionError):
        registry.rollback("wine", "me", "", to="")


def test_a_beginning_of_two_versions_is_refused(registry: Registry, tmp_path: Path) -> None:
    for run_id in ("abcd1", "abcd2"):
        registry.promote(make_run(tmp_path / run_id, run_id), "wine", "me", "")
    with pytest.raises(AmbiguousRunError):
        registry.rollback("wine", "me", "", to="abcd")


def test_what_is_current_already_makes_no_entry(registry: Registry, runs: dict[str, Path]) -> None:
    done = registry.promote(runs[A], "wine", "me", "")
    assert registry.promote(runs[A], "wine", "you", "again") == done
    assert registry.rollback("wine", "me", "", to=A) == done
    assert registry.history("wine") == [done]


def test_nothing_is_rolled_back_to_that_is_damaged(
    registry: Registry, runs: dict[str, Path]
) -> None:
    promote_all(registry, runs)
    (registry.path_of("wine", B) / "of").write_bytes(b"????????")
    with pytest.raises(UnverifiedRunError, match="of was changed"):
        registry.rollback("wine", "me", "")
    assert len(registry.history("wine")) == 3
    shutil.rmtree(registry.path_of("wine", B))
    with pytest.raises(UnverifiedRunError):
        registry.rollback("wine", "me", "")
    assert registry.rollback("wine", "me", "", to=A).version == A


def test_a_copy_of_another_run_under_a_versions_name_is_damage(
    registry: Registry, runs: dict[str, Path]
) -> None:
    promote_all(registry, runs)
    shutil.rmtree(registry.path_of("wine", B))
    shutil.copytree(runs[A], registry.path_of("wine", B))
    with pytest.raises(UnverifiedRunError, match=f"is a copy of run {A}"):
        registry.rollback("wine", "me", "")


@pytest.mark.parametrize("is_current", [True, False])
def test_promoting_again_mends_a_damaged_version_and_says_so(
    is_current: bool, registry: Registry, runs: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    registry.promote(runs[A], "wine", "me", "")
    if not is_current:
        registry.promote(runs[B], "wine", "me", "")
    (registry.path_of("wine", A) / "of").unlink()
    registry.promote(runs[A], "wine", "me", "")
    assert "of is missing" in caplog.text
    assert read_verified(registry.path_of("wine", A), lambda _: False).run_id == A
    assert len(registry.history("wine")) == (1 if is_current else 3)
    assert not (registry.root / "wine" / ".retired").exists()


@pytest.mark.parametrize("there_already", [True, False])
def test_a_damaged_run_is_not_promoted_and_leaves_nothing(
    there_already: bool, registry: Registry, runs: dict[str, Path]
) -> None:
    if there_already:
        registry.promote(runs[A], "wine", "me", "")
        registry.promote(runs[B], "wine", "me", "")
    (runs[A] / "of").write_bytes(b"????????")
    before = registry.history("wine")
    with pytest.raises(UnverifiedRunError, match="of was changed"):
        registry.promote(runs[A], "wine", "me", "")
    assert registry.history("wine") == before
    assert versions_of(registry) == ([A, B] if there_already else [])
    assert not (registry.root / "wine" / ".incoming").exists()
    assert registry.names() == (["wine"] if there_already else [])


def test_a_run_that_cannot_be_served_is_not_promoted(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(NotServableError, match=r"trained with export=false"):
        registry.promote(make_run(tmp_path / "run", servable=False), "wine", "me", "")
    assert not registry.root.exists()


NAMES = [
    "",
    ".",
    "..",
    "../x",
    "a/b",
    ".hidden",
    "-x",
    "a b",
    "結果",
    "a" * 65,
    "a\n",
    "a\0",
    "a\\b",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_is_no_plain_word_is_refused(
    name: str, registry: Registry, runs: dict[str, Path]
) -> None:
    with pytest.raises(RegistryNameError, match="1 to 64 letters") as caught:
        registry.promote(runs[A], name, "me", "")
    assert str(caught.value).isprintable()
    for read in (registry.current, registry.history, registry.version_named):
        with pytest.raises(RegistryNameError):
            read(name)
    assert not registry.root.exists()


@pytest.mark.parametrize("version", ["", "..", "a/b", "../x", "a\n", "a" * 65])
def test_a_version_that_is_no_id_has_no_path(version: str, registry: Registry) -> None:
    with pytest.raises(NoSuchVersionError):
        registry.path_of("wine", version)


@pytest.mark.parametrize("why", ["two\nlines", "\x1b[2J", "\udcff", "x" * 1001])
def test_the_history_takes_one_printable_line(
    why: str, registry: Registry, runs: dict[str, Path]
) -> None:
    for who, reason in (("me", why), (why, "")):
        with pytest.raises(InvalidValueError, match="one line of at most 1,000"):
            registry.promote(runs[A], "wine", who, reason)


def test_names_are_those_of_entries_alone(registry: Registry, runs: dict[str, Path]) -> None:
    assert registry.names() == []
    registry.promote(runs[A], "wine", "me", "")
    (registry.root / "README").touch()
    (registry.root / "never-promoted" / "versions").mkdir(parents=True)
    (registry.root / ".hidden").mkdir()
    (registry.root / ".hidden" / "pointer.json").touch()
    (registry.root / "folder" / "pointer.json").mkdir(parents=True)
    (registry.root / "linked").symlink_to("wine")
    assert registry.names() == ["wine"]
    assert registry.current("never-promoted") is None
    with pytest.raises(NotPromotedError, match="there are 'wine'"):
        registry.rollback("beer", "me", "")
    assert not (registry.root / "beer").exists()


def test_a_link_in_the_registry_leads_nowhere(registry: Registry, runs: dict[str, Path]) -> None:
    promote_all(registry, runs)
    (registry.root / "linked").symlink_to("wine")
    with pytest.raises(RegistryDamagedError, match="symbolic link"):
        registry.current("linked")
    versions = registry.root / "wine" / "versions"
    versions.rename(registry.root / "moved")
    versions.symlink_to(registry.root / "moved")
    with pytest.raises(RegistryDamagedError, match="symbolic link"):
        registry.path_of("wine", A)


def test_a_damaged_pointer_stops_everything_and_stays_as_it_is(
    registry: Registry, runs: dict[str, Path]
) -> None:
    promote_all(registry, runs)
    pointer = registry.root / "wine" / "pointer.json"
    pointer.write_text(pointer.read_text()[:-10])
    damaged = pointer.read_bytes()
    with pytest.raises(RegistryDamagedError):
        registry.promote(runs[A], "wine", "me", "")
    with pytest.raises(RegistryDamagedError):
        registry.rollback("wine", "me", "")
    assert pointer.read_bytes() == damaged


def test_what_was_left_by_a_killed_promotion_is_cleaned_by_the_next(
    registry: Registry, runs: dict[str, Path]
) -> None:
    registry.promote(runs[A], "wine", "me", "")
    folder = registry.root / "wine"
    (folder / ".incoming" / "scorer").mkdir(parents=True)
    shutil.copytree(runs[A], folder / ".retired")
    (folder / ".pointer.json.12345.tmp").write_text("{")
    assert registry.history("wine")[-1].version == A
    registry.promote(runs[B], "wine", "me", "")
    assert names_in(folder) == [".lock", "pointer.json", "versions"]


def test_a_judge_sees_the_current_version_and_its_word_holds(
    registry: Registry, runs: dict[str, Path]
) -> None:
    def refusing(current: Path) -> str:
        assert read_manifest(current) is not None
        raise NotBetterError("worse", 0.05)

    registry.promote(runs[A], "wine", "me", "", refusing)
    with pytest.raises(NotBetterError):
        registry.promote(runs[B], "wine", "me", "", refusing)
    assert versions_of(registry) == [A]
    assert registry.promote(runs[A], "wine", "me", "", refusing).version == A
    done = registry.promote(runs[B], "wine", "me", "tried", lambda current: f"over {current.name}")
    assert done.why == f"tried; over {A}"


def test_the_pointer_is_for_other_programs_too(registry: Registry, runs: dict[str, Path]) -> None:
    promote_all(registry, runs)
    content = json.loads((registry.root / "wine" / "pointer.json").read_text())
    assert content["format"] == 1
    assert content["current"] == content["history"][-1]["version"] == C
    manifest = read_manifest(registry.path_of("wine", C))
    assert manifest is not None
    assert changed_files(registry.path_of("wine", C), manifest) == []
