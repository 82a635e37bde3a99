"""Files of a log are found by their partitions; those that are not whole are told."""

from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tabproof.errors import MissingValueError
from tabproof.monitoring.log_files import (
    LogInBucketError,
    NoLogError,
    find_files,
    is_whole,
    log_directory,
)


def made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"time": [1]}), path)
    return path


def test_models_are_named_as_the_partition_says(tmp_path: Path) -> None:
    path = made(tmp_path / "predictions/date=2026-11-30/model=a%20%2F%25b/1.parquet")
    made(tmp_path / "predictions/date=2026-11-30/model=.x/.2.parquet")
    made(tmp_path / "predictions/date=today/model=a/3.parquet")
    made(tmp_path / "predictions/.tmp/model=a/4.parquet")
    labels = made(tmp_path / "labels/date=2026-11-29/5.parquet")
    found = find_files(tmp_path)
    assert found.predictions == {"a /%b": [str(path)]}
    assert found.labels == [str(labels)]
    assert (found.n_files, found.unreadable) == (2, [])


def test_days_before_the_first_are_not_looked_at(tmp_path: Path) -> None:
    for day in (28, 29, 30):
        made(tmp_path / f"predictions/date=2026-11-{day}/model=a/1.parquet")
    found = find_files(tmp_path, date(2026, 11, 29))
    assert [path.split("/")[-3] for path in found.predictions["a"]] == [
        "date=2026-11-29", "date=2026-11-30",
    ]  # fmt: skip


@pytest.mark.parametrize("n_bytes", [0, 3, 8, 11, 100])
def test_a_file_that_was_cut_is_not_whole(tmp_path: Path, n_bytes: int) -> None:
    path = made(tmp_path / "1.parquet")
    assert is_whole(str(path))
    path.write_bytes(path.read_bytes()[:n_bytes])
    assert not is_whole(str(path))


def test_a_footer_longer_than_the_file_is_not_whole(tmp_path: Path) -> None:
    path = tmp_path / "1.parquet"
    path.write_bytes(b"PAR1" + (1000).to_bytes(4, "little") + b"PAR1")
    assert not is_whole(str(path))


def test_a_log_is_a_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert log_directory(str(tmp_path)) == tmp_path
    assert log_directory(f"file://{tmp_path}") == tmp_path
    monkeypatch.delenv("API_PREDICTION_LOG", raising=False)
    with pytest.raises(MissingValueError, match="API_PREDICTION_LOG"):
        log_directory(None)
    with pytest.raises(NoLogError, match="No such file"):
        log_directory(str(tmp_path / "no"))
    with pytest.raises(LogInBucketError, match="gcloud storage rsync -r gs://b/log log"):
        log_directory("gs://b/log")
