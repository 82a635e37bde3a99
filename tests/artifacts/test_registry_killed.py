"""Killed at any moment, full, or two at once: the registry is as before, or as after."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tabproof.artifacts import Registry, read_verified
from tests.artifacts.making import make_run, names_in, needs_proc
from tests.conftest import ROOT

A, B = "aaaa0000", "bbbb0000"

# Audit events come before each opening, renaming, making and removing of a file: a process
# that kills itself at the n-th dies at every moment there is, one after the other.
PROMOTE = """
import os, signal, sys
from pathlib import Path
from tabproof.artifacts import Registry

run, models, moment = sys.argv[1], sys.argv[2], int(sys.argv[3])
seen = 0

def watch(event, arguments):
    global seen
    if event.split(".")[0] in ("open", "os", "shutil", "fcntl"):
        seen += 1
        if seen == moment:
            os.kill(os.getpid(), signal.SIGKILL)

if moment:
    sys.addaudithook(watch)
Registry(Path(models)).promote(Path(run), "wine", "me", "")
"""


def promoting(run: Path, models: Path, moment: int = 0) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", PROMOTE, str(run), str(models), str(moment)]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE)


def check_whole(registry: Registry) -> None:
    """Everything that is visible is whole, and the current version is there."""
    versions = registry.root / "wine" / "versions"
    for version in names_in(versions):
        assert read_verified(versions / version, lambda _: False).run_id == version
    current = registry.current("wine")
    assert current is None or current.version in names_in(versions)


@pytest.mark.parametrize(
    "first_moment", [1, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 3))]
)
def test_killed_at_every_moment_it_is_as_before_or_as_after(
    first_moment: int, tmp_path: Path
) -> None:
    runs = {run_id: make_run(tmp_path / run_id, run_id) for run_id in (A, B)}
    outcomes = set()
    # Three tests take a third of the moments each.
    for moment in range(first_moment, 1000, 3):
        registry = Registry(tmp_path / f"models-{moment}")
        before = registry.promote(runs[A], "wine", "me", "")
        process = promoting(runs[B], registry.root, moment)
        process.communicate(timeout=60)
        check_whole(registry)
        assert registry.history("wine")[0] == before
        current = registry.current("wine")
        assert current is not None
        outcomes.add((process.returncode, current.version))
        # The next one is not hindered, and cleans up.
        assert registry.promote(runs[B], "wine", "me", "").version == B
        assert [entry.version for entry in registry.history("wine")] == [A, B]
        assert names_in(registry.root / "wine") == [".lock", "pointer.json", "versions"]
        if process.returncode == 0:
            break
    killed = -signal.SIGKILL
    assert {(killed, A), (0, B)} <= outcomes <= {(killed, A), (killed, B), (0, B)}
    assert moment > 30


def test_killed_while_a_large_file_is_copied_nothing_half_is_seen(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "models")
    registry.promote(make_run(tmp_path / "a", A), "wine", "me", "")
    run = make_run(tmp_path / "b", B, {"scorer/large": bytes(64 << 20)})
    process = promoting(run, registry.root)
    large = registry.root / "wine/.incoming/scorer/large"
    while process.poll() is None and not (large.exists() and large.stat().st_size):
        pass
    process.kill()
    process.communicate()
    assert large.exists(), "it was not killed while it copied"
    check_whole(registry)
    assert names_in(registry.root / "wine" / "versions") == [A]
    assert registry.rollback("wine", "me", "", to=A).version == A
    assert not large.exists()


def test_a_reader_sees_whole_pointers_while_they_change(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "models")
    for run_id in (A, B):
        registry.promote(make_run(tmp_path / run_id, run_id), "wine", "me", "")
    code = (
        "import sys; from pathlib import Path; from tabproof.artifacts import Registry\n"
        "for n in range(150):\n"
        "    to = ('aaaa', 'bbbb')[n % 2]\n"
        "    Registry(Path(sys.argv[1])).rollback('wine', 'me', 'x' * 1000, to)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(registry.root)], cwd=ROOT)
    seen = [0]
    while process.poll() is None:
        seen.append(len(registry.history("wine")))
    assert process.returncode == 0
    assert seen == sorted(seen)
    assert len(registry.history("wine")) == 152
    assert len(set(seen)) > 10


@needs_proc
def test_everything_is_on_the_disk_before_the_pointer_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry(tmp_path / "models")
    run = make_run(tmp_path / "a", A)
    steps: list[tuple[str, str]] = []
    plain_sync, plain_rename, plain_replace = os.fsync, Path.rename, Path.replace

    def sync(descriptor: int) -> None:
        plain_sync(descriptor)
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        steps.append(("sync", str(path.relative_to(tmp_path))))

    def rename(path: Path, target: Path) -> Path:
        steps.append(("rename", str(target.relative_to(tmp_path))))
        return plain_rename(path, target)

    def replace(path: Path, target: Path) -> Path:
        steps.append(("replace", str(target.relative_to(tmp_path))))
        return plain_replace(path, target)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(Path, "rename", rename)
    monkeypatch.setattr(Path, "replace", replace)
    registry.promote(run, "wine", "me", "")

    renamed = steps.index(("rename", f"models/wine/versions/{A}"))
    switched = steps.index(("replace", "models/wine/pointer.json"))
    for path in [run, *run.rglob("*")]:
        copied = Path("models/wine/.incoming") / path.relative_to(run)
        assert steps.index(("sync", str(copied))) < renamed
    assert renamed < steps.index(("sync", "models/wine/versions"), renamed) < switched
    assert ("sync", "models/wine") in steps[switched:]


def test_two_at_once_come_one_after_the_other(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "models")
    ids = [f"{n}" * 8 for n in range(1, 7)]
    runs = [make_run(tmp_path / i, i, {"scorer/of": i.encode() * 100_000}) for i in ids]
    processes = [promoting(run, registry.root) for run in runs]
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    history = registry.history("wine")
    assert sorted(entry.version for entry in history) == ids
    assert [e.previous for e in history] == [None, *(e.version for e in history[:-1])]
    check_whole(registry)


def test_the_same_run_promoted_by_many_at_once_is_one_entry(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "models")
    run = make_run(tmp_path / "a", A)
    processes = [promoting(run, registry.root) for _ in range(4)]
    assert [process.wait(timeout=60) for process in processes] == [0] * 4
    for process in processes:
        process.communicate()
    assert [entry.version for entry in registry.history("wine")] == [A]


def test_a_disk_that_fills_leaves_what_was_there(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "models")
    registry.promote(make_run(tmp_path / "a", A), "wine", "me", "")
    make_run(tmp_path / "outputs" / "2026-01-01" / "b", B, {"scorer/large": bytes(1 << 20)})

    places = [f"--models={registry.root}", f"--outputs={tmp_path}/outputs"]

    def limit_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done = subprocess.run(
        [sys.executable, "-m", "src.runs", "promote", "latest", *places],
        cwd=ROOT,
        preexec_fn=limit_files,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "File too large; what was promoted before still is" in done.stderr
    assert names_in(registry.root / "wine") == [".lock", "pointer.json", "versions"]
    assert names_in(registry.root / "wine" / "versions") == [A]
    check_whole(registry)
