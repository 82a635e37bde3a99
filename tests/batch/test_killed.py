"""Killed, interrupted or out of space: the same command goes on to the same bytes."""

import resource
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest

from tests.batch.scoring import N_ROWS, command, names_in, score, stopped, until_parts
from tests.conftest import ROOT

# Half a minute; test_faults.py is passed each time.
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".parquet"])
@pytest.mark.parametrize("kind", ["in.csv", "in.parquet"])
def test_killed_again_and_again_it_continues_to_the_same_bytes(
    kind: str, ending: str, model: Path, long_input: Path, tmp_path: Path
) -> None:
    words = [f"run={model}", f"input={long_input / kind}", "batch_rows=10000", "keep=id"]
    score(*words, f"output={tmp_path / f'whole{ending}'}")
    output = tmp_path / f"out{ending}"
    parts = tmp_path / f"out{ending}.parts"
    for n_parts in (0, 1, 4, 9, 15):
        process = subprocess.Popen(
            command(*words, f"output={output}", "workers=2"), cwd=ROOT, stdout=subprocess.DEVNULL
        )
        until_parts(parts, n_parts, process)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert not output.exists()
    kept = len(list(parts.glob("*.part")))
    assert kept >= 15
    said = score(*words, f"output={output}")
    assert "resuming" in said
    assert output.read_bytes() == (tmp_path / f"whole{ending}").read_bytes()
    if kind == "in.csv":
        bad = [(tmp_path / f"{name}{ending}.bad.csv").read_bytes() for name in ("out", "whole")]
        assert bad[0] == bad[1]
        assert bad[0].count(b"broken") == len(range(5, 180_000, 997))
    assert not parts.exists()


def test_an_interrupt_shows_what_is_kept(model: Path, long_input: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    words = [f"run={model}", f"input={long_input / 'in.csv'}", f"output={output}"]
    words.append("batch_rows=5000")
    for number, name, code in ((signal.SIGINT, "Ctrl-C", 130), (signal.SIGTERM, "SIGTERM", 143)):
        returned, said = stopped(words, tmp_path / "out.csv.parts", number)
        assert returned == code
        kept = f"with what is finished kept in {output}.parts"
        assert said == f"error: interrupted by {name} {kept}: the same command resumes from there\n"
        assert names_in(tmp_path) == ["out.csv.parts"]


def test_parts_of_another_question_are_thrown_away(
    model: Path, long_input: Path, tmp_path: Path
) -> None:
    source = shutil.copy(long_input / "in.csv", tmp_path / "in.csv")
    output = tmp_path / "out.csv"
    words = [f"run={model}", f"input={source}", f"output={output}", "batch_rows=5000"]
    stopped(words, tmp_path / "out.csv.parts", signal.SIGKILL)
    said = score(*words, "keep=id")
    assert "belongs to another model, input or option: starting again" in said
    score(*words[:2], f"output={tmp_path / 'whole.csv'}", "keep=id", words[3])
    assert output.read_bytes() == (tmp_path / "whole.csv").read_bytes()
    stopped(words, tmp_path / "out.csv.parts", signal.SIGKILL)
    with open(source, "ab") as file:  # noqa: PTH123 - a name that copy gave
        file.write(b"x,1,2,3,4,5\n")
    assert "starting again" in score(*words)


def test_a_directory_that_was_killed_does_not_repeat_finished_files(
    model: Path, rows: pd.DataFrame, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    for name in "abcd":
        frame = pd.concat([rows] * 20)
        frame.to_parquet(tmp_path / "in" / f"{name}.parquet")
    words = [f"run={model}", f"input={tmp_path / 'in'}", "batch_rows=5000"]
    score(*words, f"output={tmp_path / 'whole'}/")
    process = subprocess.Popen(
        command(*words, f"output={tmp_path / 'out'}"), cwd=ROOT, stdout=subprocess.DEVNULL
    )
    while not (tmp_path / "out.parts" / "1.done").exists():
        assert process.poll() is None
        time.sleep(0.002)
    process.kill()
    process.wait()
    first = (tmp_path / "out" / "a.parquet").stat().st_ino
    said = score(*words, f"output={tmp_path / 'out'}")
    assert f"rows={4 * 20 * N_ROWS} " in said
    assert (tmp_path / "out" / "a.parquet").stat().st_ino == first
    for name in "abcd":
        pair = [(tmp_path / of / f"{name}.parquet").read_bytes() for of in ("out", "whole")]
        assert pair[0] == pair[1]


def test_two_commands_do_not_write_one_output(
    model: Path, long_input: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.csv"
    words = [f"run={model}", f"input={long_input / 'in.csv'}", f"output={output}"]
    words.append("batch_rows=2000")
    first = subprocess.Popen(command(*words), cwd=ROOT, stdout=subprocess.DEVNULL)
    until_parts(tmp_path / "out.csv.parts", 1, first)
    first.send_signal(signal.SIGSTOP)
    try:
        assert "another process is scoring into" in score(*words, code=2)
    finally:
        first.send_signal(signal.SIGCONT)
    assert first.wait(timeout=60) == 0


def test_a_full_disk_is_one_line_and_keeps_what_is_finished(
    model: Path, long_input: Path, tmp_path: Path
) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))

    words = [f"run={model}", f"input={long_input / 'in.parquet'}", "batch_rows=10000"]
    said = score(*words, f"output={tmp_path / 'out.csv'}", code=1, preexec_fn=limit)
    assert "error: cannot read or write" in said
    assert "the same command resumes from there" in said
    assert names_in(tmp_path) == ["out.csv.parts"]
    score(*words, f"output={tmp_path / 'out.csv'}")
    score(*words, f"output={tmp_path / 'whole.csv'}")
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_a_reader_who_has_seen_enough_is_no_error(model: Path, long_input: Path) -> None:
    words = command(f"run={model}", f"input={long_input / 'in.csv'}", "output=-", "batch_rows=2000")
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == b"row,proba_no,proba_yes,label\n"
    process.stdout.close()
    said = process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(timeout=60) == 128 + signal.SIGPIPE
    assert "error" not in said.lower()
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        done = subprocess.run(words, cwd=ROOT, stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1
    assert done.stderr.decode().endswith(
        "cannot read or write standard output: No space left on device\n"
    )
