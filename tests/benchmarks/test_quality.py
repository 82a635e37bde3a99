"""What `python -m benchmarks.quality` concludes from its fits, and how it goes on after a kill."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks import quality
from benchmarks.suite.report import Outcomes, Results, print_report
from benchmarks.suite.results import Key, append_result, read_results
from benchmarks.suite.systems import SYSTEMS, System, order_of, run_fit, scores
from benchmarks.suite.tables import SMALL_ROWS, SuiteTable, splits_of, write_split

KEY = Key("auto", "wine", 0, 0, 60.0)


def line(system: str, table: str, fold: int = 0, **figures: Any) -> dict[str, Any]:
    """Return a line of the results; `auc` alone also sets a log loss that orders alike."""
    if "auc" in figures:
        figures.setdefault("log_loss", 1 - figures["auc"])
    known = {"seconds": 5.0, "allowed": 3.0, "process_seconds": 8.0, "row_ms": 0.5, "bytes": 100}
    place = {"system": system, "table": table, "seed": 0, "fold": fold}
    return place | {"metric": "roc_auc", "test_share": 0.25} | known | figures


def results_of(*lines: dict[str, Any]) -> Results:
    return Results(lines, list(dict.fromkeys(each["system"] for each in lines)))


def test_a_tie_is_equal_to_four_digits() -> None:
    results = results_of(
        line("auto", "a", auc=0.90004),
        line("best", "a", auc=0.90000),
        line("auto", "b", auc=0.9002),
        line("best", "b", auc=0.9000),
        line("auto", "c", auc=0.8),
        line("best", "c", auc=0.9),
    )
    assert results.outcomes("auto", "best", "auc") == Outcomes(1, 1, 1)
    assert results.outcomes("auto", "best", "auc").rate == 0.5


def test_the_lower_log_loss_wins() -> None:
    results = results_of(
        line("auto", "a", auc=0.9, log_loss=0.3), line("best", "a", auc=0.9, log_loss=0.4)
    )
    assert results.outcomes("auto", "best", "log_loss") == Outcomes(1, 0, 0)
    assert results.ranks("log_loss") == {"auto": 1.0, "best": 2.0}
    assert results.normalised("log_loss") == {"auto": 1.0, "best": 0.0}


def test_within_one_standard_error_is_a_tie_as_well() -> None:
    noisy = [line("auto", "a", fold, auc=auc) for fold, auc in enumerate((0.80, 0.90, 0.88))]
    level = [line("best", "a", fold, auc=0.85) for fold in range(3)]
    results = results_of(*noisy, *level)
    assert results.outcomes("auto", "best", "auc").wins == 1
    assert results.outcomes("auto", "best", "auc", errors=1.0) == Outcomes(0, 1, 0)
    # Nadeau and Bengio: 1/n and the test rows per training row.
    found = results.difference("a", "auto", "best", "auc")
    assert found is not None
    variance = np.var([-0.05, 0.05, 0.03], ddof=1)
    assert found.error == pytest.approx(np.sqrt((1 / 3 + 0.25) * variance))


def test_equal_means_share_a_rank_and_a_failure_is_the_last() -> None:
    results = results_of(
        line("auto", "a", auc=0.9),
        line("best", "a", auc=0.9),
        line("flaml", "a", error="killed"),
    )
    assert results.ranks("auc") == {"auto": 1.5, "best": 1.5, "flaml": 3.0}
    assert results.ranks("log_loss") == {"auto": 1.5, "best": 1.5, "flaml": 3.0}
    assert results.outcomes("auto", "flaml", "auc") == Outcomes(1, 0, 0)
    assert results.outcomes("flaml", "auto", "auc") == Outcomes(0, 0, 1)
    assert results.normalised("auc")["flaml"] == 0.0


def test_tables_that_a_system_has_not_run_are_left_out_of_the_ranks() -> None:
    results = results_of(
        line("auto", "a", auc=0.9), line("best", "a", auc=0.8), line("auto", "b", auc=0.7)
    )
    assert results.complete_tables() == ["a"]
    assert results.outcomes("auto", "best", "auc") == Outcomes(1, 0, 0)


def test_targets_are_met_or_missed(capsys: pytest.CaptureFixture[str]) -> None:
    def lines(auc: float) -> list[dict[str, Any]]:
        return [
            line(system, "a", fold, auc=value + fold / 1000)
            for system, value in (("auto", auc), ("best", 0.8), ("none", 0.7))
            for fold in range(2)
        ]

    assert print_report(lines(0.9), ["auto", "best", "none"])
    assert "MISSED" not in capsys.readouterr().out
    assert not print_report(lines(0.6), ["auto", "best", "none"])
    said = capsys.readouterr().out
    assert "tables below untuned" in said
    assert said.count("MISSED") == 2


def test_a_line_that_a_kill_cut_off_is_measured_again(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    append_result(path, KEY, {"auc": 0.9})
    with path.open("a") as file:
        file.write('{"system": "au')
    assert list(read_results(path)) == [KEY]
    append_result(path, KEY._replace(fold=1), {"auc": 0.8})
    assert [found["auc"] for found in read_results(path).values()] == [0.9, 0.8]


def test_finished_fits_are_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, float]] = []

    def fit(system: System, *place: Any) -> dict[str, Any]:
        asked.append((system.choice, place[-2]))
        if system.choice == "none":
            return {"error": "code 1"}
        return {"auc": 0.9, "log_loss": 0.1, "seconds": 4.0}

    monkeypatch.setattr(quality, "run_fit", fit)
    monkeypatch.setattr(quality, "environment_of", lambda *_: Path("python"))
    options = quality.parse_options(
        ["--results", str(tmp_path / "r.jsonl"), "--suite", str(made_suite(tmp_path))]
    )
    table = table_of(60)
    split = next(splits_of(table, 1, 1))
    names = ["auto_like_medium", "none", "medium_quality"]
    quality.run_split(table, split, names, 0, options)
    # What takes the time of another comes after it, with no more than that.
    assert asked == [("none", 60.0), ("medium_quality", 60.0), ("auto", 4.0)]
    quality.run_split(table, split, [*names, "flaml"], 1, options)
    assert asked[3:] == [("AutoML", 60.0)]


def made_suite(folder: Path) -> Path:
    (folder / "index.csv").write_text("file,target\nwine2.csv.gz,class\n")
    return folder


def test_every_system_is_first_in_turn_and_followers_stay_last() -> None:
    names = ["auto", "auto_like_medium", "medium_quality"]
    orders = [order_of(names, turn) for turn in range(3)]
    assert {order[0] for order in orders} == {"auto", "medium_quality"}
    assert all(order[-1] == "auto_like_medium" for order in orders)
    assert all(SYSTEMS[name].like in (None, *SYSTEMS) for name in SYSTEMS)


def table_of(n_rows: int) -> SuiteTable:
    labels = ["no", "yes", "yes"]
    frame = pd.DataFrame(
        {
            "x": [f"{row:03}" for row in range(n_rows)],
            "y": [labels[row % 3] for row in range(n_rows)],
        }
    )
    return SuiteTable("made", frame, "y")


def test_small_tables_have_folds_and_large_ones_a_holdout_per_seed() -> None:
    small = list(splits_of(table_of(60), 2, 5))
    assert [(split.seed, split.fold) for split in small] == [
        (s, f) for s in (0, 1) for f in range(5)
    ]
    assert sorted(row for split in small[:5] for row in split.test) == list(range(60))
    large = list(splits_of(table_of(SMALL_ROWS), 3, 5))
    assert [split.seed for split in large] == [0, 1, 2]
    assert len(large[0].test) == 0.3 * SMALL_ROWS


def test_files_have_the_cells_of_the_table_and_the_test_rows_no_label(tmp_path: Path) -> None:
    table = table_of(60)
    write_split(table, next(splits_of(table, 1, 1)), tmp_path)
    test = (tmp_path / "test.csv").read_text().splitlines()
    assert test[0] == "x"
    # Zeros in front: what a cell means is for each system to find.
    assert all(len(cell) == 3 for cell in test[1:])
    assert (tmp_path / "train.csv").read_text().startswith("x,y\n")


def test_columns_are_taken_by_their_label_and_a_missing_one_has_probability_zero() -> None:
    truth = ["a", "b", "c", "c"]
    proba = pd.DataFrame({"c": [0.1, 0.2, 0.9, 0.8], "a": [0.9, 0.1, 0.1, 0.2]})
    found = scores(truth, proba, ["a", "b", "c"])
    assert found["log_loss"] > 3  # label b was never expected
    whole = pd.DataFrame({"no": [0.9, 0.2], "yes": [0.1, 0.8]})
    assert scores(["no", "yes"], whole, ["no", "yes"])["auc"] == 1.0


def test_rows_without_a_probability_are_a_failure() -> None:
    proba = pd.DataFrame({"no": [0.9], "yes": [0.1]})
    with pytest.raises(ValueError, match="1 of 2 test rows"):
        scores(["no", "yes"], proba, ["no", "yes"])


def test_a_fit_that_crashes_or_hangs_is_a_result(tmp_path: Path) -> None:
    table = table_of(60)
    files = write_split(table, next(splits_of(table, 1, 1)), tmp_path)
    crashing, hanging = tmp_path / "crashing", tmp_path / "hanging"
    crashing.write_text("#!/bin/sh\necho no memory >&2\nexit 3\n")
    hanging.write_text("#!/bin/sh\nsleep 60\n")
    for script in (crashing, hanging):
        script.chmod(0o755)
    crashed = run_fit(SYSTEMS["none"], crashing, files, 1.0, 20.0)
    assert crashed["error"] == "code 3: no memory"
    killed = run_fit(SYSTEMS["none"], hanging, files, 1.0, 0.3)
    assert killed["error"].startswith("killed after 0.3 s")
    assert killed["process_seconds"] < 20
