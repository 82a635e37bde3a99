"""A model that is trained again is promoted if it is better, and else nothing changes."""

import json
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from tabproof.artifacts import Registry, read_predictions
from tabproof.replay.replay import read_recorded
from tabproof.retrain import retrain as module
from tests.conftest import typed_in
from tests.retrain.making import (
    NAME,
    csv,
    current,
    promoted,
    retrained,
    rows,
    write_labels,
    write_log,
)


def runs(folder: Path) -> list[Path]:
    return [path.parent for path in folder.glob("outputs/2*/*/manifest.json")]


def test_newer_rows_that_make_a_better_model_are_promoted(here: Path) -> None:
    before = current(here)
    done = retrained(here, "--data", csv(rows(400, "b", 2, 0.5), here / "new.csv"))
    assert done.returncode == 0, done.stderr
    (run,) = runs(here)
    line = next(line for line in done.stdout.splitlines() if line.startswith("promoted"))
    assert line.startswith(f"promoted  {NAME} {current(here)}, from {run.relative_to(here)}: AUC ")
    assert "(McNemar), on 80 rows that neither was trained on" in line
    assert "[RESULT] ds=file_new mode=none AUC=" in done.stdout
    assert current(here) != before
    entry = Registry(here / "models").history(NAME)[-1]
    assert entry.why.startswith("trained again; AUC ")
    assert entry.previous == before
    # It is a run like any other, and it replays.
    assert (here / "outputs" / "latest").resolve() == run
    assert (run / "train.log").read_text().count("400 rows") == 1
    assert typed_in("runs", "verify", NAME, cwd=here).returncode == 0
    again = typed_in("replay", run, cwd=here)
    assert (again.returncode, again.stdout.splitlines()[-1]) == (0, "identical")


def test_the_same_table_makes_no_better_model(old: Path, here: Path) -> None:
    before = current(here)
    done = retrained(here, "--data", old / "old.csv")
    assert done.returncode == 1
    assert "error: not promoted: AUC 0." in done.stderr
    assert "difference +0.0000, p = 1 (DeLong)" in done.stderr
    # All rows that the promoted version was evaluated on, and no other.
    assert "on 60 rows that neither was trained on; a difference above 0" in done.stderr
    assert current(here) == before
    assert len(runs(here)) == 1


def test_rows_of_the_old_table_are_left_out_of_the_comparison(old: Path, here: Path) -> None:
    known = pd.read_csv(old / "old.csv")
    newer = pd.concat([rows(300, "a", 5), known], ignore_index=True)
    done = retrained(here, "--data", csv(newer, here / "new.csv"), "--dry-run")
    assert done.returncode == 0
    n_compared, n_left_out = map(int, re.findall(r"on (\d+) rows .* \((\d+) that", done.stdout)[0])
    assert n_compared + n_left_out == 120
    # A quarter of the rows held out in 600 are among the 240 that were learned from.
    assert 25 < n_left_out < 75
    assert not runs(here)


def test_an_old_table_that_has_gone_is_named(here: Path) -> None:
    folder = here / "elsewhere"
    folder.mkdir()
    table = csv(rows(300, "a", 1), folder / "old.csv")
    promoted(folder, table)
    table.rename(folder / "moved.csv")
    new = csv(rows(400, "a", 5), here / "new.csv")
    done = retrained(folder, "--data", new, "--dry-run")
    assert "(whether the current version was trained on some of them is not known" in done.stdout
    assert "there is nothing" in done.stdout
    done = retrained(folder, "--data", new, "--dry-run", f"dataset.path={folder}/moved.csv")
    assert "on 80 rows that neither was trained on" in done.stdout
    csv(rows(300, "a", 2), table)
    done = retrained(folder, "--data", new, "--dry-run")
    assert "its table has changed since" in done.stdout
    done = retrained(folder, "--data", new, "--append", "--dry-run")
    assert done.returncode == 2
    assert "--append needs the rows of version" in done.stderr


