"""What the panels of report.html hold: real rows as a client would send them, exact counts."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabproof.evaluation_result import Decision, Evidence
from tabproof.forms import DateForm
from tabproof.report import render_report, what_if
from tabproof.report.panels import Panels
from tabproof.report.thresholds import make_thresholds
from tabproof.report.what_if import LeftOut, Rows, cell_of, choose_rows, make_what_if
from tabproof.schema import CategoryColumn, DateColumn, NumberColumn, Schema
from tabproof.service.served_model import ServedModel, load_model
from tests.conftest import composed, made_once
from tests.report.making import evidence_of, facts_of
from tests.report.panels import (
    LABELS,
    PLAN,
    read_island,
    read_what_if,
    train_on_every_kind,
    unpacked,
)


@pytest.fixture(scope="module")
def run_of_all(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_once(tmp_path_factory, "what_if", train_on_every_kind)


@pytest.fixture(scope="module")
def page(run_of_all: Path) -> str:
    return (run_of_all / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def model(run_of_all: Path) -> ServedModel:
    return load_model(run_of_all, name="model", source="test")


# --- What if.


def test_offered_rows_are_those_of_the_hold_out(page: str, run_of_all: Path) -> None:
    predictions = pd.read_parquet(run_of_all / "predictions.parquet").set_index("row_id")
    rows = read_what_if(page)["rows"]
    assert 15 <= len(rows) <= what_if.N_ROWS
    assert len({row["id"] for row in rows}) == len(rows)
    for row in rows:
        held_out = predictions.loc[int(row["id"])]
        assert held_out["y_true"] == row["truth"]
        assert held_out[f"proba_{LABELS[1]}"] == row["probability"]


def test_the_service_predicts_an_offered_row_as_the_run_did(page: str, model: ServedModel) -> None:
    content = read_what_if(page)
    names = [column["name"] for column in content["schema"]["columns"]]
    assert names == [column.name for column in model.schema.columns]
    for row in content["rows"]:
        found = model.predict_row(dict(zip(names, row["cells"], strict=True)), strict=True)
        assert found.pred_proba == pytest.approx(row["probability"], abs=1e-12)
        # The categories of the hold-out set may be new, and its numbers out of range.
        assert {each.kind for each in found.warnings} <= {"out_of_range", "unseen_category"}


def test_every_kind_of_cell_is_offered(page: str, model: ServedModel) -> None:
    content = read_what_if(page)
    cells = {
        column.name: [row["cells"][place] for row in content["rows"]]
        for place, column in enumerate(model.schema.columns)
    }
    kinds = {name: {type(cell) for cell in found} - {type(None)} for name, found in cells.items()}
    assert kinds["since"] == kinds["remarks"] == kinds[PLAN] == {str}
    assert kinds["amount"] <= {float, int}
    assert kinds["__proto__"] == {int}
    assert any(cell is None for found in cells.values() for cell in found)


def test_names_and_cells_cannot_end_an_element(page: str) -> None:
    assert "<script>alert(1)" not in page
    assert '<b>"' not in page
    assert PLAN in {column["name"] for column in read_what_if(page)["schema"]["columns"]}


def test_histograms_count_the_training_rows(page: str) -> None:
    content = read_what_if(page)
    n_rows = content["schema"]["n_rows"]
    for column in content["columns"]:
        known = content["schema"]["columns"][column["place"]]
        if "counts" in column:
            n_present = n_rows - round(known["missing_share"] * n_rows)
            assert sum(column["counts"]) == n_present, known["name"]
        else:
            assert known["kind"] == "text"
    places = [column["place"] for column in content["columns"]]
    assert sorted(places) == list(range(len(content["schema"]["columns"])))


def test_the_scorer_in_the_page_is_that_of_the_run(page: str, run_of_all: Path) -> None:
    files = read_island(page, "what_if-data")
    for name in ("scorer.json", "arrays.safetensors"):
        assert unpacked(files[name]) == (run_of_all / "scorer" / name).read_bytes()


def test_the_most_important_columns_come_first() -> None:
    schema, rows = tiny()
    files = {"scorer/scorer.json": b"{}"}
    found = make_what_if(schema, evidence_of(importances=importances_of(b=0.2, a=0.1)), rows, files)
    assert not isinstance(found, LeftOut)
    columns = json.loads(unpacked(found.files["what_if.json"]))["columns"]
    assert [column["place"] for column in columns] == [1, 0]


def test_a_model_that_is_too_large_is_left_out_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    schema, rows = tiny()
    evidence = evidence_of(importances=importances_of(a=1.0))
    random = np.random.default_rng(0).bytes(4000)
    monkeypatch.setattr(what_if, "MAX_PACKED", 6000)
    assert not isinstance(make_what_if(schema, evidence, rows, {"s/a": random}), LeftOut)
    monkeypatch.setattr(what_if, "MAX_PACKED", 5000)
    found = make_what_if(schema, evidence, rows, {"s/a": random})
    assert isinstance(found, LeftOut)
    assert found.reason == "too_large"
    assert found.n_characters > 5000
    for language, words in (("en", "too large"), ("ja", "大きすぎる")):
        text = render_report(facts_of(panels=Panels(what_if=found)), language)
        assert words in text
        assert 'id="what_if-panel"' not in text


def test_a_model_without_exported_files_is_left_out_with_the_reason() -> None:
    schema, rows = tiny()
    found = make_what_if(schema, evidence_of(), rows, {})
    assert found == LeftOut("not_exported")
    assert "export=false" in render_report(facts_of(panels=Panels(what_if=found)), "en")


def test_rows_are_left_out_on_request(tmp_path: Path) -> None:
    train_on_every_kind(tmp_path / "run", "report.what_if=false")
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert 'id="what_if' not in page
    assert read_island(page, "threshold-data")["n_rows"] > 0


def test_the_option_is_no_part_of_the_run_id() -> None:
    from tabproof.config import identity_of

    with_rows, without = (composed("dataset=wine", f"report.what_if={on}") for on in (True, False))
    assert identity_of(with_rows) == identity_of(without)


PROBABILITIES = st.lists(
    st.tuples(st.floats(0, 1, allow_nan=False), st.integers(0, 1)), min_size=1, max_size=60
)


@given(PROBABILITIES, st.floats(0, 1))
def test_no_row_is_offered_twice_and_reasons_are_true(
    rows: list[tuple[float, int]], threshold: float
) -> None:
    p, y = (np.array(each) for each in zip(*rows, strict=True))
    found = choose_rows(y, np.column_stack([1 - p, p]), threshold)
    places = [place for kind in found.values() for place in kind]
    assert len(set(places)) == len(places) <= what_if.N_ROWS
    assert found["typical"]
    is_right = (p > threshold) == (y == 1)
    assert not is_right[found.get("wrong", [])].any()
    assert is_right[found.get("certain", [])].all()


def test_rows_of_many_labels_are_chosen_from_all_of_them() -> None:
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(4), 25)
    proba = rng.dirichlet(np.ones(4), 100) * 0.2 + 0.8 * np.eye(4)[y]
    found = choose_rows(y, proba, None)
    assert set(y[found["certain"]]) == {0, 1, 2, 3}
    assert "wrong" not in found


@pytest.mark.parametrize(
    ("value", "column", "cell"),
    [
        (np.nan, NumberColumn("a", 0.0, 1.0, 0.0), None),
        (3.0, NumberColumn("a", 0.0, 1.0, 0.0), 3),
        (1e300, NumberColumn("a", 0.0, 1.0, 0.0), 1e300),
        (0.1, NumberColumn("a", 0.0, 1.0, 0.0), 0.1),
        ("3", CategoryColumn("a", ("3",), 0.0), "3"),
        (None, CategoryColumn("a", ("3",), 0.0), None),
        (pd.NaT, DateColumn("a", 0.0, 1.0, 0.0), None),
        (pd.Timestamp("2020-02-29"), DateColumn("a", 0.0, 1.0, 0.0), "2020-02-29"),
        (
            pd.Timestamp("0001-02-03T04:05:06").as_unit("us"),
            DateColumn("a", 0.0, 1.0, 0.0, DateForm(has_time=True)),
            "0001-02-03T04:05:06",
        ),
        (
            pd.Timestamp("2020-02-29T10:00:00.25"),
            DateColumn("a", 0.0, 1.0, 0.0, DateForm("epoch_ms", has_time=True)),
            "2020-02-29T10:00:00.250000",
        ),
    ],
)
def test_a_cell_is_what_a_client_sends(value: Any, column: Any, cell: Any) -> None:
    assert cell_of(value, column) == cell


def importances_of(**drops: float) -> list[Any]:
    from tabproof.evaluation_result import Estimate, Importance

    return [Importance(name, Estimate(drop)) for name, drop in drops.items()]


def tiny() -> tuple[Schema, Rows]:
    columns = (NumberColumn("a", 0.0, 3.0, 0.0), NumberColumn("b", 0.5, 0.5, 0.0))
    schema = Schema(columns, "y", ("good", "bad"), 4)
    X = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0], "b": [0.5] * 4})
    proba = np.column_stack([1 - X["a"] / 3, X["a"] / 3])
    return schema, Rows(X, X, np.array([0, 1, 0, 1]), proba)


# --- Thresholds.


def read_numbers(packed: str) -> Any:
    rows = np.frombuffer(unpacked(packed), np.uint8).reshape(8, -1).T
    return np.ascontiguousarray(rows).view("<f8").ravel()


def test_the_threshold_of_the_run_gives_the_numbers_of_its_evaluation(
    page: str, run_of_all: Path
) -> None:
    content = read_island(page, "threshold-data")
    proba = read_numbers(content["proba"])
    truth = np.frombuffer(unpacked(content["truth"]), np.uint8)
    assert (np.diff(proba) >= 0).all()
    evidence = Evidence.from_json((run_of_all / "evaluation.json").read_bytes())
    assert content["threshold"] == (evidence.decision.threshold or 0.5)
    predicted = proba > content["threshold"]
    assert (predicted == truth).mean() == evidence.metrics["accuracy"].value
    tp = (predicted & (truth == 1)).sum()
    assert 2 * tp / (predicted.sum() + truth.sum()) == evidence.metrics["f1"].value


def test_many_rows_are_sampled_and_their_number_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from tabproof.report import thresholds

    monkeypatch.setattr(thresholds, "MAX_ROWS", 50)
    rng = np.random.default_rng(0)
    p, y = rng.random(200), rng.integers(0, 2, 200)
    groups = {"g": (["a", "b"], rng.integers(0, 2, 200))}
    found = make_thresholds(evidence_of(), y, np.column_stack([1 - p, p]), groups)
    assert found is not None
    assert (found["n_rows"], found["n_all"]) == (50, 200)
    by_proba = {each: (y[n], groups["g"][1][n]) for n, each in enumerate(p)}
    truth = np.frombuffer(unpacked(found["truth"]), np.uint8)
    codes = np.frombuffer(unpacked(found["groups"][0]["codes"]), np.uint8)
    sampled = read_numbers(found["proba"]).tolist()
    assert [by_proba[each] for each in sampled] == list(zip(truth, codes, strict=True))


def test_there_is_no_threshold_of_many_labels_or_of_one() -> None:
    three = evidence_of(("a", "b", "c"))
    y, proba = np.array([0, 1, 2]), np.eye(3)
    assert make_thresholds(three, y, proba, {}) is None
    assert make_thresholds(evidence_of(), np.array([1, 1]), np.eye(2), {}) is None
    cheap = replace(evidence_of(), decision=Decision("default", None))
    found = make_thresholds(cheap, np.array([0, 1]), np.eye(2), {})
    assert found is not None
    assert (found["threshold"], found["costs"]) == (0.5, None)
