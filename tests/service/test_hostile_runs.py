"""A stranger's run is served as data or refused in one line, and stops no other model."""

import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from sklearn.datasets import load_wine

from tabproof.artifacts import Registry
from tabproof.artifacts.files import remove
from tabproof.artifacts.registry import Promotion
from tests.runs.hostile import DAY, RUN_ID, all_changes, make_hostile, tree
from tests.service.serving import Reply, Server

# Half a character, which JSON can spell and UTF-8 cannot.
HALF = "a\ud800b"
CHANGES = all_changes() | {
    "half a character as target": tree("schema.json", ("target",), HALF),
    "half a character as metric": tree("summary.json", ("metrics", HALF), 0.5),
}
# These had found a fault.
FAST = {name for name in CHANGES if name.startswith(("half", "summary ('dataset',)"))}
ROW = load_wine(as_frame=True).data.iloc[0].to_dict()
# Where a model is read, and what is derived from it.
PATHS = (
    "/", "/health", "/ready", "/models", "/metrics", "/openapi.json", "/schema", "/v2/health/ready",
    "/models/NAME/schema", "/v2/models/NAME", "/v2/models/NAME/ready",
)  # fmt: skip


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """Give the path that no request may make."""
    yield (path := tmp_path / "canary")
    assert not path.exists()


@pytest.fixture(autouse=True)
def _in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    # Thousands of small files are forced to the disk otherwise.
    monkeypatch.setattr("os.fsync", lambda _: None)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, run: Path) -> Path:
    home = tmp_path_factory.mktemp("served")
    Registry(home / "models").promote(run, "good", "me", "")
    return home


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[Server]:
    """Serve `good`, the default, beside what a test adds."""
    with Server(home, default_model="good") as started:
        yield started
        assert started.process.poll() is None, "the server died"
        require_printable(started.end())


def promote_as_it_is(models: Path, name: str, run: Path) -> None:
    """Put a run where a promoted version is, unverified, as whoever can write there may do."""
    registry = Registry(models)
    registry.root.joinpath(name, "versions").mkdir(parents=True)
    run.rename(models / name / "versions" / RUN_ID)
    registry.write_history(name, [Promotion(RUN_ID, RUN_ID, "promote", "me", "", "", None)])


def require_printable(text: str) -> None:
    for letter in text:
        # Cc: what a terminal obeys. Cf: what reorders a line.
        assert letter == "\n" or unicodedata.category(letter) not in ("Cc", "Cf"), repr(text)


def require_answer(reply: Reply, *refusals: int) -> None:
    """Check that a reply is an answer, or a refusal in one line."""
    assert reply.status in (200, 503, *refusals), (reply.status, reply.content)
    # In JSON, what a terminal obeys is escaped.
    require_printable(reply.content.decode())
    if reply.status in refusals:
        # The error of the Open Inference Protocol has its own key.
        detail = reply.json.get("detail") or reply.json["error"]
        require_printable(detail)
        assert "\n" not in detail
        assert "Traceback" not in detail


def require_served_or_refused(server: Server, name: str) -> None:
    for path in PATHS:
        require_answer(server.get(path.replace("NAME", name)), 404)
    for language in ("en", "ja"):
        page = server.get(f"/?model={name}", Accept="text/html", **{"Accept-Language": language})
        assert page.status in (200, 404), page.content
    for query in ("", "?explain=true", "?strict=true"):
        for path in ("predict", "predict_batch"):
            body = {"features": ROW} if path == "predict" else {"rows": [ROW, ROW]}
            require_answer(server.post(f"/models/{name}/{path}{query}", body), 404, 422)


def require_good(server: Server) -> None:
    """Check that the intact model is served, whatever lies beside it."""
    assert server.get("/ready").json["status"] == "ready"
    assert "good" in {model["name"] for model in server.get("/models").json["models"]}
    assert server.post("/predict", {"features": ROW}).json["label"] == "class_0"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if number % 60 == 0 or name in FAST else pytest.mark.slow)
        for number, name in enumerate(CHANGES)
    ],
    ids=ascii,
)
def test_a_hostile_run_is_served_or_refused_beside_an_intact_one(
    name: str, run: Path, server: Server, canary: Path, tmp_path: Path
) -> None:
    try:
        hostile = make_hostile(run, tmp_path / "run", CHANGES[name], canary)
        make_hostile(run, server.outputs / DAY / "run", CHANGES[name], canary)
        promote_as_it_is(server.models, "evil", hostile)
        before = {path.name for path in server.models.parent.iterdir()}
        require_answer(server.reload(), 409)
        require_served_or_refused(server, "evil")
        require_good(server)
        for path in (f"outputs/{DAY}/run", "models/evil", f"models/evil/versions/{RUN_ID}"):
            reply = server.reload(path)
            require_answer(reply, 409)
            # A run is served under the name of its dataset.
            for served in reply.json.get("models", {}):
                require_served_or_refused(server, quote(served, safe=""))
        assert {path.name for path in server.models.parent.iterdir()} == before
        assert not canary.exists()
    finally:
        remove(server.models / "evil")
        remove(server.outputs)
        # What was loaded by its path is dropped.
        assert server.reload().status == 200
    require_good(server)


@pytest.mark.parametrize("kind", ["registry", "store"])
def test_a_start_among_hostile_models_serves_the_intact_one(
    kind: str, run: Path, canary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    models = home / "models"
    if kind == "store":
        models = tmp_path / "store"
        monkeypatch.setenv("MODEL_STORE", str(models))
        monkeypatch.setenv("MODEL_CACHE", str(home / "cache"))
    Registry(models).promote(run, "good", "me", "")
    for number, change in enumerate(list(CHANGES.values())[::12]):
        hostile = make_hostile(run, tmp_path / "run", change, canary)
        promote_as_it_is(models, f"evil{number}", hostile)
        if number % 5 == 0:
            make_hostile(run, home / "outputs" / DAY / f"{number}", change, canary)
    (models / "evil-pointer").mkdir()
    (models / "evil-pointer" / "pointer.json").symlink_to("/dev/zero")
    (models / "evil-pipe").mkdir()
    os.mkfifo(models / "evil-pipe" / "pointer.json")
    home.mkdir(exist_ok=True)
    with Server(home, default_model="good") as started:
        assert started.post("/predict", {"features": ROW}).json["label"] == "class_0"
        for path in PATHS:
            require_answer(started.get(path.replace("NAME", "good")))
        health = started.get("/health").content.decode()
        assert all(
            f"'{name}' is not up to date" in health for name in ("evil-pipe", "evil-pointer")
        )
        require_answer(started.reload(), 409)
        assert started.post("/predict", {"features": ROW}).json["label"] == "class_0"
        require_printable(started.end())
