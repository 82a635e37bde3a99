"""Counts, durations and log lines of requests, without anything that a client sent."""

import re
import time
from pathlib import Path

import pytest

from tabproof.service.settings import SettingError
from tabproof.service.telemetry import Telemetry
from tests.service.serving import ROW, Server

SECRETS = ["4111111111111111", "Zoë Quirke", "colour_of_eyes", "no_such_model", "path_typed_in",
           "typed_query", "typed_header", "typed_outputs"]  # fmt: skip


def count(server: Server, name: str, **labels: str) -> float:
    """Read one counter of /metrics."""
    for line in server.get("/metrics").content.decode().splitlines():
        found = re.fullmatch(rf"{name}(?:\{{(.*)\}})? (\S+)", line)
        if found and set(re.findall(r'(\w+)="([^"]*)"', found[1] or "")) == set(labels.items()):
            return float(found[2])
    return 0.0


def send_secrets(server: Server) -> None:
    """Send each secret wherever a client can send anything."""
    row = {"age": SECRETS[0], "job": SECRETS[1], SECRETS[2]: 1}
    headers = {"X-Request-ID": f"{SECRETS[6]} !", "User-Agent": SECRETS[6]}
    for strict in ("false", "true", SECRETS[5]):
        server.post(f"/predict?strict={strict}&{SECRETS[5]}=1", {"features": row}, **headers)
        server.post(f"/predict_batch?strict={strict}", {"rows": [row, row]}, **headers)
    server.post("/predict", {"features": {SECRETS[2]: [SECRETS[1]]}})
    server.post("/predict", b'{"features": {"%s": 1, "%s": 1}}' % ((SECRETS[2].encode(),) * 2))
    server.post(f"/models/{SECRETS[3]}/predict", {"features": row})
    server.get(f"/models/{SECRETS[3]}/schema")
    server.get(f"/v2/models/{SECRETS[3]}/versions/{SECRETS[4]}")
    server.get(f"/{SECRETS[4]}")
    server.get(f"/docs/{SECRETS[4]}")
    server.reload(SECRETS[4])
    tensor = {"name": SECRETS[2], "shape": [1], "datatype": "BYTES", "data": [SECRETS[1]]}
    outputs = [{"name": SECRETS[7]}]
    server.post("/v2/models/table/infer", {"inputs": [tensor], "outputs": outputs})


def test_client_input_is_not_in_metrics_logs_or_output(promoted: Path, tmp_path: Path) -> None:
    log = tmp_path / "requests.log"
    with Server(promoted, default_model="table", log=str(log)) as server:
        send_secrets(server)
        metrics = server.get("/metrics").content.decode()
        printed = server.end()
    for secret in SECRETS:
        assert secret not in metrics
        assert secret not in log.read_text()
        assert secret not in printed
    assert "Traceback" not in printed


def test_time_series_do_not_grow_with_client_input(server: Server) -> None:
    def ask(place: int) -> None:
        server.post(f"/models/m{place}/predict", {"features": ROW})
        server.get(f"/p{place}")
        server.get(f"/v2/models/m{place}/versions/v{place}/ready")
        server.post("/predict", {"features": {**ROW, f"c{place}": 1}})

    server.get("/metrics")
    ask(0)
    before = server.get("/metrics").content.count(b"\n")
    for place in range(1, 20):
        ask(place)
    assert server.get("/metrics").content.count(b"\n") == before


def test_requests_and_predictions_are_counted(server: Server) -> None:
    served = {"route": "/predict", "method": "POST"}
    before = [
        count(server, "api_requests_total", **served, status="200"),
        count(server, "api_requests_total", **served, status="422"),
        count(server, "api_request_seconds_count", route="/predict"),
        count(server, "api_predictions_total", model="table", label="c0"),
        count(server, "api_predictions_total", model="table", label="c1"),
    ]
    answer = server.post("/predict", {"features": ROW}).json
    server.post("/predict", {"rows": []})
    server.post("/predict_batch", {"rows": [ROW, ROW]})
    after = [
        count(server, "api_requests_total", **served, status="200"),
        count(server, "api_requests_total", **served, status="422"),
        count(server, "api_request_seconds_count", route="/predict"),
        count(server, "api_predictions_total", model="table", label="c0"),
        count(server, "api_predictions_total", model="table", label="c1"),
    ]
    by_label = [3, 0] if answer["label"] == "c0" else [0, 3]
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 1, 2, *by_label]


