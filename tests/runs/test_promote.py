"""The commands, as a person types them."""

import getpass
import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tabproof
from tabproof.artifacts import Registry
from tabproof.artifacts.errors import UnverifiedRunError
from tabproof.artifacts.registry import RegistryNameError
from tabproof.runs import promote
from tabproof.runs.promote import NotBetterError, NotComparableError, OtherColumnsError
from tabproof.schema import CategoryColumn, NumberColumn, Schema, TextColumn
from tests.artifacts.making import make_run, predictions, summary
from tests.conftest import Done, typed_in

DAY = Path("outputs/2026-11-23")
N_ROWS = 400
TRUTH = np.random.default_rng(0).integers(0, 2, N_ROWS)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def typed(*arguments: str) -> Done:
    done = typed_in("runs", *arguments, cwd=Path.cwd())
    assert len(done.stderr.splitlines()) == (done.returncode != 0), done.stderr
    return done


def noisy(noise: float, seed: int, **changes: object) -> bytes:
    """Return predictions of two classes, the better the less noise."""
    scores = TRUTH + np.random.default_rng(seed).normal(0, noise, N_ROWS)
    proba = 1 / (1 + np.exp(1 - 2 * scores))
    truth = [("no", "yes")[code] for code in TRUTH]
    given = {"truth": truth, **changes}
    return predictions(np.column_stack([1 - proba, proba]), **given)  # type: ignore[arg-type]


def promoted(run: Path, *, if_better: bool = False, force: bool = False, why: str = "") -> str:
    return promote.promote(
        str(run),
        name=None,
        if_better=if_better,
        force=force,
        who="me",
        why=why,
        outputs=Path("outputs"),
        models=Path("models"),
    )


def test_promote_roll_back_history_and_verify(here: Path) -> None:
    make_run(DAY / "09-00-00_wine", "aaaa0000")
    first = typed("promote", "latest")
    assert first.stdout.splitlines() == [
        "promoted  wine aaaa0000, from outputs/2026-11-23/09-00-00_wine",
        "before    nothing",
        "serve it  make api, or tabproof serve",
        "look      python -m src.runs history wine",
    ]
    time.sleep(0.01)
    make_run(DAY / "10-00-00_wine", "bbbb0000")
    second = typed("promote", "latest", "--why", "新しい", "--who", "k@lab").stdout
    assert (
        "before    aaaa0000\nwhy       新しい\nserve it  make api, or tabproof serve\ngo back"
        in second
    )
    assert typed("promote", "bbbb").stdout == (
        "wine: bbbb0000 is current already; its copy is intact\n"
    )
    assert typed("rollback", "wine").stdout.startswith("current   wine aaaa0000\n")
    assert "nothing was promoted before aaaa0000" in typed("rollback", "wine").stderr
    lines = typed("history", "wine").stdout.splitlines()
    assert [line.split()[0] for line in lines[-2:]] == ["*", "*"]
    assert lines[-2].split()[2:4] == ["rollback", "aaaa0000"]
    assert getpass.getuser() + "@" in lines[-2]
    content = json.loads(typed("history", "wine", "--json").stdout)
    assert content["current"] == "aaaa0000"
    assert [e["who"] for e in content["history"]][1] == "k@lab"
    path = "models/wine/versions/aaaa0000"
    assert typed("verify", "wine").stdout == f"OK  {path}: 5 files, run id aaaa0000\n"
    assert typed("verify", "wine/bbbb").stdout.startswith("OK  models/wine/versions/bbbb0000: ")
    (here / path / "plots/roc.svg").write_bytes(b"?")
    done = typed("verify", "wine")
    assert (done.returncode, done.stdout) == (1, "")
    assert "plots/roc.svg is shorter" in done.stderr


def test_a_trained_run_is_promoted_verified_and_found(run: Path) -> None:
    assert promoted(run).startswith("promoted  wine ")
    version = Registry(Path("models")).version_named("wine")
    assert typed("verify", "wine").stdout.startswith(f"OK  models/wine/versions/{version}: ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["promote", "latest"], "outputs holds no complete run"),
        (["rollback", "wine"], "promote latest promotes the newest run"),
        (["history", "wine"], "nothing was promoted as 'wine' in models"),
        (["history", "../wine"], "cannot name a model"),
        (["verify", "a\nb"], "names no run"),
        (["promote", "."], "no complete run"),
    ],
)
def test_a_refused_command_prints_one_line(arguments: list[str], words: str) -> None:
    done = typed(*arguments)
    assert done.returncode in (1, 2)
    assert done.stdout == ""
    assert words in done.stderr
    assert not Path("models").exists()


def test_a_registry_that_cannot_be_written_is_reported_in_one_line(here: Path) -> None:
    make_run(DAY / "a", "aaaa0000")
    (here / "models").touch()
    done = typed("promote", "latest")
    assert done.returncode == 1
    assert "cannot use models" in done.stderr


