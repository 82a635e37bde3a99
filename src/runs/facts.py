"""What a complete run says of itself in full, for people who look at it or compare it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.errors import NotARunError
from src.runs import choices
from src.runs.directory import SUMMARY
from src.runs.manifest import read_manifest
from src.runs.record import COMPLETE, Record, read_record, read_sealed


@dataclass(frozen=True)
class Facts:
    """summary and config: as they stand in the run's files; n_files: those of the manifest."""

    path: Path
    run_id: str
    record: Record
    summary: Mapping[str, Any]
    config: Mapping[str, Any]
    n_files: int


def read_facts(run: Path) -> Facts:
    """Read a complete run; its numbers are compared with their hash."""
    manifest = read_manifest(run)
    record = read_record(run)
    if manifest is None or record.state not in COMPLETE:
        raise NotARunError(run, record.state, record.cause)
    summary = json.loads(read_sealed(run, SUMMARY, manifest))
    config = choices.read_yaml(run / "config.yaml")
    return Facts(
        path=run,
        run_id=manifest.run_id,
        record=record,
        summary=summary,
        config=config if isinstance(config, dict) else {},
        n_files=len(manifest.files),
    )


def flattened(tree: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Give every leaf with its key, as in 'search.n_splits'; a list is a leaf."""
    for name, value in tree.items():
        key = f"{above}.{name}" if above else str(name)
        if isinstance(value, Mapping) and value:
            yield from flattened(value, key)
        else:
            yield key, value
