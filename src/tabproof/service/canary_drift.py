"""Take a canary back whose rows or answers are not as in training.

It works in the thread of the prediction log, on the rows that the log gets: no answer waits.
"""

import logging
from collections.abc import Callable

from tabproof.artifacts.reference import read_reference
from tabproof.drift.running import Change, RowsTest
from tabproof.errors import UserError
from tabproof.prediction_log.layout import LoggedModel
from tabproof.prediction_log.segments import Pauses
from tabproof.prediction_log.stream import DAY, Scored
from tabproof.service.challengers import Canaries, CanaryWatch

log = logging.getLogger("uvicorn.error")


class CanaryDrift:
    """The tests of the canaries of one process.

    level: the probability that a canary is taken back although its rows are as in training.
    """

    def __init__(self, canaries: Canaries, level: float) -> None:
        self._canaries, self._level = canaries, level
        # By model; None for a canary that cannot be tested.
        self._tests: dict[str, tuple[CanaryWatch, RowsTest | None]] = {}

    def observe(self, model: LoggedModel, rows: Scored) -> None:
        """Count rows that a canary answered; take it back if those of the day before differ."""
        watch = self._canaries.watch_of(model.name, model.run_id)
        if watch is None or watch.why_taken_back:
            return
        before, _ = self._tests.get(model.name, (None, None))
        if before is not watch:
            self._tests[model.name] = watch, self._make(watch, model)

        def count(test: RowsTest) -> Change | None:
            pauses = Pauses()
            change = test.change_before(rows.time // DAY)
            for name, cells in rows.columns.items():
                test.add_column(name, cells)
                pauses.take()
            test.add_answers(rows.proba, rows.codes, rows.warned)
            return change

        self._try(model, count)

    def look(self, model: LoggedModel) -> None:
        """Take a canary back if the quality of its rows has changed."""
        self._try(model, RowsTest.change)

    def _try(self, model: LoggedModel, call: Callable[[RowsTest], Change | None]) -> None:
        watch, test = self._tests.get(model.name, (None, None))
        is_of_it = watch is not None and watch.challenge.run_id == model.run_id
        if watch is None or test is None or watch.why_taken_back or not is_of_it:
            return
        try:
            change = call(test)
        except Exception:  # whatever it is, the rows are logged
            self._tests[model.name] = watch, None
            log.exception("the rows of the canary of '%s' can be tested no longer", model.name)
            return
        if change is not None:
            self._canaries.take_back(watch, f"drift: {change}")

    def _make(self, watch: CanaryWatch, model: LoggedModel) -> RowsTest | None:
        try:
            reference = read_reference(watch.path)
            if reference is None:
                reason = "its run was made by an earlier version, and has no reference.json"
            elif set(reference.labels) != set(model.labels):
                reason = "its reference.json has other labels"
            else:
                sticky = watch.challenge.sticky
                categories = {column.name: column.categories for column in model.columns}
                return RowsTest(
                    reference,
                    model.labels,
                    categories,
                    self._level,
                    # Its share of the keys need not be as in training.
                    ignored=frozenset(() if sticky is None else (sticky,)),
                )
        except (UserError, OSError) as error:
            reason = str(error)
        message = "drift does not take back the canary of '%s', run %s: %s"
        log.warning(message, model.name, model.run_id, reason)
        return None
