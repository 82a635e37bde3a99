"""A pull verifies every file of the manifest, or changes nothing."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tabproof.artifacts import Registry, manifest
from tabproof.artifacts.errors import NotInStoreError, RegistryDamagedError, StoreError
from tabproof.artifacts.remote.transfer import TransferRefusedError
from tests.artifacts.remote.conftest import A, B, promote
from tests.artifacts.remote.loopback import Stored, content_of, pull, push

MANIFEST, POINTER = f"wine/versions/{B}/manifest.json", "wine/pointer.json"


@pytest.fixture
def pulled(store: Stored, models: Path, tmp_path: Path) -> Path:
    """Return a registry into which A was pulled. The store has B by now."""
    push(store.address, models)
    pull(store.address, tmp_path / "pulled")
    promote(models, B)
    push(store.address, models)
    return tmp_path / "pulled"


def damaged(content: bytes) -> list[bytes]:
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    return [b"", content[:-1], content + b"x", bytes(flipped)]


@pytest.mark.parametrize(
    ("file", "store"),
    [("scorer/arrays", "s3"), ("manifest.json", "directory"), ("plots/roc.svg", "directory")],
    indirect=["store"],
)
def test_a_damaged_file_in_the_store_is_refused_and_named(
    file: str, store: Stored, pulled: Path
) -> None:
    before, key = content_of(pulled), f"wine/versions/{B}/{file}"
    for content in damaged(store.read(key)):
        store.write(key, content)
        with pytest.raises(StoreError, match=file) as caught:
            pull(store.address, pulled)
        assert len(str(caught.value).splitlines()) == 1
        assert content_of(pulled) == before
    assert Registry(pulled).current("wine").version == A  # type: ignore[union-attr]


def test_a_missing_file_in_the_store_is_refused_and_named(store: Stored, pulled: Path) -> None:
    before, file = content_of(pulled), "scorer/arrays"
    store.remove(f"wine/versions/{B}/{file}")
    with pytest.raises(StoreError, match=f"{file}: it is missing"):
        pull(store.address, pulled)
    assert content_of(pulled) == before


def test_a_pointer_to_a_missing_version_is_refused(store: Stored, pulled: Path) -> None:
    store.remove(MANIFEST)
    with pytest.raises(NotInStoreError, match="the pointer names this version"):
        pull(store.address, pulled)


def test_a_missing_pointer_is_refused(store: Stored, pulled: Path) -> None:
    store.remove(POINTER)
    with pytest.raises(NotInStoreError, match=r"pointer\.json: it is not there: nothing was"):
        pull(store.address, pulled)


def test_a_damaged_pointer_is_refused(store: Stored, pulled: Path) -> None:
    for content in (b"", b"{}", b"[1]", b"\xff\xfe", b'{"format": 99}'):
        store.write(POINTER, content)
        with pytest.raises(StoreError, match=r"pointer\.json: it is damaged"):
            pull(store.address, pulled)
    assert Registry(pulled).current("wine").version == A  # type: ignore[union-attr]


def test_a_version_with_another_run_in_it_is_refused(store: Stored, pulled: Path) -> None:
    for name in store.names():
        if name.startswith(f"wine/versions/{A}/"):
            store.write(name.replace(A, B), store.read(name))
    with pytest.raises(StoreError, match=f"it is of run {A}"):
        pull(store.address, pulled)


def test_no_file_name_leads_out_of_the_registry(store: Stored, pulled: Path) -> None:
    outside = content_of(pulled.parent)
    for name in ("../../../escaped", "/etc/escaped", "a/../b", "a//b", "manifest.json", "a\\b", ""):
        seal(store, {name: {"sha256": hashlib.sha256(b"x").hexdigest(), "size": 1}})
        with pytest.raises(StoreError, match=r"manifest\.json: it is damaged"):
            pull(store.address, pulled)
    assert content_of(pulled.parent) == outside


# A directory cannot hold both.
@pytest.mark.parametrize("store", ["s3"], indirect=True)
def test_a_name_of_both_a_file_and_a_directory_is_refused(store: Stored, pulled: Path) -> None:
    entry = {"sha256": hashlib.sha256(b"x").hexdigest(), "size": 1}
    seal(store, {"a": entry, "a/b": entry})
    for name in ("a", "a/b"):
        store.write(f"wine/versions/{B}/{name}", b"x")
    before = content_of(pulled)
    with pytest.raises(StoreError, match="also a directory"):
        pull(store.address, pulled)
    assert content_of(pulled) == before


def test_a_version_that_is_too_large_is_refused(store: Stored, pulled: Path) -> None:
    seal(store, {"large": {"sha256": "0" * 64, "size": manifest.MAX_WANTED + 1}})
    with pytest.raises(StoreError, match="more than 2,147,483,648 bytes"):
        pull(store.address, pulled)


def test_a_pointer_that_is_too_large_is_refused(
    store: Stored, pulled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write(POINTER, bytes(5000))
    monkeypatch.setattr("tabproof.artifacts.registry.MAX_SIZE", 4999)
    with pytest.raises(StoreError, match="larger than 4,999 bytes"):
        pull(store.address, pulled)


def test_promotions_made_here_are_lost_only_with_overwrite(store: Stored, pulled: Path) -> None:
    promote(pulled, "cccc0000")
    with pytest.raises(TransferRefusedError, match="cccc0000"):
        pull(store.address, pulled)
    assert Registry(pulled).current("wine").version == "cccc0000"  # type: ignore[union-attr]
    assert pull(store.address, pulled, overwrite=True).manifest.run_id == B
    assert (pulled / "wine/versions/cccc0000/manifest.json").exists()


def test_a_history_that_was_cut_is_followed_only_with_overwrite_and_a_warning(
    store: Stored, pulled: Path, caplog: pytest.LogCaptureFixture
) -> None:
    earlier = store.read(POINTER)
    pull(store.address, pulled)
    history = json.loads(earlier)["history"][:1]
    store.write(POINTER, json.dumps({"format": 1, "current": A, "history": history}).encode())
    with pytest.raises(TransferRefusedError, match=B):
        pull(store.address, pulled)
    assert pull(store.address, pulled, overwrite=True).manifest.run_id == A
    assert f"does not continue the one here; was {B}, is {A}" in caplog.text


def test_a_damaged_pointer_here_is_replaced_only_with_overwrite(
    store: Stored, pulled: Path
) -> None:
    (pulled / POINTER).write_bytes(b"{}")
    with pytest.raises(RegistryDamagedError):
        pull(store.address, pulled)
    assert pull(store.address, pulled, overwrite=True).manifest.run_id == B
    assert Registry(pulled).current("wine").version == B  # type: ignore[union-attr]


def test_a_damaged_copy_here_is_fetched_again(store: Stored, pulled: Path) -> None:
    pull(store.address, pulled)
    (pulled / f"wine/versions/{B}/scorer/arrays").write_bytes(b"damaged")
    assert pull(store.address, pulled).n_copied > 0
    assert pull(store.address, pulled).n_copied == 0


def test_a_name_that_no_model_can_have_is_refused(store: Stored, pulled: Path) -> None:
    for name in ("../wine", "a/b", ""):
        with pytest.raises(StoreError):
            pull(store.address, pulled, name=name)


def seal(store: Stored, files: dict[str, Any]) -> None:
    """Put a manifest with these entries and a correct hash of itself into the store."""
    lines = [B, *(f"{e['sha256']} {e['size']} {name}" for name, e in files.items())]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    content = {"format": 1, "run_id": B, "files": files, "sha256": digest}
    store.write(MANIFEST, json.dumps(content).encode())
