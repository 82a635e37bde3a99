"""A pull returns what was pushed; the pointer never goes back, nor to an incomplete version."""

import threading
from pathlib import Path

import pytest

from tabproof.artifacts import Registry
from tabproof.artifacts.errors import NotPromotedError, StoreError, UnverifiedRunError
from tabproof.artifacts.remote import store
from tabproof.artifacts.remote.transfer import TransferRefusedError
from tests.artifacts.making import make_run
from tests.artifacts.remote.conftest import A, B, promote
from tests.artifacts.remote.loopback import Between, Bucket, content_of, pull, push

ODD = {
    "plots/日本 #1 100%?.svg": b"odd",
    "empty": b"",
    "scorer/parts": bytes(9 << 10),
    "scorer/one_part": bytes(8 << 10),
}


def test_a_pull_returns_what_was_pushed(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "PART", 8 << 10)
    models = promote(tmp_path / "models", A, ODD)
    pushed = push(address, models)
    assert (pushed.manifest.run_id, pushed.moved, pushed.signed) == (A, True, False)
    assert pushed.n_copied == len(pushed.manifest.files)
    assert pull(address, tmp_path / "other").n_copied == len(pushed.manifest.files)
    assert content_of(tmp_path / "other") == content_of(models)


def test_a_second_push_sends_nothing_and_a_second_pull_fetches_nothing(
    address: str, models: Path, tmp_path: Path
) -> None:
    push(address, models)
    again = push(address, models)
    assert (again.n_copied, again.moved) == (0, False)
    pull(address, tmp_path / "other")
    pulled = pull(address, tmp_path / "other")
    assert (pulled.n_copied, pulled.moved) == (0, False)


def test_promotions_and_rollbacks_are_pushed_and_pulled(
    address: str, models: Path, tmp_path: Path
) -> None:
    push(address, models)
    promote(models, B)
    assert push(address, models).manifest.run_id == B
    assert pull(address, tmp_path / "other").manifest.run_id == B
    Registry(models).rollback("wine", "me", "drift")
    assert push(address, models).n_copied == 0
    assert pull(address, tmp_path / "other").manifest.run_id == A
    assert Registry(tmp_path / "other").history("wine") == Registry(models).history("wine")


def test_a_store_with_a_longer_history_is_not_overwritten(
    address: str, models: Path, tmp_path: Path
) -> None:
    push(address, models)
    elsewhere = tmp_path / "elsewhere"
    pull(address, elsewhere)
    promote(models, B)
    push(address, models)
    with pytest.raises(TransferRefusedError, match=f"1 of its entries are not here.*{B} by me"):
        push(address, elsewhere)
    # Nor where both histories have new entries.
    promote(elsewhere, "cccc0000")
    with pytest.raises(TransferRefusedError, match="--overwrite"):
        push(address, elsewhere)
    pull(address, elsewhere, overwrite=True)
    promote(elsewhere, "cccc0000")
    assert push(address, elsewhere).moved


def test_two_executions_of_the_same_run_are_not_mixed(
    address: str, models: Path, tmp_path: Path
) -> None:
    push(address, models)
    other = promote(tmp_path / "others", A, {"scorer/arrays": b"other bytes", "train.log": b"x"})
    # The same history: only the bytes differ.
    (other / "wine/pointer.json").write_bytes((models / "wine/pointer.json").read_bytes())
    with pytest.raises(TransferRefusedError, match="--replace"):
        push(address, other)
    pull(address, tmp_path / "first")
    assert content_of(tmp_path / "first") == content_of(models)
    push(address, other, replace=True)
    pull(address, tmp_path / "first")
    assert content_of(tmp_path / "first") == content_of(other)


def test_a_second_push_repairs_the_store(bucket: Bucket, models: Path, tmp_path: Path) -> None:
    push(bucket.address, models)
    bucket.remove(f"wine/versions/{A}/summary.json")
    for damage in (b"", b"a pictura", b"a picture and more"):
        bucket.write(f"wine/versions/{A}/plots/roc.svg", damage)
        with pytest.raises(StoreError):
            pull(bucket.address, tmp_path / "other")
        assert push(bucket.address, models).n_copied == (2 if damage == b"" else 1)
    pull(bucket.address, tmp_path / "other")
    bucket.write(f"wine/versions/{A}/manifest.json", b"{}")
    assert push(bucket.address, models).n_copied == 0
    assert pull(bucket.address, tmp_path / "third").manifest.run_id == A


