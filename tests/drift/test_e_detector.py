"""E-values: their mean is at most 1 without a change. Detectors: alarms are as rare as promised."""

from math import comb, log
from typing import Any

import numpy as np
import pytest

from tabproof.drift.e_detector import (
    RATES,
    Detector,
    EValues,
    Tolerance,
    log_sum_exp,
)
from tabproof.drift.streams import Source, Stream, make_streams
from tests.monitoring.making import REFERENCE, SHARES

SOURCE: Source = ("column", "x")
NONE = Tolerance(0, 0, 0)


def stream_of(values: list[float], mean: float, error: float = 0.0, name: str = "x") -> Stream:
    source: Source = ("column", name)
    return Stream(name, name, "a share", source, np.array(values), mean, 0.5, error)


def e_values_of(stream: Stream, counts: Any, tolerance: Tolerance = NONE) -> Any:
    """Return e-values, (n, n_tests)."""
    rows = np.array(counts)
    log_e, _ = EValues([stream], tolerance).evidence({stream.source: rows}, (len(rows),))
    return np.exp(log_e[:, 0])


def binomial(n: int, p: float) -> Any:
    return np.array([comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)])


@pytest.mark.parametrize("n", [1, 7, 40])
@pytest.mark.parametrize("p0", [0.001, 0.1, 0.5, 0.93])
def test_the_mean_of_an_e_value_is_at_most_1_for_every_share_without_a_change(
    n: int, p0: float
) -> None:
    counts = [[n - k, k] for k in range(n + 1)]
    found = e_values_of(stream_of([0, 1], p0), counts)
    up, down = found[:, : len(RATES)], found[:, len(RATES) :]
    for share in (0, 0.25, 0.5, 0.99, 1):
        below, above = share * p0, 1 - share * (1 - p0)
        assert (binomial(n, below) @ up <= 1 + 1e-9).all()
        assert (binomial(n, above) @ down <= 1 + 1e-9).all()
    # At the edge it is 1: no evidence is given away.
    assert binomial(n, p0) @ up == pytest.approx(1)
    assert binomial(n, p0) @ down == pytest.approx(1)


def test_the_mean_is_at_most_1_if_days_differ_and_their_mean_is_no_change() -> None:
    n, shares = 20, (0.1, 0.5)
    counts = [[n - k, k] for k in range(n + 1)]
    found = e_values_of(stream_of([0, 1], 0.3), counts)[:, : len(RATES)]
    one, other = (binomial(n, share) @ found for share in shares)
    # The evidence of two days is their product, and so is the mean of it.
    assert (one * other <= 1).all()
    assert (other > 1).all()


def test_the_mean_is_at_most_1_for_a_statistic_of_several_values() -> None:
    values, shares = [0.1, 0.4, 1.0], np.array([0.5, 0.3, 0.2])
    mean = float(shares @ values)
    for wrong in (0.0, 0.1):
        p0 = mean + wrong
        found = e_values_of(stream_of(values, p0), np.eye(3, dtype=int))
        means = shares @ found
        assert (means[: len(RATES)] <= 1 + 1e-9).all()
        assert means[len(RATES) :].max() > 1 or not wrong


def test_the_tolerance_and_the_error_of_the_reference_are_no_change() -> None:
    counts = [[40 - k, k] for k in range(41)]
    wide = e_values_of(stream_of([0, 1], 0.3, error=0.05), counts, Tolerance(0, 0.1, 0.1))
    n_rates = len(RATES)
    assert binomial(40, 0.45) @ wide[:, :n_rates] == pytest.approx(1)
    assert binomial(40, 0.15) @ wide[:, n_rates:] == pytest.approx(1)


def test_evidence_grows_with_the_shift() -> None:
    n = 200
    found = e_values_of(stream_of([0, 1], 0.3), [[n - k, k] for k in range(n + 1)])
    assert (np.diff(found[:, : len(RATES)], axis=0) > 0).all()
    assert (np.diff(found[:, len(RATES) :], axis=0) < 0).all()


def test_a_test_that_can_find_nothing_has_no_weight() -> None:
    streams = [stream_of([0, 1], 0.95, error=0.1)]
    weights = EValues(streams, NONE).log_weights[0]
    assert np.isneginf(weights[: len(RATES)]).all()
    assert np.exp(weights[len(RATES) :]).sum() == pytest.approx(1)


def test_the_order_and_the_unit_of_columns_do_not_matter() -> None:
    streams = make_streams(REFERENCE)
    rng = np.random.default_rng(0)
    counts = {
        stream.source: rng.multinomial(100, SHARES[stream.source[1] or stream.source[0]], 30)
        for stream in streams
    }
    order = rng.permutation(len(streams))
    paths = []
    for each in (streams, [streams[place] for place in order]):
        e_values = EValues(each, NONE)
        detector, (log_e, n_rows) = Detector(e_values, 99.0), e_values.evidence(counts, (30,))
        units = zip(log_e, n_rows, strict=True)
        paths.append([float(detector.step(*unit).log_evidence) for unit in units])
    np.testing.assert_allclose(paths[0], paths[1])


