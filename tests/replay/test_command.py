"""`python -m src.replay` as a person runs it."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT


def replay(*words: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "src.replay", *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300)


def test_a_run_is_identical_on_this_machine(run: Path, tmp_path: Path) -> None:
    done = replay(str(run), "runtime=serial", f"--output={tmp_path}/again")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("identical")
    assert done.stderr == ""
    for name in ("predictions.parquet", "schema.json"):
        assert (tmp_path / "again" / name).read_bytes() == (run / name).read_bytes()
    assert "[RESULT]" in (tmp_path / "again" / "train.log").read_text()


def test_changed_code_is_told_with_the_commit(run: Path, tmp_path: Path) -> None:
    for part in ("src", "conf"):
        shutil.copytree(ROOT / part, tmp_path / part)
    with (tmp_path / "src" / "wording.py").open("a") as file:
        file.write("# another house\n")
    done = replay(str(run), "--check", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    (code,) = (line for line in done.stdout.splitlines() if line.startswith("code "))
    assert code.startswith("code           differs: the run had ")
    assert done.stdout.splitlines()[-1] == "differs: code"


def test_bad_input_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for words in (["nothing"], [str(tmp_path / "empty")]):
        done = replay(*words, "--outputs", str(tmp_path))
        assert done.returncode == 2
        assert done.stdout == ""
        assert len(done.stderr.splitlines()) == 1
        assert done.stderr.startswith("error: ")


def test_help_shows_examples_and_exit_codes() -> None:
    done = replay("--help")
    assert done.returncode == 0
    assert "--environment" in done.stdout
    assert "exit code: 0 identical, 1 something differs, 2 " in done.stdout
