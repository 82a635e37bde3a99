"""Editors get a schema that accepts every file of conf/ and a run's config.yaml, and no mistake."""

import copy
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from tabproof import config as conf
from tabproof.conf_files import CONF, explanation
from tabproof.config.json_schema import as_text, documents, write_schemas
from tests.config.composing import FILE, config
from tests.conftest import typed_in

FILES = sorted(CONF.rglob("*.yaml"))
MODELINE = re.compile(r"# yaml-language-server: \$schema=(\S+)")


@cache
def validator(kind: str) -> Draft202012Validator:
    return Draft202012Validator(documents()[kind])


def kind_of(path: Path) -> str:
    """Return the name of the schema that a file names, which must be in its first lines."""
    lines = path.read_text(encoding="utf-8").splitlines()
    # Hydra reads a package only from lines above any other.
    line = lines[1] if lines[0].startswith("# @package") else lines[0]
    found = MODELINE.fullmatch(line)
    assert found is not None, f"{path} names no schema"
    schema = (path.parent / found[1]).resolve()
    assert schema.is_file()
    assert schema.parent == CONF / ".schema"
    return schema.stem


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CONF)))
def test_every_file_of_conf_is_valid_by_the_schema_that_it_names(path: Path) -> None:
    validator(kind_of(path)).validate(load(path))
    group = path.relative_to(CONF).parts[0]
    assert kind_of(path) == {"train.yaml": "train", "hydra": "logging"}.get(group, group)
    assert "yaml-language-server" not in explanation(path)


def test_the_files_are_those_that_make_docs_writes(tmp_path: Path) -> None:
    write_schemas(tmp_path)
    written = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    there = {path.name: path.read_text("utf-8") for path in (CONF / ".schema").iterdir()}
    assert there == written, "run make docs"


@pytest.mark.parametrize("kind", documents())
def test_every_schema_is_one_and_complete_in_itself(kind: str) -> None:
    document = documents()[kind]
    Draft202012Validator.check_schema(document)
    names = set(re.findall(r'"\$ref": "#/\$defs/([^"]+)"', json.dumps(document)))
    assert names <= set(document["$defs"])


@pytest.mark.parametrize(
    "words",
    [
        [],
        [*FILE, "+dataset.column_types={zip: category}", "cv=time_series"],
        ["dataset=adult", "search=portfolio", "threshold=cost", "runtime=dask"],
        ["model=vote", "search=tpe", "calibration=isotonic", "cv=grouped", "cv.group_column=a"],
    ],
    ids=" ".join,
)
def test_a_whole_configuration_is_valid(words: list[str]) -> None:
    text = conf.as_yaml(config(*words))
    # A key that must be given may be absent in a file; in a run none is.
    validator("train").validate(yaml.safe_load(text))


# --- Mistakes, each in a file of conf/: its path, the key that is changed, and its value.