def test_a_damaged_version_is_not_pushed(address: str, models: Path) -> None:
    (models / f"wine/versions/{A}/plots/roc.svg").write_bytes(b"a pictura")
    with pytest.raises(UnverifiedRunError, match=r"roc\.svg"):
        push(address, models)
    with pytest.raises(NotPromotedError):
        push(address, models, name="beer")


def test_a_file_that_arrives_damaged_is_found_before_the_pointer_moves(
    bucket: Bucket, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = store.Bucket.upload

    def upload_and_flip(self: store.Bucket, name: str, path: Path) -> None:
        upload(self, name, path)
        if name.endswith("/arrays"):
            bucket.write(name, bytes(999) + b"1")

    monkeypatch.setattr(store.Bucket, "upload", upload_and_flip)
    with pytest.raises(StoreError, match="scorer/arrays: it was changed"):
        push(bucket.address, models)
    assert "wine/pointer.json" not in bucket.names()


@pytest.mark.parametrize("address", ["s3", "directory"], indirect=True)
def test_concurrent_pushes_of_the_same_version_succeed(
    address: str, models: Path, tmp_path: Path
) -> None:
    failed = push_concurrently(address, [models] * 4)
    assert failed == []
    pull(address, tmp_path / "other")
    assert content_of(tmp_path / "other") == content_of(models)


def test_of_concurrent_pushes_of_different_histories_one_succeeds(
    bucket: Bucket, tmp_path: Path
) -> None:
    ids = [f"{n}" * 8 for n in range(1, 5)]
    everyone = [promote(tmp_path / f"models-{i}", i) for i in ids]
    failed = push_concurrently(bucket.address, everyone)
    assert {type(error) for error in failed} <= {TransferRefusedError}
    assert len(failed) == len(ids) - 1
    version = pull(bucket.address, tmp_path / "other").manifest.run_id
    assert content_of(tmp_path / "other") == content_of(tmp_path / f"models-{version}")


def test_of_concurrent_pushes_of_different_executions_one_succeeds(
    bucket: Bucket, tmp_path: Path
) -> None:
    everyone = [
        promote(tmp_path / f"models-{n}", A, {"scorer/arrays": bytes([n]) * 100_000})
        for n in range(4)
    ]
    failed = push_concurrently(bucket.address, everyone)
    assert {type(error) for error in failed} <= {TransferRefusedError, TransferRefusedError}
    assert len(failed) == 3
    pull(bucket.address, tmp_path / "other")
    assert content_of(tmp_path / "other") in [content_of(models) for models in everyone]


def push_concurrently(address: str, everyone: list[Path]) -> list[BaseException]:
    failed: list[BaseException] = []

    def act(models: Path) -> None:
        try:
            push(address, models)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=act, args=(models,)) for models in everyone]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failed


def test_a_push_between_reading_and_writing_the_pointer_is_detected(
    bucket: Bucket, between: Between, models: Path, tmp_path: Path
) -> None:
    other = promote(tmp_path / "others", B)

    def overtake(method: str, path: str) -> str:
        if method == "PUT" and path.endswith("/pointer.json"):
            between.decide = lambda _, __: "pass"
            push(bucket.address, other)
        return "pass"

    between.decide = overtake
    with pytest.raises(TransferRefusedError, match=B):
        push(bucket.address, models)
    assert pull(bucket.address, tmp_path / "third").manifest.run_id == B


def test_the_pointer_is_written_after_all_files_were_read_back(
    between: Between, bucket: Bucket, models: Path
) -> None:
    push(bucket.address, models)
    written = [
        path.removeprefix(f"/{bucket.name}/models/wine/")
        for method, path in between.requests
        if method == "PUT"
    ]
    assert written[0] == f"versions/{A}/manifest.json"
    assert written[-1] == "pointer.json"
    read_back = [
        n
        for n, (method, path) in enumerate(between.requests)
        if method == "GET" and path.endswith("/scorer/arrays")
    ]
    assert read_back
    assert read_back[0] < between.requests.index(
        ("PUT", f"/{bucket.name}/models/wine/pointer.json")
    )


def test_a_link_in_a_directory_store_is_refused(tmp_path: Path, models: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "store/wine").mkdir(parents=True)
    (tmp_path / "store/wine/versions").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="symbolic link"):
        push(str(tmp_path / "store"), models)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_directory_store_is_a_registry(tmp_path: Path, models: Path) -> None:
    push(str(tmp_path / "store"), models)
    assert Registry(tmp_path / "store").history("wine") == Registry(models).history("wine")
    run = make_run(tmp_path / "b", B)
    Registry(tmp_path / "store").promote(run, "wine", "me", "")
    assert pull(str(tmp_path / "store"), models).manifest.run_id == B
