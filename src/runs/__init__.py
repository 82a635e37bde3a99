"""Runs on disk: what a run directory holds, when it is complete, what identifies it, and
which of them are promoted.

Importing this package loads no pandas, joblib or scikit-learn: the service reads runs too.
"""

from src.runs.atomic import point_to, write_atomically
from src.runs.choices import by_key as choices_by_key
from src.runs.directory import FOR_PEOPLE, MODEL_CARD, OUTPUTS, REPORT, RunDirectory, is_complete
from src.runs.environment import (
    CodeState,
    environment_text,
    library_versions,
    platform_facts,
    read_code_state,
    worker_facts,
)
from src.runs.facts import Facts, flattened, read_facts
from src.runs.finding import find_run, newest_complete_run
from src.runs.fits import FinishedFits, Plan, differences, is_searched, read_plan
from src.runs.identity import as_plain, code_hash, run_id_of
from src.runs.index import Found, is_date, read_records, read_set
from src.runs.leaderboard import (
    Entry,
    aligned,
    as_csv,
    as_markdown,
    as_text,
    entry_from,
    entry_of,
    in_markdown,
    ranked,
)
from src.runs.manifest import Manifest, changed_files, read_manifest
from src.runs.pointer import Promotion
from src.runs.proof import Proof, differing_rows, model_name_of, read_proof
from src.runs.record import COMPLETE, Record, one_line, path_text, read_record
from src.runs.recording import RunSkipped, recorded, skip_completed
from src.runs.registry import Registry
from src.runs.removal import is_swept, mark_newest, remove_run, size_of
from src.runs.roots import beneath
from src.runs.summary import Summary
from src.runs.sweep import SweepDirectory, cleared, now_in_words
from src.runs.unfinished import unfinished_runs
from src.runs.verified import VerifiedRun, read_verified

__all__ = [
    "COMPLETE",
    "FOR_PEOPLE",
    "MODEL_CARD",
    "OUTPUTS",
    "REPORT",
    "CodeState",
    "Entry",
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
    "aligned",
    "as_csv",
    "as_markdown",
    "as_plain",
    "as_text",
    "beneath",
    "changed_files",
    "choices_by_key",
    "cleared",
    "code_hash",
    "differences",
    "differing_rows",
    "entry_from",
    "entry_of",
    "environment_text",
    "find_run",
    "flattened",
    "in_markdown",
    "is_complete",
    "is_date",
    "is_searched",
    "is_swept",
    "library_versions",
    "mark_newest",
    "model_name_of",
    "newest_complete_run",
    "now_in_words",
    "one_line",
    "path_text",
    "platform_facts",
    "point_to",
    "ranked",
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
    "remove_run",
    "run_id_of",
    "size_of",
    "skip_completed",
    "unfinished_runs",
    "worker_facts",
    "write_atomically",
]
