"""The whole application: it starts without a model and follows promotions."""

import asyncio
import http.client
import itertools
import json
import os
import shutil
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tabproof.artifacts import Registry
from tabproof.artifacts.manifest import seal
from tabproof.service.app import make_app
from tabproof.service.served_model import load_model
from tabproof.service.settings import Settings
from tests.artifacts.making import mount
from tests.service.serving import ROW, Server, head, status_of, wait_for
from tests.service.test_telemetry import count


def test_service_starts_without_a_model_and_serves_the_first_promotion(
    tmp_path: Path, run: Path
) -> None:
    with Server(tmp_path) as server:
        health = server.get("/health")
        assert (health.status, health.json["models"]) == (200, {})
        assert "python -m src.runs promote" in health.json["detail"]
        for path in ("/ready", "/schema"):
            assert server.get(path).status == 503
        assert server.get("/v2/health/ready").status == 503
        for path, body in (("/predict", {"features": ROW}), ("/predict_batch", {"rows": [ROW]})):
            answer = server.post(path, body)
            assert (answer.status, "retry-after" in answer.headers) == (503, True)
            assert "train" in answer.json["detail"]
        assert server.get("/models").json == {"models": []}
        assert server.post("/models/wine/predict", {"features": ROW}).status == 404
        assert server.get("/openapi.json").status == server.get("/docs").status == 200

        Registry(server.models).promote(run, "wine", "me", "")
        assert server.reload().json == {"models": server.get("/health").json["models"]}
        assert server.get("/ready").status == 200
        assert server.post("/predict", {"features": ROW}).status == 200


def test_damaged_promotion_is_reported_from_the_start(tmp_path: Path, run: Path) -> None:
    Registry(tmp_path / "models").promote(run, "wine", "me", "")
    (path,) = (tmp_path / "models" / "wine" / "versions").glob("*/schema.json")
    path.write_text("{}")
    with Server(tmp_path) as server:
        assert "schema.json" in server.get("/health").json["failed"]["wine"]
        for answer in (server.get("/ready"), server.post("/predict", {"features": ROW})):
            assert answer.status == 503
            assert "schema.json" in answer.json["detail"]
            assert str(tmp_path) not in answer.json["detail"]


def test_watcher_follows_pointers_and_keeps_the_old_model_on_failure(
    tmp_path: Path, run: Path, table_run: Path
) -> None:
    registry = Registry(tmp_path / "models")
    # A watcher that starts with a damaged pointer must notice its repair.
    (tmp_path / "models" / "wine").mkdir(parents=True)
    pointer = tmp_path / "models" / "wine" / "pointer.json"
    pointer.write_text("{")
    with Server(tmp_path, watch_seconds="0.1") as server:
        assert server.get("/ready").status == 503
        pointer.unlink()
        first = registry.promote(run, "wine", "me", "").version
        wait_for(lambda: server.get("/health").json["models"] == {"wine": first})
        second = registry.promote(table_run, "wine", "me", "").version
        wait_for(lambda: server.get("/health").json["models"] == {"wine": second})
        assert count(server, "api_model_info", model="wine", run_id=first) == 0
        registry.rollback("wine", "me", "")
        wait_for(lambda: server.get("/health").json["models"] == {"wine": first})

        good = pointer.read_text()
        before = count(server, "api_reloads_total", result="refused")
        pointer.write_text("{")
        wait_for(lambda: count(server, "api_reloads_total", result="refused") > before)
        assert server.post("/predict", {"features": ROW}).json["run_id"] == first
        assert "pointer.json" in server.reload().json["detail"]
        pointer.write_text(good)
        registry.promote(table_run, "wine", "me", "")
        wait_for(lambda: server.get("/health").json["models"] == {"wine": second})


def test_pointer_that_becomes_a_pipe_is_refused_and_reported(
    tmp_path: Path, run: Path, table_run: Path
) -> None:
    registry = Registry(tmp_path / "models")
    registry.promote(table_run, "other", "me", "")
    first = registry.promote(run, "wine", "me", "").version
    pointer = tmp_path / "models" / "wine" / "pointer.json"
    with Server(tmp_path, newest=table_run) as server:
        pointer.unlink()
        os.mkfifo(pointer)
        answer = server.reload()
        assert answer.status == 409
        assert "pointer.json is damaged (is not a regular file)" in answer.json["detail"]
        ready = server.get("/ready")
        assert (ready.status, "pointer.json" in ready.json["detail"]) == (503, True)
        assert "pointer.json" in server.get("/health").json["detail"]
        assert server.post("/predict", {"features": ROW}).json["run_id"] == first
        assert "not reloaded: 'wine'" in server.end()
    with Server(tmp_path, newest=table_run, require="churn") as server:
        ready = server.get("/ready")
        assert (ready.status, "API_REQUIRE names 'churn'" in ready.json["detail"]) == (503, True)
        assert server.post("/predict", {"features": ROW}).status == 503
        printed = server.end()
        assert "model 'wine' cannot be loaded" in printed
        assert "API_REQUIRE names 'churn'" in printed