@pytest.mark.parametrize("dataset", ["builtin_wine", "openml_wine", "file_wine", "wine"])
def test_a_model_has_the_name_of_its_dataset(dataset: str) -> None:
    promoted(make_run(DAY / "a", "aaaa0000", dataset=dataset))
    assert Registry(Path("models")).names() == ["wine"]


def test_a_dataset_name_that_cannot_name_a_model_needs_the_option_name() -> None:
    make_run(DAY / "a", "aaaa0000", dataset="file_結果")
    assert "choose another with --name" in typed("promote", "latest").stderr
    assert typed("promote", "latest", "--name", "results").returncode == 0


def test_an_empty_name_is_refused() -> None:
    make_run(DAY / "a", "aaaa0000")
    assert "'' cannot name a model" in typed("promote", "latest", "--name", "").stderr
    with pytest.raises(RegistryNameError):
        tabproof.promote(DAY / "a", "")
    assert not Path("models").exists()


def schema(**changes: Any) -> dict[str, bytes]:
    """Return a schema.json; changes replace its fields."""
    columns = (NumberColumn("age", 0, 1, 0.0), CategoryColumn("job", ("a", "b"), 0.0))
    content = Schema(columns, "y", ("no", "yes"), 8)
    return {"schema.json": replace(content, **changes).to_json().encode()}


AGE, JOB = NumberColumn("age", 5, 9, 0.5), CategoryColumn("job", ("c",), 0.0)
OTHER_COLUMNS = {
    "columns missing: 'job'": {"columns": (AGE,)},
    "columns added: 'pay', 'team'": {
        "columns": (AGE, JOB, NumberColumn("pay", 0, 1, 0.0), NumberColumn("team", 0, 1, 0.0))
    },
    "columns missing: 'age'; columns added: 'years'": {
        "columns": (replace(AGE, name="years"), JOB)
    },
    "columns of another kind: 'age (number, now text)'": {
        "columns": (TextColumn("age", 9, 0.0), JOB)
    },
    "columns in another order": {"columns": (JOB, AGE)},
    "labels: 'no', 'yes', now 'no', 'yes', 'maybe'": {"labels": ("no", "yes", "maybe")},
    # The probability would be that of the other label.
    "labels: 'no', 'yes', now 'yes', 'no'": {"labels": ("yes", "no")},
}


@pytest.mark.parametrize("words", OTHER_COLUMNS)
def test_a_run_with_other_columns_or_labels_needs_force(words: str) -> None:
    promoted(make_run(DAY / "a", "aaaa0000", schema()))
    # Other ranges and categories are not other columns.
    promoted(make_run(DAY / "b", "bbbb0000", schema(columns=(AGE, JOB), n_rows=9)))
    make_run(DAY / "c", "cccc0000", schema(**OTHER_COLUMNS[words]))
    done = typed("promote", "cccc")
    assert f"rows for version bbbb0000, and this run differs: {words}; --force" in done.stderr
    with pytest.raises(OtherColumnsError):
        tabproof.promote(DAY / "c")
    assert typed("history", "wine").stdout.count("cccc0000") == 0
    assert typed("promote", "cccc", "--name", "other").returncode == 0
    assert typed("promote", "cccc", "--force").returncode == 0
    assert tabproof.promote(DAY / "b", force=True).version == "bbbb0000"
    # Nothing changes, so nothing is asked.
    assert "current already" in typed("promote", "bbbb").stdout


def test_a_current_version_that_cannot_be_read_needs_force() -> None:
    promoted(make_run(DAY / "a", "aaaa0000", schema()))
    Path("models/wine/versions/aaaa0000/schema.json").write_text("{}")
    other = make_run(DAY / "b", "bbbb0000", schema())
    with pytest.raises(OtherColumnsError, match=r"cannot be read \(.*schema\.json is shorter"):
        promoted(other)
    assert "bbbb0000" in promoted(other, force=True)


