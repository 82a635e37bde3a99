"""Batch scoring gives the pipeline's numbers, whatever the cells come in."""

import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.batch.scoring import N_ROWS, command, names_in, read, score, write_csv
from tests.conftest import ROOT, typed_in


def replaced(table: pa.Table, name: str, column: pa.ChunkedArray) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, column)


TYPED: dict[str, Callable[[pa.Table], pa.Table]] = {
    "as they are": lambda table: table,
    "dictionaries": lambda t: replaced(t, "city", t["city"].dictionary_encode()),
    "large strings": lambda t: replaced(t, "city", t["city"].cast(pa.large_string())),
    "floats for codes": lambda t: replaced(t, "code", t["code"].cast(pa.float64())),
    "short whole numbers": lambda t: replaced(t, "visits", t["visits"].cast(pa.uint8())),
    "decimals": lambda t: replaced(t, "visits", t["visits"].cast(pa.decimal128(20, 1))),
}


@pytest.mark.parametrize("kind", TYPED)
def test_parquet_gives_the_pipelines_bits(
    kind: str, model: Path, rows: pd.DataFrame, expected: np.ndarray, tmp_path: Path
) -> None:
    table = TYPED[kind](pa.Table.from_pandas(rows))
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=700)
    score(
        f"run={model}",
        f"input={tmp_path / 'in.parquet'}",
        f"output={tmp_path / 'out.parquet'}",
        "batch_rows=400",
    )
    found = read(tmp_path / "out.parquet")
    np.testing.assert_array_equal(found[["proba_no", "proba_yes"]], expected)
    np.testing.assert_array_equal(found["row"], np.arange(N_ROWS))
    labels = np.where(expected[:, 1] > 0.5, "yes", "no")
    np.testing.assert_array_equal(found["label"], labels)
    assert list(found) == ["row", "proba_no", "proba_yes", "label"]


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".parquet"])
def test_csv_gives_the_pipelines_bits(
    ending: str, model: Path, rows: pd.DataFrame, expected: np.ndarray, tmp_path: Path
) -> None:
    source = write_csv(rows, tmp_path / "in.csv.gz")
    output = tmp_path / f"out{ending}"
    said = score(f"run={model}", f"input={source}", f"output={output}", "batch_rows=300", "keep=id")
    found = read(output)
    np.testing.assert_array_equal(found[["proba_no", "proba_yes"]], expected)
    np.testing.assert_array_equal(found["id"], rows["id"])
    assert f"[SCORED] rows={N_ROWS} " in said
    assert f"unseen={(rows['city'] == 'Atlantis').sum()} " in said
    assert "! categories that training never saw: 'city' (60)" in said
    assert "! numbers outside of the training range: 'amount' (" in said


def test_codes_with_gaps_are_known_as_pandas_writes_them(
    model: Path, rows: pd.DataFrame, tmp_path: Path
) -> None:
    gaps = rows.assign(code=rows["code"].astype(float).mask(rows.index % 7 == 0))
    gaps.to_parquet(tmp_path / "in.parquet")
    source = write_csv(gaps, tmp_path / "in.csv")
    assert "3.0" in pd.read_csv(source, dtype=str)["code"].tolist()
    n_unseen = (rows["city"] == "Atlantis").sum()
    for path, output in ((tmp_path / "in.parquet", "typed.csv"), (source, "text.csv")):
        said = score(f"run={model}", f"input={path}", f"output={tmp_path / output}")
        assert f" unseen={n_unseen} " in said
    assert (tmp_path / "text.csv").read_bytes() == (tmp_path / "typed.csv").read_bytes()


@pytest.mark.parametrize(
    ("separator", "encoding", "decimal"),
    [(";", "utf-8-sig", ","), (r"\t", "cp932", "."), (",", "utf-16", "."), ("|", "euc_jp", ",")],
)
def test_other_forms_of_csv_give_the_same(
    separator: str,
    encoding: str,
    decimal: str,
    model: Path,
    rows: pd.DataFrame,
    expected: np.ndarray,
    tmp_path: Path,
) -> None:
    letter = "\t" if separator == r"\t" else separator
    path = tmp_path / "in.csv"
    rows.to_csv(path, index=False, sep=letter, encoding=encoding, decimal=decimal)
    score(
        f"run={model}",
        f"input={path}",
        f"output={tmp_path / 'out.parquet'}",
        f"separator={separator}",
        f"encoding={encoding}",
        f"decimal={decimal}",
        "batch_rows=100",
    )
    found = read(tmp_path / "out.parquet")
    np.testing.assert_array_equal(found[["proba_no", "proba_yes"]], expected)


