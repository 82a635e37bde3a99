"""One cell has one meaning, whatever brings it: requests, tensors, files and frames.

A row has the bits of the same probability through every way that can carry it. Some cannot: JSON
has neither NaN nor dates, a tensor and a column of Parquet have one type, and binary tensors have
no null but NaN. Those pairs are left out.
"""

import json
from collections.abc import Collection, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tabproof as tp
from tabproof.experiment import run_experiment
from tabproof.service.inference_protocol import decode, rows_of
from tabproof.service.served_model import ServedModel, load_model
from tests.batch.scoring import read, score
from tests.conftest import QUICK, composed

NAN = float("nan")
MISSING = [None, NAN, "", "NA"]
DAY = date(2024, 3, 9)
# By column: cells that mean the same in each group.
MEANINGS: dict[str, list[list[Any]]] = {
    "amount": [[3, 3.0, "3", "3.0", " 3 ", "3e0", "３"], [2.5, "2.5"], MISSING, [-7, "-7"]],
    "price": [[1234, 1234.0, "1234", "1,234", "¥1,234", "￥1,234"], [88.5, "88.5"], MISSING],
    "member": [
        [True, "True", "true", "TRUE", "yes", "はい", 1, "1", 1.0, "1.0"],
        [False, "False", "false", "FALSE", "no", 0, "0", 0.0, "0.0"],
        MISSING,
        [2, "perhaps", "2.0"],
    ],
    "job": [["clerk"], ["smith"], ["never seen"], MISSING],
    "code": [[1, "1", 1.0, "1.0", "01"], [2, "2", 2.0], [7, "7", "7.0", "seven"], MISSING],
    "zip": [[102, "00102", 102.0, "102"], ["00107", 107], [99, "00099"], MISSING],
    "day": [
        [DAY, "2024-03-09", "2024-03-09 00:00:00", "9 March 2024", datetime(2024, 3, 9)],
        ["2023-12-31", date(2023, 12, 31)],
        MISSING,
    ],
    "note": [["late again and lost the parcel"], MISSING],
}
BASE = {
    "amount": 1.5, "price": "¥900", "member": True, "job": "clerk", "code": 1, "zip": "00104",
    "day": "2024-01-02", "note": "all is well with this customer today",
}  # fmt: skip
WORDS = [f"+dataset.column_types.{pair}" for pair in ("code=category", "note=text")]


class Cell(NamedTuple):
    """A cell, and the group of those that mean the same."""

    column: str
    group: int
    value: Any

    @property
    def row(self) -> dict[str, Any]:
        return {**BASE, self.column: self.value}


CELLS = [
    Cell(column, number, value)
    for column, groups in MEANINGS.items()
    for number, group in enumerate(groups)
    for value in group
]


def is_json(value: Any) -> bool:
    return value is None or (isinstance(value, str | int | float) and value == value)


def make_rows(n: int = 500) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    member, amount = rng.random(n) < 0.5, rng.normal(0, 5, n).round(2)
    job, code = rng.choice(["clerk", "farmer", "smith"], n), rng.integers(1, 4, n)
    zips, late = rng.integers(100, 110, n), rng.random(n) < 0.3
    days = pd.Timestamp("2023-06-01") + pd.to_timedelta(rng.integers(0, 365, n), "D")
    price = rng.integers(500, 5000, n)
    late_by_day = (days.month < 4).astype(int)
    total = 3.0 * member + amount / 5 + (job == "smith") + code + late + (zips > 104) + price / 1e3
    total = total + 2 * late_by_day + rng.normal(0, 1, n)
    notes = np.where(late, "late again and lost the parcel", "all is well with this customer")
    frame = pd.DataFrame(
        {
            "amount": amount,
            "price": [f"¥{each:,}" for each in price],
            "member": member,
            "job": job,
            "code": code,
            "zip": [f"{each:05}" for each in zips],
            "day": days.strftime("%Y-%m-%d"),
            "note": [
                f"{note} {word}" for note, word in zip(notes, rng.choice([*"abc"], n), strict=True)
            ],
            "bought": np.where(total > np.median(total), "yes", "no"),
        }
    ).astype({"member": "object", "amount": "object"})
    for name in BASE:
        frame.loc[rng.random(n) < 0.1, name] = None
    # Whole numbers with gaps, as pandas has them.
    return frame.astype({"code": "Int64"})


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cells") / "train.csv"
    make_rows().to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def of_file(source: Path) -> Path:
    table = [f"dataset.path={source}", "dataset.target=bought"]
    run_experiment(composed("dataset=file", *table, *WORDS, "search=none"), source.parent / "run")
    return source.parent / "run"


