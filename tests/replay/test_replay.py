"""A run replays to the same bytes, whatever runtime it has; what differs is named."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tabproof.artifacts import newest_complete_run, read_manifest
from tabproof.artifacts.errors import AmbiguousRunError, NoSuchRunError
from tabproof.artifacts.manifest import seal
from tabproof.config.checks import IncompatiblePreprocessError
from tabproof.config.stored import KeyDecidesError
from tabproof.errors import InvalidValueError, NewerFormatError, UserError
from tabproof.replay.fresh import NotReplayableError
from tests.artifacts.making import changed_files
from tests.conftest import made_once, train
from tests.replay.making import answer, forged, line_of, replayed, sealed_again, trained

Capsys = pytest.CaptureFixture[str]
MODELS = sorted(path.stem for path in (Path(__file__).parents[2] / "conf/model").glob("*.yaml"))
# tests/test_end_to_end.py has the law for boosting.
QUICK = [("logistic_regression", "onehot", 3)]


@pytest.fixture(scope="module")
def table(make_csv: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Once, as the run below: its configuration names this path for all workers.
    return made_once(tmp_path_factory, "table.csv", lambda path: shutil.copy(make_csv(), path))


@pytest.fixture(scope="module")
def small(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run of the table; tests must not change it."""

    def make(path: Path) -> None:
        trained(table, path, "model=logistic_regression", "search=none")

    return made_once(tmp_path_factory, "small", make)


@pytest.mark.parametrize(
    ("model", "preprocess", "n_classes"),
    [
        pytest.param(*each, marks=() if each in QUICK else pytest.mark.slow)
        for each in (
            (model, preprocess, n)
            for model in MODELS
            for preprocess in ("native", "onehot")
            for n in (2, 3)
        )
    ],
)
def test_a_run_of_one_worker_replays_to_the_same_bytes_with_two(
    model: str,
    preprocess: str,
    n_classes: int,
    make_csv: Callable[..., Path],
    tmp_path: Path,
    capsys: Capsys,
) -> None:
    of = [f"model={model}", f"preprocess={preprocess}", "search=fast"]
    try:
        run = trained(make_csv(n_classes=n_classes), tmp_path / "run", *of)
    except IncompatiblePreprocessError:
        pytest.skip("this model takes no such columns")
    predictions = (run / "predictions.parquet").read_bytes()
    again = tmp_path / "again"
    code, said = answer(capsys, run, "runtime.workers=2", f"--output={again}")
    assert code == 0, said
    assert said.splitlines()[-1].startswith("identical")
    assert (again / "predictions.parquet").read_bytes() == predictions
    manifest = read_manifest(again)
    assert manifest is not None
    assert changed_files(again, manifest) == []


def test_an_identical_replay_leaves_no_files(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capsys
) -> None:
    before = {path: path.stat().st_mtime_ns for path in small.rglob("*")}
    monkeypatch.chdir(tmp_path)
    code, said = answer(capsys, small)
    assert code == 0, said
    assert line_of(said, "predictions").endswith("the same, byte for byte")
    for what in ("configuration", "data", "versions"):
        assert line_of(said, what).endswith(" the same")
    # Its level, or that it has none.
    assert " the same, " in line_of(said, "platform")
    assert not list(tmp_path.glob("outputs/*"))
    assert {path: path.stat().st_mtime_ns for path in small.rglob("*")} == before


def test_a_copied_run_replays(small: Path, table: Path, tmp_path: Path, capsys: Capsys) -> None:
    copy = shutil.copytree(small, tmp_path / "コピー of a run")
    shutil.rmtree(copy / ".hydra", ignore_errors=True)
    elsewhere = shutil.copy(table, tmp_path / "other name 表.csv")
    code, said = answer(capsys, copy, f"dataset.path={elsewhere}", "--check")
    if "code           the same" in said:  # nobody writes in src/ at this moment
        assert (code, said.splitlines()[-1]) == (0, "nothing differs; not trained again")
    assert line_of(said, "data").endswith(" the same")


