"""Run directories that want to be executed, to write, to hang or to hide something."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from copy import deepcopy
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from stat import S_ISREG
from typing import Any

import joblib
import yaml

from tabproof.artifacts.manifest import seal

# Makes a run hostile; the path is of a file that must never appear.
Change = Callable[[Path, Path], object]
DAY, RUN_ID = "2026-11-28", "0123456789abcdef"
ODD = {"newline": "a\nb", "escape": "a\x1b[2J\x1b]0;x\x07b", "bell": "\x07", "return": "a\rb"}
ODD |= {"right to left": "a\u202eb", "surrogate": "a\udcffb", "nul": "a\x00b", "c1": "a\x9b31mb"}
LAUGHS = "a: &a [x, x, x]\n" + "".join(
    f"{one}: &{one} [{', '.join([f'*{before}'] * 9)}]\n" for before, one in pairwise("abcdefghijk")
)


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch '{self.path}'",)


def make_hostile(run: Path, to: Path, change: Change, canary: Path) -> Path:
    """Return a copy of a run with a change, complete and with correct hashes if it can be."""
    shutil.copytree(run, to)
    manifest = to / "manifest.json"
    before = manifest.read_bytes()
    change(to, canary)
    # What a change did to the manifest stays.
    # Nothing is read from a pipe or a device.
    if S_ISREG(_mode(manifest)) and manifest.read_bytes() == before:
        manifest.unlink()
        seal(to, RUN_ID)
    return to


def _mode(path: Path) -> int:
    return path.lstat().st_mode if path.is_symlink() or path.exists() else 0


# --- Changes of one file.


def content(name: str, text: str | bytes) -> Change:
    """Replace a file; CANARY in its text is the path that must not appear."""

    def change(run: Path, canary: Path) -> None:
        path = run / name
        path.parent.mkdir(exist_ok=True)
        data = text if isinstance(text, bytes) else text.encode(errors="surrogateescape")
        path.write_bytes(data.replace(b"CANARY", str(canary).encode()))

    return change


def tree(name: str, place: tuple[str | int, ...], value: Any) -> Change:
    """Set a value in a JSON or YAML file, unlike `content` in one that is correct otherwise."""

    def change(run: Path, canary: Path) -> None:
        path = run / name
        is_json = path.suffix == ".json"
        found = json.loads(path.read_text()) if is_json else yaml.safe_load(path.read_text())
        node: Any = found
        for key in place[:-1]:
            node = node.setdefault(key, {}) if isinstance(node, dict) else node[key]
        node[place[-1]] = _with_canary(value, canary)
        text = json.dumps(found) if is_json else yaml.safe_dump(found, sort_keys=False)
        path.write_text(text)

    return change


def _with_canary(value: Any, canary: Path) -> Any:
    if isinstance(value, dict):
        return {key: _with_canary(each, canary) for key, each in value.items()}
    if isinstance(value, list):
        return [_with_canary(each, canary) for each in value]
    return value.replace("CANARY", str(canary)) if isinstance(value, str) else value


# --- config.yaml: names of classes, references, keys of Hydra.

TOUCH = ["touch", "CANARY"]
CALLS: dict[str, dict[str, Any]] = {
    "spawn": {"_target_": "distutils.spawn.spawn", "cmd": TOUCH},
    "system": {"_target_": "os.system", "command": "touch CANARY"},
    "popen": {"_target_": "subprocess.Popen", "args": TOUCH},
    "write_text": {
        "_target_": "pathlib.Path.write_text",
        "self": {"_target_": "pathlib.Path", "_args_": ["CANARY"]},
        "data": "x",
    },
    "eval": {"_target_": "builtins.eval", "_args_": ["open('CANARY', 'w')"]},
    "open": {"_target_": "io.open", "file": "CANARY", "mode": "w"},
    "alias": {"_target_": "sklearn.utils.os.system", "command": "touch CANARY"},
    "alias of joblib": {"_target_": "sklearn.externals.joblib.load", "filename": "evil.joblib"},
    "joblib": {"_target_": "joblib.load", "filename": "estimator.joblib"},
    "pandas": {"_target_": "pandas.read_pickle", "filepath_or_buffer": "estimator.joblib"},
    "partial": {"_target_": "os.system", "_partial_": True, "command": "touch CANARY"},
    "method": {"_target_": "hydra.utils.get_method", "path": "os.system"},
    "class": {"_target_": "hydra.utils.get_class", "path": "subprocess.Popen"},
    "object": {"_target_": "hydra.utils.get_object", "path": "os.environ"},
    "instantiate": {
        "_target_": "hydra.utils.instantiate",
        "_recursive_": False,
        "config": {"_target_": "os.system", "command": "touch CANARY"},
    },
    "loader": {"_target_": "tabproof.data.load_file", "path": "http://127.0.0.1:9/", "target": "y"},
    "log file": {"_target_": "tabproof.runtime.console.LogFile", "filename": "CANARY"},
    "own": {"_target_": "tests.runs.hostile.Evil", "path": "CANARY"},
    "function": {
        "_target_": "sklearn.preprocessing.FunctionTransformer",
        "func": {"_target_": "hydra.utils.get_method", "path": "os.system"},
    },
    "memory": {"_target_": "sklearn.cluster.FeatureAgglomeration", "memory": "CANARY"},
    "no text": {"_target_": ["os.system"]},
}
PLACES: dict[str, tuple[str | int, ...]] = {
    "estimator": ("model", "estimator"),
    "parameter": ("model", "estimator", "random_state"),
    "list": ("model", "estimator", "class_weight"),
    "step": ("preprocess", "numeric", "scale"),
    "dataset": ("dataset",),
    "cv": ("cv",),
}
REFERENCES = (
    "${oc.env:HOME}", "${oc.decode:${oc.env:HOME}}", "${hydra:runtime.cwd}", "${oc.select:seed}",
    "${unique:}", "${now:%Y}", "\\\\${oc.env:HOME}", "a${oc.env:PATH}b", "${seed}", "${",
)  # fmt: skip
REFERRING: dict[str, tuple[str | int, ...]] = {
    "name": ("dataset", "name"),
    "parameter": ("model", "estimator", "solver"),
    "grid": ("model", "param_grids", "fast", "clf__C", 0),
}
HYDRA: dict[str, dict[str, Any]] = {
    "callbacks": {"callbacks": {"x": CALLS["spawn"]}},
    "launcher": {"launcher": CALLS["spawn"]},
    "run": {"run": {"dir": "CANARY"}},
    "searchpath": {"searchpath": ["file:///tmp"]},
    "env": {"job": {"env_set": {"LD_PRELOAD": "x.so"}}},
    "logging": {"job_logging": {"handlers": {"x": {"()": "os.system", "command": "x"}}}},
}


def of_config() -> Iterator[tuple[str, Change]]:
    for (what, call), (where, place) in ((c, p) for c in CALLS.items() for p in PLACES.items()):
        value: Any = [deepcopy(call)] if where == "list" else call
        yield f"config {what} as {where}", tree("config.yaml", place, value)
    for reference in REFERENCES:
        for where, place in REFERRING.items():
            yield f"config {reference} as {where}", tree("config.yaml", place, reference)
    for what, node in HYDRA.items():
        yield f"config hydra {what}", tree("config.yaml", ("hydra",), node)
    yield "config allow", _allowing
    grids = ("model", "param_grids", "fast")
    for name in ("preprocess__numeric__memory", "memory", "clf__memory"):
        yield f"config grid {name}", tree("config.yaml", grids, {name: ["CANARY"]})


def _allowing(run: Path, canary: Path) -> None:
    tree("config.yaml", ("allow",), ["tests", "os", "posix", "distutils"])(run, canary)
    tree("config.yaml", PLACES["parameter"], CALLS["spawn"])(run, canary)


# --- Any YAML, any JSON.

YAMLS: dict[str, str] = {
    "tag": "!!python/object/apply:os.system ['touch CANARY']",
    "new": "!!python/object/new:os.system ['touch CANARY']",
    "name": "x: !!python/name:os.system",
    "module": "x: !!python/module:antigravity",
    "laughs": LAUGHS,
    "cycle": "&a [*a]",
    "merge": "a: &a {b: 1}\nc: {<<: *a}",
    "deep block": "- " * 50_000 + "1",
    "deep flow": "[" * 50_000,
    "deep pairs": "{a: " * 900 + "1" + "}" * 900,
    "twice": "seed: 1\nseed: 2",
    "two documents": "--- a\n--- b",
    "bytes": "a: \udcff\udcfe",
    "number": "- 3",
    "dates": "search: {name: 2026-01-01}\n",
    "large number": f"seed: {'9' * 5000}",
    "empty": "",
    "text": "x",
    "escape": 'search: {name: "\\e[2J\\n\\a"}',
}
JSONS: dict[str, str] = {
    "deep": "[" * 100_000,
    "deep pairs": '{"a":' * 100_000,
    "twice": '{"format": 1, "format": 1}',
    "large": f'{{"format": {"9" * 5000}}}',
    "not a number": '{"format": NaN}',
    "infinite": '{"format": 1e999}',
    "surrogate": '{"format": "\\ud800"}',
    "list": "[]",
    "text": '"x"',
    "bytes": "\udcff\udcfe{}",
    "empty": "",
    "call": '{"_target_": "os.system", "command": "touch CANARY"}',
}


def of_texts() -> Iterator[tuple[str, Change]]:
    for name in (
        "config.yaml", ".hydra/config.yaml", ".hydra/overrides.yaml", ".hydra/hydra.yaml"
    ):  # fmt: skip
        for what, text in YAMLS.items():
            yield f"{name} {what}", content(name, text)
            if name.startswith("."):
                yield f"{name} {what}, not complete", _both(content(name, text), _unsealed)
    for name in (
        "summary.json", "evaluation.json", "schema.json", "scorer/scorer.json", "manifest.json"
    ):  # fmt: skip
        for what, text in JSONS.items():
            yield f"{name} {what}", content(name, text)
    for what, text in JSONS.items():
        yield f"status.json {what}", _both(content("status.json", text), _unsealed)


def _both(one: Change, other: Change) -> Change:
    def change(run: Path, canary: Path) -> None:
        one(run, canary)
        other(run, canary)

    return change


def _unsealed(run: Path, _: Path) -> None:
    (run / "manifest.json").unlink()


# --- summary.json, the manifest, names, links, pickles, arrays.


def of_summary() -> Iterator[tuple[str, Change]]:
    values: tuple[Any, ...] = ("x", -1, 2**64, [[]], {"a": {"b": []}}, None)
    for key in (
        "dataset", "labels", "metrics", "intervals", "n_train", "best_params", "data", "seconds",
        "versions", "git", "stopped", "findings", "rungs", "decision", "estimator",
    ):  # fmt: skip
        for value in values:
            yield f"summary {key}={value}", tree("summary.json", (key,), value)
    for what, text in ODD.items():
        for place in (("dataset",), ("stopped",), ("labels", 0), ("model",), ("best_params", "x")):
            yield f"summary {place} {what}", tree("summary.json", place, text)
        for key in ("name", "kind", "params"):
            place = ("estimator", "members", 0, key)
            value = {text: text} if key == "params" else text
            yield f"summary {place} {what}", tree("summary.json", place, value)
        yield f"choices {what}", content(".hydra/overrides.yaml", json.dumps([f"dataset={text}"]))
    for value in ("../../x", "/etc/passwd", "a/b", "..", "", "con", "a" * 5000):
        yield f"summary dataset {value:.20}", tree("summary.json", ("dataset",), value)


def of_manifest() -> Iterator[tuple[str, Change]]:
    for size in (2**64, 2**63, -1, 1e400, 1.5, "x", None):
        yield (
            f"manifest size {size}",
            tree("manifest.json", ("files", "summary.json", "size"), size),
        )
    for run_id in ("../x", "", "a" * 100, "a\nb", "a\x1b[0m", 3, None):
        yield f"manifest id {run_id!r:.20}", tree("manifest.json", ("run_id",), run_id)
    entry = {"sha256": "0" * 64, "size": 1}
    for name in ("../x", "/etc/passwd", "a/../../b", "", "a\\b", "a\x00", "a/" * 300, "a\n\x1b[2J"):
        yield f"manifest file {name!r:.20}", tree("manifest.json", ("files", name), entry)
    for size in (2**64, -1, "x"):
        yield f"manifest sealed size {size}", _sealing_size(size)


def _sealing_size(size: Any) -> Change:
    """Change a size, with the hash of the manifest that is right for it."""

    def change(run: Path, _: Path) -> None:
        path = run / "manifest.json"
        found = json.loads(path.read_text())
        found["files"]["summary.json"]["size"] = size
        lines = [f"{e['sha256']} {e['size']} {name}" for name, e in found["files"].items()]
        found["sha256"] = sha256("\n".join([found["run_id"], *lines]).encode()).hexdigest()
        path.write_text(json.dumps(found))

    return change


def of_files() -> Iterator[tuple[str, Change]]:
    # A manifest is UTF-8: no name has a surrogate.
    names = {w: t.replace("\0", "0") for w, t in ODD.items() if w != "surrogate"}
    for what, text in names.items():
        yield f"file {what}", content(f"plots/{text}.svg", "x")
        yield f"folder {what}", content(f"{text}/x", "x")
    for name in ("summary.json", "config.yaml", "predictions.parquet", "scorer", "manifest.json"):
        for target in ("/etc/passwd", "/dev/zero", "/", "..", "manifest.json", "nowhere"):
            yield f"link {name} to {target}", _linked(name, target)
        yield f"pipe {name}", _piped(name)
    for name in ("summary.json", "config.yaml", ".hydra/overrides.yaml", "train.log"):
        yield f"folder {name}", _folder(name)
    for name in (
        "estimator.joblib", "predictions.parquet", "config.yaml", "summary.json", "schema.json",
        "scorer/scorer.json", "scorer/arrays.safetensors", "cv_results.csv", "evaluation.json",
        ".hydra/overrides.yaml", "search/plan.json", "search/a.pickle", "code.patch", "data.pkl",
    ):  # fmt: skip
        yield f"pickle {name}", _pickled(name)
    for line in (
        "--index-url=http://127.0.0.1:9/", "-e /tmp", "x @ file:///tmp/x", "x==1; import os",
        "x==1 --hash=x", "../x==1", "git+https://127.0.0.1/x", "x==1\r-r y", "\x1b[2Jx==1", "",
    ):  # fmt: skip
        text = f"# Python 3.11.7\n{line}\n"
        yield f"environment.txt {line!r:.20}", content("environment.txt", text)
    patch = "--- a/src/tabproof/cli.py\n+++ b/src/tabproof/cli.py\n@@ -1 +1 @@\n-x\n+y\n"
    yield "code.patch", content("code.patch", patch)


def _linked(name: str, target: str) -> Change:
    def change(run: Path, _: Path) -> None:
        path = run / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        path.symlink_to(target)

    return _kept_manifest(change)


def _piped(name: str) -> Change:
    def change(run: Path, _: Path) -> None:
        path = run / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        os.mkfifo(path)

    return _kept_manifest(change)


def _folder(name: str) -> Change:
    def change(run: Path, _: Path) -> None:
        (run / name).unlink()
        (run / name).mkdir()

    return _kept_manifest(change)


def _kept_manifest(change: Change) -> Change:
    """Write the manifest in another form, so that it is kept: it cannot be sealed again."""

    def both(run: Path, canary: Path) -> None:
        path = run / "manifest.json"
        path.write_text(json.dumps(json.loads(path.read_text())))
        change(run, canary)

    return both


def _pickled(name: str) -> Change:
    def change(run: Path, canary: Path) -> None:
        (run / name).parent.mkdir(exist_ok=True)
        joblib.dump(Evil(canary), run / name)

    return change


def of_arrays() -> Iterator[tuple[str, Change]]:
    """Yield safetensors whose headers claim what is not there."""
    good = {"dtype": "F64", "shape": [3, 13], "data_offsets": [0, 312]}
    rest = {
        "intercepts": {"dtype": "F64", "shape": [3], "data_offsets": [312, 336]},
        "means": {"dtype": "F64", "shape": [13], "data_offsets": [336, 440]},
    }
    for what, claim in {
        "overlap": {"data_offsets": [24, 336]},
        "gap": {"data_offsets": [8, 312]},
        "negative": {"data_offsets": [-8, 304]},
        "backwards": {"data_offsets": [312, 0]},
        "beyond": {"data_offsets": [0, 2**64]},
        "huge shape": {"shape": [2**32, 2**32]},
        "negative shape": {"shape": [-3, -13]},
        "deep shape": {"shape": [1] * 5000},
        "no shape": {"shape": None},
        "half": {"shape": [1.5, 26]},
        "type": {"dtype": "O"},
        "object": {"dtype": "|O"},
        "call": {"_target_": "os.system"},
    }.items():
        header = json.dumps({"coefficients": good | claim, **rest}).encode()
        yield f"arrays {what}", _headed(len(header), header)
    whole = json.dumps({"coefficients": good, **rest}).encode()
    twice = whole[:-1] + b', "coefficients": ' + json.dumps(good).encode() + b"}"
    for what, length, header in (
        ("length 2^64", 2**64 - 1, whole),
        ("length 2^63", 2**63, whole),
        ("length 0", 0, b""),
        ("length 1", 1, whole),
        ("twice", len(twice), twice),
        ("bytes", 4, b"\xff\xfe\xfd{"),
        ("list", 2, b"[]"),
        ("deep", 200_000, b"[" * 200_000),
        ("spaces", 50 << 10, whole.ljust(50 << 10)),
        ("nul", len(whole) + 1, whole + b"\0"),
    ):
        yield f"arrays {what}", _headed(length, header)


def _headed(length: int, header: bytes) -> Change:
    content_of_arrays = length.to_bytes(8, "little") + header + bytes(440)
    return content("scorer/arrays.safetensors", content_of_arrays)


def all_changes() -> dict[str, Change]:
    """Return every change by its name."""
    parts = of_config(), of_texts(), of_summary(), of_manifest(), of_files(), of_arrays()
    return {name: change for part in parts for name, change in part}