def test_standard_streams_carry_answers_alone(
    model: Path, rows: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_csv(rows, tmp_path / "in.csv")
    with source.open() as stream, monkeypatch.context() as patch:
        patch.setattr(sys, "stdin", stream)
        done = typed_in("score", f"run={model}", "input=-", "output=-")
    assert done.returncode == 0, done.stderr
    score(f"run={model}", f"input={source}", f"output={tmp_path / 'out.csv'}")
    assert done.stdout.encode() == (tmp_path / "out.csv").read_bytes()
    assert "[SCORED]" in done.stderr


def test_standard_input_may_be_gzipped_or_in_utf_16(
    model: Path, rows: pd.DataFrame, tmp_path: Path
) -> None:
    content = write_csv(rows, tmp_path / "in.csv").read_bytes()
    found = []
    for sent in (content, gzip.compress(content), content.decode().encode("utf-16")):
        words = command(f"run={model}", "input=-", "output=-")
        done = subprocess.run(words, cwd=ROOT, input=sent, capture_output=True, check=True)
        found.append(done.stdout)
    assert found[0].count(b"\n") == N_ROWS + 1
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("mark", [b"PAR1", b"\x28\xb5\x2f\xfd", b"PK\x03\x04"])
def test_standard_input_of_another_kind_is_refused(model: Path, mark: bytes) -> None:
    words = command(f"run={model}", "input=-", "output=-")
    sent = mark + b"\0" * 99
    done = subprocess.run(words, cwd=ROOT, input=sent, capture_output=True, check=False)
    assert done.returncode == 2
    assert b"standard input cannot be read: it is neither text nor" in done.stderr


def test_a_directory_becomes_a_directory_or_one_file(
    model: Path, rows: pd.DataFrame, expected: np.ndarray, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    rows[:1000].to_parquet(tmp_path / "in" / "a.parquet")
    write_csv(rows[1000:2500], tmp_path / "in" / "b.csv")
    write_csv(rows[2500:], tmp_path / "in" / "c.csv.gz")
    (tmp_path / "in" / "notes.txt").write_text("no table")
    write_csv(rows, tmp_path / "in" / "a.parquet.bad.csv")
    each = score(f"run={model}", f"input={tmp_path / 'in'}", f"output={tmp_path / 'out'}")
    assert f"rows={N_ROWS} " in each
    assert names_in(tmp_path / "out") == ["a.parquet", "b.csv", "c.csv.gz"]
    found = pd.concat([read(path) for path in sorted((tmp_path / "out").iterdir())])
    np.testing.assert_array_equal(found["proba_yes"], expected[:, 1])
    score(f"run={model}", f"input={tmp_path / 'in'}", f"output={tmp_path / 'all.parquet'}")
    joined = read(tmp_path / "all.parquet")
    np.testing.assert_array_equal(joined["proba_yes"], expected[:, 1])
    np.testing.assert_array_equal(joined["row"], np.arange(N_ROWS))


def test_a_promoted_name_names_its_copy(model: Path, rows: pd.DataFrame, tmp_path: Path) -> None:
    models = tmp_path / "models"
    assert typed_in("runs", "promote", model, "--name", "shop", "--models", models).returncode == 0
    source = write_csv(rows, tmp_path / "in.csv")
    said = score("run=shop", f"models={models}", f"input={source}", f"output={tmp_path / 'o.csv'}")
    assert f"{models / 'shop'}" in said


def test_kept_columns_are_those_of_the_input(
    model: Path, rows: pd.DataFrame, tmp_path: Path
) -> None:
    rows.to_parquet(tmp_path / "in.parquet")
    words = [f"run={model}", f"input={tmp_path / 'in.parquet'}", "keep=all", "batch_rows=700"]
    score(*words, f"output={tmp_path / 'out.parquet'}")
    found = read(tmp_path / "out.parquet")[list(rows)]
    pd.testing.assert_frame_equal(found, read(tmp_path / "in.parquet"))
    source = write_csv(rows, tmp_path / "in.csv")
    score(f"run={model}", f"input={source}", f"output={tmp_path / 'out.csv'}", "keep=all")
    texts = [
        pd.read_csv(path, dtype=str, keep_default_na=False)[list(rows)]
        for path in (source, tmp_path / "out.csv")
    ]
    pd.testing.assert_frame_equal(*texts)
