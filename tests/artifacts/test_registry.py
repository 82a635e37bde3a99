"""A promotion is a verified copy; the current version is one pointer, switched in one step."""

import json
import re
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabproof.artifacts import Registry, files, find_run, read_manifest, read_verified
from tabproof.artifacts.errors import (
    AmbiguousRunError,
    NotPromotedError,
    NotServableError,
    RegistryDamagedError,
    UnverifiedRunError,
)
from tabproof.artifacts.registry import (
    NoSuchVersionError,
    NothingBeforeError,
    Promotion,
    RegistryNameError,
    history_as_bytes,
    parse_history,
    rollback_stack,
)
from tabproof.errors import InvalidValueError, NewerFormatError
from tabproof.runs.promote import NotBetterError
from tests.artifacts.making import REPLACEMENTS, changed_files, make_run, mount, names_in

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


def test_an_interrupt_at_any_moment_leaves_no_incomplete_copy(registry: Registry) -> None:
    def interrupted() -> None:
        with registry.locked("wine") as folder:
            (folder / ".incoming").mkdir()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not (registry.root / "wine" / ".incoming").exists()


def test_a_promoted_version_is_a_copy_of_the_run(registry: Registry, runs: dict[str, Path]) -> None:
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


def test_a_version_stays_when_the_run_is_removed(registry: Registry, runs: dict[str, Path]) -> None:
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


def test_rollback_to_any_promoted_version(registry: Registry, runs: dict[str, Path]) -> None:
    promote_all(registry, runs)
    assert registry.rollback("wine", "me", "", to="aa").version == A
    assert registry.rollback("wine", "me", "", to=C).version == C
    assert registry.rollback("wine", "me", "").version == A
    with pytest.raises(NoSuchVersionError, match=f"there are '{A}', '{B}', '{C}'"):
        registry.rollback("wine", "me", "", to="dd")
    with pytest.raises(NoSuchVersionError):
        registry.rollback("wine", "me", "", to="")


def test_an_ambiguous_version_is_refused(registry: Registry, tmp_path: Path) -> None:
    for run_id in ("abcd1", "abcd2"):
        registry.promote(make_run(tmp_path / run_id, run_id), "wine", "me", "")
    with pytest.raises(AmbiguousRunError):
        registry.rollback("wine", "me", "", to="abcd")


def test_promoting_the_current_version_makes_no_entry(
    registry: Registry, runs: dict[str, Path]
) -> None:
    done = registry.promote(runs[A], "wine", "me", "")
    assert registry.promote(runs[A], "wine", "you", "again") == done
    assert registry.rollback("wine", "me", "", to=A) == done
    assert registry.history("wine") == [done]


