"""What is looked at in rows whose label is known: statistics of true and predicted labels."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from tabproof.drift.cells import MAX_NAMED, make_cells
from tabproof.drift.daily import Daily
from tabproof.drift.e_detector import Detector, EValues, Tolerance
from tabproof.drift.streams import LABELLED, Stream, make_label_streams
from tests.monitoring.making import FIRST, HELD_OUT, made

TWO = make_cells({"no": 2500, "yes": 1500})
THREE = make_cells({"a": 5, "b": 3, "c": 2})
MANY = make_cells({f"l{code:02}": 100 - code for code in range(30)})


def named(streams: list[Stream]) -> dict[str, Stream]:
    return {stream.name: stream for stream in streams}


def test_every_row_is_in_one_cell_that_tells_whether_it_is_right() -> None:
    rng = np.random.default_rng(0)
    for cells in (TWO, THREE, MANY):
        y, predicted = rng.integers(0, len(cells.labels), (2, 5000))
        counts = cells.count(y, predicted)
        assert counts.shape == (cells.n_bins,)
        assert counts.sum() == 5000
        groups = cells.groups
        by_one = np.zeros_like(counts)
        for true, found in zip(y, predicted, strict=True):
            by_one[cells.place(groups[true], groups[found], true == found)] += 1
        np.testing.assert_array_equal(counts, by_one)
        accuracy = named(make_label_streams(cells, counts))["accuracy"]
        assert accuracy.mean == pytest.approx((y == predicted).mean())


def test_the_statistics_are_those_of_the_held_out_rows() -> None:
    rng = np.random.default_rng(1)
    for cells in (TWO, THREE, MANY):
        y, predicted = rng.integers(0, len(cells.labels), (2, 5000))
        found = named(make_label_streams(cells, cells.count(y, predicted)))
        for code in cells.named[1:]:
            label = cells.labels[code]
            is_right = y == predicted
            assert found[f"true {label}"].mean == pytest.approx((y == code).mean())
            assert found[f"recall {label}"].mean == pytest.approx(is_right[y == code].mean())
            assert found[f"precision {label}"].mean == pytest.approx(
                is_right[predicted == code].mean()
            )
        assert all(stream.source == LABELLED for stream in found.values())
        assert all(len(stream.values) == cells.n_bins for stream in found.values())


def test_of_two_labels_nothing_is_told_twice() -> None:
    assert [stream.name for stream in make_label_streams(TWO, HELD_OUT)] == [
        "accuracy", "true yes", "precision yes", "recall yes",
    ]  # fmt: skip


def test_of_many_labels_the_frequent_ones_are_named_and_all_count_for_the_accuracy() -> None:
    assert MANY.named == tuple(range(MAX_NAMED))
    y = np.arange(30).repeat(10)
    # Of the rare labels half are mistaken for one another.
    predicted = np.where((y >= 20) & (np.arange(300) % 2 == 0), 49 - y, y)
    found = named(make_label_streams(MANY, MANY.count(y, predicted)))
    assert found["accuracy"].mean == pytest.approx(250 / 300)
    assert "recall l20" not in found
    assert "true l19" in found


def test_few_held_out_rows_have_a_large_error_and_none_no_statistic() -> None:
    errors = [named(make_label_streams(TWO, HELD_OUT // n))["recall yes"].error for n in (1, 10)]
    assert errors[1] > 2.5 * errors[0]
    # Nothing is predicted to be yes: there is no precision to compare with.
    names = named(make_label_streams(TWO, np.array([600, 0, 100, 0])))
    assert "precision yes" not in names
    # All held-out rows are right: what is not is a statistic all the same.
    assert named(make_label_streams(TWO, np.array([600, 0, 0, 100])))["accuracy"].mean == 1


def test_the_mean_of_an_e_value_is_at_most_1_if_rows_are_as_those_held_out() -> None:
    streams = [replace(stream, error=0.0) for stream in make_label_streams(TWO, HELD_OUT)]
    e_values = EValues(streams, Tolerance(0, 0, 0))
    log_e, _ = e_values.evidence({LABELLED: np.eye(4, dtype=np.int64)}, (4,))
    means = np.tensordot(HELD_OUT / HELD_OUT.sum(), np.exp(log_e), axes=1)
    np.testing.assert_allclose(means, 1)
    other = np.array([540, 66, 160, 234])
    moved = np.tensordot(other / other.sum(), np.exp(log_e), axes=1)
    assert (moved.max(axis=1) > 1.01).all()


@pytest.mark.parametrize("begin", [0, 60])
def test_alarms_of_rows_and_labels_together_are_at_most_as_many_as_promised(begin: int) -> None:
    # On the edge of what is no change. Labels come from some unit on; then each side has half.
    rng, n_histories, n_units, limit = np.random.default_rng(0), 300, 200, 20.0
    share = Stream("x", "x", "a share", ("column", "x"), np.array([0.0, 1.0]), 0.3, 0.46, 0.0)
    of_labels = [replace(stream, error=0.0) for stream in make_label_streams(TWO, HELD_OUT)]
    sides = [EValues(streams, Tolerance(0, 0, 0)) for streams in ([share], of_labels)]
    detectors = [Detector(side, np.log(limit), shape=(n_histories,)) for side in sides]
    n_alarms = 0
    for unit in range(n_units):
        has_labels = unit >= begin
        k = rng.binomial(60, 0.3, n_histories)
        n_labelled = 60 * has_labels
        counts = {
            share.source: np.stack([60 - k, k], axis=-1),
            LABELLED: rng.multinomial(n_labelled, HELD_OUT / HELD_OUT.sum(), n_histories),
        }
        for side, detector in zip(sides, detectors, strict=True):
            part = np.full(n_histories, np.log(0.5) if has_labels else 0.0)
            evidence = side.evidence(counts, (n_histories,))
            n_alarms += int(detector.step(*evidence, part).raised.sum())
    assert 1 < n_alarms / n_histories <= n_units / limit


def test_days_of_labels_are_added_to_those_of_rows() -> None:
    daily = made([10, 20])
    counts = np.array([1, 2, 3, 4])
    later = date_of(4)
    found = daily.with_labelled({date_of(1): counts, later: 2 * counts})
    assert found.days == tuple(date_of(day) for day in range(5))
    assert found.labelled is not None
    assert found.labelled.tolist() == [[0] * 4, [1, 2, 3, 4], [0] * 4, [0] * 4, [2, 4, 6, 8]]
    assert found.n_rows.tolist() == [10, 20, 0, 0, 0]
    assert {each.shape for each in found.columns.values()} == {(5, 5), (5, 4), (5, 3)}
    assert found.warned is not None
    assert len(found.warned) == 5
    same = found.before(date_of(2))
    assert same.days == daily.days
    assert same.labelled is not None
    assert same.labelled.tolist() == [[0] * 4, [1, 2, 3, 4]]
    assert daily.with_labelled({}) is daily


def test_a_label_before_all_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="before all rows"):
        made([10]).with_labelled({date_of(-1): HELD_OUT})
    with pytest.raises(ValueError, match="before all rows"):
        Daily((), np.zeros(0, np.int64)).with_labelled({FIRST: HELD_OUT})


def date_of(day: int) -> date:
    return FIRST + timedelta(days=day)
