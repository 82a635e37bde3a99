"""The command line: its grammar, its errors in one line, and what it loads."""

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from tabproof import cli
from tabproof.batch.options import Options
from tabproof.cli.monitor import monitor
from tabproof.cli.runs import runs
from tabproof.errors import CommandLineError, PathError, UnknownKeyError
from tabproof.replay import replay as replaying
from tabproof.text import as_typed
from tests.conftest import ROOT, typed_in

COMMANDS = [
    *([name] for name in cli.tabproof.commands),
    *(["runs", name] for name in runs.commands),
    *(["monitor", name] for name in monitor.commands),
]
QUICKLY = ("train", "runs", "score", "replay", "monitor")
LOADED = """
import contextlib, sys
from tabproof import cli
for sys.argv[1:] in %r:
    with contextlib.suppress(SystemExit):
        cli.main()
heavy = {"numpy", "pandas", "sklearn", "hydra", "fastapi"}
sys.stderr.write(" ".join(sorted(heavy & {*sys.modules})))
"""


def test_help_loads_neither_hydra_nor_a_numeric_library() -> None:
    commands = [["--help"], *([name, "--help"] for name in QUICKLY)]
    done = subprocess.run(
        [sys.executable, "-c", LOADED % (commands,)], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_help_shows_every_command() -> None:
    words = [command for command in COMMANDS if command != ["serve"]]
    for each in words:
        done = typed_in(each[0], *each[1:], "--help")
        assert (done.returncode, done.stderr) == (0, "")
        assert len(done.stdout.splitlines()) > 5
    for each in runs.commands:
        assert f"\n  {each} " in typed_in("runs", "--help").stdout
    for each in monitor.commands:
        assert f"\n  {each} " in typed_in("monitor", "--help").stdout


def test_examples_and_exit_codes_are_part_of_the_help() -> None:
    assert "python -m src.runs promote 1f26612c --if-better" in typed_in("runs", "--help").stdout
    said = typed_in("score", "--help").stdout
    assert "python -m src.score input=customers.csv output=scored.csv" in said
    assert "exit code: 0 identical, 1 something differs, 2 " in typed_in("replay", "--help").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["runs", "promote"], "missing argument 'RUN'; python -m src.runs promote --help shows"),
        (["runs", "lst"], "no such command 'lst'; did you mean 'list'"),
        (["runs", "list", "--datset=a"], "no such option '--datset'"),
        (["replay"], "missing argument 'RUN'"),
        (["monitor", "check", "a", "--model=b"], "it checks one model, or all: 'a' or --model b"),
        (["monitor", "chek"], "no such command 'chek'; did you mean 'check'"),
        (["monitor", "check", "--log=.", "--since=week"], "--since=week cannot work; it takes"),
        (["monitor", "check", "--log=.", "--false-alarms=0"], "0.0 false alarms a year cannot"),
        (["monitor", "labels"], "missing argument 'FILE'"),
        (["replay", "RUN", "--chekc"], "--chekc"),
        (["replay", "nothing"], "'nothing' names no run"),
        (["score", "input=a.csv", "output=b.csv", "worker=2"], "did you mean workers"),
        (["score", "--input=a.csv", "--worker=2"], "no such option '--worker'"),
        (["train", "serach=full"], "there is no key 'serach'"),
        (["train", "-m", "search.n_splits=3,1"], "search.n_splits=1 cannot work"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_word_is_answered_in_one_line(words: list[str], said: str, tmp_path: Path) -> None:
    done = typed_in(*words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_commands_in_messages_are_spelled_as_the_program_was_started(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/tabproof", "runs", "history", "../wine"])
    with pytest.raises(SystemExit):
        cli.main()
    assert "python -m" not in capsys.readouterr().err
    assert "tabproof train" in typed_as("bin/tabproof", "python -m src.train", monkeypatch)
    assert "python -m src.train" in typed_as("src/runs.py", "python -m src.train", monkeypatch)


def typed_as(program: str, message: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(sys, "argv", [program])
    return as_typed(message)


@pytest.mark.parametrize("command", ["train", "runs", "replay", "score"])
def test_a_path_that_cannot_be_used_is_named_with_the_reason(command: str) -> None:
    error = OSError(28, "No space left on device", "outputs/x")
    known = cli.as_user_error(error, cli.tabproof.commands[command])
    assert isinstance(known, PathError)
    assert "outputs/x: No space left on device" in str(known)
    assert cli.as_user_error(ValueError("a fault of ours"), cli.train) is None


@pytest.mark.parametrize(
    ("command", "function", "said"),
    [
        (["runs", "list"], "tabproof.runs.listing.list_runs", ""),
        (["train"], "tabproof.sweep.main", " before training began"),
    ],
)
def test_an_interrupt_names_training_only_where_there_is_some(
    command: list[str], function: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(function, interrupted)
    done = typed_in(*command)
    assert (done.returncode, done.stderr) == (130, f"error: interrupted by Ctrl-C{said}\n")


def test_every_key_of_score_is_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {parameter.name for parameter in cli.score.params} - {"words"}
    assert options == {field.name for field in fields(Options)}
    called = []
    monkeypatch.setattr("tabproof.batch.score_files.main", called.append)
    cli.run(cli.score, ["output=o.csv", "--input", "i.csv", "--strict", "--bad-rows=b"], "score")
    assert called == [["output=o.csv", "input=i.csv", "strict=true", "bad_rows=b"]]


def test_overrides_and_options_of_a_replay_stand_in_any_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[object, ...]] = []
    monkeypatch.setattr(
        replaying, "replay", lambda run, keys, **options: asked.append((run, keys, options))
    )
    words = ["--check", "RUN", "runtime.workers=2", "--output=there", "dataset.path=(a).csv"]
    cli.run(cli.replay, words, "replay")
    run, keys, options = asked[0]
    assert run == "RUN"
    assert keys == ["runtime.workers=2", 'dataset.path="(a).csv"']
    assert options == {
        "output": Path("there"),
        "check": True,
        "environment": False,
        "outputs": Path("outputs"),
        "models": Path("models"),
    }


def test_a_replay_in_a_fresh_environment_is_requested_the_same(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(
        replaying, "replay_in_fresh_environment", lambda _, words: asked.append(words) or 0
    )
    words = [str(run), "runtime.workers=2", "--outputs=a", "--models=b", f"--output={tmp_path}"]
    cli.run(cli.replay, [*words, "--check", "--environment"], "replay")
    assert asked == [[*words, "--check"]]


def test_a_misspelt_runtime_of_a_replay_is_named() -> None:
    with pytest.raises(Exception, match="worker") as raised:
        cli.run(cli.replay, ["RUN", "runtime.worker=1"], "replay")
    assert isinstance(cli.as_user_error(raised.value, cli.replay), UnknownKeyError)


def test_a_message_of_click_becomes_one_of_ours() -> None:
    error = CommandLineError("tabproof", "No such command 'x'.")
    assert str(error) == "no such command 'x'; tabproof --help shows examples"


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("tabproof r", "replay runs"),
        ("tabproof runs li", "list"),
        ("{python} -m src.runs list --si", "--since"),
        ("{python} -m src.runs promote l", "latest"),
        pytest.param("{python} -m src.score --in", "--input", marks=pytest.mark.slow),
        pytest.param("{python} -m src.replay --ch", "--check", marks=pytest.mark.slow),
        pytest.param("{python} -m src.train dataset=a", "dataset=adult", marks=pytest.mark.slow),
        ("tabproof train search.n_s", "search.n_splits="),
        ("{python} -m pytest s", ""),
    ],
)
def test_the_tab_key_completes(words: str, offered: str) -> None:
    python = sys.executable
    typed = words.format(python=python).split()
    script = (
        f'tabproof() {{ "{python}" -m tabproof; }}; source docs/completion.bash;'
        f" COMP_WORDS=({' '.join(typed)}); COMP_CWORD={len(typed) - 1}; _tabproof_completion;"
        " echo ${COMPREPLY[*]}"
    )
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == offered
