"""An S3 server on loopback, and models to push."""

import subprocess
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from tabproof.artifacts import Registry
from tests.artifacts.making import make_run
from tests.artifacts.remote.loopback import REGION, Between, Bucket, Folder, Stored

A, B = "aaaa0000", "bbbb0000"
_numbers = count()


@pytest.fixture(scope="session")
def s3_port() -> Iterator[int]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()[1]
    server.stop()


@pytest.fixture
def endpoint(s3_port: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """Direct all S3 clients to the server on loopback."""
    url = f"http://127.0.0.1:{s3_port}"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    for name in ("MODEL_STORE", "MODEL_SIGNATURE_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    return url


@pytest.fixture
def bucket(endpoint: str) -> Bucket:
    return Bucket(endpoint, f"bucket-{next(_numbers)}")


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Stored:
    """Return an empty store: a directory, which is faster, or the bucket for "s3"."""
    if getattr(request, "param", "directory") == "s3":
        bucket: Bucket = request.getfixturevalue("bucket")
        return bucket
    return Folder(tmp_path_factory.mktemp("store"))


@pytest.fixture
def between(
    s3_port: int,
    bucket: Bucket,  # noqa: ARG001 - its client goes straight to the server
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Between]:
    """Direct all S3 clients through a proxy."""
    proxy = Between(s3_port)
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
    yield proxy
    proxy.close()


@pytest.fixture(params=["s3", "directory", "memory"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the address of an empty store, of each kind that tests can have."""
    if request.param == "s3":
        bucket: Bucket = request.getfixturevalue("bucket")
        return bucket.address
    if request.param == "directory":
        return str(tmp_path / "store")
    return f"memory://store-{next(_numbers)}"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Return a registry in which run A was promoted as `wine`."""
    return promote(tmp_path / "models", A)


def promote(models: Path, run_id: str, files: dict[str, bytes] | None = None) -> Path:
    run = make_run(models.parent / f"{models.name}-{run_id}", run_id, files)
    Registry(models).promote(run, "wine", "me", "")
    return models


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory of keys made by openssl: `<curve>.pem` and `<curve>.pub`."""
    folder = tmp_path_factory.mktemp("keys")
    for name, curve in {
        "ours": "prime256v1",
        "theirs": "prime256v1",
        "p384": "secp384r1",
        "p521": "secp521r1",
        "bitcoin": "secp256k1",
    }.items():
        make = ["openssl", "ecparam", "-name", curve, "-genkey", "-noout"]
        derive = ["openssl", "ec", "-in", f"{name}.pem", "-pubout"]
        for command, out in ((make, f"{name}.pem"), (derive, f"{name}.pub")):
            subprocess.run([*command, "-out", out], cwd=folder, check=True, capture_output=True)
    return folder
