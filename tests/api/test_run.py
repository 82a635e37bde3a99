"""A run as an object: its numbers, its predictions, and what notebooks show of it."""

import math
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tabproof as tp
from tabproof.api.run import NoSuchFileError, RowsNotScoredWarning
from tabproof.artifacts.errors import NoSuchRunError, UnverifiedRunError
from tabproof.errors import UserError
from tests.api.conftest import make_frame
from tests.conftest import QUICK, process


def test_numbers_are_those_of_the_summary(trained: tp.Run) -> None:
    assert trained.metrics["roc_auc"] == trained.summary.metrics["roc_auc"]
    assert all(isinstance(value, float) for value in trained.metrics.values())
    low, high = trained.intervals["roc_auc"]
    assert low <= trained.metrics["roc_auc"] <= high
    assert trained.config["search"]["name"] == "none"
    assert len(trained.cv_results()) == 1
    assert len(trained.predictions()) == trained.summary.n_test
    assert trained.labels == ("no", "yes")
    assert trained.report().read_text(encoding="utf-8").startswith("<!doctype html>")


def test_predictions_are_those_of_the_pipeline_and_of_the_command(
    trained: tp.Run, tmp_path: Path
) -> None:
    frame = make_frame()
    proba = trained.predict_proba(frame)
    assert list(proba.columns) == ["no", "yes"]
    assert proba.index.equals(frame.index)
    held_out = trained.predictions().set_index("row_id")
    np.testing.assert_array_equal(
        proba.loc[held_out.index].to_numpy(), held_out[["proba_no", "proba_yes"]].to_numpy()
    )
    frame.to_parquet(tmp_path / "in.parquet")
    words = [f"input={tmp_path}/in.parquet", f"output={tmp_path}/out.parquet", "explain=true"]
    done = process("score", f"run={trained.path}", *words)
    assert done.returncode == 0, done.stderr
    scored = pd.read_parquet(tmp_path / "out.parquet")
    np.testing.assert_array_equal(proba["yes"], scored["proba_yes"])
    assert trained.predict(frame).tolist() == scored["label"].tolist()
    assert trained.predict(frame).name == "churned"
    contributions = trained.explain(frame)
    assert list(contributions.columns) == ["base_value", "age", "job", "size"]
    np.testing.assert_array_equal(contributions["age"], scored["contribution_age"])


def test_the_estimator_is_the_fitted_pipeline(trained: tp.Run) -> None:
    frame = make_frame()
    X = frame[["age", "job", "size"]].astype({"job": "category"})
    # The pipeline knows the categories of its training rows only.
    np.testing.assert_allclose(
        trained.estimator.predict_proba(X)[:, 1], trained.predict_proba(frame)["yes"], rtol=1e-12
    )
    assert trained.estimator is trained.estimator


@pytest.mark.parametrize(
    "make",
    [
        lambda frame: frame.assign(churned=None)[["size", "churned", "job", "age"]],
        lambda frame: frame.astype({"age": "str"}),
        lambda frame: frame.to_dict("records"),
        lambda frame: pytest.importorskip("polars").from_pandas(frame),
    ],
    ids=["other columns and order", "numbers as texts", "records", "polars"],
)
def test_cells_are_read_whatever_holds_them(make: Any, trained: tp.Run) -> None:
    frame = make_frame()
    expected = trained.predict_proba(frame).reset_index(drop=True)
    pd.testing.assert_frame_equal(trained.predict_proba(make(frame)), expected)


def test_rows_that_cannot_be_scored_are_missing_and_said(trained: tp.Run) -> None:
    frame = make_frame().head(4).astype({"age": "object"}).set_axis([*"abcd"])
    frame.loc["c", "age"] = "forty"
    with pytest.warns(RowsNotScoredWarning, match=r"1 of 4 rows .* row 2, 'age': 'forty' is no"):
        proba = trained.predict_proba(frame)
    assert proba.isna().any(axis=1).tolist() == [False, False, True, False]
    with pytest.warns(RowsNotScoredWarning):
        assert trained.predict(frame).isna().tolist() == [False, False, True, False]
    with pytest.warns(RowsNotScoredWarning, match="absent count as missing cells: 'size'"):
        trained.predict_proba(make_frame().drop(columns="size"))
    with pytest.raises(UserError, match="the table has 'Size ' instead of 'size': names of"):
        trained.predict_proba(make_frame().rename(columns={"size": "Size "}))
    with pytest.raises(UserError, match="does not have the model's columns: missing 'age'"):
        trained.predict_proba(pd.DataFrame({"x": [1]}))


@pytest.mark.usefixtures("folder")
def test_what_a_run_was_told_not_to_write_is_named(trained: tp.Run) -> None:
    run = tp.train(make_frame(), target="churned", search="none", export=False, **QUICK)
    with pytest.raises(NoSuchFileError, match=r"has no report.html; train it with report=default"):
        run.report()
    with pytest.raises(UserError, match="export=false"):
        run.predict_proba(make_frame())
    assert run.metrics["roc_auc"] == trained.metrics["roc_auc"]


