"""A challenger in a running service: answers stay, canaries are sticky, promotions end it."""

import json
import math
import shutil
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from tabproof.artifacts import Registry
from tabproof.service.challengers import is_chosen
from tests.service.conftest import ROWS
from tests.service.serving import Server, request, wait_for
from tests.service.test_telemetry import count
from tests.service.test_workers import Service

N = 2000
N_BATCH = 40
JSON = "application/json"


@pytest.fixture
def home(tmp_path: Path, table_run: Path) -> Path:
    Registry(tmp_path / "models").promote(table_run, "table", "me", "")
    return tmp_path


def begin(home: Path, run: Path, **settings: Any) -> str:
    """Begin a challenge; return the run id of the challenger."""
    return Registry(home / "models").challenge(run, "table", "me", "", **settings).run_id


def serving(home: Path, **settings: str) -> Server:
    chosen = {"prediction_log": str(home / "log"), "prediction_log_flush_seconds": "0.1"}
    return Server(home, **{**chosen, **settings})


def logged(home: Path) -> list[dict[str, Any]]:
    """Return the rows of the prediction log."""
    files = (home / "log" / "predictions").rglob("[!.]*.parquet")
    # Not as a data set: its paths have columns, too.
    return [row for path in files for row in pq.ParquetFile(path).read().to_pylist()]


class Client:
    """Requests on one connection."""

    def __init__(self, server: Server) -> None:
        self._connection = HTTPConnection("127.0.0.1", server.port, timeout=30)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def post(self, path: str, body: object, request_id: str) -> tuple[bytes, dict[str, str]]:
        headers = {"Content-Type": JSON, "X-Request-ID": request_id}
        self._connection.request("POST", path, json.dumps(body), headers)
        answer = self._connection.getresponse()
        assert answer.status == 200
        headers = {name.lower(): value for name, value in answer.getheaders()}
        headers.pop("date")
        return answer.read(), headers

    def predict(self, row: object, request_id: str) -> Any:
        content, _ = self.post("/predict", {"features": row}, request_id)
        return json.loads(content)


def row_of(i: int) -> dict[str, Any]:
    return {**ROWS[i % len(ROWS)], "age": 20 + i % 50 + i / N}


def all_answers(home: Path) -> list[tuple[bytes, dict[str, str]]]:
    with serving(home) as server, Client(server) as client:
        found = [client.post("/predict", {"features": row_of(i)}, f"r{i}") for i in range(N)]
        for i in range(N_BATCH):
            rows = [row_of(j) for j in range(i, 3 * i + 1)]
            found.append(client.post("/predict_batch", {"rows": rows}, f"b{i}"))
        dropped = count(server, "api_challenger_requests_total", model="table", result="dropped")
        assert dropped == 0
        if server.get("/health").json.get("challengers"):
            # A shadow rests 39 times as long as it works, and a busy machine works slowly.
            wait_for(
                lambda: (
                    count(server, "api_challenger_requests_total", model="table", result="scored")
                    == N + N_BATCH
                ),
                seconds=100,
            )
        server.end()
    return found


@pytest.mark.slow
def test_answers_are_the_same_with_and_without_a_shadow(home: Path, other_run: Path) -> None:
    without = all_answers(home)
    shutil.rmtree(home / "log")
    challenger = begin(home, other_run)
    assert all_answers(home) == without
    champion = Registry(home / "models").current("table")
    assert champion is not None
    by_role: dict[str, dict[tuple[str, int], Any]] = {"champion": {}, "challenger": {}}
    for row in logged(home):
        assert (row["request_id"], row["row"]) not in by_role[row["role"]]
        by_role[row["role"]][row["request_id"], row["row"]] = row
    assert {row["run_id"] for row in by_role["champion"].values()} == {champion.run_id}
    assert {row["run_id"] for row in by_role["challenger"].values()} == {challenger}
    # The same requests, rows and cells; other predictions.
    assert by_role["champion"].keys() == by_role["challenger"].keys()
    assert len(by_role["champion"]) == N + sum(2 * i + 1 for i in range(N_BATCH))
    n_other = 0
    for key, row in by_role["champion"].items():
        other = by_role["challenger"][key]
        for name in ("x_age", "x_income", "x_job", "warnings"):
            assert repr(row[name]) == repr(other[name])
        n_other += row["proba_c1"] != other["proba_c1"]
    assert n_other > N * 0.9


@pytest.fixture
def canary(home: Path, other_run: Path) -> Iterator[tuple[Server, Client, str]]:
    settings = {"kind": "canary", "share": 0.25, "sticky": "customer"}
    challenger = begin(home, other_run, **settings)
    # The models are not compared by their time here.
    # The rows of these tests are not as in training.
    chosen = {"canary_max_slowdown": "1e6", "canary_drift_level": "0"}
    with serving(home, **chosen) as server, Client(server) as client:
        yield server, client, challenger