def test_an_interrupted_promotion_states_that_the_registry_is_whole() -> None:
    make_run(DAY / "a", "aaaa0000", {"scorer/large": bytes(200 << 20)})
    process = subprocess.Popen(
        [sys.executable, "-m", "tabproof", "runs", "promote", "latest"],
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and not Path("models/wine/.incoming").exists():
        time.sleep(0.001)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "interrupted by SIGTERM while changing the registry; what is current is whole" in errors
    assert not Path("models/wine/.incoming").exists()


def test_if_better_promotes_better_runs_only_and_history_has_the_difference() -> None:
    poor = make_run(DAY / "a", "aaaa0000", {"predictions.parquet": noisy(2, 1)})
    good = make_run(DAY / "b", "bbbb0000", {"predictions.parquet": noisy(0.5, 2)})
    alike = make_run(DAY / "c", "cccc0000", {"predictions.parquet": noisy(0.5, 3)})
    promoted(poor, if_better=True)
    assert "why       smoother; AUC 0." in promoted(good, if_better=True, why="smoother")
    for run in (alike, poor):
        with pytest.raises(NotBetterError, match=r"AUC 0\.\d+, current .* p = .* p below 0.05"):
            promoted(run, if_better=True)
    assert typed("promote", "aaaa", "--if-better").returncode == 1
    history = Registry(Path("models")).history("wine")
    assert [entry.version for entry in history] == ["aaaa0000", "bbbb0000"]
    assert "(DeLong)" in history[1].why
    assert "current already" in promoted(good, if_better=True)


def test_the_order_of_held_out_rows_does_not_matter() -> None:
    order = np.random.default_rng(5).permutation(N_ROWS)
    truth = [("no", "yes")[code] for code in TRUTH[order]]
    sure = np.column_stack([1 - TRUTH, TRUTH])[order].astype(float)
    shuffled = predictions(sure, truth, row_ids=order)
    promoted(make_run(DAY / "a", "aaaa0000", {"predictions.parquet": noisy(2, 1)}))
    run = make_run(DAY / "b", "bbbb0000", {"predictions.parquet": shuffled})
    assert "AUC 1.0000" in promoted(run, if_better=True)


def test_if_better_compares_several_classes_by_accuracy() -> None:
    labels = ("a", "b", "c")
    truth = np.arange(90) % 3
    words = [labels[code] for code in truth]
    for run_id, wrong in (("aaaa0000", 40), ("bbbb0000", 10)):
        proba = np.eye(3)[np.where(np.arange(90) < wrong, (truth + 1) % 3, truth)]
        files = {
            "summary.json": summary(labels=labels),
            "predictions.parquet": predictions(proba, words, labels),
        }
        told = promoted(make_run(DAY / run_id, run_id, files), if_better=True)
    assert "accuracy 0.8889, current version 0.5556, difference +0.3333" in told
    assert "(McNemar)" in told


OTHER = {
    "the data": {"summary.json": summary(sha256="0" * 64)},
    "the labels": {"summary.json": summary(labels=("yes", "no"))},
    "the rows held out": {"predictions.parquet": noisy(1, 1, row_ids=range(1, N_ROWS + 1))},
    "the true labels": {"predictions.parquet": noisy(1, 1, truth=["no", "yes"] * (N_ROWS // 2))},
}


@pytest.mark.parametrize("what", OTHER)
def test_if_better_refuses_other_rows(what: str) -> None:
    promoted(make_run(DAY / "a", "aaaa0000", {"predictions.parquet": noisy(2, 1)}))
    files = {"predictions.parquet": noisy(0.5, 1), **OTHER[what]}
    other = make_run(DAY / "b", "bbbb0000", files)
    with pytest.raises(NotComparableError, match=f"{what} differ"):
        promoted(other, if_better=True)
    promoted(other)


def test_if_better_refuses_a_subset_of_the_rows() -> None:
    promoted(make_run(DAY / "a", "aaaa0000", {"predictions.parquet": noisy(2, 1)}))
    with pytest.raises(NotComparableError, match="4 rows, the current version 400, of which 4"):
        promoted(make_run(DAY / "b", "bbbb0000"), if_better=True)


UNUSABLE = {
    "no json": {"summary.json": b"{"},
    "no labels": {"summary.json": b'{"dataset": "wine", "data": {"sha256": ""}}'},
    "numbers as labels": {
        "summary.json": b'{"dataset": "wine", "labels": [1], "data": {"sha256": ""}}'
    },
    "no parquet": {"predictions.parquet": b"PAR1 and no more"},
    "no row ids": {"predictions.parquet": b""},
    "a label that is none": {"predictions.parquet": noisy(1, 1, truth=["maybe"] * N_ROWS)},
    "no probabilities": {"predictions.parquet": noisy(1, 1, labels=("nein", "ja"))},
}


@pytest.mark.parametrize("files", UNUSABLE.values(), ids=UNUSABLE)
def test_a_run_with_right_hashes_and_wrong_content_is_refused(
    files: dict[str, bytes],
) -> None:
    promoted(make_run(DAY / "a", "aaaa0000"))
    with pytest.raises(UnverifiedRunError, match="has the wrong form"):
        promoted(make_run(DAY / "b", "bbbb0000", files), if_better=True)


def test_a_damaged_current_version_is_refused(here: Path) -> None:
    promoted(make_run(DAY / "a", "aaaa0000"))
    shutil.rmtree(here / "models/wine/versions/aaaa0000/plots")
    with pytest.raises(UnverifiedRunError, match="plots"):
        promoted(make_run(DAY / "b", "bbbb0000"), if_better=True)
