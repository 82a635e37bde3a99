"""Which models are served; reloads replace all or nothing and stay below the roots."""

import json
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tabproof.artifacts import Registry, files
from tabproof.artifacts import manifest as manifests
from tabproof.errors import UserError
from tabproof.service.answers import RefusedError
from tabproof.service.model_store import ModelStore, OutsideRootsError, ReloadError, beneath
from tabproof.service.served_model import ModelUnusableError
from tabproof.service.settings import Settings
from tests.artifacts.making import REPLACEMENTS, mount
from tests.artifacts.remote.loopback import Between, Bucket, answering, content_of, pull, push
from tests.service.serving import Process, Server, wait_for


@pytest.fixture
def home(tmp_path: Path, run: Path, table_run: Path) -> Path:
    """Return a directory with wine promoted, and the other run in outputs."""
    Registry(tmp_path / "models").promote(run, "wine", "me", "")
    shutil.copytree(table_run, tmp_path / "outputs" / "2024-01-01" / "table")
    return tmp_path


def store_of(home: Path, **settings: str) -> ModelStore:
    store = ModelStore(Settings(home / "models", home / "outputs", **settings))
    with suppress(ReloadError):
        store.reload(None)
    return store


def names(store: ModelStore) -> set[str]:
    return set(store.served.models)


def damage(home: Path, name: str = "wine") -> None:
    (path,) = (home / "models" / name / "versions").glob("*/scorer/scorer.json")
    path.write_text(path.read_text() + " ")


