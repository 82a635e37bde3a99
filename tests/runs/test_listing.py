"""Looking at runs, as a person types it."""

import json
from pathlib import Path

import pytest

from tabproof.artifacts import Registry
from tabproof.text import display_width
from tests.artifacts.making import DAY, make_failed, make_recorded_run, make_run, make_unfinished
from tests.conftest import typed_in
from tests.runs.pages import OUTPUTS, here

__all__ = ["here"]  # a fixture


@pytest.fixture
def runs() -> list[Path]:
    return [
        make_recorded_run(OUTPUTS / "2026-11-21/09-00-00_adult", "aaaa0000", 0.91),
        make_recorded_run(OUTPUTS / "2026-11-22/10-00-00_adult", "aaaa1111", 0.95),
        make_recorded_run(
            OUTPUTS / DAY / "11-00-00_wine", "bbbb0000", 0.93, dataset="builtin_wine"
        ),
        make_failed(OUTPUTS / DAY / "12-00-00_adult 失敗"),
    ]


def typed(*arguments: str, code: int = 0) -> str:
    """Return what a command prints; of one that is refused, the line without its mark."""
    done = typed_in("runs", *arguments, cwd=Path.cwd())
    assert done.returncode == code, done.stderr
    if not code:
        return done.stdout
    assert done.stderr.count("\n") == 1
    return done.stderr.removeprefix("error: ").rstrip("\n")


def listed(*arguments: str) -> list[str]:
    """Return the last part of the paths that are listed."""
    return [Path(run["path"]).name[:2] for run in json.loads(typed("list", "--json", *arguments))]


@pytest.mark.usefixtures("runs")
def test_runs_are_listed_newest_first() -> None:
    lines = typed("list").splitlines()
    assert lines.pop(2) == "  outputs/2026-11-23/12-00-00_adult 失敗  no such table"
    assert [line.split()[1] for line in lines[1:]] == ["12:00", "11:00", "10:00", "09:00"]
    assert lines[1].endswith("failed")
    assert lines[2].split()[2:] == ["wine", "full", "0.9300", "0.8000", "12.6", "bbbb0000",
                                    "complete"]  # fmt: skip


@pytest.mark.usefixtures("runs")
def test_a_list_fits_its_width_and_shows_whole_states() -> None:
    words = ["seed=1", "cv=grouped", "cv.group_column=customer", "calibration=isotonic"]
    path = OUTPUTS / DAY / "14-00-00_x"
    model = "HistGradientBoosting"
    make_recorded_run(path, "cccc0000" * 2, dataset="a_long_name", overrides=words, model=model)
    for width in (None, "100", "110"):
        environment = {} if width is None else {"COLUMNS": width}
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            lines = typed("list").splitlines()
        assert max(map(display_width, lines)) <= int(width or 120)
        assert lines[1].endswith("cccc0000  complete")


@pytest.mark.usefixtures("runs")
def test_a_list_is_filtered_and_sorted() -> None:
    assert listed("--dataset", "adult") == listed("--dataset", "openml_adult") == ["12", "10", "09"]
    assert listed("--since", "2026-11-22", "--until", "2026-11-22") == ["10"]
    assert listed("--min-auc", "0.93", "--sort", "roc_auc") == ["10", "11"]
    assert listed("--where", "roc_auc<0.95", "--where", "roc_auc > 0.92") == ["11"]
    assert listed("--sort", "log_loss") == ["10", "11", "09", "12"]
    assert listed("--where", "seconds>=1", "--where", "accuracy=0.8", "--sort", "dataset") == [
        "10", "09", "11",
    ]  # fmt: skip


def test_a_run_is_found_by_id_path_or_latest(runs: list[Path]) -> None:
    for name in ("latest", "bbbb", "bbbb0000", str(runs[2]), str(runs[2].resolve())):
        assert typed("show", name).startswith("run ")
    told = typed("show", "latest")
    assert "0.9300  (95 %: 0.9200 … 0.9400)" in told
    assert "python -m src.train search=full" in told
    assert "max_depth 4" in told
    content = json.loads(typed("show", "latest", "--json"))
    assert content["metrics"]["roc_auc"] == 0.93
    assert content["path"] == str(runs[2])


def test_a_run_with_few_facts_is_shown_too() -> None:
    make_run(OUTPUTS / DAY / "a", "cccc0000")
    assert "wine" in typed("show", "latest")
    assert "cccc0000" in typed("list")
    assert "wine" in typed("leaderboard")
    assert "|wine|" in typed("report")


@pytest.mark.usefixtures("runs")
def test_the_leaderboard_is_printed_and_written() -> None:
    lines = typed("leaderboard", "--csv", "b.csv", "--markdown", "b.md", "--html", "a b.html")
    order = [line.split()[:3:2] for line in lines.splitlines()[1:]]
    assert order == [["adult", "0.9500"], ["adult", "0.9100"], ["wine", "0.9300"]]
    assert Path("b.csv").read_text().count("\n") == 4
    assert Path("b.md").read_text().startswith("| dataset | model | search | choices | roc_auc |")
    page = Path("a b.html").read_text()
    assert "aaaa1111" in page
    assert page.index("0.950") < page.index("0.910")
    assert "accuracy" in typed("leaderboard", "--metric", "accuracy")


@pytest.mark.usefixtures("runs")
def test_the_report_has_the_newest_run_of_each_dataset() -> None:
    assert typed("report").splitlines() == [
        "|dataset|mode|AUC|ACC|best|elapsed[s]|",
        "|---|---|---:|---:|---|---:|",
        "|adult|full|0.9500|0.8000|{'clf__max_depth': 4}|13|",
        "|wine|full|0.9300|0.8000|{'clf__max_depth': 4}|13|",
    ]


