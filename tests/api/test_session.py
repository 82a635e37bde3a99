"""A run leaves the program around it as it was: each law in a process of its own, or here."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import tabproof as tp
from tests.conftest import QUICK

WORDS = ["dataset=wine", "search=none", *(f"{key}={value}" for key, value in QUICK.items())]

# What belongs to the whole process.
STATE = """
import logging, os, random, signal, sys, threading, warnings
import numpy as np, pandas as pd, scipy.linalg, sklearn.ensemble
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from threadpoolctl import threadpool_info
import tabproof as tp

logging.basicConfig(filename="program.log", level=logging.INFO, force=True)
logging.getLogger("tabproof").setLevel(logging.ERROR)
warnings.simplefilter("error")
random.seed(1), np.random.seed(1)

def state():
    names = ["", "tabproof", "result", "py.warnings"]
    loggers = {name: logging.getLogger(name) for name in names}
    pools = {pool["filepath"]: pool["num_threads"] for pool in threadpool_info()}
    return {
        "environment": dict(os.environ),
        "directory": os.getcwd(),
        "arguments": list(sys.argv),
        "logging": {n: (l.level, l.propagate, list(l.handlers)) for n, l in loggers.items()},
        "warnings": (list(warnings.filters), warnings.showwarning),
        "signals": [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)],
        "hydra": (GlobalHydra.instance().hydra, HydraConfig.instance().cfg),
        "threads": {path: pools[path] for path in sorted(pools) if path in KNOWN},
        "random": (random.random.__self__.getstate(), np.random.get_state()[1].tolist()),
        "running": sorted(t.name for t in threading.enumerate() if not t.daemon),
        "streams": (sys.stdout, sys.stderr),
        "priority": os.nice(0),
        "options": pd.get_option("display.max_rows"),
    }

KNOWN = {pool["filepath"] for pool in threadpool_info()}
before = state()
for words in (WORDS, ["search.n_splits=1"], WORDS, [*WORDS, "cv.test_size=0.0001"]):
    try:
        tp.train(*words)
    except tp.UserError as error:
        print("refused", type(error).__name__)
for name, value in state().items():
    assert value == before[name], (name, before[name], value)
print("as before", len(tp.runs()))
assert os.path.getsize("program.log") == 0
"""


def in_process(code: str, folder: Path, **variables: str) -> str:
    free = {name: value for name, value in os.environ.items() if not name.endswith("_THREADS")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**free, **variables},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


def test_nothing_of_the_process_is_changed_for_good(tmp_path: Path) -> None:
    printed = in_process(STATE.replace("WORDS", repr(WORDS)), tmp_path)
    assert printed.splitlines()[-1] == "as before 2", printed


def test_importing_the_package_loads_nothing_else() -> None:
    code = "import sys, tabproof; dir(tabproof); print(*(m for m in sys.modules if '.' not in m))"
    loaded = set(in_process(code, Path.cwd()).split())
    assert not loaded & {"hydra", "omegaconf", "numpy", "pandas", "sklearn", "click", "msgspec"}


def test_hydra_may_be_in_use(folder: Path) -> None:
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.hydra_config import HydraConfig

    (folder / "own").mkdir()
    (folder / "own" / "config.yaml").write_text("mine: 1\n")
    with initialize_config_dir(str(folder / "own"), version_base="1.3"):
        own = GlobalHydra.instance().hydra
        tp.train(*WORDS)
        assert GlobalHydra.instance().hydra is own
        assert compose("config").mine == 1
        assert HydraConfig.instance().cfg is None
    assert not GlobalHydra.instance().is_initialized()


@pytest.mark.usefixtures("folder")
def test_lines_go_to_the_log_of_the_run_and_warnings_to_the_console_too(capsys: Any) -> None:
    # Two columns of the same content are a finding, which is a warning.
    table = pd.DataFrame({"a": range(80), "b": range(80), "c": [0, 1, 1, 0] * 20, "y": "n"})
    table.loc[table["a"] % 7 < 3, "y"] = "p"
    chosen = {**QUICK, "checks": "default"}
    run = tp.train(table, target="y", search="none", **chosen)
    printed = capsys.readouterr().out
    log = (run.path / "train.log").read_text(encoding="utf-8")
    assert " INFO result: [RESULT] ds=file_frame_" in log.splitlines()[-1]
    assert "rows to learn from" in log
    assert "rows to learn from" not in printed
    assert all(line.startswith("! ") for line in printed.splitlines()), printed
    tp.train(table, target="y", search="none", verbose=True, **chosen)
    assert "rows to learn from" in capsys.readouterr().out


def test_the_log_files_of_the_program_stay_open(folder: Path) -> None:
    handler = logging.FileHandler(folder / "program.log")
    logging.getLogger().addHandler(handler)
    try:
        tp.train(*WORDS)
        logging.getLogger("program").error("still here")
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()
    assert (folder / "program.log").read_text() == "still here\n"


@pytest.mark.usefixtures("folder")
def test_several_runs_of_several_threads_take_turns() -> None:
    made: dict[int, tp.Run] = {}

    def train(seed: int) -> None:
        made[seed] = tp.train(*WORDS, seed=seed)

    # catch_warnings() is of the whole process, as pytest's own is.
    with warnings.catch_warnings():
        threads = [threading.Thread(target=train, args=(seed,)) for seed in (1, 2, 3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for seed, run in made.items():
        assert run.config["seed"] == seed
        log = (run.path / "train.log").read_text()
        assert log.count("[RESULT]") == log.count("rows to learn from") == 1
    assert len({run.run_id for run in made.values()}) == 3


INTERRUPTED = """
import tabproof as tp
run = tp.train("dataset=breast_cancer", "search=full", "model=random_forest", "runtime=serial",
               checks="none", evaluation="minimal", report="none")
print(run.summary.stopped, run.summary.n_not_tried > 0, flush=True)
print(tp.train("dataset=wine", "search=none", report="none").summary.stopped)
"""


def test_ctrl_c_keeps_the_best_so_far_and_the_program(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while len(list(tmp_path.glob("outputs/*/*/search/*.pickle"))) < 2:
        assert child.poll() is None, child.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=120)
    assert child.returncode == 0, err
    assert out.splitlines()[-2:] == ["Ctrl-C True", "None"], out
    assert out.startswith("! Ctrl-C: running fits are finished")


@pytest.mark.usefixtures("folder")
def test_a_search_that_was_stopped_goes_on() -> None:
    words = ["dataset=wine", "search=fast", *WORDS[2:], "search.resume=true"]
    first = tp.train(*words)
    assert tp.train(*words).run_id == first.run_id


@pytest.mark.parametrize("wanted", [1, 2])
@pytest.mark.usefixtures("folder")
def test_threads_are_limited_inside_of_the_run_alone(wanted: int) -> None:
    from threadpoolctl import threadpool_info, threadpool_limits

    from tabproof.api.session import limited_threads

    def found() -> dict[str, int]:
        return {pool["user_api"]: pool["num_threads"] for pool in threadpool_info()}

    with threadpool_limits(2):
        before = found()
        with limited_threads(wanted):
            assert found()["blas"] == 1
            assert found()["openmp"] == wanted
        assert found() == before
