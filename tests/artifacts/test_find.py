"""Runs are found by name or listed; the index of the list is a cache and never wrong."""

import logging
import os
import shutil
from pathlib import Path

import pytest

from tabproof.artifacts import Registry, find, find_run, newest_complete_run, read_records, record
from tabproof.artifacts.errors import (
    AmbiguousRunError,
    NoSuchRunError,
    NotPromotedError,
    OutputsError,
)
from tabproof.artifacts.find import INDEX
from tabproof.artifacts.registry import NoSuchVersionError
from tests.artifacts.making import (
    DAY,
    make_failed,
    make_recorded_run,
    make_run,
    make_running,
    make_unfinished,
)

OUTPUTS, MODELS = Path("outputs"), Path("models")


@pytest.fixture(autouse=True)
def empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def completed(name: str, run_id: str, at: int) -> Path:
    """Make a run whose manifest was written `at` seconds after 1970."""
    run = make_run(OUTPUTS / name, run_id)
    os.utime(run / "manifest.json", (at, at))
    return run


@pytest.fixture
def runs() -> dict[str, Path]:
    return {
        "old": completed("2026-01-01/09-00-00_wine_none_77777777", "aaaa1111", 900),
        "first": completed("2026-01-02/09-00-00_wine_none_88888888", "aaaa2222", 200),
        "job": completed("2026-01-02/10-00-00_sweep_x/0_model=y", "bbbb1111", 300),
        "same numbers": completed("2026-01-02/11-00-00_wine_none_99999999", "bbbb1111", 250),
    }


def test_latest_is_the_run_completed_last_on_the_last_date(runs: dict[str, Path]) -> None:
    assert newest_complete_run(OUTPUTS) == find_run("latest", OUTPUTS) == runs["job"]


def test_latest_ignores_directories_that_are_not_runs(
    runs: dict[str, Path], empty_directory: Path
) -> None:
    (OUTPUTS / "2026-01-03/10-00-00_wine_none_x").mkdir(parents=True)
    (OUTPUTS / "2026-01-03/10-00-00_wine_none_x/status.json").touch()
    make_run(empty_directory / "elsewhere/run", "cccc1111")
    (OUTPUTS / "2026-01-04").symlink_to(empty_directory / "elsewhere")
    (OUTPUTS / "2026-01-03/linked").symlink_to(empty_directory / "elsewhere/run")
    make_run(OUTPUTS / "zz-notes/run", "cccc1111")
    (OUTPUTS / "2026-01-05").touch()
    (OUTPUTS / "latest").symlink_to("2026-01-01")
    assert newest_complete_run(OUTPUTS) == runs["job"]


