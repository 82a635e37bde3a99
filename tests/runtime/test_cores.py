"""The limits of containers and nested control groups, and what other processes leave free."""

import os
from pathlib import Path
from time import monotonic

import pytest

from tabproof.runtime import cores
from tabproof.runtime.cores import CoreUse, cpu_limit, n_cores, n_whole_cores

SECOND = "35 24 0:30 {mounted_root} /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw"
FIRST = (
    "33 32 0:29 {mounted_root} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "34 32 0:30 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "35 32 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw"
)


def machine(folder: Path, mounts: str, groups: str, files: dict[str, str]) -> Path:
    """Write what the kernel would show; return the folder of processes."""
    for name, text in {
        "proc/self/mountinfo": f"22 1 254:1 / / rw - ext4 /dev/vda rw\n{mounts}\n",
        "proc/self/cgroup": groups,
        **{f"sys/fs/cgroup/{name}": text for name, text in files.items()},
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder / "proc"


@pytest.mark.parametrize(
    ("mounted_root", "group", "files", "limit"),
    [
        ("/", "/", {"cpu.max": "150000 100000\n"}, 1.5),
        ("/", "/", {"cpu.max": "max 100000\n"}, None),
        ("/", "/", {}, None),
        # The smallest of nested groups holds, wherever it is.
        ("/", "/a/b", {"a/cpu.max": "50000 100000\n", "a/b/cpu.max": "300000 100000\n"}, 0.5),
        ("/", "/a/b", {"a/cpu.max": "max 100000\n", "a/b/cpu.max": "30000 20000\n"}, 1.5),
        # Of the host's path only the container's own group is mounted.
        ("/docker/1f", "/docker/1f", {"cpu.max": "200000 100000\n"}, 2.0),
        ("/docker/1f", "/docker/1f/job", {"job/cpu.max": "70000 100000\n"}, 0.7),
        ("/", "/docker/1f", {"cpu.max": "250000 100000\n"}, 2.5),
        # The group is outside of what the namespace shows.
        ("/", "/../2e", {"cpu.max": "250000 100000\n"}, 2.5),
    ],
)
def test_second_version(
    mounted_root: str, group: str, files: dict[str, str], limit: float | None, tmp_path: Path
) -> None:
    mounts = SECOND.format(mounted_root=mounted_root)
    assert cpu_limit(machine(tmp_path, mounts, f"0::{group}\n", files), tmp_path) == limit


@pytest.mark.parametrize(
    ("mounted_root", "group", "quotas", "limit"),
    [
        ("/", "/", {"": -1}, None),
        ("/", "/a/b", {"": -1, "a/": 40_000, "a/b/": -1}, 0.4),
        ("/docker/1f", "/docker/1f", {"": 150_000}, 1.5),
    ],
)
def test_first_version(
    mounted_root: str, group: str, quotas: dict[str, int], limit: float | None, tmp_path: Path
) -> None:
    files = {}
    for folder, quota in quotas.items():
        files[f"cpu,cpuacct/{folder}cpu.cfs_quota_us"] = f"{quota}\n"
        files[f"cpu,cpuacct/{folder}cpu.cfs_period_us"] = "100000\n"
    groups = f"4:memory:/m\n3:cpu,cpuacct:{group}\n0::/\n"
    proc = machine(tmp_path, FIRST.format(mounted_root=mounted_root), groups, files)
    assert cpu_limit(proc, tmp_path) == limit


def test_systems_without_control_groups_have_no_limit(tmp_path: Path) -> None:
    assert cpu_limit(tmp_path / "proc", tmp_path) is None


@pytest.mark.parametrize(
    ("limit", "processes", "threads"),
    [(None, 4, 4), (0.5, 1, 1), (1.5, 2, 1), (2.0, 2, 2), (8.0, 4, 4)],
)
def test_a_part_of_a_core_is_for_a_process_but_not_for_a_thread(
    limit: float | None, processes: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cores, "cpu_limit", lambda: limit)
    monkeypatch.setattr(cores, "_allowed", lambda: {0, 1, 2, 3})
    assert (n_cores(), n_whole_cores()) == (processes, threads)


def use(idle: float, own: float, seconds: float = 2.0) -> CoreUse:
    return CoreUse(monotonic() - seconds, idle, own)


@pytest.mark.parametrize(
    ("idle", "own", "free"),
    [(2.0, 2.0, 2.0), (0.0, 2.0, 1.0), (0.0, 1.0, 0.5), (4.0, 0.0, 2.0)],
)
def test_free_cores_are_idle_or_used_by_this_process(
    idle: float, own: float, free: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = use(10 + idle, 5 + own, seconds=0.0)
    monkeypatch.setattr(CoreUse, "now", lambda: now)
    found = CoreUse(now.clock - 2.0, 10.0, 5.0).n_free()
    assert found == pytest.approx(free)


def test_idle_time_is_that_of_the_allowed_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stat").write_text(
        "cpu  9 9 9 9000 900 9 9 9 0 0\n"
        "cpu0 9 9 9 100 20 9 9 9 0 0\n"
        "cpu1 9 9 9 300 40 9 9 9 0 0\n"
        "cpu2 9 9 9 7000 40 9 9 9 0 0\nintr 1 2\n"
    )
    monkeypatch.setattr(cores, "_allowed", lambda: {0, 1})
    found = CoreUse.now(tmp_path)
    assert found is not None
    assert found.idle == pytest.approx(460 / os.sysconf("SC_CLK_TCK"))


def test_a_short_span_or_a_system_without_counters_says_nothing(tmp_path: Path) -> None:
    assert use(0.0, 0.0, seconds=0.01).n_free() is None
    assert CoreUse.now(tmp_path) is None
