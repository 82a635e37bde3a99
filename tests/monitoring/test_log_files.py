"""Files of a log are found by their partitions, in a bucket too; those not whole are named."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tabproof.errors import MissingValueError
from tabproof.monitoring.log_files import (
    LogInBucketError,
    NoLogError,
    UnknownPlaceError,
    _is_of_log,
    find_files,
    is_whole,
    log_directory,
    opened_log,
)
from tests.conftest import typed_in
from tests.monitoring.logs import Log, answers_of


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
    with pytest.raises(LogInBucketError, match="POST /labels"):
        log_directory("gs://b/log")


def test_only_files_of_a_log_are_copied_from_a_bucket() -> None:
    day = date(2026, 11, 2)
    needed = ["predictions/date=2026-11-02/model=a/1.parquet", "labels/date=2026-11-03/1.parquet"]
    assert all(_is_of_log(key, "model=a", day) and _is_of_log(key, None, None) for key in needed)
    for key in (
        "predictions/date=2026-11-02/model=b/1.parquet",
        "predictions/date=2026-11-01/model=a/1.parquet",
        "predictions/date=2026-11-02/1.parquet",
        "predictions/date=2026-11-02/model=a/.1.parquet",
        "predictions/date=2026-11-02/model=a/1.txt",
        "labels/date=2026-11-03/../../1.parquet",
        "labels/other/1.parquet",
        "notes.txt",
    ):
        assert not _is_of_log(key, "model=a", day), key


def test_a_log_in_a_bucket_is_checked_as_one_on_the_disk(
    log: Log, champion: Path, outputs: Path, table: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    boto3, moto = pytest.importorskip("boto3"), pytest.importorskip("moto.server")
    log.fill(answers_of(champion, table, 300), 3, end=datetime.now(UTC))
    log.label(log.ids[:100], ["c0"] * 100, datetime.now(UTC))
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        endpoint = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
        for name, value in (
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL", endpoint),
        ):
            monkeypatch.setenv(name, value)
        client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
        client.create_bucket(Bucket="bucket")
        for path in log.root.rglob("*.parquet"):
            key = f"a/log/{path.relative_to(log.root)}"
            client.put_object(Bucket="bucket", Key=key, Body=path.read_bytes())
            other = key.replace("model=table", "model=other")
            client.put_object(Bucket="bucket", Key=other, Body=path.read_bytes())
        client.put_object(Bucket="bucket", Key="a/log/notes.txt", Body=b"")
        with opened_log("s3://bucket/a/log/", "table") as place:
            copied, written = (
                {path.relative_to(root) for path in root.rglob("*") if path.is_file()}
                for root in (place, log.root)
            )
            assert copied == written
        assert not place.exists()
        found = []
        for place_of_log in ("s3://bucket/a/log", log.root):
            words = ("--log", place_of_log, "--outputs", outputs, "--json")
            done = typed_in("monitor", "check", "table", *words)
            assert done.stderr == ""
            # DuckDB may sum in another order.
            content = json.loads(done.stdout, parse_float=lambda text: round(float(text), 9))
            assert content.pop("log") == str(place_of_log)
            found.append(content["models"])
        assert found[0] == found[1]
        done = typed_in("monitor", "check", "--log", "s3://nowhere/log")
        assert (done.returncode, done.stdout) == (2, "")
        assert "the log s3://nowhere/log cannot be fetched: " in done.stderr
    finally:
        server.stop()


def test_another_protocol_is_refused() -> None:
    with (
        pytest.raises(UnknownPlaceError, match=r"ftp://x/log is no place of a log.*s3://"),
        opened_log("ftp://x/log"),
    ):
        pass
