"""What only people read costs no run: it is left out, said and recorded."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tabproof.artifacts import read_manifest
from tabproof.errors import UserError
from tabproof.experiment import run_experiment
from tabproof.report import plots
from tabproof.steps.for_people import MAX_REASON, ForPeople
from tests.conftest import composed


def test_a_part_that_fails_is_left_out_said_and_recorded(caplog: pytest.LogCaptureFixture) -> None:
    people = ForPeople()
    with people.part("plots/roc.svg"):
        raise StopIteration
    with people.part("report.html"):
        raise ValueError("two\nlines " + "x" * 1000)
    with people.part("model_card.md"):
        pass
    assert people.left_out["plots/roc.svg"] == "StopIteration"
    assert people.left_out["report.html"].startswith("ValueError: two lines xxx")
    assert len(people.left_out["report.html"]) == MAX_REASON + 1
    assert list(people.left_out) == ["plots/roc.svg", "report.html"]
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert all(record.exc_info for record in caplog.records)


def test_an_interruption_is_no_failure_of_a_plot() -> None:
    with pytest.raises(KeyboardInterrupt), ForPeople().part("plots"):
        raise KeyboardInterrupt


def table_of(path: Path, **columns: Any) -> list[str]:
    rng = np.random.default_rng(0)
    y = np.arange(120) % 2
    frame = pd.DataFrame({"x": rng.normal(y, 1.0), **columns, "y": np.where(y, "yes", "no")})
    frame.to_csv(path, index=False)
    return ["dataset=file", f"dataset.path={path}", "dataset.target=y", "dataset.pos_label='yes'"]


QUICK = ("search=none", "runtime=serial", "model=logistic_regression", "preprocess=onehot")
# Not the quick choices of other tests.
FULL = ("evaluation=default", "report=default", "checks=default", "evaluation.n_bootstrap=100")


def run(tmp_path: Path, *choices: str, **columns: Any) -> tuple[Path, dict[str, Any]]:
    path = tmp_path / "run"
    table = table_of(tmp_path / "table.csv", **columns)
    run_experiment(composed(*table, *QUICK, *FULL, *choices), path)
    return path, json.loads((path / "summary.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("place", ["importances", "importance.ColumnDrops.of"])
def test_a_run_whose_plots_page_and_importances_fail_is_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise StopIteration

    monkeypatch.setitem(plots.PLOTS, "roc", fail)
    monkeypatch.setattr("tabproof.report.page.commands", fail)
    monkeypatch.setattr(f"tabproof.evaluation.{place}", fail)
    path, summary = run(tmp_path)
    expected = {"plots/roc.svg", "model_card.md", "report.html", "importances of columns"}
    assert set(summary["left_out"]) == expected
    assert summary["metrics"]["roc_auc"] > 0.5
    files = {str(name) for name in read_manifest(path).files}
    assert "plots/precision_recall.svg" in files
    assert not expected & files


def test_what_is_left_out_stands_in_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise IndexError("no such mark")

    monkeypatch.setitem(plots.PLOTS, "dependence", fail)
    path, summary = run(tmp_path, "evaluation.baselines=false")
    assert summary["left_out"] == {"plots/dependence.svg": "IndexError: no such mark"}
    page = (path / "report.html").read_text(encoding="utf-8")
    assert "plots/dependence.svg" in page


def test_wrong_metrics_are_an_error_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("tabproof.evaluation.measure", fail)
    with pytest.raises((ZeroDivisionError, UserError)):
        run(tmp_path)
    assert not (tmp_path / "run" / "manifest.json").exists()


# Of 120 rows, 24 are held out.
COLUMNS = {
    "one huge": np.where(np.arange(120) == 3, 1.797e308, 1.0),
    "huge range": np.geomspace(1e-300, 1e300, 120),
    "both ends": np.where(np.arange(120) % 3, 3.4e38, -3.4e38),
    "tiny range": np.where(np.arange(120) % 3, 1.0, 1.0 + 2**-52),
    "nearly constant": np.where(np.arange(120) < 2, 5.0, 0.0),
    "nearly missing": np.where(np.arange(120) < 3, np.arange(120.0), np.nan),
}


@pytest.mark.parametrize("model", ["logistic_regression", "hist_gradient_boosting"])
def test_columns_of_odd_numbers_have_all_plots(tmp_path: Path, model: str) -> None:
    preprocess = "onehot" if model == "logistic_regression" else "native"
    choices = (f"model={model}", f"preprocess={preprocess}", "evaluation.n_dependences=7")
    path, summary = run(tmp_path, *choices, "evaluation.n_permutations=1", **COLUMNS)
    assert summary["left_out"] == {}
    drawn = {picture.stem for picture in (path / "plots").iterdir()}
    assert {"importance", "dependence", "roc", "calibration"} <= drawn


def test_a_model_of_noise_is_told_first(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    noise = np.random.default_rng(5).normal(size=120)
    with caplog.at_level(logging.INFO):
        path, summary = run(tmp_path, x=noise)
    assert summary["findings"][0] == "not_better_than_chance"
    page = (path / "report.html").read_text(encoding="utf-8")
    card = (path / "model_card.md").read_text(encoding="utf-8")
    for text in (page, card):
        assert text.index("Not better than chance") > 0
    assert page.index("Not better than chance") < page.index('id="findings"')
    (line,) = (
        at for at, text in enumerate(caplog.messages) if "cannot be told from chance" in text
    )
    first_metric = next(at for at, text in enumerate(caplog.messages) if "roc_auc" in text)
    assert line < first_metric
