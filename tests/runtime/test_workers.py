"""Workers end with the process that started them, even if it is killed."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT

BEGIN = """
import os, sys, time
from pathlib import Path
from joblib import Parallel, delayed
from tabproof.runtime.threads import worker_pool

if __name__ == "__main__":
    with worker_pool(2, 1, Path(os.devnull)):
        print(*set(Parallel(2)(delayed(os.getpid)() for _ in range(20))), flush=True)
        time.sleep(60)
"""


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie has ended too.
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()


@pytest.mark.slow
def test_no_worker_outlives_a_killed_process(tmp_path: Path) -> None:
    script = tmp_path / "begin.py"
    script.write_text(BEGIN)
    process = subprocess.Popen(
        [sys.executable, str(script)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    workers = [int(pid) for pid in process.stdout.readline().split()]
    assert workers
    assert all(map(is_there, workers))
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 20
    while any(map(is_there, workers)):
        assert time.monotonic() < deadline, "workers are left"
        time.sleep(0.1)