def test_a_file_is_added_to_the_old_table(here: Path) -> None:
    new = csv(rows(200, "b", 2, 0.5), here / "new.csv")
    done = retrained(here, "--data", new, "--append", "--dry-run")
    assert done.stdout.startswith(f"would train   {NAME}: 400 rows to learn from, 100 held out\n")
    assert not list(here.glob("outputs/retraining/*"))
    done = retrained(here, "--data", new, "--append")
    assert done.returncode in (0, 1)
    (run,), (table,) = runs(here), here.glob("outputs/retraining/*/*.parquet")
    assert len(pd.read_parquet(table)) == 500
    # Typed cells are those of both files.
    _, _, summary = read_recorded(run)
    assert (summary.dataset, summary.n_train + summary.n_test) == (f"file_{NAME}", 500)
    schema = json.loads((run / "schema.json").read_text())
    assert [each["kind"] for each in schema["columns"]] == ["number", "number", "category"]
    assert (
        typed_in("replay", run, "--check", cwd=here).stdout.splitlines()[-1].startswith("nothing")
    )


def test_a_file_with_the_old_rows_in_it_is_noticed(old: Path, here: Path) -> None:
    known = pd.read_csv(old / "old.csv")
    for n_new, is_noticed in ((200, True), (400, False)):
        newer = pd.concat([known, rows(n_new, "a", 5)], ignore_index=True)
        words = ["--data", csv(newer, here / "new.csv"), "--append", "--dry-run"]
        done = retrained(here, *words)
        assert (f"note      300 of {300 + n_new} rows of " in done.stdout) == is_noticed


@pytest.mark.parametrize("is_better", [True, False])
def test_labelled_rows_of_a_log_train_and_the_newest_are_held_out(
    is_better: bool, here: Path
) -> None:
    served = rows(300, "b" if is_better else "a", 3, 0.5 if is_better else 1.0)
    ids = write_log(here / "log", served, datetime.now(UTC) + timedelta(hours=1))
    # Every sixth row has no label yet.
    has_label = [i for i in range(300) if i % 6]
    write_labels(here / "log", [ids[i] for i in has_label], served["label"].iloc[has_label])
    before = current(here)
    done = retrained(here, "--log", here / "log")
    assert done.returncode == (0 if is_better else 1), done.stderr
    assert (current(here) != before) == is_better
    assert "on 50 rows that neither was trained on" in done.stdout + done.stderr
    (run,) = runs(here)
    assert read_predictions(run).hold_out().index.tolist() == list(range(200, 250))
    # No row of a client is in a report that goes wherever the model goes.
    assert "what_if: false" in (run / "config.yaml").read_text()


def test_a_model_that_was_trained_on_a_log_is_trained_on_it_again(here: Path) -> None:
    log, begun = here / "log", datetime.now(UTC) - timedelta(days=100)
    first = rows(300, "b", 3, 0.5)
    ids = write_log(log, first, begun)
    write_labels(log, ids, first["label"])
    # All were answered before the promotion; the old table tells that none was learned from.
    assert retrained(here, "--log", log).returncode == 0
    more = rows(200, "a", 4, 0.5)
    ids = write_log(log, more, begun + timedelta(days=13), prefix="s")
    write_labels(log, ids, more["label"], name="more")
    done = retrained(here, "--log", log, "--dry-run")
    assert "400 rows to learn from, 100 held out" in done.stdout
    assert "on 100 rows that neither was trained on" in done.stdout


def ten(here: Path) -> Path:
    return csv(rows(10, "a", 5), here / "new.csv")


def of_one_class(here: Path) -> Path:
    return csv(rows(400, "a", 5).query("label == 'no'"), here / "new.csv")


def of_few(here: Path) -> Path:
    frame = rows(400, "a", 5)
    rare = frame.index[frame["label"] == "yes"][30:]
    return csv(frame.drop(index=rare), here / "new.csv")


def without_target(here: Path) -> Path:
    return csv(rows(400, "a", 5).drop(columns="label"), here / "new.csv")


def without_column(here: Path) -> Path:
    return csv(rows(400, "a", 5).drop(columns="job"), here / "new.csv")


def with_column(here: Path) -> Path:
    return csv(rows(400, "a", 5).assign(age=range(400)), here / "new.csv")


def with_label(here: Path) -> Path:
    frame = rows(400, "a", 5)
    frame.loc[::9, "label"] = "maybe"
    return csv(frame, here / "new.csv")


