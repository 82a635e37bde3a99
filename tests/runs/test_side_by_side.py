"""The page of a sweep: only runs of the same rows are compared, and nothing breaks it."""

import json
import os
import re
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tabproof import artifacts
from tabproof.errors import InvalidValueError
from tabproof.runs.side_by_side import MAX_GROUPS, MAX_READ, MAX_ROWS, write_page
from tests.artifacts.making import make_failed, make_recorded_run, make_running, predictions

N_ROWS = 200
TRUTH = np.random.default_rng(0).integers(0, 2, N_ROWS)
LABELS = ("no", "yes")


def noisy(noise: float, seed: int = 0, **changes: Any) -> dict[str, bytes]:
    """Return predictions of two labels, the better the less noise."""
    scores = TRUTH + np.random.default_rng(seed).normal(0, noise, N_ROWS)
    proba = 1 / (1 + np.exp(1 - 2 * scores))
    settings: dict[str, Any] = {"truth": [LABELS[code] for code in TRUTH], **changes}
    content = predictions(np.column_stack([1 - proba, proba]), **settings)
    return {"predictions.parquet": content}


def made(sweep: Path, number: int, files: dict[str, bytes] | None = None, **said: Any) -> Path:
    """Make a job of a sweep; the first is the best."""
    overrides = said.pop("overrides", ["dataset=adult", f"model=m{number}"])
    auc = said.pop("auc", 0.9 - number / 1000)
    files = noisy(1, number) if files is None else files
    path = sweep / f"{number}_job"
    return make_recorded_run(path, f"{number:08x}", auc, overrides=overrides, files=files, **said)


def page_of(sweep: Path, **settings: Any) -> str:
    page = sweep / "report.html"
    assert write_page(page, artifacts.read_set(sweep), name="a sweep", **settings) > 0
    return page.read_text(encoding="utf-8")


def words_of(page: str) -> str:
    return " ".join(unescape(re.sub(r"<style>.*?</style>|<[^>]*>", " ", page, flags=re.S)).split())


def rows_of(page: str) -> list[str]:
    """Return the lines of all tables in words."""
    return [words_of(row) for row in re.findall(r"<tr.*?</tr>", page, flags=re.S)]


def test_runs_are_ranked_and_tested_against_the_best(tmp_path: Path) -> None:
    made(tmp_path, 0, noisy(0.3))
    made(tmp_path, 1, noisy(0.3, 5))
    made(tmp_path, 2, noisy(3, 7))
    page = page_of(tmp_path)
    _, best, equal, worse = rows_of(page)
    assert best.startswith("1 m0 0.900 0.890 to 0.910")
    assert best.endswith(" best 12.6 00000000")
    assert "not significant" in equal
    assert " significant" in worse
    assert "not significant" not in worse
    assert page.count("<figure>") == 3
    assert '<html lang="en">' in page


def test_runs_with_other_rows_are_not_compared(tmp_path: Path) -> None:
    one, other = ["dataset=adult", "seed=1"], ["dataset=adult", "seed=2"]
    elsewhere = noisy(1, row_ids=range(1, N_ROWS + 1))
    made(tmp_path, 0, overrides=one)
    made(tmp_path, 1, elsewhere, overrides=other)
    made(tmp_path, 2, overrides=[*one, "model=vote"])
    made(tmp_path, 3, elsewhere, overrides=[*other, "model=vote"])
    # Rows that differ though nobody said so.
    made(tmp_path, 4, noisy(1, row_ids=range(2, N_ROWS + 2)), overrides=[*one, "model=sly"])
    words = words_of(page_of(tmp_path))
    assert "adult, hold-out 1" in words
    assert "adult, hold-out 2" in words
    assert words.count("other hold-out") == 1
    assert "same 200 held-out rows" in words


