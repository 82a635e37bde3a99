"""A machine that shall not fall asleep while it works."""

import logging
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)


@contextmanager
def kept_awake(*, asked: bool) -> Iterator[None]:
    """Hold off suspend while the block lasts, where the system has a way; say where it has not."""
    command = shutil.which("systemd-inhibit") if asked else None
    if asked and command is None:
        log.warning("runtime.inhibit_sleep: this system has no systemd-inhibit; it may fall asleep")
    if command is None:
        yield
        return
    # What it runs reads from us: it ends with this process, however that ends.
    words = [command, "--what=idle:sleep", "--who=src.train", "--why=training", "cat"]
    held = subprocess.Popen(  # noqa: S603 - our own words, found on the PATH
        words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        yield
    finally:
        _, errors = held.communicate()
        if held.returncode != 0:
            reason = errors.decode(errors="replace").strip().replace("\n", " ")
            log.warning("runtime.inhibit_sleep: suspend was not held off: %s", reason)
