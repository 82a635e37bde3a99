"""Names of the log: Hive partitions that every reader finds again."""

from datetime import UTC, date, datetime
from urllib.parse import unquote

import pytest

from tabproof.prediction_log import layout


@pytest.mark.parametrize("name", ["adult", "a/b", "..", "50 %", "x=y", "収入", "é" * 20])
def test_the_name_of_a_model_is_read_back_from_its_directory(name: str) -> None:
    folder = layout.predictions_folder(date(2026, 11, 30), name)
    first, second, third = folder.split("/")
    assert (first, second) == ("predictions", "date=2026-11-30")
    assert unquote(third.removeprefix("model=")) == name


def test_a_long_name_fits_into_a_directory_and_stays_unlike_others() -> None:
    one, other = (layout.partition_value("収" * 300 + end) for end in "ab")
    assert len(f"model={one}") <= 255
    assert one != other


def test_a_file_is_named_by_time_writer_and_number() -> None:
    when = datetime(2026, 11, 30, 23, 5, 1, 123456, UTC)
    assert layout.segment_name(when, "ab12", 7) == "20261130T230501.123456_ab12_7.parquet"


@pytest.mark.parametrize(
    "name", ["date=2026-13-01", "model=adult", "2026-11-30", "date=", ".date=x"]
)
def test_other_directories_are_no_days(name: str) -> None:
    assert layout.day_of(name) is None
    assert layout.day_of("date=2026-11-30") == date(2026, 11, 30)