def test_columns_of_another_table_are_named_before_training(
    small: Path, table: Path, tmp_path: Path, capsys: Capsys
) -> None:
    frame = pd.read_csv(table)
    frame.loc[frame.index % 2 == 0, "age"] += 20
    frame.to_csv(tmp_path / "other.csv", index=False)
    again = tmp_path / "again"
    asked = [f"dataset.path={tmp_path}/other.csv", f"--output={again}"]
    code, said = answer(capsys, small, *asked)
    assert code == 1
    assert line_of(said, "data") == "data           differs: changed in 'age'"
    assert said.index("changed in 'age'") < said.index("training again")
    then, now = (
        json.loads((run / "summary.json").read_text())["metrics"]["log_loss"]
        for run in (small, again)
    )
    assert f"differs: metrics.log_loss {then}, now {now}\n" in said
    assert line_of(said, "predictions").startswith("predictions    differs: 24 of 24 rows, by up")
    assert said.splitlines()[-1].startswith("differs: data, ")
    differing = "numbers, evaluation, predictions"
    assert said.splitlines()[-1].endswith(f"{differing}; the replay is kept in {again}")
    code, said = answer(capsys, small, asked[0], "--check")
    assert (code, said.splitlines()[-1].startswith("differs: data")) == (1, True)
    assert "numbers" not in said


def test_new_and_missing_columns_and_rows_are_named(
    small: Path, table: Path, tmp_path: Path, capsys: Capsys
) -> None:
    frame = pd.read_csv(table).rename(columns={"income": "salary"}).iloc[:100]
    frame.to_csv(tmp_path / "other.csv", index=False)
    _, said = answer(capsys, small, f"dataset.path={tmp_path}/other.csv", "--check")
    assert "data           differs: 120 rows, now 100\n" in said
    assert "differs: no longer there: 'income'\n" in said
    assert "differs: new: 'salary'\n" in said


def changed_code(summary: dict[str, Any]) -> None:
    summary["code"] = "0" * 64
    summary["git"] = {"commit": "c0ffee" * 7, "clean": False}


def changed_versions(summary: dict[str, Any]) -> None:
    summary["versions"] |= {"scikit-learn": "1.2.3", "gone": "4.5"}


def changed_platform(summary: dict[str, Any]) -> None:
    summary["platform"] |= {"libc": "musl 1", "simd": [*summary["platform"]["simd"], "NEON9"]}


def test_numbers_decide_whatever_else_differs(small: Path, tmp_path: Path, capsys: Capsys) -> None:
    def change(summary: dict[str, Any]) -> None:
        for each in (changed_code, changed_versions, changed_platform):
            each(summary)

    run = forged(small, tmp_path / "run", change)
    # As another version of the library that writes them would have it.
    frame = pd.read_parquet(run / "predictions.parquet")
    frame.to_parquet(run / "predictions.parquet", index=False, compression="gzip")
    sealed_again(run)
    code, said = answer(capsys, run, "--check")
    assert (code, said.splitlines()[-1]) == (1, "differs: code, versions, platform")
    for line in (
        "code           differs: the run had commit c0ffeec0ffee with code.patch on top; src/",
        "versions       differs: scikit-learn 1.2.3, now ",
        "versions       differs: gone 4.5, now absent\n",
        "platform       differs: libc musl 1, now ",
        "platform       differs: simd: NEON9 only there, nothing only here\n",
    ):
        assert f"\n{line}" in said
    code, said = answer(capsys, run, f"--output={tmp_path}/again")
    last = "identical, though this differs: code, versions, platform"
    assert (code, said.splitlines()[-1]) == (0, last)
    assert line_of(said, "predictions").endswith("in a file of other bytes")


