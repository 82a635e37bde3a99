"""Runs on disk: what a run directory holds, when it is complete, what identifies it, and
which of them are promoted.

Importing this package loads no numeric library: the service reads runs too, and the limits of
threads must be set before numpy is loaded.
"""

from tabproof.artifacts.checkpoint import FinishedFits, Plan, differences, is_searched, read_plan
from tabproof.artifacts.files import point_to, write_atomically
from tabproof.artifacts.find import (
    Found,
    find_run,
    is_date,
    newest_complete_run,
    read_records,
    read_set,
    skip_completed,
    unfinished_runs,
)
from tabproof.artifacts.manifest import Manifest, changed_files, read_manifest
from tabproof.artifacts.provenance import (
    CodeState,
    as_plain,
    code_hash,
    deciding_code_hash,
    environment_text,
    library_versions,
    platform_facts,
    project_root,
    read_code_state,
    run_id_of,
    worker_facts,
)
from tabproof.artifacts.record import (
    COMPLETE,
    Facts,
    Proof,
    Record,
    differing_rows,
    flattened,
    model_name_of,
    one_line,
    path_text,
    read_facts,
    read_proof,
    read_record,
)
from tabproof.artifacts.record import by_key as choices_by_key
from tabproof.artifacts.registry import Promotion, Registry
from tabproof.artifacts.run_directory import (
    FOR_PEOPLE,
    MODEL_CARD,
    OUTPUTS,
    REPORT,
    RunDirectory,
    RunSkipped,
    is_complete,
    recorded,
)
from tabproof.artifacts.summary import Summary
from tabproof.artifacts.sweep_directory import SweepDirectory, cleared, now_in_words
from tabproof.artifacts.verify import VerifiedRun, read_verified

__all__ = [
    "COMPLETE",
    "FOR_PEOPLE",
    "MODEL_CARD",
    "OUTPUTS",
    "REPORT",
    "CodeState",
    "Facts",
    "FinishedFits",
    "Found",
    "Manifest",
    "Plan",
    "Promotion",
    "Proof",
    "Record",
    "Registry",
    "RunDirectory",
    "RunSkipped",
    "Summary",
    "SweepDirectory",
    "VerifiedRun",
    "as_plain",
    "changed_files",
    "choices_by_key",
    "cleared",
    "code_hash",
    "deciding_code_hash",
    "differences",
    "differing_rows",
    "environment_text",
    "find_run",
    "flattened",
    "is_complete",
    "is_date",
    "is_searched",
    "library_versions",
    "model_name_of",
    "newest_complete_run",
    "now_in_words",
    "one_line",
    "path_text",
    "platform_facts",
    "point_to",
    "project_root",
    "read_code_state",
    "read_facts",
    "read_manifest",
    "read_plan",
    "read_proof",
    "read_record",
    "read_records",
    "read_set",
    "read_verified",
    "recorded",
    "run_id_of",
    "skip_completed",
    "unfinished_runs",
    "worker_facts",
    "write_atomically",
]
