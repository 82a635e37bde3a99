"""An account on loopback for each test, and the command line of deploy."""

import io
import logging
import os
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import boto3
import pytest
import yaml
from botocore.loaders import Loader
from moto.cloudformation.utils import yaml_tag_constructor
from moto.server import ThreadedMotoServer

from deploy.__main__ import main
from tests.deploy.cloud import REGION, Cloud

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            # moto says of each resource type that it leaves it out; it does so in our process.
            item.add_marker(pytest.mark.filterwarnings("ignore:Tried to parse:UserWarning"))


@pytest.fixture(scope="package", autouse=True)
def files_read_fast() -> Iterator[None]:
    """Read boto3's data files once, not once per command: that is most of a test's time."""
    with pytest.MonkeyPatch.context() as patch:
        found: dict[object, object] = {}
        # Each loader has a cache of its own, and each command makes loaders.
        patch.setattr(Loader, "_cache", property(lambda _: found, lambda *_: None), raising=False)
        # A session made meanwhile has loaders without a cache of their own: no later test gets it.
        patch.setattr(boto3, "DEFAULT_SESSION", None)
        # moto reads the template at every turn; the reader in C does it ten times as fast.
        yaml.add_multi_constructor("", yaml_tag_constructor, Loader=yaml.CLoader)
        patch.setattr(yaml, "Loader", yaml.CLoader)
        yield


@pytest.fixture(scope="package")
def moto() -> Iterator[tuple[str, int]]:
    # moto reads these when a service is made, and when a network is.
    os.environ["MOTO_ECS_SERVICE_RUNNING"] = "1"
    os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()
    server.stop()


@pytest.fixture(autouse=True)
def account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide the machine's own AWS account."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(tmp_path / "no-config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "no-credentials"),
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def empty(moto: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """Return an empty account."""
    reset = urllib.request.Request(f"http://{moto[0]}:{moto[1]}/moto-api/reset", method="POST")
    urllib.request.urlopen(reset).close()  # noqa: S310 - loopback
    cloud = Cloud(moto)
    monkeypatch.setenv("AWS_ENDPOINT_URL", cloud.front.url)
    yield cloud
    cloud.front.close()


@pytest.fixture
def cloud(empty: Cloud) -> Cloud:
    """Return an account with a running stack."""
    empty.build()
    return empty


class Result(NamedTuple):
    code: int
    out: str
    err: str


Invoke = Callable[..., Result]


@pytest.fixture
def invoke(capsys: pytest.CaptureFixture[str]) -> Invoke:
    """Invoke a command as on the command line, without its pauses."""

    def invoke(*words: str) -> Result:
        patience = () if words[0] == "status" else ("--every", "0.01")
        code = main([*words, *patience])
        return Result(code, *capsys.readouterr())

    return invoke


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


Answer = Callable[[str], None]


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Answer:
    """Return a function that answers questions as at a terminal."""

    def answer(text: str) -> None:
        monkeypatch.setattr("sys.stdin", _Terminal(text))
        monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)

    return answer
