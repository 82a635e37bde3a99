"""A model serves when it is whole, fits together and answers; else it says why not."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tabproof.artifacts import manifest as manifests
from tabproof.artifacts.errors import UnverifiedRunError
from tabproof.errors import UserError
from tabproof.schema import SchemaDamagedError
from tabproof.service.errors import ModelUnusableError
from tabproof.service.served_model import ServedModel, load_model
from tests.service.conftest import ROWS


def load(path: Path) -> ServedModel:
    return load_model(path, name=None, source="outputs/run", promoted=False)


@pytest.fixture
def copy(table_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(table_run, tmp_path / "run"))


def reseal(run: Path) -> None:
    """Write the manifest anew, so that hashes hold and only sense is at stake."""
    run_id = json.loads((run / manifests.NAME).read_text())["run_id"]
    manifests.seal(run, run_id)


def test_it_answers_as_the_estimator(
    table: ServedModel, expected: Callable[[list[dict[str, object]]], np.ndarray]
) -> None:
    batch = table.predict_rows(ROWS, strict=False)
    assert batch.pred_proba == expected(ROWS)[:, 1].tolist()
    assert batch.pred_proba == [table.predict_row(r, strict=False).pred_proba for r in ROWS]


def test_a_run_is_named_like_its_dataset(table_run: Path) -> None:
    model = load(table_run)
    assert not re.match("file_|builtin_|openml_", model.name)
    assert model.name.startswith("small")


def test_its_example_works_strictly_and_without_a_warning(table: ServedModel) -> None:
    answer = table.predict_row(table.example(), strict=True)
    assert answer.warnings == []


def test_what_is_said_of_it_is_the_runs(table: ServedModel, table_run: Path) -> None:
    info, schema = table.info(default=True), table.schema_info()
    manifest = json.loads((table_run / manifests.NAME).read_text())
    assert info.run_id == schema.run_id == manifest["run_id"]
    assert (schema.required_columns, schema.numeric_columns) == (
        ["age", "income", "job"], ["age", "income"],
    )  # fmt: skip
    ranges = {c.name: (c.minimum, c.maximum) for c in schema.columns if c.kind == "number"}
    assert all(low < high for low, high in ranges.values())
    assert schema.columns[2].categories == ["clerk", "farmer", "smith"]
    assert (info.labels, schema.labels) == (["c0", "c1"], ["c0", "c1"])


@pytest.mark.parametrize(
    "name", ["scorer/scorer.json", "scorer/arrays.safetensors", "schema.json", "estimator.joblib"]
)
def test_one_changed_byte_is_found_in_whatever_file(copy: Path, name: str) -> None:
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(UnverifiedRunError, match=re.escape(name)):
        load(copy)


def test_a_file_that_came_later_is_found(copy: Path) -> None:
    (copy / "scorer" / "more.json").write_text("{}")
    with pytest.raises(UnverifiedRunError):
        load(copy)


def test_nothing_is_unpickled(copy: Path) -> None:
    # Were it read, it would run this.
    bomb = b"cos\n_exit\n(I42\ntR."
    (copy / "estimator.joblib").write_bytes(bomb)
    reseal(copy)
    assert load(copy).predict_row({}, strict=False)


def damage(copy: Path, name: str, change: Callable[[dict[str, object]], object]) -> None:
    path = copy / name
    content = json.loads(path.read_text())
    path.write_text(json.dumps(change(content)))
    reseal(copy)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("schema.json", lambda c: {**c, "labels": ["c1", "c0"]}),
        ("schema.json", lambda c: {**c, "columns": c["columns"][::-1]}),
        ("schema.json", lambda c: {**c, "columns": []}),
        ("schema.json", lambda _: []),
        ("schema.json", lambda c: {**c, "format": 99}),
        ("summary.json", lambda _: None),
        ("summary.json", lambda c: {**c, "metrics": {"auc": "high"}}),
        ("scorer/scorer.json", lambda c: {**c, "labels": ["c0"]}),
        ("scorer/scorer.json", lambda c: {**c, "columns": []}),
        ("scorer/scorer.json", lambda _: {}),
        ("scorer/scorer.json", lambda c: {**c, "format": 99}),
    ],
)
def test_what_is_whole_and_makes_no_sense_is_refused(
    copy: Path, name: str, change: Callable[[dict[str, object]], object]
) -> None:
    damage(copy, name, change)
    with pytest.raises(UserError):
        load(copy)


def test_a_run_without_a_scorer_is_refused_with_the_reason(copy: Path) -> None:
    shutil.rmtree(copy / "scorer")
    reseal(copy)
    with pytest.raises(ModelUnusableError, match="export=false"):
        load(copy)


def test_a_schema_that_is_no_json_is_refused(copy: Path) -> None:
    (copy / "schema.json").write_bytes(b"\xff[" * 1000)
    reseal(copy)
    with pytest.raises(SchemaDamagedError):
        load(copy)