def test_latest_reads_only_the_newest_date(
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


def test_a_run_is_found_by_its_directory_or_a_link_to_it(
    runs: dict[str, Path], empty_directory: Path
) -> None:
    assert find_run(str(runs["old"]), OUTPUTS) == runs["old"]
    assert find_run(str(empty_directory / runs["old"]), OUTPUTS) == runs["old"]
    (OUTPUTS / "latest").symlink_to(runs["old"].relative_to(OUTPUTS))
    assert find_run("outputs/latest", OUTPUTS) == runs["old"]


def test_a_run_is_found_by_an_unambiguous_id_prefix(runs: dict[str, Path]) -> None:
    assert find_run("aaaa1", OUTPUTS) == runs["old"]
    assert find_run("aaaa2222", OUTPUTS) == runs["first"]
    with pytest.raises(AmbiguousRunError, match="'aaaa' begins 2 run ids: 'aaaa1111', 'aaaa2222'"):
        find_run("aaaa", OUTPUTS)


def test_of_runs_with_the_same_id_the_newest_is_found(runs: dict[str, Path]) -> None:
    assert find_run("bbbb", OUTPUTS) == runs["job"]
    os.utime(runs["same numbers"] / "manifest.json", (400, 400))
    assert find_run("bbbb1111", OUTPUTS) == runs["same numbers"]


def test_a_whole_id_is_found_although_it_begins_another() -> None:
    short = completed("2026-01-01/a", "dddd", 100)
    completed("2026-01-01/b", "dddd1111", 200)
    assert find_run("dddd", OUTPUTS) == short


def test_a_damaged_manifest_does_not_hide_other_runs(runs: dict[str, Path]) -> None:
    (runs["first"] / "manifest.json").write_text("{")
    assert find_run("aaaa", OUTPUTS) == runs["old"]


@pytest.mark.parametrize(
    "text", ["", "aaa", "aaaa3", "bbb?", "no/such", "x" * 5000, "a\0b", "9" * 8]
)
def test_an_unknown_name_is_refused_with_a_similar_run(text: str, runs: dict[str, Path]) -> None:
    with pytest.raises(NoSuchRunError, match=r"of the 4 run\(s\) in outputs there is '") as caught:
        find_run(text, OUTPUTS)
    assert str(caught.value).isprintable()
    if text == "9" * 8:
        # The end of a directory's name looks like an id.
        assert str(runs["same numbers"]) in str(caught.value)


def test_a_directory_without_a_manifest_is_returned_for_the_reader_to_refuse(
    empty_directory: Path,
) -> None:
    (empty_directory / "unfinished").mkdir()
    assert find_run("unfinished", OUTPUTS) == Path("unfinished")


def test_promoted_names_and_versions_are_found(runs: dict[str, Path]) -> None:
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


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    outputs = tmp_path / "outputs"
    make_recorded_run(outputs / "2026-11-22/09-00-00_adult", "aaaa0000", 0.91)
    make_recorded_run(outputs / DAY / "10-00-00_sweep/0_search=full", "bbbb0000", 0.92)
    make_failed(outputs / DAY / "10-00-00_sweep/1_search=fast")
    make_recorded_run(outputs / DAY / "11-00-00_名 前", "cccc0000", 0.93)
    return outputs


def names(outputs: Path) -> list[tuple[str, str | None]]:
    return [(found.path.name, found.record.run_id) for found in read_records(outputs)]


EXPECTED = [
    ("11-00-00_名 前", "cccc0000"),
    ("1_search=fast", None),
    ("0_search=full", "bbbb0000"),
    ("09-00-00_adult", "aaaa0000"),
]


def read_again(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the runs that are read although the index exists."""
    seen: list[str] = []
    plain = record.read_record
    with monkeypatch.context() as patch:
        patch.setattr(find, "read_record", lambda run: (seen.append(run.name), plain(run))[1])
        read_records(outputs)
    return sorted(seen)


def test_every_run_is_listed_the_newest_first(outputs: Path) -> None:
    assert names(outputs) == names(outputs) == EXPECTED
    assert [found.when for found in read_records(outputs)][::3] == [
        "2026-11-23 11:00:00", "2026-11-22 09:00:00",
    ]  # fmt: skip


def test_of_runs_begun_in_one_second_the_one_completed_last_is_first() -> None:
    late = completed("2026-01-02/09-00-00_wine_none_11111111", "aaaa1111", 202)
    early = completed("2026-01-02/09-00-00_wine_none_99999999", "aaaa2222", 201)
    assert [found.path for found in read_records(OUTPUTS)] == [late, early]


def test_unchanged_runs_are_not_read_again(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = read_records(outputs)
    assert read_again(outputs, monkeypatch) == []
    assert read_records(outputs) == before
    shutil.move(outputs, outputs.with_name("moved"))
    assert read_again(outputs.with_name("moved"), monkeypatch) == []


def test_a_run_that_changes_is_read_again(outputs: Path) -> None:
    read_records(outputs)
    run = outputs / DAY / "11-00-00_名 前"
    for run_id, auc in (("dddd0000", 0.95), ("eeee0000", 0.96)):
        shutil.rmtree(run)
        # Of the same size each time, with times as a copy may keep them.
        make_recorded_run(run, run_id, auc)
        for name in ("manifest.json", "summary.json"):
            os.utime(run / name, ns=(1, 1))
        assert names(outputs)[0] == ("11-00-00_名 前", run_id)
    summary = run / "summary.json"
    summary.write_bytes(summary.read_bytes().replace(b"0.96", b"0.99"))
    assert read_records(outputs)[0].record.state == "failed"


def test_a_removed_run_leaves_the_index(outputs: Path) -> None:
    read_records(outputs)
    shutil.rmtree(outputs / DAY)
    assert names(outputs) == EXPECTED[3:]
    assert list(find._read_index(outputs / INDEX)) == ["2026-11-22/09-00-00_adult"]


def test_records_that_may_change_are_read_each_time(
    outputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_running(outputs / DAY / "12-00-00_a")
    make_unfinished(outputs / DAY / "13-00-00_b", None)
    damaged = make_recorded_run(outputs / DAY / "14-00-00_c", "dddd0000")
    (damaged / "summary.json").write_text("{}")
    read_records(outputs)
    assert read_again(outputs, monkeypatch) == ["12-00-00_a", "13-00-00_b", "14-00-00_c"]


@pytest.mark.parametrize("content", [b"", b"no index" * 999, b"2 0\n{}"])
def test_a_damaged_index_is_replaced_with_a_warning(
    content: bytes, outputs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (outputs / INDEX).write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert names(outputs) == EXPECTED
    assert [record.getMessage().count("\n") for record in caplog.records] == [0]
    assert "made anew" in caplog.text
    caplog.clear()
    assert names(outputs) == EXPECTED
    assert caplog.text == ""


def test_an_index_of_another_version_is_replaced_without_a_warning(
    outputs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = read_records(outputs)
    head, _, content = (outputs / INDEX).read_bytes().partition(b"\n")
    number, checksum = head.split()
    older = b"%d %s\n%s" % (int(number) - 1, checksum, content.replace(b"0.9", b"0.8"))
    (outputs / INDEX).write_bytes(older)
    assert read_records(outputs) == before
    assert caplog.text == ""


def test_a_flipped_bit_in_the_index_changes_no_record(outputs: Path) -> None:
    before = read_records(outputs)
    whole = (outputs / INDEX).read_bytes()
    for place in range(7, len(whole) * 8, len(whole) * 8 // 150):
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        (outputs / INDEX).write_bytes(flipped)
        assert read_records(outputs) == before


def test_a_truncated_index_is_replaced(outputs: Path) -> None:
    read_records(outputs)
    whole = (outputs / INDEX).read_bytes()
    for size in range(1, len(whole), len(whole) // 20):
        (outputs / INDEX).write_bytes(whole[:size])
        assert names(outputs) == EXPECTED


def test_the_list_works_without_an_index(outputs: Path) -> None:
    (outputs / INDEX).mkdir()
    assert names(outputs) == names(outputs) == EXPECTED


def test_a_directory_name_that_is_not_utf8_is_listed(outputs: Path) -> None:
    run = os.fsdecode(os.fsencode(outputs / DAY) + b"/15-00-00_\xff")
    make_recorded_run(Path(run), "dddd0000")
    assert names(outputs)[0] == names(outputs)[0] == (Path(run).name, "dddd0000")


def test_a_missing_outputs_directory_is_refused_an_empty_one_is_not(tmp_path: Path) -> None:
    with pytest.raises(OutputsError, match="nowhere cannot be read: No such file"):
        read_records(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert read_records(tmp_path / "empty") == []
    assert not (tmp_path / "empty" / INDEX).exists()
