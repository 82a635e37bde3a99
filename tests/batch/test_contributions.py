"""`explain=true` adds to each row what its columns add to the prediction."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tabproof.artifacts import manifest as manifests
from tabproof.artifacts.manifest import read_verified
from tabproof.batch.cells import WantedColumn
from tabproof.batch.scoring import KeptColumnError, Model, output_schema
from tests.batch.making import make_model
from tests.batch.scoring import N_ROWS, read, score, stopped, write_csv
from tests.scorer.fitted import with_arrays

NAMES = ["amount", "visits", "city", "member", "code"]
N_EXPLAINED = 800
OWN = ["base_value", *(f"contribution_{name}" for name in NAMES)]


@pytest.fixture(scope="module")
def source(rows: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explained")
    rows.head(N_EXPLAINED).to_parquet(folder / "in.parquet", row_group_size=350)
    return folder / "in.parquet"


def test_they_add_up_to_the_log_odds_and_change_nothing_else(
    model: Path, source: Path, expected: np.ndarray, tmp_path: Path
) -> None:
    words = (f"run={model}", f"input={source}", "keep=id")
    score(*words, f"output={tmp_path / 'plain.parquet'}")
    score(*words, f"output={tmp_path / 'out.parquet'}", "explain=true", "batch_rows=200")
    found, plain = read(tmp_path / "out.parquet"), read(tmp_path / "plain.parquet")
    assert list(found) == ["row", "proba_no", "proba_yes", "label", *OWN, "id"]
    pd.testing.assert_frame_equal(found.drop(columns=OWN), plain)
    log_odds = np.log(expected[:, 1] / expected[:, 0])[:N_EXPLAINED]
    np.testing.assert_allclose(found[OWN].sum(axis=1), log_odds, rtol=0, atol=1e-9)
    assert found["base_value"].nunique() == 1
    assert (found[OWN[1:]].abs().mean() > 0.01).all()


def test_a_csv_holds_the_same_numbers(
    model: Path, source: Path, rows: pd.DataFrame, tmp_path: Path
) -> None:
    write_csv(rows.head(N_EXPLAINED), tmp_path / "in.csv")
    options = ("explain=true", "batch_rows=300")
    score(f"run={model}", f"input={source}", f"output={tmp_path / 'a.parquet'}", *options)
    score(f"run={model}", f"input={tmp_path / 'in.csv'}", f"output={tmp_path / 'b.csv'}", *options)
    found, wanted = read(tmp_path / "b.csv"), read(tmp_path / "a.parquet")
    # Of a CSV a piece has other rows, so the last bits of sums may differ.
    np.testing.assert_allclose(found[OWN], wanted[OWN], rtol=0, atol=1e-12)


def test_workers_change_no_byte(model: Path, source: Path, tmp_path: Path) -> None:
    words = (f"run={model}", f"input={source}", "explain=true", "batch_rows=300")
    for workers in (1, 2):
        score(*words, f"output={tmp_path / f'{workers}.csv'}", f"workers={workers}")
    assert (tmp_path / "1.csv").read_bytes() == (tmp_path / "2.csv").read_bytes()


def test_rows_that_are_bad_are_absent_and_an_output_may_have_none(
    model: Path, rows: pd.DataFrame, tmp_path: Path
) -> None:
    frame = rows.head(40).astype({"amount": object})
    frame.loc[::2, "amount"] = "broken"
    write_csv(frame, tmp_path / "in.csv")
    write_csv(frame.loc[::2], tmp_path / "bad.csv")
    words = (f"run={model}", "explain=true")
    score(*words, f"input={tmp_path / 'in.csv'}", f"output={tmp_path / 'out.csv'}")
    found = read(tmp_path / "out.csv")
    assert found["row"].tolist() == [*range(1, 40, 2)]
    log_odds = np.log(found["proba_yes"] / found["proba_no"])
    np.testing.assert_allclose(found[OWN].sum(axis=1), log_odds, rtol=0, atol=1e-9)
    score(*words, f"input={tmp_path / 'bad.csv'}", f"output={tmp_path / 'none.parquet'}")
    nothing = read(tmp_path / "none.parquet")
    assert list(nothing) == list(found)
    assert len(nothing) == 0


@pytest.fixture(scope="module")
def long_source(rows: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("long") / "in.parquet"
    pd.concat([rows] * 10, ignore_index=True).to_parquet(path)
    return path


@pytest.mark.slow
def test_a_killed_command_continues_to_the_same_bytes(
    model: Path, long_source: Path, tmp_path: Path
) -> None:
    words = [f"run={model}", f"input={long_source}", "explain=true", "batch_rows=500", "workers=1"]
    score(*words, f"output={tmp_path / 'whole.parquet'}")
    output = tmp_path / "killed.parquet"
    code, _ = stopped([*words, f"output={output}"], Path(f"{output}.parts"), 9)
    assert code == -9
    assert "resuming" in score(*words, f"output={output}")
    assert output.read_bytes() == (tmp_path / "whole.parquet").read_bytes()


@pytest.mark.slow
def test_parts_without_them_are_not_those_of_this_command(
    model: Path, long_source: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.parquet"
    words = [f"run={model}", f"input={long_source}", f"output={output}", "batch_rows=200"]
    stopped(words, Path(f"{output}.parts"), 9)
    said = score(*words, "explain=true")
    assert "belongs to another model, input or option" in said
    assert len(read(output)[OWN]) == 10 * N_ROWS


def test_a_model_that_cannot_be_explained_is_refused_before_anything_is_read(
    model: Path, source: Path, tmp_path: Path
) -> None:
    older = Path(shutil.copytree(model, tmp_path / "run"))
    run = read_verified(model, lambda name: name.startswith("scorer/"))
    for name, content in with_arrays(run.files, trees__covers=None).items():
        (older / name).write_bytes(content)
    manifests.seal(older, run.run_id)
    words = (f"run={older}", f"input={source}", f"output={tmp_path / 'out.csv'}")
    said = score(*words, "explain=true", code=2)
    assert "cannot be explained" in said.splitlines()[-1]
    assert "train it again" in said.splitlines()[-1]
    assert not (tmp_path / "out.csv").exists()
    score(*words)


def test_a_kept_column_of_the_same_name_is_refused() -> None:
    wanted = [WantedColumn("a")]
    plain = make_model(wanted)
    explained = Model(**{**vars(plain), "explain": lambda _columns, _proba: None})
    for name in ("base_value", "contribution_a"):
        assert output_schema(plain, {name: pa.int64()}).names[-1] == name
        with pytest.raises(KeptColumnError, match=name):
            output_schema(explained, {name: pa.int64()})
