"""What is served: pointers before runs, one swap or none, and nothing from elsewhere."""

import json
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tabproof.artifacts import Registry
from tabproof.artifacts import manifest as manifests
from tabproof.errors import UserError
from tabproof.service.answers import RefusedError
from tabproof.service.errors import OutsideRootsError
from tabproof.service.model_store import ModelStore
from tabproof.service.settings import Settings


@pytest.fixture
def house(tmp_path: Path, run: Path, table_run: Path) -> Path:
    """Give a directory with wine promoted, and the other run in outputs."""
    Registry(tmp_path / "models").promote(run, "wine", "me", "")
    shutil.copytree(table_run, tmp_path / "outputs" / "2024-01-01" / "table")
    return tmp_path


def store_of(house: Path, **settings: str) -> ModelStore:
    store = ModelStore(Settings(house / "models", house / "outputs", **settings))
    store.load()
    return store


def names(store: ModelStore) -> set[str]:
    return set(store.served.models)


def spoil(house: Path, name: str = "wine") -> None:
    (path,) = (house / "models" / name / "versions").glob("*/scorer/scorer.json")
    path.write_text(path.read_text() + " ")


def test_without_anything_it_says_what_to_do(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    with pytest.raises(RefusedError, match=r"train one .* promote it") as caught:
        store.served.default()
    assert caught.value.status == 503


def test_what_is_promoted_comes_before_what_is_new(house: Path) -> None:
    assert names(store_of(house)) == {"wine"}


def test_the_newest_complete_run_serves_where_nothing_is_promoted(house: Path) -> None:
    shutil.rmtree(house / "models")
    (house / "outputs" / "2025-01-01" / "incomplete").mkdir(parents=True)
    model = store_of(house).served.default()
    assert (model.promoted, model.source) == (False, "outputs/2024-01-01/table")


def test_a_damaged_promotion_is_never_replaced_by_a_run_of_chance(house: Path) -> None:
    spoil(house)
    store = store_of(house)
    assert names(store) == set()
    with pytest.raises(RefusedError, match=r"scorer\.json"):
        store.served.default()


def test_the_default_is_the_one_promoted_last_or_the_one_named(house: Path, run: Path) -> None:
    path = house / "models" / "aged" / "pointer.json"
    Registry(house / "models").promote(run, "aged", "me", "")
    content = json.loads(path.read_text())
    # An earlier moment, though it reads as a later one.
    content["history"][0]["when"] = "2020-12-31T23:59:59-05:00"
    path.write_text(json.dumps(content))
    wine = house / "models" / "wine" / "pointer.json"
    content = json.loads(wine.read_text())
    content["history"][0]["when"] = "2020-12-31T23:00:00-12:00"
    wine.write_text(json.dumps(content))
    assert store_of(house).served.default_name == "wine"
    assert store_of(house, default_model="aged").served.default_name == "aged"


def test_a_default_that_is_not_there_is_told(house: Path) -> None:
    store = store_of(house, default_model="win")
    with pytest.raises(RefusedError, match=r"API_DEFAULT_MODEL names 'win'.* wine"):
        store.served.default()
    assert store.served.named("wine")


def test_a_reload_takes_what_is_promoted_now(house: Path, table_run: Path) -> None:
    store = store_of(house)
    Registry(house / "models").promote(table_run, "table", "me", "")
    assert set(store.reload(None)) == names(store) == {"wine", "table"}


def test_a_reload_by_path_takes_a_run_a_model_or_a_version(house: Path) -> None:
    store = store_of(house)
    version = store.served.named("wine").run_id
    for path in ("models/wine", f"models/wine/versions/{version}"):
        assert set(store.reload(str(house / path))) == {"wine"}
    found = store.reload(str(house / "outputs" / "2024-01-01" / "table"))
    (name,) = set(found) - {"wine"}
    assert store.served.default_name == name
    assert names(store) == {"wine", name}


def test_a_reload_that_fails_changes_nothing(house: Path, table_run: Path) -> None:
    store = store_of(house)
    before = store.served
    spoil(house)
    bad = house / "outputs" / "2024-01-01" / "table"
    (bad / "schema.json").write_text("{}")
    for path in (None, str(house / "models" / "wine"), str(bad), str(house / "outputs" / "no")):
        with pytest.raises(UserError):
            store.reload(path)
        assert store.served.models == before.models
    pointer = house / "models" / "wine" / "pointer.json"
    pointer.write_text("{")
    with pytest.raises(UserError):
        store.reload(None)
    assert store.served.models == before.models
    assert table_run.is_dir()


@pytest.mark.parametrize(
    "path",
    [
        "", "/", ".", "..", "/etc", "~", "models/../models/wine", "models/./wine", "models//wine",
        "models/%2e%2e", "models/wine\x00", "file:///models/wine", "http://host/models/wine",
        "models\\wine", "models/wine/\udcff", "models/" + "a" * 2000, "models", "outputs",
        "models/link", "outputs/link", "models/wine/versions/link", "outputs/2024-01-01/deep/link",
    ],
    ids=ascii,
)  # fmt: skip
def test_no_path_leaves_the_roots(house: Path, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_of(house)
    before = store.served
    monkeypatch.chdir(house)
    elsewhere = house / "elsewhere"
    shutil.copytree(house / "outputs" / "2024-01-01" / "table", elsewhere)
    (house / "outputs" / "2024-01-01" / "deep").mkdir()
    for link in (
        "models/link",
        "outputs/link",
        "models/wine/versions/link",
        "outputs/2024-01-01/deep/link",
    ):
        (house / link).symlink_to(elsewhere)
    for asked in (path, f"{house}/{path}"):
        with pytest.raises(UserError) as caught:
            store.reload(asked)
        assert isinstance(caught.value, OutsideRootsError)
    assert store.served is before


def test_a_run_behind_a_link_within_it_is_refused(house: Path) -> None:
    run = house / "outputs" / "2024-01-01" / "table"
    shutil.move(run / "scorer", house / "scorer")
    (run / "scorer").symlink_to(house / "scorer")
    with pytest.raises(UserError):
        store_of(house).reload(str(run))


def test_a_version_that_holds_another_run_is_refused(house: Path) -> None:
    (version,) = (house / "models" / "wine" / "versions").iterdir()
    shutil.rmtree(version)
    shutil.copytree(house / "outputs" / "2024-01-01" / "table", version)
    with pytest.raises(UserError, match="it holds run"):
        store_of(house).reload(None)


def test_clients_do_not_learn_where_the_roots_lie(house: Path) -> None:
    spoil(house)
    store = store_of(house)
    assert store.served.failed["wine"]
    assert str(house) not in store.served.failed["wine"]
    with pytest.raises(UserError) as caught:
        store.reload(None)
    assert str(house) not in store.message_of(caught.value)
    relative = ModelStore(Settings(Path(), Path()))
    assert relative.message_of(UserError("a. b.")) == "a. b."


def test_reloads_at_once_lose_nothing_of_each_other(
    house: Path, table_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(_: ModelStore, models: dict[str, object]) -> str:
        time.sleep(0.05)  # between what served and what will: there another could come in
        return next(iter(models))

    monkeypatch.setattr(ModelStore, "_default_name", slowly)
    for name in ("a", "b", "c", "d"):
        Registry(house / "models").promote(table_run, name, "me", "")
    shutil.rmtree(house / "models" / "wine")
    store = ModelStore(Settings(house / "models", house / "outputs"))
    threads = [
        threading.Thread(target=store.reload, args=[str(house / "models" / name)])
        for name in ("a", "b", "c", "d")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names(store) == {"a", "b", "c", "d"}


def test_a_pointer_that_moves_is_followed_and_only_then(house: Path, table_run: Path) -> None:
    store = store_of(house)
    assert not store.follow()
    Registry(house / "models").promote(table_run, "wine", "me", "")
    assert store.follow()
    assert store.served.named("wine").run_id == Registry(house / "models").current("wine").version
    assert not store.follow()


def test_what_was_tried_by_its_path_stays_while_pointers_rest(house: Path) -> None:
    store = store_of(house)
    store.reload(str(house / "outputs" / "2024-01-01" / "table"))
    tried = store.served
    assert not store.follow()
    assert store.served is tried


def test_a_damaged_model_keeps_none_from_being_promoted(house: Path, table_run: Path) -> None:
    store = store_of(house)
    before = store.served.named("wine")
    spoil(house)
    Registry(house / "models").promote(table_run, "table", "me", "")
    assert store.follow()
    with pytest.raises(UserError, match="'wine'"):
        store.reload(None)
    assert names(store) == {"wine", "table"}
    assert store.served.named("wine") is before


def test_a_registry_that_went_away_is_not_replaced_by_a_run_that_nobody_chose(house: Path) -> None:
    store = store_of(house)
    before = dict(store.served.models)
    shutil.move(house / "models", house / "away")
    with pytest.raises(UserError, match="no promoted model any more"):
        store.follow()
    with pytest.raises(UserError, match="no promoted model any more"):
        store.reload(None)
    assert store.served.models == before


def test_the_newest_run_that_can_be_served_is(tmp_path: Path, table_run: Path) -> None:
    day = tmp_path / "outputs" / "2024-01-02"
    shutil.copytree(table_run, day / "older")
    newer = shutil.copytree(table_run, day / "newer")
    shutil.rmtree(newer / "scorer")
    manifests.seal(newer, "abc")
    store = ModelStore(Settings(tmp_path / "models", tmp_path / "outputs"))
    store.load()
    assert store.served.default().source.endswith("older")


def test_a_pointer_that_may_not_be_read_is_told(house: Path, monkeypatch: Any) -> None:
    def refuse(_: Registry, name: str) -> None:
        raise PermissionError(13, "Permission denied", f"{house}/models/{name}/pointer.json")

    monkeypatch.setattr(Registry, "history", refuse)
    store = ModelStore(Settings(house / "models", house / "outputs"))
    store.load()
    assert "Permission denied" in store.served.failed["wine"]
    assert str(house) not in store.served.failed["wine"]
