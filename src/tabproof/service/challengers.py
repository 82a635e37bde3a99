"""Which requests a challenger gets, and when a canary's are taken back.

A shadow is scored in the background (`shadow.py`). A canary answers its share of the requests; what
it cannot answer, the champion answers.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from threading import Lock
from time import perf_counter
from typing import Protocol, TypeVar

from tabproof.artifacts import Challenge, Registry
from tabproof.errors import UserError
from tabproof.service.answers import ChallengerInfo
from tabproof.service.rows import Cell, Row
from tabproof.service.served_model import ServedModel
from tabproof.service.settings import Settings

# Answers of a canary before its errors and its time are judged, and after which both are counted
# from zero again.
MIN_ANSWERS, WINDOW = 100, 1000
NO_LOG = "a shadow would be scored for nobody: API_PREDICTION_LOG sets no prediction log"

log = logging.getLogger("uvicorn.error")

Found = TypeVar("Found")


@dataclass(frozen=True)
class Challenger:
    """A challenger that is loaded beside its champion."""

    model: ServedModel
    challenge: Challenge


@dataclass(frozen=True)
class RefusedChallenge:
    """A challenge whose challenger is not served, and why; None: not even the challenge is known.

    is_failure: it should be served, and cannot be loaded.
    """

    challenge: Challenge | None
    why: str
    is_failure: bool = True

    @property
    def info(self) -> ChallengerInfo:
        """The same for clients."""
        if (what := self.challenge) is None:
            return ChallengerInfo("", "unknown", 0.0, detail=self.why)
        return ChallengerInfo(what.run_id, what.kind, 0.0, what.sticky, self.why)


def load_challengers(
    registry: Registry,
    models: Mapping[str, ServedModel],
    before: Mapping[str, Challenger],
    load: Callable[[str, str], ServedModel],
    message_of: Callable[[UserError | OSError], str],
    *,
    has_log: bool,
    logged: Mapping[str, RefusedChallenge],
) -> tuple[dict[str, Challenger], dict[str, RefusedChallenge]]:
    """Load the challengers of models, and say which are not served, and why.

    before: those that need not be loaded again. load: takes a name and a version. has_log:
    whether there is a prediction log. logged: refusals that are not logged again.
    """
    found: dict[str, Challenger] = {}
    refused: dict[str, RefusedChallenge] = {}
    for name, model in models.items():
        if not model.promoted:
            continue
        challenge = None
        try:
            challenge = registry.challenge_of(name)
            # Another version than the current one may have been loaded by its path.
            if challenge is None or challenge.champion != model.run_id:
                continue
            if challenge.kind == "shadow" and not has_log:
                refused[name] = RefusedChallenge(challenge, NO_LOG, is_failure=False)
            elif name in before and before[name].challenge == challenge:
                found[name] = before[name]
            else:
                found[name] = Challenger(load(name, challenge.version), challenge)
        except (UserError, OSError) as error:
            refused[name] = RefusedChallenge(challenge, message_of(error))
    for name, refusal in refused.items():
        if logged.get(name) != refusal:
            level = logging.ERROR if refusal.is_failure else logging.WARNING
            log.log(level, "the challenger of '%s' is not served: %s", name, refusal.why)
    return found, refused


def is_chosen(challenge: Challenge, key: str) -> bool:
    """Return whether a key is in the share of a challenge.

    The same keys are chosen each time. A larger share of the same run has all keys of a smaller
    one, and another run has others.
    """
    if challenge.share >= 1:
        return True
    salt = challenge.run_id.encode()
    found = blake2b(key.encode(errors="surrogatepass"), digest_size=8, key=salt).digest()
    return int.from_bytes(found) < challenge.share * 2**64


def key_of(cell: Cell) -> str | None:
    """Return a cell as text, in which 7, 7.0 and "7" are the same; None for a missing one."""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return None if cell is None or cell == "" else str(cell)


def answers(challenge: Challenge, request_id: str, rows: Sequence[Row]) -> bool:
    """Return whether a canary answers a request.

    A request has one answer: with a sticky column, all its rows must be in the share. A row without
    a cell there follows the request id.
    """
    if challenge.sticky is None:
        return is_chosen(challenge, request_id)
    keys = {key_of(row.get(challenge.sticky)) for row in rows} or {None}
    return all(is_chosen(challenge, request_id if key is None else key) for key in keys)


class Counted(Protocol):
    """What counts the requests of challengers: `Telemetry`."""

    def challenger(self, model: str, result: str, count: int = 1) -> None:
        """Count requests of a challenger."""

    def taken_back(self, model: str, run_id: str) -> None:
        """Show that a canary answers no longer."""


class CanaryWatch:
    """Compare the errors and the time of one canary with the bounds; take it back beyond them.

    `CanaryDrift` looks at its rows, where there is a prediction log.

    Time is the mean seconds per row of an answer, of the canary and of its champion over the same
    while, so that a large batch of one of them has no more weight than a row.
    """

    def __init__(self, challenger: Challenger, settings: Settings) -> None:
        self.challenge, self._settings = challenger.challenge, settings
        self.model, self.path = challenger.model.name, challenger.model.path
        self.why_taken_back = ""
        self.is_failure_logged = False
        # Large requests are answered in the worker thread.
        self._lock = Lock()
        self._start_window()

    def _start_window(self) -> None:
        self._n, self._n_errors, self._seconds = 0, 0, 0.0
        self._n_champion, self._champion_seconds = 0, 0.0

    def champion(self, seconds: float, n_rows: int) -> None:
        """Count an answer of the champion."""
        with self._lock:
            self._n_champion += 1
            self._champion_seconds += seconds / max(n_rows, 1)

    def canary(self, seconds: float, n_rows: int, *, failed: bool = False) -> bool:
        """Count a request of the canary; return whether it is taken back now."""
        with self._lock:
            self._n += 1
            self._n_errors += failed
            self._seconds += seconds / max(n_rows, 1)
            why = self._excess() if self._n >= MIN_ANSWERS else ""
            if self._n >= WINDOW:
                self._start_window()
            return self._end(why)

    def take_back(self, why: str) -> bool:
        """End the canary for another reason; return whether it is taken back now."""
        with self._lock:
            return self._end(why)

    def _end(self, why: str) -> bool:
        if not why or self.why_taken_back:
            return False
        self.why_taken_back = why
        return True

    def _excess(self) -> str:
        """Return which bound is exceeded; empty for none."""
        most, slowest = self._settings.canary_max_error_share, self._settings.canary_max_slowdown
        if self._n_errors > most * self._n:
            share = self._n_errors / self._n
            return f"it failed in {share:.1%} of {self._n} requests, more than {most:.1%}"
        if self._n_champion >= MIN_ANSWERS:
            mean, champion = self._seconds / self._n, self._champion_seconds / self._n_champion
            if mean > slowest * champion:
                return (
                    f"a row takes {mean * 1e6:,.0f} us, more than {slowest:g} times the"
                    f" {champion * 1e6:,.0f} us of the champion"
                )
        return ""


class Canaries:
    """The canaries of one process: who answers, and whether it still may."""

    def __init__(self, settings: Settings, counted: Counted) -> None:
        self._settings, self._counted = settings, counted
        self._watches: dict[str, CanaryWatch] = {}

    def watch(self, challenger: Challenger) -> CanaryWatch:
        """Return the watch of a canary; the same after a reload, and a new one per challenge."""
        name, challenge = challenger.model.name, challenger.challenge
        found = self._watches.get(name)
        if found is None or found.challenge != challenge:
            found = self._watches[name] = CanaryWatch(challenger, self._settings)
        return found

    def watch_of(self, model: str, run_id: str) -> CanaryWatch | None:
        """Return the watch of a canary that has answered; None for another run than the current."""
        found = self._watches.get(model)
        return None if found is None or found.challenge.run_id != run_id else found

    def take_back(self, watch: CanaryWatch, why: str) -> None:
        """Take a canary back in this process; callable from any thread."""
        if watch.take_back(why):
            self._announce(watch)

    def _announce(self, watch: CanaryWatch) -> None:
        run_id = watch.challenge.run_id
        message = "the canary of '%s', run %s, answers no longer in this process: %s"
        log.error(message, watch.model, run_id, watch.why_taken_back)
        self._counted.taken_back(watch.model, run_id)

    def info(self, challenger: Challenger) -> ChallengerInfo:
        """Describe a challenger, and whether it was taken back."""
        what = challenger.challenge
        why = self.watch(challenger).why_taken_back if what.kind == "canary" else ""
        detail = f"answers no longer in this process: {why}" if why else ""
        return ChallengerInfo(
            what.run_id, what.kind, 0.0 if why else what.share, what.sticky, detail
        )

    def answer(
        self,
        champion: ServedModel,
        challenger: Challenger,
        request_id: str,
        rows: Sequence[Row],
        score: Callable[[ServedModel], Found],
    ) -> Found:
        """Return what `score` returns for the model that answers a request.

        Where the canary fails, the champion answers; what it refuses too is no failure.
        """
        watch = self.watch(challenger)
        started = perf_counter()
        if watch.why_taken_back or not answers(challenger.challenge, request_id, rows):
            found = score(champion)
            watch.champion(perf_counter() - started, len(rows))
            return found
        model, name = challenger.model, champion.name
        try:
            found = score(model)
        except Exception:  # whatever it is, the champion answers
            seconds = perf_counter() - started
            found = score(champion)
            if not watch.is_failure_logged:
                watch.is_failure_logged = True
                message = "the canary of '%s', run %s, failed, and the champion answers"
                log.exception(message, name, model.run_id)
            self._counted.challenger(name, "failed")
            is_last = watch.canary(seconds, len(rows), failed=True)
        else:
            self._counted.challenger(name, "answered")
            is_last = watch.canary(perf_counter() - started, len(rows))
        if is_last:
            self._announce(watch)
        return found