@pytest.fixture(scope="module")
def model(of_file: Path) -> ServedModel:
    return load_model(of_file, name="cells", source="outputs/cells")


def probability(model: ServedModel, row: dict[str, Any]) -> float:
    return float(model.predict_row(row, strict=False).probabilities["yes"])


@pytest.fixture(scope="module")
def expected(model: ServedModel) -> dict[tuple[str, int], float]:
    """Predict the first cell of each group that JSON can carry."""
    found: dict[tuple[str, int], float] = {}
    for cell in CELLS:
        if is_json(cell.value) and (cell.column, cell.group) not in found:
            found[cell.column, cell.group] = probability(model, cell.row)
    return found


def check(cells: list[Cell], proba: Any, expected: dict[tuple[str, int], float]) -> None:
    pairs = zip(cells, map(float, proba), strict=True)
    wrong = [(c, p) for c, p in pairs if p != expected[c.column, c.group]]
    assert not wrong


def test_the_model_uses_every_column(expected: dict[tuple[str, int], float]) -> None:
    for column, groups in MEANINGS.items():
        found = [expected[column, number] for number in range(len(groups))]
        # An unseen category may be worth what a missing one is.
        assert len({*found}) >= min(len(groups), 2), column
    assert len({expected["member", number] for number in range(3)}) == 3


def test_rows_of_json(model: ServedModel, expected: dict[tuple[str, int], float]) -> None:
    cells = [cell for cell in CELLS if is_json(cell.value)]
    check(cells, [probability(model, cell.row) for cell in cells], expected)
    batch = model.predict_rows([cell.row for cell in cells], strict=False)
    check(cells, batch.probabilities["yes"], expected)


DATATYPES = {bool: "BOOL", int: "INT64", float: "FP64", str: "BYTES"}


def infer(model: ServedModel, row: dict[str, Any], *, binary: bool) -> float:
    inputs: list[dict[str, Any]] = []
    tail = b""
    for name, value in row.items():
        tensor = {"name": name, "shape": [1], "datatype": DATATYPES.get(type(value), "FP64")}
        if binary:
            content = np.array([NAN if value is None else value]).tobytes()
            if isinstance(value, str):
                content = len(value.encode()).to_bytes(4, "little") + value.encode()
            tensor["parameters"] = {"binary_data_size": len(content)}
            tail += content
        else:
            tensor["data"] = [value]
        inputs.append(tensor)
    head = json.dumps({"inputs": inputs}).encode()
    request = decode(head + tail, str(len(head)).encode() if binary else None, 100)
    batch = model.predict_rows(rows_of(request, model), strict=False)
    return float(batch.probabilities["yes"][0])


def test_tensors(model: ServedModel, expected: dict[tuple[str, int], float]) -> None:
    for binary in (False, True):
        cells = [c for c in CELLS if is_json(c.value) or (binary and c.value != c.value)]
        check(cells, [infer(model, cell.row, binary=binary) for cell in cells], expected)


@pytest.mark.parametrize("data", [[True], [1], [1.0]])
def test_a_tensor_of_truth_values_has_numbers_too(model: ServedModel, data: list[Any]) -> None:
    tensor = {"name": "member", "shape": [1], "datatype": "BOOL", "data": data}
    request = decode(json.dumps({"inputs": [tensor]}).encode(), None, 100)
    assert rows_of(request, model) == [{"member": True}]


def test_a_csv(of_file: Path, tmp_path: Path, expected: dict[tuple[str, int], float]) -> None:
    pd.DataFrame([cell.row for cell in CELLS], dtype="object").to_csv(
        tmp_path / "in.csv", index=False
    )
    score(f"run={of_file}", f"input={tmp_path}/in.csv", f"output={tmp_path}/out.parquet")
    check(CELLS, read(tmp_path / "out.parquet")["proba_yes"], expected)


WHOLE = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.float32(), pa.decimal128(30, 2)]
UNSIGNED = [pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]
TEXTS = [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]
# By the type of a cell: the types of Arrow that carry it.
TYPES: dict[type, list[pa.DataType]] = {
    bool: [pa.bool_()],
    int: [*WHOLE, *UNSIGNED],
    float: [pa.float64(), pa.float32()],
    str: TEXTS,
    datetime: [pa.timestamp("ns"), pa.timestamp("us"), pa.timestamp("s")],
    date: [pa.date32(), pa.date64(), pa.timestamp("ms")],
    type(None): [pa.null()],
}