@pytest.mark.parametrize(
    ("change", "kernels_differ", "code"), [(5e-13, True, 3), (5e-13, False, 1), (5e-12, True, 1)]
)
def test_other_kernels_may_change_the_last_digits(
    change: float, kernels_differ: bool, code: int, small: Path, tmp_path: Path, capsys: Capsys
) -> None:
    def changed(summary: dict[str, Any]) -> None:
        summary["metrics"]["log_loss"] += change
        if kernels_differ:
            changed_platform(summary)

    run = forged(small, tmp_path / "run", changed)
    found, said = answer(capsys, run, f"--output={tmp_path}/again")
    last = said.splitlines()[-1]
    assert found == code
    if code == 3:
        assert last.startswith("identical up to 1e-12: this machine's kernels differ (libc musl 1")
    else:
        assert last.startswith("differs: ")


def test_a_differing_number_is_shown_and_the_replay_kept_but_not_listed(
    small: Path, tmp_path: Path, capsys: Capsys
) -> None:
    outputs = tmp_path / "outputs"
    run = outputs / "2026-01-01" / "run"
    forged(small, run, lambda s: s["metrics"].update(accuracy=0.125))
    now = json.loads((small / "summary.json").read_text())["metrics"]["accuracy"]
    code, said = answer(capsys, run, f"--outputs={outputs}")
    assert code == 1
    assert line_of(said, "numbers").endswith(f"differs: metrics.accuracy 0.125, now {now}")
    assert line_of(said, "predictions").endswith("the same, byte for byte")
    (kept,) = (outputs / "replays").iterdir()
    assert said.splitlines()[-1].endswith(f"the replay is kept in {kept}")
    assert read_manifest(kept) is not None
    assert newest_complete_run(outputs) == run
    assert not (outputs / "latest").exists()


def test_a_changed_configuration_is_found_by_the_run_id(
    small: Path, tmp_path: Path, capsys: Capsys
) -> None:
    run = shutil.copytree(small, tmp_path / "run")
    text = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(text.replace("test_size: 0.2", "test_size: 0.3"))
    sealed_again(run)
    code, said = answer(capsys, run, "--check")
    assert code == 1
    assert "differs: config.yaml gives run id" in line_of(said, "configuration")


@pytest.mark.parametrize("search", ["auto", "portfolio"])
def test_a_run_that_its_budget_stopped_replays_to_the_same_bytes(
    search: str,
    table: Path,
    tmp_path: Path,
    capsys: Capsys,
    caplog: pytest.LogCaptureFixture,
) -> None:
    budget = ["search.time_budget=0.01s", "runtime=serial"]
    run = trained(table, tmp_path / "run", f"search={search}", *budget)
    summary = json.loads((run / "summary.json").read_text())
    assert summary["stopped"] == "the time budget is used up"
    n_fits = len(summary["finished"])
    is_told = "search.time_budget=0.01s was enough for the first model alone; about"
    assert (is_told in caplog.text) == (search == "auto")
    code, said = answer(capsys, run, "runtime.workers=2")
    assert code == 0, said
    assert said.splitlines()[-1] == "identical"
    assert line_of(said, "configuration").endswith(" the same")
    assert line_of(said, "note").endswith(f"its {n_fits} fits are repeated, and no others")


def test_a_replay_of_a_stopped_run_has_a_note(small: Path, tmp_path: Path, capsys: Capsys) -> None:
    run = forged(small, tmp_path / "run", lambda s: s.update(stopped="Ctrl-C"))
    _, said = answer(capsys, run, "--check")
    assert line_of(said, "note").endswith("a search that time ends cannot be repeated")