def test_predictions_continue_while_models_are_swapped(
    tmp_path: Path, run: Path, table_run: Path
) -> None:
    registry = Registry(tmp_path / "models")
    versions = [registry.promote(path, "m", "me", "").version for path in (run, table_run)]
    seen = set()
    with Server(tmp_path, watch_seconds="0.05") as server:
        for place in range(30):
            if place % 10 == 5:
                registry.promote((run, table_run)[place // 10 % 2], "m", "me", "")
                server.reload()
            answer = server.post("/predict", {"features": ROW})
            assert answer.status == 200
            # Labels and run id always belong to the same run.
            is_wine = answer.json["run_id"] == versions[0]
            assert len(answer.json["probabilities"]) == (3 if is_wine else 2)
            seen.add(answer.json["run_id"])
    assert seen == set(versions)


N_CLIENTS = 16
JSON = {"Content-Type": "application/json"}
SENT = {"age": 41}


def shifted(run: Path, to: Path, run_id: str, by: float) -> Path:
    """Make a run with the same columns whose probabilities are others."""
    shutil.copytree(run, to)
    path = to / "scorer" / "scorer.json"
    content = json.loads(path.read_text())
    content["model"]["baseline"] = [each + by for each in content["model"]["baseline"]]
    path.write_text(json.dumps(content))
    seal(to, run_id)
    return to


@pytest.mark.parametrize("by", ["watcher", "reload"])
@pytest.mark.parametrize("n_switches", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_each_answer_is_of_its_model_while_a_volume_is_switched(
    n_switches: int, by: str, table_run: Path, tmp_path: Path
) -> None:
    runs = {
        name: [
            shifted(table_run, tmp_path / f"{name}{n}", f"{name}{n}", by=place + n / 4)
            for n in range(2)
        ]
        for place, name in enumerate(("alpha", "beta"))
    }
    expected = {
        path.name: load_model(path, name=name, source="").predict_row(SENT, strict=False).pred_proba
        for name, paths in runs.items()
        for path in paths
    }
    assert len(set(expected.values())) == 4
    # Each state of the volume: which run is current under each name.
    states = list(itertools.product(range(2), repeat=2))
    for alpha, beta in states:
        staged = Registry(tmp_path / f"state{alpha}{beta}")
        staged.promote(runs["alpha"][alpha], "alpha", "me", "")
        staged.promote(runs["beta"][beta], "beta", "me", "")
    volume, is_over = tmp_path / "service" / "models", threading.Event()
    mount(volume, tmp_path / "state00")
    wrong: list[object] = []
    seen: Counter[str] = Counter()

    def ask(place: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        paths = {"/models/alpha/predict": "alpha", "/models/beta/predict": "beta",
                 "/predict": "alpha"}  # fmt: skip
        for path, name in itertools.islice(itertools.cycle(paths.items()), place, None):
            if is_over.is_set():
                break
            connection.request("POST", path, json.dumps({"features": SENT}), JSON)
            reply = connection.getresponse()
            content = json.loads(reply.read())
            run_id = content.get("run_id", "")
            seen[run_id] += 1
            is_right = run_id.startswith(name) and content["pred_proba"] == expected[run_id]
            if reply.status != 200 or not is_right:
                wrong.append((path, reply.status, content))
        connection.close()

    def reload() -> None:
        while not is_over.is_set():
            reply = server.reload()
            if reply.status != 200:
                wrong.append(reply)

    settings = {"default_model": "alpha", "require": "alpha,beta"}
    if by == "watcher":
        settings["watch_seconds"] = "0.01"
    with Server(tmp_path / "service", **settings) as server:
        threads = ThreadPoolExecutor(N_CLIENTS + 1)
        asking = [threads.submit(ask, place) for place in range(N_CLIENTS)]
        if by == "reload":
            asking.append(threads.submit(reload))
        try:
            for n in range(1, n_switches + 1):
                alpha, beta = states[n % len(states)]
                mount(volume, tmp_path / f"state{alpha}{beta}")
                served = {"alpha": f"alpha{alpha}", "beta": f"beta{beta}"}
                wait_for(lambda served=served: server.get("/health").json["models"] == served)  # type: ignore[misc]
                ready = server.get("/ready")
                if ready.status != 200:
                    wrong.append(ready)
        finally:
            is_over.set()
            threads.shutdown()
        for each in asking:
            each.result()
        failed = count(server, "api_reloads_total", result="refused")
    assert (wrong[:3], failed) == ([], 0)
    assert seen.keys() == expected.keys()


def test_misspelt_variable_is_logged(tmp_path: Path) -> None:
    with Server(tmp_path, max_row="5") as server:
        assert "unknown variable API_MAX_ROW; did you mean API_MAX_ROWS?" in server.end()


async def answers_of(scope: dict[str, Any], settings: Settings) -> list[dict[str, Any]]:
    """Call the application without a server and without its start-up."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": scope.get("first", "http.request"), "body": b"{}"}

    async def send(message: Any) -> None:
        sent.append(message)

    await make_app(settings)(scope, receive, send)
    return sent


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(tmp_path / "models", tmp_path / "outputs", log=str(tmp_path / "log"))


def test_application_closes_websockets(settings: Settings) -> None:
    scope = {"type": "websocket", "path": "/predict", "headers": [], "first": "websocket.connect",
             "query_string": b"", "subprotocols": []}  # fmt: skip
    sent = asyncio.run(answers_of(scope, settings))
    assert [message["type"] for message in sent] == ["websocket.close"]


def test_client_that_disconnects_in_its_body_is_logged_as_499(
    settings: Settings,
) -> None:
    scope = {"type": "http", "method": "POST", "path": "/predict", "query_string": b"",
             "headers": [(b"content-type", b"application/json")],
             "first": "http.disconnect"}  # fmt: skip
    assert asyncio.run(answers_of(scope, settings)) == []
    assert json.loads(Path(settings.log).read_text())["status"] == 499


def test_newest_run_is_served_with_schema_and_partial_rows(run: Path, tmp_path: Path) -> None:
    with Server(tmp_path, newest=run) as server:
        schema = server.get("/schema")
        assert schema.status == 200
        names = schema.json["required_columns"][:3]
        features = {name: schema.json["example"][name] for name in names}
        answer = server.post("/predict", {"features": features})
    assert answer.status == 200
    assert 0 <= answer.json["pred_proba"] <= 1
    assert answer.json["label"] in schema.json["labels"]
    missing = {w["column"] for w in answer.json["warnings"] if w["kind"] == "missing_column"}
    assert missing == set(schema.json["required_columns"]) - set(names)


OUTER = """
from starlette.middleware.trustedhost import TrustedHostMiddleware

from api.app import app

class Refuse:
    def __init__(self, app):
        self.app = app

    def itself(self):
        return self

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = [(b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 418, "headers": headers})
        await send({"type": "http.response.body"})

"""


@pytest.mark.parametrize(
    ("added", "status"),
    [
        ("app.add_middleware(Refuse)", 418),
        ("app = Refuse(app)", 418),
        # As libraries do that trace requests.
        ("app.build_middleware_stack = Refuse(app.build_middleware_stack()).itself", 418),
        ("app.add_middleware(TrustedHostMiddleware, allowed_hosts=['example.org'])", 400),
    ],
)
def test_middleware_around_the_application_sees_every_prediction(
    tmp_path: Path, run: Path, added: str, status: int
) -> None:
    (tmp_path / "outer.py").write_text(OUTER + added)
    options = ["--app-dir", str(tmp_path)]
    with Server(tmp_path, newest=run, app="outer:app", options=options) as server:
        body = json.dumps({"features": ROW}).encode()
        request = head("POST /predict HTTP/1.1", f"Content-Length: {len(body)}") + body
        assert status_of(server.raw(request)) == status


NO_TASKS = """
from tabproof.service.gate import Gate

answer = Gate.__call__

async def refuse(self, scope, receive, send):
    assert scope.get("path") != "/predict"
    await answer(self, scope, receive, send)

Gate.__call__ = refuse
from api.app import app
"""


def test_small_prediction_needs_no_task(tmp_path: Path, run: Path) -> None:
    (tmp_path / "no_tasks.py").write_text(NO_TASKS)
    options = ["--app-dir", str(tmp_path)]
    with Server(tmp_path, newest=run, app="no_tasks:app", options=options) as server:
        body = json.dumps({"features": ROW}).encode()
        sent = head("POST /predict HTTP/1.1", f"Content-Length: {len(body)}"), body
        assert status_of(server.raw(b"".join(sent))) == 200
        assert status_of(server.raw(*sent)) == 200
