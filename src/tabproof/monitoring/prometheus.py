"""A check as gauges in Prometheus' text format, for node_exporter's textfile collector."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from tabproof.monitoring.result import Check, ModelCheck, RunCheck

PREFIX = "tabproof_monitor_"
# What each gauge is, in the order of the file.
HELP = {
    "last_check_timestamp_seconds": "When the log was checked.",
    "unreadable_files": "Files of the log that are not whole.",
    "verdict": "Of a model: 0 fine, 1 an alarm, 2 cannot tell.",
    "alarms": "Alarms of a run that have not ended.",
    "rows": "Rows that a run answered in the period.",
    "requests": "Requests that a run answered in the period.",
    "warned_ratio": "Share of a model's rows that were answered with a warning.",
    "last_row_timestamp_seconds": "When a run answered its newest row.",
    "column_stability_index": "Population stability index of a column.",
    "column_stability_index_by_chance": "What the index stays below in 95 of 100 periods.",
    "column_total_variation": "Total variation distance of a column from the reference.",
    "column_missing_ratio": "Share of rows without a value in a column.",
    "column_unseen_ratio": "Share of rows with a category that training did not have.",
    "column_out_of_range_ratio": "Share of rows outside the range of training.",
    "joint_auc": "AUC of a classifier of the first and the newest rows; 0.5 is no difference.",
    "expected": "Metric that the probabilities of the period imply.",
    "measured": "Metric of the rows whose label is known.",
    "held_out": "Metric of the rows held out when the run was trained.",
    "labelled_rows": "Rows of the period whose label is known.",
    "challenger_agreement_ratio": "Share of rows with the champion's label.",
}


def gauges(check: Check) -> str:
    """Return the gauges of a check; what cannot be given is absent."""
    found: dict[str, list[str]] = {name: [] for name in HELP}
    for name, labels, value in _values(check):
        pairs = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        found[name].append(f"{PREFIX}{name}{f'{{{pairs}}}' if pairs else ''} {value!r}")
    lines = []
    for name, samples in found.items():
        if samples:
            lines += [f"# HELP {PREFIX}{name} {HELP[name]}", f"# TYPE {PREFIX}{name} gauge"]
            lines += samples
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


Sample = tuple[str, Mapping[str, str], float]


def _values(check: Check) -> Iterator[Sample]:
    yield "last_check_timestamp_seconds", {}, _timestamp(check.made)
    yield "unreadable_files", {}, check.n_unreadable
    for model in check.models:
        yield from _of_model(model)


def _of_model(model: ModelCheck) -> Iterator[Sample]:
    name = {"model": model.model}
    yield "verdict", name, model.exit_code
    if model.n_rows:
        yield "warned_ratio", name, model.n_with_warnings / model.n_rows
    for run in model.runs:
        yield from _of_run(run, name)
    for challenge in model.challengers:
        if challenge.agreement.value is not None:
            labels = {**name, "run": challenge.run_id, "champion": challenge.champion}
            yield "challenger_agreement_ratio", labels, challenge.agreement.value


def _of_run(run: RunCheck, model: Mapping[str, str]) -> Iterator[Sample]:
    labels = {**model, "run": run.run_id}
    if run.is_judged:
        yield "alarms", labels, len(run.alarms)
    yield "rows", labels, run.n_rows
    yield "requests", labels, run.n_requests
    yield "last_row_timestamp_seconds", labels, _timestamp(run.last)
    for each in run.inputs:
        of_column = {**labels, "column": each.name}
        for name, value in (
            ("column_stability_index", each.psi),
            ("column_stability_index_by_chance", each.chance),
            ("column_total_variation", each.total_variation),
        ):
            if value is not None:
                yield name, of_column, value
    for quality in run.quality:
        of_column = {**labels, "column": quality.name}
        yield "column_missing_ratio", of_column, quality.missing
        yield "column_unseen_ratio", of_column, quality.unseen
        yield "column_out_of_range_ratio", of_column, quality.out_of_range
    if run.joint is not None and run.joint.auc.value is not None:
        yield "joint_auc", labels, run.joint.auc.value
    if run.expected is not None:
        for metric, value in run.expected.metrics.items():
            if value is not None:
                yield "expected", {**labels, "metric": metric}, value
        for metric, estimate in run.expected.measured.items():
            if estimate.value is not None:
                yield "held_out", {**labels, "metric": metric}, estimate.value
    if run.performance is not None:
        yield "labelled_rows", labels, run.performance.n_labelled
        for metric, estimate in run.performance.metrics.items():
            if estimate.value is not None:
                yield "measured", {**labels, "metric": metric}, estimate.value


def _timestamp(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
