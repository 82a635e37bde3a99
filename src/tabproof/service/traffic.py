"""Which model answers a request, and whether its challenger gets it too."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from tabproof.service.answers import ChallengerInfo
from tabproof.service.challengers import Canaries, Challenger, is_chosen
from tabproof.service.model_store import Served
from tabproof.service.rows import Row
from tabproof.service.served_model import ServedModel
from tabproof.service.settings import Settings
from tabproof.service.shadow import Shadow
from tabproof.service.telemetry import Telemetry

if TYPE_CHECKING:
    from tabproof.prediction_log.writer import PredictionLog

Found = TypeVar("Found")


class Traffic:
    """The requests of one process, between champions and challengers.

    log: gets what shadows predict; without one there is no shadow, and drift takes no canary back.
    """

    def __init__(
        self, settings: Settings, telemetry: Telemetry, log: "PredictionLog | None" = None
    ) -> None:
        self._telemetry, self._canaries = telemetry, Canaries(settings, telemetry)
        self._shadow = None if log is None else Shadow(log, telemetry)
        if log is not None and settings.canary_drift_level:
            from tabproof.service.canary_drift import CanaryDrift

            drift = CanaryDrift(self._canaries, settings.canary_drift_level)
            log.observe("canary", drift)

    def answer(
        self,
        model: ServedModel,
        challenger: Challenger | None,
        request_id: str,
        rows: Sequence[Row],
        score: Callable[[ServedModel], Found],
    ) -> Found:
        """Return what `score` returns for the model that answers.

        challenger: of `challenger_of`. A canary answers its share; a shadow gets its share in the
        background, and no answer waits for it.
        """
        if challenger is None:
            return score(model)
        if challenger.challenge.kind == "canary":
            return self._canaries.answer(model, challenger, request_id, rows, score)
        found = score(model)
        if self._shadow is not None and is_chosen(challenger.challenge, request_id):
            self._shadow.put(challenger, request_id, rows)
        return found

    def infos(self, served: Served) -> dict[str, ChallengerInfo]:
        """Describe the challengers by model, those that are not served too."""
        found = {name: self._canaries.info(each) for name, each in served.challengers.items()}
        return found | {name: each.info for name, each in served.refused.items()}

    def show(self, served: Served) -> None:
        """Set the gauge of challengers, and count those that could not be loaded."""
        shares: dict[tuple[str, str, str], float] = {}
        for name, each in served.challengers.items():
            info = self._canaries.info(each)
            shares[name, info.run_id, info.kind] = info.share
        failed = [name for name, each in served.refused.items() if each.is_failure]
        self._telemetry.challengers(shares, failed)

    def stop(self) -> None:
        """End the thread of the shadow."""
        if self._shadow is not None:
            self._shadow.stop()


def challenger_of(
    served: Served, model: ServedModel, version: str | None = None
) -> Challenger | None:
    """Return the challenger of a request; version: the one that the client named."""
    found = served.challengers.get(model.name)
    # Who names a version gets the answer of that version.
    is_named = version is not None and found is not None and found.challenge.kind == "canary"
    return None if is_named else found
