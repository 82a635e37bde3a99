"""The shadow scores what the champion answered, in the background and within bounds."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from tabproof.prediction_log.layout import LoggedModel
from tabproof.prediction_log.stream import Warned
from tabproof.prediction_log.writer import PredictionLog
from tabproof.service import shadow as shadows
from tabproof.service.answers import RowWarning
from tabproof.service.challengers import Challenger
from tabproof.service.rows import Row
from tabproof.service.served_model import ServedModel, load_model
from tabproof.service.shadow import MAX_PORTION, MAX_REQUESTS, MAX_WAITING_ROWS, REST, Shadow
from tests.service.conftest import ROWS
from tests.service.serving import wait_for
from tests.service.test_challengers import SHADOW, Counts


@dataclass
class Entry:
    """What was recorded of a request, by row."""

    cells: list[tuple[Any, ...]]
    proba: list[Sequence[float]]
    labels: list[str]
    warnings: list[tuple[str, str, int]]


class Recorded(Counts):
    """Counts, and a prediction log that only remembers; `held` lets it go on."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, Entry] = {}
        self.threads = set[str]()
        self.fault: Exception | None = None
        self.held = threading.Event()
        self.held.set()
        self.shadow = Shadow(cast(PredictionLog, self), self)

    def record(
        self,
        model: LoggedModel,
        request_id: str,
        values: Sequence[Any],
        proba: Sequence[float],
        label: str,
        warnings: Sequence[Warned],
        role: str,
    ) -> None:
        columns = [np.array([value], dtype=object) for value in values]
        self.record_batch(model, request_id, columns, np.array([proba]), [label], warnings, role)

    def record_batch(
        self,
        model: LoggedModel,
        request_id: str,
        columns: Sequence[NDArray[Any]],
        proba: NDArray[np.float64],
        labels: Sequence[str],
        warnings: Sequence[Warned],
        role: str,
    ) -> None:
        self.held.wait(20)
        if self.fault:
            raise self.fault
        assert (model.name, role) in {("table", "challenger"), ("other", "challenger")}
        assert request_id not in self.found
        self.threads.add(threading.current_thread().name)
        cells = list(zip(*(column.tolist() for column in columns), strict=True))
        self.found[request_id] = Entry(cells, proba.tolist(), [*labels], placed(warnings))


def placed(warnings: Sequence[Warned]) -> list[tuple[str, str, int]]:
    return sorted((each.column, each.kind, each.row or 0) for each in warnings)


def expected_of(model: ServedModel, rows: Sequence[Row]) -> Entry:
    """Return what the model predicts for the rows of a request alone."""
    every: list[RowWarning] = []
    batch, columns, proba = model.score_rows(rows, strict=False, every=every)
    cells = list(zip(*(column.tolist() for column in columns), strict=True))
    return Entry(cells, proba.tolist(), batch.label, placed(every))


def same(one: Entry, other: Entry) -> bool:
    # NaN is a missing cell.
    return repr(one) == repr(other)


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    made = Recorded()
    yield made
    made.held.set()
    made.shadow.stop()


@pytest.fixture(scope="session")
def other(other_run: Path) -> ServedModel:
    return load_model(other_run, name="table", source="models/other")


@pytest.fixture
def challenger(other: ServedModel) -> Challenger:
    return Challenger(other, SHADOW)


def test_each_request_is_recorded_as_the_challenger_would_answer_it_alone(
    recorded: Recorded, challenger: Challenger
) -> None:
    requests: dict[str, list[Any]] = {f"row-{i}": [ROWS[i % len(ROWS)]] for i in range(100)}
    requests |= {f"batch-{i}": (ROWS * 3)[: 1 + i] for i in range(12)}
    for request_id, rows in requests.items():
        recorded.shadow.put(challenger, request_id, rows)
    wait_for(lambda: len(recorded.found) == len(requests))
    for request_id, rows in requests.items():
        assert same(recorded.found[request_id], expected_of(challenger.model, rows))
    assert recorded.threads == {"shadow"}
    wait_for(lambda: recorded.results == ["scored"] * len(requests))


def test_a_large_request_is_scored_in_portions_and_recorded_whole(
    recorded: Recorded, challenger: Challenger
) -> None:
    rows = (ROWS * 50)[: 3 * MAX_PORTION + 1]
    recorded.shadow.put(challenger, "large", rows)
    wait_for(lambda: "large" in recorded.found)
    assert same(recorded.found["large"], expected_of(challenger.model, rows))


def hold(recorded: Recorded, challenger: Challenger) -> None:
    """Let the thread wait with a first request, so that the others queue up."""
    recorded.held.clear()
    recorded.shadow.put(challenger, "first", [ROWS[0]])
    wait_for(lambda: not recorded.shadow._waiting)


def test_too_many_requests_are_dropped_and_counted(
    recorded: Recorded, challenger: Challenger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shadows, "REST", 0)
    hold(recorded, challenger)
    for i in range(MAX_REQUESTS + 7):
        recorded.shadow.put(challenger, str(i), [ROWS[0]])
    assert recorded.results == ["dropped"] * 7
    recorded.held.set()
    wait_for(lambda: len(recorded.found) == 1 + MAX_REQUESTS)
    assert set(recorded.found) == {"first", *map(str, range(MAX_REQUESTS))}