def test_a_rollback_to_a_damaged_version_is_refused(
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


def test_a_copy_of_another_run_under_the_name_of_a_version_is_refused(
    registry: Registry, runs: dict[str, Path]
) -> None:
    promote_all(registry, runs)
    shutil.rmtree(registry.path_of("wine", B))
    shutil.copytree(runs[A], registry.path_of("wine", B))
    with pytest.raises(UnverifiedRunError, match=f"is a copy of run {A}"):
        registry.rollback("wine", "me", "")


@pytest.mark.parametrize("is_current", [True, False])
def test_promoting_again_replaces_a_damaged_version_with_a_warning(
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


@pytest.mark.parametrize("is_promoted", [True, False])
def test_a_damaged_run_is_not_promoted_and_leaves_nothing(
    is_promoted: bool, registry: Registry, runs: dict[str, Path]
) -> None:
    if is_promoted:
        registry.promote(runs[A], "wine", "me", "")
        registry.promote(runs[B], "wine", "me", "")
    (runs[A] / "of").write_bytes(b"????????")
    before = registry.history("wine")
    with pytest.raises(UnverifiedRunError, match="of was changed"):
        registry.promote(runs[A], "wine", "me", "")
    assert registry.history("wine") == before
    assert versions_of(registry) == ([A, B] if is_promoted else [])
    assert not (registry.root / "wine" / ".incoming").exists()
    assert registry.names() == (["wine"] if is_promoted else [])


def test_a_run_without_a_scorer_is_not_promoted(registry: Registry, tmp_path: Path) -> None:
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
def test_an_invalid_name_is_refused(name: str, registry: Registry, runs: dict[str, Path]) -> None:
    with pytest.raises(RegistryNameError, match="1 to 64 letters") as caught:
        registry.promote(runs[A], name, "me", "")
    assert str(caught.value).isprintable()
    for read in (registry.current, registry.history, registry.version_named):
        with pytest.raises(RegistryNameError):
            read(name)
    assert not registry.root.exists()


@pytest.mark.parametrize("version", ["", "..", "a/b", "../x", "a\n", "a" * 65])
def test_an_invalid_version_is_refused(version: str, registry: Registry) -> None:
    with pytest.raises(NoSuchVersionError):
        registry.path_of("wine", version)


@pytest.mark.parametrize("why", ["two\nlines", "\x1b[2J", "\udcff", "x" * 1001])
def test_who_and_why_are_one_printable_line(
    why: str, registry: Registry, runs: dict[str, Path]
) -> None:
    for who, reason in (("me", why), (why, "")):
        with pytest.raises(InvalidValueError, match="one line of at most 1,000"):
            registry.promote(runs[A], "wine", who, reason)


def test_only_directories_with_a_pointer_are_names(
    registry: Registry, runs: dict[str, Path]
) -> None:
    assert registry.names() == []
    registry.promote(runs[A], "wine", "me", "")
    (registry.root / "README").touch()
    (registry.root / "never-promoted" / "versions").mkdir(parents=True)
    (registry.root / ".hidden").mkdir()
    (registry.root / ".hidden" / "pointer.json").touch()
    (registry.root / "READ.me").symlink_to("README")
    assert registry.names() == ["wine"]
    assert registry.current("never-promoted") is None
    with pytest.raises(NotPromotedError, match="there are 'wine'"):
        registry.rollback("beer", "me", "")
    assert not (registry.root / "beer").exists()


def test_links_beneath_the_root_are_followed_by_readers_only(
    registry: Registry, runs: dict[str, Path]
) -> None:
    promote_all(registry, runs)
    folder, moved = registry.root / "wine", registry.root / ".moved"
    for path in (folder / "versions" / C, folder / "versions", folder / "pointer.json", folder):
        moved.mkdir(exist_ok=True)
        path.rename(moved / path.name)
        path.symlink_to(moved / path.name)
        assert registry.names() == ["wine"]
        assert [each.version for each in registry.history("wine")] == [A, B, C]
        found = registry.path_of("wine", C)
        assert read_verified(found, lambda _: False, registry.roots).run_id == C
        # A version that is a link is not in the way of other versions.
        if path.name != C:
            with pytest.raises(RegistryDamagedError, match="changes follow none"):
                registry.rollback("wine", "me", "", to=A)


@pytest.mark.parametrize("depth", ["registry", "model"])
def test_a_mounted_volume_is_read_through_its_links(
    depth: str, registry: Registry, runs: dict[str, Path], tmp_path: Path
) -> None:
    promote_all(registry, runs)
    mounted = Registry(tmp_path / "mounted")
    if depth == "registry":
        mount(mounted.root, registry.root)
    else:
        mount(mounted.root / "wine", registry.root / "wine")
    assert mounted.names() == ["wine"]
    assert mounted.history("wine") == registry.history("wine")
    found = find_run("wine", tmp_path, mounted.root)
    assert read_verified(found, lambda _: False).run_id == C


@pytest.mark.parametrize("how", REPLACEMENTS)
@pytest.mark.parametrize("what", [".", "pointer.json", "versions", f"versions/{A}"])
def test_what_is_not_the_registrys_is_an_error_that_names_it(
    what: str, how: str, registry: Registry, runs: dict[str, Path], tmp_path: Path
) -> None:
    registry.promote(runs[A], "wine", "me", "")
    path = registry.root / "wine" / what
    outside = path.rename(tmp_path / "outside")
    REPLACEMENTS[how](path, outside)
    assert registry.names() == ["wine"]
    assert not registry.is_empty()
    with pytest.raises(RegistryDamagedError, match=re.escape(f"{path}")):
        read_verified(registry.path_of("wine", registry.version_named("wine")), lambda _: False)


def test_a_directory_in_the_place_of_a_pointer_is_an_error(registry: Registry) -> None:
    (registry.root / "wine" / "pointer.json").mkdir(parents=True)
    assert registry.names() == ["wine"]
    with pytest.raises(RegistryDamagedError, match="not a regular file"):
        registry.history("wine")


def test_a_link_to_a_directory_outside_is_an_error_even_without_a_pointer(
    registry: Registry, runs: dict[str, Path]
) -> None:
    registry.root.mkdir()
    (registry.root / "wine").symlink_to(runs[A])
    assert registry.names() == ["wine"]
    with pytest.raises(RegistryDamagedError, match="leads out of its root"):
        registry.history("wine")
    # It may be named as another place of links.
    assert Registry(registry.root, [runs[A].parent]).history("wine") == []


def test_nothing_was_promoted_in_a_registry_that_is_empty(
    registry: Registry, runs: dict[str, Path]
) -> None:
    assert registry.is_empty()
    (runs[A] / "of").write_bytes(b"????????")
    with pytest.raises(UnverifiedRunError):
        registry.promote(runs[A], "wine", "me", "")
    (registry.root / "README.md").touch()
    assert registry.is_empty()
    registry.promote(runs[B], "wine", "me", "")
    (registry.root / "wine" / "pointer.json").unlink()
    assert registry.names() == []
    assert not registry.is_empty()


def test_a_link_that_is_switched_after_it_was_followed_leads_nowhere_else(
    registry: Registry, runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.promote(runs[A], "wine", "me", "")
    path, follow = registry.path_of("wine", A), files.real_parts
    other = Registry(tmp_path / "other")
    shutil.copytree(registry.root / "wine", other.root / "wine")

    def switched(*arguments: Any) -> Any:
        found = follow(*arguments)
        (registry.root / "wine").rename(tmp_path / "away")
        (registry.root / "wine").symlink_to(other.root / "wine")
        return found

    monkeypatch.setattr(files, "real_parts", switched)
    with pytest.raises(UnverifiedRunError, match="is a symbolic link to one"):
        read_verified(path, lambda _: False, registry.roots)


def test_a_reading_is_repeated_while_a_link_is_switched(
    registry: Registry, runs: dict[str, Path], tmp_path: Path
) -> None:
    registry.promote(runs[A], "wine", "me", "")
    mounted = Registry(tmp_path / "mounted")
    mount(mounted.root, registry.root)
    tried = []

    def read() -> str:
        tried.append(len(tried))
        if len(tried) < 3:
            mount(mounted.root, registry.root)
            raise FileNotFoundError
        return "found"

    assert mounted.unmoved("wine", read) == "found"
    assert len(tried) == 3
    with pytest.raises(FileNotFoundError):
        registry.unmoved("wine", (tmp_path / "nothing").read_bytes)


def test_a_damaged_pointer_refuses_all_changes_and_stays_as_it_is(
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


def test_a_promotion_removes_what_a_killed_one_left(
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


def test_the_check_of_a_promotion_sees_the_current_version_and_can_refuse(
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


def test_the_pointer_is_plain_json(registry: Registry, runs: dict[str, Path]) -> None:
    promote_all(registry, runs)
    content = json.loads((registry.root / "wine" / "pointer.json").read_text())
    assert content["format"] == 1
    assert content["current"] == content["history"][-1]["version"] == C
    manifest = read_manifest(registry.path_of("wine", C))
    assert manifest is not None
    assert changed_files(registry.path_of("wine", C), manifest) == []


# --- The pointer and its history.


def entry(version: str, action: str = "promote", previous: str | None = None) -> Promotion:
    when = "2026-11-23T14:05:12+09:00"
    return Promotion(version, version, action, "me", when, "なぜ", previous)  # type: ignore[arg-type]


def test_a_history_survives_writing_and_parsing() -> None:
    history = [entry("a"), entry("b", previous="a"), entry("a", "rollback", "b")]
    content = history_as_bytes(history)
    assert parse_history(content) == history
    assert json.loads(content)["current"] == "a"


def plain(**changes: Any) -> dict[str, Any]:
    first = {"version": "a", "run_id": "a", "action": "promote", "who": "", "when": "", "why": ""}
    entries = [{**first, "previous": None}, {**first, "version": "b", "previous": "a"}]
    return {"format": 1, "current": "b", "history": entries, **changes}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "[" * 100_000,
        json.dumps(plain())[:-1],
        json.dumps(plain(current="a")),
        json.dumps(plain(current=None)),
        json.dumps(plain(history=[])),
        json.dumps(plain(history=[{}])),
        json.dumps(plain(history=plain()["history"][1:])),
        json.dumps(plain(history=plain()["history"][::-1], current="a")),
        json.dumps(plain()).replace('"promote"', '"delete"'),
        json.dumps(plain()).replace('"b"', '"../b"'),
        json.dumps(plain()).replace('"b"', '"b\\n"'),
        json.dumps(plain()).replace('"current"', '"current": "b", "current"'),
    ],
)
def test_a_damaged_pointer_is_refused_in_one_line(text: str, registry: Registry) -> None:
    (registry.root / "wine").mkdir(parents=True)
    (registry.root / "wine/pointer.json").write_text(text)
    with pytest.raises(RegistryDamagedError, match=r"pointer\.json is damaged") as caught:
        registry.history("wine")
    assert len(str(caught.value)) < 500


def test_a_newer_format_of_the_pointer_is_not_damage() -> None:
    with pytest.raises(NewerFormatError):
        parse_history(json.dumps(plain(format=2)).encode())


steps = st.lists(st.sampled_from("abcd") | st.none() | st.sampled_from("ABCD"), max_size=30)


@given(steps)
def test_the_rollback_stack_follows_promotions_and_rollbacks(
    steps: list[str | None],
) -> None:
    """A letter promotes, None rolls back, a capital rolls back to that version."""
    stack: list[str] = []
    history: list[Promotion] = []
    for step in steps:
        if step is None:
            if len(stack) < 2:
                continue
            stack.pop()
            history.append(entry(stack[-1], "rollback"))
        elif not stack or step.lower() != stack[-1]:
            version, is_rollback = step.lower(), step.isupper()
            if is_rollback and version not in {e.version for e in history}:
                continue
            if is_rollback and version in stack:
                while stack[-1] != version:
                    stack.pop()
            else:
                stack.append(version)
            history.append(entry(version, "rollback" if is_rollback else "promote"))
        assert rollback_stack(history) == stack
