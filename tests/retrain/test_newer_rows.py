"""The table to train on again: of any kind of promoted model, with columns as they are served."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer

from tabproof import config as conf
from tabproof.config.data_schema import CvConfig, NewestCvConfig, OrderedCvConfig
from tabproof.experiment import run_experiment
from tabproof.retrain import newer_rows
from tabproof.retrain.logged_rows import read_labelled_rows
from tabproof.retrain.promoted import NotRetrainableError, read_promoted
from tests.conftest import composed, typed_in
from tests.replay.making import sealed_again
from tests.retrain.making import NAME, csv, promoted, retrained, rows, write_labels, write_log

COMPARED = "on {} rows that neither was trained on"


def test_rows_that_were_answered_before_the_promotion_may_be_known(tmp_path: Path) -> None:
    table = csv(rows(300, "a", 1), tmp_path / "old.csv")
    promoted(tmp_path, table)
    table.rename(tmp_path / "moved.csv")
    served = rows(300, "a", 3)
    # One an hour: 40 after the promotion, of 60 that are held out.
    begun = datetime.now(UTC) + timedelta(minutes=30) - timedelta(hours=260)
    write_labels(tmp_path / "log", write_log(tmp_path / "log", served, begun), served["label"])
    done = retrained(tmp_path, "--log", "log", "--dry-run")
    assert "40 rows that neither was trained on (20 that the current version may know" in (
        done.stdout
    )
    done = retrained(tmp_path, "--log", "log", "--dry-run", "dataset.path=moved.csv")
    assert COMPARED.format(60) in done.stdout


@pytest.mark.parametrize(
    ("cv", "kind", "group"),
    [
        (["cv=time_series", "cv.time_column=day"], OrderedCvConfig, ""),
        (["cv=grouped", "cv.group_column=day", "cv.test_size=0.3"], NewestCvConfig, "day"),
        (["calibration=sigmoid", "threshold=max_f1"], NewestCvConfig, ""),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else None,
)
def test_the_newest_rows_of_a_log_are_held_out_whatever_the_configuration(
    cv: list[str], kind: type[CvConfig], group: str, tmp_path: Path
) -> None:
    frame = rows(300, "a", 1)
    is_divided = any("day" in word for word in cv)
    old = frame.assign(day=np.arange(300) // 4) if is_divided else frame
    models = promoted(tmp_path, csv(old, tmp_path / "old.csv"), *cv)
    log, served = tmp_path / "log", rows(300, "a", 3)
    ids = write_log(log, served, datetime.now(UTC) + timedelta(hours=1))
    write_labels(log, ids, served["label"])
    version = read_promoted(NAME, models)
    config, _ = conf.recompose(version.config, [], to_its_end=False)
    found = read_labelled_rows(log, NAME, version.schema)
    newer = newer_rows.of_log(found, version, config, 200, tmp_path)
    assert type(newer.config.cv) is kind
    assert newer.config.cv.test_size == config.cv.test_size
    assert (newer.config.cv.time_column, newer.time) == ("answered", "answered")  # type: ignore[attr-defined]
    done = retrained(tmp_path, "--log", "log", "--dry-run")
    assert done.returncode == 0, done.stderr
    n_test = round(300 * config.cv.test_size)
    assert COMPARED.format(n_test) in done.stdout
    assert ("a log has no 'day'" in done.stdout) == bool(group)


def test_columns_that_were_left_out_may_be_there_or_not_and_others_may_not(tmp_path: Path) -> None:
    old = rows(300, "a", 1).assign(key=np.arange(300), nothing="x", extra=1.5)
    old.loc[::2, "extra"] = 2.5
    promoted(tmp_path, csv(old, tmp_path / "old.csv"), "dataset.drop_columns=[extra]")
    new = rows(300, "a", 5)
    # What was constant is not any more, and the ids are no ids any more.
    changed = new.assign(key=np.arange(300) // 7, nothing=["x", "y"] * 150, extra=1)
    for frame in (new, changed):
        done = retrained(tmp_path, "--data", csv(frame, tmp_path / "new.csv"), "--dry-run")
        assert done.returncode == 0, done.stderr
        assert COMPARED.format(60) in done.stdout
    more = csv(new.assign(other=1), tmp_path / "new.csv")
    assert "does not: 'other'" in retrained(tmp_path, "--data", more).stderr


def test_columns_keep_the_kinds_that_clients_know(tmp_path: Path) -> None:
    frame = rows(300, "a", 1).assign(code=np.resize(["A1", "B2", "C3"], 300))
    promoted(tmp_path, csv(frame, tmp_path / "old.csv"))
    # Numbers by themselves, and a word in few rows that are no numbers.
    new = rows(300, "a", 5).assign(code=np.resize([1, 2, 3], 300))
    new["b"] = new["b"].astype("object")
    new.loc[::3, "b"] = "n/k"
    done = retrained(tmp_path, "--data", csv(new, tmp_path / "new.csv"), "--dry-run")
    assert done.returncode == 0, done.stderr


def test_a_parquet_file_and_a_table_of_scikit_learn_go_together(tmp_path: Path) -> None:
    run = tmp_path / "run"
    config = composed("dataset=breast_cancer", "model=logistic_regression", "search=none")
    run_experiment(config, run, is_latest=False)
    done = typed_in("runs", "promote", run, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    data = load_breast_cancer(as_frame=True)
    frame = data.data.assign(target=np.array(["malignant", "benign"])[data.target])
    # The numbers in another order, and the last hundred rows slightly changed.
    frame = frame[sorted(frame.columns)]
    numbers = frame.columns.drop("target")
    frame.loc[frame.index[-100:], numbers] *= 1.001
    frame.to_parquet(tmp_path / "new.parquet")
    words = ["retrain", "breast_cancer", "--data", "new.parquet", "--dry-run"]
    done = typed_in("runs", *words, cwd=tmp_path)
    assert (done.returncode, "columns in another order" in done.stderr) == (2, True)
    done = typed_in("runs", *words, "--append", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    # Of two equal rows one was learned from, and of a changed row none.
    assert "910 rows to learn from, 228 held out" in done.stdout
    assert "may know are left out)" in done.stdout


@pytest.mark.parametrize("option", ["--append", "--log"])
def test_forms_that_values_do_not_show_need_a_whole_file(option: str, tmp_path: Path) -> None:
    def written(frame: pd.DataFrame, path: Path) -> Path:
        days = pd.Timestamp("2026-01-20") + pd.to_timedelta(np.arange(len(frame)) % 90, "D")
        a = frame["a"].map("{:.4f}".format).str.replace(".", ",")
        frame.assign(a=a, day=days.strftime("%d/%m/%Y")).to_csv(path, index=False, sep=";")
        return path

    promoted(tmp_path, written(rows(300, "a", 1).fillna({"a": 0.5}), tmp_path / "old.csv"))
    new = written(rows(300, "a", 5).fillna({"a": 0.5}), tmp_path / "new.csv")
    done = retrained(tmp_path, "--data", new, "--dry-run")
    assert (done.returncode, COMPARED.format(60) in done.stdout) == (0, True), done.stderr
    words = ["--data", new, option]
    if option == "--log":
        served = rows(300, "a", 3).assign(day=datetime(2026, 1, 2))
        log = tmp_path / "log"
        write_labels(log, write_log(log, served, datetime.now(UTC)), served["label"])
        words = [option, log]
    done = retrained(tmp_path, *words)
    assert done.returncode == 2
    assert f"columns 'a', 'day' are written in a form of their own, which {option}" in done.stderr


def test_of_several_labels_the_accuracy_decides(tmp_path: Path) -> None:
    def three(frame: pd.DataFrame, column: str) -> pd.DataFrame:
        parts = pd.qcut(frame[column].fillna(0), 3, labels=["low", "mid", "top"])
        return frame.assign(label=parts.astype(str))

    promoted(tmp_path, csv(three(rows(300, "a", 1), "a"), tmp_path / "old.csv"))
    new = csv(three(rows(400, "b", 2), "b"), tmp_path / "new.csv")
    done = retrained(tmp_path, "--data", new)
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("promoted"))
    assert ": accuracy 0." in line
    assert "AUC" not in line


def test_a_class_that_the_command_line_does_not_allow_is_not_imported(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "mine.py").write_text("open('was_run', 'w').close()\nclass Mine: pass\n")
    monkeypatch.syspath_prepend(str(here))
    (version,) = (here / "models" / NAME / "versions").iterdir()
    text = (version / "config.yaml").read_text()
    changed = text.replace("sklearn.linear_model.LogisticRegression", "mine.Mine")
    assert changed != text
    (version / "config.yaml").write_text(changed)
    sealed_again(version)
    done = retrained(here, "--data", csv(rows(300, "a", 5), here / "new.csv"))
    assert (done.returncode, "mine.Mine is not allowed" in done.stderr) == (2, True)
    assert not (here / "was_run").exists()


def test_a_version_without_its_configuration_is_named(tmp_path: Path) -> None:
    models = promoted(tmp_path, csv(rows(300, "a", 1), tmp_path / "old.csv"))
    (version,) = (models / NAME / "versions").iterdir()
    (version / "config.yaml").unlink()
    sealed_again(version)
    with pytest.raises(NotRetrainableError, match=r"has no config\.yaml"):
        read_promoted(NAME, models)
