"""Call a function in a fork of this process, with its output in files: imports are paid once."""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep

POLL_SECONDS = 0.02
KILLED = -9


def run_forked(call: Callable[[], object], folder: Path, seconds: float) -> int:
    """Call in a fork; stdout.txt and stderr.txt of the folder get its output. Return its exit code.

    SystemExit ends it as usual; any other exception is a traceback and code 1. After `seconds` it
    is killed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            for stream, name in ((1, "stdout.txt"), (2, "stderr.txt")):
                opened = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
                os.dup2(opened, stream)
            call()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    deadline = monotonic() + seconds
    while monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        sleep(POLL_SECONDS)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return KILLED
