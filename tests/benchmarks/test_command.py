"""The exit codes of a benchmark, what it refuses to start with, and servers that take turns."""

from pathlib import Path

import pytest

from benchmarks import command, served
from benchmarks.load import Load, WrkMissingError


class VoidError(Exception):
    """Figures that mean nothing."""


@pytest.mark.parametrize(
    ("error", "code", "printed"),
    [
        (VoidError("lost rows"), 1, "\nerror: lost rows\n"),
        (WrkMissingError(), 2, "error: install wrk (Debian: apt-get install wrk)\n"),
        (KeyboardInterrupt(), 130, "\nerror: interrupted by Ctrl-C\n"),
    ],
    ids=["void", "cannot run", "interrupted"],
)
def test_an_error_has_an_exit_code_and_one_line(
    error: BaseException, code: int, printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended, command.exit_codes(VoidError):
        raise error
    assert (ended.value.code, capsys.readouterr().err) == (code, printed)


def test_a_fault_of_the_benchmark_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError), command.exit_codes(VoidError):
        raise ZeroDivisionError


def test_a_missing_data_home_is_refused_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(command.CannotRunError, match="absent is no directory"):
        command.require_data_home(str(tmp_path / "absent"))
    assert not list(tmp_path.iterdir())


def test_a_count_below_one_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = command.make_parser("serving", "words\n  as they are")
    parser.add_argument("--rounds", type=int, default=5)
    monkeypatch.setattr("sys.argv", ["serving", "--rounds=0"])
    with pytest.raises(SystemExit):
        command.parse(parser, "rounds")
    assert "--rounds=0: at least 1 is needed" in capsys.readouterr().err


def test_each_server_is_first_in_turn_and_its_processor_time_is_counted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Server:
        """A server that uses a hundredth of a second of its processor each time."""

        def __init__(self, url: str) -> None:
            self.url, self._seconds = url, 0.0

        @property
        def cpu_seconds(self) -> float:
            self._seconds += 0.01
            return self._seconds

    posted, slept = [], []

    def post(url: str, *_: object) -> Load:
        posted.append(url)
        return Load(1.0, 1.0, 1.0, 1.0, n_requests=10)

    monkeypatch.setattr(served, "post_rows", post)
    monkeypatch.setattr(served, "sleep", slept.append)
    servers = {name: Server(name) for name in "abc"}
    work = served.row_by_row(tmp_path / "rows.txt", 16)
    loads = served.take_turns(servers, work, 1.0, 3, {"b": 2.0})
    rounds = [[url.removesuffix("/predict") for url in posted[i : i + 3]] for i in (0, 3, 6)]
    assert rounds == [["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"]]
    assert [load.cpu_us for load in loads["a"]] == pytest.approx([1000.0] * 3)
    assert sum(slept) == 3 * 2.0
