"""The page of all runs: it has every run in whatever state."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tabproof import artifacts
from tabproof.artifacts import Registry
from tabproof.artifacts.manifest import seal
from tabproof.runs import page as pages
from tabproof.runs import page_cache
from tests.artifacts.making import (
    DAY,
    make_failed,
    make_recorded_run,
    make_running,
    predictions,
    summary,
)
from tests.conftest import process, typed_in
from tests.runs.pages import (
    DATE,
    MODELS,
    OUTPUTS,
    by_id,
    content_of,
    curves_of,
    facts_of,
    here,
    written,
)

__all__ = ["here"]  # a fixture

EVIL = '</script><script>alert("x")</script><!--\' \u202e😀'


def static(outputs: Path = OUTPUTS) -> str:
    """Return the part of the page that is there without scripts."""
    text = (outputs / "index.html").read_text(encoding="utf-8")
    return text[text.index('<div id="static">') : text.index('<script type="application/json"')]


# --- What is in it.


def test_every_run_is_in_the_page_the_newest_first() -> None:
    make_recorded_run(OUTPUTS / "2026-11-21/09-00-00_adult", "aaaa0000", 0.91)
    sweep = OUTPUTS / "2026-11-22/10-00-00_sweep 二"
    overrides = ["dataset=adult", "search=full", "search.n_iter=4", "report.plots=false"]
    files = {"report.html": b"", "train.log": b""}
    make_recorded_run(sweep / "0_a", "aaaa1111", 0.95, overrides=overrides, files=files)
    make_failed(DATE / "12-00-00_adult 失敗", "no such table")
    make_running(DATE / "11-00-00_adult")
    content = written()
    assert [run["when"][:16] for run in content["runs"]] == [
        "2026-11-23 12:00", "2026-11-23 11:00", "2026-11-22 10:00", "2026-11-21 09:00"
    ]  # fmt: skip
    failed, running, job, single = content["runs"]
    assert (failed["state"], failed["cause"]) == ("failed", "no such table")
    assert (running["state"], running["differs"], running["group"]) == ("running", None, None)
    assert [each["name"] for each in content["metrics"]] == ["roc_auc", "accuracy", "log_loss"]
    assert [each["lower"] for each in content["metrics"]] == [False, False, True]
    assert job["metrics"] == [0.95, 0.8, pytest.approx(0.05)]
    assert (job["low"], job["high"]) == ([0.94, 0.75, None], [0.96, 0.84, None])
    assert (job["id"], job["dataset"], job["search"]) == ("aaaa1111", "adult", "full")
    assert (job["choices"], job["seconds"]) == ("search.n_iter=4", 12.6)
    assert job["path"] == "2026-11-22/10-00-00_sweep 二/0_a"
    assert job["href"] == "2026-11-22/10-00-00_sweep%20%E4%BA%8C/0_a"
    assert (job["sweep"], single["sweep"]) == ("2026-11-22/10-00-00_sweep 二", None)
    assert job["command"] == f"python -m src.train {' '.join(overrides)}"
    assert (job["files"], single["files"]) == (["report.html", "train.log"], [])
    assert f'<a href="{job["href"]}/report.html"' in static()
    assert content["place"] == "outputs"


def test_a_run_has_the_facts_that_compare_compares() -> None:
    changed: list[dict[str, Any]] = [
        {"best_params": {"clf__max_depth": 4}, "versions": {"numpy": "2.4.6", "a": "true"}},
        {
            "best_params": {"clf__max_depth": 1.0, "yes": True, "list": [1, None]},
            "git": {"commit": "c"},
        },
        {"data": {"sha256": "e" * 64, "columns": {"age": "2", "job": "1"}}, "code": "other"},
    ]
    for n, changes in enumerate(changed):
        config = {"config.yaml": f"seed: {n // 2}\nmodel:\n  estimator: {{x{n}: .nan}}\n".encode()}
        make_recorded_run(DATE / f"1{n}-00-00_x", f"aaaa000{n}", files=config, **changes)
    content = written()
    assert len({json.dumps(value) for value in content["values"]}) == len(content["values"])
    for n in range(3):
        run = artifacts.read_complete_run(DATE / f"1{n}-00-00_x")
        expected = {key: json.loads(value) for key, value in page_cache.facts_of(run)}
        assert facts_of(content, by_id(content)[f"aaaa000{n}"]) == expected
        assert expected["config.seed"] == n // 2
        assert expected[f"config.model.estimator.x{n}"] == "nan"
    assert facts_of(content, by_id(content)["aaaa0001"])["best.list"] == [1, None]
    # Of three runs, two have the same seed: only the other names it.
    seed = content["keys"].index("config.seed")
    assert sum(seed in dict(map(tuple, run["differs"])) for run in content["runs"]) == 1


def test_long_values_are_cut_but_not_taken_for_equal() -> None:
    for n in range(2):
        text = "x" * 5_000 + str(n)
        make_recorded_run(DATE / f"1{n}-00-00_x", f"aaaa000{n}", best_params={"a": text})
    content = written()
    one, other = (facts_of(content, run)["best.a"] for run in content["runs"])
    assert one != other
    assert len(one) == len(other) < 500


def test_promoted_runs_are_named() -> None:
    runs = [
        make_recorded_run(DATE / f"1{n}-00-00_x", f"aaaa000{n}", 0.9 + n / 100) for n in range(3)
    ]
    registry = Registry(MODELS)
    for run in runs[:2]:
        registry.promote(run, "adult", "me", "")
    registry.promote(runs[1], "other", "me", "")
    registry.challenge(runs[2], "adult", "me", "", kind="canary", share=0.05)
    (MODELS / "broken").mkdir()
    (MODELS / "broken/pointer.json").write_text("{")
    promoted = {run["id"]: run["promoted"] for run in written()["runs"]}
    served = {"name": "adult", "version": 2, "served": True}
    challenger = {"name": "adult", "version": 0, "served": False}
    assert promoted == {
        "aaaa0000": [{"name": "adult", "version": 1, "served": False}],
        "aaaa0001": [served, {"name": "other", "version": 1, "served": True}],
        "aaaa0002": [{**challenger, "challenge": "canary 5%"}],
    }


def test_verified_predictions_are_grouped_by_their_rows() -> None:
    proba = np.array([[0.9, 0.1], [0.4, 0.6], [0.4, 0.6], [0.8, 0.2]])
    for n in range(2):
        files = {"predictions.parquet": predictions(proba)} if n else {}
        make_recorded_run(DATE / f"1{n}-00-00_x", f"aaaa000{n}", 0.9 + n / 100, files=files)
    other = {"predictions.parquet": predictions(proba, truth=["yes", "no", "no", "no"])}
    make_recorded_run(DATE / "13-00-00_x", "aaaa0003", 0.5, files=other)
    content = written()
    runs, groups = by_id(content), curves_of(OUTPUTS)
    assert [runs[f"aaaa000{n}"]["group"] for n in (1, 0, 3)] == [0, 0, 1]
    assert [runs[f"aaaa000{n}"]["curve"] for n in (1, 0, 3)] == [0, 1, 0]
    assert content["groups"][0]["labels"] == ["no", "yes"]
    assert groups[0]["truth"].tolist() == [0, 1, 0, 1]
    assert groups[1]["truth"].tolist() == [1, 0, 0, 0]
    best = groups[0]["curves"][0]
    assert best["codes"].tolist() == [0, 1, 1, 0]
    assert best["ranks"].tolist() == [0, 2, 2, 1]


def test_the_best_and_promoted_curves_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [
        make_recorded_run(DATE / f"1{n}-00-00_x", f"aaaa000{n}", auc)
        for n, auc in enumerate((0.95, 0.9, 0.8, 0.7, 0.6))
    ]
    Registry(MODELS).promote(runs[1], "adult", "me", "")
    size = 8 + pages.curve_size(4, 2)
    # Until there is room for one less, and again after there was.
    for n_fit in (5, 3, 2, 1, 0, 3):
        monkeypatch.setattr(pages, "BUDGET", size * n_fit)
        content = written()
        shown = {run["id"] for run in content["runs"] if run["curve"] is not None}
        assert shown == {f"aaaa000{n}" for n in (0, 1, 4, 3, 2)[:n_fit]}


def test_more_rows_than_in_the_summary_do_not_exceed_the_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proba = np.full((1_000, 2), 0.5)
    files = {"predictions.parquet": predictions(proba, truth=["no", "yes"] * 500)}
    make_recorded_run(DATE / "10-00-00_x", "aaaa0000", files=files, n_test=4)
    monkeypatch.setattr(pages, "BUDGET", 2_000)
    for _ in range(2):
        content = written()
        assert (content["runs"][0]["curve"], content["groups"]) == (None, [])


@pytest.mark.parametrize(("chosen", "own", "expected"), [
    ((), "ja", "ja"), ((), "xx", "en"), (("--language", "en"), "ja", "en"),
])  # fmt: skip
def test_the_language_is_that_of_the_newest_run(
    chosen: tuple[str, ...], own: str, expected: str
) -> None:
    config = {"config.yaml": f"report:\n  language: {own}\n".encode()}
    make_recorded_run(DATE / "10-00-00_x", "aaaa0000")
    make_recorded_run(DATE / "11-00-00_x", "aaaa0001", files=config)
    make_failed(DATE / "12-00-00_x")
    assert written(*chosen)["language"] == expected
    assert f'<html lang="{expected}">' in (OUTPUTS / "index.html").read_text(encoding="utf-8")


def test_a_page_without_runs_has_a_note() -> None:
    OUTPUTS.mkdir()
    content = written()
    assert (content["runs"], content["keys"], content["groups"]) == ([], [], [])
    assert "There are no runs yet" in (OUTPUTS / "index.html").read_text(encoding="utf-8")


def test_the_page_is_no_run() -> None:
    make_recorded_run(DATE / "10-00-00_x", "aaaa0001", 0.8)
    newest = make_recorded_run(DATE / "11-00-00_x", "aaaa0000", 0.9)
    written()
    listed = typed_in("runs", "list", "--json", cwd=Path.cwd()).stdout
    assert len(json.loads(listed)) == 2
    assert artifacts.find_run("latest", OUTPUTS) == newest
    assert typed_in("runs", "check", cwd=Path.cwd()).stdout == "adult: OK\n"
    pruned = typed_in("runs", "prune", "--yes", cwd=Path.cwd())
    assert "removed 1 run" in pruned.stdout
    assert len(written()["runs"]) == 1


# --- What is wrong with runs.


def test_numbers_that_are_not_finite_are_null() -> None:
    numbers = {"roc_auc": float("nan"), "accuracy": float("inf"), "log_loss": None, "f1": 1}
    others = {"intervals": {"f1": [float("-inf"), 1]}, "seconds": {"total": float("nan")}}
    make_recorded_run(DATE / "10-00-00_x", "aaaa0000", metrics=numbers, **others)
    (run,) = written()["runs"]
    assert run["metrics"] == [None, None, 1, None]
    assert (run["low"], run["high"]) == ([None] * 4, [None, None, 1, None])
    assert run["seconds"] is None
    assert "F1" in static()


def _damaged(path: Path) -> None:
    with (path / "summary.json").open("ab") as file:
        file.write(b" ")


def _newer(path: Path) -> None:
    (path / "manifest.json").unlink()
    (path / "summary.json").write_bytes(summary(format=99))
    seal(path, "aaaa0000")


def _foreign(path: Path) -> None:
    (path / "manifest.json").write_text('{"written by": "another program"}')


@pytest.mark.parametrize(
    ("change", "cause"),
    [(_damaged, "larger than"), (_newer, "99"), (_foreign, "manifest.json")],
    ids=["damaged", "newer", "foreign"],
)
def test_an_unreadable_run_is_a_row_with_its_cause(
    change: Callable[[Path], None], cause: str
) -> None:
    make_recorded_run(DATE / "10-00-00_x", "aaaa1111")
    change(make_recorded_run(DATE / "11-00-00_x", "aaaa0000"))
    failed, complete = written()["runs"]
    assert (failed["state"], complete["state"]) == ("failed", "complete")
    assert cause in failed["cause"]
    assert (failed["differs"], failed["curve"], complete["curve"]) == (None, None, 0)


def test_damaged_predictions_leave_a_cause_until_they_are_restored() -> None:
    run = make_recorded_run(DATE / "10-00-00_x", "aaaa0000")
    file = run / "predictions.parquet"
    content = file.read_bytes()
    file.write_bytes(content[:-1])
    for _ in range(2):
        (row,) = written()["runs"]
        assert row["state"] == "complete"
        assert "predictions.parquet" in row["cause"]
        assert row["curve"] is None
        assert row["cause"] in static()
    file.write_bytes(content)
    # At the end of runs nothing is read twice.
    pages.write_page(OUTPUTS, MODELS)
    assert content_of(OUTPUTS)["runs"][0]["curve"] is None
    (row,) = written()["runs"]
    assert (row["cause"], row["curve"]) == (None, 0)


@pytest.mark.parametrize("name", ["read_complete_run", "read_predictions", "read_manifest"])
def test_runs_may_vanish_while_the_page_is_written(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_recorded_run(DATE / "10-00-00_x", "aaaa0000")
    gone = make_recorded_run(DATE / "11-00-00_x", "aaaa1111")
    read = getattr(artifacts, name)

    def removing(path: Path) -> Any:
        if path == gone:
            shutil.rmtree(gone, ignore_errors=True)
        return read(path)

    with monkeypatch.context() as patch:
        patch.setattr(artifacts, name, removing)
        written()
    assert [run["id"] for run in written()["runs"]] == ["aaaa0000"]


def test_names_are_data() -> None:
    summary = {"dataset": EVIL, "best_params": {EVIL: EVIL}, "labels": [EVIL, "\udcff"]}
    files = {"predictions.parquet": predictions(np.eye(2)[[0, 1, 0, 1]])}
    overrides = [f"dataset={EVIL}", f"model={EVIL}", f"x={EVIL}\n$(touch x)"]
    folder = EVIL.replace("/", "_")
    path = make_recorded_run(
        DATE / f"10-00-00_{folder}",
        "aaaa0000",
        model=EVIL,
        overrides=overrides,
        files=files,
        **summary,
    )
    make_failed(DATE / f"11-00-00_{folder}", EVIL)
    odd = os.fsdecode(b"12-00-00_\xff\n")
    make_recorded_run(DATE / odd, "aaaa1111", dataset="\udcff", model="\udcff")
    make_failed(DATE / f"13-00-00_{odd}", "\udcff")
    content = written()
    text = (OUTPUTS / "index.html").read_text(encoding="utf-8")
    assert text.count("<script") == text.count("</script") == 5
    runs = by_id(content)
    assert runs["aaaa0000"]["dataset"] == EVIL
    assert runs["aaaa0000"]["path"] == f"{DAY}/{path.name}"
    assert facts_of(content, runs["aaaa0000"])[f"best.{EVIL}"] == EVIL
    assert runs["aaaa1111"]["href"] == f"{DAY}/12-00-00_%FF%0A"


def test_links_out_of_outputs_are_not_followed(tmp_path: Path) -> None:
    outside = make_recorded_run(tmp_path / "outside/10-00-00_x", "aaaa0000")
    failed = make_failed(DATE / "12-00-00_x")
    (DATE / "11-00-00_x").symlink_to(outside)
    (OUTPUTS / "2026-11-24").symlink_to(outside.parent)
    (failed / "train.log").symlink_to("/etc/passwd")
    secret = tmp_path / "secret"
    secret.write_text("kept")
    (OUTPUTS / "index.html").symlink_to(secret)
    content = written()
    assert [(run["path"], run["files"]) for run in content["runs"]] == [(f"{DAY}/12-00-00_x", [])]
    assert secret.read_text() == "kept"
    assert not (OUTPUTS / "index.html").is_symlink()


# --- The cache.


@pytest.mark.parametrize("content", [b"", b"1.1 0\n", b"x" * 100, b"9.9 5\nabc"])
def test_a_damaged_cache_is_made_anew(content: bytes) -> None:
    make_recorded_run(DATE / "10-00-00_x", "aaaa0000")
    before = written()
    (OUTPUTS / page_cache.CACHE).write_bytes(content)
    after = written()
    assert {**after, "written": ""} == {**before, "written": ""}
    assert len((OUTPUTS / page_cache.CACHE).read_bytes()) > 200


def test_a_run_is_read_once_and_again_when_it_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    predicted = artifacts.read_predictions

    def counting(path: Path) -> Any:
        read.append(path.name)
        return predicted(path)

    monkeypatch.setattr(artifacts, "read_predictions", counting)
    make_recorded_run(DATE / "10-00-00_x", "aaaa0000", 0.9)
    other = make_recorded_run(DATE / "11-00-00_x", "aaaa1111", 0.8)
    written()
    assert sorted(read) == ["10-00-00_x", "11-00-00_x"]
    read.clear()
    shutil.rmtree(other)
    make_recorded_run(other, "aaaa2222", 0.7, best_params={"new": 1})
    content = written()
    assert read == ["11-00-00_x"]
    assert facts_of(content, content["runs"][0])["best.new"] == 1
    assert by_id(content)["aaaa2222"]["metrics"][0] == 0.7
    # What only the former run had is in the page no more.
    assert "best.clf__max_depth" in content["keys"]
    shutil.rmtree(OUTPUTS / DAY / "10-00-00_x")
    assert "best.clf__max_depth" not in written()["keys"]


def test_another_metric_changes_every_row() -> None:
    make_recorded_run(DATE / "10-00-00_x", "aaaa0000", 0.9)
    written()
    make_recorded_run(DATE / "11-00-00_x", "aaaa1111", metrics={"f1": 0.5, "own": 2})
    content = written()
    names = [each["name"] for each in content["metrics"]]
    assert names == ["roc_auc", "accuracy", "f1", "log_loss", "own"]
    assert by_id(content)["aaaa0000"]["metrics"] == [0.9, 0.8, None, pytest.approx(0.1), None]


def test_without_room_for_the_cache_the_page_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    make_recorded_run(DATE / "10-00-00_x", "aaaa0000")
    with monkeypatch.context() as patch:
        patch.setattr(page_cache.artifacts, "write_atomically", full)
        patch.setattr(pages.artifacts, "write_atomically", full)
        with pytest.raises(OSError, match="No space"):
            pages.write_page(OUTPUTS, MODELS)
    (OUTPUTS / page_cache.CACHE).mkdir()
    assert len(written()["runs"]) == 1


def test_the_command_has_help() -> None:
    done = process("runs", "page", "--help")
    assert done.returncode == 0
    assert "--open" in done.stdout