def tables(columns: Collection[str]) -> Iterator[tuple[list[Cell], pa.Table]]:
    """Yield tables for each column and each type that has cells of it, nulls in all of them."""
    for column, kind in ((column, kind) for column in columns for kind in TYPES):
        own = [cell for cell in CELLS if cell.column == column and type(cell.value) is kind]
        nulls = [cell for cell in CELLS if cell.column == column and cell.value is None]
        for each in TYPES[kind] if own else ():
            is_short = pa.types.is_integer(each) and each.bit_width == 8
            cells = [
                cell
                for cell in own
                if not (is_short and cell.value >= 128)
                if not (each in UNSIGNED and cell.value < 0)
            ]
            cells += [] if kind is type(None) else nulls
            values = pa.array([cell.value for cell in cells]).cast(each)
            others = {
                name: pa.array([value] * len(cells))
                for name, value in BASE.items()
                if name != column
            }
            yield cells, pa.table({**others, column: values})


def test_parquet(of_file: Path, tmp_path: Path, expected: dict[tuple[str, int], float]) -> None:
    (tmp_path / "in").mkdir()
    made = [*tables(MEANINGS)]
    for number, (_, table) in enumerate(made):
        pq.write_table(table, tmp_path / "in" / f"{number:04}.parquet")
    score(f"run={of_file}", f"input={tmp_path}/in", f"output={tmp_path}/out.parquet")
    cells = [cell for some, _ in made for cell in some]
    check(cells, read(tmp_path / "out.parquet")["proba_yes"], expected)


def frames(cells: list[Cell], table: pa.Table) -> Iterator[Any]:
    """Yield cells as frames of every library, with the types that each gives its columns."""
    yield table
    yield pl.from_arrow(table)
    yield table.to_pandas(types_mapper=pd.ArrowDtype)
    yield table.to_pandas()
    frame = pd.DataFrame([cell.row for cell in cells])
    yield frame
    yield frame.convert_dtypes()
    yield frame.astype("object")
    yield frame.astype("object").astype("category")
    yield frame.to_numpy()


# Columns whose types differ most.
QUICK_COLUMNS = ("member", "code", "day")
SLOW_COLUMNS = sorted(MEANINGS.keys() - {*QUICK_COLUMNS})


@pytest.mark.parametrize(
    "column",
    [*QUICK_COLUMNS, *(pytest.param(each, marks=pytest.mark.slow) for each in SLOW_COLUMNS)],
)
def test_frames(of_file: Path, expected: dict[tuple[str, int], float], column: str) -> None:
    estimator, run = joblib.load(of_file / "estimator.joblib"), tp.load_run(of_file)
    for cells, table in tables([column]):
        # Cells that are read alike have the same probability.
        read_cells = estimator.read(table)
        for frame in frames(cells, table):
            pd.testing.assert_frame_equal(estimator.read(frame), read_cells, check_exact=True)
        check(cells, estimator.predict_proba(table)[:, 1], expected)
        check(cells, run.predict_proba(table)["yes"], expected)


def test_the_frame_that_pandas_reads_from_the_file_of_training(of_file: Path, source: Path) -> None:
    frame = pd.read_csv(source)
    assert frame["member"].dtype == object
    assert frame["zip"].dtype == float
    held_out = tp.load_run(of_file).predictions().set_index("row_id")
    estimator = joblib.load(of_file / "estimator.joblib")
    proba = estimator.predict_proba(frame.loc[held_out.index])
    np.testing.assert_array_equal(proba, held_out[["proba_no", "proba_yes"]].to_numpy())
    full = frame.dropna(subset="member").astype({"member": bool})
    np.testing.assert_array_equal(
        estimator.predict_proba(full), estimator.predict_proba(frame.loc[full.index])
    )


def test_training_on_a_frame_reads_the_cells_of_the_file(
    of_file: Path, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    frame = pd.read_csv(source, dtype={"zip": "str"})
    run = tp.train(frame, *WORDS, target="bought", search="none", **QUICK)
    theirs = tp.load_run(of_file).predictions()
    pd.testing.assert_frame_equal(run.predictions(), theirs, check_exact=True)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_rows_of_any_spellings(of_file: Path, model: ServedModel, data: st.DataObject) -> None:
    plain: dict[str, Any] = {}
    spelled: dict[str, Any] = {}
    for column, groups in MEANINGS.items():
        group = data.draw(st.sampled_from(groups))
        plain[column] = next(value for value in group if is_json(value))
        spelled[column] = data.draw(st.sampled_from(group))
    expected = probability(model, plain)
    if all(map(is_json, spelled.values())):
        assert probability(model, spelled) == expected
    estimator = joblib.load(of_file / "estimator.joblib")
    for frame in (pd.DataFrame([spelled]), pd.DataFrame([spelled], dtype="object"), [spelled]):
        assert estimator.predict_proba(frame)[0, 1] == expected
