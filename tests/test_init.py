"""`init` looks at a file, proposes, and writes a dataset that trains."""

import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabproof.conf_files import choices
from tabproof.errors import ColumnMissingError
from tabproof.init import init
from tabproof.init.command import DatasetExistsError, NoTargetProposedError, dataset_name
from tabproof.init.looks import look_at, propose_target

OPTIONS = {
    "name": None, "target": None, "pos_label": None, "yes": True, "as_json": False,
    "force": False, "dry_run": False,
}  # fmt: skip
N = 60


@pytest.fixture
def customers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = ["customer_id;when;age;plan;churned"]
    for i in range(N):
        when, age, label = f"2024-01-{1 + i // 2:02d}", 20 + i * 7 % 50, "no" if i % 4 else "yes"
        rows.append(f"C{i // 3:04d};{when};{age};{'ab'[i % 2]};{label}")
    (tmp_path / "customers.csv").write_text("\n".join(rows))
    return "customers.csv"


def asked(**changes):
    return {**OPTIONS, **changes}


def test_the_written_dataset_is_a_choice_of_its_group_and_names_what_was_found(customers):
    page = init(customers, **OPTIONS)
    text = choices("dataset")["customers"].read_text(encoding="utf-8")
    assert "target: churned\n" in text
    assert "pos_label: 'yes'" in text  # quoted: YAML reads a bare yes as a boolean
    assert "separator: ;" in text
    assert "dataset=customers" in page.splitlines()[-1]


def test_rows_of_one_subject_are_proposed_to_stay_together(customers):
    command = json.loads(init(customers, **asked(as_json=True)))["command"]
    assert command.endswith("dataset=customers cv=grouped cv.group_column=customer_id")


def test_a_dry_run_writes_nothing(customers, tmp_path):
    init(customers, **asked(dry_run=True))
    assert [path.name for path in tmp_path.iterdir()] == [customers]


def test_a_dataset_is_not_written_over_unless_forced(customers):
    init(customers, **OPTIONS)
    with pytest.raises(DatasetExistsError, match="customers"):
        init(customers, **OPTIONS)
    init(customers, **asked(force=True, target="plan"))
    assert "target: plan" in choices("dataset")["customers"].read_text(encoding="utf-8")


def test_a_packaged_dataset_is_not_hidden_by_accident(customers):
    with pytest.raises(DatasetExistsError):
        init(customers, **asked(name="adult"))


def test_a_target_that_is_not_there_is_refused_with_the_names(customers):
    with pytest.raises(ColumnMissingError, match="churned"):
        init(customers, **asked(target="churn"))


def test_a_table_without_classes_needs_a_target(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.csv").write_text("a,b\n" + "\n".join(f"{i},{i * i}" for i in range(N)))
    with pytest.raises(NoTargetProposedError, match="--target"):
        init("x.csv", **OPTIONS)


@pytest.mark.parametrize(
    ("columns", "target"),
    [
        ({"target": "ab", "z": "cd"}, "target"),
        ({"a": "ab", "結果": "はい", "z": "ab"}, "結果"),
        ({"a": "ab", "is_fraud": "01", "z": "ab"}, "is_fraud"),
        ({"a": "ab", "z": "cd"}, "z"),
        # Each value once is an id.
        ({"class": "ab", "z": None}, "class"),
        ({"a": None, "b": None}, None),
    ],
)
def test_a_target_is_proposed_by_its_name_then_by_its_place(columns, target):
    table = pa.table(
        {
            name: [values[i % 2] if values else str(i) for i in range(N)]
            for name, values in columns.items()
        }
    )
    assert propose_target(table, look_at(table)) == target


@given(st.text(max_size=40))
def test_a_dataset_has_a_name_for_any_file(stem):
    assert dataset_name(f"/data/{stem}.csv").replace("-", "_").isidentifier() or dataset_name(stem)