BROKEN: list[tuple[str, str, Any]] = [
    # Keys that do not exist.
    ("train", "sead", 42),
    ("train", "skip_complete", True),
    ("train", "datset", {}),
    ("dataset/adult", "nane", "adult"),
    ("dataset/adult", "path", "my.csv"),
    ("dataset/wine", "version", 1),
    ("dataset/wine", "target", "y"),
    ("dataset/file", "taget", "y"),
    ("dataset/file", "drop_column", ["id"]),
    ("dataset/file", "seperator", ";"),
    ("cv/stratified", "group_column", "a"),
    ("cv/grouped", "time_column", "a"),
    ("search/fast", "factor", 3),
    ("search/classic", "schedule", []),
    ("search/random", "batch_size", 10),
    ("search/none", "param_grid", "fast"),
    ("model/lightgbm", "members", {}),
    ("model/vote", "members.linear.modl", {}),
    ("estimator/xgboost", "param_grid", {}),
    ("evaluation/default", "metric", ["roc_auc"]),
    ("report/default", "lang", "en"),
    ("runtime/local", "adress", "tcp://host:8786"),
    ("runtime/local", "address", "tcp://host:8786"),
    ("hydra/job_logging/run", "handler", {}),
    ("hydra/job_logging/run", "root.levels", "INFO"),
    ("experiment/classic", "serach", {}),
    # Values of another type.
    ("train", "seed", "many"),
    ("train", "seed", 4.5),
    ("train", "skip_completed", "sometimes"),
    ("train", "defaults", "train_schema"),
    ("dataset/adult", "version", "newest"),
    ("dataset/file", "path", ["a.csv"]),
    ("dataset/file", "drop_columns", "id"),
    ("dataset/file", "keep", [["id"]]),
    ("dataset/file", "target", None),
    ("dataset/file", "column_types", ["zip"]),
    ("cv/stratified", "test_size", "a fifth"),
    ("search/fast", "n_splits", 3.5),
    ("search/fast", "schedule", 3),
    ("model/vote", "members", ["linear"]),
    ("threshold/cost", "costs", [0, 1]),
    ("evaluation/default", "metrics", "roc_auc"),
    ("checks/default", "fail", "no"),
    ("runtime/local", "workers", "two"),
    # Values out of range.
    ("train", "seed", -1),
    ("train", "seed", 2**32),
    ("dataset/adult", "version", 0),
    ("dataset/adult", "n_retries", 11),
    ("dataset/file", "min_class_rows", 0),
    ("cv/stratified", "test_size", 1.0),
    ("cv/stratified", "test_size", 0),
    ("search/fast", "n_splits", 1),
    ("search/classic", "factor", 1.0),
    ("search/fast", "min_resources", 0),
    ("evaluation/default", "n_bootstrap", 99),
    ("threshold/min_recall", "min_recall", 1.1),
    ("checks/default", "leak_auc", 0.4),
    ("runtime/local", "niceness", 20),
    ("sweep/default", "retries", -1),
    # Values that are none of those there are.
    ("dataset/wine", "name", "boston"),
    ("dataset/file", "decimal", ";"),
    ("dataset/file", "bad_rows", "keep"),
    ("dataset/file", "separator", ";;"),
    ("dataset/file", "column_types", {"zip": "integer"}),
    ("calibration/sigmoid", "method", "platt"),
    ("threshold/default", "objective", "f1"),
    ("evaluation/default", "metrics", ["auc"]),
    ("report/default", "language", "de"),
    ("search/fast", "engine", "random"),
    ("search/fast", "min_resources", "exhaust"),
    ("search/fast", "time_budget", "10 parsecs"),
    ("sweep/default", "time_limit", "forever"),
    ("runtime/dask", "address", "host"),
    ("hydra/hydra_logging/run", "root.level", "LOUD"),
    ("dataset/file", "defaults", [{"/schema/dataset@_here_": "csv"}]),
]


@pytest.mark.parametrize(("name", "key", "value"), BROKEN, ids=str)
def test_a_mistake_is_refused(name: str, key: str, value: Any) -> None:
    path = CONF / f"{name}.yaml"
    document = copy.deepcopy(load(path))
    *parents, last = key.split(".")
    node = document
    for parent in parents:
        node = node[parent]
    node[last] = value
    assert not validator(kind_of(path)).is_valid(document)


def test_values_of_other_keys_and_a_file_that_builds_on_another_are_accepted() -> None:
    validator("search").validate({"defaults": ["fast", "_self_"], "n_splits": "${cv.n_splits}"})
    validator("dataset").validate({"defaults": ["file", "_self_"], "path": "${oc.env:HOME}/a.csv"})
    assert not validator("dataset").is_valid({"defaults": ["file"], "taget": "y"})


def test_the_command_prints_a_schema_or_writes_all(tmp_path: Path) -> None:
    assert typed_in("schema").stdout == as_text(documents()["train"])
    assert typed_in("schema", "dataset").stdout == as_text(documents()["dataset"])
    assert "one of train, dataset" in typed_in("schema", "datset").stderr
    typed_in("schema", "--directory", str(tmp_path / "conf" / ".schema"))
    assert (tmp_path / "conf" / ".schema" / "dataset.json").is_file()
