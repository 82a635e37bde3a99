"""The process that writes a run: who it is, and whether it is still there."""

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def owner_facts() -> dict[str, Any]:
    """Give what tells this process from any other, now and after the machine was restarted."""
    return {"pid": os.getpid(), "host": socket.gethostname(), "begun": _begun(os.getpid())}


def is_alive(owner: Mapping[str, Any]) -> bool:
    """Tell whether a process is still there; of another machine's one cannot know: it may be.

    Process numbers are given again, so the time when it began must be the same too, where the
    system tells that.
    """
    pid, host, begun = (owner.get(key) for key in ("pid", "host", "begun"))
    if not isinstance(pid, int) or pid <= 0:
        return False
    if host is not None and host != socket.gethostname():
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return isinstance(begun, str) and _begun(pid) == begun
    return begun is None or _begun(pid) in (begun, None)


def _begun(pid: int) -> str | None:
    """Give the boot and the clock tick in which a process began; None where /proc is not."""
    try:
        # The second field, a name in brackets, may hold spaces and brackets.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {fields[19]}"
    except (OSError, IndexError):
        return None