def test_a_missing_data_file_is_named_with_the_override_to_use(
    small: Path, table: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(small, tmp_path / "run")
    config = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(config.replace(str(table), f"{tmp_path}/gone.csv"))
    sealed_again(run)
    with pytest.raises(NotReplayableError, match=r"dataset\.path=.*gone\.csv.*RUN dataset"):
        replayed(run)


@pytest.mark.parametrize("path", ["https://127.0.0.1:9/t.csv", "s3://bucket/t.csv", '"-"'])
def test_an_address_that_only_the_run_names_is_not_fetched(
    path: str, small: Path, table: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(small, tmp_path / "run")
    config = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(config.replace(str(table), path))
    sealed_again(run)
    with pytest.raises(NotReplayableError, match=r"RUN 'dataset\.path=h|RUN dataset\.path="):
        replayed(run)


def tampered(run: Path) -> None:
    (run / "config.yaml").write_text("seed: 1\n")


def no_manifest(run: Path) -> None:
    (run / "manifest.json").unlink()


def damaged_manifest(run: Path) -> None:
    text = (run / "manifest.json").read_text()
    (run / "manifest.json").write_text(text.replace('"size": 1', '"size": 2', 1))


def newer_manifest(run: Path) -> None:
    text = (run / "manifest.json").read_text()
    (run / "manifest.json").write_text(text.replace('"format": 1', '"format": 99'))


def resealed(name: str, content: str | None) -> Callable[[Path], None]:
    def change(run: Path) -> None:
        (run / name).unlink() if content is None else (run / name).write_text(content)
        sealed_again(run)

    return change


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (tampered, NotReplayableError, "config.yaml"),
        (no_manifest, NotReplayableError, "the run is not complete"),
        (damaged_manifest, NotReplayableError, "manifest.json was changed"),
        (newer_manifest, NewerFormatError, "has format 99"),
        (resealed("predictions.parquet", None), NotReplayableError, "has no predictions.parquet"),
        (resealed("config.yaml", "- 1\n"), UserError, "holds no keys"),
        (shutil.rmtree, NoSuchRunError, "names no run"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    change: Callable[[Path], None], kind: type[UserError], words: str, small: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(small, tmp_path / "a run")
    change(run)
    with pytest.raises(kind, match=words) as raised:
        replayed(run, f"--outputs={tmp_path}", "--check")
    assert raised.value.exit_code == 2
    assert "\n" not in str(raised.value)


def test_a_summary_of_a_newer_format_or_without_facts_is_refused(
    small: Path, tmp_path: Path
) -> None:
    newer = forged(small, tmp_path / "newer", lambda s: s.update(format=99))
    with pytest.raises(NewerFormatError):
        replayed(newer, "--check")
    lacking = forged(small, tmp_path / "lacking", lambda s: s.pop("versions"))
    with pytest.raises(NotReplayableError, match="missing required field `versions`"):
        replayed(lacking, "--check")


def test_an_output_that_is_taken_is_refused_before_writing(small: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    for taken in (tmp_path, small, small / "plots" / "new"):
        with pytest.raises(InvalidValueError, match=r"--output=.*outside of the run"):
            replayed(small, f"--output={taken}")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    with pytest.raises(KeyDecidesError):
        replayed(small, "seed=1", f"--output={tmp_path}/new")
    assert not (tmp_path / "new").exists()


def test_the_beginning_of_two_ids_is_refused(small: Path, tmp_path: Path) -> None:
    for run_id in ("abcd1", "abcd2"):
        run = shutil.copytree(small, tmp_path / "2026-01-01" / run_id)
        (run / "manifest.json").unlink()
        seal(run, run_id)
    with pytest.raises(AmbiguousRunError):
        replayed("abcd", f"--outputs={tmp_path}")


@pytest.mark.slow
@pytest.mark.parametrize("search", ["full", "random", "tpe", "portfolio", "classic"])
def test_every_search_replays(search: str, tmp_path: Path, capsys: Capsys) -> None:
    if search == "tpe":
        pytest.importorskip("optuna")
    more = [] if search in ("portfolio", "classic", "full") else ["search.n_candidates=12"]
    run = tmp_path / "run"
    done = train("dataset=breast_cancer", f"search={search}", *more, f"hydra.run.dir={run}")
    assert done.returncode == 0, done.stderr
    code, said = answer(capsys, run, f"--output={tmp_path}/again")
    assert code == 0, said