def test_a_key_always_gets_the_same_model_and_the_share_is_kept(
    canary: tuple[Server, Client, str], home: Path
) -> None:
    server, client, challenger = canary
    models: dict[int, str] = {}
    for turn in range(2):
        for customer in range(600):
            row = {**row_of(customer), "customer": customer}
            found = client.predict(row, f"r-{turn}-{customer}")
            assert found["model"] == "table"
            assert models.setdefault(customer, found["run_id"]) == found["run_id"]
    n = sum(run_id == challenger for run_id in models.values())
    assert abs(n - 150) < 5 * math.sqrt(600 * 0.25 * 0.75)
    assert count(server, "api_challenger_requests_total", model="table", result="answered") == 2 * n
    for path in ("/health", "/models"):
        shown = server.get(path).json
        info = shown["challengers"]["table"] if path == "/health" else None
        info = info or shown["models"][0]["challenger"]
        expected = {"run_id": challenger, "kind": "canary", "share": 0.25, "sticky": "customer"}
        assert info == expected
    # Each model's own answers, and what the log has of them.
    ids = {f"r-0-{i}": run_id for i, run_id in models.items()}
    ids |= {f"r-1-{i}": run_id for i, run_id in models.items()}
    wait_for(lambda: len(logged(home)) == 1200)
    for row in logged(home):
        assert row["run_id"] == ids[row["request_id"]]
        assert row["role"] == ("canary" if row["run_id"] == challenger else "champion")


def test_a_reload_keeps_a_challenge_and_a_promotion_ends_it(
    canary: tuple[Server, Client, str], home: Path, other_run: Path
) -> None:
    server, client, challenger = canary
    rows = [{"customer": i, "age": 40} for i in range(99)]
    row = next(row for row in rows if client.predict(row, "r")["run_id"] == challenger)
    assert server.reload().status == 200
    assert client.predict(row, "r")["run_id"] == challenger
    registry = Registry(home / "models")
    registry.end_challenge("table", "me", "")
    champion = registry.current("table")
    assert champion is not None
    server.reload()
    assert client.predict(row, "r")["run_id"] == champion.run_id
    assert "challengers" not in server.get("/health").json
    begin(home, other_run, kind="canary", share=1.0)
    server.reload()
    assert client.predict(row, "r")["run_id"] == challenger
    # The version that a client names is the one that it gets.
    tensors = {"inputs": [{"name": "age", "shape": [1], "datatype": "FP64", "data": [40]}]}
    for path, expected in (("", challenger), (f"/versions/{champion.run_id}", champion.run_id)):
        content, _ = client.post(f"/v2/models/table{path}/infer", tensors, "r")
        assert json.loads(content)["model_version"] == expected
    registry.promote(other_run, "table", "me", "")
    server.reload()
    assert server.get("/models").json["models"][0]["run_id"] == challenger
    assert "challengers" not in server.get("/health").json
    share = {"model": "table", "run_id": challenger, "kind": "canary"}
    assert count(server, "api_challenger_share", **share) == 0


def test_a_slow_canary_is_taken_back_in_the_process_and_not_in_the_registry(
    home: Path, other_run: Path
) -> None:
    challenger = begin(home, other_run, kind="canary", share=0.5)
    chosen = {"canary_max_slowdown": "0.1", "canary_drift_level": "0"}
    with serving(home, **chosen) as server, Client(server) as client:
        found = [client.predict(row_of(i), f"r{i}")["run_id"] for i in range(600)]
        n = found.count(challenger)
        # At least a hundred of each are compared.
        assert 100 <= n < 150
        assert challenger not in found[-300:]
        info = server.get("/health").json["challengers"]["table"]
        assert info["share"] == 0
        assert info["detail"].startswith("answers no longer in this process: a row takes")
        share = {"model": "table", "run_id": challenger, "kind": "canary"}
        assert count(server, "api_challenger_share", **share) == 0
        # A reload of the same challenge does not bring it back; a new one does.
        server.reload()
        assert client.predict(row_of(found.index(challenger)), "r")["run_id"] != challenger
        begin(home, other_run, kind="canary", share=1.0)
        server.reload()
        assert client.predict(row_of(0), "r")["run_id"] == challenger
        printed = server.end()
        assert printed.count("answers no longer in this process") == 1
    assert Registry(home / "models").challenge_of("table") is not None


def in_training(i: int) -> dict[str, Any]:
    """Return a row as those of the training table."""
    rng = np.random.default_rng(i)
    return {
        "age": rng.normal(40, 10),
        "income": None if i % 11 == 0 else rng.lognormal(3, 1),
        "job": None if i % 13 == 0 else str(rng.choice(["clerk", "farmer", "smith"])),
    }


