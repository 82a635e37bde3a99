"""A killed, failed or concurrent promotion leaves the registry as before it, or as after it."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tabproof.artifacts import Registry, read_verified
from tests.artifacts.making import make_run, names_in, needs_proc
from tests.conftest import ROOT

A, B = "aaaa0000", "bbbb0000"

# Forks a process for each line `run models moment`. An audit event comes before each file is
# opened, renamed, made or removed: the process kills itself at the event of number `moment`, or
# never where it is 0. What a killed process has written stays, with or without fsync.
PROMOTER = """
import os, signal, sys
from pathlib import Path
from tabproof.artifacts import Registry

os.fsync = lambda _: None

def promote(run, models, moment):
    seen = 0
    def watch(event, arguments):
        nonlocal seen
        if event.split(".")[0] in ("open", "os", "shutil", "fcntl"):
            seen += 1
            if seen == moment:
                os.kill(os.getpid(), signal.SIGKILL)
    if moment:
        sys.addaudithook(watch)
    Registry(Path(models)).promote(Path(run), "wine", "me", "")

for line in sys.stdin:
    run, models, moment = line.split()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            promote(run, models, int(moment))
            code = 0
        finally:
            os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def promoting(run: Path, models: Path) -> subprocess.Popen[str]:
    """Start a process that promotes a run."""
    code = "from tabproof.artifacts import Registry; from pathlib import Path; import sys\n"
    code += "Registry(Path(sys.argv[2])).promote(Path(sys.argv[1]), 'wine', 'me', '')"
    return start(code, run, models)


@pytest.fixture
def promote_killed() -> Iterator[Callable[[Path, Path, int], int]]:
    """Return a function that promotes in a process killed at a moment; it returns the exit code."""
    with start(PROMOTER) as server:

        def promote(run: Path, models: Path, moment: int) -> int:
            assert server.stdin is not None
            assert server.stdout is not None
            server.stdin.write(f"{run} {models} {moment}\n")
            server.stdin.flush()
            return int(server.stdout.readline())

        yield promote
        server.communicate()


def check_complete(registry: Registry) -> None:
    """Verify every visible version, and that the current one is among them."""
    versions = registry.root / "wine" / "versions"
    for version in names_in(versions):
        assert read_verified(versions / version, lambda _: False).run_id == version
    current = registry.current("wine")
    assert current is None or current.version in names_in(versions)


def test_a_promotion_killed_at_any_moment(
    promote_killed: Callable[[Path, Path, int], int], tmp_path: Path
) -> None:
    runs = {run_id: make_run(tmp_path / run_id, run_id) for run_id in (A, B)}
    outcomes = set()
    for moment in range(1, 1000):
        registry = Registry(tmp_path / f"models-{moment}")
        before = registry.promote(runs[A], "wine", "me", "")
        code = promote_killed(runs[B], registry.root, moment)
        check_complete(registry)
        assert registry.history("wine")[0] == before
        current = registry.current("wine")
        assert current is not None
        outcomes.add((code, current.version))
        # The next promotion is not disturbed, and removes what was left.
        assert registry.promote(runs[B], "wine", "me", "").version == B
        assert [entry.version for entry in registry.history("wine")] == [A, B]
        assert names_in(registry.root / "wine") == [".lock", "pointer.json", "versions"]
        if code == 0:
            break
    killed = -signal.SIGKILL
    assert outcomes == {(killed, A), (killed, B), (0, B)}
    assert moment > 30


def test_a_promotion_killed_while_it_copies_a_large_file(tmp_path: Path) -> None:
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
    check_complete(registry)
    assert names_in(registry.root / "wine" / "versions") == [A]
    assert registry.rollback("wine", "me", "", to=A).version == A
    assert not large.exists()


def test_a_reader_sees_only_whole_pointers(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "models")
    for run_id in (A, B):
        registry.promote(make_run(tmp_path / run_id, run_id), "wine", "me", "")
    code = (
        "import sys; from pathlib import Path; from tabproof.artifacts import Registry\n"
        "for n in range(60):\n"
        "    to = ('aaaa', 'bbbb')[n % 2]\n"
        "    Registry(Path(sys.argv[1])).rollback('wine', 'me', 'x' * 1000, to)\n"
    )
    process = start(code, registry.root)
    seen = [0]
    while process.poll() is None:
        seen.append(len(registry.history("wine")))
    assert process.communicate() == ("", "")
    assert seen == sorted(seen)
    assert len(registry.history("wine")) == 62
    assert len(set(seen)) > 10


@needs_proc
def test_all_files_are_on_the_disk_before_the_pointer_names_them(
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


def test_concurrent_promotions_follow_each_other(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "models")
    ids = [f"{n}" * 8 for n in range(1, 5)]
    runs = [make_run(tmp_path / i, i, {"scorer/of": i.encode() * 100_000}) for i in ids]
    # The first run is promoted twice at once, which is one entry.
    processes = [promoting(run, registry.root) for run in [runs[0], *runs]]
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    history = registry.history("wine")
    assert sorted({entry.version for entry in history}) == ids
    assert [e.previous for e in history] == [None, *(e.version for e in history[:-1])]
    check_complete(registry)


def test_the_same_run_promoted_concurrently_is_one_entry(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "models")
    run = make_run(tmp_path / "a", A)
    processes = [promoting(run, registry.root) for _ in range(3)]
    assert [process.communicate(timeout=60) for process in processes] == [("", "")] * 3
    assert [entry.version for entry in registry.history("wine")] == [A]


def test_a_full_disk_leaves_the_current_version(tmp_path: Path) -> None:
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
    check_complete(registry)
