"""What is wrong with an input is told: by row, by column, or by refusing it."""

import gzip
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest

from tests.batch.scoring import command, names_in, read, score, write_csv
from tests.conftest import ROOT

BAD = b"""\
amount,visits,city,member,code
1.5,3,Kyoto,True,1
x,3,Kyoto,True,1
1.5,3,Kyoto
1.5,inf,Kyoto,True,1
NA,,null,,
1.5,3,\xff\xfe,True,1
1.5,3,Kyoto,True,1,2\xff

2.5,1e999,Kyoto,True,1
1.5, 4 ,"Kyoto",true,2
1.5,3,"Kyoto,True,1
2,2,Kyoto,True,1
"""


def test_bad_rows_are_separated_with_their_reasons(model: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(BAD)
    said = score(
        f"run={model}", f"input={tmp_path / 'in.csv'}", f"output={tmp_path / 'out.parquet'}"
    )
    bad = pd.read_csv(tmp_path / "out.parquet.bad.csv", keep_default_na=False)
    assert bad.to_numpy().tolist() == [
        [1, "amount", "'x' is no number"],
        [2, "", "3 field(s) instead of 5"],
        [3, "visits", "'inf' is infinite"],
        [5, "city", "holds bytes that are no text in this encoding"],
        [6, "", "6 field(s) instead of 5"],
        [9, "", "a quote is opened here and never closed"],
    ]
    assert read(tmp_path / "out.parquet")["row"].tolist() == [0, 4, 7, 8]
    assert "! 6 of 10 rows cannot be scored: written to" in said
    assert "bad=6 unseen=0 " in said
    # The next command finds none, so those of this one, or of a killed one, must not stay.
    (tmp_path / ".out.parquet.bad.csv.tmp").write_bytes(b"row,col")
    (tmp_path / "in.csv").write_bytes(b"\n".join(BAD.split(b"\n")[:2]))
    score(f"run={model}", f"input={tmp_path / 'in.csv'}", f"output={tmp_path / 'out.parquet'}")
    assert names_in(tmp_path) == ["in.csv", "out.parquet"]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("a.csv", ["output=b.csv", "bad_rows=a.csv"]),
        ("scored.csv.bad.csv", ["output=scored.csv"]),
        ("a.csv", ["output=b.csv", "bad_rows=b.csv"]),
        ("a.csv", ["output=b.csv", "bad_rows=gone/bad.csv"]),
        ("a.csv", ["output=/dev/null"]),
    ],
)
def test_nothing_is_lost_to_a_misplaced_file(
    source: str, words: list[str], model: Path, tmp_path: Path
) -> None:
    (tmp_path / source).write_bytes(b"amount,visits,city,member,code\n1.5,3,Kyoto,True,1\n")
    at = [word.replace("=", f"={tmp_path}/") if "/dev" not in word else word for word in words]
    said = score(f"run={model}", f"input={tmp_path / source}", *at, code=2)
    (line,) = [line for line in said.splitlines() if line.startswith("error: ")]
    assert at[-1] in line or "scored.csv.bad.csv: the input is read from there" in line
    assert names_in(tmp_path) == [source]


def test_bad_rows_may_lie_on_another_disk(model: Path, tmp_path: Path) -> None:
    memory = Path("/dev/shm")  # noqa: S108 - another file system, which a folder of its own is made in
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is one file system only")
    (tmp_path / "in.csv").write_bytes(BAD)
    with TemporaryDirectory(dir=memory) as folder:
        words = [f"run={model}", f"input={tmp_path / 'in.csv'}", f"output={tmp_path / 'out.csv'}"]
        score(*words, f"bad_rows={folder}/bad.csv")
        assert names_in(Path(folder)) == ["bad.csv"]
        assert len(pd.read_csv(Path(folder) / "bad.csv")) == 6
    assert names_in(tmp_path) == ["in.csv", "out.csv"]


def test_columns_are_reported_once_or_refused_whole(
    model: Path, rows: pd.DataFrame, tmp_path: Path
) -> None:
    frame = rows.drop(columns="city").assign(visits=rows["visits"].astype(str))
    frame.to_parquet(tmp_path / "in.parquet")
    words = [
        f"run={model}",
        f"input={tmp_path / 'in.parquet'}",
        f"output={tmp_path / 'out.parquet'}",
    ]
    said = score(*words)
    assert said.count("missing columns, scored as missing cells: 'city'") == 1
    assert said.count("columns that the model does not know: 'id'") == 1
    assert "missing_columns=1" in said
    (tmp_path / "out.parquet").unlink()
    refused = score(*words, "strict=true", code=2)
    assert (
        "strict=true: missing 'city'; unknown 'id'; wrong type 'visits' (large_string)" in refused
        or "strict=true: missing 'city'; unknown 'id'; wrong type 'visits' (string)" in refused
    )
    assert names_in(tmp_path) == ["in.parquet"]