def test_without_models_the_error_names_the_next_steps(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    with pytest.raises(RefusedError, match=r"train one .* promote it") as caught:
        store.served.find()
    assert caught.value.status == 503


def test_promoted_models_come_before_newer_runs(home: Path) -> None:
    assert names(store_of(home)) == {"wine"}


def test_newest_complete_run_is_served_if_nothing_is_promoted(home: Path) -> None:
    shutil.rmtree(home / "models")
    (home / "outputs" / "2025-01-01" / "incomplete").mkdir(parents=True)
    model = store_of(home).served.find()
    assert (model.promoted, model.source) == (False, "outputs/2024-01-01/table")


def test_damaged_promotion_is_not_replaced_by_a_run(home: Path) -> None:
    damage(home)
    store = store_of(home)
    assert names(store) == set()
    with pytest.raises(RefusedError, match=r"scorer\.json"):
        store.served.find()


def test_default_is_the_last_promoted_or_the_configured_model(home: Path, run: Path) -> None:
    path = home / "models" / "aged" / "pointer.json"
    Registry(home / "models").promote(run, "aged", "me", "")
    content = json.loads(path.read_text())
    # Earlier, although its text is greater.
    content["history"][0]["when"] = "2020-12-31T23:59:59-05:00"
    path.write_text(json.dumps(content))
    wine = home / "models" / "wine" / "pointer.json"
    content = json.loads(wine.read_text())
    content["history"][0]["when"] = "2020-12-31T23:00:00-12:00"
    wine.write_text(json.dumps(content))
    assert store_of(home).served.default_name == "wine"
    assert store_of(home, default_model="aged").served.default_name == "aged"


def test_missing_default_model_is_reported(home: Path) -> None:
    store = store_of(home, default_model="win")
    with pytest.raises(RefusedError, match=r"API_DEFAULT_MODEL names 'win'.* wine"):
        store.served.find()
    assert store.served.find("wine")


def test_reload_loads_new_promotions(home: Path, table_run: Path) -> None:
    store = store_of(home)
    Registry(home / "models").promote(table_run, "table", "me", "")
    assert store.reload(None)
    assert names(store) == {"wine", "table"}


def test_reload_by_path_loads_a_run_a_model_or_a_version(home: Path) -> None:
    store = store_of(home)
    version = store.served.find("wine").run_id
    for path in ("models/wine", f"models/wine/versions/{version}"):
        store.reload(str(home / path))
        assert names(store) == {"wine"}
    store.reload(str(home / "outputs" / "2024-01-01" / "table"))
    (name,) = names(store) - {"wine"}
    assert store.served.default_name == name
    assert names(store) == {"wine", name}


def test_failed_reload_changes_nothing(home: Path, table_run: Path) -> None:
    store = store_of(home)
    before = store.served
    damage(home)
    bad = home / "outputs" / "2024-01-01" / "table"
    (bad / "schema.json").write_text("{}")
    for path in (None, str(home / "models" / "wine"), str(bad), str(home / "outputs" / "no")):
        with pytest.raises(UserError):
            store.reload(path)
        assert store.served.models == before.models
    pointer = home / "models" / "wine" / "pointer.json"
    pointer.write_text("{")
    with pytest.raises(UserError):
        store.reload(None)
    assert store.served.models == before.models
    assert table_run.is_dir()


HOSTILE = [
    "", "/", ".", "..", "/etc", "~", "models/../models/wine", "models/./wine", "models//wine",
    "models/%2e%2e", "models/wine\x00", "file:///models/wine", "http://host/models/wine",
    "models\\wine", "models/wine/\udcff", "models/" + "a" * 2000, "models", "outputs",
    "models/link", "outputs/link", "models/wine/versions/link", "outputs/2024-01-01/deep/link",
]  # fmt: skip


def test_blocked_store_serves_nothing_until_all_is_repeated(home: Path, run: Path) -> None:
    store = store_of(home)
    served = list(store.served.models)
    store.block(ModelUnusableError(source="a run", reason="it is gone"))

    def check_blocked() -> None:
        for name in (None, *served):
            with pytest.raises(RefusedError, match="it is gone"):
                store.served.find(name)
        assert "it is gone" in store.served.why_not_ready()

    check_blocked()
    # A watcher that finds another model must not lift it, nor a repetition that fails.
    Registry(home / "models").promote(run, "other", "me", "")
    store.reload(None, thoroughly=False)
    check_blocked()
    with pytest.raises(OutsideRootsError):
        store.repeat([None, "outputs/absent"], thoroughly=True)
    check_blocked()
    store.repeat([None], thoroughly=True)
    assert store.served.find("other").run_id
    assert not store.served.why_not_ready()


def test_reload_by_path_stays_below_the_roots(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_of(home)
    before = store.served
    monkeypatch.chdir(home)
    shutil.copytree(home / "outputs/2024-01-01/table", home / "elsewhere")
    (home / "outputs/2024-01-01/deep").mkdir()
    for link in [path for path in HOSTILE if path.endswith("/link")]:
        (home / link).symlink_to(home / "elsewhere")
    for path in HOSTILE:
        for asked in (path, f"{home}/{path}"):
            with pytest.raises(OutsideRootsError):
                store.reload(asked)
    assert store.served is before


def test_run_that_contains_a_link_is_refused(home: Path) -> None:
    run = home / "outputs" / "2024-01-01" / "table"
    shutil.move(run / "scorer", home / "scorer")
    (run / "scorer").symlink_to(home / "scorer")
    with pytest.raises(UserError):
        store_of(home).reload(str(run))


def test_version_that_holds_another_run_is_refused(home: Path) -> None:
    (version,) = (home / "models" / "wine" / "versions").iterdir()
    shutil.rmtree(version)
    shutil.copytree(home / "outputs" / "2024-01-01" / "table", version)
    with pytest.raises(UserError, match="it holds run"):
        store_of(home).reload(None)


def test_messages_hide_the_location_of_the_roots(home: Path) -> None:
    damage(home)
    store = store_of(home)
    assert store.served.failed["wine"]
    assert str(home) not in store.served.failed["wine"]
    with pytest.raises(UserError) as caught:
        store.reload(None)
    assert str(home) not in store.message_of(caught.value)
    relative = ModelStore(Settings(Path(), Path()))
    assert relative.message_of(UserError("a. b.")) == "a. b."


def test_concurrent_reloads_keep_each_others_models(
    home: Path, table_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(_: ModelStore, models: dict[str, object]) -> str:
        time.sleep(0.05)  # widens the window for another reload
        return next(iter(models))

    monkeypatch.setattr(ModelStore, "_default_name", slowly)
    for name in ("a", "b", "c", "d"):
        Registry(home / "models").promote(table_run, name, "me", "")
    shutil.rmtree(home / "models" / "wine")
    store = ModelStore(Settings(home / "models", home / "outputs"))
    threads = [
        threading.Thread(target=store.reload, args=[str(home / "models" / name)])
        for name in ("a", "b", "c", "d")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names(store) == {"a", "b", "c", "d"}


def test_follow_loads_only_changed_pointers(home: Path, table_run: Path) -> None:
    store = store_of(home)
    assert not store.reload(None, thoroughly=False)
    Registry(home / "models").promote(table_run, "wine", "me", "")
    assert store.reload(None, thoroughly=False)
    assert store.served.find("wine").run_id == Registry(home / "models").current("wine").version
    assert not store.reload(None, thoroughly=False)


def test_run_loaded_by_path_stays_while_pointers_are_unchanged(home: Path) -> None:
    store = store_of(home)
    store.reload(str(home / "outputs" / "2024-01-01" / "table"))
    tried = store.served
    assert not store.reload(None, thoroughly=False)
    assert store.served is tried


def test_damaged_model_does_not_block_other_promotions(home: Path, table_run: Path) -> None:
    store = store_of(home)
    before = store.served.find("wine")
    damage(home)
    Registry(home / "models").promote(table_run, "table", "me", "")
    assert store.reload(None, thoroughly=False)
    with pytest.raises(UserError, match="'wine'"):
        store.reload(None)
    assert names(store) == {"wine", "table"}
    assert store.served.find("wine") is before


def test_missing_registry_is_not_replaced_by_a_run(home: Path) -> None:
    store = store_of(home)
    before = dict(store.served.models)
    shutil.move(home / "models", home / "away")
    with pytest.raises(UserError, match="no longer holds a promoted model"):
        store.reload(None, thoroughly=False)
    with pytest.raises(UserError, match="no longer holds a promoted model"):
        store.reload(None)
    assert store.served.models == before


@pytest.fixture
def two(home: Path, table_run: Path) -> Path:
    """Return a directory with `wine` and, promoted later and so the default, `table`."""
    Registry(home / "models").promote(table_run, "table", "me", "")
    return home


POINTER = "table/pointer.json"
CASES = [(what, how) for what in ("table", POINTER) for how in (*REPLACEMENTS, "damaged")]


@pytest.mark.parametrize(("what", "how"), [*CASES, (POINTER, "directory")])
def test_model_that_is_replaced_by_something_else_stays_and_says_so(
    two: Path, what: str, how: str, tmp_path: Path
) -> None:
    fresh, running = Registry(two / "models"), store_of(two)
    before = running.served
    assert (before.default_name, before.why_not_ready()) == ("table", "")
    path = two / "models" / what
    outside = path.rename(tmp_path / "outside")
    if how == "directory":
        path.mkdir()
    elif how == "damaged":
        path.write_text("{")
    else:
        REPLACEMENTS[how](path, outside)
    if (what, how) == ("table", "damaged"):
        # A file beside the models is none of them, so this one is gone.
        assert fresh.names() == ["wine"]
    for thoroughly in (False, True):
        with pytest.raises(ReloadError, match="'table'"):
            running.reload(None, thoroughly=thoroughly)
        assert running.served.models["table"] is before.models["table"]
        assert set(running.served.models) == {"table", "wine"}
        assert running.served.default_name == "table"
        assert "'table' is not up to date" in running.served.why_not_ready()
    if "table" in fresh.names():
        started = store_of(two)
        assert names(started) == {"wine"}
        # It may have been promoted last.
        assert started.served.default_name is None
        assert "'table' cannot be loaded" in started.served.why_not_ready()
        assert str(tmp_path) not in started.served.why_not_ready()
    files.remove(path)
    outside.rename(path)
    assert running.reload(None, thoroughly=False)
    assert running.served.why_not_ready() == ""


def test_watcher_notices_the_repair_of_a_link_although_the_pointer_is_the_same(two: Path) -> None:
    store = store_of(two)
    before, versions = dict(store.served.models), two / "models" / "table" / "versions"
    versions.rename(two / "away")
    versions.symlink_to("nothing")
    with pytest.raises(ReloadError, match="is a symbolic link to nothing"):
        store.reload(None)
    assert store.served.models["table"] is before["table"]
    assert "'table' is not up to date" in store.served.why_not_ready()
    versions.unlink()
    (two / "away").rename(versions)
    assert store.reload(None, thoroughly=False)
    assert store.served.why_not_ready() == ""


@pytest.mark.parametrize("how", [*REPLACEMENTS, "directory"])
def test_no_run_takes_the_place_of_a_model_that_cannot_be_read(
    home: Path, how: str, tmp_path: Path
) -> None:
    path = home / "models" / "wine" / "pointer.json"
    outside = path.rename(tmp_path / "outside")
    if how == "directory":
        path.mkdir()
    else:
        REPLACEMENTS[how](path, outside)
    store = store_of(home)
    assert names(store) == set()
    assert "pointer.json is damaged" in store.served.why_not_ready()


def test_no_run_takes_the_place_of_a_registry_whose_pointers_are_gone(home: Path) -> None:
    (home / "models" / "wine" / "pointer.json").unlink()
    store = store_of(home)
    assert names(store) == set()
    assert "none has a pointer" in store.served.why_not_ready()


def test_no_run_takes_the_place_of_a_registry_that_cannot_be_read(home: Path) -> None:
    shutil.rmtree(home / "models")
    (home / "models").symlink_to("nothing")
    store = store_of(home)
    assert names(store) == set()
    assert "models cannot be read" in store.served.why_not_ready()


def test_models_are_served_through_the_links_of_a_volume(two: Path) -> None:
    shutil.move(two / "models", two / "content")
    mount(two / "models", two / "content")
    (two / "models" / "also").symlink_to("wine")
    store = store_of(two)
    assert names(store) == {"also", "table", "wine"}
    assert store.served.default_name == "table"
    assert store.served.find("table").source.startswith("models/table/versions/")
    assert store.served.why_not_ready() == ""
    run_id = store.served.find("wine").run_id
    for path in ("models/wine", f"models/wine/versions/{run_id}/", "models/also"):
        store.reload(path)
    assert store.served.find("also").run_id == run_id
    for path in ("models/..data/wine", "models/wine/versions", "models/wine/pointer.json"):
        with pytest.raises(UserError):
            store.reload(path)


def test_removed_model_is_dropped_unless_it_is_the_default_or_required(two: Path) -> None:
    strict, plain = store_of(two, require="wine"), store_of(two)
    shutil.rmtree(two / "models" / "wine")
    assert plain.reload(None)
    assert names(plain) == {"table"}
    with pytest.raises(ReloadError, match="'wine': it is no longer in the registry"):
        strict.reload(None)
    assert names(strict) == {"wine", "table"}
    Registry(two / "models").promote(two / "outputs" / "2024-01-01" / "table", "wine", "me", "")
    shutil.rmtree(two / "models" / "table")
    with pytest.raises(ReloadError, match="'table': it is no longer in the registry"):
        plain.reload(None)
    assert plain.served.default_name == "table"
    assert "table" in plain.served.models


def test_required_models_must_be_served(home: Path, table_run: Path) -> None:
    store = store_of(home, require="wine, churn")
    assert store.served.find().name == "wine"
    assert "API_REQUIRE names 'churn', which is not served" in store.served.why_not_ready()
    Registry(home / "models").promote(table_run, "churn", "me", "")
    store.reload(None, thoroughly=False)
    assert store.served.why_not_ready() == ""


def test_required_model_is_not_replaced_by_a_run_of_another_name(home: Path) -> None:
    shutil.rmtree(home / "models")
    store = store_of(home, require="wine")
    assert names(store) == set()
    assert "API_REQUIRE names 'wine'" in store.served.why_not_ready()
    run_name = store_of(home).served.default_name
    assert store_of(home, require=run_name).served.why_not_ready() == ""


def test_newest_run_is_found_through_the_links_of_a_volume(home: Path, table_run: Path) -> None:
    shutil.rmtree(home / "models")
    outputs = home / "outputs"
    shutil.copytree(table_run, outputs / "2024-01-02" / "newer")
    shutil.move(outputs, home / "content")
    mount(outputs, home / "content")
    store = store_of(home)
    assert store.served.find().source == "outputs/2024-01-02/newer"
    before = store.served.models
    # The service cannot know what is on a newer date that it cannot read.
    for number, leads in enumerate((home / "content", "nothing")):
        link = outputs / f"2024-01-{3 + number:02}"
        link.symlink_to(leads)
        with pytest.raises(ReloadError, match=rf"{link.name} is a symbolic link|{link.name} leads"):
            store.reload(None)
        assert store.served.models == before
        assert link.name in store.served.why_not_ready()
        assert link.name in store_of(home).served.why_not_ready()
        link.unlink()
    store.reload(None)
    assert store.served.why_not_ready() == ""
    (outputs / "2024-01-09").mkdir()
    (outputs / "2024-01-09" / "run").symlink_to(outputs / "2024-01-01" / "table")
    store.reload(None)
    assert store.served.find().source == "outputs/2024-01-09/run"


def test_newest_run_with_a_scorer_is_served(tmp_path: Path, table_run: Path) -> None:
    day = tmp_path / "outputs" / "2024-01-02"
    shutil.copytree(table_run, day / "older")
    newer = shutil.copytree(table_run, day / "newer")
    shutil.rmtree(newer / "scorer")
    manifests.seal(newer, "abc")
    store = store_of(tmp_path)
    assert store.served.find().source.endswith("older")


def test_unreadable_pointer_is_reported(home: Path, monkeypatch: Any) -> None:
    def refuse(_: Registry, name: str) -> None:
        raise PermissionError(13, "Permission denied", f"{home}/models/{name}/pointer.json")

    monkeypatch.setattr(Registry, "history", refuse)
    store = store_of(home)
    assert "Permission denied" in store.served.failed["wine"]
    assert str(home) not in store.served.failed["wine"]


# --- Paths that clients may name


OUTPUTS, MODELS = Path("outputs"), Path("models")
ROOTS = [OUTPUTS, MODELS]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for path in ("outputs/day/run", "models/wine/versions/abc", "secret/run", "outputs-old/run"):
        (tmp_path / path).mkdir(parents=True)
    (tmp_path / "outputs/latest").symlink_to("day/run")
    (tmp_path / "outputs/way_out").symlink_to(tmp_path / "secret")
    (tmp_path / "outputs/file").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_path_is_relative_to_a_root_or_absolute(here: Path) -> None:
    assert beneath("outputs/day/run", ROOTS) == Path("outputs/day/run")
    assert beneath("models/wine/versions/abc", ROOTS) == Path("models/wine/versions/abc")
    assert beneath(f"{here}/outputs/day/run", ROOTS) == Path("outputs/day/run")
    # A shell completes the names of directories with a slash.
    assert beneath("outputs/day/run/", ROOTS) == Path("outputs/day/run")
    assert beneath("outputs/latest", ROOTS) == Path("outputs/latest")
    assert beneath(f"{here}/outputs/day/run", [here / "outputs"]) == here / "outputs/day/run"


def test_root_may_be_a_link_or_contain_dots(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "linked").symlink_to("outputs")
    assert beneath("linked/day/run", [Path("linked")]) == Path("linked/day/run")
    monkeypatch.chdir(here / "secret")
    above = Path("../outputs")
    assert beneath(f"{here}/outputs/day/run", [above]) == above / "day/run"
    with pytest.raises(OutsideRootsError):
        beneath("../outputs/day/run", [above])


UNSAFE = [
    "", "/", "outputs", "outputs/", "outputs/day/run//", "outputs//day/run", "//outputs/day/run",
    "./outputs/day/run", "outputs/./day/run", "outputs/day/../day/run", "outputs/../secret/run",
    "../secret/run", "secret/run", "outputs-old/run", "output", "/etc", "/proc/self/cwd/etc",
    "outputs/way_out", "outputs/way_out/run", "outputs/file",
    "outputs/file/run", "outputs/nothing", "outputs\\day\\run", "outputs/day/run\0",
    "outputs/day/run\n", "outputs/day/\u202erun", "outputs/day/\ud800",
    "outputs/%2e%2e/secret/run", "~/outputs/day/run", "outputs/~/run", "file://outputs/day/run",
    "s3://bucket/run", "outputs/" + "a" * 300, "outputs/" + "a/" * 600 + "a",
    "outputs/" + "a" * 5000, "OUTPUTS/day/run", " outputs/day/run",
]  # fmt: skip


def test_hostile_path_is_refused_without_revealing_the_roots(here: Path) -> None:
    for text in UNSAFE:
        for roots in (ROOTS, [here / "outputs", here / "models"]):
            with pytest.raises(OutsideRootsError) as caught:
                beneath(text, roots)
            message = str(caught.value)
            assert str(here) not in message
            assert message.isprintable()
            assert len(message) < 500
            assert "outputs or models" in message


PARTS = ["outputs", "day", "run", "..", ".", "", "way_out", "latest", "secret", "~", "\\", "\0"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    st.lists(st.sampled_from(PARTS) | st.text(max_size=3), max_size=6).map("/".join)
    | st.lists(st.sampled_from(PARTS), max_size=6).map(lambda parts: "outputs/" + "/".join(parts))
)
def test_accepted_path_is_real_and_below_a_root(here: Path, text: str) -> None:
    try:
        path = beneath(text, ROOTS)
    except OutsideRootsError:
        return
    assert (here / "outputs") in path.resolve().parents or (
        here / "models"
    ) in path.resolve().parents


# --- A service that follows a model store


LIMIT = "1"


@pytest.fixture
def models(promoted: Path, tmp_path: Path) -> Path:
    """Return a registry with `wine` and `table` that the test may change."""
    return Path(shutil.copytree(promoted / "models", tmp_path / "models"))


@pytest.fixture
def serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Server]]:
    """Start services with the same store and cache; they end with the test."""
    bucket: Bucket = request.getfixturevalue("bucket")
    monkeypatch.setenv("MODEL_STORE", bucket.address)
    monkeypatch.setenv("MODEL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MODEL_STORE_TIMEOUT_SECONDS", LIMIT)
    started: list[Server] = []
    service = tmp_path / "service"
    service.mkdir()

    def start(**settings: str) -> Server:
        started.append(Server(service, **{"watch_seconds": "0", **settings}).__enter__())
        return started[-1]

    yield start
    for server in started:
        server.__exit__()


def served(server: Server) -> dict[str, str]:
    found: dict[str, str] = server.get("/health").json["models"]
    return found


def detail_of(server: Server) -> str:
    detail: str = server.get("/health").json.get("detail", "")
    return detail


Serve = Callable[..., Server]


def test_start_pulls_from_the_store_or_falls_back_to_the_cache(
    bucket: Bucket, models: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(bucket.address, models, name="table")
    first = serve(default_model="table")
    assert set(served(first)) == {"table"}
    assert detail_of(first) == ""
    assert first.post("/predict", {"features": {"age": 41}}).status == 200
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    second = serve(default_model="table")
    assert second.post("/predict", {"features": {"age": 41}}).status == 200
    assert second.get("/ready").status == 200
    assert "'store' is not up to date: model store: the store: it " in detail_of(second)
    assert "the cached version is served" in second.end()


def test_hanging_store_delays_the_start_by_at_most_the_limit(
    bucket: Bucket,
    between: Between,
    models: Path,
    serve: Serve,
) -> None:
    push(bucket.address, models)
    between.decide = lambda _, __: "stall"
    begun = time.monotonic()
    server = serve()
    assert time.monotonic() - begun < 10
    assert server.get("/ready").status == 503
    assert "does not answer in time" in server.get("/ready").json["detail"]
    assert "does not answer in time" in detail_of(server)
    assert server.get("/health").status == 200
    # The store answers again.
    between.decide = lambda _, __: "pass"
    assert server.reload().status == 200
    assert set(served(server)) == {"wine"}
    between.close()


def test_sigterm_ends_the_start_while_waiting_for_the_store(
    between: Between, serve: Serve, tmp_path: Path
) -> None:
    assert serve  # sets the environment variables of the store
    between.decide = lambda _, __: "stall"
    environment = {**os.environ, "API_OUTPUTS": str(tmp_path), "API_DRAIN_SECONDS": "0"}
    process, printed = Process(0, environment, str(tmp_path / "printed")), tmp_path / "printed"
    try:
        wait_for(lambda: bool(between.requests))
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0, printed.read_text()
    finally:
        process.send_signal(signal.SIGKILL)
    assert "Traceback" not in printed.read_text()


def test_incomplete_push_is_reported_and_the_old_model_stays(
    bucket: Bucket, models: Path, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(bucket.address, models)
    server = serve(watch_seconds="0.1")
    before = served(server)
    # Another model of that name is pushed with a file missing.
    newer = Registry(models).current("table")
    assert newer is not None
    table = models / f"table/versions/{newer.version}"
    Registry(models).promote(table, "wine", "me", "")
    push(str(tmp_path / "staging"), models)
    files = content_of(tmp_path / "staging")
    lost, pointer = f"wine/versions/{newer.version}/schema.json", "wine/pointer.json"
    for name in [*(files.keys() - {lost, pointer}), pointer]:
        bucket.write(name, files[name])
    wait_for(lambda: "schema.json: it is missing" in detail_of(server))
    assert served(server) == before
    reply = server.reload()
    assert (reply.status, "stay in service" in reply.json["detail"]) == (409, True)
    # Once it is repaired, it is served.
    bucket.write(lost, files[lost])
    wait_for(lambda: served(server) == {"wine": newer.version})
    assert detail_of(server) == ""
    with answering(403, "RequestTimeTooSkewed") as elsewhere:
        monkeypatch.setenv("AWS_ENDPOINT_URL", elsewhere)
        again = serve()
        assert served(again) == {"wine": newer.version}
        assert "clock is wrong" in detail_of(again)


def test_only_models_signed_by_our_key_are_served(
    bucket: Bucket,
    models: Path,
    serve: Serve,
    keys: Path,
    table_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    push(bucket.address, models, sign_by=keys / "ours.pem")
    push(bucket.address, models, name="table", sign_by=keys / "theirs.pem")
    # The cache was filled before signatures were required.
    for name in ("wine", "table"):
        pull(bucket.address, tmp_path / "cache", name=name)
    monkeypatch.setenv("MODEL_SIGNATURE_KEY", (keys / "ours.pub").read_text())
    outputs = tmp_path / "service/outputs/2000-01-01/run"
    shutil.copytree(table_run, outputs)
    server = serve()
    assert set(served(server)) == {"wine"}
    assert "another key" in server.get("/health").json["failed"]["table"]
    for path in ("outputs/2000-01-01/run", str(outputs), "models/table", "cache/table"):
        assert server.reload(path).status in (400, 409), path
    assert set(served(server)) == {"wine"}
    push(bucket.address, models, name="table", sign_by=keys / "ours.pem")
    assert server.reload().status == 200
    assert set(served(server)) == {"wine", "table"}


def test_empty_store_does_not_fall_back_to_a_run(
    serve: Serve, table_run: Path, tmp_path: Path
) -> None:
    shutil.copytree(table_run, tmp_path / "service/outputs/2000-01-01/run")
    server = serve()
    assert (served(server), server.get("/ready").status) == ({}, 503)
    assert "the store: it holds no model" in detail_of(server)


def test_unwritable_cache_is_reported(
    bucket: Bucket, models: Path, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(bucket.address, models)
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("MODEL_CACHE", str(tmp_path / "file/cache"))
    server = serve()
    assert server.get("/ready").status == 503
    assert "it cannot be used: Not a directory" in detail_of(server)
    assert str(tmp_path) not in detail_of(server)
