"""Labelled rows of a log: which rows, which of several labels, and what is refused."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tabproof.monitoring.compact import merge_log
from tabproof.monitoring.log_places import DirectoryPlace
from tabproof.retrain.logged_rows import LogRowsError, read_labelled_rows
from tabproof.schema import CategoryColumn, DateColumn, NumberColumn, Schema, TextColumn
from tests.retrain.making import NAME, rows, write_labels, write_log

BEGUN = datetime(2026, 11, 2, tzinfo=UTC)
SCHEMA = Schema(
    (
        NumberColumn("a", None, None, 0),
        NumberColumn("b", None, None, 0),
        CategoryColumn("job", ("clerk", "farmer", "smith"), 0),
    ),
    "label",
    ("no", "yes"),
    10,
)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Return a log of 30 rows, in two files, with labels."""
    served = rows(30, "a", 1)
    ids = write_log(tmp_path / "log", served, BEGUN)
    write_labels(tmp_path / "log", ids, served["label"], BEGUN + timedelta(days=3))
    return tmp_path / "log"


def read(log: Path, schema: Schema = SCHEMA) -> pd.DataFrame:
    frame: pd.DataFrame = read_labelled_rows(log, NAME, schema).rows.to_pandas()
    return frame


def test_rows_are_those_that_were_served_in_order_of_time(log: Path) -> None:
    found = read_labelled_rows(log, NAME, SCHEMA)
    frame, served = found.rows.to_pandas(), rows(30, "a", 1)
    assert list(frame) == ["a", "b", "job", "label", "answered"]
    pd.testing.assert_frame_equal(
        frame[["a", "b", "job", "label"]], served, check_dtype=False, check_column_type=False
    )
    assert frame["answered"].is_monotonic_increasing
    assert frame["answered"][0] == pd.Timestamp(BEGUN).tz_localize(None)
    assert (found.time, found.n_ambiguous, list(found.damaged)) == ("answered", 0, [])


def test_the_label_that_was_received_last_counts(log: Path) -> None:
    for days, label in ((9, "last"), (1, "first"), (5, "middle")):
        write_labels(log, ["r3"], [label], BEGUN + timedelta(days=days), name=label)
    assert read(log)["label"][3] == "last"


def test_rows_of_files_that_were_merged_count_once(log: Path) -> None:
    before = read(log)
    sources = {path: path.read_bytes() for path in log.rglob("*.parquet")}
    merge_log(DirectoryPlace(log), date(2027, 1, 1))
    assert len([*(log / "predictions").rglob("*.parquet")]) == 1
    pd.testing.assert_frame_equal(read(log), before)
    # As after a kill: they are still there.
    for path, content in sources.items():
        path.write_bytes(content)
    pd.testing.assert_frame_equal(read(log), before)


def test_rows_without_a_label_and_labels_without_a_row_are_left_out(log: Path) -> None:
    write_log(log, rows(5, "a", 2), BEGUN, prefix="s")
    write_labels(log, ["t0", "t1"], ["yes", "no"], name="unknown")
    assert len(read(log)) == 30


def test_a_row_that_a_challenger_scored_too_is_one_row(log: Path) -> None:
    write_log(log, rows(30, "a", 1), BEGUN, role="challenger")
    assert len(read(log)) == 30
    # A canary answered the request: nobody else did.
    ids = write_log(log, rows(5, "a", 2), BEGUN, role="canary", prefix="c")
    write_labels(log, ids, ["yes"] * 5, name="canary")
    assert len(read(log)) == 35


def test_requests_of_one_id_are_left_out_and_counted(log: Path) -> None:
    folder = log / "predictions" / "date=2026-11-05" / f"model={NAME}"
    folder.mkdir(parents=True)
    source = next((log / "predictions").glob("*/*/r_champion_0.parquet"))
    pq.write_table(pq.read_table(source).slice(0, 4), folder / "again.parquet")
    found = read_labelled_rows(log, NAME, SCHEMA)
    assert (found.rows.num_rows, found.n_ambiguous) == (26, 8)


