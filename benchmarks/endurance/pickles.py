"""Runs whose files execute code when they are unpickled, with correct hashes."""

import io
import json
import os
import pickle
import shlex
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np

from benchmarks.answers import is_right, one_row
from benchmarks.endurance.tampering import files_of
from benchmarks.endurance.world import World, require, run_id_of, wait_until_serving
from benchmarks.service import Answer, Service
from tabproof.artifacts.manifest import seal

MANIFEST = "manifest.json"
LOADING = "import joblib, sys; joblib.load(sys.argv[1])"


class Evil:
    """An object that runs a command when it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


def payloads_of(marker: Path) -> dict[str, bytes]:
    """Return payloads that create the marker file in one reader or another."""
    command = f"touch {shlex.quote(str(marker))}"
    evil = Evil(command)
    objects = np.array([evil], dtype=object)
    npy, npz, dump = io.BytesIO(), io.BytesIO(), io.BytesIO()
    np.save(npy, objects, allow_pickle=True)
    np.savez(npz, values=objects, nodes=objects)
    joblib.dump({"estimator": evil}, dump)
    call = {"_target_": "os.system", "command": command}
    return {
        "pickle 0": pickle.dumps(evil, protocol=0),
        "pickle 5": pickle.dumps(evil, protocol=5),
        "joblib": dump.getvalue(),
        "npy of objects": npy.getvalue(),
        "npz of objects": npz.getvalue(),
        "YAML": f"!!python/object/apply:os.system ['{command}']\n".encode(),
        "_target_": json.dumps({**call, "args": [command], "format": 1}).encode(),
        "jsonpickle": json.dumps(
            {"py/reduce": [{"py/function": "posix.system"}, {"py/tuple": [command]}]}
        ).encode(),
    }


def check_pickles(world: World) -> str:
    """Replace each file by each payload; no command runs, and the service goes on."""
    marker = world.directory / "marker"
    payloads = payloads_of(marker)
    _require_that_it_would_fire(payloads["joblib"], world.directory / "evil.joblib", marker)
    hold_out = world.hold_out(world.first)
    names = [file.relative_to(world.first) for file in files_of(world.first)]
    n_refused, n_ignored = 0, 0
    with world.serve() as service:
        wait_until_serving(service, hold_out)
        for name in names:
            for kind, payload in payloads.items():
                answer = _reload_with(world, service, name, payload)
                require(not marker.exists(), f"{kind} in {name} was executed")
                message = f"{kind} in {name}: {answer}"
                require(answer.status == 200 or answer.status >= 400, message)
                n_refused += answer.status != 200
                n_ignored += answer.status == 200
                served = service.ask("POST", "/predict", one_row(hold_out.rows[0]))
                message = f"after {kind} in {name}: {served}"
                require(is_right(served.content, hold_out.proba[0]), message)
    return (
        f"{len(payloads)} payloads in each of {len(names)} files: {n_refused} reloads refused,"
        f" {n_ignored} done without reading the file; nothing was executed"
    )


def _reload_with(world: World, service: Service, name: Path, payload: bytes) -> Answer:
    copy = world.copy_of(world.first, "evil")
    (copy / name).write_bytes(payload)
    if name != Path(MANIFEST):
        seal(copy, run_id_of(world.first))
    return world.reload(service, copy)


def _require_that_it_would_fire(payload: bytes, file: Path, marker: Path) -> None:
    """Load a payload without protection, to prove that it would run."""
    file.write_bytes(payload)
    subprocess.run([sys.executable, "-c", LOADING, str(file)], check=False)
    require(marker.exists(), "the payload does nothing even where it is unpickled")
    marker.unlink()
