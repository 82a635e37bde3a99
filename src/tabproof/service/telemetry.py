"""Metrics for Prometheus and one JSON line per request. Cells are never logged."""

import os
import re
import sys
from collections import Counter as Tally
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from secrets import token_hex

import msgspec

from tabproof.service.served_model import ServedModel
from tabproof.service.settings import SettingError

# Seconds. A response takes a quarter of a millisecond, a large batch a tenth of a second.
BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
METHODS = {"GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"}


class LogLine(msgspec.Struct):
    """One request; route is the template of the path, which may contain personal data."""

    time: str = ""
    level: str = "info"
    request_id: str = ""
    method: str = "OTHER"
    route: str = "unmatched"
    status: int = 500
    ms: float = 0.0
    run_id: str | None = None
    rows: int = 0


def request_id_of(sent: bytes) -> str:
    """Return the id that a client sent, if it has the form of one; else a new one."""
    return sent.decode() if REQUEST_ID.fullmatch(sent) else token_hex(8)


class Telemetry:
    """Count and log requests; one object per application.

    directory: where several workers count together; None for one.
    """

    def __init__(self, log: str, directory: Path | None = None) -> None:
        # Imported here: it reads when it is imported whether several workers count together.
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

        self._directory = directory
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        counter = partial(Counter, registry=registry)
        requests = counter("api_requests", "requests", ["route", "method", "status"])
        predictions = counter("api_predictions", "predictions by label", ["model", "label"])
        logged = counter("api_predictions_logged", "predictions written to the prediction log", [])
        dropped = counter(
            "api_predictions_dropped", "predictions that the prediction log lost", ["reason"]
        )
        self._logged, self._dropped = logged, dropped
        self._reloads = counter("api_reloads", "reloads", ["result"])
        gauge = partial(Gauge, registry=registry)
        # Of several workers, those that are alive: 1 if one of them serves the run.
        gauge = partial(gauge, multiprocess_mode="livemax")
        self._models = gauge("api_model_info", "served models", ["model", "run_id"])
        self._served: set[tuple[str, str]] = set()
        by_result = ["model", "result"]
        self._challengers = cache(counter("api_challenger_requests", "by result", by_result).labels)
        # Of several workers, the least: one that has taken a canary back shows.
        of_challenger = ["model", "run_id", "kind"]
        least = partial(Gauge, registry=registry, multiprocess_mode="livemin")
        self._shares = least("api_challenger_share", "share of the requests", of_challenger)
        self._shown: dict[tuple[str, str, str], float] = {}
        histogram = partial(Histogram, buckets=BUCKETS, registry=registry)
        doc = "seconds from the request head to the response"
        seconds = histogram("api_request_seconds", doc, ["route"])
        # Looking up the children by their labels takes longer than counting.
        self._requests, self._seconds = cache(requests.labels), cache(seconds.labels)
        self._predictions = cache(predictions.labels)
        self._encode = msgspec.json.Encoder().encode
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            self._log = sys.stdout.fileno() if log == "-" else os.open(log, flags, 0o644)
        except OSError as error:
            valid = f"a file that can be written, or '-' ({error.strerror})"
            raise SettingError(variable="API_LOG", found=log, valid=valid) from error

    def request(self, line: LogLine, seconds: float = 0.0) -> None:
        """Count and log a request."""
        if line.method not in METHODS:
            line.method = "OTHER"
        self._requests(line.route, line.method, str(line.status)).inc()
        self._seconds(line.route).observe(seconds)
        line.time = datetime.now(UTC).isoformat(timespec="milliseconds")
        line.ms = round(seconds * 1000, 3)
        if line.status >= 400:
            line.level = "warning" if line.status < 500 else "error"
        # A full disk must not fail the request; the counters above still count it.
        with suppress(OSError):
            os.write(self._log, self._encode(line) + b"\n")

    def predictions(self, model: str, labels: Iterable[str]) -> None:
        """Count predicted labels."""
        for label, count in Tally(labels).items():
            self._predictions(model, label).inc(count)

    def logged(self, reason: str, n_rows: int) -> None:
        """Count predictions that were written to the prediction log, or dropped for a reason."""
        (self._dropped.labels(reason) if reason else self._logged).inc(n_rows)

    def models(self, models: Iterable[ServedModel], reload: str = "") -> None:
        """Set the gauge of served runs; reload: count one that "succeeded" or was "refused"."""
        served = {(model.name, model.run_id) for model in models}
        if self._directory is None:
            self._models.clear()
        # Labels cannot be removed where several workers count.
        for labels in served if self._directory is None else self._served | served:
            self._models.labels(*labels).set(labels in served)
        self._served |= served
        if reload:
            self._reloads.labels(reload).inc()

    def challenger(self, model: str, result: str, count: int = 1) -> None:
        """Count requests of a challenger: "scored", "dropped", "answered" "failed" or,
        at a load, "not_loaded".
        """
        self._challengers(model, result).inc(count)

    def challengers(
        self, shares: Mapping[tuple[str, str, str], float], failed: Iterable[str]
    ) -> None:
        """Set the gauge of challengers: shares by model, run id and kind; the others get 0.

        failed: models whose challengers could not be loaded, to be counted.
        """
        if self._directory is None:
            self._shares.clear()
            self._shown = {}
        self._shown = {**dict.fromkeys(self._shown, 0.0), **shares}
        for labels, share in self._shown.items():
            self._shares.labels(*labels).set(share)
        for model in failed:
            self.challenger(model, "not_loaded")

    def taken_back(self, model: str, run_id: str) -> None:
        """Show that a canary answers no longer."""
        labels = model, run_id, "canary"
        self._shown[labels] = 0.0
        self._shares.labels(*labels).set(0)

    def exposition(self) -> bytes:
        """Return all metrics in the format of Prometheus; of several workers, their sums."""
        from prometheus_client import CollectorRegistry
        from prometheus_client.exposition import generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector

        if self._directory is None:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry, str(self._directory))  # type: ignore[no-untyped-call]
        return generate_latest(registry)