def test_a_canary_is_taken_back_when_its_rows_are_no_longer_as_in_training(
    home: Path, other_run: Path
) -> None:
    challenger = begin(home, other_run, kind="canary", share=0.5)
    with serving(home, canary_max_slowdown="1e6") as server, Client(server) as client:

        def info() -> Any:
            return server.get("/health").json["challengers"]["table"]

        found = [client.predict(in_training(i), f"r{i}")["run_id"] for i in range(600)]
        wait_for(lambda: len(logged(home)) == 600)
        assert info()["share"] == 0.5
        assert found.count(challenger) > 200
        # Years have become months: most are outside the range of training.
        for i in range(600):
            row = in_training(i)
            client.predict({**row, "age": row["age"] * 12}, f"s{i}")
        wait_for(lambda: info()["share"] == 0)
        assert info()["detail"].startswith("answers no longer in this process: drift: ")
        assert client.predict(in_training(0), "r-last")["run_id"] != challenger
        share = {"model": "table", "run_id": challenger, "kind": "canary"}
        assert count(server, "api_challenger_share", **share) == 0
        assert server.end().count("answers no longer in this process") == 1
    assert Registry(home / "models").challenge_of("table") is not None


def test_a_shadow_gets_its_share_of_the_requests(home: Path, other_run: Path) -> None:
    begun = Registry(home / "models").challenge(other_run, "table", "me", "", share=0.2)
    ids = [f"r{i}" for i in range(500)]
    chosen = {each for each in ids if is_chosen(begun, each)}
    assert 50 < len(chosen) < 150
    with serving(home) as server, Client(server) as client:
        for i, request_id in enumerate(ids):
            client.predict(row_of(i), request_id)
        wait_for(lambda: len(logged(home)) >= len(ids) + len(chosen))
        found = {row["request_id"] for row in logged(home) if row["role"] == "challenger"}
        assert found == chosen


@pytest.mark.parametrize("kind", ["shadow", "canary"])
def test_a_challenger_that_predicts_no_row_changes_no_answer(
    kind: Any, home: Path, run: Path
) -> None:
    # As with --force: it has none of the columns that the clients send.
    challenger = begin(home, run, kind=kind)
    with serving(home) as server, Client(server) as client:
        for i in range(300):
            found = client.predict(row_of(i), f"r{i}")
            assert (found["run_id"] != challenger, found["model"]) == (True, "table")
        # A canary is taken back after a hundred.
        n = 300 if kind == "shadow" else 100
        result = {"model": "table", "result": "failed"}
        wait_for(lambda: count(server, "api_challenger_requests_total", **result) == n)
        info = server.get("/health").json["challengers"]["table"]
        assert info["share"] == (1.0 if kind == "shadow" else 0.0)
        wait_for(lambda: len(logged(home)) == 300)
        printed = server.end()
    assert {row["role"] for row in logged(home)} == {"champion"}
    # Logged once, with its traceback.
    assert printed.count("Traceback") >= 1
    assert (
        printed.count("failed, and the champion answers")
        + printed.count("its further failures are counted")
        == 1
    )


def test_a_corrupted_challenger_changes_nothing_but_is_shown(home: Path, other_run: Path) -> None:
    challenger = begin(home, other_run)
    (path,) = home.glob(f"models/table/versions/{challenger}/scorer/scorer.json")
    path.write_text("{}")
    with serving(home) as server, Client(server) as client:
        assert server.get("/ready").status == 200
        assert client.predict(row_of(0), "r")["run_id"] != challenger
        assert server.reload().status == 200
        info = server.get("/health").json["challengers"]["table"]
        assert (info["run_id"], info["share"]) == (challenger, 0)
        assert "scorer.json" in info["detail"]
        result = {"model": "table", "result": "not_loaded"}
        assert count(server, "api_challenger_requests_total", **result) == 2
        assert server.end().count("the challenger of 'table' is not served") == 1


def test_every_worker_serves_a_challenge_and_its_end(
    tmp_path: Path, table_run: Path, run: Path, other_run: Path
) -> None:
    service = Service(tmp_path, run, table_run, API_WATCH_SECONDS="0")

    def answering() -> set[str]:
        """Return who answers; each connection may reach another worker."""
        body, headers = json.dumps({"features": row_of(0)}).encode(), {"Content-Type": JSON}
        replies = (request(service.port, "POST", "/predict", body, headers) for _ in range(40))
        return {reply.json["run_id"] for reply in replies}

    settings: dict[str, Any] = {"kind": "canary", "share": 1.0}
    begun = service.registry.challenge(other_run, "m", "me", "", **settings)
    assert answering() == {begun.champion}
    assert service.reload().status == 200
    assert answering() == {begun.run_id}
    share = f'kind="canary",model="m",run_id="{begun.run_id}"'
    assert service.counted(rf"api_challenger_share\{{{share}\}}") == 1
    service.registry.end_challenge("m", "me", "")
    assert service.reload().status == 200
    assert answering() == {begun.champion}
    assert service.counted(rf"api_challenger_share\{{{share}\}}") == 0
    service.end()
    assert "Traceback" not in service.printed.read_text()