@pytest.mark.usefixtures("runs")
def test_the_page_of_all_runs_is_written_beside_them() -> None:
    assert typed("report", "--html", "--language", "ja").startswith("report outputs/report.html (")
    page = (OUTPUTS / "report.html").read_text(encoding="utf-8")
    assert '<html lang="ja">' in page
    for text in ("aaaa1111", "bbbb0000", "no such table"):
        assert text in page
    plan = {"format": 1, "arguments": [], "n_jobs": 9}
    (OUTPUTS / DAY / "sweep.json").write_text(json.dumps(plan))
    typed("report", f"outputs/{DAY}", "--html")
    page = (OUTPUTS / DAY / "report.html").read_text(encoding="utf-8")
    assert "aaaa1111" not in page
    assert "1 of 9 runs are complete" in page
    assert "Not started: 7." in page
    assert len(typed("list").splitlines()) == 6


def test_without_runs_a_list_is_empty() -> None:
    OUTPUTS.mkdir()
    assert typed("list") == "no such run in outputs\n"
    assert typed("list", "--json", "--sort", "roc_auc") == "[]\n"
    assert typed("leaderboard") == "no complete run in outputs\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["show", "nope"], "'nope' names no run"),
        (["show", "aaaa"], "begins 2 run ids: 'aaaa0000', 'aaaa1111'"),
        (["show", "outputs/2026-11-23"], "holds no complete run"),
        (["show", "outputs/2026-11-23/12-00-00_adult 失敗"], "失敗 holds no complete run: failed"),
        (["show", "newer 新"], "has format 7"),
        (["show", "damaged"], "damaged/manifest.json is damaged"),
        (["verify", "newer 新"], "has format 7"),
        (["verify", "damaged"], "damaged/manifest.json is damaged"),
        (["verify", "outputs"], "outputs holds no complete run"),
        (["promote", "damaged"], "damaged/manifest.json is damaged"),
        (["compare", "latest", "nope"], "'nope' names no run"),
        (["compare", "latest"], "takes two runs or more"),
        (["list", "--where", "roc_auc"], "--where=roc_auc cannot work"),
        (
            ["list", "--where", "auc>=1"],
            "--where=auc cannot work; it takes what a run has: 'accuracy'",
        ),
        (["list", "--sort", "auc"], "--sort=auc cannot work"),
        (["list", "--since", "2026-13-01"], "it takes a day"),
        (["list", "--outputs", "無い"], "無い cannot be read"),
        (["leaderboard", "--metric", "auc"], "--metric=auc cannot work"),
        (["check", "無い"], "is not a directory"),
        (["check", "empty"], "holds no runs"),
        (["report", "outputs/2026-11-22/10-00-00_adult", "--html"], "outside of runs"),
        (["leaderboard", "--language", "fr"], "'fr' is not one of 'en', 'ja'"),
    ],
)
@pytest.mark.usefixtures("runs")
def test_bad_input_is_reported_in_one_line(arguments: list[str], words: str) -> None:
    for name, content in (("newer 新", b'{"format": 7}'), ("damaged", b"{"), ("empty", None)):
        Path(name).mkdir()
        if content is not None:
            (Path(name) / "manifest.json").write_bytes(content)
    assert words in typed(*arguments, code=2)


@pytest.mark.usefixtures("runs")
def test_a_file_that_cannot_be_written_is_reported() -> None:
    for form in ("csv", "html"):
        told = typed("leaderboard", f"--{form}", f"nowhere/b.{form}", code=1)
        assert f"cannot write nowhere/b.{form}" in told


@pytest.mark.usefixtures("runs")
def test_a_corrupt_index_is_reported_in_one_line_and_rebuilt() -> None:
    (OUTPUTS / ".index.json").write_bytes(b"nothing of the kind")
    done = typed_in("runs", "list", cwd=Path.cwd())
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 6
    assert len(done.stderr.splitlines()) == 1
    assert "made anew" in done.stderr
    assert typed_in("runs", "list", cwd=Path.cwd()).stderr == ""


def test_the_exit_code_of_check_is_its_result(runs: list[Path]) -> None:
    done = typed_in("runs", "check", cwd=Path.cwd())
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout == "adult: FAIL no such table\nwine: OK\n"
    assert "\n" not in typed("show", str(runs[3]), code=2)


@pytest.mark.usefixtures("runs")
def test_a_run_that_has_not_started_is_listed() -> None:
    make_unfinished(OUTPUTS / DAY / "13-00-00_x", None)
    assert typed("list").splitlines()[1].endswith("not started")


def test_a_promoted_name_is_shown(runs: list[Path]) -> None:
    Registry(Path("models")).promote(runs[0], "adult", "me", "")
    assert "models/adult/versions/aaaa0000" in typed("show", "adult")


def test_a_trained_run_is_shown_compared_and_checked(run: Path) -> None:
    told = typed("show", str(run))
    assert "accuracy" in told
    assert "(95 %: " in told
    assert "candidates" in told
    tests = json.loads(typed("compare", str(run), str(run), "--json"))["against_the_first"]
    assert [test["p_value"] for test in tests[0]["tests"]] == [1.0]
    assert "wine: OK" in typed("check", str(run))
    summary = json.loads((run / "summary.json").read_bytes())
    for name in ("roc_auc", "accuracy"):
        low, high = summary["intervals"][name]
        assert 0 < low < summary["metrics"][name] <= high <= 1
