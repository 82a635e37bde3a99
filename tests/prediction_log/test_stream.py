"""What is logged of a row, read back with pandas and pyarrow."""

import hmac
import json
from datetime import UTC, datetime

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tabproof.prediction_log import segments
from tabproof.prediction_log import stream as streams
from tabproof.prediction_log.layout import LoggedColumn, LoggedModel
from tabproof.prediction_log.stream import Choices
from tests.prediction_log.conftest import (
    CELLS,
    LABELS,
    MODEL,
    Noted,
    Write,
    files,
    read,
    read_types,
    wait_for,
)

KEY = b"a secret of many letters"
MIDNIGHT = datetime(2026, 12, 1, tzinfo=UTC).timestamp()


def hashed(text: str) -> str:
    return hmac.new(KEY, text.encode(), "sha256").hexdigest()[:16]


def test_each_row_is_logged_as_it_was_scored(write: Write) -> None:
    started = datetime.now(UTC)
    with write() as written:
        written.record()
    found = read(written.path)
    assert found["request_id"].tolist() == ["r0", "r1", "r2", "r3"]
    assert found["label"].tolist() == LABELS
    assert found["proba_yes"].tolist() == [0.75, 0.5, 0.0, 0.9]
    assert found["x_age"].tolist()[2:] == [1e300, -0.1]
    assert found["x_age"].isna().tolist() == [False, True, False, False]
    assert found["x_job"].tolist()[:2] == ["clerk", "smith"]
    # An unseen category and a missing one.
    assert found["x_job"].isna().tolist() == [False, False, True, True]
    assert found["x_note"].fillna("none").tolist() == ["a b", "none", "", "é"]
    assert found["x_since"][0] == pd.Timestamp("1970-01-01 00:00:00.5")
    assert found["x_since"][2] == pd.Timestamp("1969-12-31 23:59:59")
    assert found["x_since"].isna().tolist() == [False, True, False, False]
    assert set(found["run_id"]) == {"run-1"}
    assert set(found["role"]) == {"champion"}
    assert set(found["threshold"]) == {0.5}
    assert found["warnings"].isna().all()
    assert found["time"].between(pd.Timestamp(started), pd.Timestamp(datetime.now(UTC))).all()
    assert written.counts == {"": 4}


def test_columns_have_the_types_that_readers_rely_on(write: Write) -> None:
    with write() as written:
        written.record()
        written.record_batch()
    assert read_types(written.path) == {
        "time": pa.timestamp("us", "UTC"),
        "request_id": pa.string(),
        "row": pa.int32(),
        "run_id": pa.string(),
        "role": pa.string(),
        "threshold": pa.float64(),
        "label": pa.string(),
        "proba_no": pa.float64(),
        "proba_yes": pa.float64(),
        "warnings": pa.string(),
        "x_age": pa.float64(),
        "x_job": pa.string(),
        "x_since": pa.timestamp("us"),
        "x_note": pa.string(),
    }
    assert pq.read_metadata(files(written.path)[0]).metadata[b"tabproof_log_format"] == b"1"


def test_a_batch_is_logged_as_its_rows_one_by_one(write: Write) -> None:
    with write() as written:
        written.record()
        written.record_batch("z", role="challenger")
    found = read(written.path)
    rows, batch = found[found["request_id"] != "z"], found[found["request_id"] == "z"]
    assert batch["row"].tolist() == [0, 1, 2, 3]
    assert set(batch["role"]) == {"challenger"}
    same = [name for name in found if name not in ("time", "request_id", "row", "role")]
    pd.testing.assert_frame_equal(
        rows[same].reset_index(drop=True), batch[same].reset_index(drop=True)
    )


def test_names_of_any_kind_are_columns(write: Write) -> None:
    labels = ("<=50K", "a.b", "収")
    columns = tuple(LoggedColumn(name, "number") for name in ("a.b", "x y", "収入", "time"))
    model = LoggedModel("any", "r", labels, None, columns)
    with write() as written:
        written.log.record(model, "x" * 128, [1.0, 2.0, 3.0, 4.0], [0.2, 0.3, 0.5], "収")
        written.log.record(model, "short", [1.0, 2.0, 3.0, 4.0], [0.2, 0.3, 0.5], "a.b")
    found = read(written.path)
    assert found["request_id"].tolist() == ["short", "x" * 128]
    assert found["label"].tolist() == ["a.b", "収"]
    assert found.loc[0, [f"proba_{label}" for label in labels]].tolist() == [0.2, 0.3, 0.5]
    assert found.loc[1, [f"x_{column.name}" for column in columns]].tolist() == [1, 2, 3, 4]