def test_too_many_rows_are_dropped_and_one_request_of_any_size_fits(
    recorded: Recorded, challenger: Challenger
) -> None:
    hold(recorded, challenger)
    recorded.shadow.put(challenger, "huge", [ROWS[0]] * (MAX_WAITING_ROWS + 1))
    assert recorded.results == []
    recorded.shadow.put(challenger, "next", [ROWS[0]])
    assert recorded.results == ["dropped"]


def test_a_failure_is_counted_logged_once_and_affects_no_other_request(
    recorded: Recorded, challenger: Challenger, caplog: pytest.LogCaptureFixture
) -> None:
    hold(recorded, challenger)
    # No client gets such a row past the champion's reader; a challenger's may be stricter.
    bad: Any = {"age": object()}
    for i in range(9):
        recorded.shadow.put(challenger, str(i), [bad if i % 3 == 0 else ROWS[i % len(ROWS)]])
    with caplog.at_level(logging.ERROR):
        recorded.held.set()
        wait_for(lambda: len(recorded.results) == 10)
    assert sorted(recorded.results) == ["failed"] * 3 + ["scored"] * 7
    assert set(recorded.found) == {"first", "1", "2", "4", "5", "7", "8"}
    assert len(caplog.records) == 1
    # It goes on.
    recorded.shadow.put(challenger, "last", [ROWS[0]])
    wait_for(lambda: "last" in recorded.found)


def test_a_fault_of_the_log_is_counted_and_the_thread_goes_on(
    recorded: Recorded, challenger: Challenger
) -> None:
    recorded.fault = OSError("disk full")
    recorded.shadow.put(challenger, "lost", [ROWS[0]])
    wait_for(lambda: recorded.results[:1] == ["failed"])
    recorded.fault = None
    recorded.shadow.put(challenger, "next", [ROWS[0]])
    wait_for(lambda: "next" in recorded.found)


def test_requests_of_two_challengers_are_not_mixed(
    recorded: Recorded, challenger: Challenger, table: ServedModel
) -> None:
    others = Challenger(replace(table, name="other"), SHADOW)
    hold(recorded, challenger)
    for i in range(40):
        recorded.shadow.put(others if i % 3 else challenger, str(i), [ROWS[i % len(ROWS)]])
    recorded.held.set()
    wait_for(lambda: len(recorded.found) == 41)
    for i in range(40):
        model = others.model if i % 3 else challenger.model
        assert same(recorded.found[str(i)], expected_of(model, [ROWS[i % len(ROWS)]]))


def test_the_thread_wakes_up_after_it_was_idle(
    recorded: Recorded, challenger: Challenger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shadows, "IDLE_SECONDS", 0.02)
    for i in range(5):
        recorded.shadow.put(challenger, str(i), [ROWS[0]])
        wait_for(lambda i=i: str(i) in recorded.found)  # type: ignore[misc]
        time.sleep(0.05)


def test_the_thread_rests_for_most_of_its_time(
    recorded: Recorded, challenger: Challenger, monkeypatch: pytest.MonkeyPatch
) -> None:
    predict: Callable[..., Any] = ServedModel.score_rows
    seconds = 0.0

    def timed(*words: Any, **options: Any) -> Any:
        nonlocal seconds
        started = time.thread_time()
        found = predict(*words, **options)
        seconds += time.thread_time() - started
        return found

    hold(recorded, challenger)
    monkeypatch.setattr(ServedModel, "score_rows", timed)
    for i in range(20 * MAX_PORTION):
        recorded.shadow.put(challenger, str(i), [ROWS[0]])
    started = time.perf_counter()
    recorded.held.set()
    wait_for(lambda: len(recorded.found) == 1 + 20 * MAX_PORTION)
    assert seconds < (time.perf_counter() - started) / REST * 1.5


@pytest.mark.parametrize(("seconds", "portion"), [(0.0, 1), (10.0, MAX_PORTION)])
def test_portions_have_as_many_rows_as_take_the_time_of_one(
    recorded: Recorded,
    challenger: Challenger,
    seconds: float,
    portion: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shadows, "PORTION_SECONDS", seconds)
    monkeypatch.setattr(shadows, "REST", 0)
    sizes: list[int] = []
    score: Callable[..., Any] = ServedModel.score_rows

    def counted(model: ServedModel, rows: Sequence[Row], **options: Any) -> Any:
        sizes.append(len(rows))
        return score(model, rows, **options)

    monkeypatch.setattr(ServedModel, "score_rows", counted)
    hold(recorded, challenger)
    for i in range(400):
        recorded.shadow.put(challenger, str(i), [ROWS[i % len(ROWS)]])
    recorded.held.set()
    wait_for(lambda: len(recorded.found) == 401)
    assert max(sizes[5:-1], key=lambda size: abs(size - portion)) == portion
    assert sum(sizes) == 401


def test_stopping_drops_what_waits(recorded: Recorded, challenger: Challenger) -> None:
    hold(recorded, challenger)
    for i in range(100):
        recorded.shadow.put(challenger, str(i), [ROWS[0]])
    threading.Timer(0.05, recorded.held.set).start()
    recorded.shadow.stop()
    n = recorded.results.count("dropped")
    assert n + len(recorded.found) == 101
    recorded.shadow.put(challenger, "late", [ROWS[0]])
    assert recorded.results.count("dropped") == n + 1
    assert not any(thread.name == "shadow" for thread in threading.enumerate())
