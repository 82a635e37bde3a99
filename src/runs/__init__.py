"""Runs on disk: what a run directory holds, when it is complete, what identifies it, and
which of them are promoted.

Importing this package loads no pandas, joblib or scikit-learn: the service reads runs too.
"""

from src.runs.directory import OUTPUTS, RunDirectory, is_complete
from src.runs.environment import code_version, library_versions, platform_facts, worker_facts
from src.runs.evidence import Evidence, model_name_of, read_evidence
from src.runs.finding import find_run, newest_complete_run
from src.runs.fits import FinishedFits, Plan, differences, is_searched, read_plan
from src.runs.identity import as_plain, code_hash, run_id_of
from src.runs.manifest import Manifest, changed_files, read_manifest
from src.runs.pointer import Promotion
from src.runs.recording import recorded
from src.runs.registry import Registry
from src.runs.roots import beneath
from src.runs.summary import Summary
from src.runs.unfinished import unfinished_runs
from src.runs.verified import VerifiedRun, read_verified

__all__ = [
    "OUTPUTS",
    "Evidence",
    "FinishedFits",
    "Manifest",
    "Plan",
    "Promotion",
    "Registry",
    "RunDirectory",
    "Summary",
    "VerifiedRun",
    "as_plain",
    "beneath",
    "changed_files",
    "code_hash",
    "code_version",
    "differences",
    "find_run",
    "is_complete",
    "is_searched",
    "library_versions",
    "model_name_of",
    "newest_complete_run",
    "platform_facts",
    "read_evidence",
    "read_manifest",
    "read_plan",
    "read_verified",
    "recorded",
    "run_id_of",
    "unfinished_runs",
    "worker_facts",
]