REFUSED = {
    "no input": (b"", "nothing is there", "input=missing.csv"),
    "no header": (b"", "it is empty; a header is needed", None),
    "nothing known": (b"x,y\n1,2\n", "missing 'amount', 'visits'", None),
    "case": (b"Amount,visits,CITY\n1,2,x\n", "'Amount' instead of 'amount', 'CITY' instead", None),
    "spaces": ("amount,vis its,\u3000city\n1,2,x\n".encode(), "'vis its' instead of", None),
    "case of one that is kept": (b"Amount,visits\n1,2\n", "'Amount' instead of", "keep=Amount"),
    "separator": (b"amount;visits;city\n1;2;3\n", "try 'separator=;'", "separator=,"),
    "two separators": (b"amount,visits;city,x\n" + b"1,2;3,4\n" * 5, "'separator=,' or", None),
    "encoding": ("amount,都市\n1,2\n".encode("cp932"), "encoding=cp932 reads", "encoding=utf-8"),
    "kept": (b"amount\n1\n", "there is no column 'no'", "keep=no"),
    "taken name": (b"amount,row\n1,2\n", "keep: 'row'", "keep=row"),
    "damaged": (gzip.compress(b"amount\n" + b"1\n" * 9999)[:-20], "cannot be read", "gz"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_refused_in_one_line(case: str, model: Path, tmp_path: Path) -> None:
    content, message, word = REFUSED[case]
    source = tmp_path / ("in.csv.gz" if word == "gz" else "in.csv")
    source.write_bytes(content)
    words = [f"run={model}", f"input={source}", f"output={tmp_path / 'out.csv'}"]
    said = score(*words, *([word] if word and "=" in word else []), code=2)
    (line,) = [line for line in said.splitlines() if line.startswith("error: ")]
    assert message in line
    assert names_in(tmp_path) == [source.name]


def limit_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))


@pytest.mark.parametrize("name", ["out.csv", "out.parquet", "out.csv.gz"])
def test_error_of_a_full_disk_names_the_file(
    model: Path, rows: pd.DataFrame, tmp_path: Path, name: str
) -> None:
    # A limit for files gives errors as a full disk does: without a name.
    source = write_csv(rows, tmp_path / "in.csv")
    words = [f"run={model}", f"input={source}", f"output={tmp_path / name}"]
    done = subprocess.run(
        command(*words), cwd=ROOT, capture_output=True, text=True, check=False,
        preexec_fn=limit_files,
    )  # fmt: skip
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode == 1
    assert line.startswith(f"error: cannot read or write {tmp_path / name}"), line
    assert ": File too large" in line


HEAVY = {"pandas", "sklearn", "scipy", "joblib", "hydra", "omegaconf", "lets_plot"}


def test_nothing_heavy_is_loaded(model: Path, rows: pd.DataFrame, tmp_path: Path) -> None:
    rows.to_parquet(tmp_path / "in.parquet")
    (tmp_path / "in.csv").write_bytes(BAD)
    code = (
        "import sys; from tabproof.cli import main\n"
        "for place, ending in (('in.parquet', 'parquet'), ('in.csv', 'csv.gz')):\n"
        f"    sys.argv[1:] = ['run={model}', f'input={tmp_path}/{{place}}', 'keep=all',"
        f" f'output={tmp_path}/out.{{ending}}', 'batch_rows=1000']\n"
        "    try:\n        main('score')\n"
        "    except SystemExit as ended:\n        assert not ended.code\n"
        "print('LOADED', *sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = done.stdout.splitlines()[-1].split()
    assert loaded[0] == "LOADED"
    assert set(loaded) & HEAVY == set()


def test_a_changed_run_is_not_used(model: Path, rows: pd.DataFrame, tmp_path: Path) -> None:
    shutil.copytree(model, tmp_path / "run")
    with (tmp_path / "run" / "scorer" / "scorer.json").open("ab") as file:
        file.write(b" ")
    source = write_csv(rows, tmp_path / "in.csv")
    words = f"run={tmp_path / 'run'}", f"input={source}", f"output={tmp_path / 'out.csv'}"
    assert "cannot be trusted" in score(*words, code=1)