def constant(here: Path) -> Path:
    return csv(rows(400, "a", 5).assign(b=1), here / "new.csv")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (ten, "has 10 rows with a label, and 200 are needed"),
        (of_one_class, "holds one class only, 'no'"),
        (of_few, "cannot tell whether a new run is better than version .* 10 of each label are"),
        (without_target, "new.csv lacks the columns 'label'"),
        (without_column, "new.csv lacks the columns 'job'"),
        (with_column, "columns that version .* does not: 'age'"),
        (with_label, "are of another kind .* has 3 classes"),
        (constant, "columns missing: 'b'"),
    ],
)
def test_a_table_that_cannot_be_trained_is_one_line_and_changes_nothing(
    make: Callable[[Path], Path], words: str, here: Path
) -> None:
    refused(here, words, "--data", make(here))


def refused(here: Path, words: str, *asked: object) -> None:
    before = current(here)
    done = retrained(here, *asked)
    assert done.returncode == 2
    assert re.search(words, done.stderr), done.stderr
    assert current(here) == before
    assert not list(here.glob("outputs/2*"))
    assert not list(here.glob("outputs/retraining/*"))


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["--data=gone.csv"], r"--data=gone\.csv: there is no such file"),
        (["--log=gone"], "there is no log at gone"),
        ([], "--data FILE or --log DIR is needed"),
        (["--data=x", "--log=y"], "--data FILE or --log DIR and not both"),
        (["--log=y", "--append"], "--data beside --append must be given"),
        (["--data=x", "--if-alarm"], "--log beside --if-alarm must be given"),
        (["--data=x", "seed=1"], "'seed' decides numbers"),
        (["--data=x", "--min-rows=0"], "--min-rows=0 cannot work"),
    ],
)
def test_words_that_cannot_work_are_one_line(asked: list[str], words: str, here: Path) -> None:
    refused(here, words, *asked)


def test_a_name_without_a_promoted_version_is_one_line(here: Path) -> None:
    for name in ("other", NAME):
        models = "models" if name == "other" else "nowhere"
        words = ["retrain", name, "--data=x", f"--models={models}"]
        done = typed_in("runs", *words, cwd=here)
        assert done.returncode == 2
        assert done.stderr.startswith(f"error: nothing was promoted as '{name}' in {models}")
        assert len(done.stderr.splitlines()) == 1


def test_a_damaged_version_is_not_trained_again(here: Path) -> None:
    with (here / "models" / NAME / "versions" / current(here) / "config.yaml").open("a") as file:
        file.write("\n")
    done = retrained(here, "--data", csv(rows(400, "b", 2), here / "new.csv"))
    assert (done.returncode, "config.yaml" in done.stderr) == (1, True)
    assert not list(here.glob("outputs/2*"))


def test_a_training_that_fails_leaves_the_version_and_no_table(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("tabproof.experiment.export.export_pipeline", fail)
    before = current(here)
    new = csv(rows(200, "b", 2, 0.5), here / "new.csv")
    done = retrained(here, "--data", new, "--append")
    assert done.returncode == 1
    assert current(here) == before
    assert not list(here.glob("outputs/retraining/*"))
    (log,) = here.glob("outputs/2*/*/train.log")
    assert not (log.parent / "manifest.json").exists()


def test_another_promotion_during_training_wins(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = module._trained

    def and_meanwhile(*words: object) -> Path:
        run = trained(*words)  # type: ignore[arg-type]
        other = trained(*words)  # type: ignore[arg-type]
        path = other / "summary.json"
        changed = path.read_text().replace('"dataset": "', '"dataset": "other_')
        path.write_text(changed)
        (other / "manifest.json").unlink()
        from tabproof.artifacts.manifest import seal

        seal(other, "feed0000")
        Registry(here / "models").promote(other, NAME, "somebody", "else")
        return run

    monkeypatch.setattr(module, "_trained", and_meanwhile)
    done = retrained(here, "--data", csv(rows(400, "b", 2, 0.5), here / "new.csv"))
    assert done.returncode == 1
    assert "not promoted: meanwhile version feed0000 became current" in done.stderr
    assert current(here) == "feed0000"
