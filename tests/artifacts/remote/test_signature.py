"""Only a model that a trusted key has signed under its own name is accepted."""

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tabproof.artifacts import Registry
from tabproof.artifacts.remote.signature import (
    KeyUnusableError,
    SignatureError,
    SignatureKeys,
    read_keys,
    sign,
)
from tests.artifacts.remote.conftest import A, B, promote
from tests.artifacts.remote.loopback import Bucket, Stored, content_of, pull, push

SEALED = b'{"run_id": "aaaa0000"}'


def keys_named(keys: Path, *names: str) -> SignatureKeys:
    return read_keys("".join((keys / f"{name}.pub").read_text() for name in names))


@pytest.mark.parametrize("curve", ["ours", "p384", "p521"])
def test_a_signed_model_is_accepted(curve: str, keys: Path) -> None:
    signature = sign("wine", SEALED, keys / f"{curve}.pem")
    keys_named(keys, curve).check("wine", A, SEALED, signature)
    # Of two keys either is accepted, and so is a file of keys.
    keys_named(keys, "theirs", curve).check("wine", A, SEALED, signature)
    read_keys(str(keys / f"{curve}.pub")).check("wine", A, SEALED, signature)


def test_an_unsigned_or_changed_model_is_refused_with_the_reason(keys: Path) -> None:
    ours, signature = keys_named(keys, "ours"), sign("wine", SEALED, keys / "ours.pem")
    for name, sealed, given, why in [
        ("wine", SEALED, None, "it has none"),
        ("beer", SEALED, signature, "under another name"),
        ("wine", SEALED + b" ", signature, "is of another model"),
        ("wine", SEALED, sign("wine", SEALED, keys / "theirs.pem"), "another key, or changed"),
        ("wine", SEALED, b"", "is damaged"),
        ("wine", SEALED, b"[]", "is damaged"),
        ("wine", SEALED, signature[:-9], "is damaged"),
    ]:
        with pytest.raises(SignatureError, match=why) as caught:
            ours.check(name, A, sealed, given)
        assert len(str(caught.value).splitlines()) == 1


def test_a_changed_payload_is_refused(keys: Path) -> None:
    ours, signature = keys_named(keys, "ours"), sign("wine", SEALED, keys / "ours.pem")
    bundle = json.loads(signature)
    envelope = bundle["dsseEnvelope"]
    payload = base64.b64decode(envelope["payload"])
    for place in range(0, len(payload), 7):
        changed = bytearray(payload)
        changed[place] ^= 1
        envelope["payload"] = base64.b64encode(changed).decode()
        with pytest.raises(SignatureError, match="another key, or changed"):
            ours.check("wine", A, SEALED, json.dumps(bundle).encode())


@pytest.mark.parametrize("text", ["", "bitcoin.pub", "ours.pem", "nowhere.pub", "rsa.pub"])
def test_an_unusable_public_key_is_refused(text: str, keys: Path) -> None:
    if text == "rsa.pub" and not (keys / text).exists():
        make = "openssl genrsa -out rsa.pem 2048 && openssl rsa -in rsa.pem -pubout -out rsa.pub"
        subprocess.run(make, shell=True, cwd=keys, check=True, capture_output=True)  # noqa: S602
    with pytest.raises(KeyUnusableError, match="MODEL_SIGNATURE_KEY"):
        read_keys(str(keys / text))


@pytest.mark.parametrize("file", ["ours.pub", "nowhere.pem", "bitcoin.pem"])
def test_an_unusable_private_key_is_refused(file: str, keys: Path) -> None:
    with pytest.raises(KeyUnusableError, match="--sign"):
        sign("wine", SEALED, keys / file)


def test_a_pull_with_keys_accepts_only_signed_models(
    store: Stored, models: Path, keys: Path, tmp_path: Path
) -> None:
    ours, here = keys_named(keys, "ours"), tmp_path / "here"
    assert push(store.address, models, sign_by=keys / "ours.pem").signed
    pull(store.address, here, keys=ours)
    before = content_of(here)
    promote(models, B)
    for key, why in ((None, "it has none"), ("theirs.pem", "another key")):
        push(store.address, models, sign_by=None if key is None else keys / key)
        with pytest.raises(SignatureError, match=why):
            pull(store.address, here, keys=ours)
        assert content_of(here) == before
    # The same push again, with the right key.
    assert not push(store.address, models, sign_by=keys / "ours.pem").moved
    assert pull(store.address, here, keys=ours).manifest.run_id == B


def test_a_signature_is_pushed_and_pulled_with_its_model(
    bucket: Bucket, models: Path, keys: Path, tmp_path: Path
) -> None:
    push(bucket.address, models, sign_by=keys / "ours.pem")
    pull(bucket.address, tmp_path / "here")
    # From one store to the next, without the private key.
    second = str(tmp_path / "second")
    assert push(second, tmp_path / "here").signed
    pull(second, tmp_path / "third", keys=keys_named(keys, "ours"))
    signature = Registry(tmp_path / "third").signature_of("wine", A)
    assert signature == bucket.read(f"wine/signatures/{A}.json")


def test_the_signature_of_an_older_version_is_refused(
    store: Stored, models: Path, keys: Path, tmp_path: Path
) -> None:
    push(store.address, models, sign_by=keys / "ours.pem")
    promote(models, B)
    push(store.address, models, sign_by=keys / "ours.pem")
    store.write(f"wine/signatures/{B}.json", store.read(f"wine/signatures/{A}.json"))
    with pytest.raises(SignatureError, match="another model"):
        pull(store.address, tmp_path / "here", keys=keys_named(keys, "ours"))


@pytest.mark.slow
def test_the_command_of_model_signing_verifies_a_signature(
    store: Stored, models: Path, keys: Path, tmp_path: Path
) -> None:
    push(store.address, models, sign_by=keys / "ours.pem")
    pull(store.address, tmp_path / "here")
    version, signature = f"versions/{A}", f"signatures/{A}.json"
    command = [sys.executable, "-m", "model_signing", "verify", "key", version]
    options = ["--signature", signature, "--ignore_unsigned_files", "--public_key"]

    def verify(key: str) -> int:
        where = tmp_path / "here/wine"
        asked = [*command, *options, str(keys / key)]
        return subprocess.run(asked, cwd=where, capture_output=True).returncode

    assert verify("ours.pub") == 0
    assert verify("theirs.pub") != 0