def test_a_changed_estimator_is_not_loaded(trained: tp.Run, tmp_path: Path) -> None:
    shutil.copytree(trained.path, tmp_path / "copy")
    (tmp_path / "copy" / "estimator.joblib").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(UnverifiedRunError):
        _ = tp.load_run(tmp_path / "copy").estimator


@pytest.mark.usefixtures("folder")
def test_cells_of_every_type_are_learned_from_and_predicted() -> None:
    n, rng = 120, np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "when": pd.date_range("2025-01-01", periods=n, freq="7h"),
            "zoned": pd.date_range("2025-01-01", periods=n, freq="31h", tz="Asia/Tokyo"),
            "flag": rng.random(n) > 0.5,
            "size": pd.Categorical(rng.choice(["S", "M"], n)),
            "count": pd.array([*rng.integers(0, 9, n - 1), None], dtype="Int64"),
            "mixed": [1 if row % 3 else "x" for row in range(n)],
            "年齢 (歳)": rng.normal(40, 9, n),
        }
    )
    frame.loc[::7, "when"] = pd.NaT
    frame["結果"] = np.where(frame["年齢 (歳)"] + 9 * frame["flag"] > 45, "はい", "いいえ")
    run = tp.train(frame, target="結果", search="none", **QUICK)
    held_out = run.predictions().set_index("row_id")
    proba = run.predict_proba(frame)
    np.testing.assert_array_equal(proba.loc[held_out.index, "はい"], held_out["proba_はい"])
    as_text = frame.assign(when=frame["when"].astype("str").where(frame["when"].notna()))
    pd.testing.assert_frame_equal(run.predict_proba(as_text), proba)
    assert set(run.explain(frame).columns) == {"base_value", *frame.columns} - {"結果"}


# --- What is shown.

REMOTE = re.compile(r"""(?:src|href|url)\s*[=(]\s*["']?(?!data:)[a-z]*:?//""", re.I)


def test_a_notebook_shows_the_headline_findings_and_plots(trained: tp.Run) -> None:
    shown = trained._repr_html_()
    auc = trained.metrics["roc_auc"]
    assert f"churn: AUC {auc:.4f} (95 %: " in shown
    assert shown.count('<img alt="') == 2
    assert "<script" not in shown
    assert not REMOTE.search(shown)
    assert f"AUC={auc:.4f}" in repr(trained)
    assert trained.run_id in repr(trained)


@pytest.mark.usefixtures("folder")
def test_names_of_a_table_are_escaped() -> None:
    name = "<img src=x onerror=alert(1)>"
    frame = make_frame()
    # A leak, which is a finding that names its column.
    frame[name] = (frame["churned"] == "yes").astype("float64")
    run = tp.train(frame, target="churned", search="none", **{**QUICK, "checks": "default"})
    assert "<img src=x" not in run._repr_html_()
    assert "&lt;img" in run._repr_html_()


# --- Other runs.


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[tp.Run, tp.Run]:
    monkeypatch.chdir(tmp_path)
    chosen = {"target": "churned", "search": "none", "name": "churn", **QUICK}
    return tp.train(make_frame(), **chosen), tp.train(
        make_frame(), model="logistic_regression", **chosen
    )


def test_runs_are_found_listed_compared_and_promoted(two: tuple[tp.Run, tp.Run]) -> None:
    first, second = two
    assert tp.load_run("latest").path == second.path
    assert tp.load_run(first.run_id[:8]).path == first.path
    assert tp.load_run(first.path).run_id == first.run_id
    assert tp.load_run(first) is first

    table = tp.runs()
    assert table["run_id"].tolist() == [second.run_id, first.run_id]
    assert table["dataset"].unique().tolist() == ["churn"]
    assert table.loc[1, "roc_auc"] == first.metrics["roc_auc"]
    assert table["state"].eq("complete").all()
    best = max(run.metrics["roc_auc"] for run in two)
    assert len(table.query(f"roc_auc >= {best} and run_id == run_id")) >= 1
    assert tp.runs(dataset="other").columns.tolist() == [
        *("when", "dataset", "model", "search", "choices", "roc_auc"),
        *("seconds", "run_id", "state", "path"),
    ]

    comparison = tp.compare(first, second.run_id)
    assert "on the same 20 rows held out" in repr(comparison)
    assert comparison.data["runs"][0]["run_id"] == first.run_id
    assert "model.estimator._target_" in comparison._repr_html_()
    assert "more than noise" in comparison._repr_html_()

    promoted = tp.promote(first, "churn", why="the first")
    assert (promoted.version, promoted.why) == (first.run_id, "the first")
    assert tp.load_run("churn").run_id == first.run_id
    assert tp.promote("latest").previous == first.run_id
    np.testing.assert_array_equal(
        tp.load_run("churn").predict_proba(make_frame()), second.predict_proba(make_frame())
    )


def test_a_run_that_is_not_there_is_an_error(folder: Path) -> None:
    (folder / "outputs").mkdir()
    with pytest.raises(NoSuchRunError):
        tp.load_run("latest")
    assert math.isnan(tp.runs().shape[0] or math.nan)


def test_runs_is_a_function_whatever_was_imported_before() -> None:
    from tabproof.runs import listing

    assert listing.list_runs
    assert callable(tp.runs)
    assert {"train", "runs", "RungSearchCV"} <= set(dir(tp))
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = tp.trian
