"""A run in few bytes: a browser computes the very tests of `runs compare` from them."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabproof.artifacts.errors import UnverifiedRunError
from tabproof.auc import auc_components, p_value_of, rank_aucs
from tabproof.evaluation.comparison import compare_in_all
from tabproof.evaluation.metrics import score
from tabproof.runs.curves import (
    HeldOutRows,
    curve_bytes,
    curve_size,
    read_held_out,
    truth_bytes,
    truth_size,
)
from tests.artifacts.making import make_recorded_run, predictions
from tests.runs.pages import Bytes, Json, read_curve


def held_out(n_rows: int, n_labels: int, seed: int, decimals: int = 6) -> HeldOutRows:
    rng = np.random.default_rng(seed)
    proba = rng.dirichlet(np.ones(n_labels), n_rows).round(decimals)
    labels = tuple(f"c{code}" for code in range(n_labels))
    y = np.arange(n_rows) % n_labels
    return HeldOutRows("rows", labels, y, proba)


def read(rows: HeldOutRows) -> Json:
    content = Bytes(curve_bytes(rows))
    return read_curve(content, len(rows.y), len(rows.labels))


@given(st.integers(4, 300), st.integers(0, 9), st.integers(1, 6))
def test_ranks_and_codes_decide_the_tests(n_rows: int, seed: int, decimals: int) -> None:
    ours, theirs = (held_out(n_rows, 2, seed + n, decimals) for n in (0, 100))
    one, other = read(ours), read(theirs)
    delong, mcnemar = compare_in_all(ours.y, ours.proba, theirs.proba)
    # Doubles of the ranks are ordered, and tied, as the probabilities are.
    probas = [
        np.column_stack([-each["ranks"].astype(float), each["ranks"]]) for each in (one, other)
    ]
    components = [auc_components(ours.y, each) for each in probas]
    positive = (ours.y == 1)[:, np.newaxis]
    aucs = [float(rank_aucs(each["ranks"].astype(float), positive)[0]) for each in (one, other)]
    assert (aucs[0], aucs[1]) == (delong.candidate, delong.current)
    difference = components[0] - components[1]
    assert p_value_of(aucs[0] - aucs[1], ours.y, difference) == delong.p_value
    shares = [float((each["codes"] == ours.y).mean()) for each in (one, other)]
    assert shares == [mcnemar.candidate, mcnemar.current]


def test_labels_are_those_at_the_threshold_of_each_run() -> None:
    y = np.array([0, 0, 1, 1])
    proba = np.column_stack([[0.9, 0.7, 0.7, 0.2], [0.1, 0.3, 0.3, 0.8]])
    low, default = (HeldOutRows("rows", ("a", "b"), y, proba, at) for at in (0.2, 0.5))
    assert read(low)["codes"].tolist() == [0, 1, 1, 1]
    assert read(default)["codes"].tolist() == [0, 0, 0, 1]
    thresholds = (low.threshold, default.threshold)
    accuracy = compare_in_all(y, proba, proba, thresholds)[-1]
    assert (accuracy.candidate, accuracy.current) == (0.75, 0.75)
    thresholds = (0.9, 0.5)
    accuracy = compare_in_all(y, proba, proba, thresholds)[-1]
    assert (accuracy.candidate, accuracy.current) == (0.5, 0.75)


@given(st.integers(1, 300), st.integers(0, 9))
def test_bins_give_the_calibration_error_and_cells_hold_every_row(n_rows: int, seed: int) -> None:
    rows = held_out(n_rows, 2, seed)
    curve = read(rows)
    means, n_true, n_of_bin = curve["bins"].T
    error = np.abs(means * n_of_bin - n_true).sum() / n_rows
    expected = score(rows.y, rows.proba, names=["ece"])["ece"]
    assert error == pytest.approx(expected, abs=1e-12)
    assert curve["histogram"].sum(axis=1).tolist() == np.bincount(rows.y, minlength=2).tolist()
    cells = [min(int(p * 40), 39) for p in rows.proba[rows.y == 0, 1]]
    assert curve["histogram"][0].tolist() == np.bincount(cells, minlength=40).tolist()


@given(st.integers(1, 90), st.integers(1, 5))
def test_more_labels_have_codes_only(n_rows: int, n_labels: int) -> None:
    rows = held_out(n_rows, n_labels, 0)
    curve = read(rows)
    assert curve["codes"].tolist() == rows.proba.argmax(axis=1).tolist()
    assert n_labels == 2 or len(curve["bins"]) == 0


@pytest.mark.parametrize("n_labels", [1, 2, 3, 256, 257])
@pytest.mark.parametrize("n_rows", [1, 7, 8, 65_536, 65_537])
def test_sizes_are_known_before_the_predictions_are_read(n_rows: int, n_labels: int) -> None:
    y = np.arange(n_rows) % n_labels
    proba = np.full((n_rows, n_labels), 1 / n_labels)
    # All ranks are different.
    proba[:, -1] = np.linspace(0, 1, n_rows)
    rows = HeldOutRows("rows", tuple(map(str, range(n_labels))), y, proba)
    content, truth = curve_bytes(rows), truth_bytes(rows)
    assert len(truth) == truth_size(n_rows, n_labels)
    assert len(content) <= curve_size(n_rows, n_labels)
    assert len(content) % 8 == len(truth) % 8 == 0
    kind = "u1" if n_labels <= 256 else "<u2"
    assert np.frombuffer(truth, kind, n_rows).tolist() == y.tolist()
    if n_labels == 2:
        ranks = np.frombuffer(content, "<u2" if n_rows <= 65_536 else "<u4", n_rows, len(truth))
        assert ranks.tolist() == list(range(n_rows))


def test_values_that_are_no_probability_are_refused(tmp_path: Path) -> None:
    proba = np.array([[0.5, 0.5], [np.nan, 1], [0, 1], [1, 0]])
    files = {"predictions.parquet": predictions(proba)}
    run = make_recorded_run(tmp_path / "run", "aaaa0000", files=files)
    with pytest.raises(UnverifiedRunError, match="no probability"):
        read_held_out(run)


def test_the_hash_of_rows_depends_on_data_labels_ids_and_truth(tmp_path: Path) -> None:
    proba = np.eye(2)[[0, 1, 0, 1]]
    changes = {
        "same": ({}, predictions(proba / 2 + 0.25)),
        "data": ({"data": {"sha256": "e" * 64}}, predictions(proba)),
        "labels": ({"labels": ["yes", "no"]}, predictions(proba)),
        "ids": ({}, predictions(proba, row_ids=[1, 2, 3, 4])),
        "truth": ({}, predictions(proba, truth=["no", "no", "no", "yes"])),
    }
    first = read_held_out(make_recorded_run(tmp_path / "first", "aaaa0000")).rows
    for name, (summary, content) in changes.items():
        files = {"predictions.parquet": content}
        run = make_recorded_run(tmp_path / name, "bbbb0000", files=files, **summary)
        assert (read_held_out(run).rows == first) == (name == "same"), name
