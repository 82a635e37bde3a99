"""Scored on a cluster, files have the bytes that they have here, whatever happens there."""

import os
import pickle
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from tabproof.batch.parquet_file import Slice
from tests.batch.scoring import command, names_in, score, until_parts
from tests.conftest import ROOT, process
from tests.runtime.cluster import SECONDS, RealCluster, real_cluster

# Each starts a cluster of processes.
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCluster]:
    with real_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        for _ in range(2):
            cluster.add_worker()
        yield cluster


@pytest.fixture
def words(model: Path, real: RealCluster) -> list[str]:
    return [f"run={model}", "runtime=dask", f"address={real.address}", "keep=all"]


@pytest.mark.parametrize(("kind", "ending"), [("in.csv", ".csv"), ("in.parquet", ".parquet")])
def test_a_file_has_the_bytes_that_it_has_here_though_a_worker_is_killed(
    kind: str, ending: str, words: list[str], long_input: Path, real: RealCluster, tmp_path: Path
) -> None:
    task = [f"input={long_input / kind}", "batch_rows=2000"]
    score(words[0], words[-1], *task, f"output={tmp_path / f'here{ending}'}")
    scorer = subprocess.Popen(
        command(*words, *task, f"output={tmp_path / f'there{ending}'}"),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until_parts(tmp_path / f"there{ending}.parts", 10, scorer)
    real.kill()
    real.add_worker()
    stdout, stderr = scorer.communicate(timeout=SECONDS)
    assert scorer.returncode == 0, stderr
    # What the libraries have to say about a lost worker is nobody's concern.
    assert stderr == ""
    assert f"cluster   {real.address}, 2 threads\n" in stdout
    for name in (ending, f"{ending}.bad.csv" if kind == "in.csv" else ending):
        assert (tmp_path / f"there{name}").read_bytes() == (tmp_path / f"here{name}").read_bytes()


def test_what_is_explained_there_has_the_bytes_of_here(
    words: list[str], rows: pd.DataFrame, tmp_path: Path
) -> None:
    rows.to_parquet(tmp_path / "in.parquet")
    task = [f"input={tmp_path / 'in.parquet'}", "batch_rows=500", "explain=true"]
    score(words[0], words[-1], *task, f"output={tmp_path / 'here.csv'}")
    score(*words, *task, f"output={tmp_path / 'there.csv'}")
    assert (tmp_path / "there.csv").read_bytes() == (tmp_path / "here.csv").read_bytes()


def test_interrupted_on_a_cluster_it_continues_here(
    words: list[str], long_input: Path, tmp_path: Path
) -> None:
    task = [f"input={long_input / 'in.csv'}", f"output={tmp_path / 'out.csv'}", "batch_rows=2000"]
    scorer = subprocess.Popen(
        command(*words, *task), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    until_parts(tmp_path / "out.csv.parts", 10, scorer)
    scorer.send_signal(signal.SIGINT)
    _, said = scorer.communicate(timeout=SECONDS)
    assert scorer.returncode == 130
    kept = f"with what is finished kept in {tmp_path / 'out.csv'}.parts"
    assert said.decode() == (
        f"error: interrupted by Ctrl-C {kept}: the same command resumes from there\n"
    )
    assert "resuming" in score(words[0], words[-1], *task)
    score(words[0], words[-1], *task[:1], f"output={tmp_path / 'whole.csv'}", task[-1])
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_a_cluster_that_cannot_be_used_is_one_line(
    model: Path, real: RealCluster, long_input: Path, tmp_path: Path
) -> None:
    shutil.copytree(ROOT / "src", tmp_path / "src")
    with (tmp_path / "src" / "tabproof" / "schema.py").open("a") as file:
        file.write("# changed\n")
    shutil.copy(long_input / "in.parquet", tmp_path / "in.parquet")
    words = [f"run={model}", f"input={tmp_path / 'in.parquet'}", f"output={tmp_path / 'out.csv'}"]
    words += ["runtime=dask", f"address={real.address}"]
    done = process("score", *words, cwd=tmp_path, env={**os.environ, "PYTHONPATH": "src"})
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: worker tcp://127.0.0.1:")
    assert len(done.stderr.splitlines()) == 1
    assert names_in(tmp_path) == ["in.parquet", "src"]


def test_a_slice_travels_without_what_it_was_cut_from() -> None:
    texts = pa.chunked_array([["a", "b"] * 5_000, ["c"] * 10_000]).dictionary_encode()
    table = pa.table({"number": range(20_000), "text": texts})
    sent = pickle.dumps(Slice(table.slice(9_990, 20), 10_010))
    assert len(sent) < 5_000
    received = pickle.loads(sent)  # noqa: S301 - our own bytes
    assert received.end == 10_010
    assert received.table.equals(table.slice(9_990, 20))