@pytest.mark.parametrize(
    ("said", "files"),
    [
        ({"data": {"sha256": "e" * 64}}, None),
        ({"labels": ["yes", "no"]}, None),
        ({}, noisy(1, truth=["no"] * (N_ROWS - 1) + ["yes"])),
    ],
    ids=["data", "labels", "truth"],
)
def test_other_data_labels_or_true_labels_are_other_rows(
    tmp_path: Path, said: dict[str, Any], files: dict[str, bytes] | None
) -> None:
    made(tmp_path, 0)
    made(tmp_path, 1, files, **said)
    words = words_of(page_of(tmp_path))
    assert "adult, hold-out 2" in words or "other hold-out" in words
    assert "tested against it" not in words


def test_the_same_rows_are_compared_whatever_the_overrides(tmp_path: Path) -> None:
    made(tmp_path, 0, overrides=["dataset=adult"])
    made(tmp_path, 1, overrides=["dataset=adult", "seed=42", "+experiment=classic"])
    words = words_of(page_of(tmp_path))
    assert "tested against it (1)" in words
    assert "hold-out 2" not in words


def test_failed_and_running_runs_are_listed_with_their_cause(tmp_path: Path) -> None:
    made(tmp_path, 0)
    log = make_failed(tmp_path / "1_job 失敗", "no <b>table") / "train.log"
    log.touch()
    make_running(tmp_path / "2_job")
    page = page_of(tmp_path, n_not_begun=4)
    words = words_of(page)
    assert "1 of 7 runs are complete. Without results: 2" in words
    assert "1_job 失敗 adult failed no <b>table log" in words
    assert "2_job adult running" in words
    assert 'href="1_job%20%E5%A4%B1%E6%95%97/train.log"' in page


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "name", ["predictions.parquet", "summary.json", "manifest.json", "scorer/arrays"]
)
def test_a_damaged_run_is_listed_and_not_drawn(tmp_path: Path, name: str) -> None:
    flip(made(tmp_path, 0) / name)
    made(tmp_path, 1)
    page = page_of(tmp_path)
    words = words_of(page)
    assert "1 of 2 runs are complete." in words
    assert rows_of(page)[1].startswith("1 m1") or rows_of(page)[1].startswith("1 adult m1")
    assert re.search(rf"0_job adult (damaged|failed) .*{Path(name).name}", words)


@pytest.mark.parametrize(
    "content",
    [b"", b"no parquet", noisy(np.nan)["predictions.parquet"], predictions(np.empty((0, 2)), [])],
    ids=["empty", "other", "nan", "no rows"],
)
def test_unusable_predictions_are_listed(tmp_path: Path, content: bytes) -> None:
    made(tmp_path, 0, {"predictions.parquet": content})
    made(tmp_path, 1)
    words = words_of(page_of(tmp_path))
    assert "1 of 2 runs are complete." in words
    assert "0_job adult damaged" in words


def test_a_page_is_written_even_if_no_run_can_be_read(tmp_path: Path) -> None:
    flip(made(tmp_path, 0) / "predictions.parquet")
    assert "0 of 1 runs are complete." in words_of(page_of(tmp_path))


def test_each_run_links_to_its_page(tmp_path: Path) -> None:
    sweep = tmp_path / "スイープ"
    made(sweep, 0, {**noisy(1), "report.html": b"its own"}, overrides=["model=a,b=c"])
    page = page_of(sweep)
    assert 'href="0_job/report.html"' in page
    page = tmp_path / "elsewhere" / "x.html"
    page.parent.mkdir()
    write_page(page, artifacts.read_set(sweep), name="x")
    link = "../%E3%82%B9%E3%82%A4%E3%83%BC%E3%83%97/0_job/report.html"
    assert f'href="{link}"' in page.read_text(encoding="utf-8")


