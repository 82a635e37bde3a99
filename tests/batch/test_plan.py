"""What is read, and what was scored, is never written over: not even by bad rows."""

import os
from pathlib import Path

import pytest

from tabproof.batch.plan import ANSWERS, PARTS, READ, BatchPathError, make_plan
from tabproof.errors import InvalidValueError


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    for name in ("a.csv", "scored.csv.bad.csv", "in/a.csv", "in/b.csv"):
        (tmp_path / name).write_bytes(b"x\n")
    (tmp_path / "soft.csv").symlink_to("a.csv")
    (tmp_path / "hard.csv").hardlink_to(tmp_path / "a.csv")
    return tmp_path


def aside(text: str | None) -> Path | None:
    return None if text is None else Path(text)


BAD_ROWS = [
    ("a.csv", "b.csv", "a.csv", READ),
    ("a.csv", "b.csv", "in/../a.csv", READ),
    ("a.csv", "b.csv", "soft.csv", READ),
    ("a.csv", "b.csv", "hard.csv", READ),
    ("soft.csv", "b.csv", "a.csv", READ),
    ("a.csv", "-", "a.csv", READ),
    ("in", "b.csv", "in/c.csv", READ),
    ("scored.csv.bad.csv", "scored.csv", None, READ),
    ("a.csv", "b.csv", "b.csv", ANSWERS),
    ("a.csv", "out/", "out/a.csv", ANSWERS),
    ("a.csv", "out/", "out", ANSWERS),
    ("a.csv", "b.csv", "b.csv.parts/c.csv", PARTS),
    ("a.csv", "b.csv", "b.csv.parts", PARTS),
    ("a.csv", "b.csv", "in", "a directory is there"),
    ("a.csv", "b.csv", "/dev/null", "it is a character device"),
    ("a.csv", "b.csv", "gone/bad.csv", "its directory gone does not exist"),
    ("a.csv", "-", "gone/bad.csv", "its directory gone does not exist"),
]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("source", "output", "bad_rows", "reason"), BAD_ROWS)
def test_bad_rows_have_a_file_of_their_own(
    source: str, output: str, bad_rows: str | None, reason: str
) -> None:
    with pytest.raises(BatchPathError, match=f": {reason}.*; say bad_rows="):
        make_plan(source, output, aside(bad_rows))


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("output", ["soft.csv", "hard.csv"])
def test_a_link_to_an_input_is_no_output(output: str) -> None:
    with pytest.raises(BatchPathError, match=READ):
        make_plan("a.csv", output)


def test_what_stdin_reads_is_not_written(here: Path) -> None:
    before, source = os.dup(0), os.open(here / "a.csv", os.O_RDONLY)
    os.dup2(source, 0)
    try:
        with pytest.raises(BatchPathError, match=READ):
            make_plan("-", "b.csv", Path("a.csv"))
    finally:
        os.dup2(before, 0)
        os.close(before)
        os.close(source)


def test_an_input_among_the_parts_is_refused(here: Path) -> None:
    (here / "b.csv.parts").mkdir()
    (here / "b.csv.parts" / "scratch.csv").write_bytes(b"x\n")
    with pytest.raises(BatchPathError, match=PARTS):
        make_plan("b.csv.parts/scratch.csv", "b.csv")


@pytest.mark.parametrize(
    ("output", "kind"),
    [("/dev/null", "character device"), ("pipe", "FIFO"), ("pipe.csv", "FIFO")],
)
def test_devices_and_pipes_are_written_by_stdout(output: str, kind: str, here: Path) -> None:
    for name in ("pipe", "pipe.csv"):
        os.mkfifo(here / name)
    with pytest.raises(BatchPathError, match=f"it is a {kind}, .* output=- > {output}"):
        make_plan("a.csv", output)


def test_a_file_is_not_taken_for_a_directory(here: Path) -> None:
    (here / "notes").write_text("no table")
    with pytest.raises(BatchPathError, match="its ending is none of these"):
        make_plan("a.csv", "notes")


@pytest.mark.usefixtures("here")
def test_bad_rows_are_written_next_to_their_output_by_default() -> None:
    told = Path("in/../bad.csv")
    assert make_plan("a.csv", "b.csv").tasks[0].bad_rows == Path("b.csv.bad.csv")
    assert make_plan("a.csv", "b.csv", told).tasks[0].bad_rows == told
    assert make_plan("a.csv", "-").tasks[0].bad_rows is None
    assert make_plan("a.csv", "out/", Path("out/bad.csv")).tasks[0].bad_rows == Path("out/bad.csv")
    with pytest.raises(InvalidValueError, match="each has its own"):
        make_plan("in", "out/", told)
