"""A push or pull that is killed at any step leaves the state before it, or the one after it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tabproof.artifacts import Registry, read_verified
from tests.artifacts.making import names_in
from tests.artifacts.remote.conftest import A, B, promote
from tests.artifacts.remote.loopback import Between, Bucket, content_of, pull, push
from tests.conftest import ROOT

PUSH = """
import sys
from pathlib import Path
from tabproof.artifacts import Registry
from tabproof.artifacts.remote.store import open_store
from tabproof.artifacts.remote.transfer import push
push(open_store(sys.argv[1]), Registry(Path(sys.argv[2])), "wine",
     sign_by=None, replace=False)
"""
PULL = PUSH.replace("import push\npush", "import pull\npull").replace(
    "sign_by=None, replace=False", "keys=None, overwrite=False"
)


class Killer:
    """Kills a process just before its n-th request of a kind is forwarded, or just after."""

    def __init__(self, between: Between, method: str, moment: int, *, after: bool = False) -> None:
        self._method, self._left, self._after = method, moment, after
        self._process: subprocess.Popen[bytes] | None = None
        between.decide = self._decide

    def run(self, code: str, address: str, models: Path) -> int:
        command = [sys.executable, "-c", code, address, str(models)]
        with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) as self._process:
            self._process.communicate(timeout=60)
        return self._process.returncode

    def _decide(self, method: str, _: str) -> str:
        self._left -= method == self._method
        if self._left != 0 or method != self._method or self._process is None:
            return "pass"
        self._left = -1
        os.kill(self._process.pid, signal.SIGKILL)
        return "pass" if self._after else "cut"


def check_push_killed_at(
    moment: int, bucket: Bucket, between: Between, tmp_path: Path, *, after: bool
) -> int:
    """Return the exit code of the killed process."""
    models = promote(tmp_path / "models", A)
    push(bucket.address, models)
    pull(bucket.address, tmp_path / "reader")
    promote(models, B)
    returncode = Killer(between, "PUT", moment, after=after).run(PUSH, bucket.address, models)
    between.decide = lambda _, __: "pass"
    seen = pull(bucket.address, tmp_path / "reader").manifest.run_id
    assert seen in ((A, B) if after or returncode == 0 else (A,))
    assert read_verified(tmp_path / f"reader/wine/versions/{seen}", lambda _: False).run_id == seen
    # The next push is not disturbed.
    assert push(bucket.address, models).manifest.run_id == B
    assert pull(bucket.address, tmp_path / "reader").manifest.run_id == B
    assert content_of(tmp_path / "reader") == content_of(models)
    return returncode


# The manifest, five files, the pointer.
@pytest.mark.parametrize("moment", [3, 7])
def test_a_push_killed_before_a_step(
    moment: int, bucket: Bucket, between: Between, tmp_path: Path
) -> None:
    killed = check_push_killed_at(moment, bucket, between, tmp_path, after=False)
    assert killed == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("moment", range(1, 9))
def test_a_push_killed_at_every_step(
    moment: int, after: bool, bucket: Bucket, between: Between, tmp_path: Path
) -> None:
    killed = check_push_killed_at(moment, bucket, between, tmp_path, after=after)
    assert killed == (0 if moment == 8 else -signal.SIGKILL)


# Pointer, manifest and signature, then five files.
@pytest.mark.parametrize(
    "moment",
    [pytest.param(moment, marks=[pytest.mark.slow] * (moment < 8)) for moment in (1, 5, 8)],
)
def test_a_pull_killed_at_a_step(
    moment: int, bucket: Bucket, between: Between, tmp_path: Path
) -> None:
    models, here = promote(tmp_path / "models", A), tmp_path / "here"
    push(bucket.address, models)
    pull(bucket.address, here)
    promote(models, B)
    push(bucket.address, models)
    returncode = Killer(between, "GET", moment).run(PULL, bucket.address, here)
    between.decide = lambda _, __: "pass"
    assert returncode == -signal.SIGKILL
    assert Registry(here).current("wine").version == A  # type: ignore[union-attr]
    assert names_in(here / "wine/versions") == [A]
    assert pull(bucket.address, here).manifest.run_id == B
    assert names_in(here / "wine") == [".lock", "pointer.json", "versions"]