def simulated_alarms(p: float, n_units: int, n_histories: int, limit: float) -> float:
    """Return the mean number of alarms in a history of three statistics that are the same."""
    rng = np.random.default_rng(0)
    streams = [stream_of([0, 1], 0.3, name=name) for name in "abc"]
    e_values = EValues(streams, NONE)
    detector = Detector(e_values, log(limit), shape=(n_histories,))
    n_alarms = 0
    for _ in range(n_units):
        k = rng.binomial(60, p, n_histories)
        counts = {stream.source: np.stack([60 - k, k], axis=-1) for stream in streams}
        n_alarms += int(detector.step(*e_values.evidence(counts, (n_histories,))).raised.sum())
    return n_alarms / n_histories


def test_alarms_without_a_change_are_at_most_as_many_as_promised() -> None:
    # On the edge of what is no change, of statistics that are the same: one alarm in 20 units.
    found = simulated_alarms(0.3, 200, 400, 20)
    assert 1 < found <= 200 / 20
    # A change is one alarm, which is held.
    assert simulated_alarms(0.45, 200, 20, 20) == 1


def test_a_shift_is_found_and_held_until_it_ends_and_found_again() -> None:
    e_values = EValues([stream_of([0, 1], 0.3)], Tolerance(0, 0.05, 0.05))
    detector = Detector(e_values, log(100), patience=3)
    days = [300] * 10 + [600] * 10 + [300] * 10 + [600] * 5
    raised, held, released = [], [], []
    for day, k in enumerate(days):
        step = detector.step(
            *(each[0] for each in e_values.evidence({SOURCE: np.array([[1000 - k, k]])}, (1,)))
        )
        raised += [day] * bool(step.raised)
        held += [day] * bool(detector.held[0])
        released += [day] * bool(step.released[0])
    assert raised == [10, 30]
    assert released == [22]
    assert held == [*range(10, 22), *range(30, 35)]


def test_a_shift_elsewhere_is_found_while_one_is_held() -> None:
    streams = [stream_of([0, 1], 0.3, name=name) for name in "ab"]
    e_values = EValues(streams, NONE)
    detector = Detector(e_values, log(100))
    found = []
    for day in range(20):
        k, other = 900, 900 if day >= 10 else 300
        counts = {
            streams[0].source: np.array([1000 - k, k]),
            streams[1].source: np.array([1000 - other, other]),
        }
        step = detector.step(*e_values.evidence(counts, ()))
        found += [(day, step.carrying.tolist())] * bool(step.raised)
    assert found == [(0, [True, False]), (10, [False, True])]


def test_an_alarm_takes_all_evidence_away() -> None:
    streams = [stream_of([0, 1], 0.3, name=name) for name in "ab"]
    e_values = EValues(streams, NONE)
    detector, fresh = Detector(e_values, log(100)), Detector(e_values, log(100))
    as_before = np.array([700, 300])
    change = {streams[0].source: np.array([100, 900]), streams[1].source: np.array([660, 340])}
    assert detector.step(*e_values.evidence(change, ())).carrying.tolist() == [True, False]
    later = e_values.evidence({stream.source: as_before for stream in streams}, ())
    assert detector.step(*later).log_by_stream[1] == fresh.step(*later).log_by_stream[1]


@pytest.mark.parametrize("n", [0, 1, 10])
def test_units_with_few_rows_raise_nothing(n: int) -> None:
    e_values = EValues([stream_of([0, 0.5, 1], 0.5)], Tolerance(0, 0.03, 0.03))
    detector = Detector(e_values, log(100))
    # As in training, for 50 years of weeks.
    counts = {SOURCE: np.array([n // 2, n % 2, n // 2])}
    evidence = e_values.evidence(counts, ())
    assert not any(detector.step(*evidence).raised for _ in range(2600))


def test_huge_evidence_does_not_overflow() -> None:
    e_values = EValues([stream_of([0, 1], 0.5)], NONE)
    detector = Detector(e_values, log(100))
    step = detector.step(*e_values.evidence({SOURCE: np.array([0, 10**12])}, ()))
    assert step.raised
    assert np.isfinite(step.log_evidence)


def test_the_sum_of_nothing_is_nothing() -> None:
    assert log_sum_exp(np.array([-np.inf, -np.inf]), axis=0) == -np.inf
    assert log_sum_exp(np.array([1e6, 1e6]), axis=0) == pytest.approx(1e6 + log(2))