def test_a_panic_of_the_encoder_costs_its_rows_only(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched, write(flush_seconds=0.1) as written:
        # What arro3 raises when it does not know an encoding.
        patched.setitem(segments.ENCODINGS, "time", "delta_byte_array")
        written.record()
        wait_for(lambda: written.counts["failed"] == 4)
        patched.undo()
        written.record()
    assert written.counts == {"failed": 4, "": 4}


def test_three_labels_have_three_probabilities_and_no_threshold(write: Write) -> None:
    model = LoggedModel("iris", "r", ("a", "b", "c"), None, (LoggedColumn("x", "number"),))
    with write() as written:
        written.log.record(model, "one", [1.0], [0.2, 0.3, 0.5], "c")
    found = read(written.path)
    assert found.loc[0, ["proba_a", "proba_b", "proba_c"]].tolist() == [0.2, 0.3, 0.5]
    assert found["threshold"].isna().all()


def test_warnings_name_kinds_and_columns_and_nothing_that_a_client_typed(write: Write) -> None:
    unseen = Noted("job", "unseen_category", 2)
    unknown = Noted("his secret", "unknown_column", 2)
    with write() as written:
        written.record(1, warnings=[unseen, unknown, unknown])
        written.record_batch(warnings=[unseen, unknown, Noted("age", "out_of_range")])
    found = read(written.path)
    assert found["warnings"].isna().tolist() == [True, True, False, True, False]
    for place in (2, 4):
        assert json.loads(found["warnings"][place]) == ["unseen_category:job", "unknown_column"]


def test_columns_are_left_out_or_hashed(write: Write) -> None:
    choices = Choices(frozenset({"age"}), frozenset({"job", "since", "note"}), KEY)
    with write(choices=choices) as written:
        written.record()
        written.record_batch()
    found = read(written.path)
    assert "x_age" not in found
    for rows in (found[:4], found[4:]):
        values = {name: rows[f"x_{name}"].tolist() for name in ("job", "since", "note")}
        assert values["job"][:2] == [hashed("clerk"), hashed("smith")]
        assert values["since"][0] == hashed("1970-01-01T00:00:00.500000")
        assert values["note"][0] == hashed("a b")
        assert rows["x_job"].isna().sum() == 2
        assert rows["x_note"].isna().sum() == 1
    assert KEY.decode() not in repr(choices)


def test_hashes_of_numbers_are_those_of_their_shortest_text(write: Write) -> None:
    with write(choices=Choices(hashed=frozenset({"age"}), key=KEY)) as written:
        written.record()
    assert read(written.path)["x_age"].tolist()[::3] == [hashed("41"), hashed("-0.1")]


def test_a_text_with_half_a_character_does_not_cost_the_others(write: Write) -> None:
    with write() as written:
        written.log.record(MODEL, "half", [1.0, 0, 1.0, "a\ud800"], [0.5, 0.5], "no")
        written.record()
    assert read(written.path)["x_note"].tolist()[0] == "a?"
    assert written.counts == {"": 5}


def test_rows_that_cannot_be_encoded_are_counted_and_cost_no_others(write: Write) -> None:
    with write() as written:
        written.log.record(MODEL, "bad", CELLS[0], [0.5, 0.5], "no such label")
        written.record_batch()
        written.log.record(MODEL, "bad", ["no number", 0, 1.0, ""], [0.5, 0.5], "no")
    assert written.counts == {"": 4, "failed": 2}


@pytest.mark.parametrize("step", [0.2, -0.2], ids=["at midnight", "a clock that jumps back"])
def test_a_file_holds_the_rows_of_one_day(
    write: Write, step: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([MIDNIGHT - step / 2, MIDNIGHT + step / 2, MIDNIGHT + 1 + step, MIDNIGHT - 86400])
    monkeypatch.setattr(streams, "time", lambda: next(times))
    with write() as written:
        written.record()
    found = read(written.path)
    assert found["time"].dt.date.astype(str).tolist() == found["date"].tolist()
    assert found["date"].nunique() == 2 if step > 0 else found["date"].nunique() >= 2
    for file in files(written.path):
        days = pd.read_parquet(file)["time"].dt.date.astype(str).unique()
        assert [f"date={days[0]}"] == [part for part in file.parts if part.startswith("date=")]
        assert len(days) == 1


def test_a_share_of_the_requests_is_the_same_in_each_process(write: Write) -> None:
    with write(share=0.25) as first, write(share=0.25) as second:
        first.record(2000)
        second.record(2000)
        kept = [n for n in range(2000) if not first.log._is_left_out(f"r{n}")]
    assert 400 < len(kept) < 600
    found = read(first.path)
    assert sorted(found["request_id"]) == sorted(2 * [f"r{n}" for n in kept])


def test_the_rows_of_a_request_stay_together(write: Write) -> None:
    with write(share=0.5) as written:
        for n in range(50):
            written.record_batch(f"b{n}")
    assert set(read(written.path).groupby("request_id").size()) == {4}