def test_files_that_are_being_written_or_were_cut_off_are_not_read(log: Path) -> None:
    folder = next((log / "predictions").glob("*/*"))
    whole = (folder / "r_champion_0.parquet").read_bytes()
    (folder / ".r_champion_9.parquet").write_bytes(whole)
    (folder / "cut.parquet").write_bytes(whole[:-9])
    (folder / "empty.parquet").touch()
    found = read_labelled_rows(log, NAME, SCHEMA)
    assert found.rows.num_rows == 30
    assert [Path(path).name for path in found.damaged] == ["cut.parquet", "empty.parquet"]


def test_rows_of_other_models_are_not_read(log: Path) -> None:
    folder = next((log / "predictions").glob("*/*"))
    folder.rename(folder.with_name("model=other"))
    with pytest.raises(LogRowsError, match=f"it holds no rows of '{NAME}'"):
        read(log)


def test_a_column_called_like_the_time_is_kept(tmp_path: Path) -> None:
    served = rows(6, "a", 1).rename(columns={"a": "answered"})
    write_labels(tmp_path, write_log(tmp_path, served, BEGUN), served["label"])
    columns = (NumberColumn("answered", None, None, 0),)
    found = read_labelled_rows(tmp_path, NAME, Schema(columns, "label", ("no", "yes"), 1))
    assert found.rows.column_names == ["answered", "label", "answered_"]
    assert found.time == "answered_"


def test_each_kind_of_column_is_read_as_it_was_scored(tmp_path: Path) -> None:
    days = [datetime(2026, 1, day) for day in (1, 2, 3)]
    served = pd.DataFrame({"label": ["no", "yes", "no"]})
    cells = {
        "x_day": pa.array([*days[:2], None], pa.timestamp("us")),
        'x_say "x"': ["free text", None, "表"],
        "x_n": pa.array([1.5, None, -0.0]),
    }
    write_labels(tmp_path, write_log(tmp_path, served, BEGUN, **cells), served["label"])
    schema = Schema(
        (DateColumn("day", None, None, 0), TextColumn('say "x"', 9, 0), NumberColumn("n", 0, 1, 0)),
        "label",
        ("no", "yes"),
        3,
    )
    table = read_labelled_rows(tmp_path, NAME, schema).rows
    assert table["day"].to_pylist() == [*days[:2], None]
    assert table['say "x"'].to_pylist() == ["free text", None, "表"]
    assert table["n"].to_pylist() == [1.5, None, -0.0]


HASHES = [f"{i:016x}" for i in range(30)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"x_a": None}, "it does not hold the columns 'a', which the model needs"),
        ({"x_a": HASHES}, "its columns 'a' are hashed, or of another kind"),
        ({"x_job": HASHES}, "its columns 'job' are hashed, or of another kind"),
        ({"x_job": list(range(30))}, "its columns 'job' are hashed, or of another kind"),
        ({"x_A": [1.0] * 30}, "columns differ by capitals only: 'a'"),
    ],
)
def test_columns_that_are_not_there_as_they_were_scored_are_refused(
    change: dict[str, list[object] | None], words: str, log: Path
) -> None:
    folder = next((log / "predictions").glob("*/*"))
    table = pa.concat_tables([pq.read_table(path) for path in sorted(folder.iterdir())])
    for path in folder.iterdir():
        path.unlink()
    for name, cells in change.items():
        table = table.drop_columns([name]) if name in table.column_names else table
        table = table if cells is None else table.append_column(name, pa.array(cells))
    pq.write_table(table, folder / "one.parquet")
    with pytest.raises(LogRowsError, match=words):
        read(log)


def test_a_log_without_labels_is_refused(log: Path) -> None:
    write_log(log, rows(5, "a", 2), BEGUN, prefix="s")
    for path in (log / "labels").glob("*/*"):
        path.unlink()
    with pytest.raises(LogRowsError, match="it holds no labels"):
        read(log)
    write_labels(log, ["t0"], ["yes"])
    with pytest.raises(LogRowsError, match="no row of it has a label"):
        read(log)