def test_a_run_that_was_complete_before_is_read_where_it_is(tmp_path: Path) -> None:
    run = made(tmp_path / "before", 0, {**noisy(1), "report.html": b"its own"})
    job = make_failed(tmp_path / "sweep" / "0_job")
    (job / "status.json").write_text(json.dumps({"state": "skipped", "reason": str(run)}))
    page = page_of(tmp_path / "sweep")
    assert "1 of 1 runs are complete." in words_of(page)
    assert 'href="../before/0_job/report.html"' in page


def test_runs_with_the_same_id_are_one_row(tmp_path: Path) -> None:
    for number in range(3):
        make_recorded_run(tmp_path / f"{number}_job", "aaaa0000", files=noisy(1))
    page = page_of(tmp_path)
    assert len(rows_of(page)) == 2
    assert "aaaa0000 3 runs" in words_of(page)


def test_several_labels_are_compared_by_accuracy(tmp_path: Path) -> None:
    labels, truth = ("a", "b", "c"), ["a", "b", "c"] * 20
    for number in range(2):
        random = np.random.default_rng(number).dirichlet([1, 1, 1], 60)
        files = {"predictions.parquet": predictions(random, truth, labels)}
        made(tmp_path, number, files, labels=list(labels))
    page = page_of(tmp_path)
    assert "Difference in Accuracy" in words_of(page)
    assert page.count("<figure>") == 3


def test_runs_are_ranked_by_the_given_metric(tmp_path: Path) -> None:
    for number, loss in ((0, 0.4), (1, 0.2)):
        metrics = {"roc_auc": 0.9 - number / 10, "log_loss": loss}
        made(tmp_path, number, metrics=metrics)
    assert rows_of(page_of(tmp_path))[1].startswith("1 m0")
    assert rows_of(page_of(tmp_path, metric="log_loss"))[1].startswith("1 m1 0.200")
    assert rows_of(page_of(tmp_path, metric="f1"))[1].startswith("1 m0 –")


def test_the_language_is_that_of_the_runs_unless_given(tmp_path: Path) -> None:
    made(tmp_path, 0, {**noisy(1), "config.yaml": b"report:\n  language: ja\n"})
    assert '<html lang="ja">' in page_of(tmp_path)
    assert '<html lang="en">' in page_of(tmp_path, language="en")


def test_no_page_is_written_into_a_run(tmp_path: Path) -> None:
    run = made(tmp_path, 0)
    with pytest.raises(InvalidValueError, match="a run has a page of its own"):
        page_of(run)
    assert not (run / "report.html").exists()


def test_a_page_is_written_completely_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(tmp_path, 0)
    before = page_of(tmp_path)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        page_of(tmp_path)
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == before
    assert not list(tmp_path.glob(".*"))


def test_the_same_runs_give_the_same_page(tmp_path: Path) -> None:
    for number in range(3):
        made(tmp_path, number)
    assert page_of(tmp_path) == page_of(tmp_path)


def test_of_many_runs_the_best_are_read_and_the_rest_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    really = artifacts.read_predictions
    monkeypatch.setattr(
        artifacts, "read_predictions", lambda path: read.append(path) or really(path)
    )
    base = made(tmp_path, 0)
    record = artifacts.read_record(base)
    many = [
        artifacts.Found(
            base,
            str(number),
            artifacts.Record(
                **{
                    **vars(record),
                    "run_id": f"{number:08x}",
                    "overrides": [f"seed={number % 100}", f"model=m{number}"],
                }
            ),
        )
        for number in range(10_000)
    ]
    page = tmp_path / "report.html"
    seconds = write_page(page, many, name="many")
    words = words_of(page.read_text(encoding="utf-8"))
    # One more for each group that was said to have rows of its own.
    assert len(read) <= MAX_READ + MAX_GROUPS
    assert f"Runs not shown: {100 * MAX_GROUPS - MAX_ROWS:,}." in words
    assert f"that are not shown: {10_000 - 100 * MAX_GROUPS:,}." in words
    assert page.stat().st_size < 1_000_000
    assert seconds < 20