def test_metrics_are_in_prometheus_format(server: Server) -> None:
    page = server.get("/metrics")
    assert page.headers["content-type"].startswith("text/plain")
    assert 'api_request_seconds_bucket{le="+Inf"' in page.content.decode()
    for name, run_id in server.get("/health").json["models"].items():
        assert count(server, "api_model_info", model=name, run_id=run_id) == 1.0


def test_reloads_are_counted_by_result(server: Server) -> None:
    before = [count(server, "api_reloads_total", result=r) for r in ("succeeded", "refused")]
    server.reload()
    server.reload("elsewhere")
    after = [count(server, "api_reloads_total", result=r) for r in ("succeeded", "refused")]
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 1]


@pytest.mark.parametrize(
    ("path", "body", "route", "status", "level", "rows"),
    [
        ("/predict", {"features": ROW}, "/predict", 200, "info", 1),
        ("/models/table/predict_batch", {"rows": [ROW] * 3}, "/models/{name}/predict_batch", 200,
         "info", 3),
        ("/predict", {}, "/predict", 422, "warning", 0),
        ("/nowhere", {}, "unmatched", 404, "warning", 0),
        ("/health", {}, "/health", 405, "warning", 0),
        ("/models/table/schema", {}, "/models/{name}/schema", 405, "warning", 0),
    ],
)  # fmt: skip
def test_each_request_is_logged_in_one_line(
    server: Server, path: str, body: object, route: str, status: int, level: str, rows: int
) -> None:
    request_id = f"line{time.monotonic_ns()}"
    server.post(path, body, **{"X-Request-ID": request_id})
    line = server.logged(request_id)
    assert server.log.read_text().count(request_id) == 1
    assert (line["route"], line["status"], line["level"]) == (route, status, level)
    assert (line["method"], line["rows"]) == ("POST", rows)
    assert (line["run_id"] is not None) == (status == 200)
    assert 0 < line["ms"] < 10_000
    assert line["time"].endswith("+00:00")


def test_paths_with_placeholders_are_counted_by_their_template(server: Server) -> None:
    run_id = server.get("/health").json["models"]["table"]
    for path, route, status in (
        ("/models/table/schema", "/models/{name}/schema", 200),
        ("/models/nope/schema", "/models/{name}/schema", 404),
        ("/v2/models/table", "/v2/models/{name}", 200),
        (
            f"/v2/models/table/versions/{run_id}/ready",
            "/v2/models/{name}/versions/{version}/ready",
            200,
        ),
        ("/docs/swagger-ui.css", "/docs/{file}", 200),
        ("/openapi.json", "/openapi.json", 200),
    ):
        request_id = f"line{time.monotonic_ns()}"
        assert server.get(path, **{"X-Request-ID": request_id}).status == status
        assert server.logged(request_id)["route"] == route
        labels = {"route": route, "method": "GET", "status": str(status)}
        assert count(server, "api_requests_total", **labels) >= 1


def test_full_log_device_does_not_fail_requests(promoted: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("/dev/full is absent: a full disk is not tested")
    with Server(promoted, default_model="table", log="/dev/full") as server:
        for _ in range(3):
            assert server.post("/predict", {"features": ROW}).status == 200
        assert (
            count(server, "api_requests_total", route="/predict", method="POST", status="200") == 3
        )
        assert "Traceback" not in server.end()


def test_unwritable_log_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="API_LOG"):
        Telemetry(str(tmp_path / "absent" / "log"))


def test_applications_have_separate_counters(tmp_path: Path) -> None:
    ours, others = Telemetry(str(tmp_path / "a")), Telemetry(str(tmp_path / "b"))
    ours.models([], "succeeded")
    assert b'api_reloads_total{result="succeeded"}' in ours.exposition()
    assert b"api_reloads_total{" not in others.exposition()
