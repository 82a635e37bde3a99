"""Clients that post rows to /predict as fast as possible, and check each answer."""

import json
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from threading import Event, Thread
from types import TracebackType

from benchmarks.adult import HoldOut
from benchmarks.answers import is_right, one_row
from benchmarks.endurance.world import in_words, require
from benchmarks.service import ANSWER_SECONDS, HOST, JSON, Service

MAX_FAULTS = 100


class Clients:
    """Post from n threads until the block ends. expected: the answers of each run, by run id."""

    def __init__(self, service: Service, expected: Mapping[str, HoldOut], n_clients: int) -> None:
        self.faults: list[str] = []
        self.counts: dict[str, int] = dict.fromkeys(expected, 0)
        self._service, self._expected = service, expected
        self._ended = Event()
        self._threads = [
            Thread(target=self._post, args=(number,), daemon=True) for number in range(n_clients)
        ]

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    @property
    def n_answers(self) -> int:
        """The number of right answers."""
        return sum(self.counts.values())

    def require_faultless(self) -> None:
        """Raise CheckFailedError where an answer was wrong, missing, or of a mixture of runs."""
        require(not self.faults, in_words(self.faults))
        require(self.n_answers > 0, "no client was answered")

    def _post(self, turn: int) -> None:
        rows = next(iter(self._expected.values())).rows
        bodies = [json.dumps(one_row(row)).encode() for row in rows]
        connection = HTTPConnection(HOST, self._service.port, timeout=ANSWER_SECONDS)
        while not self._ended.is_set() and len(self.faults) < MAX_FAULTS:
            turn = (turn + 1) % len(rows)
            try:
                connection.request("POST", "/predict", bodies[turn], JSON)
                response = connection.getresponse()
                self._judge(turn, response.status, response.read())
            except (OSError, HTTPException, ValueError) as error:
                self.faults.append(f"{type(error).__name__}: {error}")
                connection.close()
        connection.close()

    def _judge(self, turn: int, status: int, text: bytes) -> None:
        if status != 200:
            self.faults.append(f"{status} {text[:200]!r}")
            return
        content = json.loads(text)
        run_id = content.get("run_id")
        if run_id not in self._expected:
            self.faults.append(f"an answer of run {run_id!r}, which was never asked for")
        elif not is_right(content, self._expected[run_id].proba[turn]):
            proba = self._expected[run_id].proba[turn]
            self.faults.append(f"run {run_id} gives {proba}, the answer is {text[:200]!r}")
        else:
            # The figure is only shown: a lost increment matters less than the time of a lock.
            self.counts[run_id] += 1
