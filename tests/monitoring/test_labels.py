"""Labels of a file become labels of the log; what cannot be used is told."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from tabproof.errors import ColumnMissingError, FileMissingError
from tabproof.monitoring.labels import NoRowsInLogError, SeveralModelsError, add_labels
from tabproof.monitoring.log_files import find_files
from tests.conftest import typed_in
from tests.monitoring.logs import NOW, Answers, Log, answers_of

Lines = Sequence[Sequence[object]]


@pytest.fixture
def answers(champion: Path, table: pd.DataFrame) -> Answers:
    return answers_of(champion, table, 40)


@pytest.fixture
def ids(log: Log, answers: Answers) -> list[str]:
    """Log 20 rows of today and 20 of three weeks ago; return the ids of the former."""
    log.write(answers.take(slice(20, 40)), NOW - timedelta(days=21))
    return log.write(answers.take(slice(0, 20)), NOW - timedelta(hours=1))


@pytest.fixture
def taken(log: Log, tmp_path: Path) -> Callable[..., dict[str, int]]:
    """Return what becomes of the lines of a file with these columns."""

    def take(columns: str, lines: Lines, *, parquet: bool = False, **options: object) -> dict:
        path = tmp_path / "truth.data"
        frame = pd.DataFrame(list(lines), columns=columns.split())
        if parquet:
            frame.to_parquet(path)
        else:
            frame.to_csv(path, index=False)
        found, _ = add_labels(path, log.root, now=NOW, **options)  # type: ignore[arg-type]
        assert all(each.example for each in found if each.n)
        return {each.name: each.n for each in found if each.n}

    return take


def written(log: Log) -> pd.DataFrame:
    """Return all labels of the log, in the order in which they were received."""
    frames = [pq.read_table(path).to_pandas() for path in find_files(log.root).labels]
    return pd.concat(frames).drop(columns="date", errors="ignore")


@pytest.mark.parametrize("parquet", [False, True])
def test_labels_are_taken_by_request_and_place(
    log: Log, ids: list[str], taken: Callable[..., dict[str, int]], parquet: bool
) -> None:
    lines = [(ids[0], 0, "c0"), (ids[1], 0, "c1"), (ids[2], 1, "c1"), ("nobody", 0, "c1")]
    assert taken("request_id row label", lines, parquet=parquet) == {"accepted": 2, "unknown": 2}
    found = written(log)
    assert sorted(found["request_id"]) == sorted(ids[:2])
    assert found["row"].tolist() == [0, 0]
    assert found["received"].iloc[0] == pd.Timestamp(NOW)
    assert found["at"].isna().all()
    (path,) = find_files(log.root).labels
    assert "/labels/date=2026-11-30/20261130T120000.000000_" in path
    assert pq.read_metadata(path).metadata[b"tabproof_log_format"] == b"1"
    schema = {field.name: str(field.type) for field in pq.read_schema(path)}
    assert schema == {
        "request_id": "string", "row": "int32", "label": "string",
        "at": "timestamp[us, tz=UTC]", "received": "timestamp[us, tz=UTC]",
    }  # fmt: skip


def test_the_last_of_several_labels_counts(
    log: Log, ids: list[str], taken: Callable[..., dict[str, int]]
) -> None:
    lines = [(ids[0], "c0"), (ids[0], "c0"), (ids[0], "c1"), (ids[1], "c1")]
    assert taken("request_id label", lines) == {"accepted": 2, "repeated": 1, "contradictory": 1}
    found = written(log).set_index("request_id")["label"]
    assert found.to_dict() == {ids[0]: "c1", ids[1]: "c1"}
    # The same file again: the first line differs from what is known, and the third takes it back.
    assert taken("request_id label", lines) == {"contradictory": 2, "repeated": 2}
    assert len(written(log)) == 2
    assert taken("request_id label", [(ids[1], "c0")]) == {"contradictory": 1}
    assert len(written(log)) == 3


def test_what_cannot_be_used_is_counted(
    ids: list[str], taken: Callable[..., dict[str, int]]
) -> None:
    lines = [
        (ids[0], 0, "c7", None),
        (ids[1], "x", "c0", None),
        (ids[2], 0, None, None),
        (None, 0, "c0", None),
        (ids[3], 0, "c0", "soon"),
        (ids[4], 0, "c0", "2026-11-30T10:00:00Z"),
    ]
    assert taken("request_id row label at", lines) == {"accepted": 1, "unusable": 5}


@pytest.mark.parametrize("parquet", [False, True])
@pytest.mark.parametrize(
    ("names", "cells"),
    [(["0", "1"], [1.0, 0.0, 7.0, 0.5]), (["False", "True"], [True, False, "maybe", None])],
    ids=["numbers", "truth"],
)
def test_labels_are_spelt_as_training_spells_them(
    log: Log,
    answers: Answers,
    taken: Callable[..., dict[str, int]],
    names: list[str],
    cells: list[object],
    parquet: bool,
) -> None:
    ids = log.write(replace(answers.take(slice(0, 4)), labels=names), NOW - timedelta(hours=1))
    if parquet and "maybe" in cells:
        cells = [True, False, None, None]
    found = taken("request_id label", list(zip(ids, cells, strict=True)), parquet=parquet)
    assert found == {"accepted": 2, "unusable": 2}
    frame = written(log).set_index("request_id")["label"]
    assert frame.to_dict() == {ids[0]: names[1], ids[1]: names[0]}


def test_late_labels_are_accepted_and_told(
    log: Log, ids: list[str], taken: Callable[..., dict[str, int]]
) -> None:
    lines = [(each, "c0") for each in log.ids]
    assert len(set(log.ids) - set(ids)) == 20
    assert taken("request_id label", lines) == {"accepted": 40, "late": 20}


def test_an_id_that_was_used_twice_is_ambiguous(
    log: Log, answers: Answers, taken: Callable[..., dict[str, int]]
) -> None:
    log.write(answers.take([0, 1, 2]), NOW - timedelta(hours=2), ids=["same", "same", "other"])
    # The challenger's row is no second answer.
    log.write(answers.take([2]), NOW - timedelta(hours=2), ids=["other"], role="challenger")
    lines = [("same", "c0"), ("other", "c1")]
    assert taken("request_id label", lines) == {"accepted": 1, "ambiguous": 1}


def test_columns_name_the_newest_row_that_has_these_values(
    log: Log, answers: Answers, taken: Callable[..., dict[str, int]]
) -> None:
    part = answers.take([0, 1, 2])
    old = log.write(part, NOW - timedelta(days=2))
    new = log.write(part.take([0]), NOW - timedelta(hours=2))
    ages = part.rows["age"].tolist()
    jobs = part.rows["job"].tolist()
    lines = [(ages[0], "c1"), (ages[1], "c0"), (-1, "c0")]
    assert taken("age label", lines, key=["age"]) == {"accepted": 2, "ambiguous": 1, "unknown": 1}
    assert sorted(written(log)["request_id"]) == sorted([new[0], old[1]])
    assert isinstance(jobs[2], str)
    lines = [(ages[2], jobs[2], "c0"), (ages[2], "no such job", "c0"), (None, jobs[2], "c0")]
    found = taken("age job label", lines, key=["age", "job"])
    assert found == {"accepted": 1, "unknown": 1, "unusable": 1}


def test_what_is_missing_is_named(
    log: Log,
    answers: Answers,
    ids: list[str],
    tmp_path: Path,
    taken: Callable[..., dict[str, int]],
) -> None:
    with pytest.raises(ColumnMissingError, match="no column 'label'"):
        taken("request_id truth", [(ids[0], "c0")])
    with pytest.raises(ColumnMissingError, match="no column 'request_id'"):
        taken("id label", [(ids[0], "c0")])
    with pytest.raises(ColumnMissingError, match="--key: there is no column 'id'"):
        taken("id label", [(ids[0], "c0")], key=["id"])
    with pytest.raises(FileMissingError):
        add_labels(tmp_path / "nothing.csv", log.root)
    log.write(answers.take([0]), NOW, model="other")
    with pytest.raises(SeveralModelsError, match="--model"):
        taken("age label", [(1.0, "c0")], key=["age"])
    assert taken("age label", [(1.0, "c0")], key=["age"], model="table") == {"unknown": 1}
    with pytest.raises(NoRowsInLogError, match="model nobody"):
        taken("request_id label", [(ids[0], "c0")], model="nobody")


def test_the_command_line_says_what_became_of_the_lines(
    log: Log, ids: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "truth.csv"
    path.write_text(f"request_id,label\n{ids[0]},c0\nnobody,c1\n")
    done = typed_in("monitor", "labels", path, "--log", log.root)
    assert (done.returncode, done.stderr) == (0, "")
    accepted, unknown, place = done.stdout.splitlines()
    assert accepted.split()[:2] == ["accepted", "1"]
    assert f"line 1: request_id {ids[0]}, row 0: c0" in accepted
    assert unknown.split()[:2] == ["unknown", "1"]
    assert place.startswith("written: ")
    assert datetime.now(UTC).strftime("date=%Y-%m-%d") in place
    path.write_text("request_id,label\nnobody,c1\n")
    done = typed_in("monitor", "labels", path, "--log", log.root)
    assert done.returncode == 2
    assert "unknown" in done.stdout
