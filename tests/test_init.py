"""`init` looks at a file, proposes, and writes a dataset that trains."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import example, given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from tabproof.conf_files import choices
from tabproof.config import quoted
from tabproof.data.number_columns import AmbiguousNumbersError
from tabproof.errors import ColumnMissingError, InvalidValueError
from tabproof.init import init
from tabproof.init.command import (
    SUGGESTED,
    DatasetExistsError,
    NoTargetProposedError,
    StandardInputError,
    dataset_name,
)
from tabproof.init.looks import look_at, propose_target
from tabproof.init.page import _yaml
from tests.conftest import ROOT

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


@pytest.mark.parametrize("stem", ["1e39", "2024", "inf", "null", "True", "年度 2024", "a-b", "-x"])
def test_the_name_of_a_dataset_chooses_it_on_the_command_line(stem):
    name = dataset_name(f"{stem}.csv")
    (word,) = quoted([f"dataset={name}"])
    assert OverridesParser.create().parse_override(word).value() == name


# --- What only the user can decide.


@pytest.fixture
def amounts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [f"{10 + i},{100 + i * 7 % 900};{i % 7};{'ab'[i % 3 == 0]}" for i in range(N)]
    (tmp_path / "amounts.csv").write_text("\n".join(["amount;k;y", *rows]))
    return "amounts.csv"


@pytest.mark.parametrize(("place", "key", "value"), [(0, "thousands", ","), (1, "decimal", ",")])
def test_the_words_of_an_error_decide_and_are_written(amounts, place, key, value):
    with pytest.raises(AmbiguousNumbersError) as raised:
        init(amounts, **OPTIONS)
    words = [first or second for first, second in SUGGESTED.findall(str(raised.value))]
    init(amounts, [words[place]], **OPTIONS)
    written = OmegaConf.load(choices("dataset")["amounts"])
    assert written[key] == value


def test_words_of_train_are_checked_and_printed(amounts):
    words = ["dataset.decimal=,", "search=none", "dataset.drop_columns=k"]
    command = json.loads(init(amounts, words, **asked(as_json=True)))["command"]
    assert command.endswith("train dataset=amounts search=none")
    assert OmegaConf.load(choices("dataset")["amounts"]).drop_columns == ["k"]
    with pytest.raises(InvalidValueError, match=r"dataset\.decimal"):
        init(amounts, ["dataset.decimal=x"], **asked(force=True))


def test_what_says_the_same_as_the_target_is_proposed_to_be_left_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [f"{i % 11},{i * 7 % 5},{'YN'[i % 4 > 0]},{int(i % 4 == 0)}" for i in range(N)]
    (tmp_path / "x.csv").write_text("\n".join(["a,b,flag,churned", *rows]))
    assert "says what the target says" in init("x.csv", **OPTIONS)
    assert OmegaConf.load(choices("dataset")["x"]).drop_columns == ["flag"]


def test_standard_input_cannot_be_read_again():
    with pytest.raises(StandardInputError, match="give a file"):
        init("-", **OPTIONS)


@example("0?")
@example("?>")
@example(":0")
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.floats().map(repr))
def test_any_name_and_label_is_read_from_the_file_as_it_was(text):
    read = OmegaConf.create(f"one: {_yaml(text)}   # found\nlist: {_yaml([text, 'b'])}")
    assert OmegaConf.to_container(read, resolve=True) == {"one": text, "list": [text, "b"]}


def on_a_terminal(answers, *words, folder):
    """Return what a person sees who types these answers, one at each prompt."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "80"}
    command = [sys.executable, "-m", "tabproof", "init", *words]
    child = subprocess.Popen(
        command, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    seen, place = b"", 0
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the child has ended
            break
        if not part:
            break
        seen += part
        if answers and seen[place:].endswith(b": "):
            os.write(ours, answers.pop(0).encode() + b"\n")
            place = len(seen)
    os.close(ours)
    return child.wait(), seen.decode()


def test_a_terminal_is_asked_for_what_is_open_and_what_is_proposed(amounts, tmp_path):
    # Another target than there is, the proposed one; the second reading; then the proposals.
    answers = ["z", "", "2", "", "k"]
    code, seen = on_a_terminal(answers, amounts, folder=tmp_path)
    assert code == 0, seen
    assert "there is no column 'z'" in seen
    assert "1  dataset.thousands=," in seen
    written = OmegaConf.load(tmp_path / "conf/dataset/amounts.yaml")
    assert written.decimal == ","
    assert written.drop_columns == ["k"]


def test_ctrl_d_ends_it_in_one_line_and_writes_nothing(customers, tmp_path):
    code, seen = on_a_terminal(["\x04"], customers, folder=tmp_path)
    assert code != 0
    assert "Traceback" not in seen
    assert not (tmp_path / "conf").exists()


def test_nothing_that_learns_is_loaded(customers):
    code = f"""
import sys
from tabproof.init import init
init({customers!r}, **{OPTIONS!r})
print(*sorted({{"sklearn", "scipy", "hydra"}} & {{*sys.modules}}))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    assert done.stdout.strip() == ""
    assert Path("conf/.schema/dataset.json").is_file()
