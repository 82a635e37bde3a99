"""A run on dates, texts and many categories: one number in training, in a row and in a file."""

import csv
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest

from tabproof.batch.options import Options
from tabproof.batch.score_files import score
from tabproof.experiment import run_experiment
from tabproof.service.inference_protocol import decode, metadata, response_of, rows_of
from tabproof.service.rows import Row
from tabproof.service.served_model import ServedModel, load_model
from tests.conftest import composed

N_ROWS = 360


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train on a CSV of every kind of column."""
    folder = tmp_path_factory.mktemp("mixed")
    rng = np.random.default_rng(0)
    start = np.datetime64("2024-01-01T00:00:00")
    words = np.array(["late", "paid", "again", "苦情", "解約", "called"])
    with (folder / "in.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["signed", "left", "price [USD]", "remarks", "town", "active", "at", "y"])
        for number in range(N_ROWS):
            text = " ".join(rng.choice(words, rng.integers(3, 9)))
            day = (start + rng.integers(0, 300) * np.timedelta64(1, "D")).astype("datetime64[D]")
            moment = start + rng.integers(0, 10**7) * np.timedelta64(1, "s")
            cells = [
                *(str(moment), f"{day.item():%d/%m/%Y}", f"${rng.integers(1, 9999):,}", text),
                *(f"town {number % 290}", rng.choice(["true", "false"])),
                f"{rng.integers(24)}時{rng.integers(60)}分",
            ]
            cells = ["" if rng.random() < 0.03 else cell for cell in cells]
            writer.writerow([*cells, "yes" if ("late" in text) + rng.random() > 0.9 else "no"])
    config = composed(
        "dataset=file",
        f"dataset.path={folder / 'in.csv'}",
        "dataset.target=y",
        "+dataset.column_types.remarks=text",
        "search=none",
        "+model.estimator.max_iter=9",
    )
    run_experiment(config, folder / "run")
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> ServedModel:
    return load_model(folder / "run", name=None, source="mixed")


def raw_rows(folder: Path) -> list[Row]:
    with (folder / "in.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [{k: v or None for k, v in row.items() if k != "y"} for row in rows]


def test_every_kind_of_column_is_there(model: ServedModel) -> None:
    kinds = {column.name: column.kind for column in model.schema.columns}
    assert kinds == {
        "signed": "date",
        "left": "date",
        "price [USD]": "number",
        "remarks": "text",
        "town": "category",
        "active": "category",
        "at": "number",
    }


def test_a_row_and_a_file_have_the_probabilities_of_training(
    folder: Path, model: ServedModel
) -> None:
    trained = pq.read_table(folder / "run" / "predictions.parquet").to_pydict()
    rows = raw_rows(folder)
    batch = model.predict_rows(rows, strict=False)
    for place, proba in zip(trained["row_id"], trained["proba_yes"], strict=True):
        assert batch.probabilities["yes"][place] == proba
        assert model.predict_row(rows[place], strict=False).pred_proba == proba
    output = folder / "out.parquet"
    score(Options(run=str(folder / "run"), input=str(folder / "in.csv"), output=str(output)))
    scored = pq.read_table(output).to_pydict()
    assert scored["row"] == list(range(N_ROWS))
    assert scored["proba_yes"] == batch.probabilities["yes"]


@pytest.mark.parametrize("word", ["", "NA", "null"])
def test_a_word_that_meant_missing_in_the_table_does_so_in_a_row_and_a_file(
    folder: Path, model: ServedModel, tmp_path: Path, word: str
) -> None:
    row = next(row for row in raw_rows(folder) if None not in row.values())
    rows = [{**row, name: word} for name in row]
    missing = [{**row, name: None} for name in row]
    found, expected = (model.predict_rows(each, strict=False) for each in (rows, missing))
    assert found.probabilities == expected.probabilities
    assert found.warnings == []
    assert [model.predict_row(each, strict=False).warnings for each in rows] == [[]] * len(rows)
    with (tmp_path / "in.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, row)
        writer.writeheader()
        writer.writerows(rows)
    output = tmp_path / "out.parquet"
    score(Options(run=str(folder / "run"), input=str(tmp_path / "in.csv"), output=str(output)))
    scored = pq.read_table(output).to_pydict()
    assert scored["proba_yes"] == expected.probabilities["yes"]


def test_contributions_are_those_of_columns_and_add_up(folder: Path, model: ServedModel) -> None:
    for row in raw_rows(folder)[:5]:
        found = model.predict_row(row, strict=False, explain=True)
        explanation: Any = found.explanation
        assert [*explanation.contributions] == [column.name for column in model.schema.columns]
        total = explanation.base_value + sum(explanation.contributions.values())
        assert total == pytest.approx(explanation.score, abs=1e-12)
        assert 1 / (1 + np.exp(-total)) == pytest.approx(found.pred_proba, abs=1e-9)


def test_the_schema_says_how_cells_are_written_and_what_was_done(model: ServedModel) -> None:
    info = model.schema_info()
    of = {column.name: column for column in info.columns}
    assert of["left"].form is not None
    assert of["left"].form["pattern"] == "%d/%m/%Y"
    assert str(of["left"].minimum).startswith("2024-01-")
    usual = {"scales": [], "time": ""}
    assert of["price [USD]"].form == {**usual, "decimal": ".", "thousands": ",", "marks": ["$"]}
    assert of["at"].form == {
        **usual,
        "decimal": ".",
        "thousands": "",
        "marks": [],
        "time": "h:mm:ss",
    }
    codes = {treatment.code for treatment in info.treatments}
    assert {"dates", "numbers_written", "booleans", "many_categories"} <= codes
    assert msgspec.json.encode(info)


def test_the_example_can_be_posted_strictly(model: ServedModel) -> None:
    found = model.predict_row(model.example(), strict=True)
    assert found.warnings == []


def test_tensors_hold_dates_and_texts_as_bytes(folder: Path, model: ServedModel) -> None:
    types = {tensor.name: tensor.datatype for tensor in metadata(model)["inputs"]}
    assert types["price [USD]"] == "FP64"
    assert {types[name] for name in ("signed", "left", "remarks", "town")} == {"BYTES"}
    numbers = {"price [USD]": 12.5, "at": 3600.0}
    rows = [{**row, **numbers} for row in raw_rows(folder) if None not in row.values()]
    inputs = [
        {"name": name, "shape": [2], "datatype": kind, "data": [row[name] for row in rows[:2]]}
        for name, kind in types.items()
    ]
    request = decode(msgspec.json.encode({"inputs": inputs}), None, 100)
    batch = model.predict_rows(rows_of(request, model), strict=True)
    _, proba = response_of(request, batch, model).outputs
    assert proba.data is not None
    assert proba.data[1] == model.predict_row(rows[0], strict=True).pred_proba
