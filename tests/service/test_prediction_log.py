"""The prediction log of a real server: what it has, and what is left of it after any end."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from tabproof.service.app import app_from_environment
from tabproof.service.grpc_messages import SERVICE, make_messages
from tabproof.service.served_model import ServedModel
from tabproof.service.settings import SettingError, Settings
from tests.artifacts.remote.loopback import Bucket
from tests.service.conftest import ROWS
from tests.service.serving import Server, free_port, wait_for

COLUMNS = ["age", "income", "job"]
TENSORS = {
    "inputs": [
        {"name": "age", "shape": [2], "datatype": "FP64", "data": [41, 23.25]},
        {"name": "income", "shape": [2], "datatype": "FP64", "data": [12.5, None]},
        {"name": "job", "shape": [2], "datatype": "BYTES", "data": ["clerk", "smith"]},
    ]
}
Serve = Callable[..., Server]


@pytest.fixture
def serve(promoted: Path, tmp_path: Path) -> Iterator[Serve]:
    """Return what starts a server with a log in a directory."""
    started: list[Server] = []

    def start(**settings: str) -> Server:
        settings = {"prediction_log": str(tmp_path / "log"), **settings}
        server = Server(promoted, default_model="table", **settings)
        server.log = tmp_path / f"requests-{len(started)}.log"
        server._settings["API_LOG"] = str(server.log)
        started.append(server.__enter__())
        return server

    yield start
    for server in started:
        server.__exit__()


def read(path: Path) -> pd.DataFrame:
    table = pd.read_parquet(path / "predictions")
    return table.sort_values(["request_id", "row"], ignore_index=True)


def files(path: Path) -> list[Path]:
    return sorted(path.rglob("*.parquet"))


def ask(server: Server, request_id: str = "", n: int = 0) -> Any:
    headers = {"X-Request-Id": request_id} if request_id else {}
    answer = server.post("/predict", {"features": ROWS[n]}, **headers)
    assert answer.status == 200
    return answer


def by_grpc(port: int) -> str:
    """Predict the rows of TENSORS by gRPC; return the id in the metadata of the answer."""
    messages = make_messages()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(
            f"/{SERVICE}/ModelInfer",
            messages["ModelInferRequest"].SerializeToString,
            messages["ModelInferResponse"].FromString,
        )
        inputs = [
            {"name": "age", "shape": [2], "datatype": "FP64",
             "contents": {"fp64_contents": [41, 23.25]}},
            {"name": "income", "shape": [2], "datatype": "FP64",
             "contents": {"fp64_contents": [12.5, float("nan")]}},
            {"name": "job", "shape": [2], "datatype": "BYTES",
             "contents": {"bytes_contents": [b"clerk", b"smith"]}},
        ]  # fmt: skip
        request = messages["ModelInferRequest"](model_name="table", inputs=inputs)
        _, done = call.with_call(request, metadata=[("x-request-id", "by-grpc")], timeout=30)
        return str(dict(done.initial_metadata())["x-request-id"])


def test_each_way_to_predict_is_logged_alike_and_a_stopped_server_loses_nothing(
    serve: Serve, tmp_path: Path
) -> None:
    port = free_port()
    server = serve(grpc=f"127.0.0.1:{port}")
    rows = ROWS[:2]
    own_id = ask(server).headers["x-request-id"]
    proba = ask(server, "one").json["probabilities"]
    ask(server, "one-b", 1)
    for request_id, path, body in (
        ("explained", "/predict?explain=true", {"features": ROWS[0]}),
        ("batch", "/predict_batch", {"rows": rows}),
        ("tensors", "/v2/models/table/infer", TENSORS),
    ):
        assert server.post(path, body, **{"X-Request-Id": request_id}).status == 200
    assert by_grpc(port) == "by-grpc"
    server.end()

    found = read(tmp_path / "log")
    assert found.groupby("request_id").size().to_dict() == {
        own_id: 1, "one": 1, "one-b": 1, "explained": 1, "batch": 2, "tensors": 2, "by-grpc": 2,
    }  # fmt: skip
    features = [f"x_{name}" for name in COLUMNS]
    same = [*features, "label", "threshold", "run_id", "role", "model", "proba_no", "proba_yes"]
    same = [name for name in found if name in same or name.startswith("proba_")]
    first = found[found["row"] == 0].query("request_id != 'one-b'")
    assert len(first[same].drop_duplicates()) == 1
    second = found[(found["row"] == 1) | (found["request_id"] == "one-b")]
    assert len(second[same].fillna(-1).drop_duplicates()) == 1
    one = found[found["request_id"] == "one"].iloc[0]
    assert one[features].tolist() == [41.0, 12.5, "clerk"]
    assert {name: one[f"proba_{name}"] for name in proba} == proba
    assert set(found["model"]) == {"table"}
    assert set(found["role"]) == {"champion"}
    assert found.drop(columns=["date", "model"]).columns.tolist() == [
        *("time", "request_id", "row", "run_id", "role", "threshold", "label"),
        *(f"proba_{name}" for name in proba),
        *("warnings", *features),
    ]


def test_warnings_are_those_of_each_row_however_many(serve: Serve, tmp_path: Path) -> None:
    server = serve()
    rows = [{"age": 41, "job": "never seen", "his name": 1} for _ in range(150)]
    answer = server.post("/predict_batch", {"rows": rows}, **{"X-Request-Id": "many"})
    # The answer counts what is beyond a hundred.
    assert any(warning.get("row") is None for warning in answer.json["warnings"])
    server.post("/predict", {"features": rows[0]}, **{"X-Request-Id": "one"})
    server.end()
    found = read(tmp_path / "log")
    assert len(found) == 151
    for text in found["warnings"].unique():
        assert sorted(json.loads(text)) == [
            "missing_column:income", "unknown_column", "unseen_category:job",
        ]  # fmt: skip
    assert found["x_income"].isna().all()


def test_refused_requests_are_not_logged(serve: Serve, tmp_path: Path) -> None:
    server = serve(key="a-key-of-many-letters")
    key = {"X-API-Key": "a-key-of-many-letters"}
    assert server.post("/predict", {"features": ROWS[0]}).status == 401
    for path, body in (
        ("/predict", b"{"),
        ("/predict", {"features": {"other": 1}}),
        ("/predict?strict=true", {"features": {"age": 1}}),
        ("/predict_batch", {"rows": [ROWS[0], {}]}),
        ("/models/none/predict", {"features": ROWS[0]}),
    ):
        assert server.post(path, body, **key).status >= 400
    assert server.post("/predict", {"features": ROWS[0]}, **key).status == 200
    server.end()
    assert len(read(tmp_path / "log")) == 1


def test_a_killed_server_loses_at_most_the_last_seconds(serve: Serve, tmp_path: Path) -> None:
    server, log = serve(prediction_log_flush_seconds="0.3"), tmp_path / "log"
    answered: list[tuple[float, str]] = []
    ended = threading.Event()

    def load() -> None:
        while not ended.is_set():
            try:
                ask(server, f"r{len(answered)}")
            except (OSError, AssertionError, Exception):
                return
            answered.append((time.monotonic(), f"r{len(answered)}"))

    client = threading.Thread(target=load)
    client.start()
    time.sleep(1.5)
    killed = time.monotonic()
    server.end(signal.SIGKILL)
    ended.set()
    client.join()
    found = set(read(log)["request_id"])
    # The machine may be busy: three times as long as one file takes.
    due = {request_id for when, request_id in answered if when < killed - 0.9}
    assert due
    assert due <= found
    for file in files(log):
        assert pq.ParquetFile(file).metadata.num_rows > 0


def test_nothing_that_happens_to_the_directory_touches_the_answers(
    serve: Serve, tmp_path: Path
) -> None:
    server, log = serve(prediction_log_flush_seconds="0.1"), tmp_path / "log"
    ask(server, "before")
    wait_for(lambda: bool(files(log)))
    # A file where a directory should be: nothing can be written.
    (log / "predictions").rename(tmp_path / "moved")
    (log / "predictions").touch()
    for n in range(20):
        ask(server, f"during-{n}")
    time.sleep(0.4)
    assert server.get("/ready").status == 200
    (log / "predictions").unlink()
    ask(server, "after")
    printed = server.end()
    assert "Traceback" not in printed
    found = set(read(log)["request_id"])
    # The first file may have been moved before its name was on the disk: then it is written again.
    assert found - {"before"} == {*(f"during-{n}" for n in range(20)), "after"}


def test_what_is_dropped_is_counted_in_the_metrics(serve: Serve, tmp_path: Path) -> None:
    server, log = serve(prediction_log_flush_seconds="0.1"), tmp_path / "log"
    ask(server)
    wait_for(lambda: b"api_predictions_logged_total 1.0" in server.get("/metrics").content)
    (log / "predictions").rename(tmp_path / "moved")
    (log / "predictions").touch()
    ask(server)
    time.sleep(0.3)
    printed = server.end()
    assert "1 rows were dropped (not_written)" in printed


def test_two_services_write_into_one_log(serve: Serve, tmp_path: Path) -> None:
    first, second = serve(), serve()
    ask(first, "a")
    ask(second, "b")
    first.end()
    second.end()
    assert read(tmp_path / "log")["request_id"].tolist() == ["a", "b"]


def test_columns_are_left_out_and_hashed_and_unknown_ones_named(
    serve: Serve, tmp_path: Path
) -> None:
    key = "a-secret-of-many-letters"
    server = serve(
        prediction_log_exclude='["age", "år, month"]',
        prediction_log_hash="job",
        prediction_log_hash_key=key,
    )
    ask(server)
    lines = [line for line in server.end().splitlines() if "EXCLUDE" in line]
    assert len(lines) == 1
    assert "no served model has 'år, month'" in lines[0]
    found = read(tmp_path / "log")
    assert "x_age" not in found
    assert len(found["x_job"][0]) == 16


def test_a_bucket_has_the_log(bucket: Bucket, serve: Serve, tmp_path: Path) -> None:
    server = serve(prediction_log=f"{bucket.address}/log")
    ask(server, "in-a-bucket")
    server.end()
    (name,) = [each for each in bucket.names() if "/predictions/" in f"/{each}"]
    (tmp_path / "found.parquet").write_bytes(bucket.read(name))
    assert pd.read_parquet(tmp_path / "found.parquet")["request_id"].tolist() == ["in-a-bucket"]


def test_an_unreachable_bucket_delays_neither_start_nor_answers(
    serve: Serve,
    endpoint: str,  # noqa: ARG001 - it sets credentials
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    server = serve(prediction_log="s3://bucket/log", prediction_log_flush_seconds="0.1")
    for _ in range(5):
        ask(server)
    started = time.monotonic()
    printed = server.end()
    assert time.monotonic() - started < 15
    assert "5 rows were dropped (not_written)" in printed


# --- Settings


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("API_PREDICTION_LOG_SHARE", "0"),
        ("API_PREDICTION_LOG_SHARE", "1.5"),
        ("API_PREDICTION_LOG_SHARE", "half"),
        ("API_PREDICTION_LOG_DAYS", "-1"),
        ("API_PREDICTION_LOG_FLUSH_SECONDS", "0"),
        ("API_PREDICTION_LOG_MAX_BYTES", "10"),
        ("API_PREDICTION_LOG_EXCLUDE", '["age"'),
        ("API_PREDICTION_LOG_EXCLUDE", "[1]"),
        ("API_PREDICTION_LOG_HASH_KEY", "short"),
        ("API_LABELS_TOKEN", "short"),
    ],
)
def test_invalid_settings_are_refused_by_name(variable: str, text: str) -> None:
    with pytest.raises(SettingError, match=variable):
        Settings.from_environment({variable: text})


def test_hashes_need_a_key() -> None:
    with pytest.raises(SettingError, match="API_PREDICTION_LOG_HASH_KEY"):
        Settings.from_environment({"API_PREDICTION_LOG_HASH": "age"})


@pytest.mark.parametrize("address", ["{file}", "{file}/log", "s3:/bucket", "foo://bucket/log"])
def test_a_place_that_cannot_be_written_ends_the_start_with_one_line(
    address: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("API_PREDICTION_LOG", address.format(file=tmp_path / "file"))
    monkeypatch.setenv("API_LOG", str(tmp_path / "requests.log"))
    with pytest.raises(SystemExit) as ended:
        app_from_environment()
    (line,) = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2
    assert line.startswith("error: API_PREDICTION_LOG=")


def test_a_missing_package_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith("tabproof.prediction_log.")]:
        if not name.endswith("layout"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "arro3.core", None)
    monkeypatch.setenv("API_LOG", str(tmp_path / "requests.log"))
    monkeypatch.setenv("API_PREDICTION_LOG", str(tmp_path / "log"))
    with pytest.raises(SystemExit):
        app_from_environment()
    (line,) = capsys.readouterr().err.splitlines()
    assert "arro3" in line
    assert "[api]" in line


def test_without_a_log_nothing_of_it_is_imported() -> None:
    code = (
        "import sys, tabproof.service.app as app; app.make_app(app.Settings());"
        " print(*[name for name in sys.modules if 'arro3' in name or 'prediction_log' in name])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["tabproof.prediction_log", "tabproof.prediction_log.layout"]


# --- The cells that are logged


def test_a_row_and_a_batch_score_the_same_cells(table: ServedModel) -> None:
    batch, columns, proba = table.score_rows(ROWS, strict=False)
    for place, row in enumerate(ROWS):
        one, cells, row_proba = table.score_row(row, strict=False)
        np.testing.assert_array_equal(cells, [column[place] for column in columns])
        np.testing.assert_array_equal(row_proba, proba[place])
        assert one.label == batch.label[place]


def test_each_prediction_of_a_model_names_the_same_object(table: ServedModel) -> None:
    assert table.logged is table.logged
    assert [column.kind for column in table.logged.columns] == ["number", "number", "category"]
    assert table.logged.labels == table.scorer.labels
