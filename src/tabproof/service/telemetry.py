"""Metrics for Prometheus and one JSON line per request. Cells are never logged."""

import os
import sys
from collections import Counter as Tally
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import generate_latest

from tabproof.service.errors import SettingError
from tabproof.service.served_model import ServedModel

# Seconds. A response takes a quarter of a millisecond, a large batch a tenth of a second.
BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
METHODS = {"GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"}


class LogLine(msgspec.Struct):
    """One request; route is the template of the path, which may contain personal data."""

    time: str
    level: str
    request_id: str
    method: str
    route: str
    status: int
    ms: float
    run_id: str | None
    rows: int


class Telemetry:
    """Count and log requests; one object per application."""

    def __init__(self, log: str) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Counter(
            "api_requests", "requests", ["route", "method", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "api_request_seconds",
            "seconds from the request head to the response",
            ["route"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._predictions = Counter(
            "api_predictions", "predictions by label", ["model", "label"], registry=self.registry
        )
        self._models = Gauge(
            "api_model_info", "served models", ["model", "run_id"], registry=self.registry
        )
        self._reloads = Counter("api_reloads", "reloads", ["result"], registry=self.registry)
        self._seen: dict[tuple[str, str, int], tuple[Any, Any]] = {}
        self._labels: dict[tuple[str, str], Any] = {}
        self._encode = msgspec.json.Encoder().encode
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            self._log = sys.stdout.fileno() if log == "-" else os.open(log, flags, 0o644)
        except OSError as error:
            valid = f"a file that can be written, or '-' ({error.strerror})"
            raise SettingError(variable="API_LOG", found=log, valid=valid) from error

    def request(
        self,
        *,
        request_id: str,
        method: str,
        route: str,
        status: int,
        seconds: float = 0.0,
        run_id: str | None = None,
        rows: int = 0,
    ) -> None:
        """Count and log a request."""
        method = method if method in METHODS else "OTHER"
        key = (route, method, status)
        found = self._seen.get(key)
        if found is None:
            # Looking up the children by their labels takes longer than counting.
            found = self._requests.labels(route, method, str(status)), self._seconds.labels(route)
            self._seen[key] = found
        found[0].inc()
        found[1].observe(seconds)
        level = "info" if status < 400 else "warning" if status < 500 else "error"
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        ms = round(seconds * 1000, 3)
        line = LogLine(now, level, request_id, method, route, status, ms, run_id, rows)
        # A full disk must not fail the request; the counters above still count it.
        with suppress(OSError):
            os.write(self._log, self._encode(line) + b"\n")

    def predictions(self, model: str, labels: Iterable[str]) -> None:
        """Count predicted labels."""
        for label, count in Tally(labels).items():
            counter = self._labels.get((model, label))
            if counter is None:
                counter = self._labels[model, label] = self._predictions.labels(model, label)
            counter.inc(count)

    def models(self, models: Iterable[ServedModel]) -> None:
        """Set the gauge of served runs."""
        self._models.clear()
        for model in models:
            self._models.labels(model.name, model.run_id).set(1)

    def reload(self, models: Iterable[ServedModel], *, succeeded: bool) -> None:
        """Count a reload, and set the gauge of served runs."""
        self.models(models)
        self._reloads.labels("succeeded" if succeeded else "refused").inc()

    def page(self) -> bytes:
        """Return the metrics page."""
        return generate_latest(self.registry)
