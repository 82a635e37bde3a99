"""Where inputs lie and outputs go is settled, or refused, before anything is read."""

from pathlib import Path

import pytest

from tabproof.batch.plan import BatchPathError, make_plan


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for name in ("b.CSV", "a.csv.gz", "c.parquet", ".d.csv", "e.csv.bad.csv", "f.txt"):
        (tmp_path / "in" / name).write_bytes(b"")
    (tmp_path / "in" / "g.zip").write_bytes(b"PK\x03\x04")
    return tmp_path


def test_a_single_file_is_told_by_its_content(folder: Path) -> None:
    for content, kind in ((b"PAR1", "parquet"), (b"\x1f\x8b", "csv.gz"), (b"a\tb\n", "csv")):
        (folder / "table.TSV").write_bytes(content)
        (task,) = make_plan(str(folder / "table.TSV"), str(folder / "out.csv")).tasks
        assert [file.kind for file in task.inputs] == [kind]


def test_a_directory_holds_its_files_by_name(folder: Path) -> None:
    (task,) = make_plan(str(folder / "in"), str(folder / "out.csv")).tasks
    assert [Path(file.name).name for file in task.inputs] == ["a.csv.gz", "b.CSV", "c.parquet"]
    assert [file.kind for file in task.inputs] == ["csv.gz", "csv", "parquet"]


def test_a_directory_of_outputs_has_one_for_each(folder: Path) -> None:
    plan = make_plan(str(folder / "in"), str(folder / "out"))
    assert [task.output for task in plan.tasks] == [
        folder / "out" / name for name in ("a.csv.gz", "b.CSV", "c.parquet")
    ]
    assert plan.parts == folder / "out.parts"


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("in/c.parquet", "in/c.parquet"),
        ("in/c.parquet", "in/"),
        ("in/c.parquet", "in"),
        ("in", "in"),
        ("in", "in/out.csv"),
        ("in", "in/../in/"),
    ],
)
def test_no_output_takes_the_place_of_an_input(folder: Path, source: str, output: str) -> None:
    with pytest.raises(BatchPathError, match="the input is read from there"):
        make_plan(str(folder / source), f"{folder}/{output}")


@pytest.mark.parametrize(
    ("source", "output", "reason"),
    [
        ("gone.csv", "out.csv", "nothing is there"),
        ("in/g.zip", "out.csv", "its content is none of these"),
        ("in/c.parquet", "out.txt", "its ending is none of these"),
        ("in/c.parquet", "gone/out.csv", "its directory does not exist"),
        ("in/c.parquet", "taken.csv", "a directory is there"),
    ],
)
def test_paths_that_cannot_be_meant_are_refused(
    folder: Path, source: str, output: str, reason: str
) -> None:
    (folder / "taken.csv").mkdir()
    with pytest.raises(BatchPathError, match=reason):
        make_plan(str(folder / source), str(folder / output))


def test_a_directory_without_tables_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BatchPathError, match="no file in it has one of these endings"):
        make_plan(str(tmp_path), "-")


def test_standard_input_goes_to_one_file(folder: Path) -> None:
    with pytest.raises(BatchPathError, match="standard input goes to one file"):
        make_plan("-", f"{folder}/out/")
