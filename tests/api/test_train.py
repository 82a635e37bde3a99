"""tabproof.train: the bytes of the command line, from words and from frames."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tabproof as tp
from tabproof import config as conf
from tabproof.errors import UserError
from tabproof.kernels import VARIABLES, processor_level
from tests.api.conftest import make_frame
from tests.config.composing import config
from tests.conftest import QUICK, process, quickly

# Made in a process that has loaded numpy with as many threads as it likes.
IN_PYTHON = """
import json, sys
import numpy as np
np.ones((300, 300)) @ np.ones((300, 300))
import tabproof as tp
run = tp.train(*json.loads(sys.argv[1]))
"""
TIMES = ["mean_fit_time", "std_fit_time", "mean_score_time", "std_score_time"]
# What differs between two executions of the same run.
OF_AN_EXECUTION = {"seconds", "row_microseconds", "git", "workers"}


KERNELS = VARIABLES.get(processor_level() or "", {})


def in_python(
    words: list[str],
    folder: Path,
    threads: str | None = None,
    kernels: Mapping[str, str] = KERNELS,
) -> str:
    """Train in a program that has loaded numpy, with these kernels; return what it prints."""
    free = {name: value for name, value in os.environ.items() if not name.endswith("_THREADS")}
    limits = {} if threads is None else {"OMP_NUM_THREADS": threads}
    done = subprocess.run(
        [sys.executable, "-c", IN_PYTHON, json.dumps(words)],
        cwd=folder,
        env={**free, **kernels, **limits},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "Error" not in done.stderr
    return done.stdout + done.stderr


def contents(run: Path) -> dict[str, Any]:
    """Return all of a run that the law is about."""
    summary = json.loads((run / "summary.json").read_bytes())
    results = pd.read_csv(run / "cv_results.csv").drop(columns=TIMES, errors="ignore")
    return {
        "summary": {key: each for key, each in summary.items() if key not in OF_AN_EXECUTION},
        "cv_results": results.to_csv(),
        "predictions": (run / "predictions.parquet").read_bytes(),
        "evaluation": (run / "evaluation.json").read_bytes(),
        "scorer": {path.name: path.read_bytes() for path in (run / "scorer").iterdir()},
        "schema": (run / "schema.json").read_bytes(),
        "config": (run / "config.yaml").read_bytes(),
        "overrides": [
            each
            for each in (run / ".hydra" / "overrides.yaml").read_text().splitlines()
            if "hydra.run.dir" not in each
        ],
        "files": sorted(
            path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()
        ),
    }


@pytest.mark.parametrize(
    "words",
    [
        ["dataset=breast_cancer", "search=none", "model=logistic_regression", "runtime.workers=2"],
        pytest.param(
            ["dataset=wine", "search=fast", "model=logistic_regression", "calibration=sigmoid"],
            marks=pytest.mark.slow,
        ),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_python_and_the_command_line_write_the_same_bytes(words: list[str], tmp_path: Path) -> None:
    ours, theirs = in_both_ways(words, tmp_path)
    for part, content in theirs.items():
        assert ours[part] == content, part


def in_both_ways(words: list[str], tmp_path: Path, *of_command: str) -> list[dict[str, Any]]:
    """Return the contents of a run from Python, and of one from the command line."""
    words = [*words, *quickly(words)]
    here, there = tmp_path / "python", tmp_path / "command"
    for folder in (here, there):
        folder.mkdir()
    in_python([*words, f"hydra.run.dir={here}/run"], here)
    free = {name: value for name, value in os.environ.items() if not name.endswith("_THREADS")}
    done = process("train", *words, *of_command, f"hydra.run.dir={there}/run", env=free)
    assert done.returncode == 0, done.stderr
    return [contents(folder / "run") for folder in (here, there)]


@pytest.mark.skipif(not KERNELS, reason="kernels are fixed on x86-64 with Linux only")
def test_a_program_with_other_kernels_is_told_that_its_run_is_not_portable(tmp_path: Path) -> None:
    words = ["dataset=wine", "search=none", "model=logistic_regression"]
    where = [*words, *quickly(words), f"hydra.run.dir={tmp_path}/run"]
    said = in_python(where, tmp_path, kernels={"OPENBLAS_CORETYPE": "Prescott"})
    assert said.count("runtime.portable: not the kernels of x86-64-") == 1
    summary = json.loads((tmp_path / "run" / "summary.json").read_bytes())
    assert "level" not in summary["platform"]
    assert {library.split()[-1] for library in summary["platform"]["blas"]} != {"Haswell"}


@pytest.mark.slow
def test_groups_are_kept_together_by_any_number_of_workers_in_both_ways(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(40), 5)
    notes = [" ".join(f"w{word}" for word in rng.integers(0, 300, 8)) for _ in range(40)]
    columns = {"who": who, "note": [notes[w] for w in who], "age": rng.normal(size=len(who))}
    path = tmp_path / "visits.csv"
    pd.DataFrame({**columns, "label": np.array(["no", "yes"])[who % 2]}).to_csv(path, index=False)
    words = [f"dataset.path={path}", "dataset.target=label", "cv=grouped", "cv.group_column=who"]
    words += ["model=logistic_regression", "calibration=sigmoid", "runtime.workers=1"]
    ours, theirs = in_both_ways(words, tmp_path, "runtime.workers=2")
    for part in theirs.keys() - {"config", "overrides"}:
        assert ours[part] == theirs[part], part
    assert "note (score)" in theirs["scorer"]["scorer.json"].decode()


def test_a_frame_and_a_file_of_it_are_one_run(
    folder: Path, frame: pd.DataFrame, trained: tp.Run
) -> None:
    frame.to_parquet(folder / "table.parquet", index=False)
    words = ["search=none", *quickly([])]
    by_path = tp.train("table.parquet", *words, target="churned")
    by_word = tp.train(
        "dataset=file", "dataset.path=table.parquet", *words, {"dataset.target": "churned"}
    )
    assert trained.run_id == by_path.run_id == by_word.run_id
    for run in (by_path, by_word):
        assert run.predictions().equals(trained.predictions())


def test_a_run_from_python_lies_where_the_command_line_puts_it(folder: Path) -> None:
    run = tp.train("dataset=wine", {"seed": 7}, search="none", **QUICK)
    assert run.path.parents[1] == folder / "outputs"
    assert run.path.name[8:].startswith("_wine_none_")
    assert (folder / "outputs" / "latest").resolve() == run.path
    assert conf.command_of(run.path) == [
        *("python", "-m", "src.train", "dataset=wine", "seed=7", "search=none"),
        *quickly([]),
    ]
    assert "[RESULT] ds=builtin_wine" in (run.path / "train.log").read_text()


def polars_frame() -> Any:
    return pytest.importorskip("polars").from_pandas(make_frame())


def arrow_table() -> Any:
    import pyarrow as pa

    return pa.Table.from_pandas(make_frame())


def records() -> list[dict[str, Any]]:
    return make_frame().to_dict("records")


def named_index() -> pd.DataFrame:
    return make_frame().set_index("age")[["job", "size", "churned"]]


def other_index() -> pd.DataFrame:
    frame = make_frame()
    return frame.set_axis([f"row {n}" for n in frame.index])


@pytest.mark.parametrize(
    "make",
    [polars_frame, arrow_table, records, named_index, other_index],
    ids=lambda make: make.__name__,
)
def test_every_kind_of_table_is_the_same_run(make: Any, folder: Path, trained: tp.Run) -> None:
    run = tp.train(make(), target="churned", search="none", **QUICK)
    assert run.run_id == trained.run_id
    assert not list(folder.glob("*.parquet"))


@pytest.mark.slow
def test_the_data_replays_from_the_run_or_its_fingerprint_is_named(
    folder: Path, frame: pd.DataFrame, trained: tp.Run
) -> None:
    assert (trained.path / "data.parquet").is_file()
    done = process("replay", trained.path, "--check", cwd=folder)
    assert "nothing differs" in done.stdout, done.stderr
    assert done.returncode == 0
    run = tp.train(frame, target="churned", search="none", **QUICK)
    done = process("replay", run.path, "--check", cwd=folder)
    assert done.returncode == 2
    assert run.summary.data.sha256[:16] in done.stderr
    assert "dataset.path=" in done.stderr
    frame.to_parquet(folder / "copy.parquet")
    done = process("replay", run.path, "dataset.path=copy.parquet", "--check", cwd=folder)
    assert "nothing differs" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("data", "choices", "words"),
    [
        ([], {"serach": "fast"}, "there is no key 'serach'; did you mean search?"),
        ([], {"search": "quick"}, "there is no such choice"),
        ([{"search.n_splits": 1}], {}, "search.n_splits=1 cannot work"),
        (["-m", "dataset=wine,iris"], {}, "makes one run"),
        (["dataset=wine,iris"], {}, "needs -m"),
        ([make_frame()], {}, "target must be given"),
        ([make_frame(), "dataset=wine"], {"target": "churned"}, "a table is given"),
        ([make_frame()], {"target": "chrned"}, "there is no column 'chrned'"),
        (["no.csv"], {"target": "churned"}, "no.csv: there is nothing"),
        ([make_frame()["age"]], {"target": "age"}, "is no table"),
    ],
)
def test_a_mistake_is_raised_in_one_line_and_leaves_nothing(
    data: list[Any], choices: dict[str, Any], words: str, folder: Path, capfd: Any
) -> None:
    with pytest.raises(UserError) as raised:
        tp.train(*data, **choices)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not list(folder.glob("*/*"))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "value",
    [
        *("a", "", "null", "true", "1e3", "y,z", "${y}", r"\${y}", "a'b", 'a"b', r"a\"b", "a\\"),
        *("年齢 (歳)", "x=y", "[a]", "{a: 1}", " a ", 1, 0.1, 1e-7, True, None, [], ["x", "${y}"]),
        *({}, {"zip": "category"}, ["a,b", "c"]),
    ],
    ids=repr,
)
def test_a_value_of_python_is_that_value_in_the_configuration(value: Any) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from omegaconf import OmegaConf

    (word,) = conf.overrides_of({"search.x": value})
    parsed = OverridesParser.create().parse_override(word)
    assert parsed.key_or_group == "search.x"
    found = OmegaConf.to_container(OmegaConf.create({"x": parsed.value()}), resolve=True)
    assert found == {"x": value}


def test_a_key_of_the_dataset_needs_no_prefix() -> None:
    words = conf.overrides_of({"target": "y", "drop_columns": ["a b"], "seed": 1, "cv": "grouped"})
    assert words == ["dataset.target=y", "dataset.drop_columns=[a b]", "seed=1", "cv=grouped"]


@pytest.mark.usefixtures("folder")
def test_skip_completed_returns_the_run_that_is_there() -> None:
    first = tp.train("dataset=wine", search="none", **QUICK)
    again = tp.train("dataset=wine", search="none", skip_completed=True, **QUICK)
    assert again.path == first.path
    assert len(tp.runs()) == 1


@pytest.mark.parametrize("name", ["年齢 (歳)", "a,b", "a: b", "a.b=c", "${y}", "{x}", " a"])
def test_any_name_of_a_column_may_be_chosen(name: str) -> None:
    chosen = {"path": "t.csv", "target": name, "drop_columns": [name, "z"], "keep": [name]}
    words = conf.overrides_of({**chosen, "column_types": {name: "category"}})
    dataset = config(*conf.train_words(words)).dataset
    assert dataset.target == name
    assert list(dataset.drop_columns) == [name, "z"]
    assert {key: kind.name for key, kind in dataset.column_types.items()} == {name: "category"}
