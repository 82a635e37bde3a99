"""A run is found by what a person calls it; what could be two is refused."""

import os
from pathlib import Path

import pytest

from tabproof.artifacts import Registry, find_run, newest_complete_run
from tabproof.artifacts.errors import (
    AmbiguousRunError,
    NoSuchRunError,
    NoSuchVersionError,
    NotPromotedError,
)
from tests.artifacts.making import make_run

OUTPUTS, MODELS = Path("outputs"), Path("models")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def sealed(name: str, run_id: str, at: int) -> Path:
    """Make a run and date its manifest; at: in seconds."""
    run = make_run(OUTPUTS / name, run_id)
    os.utime(run / "manifest.json", (at, at))
    return run


@pytest.fixture
def runs() -> dict[str, Path]:
    return {
        "old": sealed("2026-01-01/09-00-00_wine_none_77777777", "aaaa1111", 900),
        "first": sealed("2026-01-02/09-00-00_wine_none_88888888", "aaaa2222", 200),
        "job": sealed("2026-01-02/10-00-00_sweep_x/0_model=y", "bbbb1111", 300),
        "same numbers": sealed("2026-01-02/11-00-00_wine_none_99999999", "bbbb1111", 250),
    }


def test_latest_is_what_was_sealed_last_on_the_last_date(runs: dict[str, Path]) -> None:
    assert newest_complete_run(OUTPUTS) == find_run("latest", OUTPUTS) == runs["job"]


def test_what_is_no_run_is_never_the_latest(runs: dict[str, Path], here: Path) -> None:
    (OUTPUTS / "2026-01-03/10-00-00_wine_none_x").mkdir(parents=True)
    (OUTPUTS / "2026-01-03/10-00-00_wine_none_x/status.json").touch()
    make_run(here / "elsewhere/run", "cccc1111")
    (OUTPUTS / "2026-01-04").symlink_to(here / "elsewhere")
    (OUTPUTS / "2026-01-03/linked").symlink_to(here / "elsewhere/run")
    make_run(OUTPUTS / "zz-notes/run", "cccc1111")
    (OUTPUTS / "2026-01-05").touch()
    (OUTPUTS / "latest").symlink_to("2026-01-01")
    assert newest_complete_run(OUTPUTS) == runs["job"]


def test_dates_before_the_newest_are_not_looked_into(
    runs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Path] = []
    plain = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: (seen.append(path), plain(path))[1])
    newest_complete_run(OUTPUTS)
    assert runs["old"].parent not in seen


def test_without_runs_there_is_no_latest() -> None:
    assert newest_complete_run(OUTPUTS) is None
    OUTPUTS.mkdir()
    assert newest_complete_run(OUTPUTS) is None
    with pytest.raises(NoSuchRunError, match=r"no complete run; python -m src\.train makes one"):
        find_run("latest", OUTPUTS)


def test_a_directory_names_itself_and_a_link_to_it(runs: dict[str, Path], here: Path) -> None:
    assert find_run(str(runs["old"]), OUTPUTS) == runs["old"]
    assert find_run(str(here / runs["old"]), OUTPUTS) == runs["old"]
    (OUTPUTS / "latest").symlink_to(runs["old"].relative_to(OUTPUTS))
    assert find_run("outputs/latest", OUTPUTS) == runs["old"]


def test_the_beginning_of_an_id_is_enough_while_it_is_one(runs: dict[str, Path]) -> None:
    assert find_run("aaaa1", OUTPUTS) == runs["old"]
    assert find_run("aaaa2222", OUTPUTS) == runs["first"]
    with pytest.raises(AmbiguousRunError, match="'aaaa' begins 2 run ids: 'aaaa1111', 'aaaa2222'"):
        find_run("aaaa", OUTPUTS)


def test_of_runs_with_the_same_numbers_the_newest_is_taken(runs: dict[str, Path]) -> None:
    assert find_run("bbbb", OUTPUTS) == runs["job"]
    os.utime(runs["same numbers"] / "manifest.json", (400, 400))
    assert find_run("bbbb1111", OUTPUTS) == runs["same numbers"]


def test_an_id_that_begins_another_is_itself() -> None:
    short = sealed("2026-01-01/a", "dddd", 100)
    sealed("2026-01-01/b", "dddd1111", 200)
    assert find_run("dddd", OUTPUTS) == short


def test_a_damaged_manifest_hides_no_other_run(runs: dict[str, Path]) -> None:
    (runs["first"] / "manifest.json").write_text("{")
    assert find_run("aaaa", OUTPUTS) == runs["old"]


@pytest.mark.parametrize(
    "text", ["", "aaa", "aaaa3", "bbb?", "no/such", "x" * 5000, "a\0b", "9" * 8]
)
def test_what_names_nothing_is_told_with_what_there_is(text: str, runs: dict[str, Path]) -> None:
    with pytest.raises(NoSuchRunError, match=r"of the 4 run\(s\) in outputs there is '") as caught:
        find_run(text, OUTPUTS)
    assert str(caught.value).isprintable()
    if text == "9" * 8:
        # The end of a directory's name looks like an id.
        assert str(runs["same numbers"]) in str(caught.value)


def test_a_directory_without_a_manifest_is_given_so_that_reading_says_why(here: Path) -> None:
    (here / "unfinished").mkdir()
    assert find_run("unfinished", OUTPUTS) == Path("unfinished")


def test_a_promoted_name_and_its_versions_name_their_copies(runs: dict[str, Path]) -> None:
    registry = Registry(MODELS)
    registry.promote(runs["old"], "wine", "me", "")
    registry.promote(runs["first"], "wine", "me", "")
    assert find_run("wine", OUTPUTS, MODELS) == Path("models/wine/versions/aaaa2222")
    assert find_run("wine/aaaa1", OUTPUTS, MODELS) == Path("models/wine/versions/aaaa1111")
    with pytest.raises(NoSuchVersionError):
        find_run("wine/bbbb", OUTPUTS, MODELS)
    with pytest.raises(NoSuchRunError):
        find_run("wine", OUTPUTS)
    with pytest.raises(NotPromotedError):
        registry.version_named("beer")
