"""How many cores this process may use, and how many of them other processes leave free.

A container started with `--cpus=1.5` sees all cores of the machine: the limit is in its control
group, or in one of the groups around it. This module must be importable before numpy.
"""

import os
from dataclasses import dataclass
from math import ceil
from pathlib import Path, PurePosixPath
from time import monotonic

PROC = Path("/proc")
# The kernel counts idle time in steps of 10 ms: a shorter span says little.
MIN_SECONDS = 0.3


def n_cores() -> int:
    """Return how many cores this process may use; a part of a core counts as one."""
    limit = cpu_limit()
    n_allowed = len(_allowed())
    return n_allowed if limit is None else max(min(n_allowed, ceil(limit)), 1)


def n_whole_cores() -> int:
    """Return how many cores this process may use all the time, at least 1.

    Threads that wait for each other need whole cores; processes do not.
    """
    limit = cpu_limit()
    n_allowed = len(_allowed())
    return n_allowed if limit is None else max(min(n_allowed, int(limit)), 1)


def _allowed() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))  # systems without affinity


def cpu_limit(proc: Path = PROC, root: Path = Path("/")) -> float | None:
    """Return how many cores' time the control groups of this process allow; None: no limit.

    The smallest limit of its group and of the groups around it, of both versions of cgroups.
    root : where the paths in mountinfo begin.
    """
    try:
        mounts = (proc / "self/mountinfo").read_text().splitlines()
        groups = (proc / "self/cgroup").read_text().splitlines()
    except OSError:
        return None  # not Linux
    # Lines such as `4:cpu,cpuacct:/docker/1f` (version 1) and `0::/docker/1f` (version 2).
    fields = [line.split(":", 2) for line in groups if line.count(":") >= 2]
    path_of = {name: path for _, names, path in fields for name in names.split(",")}
    limits = []
    for mount in mounts:
        before, _, after = mount.partition(" - ")
        mounted, kind = before.split(" "), after.split(" ")
        is_second = kind[0] == "cgroup2"
        if not is_second and not (kind[0] == "cgroup" and "cpu" in kind[-1].split(",")):
            continue
        group = path_of.get("" if is_second else "cpu")
        if group is None:
            continue
        top = root / mounted[4].lstrip("/")
        # Without a namespace of its own a container sees its group's path on the host, but only
        # that group is mounted.
        inside = PurePosixPath(group)
        if inside.is_relative_to(mounted[3]):
            inside = inside.relative_to(mounted[3])
        names = [] if ".." in inside.parts else [p for p in inside.parts if p != "/"]
        folders = [top.joinpath(*names[:n]) for n in range(len(names) + 1)]
        read = _second_limit if is_second else _first_limit
        limits += [limit for folder in folders if (limit := read(folder)) is not None]
    return min(limits, default=None)


def _second_limit(group: Path) -> float | None:
    """Read `150000 100000` or `max 100000`, microseconds in each period."""
    words = _read(group / "cpu.max").split()
    if len(words) != 2 or words[0] == "max":
        return None
    return int(words[0]) / int(words[1])


def _first_limit(group: Path) -> float | None:
    quota, period = (_read(group / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period"))
    return int(quota) / int(period) if quota and period and int(quota) > 0 else None


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""  # the root group has no limit, nor has one of another controller


@dataclass(frozen=True)
class CoreUse:
    """Seconds up to now: by the clock, of idle allowed cores, and of this process."""

    clock: float
    idle: float
    own: float

    @classmethod
    def now(cls, proc: Path = PROC) -> "CoreUse | None":
        """Read the counters of the kernel; None where there are none."""
        names = {f"cpu{number}" for number in _allowed()}
        try:
            rows = [line.split() for line in (proc / "stat").read_text().splitlines()]
            # user, nice, system, idle, iowait, …
            ticks = [int(row[4]) + int(row[5]) for row in rows if row and row[0] in names]
        except (OSError, IndexError, ValueError):
            return None
        times = os.times()
        own = times.user + times.system + times.children_user + times.children_system
        return cls(monotonic(), sum(ticks) / os.sysconf("SC_CLK_TCK"), own) if ticks else None

    def n_free(self) -> float | None:
        """Return how many cores other processes have left free since; None where unknown."""
        now = CoreUse.now()
        if now is None or (seconds := now.clock - self.clock) < MIN_SECONDS:
            return None
        return (now.idle - self.idle + now.own - self.own) / seconds
