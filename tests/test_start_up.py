"""What a small run does not load, start or do twice: its start is most of its time."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

# Trains, and prints what was loaded, started and composed.
WATCHED = """
import json, sys
started, composed = [], []
def watch(event, arguments):
    if event in ("subprocess.Popen", "os.posix_spawn", "os.fork"):
        started.append(str(arguments[0]) if arguments else event)
sys.addaudithook(watch)
from hydra._internal.config_loader_impl import ConfigLoaderImpl
load = ConfigLoaderImpl.load_configuration
def load_configuration(*arguments, **options):
    composed.append(1)
    return load(*arguments, **options)
ConfigLoaderImpl.load_configuration = load_configuration
from tabproof.cli import main
try:
    main("train")
except SystemExit as end:
    assert end.code == 0, end.code
print(json.dumps([list(sys.modules), started, len(composed)]))
"""
# Libraries of extras, of terminals, of other sources of data and of other plots. Not rich, which
# scikit-learn itself loads.
NOT_LOADED = {
    "IPython", "catboost", "dask", "distributed", "fairlearn", "fastapi", "fsspec", "lightgbm",
    "matplotlib", "obstore", "optuna", "plotly", "polars", "tenacity", "xgboost",
    "tabproof.runtime.live", "tabproof.service",
}  # fmt: skip


def test_a_small_run_loads_starts_and_composes_no_more_than_it_needs(tmp_path: Path) -> None:
    words = ["search=fast", "runtime.workers=1", f"hydra.run.dir={tmp_path}/run"]
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded, started, n_composed = json.loads(done.stdout.splitlines()[-1])
    assert (tmp_path / "run" / "report.html").is_file()
    assert sorted(NOT_LOADED & set(loaded)) == []
    # The commit is recorded.
    assert set(started) <= {"git"}
    assert n_composed == 1
