"""The run behind a run id of the log: its reference, and what was measured on the held-out rows."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tabproof import artifacts
from tabproof.artifacts.reference import Reference, read_reference
from tabproof.artifacts.run_directory import SCHEMA
from tabproof.errors import UserError
from tabproof.evaluation_result import Estimate
from tabproof.monitoring.result import LeftOut
from tabproof.schema import Schema

# A log comes from elsewhere: what does not look like an id is looked up nowhere.
RUN_ID = re.compile(r"[0-9a-f]{4,64}")


@dataclass(frozen=True)
class LoggedRun:
    """What is known of a run; all but left_out is empty where it is gone.

    labels : in the run's order. costs : a row per true and a column per predicted label. measured :
    metrics of the held-out rows. slices : columns of evaluation.slices. kinds : of the columns.
    """

    path: Path | None = None
    reference: Reference | None = None
    labels: Sequence[str] = ()
    threshold: float | None = None
    calibration: str = ""
    costs: Sequence[Sequence[float]] | None = None
    measured: Mapping[str, Estimate] = field(default_factory=dict)
    slices: Sequence[str] = ()
    kinds: Mapping[str, str] = field(default_factory=dict)
    left_out: Sequence[LeftOut] = ()


def find_logged_run(run_id: str, model: str, outputs: Path, models: Path) -> LoggedRun:
    """Find a run in the registry or below outputs, and read what is compared with the log."""
    what = "what needs the run"
    path = _find(run_id, model, outputs, models)
    if path is None:
        reason = f"run {run_id} is neither in {models} nor in {outputs}"
        return LoggedRun(left_out=[LeftOut(what, reason)])
    try:
        run = artifacts.read_complete_run(path)
    except UserError as error:
        return LoggedRun(left_out=[LeftOut(what, str(error))])
    left_out, reference = list[LeftOut](), None
    try:
        reference = read_reference(path)
    except UserError as error:
        left_out.append(LeftOut("the comparison with the reference", str(error)))
    else:
        if reference is None:
            reason = "the run has no reference.json: it is of an earlier version"
            left_out.append(LeftOut("the comparison with the reference", reason))
    summary = run.summary
    costs = summary.decision.get("costs")
    return LoggedRun(
        path=path,
        reference=reference,
        labels=tuple(summary.labels),
        threshold=summary.threshold,
        calibration=summary.calibration,
        costs=costs if isinstance(costs, list | tuple) else None,
        measured={
            name: Estimate(value, *(summary.intervals.get(name) or (None, None)))
            for name, value in summary.metrics.items()
        },
        slices=_slices(run.config),
        kinds=_kinds(path),
        left_out=left_out,
    )


def _find(run_id: str, model: str, outputs: Path, models: Path) -> Path | None:
    if RUN_ID.fullmatch(run_id) is None:
        return None
    registry = artifacts.Registry(models)
    try:
        names = registry.names()
        # Under its own name, most likely; a model may have been promoted under several.
        for name in sorted(names, key=lambda name: name != model):
            path = registry.path_of(name, run_id)
            if artifacts.is_complete(path):
                return path
    except (UserError, OSError):
        pass
    try:
        found = artifacts.find_run(run_id, outputs)
    except UserError:
        return None
    # Not another run whose id begins so, nor a directory of this name.
    manifest = artifacts.read_manifest(found)
    return found if manifest is not None and manifest.run_id == run_id else None


def _slices(config: Mapping[str, Any]) -> tuple[str, ...]:
    evaluation = config.get("evaluation")
    found = evaluation.get("slices") if isinstance(evaluation, Mapping) else None
    return tuple(map(str, found)) if isinstance(found, list) else ()


def _kinds(path: Path) -> dict[str, str]:
    try:
        content = (path / SCHEMA).read_text(encoding="utf-8")
        return {column.name: column.kind for column in Schema.from_json(content).columns}
    except (OSError, ValueError, UserError):
        return {}
